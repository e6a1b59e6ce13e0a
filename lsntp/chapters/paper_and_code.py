"""What the released code does otherwise, switched one thing at a time; scores by convention.

Shown in the notebook ``12_paper_and_code``.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.ticker import MaxNLocator
from skimage.metrics import structural_similarity

from lsntp.figures.style import WIDTH
from lsntp.results.compare import Rows
from lsntp.results.paper import TABLE_5
from lsntp.runs import metrics

REFERENCE = "as the equations"
"""The row of the study that the others differ from by one thing."""
BLOCKED, LEAKY = REFERENCE, "validation at random"


def leak(rows: Rows) -> pd.DataFrame:
    """Validation loss beside training loss and test error, with blocked and with random windows.

    Returns
    -------
    DataFrame
        Means over seeds, at the epoch of the lowest validation loss: ``training`` and
        ``validation`` loss in scaled units, their ``ratio``, and ``test MAE (K)``.
    """
    losses = {}
    for label in (BLOCKED, LEAKY):
        per_seed = []
        for record in rows[label]:
            best = int(record["validation_loss"].to_numpy().argmin())
            train, held_out = (
                float(record[f"{part}_loss"][best]) for part in ("train", "validation")
            )
            per_seed.append((train, held_out, held_out / train, float(record["mae"].mean())))
        losses[label] = np.mean(per_seed, axis=0)
    columns = ["training", "validation", "ratio", "test MAE (K)"]
    return pd.DataFrame.from_dict(losses, orient="index", columns=columns)


GAUSSIAN_WINDOW = 11
"""Side of the window of SSIM's first paper: a Gaussian of 1.5 cells, cut at 3.5 s.d."""
SCORES = {"mae": "MAE (K)", "rmse": "RMSE (K)", "ssim": "SSIM", "psnr": "PSNR (dB)"}
OURS = {
    "mae": "mean over all",
    "rmse": "pooled each lead, then mean",
    "ssim": "scaled to 0–1 by the set's range",
    "psnr": "range of the set, mean over fields",
}
"""The conventions of :func:`lsntp.score`."""
RELEASED = {
    "mae": "mean over all",
    "rmse": "pooled each lead, then mean",
    "ssim": "kelvin, range 2 (released)",
    "psnr": "range 255, mean over fields (released)",
}
"""The conventions of the released code."""


def scored(pred: np.ndarray, target: np.ndarray) -> pd.DataFrame:
    """Score one set of forecasts by every convention.

    Parameters
    ----------
    pred, target : array (S, L, H, W)
        S samples, L leads, K.

    Returns
    -------
    DataFrame
        ``score`` (of `SCORES`), ``convention`` and ``value``. Fields here means one lead of one
        sample. SSIM with the Gaussian window is left out on grids too small for it.
    """
    p, t = pred.astype(np.float64), target.astype(np.float64)
    square = np.square(p - t)
    by_field = square.mean(axis=(2, 3))
    values = {
        ("mae", OURS["mae"]): float(np.abs(p - t).mean()),
        **_rmse(by_field, np.sqrt(square.mean(axis=0)).mean(axis=(1, 2))),
        **_ssim(p, t),
        **_psnr(by_field, np.ptp(t)),
        ("psnr", "range of each lead"): _psnr_of(by_field, np.ptp(t, axis=(0, 2, 3))),
        ("psnr", "range of each field"): _psnr_of(by_field, np.ptp(t, axis=(2, 3))),
    }
    return _table(values)


def of_record(record: xr.Dataset) -> pd.DataFrame:
    """Score the forecasts of a whole test period by every convention its record allows.

    That is all but SSIM's, of which the record holds two.

    Parameters
    ----------
    record : Dataset
        Of the main table, with ``window_mse``.

    Returns
    -------
    DataFrame
        As of :func:`scored`.
    """
    by_field = record["window_mse"].transpose("window", "lead").to_numpy().astype(np.float64)
    # psnr and psnr_released differ by 20 log10(range / 255)
    data_range = 255 * 10 ** (float((record["psnr"] - record["psnr_released"]).mean()) / 20)
    values = {
        ("mae", OURS["mae"]): float(record["mae"].mean()),
        **_rmse(by_field, record["rmse_per_cell"].to_numpy()),
        ("ssim", OURS["ssim"]): float(record["ssim"].mean()),
        ("ssim", RELEASED["ssim"]): float(record["ssim_released"].mean()),
        **_psnr(by_field, data_range),
    }
    return _table(values)


def _rmse(by_field: np.ndarray, per_cell: np.ndarray) -> dict[tuple[str, str], float]:
    """Roots of the mean squared error (S, L) of fields, and of cells by lead (L,)."""
    return {
        ("rmse", "pooled over all"): float(np.sqrt(by_field.mean())),
        ("rmse", OURS["rmse"]): float(np.sqrt(by_field.mean(axis=0)).mean()),
        ("rmse", "each window, then mean"): float(np.sqrt(by_field.mean(axis=1)).mean()),
        ("rmse", "each field, then mean"): float(np.sqrt(by_field).mean()),
        ("rmse", "each cell and lead, then mean"): float(per_cell.mean()),
    }


def _psnr(by_field: np.ndarray, data_range: float) -> dict[tuple[str, str], float]:
    """PSNR of fields with mean squared errors (S, L), by range and order of the mean."""
    return {
        ("psnr", RELEASED["psnr"]): _psnr_of(by_field, 255),
        ("psnr", "range 255, of the pooled error"): _psnr_of(by_field.mean(), 255),
        ("psnr", OURS["psnr"]): _psnr_of(by_field, data_range),
    }


def _psnr_of(squares: np.ndarray | float, data_range: np.ndarray | float) -> float:
    return float((20 * np.log10(data_range) - 10 * np.log10(squares)).mean())


def _ssim(p: np.ndarray, t: np.ndarray) -> dict[tuple[str, str], float]:
    """SSIM of (S, L, H, W) by data range, offset and window."""
    lowest, data_range = t.min(), np.ptp(t)
    p01, t01 = (p - lowest) / data_range, (t - lowest) / data_range
    fields, truths = (a.reshape(-1, *a.shape[2:]) for a in (p, t))
    leads = range(p.shape[1])
    scores: dict[str, float | np.floating] = {
        RELEASED["ssim"]: metrics.ssim_released(fields, truths),
        "kelvin, range of each field": np.mean(
            [metrics.ssim(a[None], b[None], np.ptp(b)) for a, b in zip(fields, truths, strict=True)]
        ),
        "kelvin, range of each lead": np.mean(
            [metrics.ssim(p[:, k], t[:, k], np.ptp(t[:, k])) for k in leads]
        ),
        "kelvin, range of the set": metrics.ssim(fields, truths, data_range),
        "kelvin, range 255": metrics.ssim(fields, truths, 255),
        OURS["ssim"]: np.mean([metrics.ssim(p01[:, k], t01[:, k], 1) for k in leads]),
    }
    if min(p.shape[2:]) >= GAUSSIAN_WINDOW:
        smooth = p01.reshape(fields.shape), t01.reshape(fields.shape)
        scores["the same, Gaussian window"] = np.mean(
            [
                structural_similarity(
                    b, a, data_range=1, gaussian_weights=True, use_sample_covariance=False
                )
                for a, b in zip(*smooth, strict=True)
            ]
        )
    return {("ssim", name): float(value) for name, value in scores.items()}


def _table(values: dict[tuple[str, str], float]) -> pd.DataFrame:
    rows = [{"score": s, "convention": c, "value": v} for (s, c), v in values.items()]
    return pd.DataFrame(rows)


def gaps() -> pd.DataFrame:
    """How far the paper's best kernel is from its second, by data set and score.

    Returns
    -------
    DataFrame
        Index the data set, a column per score, in its unit, all positive.
    """
    rows = {}
    for name, group in TABLE_5.groupby("dataset", sort=False):
        rows[name] = {
            score: float(abs(np.subtract(*sorted(group[column] * sign)[:2])))
            for score, column, sign in (
                ("mae", "mae", 1),
                ("rmse", "rmse", 1),
                ("ssim", "ssim_released", -1),
                ("psnr", "psnr_released", -1),
            )
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def spread(table: pd.DataFrame) -> pd.DataFrame:
    """Range that the conventions of each score make, beside the paper's own differences.

    Parameters
    ----------
    table : DataFrame
        From :func:`scored` or :func:`of_record`.

    Returns
    -------
    DataFrame
        One row per score: how many conventions, lowest and highest value, their difference, and the
        difference between the paper's best and second kernel on either of its data sets.
    """
    apart, rows = gaps(), {}
    for score, group in table.groupby("score", sort=False):
        low, high = group["value"].min(), group["value"].max()
        rows[SCORES[str(score)]] = {
            "conventions": len(group),
            "lowest": low,
            "highest": high,
            "by convention": high - low,
            **{f"paper, best to second, {name}": apart.loc[name, score] for name in apart.index},
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def least_rmse(psnr: float | np.ndarray) -> float | np.ndarray:
    """Lowest pooled RMSE, K, that a PSNR with data range 255 allows.

    A mean of PSNRs fixes the *geometric* mean of the fields' RMSEs; a pooled RMSE is never below
    the geometric mean (:math:`255 · 10^{-PSNR / 20}`), and equal only if all fields err alike.
    """
    return 255 * 10 ** (-np.asarray(psnr) / 20)


def allowed() -> pd.DataFrame:
    """Hold the paper's RMSE against what its own PSNR allows for a pooled one.

    Returns
    -------
    DataFrame
        ``printed`` and ``least pooled`` RMSE, K, and ``possible``: whether the printed one, with
        both rounded as far in its favour as they can be, could be pooled.
    """
    favoured = least_rmse(TABLE_5["psnr_released"].to_numpy() + 0.0005)
    return pd.DataFrame(
        {
            "dataset": TABLE_5["dataset"],
            "kernel": [f"{k}@{k}" for k in TABLE_5["kernel"]],
            "printed RMSE (K)": TABLE_5["rmse"],
            "least pooled RMSE (K)": least_rmse(TABLE_5["psnr_released"].to_numpy()),
            "possible": TABLE_5["rmse"] + 0.0005 >= favoured,
        }
    )


def convention_dots(
    tables: Mapping[str, pd.DataFrame],
    units: Mapping[str, str],
    theirs: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Score the same forecast in different ways: a row per score, a column per data set.

    Parameters
    ----------
    tables : mapping of data set -> DataFrame
        Columns ``score``, ``convention``, ``value``.
    units : mapping of score -> str
        Its heading, with the unit.
    theirs : mapping of score -> float, optional
        A difference between models to draw as a bar of that length, for scale.

    Returns
    -------
    array of Axes (score, data set)
    """
    both = pd.concat(tables.values())
    names = {s: list(dict.fromkeys(g["convention"])) for s, g in both.groupby("score", sort=False)}
    sizes = [len(n) for n in names.values()]
    figure, axes = plt.subplots(
        len(names), len(tables), figsize=(WIDTH, 0.24 * sum(sizes) + 0.75 * len(sizes)),
        height_ratios=[n + 1.2 for n in sizes], sharey="row", squeeze=False,
    )  # fmt: skip
    for (score, labels), row in zip(names.items(), axes, strict=True):
        for ax, table in zip(row, tables.values(), strict=True):
            values = table[table["score"] == score].set_index("convention")["value"]
            at = [labels.index(c) for c in values.index]
            start = float(values.min())
            ax.hlines(at, start, values, color="#0072b2", linewidth=1)
            ax.plot(values, at, "o", color="#0072b2", markersize=6, label="one forecast")
            if theirs and score in theirs:
                ax.plot(
                    [start, start + theirs[score]], [len(labels) - 0.2] * 2, color="#d55e00",
                    linewidth=5, solid_capstyle="butt",
                    label="the paper's best kernel against its second",
                )  # fmt: skip
            ax.set_xlabel(units[score])
            ax.margins(x=0.08)
            ax.xaxis.set_major_locator(MaxNLocator(4))
        row[0].set_yticks(range(len(labels)), labels)
        row[0].set_ylim(len(labels) + 0.2, -0.6)
    for ax, name in zip(axes[0], tables, strict=True):
        ax.set_title(name)
    handles = axes[-1, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2)
    return axes
