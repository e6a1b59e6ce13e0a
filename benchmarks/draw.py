"""Figures of speed, memory and how they grow."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.scale import Growth
from lsntp.figures.style import COLOURS, OTHER_COLOURS, WIDTH

METHOD_COLOURS = {"dense": COLOURS["convlstm"], "tiled": OTHER_COLOURS[0]}
GROWTH = {"median_s": "time (s)", "peak_memory_mib": "memory above the inputs (MiB)"}


def growth(
    table: pd.DataFrame, value: str, fits: Mapping[str, Growth], *, ax: Axes | None = None
) -> Axes:
    """Draw time or memory against the number of nodes, measured and fitted, logarithmic axes.

    Parameters
    ----------
    table : DataFrame
        Rows of :func:`benchmarks.scale.table` of one task: ``nodes``, ``method``, ``value``.
    value : str
        A key of `GROWTH`.
    fits : mapping of method -> Growth
        Of :func:`benchmarks.scale.fit`; their exponents stand in the legend.
    """
    if value not in GROWTH:
        raise ValueError(f'value "{value}": expected one of {", ".join(GROWTH)}')
    ax = ax or plt.subplots(figsize=(WIDTH / 2, 3.6))[1]
    for method, rows in table.groupby("method", sort=False):
        colour, fit = METHOD_COLOURS[str(method)], fits.get(str(method))
        name = f"{method}, $\\sim N^{{{fit.exponent:.2f}}}$" if fit else method
        ax.plot(rows["nodes"], rows[value], "o", color=colour, markersize=7, label=name)
        if fit:
            along = np.geomspace(rows["nodes"].min(), rows["nodes"].max(), 100)
            ax.plot(along, fit.at(along), color=colour, linewidth=2)
    ticks: list[int] = []
    for nodes in sorted(set(table["nodes"])):  # those far enough apart for their labels
        if not ticks or nodes > 3.5 * ticks[-1]:
            ticks.append(nodes)
    ax.set(xscale="log", yscale="log", xlabel="nodes N", ylabel=GROWTH[value])
    ax.set_xticks(ticks, [f"{nodes:,}" for nodes in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter("{:g}".format))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), handletextpad=0.2)
    return ax


def ratio_dots(table: pd.DataFrame, label: str, *, ax: Axes | None = None) -> Axes:
    """Draw ratios as dots: a line of them for each row, a marker for each column.

    Parameters
    ----------
    table : DataFrame
        Ratios; what was not measured is NaN.
    label : str
        Says of what to what. A vertical line marks 1, equality.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 1.2 + 0.36 * len(table)))[1]
    looks = cycle(zip("oDs", (OTHER_COLOURS[3], *OTHER_COLOURS[:2]), strict=True))
    height = np.arange(len(table))
    ax.hlines(height, 1, table.max(axis=1), color="0.85", zorder=0)
    for (name, ratios), (marker, colour) in zip(table.items(), looks, strict=False):
        ax.plot(ratios, height, marker, color=colour, markersize=8, label=name)
    ax.axvline(1, color="black", linewidth=1)
    ax.set_yticks(height, table.index)
    ax.invert_yaxis()
    ax.set(xlabel=label)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1)
    return ax
