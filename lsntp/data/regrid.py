"""A rotated, projected or curvilinear field -> a latitude-longitude grid."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lsntp.data.checks import DataError
from lsntp.data.coordinates import two_dimensional


def regrid(da: xr.DataArray, step: float) -> xr.DataArray:
    """Interpolate a rotated, projected or curvilinear field linearly to latitude x longitude.

    Each new cell takes the mean of the three given ones around it, weighted as in the triangle
    that they span in degrees.

    Parameters
    ----------
    da : DataArray (..., y, x)
        With its latitudes and longitudes (y, x) as coordinates, degrees.
    step : float
        Of the new grid, degrees; about that of the old one.

    Returns
    -------
    DataArray (..., lat, lon)
        On the largest box that lies wholly inside the given cells, at multiples of ``step``.

    Raises
    ------
    DataError
        If it has no such coordinates, or no such box holds 2 x 2 cells.
    """
    from scipy.spatial import Delaunay

    names = two_dimensional(da)
    if len(names) != 2:
        raise DataError(
            f"a field with coordinates {', '.join(map(str, da.coords))}: expected its latitudes "
            "and longitudes in two dimensions, as da.assign_coords(lat=((y, x), …), lon=…) gives"
        )
    lat, lon = (da[name].values.astype(float) for name in names)
    middle = lon[lon.shape[0] // 2, lon.shape[1] // 2]
    lon = (lon - middle + 180) % 360 - 180 + middle  # in one piece
    south, north = _inside(lat, step)
    west, east = _inside(lon, step)
    if north <= south or east <= west:
        raise DataError(
            f"step={step}: no box of 2 x 2 such cells lies inside latitudes {lat.min():g} to "
            f"{lat.max():g}, longitudes {lon.min():g} to {lon.max():g}; give a smaller step"
        )
    rows, columns = np.arange(north, south - 1, -1) * step, np.arange(west, east + 1) * step
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    mesh = Delaunay(np.stack([lat.ravel(), lon.ravel()], -1))
    triangle = mesh.find_simplex(places)
    affine = mesh.transform[triangle]
    weights = np.einsum("nij,nj->ni", affine[:, :2], places - affine[:, 2])
    weights = np.concatenate([weights, 1 - weights.sum(1, keepdims=True)], 1)
    corners = mesh.simplices[triangle]

    def interpolate(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(*values.shape[:-2], -1)
        new = sum(flat[..., corners[:, k]] * weights[:, k] for k in range(3))
        return np.asarray(new).reshape(*values.shape[:-2], len(rows), len(columns))

    old = list(da[names[0]].dims)
    new = xr.apply_ufunc(
        interpolate,
        da.drop_vars(names),
        input_core_dims=[old],
        output_core_dims=[["lat", "lon"]],
        exclude_dims=set(old),
        keep_attrs=True,
    )
    new.attrs.pop("grid_mapping", None)
    new.encoding = {}
    return new.assign_coords(
        lat=("lat", rows, {"units": "degrees_north", "standard_name": "latitude"}),
        lon=("lon", columns, {"units": "degrees_east", "standard_name": "longitude"}),
    )


def _inside(values: np.ndarray, step: float) -> tuple[int, int]:
    """First and last multiple of ``step`` between the two opposite sides of a grid."""
    sides = (values[0], values[-1], values[:, 0], values[:, -1])
    pair = max((sides[:2], sides[2:]), key=lambda two: abs(two[0].mean() - two[1].mean()))
    low, high = sorted(pair, key=np.mean)
    return int(np.ceil(low.max() / step - 1e-9)), int(np.floor(high.min() / step + 1e-9))
