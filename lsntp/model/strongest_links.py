"""A named approximation of the learned graph, for applying a trained one many times over.

Nothing uses it by default. What it costs in accuracy is shown in ``13_speed_and_scale``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lsntp.data.checks import Count, checked, fits
from lsntp.model.product import check_rows, graph_product, times_transposed

ROWS = 256
"""Rows of the graph that are looked through at a time."""


class StrongestLinks:
    """``softmax(relu(E Eᵀ))`` with each node's strongest links only, for products ``graph @ x``.

    The strongest links of a row keep their weight. What is left of the row's weight, so that it
    sums to 1, is spread evenly over all nodes: a row of the learned graph is a floor that all
    nodes share, because relu makes every similarity at least 0, and what rises above it.

    Parameters
    ----------
    embedding : Tensor (N, E)
        Of a trained graph; gets no gradient. A distance cut of that graph is not applied.
    links : int
        Links to keep of each node, at most N; with N of them the graph is exact.

    Raises
    ------
    ValueError
        If there are fewer nodes than links, no link is asked for, or the embedding is no matrix.

    Examples
    --------
    >>> graph = AdaptiveGraph(nodes=21 * 35, size=64)
    >>> strongest = StrongestLinks(graph.embedding, links=16)
    >>> LSConv(8, 16)(torch.randn(2, 8, 21, 35), strongest).shape
    torch.Size([2, 16, 21, 35])
    """

    @torch.no_grad()
    @checked
    def __init__(self, embedding: Tensor, links: Count) -> None:
        fits("embedding", embedding, ("N", "E"))
        nodes = len(embedding)
        if links > nodes:
            raise ValueError(f"links={links}: expected 1 to {nodes}, the number of nodes")
        self.embedding = embedding.detach()
        self.shape = torch.Size((nodes, nodes))
        blocks = [self._strongest(rows, links) for rows in self.embedding.split(ROWS)]
        self.sources, self.weights, self.everywhere = (
            torch.cat(part) for part in zip(*blocks, strict=True)
        )

    def _strongest(self, rows: Tensor, links: int) -> tuple[Tensor, Tensor, Tensor]:
        """Sources and weights (rows, links) of links beyond the share (rows, 1) of all nodes."""
        adjacency = torch.softmax(times_transposed(rows, self.embedding).clamp_min_(0), dim=1)
        weights, sources = adjacency.topk(links, dim=1)
        others = len(self.embedding) - links
        left = (1 - weights.sum(1, keepdim=True)).clamp_min_(0)
        share = left / others if others else left
        return sources, weights - share, share

    def __matmul__(self, x: Tensor) -> Tensor:
        """(N, M) -> (N, M); differentiable in ``x``."""
        check_rows(x, self.shape[0])
        weights = self.weights.to(x.dtype)
        linked = F.embedding_bag(self.sources, x, per_sample_weights=weights, mode="sum")
        return linked + self.everywhere.to(x.dtype) * x.sum(0)

    @torch.no_grad()
    def error(self, x: Tensor) -> float:
        """Distance from the exact product, relative to how much that varies between nodes."""
        exact = graph_product(self.embedding, x)
        return float((self @ x - exact).norm() / (exact - exact.mean(0)).norm())
