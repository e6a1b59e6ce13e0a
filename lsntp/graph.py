"""Distances on the globe and the learned (adaptive) graph of LAGC."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

EARTH_RADIUS_KM = 6371.0


def grid_nodes(field: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of every grid cell, in row-major node order.

    Parameters
    ----------
    field : DataArray with coordinates ``lat`` (H,) and ``lon`` (W,), degrees.

    Returns
    -------
    lat, lon : arrays of shape (N,), N = H·W, degrees.
    """
    lat, lon = np.meshgrid(field["lat"].to_numpy(), field["lon"].to_numpy(), indexing="ij")
    return lat.ravel().astype(float), lon.ravel().astype(float)


def great_circle_km(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Great-circle distance between all pairs of nodes (haversine formula, R = 6371 km).

    Parameters
    ----------
    lat, lon : arrays of shape (N,), degrees.

    Returns
    -------
    distance : array of shape (N, N), km; symmetric with a zero diagonal.
    """
    phi, lam = np.radians(lat), np.radians(lon)
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
    """
    return torch.softmax(torch.relu(embedding @ embedding.T), dim=1)


class AdaptiveGraph(nn.Module):
    """A graph that is learned: one embedding vector a node, one adjacency for the whole network.

    Parameters
    ----------
    nodes : int
        N, the number of grid cells.
    size : int
        E, the length of a node's embedding vector.
    distance_km : Tensor of shape (N, N), optional
        Distance between nodes; needed for ``cut_km``.
    cut_km : float, optional
        Links longer than this are set to zero *after* the softmax, as in the talk's Q1:
        0 leaves a node only its link to itself, the largest distance leaves the full graph.

    Notes
    -----
    The embedding starts from Xavier's normal distribution, as in the released code, so the first
    graph is nearly uniform: every node sees about the mean of the whole field.
    Explained in the notebook ``03_method``.
    """

    def __init__(
        self,
        nodes: int,
        size: int,
        distance_km: Tensor | None = None,
        cut_km: float | None = None,
    ) -> None:
        super().__init__()
        self.embedding = nn.Parameter(nn.init.xavier_normal_(torch.empty(nodes, size)))
        self.within: Tensor | None
        if cut_km is None:
            self.register_buffer("within", None)
        else:
            if distance_km is None or distance_km.shape != (nodes, nodes):
                shape = None if distance_km is None else tuple(distance_km.shape)
                raise ValueError(
                    f"cut_km={cut_km} needs distance_km of shape ({nodes}, {nodes}), got {shape}; "
                    "compute it with lsntp.graph.great_circle_km"
                )
            if cut_km < 0:
                raise ValueError(f"cut_km={cut_km}: expected a distance of 0 km or more")
            self.register_buffer("within", distance_km <= cut_km, persistent=False)

    def forward(self) -> Tensor:
        """Return the adjacency, (N, N); rows sum to 1 unless a distance cut removed links."""
        adjacency = adaptive_adjacency(self.embedding)
        return adjacency if self.within is None else adjacency * self.within
