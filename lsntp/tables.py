"""Records summarised: means over seeds, and differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr

from lsntp import published
from lsntp.experiment import RunConfig, inner_cells
from lsntp.graph import adaptive_adjacency, great_circle_km, grid_nodes
from lsntp.records import tabulate
from lsntp.studies import RELEASED_TOO, TRAINED_ALIKE
from lsntp.zoo import LABELS, NETWORKS, REFERENCES

COLUMNS = {  # score -> heading, digits
    "mae": ("MAE (K)", 3),
    "rmse": ("RMSE (K)", 3),
    "ssim": ("SSIM", 3),
    "psnr": ("PSNR (dB)", 2),
    "ssim_released": ("SSIM, paper's", 3),
    "psnr_released": ("PSNR, paper's (dB)", 2),
}
RESAMPLES = 2000


def main_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a model and recipe: mean ± standard deviation over seeds, and what it costs.

    The training time is that of the fastest seed: the others may have shared their core.

    Parameters
    ----------
    runs : DataFrame
        Rows of :func:`lsntp.load_records`, one data set, one preset.
    """
    rows = {}
    for (model, recipe), group in runs.groupby(["model", "recipe"], sort=False):
        cells = {head: mean_and_spread(group[s], digits) for s, (head, digits) in COLUMNS.items()}
        trained = model in NETWORKS
        cells["seeds"] = str(len(group)) if trained else "–"
        cells["parameters"] = f"{int(group['parameters'].iloc[0]):,}"
        cells["training (s)"] = f"{group['wall_s'].min():.0f}"
        rows[LABELS[str(model)], recipe if trained else "–"] = cells
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = table.index.set_names(["model", "recipe"])
    return table


def by_lead(runs: pd.DataFrame, score: str = "mae") -> pd.DataFrame:
    """One row a model, one column a lead: mean ± standard deviation over seeds of one score.

    Parameters
    ----------
    runs : DataFrame
        Rows of :func:`lsntp.load_records`, one data set, one preset, one recipe and references.
    score : str
        One of `COLUMNS`.
    """
    digits = COLUMNS[score][1]
    leads = [c for c in runs.columns if c.startswith(f"{score}_lead_")]
    rows = {
        LABELS[str(model)]: {
            int(lead.rsplit("_", 1)[1]): mean_and_spread(group[lead], digits) for lead in leads
        }
        for model, group in runs.groupby("model", sort=False)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="lead (steps)")


def with_published(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Give MAE, RMSE and the paper's own SSIM and PSNR of a table, and append the paper's rows.

    Parameters
    ----------
    table : DataFrame
        From :func:`main_table`.
    source : str
        "ERA5" or "NCEP": LS-NTP's published rows on that, marked as *other data*. For any other
        source there are none.
    """
    theirs = published.LSNTP[published.LSNTP["dataset"].str.startswith(source)]
    columns = {
        head: (score, digits) for score, (head, digits) in COLUMNS.items() if score in theirs
    }
    rows = {
        (row["model"], "other data"): {
            head: f"{row[score]:.{digits}f}" for head, (score, digits) in columns.items()
        }
        for _, row in theirs.iterrows()
    }
    if not rows:
        return table[list(columns)]
    extra = pd.DataFrame.from_dict(rows, orient="index")
    extra.index = extra.index.set_names(table.index.names)
    return pd.concat([table[list(columns)], extra])


def mean_and_spread(values: Sequence[float] | pd.Series, digits: int) -> str:
    """Return "mean ± standard deviation" of the seeds, or the value where there is one."""
    values = np.asarray(values, float)
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def pick(
    several: Sequence[xr.Dataset], dataset: str, model: str, recipe: str | None = None
) -> list[xr.Dataset]:
    """Return the records of one data set and model (and recipe, if it was trained by several).

    Raises
    ------
    ValueError
        If there is none.
    """
    chosen = []
    for record in several:
        config = RunConfig.model_validate_json(record.attrs["config"])
        same = config.dataset == dataset and config.model == model
        trained = config.recipe.name if config.recipe else None
        if same and (trained in (None, recipe) or model == "lsntp-tuned"):
            chosen.append(record)
    if not chosen:
        raise ValueError(f"no records of {model} on {dataset} with recipe {recipe} among these")
    return chosen


def seed_mean(several: Sequence[xr.Dataset], name: str) -> xr.DataArray:
    """Return the mean over seeds of one variable."""
    return xr.concat([record[name] for record in several], "seed", join="exact").mean("seed")


def difference(ours: Sequence[xr.Dataset], theirs: Sequence[xr.Dataset]) -> pd.Series:
    """Difference in MAE between two rows of a study, with a paired block bootstrap over test days.

    Both forecast the same windows; their seed-mean errors are subtracted window by window,
    whole days of windows (by the time of the last input, UTC) are drawn with replacement 2000
    times, and the 2.5 and 97.5 percentiles of the mean are the interval. It says how far the
    difference depends on the days of the test period, not on the choice of seeds; the standard
    deviation over seeds (of one run, not of the mean of several) stands beside it.

    Parameters
    ----------
    ours, theirs : sequence of Dataset
        Records of the same test windows, one a seed.

    Returns
    -------
    Series
        ``difference`` (K, negative: ours is better), ``low``, ``high`` (K), ``percent`` of their
        MAE, ``seed_sd`` (K, of the difference), ``verdict``: "lower", "higher" or
        "not separable" (the interval holds 0, the difference is within two seed s.d., or there
        is only one seed of a network).
    """
    errors = [seed_mean(group, "window_mae").mean("lead") for group in (ours, theirs)]
    seed_sd = float(np.hypot(seed_deviation(ours), seed_deviation(theirs)))
    return interval(errors[0], errors[1], seed_sd)


def interval(ours: xr.DataArray, theirs: xr.DataArray, seed_sd: float) -> pd.Series:
    """Difference of two errors by window, K, as of :func:`difference`."""
    change = (ours - theirs).to_series()
    days = change.groupby(pd.DatetimeIndex(change.index).normalize())
    sums, counts = days.sum().to_numpy(), days.count().to_numpy()
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    mean = float(change.mean())
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
    names = {"dataset": dataset, "recipe": recipe, "model": LABELS[model], "against": LABELS[rival]}
    return pd.concat([pd.Series(names), difference(ours, theirs)])


def study_table(rows: Mapping[str, Sequence[xr.Dataset]], against: str) -> pd.DataFrame:
    """One row a row of a study: its scores, and its difference in MAE from one of the rows.

    Parameters
    ----------
    rows : mapping
        From :func:`lsntp.studies.load`, all of one data set and test period.
    against : str
        Label of the row that the others are compared with.

    Returns
    -------
    DataFrame
        Mean ± standard deviation over seeds of MAE, RMSE, SSIM and PSNR; ``best``: "best" at the
        row of the lowest mean MAE and "≈ best" at those not separable from it; ``change (K)`` with
        its ``95 % interval`` and ``verdict`` as of :func:`difference`; seeds and parameters.
    """
    errors = {
        label: np.mean([float(r["mae"].mean()) for r in group]) for label, group in rows.items()
    }
    best = min(errors, key=errors.__getitem__)
    table = {}
    for label, group in rows.items():
        runs = tabulate(list(group))
        cells = {
            head: mean_and_spread(runs[score], digits)
            for score, (head, digits) in COLUMNS.items()
            if not score.endswith("_released")
        }
        behind = difference(group, rows[best])["verdict"]
        cells["best"] = "best" if label == best else "≈ best" if behind == "not separable" else ""
        if label != against:
            d = difference(group, rows[against])
            cells["change (K)"] = signed(d["difference"])
            cells["95 % interval"] = f"{signed(d['low'])} to {signed(d['high'])}"
            cells["verdict"] = d["verdict"]
        cells["seeds"] = str(len(group)) if "train_loss" in group[0] else "–"
        cells["parameters"] = f"{int(runs['parameters'].iloc[0]):,}"
        table[label] = cells
    return pd.DataFrame.from_dict(table, orient="index").fillna("–")


def over_periods(
    periods: Sequence[Mapping[str, Sequence[xr.Dataset]]], against: str
) -> pd.DataFrame:
    """One row a model, one column a test period: MAE, and over all of them the difference from one.

    Parameters
    ----------
    periods : sequence of mappings
        The same study on several test periods that do not overlap, each from
        :func:`lsntp.studies.load`.
    against : str
        Label of the row that the others are compared with.

    Returns
    -------
    DataFrame
        Mean ± standard deviation over seeds of the MAE (K) in each period, headed by its first day;
        the mean of the periods; its ``change (K)`` from the row ``against``, and ``95 % interval``
        and ``verdict`` as of :func:`difference`, days drawn from all periods, the standard
        deviation over seeds that of their mean over the periods.
    """

    def errors(label: str) -> tuple[xr.DataArray, list[float]]:
        windows = [seed_mean(period[label], "window_mae").mean("lead") for period in periods]
        seeds = [[float(r["mae"].mean()) for r in period[label]] for period in periods]
        return xr.concat(windows, "window"), list(np.mean(seeds, axis=0))

    base, base_seeds = errors(against)
    table = {}
    for label in periods[0]:
        ours, ours_seeds = errors(label)
        cells = {
            f"{period[label][0]['window'].dt.strftime('%Y-%m-%d').item(0)} on": mean_and_spread(
                [float(r["mae"].mean()) for r in period[label]], 3
            )
            for period in periods
        }
        cells["mean"] = mean_and_spread(ours_seeds, 3)
        if label != against:
            spread = [np.std(s, ddof=1) if len(s) > 1 else 0.0 for s in (ours_seeds, base_seeds)]
            d = interval(ours, base, float(np.hypot(spread[0], spread[1])))
            cells["change (K)"] = signed(d["difference"])
            cells["95 % interval"] = f"{signed(d['low'])} to {signed(d['high'])}"
            cells["verdict"] = d["verdict"]
        table[label] = cells
    return pd.DataFrame.from_dict(table, orient="index").fillna("–")


def search_table(searches: Mapping[str, Mapping[str, Sequence[xr.Dataset]]]) -> pd.DataFrame:
    """One row a candidate of a search: its lowest validation error, beside that of the first row.

    Parameters
    ----------
    searches : mapping of data set -> rows
        From :func:`lsntp.studies.load`.

    Returns
    -------
    DataFrame
        By data set the change of the validation error from the first row's, in per cent, and the
        mean of these. Test data have no part in it.
    """
    lowest = pd.DataFrame(
        {
            d: {label: float(group[0]["validation_loss"].min()) for label, group in rows.items()}
            for d, rows in searches.items()
        }
    )
    percent = 100 * (lowest / lowest.iloc[0] - 1)
    return percent.assign(mean=percent.mean(axis=1))


def signed(value: float) -> str:
    """Write a difference in K to three places, with its sign."""
    return f"{value:+.3f}".replace("-", "−")


PAIRS = (
    *((m, "persistence") for m in NETWORKS),
    *((m, "ridge") for m in NETWORKS),
    *((m, "convlstm") for m in ("lsntp-equations", "lsntp-released")),
    *(("lsntp-equations", m) for m in TRAINED_ALIKE if m not in RELEASED_TOO),
    *(("lsntp-tuned", m) for m in TRAINED_ALIKE),
)
"""Who is compared with whom: all networks with the simple forecasts, LS-NTP with its rivals."""


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


def seed_deviation(several: Sequence[xr.Dataset]) -> float:
    """Return the standard deviation over seeds of the MAE, K; of one seed, nan; no seed, 0."""
    errors = [float(record["mae"].mean()) for record in several]
    if len(errors) > 1:
        return float(np.std(errors, ddof=1))
    return float("nan") if "train_loss" in several[0] else 0.0


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


def beats_at_every_lead(
    several: Sequence[xr.Dataset], dataset: str, model: str, rival: str, recipe: str
) -> bool:
    """Tell whether every seed of a model has a lower MAE than the rival at each lead."""
    bar = seed_mean(pick(several, dataset, rival, recipe), "mae")
    return all(bool((r["mae"] < bar).all()) for r in pick(several, dataset, model, recipe))


def learned_graph(record: xr.Dataset, field: xr.DataArray) -> pd.Series:
    """What training made of the graph of one record.

    Parameters
    ----------
    record : Dataset
        With the node ``embedding``.
    field : DataArray (..., lat, lon)
        Gives the coordinates of the full grid.

    Returns
    -------
    Series
        ``own``: weight a node gives itself, median over nodes. ``nodes``: share of all nodes a node
        effectively listens to, exp(entropy of its row)/N, mean. ``far`` and ``far_uniform``: share
        of the weight that goes further than half the region's largest distance, and what it would
        be if all nodes were alike.
    """
    config = RunConfig.model_validate_json(record.attrs["config"])
    distance = great_circle_km(*grid_nodes(inner_cells(config, field)))
    far = distance > distance.max() / 2
    adjacency = adaptive_adjacency(torch.from_numpy(record["embedding"].values).double()).numpy()
    entropy = -(adjacency * np.log(adjacency)).sum(axis=1)
    return pd.Series(
        {
            "own": np.median(adjacency.diagonal()),
            "nodes": (np.exp(entropy) / len(adjacency)).mean(),
            "far": (adjacency * far).sum(axis=1).mean(),
            "far_uniform": far.mean(),
        }
    )
