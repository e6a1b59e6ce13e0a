"""Q1: how far links must reach, from networks trained with a cut and cut once trained.

Shown in the notebook ``06_q1_distance``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr

from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.model.graph import adaptive_adjacency
from lsntp.results.compare import HIGHER, Rows, difference
from lsntp.runs import records
from lsntp.runs.config import RunConfig
from lsntp.runs.trained import inner_cells, nodes_there

TRAINED_CUT, TESTED_CUT = "trained with the cut", "cut once trained"
"""The two ways of Q1."""


def cut_rows(rows: Rows) -> dict[int, Sequence[xr.Dataset]]:
    """Return the rows of Q1 trained with a cut, by its distance, km; the last is the whole."""
    by_km = {int(label.split()[0]): group for label, group in rows.items() if label.endswith(" km")}
    return by_km | {int(rows["whole"][0]["cut"][-1]): rows["whole"]}


def distance_curves(rows: Rows) -> pd.DataFrame:
    """MAE against the distance of the cut, both ways: ``curve``, ``at`` (km), ``mae`` (K)."""
    trained = [
        (TRAINED_CUT, km, float(record["mae"].mean()))
        for km, group in cut_rows(rows).items()
        for record in group
    ]
    tested = [
        (TESTED_CUT, int(km), float(record["cut_mae"].sel(cut=km).mean()))
        for record in rows["whole"]
        for km in record["cut"].to_numpy()
    ]
    return pd.DataFrame(trained + tested, columns=["curve", "at", "mae"])


def reach(rows: Rows) -> int:
    """Return the shortest distance, km, from which on no cut has a higher error than the whole.

    Of the rows trained with a cut. 0: self-links alone are not seen to be worse.
    """
    by_km = cut_rows(rows)
    shortest = max(by_km)
    for km in sorted(by_km, reverse=True)[1:]:
        if difference(by_km[km], rows["whole"])["verdict"] == HIGHER:
            break
        shortest = km
    return shortest


def with_graph(whole: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return records of the same networks that hold their embedding.

    The records of a study keep scores alone; the main table's of the same configs keep the graph.

    Raises
    ------
    RecordError
        If the main table has no record of one of them.
    """
    graphs = []
    for record in whole:
        config = records.config_of(record)
        main = RunConfig(**{**dict(config), "test_cuts_km": ()})
        graphs.append(record if "embedding" in record else records.find(main))
    return graphs


def weight_within(
    runs: Sequence[xr.Dataset], field: xr.DataArray, distances_km: Iterable[float]
) -> pd.DataFrame:
    """Share of a learned graph's weight that stays within a distance, mean over nodes.

    Parameters
    ----------
    runs : sequence of Dataset
        Records with the node ``embedding``, one per seed.
    field : DataArray (..., lat, lon)
        Gives the coordinates of the full grid, and which cells have values.
    distances_km : iterable of float
        Cuts; at 0 the share is the weight of a node's link to itself.

    Returns
    -------
    DataFrame
        ``curve`` ("after training", a line per seed, and "all nodes alike", 1/N each), ``at`` (km),
        ``share``.
    """
    config = records.config_of(runs[0])
    there = nodes_there(config, field)
    between = great_circle_km(*grid_nodes(inner_cells(config, field)))[np.ix_(there, there)]
    lines = []
    for km in distances_km:
        kept = between <= km + 1e-3  # as lsntp.model.graph.DistanceCut
        lines.append(("all nodes alike", int(km), kept.mean()))
        for record in runs:
            embedding = torch.from_numpy(record["embedding"].to_numpy()[there].astype(float))
            weights = adaptive_adjacency(embedding).numpy()
            lines.append(("after training", int(km), (weights * kept).sum(1).mean()))
    table = pd.DataFrame(lines, columns=["curve", "at", "share"])
    return table.sort_values(["curve", "at"], ignore_index=True)
