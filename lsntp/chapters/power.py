"""When does LS-Conv help? Errors where links are planted, and elsewhere.

Shown in the notebook ``17_power``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

from lsntp.data.catalogue import PLANTED
from lsntp.figures.studies import MARKERS
from lsntp.figures.style import WIDTH, label_colours
from lsntp.results.compare import LOWER, Rows, difference, mae_of
from lsntp.results.planted import ASKED, WAYS
from lsntp.results.studies import TUNED_UNTIED
from lsntp.zoo import LABELS

Where = Literal["place", "other"]


def changes(rows: Rows, where: Where = "place") -> dict[str, pd.DataFrame]:
    """Compare each forecaster that finds links, or is told them, with itself without far links.

    Parameters
    ----------
    rows : mapping of label -> records
        Of :func:`lsntp.results.planted.power`.
    where : str
        "place" or "other": the cells that links are planted in, or all others.

    Returns
    -------
    dict of way -> DataFrame
        "to find" and "told": a line a forecaster, :func:`~lsntp.results.compare.difference`, K.
    """
    return {
        way: pd.DataFrame(
            {
                label: difference(at(rows[f"{label}, {way}"], where), at(without, where))
                for label, without in forecasters(rows).items()
            }
        ).T
        for way in WAYS[1:]
    }


def by_strength(rows: Mapping[str, Rows]) -> pd.DataFrame:
    """Put :func:`changes` at the places of several planted data sets below each other.

    Parameters
    ----------
    rows : mapping of data set -> label -> records

    Returns
    -------
    DataFrame
        A line a data set, way and forecaster of :data:`lsntp.results.planted.ASKED`: ``links``
        (field and lag in steps), ``strength``, ``way``, ``forecaster``, those of
        :func:`~lsntp.results.compare.difference` at the places, and the change in MAE ``over all
        cells``, K.
    """
    parts = []
    for name, of_set in rows.items():
        planting = PLANTED[name]
        links = f"{planting.base}, lag {planting.lag}"
        for way, table in changes(of_set).items():
            part = table[table.index.isin(ASKED)].rename_axis("forecaster").reset_index()
            part["over all cells"] = [
                np.mean(mae_of(of_set[f"{label}, {way}"]))
                - np.mean(mae_of(of_set[f"{label}, {WAYS[0]}"]))
                for label in part["forecaster"]
            ]
            parts.append(part.assign(links=links, strength=planting.strength, way=way))
    return pd.concat(parts, ignore_index=True).convert_dtypes()


def noticed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the strength from which on links are seen to lower the error; "–" if there is none.

    That is by more than strength 0 does on the same field, where that was tried. "≤": no smaller
    strength was tried.

    Parameters
    ----------
    table : DataFrame
        Of :func:`by_strength`.

    Returns
    -------
    DataFrame
        A line a field and lag, and way; a column a forecaster.
    """
    groups = table.sort_values("strength", ascending=False).groupby(
        ["links", "way", "forecaster"], sort=False
    )

    by_field = [table["links"].str.split(",").str[0], table["way"], table["forecaster"]]
    controls = table.set_index(by_field).query("strength == 0")["difference"]

    def least(group: pd.DataFrame, links: str, way: str, forecaster: str) -> str:
        control = controls.get((links.split(",")[0], way, forecaster), 0.0)
        tried = group[group["strength"] > 0]
        seen = (tried["verdict"] == LOWER) & (tried["high"] < min(control, 0.0))
        strengths = tried["strength"][seen.cummin()]
        if not len(strengths):
            return "–"
        first = strengths.min() == tried["strength"].min()
        return f"{'≤ ' if first else ''}{strengths.min():g}"

    shown = pd.Series({key: least(group, *key) for key, group in groups}).unstack()
    tried = [label for label in ASKED if label in shown]
    lines = [*dict.fromkeys(zip(table["links"], table["way"], strict=True))]
    return shown.loc[lines, tried].fillna("not tried")


def over_all_cells(table: pd.DataFrame, ablations: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return what known links bring over all cells, beside what an ablation can tell from nothing.

    Parameters
    ----------
    table : DataFrame
        Of :func:`by_strength`.
    ablations : mapping of links -> Series
        :func:`~lsntp.results.compare.difference` of LS-NTP with its graph from LS-NTP without, on
        the field as it is.

    Returns
    -------
    DataFrame
        A line a field, lag and strength: the change in MAE over all cells of each forecaster that
        is told, and half the ablation's 95 % interval, K.
    """
    told = table[table["way"] == "told"]
    changes = told.pivot(index=["links", "strength"], columns="forecaster", values="over all cells")
    labels = [label for label in ASKED if label in changes]
    shown = changes.loc[[*table["links"].unique()], labels].astype(float).rename_axis(columns=None)
    halves = {links: (d["high"] - d["low"]) / 2 for links, d in ablations.items()}
    shown["half the ablation's interval"] = shown.index.get_level_values("links").map(halves)
    return shown


def gains(table: pd.DataFrame) -> np.ndarray:
    """Draw what links bring against their strength: a row a field and lag, a column a way.

    Parameters
    ----------
    table : DataFrame
        Of :func:`by_strength`.

    Returns
    -------
    array of Axes (links, way)
    """
    fields, colours = [*table["links"].unique()], label_colours([*ASKED])
    colours[TUNED_UNTIED] = label_colours([LABELS["lsntp-tuned"]])[LABELS["lsntp-tuned"]]
    size = (WIDTH, 0.9 + 2.7 * len(fields))
    figure, axes = plt.subplots(
        len(fields), 2, figsize=size, sharex=True, sharey="row", squeeze=False
    )
    for (links, way), panel in table.groupby(["links", "way"], sort=False):
        ax = axes[fields.index(links), WAYS.index(way) - 1]
        for label, line in panel.groupby("forecaster", sort=False):
            k = ASKED.index(str(label))
            x, y, seen = line["strength"] + 0.015 * (k - 1), line["difference"], line["verdict"]
            style = {"marker": MARKERS[k], "color": colours[label], "markersize": 7, "mew": 1.6}
            ax.vlines(x, line["low"], line["high"], color=colours[label], linewidth=2)
            ax.plot(x, y, markerfacecolor="white", label=label, **style)
            ax.plot(x[seen == LOWER], y[seen == LOWER], linestyle="", **style)
        ax.axhline(0, color="black", linestyle=":", linewidth=1, zorder=0)
        ax.set_title(f"{links}, {way}")
        strengths = sorted(table["strength"].unique())
        ax.set_xticks(strengths, [f"{s:g}" for s in strengths])
    figure.supxlabel("strength of the links", fontsize=12)
    figure.supylabel("change in MAE at the places (K)", fontsize=12)
    legend = {h.get_label(): h for ax in axes.flat for h in ax.get_legend_handles_labels()[0]}
    figure.legend(handles=legend.values(), loc="outside upper center", ncols=3)
    return axes


def forecasters(rows: Rows) -> dict[str, Sequence[xr.Dataset]]:
    """Return the records of each forecaster without far links, by its label."""
    end = f", {WAYS[0]}"
    return {label.removesuffix(end): row for label, row in rows.items() if label.endswith(end)}


def at(records: Sequence[xr.Dataset], where: Where) -> list[xr.Dataset]:
    """Put the errors of some cells in the place of those of all."""
    of_some = []
    for record in records:
        errors = record[f"{where}_day_mae"].rename(day="window").expand_dims(lead=1)
        kept = record.drop_dims(["day", "lead", "window"], errors="ignore")
        of_some.append(kept.assign(window_mae=errors, mae=errors.mean("window")))
    return of_some


def measured(rows: Rows) -> pd.DataFrame:
    """Return what a table shows of each forecaster: means over the seeds, and the range of the AUC.

    Returns
    -------
    DataFrame
        A line a forecaster; columns (measurement, way): "MAE (K)" where links are planted, and
        "AUC", how well what was found ranks the planted links among all far pairs.
    """
    table = {}
    for label in forecasters(rows):
        groups = {way: rows[f"{label}, {way}"] for way in WAYS}
        for way, group in groups.items():
            error = sum(float(r["place_mae"].mean()) for r in group) / len(group)
            table["MAE (K)", way, label] = f"{error:.3f}"
        auc = sorted({f"{float(r['link_auc']):.2f}" for r in groups["to find"]})
        table["AUC", "to find", label] = " to ".join([auc[0], *auc[1:][-1:]])
    return pd.Series(table).unstack([0, 1]).loc[[*forecasters(rows)]]
