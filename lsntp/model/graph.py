"""Distances on the globe and the learned (adaptive) graph of LAGC."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from lsntp.data.checks import Count, Kilometres, checked, fits, shown
from lsntp.model import product
from lsntp.model.product import Adjacency, Method

EARTH_RADIUS_KM = 6371.0


def grid_nodes(field: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of every grid cell, in row-major node order.

    Parameters
    ----------
    field : DataArray with coordinates ``lat`` (H,) and ``lon`` (W,), degrees.

    Returns
    -------
    lat, lon : arrays of shape (N,), N = H·W, degrees.

    Raises
    ------
    ValueError
        If it has not both coordinates.
    """
    if not isinstance(field, xr.DataArray | xr.Dataset) or not {"lat", "lon"} <= {*field.coords}:
        raise ValueError(
            f"field={shown(field)}: expected a DataArray with the coordinates lat and lon, as "
            "lsntp.open_dataset gives it"
        )
    lat, lon = np.meshgrid(field["lat"].to_numpy(), field["lon"].to_numpy(), indexing="ij")
    return lat.ravel().astype(float), lon.ravel().astype(float)


def radians(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn degrees, (N,) each, into radians.

    Raises
    ------
    ValueError
        If they are not one of each a node, or no places on the globe.
    """
    lat, lon = np.asarray(lat), np.asarray(lon)
    if lat.dtype.kind not in "iuf" or lon.dtype.kind not in "iuf":
        raise ValueError(f"lat={shown(lat)}, lon={shown(lon)}: expected numbers, in degrees")
    phi, lam = np.radians(lat), np.radians(lon)
    if phi.ndim != 1 or phi.shape != lam.shape or not len(phi):
        raise ValueError(
            f"lat {phi.shape} and lon {lam.shape}: expected one of each a node, as grid_nodes "
            "gives them"
        )
    if not ((abs(phi) <= np.pi / 2).all() and (abs(lam) <= 3 * np.pi).all()):
        raise ValueError(
            f"lat from {np.min(lat)} to {np.max(lat)}, lon from {np.min(lon)} to {np.max(lon)}: "
            "expected degrees, latitudes from -90 to 90, longitudes from -540 to 540"
        )
    return phi, lam


def great_circle_km(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Great-circle distance between all pairs of nodes (haversine formula, R = 6371 km).

    Parameters
    ----------
    lat, lon : arrays of shape (N,), degrees.

    Returns
    -------
    distance : array of shape (N, N), km; symmetric with a zero diagonal.

    Raises
    ------
    ValueError
        If the coordinates are not pairs of degrees.
    """
    phi, lam = radians(lat, lon)
    half_dphi = (phi[:, None] - phi[None, :]) / 2
    half_dlam = (lam[:, None] - lam[None, :]) / 2
    chord = np.sin(half_dphi) ** 2 + np.outer(np.cos(phi), np.cos(phi)) * np.sin(half_dlam) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0)))


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
