"""Graph products, dense and tiled, against the formula worked in float64 on the whole matrix."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lsntp import LSNTP, AdaptiveGraph, DistanceCut, LSConv, graph_product, great_circle_km
from lsntp.model import product
from lsntp.model.product import DenseAdjacency, TiledAdjacency


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles already at small sizes; the last one incomplete more often than not."""
    monkeypatch.setattr(product, "TILE", {"cpu": 16})


def formula(embedding: Tensor, x: Tensor, kept: Tensor | None = None) -> Tensor:
    """softmax(relu(E Eᵀ)) X by the definition, on the whole matrix."""
    adjacency = torch.softmax(torch.relu(embedding @ embedding.T), dim=1)
    return (adjacency if kept is None else adjacency * kept) @ x


def inputs(nodes: int, size: int, columns: int, scale: float, seed: int = 0) -> list[Tensor]:
    """E, X and a gradient of the result, float64."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(nodes, size), (nodes, columns), (nodes, columns)]
    e, x, dy = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return [scale * e, x, dy]


def values_and_gradients(function, e: Tensor, x: Tensor, dy: Tensor) -> list[Tensor]:
    e, x = e.clone().requires_grad_(), x.clone().requires_grad_()
    y = function(e, x)
    return [y.detach(), *torch.autograd.grad(y, (e, x), dy)]


def assert_equal(method: str, e: Tensor, x: Tensor, dy: Tensor, dtype: torch.dtype, **more) -> None:
    """Values to 1e-5, gradients to 1e-4 of what they are made from; all finite."""
    kept = more.pop("kept", None)
    e, x, dy = (t.to(dtype).double() for t in (e, x, dy))  # what float32 can hold
    expected = values_and_gradients(lambda e, x: formula(e, x, kept), e, x, dy)
    found = values_and_gradients(
        lambda e, x: graph_product(e, x, method, **more), e.to(dtype), x.to(dtype), dy.to(dtype)
    )
    # the gradient of E is a difference of such terms, nearly all of which cancels where the
    # softmax is saturated
    terms = float(e.abs().max() * dy.norm(dim=1).max() * x.norm(dim=1).max())
    sizes = [float(x.abs().max()), terms, float(expected[2].abs().max())]
    rounding = 2 * float((e @ e.T).max()) * torch.finfo(dtype).eps  # of a similarity, so of exp
    for got, want, size, digits in zip(found, expected, sizes, (1e-5, 1e-4, 1e-4), strict=True):
        assert got.dtype == dtype
        near = max(digits, rounding)
        torch.testing.assert_close(got.double(), want, rtol=near, atol=near * size)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 70),
    st.integers(1, 9),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.1, 1.0, 3.0, 30.0]),
    st.sampled_from(["dense", "tiled"]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_equals_the_formula(
    nodes: int, size: int, columns: int, scale: float, method: str, dtype: torch.dtype
) -> None:
    assert_equal(method, *inputs(nodes, size, columns, scale), dtype)


@pytest.mark.parametrize("method", ["dense", "tiled"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_embeddings_of_very_different_norm(method: str, dtype: torch.dtype) -> None:
    """Row i's largest similarity may be with a j whose own is beyond what exp can take."""
    e, x, dy = inputs(50, 6, 3, 1.0)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    e *= torch.logspace(-4, 2.5, 50, dtype=torch.float64)[order][:, None]
    assert (e @ e.T).max() > 1e5
    assert_equal(method, e, x, dy, dtype)


@pytest.mark.parametrize("method", ["dense", "tiled"])
def test_gradcheck(method: str) -> None:
    for scale in (0.7, 4.0):  # without and with a shift
        e, x, _ = (t.requires_grad_() for t in inputs(19, 3, 2, scale))
        assert bool((e * e).sum(1).max() > product.SAFE) is (scale == 4.0)
        assert torch.autograd.gradcheck(lambda e, x: graph_product(e, x, method), (e, x))


@pytest.mark.parametrize("km", [0.0, 300.0, 20_100.0])
@pytest.mark.parametrize("scale", [0.5, 10.0])
@pytest.mark.parametrize("method", ["dense", "tiled"])
def test_distance_cut(km: float, scale: float, method: str) -> None:
    lat, lon = np.repeat(np.linspace(60, 40, 6), 7), np.tile(np.linspace(0, 20, 7), 6)
    kept = torch.from_numpy(great_circle_km(lat, lon) <= km)
    for dtype in (torch.float32, torch.float64):
        cut = DistanceCut(lat, lon, km)
        assert_equal(method, *inputs(42, 5, 3, scale), dtype, kept=kept, cut=cut)


def test_the_matrix_of_many_products_gets_the_gradient_of_all() -> None:
    """Also of several backward passes, one of which asks for part of it."""
    e, x, dy = inputs(20, 4, 3, 1.0)
    e.requires_grad_()
    x.requires_grad_()

    def twice(apply) -> Tensor:
        return apply(torch.sin(apply(x))) * dy

    (expected,) = torch.autograd.grad(twice(lambda x: formula(e, x)).sum(), e)
    a = DenseAdjacency(e)
    y = twice(lambda x: a @ x).sum()
    torch.autograd.grad(y, x, retain_graph=True)  # of X only: must leave no trace
    for _ in range(2):
        (found,) = torch.autograd.grad(y, e, retain_graph=True)
        torch.testing.assert_close(found, expected)


def test_the_matrix_may_enter_the_loss_itself_and_be_used_without_gradient() -> None:
    e, x, dy = inputs(20, 4, 3, 1.0)
    e.requires_grad_()
    matrix = torch.softmax(torch.relu(e @ e.T), dim=1)
    expected = torch.autograd.grad((matrix @ x * dy).sum() + matrix.square().sum(), e)
    a = DenseAdjacency(e)
    with torch.no_grad():
        a @ x
    unused = a @ x
    loss = (a @ x * dy).sum() + a.matrix.square().sum()
    unused = unused + a @ x
    torch.testing.assert_close(torch.autograd.grad(loss, e), expected)


def test_a_frozen_embedding_gets_no_gradient() -> None:
    e, x, _ = inputs(20, 4, 3, 1.0)
    a = DenseAdjacency(e)
    (a @ x.requires_grad_()).sum().backward()
    assert e.grad is None and x.grad is not None
    with torch.no_grad():
        torch.testing.assert_close(a @ x, formula(e, x))
    for _ in range(2):  # one matrix, a backward pass for each product
        (a @ x).sum().backward()


@pytest.mark.parametrize("method", ["dense", "tiled"])
def test_asked_for_one_gradient_the_other_is_left_out(method: str) -> None:
    e, x, dy = inputs(40, 4, 3, 1.0)
    both = values_and_gradients(lambda e, x: graph_product(e, x, method), e, x, dy)[1:]
    for k, values in enumerate([(e.requires_grad_(), x), (e.detach(), x.requires_grad_())]):
        (alone,) = torch.autograd.grad(graph_product(*values, method), values[k], dy)
        torch.testing.assert_close(alone, both[k])


@pytest.mark.parametrize("library", product.LIBRARIES)
@pytest.mark.parametrize("method", ["dense", "tiled"])
@pytest.mark.parametrize("form", [LSNTP.released, LSNTP.equations])
def test_under_autocast(
    form, method: Literal["dense", "tiled"], library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in float32 but for the digits of bfloat16; the backward pass in or outside autocast."""
    monkeypatch.setattr(product, "library", lambda: library)
    torch.manual_seed(0)
    model = form(9, 13, 4, 8, downsample=True)
    model.graph.method = method
    x = torch.randn(2, 6, 1, 9, 13)
    results = []
    for low, within in [(False, False), (True, True), (True, False)]:
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = model(x).square().mean()
            if within:
                loss.backward()
        if not within:
            loss.backward()
        results.append((loss.detach(), model.graph.embedding.grad.clone()))
    for loss, gradient in results[1:]:
        assert float(loss) == pytest.approx(float(results[0][0]), rel=0.03)
        assert float((gradient - results[0][1]).norm() / results[0][1].norm()) < 0.2


def test_dense_products_are_low_precision_under_autocast() -> None:
    e, x, _ = (t.float() for t in inputs(20, 4, 3, 1.0))
    expected = formula(e, x)
    with torch.autocast("cpu", torch.bfloat16):
        low, matrix, tiled = DenseAdjacency(e) @ x, DenseAdjacency(e).matrix, TiledAdjacency(e) @ x
    assert low.dtype == torch.bfloat16 and matrix.dtype == torch.float32
    torch.testing.assert_close(low.float(), expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(tiled, expected)


def test_the_method_follows_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "DENSE_UP_TO", 30)
    assert isinstance(product.adjacency(torch.zeros(30, 2)), DenseAdjacency)
    assert isinstance(product.adjacency(torch.zeros(31, 2)), TiledAdjacency)
    assert isinstance(product.adjacency(torch.zeros(5, 2), "tiled"), TiledAdjacency)
    assert isinstance(product.adjacency(torch.zeros(31, 2), "dense"), DenseAdjacency)


def test_memory_of_the_tiles_does_not_grow_with_the_matrix() -> None:
    """No tensor of the forward or backward pass is larger than X, E or a tile."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, (tuple, list)) else [out]:
                if isinstance(tensor, Tensor):
                    self.size = max(self.size, tensor.untyped_storage().nbytes() // 4)
            return out

    e, x, dy = (t.float() for t in inputs(500, 8, 4, 0.3))
    product.library()  # measured now, not under the count
    sizes = {}
    for method in ("tiled", "dense"):
        with Largest() as seen:
            values_and_gradients(lambda e, x, m=method: graph_product(e, x, m), e, x, dy)
        sizes[method] = seen.size
    assert sizes["tiled"] <= 500 * 2 * 8
    assert sizes["dense"] >= 500 * 500


def test_lsconv_takes_either() -> None:
    torch.manual_seed(0)
    operator, x = LSConv(3, 2), torch.randn(2, 3, 5, 7)
    dense, tiled = (AdaptiveGraph(35, 4, method=m) for m in ("dense", "tiled"))
    tiled.load_state_dict(dense.state_dict())
    results = [operator(x, a) for a in (dense(), dense.adjacency(), tiled.adjacency())]
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


def test_wrong_input_is_told() -> None:
    e, x = torch.zeros(5, 2), torch.zeros(5, 3)
    for embedding, columns, message in [
        (e[0], x, r"\(N, E\).* got \(2,\)"),
        (e.long(), x, "int64"),
        (e.half(), x.half(), "embedding is torch.float16"),
        (e, x[:4], r"\(5, M\).* got \(4, 3\)"),
        (e, x[:, 0], r"got \(5,\)"),
        (e, x.double(), "x .* got .*float64"),
    ]:
        with pytest.raises(ValueError, match=message):
            graph_product(embedding, columns)
    for method in ("dense", "tiled"):
        with pytest.raises(ValueError, match="cut is for 7 nodes, the embedding has 5"):
            graph_product(e, x, method, cut=DistanceCut(np.zeros(7), np.zeros(7), 10.0))
        with pytest.raises(ValueError, match=r"\(5, M\).* got \(6, 3\)"):
            product.adjacency(e, method) @ torch.zeros(6, 3)
    with pytest.raises(ValueError, match='method="sparse"'):
        graph_product(e, x, "sparse")


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (64, 1, 7), (130, 16, 130)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_matrix_product(shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    m, k, n = shape
    a, b = torch.randn(m, k, dtype=dtype), torch.randn(n, k, dtype=dtype)
    torch.testing.assert_close(product.times_transposed(a, b), torch.einsum("mk,nk->mn", a, b))
    a, b = torch.randn(k, m, dtype=dtype).T, torch.randn(k, n, dtype=dtype).T
    torch.testing.assert_close(product.times_transposed(a, b), torch.einsum("mk,nk->mn", a, b))


def test_the_library_is_the_one_that_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the other work of the machine, one of two equal ones is always the same."""

    def slow(a: Tensor, b: Tensor) -> Tensor:
        return product.by_torch(torch.cat([a] * 8), b)[: len(a)]

    for libraries, expected in [
        ({"torch.mm": product.by_torch, "oneDNN": slow}, "torch.mm"),
        ({"torch.mm": slow, "oneDNN": product.by_torch}, "oneDNN"),
        ({"torch.mm": product.by_torch, "oneDNN": product.by_torch}, "torch.mm"),
        ({"torch.mm": product.by_torch}, "torch.mm"),
    ]:
        monkeypatch.setattr(product, "LIBRARIES", libraries)
        assert product.library.__wrapped__() == expected


def share_the_work(rank: int, folder: str) -> None:
    """One of two ranks, in a process of its own: the tiles' work is shared, the result whole."""
    torch.set_num_threads(1)
    product.TILE = {"cpu": 16}
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    try:
        group = torch.distributed.group.WORLD
        assert group is not None
        for scale in (0.5, 10.0):
            values = inputs(50, 5, 3, scale)
            shared = values_and_gradients(lambda e, x: graph_product(e, x, group=group), *values)
            alone = values_and_gradients(lambda e, x: graph_product(e, x, "tiled"), *values)
            for one, other in zip(shared, alone, strict=True):
                torch.testing.assert_close(one, other)
        with pytest.raises(ValueError, match="only method"):
            graph_product(values[0], values[1], "dense", group=group)
        pairs = list(product.tile_pairs(values[0], group))
        assert len(pairs) == 5  # of 10
    finally:
        torch.distributed.destroy_process_group()


def test_two_processes_share_the_tiles(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(share_the_work, (str(tmp_path),), nprocs=2)
