"""Maps of learned graphs, and their weights beside distance and Pearson's r.

Shown in the notebook ``09_q4_learned_graph``; measured by :mod:`lsntp.results.learned_graphs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from lsntp.data.fields import with_values
from lsntp.figures.maps import field_map, mark
from lsntp.figures.style import COLOURS, DIVERGING, WIDTH
from lsntp.results.field_records import SERIES_NAMES
from lsntp.results.learned_graphs import MEASURES
from lsntp.zoo import LABELS

WEIGHTS = "YlGnBu"
UNIFORM = "weight × N\n(1: as in a uniform graph)"


def relative(study: xr.Dataset, graph: str = "adjacency") -> np.ndarray:
    """Weights × N of each seed, (seed, node, node_from); N counts the nodes that are there."""
    return study[graph].values * int(study["there"].sum())


def weight_norm(relative: np.ndarray) -> LogNorm:
    """Colours of weights × N, by powers of ten: from the 1st percentile to the largest."""
    return LogNorm(float(np.nanquantile(relative, 0.01)), float(np.nanmax(relative)))


def matrix(
    study: xr.Dataset, seed: int = 0, cell: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one learned graph as a matrix: rows receive, columns are heard.

    Parameters
    ----------
    study : Dataset
        From :func:`lsntp.results.learned_graphs.study`.
    seed : int
        Position along ``seed``.
    cell : int, optional
        A node whose column is framed.
    """
    ax = ax or plt.subplots(figsize=(5.6, 4.8))[1]
    a = relative(study)[seed]
    mesh = ax.pcolormesh(a, norm=weight_norm(a), cmap=WEIGHTS, rasterized=True)
    if cell is not None:
        ax.axvline(cell + 0.5, color=COLOURS["lsntp-equations"], linewidth=1.2)
        ax.annotate(
            "✕",
            (cell + 0.5, 0),
            color=COLOURS["lsntp-equations"],
            ha="center",
            va="bottom",
            xytext=(0, -1),
            textcoords="offset points",
            annotation_clip=False,
        )
    ax.set(xlabel="heard (column)", ylabel="receives (row)", aspect="equal")
    ax.set_ylim(len(a), 0)  # as a matrix is written
    ax.figure.colorbar(mesh, ax=ax, label=UNIFORM)
    return ax


def columns(studies: Mapping[str, xr.Dataset], cells: Mapping[str, int]) -> np.ndarray:
    """Map one column of each seed's graph: how much every cell listens to the cell (cross).

    Parameters
    ----------
    studies : mapping of data set -> Dataset
        From :func:`lsntp.results.learned_graphs.study`.
    cells : mapping of data set -> int
        The node whose column is shown.

    Returns
    -------
    array of Axes (seeds + 1, data sets), the last row at initialisation of the first seed
    """
    seeds = [f"seed {s}" for s in next(iter(studies.values()))["seed"].values]
    titles = [*seeds, "at initialisation"]
    size = (WIDTH, 2.3 * len(titles))
    figure, axes = plt.subplots(len(titles), len(studies), figsize=size, squeeze=False)
    for column, (name, study) in zip(axes.T, studies.items(), strict=True):
        weights = [*relative(study), relative(study, "untrained")[0]]
        norm = weight_norm(relative(study))
        for ax, title, w in zip(column, titles, weights, strict=True):
            values = on_grid(w[:, cells[name]], study)
            title = f"{name}\n{title}" if ax is column[0] else title
            field_map(values, ax, title=title, cmap=WEIGHTS, norm=norm, colourbar=False)
            mark(ax, place(study, cells[name]))
            ax.set(xlabel="", ylabel="")
            ax.tick_params(labelbottom=ax is column[-1])
        drawn = column[0].collections[0]
        figure.colorbar(drawn, ax=list(column), location="bottom", label=UNIFORM)
    return axes


def row_and_pearson(
    studies: Mapping[str, xr.Dataset],
    pearson: Mapping[str, xr.Dataset],
    pairs: Mapping[str, tuple[int, int]],
) -> np.ndarray:
    """Map what a cell (cross) listens to, beside Pearson's r of every cell with it.

    Parameters
    ----------
    studies, pearson : mapping of data set -> Dataset
        From :func:`lsntp.results.learned_graphs.study` and :func:`lsntp.results.pearson.of_nodes`.
    pairs : mapping of data set -> (int, int)
        Two nodes: that of the cross, and that of the circle.

    Returns
    -------
    array of Axes (data sets, 2)
        The learned row of the first seed; r of anomalies.
    """
    size = (WIDTH, 2.6 * len(studies))
    _, axes = plt.subplots(len(studies), 2, figsize=size, squeeze=False)
    for row, (name, study) in zip(axes, studies.items(), strict=True):
        cell, partner = pairs[name]
        a = relative(study)[0]
        weights = on_grid(a[cell], study)
        r = on_grid(pearson[name]["r"].sel(series="anomaly").values[cell], study)
        norm = weight_norm(a)
        title = f"{name}: learned weights"
        field_map(weights, row[0], title=title, cmap=WEIGHTS, norm=norm, label="weight × N")
        title = f"{name}: Pearson's r"
        field_map(r, row[1], title=title, cmap=DIVERGING, limits=(-1, 1), label="r of anomalies")
        for ax in row:
            mark(ax, place(study, cell))
            mark(ax, place(study, partner), "o")
            ax.set(xlabel="", ylabel="")
    return axes


def share_by_distance(graphs: Mapping[str, Mapping[str, xr.Dataset]]) -> np.ndarray:
    """Draw the share of the weight that comes from beyond a distance, one line per seed.

    Parameters
    ----------
    graphs : mapping of data set -> mapping of model -> Dataset
        From :func:`lsntp.results.learned_graphs.study`.

    Returns
    -------
    array of Axes, one per data set
    """
    figure, axes = plt.subplots(1, len(graphs), figsize=(WIDTH, 3.6), sharey=True, squeeze=False)
    plain = {"uniform": ("--", "black"), "untrained": (":", "#777777")}
    names = {"uniform": "uniform graph", "untrained": "at initialisation"}
    for ax, (dataset, studies) in zip(axes[0], graphs.items(), strict=True):
        first = next(iter(studies.values()))
        km = first["distance"].values
        for graph, (line, colour) in plain.items():
            share = 100 * first["curve"].sel(graph=graph)[0]
            ax.plot(km, share, line, color=colour, linewidth=2.5, label=names[graph])
        for model, study in studies.items():
            for k, curve in enumerate(100 * study["curve"].sel(graph="learned").values):
                label = None if k else LABELS[model]
                ax.plot(km, curve, color=COLOURS[model], linewidth=1.8, label=label)
        ax.axvline(first.attrs["far"], color="#cccccc", linewidth=1, zorder=0)
        ax.set(title=dataset, xlabel="distance $d$ (km)", ylim=(0, 101), xlim=(0, km[-1]))
    axes[0, 0].set_ylabel("weight from beyond $d$ (%)")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2)
    return axes[0]


def rank_dots(
    graphs: Mapping[str, Mapping[str, xr.Dataset]], series: str = "anomaly"
) -> np.ndarray:
    """Draw rank correlations with Pearson's r, one row per measure, one dot per seed.

    Parameters
    ----------
    graphs : mapping of data set -> mapping of model -> Dataset
        As of `share_by_distance`.
    series : {"raw", "anomaly"}

    Returns
    -------
    array of Axes, one per data set
    """
    figure, axes = plt.subplots(1, len(graphs), figsize=(WIDTH, 4.2), sharey=True, squeeze=False)
    height = np.arange(len(MEASURES), dtype=float)
    height[3:] += 0.5  # a gap between the questions
    height[6:] += 0.5
    for ax, (dataset, studies) in zip(axes[0], graphs.items(), strict=True):
        offsets = np.linspace(-0.17, 0.17, len(studies)) if len(studies) > 1 else [0.0]
        for (model, study), offset in zip(studies.items(), offsets, strict=True):
            values = study["rank"].sel(series=series, measure=list(MEASURES)).values
            for k, dots in enumerate(values):
                y = np.full(len(dots), height[k] + offset)
                label = None if k else LABELS[model]
                ax.plot(dots, y, "o", color=COLOURS[model], markersize=6, label=label)
        ax.axvline(0, color="grey", linewidth=1, zorder=0)
        ax.set_title(dataset)
        ax.grid(axis="y", color="#eeeeee")
    axes[0, 0].set_yticks(height, [name.strip() for name in MEASURES.values()])
    axes[0, 0].invert_yaxis()
    figure.supxlabel(f"rank correlation with r of {SERIES_NAMES[series]}", fontsize=12)
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2)
    return axes[0]


def on_grid(values: Sequence[float] | np.ndarray, study: xr.Dataset) -> xr.DataArray:
    """Lay values of the nodes (N,) on the grid of a study: (lat, lon)."""
    grid = {c: study[c].values for c in ("lat", "lon")}
    shape = tuple(len(v) for v in grid.values())
    return xr.DataArray(np.reshape(values, shape), grid, ("lat", "lon"), attrs={"units": "1"})


def place(study: xr.Dataset, node: int) -> tuple[float, float]:
    """Latitude and longitude of a node of a study, degrees."""
    row, column = divmod(node, study.sizes["lon"])
    return float(study["lat"][row]), float(study["lon"][column])


def nearest_node(nodes: xr.DataArray, lat: float, lon: float) -> int:
    """Index of the node with values nearest to a place, degrees; nodes count row by row."""
    apart = np.hypot(nodes["lat"].values[:, None] - lat, nodes["lon"].values - lon)
    return int(np.where(with_values(nodes), apart, np.inf).argmin())
