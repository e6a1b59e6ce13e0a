"""Pearson's r of all pairs of a network's nodes, computed or from its small committed record.

The records, ``data/records/pearson/<name>.nc``, let the notebook ``09_q4_learned_graph`` hold a
learned graph against correlations on a machine that has no data.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr

from lsntp.data import store
from lsntp.data.climatology import Climatology
from lsntp.data.datasets import open_dataset
from lsntp.data.store import RecordError
from lsntp.results.field_records import SERIES
from lsntp.runs.config import RunConfig
from lsntp.runs.trained import inner_cells

RECORDS = store.RECORDS / "pearson"
STEP = 1e-4
"""The records keep r in whole multiples of this."""


def matrix(field: xr.DataArray) -> xr.Dataset:
    """Pearson's r of the series of all pairs of cells, over the training period.

    Parameters
    ----------
    field : DataArray (time, lat, lon), K
        With the attribute ``test_start``; times before it count.

    Returns
    -------
    Dataset
        ``r`` (series, node, node_from): ``raw``, and ``anomaly`` with the training period's
        :class:`lsntp.data.climatology.Climatology` taken off; nodes row by row of the grid that the
        coordinates ``lat`` and ``lon`` give. NaN with a masked cell, without values.
    """
    start = np.datetime64(str(field.attrs["test_start"]))
    train = field.sel(time=field.time < start)
    anomaly = train - Climatology().fit(train).predict(train["time"].values)
    r = [np.corrcoef(x.values.reshape(len(x), -1), rowvar=False) for x in (train, anomaly)]
    return xr.Dataset(
        {"r": (("series", "node", "node_from"), np.stack(r), {"units": "1"})},
        {"series": list(SERIES), "lat": field["lat"].values, "lon": field["lon"].values},
    )


def kept(name: str) -> xr.Dataset:
    """Make what the record of a named data set's inner grid keeps, as it is written.

    The inner grid is that of the networks with down-sampling. Kept is the upper triangle, in whole
    multiples of `STEP`.
    """
    field = open_dataset(name)
    full = matrix(inner_cells(RunConfig(dataset=name, model="lsntp-equations"), field))
    one, other = np.triu_indices(full.sizes["node"], k=1)
    steps = np.rint(full["r"].values[:, one, other] / STEP)
    return xr.Dataset(
        {"r": (("series", "pair"), steps.astype("int16"), {"units": "1", "scale_factor": STEP})},
        full.drop_vars("r").coords,
        {
            **{k: field.attrs[k] for k in ("name", "source", "licence", "fingerprint")},
            "test_start": str(field.attrs["test_start"]),
            "lsntp_version": version("lsntp"),
        },
    )


def record(name: str, folder: Path = RECORDS) -> Path:
    """Write what is `kept` of a named data set, whole or not at all, to ``folder``."""
    path = folder / f"{name}.nc"
    store.write(kept(name), path)
    return path


def read(name: str, folder: Path = RECORDS) -> xr.Dataset:
    """Read a committed record, its upper triangle.

    Raises
    ------
    RecordError
        There is none, or it is damaged or another data set's.
    """
    path = folder / f"{name}.nc"
    remedy = f"with its data at hand, lsntp.results.pearson.record({name!r}) makes it"
    if not path.exists():
        raise RecordError(f"no record of Pearson's r of {name!r} in {folder}; {remedy}")
    return store.read(path, name_of, remedy)


def name_of(record: xr.Dataset) -> str:
    """Return the data set of a record."""
    if record["r"].dims != ("series", "pair"):
        raise ValueError(f"r has dimensions {record['r'].dims}, expected series and pair")
    return record.attrs["name"]


def load(name: str, folder: Path = RECORDS) -> xr.Dataset:
    """Read a committed record as :func:`matrix` gives it, r rounded to `STEP`.

    Raises
    ------
    RecordError
        As of :func:`read`.
    """
    triangle = read(name, folder)
    nodes = triangle.sizes["lat"] * triangle.sizes["lon"]
    one, other = np.triu_indices(nodes, k=1)
    r = np.ones((triangle.sizes["series"], nodes, nodes))
    r[:, one, other] = r[:, other, one] = triangle["r"].values
    full = (("series", "node", "node_from"), r, {"units": "1"})
    return triangle.drop_vars("r").assign(r=full)


def verify(name: str) -> float:
    """Make a record again from nothing: the largest difference of r from the stored one.

    Rounding may move an r by one `STEP`. Infinite if the two differ in kind: in their data, their
    test period, their cells or series.

    Raises
    ------
    RecordError, DataError
        As of :func:`read` and :func:`lsntp.open_dataset`.
    """
    recorded, fresh = read(name), kept(name)
    same = all(fresh.attrs[key] == recorded.attrs[key] for key in ("fingerprint", "test_start"))
    if not (same and fresh.drop_vars("r").equals(recorded.drop_vars("r"))):
        return np.inf
    steps = np.rint(recorded["r"].values / STEP)
    return float(np.abs(fresh["r"].values - steps).max() * STEP)


def of_nodes(name: str, nodes: xr.DataArray) -> xr.Dataset:
    """:func:`matrix` for the nodes of a network: from the record if it holds them, or the data.

    Parameters
    ----------
    name : str
        As of :func:`lsntp.open_dataset`.
    nodes : DataArray (..., lat, lon)
        From :func:`lsntp.runs.trained.inner_cells`.
    """
    if (RECORDS / f"{name}.nc").exists():
        kept = load(name, RECORDS)
        if all(np.array_equal(kept[c].values, nodes[c].values) for c in ("lat", "lon")):
            return kept
    return matrix(open_dataset(name).sel(lat=nodes["lat"], lon=nodes["lon"]))


def lagged_correlation(series: np.ndarray, lag: int) -> np.ndarray:
    """Pearson's r of node n (row) with node m (column) ``lag`` steps before: (T, N) -> (N, N)."""
    now, before = (part - part.mean(0) for part in (series[lag:], series[: len(series) - lag]))
    return (now / now.std(0)).T @ (before / before.std(0)) / len(now)
