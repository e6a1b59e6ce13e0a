"""Far links planted in a real field: what a network could find there, and use, is known.

At ten places of 3 × 3 cells the anomaly of a far cell, some steps before, is added. Shown in
``17_power``.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from lsntp.data import datasets
from lsntp.data.catalogue import LINKED, PLANTED, Planting
from lsntp.data.checks import DataError, shown
from lsntp.data.climatology import Climatology
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.fields import fingerprint
from lsntp.data.synthetic import synthetic

PLACES = 10
APART = 4
"""Cells between the middles of two places, or of a place and a source, in rows or columns."""


def choose(field: xr.DataArray, least_km: float) -> tuple[np.ndarray, np.ndarray]:
    """Choose places and their sources, the same for a grid at each call.

    Parameters
    ----------
    field : DataArray (..., lat, lon)
    least_km : float
        A source lies further than this from each cell of its place.

    Returns
    -------
    places (10, 9), sources (10,) : arrays of int
        Nodes, row by row. No place touches another, and no source lies in a place.

    Raises
    ------
    DataError
        If the grid does not hold them.
    """
    height, width = field.shape[-2:]
    km = great_circle_km(*grid_nodes(field))
    around = np.add.outer(np.arange(-1, 2) * width, np.arange(-1, 2)).reshape(-1)
    taken = np.empty(0, int)
    places, sources = [], []

    def free(node: int) -> bool:
        row, column = np.divmod(taken, width)
        apart = np.maximum(abs(row - node // width), abs(column - node % width))
        return bool((apart >= APART).all())

    def inside(node: int) -> bool:
        row, column = divmod(node, width)
        return 0 < row < height - 1 and 0 < column < width - 1

    order = np.random.default_rng(0).permutation(height * width)
    for middle in filter(inside, order.tolist()):
        if not free(middle):
            continue
        place = middle + around
        far = [n for n in order.tolist() if km[place, n].min() > least_km and free(n)]
        if far:
            taken = np.append(taken, [middle, far[0]])
            places.append(place)
            sources.append(far[0])
        if len(places) == PLACES:
            return np.array(places), np.array(sources)
    raise DataError(
        f"a grid of {height}×{width} cells holds {len(places)} places with a source more than "
        f"{least_km:g} km away: expected {PLACES}; give a larger region"
    )


def plant(field: xr.DataArray, planting: Planting) -> xr.DataArray:
    """Plant links in a field.

    With anomalies a from the :class:`~lsntp.data.climatology.Climatology` of all times, σ their
    standard deviation in a cell, i a cell of a place, j its source:
    ``x_i(t) ← x_i(t) + s σ_i a_j(t − lag) / σ_j``.

    Parameters
    ----------
    field : DataArray (time, lat, lon), K
    planting : Planting

    Returns
    -------
    DataArray (time, lat, lon), K; another `fingerprint`
    """
    times, cells = field.sizes["time"], field[0].size
    normal = Climatology().fit(field).predict(field["time"].to_numpy()).to_numpy()
    values = field.to_numpy().reshape(times, cells).astype(np.float64)
    anomaly = values - normal.reshape(times, cells)
    deviation = anomaly.std(axis=0)
    for place, source in zip(*choose(field, planting.least_km), strict=True):
        arriving = np.roll(anomaly[:, source] / deviation[source], planting.lag)
        arriving[: planting.lag] = 0
        values[:, place] += planting.strength * deviation[place] * arriving[:, None]
    planted = field.copy(data=values.reshape(field.shape).astype(np.float32))
    return planted.assign_attrs(fingerprint=fingerprint(planted.values))


def open_planted(name: str) -> xr.DataArray:
    """Open a data set of ``catalogue.PLANTED``; the truth is not in it."""
    planting = PLANTED[name]
    return plant(datasets.open_dataset(planting.base), planting).assign_attrs(name=name)


def links(name: str) -> xr.DataArray:
    """Return the truth: (node, node_from), bool, True where a cell (row) receives from another.

    Raises
    ------
    DataError
        If no links are planted in the data set.
    """
    if name == "synthetic":
        return synthetic()["links"]
    if name not in PLANTED:
        raise DataError(
            f"dataset={shown(name)}: expected one with planted links, {', '.join(LINKED)}"
        )
    planting = PLANTED[name]
    field = datasets.open_dataset(planting.base)
    truth = np.zeros((field[0].size, field[0].size), bool)
    for place, source in zip(*choose(field, planting.least_km), strict=True):
        truth[place, source] = True
    return xr.DataArray(truth, dims=("node", "node_from"))
