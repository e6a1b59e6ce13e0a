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

from lsntp.figures.maps import _panels, field_map, mark
from lsntp.figures.style import COLOURS, DIVERGING, WIDTH
from lsntp.results.field_records import SERIES_NAMES
from lsntp.results.learned_graphs import MEASURES
from lsntp.zoo import LABELS

WEIGHTS = "YlGnBu"
UNIFORM = "weight × N\n(1: as in a uniform graph)"


def weight_norm(matrix: np.ndarray) -> LogNorm:
    """Colours of weights × N, by powers of ten: from the 1st percentile to the largest."""
    relative = matrix * matrix.shape[-1]
    return LogNorm(float(np.quantile(relative, 0.01)), float(relative.max()))


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
    a = study["adjacency"][seed].values
    mesh = ax.pcolormesh(a * len(a), norm=weight_norm(a), cmap=WEIGHTS, rasterized=True)
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
    ax.set(xlabel="node that is heard (column)", ylabel="node that receives (row)", aspect="equal")
    ax.set_ylim(len(a), 0)  # as a matrix is written
    ax.figure.colorbar(mesh, ax=ax, label=UNIFORM)
    return ax


def columns(study: xr.Dataset, cell: int) -> np.ndarray:
    """Map one column of each seed's graph: how much every cell listens to the cell (cross).

    Returns
    -------
    array of Axes, one per seed, and the last the graph at initialisation of the first seed
    """
    titles = [f"seed {s}" for s in study["seed"].values] + ["at initialisation"]
    weights = [*study["adjacency"].values, study["untrained"].values[0]]
    norm = weight_norm(study["adjacency"].values)
    maps = {t: on_grid(w[:, cell] * len(w), study) for t, w in zip(titles, weights, strict=True)}
    figure, axes = _panels(next(iter(maps.values())), len(maps), 2)
    figure.set_figheight(0.9 * figure.get_figheight())
    for ax, (title, values) in zip(axes, maps.items(), strict=True):
        field_map(values, ax, title=title, cmap=WEIGHTS, norm=norm, colourbar=False)
        mark(ax, place(study, cell))
        ax.label_outer()
    figure.colorbar(axes[0].collections[0], ax=list(axes), label=UNIFORM)
    return axes


def row_and_pearson(study: xr.Dataset, pearson: xr.Dataset, cell: int, partner: int) -> np.ndarray:
    """Map what a cell (cross) listens to, above Pearson's r of every cell with it.

    Parameters
    ----------
    study, pearson : Dataset
        From :func:`lsntp.results.learned_graphs.study` and :func:`lsntp.results.pearson.of_nodes`.
    cell, partner : int
        Two nodes: that of the cross, and that of the circle.

    Returns
    -------
    array of Axes (4,)
        The learned rows of the first two seeds (of one, the row at initialisation beside it); r of
        the series as they are, and of anomalies.
    """
    graphs = {f"learned row, seed {int(a.seed)}": a.values for a in study["adjacency"][:2]}
    if len(graphs) < 2:
        graphs["at initialisation"] = study["untrained"].values[0]
    norm = weight_norm(np.stack(list(graphs.values())))
    blank = on_grid(np.zeros(study.sizes["node"]), study)
    figure, axes = _panels(blank, 4, 2)
    figure.set_figheight(0.9 * figure.get_figheight())
    for ax, (title, a) in zip(axes[:2], graphs.items(), strict=True):
        row = on_grid(a[cell] * len(a), study)
        field_map(row, ax, title=title, cmap=WEIGHTS, norm=norm, colourbar=False)
    for ax, (series, title) in zip(axes[2:], SERIES_NAMES.items(), strict=True):
        r = on_grid(pearson["r"].sel(series=series).values[cell], study)
        field_map(r, ax, title=title, cmap=DIVERGING, limits=(-1, 1), colourbar=False)
    for ax in axes:
        mark(ax, place(study, cell))
        mark(ax, place(study, partner), "o")
        ax.label_outer()
    figure.colorbar(axes[0].collections[0], ax=list(axes[:2]), label=UNIFORM)
    figure.colorbar(axes[2].collections[0], ax=list(axes[2:]), label="Pearson's r")
    return axes


def share_by_distance(studies: Mapping[str, xr.Dataset], ax: Axes | None = None) -> Axes:
    """Draw the share of the weight that comes from beyond a distance, one line per seed.

    Parameters
    ----------
    studies : mapping of model -> Dataset
        From :func:`lsntp.results.learned_graphs.study`, all of one data set.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 4.2))[1]
    first = next(iter(studies.values()))
    km = first["distance"].values
    plain = {"uniform": ("--", "black"), "untrained": (":", "#777777")}
    for graph, (line, colour) in plain.items():
        share = 100 * first["curve"].sel(graph=graph)[0]
        name = {"uniform": "uniform graph", "untrained": "at initialisation"}[graph]
        ax.plot(km, share, line, color=colour, linewidth=2.5, label=name)
    for model, study in studies.items():
        for k, curve in enumerate(100 * study["curve"].sel(graph="learned").values):
            label = None if k else LABELS[model]
            ax.plot(km, curve, color=COLOURS[model], linewidth=1.8, label=label)
    for d in first["far_km"].values:
        ax.axvline(d, color="#dddddd", linewidth=1, zorder=0)
    ax.set(xlabel="great-circle distance $d$ (km)", ylabel="weight from beyond $d$ (%)")
    ax.set_ylim(0, 101)
    ax.set_xlim(0, km[-1])
    ax.legend()
    return ax


def rank_dots(
    studies: Mapping[str, xr.Dataset], series: str = "anomaly", ax: Axes | None = None
) -> Axes:
    """Draw rank correlations with Pearson's r, one row per measure, one dot per seed.

    Parameters
    ----------
    studies : mapping of model -> Dataset
        As of `share_by_distance`.
    series : {"raw", "anomaly"}
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 4.4))[1]
    place = np.arange(len(MEASURES), dtype=float)
    place[3:] += 0.5  # a gap between the questions
    place[6:] += 0.5
    offsets = np.linspace(-0.17, 0.17, len(studies)) if len(studies) > 1 else [0.0]
    for (model, study), offset in zip(studies.items(), offsets, strict=True):
        values = study["rank"].sel(series=series, measure=list(MEASURES)).values
        for k, dots in enumerate(values):
            ax.plot(
                dots,
                np.full(len(dots), place[k] + offset),
                "o",
                color=COLOURS[model],
                markersize=7,
                label=None if k else LABELS[model],
            )
    ax.axvline(0, color="grey", linewidth=1, zorder=0)
    ax.set_yticks(place, [name.strip() for name in MEASURES.values()])
    ax.invert_yaxis()
    ax.set(xlabel="rank correlation with Pearson's r, mean over cells", title=SERIES_NAMES[series])
    ax.grid(axis="y", color="#eeeeee")
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.17), ncols=2)
    return ax


def on_grid(values: Sequence[float] | np.ndarray, study: xr.Dataset) -> xr.DataArray:
    """Lay values of the nodes (N,) on the grid of a study: (lat, lon)."""
    grid = {c: study[c].values for c in ("lat", "lon")}
    shape = tuple(len(v) for v in grid.values())
    return xr.DataArray(np.reshape(values, shape), grid, ("lat", "lon"), attrs={"units": "1"})


def place(study: xr.Dataset, node: int) -> tuple[float, float]:
    """Latitude and longitude of a node of a study, degrees."""
    row, column = divmod(node, study.sizes["lon"])
    return float(study["lat"][row]), float(study["lon"][column])


def nearest_node(nodes: xr.DataArray | xr.Dataset, lat: float, lon: float) -> int:
    """Index of the node nearest to a place, degrees; nodes count row by row."""
    row = int(np.argmin(abs(nodes["lat"].values - lat)))
    return row * nodes.sizes["lon"] + int(np.argmin(abs(nodes["lon"].values - lon)))
