"""Figures of speed, memory and how they grow."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.released import EQUATIONS, OURS, THEIRS
from benchmarks.scale import Growth
from lsntp.figures.style import COLOURS, OTHER_COLOURS, WIDTH

LINE_COLOURS = {
    THEIRS: COLOURS["persistence"],
    OURS: COLOURS["lsntp-released"],
    EQUATIONS: COLOURS["lsntp-equations"],
    "dense": COLOURS["convlstm"],
    "tiled": OTHER_COLOURS[0],
}
GROWTH = {"median_s": "time (s)", "peak_memory_mib": "memory above the inputs (MiB)"}


def case_bars(
    table: pd.DataFrame, value: str, label: str, *, by: str = "model", ax: Axes | None = None
) -> Axes:
    """Draw a quantity as bars, a group a case, with its number at the end.

    Parameters
    ----------
    table : DataFrame
        Rows of :func:`benchmarks.released.table` of one task and precision.
    value : str
        Column to draw.
    label : str
        Says what it is, with its unit.
    by : str
        Column whose values have a bar each.
    """
    wide = table.pivot(index="case", columns=by, values=value)
    wide = wide.loc[table["case"].unique(), table[by].unique()]
    ax = ax or plt.subplots(figsize=(WIDTH, 1.2 + 0.32 * wide.size))[1]
    others = iter(OTHER_COLOURS)
    colours = [LINE_COLOURS.get(line) or next(others) for line in wide.columns]
    wide.plot.barh(ax=ax, width=0.8, color=colours)
    for bars in ax.containers:
        ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=11)  # type: ignore[arg-type]
    ax.invert_yaxis()
    ax.set(xlabel=label, ylabel="")
    ax.margins(x=0.12)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


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
    ax = ax or plt.subplots(figsize=(WIDTH, 4.8))[1]
    for method, rows in table.groupby("method", sort=False):
        colour = LINE_COLOURS[str(method)]
        ax.plot(rows["nodes"], rows[value], "o", color=colour, markersize=7, label=method)
        if method in fits:
            fit = fits[str(method)]
            along = np.geomspace(rows["nodes"].min(), rows["nodes"].max(), 100)
            label = f"its fit, growing as $N^{{{fit.exponent:.2f}}}$"
            ax.plot(along, fit.at(along), color=colour, linewidth=2, label=label)
    nodes = sorted(set(table["nodes"]))
    ax.set(xscale="log", yscale="log", xlabel="nodes N", ylabel=GROWTH[value])
    ax.set_xticks(nodes, [f"{n:,}" for n in nodes], rotation=35, ha="right")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter("{:g}".format))
    ax.legend()
    return ax


def lever_bars(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw by how much a training step takes longer without each lever.

    Parameters
    ----------
    table : DataFrame (lever × case), the time without the lever through the time with it.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 1.2 + 0.33 * table.size))[1]
    colours = [COLOURS["convlstm"], COLOURS["ridge"], *OTHER_COLOURS]
    table.rename(index=partial(textwrap.fill, width=16)).plot.barh(
        ax=ax, width=0.8, color=colours[: table.shape[1]]
    )
    for bars in ax.containers:
        ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=11)  # type: ignore[arg-type]
    ax.axvline(1, color="black", linewidth=1)
    ax.invert_yaxis()
    ax.set(xlabel="time of a step without it / with it", ylabel="")
    ax.margins(x=0.12)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    return ax
