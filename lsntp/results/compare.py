"""Differences between models: their intervals, their verdicts, and these in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from lsntp.results.studies import RELEASED_TOO, TRAINED_ALIKE
from lsntp.runs.records import config_of
from lsntp.zoo import LABELS, NETWORKS, REFERENCES

RESAMPLES = 10_000
ENOUGH = 15
"""Blocks that a bootstrap over weeks needs; with fewer it is over days."""

PAIRS = (
    *((m, "persistence") for m in NETWORKS),
    *((m, "ridge") for m in NETWORKS),
    *((m, "convlstm") for m in ("lsntp-equations", "lsntp-released")),
    *(("lsntp-equations", m) for m in TRAINED_ALIKE if m not in RELEASED_TOO),
    *(("lsntp-tuned", m) for m in TRAINED_ALIKE),
)
"""Who is compared with whom: all networks with the simple forecasts, LS-NTP with its rivals."""


def pick(
    several: Sequence[xr.Dataset], dataset: str, model: str, recipe: str | None = None
) -> list[xr.Dataset]:
    """Return the records of one data set and model (and recipe, if it was trained by several).

    Raises
    ------
    ValueError
        If there is none, or if they differ by more than their seed.
    """
    chosen = []
    for record in several:
        config = config_of(record)
        same = config.dataset == dataset and config.model == model
        trained = config.recipe.name if config.recipe else None
        if same and (trained in (None, recipe) or model not in TRAINED_ALIKE):
            chosen.append(record)
    if not chosen:
        raise ValueError(f"no records of {model} on {dataset} with recipe {recipe} among these")
    if len(variants := {config_of(record).variant for record in chosen}) > 1:
        raise ValueError(
            f"records of {model} on {dataset} of several variants, {', '.join(sorted(variants))}: "
            "give those of one study's row"
        )
    return chosen


def seed_mean(several: Sequence[xr.Dataset], name: str) -> xr.DataArray:
    """Return the mean over seeds of one variable."""
    return xr.concat([record[name] for record in several], "seed", join="exact").mean("seed")


def by_seed(several: Sequence[xr.Dataset]) -> list[list[float]]:
    """Return the MAE of each run of a row, K, as :func:`interval` takes it: none if not trained."""
    return [mae_of(several)] if "train_loss" in several[0] else []


def mae_of(several: Sequence[xr.Dataset]) -> list[float]:
    """Return the MAE of each record, mean over leads, K."""
    return [float(record["mae"].mean()) for record in several]


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
    ours: xr.DataArray, theirs: xr.DataArray, seeds: Sequence[Sequence[float]]
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

    Returns
    -------
    Series
        ``verdict``: "lower" or "higher" if the interval is all on one side of 0, else "not
        separable", as with a single block or seed, for which there is no interval; ``difference``
        (K, negative: ours is lower), ``low``, ``high`` (K), ``percent`` of theirs, ``seed_sd`` (K,
        standard deviation of the difference of single runs).

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
    parts: list[tuple[float, float]] = [weather_variance(change)]
    parts += [(variance(errors) / len(errors), len(errors) - 1) for errors in seeds]
    reach = half_width(parts)
    separable = abs(mean) > reach  # of a nan: no
    return pd.Series(
        {
            "verdict": ("lower" if mean < 0 else "higher") if separable else "not separable",
            "difference": mean,
            "low": mean - reach,
            "high": mean + reach,
            "seed_sd": float(np.sqrt(sum(variance(errors) for errors in seeds))),
            "percent": 100 * mean / float(theirs.mean()),
        }
    )


def variance(values: Sequence[float]) -> float:
    """Return the variance, nan of a single value."""
    return float(np.var(values, ddof=1)) if len(values) > 1 else float("nan")


def weather_variance(change: pd.Series) -> tuple[float, int]:
    """Variance of the mean of a series over time by a block bootstrap, and degrees of freedom."""
    times = pd.DatetimeIndex(change.index)
    weeks = times.floor("7D")
    blocks = change.groupby(weeks if weeks.nunique() >= ENOUGH else times.normalize())
    sums, counts = blocks.sum().to_numpy(), blocks.count().to_numpy()
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


def compare(
    several: Sequence[xr.Dataset], dataset: str, model: str, rival: str, recipe: str
) -> pd.Series:
    """:func:`difference` between two models among the records of several, with their names."""
    ours, theirs = pick(several, dataset, model, recipe), pick(several, dataset, rival, recipe)
    config = config_of(ours[0])
    recipe = config.recipe.name if config.recipe else recipe
    names = {"dataset": dataset, "recipe": recipe, "model": LABELS[model], "against": LABELS[rival]}
    return pd.concat([pd.Series(names), difference(ours, theirs)])


def comparisons(
    several: Sequence[xr.Dataset],
    datasets: Sequence[str],
    models: Sequence[str],
    recipes: Sequence[str],
) -> pd.DataFrame:
    """One row for each of `PAIRS` among ``models``, data set and recipe: see :func:`compare`."""
    rows = [
        compare(several, dataset, model, rival, recipe)
        for dataset in datasets
        for recipe in recipes
        for model, rival in PAIRS
        if model in models and rival in models
        if recipe == recipes[0] or {model, rival} <= {*RELEASED_TOO, *REFERENCES}
    ]
    return pd.DataFrame(rows).reset_index(drop=True)


def beats_at_every_lead(
    several: Sequence[xr.Dataset], dataset: str, model: str, rival: str, recipe: str
) -> bool:
    """Tell whether every seed of a model has a lower MAE than the rival at each lead."""
    bar = seed_mean(pick(several, dataset, rival, recipe), "mae")
    return all(bool((r["mae"] < bar).all()) for r in pick(several, dataset, model, recipe))


def sentence(comparison: pd.Series) -> str:
    """Say in words what a comparison found."""
    c = comparison
    spread = "one seed" if np.isnan(c["seed_sd"]) else f"seed s.d. {c['seed_sd']:.3f} K"
    numbers = (
        f"{c['difference']:+.3f} K ({c['percent']:+.1f} %; 95 % interval {c['low']:+.3f} to "
        f"{c['high']:+.3f} K; {spread})"
    ).replace("-", "−")
    verdict = {
        "lower": "has a lower error than",
        "higher": "has a higher error than",
        "not separable": "is not separable from",
    }[c["verdict"]]
    return f"{c['model']} {verdict} {c['against']} on {c['dataset']}: {numbers}."


def signed(value: float) -> str:
    """Write a difference in K to three places, with its sign."""
    return f"{round(value, 3) + 0.0:+.3f}".replace("-", "−")  # + 0.0: no minus zero
