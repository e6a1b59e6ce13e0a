"""Pearson's r of all pairs of a network's nodes, computed or from its small committed record.

The records, ``data/records/pearson/<name>.nc``, let the notebook ``09_q4_learned_graph`` hold a
learned graph against correlations on a machine that has no data.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr

from lsntp.climatology import Climatology
from lsntp.config import RunConfig
from lsntp.datasets import DataError, open_dataset
from lsntp.experiment import inner_cells
from lsntp.observations import SERIES
from lsntp.whole import whole

RECORDS = Path(__file__).resolve().parents[1] / "data" / "records" / "pearson"
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
        :class:`lsntp.climatology.Climatology` taken off; nodes row by row of the grid that the
        coordinates ``lat`` and ``lon`` give.
    """
    start = np.datetime64(str(field.attrs["test_start"]))
    train = field.sel(time=field.time < start)
    anomaly = train - Climatology().fit(train).predict(train["time"].values)
    r = [np.corrcoef(x.values.reshape(len(x), -1), rowvar=False) for x in (train, anomaly)]
    return xr.Dataset(
        {"r": (("series", "node", "node_from"), np.stack(r), {"units": "1"})},
        {"series": list(SERIES), "lat": field["lat"].values, "lon": field["lon"].values},
    )


def record(name: str, folder: Path = RECORDS) -> Path:
    """Make the record of a named data set's inner grid and write it, in one step, to ``folder``.

    The inner grid is that of the networks with down-sampling. Kept is the upper triangle, in whole
    multiples of `STEP`, compressed.
    """
    field = open_dataset(name)
    nodes = inner_cells(RunConfig(dataset=name, model="lsntp-equations"), field)
    full = matrix(nodes)
    one, other = np.triu_indices(full.sizes["node"], k=1)
    steps = np.rint(full["r"].values[:, one, other] / STEP)
    made = xr.Dataset(
        {"r": (("series", "pair"), steps.astype("int16"), {"units": "1", "scale_factor": STEP})},
        full.drop_vars("r").coords,
        {
            **{k: field.attrs[k] for k in ("name", "source", "licence", "fingerprint")},
            "test_start": str(field.attrs["test_start"]),
            "lsntp_version": version("lsntp"),
        },
    )
    encoding = {"r": {"zlib": True, "complevel": 9, "shuffle": True, "fletcher32": True}}
    path = folder / f"{name}.nc"
    with whole(path) as scratch:
        made.to_netcdf(scratch, engine="netcdf4", encoding=encoding)
    return path


def load(name: str, folder: Path = RECORDS) -> xr.Dataset:
    """Read a committed record as :func:`matrix` gives it, r rounded to `STEP`.

    Raises
    ------
    DataError
        There is none, or it cannot be read.
    """
    path = folder / f"{name}.nc"
    if not path.exists():
        raise DataError(
            f"no record of Pearson's r of {name!r} in {folder}; with its data at hand, "
            f"lsntp.pearson.record({name!r}) makes it"
        )
    try:
        kept = xr.load_dataset(path, engine="netcdf4")
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{path} is not a readable record: {error}") from error
    nodes = kept.sizes["lat"] * kept.sizes["lon"]
    one, other = np.triu_indices(nodes, k=1)
    r = np.ones((kept.sizes["series"], nodes, nodes))
    r[:, one, other] = r[:, other, one] = kept["r"].values
    full = (("series", "node", "node_from"), r, {"units": "1"})
    return kept.drop_vars("r").assign(r=full)


def of_nodes(name: str, nodes: xr.DataArray) -> xr.Dataset:
    """:func:`matrix` for the nodes of a network: from the record if it holds them, or the data.

    Parameters
    ----------
    name : str
        As of :func:`lsntp.open_dataset`.
    nodes : DataArray (..., lat, lon)
        From :func:`lsntp.experiment.inner_cells`.
    """
    if (RECORDS / f"{name}.nc").exists():
        kept = load(name, RECORDS)
        if all(np.array_equal(kept[c].values, nodes[c].values) for c in ("lat", "lon")):
            return kept
    return matrix(open_dataset(name).sel(lat=nodes["lat"], lon=nodes["lon"]))
