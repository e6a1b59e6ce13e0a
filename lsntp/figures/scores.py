"""Figures of scores and of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from scipy.optimize import isotonic_regression

from lsntp.figures.style import WIDTH, model_colours

SCORES = {
    "mae": "MAE (K)",
    "rmse": "RMSE (K)",
    "rmse_per_cell": "RMSE per cell, mean (K)",
    "ssim": "SSIM",
    "psnr": "PSNR (dB)",
    "ssim_released": "SSIM, released protocol",
    "psnr_released": "PSNR, released protocol (dB)",
}


def scores_by_lead(
    table: pd.DataFrame,
    metric: str = "mae",
    *,
    step_hours: float | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One line per model: its score at each lead, with the spread of its seeds.

    Parameters
    ----------
    table : DataFrame
        Rows of :func:`lsntp.load_records`: columns `model` and ``<metric>_lead_1`` ….
    metric : str
        A key of `SCORES`.
    step_hours : float, optional
        Gives the horizontal axis in hours rather than steps.
    labels : mapping of model -> str, optional
        Names to show, for example `lsntp.zoo.LABELS`.

    Notes
    -----
    The line is the mean over seeds, the band ± 1 standard deviation. Names stand at the line ends.
    """
    if metric not in SCORES:
        raise ValueError(f"metric {metric!r}: expected one of {', '.join(SCORES)}")
    ax = ax or plt.subplots(figsize=(WIDTH, 4.5))[1]
    columns = sorted(
        (c for c in table.columns if c.startswith(f"{metric}_lead_")),
        key=lambda c: int(c.rsplit("_", 1)[1]),
    )
    leads = np.arange(1, 1 + len(columns)) * (step_hours or 1)
    colours = model_colours(list(dict.fromkeys(table["model"])))
    ends = {}
    for model, rows in table.groupby("model", sort=False):
        values = rows[columns].to_numpy(float)  # (seed, lead)
        mean = values.mean(axis=0)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(mean)
        ax.plot(leads, mean, color=colours[model], linewidth=2, marker="o", markersize=4)
        ax.fill_between(
            leads, mean - spread, mean + spread, color=colours[model], alpha=0.25, linewidth=0
        )
        ends[model] = mean[-1]
    unit = "h" if step_hours else "steps"
    ax.set(xlabel=f"lead time ({unit})", ylabel=SCORES[metric], xticks=leads)
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
    runs: Mapping[str, Mapping[str, Sequence[xr.Dataset]]],
    labels: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Loss by epoch, one panel per recipe: validation drawn, training dashed, mean over seeds.

    Parameters
    ----------
    runs : mapping of recipe -> model -> records
        Records hold `train_loss` and `validation_loss` (epoch).
    labels : mapping of model -> str, optional
        Names to show.
    """
    figure, axes = plt.subplots(1, len(runs), figsize=(WIDTH, 4.8), squeeze=False)
    for (recipe, models), ax in zip(runs.items(), axes[0], strict=True):
        colours = model_colours(list(models))
        for model, records in models.items():
            for name, line in (("validation_loss", "-"), ("train_loss", "--")):
                loss = np.mean([record[name].to_numpy() for record in records], axis=0)
                epochs = np.arange(1, 1 + len(loss))
                label = (labels or {}).get(model, model) if line == "-" else None
                ax.plot(epochs, loss, line, color=colours[model], linewidth=2, label=label)
        ax.set(title=f"recipe {recipe}", xlabel="epoch", ylabel="loss (scaled units)", yscale="log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 4.0, 5.0, 7.0)))
        ax.yaxis.set_major_formatter(FuncFormatter("{:g}".format))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.plot([], [], "k-", label="validation")
    ax.plot([], [], "k--", label="training")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes[0]


def _spread_apart(values: Sequence[float], gap: float) -> np.ndarray:
    """Places near `values`, in the same order, no two nearer than `gap`."""
    order = np.argsort(values, kind="stable")
    slots = gap * np.arange(len(values))
    places = np.empty(len(values))
    # least squares under "next at least a gap further"
    places[order] = isotonic_regression(np.asarray(values, float)[order] - slots).x + slots
    return places
