"""Records summarised in tables: means and spread over seeds, beside what is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.data.checks import checked
from lsntp.results import compare, paper
from lsntp.results.compare import Rows, between, by_seed, difference, mae_of, signed
from lsntp.runs.config import Preset
from lsntp.runs.records import config_of, tabulate
from lsntp.zoo import LABELS, NETWORKS

COLUMNS = {  # score -> heading, digits
    "mae": ("MAE (K)", 3),
    "rmse": ("RMSE (K)", 3),
    "ssim": ("SSIM", 3),
    "psnr": ("PSNR (dB)", 2),
    "ssim_released": ("SSIM, paper's", 3),
    "psnr_released": ("PSNR, paper's (dB)", 2),
}


@checked
def main_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per model and recipe: mean ± standard deviation over seeds, and what it costs.

    The training time is that of the fastest seed: the others may have shared their core.

    Parameters
    ----------
    runs : DataFrame
        Rows of :func:`lsntp.load_records`: one data set, one preset, no variants.

    Raises
    ------
    ValueError
        If runs of several data sets, presets or variants are among them.
    """
    _alike(runs)
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


@checked
def by_lead(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per model, one column per lead: MAE, mean ± standard deviation over seeds.

    Parameters
    ----------
    runs : DataFrame
        Rows of :func:`lsntp.load_records`: one data set, one preset, one recipe and references,
        no variants.

    Raises
    ------
    ValueError
        If runs of several data sets, presets or variants are among them, or of one model by
        several recipes.
    """
    _alike(runs)
    trained = runs[runs["recipe"] != "none"].groupby("model")["recipe"]
    if (trained.nunique() > 1).any():
        raise ValueError(
            f"runs of recipes {', '.join(sorted(runs['recipe'].unique()))} cannot share a row: "
            'choose one, and "none" for the references'
        )
    digits = COLUMNS["mae"][1]
    leads = [c for c in runs.columns if c.startswith("mae_lead_")]
    rows = {
        LABELS[str(model)]: {
            int(lead.rsplit("_", 1)[1]): mean_and_spread(group[lead], digits) for lead in leads
        }
        for model, group in runs.groupby("model", sort=False)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="lead (steps)")


def _alike(runs: pd.DataFrame) -> None:
    """Refuse to average over runs that differ by more than their seed, and what is no runs."""
    wanted = {"dataset", "preset", "variant", "model", "recipe"}
    if not len(runs) or not wanted <= {*runs.columns}:
        raise ValueError(
            f"{len(runs)} runs with {', '.join(map(str, runs.columns))}: expected rows of "
            "lsntp.load_records(), at least one"
        )
    for column, groups in {
        "dataset": [runs],
        "preset": (group for _, group in runs[runs["preset"] != "none"].groupby("model")),
        "variant": [runs],
    }.items():
        for group in groups:
            values = list(group[column].unique())
            if len(values) > 1:
                raise ValueError(
                    f"runs of {column} {', '.join(map(repr, values))} cannot share a row: choose, "
                    f"for example runs[runs[{column!r}] == {values[0]!r}]"
                )


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
    theirs = paper.LSNTP[paper.LSNTP["dataset"].str.startswith(source)]
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


def study_table(rows: Rows, against: str) -> pd.DataFrame:
    """One row for each row of a study: its scores, and its difference in MAE from one of the rows.

    Parameters
    ----------
    rows : mapping
        From :func:`lsntp.results.studies.load`, all of one data set and test period.
    against : str
        Label of the row that the others are compared with.

    Returns
    -------
    DataFrame
        Mean ± standard deviation over seeds of MAE, RMSE, SSIM and PSNR; ``change (K)`` with its
        ``95 % interval`` and ``verdict`` as of :func:`difference`; seeds and parameters.
    """
    table = {}
    for label, group in rows.items():
        runs = tabulate(list(group))
        cells = {
            head: mean_and_spread(runs[score], digits)
            for score, (head, digits) in COLUMNS.items()
            if not score.endswith("_released")
        }
        if label != against:
            cells |= change(difference(group, rows[against]))
        cells["seeds"] = str(sum(map(len, by_seed(group))) or "–")
        cells["parameters"] = f"{int(runs['parameters'].iloc[0]):,}"
        table[label] = cells
    return pd.DataFrame.from_dict(table, orient="index").fillna("–")


def over_periods(periods: Sequence[Rows], against: str) -> pd.DataFrame:
    """One row per model, one column per test period: MAE; over all of them the difference from one.

    Parameters
    ----------
    periods : sequence of mappings
        The same study on several test periods that do not overlap, each from
        :func:`lsntp.results.studies.load`.
    against : str
        Label of the row that the others are compared with.

    Returns
    -------
    DataFrame
        Mean ± standard deviation over seeds of the MAE (K) in each period, headed by its first day;
        the mean of the periods; its ``change (K)`` from the row ``against``, ``95 % interval`` and
        ``verdict``, of :func:`lsntp.results.compare.over_periods`.
    """
    table = {}
    for label in periods[0]:
        errors = [mae_of(period[label]) for period in periods]
        cells = {
            f"{period[label][0]['window'].dt.strftime('%Y-%m-%d').item(0)} on": mean_and_spread(
                e, 3
            )
            for period, e in zip(periods, errors, strict=True)
        }
        cells["mean"] = mean_and_spread(np.mean(errors, axis=0), 3)
        if label != against:
            cells |= change(compare.over_periods(periods, label, against))
        table[label] = cells
    return pd.DataFrame.from_dict(table, orient="index").fillna("–")


def change(difference: pd.Series) -> dict[str, str]:
    """Cells of a difference of :func:`lsntp.results.compare.interval`."""
    return {
        "change (K)": signed(difference["difference"]),
        "95 % interval": between(difference["low"], difference["high"]),
        "verdict": difference["verdict"],
    }


def search_table(searches: Mapping[str, Rows]) -> pd.DataFrame:
    """One row a candidate of a search: its lowest validation error, beside that of the first row.

    Parameters
    ----------
    searches : mapping of data set -> rows
        From :func:`lsntp.results.studies.load`.

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


def preset_of(record: xr.Dataset) -> Preset:
    """Return the preset of a record's network."""
    config = config_of(record)
    assert config.preset is not None
    return config.preset


def curves(rows: Rows, along: str) -> pd.DataFrame:
    """MAE against what is varied: ``curve`` (a model's name in the zoo), ``at``, ``mae``.

    Parameters
    ----------
    rows : mapping
        Of a study.
    along : str
        The varied field of :class:`lsntp.runs.config.Preset`, as "kernel".
    """
    runs = [r for group in rows.values() for r in group]
    lines = [
        (config_of(r).model, getattr(preset_of(r), along), float(r["mae"].mean())) for r in runs
    ]
    return pd.DataFrame(lines, columns=["curve", "at", "mae"])


def errors(rows: Rows) -> pd.DataFrame:
    """One line per run: its ``row`` and its ``mae``, K, mean over the leads."""
    return pd.DataFrame(
        [(label, mae) for label, group in rows.items() for mae in mae_of(group)],
        columns=["row", "mae"],
    )


def mean_errors(rows: Rows) -> pd.Series:
    """MAE of each row, K, mean over leads and seeds, in the order of the rows."""
    return errors(rows).groupby("row", sort=False)["mae"].mean()


def differences(rows: Rows, against: str) -> pd.DataFrame:
    """:func:`~lsntp.results.compare.difference` of every other row from one, a line per row."""
    others = {k: difference(row, rows[against]) for k, row in rows.items() if k != against}
    return pd.DataFrame.from_dict(others, orient="index")


def keys(rows: Rows) -> pd.DataFrame:
    """Return the keys of the records: a line per row, a column per seed."""
    by_row = [[r.attrs["key"] for r in group] for group in rows.values()]
    table = pd.DataFrame([*zip_longest(*by_row)], columns=[*rows])
    return table.T.rename_axis(index="row", columns="seed")


def best_epochs(rows: Rows) -> pd.Series:
    """Return the epochs, from 1, whose weights were kept: by row, a number a seed, ``"4, 6, 5"``.

    Those of the lowest validation loss. Where it is the last, longer training might have helped.
    Rows that nothing was trained for are left out.
    """
    kept = {
        label: ", ".join(str(1 + int(r["validation_loss"].to_numpy().argmin())) for r in group)
        for label, group in rows.items()
        if "validation_loss" in group[0]
    }
    return pd.Series(kept, name="best epoch", dtype=object)
