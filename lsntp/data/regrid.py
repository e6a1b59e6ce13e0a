"""A rotated, projected or curvilinear field, or a list of cells -> a latitude-longitude grid."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lsntp.data.checks import DataError
from lsntp.data.coordinates import Axis, candidates

NOT_DEGREES_OF_LATITUDE = {
    "grid_latitude": "a rotated pole",
    "grid_longitude": "a rotated pole",
    "projection_x_coordinate": "a map projection",
    "projection_y_coordinate": "a map projection",
    "projection_x_angular_coordinate": "a satellite's view",
    "projection_y_angular_coordinate": "a satellite's view",
}
LENGTHS = ("m", "km", "meter", "meters", "metre", "metres", "kilometers", "kilometres")
SEAM = 60.0  # degrees: cells so near to the meridian where a globe is cut stand on both sides


def regrid(da: xr.DataArray, step: float) -> xr.DataArray:
    """Interpolate a field on any grid, or on a list of cells, linearly to latitude x longitude.

    Each new cell takes the mean of the three given ones around it, weighted as in the triangle
    that they span in degrees.

    Parameters
    ----------
    da : DataArray (..., y, x) or (..., cell)
        With the latitudes and longitudes of its cells as coordinates, degrees or radians.
    step : float
        Of the new grid, degrees; about that of the old one.

    Returns
    -------
    DataArray (..., lat, lon)
        At multiples of ``step``: on the largest box that lies wholly inside the given grid; of a
        list, on a box around the cells, with NaN where there are none around.

    Raises
    ------
    DataError
        If it has no such coordinates, or no such box holds 2 x 2 cells.
    """
    from scipy.spatial import Delaunay

    lat, lon, old = _places(da)
    cells = lat.ravel(), lon.ravel()
    which = np.arange(lat.size)
    if lat.ndim == 1:
        south, north, west, east, seam = _around(lat, lon, step)
        which = np.r_[which, seam[0], seam[1]]
        turned = np.r_[cells[1], cells[1][seam[0]] + 360, cells[1][seam[1]] - 360]
        cells = lat[which], turned
    else:
        south, north = _inside(lat, step)
        west, east = _inside(lon, step)
    if north <= south or east <= west:
        raise DataError(
            f"step={step}: no box of 2 x 2 such cells lies inside latitudes {lat.min():g} to "
            f"{lat.max():g}, longitudes {lon.min():g} to {lon.max():g}; give a smaller step"
        )
    rows, columns = np.arange(north, south - 1, -1) * step, np.arange(west, east + 1) * step
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    mesh = Delaunay(np.stack(cells, -1))
    triangle = mesh.find_simplex(places, tol=1e-9)
    affine = mesh.transform[triangle]
    weights = np.einsum("nij,nj->ni", affine[:, :2], places - affine[:, 2])
    weights = np.concatenate([weights, 1 - weights.sum(1, keepdims=True)], 1)
    weights[triangle < 0] = np.nan
    corners = which[mesh.simplices[triangle]]

    def interpolate(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(*values.shape[: values.ndim - len(old)], -1)
        new = sum(flat[..., corners[:, k]] * weights[:, k] for k in range(3))
        return np.asarray(new).reshape(*flat.shape[:-1], len(rows), len(columns))

    new = xr.apply_ufunc(
        interpolate,
        da.drop_vars(places_of(da)),
        input_core_dims=[old],
        output_core_dims=[["lat", "lon"]],
        exclude_dims=set(old),
        keep_attrs=True,
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={
            "output_sizes": {"lat": len(rows), "lon": len(columns)},
            "allow_rechunk": True,
        },
    )
    for attribute in ("grid_mapping", "GRIB_gridType"):
        new.attrs.pop(attribute, None)
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


def _around(
    lat: np.ndarray, lon: np.ndarray, step: float
) -> tuple[int, int, int, int, tuple[np.ndarray, np.ndarray]]:
    """Multiples of ``step`` around a list of cells, and which cells of a globe to repeat."""
    none = np.empty(0, int)
    ends = lat.min(), lat.max(), lon.min(), lon.max()
    south, north, west, east = (v / step + e for v, e in zip(ends, (-1e-9, 1e-9) * 2, strict=True))
    box = int(np.ceil(south)), int(np.floor(north)), int(np.ceil(west)), int(np.floor(east))
    if ends[3] - ends[2] < 360 - 2 * step:
        return *box, (none, none)
    count = int(360 / step + 1e-9)
    first, last = np.flatnonzero(lon < ends[2] + SEAM), np.flatnonzero(lon > ends[3] - SEAM)
    return box[0], box[1], box[2], box[2] + count - 1, (first, last)


# ---- where its cells are


def places_of(da: xr.DataArray) -> list[str]:
    """Coordinates that are latitude and longitude of each cell of another grid, or none.

    They lie along the same dimensions: two, as (y, x), or the one of a list of cells; WRF repeats
    them for each time.
    """
    both = [candidates(da, told) for told in (True, False)]
    lats, lons = (dict.fromkeys(both[0][role] + both[1][role]) for role in ("lat", "lon"))
    for lat in lats:
        for lon in lons:
            if lat != lon and da[lat].ndim and da[lat].dims == da[lon].dims:
                return [lat, lon]
    return []


def _places(da: xr.DataArray) -> tuple[np.ndarray, np.ndarray, list]:
    """Latitudes and longitudes in degrees, the latter in one piece, and their dimensions."""
    if not (names := places_of(da)):
        raise DataError(
            f"a field with coordinates {', '.join(map(str, da.coords))}: expected the latitudes "
            "and longitudes of its cells, as da.assign_coords(lat=(('y', 'x'), latitudes), "
            "lon=(('y', 'x'), longitudes)) gives"
        )
    values, dims = [], list(da[names[0]].dims)
    for name in names:
        coordinate = da[name]
        while coordinate.ndim > 2:  # as WRF has them, for each time
            first = coordinate.isel({coordinate.dims[0]: 0})
            if not np.array_equal(np.broadcast_to(first, coordinate.shape), coordinate):
                raise DataError(
                    f"{name} changes along {coordinate.dims[0]}; expected cells that stay: select "
                    "times between which they do"
                )
            coordinate, dims = first, list(first.dims)
        degrees = coordinate.values.astype(float)
        if str(coordinate.attrs.get("units", "")).strip().lower().startswith("rad"):
            degrees = np.rad2deg(degrees)
        values.append(degrees)
    lat, lon = values
    if lat.ndim == 1:
        east = np.sort(lon % 360)
        gaps = np.diff(np.r_[east, east[0] + 360])
        west = (east[(gaps.argmax() + 1) % len(east)] + 180) % 360 - 180
        return lat, (lon - west) % 360 + west, dims
    middle = lon[lon.shape[0] // 2, lon.shape[1] // 2]
    return lat, (lon - middle + 180) % 360 - 180 + middle, dims


def step_of(da: xr.DataArray) -> float:
    """Return about the distance of neighbouring cells, degrees, rounded down to one digit."""
    lat, lon, _ = _places(da)
    usual = float(np.sqrt(np.ptp(lat) * np.ptp(lon) / lat.size)) or 1.0
    digit = 10.0 ** np.floor(np.log10(usual))
    return float(f"{np.floor(usual / digit) * digit:.6g}")


# ---- what is no latitude-longitude grid


def refuse_other_grids(da: xr.DataArray, name: str, found: dict[str, Axis]) -> None:
    """Refuse by name what is not latitude x longitude: rotated, projected, curvilinear, cells.

    Raises
    ------
    DataError
    """
    axes = [found[role] for role in ("lat", "lon") if role in found]
    kind = _other_grid(da, axes)
    if kind is None and len(axes) == 2 and axes[0].dim == axes[1].dim:
        kind = f"a list of cells along the one dimension {axes[0].dim}"
    for axis in axes:
        units = str(da[axis.coordinate].attrs.get("units", "degrees"))
        if kind is None and not units.lower().lstrip().startswith(("deg", "°")):
            if units.strip().lower().startswith("rad"):
                at = axis.coordinate
                raise DataError(
                    f"{name}: {at} is in {units!r}; expected degrees: open_dataset("
                    f"da.assign_coords({at}=lambda x: np.rad2deg(x['{at}'])"
                    ".assign_attrs(units='degrees')))"
                )
            kind = f"in {units!r}, not in degrees"
    if kind is None:
        return
    dims = tuple(map(str, da.dims))
    told = f"{name}: its grid is {kind}, dimensions {dims}; expected latitude × longitude"
    if pair := places_of(da):
        raise DataError(
            f"{told}: open_dataset(lsntp.data.regrid.regrid(da, {step_of(da):g})) interpolates it "
            f"by {' and '.join(pair)} to so many degrees, and so do cdo remapbil and xESMF"
        )
    time = found["time"].dim if "time" in found else None
    cells = [dim for dim in dims if dim != time and da.sizes[dim] > 1][-2:]
    raise DataError(f"{told}: {interpolated(da, cells)}")


def interpolated(da: xr.DataArray, cells: list[str]) -> str:
    """Say how to regrid a field along these dimensions, which lacks the places of its cells."""
    lat, lon = next(p for p in (("lat", "lon"), ("latitude", "longitude")) if not {*p} & {*cells})
    along = f"'{cells[0]}'" if len(cells) == 1 else str(tuple(cells))
    shape = tuple(da.sizes[dim] for dim in cells)
    return (
        f"open_dataset(lsntp.data.regrid.regrid(da.assign_coords({lat}=({along}, latitudes), "
        f"{lon}=({along}, longitudes)), step)) interpolates it, given arrays {shape} of the "
        "latitudes and longitudes of its cells and the step of the new grid, in degrees"
    )


def _other_grid(da: xr.DataArray, axes: list[Axis]) -> str | None:
    """Say what kind of grid other than latitude x longitude it is, if it is one."""
    if len(axes) == 2 and all(axis.told for axis in axes) and axes[0].dim != axes[1].dim:
        return None
    for dim in da.dims:
        standard, units = (da[dim].attrs.get(key) for key in ("standard_name", "units"))
        if standard in NOT_DEGREES_OF_LATITUDE:
            return f"{NOT_DEGREES_OF_LATITUDE[standard]} ({standard})"
        if str(dim).lower() in ("x", "y", "easting", "northing") and units in LENGTHS:
            return f"a map projection ({dim} in {units})"
    variable = da.attrs.get("grid_mapping", da.encoding.get("grid_mapping"))
    mapping = da.coords[variable].attrs.get("grid_mapping_name") if variable in da.coords else None
    if mapping not in (None, "latitude_longitude"):
        return str(mapping)
    grib = str(da.attrs.get("GRIB_gridType", "regular"))
    if not grib.startswith("regular"):
        return grib
    if {"rlat", "rlon"} & {*da.dims}:
        return "a rotated pole (rlat, rlon)"
    pair = places_of(da)
    return "curvilinear" if pair and da[pair[0]].ndim > 1 else None
