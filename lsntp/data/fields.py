"""A field of your own -> the one form every part of this library takes, or a clear error.

The form: ``(time, lat, lon)``, float32, K; times ascending and regular, north first, longitudes
ascending from one in [-180, 180). Explained in the book's page on data.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.data import coordinates, units
from lsntp.data.checks import DataError, shown
from lsntp.data.coordinates import Region
from lsntp.data.regrid import interpolated, places_of, refuse_other_grids
from lsntp.data.units import LEAST_SPREAD_K

NAME = "temperature"
TELLING = ("standard_name", "GRIB_paramId", "GRIB_typeOfLevel")
"""Attributes that tell one variable from another."""

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


class Given(NamedTuple):
    """A field as it was given, what it is called, the code that gives it, and its file."""

    da: xr.DataArray
    name: str
    code: str = "da"
    file: str = ""  # with the variable, as open_dataset takes it


def standardise(
    da: xr.DataArray | xr.Dataset | Sequence[xr.DataArray | Given],
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
        Dataset must hold exactly one; several are one variable, follow each other in time, and are
        converted each by its own units.
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
        Anything but such fields; several fields in a Dataset, or variables in a list; no time,
        latitude or longitude; a grid that is rotated, projected or curvilinear; what is no
        temperature; NaN; units that contradict the values; one value everywhere; times unsorted,
        duplicate or irregular; no places on the globe; a grid with a gap or below 2 x 2.
    """
    parts: list[Any] = list(da) if isinstance(da, list) and da else [da]
    if not all(isinstance(part, xr.DataArray | xr.Dataset | Given) for part in parts):
        raise DataError(
            f"{name or 'the field'} is {shown(da)}: expected an xarray.DataArray or Dataset; a "
            "file is opened by lsntp.open_dataset"
        )
    if every is not None and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
        raise DataError(f"every={shown(every)}: expected a whole number of steps, 1 or more")
    if name is None and not isinstance(parts[0], Given):
        name = str(parts[0].attrs.get("name", "own field"))
    given = [_given(part, name or "own field") for part in parts]
    name = name or given[0].name
    laid_out = [_laid_out(one) for one in given]
    _refuse_other_variables(laid_out)
    code = laid_out[0].code
    if len(given) > 1 and given[0].code != "da":
        code = code.replace(given[0].code, f"lsntp.raw({name!r})")
    with called(code):
        whole = _whole(laid_out, name, region, period, every or 1)
    attrs, times = given[0].da.attrs, whole["time"].values
    test = np.datetime64(attrs.get("test_start", "NaT"))
    if not times[0] < test <= times[-1]:
        test = times[int(0.8 * len(times))]
    step = pd.Timedelta(times[1] - times[0])
    whole.attrs = {
        "name": name,
        "long_name": str(attrs.get("long_name", "temperature")),
        "units": "K",
        "step_hours": float(step / pd.Timedelta(hours=1)),
        "source": str(attrs.get("source", "user's own field")),
        "licence": str(attrs.get("licence", attrs.get("license", "not stated"))),
        "fingerprint": identity(whole),
        "test_start": np.datetime_as_string(test, "s"),
    }
    return whole


def _given(part: xr.DataArray | xr.Dataset | Given, name: str) -> Given:
    """Name a field, and the code that gives it."""
    if isinstance(part, xr.Dataset):
        whole, fields = coordinates.complete(part), variables(part)
        same = {*whole.coords} == {*part.coords}
        choice = "ds['{}']" if same else "lsntp.data.coordinates.complete(ds)['{}']"
        key = one_of(fields, name, choice)
        part = Given(fields[key], name, choice.replace("{}", key))
    elif isinstance(part, xr.DataArray):
        part = Given(part, name)
    return part._replace(da=coordinates.without_zone(part.da))


@contextmanager
def called(code: str) -> Iterator[None]:
    """Let the calls that refusals advise begin with what the user has, instead of with `da`."""
    try:
        yield
    except DataError as error:
        said = re.sub(r"\(da(?=[.,)])", lambda _: f"({code}", str(error))
        if said != str(error) and "lsntp.raw(" in code:
            said = said.replace("open_dataset(lsntp", "lsntp.open_dataset(lsntp") + (
                " (in Python; .to_netcdf('mended.nc') behind it writes a file that every command "
                "takes)"
            )
        raise type(error)(said) from error.__cause__


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


def fields_of(fields: dict[str, xr.DataArray]) -> str:
    """List variables with their dimensions and units, for messages."""
    return ", ".join(
        f"{key} {tuple(map(str, da.dims))} {da.attrs.get('units', '')}".strip()
        for key, da in fields.items()
    )


def variables(ds: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the variables of a Dataset, with the coordinates that tell where their cells are."""
    ds = coordinates.complete(ds)
    fields = {}
    for key, da in ds.data_vars.items():
        mapping = da.attrs.get("grid_mapping", da.encoding.get("grid_mapping"))
        fields[str(key)] = da.assign_coords({mapping: ds[mapping]}) if mapping in ds else da
    return fields


def one_of(fields: dict[str, xr.DataArray], name: str, choice: str) -> str:
    """Name the one field over time and places, or of several the one that is a temperature.

    Parameters
    ----------
    fields : dict
        By the names to choose from.
    name : str
        What they are of, in messages.
    choice : str
        What a user writes to choose the field ``{}``.

    Raises
    ------
    DataError
        None, or several: they are listed.
    """
    for there in (_on_a_grid, _on_cells, _in_time):
        located = {key: da for key, da in fields.items() if there(da)}
        warm = {key: da for key, da in located.items() if units.is_temperature(da)}
        for candidates in (located, warm):
            if len(candidates) == 1:
                return next(iter(candidates))
        if located:
            listed = f"{name} holds {len(located)} fields: {fields_of(located)}; expected one"
            if warm:
                chosen = choice.replace("{}", next(iter(warm)))
                raise DataError(f"{listed} temperature, choose it: open_dataset({chosen})")
            raise DataError(
                f"{listed} to be a temperature by its units or its name: take one that is and give "
                "it the attribute units, such as K, or another file"
            )
    raise DataError(
        f"{name} holds no field over time, lat and lon; it has: {fields_of(fields) or '-'}; "
        "expected one: choose another file, or give it those dimensions"
    )


def _on_a_grid(da: xr.DataArray) -> bool:
    found = coordinates.axes(coordinates.with_time(da)) if da.ndim > 1 else {}
    return len(found) == 3 or ("time" in found and bool({"lat", "lon"} & {*map(str, da.dims)}))


def _on_cells(da: xr.DataArray) -> bool:
    return (
        da.ndim > 1
        and "time" in coordinates.axes(coordinates.with_time(da))
        and bool(places_of(da))
    )


def _in_time(da: xr.DataArray) -> bool:
    return da.ndim > 2 or (da.ndim == 2 and "time" in coordinates.axes(da))


def _refuse_other_variables(parts: list[_LaidOut]) -> None:
    """Refuse parts that are not the one variable: by name, standard name, or level."""
    first = parts[0]
    ours = {"variable": first.da.name} | first.levels
    ours |= {key: first.da.attrs[key] for key in TELLING if key in first.da.attrs}
    for part in parts[1:]:
        theirs = {"variable": part.da.name} | part.levels | part.da.attrs
        if NAME in (part.da.name, first.da.name):  # which open_dataset gave
            theirs.pop("variable")
        for what in ours.keys() & theirs.keys():
            if ours[what] != theirs[what]:
                none = [p.name for p in (first, part) if not units.is_temperature(p.da)]
                code = f"lsntp.open_dataset({part.name!r}).to_netcdf('mended.nc')"
                raise DataError(
                    f"{part.name} has {what} {theirs[what]}, and {first.name} {what} "
                    f"{ours[what]}; expected one variable in all: leave one of them out"
                    + (f", {none[0]} holds no temperature" if none else "")
                    + ("" if none else f"; or, if they are one, {code} gives a file for any list")
                )


# ---- its dimensions


class _LaidOut(NamedTuple):
    """A field not yet read, ``(time, lat, lon)`` by position, with one dimension more at most."""

    da: xr.DataArray  # each dimension called as its coordinate, all others dropped
    times: pd.DatetimeIndex
    calendar: str
    given: dict[str, str]  # names of the dimensions time, lat, lon
    lat: np.ndarray
    lon: np.ndarray
    levels: dict[str, float]  # at which it is, and the like
    name: str
    code: str


def _laid_out(one: Given) -> _LaidOut:
    """Find the dimensions of a field, drop those of length one, and read its coordinates."""
    da, name, code, file = one
    found = coordinates.axes(da)
    known = {axis.dim for axis in found.values()}
    single = [d for d in da.dims if da.sizes[d] == 1 and d not in known]
    if single or "time" not in found:
        da = coordinates.with_time(da.squeeze(single))
        found = coordinates.axes(da)
    with called(code):
        _refuse_dimensions(da, name, found, file)
    other = {axis.dim: axis.coordinate for axis in found.values() if axis.dim != axis.coordinate}
    if other:
        da, code = da.swap_dims(other), f"{code}.swap_dims({other})"
    given = {role: axis.coordinate for role, axis in found.items()}
    with called(code):
        for role in ("lat", "lon"):
            if da[given[role]].dtype.kind not in "iuf":
                raise DataError(
                    f"{name}: {given[role]} is of type {da[given[role]].dtype}; expected numbers, "
                    f"in degrees: {_coordinates(da, {given[role]: role})}"
                )
        times, calendar = coordinates.times_of(da[given["time"]], name)
    lat, lon = (da[given[role]].values.astype(float) for role in ("lat", "lon"))
    levels = {
        str(key): float(level)
        for key, level in da.coords.items()
        if not level.ndim and level.dtype.kind in "iuf" and key != "expver"
        if "grid_mapping_name" not in level.attrs
    }
    return _LaidOut(da, times, calendar, given, lat, lon, levels, name, code)


def _refuse_dimensions(
    da: xr.DataArray, name: str, found: dict[str, coordinates.Axis], file: str
) -> None:
    """Refuse what is not a field of numbers over time, lat and lon alone."""
    refuse_other_grids(da, name, found)
    bare = {str(d): role for d in da.dims if d not in da.coords and (role := _role(str(d)))}
    bare = {dim: role for dim, role in bare.items() if role not in found}
    if bare:
        raise DataError(
            f"{name} has no coordinate values along {list(bare)}; expected some: "
            f"{_coordinates(da, bare)}"
        )
    further = {str(d): n for d, n in da.sizes.items() if d not in {a.dim for a in found.values()}}
    further.pop("expver", None)
    if missing := [role for role in coordinates.CF_NAMES if role not in found]:
        raise DataError(
            f"{name} has dimensions {tuple(map(str, da.dims))}, without {', '.join(missing)}; "
            f"expected one each of time, lat and lon{_found(da, missing, [*further])}"
        )
    if further:
        dim = next(iter(further))
        raise DataError(
            f"{name} has further dimensions {further}; expected time, lat and lon: select of each, "
            + (
                f"open_dataset({f'{file}@{dim}={da[dim].values[0]}'!r})"
                if file and dim in da.coords
                else f"open_dataset(da.isel({dim}=0))"
            )
        )
    if da.dtype.kind not in "iuf":
        mend = {"O": "astype(float)", "U": "astype(float)", "c": "real"}.get(da.dtype.kind)
        raise DataError(
            f"{name} has values of type {da.dtype}; expected numbers: "
            + (f"open_dataset(da.{mend})" if mend else "choose another variable")
        )


def _role(dim: str) -> str | None:
    """Tell which role a dimension has by its name."""
    if re.fullmatch("time|valid_time|date|datetime", dim, re.I):
        return "time"
    return next((role for role in ("lat", "lon") if coordinates.named(dim, role)), None)


def _coordinates(da: xr.DataArray, dims: dict[str, str]) -> str:
    """Say how to give dimensions their coordinates, by their roles."""
    words = {"time": "times", "lat": "latitudes", "lon": "longitudes"}
    values = ", ".join(f"{dim}=('{dim}', {words[role]})" for dim, role in dims.items())
    counts = " and ".join(f"{da.sizes[dim]} {words[role]}" for dim, role in dims.items())
    return f"open_dataset(da.assign_coords({values})), given {counts}"


def _found(da: xr.DataArray, missing: list[str], further: list[str]) -> str:
    """Say what can be done where time, lat or lon is not among the dimensions."""
    cells = [dim for dim in further if da.sizes[dim] > 1]
    if missing == ["lat", "lon"] and len(cells) == 1:
        return f": if {cells[0]} counts the cells of a grid, {interpolated(da, cells)}"
    if missing == ["lat", "lon"] and len(cells) > 1:
        cells = cells[-2:]
        if re.match("x|i|east|west|lon", cells[0].rpartition("_")[2] or cells[0], re.I):
            cells = cells[::-1]
    elif len(missing) > 1 or not cells:
        return ": choose a field over a grid and at least two times"
    new = dict(zip(missing, cells[-len(missing) :], strict=True))
    words = {"time": "times", "lat": "latitudes", "lon": "longitudes"}
    values = ", ".join(f"{role}=('{dim}', {words[role]})" for role, dim in new.items())
    counts = " and ".join(f"{da.sizes[dim]} {words[role]}" for role, dim in new.items())
    said = f": give them, open_dataset(da.assign_coords({values})), {counts}"
    if _degrees(da, new):
        names = ", ".join(f"{dim}='{role}'" for role, dim in new.items())
        said += f"; or, if they are degrees, open_dataset(da.rename({names}))"
    if len(new) == 2:
        said += f"; or, if its rows are no circles of latitude, {interpolated(da, cells)}"
    return said


def _degrees(da: xr.DataArray, dims: dict[str, str]) -> bool:
    """Tell whether coordinates can be latitudes and longitudes, and do not merely count."""
    for role, dim in dims.items():
        values = da[dim].values
        if role == "time" or dim not in da.coords or values.dtype.kind not in "iuf":
            return False
        if abs(values).max() > {"lat": 90, "lon": 540}[role] or "units" in da[dim].attrs:
            return False
        if np.array_equal(values, np.arange(len(values))):
            return False
    return True


# ---- its values


def _whole(
    parts: list[_LaidOut], name: str, region: Region | None, period: tuple | None, every: int
) -> xr.DataArray:
    """Read the parts in K as one field, and check what only the whole shows."""
    parts = sorted(parts, key=lambda part: part.times.min())
    first = parts[0]
    whole = _read(parts, name, region, period, every)
    coordinates.step_of(pd.DatetimeIndex(whole["time"]), name, first.given["time"], first.calendar)
    coordinates.check_even(whole["lat"].values, whole["lon"].values, name, first.given)
    bad = ~np.isfinite(whole.values)
    units.refuse_missing(whole, bad, name, first.given["time"])
    whole.values[bad] = np.nan
    low, high = float(np.nanmin(whole)), float(np.nanmax(whole))
    if high - low < LEAST_SPREAD_K:
        raise DataError(
            f"{name}: every value is {low:g} K; expected temperature that varies: see whether the "
            "right variable was chosen, and whether it was read whole"
        )
    return whole


def _read(
    parts: list[_LaidOut], name: str, region: Region | None, period: tuple | None, every: int
) -> xr.DataArray:
    """Read what is wanted of fields that follow each other in time, as ``(time, lat, lon)``."""
    first = parts[0]
    grid = coordinates.places(first.lat, first.lon, region, name, first.given)
    all_times = first.times.append([part.times for part in parts[1:]])
    coordinates.check_order(all_times, name, first.given["time"])
    wanted = slice(0, len(all_times))
    if period is not None:
        wanted = coordinates.within(all_times, period, name)
    read: list[np.ndarray] = []
    passed = 0
    for part in parts:
        own = coordinates.places(part.lat, part.lon, region, part.name, part.given)
        if (
            own.lat.shape + own.lon.shape != grid.lat.shape + grid.lon.shape
            or max(abs(own.lat - grid.lat).max(), abs(own.lon - grid.lon).max()) > coordinates.NEAR
        ):
            raise DataError(
                f"{name}: the grid of {part.name} is not that of {first.name}; expected the same "
                "in all: give those of one grid, or interpolate"
            )
        start = max(wanted.start - passed, 0)
        start += -(passed + start - wanted.start) % every
        stop = min(wanted.stop - passed, len(part.times))
        if start < stop or (part is parts[-1] and not read):
            read.append(_values(part, slice(start, stop, every), own))
        passed += len(part.times)
    return xr.DataArray(
        np.concatenate(read) if len(read) > 1 else read[0],
        {
            "time": ("time", all_times[wanted][::every]),
            "lat": ("lat", grid.lat, {"units": "degrees_north"}),
            "lon": ("lon", grid.lon, {"units": "degrees_east"}),
        },
        ("time", "lat", "lon"),
        name=NAME,
    )


def _values(part: _LaidOut, times: slice, grid: coordinates.Places) -> np.ndarray:
    """Read values (time, lat, lon) in K, in runs of columns that lie side by side."""
    dims = time, lat, lon = [part.given[role] for role in ("time", "lat", "lon")]
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
            f"{part.name}: {da.nbytes / 2**30:.1f} GiB do not fit into memory; take less, by "
            "region, period or every of open_dataset"
        ) from None
    except Exception as error:  # each backend has its own ways to fail on a bad file
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{part.name}: its values cannot be read: {type(error).__name__}: {reason}; expected a "
            "whole file: fetch it again"
        ) from error
    values = np.concatenate(pieces, axis=-1)
    values = values[:, grid.rows - rows[0]][:, :, np.searchsorted(columns, grid.columns)]
    places = dict(zip(dims, (part.times[times], grid.lat, grid.lon), strict=True))
    with called(part.code):
        read = xr.DataArray(values, places, dims, name=part.da.name, attrs=part.da.attrs)
        return units.kelvin(read, part.name)


def _one(da: xr.DataArray) -> np.ndarray:
    """Read values, and of ERA5 and its first release ERA5T, by `expver`, whichever is there."""
    lazy = {"num_workers": READERS} if da.chunks else {}
    if "expver" not in da.dims:
        return da.compute(**lazy).values
    versions = [da.isel(expver=i).compute(**lazy).values for i in range(da.sizes["expver"])]
    return reduce(lambda a, b: np.where(np.isnan(a), b, a), versions)


# ---- as it lies in files


def joined(given: list[Given]) -> xr.DataArray:
    """Read fields into memory as one in the order of time, unchecked; in K if units differ."""
    parts = [coordinates.with_time(one.da).load() for one in given]
    if len(parts) == 1:
        return parts[0]
    if len({str(part.attrs.get("units", "")) for part in parts}) > 1:
        parts = [
            part.copy(data=units.in_kelvin(part.values, scale)).assign_attrs(units="K")
            if (scale := units.scale_of(str(part.attrs.get("units", ""))))
            else part
            for part in parts
        ]
    time = coordinates.axes(parts[0])["time"]
    whole = xr.concat(
        parts, time.dim, coords="minimal", compat="override", join="outer", combine_attrs="override"
    )
    return whole.sortby(time.coordinate)
