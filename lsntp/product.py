"""Products with the learned graph, ``softmax(relu(E Eᵀ)) X``: on the whole matrix, or by tiles.

N nodes, E the size of a node's embedding, M columns of X. Explained and measured in the notebook
``13_speed_and_scale``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd import Function
from torch.autograd.function import once_differentiable

Method = Literal["auto", "dense", "tiled"]

DENSE_UP_TO = 4096
"""Nodes up to which ``method="auto"`` holds the matrix: 64 MiB of float32 at this size."""

TILE = {"cpu": 1024, "cuda": 8192}
"""Rows and columns of a tile by device: on a CPU, what a few tiles of stay in its cache."""

SAFE = 40.0
"""Similarities up to this need no shift: e⁴⁰ times any number of nodes is far from overflow."""

ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ bᵀ`` of (M, K) and (N, K), by the fastest library at hand.

    On the CPU in float32 that is oneDNN: twice as fast as MKL, torch's choice for matrices, on
    processors where MKL leaves the wide vector units idle.
    """
    if ONEDNN and a.dtype == b.dtype == torch.float32 and a.device.type == "cpu" and a.numel():
        if not (b.is_contiguous() or b.T.is_contiguous()):
            b = b.contiguous()  # oneDNN takes rows or columns in a row; with gaps it is very slow
        return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return a @ b.T


class Cut(Protocol):
    """Which links a distance cut keeps; :class:`lsntp.graph.DistanceCut` is one."""

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
        return _DenseProduct.apply(self.matrix, x)


class _DenseMatrix(Function):
    """E -> A."""

    @staticmethod
    def forward(ctx: Any, embedding: Tensor, within: Tensor | None) -> Tensor:
        similarity = product(embedding, embedding)
        adjacency = torch.softmax(torch.relu(similarity), dim=1)
        ctx.save_for_backward(embedding, adjacency, similarity > 0, within)
        return adjacency if within is None else adjacency * within

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        embedding, adjacency, positive, within = ctx.saved_tensors
        if within is not None:
            grad = grad * within
        by_row = (adjacency * grad).sum(1, keepdim=True)
        grad = (grad - by_row).mul_(adjacency).mul_(positive)  # of E Eᵀ
        return product(grad + grad.T, embedding.T), None


class _DenseProduct(Function):
    """(A, X) -> A X."""

    @staticmethod
    def forward(ctx: Any, adjacency: Tensor, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            low = torch.get_autocast_dtype(x.device.type)
            adjacency, x = adjacency.to(low), x.to(low)
        ctx.save_for_backward(adjacency, x)
        return product(x.T, adjacency).T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        adjacency, x = ctx.saved_tensors
        of_a, of_x = ctx.needs_input_grad
        return (
            product(dy, x) if of_a else None,
            product(dy.T, adjacency.T).T if of_x else None,
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

    def __matmul__(self, x: Tensor) -> Tensor:
        return _TiledProduct.apply(self.embedding, x, self.cut, self.group)


class _TiledProduct(Function):
    """(E, X) -> A X.

    E Eᵀ is symmetric, and so is exp(relu(E Eᵀ)): only tiles (I, J) with I ≤ J are computed, and
    each serves its rows I and, transposed, its rows J. The backward pass computes them again.
    """

    @staticmethod
    def forward(
        ctx: Any, embedding: Tensor, x: Tensor, cut: Cut | None, group: dist.ProcessGroup | None
    ) -> Tensor:
        e = embedding.detach()
        shift = largest_similarity(e)
        y, total = torch.zeros_like(x), x.new_zeros(len(x), 1)
        for i, j in tile_pairs(e, group):
            _, a_i, a_j = tile(e, shift, i, j)
            total[i] += a_i.sum(1, keepdim=True)
            if i != j:
                total[j] += a_j.sum(0).unsqueeze(1)
            a_i, a_j = keep(cut, i, j, a_i, a_j)
            y[i] += product(a_i, x[j].T)
            if i != j:
                y[j] += product(x[i].T, a_j.T).T
        for partial in (y, total):
            sum_over_ranks(partial, group)
        y /= total
        ctx.save_for_backward(embedding, x, y, total, shift)
        ctx.cut, ctx.group = cut, group
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None, None]:
        e, x, y, total, shift = ctx.saved_tensors
        u = dy / total
        by_row = (u * y).sum(1, keepdim=True)
        ux, xu = torch.cat([u, x], 1), torch.cat([x, u], 1)
        de, dx = torch.zeros_like(e), torch.zeros_like(x)
        for i, j in tile_pairs(e, ctx.group):
            s, a_i, a_j = tile(e, shift, i, j)
            # ds: gradient of the tile of E Eᵀ as rows I and, transposed, as rows J of A
            if shift is None:
                (ds,) = keep(ctx.cut, i, j, product(ux[i], xu[j]))
                ds.sub_(by_row[i]).sub_(by_row[j].T).mul_(a_i)
            else:
                ds, other = keep(ctx.cut, i, j, product(u[i], x[j]), product(x[i], u[j]))
                ds.sub_(by_row[i]).mul_(a_i).add_(other.sub_(by_row[j].T).mul_(a_j))
            ds.mul_(s > 0)
            a_i, a_j = keep(ctx.cut, i, j, a_i, a_j)
            de[i] += product(ds, e[j].T)
            dx[j] += product(u[i].T, a_i.T).T
            if i != j:
                de[j] += product(e[i].T, ds.T).T
                dx[i] += product(a_j, u[j].T)
        for partial in (de, dx):
            sum_over_ranks(partial, ctx.group)
        return de, dx, None, None


def tile(e: Tensor, shift: Tensor | None, i: slice, j: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Tile (I, J) of relu(E Eᵀ) and of its exponential, scaled for rows I and for rows J."""
    s = product(e[i], e[j]).clamp_min_(0)
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


def largest_similarity(e: Tensor) -> Tensor | None:
    """Largest entry of each row of relu(E Eᵀ), (N, 1), or None if all are below :data:`SAFE`."""
    if (e * e).sum(1).amax() <= SAFE:  # by Cauchy and Schwarz no entry is larger
        return None
    largest = e.new_zeros(len(e), 1)
    for i, j in tile_pairs(e):
        s = product(e[i], e[j])
        largest[i] = torch.maximum(largest[i], s.amax(1, keepdim=True))
        largest[j] = torch.maximum(largest[j], s.amax(0).unsqueeze(1))
    return largest


def keep(cut: Cut | None, i: slice, j: slice, *tiles: Tensor) -> tuple[Tensor, ...]:
    """Set links that the cut removes to zero."""
    if cut is None:
        return tiles
    within = cut.within(i, j).to(tiles[0].device)
    return tuple(tile * within for tile in tiles)


def sum_over_ranks(partial: Tensor, group: dist.ProcessGroup | None) -> None:
    """Add up, in place, what the ranks of a group hold."""
    if group is not None:
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
    if embedding.ndim != 2 or not embedding.is_floating_point():
        raise ValueError(
            f"the embedding is {embedding.dtype} {tuple(embedding.shape)}; expected floating point "
            "numbers (nodes, embedding size)"
        )
    if method not in ("auto", "dense", "tiled"):
        raise ValueError(f'method="{method}": expected "auto", "dense" or "tiled"')
    nodes = len(embedding)
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
    """LAGC's graph product ``softmax(relu(E Eᵀ)) X``, exact and differentiable in both.

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
    if x.ndim != 2 or len(x) != len(embedding) or x.dtype != embedding.dtype:
        raise ValueError(
            f"x is {x.dtype} {tuple(x.shape)}; expected {embedding.dtype} ({len(embedding)}, M), a "
            "row for each node of the embedding"
        )
    return a @ x
