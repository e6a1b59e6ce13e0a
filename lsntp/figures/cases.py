"""Figures of single forecasts, of maps of error, and of what a convention does to a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lsntp.figures.maps import _degrees_north, _lead_title, _panels, field_map
from lsntp.figures.style import DIVERGING, SEQUENTIAL, WIDTH, model_colours
from lsntp.zoo import LABELS

ERROR = "YlOrRd"
SIDES = {"west": "#0072b2", "east": "#d55e00", "north": "#000000", "south": "#009e73"}


def case_maps(
    truth: xr.DataArray,
    forecasts: Mapping[str, xr.DataArray],
    leads: Sequence[int] = (0, 2, 5),
    title: str | None = None,
) -> np.ndarray:
    """Truth, forecasts and then their differences from the truth, one column per lead.

    Parameters
    ----------
    truth : DataArray (lead, lat, lon), K
    forecasts : mapping of name -> DataArray (lead, lat, lon), K
    leads : sequence of int
        Columns: positions along `lead`.
    title : str, optional

    Returns
    -------
    array of Axes (1 + 2 forecasts, leads)
        The truth, the forecasts, the differences (forecast minus truth). The colours of each kind
        are shared; those of the differences end at the 99th percentile of their size.
    """
    chosen = list(leads)
    truth = truth.isel(lead=chosen)
    shown = {name: f.isel(lead=chosen) for name, f in forecasts.items()}
    gaps = {name: f.copy(data=f.to_numpy() - truth.to_numpy()) for name, f in shown.items()}
    fields = {"truth": truth, **shown}
    limits = (
        min(float(f.min()) for f in fields.values()),
        max(float(f.max()) for f in fields.values()),
    )
    worst = float(np.quantile([np.abs(g.to_numpy()) for g in gaps.values()], 0.99))

    count = (1 + 2 * len(shown)) * len(chosen)
    figure, flat = _panels(truth.isel(lead=0), count, len(chosen))
    axes = flat.reshape(-1, len(chosen))
    height = figure.get_figheight() - 0.6 - 0.4 * len(axes)  # of the maps alone
    figure.set_figheight(height + 0.1 * len(axes) + (1.2 if title else 0.8))
    rows = [(n, f, SEQUENTIAL, limits) for n, f in fields.items()]
    rows += [(f"{n}\nminus truth", g, DIVERGING, (-worst, worst)) for n, g in gaps.items()]
    for row, (name, values, cmap, ends) in zip(axes, rows, strict=True):
        for k, ax in enumerate(row):
            field_map(values.isel(lead=k), ax, cmap=cmap, limits=ends, colourbar=False)
            ax.label_outer()
            ax.set(xlabel="", ylabel="")
        row[0].set_ylabel(name, fontsize=10)
    for k, ax in enumerate(axes[0]):
        ax.set_title(_lead_title(truth, k))
    split = 1 + len(shown)
    for part, label, extend in (
        (axes[:split], "temperature (K)", "neither"),
        (axes[split:], "forecast minus truth (K)", "both"),
    ):
        figure.colorbar(
            part[0, 0].collections[0], ax=list(part.ravel()), label=label, extend=extend, aspect=40
        )
    if title:
        figure.suptitle(title)
    return axes


def by_change(table: pd.DataFrame, against: str, ax: Axes | None = None) -> Axes:
    """Difference in MAE from one model, by fifths of the windows, with intervals.

    Parameters
    ----------
    table : DataFrame
        From :func:`lsntp.cases.by_change`.
    against : str
        The model compared with.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 4.6))[1]
    models = list(dict.fromkeys(table["model"]))
    colours = label_colours(models)
    ax.axhline(0, color="#555555", linewidth=1)
    for k, model in enumerate(models):
        rows = table[table["model"] == model]
        x = rows["fifth"].to_numpy() + 0.14 * (k - (len(models) - 1) / 2)
        middle = rows["difference"].to_numpy()
        bars = np.abs(rows[["low", "high"]].to_numpy().T - middle)
        ax.errorbar(
            x, middle, bars, fmt="o", color=colours[model], label=model, capsize=3, linewidth=2
        )
    means = table.drop_duplicates("fifth")
    names = ["calmest", "second", "middle", "fourth", "most\neventful"]
    ticks = [f"{names[int(r.fifth)]}\n{r.change:.1f} K" for r in means.itertuples()]
    ax.set_xticks(means["fifth"], ticks)
    ax.set(
        xlabel="fifth of the test windows, and mean change in it",
        ylabel=f"MAE minus {against}'s (K)",
    )
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return ax


def error_maps(errors: xr.DataArray, title: str | None = None) -> np.ndarray:
    """Maps of the MAE by cell at some leads, one scale from 0.

    Parameters
    ----------
    errors : DataArray (lead, lat, lon), K
    title : str, optional

    Returns
    -------
    array of Axes, one per lead
    """
    figure, axes = _panels(errors.isel(lead=0), errors.sizes["lead"], 3)
    limits = 0.0, float(errors.max())
    for k, ax in enumerate(axes):
        field_map(errors.isel(lead=k), ax, cmap=ERROR, limits=limits, colourbar=False)
        ax.set_title(_lead_title(errors, k))
        ax.label_outer()
    figure.colorbar(axes[0].collections[0], ax=list(axes), label="MAE (K)", shrink=0.9)
    if title:
        figure.suptitle(title)
    return axes


def change_maps(
    changes: Mapping[str, xr.DataArray], label: str, title: str | None = None
) -> np.ndarray:
    """Maps of a difference, one per model, on one scale: blue below 0, red above.

    Parameters
    ----------
    changes : mapping of name -> DataArray (lat, lon)
    label : str
        What the colours mean, with its unit.
    title : str, optional
    """
    figure, axes = _panels(next(iter(changes.values())), len(changes), 2)
    top = max(float(abs(c).max()) for c in changes.values())
    for ax, (name, change) in zip(axes, changes.items(), strict=True):
        field_map(change, ax, title=name, cmap=DIVERGING, limits=(-top, top), colourbar=False)
        ax.label_outer()
    figure.colorbar(axes[0].collections[0], ax=list(axes), label=label, shrink=0.9)
    if title:
        figure.suptitle(title)
    return axes


def ratio_map(share: xr.DataArray, title: str | None = None) -> Axes:
    """Map of an error as a share of persistence's: blue below 1, red above, by their logarithm.

    Parameters
    ----------
    share : DataArray (lat, lon)
    title : str, optional
    """
    power = share.copy(data=np.log2(share.to_numpy()))
    top = float(abs(power).max())
    label = "MAE / MAE of persistence"
    ax = field_map(power, title=title, cmap=DIVERGING, limits=(-top, top), colourbar=False)
    bar = ax.figure.colorbar(ax.collections[0], ax=ax, label=label, shrink=0.85)
    ticks = [t for t in (0.25, 0.5, 0.7, 1, 1.4, 2, 4) if abs(np.log2(t)) <= top]
    bar.set_ticks(list(np.log2(ticks)), labels=[f"{t:g}" for t in ticks])
    return ax


def latitude_profile(bands: Mapping[str, pd.DataFrame], label: str, ax: Axes | None = None) -> Axes:
    """Mean of a map over bands of latitude, one line per model, bars one s.d. over seeds.

    Parameters
    ----------
    bands : mapping of label -> DataFrame
        From :func:`lsntp.errors.by_latitude`.
    label : str
        What is averaged, with its unit.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 4.2))[1]
    colours = label_colours(list(bands))
    for name, table in bands.items():
        ax.errorbar(
            table["mean"], table["latitude"], xerr=table["sd"], fmt="o-", color=colours[name],
            label=name, capsize=3, linewidth=2,
        )  # fmt: skip
    ax.set(xlabel=label, ylabel="latitude", xlim=(0, None))
    ax.yaxis.set_major_formatter(FuncFormatter(_degrees_north))
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return ax


def edge_profiles(profiles: Mapping[str, tuple[pd.DataFrame, str]]) -> np.ndarray:
    """Error by the distance to each side of the region, one panel per quantity.

    Parameters
    ----------
    profiles : mapping of title -> (DataFrame, str)
        From :func:`lsntp.errors.by_distance`, and what the vertical axis shows, with its unit.
    """
    size = (WIDTH, 3.4 * len(profiles) + 0.5)
    figure, axes = plt.subplots(len(profiles), 1, figsize=size, sharex=True, squeeze=False)
    for ax, (title, (table, label)) in zip(axes[:, 0], profiles.items(), strict=True):
        for side, colour in SIDES.items():
            line = table[table["side"] == side]
            ax.plot(line["km"], line["mean"], "o-", color=colour, markersize=4, label=side)
            ends = line["mean"] - line["sd"], line["mean"] + line["sd"]
            ax.fill_between(line["km"], *ends, color=colour, alpha=0.2, linewidth=0)
        ax.set(title=title, ylabel=label)
        ax.set_xlim(0, None)
    axes[-1, 0].set_xlabel("distance to that side of the region (km)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return axes[:, 0]


def convention_dots(
    table: pd.DataFrame, units: Mapping[str, str], theirs: Mapping[str, float] | None = None
) -> np.ndarray:
    """One panel per score, one dot per convention: the same forecast, scored in different ways.

    Parameters
    ----------
    table : DataFrame
        Columns ``score``, ``convention``, ``value``.
    units : mapping of score -> str
        Its heading, with the unit.
    theirs : mapping of score -> float, optional
        A difference between models to draw as a bar of that length, for scale.
    """
    scores = list(dict.fromkeys(table["score"]))
    sizes = [int((table["score"] == s).sum()) for s in scores]
    figure, axes = plt.subplots(
        len(scores), 1, figsize=(WIDTH, 0.36 * sum(sizes) + 1.15 * len(scores)),
        height_ratios=[n + 1 for n in sizes], squeeze=False,
    )  # fmt: skip
    for score, ax in zip(scores, axes[:, 0], strict=True):
        rows = table[table["score"] == score].reset_index(drop=True)
        ax.plot(rows["value"], rows.index, "o", color="#0072b2", markersize=7, label="one forecast")
        ax.hlines(rows.index, rows["value"].min(), rows["value"], color="#0072b2", linewidth=1)
        if theirs and score in theirs:
            start = float(rows["value"].min())
            ax.plot(
                [start, start + theirs[score]], [len(rows) - 0.3] * 2, color="#d55e00", linewidth=5,
                solid_capstyle="butt", label="the paper's best kernel against its second",
            )  # fmt: skip
        ax.set_yticks(rows.index, rows["convention"])
        ax.set_ylim(len(rows) + 0.1, -0.6)
        ax.set_xlabel(units[score])
        ax.margins(x=0.08)
        ax.xaxis.set_major_locator(MaxNLocator(5))
    figure.legend(*axes[-1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return axes[:, 0]


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Colours by the label of :data:`lsntp.zoo.LABELS`, as of :func:`model_colours`."""
    names = {label: name for name, label in LABELS.items()}
    colours = model_colours([names.get(label, label) for label in labels])
    return {label: colours[names.get(label, label)] for label in labels}
