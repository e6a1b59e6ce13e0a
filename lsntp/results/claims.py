"""How the rows of a study compare, in words, and what the parts of LS-NTP do.

Every verdict comes from :func:`lsntp.results.compare.difference` and can come out either way.
Records are given as :func:`lsntp.results.studies.load` returns them, row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from lsntp.results.compare import difference, sentence

Rows = Mapping[str, Sequence[xr.Dataset]]

HOLDS, FAILS, OPEN = "holds", "does not hold", "not separable at this scale"
"""The verdicts on a claim."""

CLAIM = {"higher": HOLDS, "lower": FAILS, "not separable": OPEN}
"""Of the verdict on a rival's error against ours: the claim that ours is lower."""

PARTS = {
    "w/o NSA": ("NSA", "LS-NTP without NSA"),
    "w/o LAGC": ("LAGC", "LS-NTP without LAGC"),
    "w/o NSA & LAGC": ("NSA and LAGC together", "LS-NTP without both"),
    "w/o LSI": ("LSI", "LS-NTP without LSI"),
    "DAGG-ConvLSTM": ("LS-Conv in place of DAGG", "DAGG-ConvLSTM"),
}
"""Rows of the ablation: the part that it tests, and what the row is."""

ERRS_LESS = {"lower": HOLDS, "higher": FAILS, "not separable": OPEN}
"""Of the verdict on our error against a rival's: the claim that ours is lower."""

HELPS = {"higher": "helps", "lower": "harms", "not separable": OPEN}
"""Of the verdict on the error without a part: what the part does."""


def errors(rows: Rows) -> pd.DataFrame:
    """One line per run: its ``row`` and its ``mae``, K, mean over the leads."""
    return pd.DataFrame(
        [(label, float(r["mae"].mean())) for label, group in rows.items() for r in group],
        columns=["row", "mae"],
    )


def mean_errors(rows: Rows) -> pd.Series:
    """MAE of each row, K, mean over leads and seeds, in the order of the rows."""
    return errors(rows).groupby("row", sort=False)["mae"].mean()


def differences(rows: Rows, against: str) -> pd.DataFrame:
    """:func:`~lsntp.results.compare.difference` of every other row from one, a line per row."""
    found = {
        label: difference(group, rows[against]) for label, group in rows.items() if label != against
    }
    return pd.DataFrame.from_dict(found, orient="index")


def lowest(rows: Rows, label: str) -> pd.Series:
    """Whether one row has the lowest error of a study.

    Returns
    -------
    Series
        ``verdict``: it *holds* if every other row has a separably higher error, it *does not hold*
        if some row has a separably lower one, else it is *not separable at this scale*.
        ``higher``, ``lower``, ``open``: the other rows, by how they compare.
    """
    table = differences(rows, label)
    higher, lower, rest = (
        list(table.index[table["verdict"] == v]) for v in ("higher", "lower", "not separable")
    )
    verdict = FAILS if lower else OPEN if rest else HOLDS
    return pd.Series({"verdict": verdict, "higher": higher, "lower": lower, "open": rest})


def claim(said: str, rows: Rows, label: str, dataset: str) -> str:
    """Say whether one row has the lowest error of a study, and why (:func:`standing`)."""
    return (
        f"**{said}, on {dataset}: {lowest(rows, label)['verdict']}.** Compared with {label}, "
        f"{standing(rows, label)}"
    )


def standing(rows: Rows, label: str) -> str:
    """Say how the other rows of a study compare with one of them, and which errs least."""
    found = lowest(rows, label)
    means = mean_errors(rows)
    best = str(means.idxmin())
    words = {"higher": "a higher error", "lower": "a lower error", "open": "not separable"}
    others = "; ".join(
        f"{word}: {', '.join(found[key])}" for key, word in words.items() if found[key]
    )
    if best == label:
        return f"{others}. Its own mean is the lowest, {means[label]:.3f} K."
    return (
        f"{others}. The lowest mean is that of {best}, {means[best]:.3f} K; {label} has "
        f"{means[label]:.3f} K."
    )


def compared(found: pd.Series, ours: str, theirs: str, dataset: str) -> str:
    """Say in words what a difference is, :func:`~lsntp.results.compare.sentence`, by name."""
    names = pd.Series({"model": ours, "against": theirs, "dataset": dataset})
    return sentence(pd.concat([names, found]))


def keys(rows: Rows) -> pd.DataFrame:
    """Return the keys of the records: a line per row, a column per seed."""
    table = {label: [r.attrs["key"] for r in group] for label, group in rows.items()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis(index="row", columns="seed")


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


# ---- the parts


def parts(rows: Rows) -> pd.DataFrame:
    """What each part of LS-NTP does: :func:`differences` of the rows without it.

    Returns
    -------
    DataFrame
        A line per row but the full one; ``part`` and ``does`` (one of `HELPS`) come first.
    """
    table = differences(rows, "full")
    table.insert(0, "does", table["verdict"].map(HELPS))
    table.insert(0, "part", [PARTS[label][0] for label in table.index])
    return table


def report_parts(rows: Rows, dataset: str) -> str:
    """Write :func:`parts` as Markdown, one item per part."""
    return "\n".join(
        f"- **{row['part']}: {row['does']}.** "
        + compared(row, PARTS[str(label)][1], "the full network", dataset)
        for label, row in parts(rows).iterrows()
    )
