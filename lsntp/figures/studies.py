"""Figures of the studies: a table of variants, and an error against what is varied."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lsntp.figures.style import COLOURS, OTHER_COLOURS, WIDTH, model_colours
from lsntp.results.compare import ALONE, HIGHER, LOWER, SCATTER, UNSEEN

VERDICTS = {
    LOWER: (COLOURS["convlstm"], "lower error"),
    HIGHER: (COLOURS["lsntp-equations"], "higher error"),
    UNSEEN: ("#777777", UNSEEN),
    SCATTER: ("#777777", SCATTER),
    ALONE: ("#777777", ALONE),
}
"""Colour and name of each verdict of :func:`lsntp.results.compare.difference`."""

MARKERS = "osD^vP"
CURVES = (COLOURS["convlstm"], OTHER_COLOURS[0], "black", COLOURS["lsntp-released"])


def swept(
    table: pd.DataFrame,
    value: str,
    label: str,
    along: str,
    *,
    levels: Mapping[str, np.ndarray] | None = None,
    names: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity against what is varied: a line per curve through the means, a dot per seed.

    Parameters
    ----------
    table : DataFrame
        ``curve``, ``at`` and ``value``, a line per seed, as of
        :func:`lsntp.results.tables.curves`.
    value, label : str
        The column to draw, and what it is, with its unit.
    along : str
        What ``at`` is, with its unit. Its values stand at even distances.
    levels : mapping of name -> values of the seeds, optional
        Drawn as dashed lines at their means, with a band of one standard deviation.
    names : mapping of curve -> str, optional
        Names to show, for example `lsntp.zoo.LABELS`.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 4.6))[1]
    stops = sorted(table["at"].unique())
    curves = list(dict.fromkeys(table["curve"]))
    colours = curve_colours(curves)
    for k, curve in enumerate(curves):
        rows = table[table["curve"] == curve]
        shift = 0.09 * (k - (len(curves) - 1) / 2)
        mean = rows.groupby("at")[value].mean()
        marker, colour = MARKERS[k % len(MARKERS)], colours[curve]
        x = np.searchsorted(stops, mean.index) + shift
        shown = (names or {}).get(curve, curve)
        ax.plot(x, mean, color=colour, linewidth=2, marker=marker, markersize=8, label=shown)
        if rows["at"].duplicated().any():
            seeds = np.searchsorted(stops, rows["at"]) + shift
            ax.plot(seeds, rows[value], "_", color=colour, markersize=12, mew=1.6, alpha=0.8)
    dashes = ("--", ":")
    for k, (name, values) in enumerate((levels or {}).items()):
        colour = COLOURS["lsntp-equations"] if k == 0 else "black"
        mean = float(np.mean(values))
        ax.axhline(mean, color=colour, linestyle=dashes[k % 2], linewidth=2, label=name)
        if len(values) > 1:
            spread = float(np.std(values, ddof=1))
            ax.axhspan(mean - spread, mean + spread, color=colour, alpha=0.12, linewidth=0)
    ax.set_xticks(range(len(stops)), [f"{s:g}" for s in stops])
    ax.set(xlabel=along, ylabel=label)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def changes(panels: Mapping[str, Mapping[str, pd.DataFrame]], label: str) -> np.ndarray:
    """Draw differences from a reference: a panel per data set, a line per row, a marker per form.

    The difference and its 95 % interval, filled where it excludes zero.

    Parameters
    ----------
    panels : mapping of panel -> form -> DataFrame
        Of :func:`lsntp.results.tables.differences`.
    label : str
        What the difference is, with its unit.

    Returns
    -------
    array of Axes (panel,)
    """
    forms = list(dict.fromkeys(form for panel in panels.values() for form in panel))
    tables = [table for panel in panels.values() for table in panel.values()]
    labels = list(dict.fromkeys(row for table in tables for row in table.index))
    size = (WIDTH, 1.4 + 0.56 * len(labels))
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (name, panel) in zip(axes[0], panels.items(), strict=True):
        for k, form in enumerate(forms):
            table = panel.get(form, pd.DataFrame())
            for row, d in table.iterrows():
                y = labels.index(str(row)) + 0.22 * (k - (len(forms) - 1) / 2)
                colour = VERDICTS[d["verdict"]][0]
                fill = colour if d["verdict"] in (LOWER, HIGHER) else "none"
                ax.plot([d["low"], d["high"]], [y, y], "-", color=colour, lw=2)
                style = {"markerfacecolor": fill, "markersize": 7, "mew": 1.6}
                ax.plot(d["difference"], y, MARKERS[k], color=colour, **style)
        ax.axvline(0, color="black", linestyle=":", linewidth=1, zorder=0)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.set_title(name)
    axes[0, 0].set_yticks(range(len(labels)), labels)
    axes[0, 0].set_ylim(len(labels) - 0.5, -0.5)
    figure.supxlabel(label, fontsize=12)
    handles = [
        Line2D([], [], color=VERDICTS[v][0], linewidth=2, label=VERDICTS[v][1])
        for v in (LOWER, HIGHER, UNSEEN)
    ]
    handles += [
        Line2D([], [], linestyle="", marker=MARKERS[k], color="black", label=form)
        for k, form in enumerate(forms)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return axes[0]


def swept_panels(
    panels: Mapping[str, pd.DataFrame],
    value: str,
    label: str,
    along: str,
    *,
    levels: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    names: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Draw :func:`swept` of several data sets side by side, with one legend.

    Parameters
    ----------
    panels : mapping of panel -> DataFrame
        A table of :func:`swept` for each.
    value, label, along, names
        As of :func:`swept`.
    levels : mapping of panel -> name -> values of the seeds, optional

    Returns
    -------
    array of Axes (panel,)
    """
    _, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.9), squeeze=False)
    for ax, (name, table) in zip(axes[0], panels.items(), strict=True):
        own = (levels or {}).get(name)
        swept(table, value, label, along, levels=own, names=names, ax=ax)
        ax.set_title(name)
        ax.get_legend().remove()
    axes[0, 0].figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2
    )
    for ax in axes[0, 1:]:
        ax.set_ylabel("")
    return axes[0]


def curve_colours(curves: list[str]) -> dict[str, str]:
    """Colour of each curve: a model's own where it has one, else apart from LS-NTP's."""
    if set(curves) & set(COLOURS):
        return model_colours(curves)
    return dict(zip(curves, cycle(CURVES), strict=False))


def auc_dots(auc: xr.DataArray) -> Axes:
    """Draw one row per way, one dot per seed, against the ½ of guessing.

    Parameters
    ----------
    auc : DataArray (way, seed)
        As in :func:`lsntp.chapters.method.planted_links`.
    """
    ax = plt.subplots(figsize=(WIDTH, 0.5 * auc.sizes["way"] + 1.2))[1]
    rows = np.arange(auc.sizes["way"])
    values = auc.transpose("way", "seed").to_numpy()
    ax.axvline(0.5, color="grey", linewidth=1)
    ax.hlines(rows, values.min(1), values.max(1), color="#999999", linewidth=2)
    for row, dots in zip(rows, values, strict=True):
        ax.plot(dots, np.full(len(dots), row), "o", color=COLOURS["lsntp-equations"], markersize=8)
    ax.set_yticks(rows, auc["way"].to_numpy())
    ax.invert_yaxis()
    ax.set(xlabel="AUC on far pairs (½: guessing)", xlim=(0, 1.03))
    return ax
