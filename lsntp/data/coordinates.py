"""Which dimension of a field is time, latitude and longitude, and where a wanted part of it lies.

Coordinates are recognised by the CF conventions, by way of cf-xarray: standard names first, then
units, then names. Only coordinates are read here, never values.
"""

from __future__ import annotations

import re
from functools import partial
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
NAMES = {
    "time": r"x?times?",
    "lat": r"(x|c|t|geo|grid|nav_|g\d+_)?(lat|latitude)(cell|_m|_t|_?\d+)?",
    "lon": r"(x|c|t|geo|grid|nav_|g\d+_)?(lon|long|longitude)(cell|_m|_t|_?\d+)?",
}
"""Names of coordinates without attributes, where cf-xarray knows none: XLAT, g0_lat_1, clon."""
UNITS = {"lat": r"degrees?_?n(orth)?", "lon": r"degrees?_?e(ast)?"}


class Axis(NamedTuple):
    """A dimension, the coordinate along it, and whether attributes (or only a name) tell it."""

    dim: str
    coordinate: str
    told: bool


def axes(da: xr.DataArray) -> dict[str, Axis]:
    """Find the dimensions of a field that are ``time``, ``lat`` and ``lon``, as far as there."""
    found: dict[str, Axis] = {}
    for told in (True, False):
        if len(found) == len(CF_NAMES):
            break
        for role, names in candidates(da, told).items():
            for name in names:
                if role not in found and da[name].ndim == 1:
                    found[role] = Axis(str(da[name].dims[0]), name, told)
    return {role: found[role] for role in CF_NAMES if role in found}


def candidates(da: xr.DataArray, told: bool) -> dict[str, list[str]]:
    """Coordinates that can be each role, by attributes or else by name, the best first."""
    import cf_xarray  # noqa: F401  (adds .cf)

    coords = da.coords.to_dataset()
    if not told:
        coords = coords.cf.guess_coord_axis()
    known = coords.cf.coordinates
    taken = {name for names in known.values() for name in names}
    found = {}
    for role, cf in CF_NAMES.items():
        names = [str(name) for name in known.get(cf, [])]
        if not told:
            names += [str(c) for c in da.coords if c not in taken and named(str(c), role)]
        if role != "time":  # another standard name overrules units and names
            names = [n for n in names if da[n].attrs.get("standard_name", cf) == cf]
        names = [n for n in names if da[n].dtype.kind != "m"]  # a lead is no time
        found[role] = sorted(names, key=partial(_rank, da, role))
    return found


def _rank(da: xr.DataArray, role: str, name: str) -> tuple[bool, bool, bool]:
    standard = da[name].attrs.get("standard_name") == CF_NAMES[role]
    return not standard, role == "time" and name != "valid_time", name not in da.dims


def named(name: str, role: str) -> bool:
    """Tell whether a coordinate, or a dimension, can be a role by its name alone."""
    return re.fullmatch(NAMES[role], name, re.I) is not None


def complete(ds: xr.Dataset) -> xr.Dataset:
    """Make coordinates of variables that are places or, as WRF writes them, times in words."""
    places = [str(key) for key, da in ds.data_vars.items() if da.ndim and da.dtype.kind in "iuf"]
    ds = ds.set_coords([key for key in places if _is_place(key, ds[key].attrs)])
    if "Times" in ds and ds["Times"].ndim == 1 and "XTIME" not in ds.coords:
        words = pd.Index(ds["Times"].values.astype(str)).str.replace("_", "T")
        ds = ds.drop_vars("Times").assign_coords(XTIME=(ds["Times"].dims, pd.to_datetime(words)))
    return ds


def _is_place(name: str, attrs: dict) -> bool:
    """Tell whether a variable holds latitudes or longitudes, by its attributes or else by name."""
    standard, units = (str(attrs.get(key, "")) for key in ("standard_name", "units"))
    if standard:
        return standard in CF_NAMES.values()
    return any(named(name, r) or re.fullmatch(UNITS[r], units, re.I) for r in UNITS)


def with_time(da: xr.DataArray) -> xr.DataArray:
    """Give a field of one time, which no dimension tells, that dimension."""
    if "time" in axes(da):
        return da
    for told in (True, False):
        for name in candidates(da, told)["time"]:
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
            steps = pd.Series(pd.to_timedelta(np.diff(coordinate.values)))
            raise DataError(
                f"{name}: the times are in the calendar {calendar}, with days that the standard "
                f"one has not; expected that: {evenly(steps, along, calendar)}"
            ) from None
    try:
        if np.asarray(index).dtype.kind in "biufcm":
            raise TypeError
        times = pd.DatetimeIndex(index)
    except (TypeError, ValueError):
        raise DataError(
            f"{name}: times are {coordinate.dtype}, not datetime64 as expected; "
            f"{_as_times(coordinate, along)}"
        ) from None
    try:
        return times.as_unit("ns"), calendar
    except pd.errors.OutOfBoundsDatetime:
        return times.as_unit("us"), calendar


def _as_times(coordinate: xr.DataArray, along: str) -> str:
    """Say how to make times of what is none."""
    values = coordinate.values
    if values.dtype.kind in "iuf" and ((values >= 1e7) & (values < 1e8) & (values % 1 == 0)).all():
        return (
            f"if they are days as 20200131 is one: open_dataset(da.assign_coords({along}=lambda x: "
            f"pd.to_datetime(x['{along}'].values.astype(int).astype(str))))"
        )
    if values.dtype.kind in "iuf":
        return (
            f"say what they count: open_dataset(da.assign_coords({along}=lambda x: x['{along}']"
            ".assign_attrs(units='hours since 2000-01-01')).to_dataset(name='t2m')"
            ".pipe(xr.decode_cf))"
        )
    return (
        f"give times: open_dataset(da.assign_coords({along}=times)), of which there are "
        f"{values.size}, such as pd.date_range('2000-01-01', periods={values.size}, freq='h')"
    )


def evenly(steps: pd.Series, along: str, calendar: str) -> str:
    """Say how to bring a series into the standard calendar at one step, without a gap."""
    step = pd.Timedelta("30D") if _months(steps) else pd.Timedelta(steps.mode()[0])
    converted = (
        ""
        if calendar in ("standard", "gregorian", "proleptic_gregorian")
        else f".convert_calendar('standard', dim='{along}', align_on='date', use_cftime=False)"
    )
    return (
        f"open_dataset(da{converted}.resample({along}='{step / pd.Timedelta(seconds=1):.0f}s', "
        "origin='start').interpolate('linear')) "
        + (f"converts them from the calendar {calendar} and " if converted else "")
        + "interpolates in time"
    )


def _months(steps: pd.Series) -> bool:
    return bool(len(steps) and steps.between("28D", "31D").all())


def check_order(times: pd.DatetimeIndex, name: str, along: str = "time") -> None:
    """Refuse times that are missing, twice there or not ascending.

    Raises
    ------
    DataError
    """
    if times.hasnans:
        raise DataError(
            f"{name}: time {times.isna().argmax()} (counted from 0) is missing; expected all: "
            f"open_dataset(da.where(lambda x: x['{along}'].notnull(), drop=True))"
        )
    if not times.is_unique:
        twice = times[times.duplicated()].unique()
        raise DataError(
            f"{name}: {len(twice)} duplicate time(s), first {twice[0]:%Y-%m-%dT%H:%M}; expected "
            f"none: open_dataset(da.drop_duplicates('{along}')) keeps the first of each"
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
    if _months(steps):
        raise DataError(
            f"{name}: the steps are months, of {hours.min():g} to {hours.max():g} h; expected one "
            f"length: take data by the day or hour, or {evenly(steps, along, calendar)} to 30 days"
        )
    ends = [-1, *wrong, len(steps)]
    longest = int(np.diff(ends).argmax())
    first, last = times[ends[longest] + 1], times[ends[longest + 1]]
    part = f"period=('{_exact(first)}', '{_exact(last)}') is the longest part"
    raise DataError(
        f"{name}: irregular times: {hours[wrong[0]]:g} h from {_exact(times[wrong[0]])} to "
        f"{_exact(times[wrong[0] + 1])}, where most steps are {hours.mode()[0]:g} h "
        f"({len(wrong)} of {len(steps)} differ); {part} without a gap, or "
        f"{evenly(steps, along, calendar)}"
    )


def _exact(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%dT%H:%M}" + (f":{time:%S}" if time.second else "")


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


def places(
    lat: np.ndarray, lon: np.ndarray, region: Region | None, name: str, given: dict[str, str]
) -> Places:
    """Order a grid, north first and from west to east in one piece, and cut it to a region.

    Longitudes begin in [-180, 180); those of a region across 180 degrees run on beyond. Of a
    cyclic grid, whose last longitude is its first, the last is dropped.

    Raises
    ------
    DataError
        What is not on the globe, and a region that is none or holds less than 2 x 2 cells.
    """
    for axis, values, most in (("lat", lat, 90), ("lon", lon, 540)):
        on = abs(values) <= most
        if not on.all():
            part = f"open_dataset(da.where(lambda x: abs(x['{given[axis]}']) <= {most}, drop=True))"
            raise DataError(
                f"{name}: latitudes {lat.min()} to {lat.max()}, longitudes {lon.min()} to "
                f"{lon.max()}; expected degrees, -90 to 90 and -540 to 540, no NaN: "
                + (part if on.sum() > 1 else f"mend its {axis}, or choose another field")
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
                f"open_dataset(da.drop_duplicates('{along}')) keeps the first"
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
                f"np.linspace({float(values.min())!r}, {float(values.max())!r}, {count})))"
            )
