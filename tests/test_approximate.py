"""The strongest links against the same worked by loops, and against the exact product."""

import pytest
import torch

from lsntp import LSConv, StrongestLinks, graph_product
from lsntp.model import strongest_links


def example(nodes: int = 23) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    embedding = torch.randn(nodes, 4, generator=generator, dtype=torch.float64)
    return embedding, torch.randn(nodes, 5, generator=generator, dtype=torch.float64)


def test_equals_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strongest_links, "ROWS", 10)
    embedding, x = example()
    exact = torch.softmax(torch.relu(embedding @ embedding.T), dim=1)
    expected = torch.zeros_like(exact)
    for n in range(23):
        ranked = sorted(range(23), key=lambda m, n=n: -float(exact[n, m]))
        for m in ranked[:6]:
            expected[n, m] = exact[n, m]
        for m in ranked[6:]:
            expected[n, m] = (1 - exact[n, ranked[:6]].sum()) / 17
    strongest = StrongestLinks(embedding, 6)
    torch.testing.assert_close(strongest @ torch.eye(23, dtype=torch.float64), expected)
    torch.testing.assert_close(strongest @ x, expected @ x)


def test_is_exact_with_all_links_on_constants_and_nearer_with_more() -> None:
    embedding, x = example()
    errors = [StrongestLinks(embedding, links).error(x) for links in (1, 3, 8, 22, 23)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.05 and errors[-1] < 1e-12
    constant = torch.full((23, 1), 280.0, dtype=torch.float64)
    torch.testing.assert_close(StrongestLinks(embedding, 2) @ constant, constant)


def test_error_is_the_distance_from_the_exact_product() -> None:
    embedding, x = example()
    strongest = StrongestLinks(embedding, 2)
    exact = graph_product(embedding, x)
    distance = (strongest @ x - exact).square().sum().sqrt()
    spread = (exact - exact.mean(0)).square().sum().sqrt()
    assert strongest.error(x) == pytest.approx(float(distance / spread))


def test_serves_lsconv_and_passes_the_gradient_on() -> None:
    embedding, _ = example(20)
    operator, x = LSConv(3, 2), torch.randn(2, 3, 4, 5, requires_grad=True)
    strongest = StrongestLinks(embedding.float(), 20)
    exact = torch.softmax(torch.relu(embedding @ embedding.T), dim=1).float()
    results = [operator(x, adjacency) for adjacency in (strongest, exact)]
    torch.testing.assert_close(*results)
    gradients = [torch.autograd.grad(y.square().sum(), x)[0] for y in results]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("links", [0, -1, 24])
def test_wrong_numbers_of_links_are_told(links: int) -> None:
    with pytest.raises(ValueError, match=f"links={links}: expected"):
        StrongestLinks(example()[0], links)
