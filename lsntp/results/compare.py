"""Differences between models: one interval, one verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

Rows = Mapping[str, Sequence[xr.Dataset]]
"""Records by the label of their row, one per seed, as :func:`lsntp.results.studies.load` gives."""

LOWER, HIGHER, UNSEEN, SCATTER = "lower", "higher", "no difference seen", "too uncertain"
"""The verdicts on a difference: its interval is all below 0, all above, or holds 0; of a large
difference (`LARGE`) that is `SCATTER`."""
ALONE = "no interval"
"""The verdict where one record alone gives no interval."""
LARGE = 0.05
"""Above this share of theirs, a difference whose interval holds 0 is no sign of equality."""
RESAMPLES = 10_000
ENOUGH = 15
"""Blocks that a bootstrap over weeks needs; with fewer it is over days."""


def seed_mean(runs: Sequence[xr.Dataset], name: str) -> xr.DataArray:
    """Return the mean over seeds of one variable."""
    return xr.concat([record[name] for record in runs], "seed", join="exact").mean("seed")


def by_seed(runs: Sequence[xr.Dataset]) -> list[list[float]]:
    """Return the MAE of each run of a row, K, as :func:`interval` takes it: none if not trained.

    Of a mean over M members the jackknife's pseudo-values, M times its error less M − 1 times that
    of the mean without each: their variance through M is that of its error.

    Raises
    ------
    ValueError
        Of several such means, which may share members.
    """
    if "others_mae" in runs[0]:
        if len(runs) > 1:
            raise ValueError(f"{len(runs)} means over members in a row: expected one")
        without = runs[0]["others_mae"].mean("lead").to_numpy()
        whole, count = float(runs[0]["mae"].mean()), len(without)
        return [(count * whole - (count - 1) * without).tolist()]
    return [mae_of(runs)] if "train_loss" in runs[0] else []


def mae_of(runs: Sequence[xr.Dataset]) -> list[float]:
    """Return the MAE of each record, mean over leads, K."""
    return [float(record["mae"].mean()) for record in runs]


def difference(ours: Sequence[xr.Dataset], theirs: Sequence[xr.Dataset]) -> pd.Series:
    """Difference in MAE between two rows of a study: see :func:`interval`.

    Parameters
    ----------
    ours, theirs : sequence of Dataset
        Records of the same test windows, one per seed.

    Raises
    ------
    ValueError
        If they are not of the same windows.
    """
    errors = [seed_mean(group, "window_mae").mean("lead") for group in (ours, theirs)]
    return interval(errors[0], errors[1], by_seed(ours) + by_seed(theirs))


def interval(
    ours: xr.DataArray,
    theirs: xr.DataArray,
    seeds: Sequence[Sequence[float]],
    blocks: np.ndarray | None = None,
) -> pd.Series:
    """Difference of two mean errors, with one 95 % interval for weather and seeds together.

    *Weather*: both forecast the same windows; their errors are subtracted window by window, and the
    standard error of the mean is that of a bootstrap over blocks of windows (by the time of the
    last input, UTC): weeks, if the test period holds `ENOUGH` of them, else days. *Seeds*: the
    standard error of the mean over the seeds of each row. Both are added in variance; the interval
    is Student's, with degrees of freedom by Welch and Satterthwaite.

    Parameters
    ----------
    ours, theirs : DataArray (window), K
        Means over the seeds.
    seeds : sequence of sequences of float
        The error of each seed, K, for each of the two that was trained; or, where a seed's network
        is its own rival, once the differences.
    blocks : array (window,), optional
        Block of each window, in place of its week or day.

    Returns
    -------
    Series
        ``verdict``: `LOWER` or `HIGHER` if the interval is all on one side of 0; else `SCATTER` if
        the difference is `LARGE`, and `UNSEEN` if not; `ALONE` with a single block or seed.
        ``difference`` (K, negative: ours is lower), ``low``, ``high`` (K), ``seed_sd`` (K, standard
        deviation of the difference of single runs).

    Raises
    ------
    ValueError
        If they are not of the same windows.
    """
    if not ours.indexes["window"].equals(theirs.indexes["window"]):
        one, other = (f"{e.sizes['window']} from {e['window'].values[0]}" for e in (ours, theirs))
        raise ValueError(f"errors of different windows, {one} and {other}: compare like with like")
    change = (ours - theirs).to_series()
    mean = float(change.mean())
    if blocks is None:
        blocks = weeks_or_days(pd.DatetimeIndex(change.index))
    parts: list[tuple[float, float]] = [weather_variance(change, blocks)]
    parts += [(variance(errors) / len(errors), len(errors) - 1) for errors in seeds]
    reach = half_width(parts)
    return pd.Series(
        {
            "verdict": verdict(mean, reach, LARGE * float(theirs.mean())),
            "difference": mean,
            "low": mean - reach,
            "high": mean + reach,
            "seed_sd": float(np.sqrt(sum(variance(errors) for errors in seeds))),
        }
    )


def verdict(difference: float, reach: float, large: float) -> str:
    """Return the verdict on a difference from half its interval (nan: `ALONE`)."""
    if np.isnan(reach):
        return ALONE
    if abs(difference) > reach:
        return LOWER if difference < 0 else HIGHER
    return SCATTER if abs(difference) > large else UNSEEN


def exceeds(ours: np.ndarray, theirs: np.ndarray) -> pd.Series:
    """Difference of two measurements: ``verdict``, ``difference``, ``low``, ``high``.

    Parameters
    ----------
    ours, theirs : arrays (seed,)
        Of each seed, whose differences give Student's interval; or (), where nothing was trained
        and the difference is what it is.
    """
    change = np.asarray(ours - theirs)
    mean, n = float(change.mean()), change.size
    reach = half_width([(variance(change) / n, n - 1)]) if change.ndim else 0.0
    said = verdict(mean, reach, np.inf)
    return pd.Series(
        {"verdict": said, "difference": mean, "low": mean - reach, "high": mean + reach}
    )


def over_periods(periods: Sequence[Rows], ours: str, theirs: str) -> pd.Series:
    """:func:`interval` of two rows over several test periods that do not overlap.

    Each period is a block: its days share their weather. A seed's error is its mean over the
    periods.
    """

    def errors(label: str) -> xr.DataArray:
        return xr.concat(
            [seed_mean(period[label], "window_mae").mean("lead") for period in periods], "window"
        )

    seeds = [
        list(np.mean(several, axis=0))
        for label in (ours, theirs)
        for several in zip(*(by_seed(period[label]) for period in periods), strict=True)
    ]
    sizes = [period[ours][0].sizes["window"] for period in periods]
    return interval(errors(ours), errors(theirs), seeds, np.repeat(np.arange(len(sizes)), sizes))


def variance(values: Sequence[float] | np.ndarray) -> float:
    """Return the variance, nan of a single value."""
    return float(np.var(values, ddof=1)) if len(values) > 1 else float("nan")


def weeks_or_days(times: pd.DatetimeIndex) -> np.ndarray:
    """Return the week of each window, if there are `ENOUGH`, else the day."""
    weeks = times.floor("7D")
    return (weeks if weeks.nunique() >= ENOUGH else times.normalize()).to_numpy()


def weather_variance(change: pd.Series, blocks: np.ndarray) -> tuple[float, int]:
    """Variance of the mean of a series over time by a block bootstrap, and degrees of freedom."""
    groups = change.groupby(blocks)
    sums, counts = groups.sum().to_numpy(), groups.count().to_numpy()
    n = len(sums)
    if n == 1:
        return float("nan"), 0
    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    return n / (n - 1) * float(means.var()), n - 1


def half_width(parts: Sequence[tuple[float, float]]) -> float:
    """Half a 95 % interval, from independent variances and their degrees of freedom."""
    total = sum(v for v, _ in parts)
    if not total > 0:
        return float(total)  # 0, or nan: not known
    freedom = total**2 / sum(v**2 / df for v, df in parts)
    return float(stats.t.ppf(0.975, freedom) * np.sqrt(total))


def between(low: float, high: float) -> str:
    """Write an interval; "–" where there is none, as of one seed."""
    return "–" if np.isnan(low) else f"{signed(low)} to {signed(high)}"


def signed(value: float, digits: int = 3) -> str:
    """Write a difference with its sign and a true minus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")  # + 0.0: no minus zero
