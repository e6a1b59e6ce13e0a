"""Temperatures of any unit -> K, or a refusal that says which values are none and what to do."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from lsntp.data.checks import DataError

LOWEST_K, HIGHEST_K = 150.0, 350.0
"""Near-surface temperatures on Earth lie between these; values in °C never do."""

LEAST_SPREAD_K = 1e-3
"""What varies by less than this is constant: float32 rounds by 3e-5 K."""

FEW = 3  # values that are no temperatures are listed, if they are no more

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

NAMES = (
    r"temp|tmp|^\d*t$|^t[_\d]|^t(a|as|s|sa|os|g|n|x|min|max|mean|refht|asmin|asmax|skin|surf)$"
    r"|^(air|sst|skt|thetao)|^d2m$|^2[td]$"
)
"""How variables are named that are temperatures: t2m, tas, T_2M, tmax, TREFHT, air, sst, 2t."""


class Scale(NamedTuple):
    """What values times ``factor`` are in, as pint calls it."""

    factor: float
    unit: str

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest temperature near the surface, in values of this scale."""
        registry = _registry()
        ends = registry.Quantity(np.array([LOWEST_K, HIGHEST_K]), "kelvin").to(self.unit)
        low, high = sorted(ends.magnitude / self.factor)
        return float(low), float(high)


KELVIN = Scale(1.0, "kelvin")
SCALES = {"K": KELVIN, "degC": Scale(1.0, "degC"), "degF": Scale(1.0, "degF")}


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


def scale_of(units: str) -> Scale | None:
    """Read a unit of temperature, such as "degC", "℃" or "0.1 K"; give None of any other unit."""
    units = unicodedata.normalize("NFKC", units.replace("˚", "°")).strip()
    number = re.match(r"(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)[\s*·]+(?=\S)", units, re.I)
    if number and (of := scale_of(units[number.end() :])):
        return Scale(float(number[1]) * of.factor, of.unit)
    bare = re.sub(r"^(degrees?|degs?|[°º])[\s_.]*", "", units.lower())
    if bare in SPELLINGS:
        return Scale(1.0, SPELLINGS[bare])
    if not units or number:
        return None
    try:
        read = _registry().parse_expression(units)
        if read.check("[temperature]"):
            return Scale(float(read.magnitude), str(read.units))
    except Exception:  # pint has many for what it cannot parse
        pass
    return None


def in_kelvin(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Convert temperatures."""
    if scale == KELVIN:
        return values
    values = values.astype(float) if scale.factor == 1 else values.astype(float) * scale.factor
    return _registry().Quantity(values, scale.unit).to("kelvin").magnitude


def is_temperature(da: xr.DataArray) -> bool:
    """Tell whether a field is one by its units or, without any, by its names."""
    if units := str(da.attrs.get("units", "")).strip():
        return scale_of(units) is not None
    return _named(da)


def _named(da: xr.DataArray) -> bool:
    """Tell whether one of a field's names is a temperature's."""
    words = (str(da.attrs.get(key, "")) for key in ("standard_name", "long_name"))
    return bool(
        re.search(NAMES, str(da.name or ""), re.I)
        or any(re.search(r"temperature|\btemp\b", word, re.I) for word in words)
    )


def kelvin(da: xr.DataArray, name: str) -> np.ndarray:
    """Turn the values of a field (time, lat, lon) into float32 in K by its attribute units.

    Raises
    ------
    DataError
        It is no temperature, its values contradict the units, or some stand for missing ones.
    """
    values = da.values
    units = str(da.attrs.get("units", "")).strip()
    scale = scale_of(units)
    finite = np.isfinite(values)
    there = values if finite.all() else values[finite]
    asked = _by_names(da, units, scale)
    if not asked and not _outside(there, scale or KELVIN):
        return np.array(in_kelvin(values, scale or KELVIN), np.float32)
    low, high = (there.min(), there.max()) if there.size else (np.nan, np.nan)
    found = f"values {low:g} to {high:g} " + (f"(units {units!r})" if units else "without units")
    likely = _likely(there)
    if not asked and _stand_for_missing(there, scale or KELVIN, likely):
        _refuse_fillers(da, name, units or "K", scale or KELVIN)
    raise DataError(
        f"{name}: {asked or found + ' are no temperatures near the surface'}; expected "
        f"{LOWEST_K:g} to {HIGHEST_K:g} K, or the like in another unit: choose another variable"
        + (f" ({found})" if asked else "")
        + _offers(da, likely)
    )


def _by_names(da: xr.DataArray, units: str, scale: Scale | None) -> str:
    """Say why a field is no temperature by its units or, without any, by its names."""
    standard = str(da.attrs.get("standard_name", "temperature"))
    words = (da.name, *map(da.attrs.get, ("standard_name", "long_name")))
    what = ", ".join(str(word) for word in words if word)
    if scale is None and (units or "temperature" not in standard.lower()):
        return f"{what or 'it'} in {units!r} is no temperature"
    if scale is None and what and not _named(da):
        return f"{what} has no units, and its name is no temperature's"
    return ""


def _outside(there: np.ndarray, scale: Scale) -> int:
    """Count the values that are no temperatures near the surface."""
    low, high = scale.bounds
    if not there.size or (there.min() >= low and there.max() <= high):
        return 0
    return int(((there < low) | (there > high)).sum())


def _stand_for_missing(there: np.ndarray, scale: Scale, likely: dict[str, Scale]) -> bool:
    """Tell whether the values that are no temperatures are few, or fewer than in another unit."""
    low, high = scale.bounds
    odd = there[(there < low) | (there > high)]
    fewest = all(odd.size <= _outside(there, other) for other in likely.values())
    return odd.size < there.size and (fewest or len(np.unique(odd)) <= FEW)


def _likely(there: np.ndarray) -> dict[str, Scale]:
    """Name the scales that values can be in, but for some that stand for missing ones."""
    outside = {units: _outside(there, scale) for units, scale in SCALES.items()}
    fewest = min(outside.values())
    return {u: SCALES[u] for u, count in outside.items() if count == fewest < there.size}


def _offers(da: xr.DataArray, likely: dict[str, Scale]) -> str:
    """Say of each scale the call that gives a field its attributes."""
    standard = str(da.attrs.get("standard_name", "temperature")).lower()
    kind = "" if "temperature" in standard else ", standard_name='air_temperature'"
    calls = [
        f"look like {units}, open_dataset(da.assign_attrs(units='{units}'{kind})"
        + (_mended(da, scale) if _outside(da.values[np.isfinite(da.values)], scale) else "")
        + ")"
        for units, scale in likely.items()
    ]
    return "; or, if its attributes are wrong, the values " + ", or ".join(calls) if calls else ""


# ---- values that are missing


def _refuse_fillers(da: xr.DataArray, name: str, units: str, scale: Scale) -> None:
    """Refuse values that are no temperatures among such that are."""
    low, high = scale.bounds
    odd = np.isfinite(da.values) & ((da.values < low) | (da.values > high))
    which = np.unique(da.values[odd])
    shown = ", ".join(f"{value:g}" for value in which) if len(which) <= FEW else ""
    raise DataError(
        f"{name}: {odd.sum()} of {odd.size} values are {shown or f'{which[0]:g} to {which[-1]:g}'},"
        f" first at {_place(da, odd)}; expected {low:g} to {high:g} (units {units!r}); if they "
        f"stand for missing ones: open_dataset(da{_mended(da, scale)})"
    )


def refuse_missing(da: xr.DataArray, bad: np.ndarray, name: str, time: str) -> None:
    """Refuse values that are missing at some times only, `bad`, in a field (time, lat, lon) in K.

    Raises
    ------
    DataError
    """
    if bad.all():
        raise DataError(
            f"{name}: all of {bad.size} values are NaN or infinite; expected temperatures: choose "
            "another variable, region or period, and see whether it was written whole"
        )
    if (bad & ~bad.all(axis=0)).any():
        some = bad & ~bad.all(axis=0)
        finite = "" if not np.isinf(da.values).any() else ".where(np.isfinite)"
        raise DataError(
            f"{name}: {some.sum()} of {bad.size} values are NaN or infinite, first at "
            f"{_place(da, some)}; expected none, but in cells that have none at all: fill them, "
            f"open_dataset(da{finite}{_filled(bad, time)}), or select a part without any"
        )


def _mended(da: xr.DataArray, scale: Scale) -> str:
    """Say how to leave out what is no temperature, and to fill what is missing then."""
    low, high = scale.bounds
    bad = ~((da.values >= low) & (da.values <= high))
    call = f".where(lambda x: (x > {low:.6g}) & (x < {high:.6g}))"
    return call + _filled(bad, str(da.dims[0]))


def _filled(bad: np.ndarray, time: str) -> str:
    """Say how to fill in time where values are missing at some times; a lone one fills nothing."""
    count = (~bad).sum(axis=0)
    some = bad.any(axis=0)
    call = f".where(lambda x: x.count('{time}') > 1)" if (some & (count == 1)).any() else ""
    if (some & (count > 1)).any():
        call += f".interpolate_na('{time}', fill_value='extrapolate')"
    return call


def _place(da: xr.DataArray, where: np.ndarray) -> str:
    """Say when and where the first of these is."""
    t, i, j = np.unravel_index(where.argmax(), where.shape)
    time, lat, lon = (da[dim].values for dim in da.dims)
    return f"time {np.datetime_as_string(time[t], 'm')}, lat {lat[i]:g}, lon {lon[j]:g}"
