"""Figures of scores and of training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from scipy.optimize import isotonic_regression

from lsntp.figures.style import WIDTH, label_colours, model_colours
from lsntp.results.compare import Rows, difference, mae_of, over_periods
from lsntp.results.tables import mean_errors
from lsntp.zoo import LABELS

GREY = "#777777"
"""Of what is not highlighted."""
BEYOND = 0.3
"""Shares of the error that a row is worse by and still drawn."""


def models_dots(
    studies: Mapping[str, Rows],
    against: str = LABELS["ridge"],
    *,
    highlight: Sequence[str] = (),
    beyond: float = 1.25,
) -> np.ndarray:
    """One row per model, one panel per data set: the error of each seed, and an interval.

    The bar is the 95 % interval of the difference from one row, set beside that row's upright line:
    where it crosses the line, no difference is seen. Rows are sorted by their error, as a multiple
    of that row's, mean over the data sets.

    Parameters
    ----------
    studies : mapping of data set -> rows
        From :func:`lsntp.results.studies.load`; a row that one has not is marked "not run".
    against : str
        Label of the row that the others are compared with; all have it.
    highlight : sequence of str
        Labels, or what stands before their comma, of the rows in their model's colour; the others
        are grey.
    beyond : float
        A row whose error is more than so many times that of `against` is an arrow at the edge, with
        its number.

    Returns
    -------
    array of Axes (data set,)
    """
    errors = pd.DataFrame({d: mean_errors(rows) for d, rows in studies.items()})
    order = (errors / errors.loc[against]).mean(axis=1).sort_values().index
    _, axes = _rows_of([*order], list(studies), against, highlight)
    for ax, (name, rows) in zip(axes, studies.items(), strict=True):
        line, inside = errors.loc[against, name], []
        ax.axvline(line, color=_colour(against, [against]), linewidth=1.5, zorder=0)
        for y, label in enumerate(order):
            error = errors.loc[label, name]
            if label not in rows or error > beyond * line:
                text = f"{error:.2f} →" if label in rows else "not run"
                ax.annotate(
                    text, (1, y), xycoords=("axes fraction", "data"), ha="right", va="center"
                )
                continue
            colour, seeds = _colour(label, [*highlight, against]), mae_of(rows[label])
            inside += seeds
            if label != against:
                change = difference(rows[label], rows[against])
                ends = line + change["low"], line + change["high"]
                inside += [x for x in ends if line / beyond < x < line * beyond]
                ax.plot(ends, [y, y], color=colour, linewidth=5, alpha=0.3, solid_capstyle="butt")
            ax.plot(seeds, np.full(len(seeds), y), "o", color=colour, markersize=5, alpha=0.75)
        margin = 0.1 * (np.ptp(inside) or line)  # one model has no width
        ax.set(title=name, xlabel="MAE (K)", xlim=(min(inside) - margin, max(inside) + margin))
    return axes


def weeks_dots(
    periods: Sequence[Rows],
    *,
    highlight: Sequence[str] = (),
) -> Axes:
    """One row per model: its difference from ridge in each test period, and over all of them.

    A row that is over all periods worse than ridge by more than `BEYOND` of its error is an arrow
    at the edge, with its number.

    Parameters
    ----------
    periods : sequence of mappings
        As of :func:`lsntp.results.tables.over_periods`.
    highlight
        As of :func:`models_dots`.
    """
    against = LABELS["ridge"]
    errors = pd.DataFrame({k: mean_errors(rows) for k, rows in enumerate(periods)})
    changes = errors - errors.loc[against]
    order = [m for m in changes.mean(axis=1).sort_values().index if m != against]
    _, (ax,) = _rows_of(order, [""], against, highlight)
    ax.axvline(0, color=_colour(against, [against]), linewidth=1.5, zorder=0)
    for y, label in enumerate(order):
        colour, change = _colour(label, highlight), changes.loc[label]
        if change.mean() > BEYOND * errors.loc[against].mean():
            text = f"{change.mean():+.2f} →"
            ax.annotate(text, (1, y), xycoords=("axes fraction", "data"), ha="right", va="center")
            continue
        over = over_periods(periods, label, against)
        ends = [over["low"], over["high"]]
        ax.plot(ends, [y, y], color=colour, linewidth=6, alpha=0.3, solid_capstyle="butt")
        ax.plot(over["difference"], y, "|", color=colour, markersize=14, markeredgewidth=2.5)
        ax.plot(change, np.full(len(change), y), "o", color=colour, markersize=5, alpha=0.75)
    ax.set_xlabel(f"MAE minus that of {against} (K)")
    return ax


def _rows_of(
    labels: list[str], panels: list[str], against: str, highlight: Sequence[str]
) -> tuple[Figure, np.ndarray]:
    """Panels that share rows, the first label on top."""
    size = (WIDTH, 1.3 + 0.28 * len(labels))
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    axes[0, 0].set_yticks(range(len(labels)), labels)
    axes[0, 0].set_ylim(len(labels) - 0.5, -0.5)
    for tick, label in zip(axes[0, 0].get_yticklabels(), labels, strict=True):
        if _colour(label, [*highlight, against]) != GREY:
            tick.set(color=_colour(label, [*highlight, against]), fontweight="bold")
    for ax in axes[0]:
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.tick_params(axis="y", left=False)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="y", color="grey", alpha=0.15)
    return figure, axes[0]


def _colour(label: str, highlight: Sequence[str]) -> str:
    """A row's colour: its model's if it is highlighted, else grey."""
    model = label.split(",")[0]
    return label_colours([model])[model] if {label, model} & {*highlight} else GREY


def scores_by_lead(
    table: pd.DataFrame,
    *,
    step_hours: float | None = None,
    labels: Mapping[str, str] | None = None,
    minus: str | None = None,
    highlight: Collection[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One line per model: its MAE at each lead, with the spread of its seeds.

    Parameters
    ----------
    table : DataFrame
        Rows of :func:`lsntp.load_records`: columns `model` and ``mae_lead_1`` ….
    step_hours : float, optional
        Gives the horizontal axis in hours rather than steps.
    labels : mapping of model -> str, optional
        Names to show, for example `lsntp.zoo.LABELS`.
    minus : str, optional
        A model of the table whose mean is taken off, lead by lead; it is the line at zero.
    highlight : collection of str, optional
        The models with a colour and a name, all if not given; the others are thin and grey.

    Notes
    -----
    The line is the mean over seeds, the band ± 1 standard deviation. Names stand at the line ends.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 4.5))[1]
    columns = sorted(
        (c for c in table.columns if c.startswith("mae_lead_")),
        key=lambda c: int(c.rsplit("_", 1)[1]),
    )
    leads = np.arange(1, 1 + len(columns)) * (step_hours or 1)
    colours = model_colours(list(dict.fromkeys(table["model"])))
    base = table.loc[table["model"] == minus, columns].mean().to_numpy() if minus else 0.0
    named = {*colours} if highlight is None else {*highlight} | ({minus} if minus else set())
    ends = {}
    for model, rows in table.groupby("model", sort=False):
        values = rows[columns].to_numpy(float) - base  # (seed, lead)
        mean = values.mean(axis=0)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(mean)
        if model not in named:
            ax.plot(leads, mean, color=GREY, linewidth=1, alpha=0.6, zorder=1)
            continue
        ax.plot(leads, mean, color=colours[model], linewidth=2, marker="o", markersize=4)
        ax.fill_between(
            leads, mean - spread, mean + spread, color=colours[model], alpha=0.25, linewidth=0
        )
        ends[model] = mean[-1]
    unit = "h" if step_hours else "steps"
    less = f", less {(labels or {}).get(minus, minus)}" if minus else ""
    ax.set(xlabel=f"lead time ({unit})", ylabel=f"MAE (K){less}", xticks=leads)
    low, high = ax.get_ylim()
    places = _spread_apart(list(ends.values()), 0.065 * (high - low))
    for model, y in zip(ends, places, strict=True):
        ax.annotate(
            (labels or {}).get(model, model),
            (leads[-1], ends[model]),
            xytext=(leads[-1] + 0.06 * np.ptp(leads), y),
            color=colours[model],
            va="center",
            fontweight="bold",
            fontsize=11,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colours[model],
                "linewidth": 0.8,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )
    return ax


def training_curves(
    runs: Mapping[str, Mapping[str, Mapping[str, Sequence[xr.Dataset]]]],
) -> np.ndarray:
    """Loss by epoch, a panel a data set and recipe: validation drawn, training dashed.

    Parameters
    ----------
    runs : mapping of data set -> recipe -> model -> records
        Records hold `train_loss` and `validation_loss` (epoch); their mean over seeds is shown.

    Returns
    -------
    array of Axes (data sets, recipes)
    """
    size, columns = (WIDTH, 3 * len(runs) + 1), len(next(iter(runs.values())))
    figure, axes = plt.subplots(len(runs), columns, figsize=size, squeeze=False)
    panels = [(d, r, models) for d, recipes in runs.items() for r, models in recipes.items()]
    for (dataset, recipe, models), ax in zip(panels, axes.ravel(), strict=True):
        colours = model_colours(list(models))
        for model, records in models.items():
            for name, line in (("validation_loss", "-"), ("train_loss", "--")):
                loss = np.mean([record[name].to_numpy() for record in records], axis=0)
                epochs = np.arange(1, 1 + len(loss))
                label = LABELS[model] if line == "-" else None
                ax.plot(epochs, loss, line, color=colours[model], linewidth=2, label=label)
        ax.set(title=f"{dataset}, {recipe}", yscale="log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 4.0, 5.0, 7.0)))
        ax.yaxis.set_major_formatter(FuncFormatter("{:g}".format))
        ax.yaxis.set_minor_locator(NullLocator())
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    for ax in axes[:, 0]:
        ax.set_ylabel("loss (scaled units)")
    ax.plot([], [], "k-", label="validation")
    ax.plot([], [], "k--", label="training")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes


def _spread_apart(values: Sequence[float], gap: float) -> np.ndarray:
    """Places near `values`, in the same order, no two nearer than `gap`."""
    order = np.argsort(values, kind="stable")
    slots = gap * np.arange(len(values))
    places = np.empty(len(values))
    # least squares under "next at least a gap further"
    places[order] = isotonic_regression(np.asarray(values, float)[order] - slots).x + slots
    return places
