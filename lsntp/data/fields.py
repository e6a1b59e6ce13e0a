"""A field of your own -> the one form every part of this library takes, or a clear error.

The form: ``(time, lat, lon)``, float32, K; times ascending and regular, north first, longitudes
ascending from one in [-180, 180). Explained in the book's page on data.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.data import coordinates
from lsntp.data.checks import DataError, shown
from lsntp.data.coordinates import TAKES, Region

LOWEST_K, HIGHEST_K = 150.0, 350.0
"""Near-surface temperatures on Earth lie between these; values in °C never do."""

LEAST_SPREAD_K = 1e-3
"""What varies by less than this is constant: float32 rounds by 3e-5 K."""

READERS = 4  # blocks of a field that are read at a time: they all take memory


def fingerprint(values: np.ndarray) -> str:
    """Sha256 (hex) of an array's values as float32, little-endian, in C order."""
    return hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()


def identity(field: xr.DataArray) -> str:
    """Sha256 (hex) of a field's values in K together with its times and places."""
    whole = hashlib.sha256(fingerprint(field.values).encode())
    whole.update(field["time"].values.astype("datetime64[us]").astype("<i8").tobytes())
    for axis in ("lat", "lon"):
        whole.update(np.ascontiguousarray(field[axis].values, "<f8").tobytes())
    return whole.hexdigest()


def standardise(
    da: xr.DataArray | xr.Dataset | Sequence[xr.DataArray],
    name: str | None = None,
    *,
    region: Region | None = None,
    period: tuple | None = None,
    every: int | None = None,
) -> xr.DataArray:
    """Bring a field of your own into the form that `open_dataset` returns.

    Coordinates are recognised by standard name, units or name, in this order; dimensions of length
    one are dropped. The field is cut to region, period and step before its values are read. °C and
    °F become K; else values are never changed, only cast to float32. The test period is the last
    20 % of the times, unless the attribute `test_start` names another.

    Parameters
    ----------
    da : xr.DataArray, xr.Dataset, or several DataArrays
        Temperature on a latitude-longitude grid of at least 2 x 2 cells, in memory or lazy; a
        Dataset must hold exactly one; several follow each other in time.
    name : str, optional
        What to call it, in messages and in the attribute `name`.
    region : (float, float, float, float), optional
        North, west, south, east, degrees, as the Climate Data Store has them; all cells whose
        centres lie inside. From west to east it may cross 180 degrees.
    period : (from, until), optional
        First and last time, both included; None leaves an end open.
    every : int, optional
        Take every n-th step.

    Returns
    -------
    xr.DataArray
        ``(time, lat, lon)``, float32, K, attributes as `open_dataset` gives them.

    Raises
    ------
    DataError
        Anything but such fields; several fields in a Dataset; no time, latitude or longitude; a
        grid that is rotated, projected or curvilinear; what is no temperature; NaN; units that
        contradict the values; one value everywhere; times unsorted, duplicate or irregular; no
        places on the globe; a grid with a gap or below 2 x 2.
    """
    parts: list[Any] = list(da) if isinstance(da, list | tuple) else [da]
    if not parts or not all(isinstance(part, xr.DataArray | xr.Dataset) for part in parts):
        raise DataError(
            f"{name or 'the field'} is {shown(da)}: expected an xarray.DataArray or Dataset; a "
            "file is opened by lsntp.open_dataset"
        )
    name = name or str(parts[0].attrs.get("name", "own field"))
    if every is not None and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
        raise DataError(f"every={shown(every)}: expected a whole number of steps, 1 or more")
    parts = [coordinates.without_zone(part) for part in parts]
    fields = [only_field(p, name) if isinstance(p, xr.Dataset) else p for p in parts]
    laid_out = sorted((_laid_out(field, name) for field in fields), key=lambda one: one.times.min())
    whole = _read(laid_out, name, region, period, every or 1)
    step = coordinates.step_of(
        pd.DatetimeIndex(whole["time"]), name, laid_out[0].given["time"], laid_out[0].calendar
    )
    coordinates.check_even(whole["lat"].values, whole["lon"].values, name, laid_out[0].given)
    given = fields[0].attrs
    whole = _kelvin(whole.assign_attrs(given), name, laid_out[0].given["time"])
    times = whole["time"].values
    test = np.datetime64(given.get("test_start", "NaT"))
    if not times[0] < test <= times[-1]:
        test = times[int(0.8 * len(times))]
    whole.attrs = {
        "name": name,
        "long_name": str(given.get("long_name", "temperature")),
        "units": "K",
        "step_hours": float(step / pd.Timedelta(hours=1)),
        "source": str(given.get("source", "user's own field")),
        "licence": str(given.get("licence", given.get("license", "not stated"))),
        "fingerprint": identity(whole),
        "test_start": np.datetime_as_string(test, "s"),
    }
    return whole


def with_values(field: xr.DataArray) -> np.ndarray:
    """Tell of each cell (H, W) of a field (..., lat, lon) whether it has values.

    A cell has them at all times or at none; without, it is masked.
    """
    return np.isfinite(field.to_numpy().reshape(-1, *field.shape[-2:])[0])


def check_form(field: xr.DataArray, *attributes: str) -> None:
    """Refuse what has not the form that `standardise` gives, with these attributes.

    Raises
    ------
    DataError
    """
    dims = ("time", "lat", "lon")
    good = isinstance(field, xr.DataArray) and field.dims == dims and field.dtype.kind in "iuf"
    if not good or not {*dims} <= {*field.coords} or not field.size:
        raise DataError(
            f"the field is {shown(field)}: expected a DataArray {dims} of numbers, with "
            "coordinates; lsntp.open_dataset makes it one"
        )
    if missing := [name for name in attributes if name not in field.attrs]:
        raise DataError(
            f"the field has no attribute {', '.join(missing)}; expected it: open_dataset gives it, "
            "and xr.set_options(keep_attrs=True) keeps it through operations"
        )


# ---- which field


def fields_of(fields: dict[Any, xr.DataArray] | xr.Dataset) -> str:
    """List variables with their dimensions and units, for messages."""
    items = fields.data_vars.items() if isinstance(fields, xr.Dataset) else fields.items()
    return ", ".join(
        f"{key} {tuple(map(str, da.dims))} {da.attrs.get('units', '')}".strip() for key, da in items
    )


def only_field(ds: xr.Dataset, name: str) -> xr.DataArray:
    """Return the one temperature field of a Dataset; see :func:`one_of`."""
    fields = {}
    for key, da in ds.data_vars.items():
        mapping = da.attrs.get("grid_mapping", da.encoding.get("grid_mapping"))
        fields[str(key)] = da.assign_coords({mapping: ds[mapping]}) if mapping in ds else da
    return one_of(fields, name)


def one_of(fields: dict[str, xr.DataArray], name: str) -> xr.DataArray:
    """Return the one field over time, lat and lon, or of several the one that is a temperature.

    Raises
    ------
    DataError
        None, or several: they are listed.
    """
    located = {}
    for key, da in fields.items():
        found = coordinates.axes(coordinates.with_time(da)) if da.ndim > 1 else {}
        if len(found) == 3 or ({"lat", "lon"} & {*map(str, da.dims)} and "time" in found):
            located[key] = da
    warm = {k: da for k, da in located.items() if unit_of(str(da.attrs.get("units", "")))}
    for candidates in (located, warm):
        if len(candidates) == 1:
            return next(iter(candidates.values()))
    if located:
        first = next(iter(warm or located))
        remedy = f"ds['{first}']" if "/" not in name else f"'{name}:{first}'"
        raise DataError(
            f"{name} holds {len(located)} fields: {fields_of(located)}; expected one, choose it: "
            f"open_dataset({remedy})"
        )
    for da in fields.values():
        if da.ndim > 1 and "time" in coordinates.axes(coordinates.with_time(da)):
            coordinates.refuse_other_grids(da, name, {})
    raise DataError(
        f"{name} holds no field over time, lat and lon; it has: {fields_of(fields) or '-'}; "
        "expected one: if it is one of these, name its dimensions so, "
        f"open_dataset(ds.rename(…)) {TAKES}"
    )


# ---- its dimensions


class _LaidOut(NamedTuple):
    """A field not yet read, ``(time, lat, lon)`` by position, with one dimension more at most."""

    da: xr.DataArray  # dimensions by their given names, all others dropped
    times: pd.DatetimeIndex
    calendar: str
    given: dict[str, str]  # names of the dimensions time, lat, lon
    lat: np.ndarray
    lon: np.ndarray


def _laid_out(da: xr.DataArray, name: str) -> _LaidOut:
    """Find the dimensions of a field, drop those of length one, and read its coordinates."""
    found = coordinates.axes(da)
    known = {axis.dim for axis in found.values()}
    da = da.squeeze([d for d in da.dims if da.sizes[d] == 1 and d not in known])
    da = coordinates.with_time(da)
    found = coordinates.axes(da)
    coordinates.refuse_other_grids(da, name, found)
    bare = [str(d) for d in da.dims if d not in da.coords and _names_an_axis(str(d))]
    bare = [dim for dim in bare if dim not in {axis.dim for axis in found.values()}]
    if bare:
        raise DataError(
            f"{name} has no coordinate values along {bare}; expected some: "
            f"open_dataset(da.assign_coords({bare[0]}=…))"
        )
    further = {str(d): n for d, n in da.sizes.items() if d not in {a.dim for a in found.values()}}
    further.pop("expver", None)
    if further:
        dim = next(iter(further))
        chosen = name if ":" in name else f"{name}:{da.name}"
        file = f"open_dataset('{chosen}@{dim}={da[dim].values[0]}') or " if "/" in name else ""
        raise DataError(
            f"{name} has further dimensions {further}; expected time, lat and lon: select of each, "
            f"{file}open_dataset(da.isel({dim}=0)), or if it is one of these, name it so: "
            "open_dataset(da.rename(…))"
        )
    if missing := [role for role in coordinates.CF_NAMES if role not in found]:
        raise DataError(
            f"{name} has dimensions {tuple(map(str, da.dims))}, without {', '.join(missing)}; "
            "expected one each of time, lat and lon, with coordinates"
        )
    if da.dtype.kind not in "iuf":
        raise DataError(f"{name} has values of type {da.dtype}; expected numbers: da.astype(float)")
    values = {}
    for axis in ("lat", "lon"):
        coordinate = da[found[axis].coordinate]
        if coordinate.dtype.kind not in "iuf":
            raise DataError(
                f"{name}: {axis} is of type {coordinate.dtype}; expected numbers, in degrees: "
                f"open_dataset(da.assign_coords({found[axis].dim}=…))"
            )
        values[axis] = coordinate.values.astype(float)
    times, calendar = coordinates.times_of(da[found["time"].coordinate], name)
    given = {role: axis.dim for role, axis in found.items()}
    coordinates.check_order(times, name, given["time"])
    return _LaidOut(da, times, calendar, given, **values)


def _names_an_axis(dim: str) -> bool:
    names = "time|valid_time|date|datetime|lat|latitude|lon|long|longitude"
    return re.fullmatch(names, dim.lower()) is not None


# ---- its values


def _read(
    parts: list[_LaidOut],
    name: str,
    region: Region | None,
    period: tuple | None,
    every: int,
) -> xr.DataArray:
    """Read what is wanted of fields that follow each other in time, as ``(time, lat, lon)``."""
    first = parts[0]
    grid = coordinates.places(first.lat, first.lon, region, name)
    all_times = first.times.append([part.times for part in parts[1:]])
    coordinates.check_order(all_times, name, first.given["time"])
    wanted = slice(0, len(all_times))
    if period is not None:
        wanted = coordinates.within(all_times, period, name)
    read: list[np.ndarray] = []
    passed = 0
    for part in parts:
        if not (np.array_equal(part.lat, first.lat) and np.array_equal(part.lon, first.lon)):
            raise DataError(
                f"{name}: the grid of {part.da.encoding.get('source', 'one part')} is not that of "
                f"{first.da.encoding.get('source', 'the first')}; expected the same in all: give "
                "those of one grid, or interpolate"
            )
        start = max(wanted.start - passed, 0)
        start += -(passed + start - wanted.start) % every
        stop = min(wanted.stop - passed, len(part.times))
        if start < stop or (part is parts[-1] and not read):
            read.append(_values(part, slice(start, stop, every), grid, name))
        passed += len(part.times)
    return xr.DataArray(
        np.concatenate(read) if len(read) > 1 else read[0],
        {
            "time": ("time", all_times[wanted][::every]),
            "lat": ("lat", grid.lat, {"units": "degrees_north"}),
            "lon": ("lon", grid.lon, {"units": "degrees_east"}),
        },
        ("time", "lat", "lon"),
        name="temperature",
    )


def _values(part: _LaidOut, times: slice, grid: coordinates.Places, name: str) -> np.ndarray:
    """Read values (time, lat, lon), in runs of columns that lie side by side."""
    time, lat, lon = (part.given[role] for role in ("time", "lat", "lon"))
    rows, columns = np.sort(grid.rows), np.sort(grid.columns)
    da = part.da.isel({time: times, lat: slice(rows[0], rows[-1] + 1)})
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    try:
        pieces = [
            _one(da.isel({lon: slice(r[0], r[-1] + 1)}).transpose(..., time, lat, lon))
            for r in runs
        ]
    except MemoryError:
        raise DataError(
            f"{name}: {da.nbytes / 2**30:.1f} GiB do not fit into memory; take less, by region, "
            "period or every of open_dataset"
        ) from None
    except Exception as error:  # each backend has its own ways to fail on a bad file
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{name}: its values cannot be read: {type(error).__name__}: {reason}; expected a "
            "whole file: fetch it again"
        ) from error
    values = np.concatenate(pieces, axis=-1)
    return values[:, grid.rows - rows[0]][:, :, np.searchsorted(columns, grid.columns)]


def _one(da: xr.DataArray) -> np.ndarray:
    """Read values, and of ERA5 and its first release ERA5T, by `expver`, whichever is there."""
    lazy = {"num_workers": READERS} if da.chunks else {}
    if "expver" not in da.dims:
        return da.compute(**lazy).values
    versions = [da.isel(expver=i).compute(**lazy).values for i in range(da.sizes["expver"])]
    return reduce(lambda a, b: np.where(np.isnan(a), b, a), versions)


# ---- its units

SPELLINGS = {
    "k": "kelvin",
    "kelvin": "kelvin",
    "kelvins": "kelvin",
    "c": "degC",
    "celsius": "degC",
    "centigrade": "degC",
    "f": "degF",
    "fahrenheit": "degF",
}
"""Names of scales that pint, in its words, does not read; with or without a "degrees" before."""


def unit_of(units: str) -> str | None:
    """Return what pint calls a unit of temperature, and None of any other unit."""
    bare = re.sub(r"^(degrees?|deg|[°º])[\s_]*", "", units.strip().lower())
    if bare in SPELLINGS:
        return SPELLINGS[bare]
    if not units.strip():
        return None
    from cf_xarray.units import units as registry

    try:
        unit = registry.parse_units(units.strip())
        return str(unit) if unit.is_compatible_with("kelvin") else None
    except Exception:  # pint has many for what it cannot parse
        return None


def in_kelvin(values: np.ndarray, unit: str) -> np.ndarray:
    """Convert temperatures."""
    if unit == "kelvin":
        return values
    from cf_xarray.units import units as registry

    return registry.Quantity(values.astype(float), unit).to("kelvin").magnitude


def _near_surface(low: float, high: float, unit: str) -> bool:
    """Tell whether temperatures of this unit can be such near the Earth's surface."""
    ends = in_kelvin(np.array([low, high]), unit)
    return bool(ends[0] >= LOWEST_K and ends[1] <= HIGHEST_K)


def _kelvin(da: xr.DataArray, name: str, time: str) -> xr.DataArray:
    """Turn into float32 in K, after checking for NaN and that the values can be temperatures."""
    values = da.values
    bad = ~np.isfinite(values)
    if (masked := bad.all(axis=0)).any() and not masked.all():
        bad &= ~masked  # missing at all times, as land in a field of the sea
        values = np.where(masked, np.nan, values)
    if bad.any():
        t, i, j = np.unravel_index(bad.argmax(), bad.shape)
        raise DataError(
            f"{name}: {bad.sum()} of {bad.size} values are NaN or infinite, first at time "
            f"{np.datetime_as_string(da.time.values[t], 'm')}, lat {da.lat.values[i]:g}, "
            f"lon {da.lon.values[j]:g}; expected none, but in cells that have none at all: fill "
            f"them, open_dataset(da.interpolate_na('{time}', fill_value='extrapolate')), or select "
            "a part without any"
        )
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    units = str(da.attrs.get("units", "")).strip()
    standard = str(da.attrs.get("standard_name", "temperature"))
    unit = unit_of(units)
    if unit is None and (units or "temperature" not in standard):
        what = f"{standard} in {units!r}" if "standard_name" in da.attrs else f"in {units!r}"
        raise DataError(
            f"{name} is {what}, values {low:g} to {high:g}: no temperature; expected one, in K, "
            "degC or degF: choose another variable, 'file.nc:variable', or, if the attribute is "
            f"wrong, open_dataset(da.assign_attrs(units='K', standard_name='air_temperature'))"
        )
    if high - low < LEAST_SPREAD_K:
        raise DataError(
            f"{name}: every value is {low:g} (units {units!r}); expected temperature that varies: "
            "see whether the right variable was chosen, and whether it was read whole"
        )
    if not _near_surface(low, high, unit or "kelvin"):
        scales = {"K": "kelvin", "degC": "degC", "degF": "degF"}
        can_be = [scale for scale, of in scales.items() if _near_surface(low, high, of)]
        say = " or ".join(
            f"look like {scale}: if so, open_dataset(da.assign_attrs(units='{scale}'))"
            for scale in can_be
        )
        raise DataError(
            f"{name}: values {low:g} to {high:g} "
            + (f"(units {units!r}) " if units else "without the attribute units ")
            + (
                f"{say} {TAKES}; expected the attribute to say it"
                if can_be
                else "are no temperatures near the surface; "
            )
            + ("" if can_be else f"expected temperature in K, between {LOWEST_K:g} and ")
            + ("" if can_be else f"{HIGHEST_K:g}: choose another variable, or mend them")
        )
    return da.copy(data=np.array(in_kelvin(values, unit or "kelvin"), np.float32))
