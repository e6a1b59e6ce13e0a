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


def seed_spread(*rows: Sequence[xr.Dataset]) -> float:
    """Return the standard deviation over seeds of a row's MAE, or of two rows' difference, K.

    nan with a single seed of a network; what is not trained adds nothing.
    """
    return float(np.hypot.reduce([deviation(mae_of(row), "train_loss" in row[0]) for row in rows]))


def deviation(by_seed: Sequence[float] | np.ndarray, trained: bool = True) -> float:
    """Return the standard deviation over seeds: nan of a single one, 0 if not trained."""
    if not trained:
        return 0.0
    return float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else float("nan")


def mae_of(several: Sequence[xr.Dataset]) -> list[float]:
    """Return the MAE of each record, mean over leads, K."""
    return [float(record["mae"].mean()) for record in several]


def difference(ours: Sequence[xr.Dataset], theirs: Sequence[xr.Dataset]) -> pd.Series:
    """Difference in MAE between two rows of a study, with a paired block bootstrap over time.

    Both forecast the same windows; their seed-mean errors are subtracted window by window, and
    blocks of windows (by the time of the last input, UTC) are drawn with replacement: weeks, if
    the test period holds `ENOUGH` of them, else days. The interval holds 95 % of the means, and
    more where blocks are few: with n of them its percentiles are those at which a normal
    distribution has a Student interval of n − 1 degrees of freedom (Hesterberg 2015, "expanded
    percentile"). It says how far the difference depends on the weather of the test period, not on
    the choice of seeds; the standard deviation over seeds (of one run, not of the mean of several)
    stands beside it.

    Parameters
    ----------
    ours, theirs : sequence of Dataset
        Records of the same test windows, one per seed.

    Returns
    -------
    Series
        ``difference`` (K, negative: ours is better), ``low``, ``high`` (K), ``percent`` of their
        MAE, ``seed_sd`` (K, of the difference), ``verdict``: "lower", "higher" or
        "not separable" (the interval holds 0, the difference is within two seed s.d., or there
        is only one seed of a network).

    Raises
    ------
    ValueError
        If they are not of the same windows.
    """
    errors = [seed_mean(group, "window_mae").mean("lead") for group in (ours, theirs)]
    return interval(errors[0], errors[1], seed_spread(ours, theirs))


def interval(ours: xr.DataArray, theirs: xr.DataArray, seed_sd: float) -> pd.Series:
    """Difference of two errors by window, K, as of :func:`difference`."""
    if not ours.indexes["window"].equals(theirs.indexes["window"]):
        one, other = (f"{e.sizes['window']} from {e['window'].values[0]}" for e in (ours, theirs))
        raise ValueError(f"errors of different windows, {one} and {other}: compare like with like")
    change = (ours - theirs).to_series()
    times = pd.DatetimeIndex(change.index)
    weeks = times.floor("7D")
    blocks = change.groupby(weeks if weeks.nunique() >= ENOUGH else times.normalize())
    sums, counts = blocks.sum().to_numpy(), blocks.count().to_numpy()
    n, mean = len(sums), float(change.mean())
    low = high = float("nan")
    if n > 1:
        drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
        means = sums[drawn].sum(1) / counts[drawn].sum(1)
        reach = np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1)
        low, high = np.quantile(means, stats.norm.cdf([-reach, reach]))
    separable = low * high > 0 and abs(mean) > 2 * seed_sd
    return pd.Series(
        {
            "verdict": ("lower" if mean < 0 else "higher") if separable else "not separable",
            "difference": mean,
            "low": float(low),
            "high": float(high),
            "seed_sd": seed_sd,
            "percent": 100 * mean / float(theirs.mean()),
        }
    )


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
