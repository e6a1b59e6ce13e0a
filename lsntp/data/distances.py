"""Distances on the globe."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lsntp.data.checks import shown

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
