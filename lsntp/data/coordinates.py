"""Which dimension of a field is time, latitude and longitude, and where a wanted part of it lies.

Coordinates are recognised by the CF conventions, by way of cf-xarray: standard names first, then
units, then names. Only coordinates are read here, never values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.data.checks import DataError, shown

Region = tuple[float, float, float, float]
"""North, west, south, east, degrees: the order of the Climate Data Store."""

UNEVEN = 0.05  # largest departure from one step; a Gaussian grid's latitudes stay below it
NEAR = 1e-4  # degrees, 11 m: two places nearer than this are one
CF_NAMES = {"time": "time", "lat": "latitude", "lon": "longitude"}
NOT_DEGREES_OF_LATITUDE = {
    "grid_latitude": "a rotated pole",
    "grid_longitude": "a rotated pole",
    "projection_x_coordinate": "a map projection",
    "projection_y_coordinate": "a map projection",
    "projection_x_angular_coordinate": "a satellite's view",
    "projection_y_angular_coordinate": "a satellite's view",
}
LENGTHS = ("m", "km", "meter", "meters", "metre", "metres", "kilometers", "kilometres")
TAKES = "(open_dataset takes da itself, or the file that da.to_netcdf writes)"


class Axis(NamedTuple):
    """A dimension, the coordinate along it, and whether attributes (or only a name) tell it."""

    dim: str
    coordinate: str
    told: bool


def axes(da: xr.DataArray) -> dict[str, Axis]:
    """Find the dimensions of a field that are ``time``, ``lat`` and ``lon``, as far as there."""
    found: dict[str, Axis] = {}
    for role in CF_NAMES:
        for told in (True, False):
            for name in _candidates(da, role, told):
                dims = da[name].dims
                if role not in found and len(dims) == 1:
                    found[role] = Axis(str(dims[0]), name, told)
    return found


def _candidates(da: xr.DataArray, role: str, told: bool) -> list[str]:
    """Coordinates that can be a role, by attributes or else by name, the best first."""
    import cf_xarray  # noqa: F401  (adds .cf)

    cf = CF_NAMES[role]
    coords = da.coords.to_dataset()
    if not told:
        coords = coords.cf.guess_coord_axis()
    names = [str(name) for name in coords.cf.coordinates.get(cf, [])]
    if role != "time":  # another standard name overrules units and names
        names = [n for n in names if da[n].attrs.get("standard_name", cf) == cf]
    names = [n for n in names if da[n].dtype.kind != "m"]  # a lead is no time

    def rank(name: str) -> tuple[bool, bool, bool]:
        standard = da[name].attrs.get("standard_name") == cf
        return not standard, role == "time" and name != "valid_time", name not in da.dims

    return sorted(names, key=rank)


def with_time(da: xr.DataArray) -> xr.DataArray:
    """Give a field of one time, which no dimension tells, that dimension."""
    if "time" in axes(da):
        return da
    for told in (True, False):
        for name in _candidates(da, "time", told):
            if not da[name].ndim:
                return da.expand_dims(name)
    return da


def without_zone(da: xr.DataArray) -> xr.DataArray:
    """Turn times of a time zone into UTC."""
    zoned = {
        name: (index.name, index.tz_convert("UTC").tz_localize(None), da[name].attrs)
        for name, index in da.indexes.items()
        if isinstance(index, pd.DatetimeIndex) and index.tz is not None
    }
    return da.drop_vars(zoned).assign_coords(zoned) if zoned else da


def refuse_other_grids(da: xr.DataArray, name: str, found: dict[str, Axis]) -> None:
    """Refuse by name what is not latitude x longitude: rotated, projected, curvilinear, cells.

    Raises
    ------
    DataError
    """
    places = [found[role] for role in ("lat", "lon") if role in found]
    kind = _other_grid(da, places)
    if kind is None and len(places) == 2 and places[0].dim == places[1].dim:
        kind = f"a list of cells along the one dimension {places[0].dim}"
    for axis in places:
        units = str(da[axis.coordinate].attrs.get("units", "degrees"))
        if kind is None and not units.lower().lstrip().startswith(("deg", "°")):
            if units.strip().lower().startswith("rad"):
                raise DataError(
                    f"{name}: {axis.coordinate} is in {units!r}; expected degrees: open_dataset("
                    f"da.assign_coords({axis.coordinate}=('{axis.dim}', "
                    f"np.rad2deg(da.{axis.coordinate}.values), {{'units': 'degrees'}})))"
                )
            kind = f"in {units!r}, not in degrees"
    if kind is None:
        return
    has = two_dimensional(da)
    remedy = (
        "lsntp.data.regrid.regrid(da, step) interpolates it there"
        if has
        else "give it the latitudes and longitudes of its cells, da.assign_coords(lat=(dims, …), "
        "lon=(dims, …)), then lsntp.data.regrid.regrid(da, step) interpolates it there"
    )
    raise DataError(
        f"{name}: its grid is {kind}, dimensions {tuple(map(str, da.dims))}"
        + (f", with {' and '.join(has)} in two dimensions" if has else "")
        + f"; expected latitude × longitude: {remedy}, and so do cdo remapbil and xESMF"
    )


def two_dimensional(da: xr.DataArray) -> list[str]:
    """Coordinates in two dimensions that are latitude and longitude."""
    both = (_candidates(da, role, told) for role in ("lat", "lon") for told in (True, False))
    return [n for n in dict.fromkeys(n for names in both for n in names) if da[n].ndim == 2]


def _other_grid(da: xr.DataArray, places: list[Axis]) -> str | None:
    """Say what kind of grid other than latitude x longitude it is, if it is one."""
    if len(places) == 2 and all(axis.told for axis in places):
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
    return "curvilinear" if two_dimensional(da) else None


# ---- times


def times_of(coordinate: xr.DataArray, name: str) -> tuple[pd.DatetimeIndex, str]:
    """Times as UTC without a zone, in ns where they can be, and the calendar they were in.

    Raises
    ------
    DataError
        Numbers, words that are no times, or days that the standard calendar has not.
    """
    import cftime

    along = str(coordinate.name)
    index = coordinate.indexes.get(along, pd.Index(coordinate.values))
    calendar = "standard"
    if len(index) and isinstance(index[0], cftime.datetime):
        calendar = index[0].calendar
        try:
            index = np.array([t.isoformat() for t in index], "datetime64[us]")
        except ValueError:
            raise DataError(
                f"{name}: the times are in the calendar {calendar}, with days that the standard "
                f"one has not; expected that: {calendar_remedy(along)}"
            ) from None
    try:
        if np.asarray(index).dtype.kind in "biufcm":
            raise TypeError
        times = pd.DatetimeIndex(index)
    except (TypeError, ValueError):
        raise DataError(
            f"{name}: times are {coordinate.dtype}, not datetime64 as expected; say what they "
            f"count, da['{along}'].attrs['units'] = 'hours since 2000-01-01', then "
            "xr.decode_cf(da.to_dataset(name='t2m'))"
        ) from None
    try:
        return times.as_unit("ns"), calendar
    except pd.errors.OutOfBoundsDatetime:
        return times.as_unit("us"), calendar


def calendar_remedy(along: str) -> str:
    """Say how to bring a series into the standard calendar without a gap."""
    return (
        "convert and fill the days between by open_dataset(da.convert_calendar('standard', "
        f"dim='{along}', align_on='date', use_cftime=False, missing=float('nan'))"
        f".interpolate_na('{along}'))"
    )


def check_order(times: pd.DatetimeIndex, name: str, along: str = "time") -> None:
    """Refuse times that are missing, twice there or not ascending.

    Raises
    ------
    DataError
    """
    if times.hasnans:
        raise DataError(
            f"{name}: time {times.isna().argmax()} (counted from 0) is missing; expected all: "
            f"open_dataset(da.sel({along}=da.{along}.notnull()))"
        )
    if not times.is_unique:
        twice = times[times.duplicated()].unique()
        raise DataError(
            f"{name}: {len(twice)} duplicate time(s), first {twice[0]:%Y-%m-%dT%H:%M}; expected "
            f"none: open_dataset(da.drop_duplicates('{along}'))"
        )
    if not times.is_monotonic_increasing:
        at = int((np.diff(times) < np.timedelta64(0, "ns")).argmax())
        raise DataError(
            f"{name}: {times[at + 1]:%Y-%m-%dT%H:%M} follows {times[at]:%Y-%m-%dT%H:%M}; expected "
            f"ascending times: open_dataset(da.sortby('{along}'))"
        )


def step_of(times: pd.DatetimeIndex, name: str, along: str, calendar: str) -> pd.Timedelta:
    """Return the step of ascending times, which must be one.

    Raises
    ------
    DataError
    """
    if len(times) < 2:
        raise DataError(f"{name}: {len(times)} time(s); expected at least 2: give more of them")
    steps = pd.Series(np.diff(times))
    step = steps.mode()[0]
    if (steps == step).all():
        return step
    wrong = np.flatnonzero(steps != step)
    hours = steps / pd.Timedelta(hours=1)
    if steps.between("28D", "31D").all():
        raise DataError(
            f"{name}: the steps are months, of {hours.min():g} to {hours.max():g} h; expected one "
            f"length: open_dataset(da.resample({along}='30D').interpolate('linear')), or take "
            "data by the day or hour"
        )
    ends = [-1, *wrong, len(steps)]
    longest = int(np.diff(ends).argmax())
    first, last = times[ends[longest] + 1], times[ends[longest + 1]]
    part = f"period=('{first:%Y-%m-%dT%H:%M}', '{last:%Y-%m-%dT%H:%M}') is the longest part"
    frequency = f"{step / pd.Timedelta(seconds=1):.0f}s"
    fill = (
        f"fill it by open_dataset(da.resample({along}='{frequency}').interpolate('linear')) {TAKES}"
        if calendar in ("standard", "gregorian", "proleptic_gregorian")
        else f"the calendar was {calendar}: {calendar_remedy(along)}"
    )
    raise DataError(
        f"{name}: irregular times: {hours[wrong[0]]:g} h from {times[wrong[0]]:%Y-%m-%dT%H:%M} to "
        f"{times[wrong[0] + 1]:%Y-%m-%dT%H:%M}, where most steps are {hours.mode()[0]:g} h "
        f"({len(wrong)} of {len(steps)} differ); {part} without a gap, or {fill}"
    )


def within(times: pd.DatetimeIndex, period: tuple, name: str) -> slice:
    """Return the part of ascending times that is in a period (from, until), both included.

    Raises
    ------
    DataError
    """
    covered = f"it covers {times[0]} to {times[-1]}" if len(times) else "it has no times"
    try:
        first, last = period
        part = times.slice_indexer(first, last)
    except (TypeError, ValueError, KeyError):
        raise DataError(
            f"period={shown(period)}: expected (from, until), times such as '2019-03' or "
            f"'2019-03-01T06:00', or None; {name}: {covered}"
        ) from None
    if part.start >= part.stop:
        raise DataError(
            f"{name}: no time from {first} until {last}, period={shown(period)}; {covered}: give "
            "times among these"
        )
    return part


# ---- places


class Places(NamedTuple):
    """Rows and columns of a grid, in the order wanted, and where these are."""

    rows: np.ndarray
    columns: np.ndarray
    lat: np.ndarray
    lon: np.ndarray


def places(lat: np.ndarray, lon: np.ndarray, region: Region | None, name: str) -> Places:
    """Order a grid, north first and from west to east in one piece, and cut it to a region.

    Longitudes begin in [-180, 180); those of a region across 180 degrees run on beyond. Of a
    cyclic grid, whose last longitude is its first, the last is dropped.

    Raises
    ------
    DataError
        What is not on the globe, and a region that is none or holds less than 2 x 2 cells.
    """
    if not ((abs(lat) <= 90).all() and (abs(lon) <= 540).all()):
        raise DataError(
            f"{name}: latitudes {lat.min()} to {lat.max()}, longitudes {lon.min()} to {lon.max()}; "
            "expected degrees, -90 to 90 and -540 to 540, no NaN: select what is on the globe"
        )
    if min(len(lat), len(lon)) < 2:
        raise DataError(
            f"{name}: grid {len(lat)} x {len(lon)}; expected at least 2 x 2: give more cells"
        )
    rows = np.argsort(-lat, kind="stable")
    columns = np.arange(len(lon))
    if abs(np.ptp(lon) - 360) < NEAR:
        columns = np.delete(columns, lon.argmax())
    east = lon[columns]
    east = np.where((east < -180) | (east >= 180), (east + 180) % 360 - 180, east)
    columns, east = columns[np.argsort(east, kind="stable")], np.sort(east)
    if region is None:
        gaps = np.diff(east)
        if len(gaps) and gaps.max() > 1.5 * (east[0] + 360 - east[-1]):
            at = int(gaps.argmax()) + 1  # one piece, across 180 degrees
            columns, east = np.roll(columns, -at), np.r_[east[at:], east[:at] + 360]
        return Places(rows, columns, lat[rows], east)
    north, west, south, width = _box(region)
    offset = (east - west) % 360
    offset[offset > 360 - NEAR] = 0
    order = np.argsort(offset, kind="stable") if width < 360 else np.arange(len(east))
    order = order[offset[order] <= width + NEAR]
    rows = rows[(lat[rows] <= north + NEAR) & (lat[rows] >= south - NEAR)]
    if len(rows) < 2 or len(order) < 2:
        raise DataError(
            f"{name}: region={shown(region)} (north, west, south, east) holds {len(rows)} x "
            f"{len(order)} cells; expected at least 2 x 2: give one inside latitudes "
            f"{lat.min():g} to {lat.max():g}, longitudes {lon.min():g} to {lon.max():g}"
        )
    lon = east[order] + 360 * ((east[order] < west - NEAR) & (width < 360))
    return Places(rows, columns[order], lat[rows], lon - 360 * (lon[0] >= 180))


def _box(region: Region) -> tuple[float, float, float, float]:
    """Return north, west in [-180, 180), south and the width in degrees of a region."""
    try:
        north, west, south, east = (float(side) for side in region)
    except (TypeError, ValueError):
        north = west = south = east = np.nan
    if not (90 >= north > south >= -90 and abs(west) <= 540 and abs(east) <= 540 and west != east):
        raise DataError(
            f"region={shown(region)}: expected (north, west, south, east) in degrees, north above "
            "south, such as (60, -10, 50, 2); from west to east it may cross 180 degrees"
        )
    return north, (west + 180) % 360 - 180, south, (east - west) % 360 or 360


def check_even(lat: np.ndarray, lon: np.ndarray, name: str, given: dict[str, str]) -> None:
    """Refuse a grid with a place twice, a gap or uneven steps.

    Raises
    ------
    DataError
    """
    for axis, values in {"lat": lat, "lon": lon}.items():
        along = given[axis]
        steps = abs(np.diff(values))
        if (steps == 0).any():
            raise DataError(
                f"{name}: {axis} {values[steps.argmin()]:g} occurs twice; expected once: "
                f"open_dataset(da.isel({along}=…)) without one of them"
            )
        usual = float(np.median(steps))
        rounding = 4 * float(np.spacing(np.float32(abs(values).max())))
        if steps.max() - steps.min() > UNEVEN * usual + rounding:
            a, b = values[steps.argmax() :][:2]
            count = round(float(np.ptp(values)) / usual) + 1
            raise DataError(
                f"{name}: {axis} is not evenly spaced, steps from {steps.min():g} to "
                f"{steps.max():g} degrees, the widest between {a:g} and {b:g}; take a region "
                f"without it, or interpolate: open_dataset(da.sortby('{along}').interp({along}="
                f"np.linspace(float(da.{along}.min()), float(da.{along}.max()), {count})))"
            )
