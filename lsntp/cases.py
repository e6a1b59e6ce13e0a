"""Forecasts of a quiet, a typical and an extreme window, and of all windows by their change.

Explained in the notebook ``10_q5_forecasts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.comparison import deviation, interval, signed
from lsntp.experiment import CASES
from lsntp.zoo import LABELS

PERSISTENCE = LABELS["persistence"]
SHARES = ("calmest", "second", "middle", "fourth", "most eventful")
FEWEST_DAYS = 10
"""Below so many days an interval means little."""

Records = Mapping[str, Sequence[xr.Dataset]]


def frames(found: Records, case: str) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
    """Truth and forecasts of one case, (lead, lat, lon), K.

    Parameters
    ----------
    found : mapping
        Records of :func:`lsntp.studies.cases`, by label; of each label the first is shown.
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
    first = next(iter(found.values()))[0]
    forecasts = {}
    for label, several in found.items():
        record = several[0]
        same = np.array_equal(record["cases_time"], first["cases_time"])
        if not same or not np.allclose(record["cases_truth"], first["cases_truth"]):
            raise ValueError(f"the cases of {label} are not those of the other rows")
        forecasts[label] = record["cases_prediction"].sel(case=case, drop=True)
    truth = first["cases_truth"].sel(case=case, drop=True)
    truth = truth.sel(step=truth["step"] > 0).rename(step="lead")
    leads = forecasts[next(iter(forecasts))]["lead"]
    return truth.assign_coords(lead=leads), forecasts


def last_input(found: Records, case: str) -> xr.DataArray:
    """Return the last input frame of a case, (lat, lon), K: what persistence repeats."""
    truth = next(iter(found.values()))[0]["cases_truth"]
    return truth.sel(case=case, step=0, drop=True)


def describe(found: Records, case: str) -> str:
    """Name a case: when its last input is, and how much the temperature changes."""
    truth, _ = frames(found, case)
    first = next(iter(found.values()))[0]
    when = pd.Timestamp(first["cases_time"].sel(case=case).item())
    change = float(abs(truth - last_input(found, case)).mean())
    return f"{case}: last input {when:%Y-%m-%d %H} h UTC, mean change {change:.2f} K"


def scores(found: Records) -> pd.DataFrame:
    """MAE of each case and model by lead and on average, K; persistence first.

    Parameters
    ----------
    found : mapping
        Records of :func:`lsntp.studies.cases`.

    Returns
    -------
    DataFrame
        Index ``case`` and ``model``, a column per lead, in h, and ``mean``.
    """
    rows = {}
    for case in CASES:
        truth, forecasts = frames(found, case)
        still = last_input(found, case).expand_dims(lead=truth["lead"])
        for label, forecast in {PERSISTENCE: still, **forecasts}.items():
            by_lead = abs(forecast - truth).mean(["lat", "lon"])
            cells = {
                f"{float(k):g} h": float(v) for k, v in zip(truth["lead"], by_lead, strict=True)
            }
            rows[case, label] = cells | {"mean": float(by_lead.mean())}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = table.index.set_names(["case", "model"])
    return table


def verdict(found: Records, dataset: str) -> str:
    """Say in words which model is best in each case, and what that is worth.

    Parameters
    ----------
    found : mapping
        Records of :func:`lsntp.studies.cases`.
    dataset : str
        Its name, for the sentence.
    """
    table = scores(found)["mean"].round(2)
    said = []
    for case in CASES:
        errors = table.loc[case]
        best = errors.index[errors == errors.min()]
        said.append(f"in the {case} case that of {' and '.join(best)} ({errors.min():.2f} K)")
    overall = {label: float(several[0]["mae"].mean()) for label, several in found.items()}
    first = min(overall, key=overall.__getitem__)
    windows = next(iter(found.values()))[0].sizes["window"]
    return (
        f"On {dataset} the lowest error is {', '.join(said)}. These are {len(CASES)} windows of "
        f"{windows} and no evidence of which model is better: over all of them the same runs put "
        f"{first} first, with {overall[first]:.3f} K."
    )


def by_change(found: Records, against: str) -> pd.DataFrame:
    """Difference in MAE from one row, by fifths of the windows in the order of their change.

    The order is that of the mean absolute change from the last input frame, over all leads and
    cells: persistence's error. The interval is :func:`lsntp.comparison.interval`'s.

    Parameters
    ----------
    found : mapping
        Records of a study by label, with persistence among them.
    against : str
        Label of the row to compare with.

    Returns
    -------
    DataFrame
        ``fifth`` (0 … 4), ``share`` (its name), ``model``, ``mae``, ``change`` (mean change of the
        fifth's windows), all K, ``windows``, ``days``, and the columns of
        :func:`lsntp.comparison.interval`.
    """
    by_window = {
        label: xr.concat([r["window_mae"].mean("lead") for r in several], "seed", join="exact")
        for label, several in found.items()
    }
    change = by_window[PERSISTENCE].isel(seed=0)
    fifth = np.empty(change.size, int)
    order = np.argsort(change.to_numpy(), kind="stable")
    fifth[order] = np.arange(change.size) * len(SHARES) // change.size

    def spread(errors: xr.DataArray, several: Sequence[xr.Dataset]) -> float:
        return deviation(errors.mean("window").to_numpy(), "train_loss" in several[0])

    rows = []
    for label, errors in by_window.items():
        if label in (PERSISTENCE, against):
            continue
        for k, share in enumerate(SHARES):
            ours, theirs = errors[:, fifth == k], by_window[against][:, fifth == k]
            sd = float(np.hypot(spread(ours, found[label]), spread(theirs, found[against])))
            days = pd.DatetimeIndex(ours["window"].to_numpy()).normalize().nunique()
            row = {"fifth": k, "share": share, "model": label, "mae": float(ours.mean())}
            row |= {"change": float(change[fifth == k].mean())}
            row |= {"windows": int((fifth == k).sum()), "days": days}
            found_here = interval(ours.mean("seed"), theirs.mean("seed"), sd)
            rows.append(row | found_here.to_dict())
    return pd.DataFrame(rows)


def change_verdict(table: pd.DataFrame, dataset: str, against: str) -> str:
    """Say in words in which fifths each model of :func:`by_change` beats the one compared with."""
    said = []
    for label, group in table.groupby("model", sort=False):
        words = []
        for v in ("lower", "higher", "not separable"):
            names = [SHARES[int(k)] for k in group.loc[group["verdict"] == v, "fifth"]]
            if names:
                listed = " and ".join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])
                where = f"the {listed} fifth" if len(names) < len(SHARES) else "every fifth"
                words.append(f"{v} in {where}")
        ends = [group.iloc[k] for k in (0, -1)]
        said.append(
            f"- **{dataset}, {label}**: its error against that of {against} is "
            f"{'; '.join(words)}. From the calmest to the most eventful fifth the difference goes "
            f"from {signed(ends[0]['difference'])} to "
            f"{signed(ends[1]['difference'])} K."
        )
    fewest = int(table["days"].min())
    if fewest < FEWEST_DAYS:
        said.append(
            f"- **{dataset}**: a fifth holds windows of as few as {fewest} "
            f"day{'s' if fewest > 1 else ''}; its intervals mean little."
        )
    return "\n".join(said)
