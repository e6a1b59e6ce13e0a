"""The talk's three observations on how grid cells correlate, tested on a field.

`study` turns a field into a *field record*: Pearson's r of all pairs of cells against their
great-circle distance, the numbers behind each observation, one correlation map and one case of
real frames. Committed records let every notebook show real fields on a machine that has no data.
Explained in the notebook ``02_observations``.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.data import store
from lsntp.data.checks import Count, checked
from lsntp.data.climatology import Climatology
from lsntp.data.datasets import DataError, Datasets, open_dataset
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.fields import check_form, with_values
from lsntp.data.store import RecordError

ENCODING = {"case_time": {"dtype": "int32", "units": "hours since 2000-01-01"}}
RECORDS = store.RECORDS / "fields"
SERIES_NAMES = {"raw": "series as they are", "anomaly": "anomalies from climatology"}
SERIES = tuple(SERIES_NAMES)
STRONG = 0.5
"""Pearson's r from which a pair counts as strongly correlated (Cohen 1988: a "large" effect)."""
FAR_QUANTILE = 0.75
"""Far pairs are the quarter of all pairs that lie furthest apart."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DISTANCE_BINS, R_BINS = 40, 80
FEWEST_PAIRS = 30
"""A distance bin with fewer pairs has no quantiles."""
SHIFTS = 19
"""Shifted copies that the real series must all beat: by chance alone, one time in twenty."""
MOST_CELLS = 8000
"""Above this the N×N matrices no longer fit a small machine."""

NUMBERS = {
    "pairs": ("1", "number of pairs of cells"),
    "band": ("1", "quantiles of r in each distance bin"),
    "all_median": ("1", "median r of all pairs"),
    "near_median": ("1", "median r of neighbouring cells (sharing an edge)"),
    "near_q05": ("1", "5th percentile of r of neighbouring cells"),
    "far_median": ("1", "median r of far pairs"),
    "far_q99": ("1", "99th percentile of r of far pairs"),
    "far_strong_share": ("1", f"share of far pairs with r of {STRONG:g} or more"),
    "far_strongest": ("1", "largest r of a far pair"),
    "far_strongest_km": ("km", "distance of the most strongly correlated far pair"),
    "far_strongest_lat": ("degrees_north", "latitudes of that pair"),
    "far_strongest_lon": ("degrees_east", "longitudes of that pair"),
    "lowest": ("1", "lowest r of any pair"),
    "lowest_km": ("km", "distance of the pair with the lowest r"),
    "spread_low": ("1", "5th percentile of r of pairs at the median distance"),
    "spread_high": ("1", "95th percentile of r of pairs at the median distance"),
    "explained": ("1", "share of the variance of r that distance explains (between bins)"),
    "correlation_map": ("1", "Pearson's r of every cell with the chosen cell"),
    "far_q99_shifted": ("1", "99th percentile of r of far pairs, one of them shifted in time"),
    "case": ("K", "temperature"),
}


@checked
def study(field: xr.DataArray, inputs: Count = 6, leads: Count = 6) -> xr.Dataset:
    """Correlation against distance over all pairs of cells, and the observations' numbers.

    Masked cells, without values, form no pairs; the maps are NaN there.

    Statistics use the training period only (times before the attribute `test_start`), the case
    is from the test period. Everything is done twice: for the series as they are (``raw``) and
    with the training period's `Climatology` taken off (``anomaly``), because a daily or yearly
    cycle that all cells share makes them correlate whatever the weather does.

    Parameters
    ----------
    field : DataArray (time, lat, lon), K
        As from `lsntp.open_dataset`.
    inputs, leads : int
        Frames of the case up to, and after, the moment of forecast.

    Returns
    -------
    Dataset
        By `series`: the number of `pairs` (distance, r) in each bin, the `band` of quantiles
        (quantile, distance), `correlation_map` (lat, lon), and the numbers that claims compare.
        For the anomalies: `far_q99_shifted` (shift). From the test period: `case`
        (step, lat, lon), K. Each variable's `long_name` says what it is; the attributes say which
        data, which period, which rules.

    Raises
    ------
    DataError
        No `test_start`; fewer than two days before it; less than one case after it; too many
        cells; a cell that never changes, or lacks values at some times.
    """
    check_form(field, "test_start", "step_hours")
    start = np.datetime64(str(field.attrs["test_start"]))
    train, test = field.sel(time=field.time < start), field.sel(time=field.time >= start)
    if train.sizes["time"] * field.attrs["step_hours"] < 48:
        raise DataError(f"only {train.sizes['time']} times before {start}: two days are needed")
    there = with_values(field)
    cells = int(there.sum())
    if cells > MOST_CELLS:
        raise DataError(f"{cells} cells: at most {MOST_CELLS}; crop or thin the field")

    lat, lon = (degrees[there.ravel()] for degrees in grid_nodes(field))
    one, other = np.triu_indices(cells, k=1)
    distance = great_circle_km(lat, lon)  # (N, N), km
    km = distance[one, other]
    far_km, middle_km = np.quantile(km, FAR_QUANTILE), np.median(km)
    far = km >= far_km
    neighbours = _neighbours(there)[one, other]
    edges = np.linspace(0, km.max() * (1 + 1e-9), DISTANCE_BINS + 1)
    bins = np.digitize(km, edges) - 1
    middle = bins == np.digitize(middle_km, edges) - 1

    anomaly = train - Climatology().fit(train).predict(train["time"].values)
    standard = {  # (T, N) each
        "raw": _standardised(train, there),
        "anomaly": _standardised(anomaly, there),
    }
    results = {}
    for name, z in standard.items():
        matrix = z.T @ z / len(z)  # Pearson's r, (N, N)
        r = matrix[one, other]
        strongest = int(np.argmax(np.where(far, r, -np.inf)))
        lowest = int(np.argmin(r))
        ends = [one[strongest], other[strongest]]
        results[name] = {
            "matrix": matrix,
            "pairs": np.histogram2d(km, r, bins=(edges, np.linspace(-1, 1, R_BINS + 1)))[0].astype(
                np.int32
            ),
            "band": _quantiles_by_bin(r, bins),
            "all_median": np.median(r),
            "near_median": np.median(r[neighbours]),
            "near_q05": np.quantile(r[neighbours], 0.05),
            "far_median": np.median(r[far]),
            "far_q99": np.quantile(r[far], 0.99),
            "far_strong_share": np.mean(r[far] >= STRONG),
            "far_strongest": r[strongest],
            "far_strongest_km": km[strongest],
            "far_strongest_lat": lat[ends],
            "far_strongest_lon": lon[ends],
            "lowest": r[lowest],
            "lowest_km": km[lowest],
            "spread_low": np.quantile(r[middle], 0.05),
            "spread_high": np.quantile(r[middle], 0.95),
            "explained": _between_bins(r, bins),
            "ends": ends,
        }
    cell = results["anomaly"]["ends"][0]
    for result in results.values():
        result["correlation_map"] = np.full(there.shape, np.nan)
        result["correlation_map"][there] = result.pop("matrix")[cell]

    extra = {
        "pairs": ("distance", "r"),
        "band": ("quantile", "distance"),
        "correlation_map": ("lat", "lon"),
        "far_strongest_lat": ("end",),
        "far_strongest_lon": ("end",),
    }
    names = [name for name in NUMBERS if name in results["raw"]]
    record = xr.Dataset(
        {
            name: (("series", *extra.get(name, ())), np.stack([results[s][name] for s in SERIES]))
            for name in names
        },
        coords={
            "series": list(SERIES),
            "distance": ("distance", (edges[:-1] + edges[1:]) / 2, {"units": "km"}),
            "r": np.linspace(-1, 1, 2 * R_BINS + 1)[1::2],
            "quantile": list(QUANTILES),
            "lat": field["lat"],
            "lon": field["lon"],
        },
    )
    record["far_q99_shifted"] = (
        "shift",
        _shifted_q99(standard["anomaly"], distance >= far_km),
    )
    record["case"] = case(test, inputs, leads)
    for name in map(str, record.data_vars):
        units, long_name = NUMBERS[name]
        record[name].attrs = {"units": units, "long_name": long_name}
    kept = ("name", "long_name", "source", "licence", "fingerprint", "test_start", "step_hours")
    width = edges[1] - edges[0]
    record.attrs = {key: field.attrs[key] for key in kept if key in field.attrs} | {
        "test_start": str(field.attrs["test_start"]),
        "statistics_period": f"{_stamp(train.time[0])} to {_stamp(train.time[-1])} h UTC",
        "statistics_steps": train.sizes["time"],
        "rule_far": f"the {1 - FAR_QUANTILE:.0%} of pairs furthest apart",
        "far_km": float(far_km),
        "rule_spread": "pairs in the distance bin that holds the median distance",
        "spread_km_low": float(edges[0] + width * bins[middle][0]),
        "spread_km_high": float(edges[0] + width * (bins[middle][0] + 1)),
        "rule_cell": "first end of the far pair whose anomalies correlate most strongly",
        "cell_lat": float(lat[cell]),
        "cell_lon": float(lon[cell]),
        "rule_case": CASE_RULE,
    }
    return record


CASE_RULE = "the window in the middle of the test period, as in the records of runs"


@checked
def case(test: xr.DataArray, inputs: Count = 6, leads: Count = 6) -> xr.DataArray:
    """Return the window in the middle of the test period.

    The rule looks at no value and no forecast; it is that of `lsntp.runs.experiment.case_window`,
    so that a run's forecast can be laid beside these frames.

    Returns
    -------
    DataArray (step, lat, lon), K
        `step` runs from 1 − inputs to leads, 0 the last input frame; `case_time` (step).
    """
    windows = test.sizes["time"] - inputs - leads + 1
    if windows < 1:
        raise DataError(
            f"{test.sizes['time']} times in the test period: a case needs {inputs + leads}, "
            f"{inputs} inputs and {leads} leads"
        )
    first = windows // 2
    chosen = test.isel(time=slice(first, first + inputs + leads)).rename(time="step")
    return chosen.assign_coords(
        case_time=("step", chosen["step"].values), step=np.arange(1 - inputs, leads + 1)
    )


def kept(name: str) -> xr.Dataset:
    """Make what the field record of a named data set keeps: its `study`, as float32."""
    record = study(open_dataset(name)).assign_attrs(lsntp_version=version("lsntp"))
    return record.assign(
        {v: record[v].astype("float32") for v in record.data_vars if record[v].dtype == np.float64}
    )


def record(name: str, folder: Path = RECORDS) -> Path:
    """Make the field record of a named data set and write it, whole or not at all, to `folder`.

    Returns
    -------
    Path
        ``<folder>/<name>.nc``, NetCDF 4 with the checksum of `lsntp.data.store`.
    """
    path = folder / f"{name}.nc"
    store.write(kept(name), path, ENCODING)
    return path


def load(name: str, folder: Path = RECORDS) -> xr.Dataset:
    """Read the committed field record of a data set.

    Raises
    ------
    RecordError
        There is none, or it is damaged or another data set's.
    """
    path = folder / f"{name}.nc"
    remedy = f"with its data at hand, lsntp.results.field_records.record({name!r}) makes it"
    if not path.exists():
        there = sorted(p.stem for p in folder.glob("*.nc"))
        raise RecordError(f"no field record of {name!r}; there are {there}. {remedy.capitalize()}")
    return store.read(path, lambda record: record[list(NUMBERS)].attrs["name"], remedy)


@checked
def studies(datasets: Datasets, recompute: bool = False) -> dict[str, xr.Dataset]:
    """Return the study of each data set: its committed record, or made now.

    It is made now if asked for (and then held against the record, if there is one), and for a
    data set without a record, such as ``synthetic``.
    """
    records = {}
    for name in datasets:
        recorded = (RECORDS / f"{name}.nc").exists()
        if recorded and not recompute:
            records[name] = load(name)
        else:
            records[name] = study(open_dataset(name))
            if recorded:
                check_agreement(records[name], load(name))
    return records


AGREEMENT = 1e-4
"""Studies of one field agree if none of their `differences` is larger: rounding moves a pair of
cells across the edge of a bin."""


def differences(fresh: xr.Dataset, recorded: xr.Dataset) -> dict[str, float]:
    """How far two studies differ, by attribute and variable; infinite if in kind.

    Of numbers the largest ``|fresh - recorded| / (1 + |recorded|)``; of `pairs` the share that lies
    in other bins; of words 0 or infinity.
    """
    result = {}
    for key in (fresh.attrs.keys() | recorded.attrs.keys()) - {"lsntp_version"}:
        a, b = fresh.attrs.get(key), recorded.attrs.get(key)
        if a is None or b is None:
            result[key] = np.inf
        elif isinstance(b, str):
            result[key] = 0.0 if a == b else np.inf
        else:
            result[key] = float(abs(a - b) / (1 + abs(b)))
    for name in (*NUMBERS, *map(str, recorded.coords)):
        a, b = fresh[name].to_numpy(), recorded[name].to_numpy()
        if b.dtype.kind not in "if":  # names and times
            result[name] = 0.0 if np.array_equal(a, b) else np.inf
        elif a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
            result[name] = np.inf
        elif name == "pairs":
            result[name] = float(np.abs(a - b).sum() / b.sum())
        else:
            result[name] = float(np.nanmax(np.abs(a - b) / (1 + np.abs(b))))
    return result


def verify(name: str) -> float:
    """Make a field record again from nothing: the largest of the `differences` from the stored one.

    Raises
    ------
    RecordError, DataError
        As of `load` and `lsntp.open_dataset`.
    """
    recorded = load(name)
    return float(np.max([*differences(kept(name), recorded).values()]))  # a NaN stays one


def check_agreement(fresh: xr.Dataset, recorded: xr.Dataset) -> None:
    """Raise an AssertionError, naming what differs, unless two studies agree within `AGREEMENT`."""
    for name, difference in differences(fresh, recorded).items():
        if not difference <= AGREEMENT:
            raise AssertionError(f"{name}: fresh anew it differs by {difference:.2g}")


def _standardised(field: xr.DataArray, there: np.ndarray) -> np.ndarray:
    """Series of the cells that are there with mean 0 and mean square 1: (T, N)."""
    x = field.to_numpy()[:, there].astype(np.float64)
    x -= x.mean(axis=0)
    sd = x.std(axis=0)
    if not (varies := sd >= 1e-6).all():  # a NaN does not
        raise DataError(
            f"{(~varies).sum()} cells never change or lack values at some times; expected series "
            "that have correlations: mask these cells by field.where(...)"
        )
    return x / sd


def _neighbours(there: np.ndarray) -> np.ndarray:
    """Whether two of the cells that are there (H, W) share an edge: (N, N) of bool."""
    row, column = np.nonzero(there)
    steps = np.abs(row[:, None] - row) + np.abs(column[:, None] - column)
    return steps == 1


def _quantiles_by_bin(r: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Quantiles of r in each distance bin: (Q, D), NaN where there are too few pairs."""
    band = np.full((len(QUANTILES), DISTANCE_BINS), np.nan)
    for k in range(DISTANCE_BINS):
        inside = r[bins == k]
        if len(inside) >= FEWEST_PAIRS:
            band[:, k] = np.quantile(inside, QUANTILES)
    return band


def _between_bins(r: np.ndarray, bins: np.ndarray) -> float:
    """Share of the variance of r that lies between distance bins (η², 0 to 1)."""
    count = np.bincount(bins, minlength=DISTANCE_BINS)
    mean = np.bincount(bins, r, minlength=DISTANCE_BINS) / np.maximum(count, 1)
    return float((count * (mean - r.mean()) ** 2).sum() / (len(r) * r.var()))


def _shifted_q99(z: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Return the 99th percentile of r of far pairs when one cell of each is shifted in time.

    A shift leaves every series its own persistence but pairs it with other weather. The
    series, (T, N), is taken as a ring, so shifts between T/8 and T/2 are all there is to try.
    """
    shifts = np.linspace(len(z) / 8, len(z) / 2, SHIFTS).astype(int)  # steps
    return np.array(
        [np.quantile((z.T @ np.roll(z, s, axis=0) / len(z))[far], 0.99) for s in shifts]
    )


def _stamp(time: xr.DataArray) -> str:
    return pd.Timestamp(time.item()).strftime("%Y-%m-%d %H")
