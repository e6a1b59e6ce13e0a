"""Forecasts of a quiet, a typical and an extreme window, and of all windows by their change.

Explained in the notebook ``10_q5_forecasts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

from lsntp.figures.maps import _lead_title, _panels, field_map
from lsntp.figures.style import DIVERGING, SEQUENTIAL, WIDTH, label_colours
from lsntp.results.compare import Rows, interval
from lsntp.runs.experiment import CASES
from lsntp.zoo import LABELS

PERSISTENCE = LABELS["persistence"]
SHARES = ("calmest", "second", "middle", "fourth", "most eventful")


def frames(study: Rows, case: str) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
    """Truth and forecasts of one case, (lead, lat, lon), K.

    Parameters
    ----------
    study : mapping
        Records of :func:`lsntp.results.studies.cases`, by label; of each label the first is shown.
    case : str
        One of `CASES`.

    Returns
    -------
    (DataArray, dict)
        The truth, and by label the forecasts.

    Raises
    ------
    ValueError
        If the records do not show the same windows.
    """
    first = next(iter(study.values()))[0]
    forecasts = {}
    for label, row in study.items():
        record = row[0]
        same = np.array_equal(record["cases_time"], first["cases_time"])
        if not same or not np.allclose(record["cases_truth"], first["cases_truth"], equal_nan=True):
            raise ValueError(f"the cases of {label} are not those of the other rows")
        forecasts[label] = record["cases_prediction"].sel(case=case, drop=True)
    truth = first["cases_truth"].sel(case=case, drop=True)
    truth = truth.sel(step=truth["step"] > 0).rename(step="lead")
    leads = forecasts[next(iter(forecasts))]["lead"]
    return truth.assign_coords(lead=leads), forecasts


def last_input(study: Rows, case: str) -> xr.DataArray:
    """Return the last input frame of a case, (lat, lon), K: what persistence repeats."""
    truth = next(iter(study.values()))[0]["cases_truth"]
    return truth.sel(case=case, step=0, drop=True)


def cases(study: Rows) -> pd.DataFrame:
    """When the last input of each case is, and how much the temperature changes, mean, K."""
    times = next(iter(study.values()))[0]["cases_time"]
    rows = {
        case: {
            "last input (UTC)": pd.Timestamp(times.sel(case=case).item()).strftime(
                "%Y-%m-%d %H:%M"
            ),
            "mean change (K)": float(abs(frames(study, case)[0] - last_input(study, case)).mean()),
        }
        for case in CASES
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("case")


def scores(study: Rows) -> pd.DataFrame:
    """MAE of each case and model by lead and on average, K; persistence first.

    Parameters
    ----------
    study : mapping
        Records of :func:`lsntp.results.studies.cases`.

    Returns
    -------
    DataFrame
        Index ``case`` and ``model``, a column per lead, in h, and ``mean``.
    """
    rows = {}
    for case in CASES:
        truth, forecasts = frames(study, case)
        still = last_input(study, case).expand_dims(lead=truth["lead"])
        for label, forecast in {PERSISTENCE: still, **forecasts}.items():
            by_lead = abs(forecast - truth).mean(["lat", "lon"])
            cells = {
                f"{float(k):g} h": float(v) for k, v in zip(truth["lead"], by_lead, strict=True)
            }
            rows[case, label] = cells | {"mean": float(by_lead.mean())}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = table.index.set_names(["case", "model"])
    return table


def by_change(study: Rows, against: str) -> pd.DataFrame:
    """Difference in MAE from one row, by fifths of the windows in the order of their change.

    The order is that of the mean absolute change from the last input frame, over all leads and
    cells: persistence's error. The interval is :func:`lsntp.results.compare.interval`'s.

    Parameters
    ----------
    study : mapping
        Records of a study by label, with persistence among them.
    against : str
        Label of the row to compare with.

    Returns
    -------
    DataFrame
        ``fifth`` (0 … 4), ``share`` (its name), ``model``, ``mae``, ``change`` (mean change of the
        fifth's windows), all K, ``windows``, ``days``, and the columns of
        :func:`lsntp.results.compare.interval`.
    """
    by_window = {
        label: xr.concat([r["window_mae"].mean("lead") for r in row], "seed", join="exact")
        for label, row in study.items()
    }
    change = by_window[PERSISTENCE].isel(seed=0)
    fifth = np.empty(change.size, int)
    order = np.argsort(change.to_numpy(), kind="stable")
    fifth[order] = np.arange(change.size) * len(SHARES) // change.size

    rows = []
    for label, errors in by_window.items():
        if label in (PERSISTENCE, against):
            continue
        for k, share in enumerate(SHARES):
            ours, theirs = errors[:, fifth == k], by_window[against][:, fifth == k]
            seeds = [
                errors.mean("window").to_numpy().tolist()
                for errors, row in ((ours, study[label]), (theirs, study[against]))
                if "train_loss" in row[0]
            ]
            days = pd.DatetimeIndex(ours["window"].to_numpy()).normalize().nunique()
            row = {"fifth": k, "share": share, "model": label, "mae": float(ours.mean())}
            row |= {"change": float(change[fifth == k].mean())}
            row |= {"windows": int((fifth == k).sum()), "days": days}
            difference = interval(ours.mean("seed"), theirs.mean("seed"), seeds)
            rows.append(row | difference.to_dict())
    return pd.DataFrame(rows)


def case_maps(
    truth: xr.DataArray,
    forecasts: Mapping[str, xr.DataArray],
    leads: Sequence[int] = (0, 2, 5),
    title: str | None = None,
) -> np.ndarray:
    """Draw the truth and each forecast's difference from it, one column per lead.

    Parameters
    ----------
    truth : DataArray (lead, lat, lon), K
    forecasts : mapping of name -> DataArray (lead, lat, lon), K
    leads : sequence of int
        Columns: positions along `lead`.
    title : str, optional

    Returns
    -------
    array of Axes (1 + forecasts, leads)
        The truth, then forecast minus truth. The differences share their colours, which end at the
        99th percentile of their size.
    """
    chosen = list(leads)
    truth = truth.isel(lead=chosen)
    gaps = {
        name: truth.copy(data=f.isel(lead=chosen).to_numpy() - truth.to_numpy())
        for name, f in forecasts.items()
    }
    limits = float(truth.min()), float(truth.max())
    worst = float(np.nanquantile([np.abs(g.to_numpy()) for g in gaps.values()], 0.99))

    count = (1 + len(gaps)) * len(chosen)
    figure, flat = _panels(truth.isel(lead=0), count, len(chosen))
    axes = flat.reshape(-1, len(chosen))
    height = figure.get_figheight() - 0.6 - 0.4 * len(axes)  # of the maps alone
    figure.set_figheight(height + 0.1 * len(axes) + (1.2 if title else 0.8))
    rows = [("truth", truth, SEQUENTIAL, limits)]
    rows += [(f"{n}\nminus truth", g, DIVERGING, (-worst, worst)) for n, g in gaps.items()]
    for row, (name, values, cmap, ends) in zip(axes, rows, strict=True):
        for k, ax in enumerate(row):
            field_map(values.isel(lead=k), ax, cmap=cmap, limits=ends, colourbar=False)
            ax.label_outer()
            ax.set(xlabel="", ylabel="")
        row[0].set_ylabel(name, fontsize=10)
    for k, ax in enumerate(axes[0]):
        ax.set_title(_lead_title(truth, k))
    for part, label, extend, aspect in (
        (axes[:1], "truth (K)", "neither", 10),
        (axes[1:], "forecast minus truth (K)", "both", 40),
    ):
        figure.colorbar(
            part[0, 0].collections[0],
            ax=list(part.ravel()), label=label, extend=extend, aspect=aspect,
        )  # fmt: skip
    if title:
        figure.suptitle(title)
    return axes


def change_dots(tables: Mapping[str, pd.DataFrame], against: str) -> np.ndarray:
    """Difference in MAE from one model, by fifths of the windows, with intervals.

    Parameters
    ----------
    tables : mapping of title -> DataFrame
        From :func:`by_change`, a panel each.
    against : str
        The model compared with.

    Returns
    -------
    array of Axes, one a table
    """
    size = (WIDTH, 2.9 * len(tables) + 1)
    figure, axes = plt.subplots(len(tables), 1, figsize=size, squeeze=False)
    for ax, (title, table) in zip(axes[:, 0], tables.items(), strict=True):
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
        ticks = [f"{r.share}\n{r.change:.1f} K" for r in means.itertuples()]
        ax.set_xticks(means["fifth"], ticks)
        ax.set(title=title, ylabel=f"MAE minus\n{against}'s (K)")
    axes[-1, 0].set_xlabel("fifth of the test windows, and mean change in it")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return axes[:, 0]
