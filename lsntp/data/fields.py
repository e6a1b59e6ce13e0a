"""A field of your own -> the one form every part of this library takes, or a clear error.

The form: ``(time, lat, lon)``, float32, K; times ascending and regular, north first, longitudes
ascending in [-180, 180). Explained in the book's page on data.
"""

from __future__ import annotations

import hashlib

import numpy as np
import xarray as xr

from lsntp.data.checks import shown


class DataError(ValueError):
    """Data that cannot be used as it is; the message says what was found and what to do."""


LOWEST_K, HIGHEST_K = 150.0, 350.0
"""Near-surface temperatures on Earth lie between these; values in °C never do."""

LEAST_SPREAD_K = 1e-3
"""What varies by less than this is constant: float32 rounds by 3e-5 K."""


def fingerprint(values: np.ndarray) -> str:
    """Sha256 (hex) of an array's values as float32, little-endian, in C order."""
    return hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()


def standardise(da: xr.DataArray | xr.Dataset, name: str = "own field") -> xr.DataArray:
    """Bring a field of your own into the form that `open_dataset` returns.

    Dimensions are recognised by name or attributes (``latitude``, ``valid_time``, ...), those of
    length one dropped; the grid is turned north first and longitudes wrapped to [-180, 180). The
    test period is the last 20 % of the times. Values are never changed, only cast to float32.

    Parameters
    ----------
    da : xr.DataArray or xr.Dataset
        Temperature in K on a regular latitude-longitude grid of at least 2 x 2 cells; a Dataset
        must hold exactly one such field.
    name : str
        What to call it, in messages and in the attribute `name`.

    Returns
    -------
    xr.DataArray
        ``(time, lat, lon)``, float32, K, attributes as `open_dataset` gives them.

    Raises
    ------
    DataError
        Anything but a DataArray or Dataset; several fields in a Dataset; no time, latitude or
        longitude; NaN; degC given as K; one value everywhere; times unsorted, duplicate or
        irregular; no places on the globe; a grid that is torn at 180 degrees or below 2 x 2.
    """
    if not isinstance(da, xr.DataArray | xr.Dataset):
        raise DataError(
            f"{name} is {shown(da)}: expected an xarray.DataArray or Dataset; a file is opened by "
            "lsntp.open_dataset"
        )
    if isinstance(da, xr.Dataset):
        da = _only_field(da, name)
    da = _dimensions(da, name)
    mark = fingerprint(da.values)
    da = _grid(da, name)
    step = _step(da, name)
    _kelvin(da, name)
    given = da.attrs
    da.attrs = {
        "name": name,
        "long_name": str(given.get("long_name", "temperature")),
        "units": "K",
        "step_hours": float(step / np.timedelta64(1, "h")),
        "source": str(given.get("source", "user's own field")),
        "licence": str(given.get("licence", given.get("license", "not stated"))),
        "fingerprint": mark,
        "test_start": np.datetime_as_string(da.time.values[int(0.8 * da.sizes["time"])], "s"),
    }
    return da


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
            "coordinates; lsntp.data.datasets.standardise makes it one"
        )
    if missing := [name for name in attributes if name not in field.attrs]:
        raise DataError(
            f"the field has no attribute {', '.join(missing)}; expected it: standardise gives it, "
            "and xr.set_options(keep_attrs=True) keeps it through operations"
        )


_ALIASES = {
    "time": ("time", "valid_time", "date", "datetime"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "long", "longitude"),
}
_AXES = {
    "units": {"degrees_north": "lat", "degrees_east": "lon"},
    "standard_name": {"time": "time", "latitude": "lat", "longitude": "lon"},
    "axis": {"T": "time", "Y": "lat", "X": "lon"},
}
UNEVEN = 0.05  # largest departure from one step; a Gaussian grid's latitudes stay below it


def _roles(da: xr.DataArray) -> dict[str, str]:
    """Dimension of `da` -> ``time``, ``lat`` or ``lon``, as far as recognised."""
    roles = {}
    for dim in map(str, da.dims):
        coord = da[dim]
        told = [values.get(str(coord.attrs.get(attribute))) for attribute, values in _AXES.items()]
        if np.issubdtype(coord.dtype, np.datetime64):
            roles[dim] = "time"
        elif any(told):
            roles[dim] = next(role for role in told if role)
        else:
            roles.update((dim, role) for role, names in _ALIASES.items() if dim.lower() in names)
    return roles


def fields_of(ds: xr.Dataset) -> str:
    """List the variables of `ds` with their dimensions and units, for messages."""
    return ", ".join(
        f"{key} {tuple(map(str, value.dims))} {value.attrs.get('units', '')}".strip()
        for key, value in ds.data_vars.items()
    )


def _only_field(ds: xr.Dataset, name: str) -> xr.DataArray:
    wanted = set(_ALIASES)
    fields = [key for key, da in ds.data_vars.items() if wanted <= set(_roles(da).values())]
    if len(fields) == 1:
        return ds[fields[0]]
    if fields:
        raise DataError(
            f"{name} holds {len(fields)} fields: {fields_of(ds[fields])}; "
            f"expected one, choose it: open_dataset('file.nc:{fields[0]}') or "
            f"standardise(ds['{fields[0]}'])"
        )
    raise DataError(
        f"{name} holds no field over time, lat and lon; it has: {fields_of(ds) or '-'}; expected "
        "one: if it is one of these, name its dimensions so: ds.rename(...)"
    )


def _dimensions(da: xr.DataArray, name: str) -> xr.DataArray:
    """Name the dimensions ``time, lat, lon``, in this order, and drop everything else."""
    roles = _roles(da)
    single = [d for d in da.dims if da.sizes[d] == 1 and roles.get(str(d)) is None]
    extra = {str(d): n for d, n in da.sizes.items() if d not in single and str(d) not in roles}
    if extra:
        raise DataError(
            f"{name} has further dimensions {extra}; select one, e.g. da.isel(...), or, if they "
            "are lat and lon, name them so: da.rename(...)"
        )
    if sorted(roles.values()) != ["lat", "lon", "time"]:
        raise DataError(
            f"{name} has dimensions {tuple(map(str, da.dims))}; expected one each of time, lat "
            "and lon (with coordinates along a regular latitude-longitude grid)"
        )
    da = da.squeeze(single, drop=True)
    names = {role: dim for dim, role in roles.items()}
    bare = [dim for dim in names.values() if dim not in da.coords]
    if bare:
        raise DataError(f"{name} has no coordinate values along {bare}; expected some: assign them")
    valid = da.coords.get("valid_time")  # of a forecast: when it holds, not when it began
    use = "valid_time" if valid is not None and valid.dims == (names["time"],) else names["time"]
    try:
        times = da[use].values.astype("datetime64[ns]", casting="safe")
    except (TypeError, ValueError):
        raise DataError(
            f"{name}: times are {da[use].dtype}, not datetime64 as expected; decode them, or turn "
            "another calendar into the standard one with da.convert_calendar('standard')"
        ) from None
    if da.dtype.kind not in "iuf":
        raise DataError(f"{name} has values of type {da.dtype}; expected numbers in K")
    for axis in ("lat", "lon"):
        if da[names[axis]].dtype.kind not in "iuf":
            raise DataError(
                f"{name}: {axis} is of type {da[names[axis]].dtype}; expected numbers in degrees"
            )
    da = da.transpose(*(names[role] for role in _ALIASES))
    return xr.DataArray(
        da.values,
        {
            "time": ("time", times),
            "lat": ("lat", da[names["lat"]].values.astype(float), {"units": "degrees_north"}),
            "lon": ("lon", da[names["lon"]].values.astype(float), {"units": "degrees_east"}),
        },
        ("time", "lat", "lon"),
        name="temperature",
        attrs=da.attrs,
    )


def _grid(da: xr.DataArray, name: str) -> xr.DataArray:
    """North first, longitudes ascending in [-180, 180), at least 2 x 2, no cell twice, no gap."""
    if min(da.sizes["lat"], da.sizes["lon"]) < 2:
        raise DataError(f"{name}: grid {da.shape[1]} x {da.shape[2]}; expected at least 2 x 2")
    lat, lon = da.lat.values, da.lon.values
    if not ((abs(lat) <= 90).all() and (abs(lon) <= 540).all()):
        raise DataError(
            f"{name}: latitudes {lat.min()} to {lat.max()}, longitudes {lon.min()} to {lon.max()}; "
            "expected degrees, -90 to 90 and -540 to 540, no NaN"
        )
    wrapped = np.round((lon + 180) % 360 - 180, 4)  # degrees; 1e-4 is 11 m
    wrapped[wrapped >= 180] -= 360
    da = da.assign_coords(lon=("lon", wrapped, da.lon.attrs)).sortby("lon")
    da = da.sortby("lat", ascending=False)
    for axis in ("lat", "lon"):
        steps = abs(np.diff(da[axis].values))
        if (steps == 0).any():
            raise DataError(f"{name}: {axis} {da[axis].values[steps.argmin()]:g} occurs twice")
        if axis == "lon" and steps.max() > 3 * np.median(steps):
            a, b = da.lon.values[steps.argmax() :][:2]
            raise DataError(
                f"{name}: gap in longitude between {a:g} and {b:g}; a region across 180 degrees "
                "would be torn apart here: select one side of it"
            )
        if steps.max() - steps.min() > UNEVEN * np.median(steps):
            raise DataError(
                f"{name}: {axis} is not evenly spaced, steps from {steps.min():g} to "
                f"{steps.max():g} degrees; interpolate to a regular grid: da.interp({axis}=...)"
            )
    return da


def _step(da: xr.DataArray, name: str) -> np.timedelta64:
    """Return the step of the times, which must ascend regularly."""
    times = da.time.values
    if len(times) < 2:
        raise DataError(f"{name}: {len(times)} time(s); expected at least 2")
    if np.isnat(times).any():
        raise DataError(f"{name}: time {np.isnat(times).argmax()} (counted from 0) is missing")
    steps = np.diff(times)
    say = da.time.dt.strftime("%Y-%m-%dT%H:%M").values
    unique, counts = np.unique(times, return_counts=True)
    if (counts > 1).any():
        twice = np.datetime_as_string(unique[counts > 1], "m")
        raise DataError(
            f"{name}: {len(twice)} duplicate time(s), first {twice[0]}; expected none: "
            "da.drop_duplicates('time')"
        )
    if (steps < np.timedelta64(0, "ns")).any():
        at = int((steps < np.timedelta64(0, "ns")).argmax())
        raise DataError(f"{name}: {say[at + 1]} follows {say[at]}; sort: da.sortby('time')")
    values, counts = np.unique(steps, return_counts=True)
    step = values[counts.argmax()]
    if len(values) > 1:
        at = int((steps != step).argmax())
        hour = np.timedelta64(1, "h")
        raise DataError(
            f"{name}: irregular times: {steps[at] / hour:g} h from {say[at]} to {say[at + 1]}, "
            f"where most steps are {step / hour:g} h ({(steps != step).sum()} of {len(steps)} "
            "differ); fill the gap or select a part without one"
        )
    return step


def _kelvin(da: xr.DataArray, name: str) -> None:
    """Cast to float32 in place, after checking for NaN and that the values can be in K."""
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
            f"lon {da.lon.values[j]:g}; expected none: fill them or select a part without any"
        )
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    units = str(da.attrs.get("units", "K"))
    kelvin = units.lower() in ("k", "degk", "deg_k", "kelvin", "kelvins", "degrees_kelvin")
    if high - low < LEAST_SPREAD_K:
        raise DataError(
            f"{name}: every value is {low:g} (units {units!r}); expected temperature that varies: "
            "see whether the right variable was chosen, and whether it was read whole"
        )
    if low >= LOWEST_K and high <= HIGHEST_K:
        if not kelvin:
            raise DataError(
                f"{name}: values {low:g} to {high:g} look like K, but the attribute units is "
                f"{units!r}; if they are K, set da.attrs['units'] = 'K'"
            )
    elif units.lower() in ("f", "degf", "deg_f", "fahrenheit", "degrees_fahrenheit"):
        raise DataError(
            f"{name}: values {low:g} to {high:g} are in {units!r}; expected K: "
            "K = (degF - 32) / 1.8 + 273.15"
        )
    elif low >= -130 and high <= 77:
        raise DataError(
            f"{name}: values {low:g} to {high:g} (units {units!r}) look like degC; expected K: "
            "add 273.15, K = degC + 273.15"
        )
    else:
        raise DataError(
            f"{name}: values {low:g} to {high:g} (units {units!r}); expected temperature in K, "
            f"between {LOWEST_K:g} and {HIGHEST_K:g}"
        )
    da.data = values.astype(np.float32)
