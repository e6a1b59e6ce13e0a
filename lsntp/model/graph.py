"""Distances on the globe and the learned (adaptive) graph of LAGC."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lsntp.data.checks import Count, Kilometres, checked, fits
from lsntp.data.distances import EARTH_RADIUS_KM, radians
from lsntp.model import product
from lsntp.model.product import Adjacency, Method


def adaptive_adjacency(embedding: Tensor) -> Tensor:
    """The normalised adjacency of LAGC: ``D^-1/2 A D^-1/2 = softmax(relu(E Eᵀ))``.

    Parameters
    ----------
    embedding : Tensor of shape (N, E), the learned node embedding.

    Returns
    -------
    adjacency : Tensor of shape (N, N); every row sums to 1; the identity is not included.

    Raises
    ------
    ValueError
        If the embedding is not a matrix of floats.
    """
    fits("embedding", embedding, ("N", "E"))
    return torch.softmax(torch.relu(embedding @ embedding.T), dim=1)


class DistanceCut:
    """Keep the links between nodes at most so far apart, to within a metre, as in the talk's Q1.

    Parameters
    ----------
    lat, lon : arrays of shape (N,), degrees, as of :func:`grid_nodes`.
    km : float
        0 keeps a node's link to itself only, the largest distance keeps the full graph.

    Raises
    ------
    ValueError
        If the distance is negative or not a number, or the coordinates are not pairs of degrees.
    """

    @checked
    def __init__(self, lat: Any, lon: Any, km: Kilometres) -> None:
        phi, lam = radians(lat, lon)
        on_sphere = [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]
        self.nodes = torch.from_numpy(np.stack(on_sphere, axis=1)) * EARTH_RADIUS_KM
        angle = min(km / EARTH_RADIUS_KM, np.pi)
        self.chord_km = 2 * EARTH_RADIUS_KM * np.sin(angle / 2) + 1e-3

    def __len__(self) -> int:
        return len(self.nodes)

    def among(self, cells: Tensor) -> DistanceCut:
        """The same cut among some of the nodes."""
        cut = copy.copy(self)
        cut.nodes = self.nodes[cells.to(self.nodes.device)]
        return cut

    def within(self, rows: slice, columns: slice) -> Tensor:
        """Tell of each link from ``columns`` to ``rows`` whether it stays, bool."""
        squares = [
            (to[:, None] - of[None, :]).square_()
            for to, of in zip(self.nodes[rows].T, self.nodes[columns].T, strict=True)
        ]
        return sum(squares[1:], squares[0]) <= self.chord_km**2


class AdaptiveGraph(nn.Module):
    """A graph that is learned: one embedding vector a node, one adjacency for the whole network.

    Parameters
    ----------
    nodes : int
        N, the number of grid cells.
    size : int
        E, the length of a node's embedding vector.
    cut : DistanceCut, optional
        Links longer than its distance are set to zero *after* the softmax.
    method : {"auto", "dense", "tiled"}
        As of :func:`lsntp.graph_product`: whether :meth:`adjacency` holds the N×N matrix.

    Notes
    -----
    The embedding starts from Xavier's normal distribution, as in the released code, so the first
    graph is nearly uniform: every node sees about the mean of the whole field.
    Explained in the notebook ``03_method``.
    """

    @checked
    def __init__(
        self, nodes: Count, size: Count, cut: DistanceCut | None = None, method: Method = "auto"
    ) -> None:
        super().__init__()
        if cut is not None and len(cut) != nodes:
            raise ValueError(
                f"the cut is for {len(cut)} nodes, this graph has {nodes}: expected as many; make "
                "it with the nodes of this grid"
            )
        self.embedding = nn.Parameter(nn.init.xavier_normal_(torch.empty(nodes, size)))
        self.cut, self.method = cut, method
        self.cells: Tensor | None
        self.register_buffer("cells", None, persistent=False)

    def restrict(self, cells: Tensor) -> None:
        """Let only some nodes (n,) take part; the others, without values, have no links."""
        self.cells = cells

    def adjacency(self) -> Adjacency:
        """Return the adjacency for products ``adjacency @ x``; once a forward pass will do."""
        if self.cells is None:
            return product.adjacency(self.embedding, self.method, cut=self.cut)
        cut = None if self.cut is None else self.cut.among(self.cells)
        among = product.adjacency(self.embedding[self.cells], self.method, cut=cut)
        return product.AmongCells(among, self.cells, len(self.embedding))

    def forward(self) -> Tensor:
        """Return the adjacency as a matrix (N, N); rows sum to 1 unless links were removed."""
        if self.cells is not None:
            return self.adjacency() @ torch.eye(len(self.embedding)).to(self.embedding)
        matrix = adaptive_adjacency(self.embedding)
        if self.cut is None:
            return matrix
        return matrix * self.cut.within(slice(None), slice(None)).to(matrix.device)


class GivenGraph(nn.Module):
    """A graph that is known, in the place of an :class:`AdaptiveGraph`; nothing of it is learned.

    Parameters
    ----------
    matrix : Tensor (N, N)
        The adjacency, rows are receivers, without the identity.
    """

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        fits("matrix", matrix, ("N", "N"))
        self.matrix: Tensor
        self.register_buffer("matrix", matrix, persistent=False)

    def adjacency(self) -> Tensor:
        """Return the adjacency for products ``adjacency @ x``."""
        return self.matrix

    def forward(self) -> Tensor:
        """Return the adjacency as a matrix (N, N)."""
        return self.matrix
