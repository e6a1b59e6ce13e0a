"""Products with the learned graph, ``softmax(relu(E Eᵀ)) X``: on the whole matrix, or by tiles.

N nodes, E the size of a node's embedding, M columns of X. Explained and measured in the notebook
``13_speed_and_scale``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from lsntp.data.checks import fits, shown

Method = Literal["auto", "dense", "tiled"]

DENSE_UP_TO = 4096
"""Nodes up to which ``method="auto"`` holds the matrix: 64 MiB of float32 at this size."""

TILE = {"cpu": 1024, "cuda": 8192}
"""Rows and columns of a tile by device: on a CPU, what a few tiles of stay in its cache."""

SAFE = 40.0
"""Similarities up to this need no shift: e⁴⁰ times any number of nodes is far from overflow."""


def by_onednn(a: Tensor, b: Tensor) -> Tensor:
    """``a @ bᵀ`` by oneDNN, the library of PyTorch's convolutions."""
    if not (b.is_contiguous() or b.T.is_contiguous()):
        b = b.contiguous()  # it takes rows or columns in a row; with gaps it is very slow
    return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")


def by_torch(a: Tensor, b: Tensor) -> Tensor:
    """``a @ bᵀ`` by torch.mm, on a CPU mostly MKL or OpenBLAS."""
    return a @ b.T


LIBRARIES = {"torch.mm": by_torch}
"""Libraries at hand that multiply float32 matrices on the CPU."""
if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    LIBRARIES["oneDNN"] = by_onednn


CLEARLY = 1.4
"""oneDNN must be so many times as fast: no processor near the limit should choose by chance."""


@cache
def library() -> str:
    """Name of `LIBRARIES` that is used on this CPU, measured once a process.

    oneDNN if it is `CLEARLY` faster, which it is where MKL leaves wide vector units idle (twice, on
    some processors by AMD); elsewhere both are alike. What counts is the time of one thread on the
    processor, not that on the clock, and the best of many, so that a busy machine chooses as an
    idle one does.
    """
    a = torch.ones(512, 512)
    best = dict.fromkeys(LIBRARIES, float("inf"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            for _ in range(20):  # in turn; the first of each warms up
                for name, multiply in LIBRARIES.items():
                    started = time.thread_time()
                    multiply(a, a)
                    best[name] = min(best[name], time.thread_time() - started)
    finally:
        torch.set_num_threads(threads)
    faster = best["torch.mm"] > CLEARLY * best.get("oneDNN", float("inf"))
    return "oneDNN" if faster else "torch.mm"


def times_transposed(a: Tensor, b: Tensor) -> Tensor:
    """``a @ bᵀ`` of (M, K) and (N, K), by the faster library."""
    if a.dtype == b.dtype == torch.float32 and a.device.type == "cpu" and a.numel():
        return LIBRARIES[library()](a, b)
    return a @ b.T


@runtime_checkable
class Cut(Protocol):
    """Which links a distance cut keeps; :class:`lsntp.model.graph.DistanceCut` is one."""

    def __len__(self) -> int:
        """N."""

    def within(self, rows: slice, columns: slice) -> Tensor:
        """Tell of each link from ``columns`` to ``rows`` whether it stays, bool."""


class Adjacency(Protocol):
    """What LS-Conv needs of a graph: its shape, and ``adjacency @ x``, (N, M) -> (N, M)."""

    @property
    def shape(self) -> torch.Size:
        """(N, N)."""

    def __matmul__(self, x: Tensor) -> Tensor:
        """Return A X."""


class DenseAdjacency:
    """``A = softmax(relu(E Eᵀ))`` as a matrix, computed once for many products ``A @ x``.

    Parameters
    ----------
    embedding : Tensor (N, E)
    within : Tensor (N, N), bool, optional
        Links to keep after the softmax.
    """

    def __init__(self, embedding: Tensor, within: Tensor | None = None) -> None:
        self.matrix = _DenseMatrix.apply(embedding, within)
        self.shape = self.matrix.shape

    def __matmul__(self, x: Tensor) -> Tensor:
        check_rows(x, self.shape[0], self.matrix)
        matrix, device = self.matrix, x.device.type
        if torch.is_autocast_enabled(device):
            low = torch.get_autocast_dtype(device)
            return _DenseProduct.apply(matrix.to(low), x.to(low))
        return _DenseProduct.apply(matrix, x)


class AmongCells:
    """An adjacency among some of the nodes: the others neither give nor take.

    Parameters
    ----------
    adjacency : (n, n)
        Among the n nodes that take part.
    cells : Tensor (n,)
        Which they are, of all N.
    nodes : int
        N.
    """

    def __init__(self, adjacency: Adjacency, cells: Tensor, nodes: int) -> None:
        self.adjacency, self.cells, self.shape = adjacency, cells, torch.Size((nodes, nodes))

    def __matmul__(self, x: Tensor) -> Tensor:
        check_rows(x, self.shape[0])
        product = self.adjacency @ x[self.cells]
        return product.new_zeros(x.shape).index_copy(0, self.cells, product)


def check_rows(x: Tensor, nodes: int, like: Tensor | None = None) -> None:
    """Refuse an X that has not one row per node, or is not of another's type and device.

    Raises
    ------
    ValueError
        If it is no such matrix.
    """
    fits("x", x, (nodes, "M"), like, remedy="it has a row for each node")


def as_given(method: Callable[..., Any]) -> Any:
    """Let a pass compute in the types it is given, also where autocast is on."""

    @wraps(method)
    def without_autocast(ctx: Any, *given: Any) -> Any:
        kind = next((x.device.type for x in given if x is not None), "cpu")
        with torch.autocast(kind, enabled=False):
            return method(ctx, *given)

    return without_autocast


class _DenseMatrix(Function):
    """E -> A."""

    @staticmethod
    @as_given
    def forward(ctx: Any, embedding: Tensor, within: Tensor | None) -> Tensor:
        similarity = times_transposed(embedding, embedding)
        adjacency = torch.softmax(torch.relu(similarity), dim=1)
        ctx.save_for_backward(embedding, adjacency, similarity > 0, within)
        return adjacency if within is None else adjacency * within

    @staticmethod
    @as_given
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        embedding, adjacency, positive, within = ctx.saved_tensors
        if within is not None:
            grad = grad * within
        by_row = (adjacency * grad).sum(1, keepdim=True)
        grad = (grad - by_row).mul_(adjacency).mul_(positive)  # of E Eᵀ
        return times_transposed(grad + grad.T, embedding.T), None


class _DenseProduct(Function):
    """(A, X) -> A X."""

    @staticmethod
    @as_given
    def forward(ctx: Any, adjacency: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(adjacency, x)
        return times_transposed(x.T, adjacency).T

    @staticmethod
    @as_given
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        adjacency, x = ctx.saved_tensors
        of_a, of_x = ctx.needs_input_grad
        return (
            times_transposed(dy, x) if of_a else None,
            times_transposed(dy.T, adjacency.T).T if of_x else None,
        )


class TiledAdjacency:
    """``A = softmax(relu(E Eᵀ))`` that is never held: ``A @ x`` goes over it tile by tile.

    Exact, in memory linear in N. Parameters as of :func:`graph_product`.
    """

    def __init__(
        self, embedding: Tensor, cut: Cut | None = None, group: dist.ProcessGroup | None = None
    ) -> None:
        self.embedding, self.cut, self.group = embedding, cut, group
        self.shape = torch.Size((len(embedding), len(embedding)))
        self.shift = largest_similarity(embedding.detach(), group)

    def __matmul__(self, x: Tensor) -> Tensor:
        check_rows(x, self.shape[0])
        same = x.to(self.embedding.dtype)  # sums over all nodes are never taken in less
        y = _TiledProduct.apply(self.embedding, same, self.shift, self.cut, self.group)
        return y.to(x.dtype)


class _TiledProduct(Function):
    """(E, X) -> A X.

    E Eᵀ is symmetric, and so is exp(relu(E Eᵀ)): only tiles (I, J) with I ≤ J are computed, and
    each serves its rows I and, transposed, its rows J. The backward pass computes them again.
    """

    @staticmethod
    @as_given
    def forward(
        ctx: Any,
        e: Tensor,
        x: Tensor,
        shift: Tensor | None,
        cut: Cut | None,
        group: dist.ProcessGroup | None,
    ) -> Tensor:
        y, total = torch.zeros_like(x), x.new_zeros(len(x), 1)
        for i, j in tile_pairs(e, group):
            _, a_i, a_j = tile(e, shift, i, j)
            total[i] += a_i.sum(1, keepdim=True)
            if i != j:
                total[j] += a_j.sum(0).unsqueeze(1)
            a_i, a_j = keep(cut, i, j, a_i, a_j)
            y[i] += times_transposed(a_i, x[j].T)
            if i != j:
                y[j] += times_transposed(x[i].T, a_j.T).T
        for partial in (y, total):
            sum_over_ranks(partial, group)
        y /= total
        ctx.save_for_backward(e, x, y, total, shift)
        ctx.cut, ctx.group = cut, group
        return y

    @staticmethod
    @as_given
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        e, x, y, total, shift = ctx.saved_tensors
        of_e, of_x = ctx.needs_input_grad[:2]
        u = dy / total
        by_row = (u * y).sum(1, keepdim=True)
        ux, xu = torch.cat([u, x], 1), torch.cat([x, u], 1)
        de = torch.zeros_like(e) if of_e else None
        dx = torch.zeros_like(x) if of_x else None
        for i, j in tile_pairs(e, ctx.group):
            s, a_i, a_j = tile(e, shift, i, j)
            if de is not None:
                # ds: gradient of the tile of E Eᵀ as rows I and, transposed, as rows J of A
                if shift is None:
                    (ds,) = keep(ctx.cut, i, j, times_transposed(ux[i], xu[j]))
                    ds.sub_(by_row[i]).sub_(by_row[j].T).mul_(a_i)
                else:
                    ds, other = keep(
                        ctx.cut, i, j, times_transposed(u[i], x[j]), times_transposed(x[i], u[j])
                    )
                    ds.sub_(by_row[i]).mul_(a_i).add_(other.sub_(by_row[j].T).mul_(a_j))
                ds.mul_(s > 0)
                de[i] += times_transposed(ds, e[j].T)
                if i != j:
                    de[j] += times_transposed(e[i].T, ds.T).T
            if dx is not None:
                a_i, a_j = keep(ctx.cut, i, j, a_i, a_j)
                dx[j] += times_transposed(u[i].T, a_i.T).T
                if i != j:
                    dx[i] += times_transposed(a_j, u[j].T)
        for partial in (de, dx):
            sum_over_ranks(partial, ctx.group)
        return de, dx, None, None, None


def tile(e: Tensor, shift: Tensor | None, i: slice, j: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Tile (I, J) of relu(E Eᵀ) and of its exponential, scaled for rows I and for rows J."""
    s = times_transposed(e[i], e[j]).clamp_min_(0)
    if shift is None:
        a = s.exp()
        return s, a, a
    return s, (s - shift[i]).exp_(), (s - shift[j].T).exp_()


def tile_pairs(e: Tensor, group: dist.ProcessGroup | None = None) -> Iterator[tuple[slice, slice]]:
    """Tiles on and above the diagonal; with a group, this rank's share of them."""
    size = TILE.get(e.device.type, 1024)
    starts = range(0, len(e), size)
    cuts = [slice(start, min(start + size, len(e))) for start in starts]
    rank, ranks = (dist.get_rank(group), dist.get_world_size(group)) if group else (0, 1)
    pairs = ((i, j) for row, i in enumerate(cuts) for j in cuts[row:])
    return (pair for number, pair in enumerate(pairs) if number % ranks == rank)


@torch.no_grad()
def largest_similarity(e: Tensor, group: dist.ProcessGroup | None = None) -> Tensor | None:
    """Largest entry of each row of relu(E Eᵀ), (N, 1), or None if all are below :data:`SAFE`."""
    if not len(e) or (e * e).sum(1).amax() <= SAFE:  # by Cauchy and Schwarz no entry is larger
        return None
    largest = e.new_zeros(len(e), 1)
    for i, j in tile_pairs(e, group):
        s = times_transposed(e[i], e[j])
        largest[i] = torch.maximum(largest[i], s.amax(1, keepdim=True))
        largest[j] = torch.maximum(largest[j], s.amax(0).unsqueeze(1))
    if group is not None:
        dist.all_reduce(largest, dist.ReduceOp.MAX, group)
    return largest


def keep(cut: Cut | None, i: slice, j: slice, *tiles: Tensor) -> tuple[Tensor, ...]:
    """Set links that the cut removes to zero."""
    if cut is None:
        return tiles
    within = cut.within(i, j).to(tiles[0].device)
    return tuple(tile * within for tile in tiles)


def sum_over_ranks(partial: Tensor | None, group: dist.ProcessGroup | None) -> None:
    """Add up, in place, what the ranks of a group hold."""
    if partial is not None and group is not None:
        dist.all_reduce(partial, group=group)


def adjacency(
    embedding: Tensor,
    method: Method = "auto",
    *,
    cut: Cut | None = None,
    group: dist.ProcessGroup | None = None,
) -> DenseAdjacency | TiledAdjacency:
    """Return A as an object for ``A @ x``, to be used many times in one forward pass.

    Parameters, and errors raised, as of :func:`graph_product`.
    """
    fits("embedding", embedding, ("N", "E"))
    if embedding.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"the embedding is {embedding.dtype}: expected float32 or float64")
    if method not in ("auto", "dense", "tiled"):
        raise ValueError(f'method="{method}": expected "auto", "dense" or "tiled"')
    if not isinstance(cut, Cut | None):
        raise ValueError(f"cut={shown(cut)}: expected a lsntp.DistanceCut(lat, lon, km)")
    nodes = len(embedding)
    if cut is not None and len(cut) != nodes:
        raise ValueError(
            f"the cut is for {len(cut)} nodes, the embedding has {nodes}: expected as many; make "
            "it with the nodes of this grid"
        )
    if method == "tiled" or (method == "auto" and (nodes > DENSE_UP_TO or group is not None)):
        return TiledAdjacency(embedding, cut, group)
    if group is not None:
        raise ValueError('only method="tiled" can be split over the ranks of a group')
    if cut is None:
        return DenseAdjacency(embedding)
    return DenseAdjacency(embedding, cut.within(slice(None), slice(None)).to(embedding.device))


def graph_product(
    embedding: Tensor,
    x: Tensor,
    method: Method = "auto",
    *,
    cut: Cut | None = None,
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    """LAGC's graph product ``softmax(relu(E Eᵀ)) X``, exact.

    Differentiable once in both: no second derivatives, no :mod:`torch.func`.

    Parameters
    ----------
    embedding : Tensor (N, E), float32 or float64
    x : Tensor (N, M), of the same type
    method : {"auto", "dense", "tiled"}
        "dense" holds the N×N matrix; "tiled" holds a few tiles of it at a time, in memory linear
        in N; "auto" is dense up to :data:`DENSE_UP_TO` nodes.
    cut : DistanceCut, optional
        Links it excludes are set to zero after the softmax.
    group : torch.distributed.ProcessGroup, optional
        Its ranks share the tiles' work, each gets the whole result. All must hold the same
        embedding and x, and the same gradient of the result in the backward pass.

    Returns
    -------
    Tensor (N, M)

    Raises
    ------
    ValueError
        If shapes or types do not fit, or the method is unknown.

    Examples
    --------
    >>> embedding, x = torch.randn(16_200, 64), torch.randn(16_200, 8)  # a globe at 2°
    >>> graph_product(0.1 * embedding, x).shape
    torch.Size([16200, 8])
    """
    a = adjacency(embedding, method, cut=cut, group=group)
    fits("x", x, (len(embedding), "M"), embedding)
    return a @ x
