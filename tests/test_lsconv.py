"""LS-Conv against the equations written as loops over cells and kernel entries."""

import pytest
import torch

from lsntp.chapters.method import loop_lsconv
from lsntp.model.graph import AdaptiveGraph, adaptive_adjacency
from lsntp.model.lsconv import NSA, LSConv, lagc


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("nsa", [True, False])
@pytest.mark.parametrize("use_lagc", [True, False])
@pytest.mark.parametrize(("bias", "relu"), [(True, False), (False, True)])
def test_equals_the_equations_written_as_loops(
    kernel: int, nsa: bool, use_lagc: bool, bias: bool, relu: bool
) -> None:
    torch.manual_seed(1)
    operator = LSConv(3, 4, kernel, nsa=nsa, lagc=use_lagc, bias=bias, relu=relu).double()
    if operator.lsi.bias is not None:
        torch.nn.init.normal_(operator.lsi.bias)
    embedding = torch.randn(4 * 5, 6, dtype=torch.float64)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        y = operator(x, adaptive_adjacency(embedding))
        for sample in range(2):
            expected = loop_lsconv(operator, embedding, x[sample])
            torch.testing.assert_close(y[sample], expected, rtol=1e-10, atol=1e-10)


def test_split_attention_is_the_sum_of_two_operators() -> None:
    """W_x⋆X + W_h⋆H: one LS-Conv over [X, H] with an attention each equals two LS-Convs."""
    torch.manual_seed(2)
    joint = LSConv(5, 4, 3, split=(2, 3))
    on_x, on_h = LSConv(2, 4, 3), LSConv(3, 4, 3, bias=False)
    on_x.nsa[0].load_state_dict(joint.nsa[0].state_dict())
    on_h.nsa[0].load_state_dict(joint.nsa[1].state_dict())
    with torch.no_grad():
        on_x.lsi.weight.copy_(joint.lsi.weight[:, :2])
        on_h.lsi.weight.copy_(joint.lsi.weight[:, 2:])
        x, h = torch.randn(2, 2, 4, 5), torch.randn(2, 3, 4, 5)
        adjacency = AdaptiveGraph(20, 8)()
        together = joint(torch.cat([x, h], 1), adjacency)
        torch.testing.assert_close(together, on_x(x, adjacency) + on_h(h, adjacency))


def test_attention_without_norm_is_a_matter_of_one_cell() -> None:
    """Changing one cell changes no other; with GroupNorm (released form) it does."""
    for norm, local in [(False, True), (True, False)]:
        torch.manual_seed(0)
        nsa = NSA(3, norm=norm)
        x = torch.randn(1, 3, 4, 5)
        changed = x.clone()
        changed[:, :, 0, 0] += 5
        with torch.no_grad():
            elsewhere = (nsa(changed) - nsa(x))[0, :, 1:]
        assert bool((elsewhere == 0).all()) is local


def test_graph_smoothing_by_a_hand_worked_graph() -> None:
    x = torch.tensor([1.0, 2.0, 4.0]).view(1, 1, 1, 3)
    adjacency = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])
    assert lagc(x, adjacency).flatten().tolist() == [3.0, 4.5, 8.0]


def test_gradients() -> None:
    torch.manual_seed(3)
    operator = LSConv(2, 2, 3).double()
    embedding = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, e: operator(x, adaptive_adjacency(e)), (x, embedding))


@pytest.mark.parametrize("nsa", [True, False])
def test_links_with_a_kernel_of_their_own_as_loops(nsa: bool) -> None:
    """``X ⋆ Θ + (A X) ⋆ Φ``, from loops of (I + A) X ⋆ Φ and X ⋆ Φ."""
    torch.manual_seed(5)
    untied = LSConv(3, 4, 3, nsa=nsa, tied=False).double()
    of_cell, of_both, of_links = (
        LSConv(3, 4, 3, nsa=nsa, lagc=lagc, bias=bias).double()
        for lagc, bias in ((False, True), (True, False), (False, False))
    )
    for part in (of_cell, of_both, of_links):
        part.nsa.load_state_dict(untied.nsa.state_dict())
    of_cell.lsi.load_state_dict(untied.lsi.state_dict())
    assert untied.phi is not None
    of_both.lsi.load_state_dict(untied.phi.state_dict())
    of_links.lsi.load_state_dict(untied.phi.state_dict())
    embedding = torch.randn(20, 6, dtype=torch.float64)
    x = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        cell, both, own = (
            loop_lsconv(part, embedding, x[0]) for part in (of_cell, of_both, of_links)
        )
        y = untied(x, adaptive_adjacency(embedding))[0]
    torch.testing.assert_close(y, cell + both - own, rtol=1e-10, atol=1e-10)


def test_one_kernel_twice_is_the_papers_operator() -> None:
    torch.manual_seed(6)
    tied, untied = LSConv(5, 8, 3, split=(2, 3)), LSConv(5, 8, 3, split=(2, 3), tied=False)
    weights = tied.state_dict()
    untied.load_state_dict(weights | {"phi.weight": weights["lsi.weight"]})
    x, adjacency = torch.randn(2, 5, 6, 7), AdaptiveGraph(42, 8)()
    torch.testing.assert_close(untied(x, adjacency), tied(x, adjacency), rtol=1e-6, atol=1e-6)


def test_gradients_of_both_kernels() -> None:
    torch.manual_seed(7)
    operator = LSConv(2, 2, 3, tied=False).double()
    embedding = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    names, weights = zip(*operator.named_parameters(), strict=True)

    def of(x: torch.Tensor, e: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(operator, given, (x, adaptive_adjacency(e)))

    assert torch.autograd.gradcheck(of, (x, embedding, *weights))


@pytest.mark.parametrize("kernel", [0, 2, 4, -3])
def test_even_kernels_are_refused(kernel: int) -> None:
    with pytest.raises(ValueError, match=f"kernel={kernel}: expected"):
        LSConv(2, 2, kernel)


def test_wrong_graphs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs \(20, 20\)"):
        LSConv(2, 2)(torch.zeros(1, 2, 4, 5), torch.eye(19))
    with pytest.raises(ValueError, match="adjacency is None.*give graph.adjacency"):
        LSConv(2, 2)(torch.zeros(1, 2, 4, 5))
    with pytest.raises(ValueError, match="add up to"):
        LSConv(3, 2, split=(1, 1))
