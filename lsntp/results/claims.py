"""The claims of the talk, and what a reader will ask: one object each, one table of them all.

A claim is measured on its *evidence*: the rows of a study (:func:`lsntp.results.studies.load`), a
field record, or measured graphs. It compares two numbers, *ours* and *theirs*; the verdict follows
from the interval of their difference (:func:`lsntp.results.compare.interval`) and can come out
either way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, SupportsFloat

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.results.compare import (
    ALONE,
    HIGHER,
    LOWER,
    SCATTER,
    UNSEEN,
    Rows,
    difference,
    exceeds,
    interval,
    mae_of,
    over_periods,
    seed_mean,
)
from lsntp.results.field_records import SERIES_NAMES, STRONG
from lsntp.results.studies import BASELINE_KERNELS, BASELINES, TRAINED_ALIKE
from lsntp.results.tables import preset_of
from lsntp.runs.records import config_of
from lsntp.zoo import LABELS

HOLDS, FAILS, OPEN = "holds", "does not hold", "not shown"
"""The verdicts on a claim: the interval is all on its side of 0, all on the other, or holds 0;
of a large difference that is :data:`~lsntp.results.compare.SCATTER`."""
SMALL = 0.1
"""Rank correlation from which one counts (Cohen 1988: a "small" effect)."""

SECTIONS = {
    "field": "02_observations",
    "main": "04_main_table",
    "weeks": "16_test_weeks",
    "grid": "18_size_and_epochs",
    "tuned": "15_tuned",
    "ablation": "05_ablation",
    "ablation-field": "05_ablation",
    "ablation-released": "05_ablation",
    "distance": "06_q1_distance",
    "kernel": "07_q2_kernel",
    "baseline-kernels": "08_q3_baseline_kernels",
    "lsntp-equations": "09_q4_learned_graph",
    "lsntp-released": "09_q4_learned_graph",
    "planted": "09_q4_learned_graph",
}
"""What claims are measured on, and the notebook that shows it."""


class Claim(NamedTuple):
    """A statement that the records bear out or refute.

    Parameters
    ----------
    says : str
        In the words of the talk, or of a reader who asks.
    form : str
        What it is said of, if of several.
    evidence : str
        What it is measured on, of `SECTIONS`.
    measure : callable
        The evidence -> ``verdict``, ``ours``, ``theirs``, ``effect`` (ours minus theirs), ``low``,
        ``high`` (its 95 % interval), ``unit``; None if rows it needs are not among those given.
    talk : bool
        Whether it is of the talk.
    """

    says: str
    form: str
    evidence: str
    measure: Callable[[Any], pd.Series | None]
    talk: bool = True


def judged(
    wanted: str, ours: SupportsFloat, theirs: SupportsFloat, change: pd.Series, unit: str
) -> pd.Series:
    """Return what a claim measured, from ours and theirs and the interval of their difference."""
    said = change["verdict"]
    verdicts = {LOWER: FAILS, HIGHER: FAILS, wanted: HOLDS, UNSEEN: OPEN, SCATTER: SCATTER}
    return pd.Series(
        {
            "verdict": verdicts.get(said, said),
            "ours": float(ours),
            "theirs": float(theirs),
            "effect": change["difference"],
            "low": change["low"],
            "high": change["high"],
            "unit": unit,
        }
    )


# ---- errors, K: ours is lower


def lower(ours: str, theirs: str) -> Callable[[Rows], pd.Series | None]:
    """One row of a study has a lower error than another."""
    return lambda rows: errors(rows[ours], rows[theirs]) if {ours, theirs} <= rows.keys() else None


def errors(ours: Sequence[xr.Dataset], theirs: Sequence[xr.Dataset]) -> pd.Series:
    """Our records have a lower error than theirs."""
    change = difference(ours, theirs)
    return judged(LOWER, np.mean(mae_of(ours)), np.mean(mae_of(theirs)), change, "K")


def lowest(ours: str, among: Collection[str] | None = None) -> Callable[[Rows], pd.Series | None]:
    """One row has the lowest error of a study, or of it and some others.

    It *holds* if that is so against each of the others, and *does not hold* if one of them has a
    lower error. The difference is that from the best of them.
    """

    def measure(rows: Rows) -> pd.Series | None:
        others = [
            row
            for label, row in rows.items()
            if label != ours and (among is None or label in among)
        ]
        if ours not in rows or not others:
            return None
        every = [errors(rows[ours], row) for row in others]
        best = min(every, key=lambda e: e["theirs"])
        verdicts = [e["verdict"] for e in every]
        if FAILS in verdicts:
            best["verdict"] = FAILS
        elif best["verdict"] == HOLDS:
            best["verdict"] = next((v for v in verdicts if v != HOLDS), HOLDS)
        return best

    return measure


def lower_over(ours: str, theirs: str) -> Callable[[Sequence[Rows]], pd.Series | None]:
    """One row has a lower error than another over several test periods."""

    def measure(periods: Sequence[Rows]) -> pd.Series | None:
        if not {ours, theirs} <= periods[0].keys():
            return None
        own, other = (np.mean([mae_of(p[label]) for p in periods]) for label in (ours, theirs))
        return judged(LOWER, own, other, over_periods(periods, ours, theirs), "K")

    return measure


def uncut(rows: Rows) -> pd.Series:
    """Trained networks have a lower error than the same with all their links cut (Q1)."""
    runs = rows["whole"]
    by_window = seed_mean(runs, "cut_window_mae")
    whole, alone = (by_window.isel(cut=k, drop=True) for k in (-1, 0))
    by_seed = [float((r["cut_mae"][-1] - r["cut_mae"][0]).mean()) for r in runs]
    return judged(
        LOWER, float(whole.mean()), float(alone.mean()), interval(whole, alone, [by_seed]), "K"
    )


def larger_kernel(model: str) -> Callable[[Rows], pd.Series | None]:
    """A rival's larger kernel has a lower error than its smallest (Q3)."""

    def measure(rows: Rows) -> pd.Series | None:
        own = {preset_of(r[0]).kernel: r for r in rows.values() if config_of(r[0]).model == model}
        return errors(own[chosen_kernel(own)], own[min(own)]) if len(own) > 1 else None

    return measure


def chosen_kernel(rows: Mapping[int, Sequence[xr.Dataset]]) -> int:
    """Of a model's rows by kernel, the larger kernel of the lowest validation loss.

    The loss is the mean over the seeds. Test errors have no part in the choice.
    """
    larger = sorted(rows)[1:]
    return min(larger, key=lambda k: np.mean([r["validation_loss"].min() for r in rows[k]]))


# ---- correlations and shares, 1: ours is higher


def near(series: str) -> Callable[[xr.Dataset], pd.Series]:
    """Neighbours' median r is `STRONG`, and 95 of 100 have more than the median of all pairs.

    Of the two conditions the one with less margin is given.
    """

    def measure(record: xr.Dataset) -> pd.Series:
        r = record.sel(series=series)
        conditions = (r["near_median"], STRONG), (r["near_q05"], float(r["all_median"]))
        ours, theirs = min(conditions, key=lambda pair: float(pair[0]) - pair[1])
        return more(ours, theirs)

    return measure


def strong_far(series: str) -> Callable[[xr.Dataset], pd.Series]:
    """Some far pair's r is `STRONG`."""
    return lambda record: more(record["far_strongest"].sel(series=series), STRONG)


def more_than_chance(record: xr.Dataset) -> pd.Series:
    """The 99th percentile of far pairs is higher than in every copy shifted in time."""
    return more(record["far_q99"].sel(series="anomaly"), record["far_q99_shifted"].max())


def unexplained(series: str) -> Callable[[xr.Dataset], pd.Series]:
    """Distance leaves a tenth or more of the variance of r unexplained."""
    return lambda record: more(1 - record["explained"].sel(series=series), 0.1)


def reaches_far(graphs: xr.Dataset) -> pd.Series:
    """More of the weight comes from far cells than in the uniform graph, and than at first."""
    share = graphs["beyond"].sel(far_km=graphs.attrs["far"])
    plain = share.sel(graph=["uniform", "untrained"]).max("graph")
    return more(share.sel(graph="learned"), plain)


def follows_weather(graphs: xr.Dataset) -> pd.Series:
    """Rows rank as r does, distance held fixed: by `SMALL`, and more than with false maps."""
    rank = graphs["rank"].sel(series="anomaly")
    null = rank.sel(measure=["mirrored", "shuffled"]).max("measure").clip(min=SMALL)
    return more(rank.sel(measure="given distance"), null)


def far_follows_weather(graphs: xr.Dataset) -> pd.Series:
    """The same among far cells."""
    rank = graphs["rank"].sel(series="anomaly")
    return more(rank.sel(measure="far"), rank.sel(measure="far mirrored").clip(min=SMALL))


def seeds_agree(graphs: xr.Dataset) -> pd.Series | None:
    """The weights of every two seeds have a rank correlation that is `STRONG`.

    Pairs share seeds and are not independent: in the interval's place is the range of the pairs.
    """
    if not graphs.sizes["pair"]:
        return None
    change = graphs["agreement"] - STRONG
    middle, low, high = (float(f) for f in (change.mean(), change.min(), change.max()))
    said = HIGHER if low > 0 else LOWER if high < 0 else UNSEEN
    if graphs.sizes["seed"] < 3:
        said = ALONE
    outcome = pd.Series({"verdict": said, "difference": middle, "low": low, "high": high})
    return judged(HIGHER, middle + STRONG, STRONG, outcome, "1")


def finds_links(way: str) -> Callable[[xr.Dataset], pd.Series | None]:
    """The AUC of learned graphs is higher than that of 95 % of untrained ones."""
    return lambda recovery: (
        more(recovery["auc"].sel(way=way), recovery["chance"].quantile(0.95))
        if way in recovery.attrs["rows"]
        else None
    )


def more(ours: xr.DataArray, theirs: xr.DataArray | float) -> pd.Series:
    """Our measurement is higher than theirs: one of each seed, or one alone that needs none."""
    values, bars = np.broadcast_arrays(ours.values, np.asarray(theirs))
    return judged(HIGHER, values.mean(), bars.mean(), exceeds(values, bars), "1")


# ---- the claims

RAW, ANOMALY = SERIES_NAMES.values()
LSNTP, RELEASED, TUNED = (LABELS[f"lsntp-{form}"] for form in ("equations", "released", "tuned"))
CONVLSTM, RIDGE = LABELS["convlstm"], LABELS["ridge"]
RIVALS = [LABELS[m] for m in TRAINED_ALIKE if not m.startswith("lsntp")]

PARTS = ("w/o NSA", "w/o LAGC", "w/o NSA & LAGC", "w/o LSI")

CLAIMS = (
    Claim("Near cells correlate strongly", RAW, "field", near("raw")),
    Claim("Near cells correlate strongly", ANOMALY, "field", near("anomaly")),
    Claim("Some far cells correlate strongly", RAW, "field", strong_far("raw")),
    Claim("Some far cells correlate strongly", ANOMALY, "field", strong_far("anomaly")),
    Claim("Far cells correlate more than by chance", ANOMALY, "field", more_than_chance),
    Claim("Pairs at one distance differ", RAW, "field", unexplained("raw")),
    Claim("Pairs at one distance differ", ANOMALY, "field", unexplained("anomaly")),
    # the main table
    Claim("LS-NTP errs less than its rivals", "equations", "main", lowest(LSNTP, RIVALS)),
    Claim("LS-NTP errs less than ConvLSTM", "equations", "main", lower(LSNTP, CONVLSTM)),
    Claim(
        "LS-NTP errs less than ConvLSTM",
        "equations, four weeks",
        "weeks",
        lower_over(LSNTP, CONVLSTM),
    ),
    Claim(
        "LS-NTP errs less than ConvLSTM",
        "equations, whole grid",
        "grid",
        lower(f"{LSNTP}, whole grid", f"{CONVLSTM}, whole grid"),
    ),
    Claim("LS-NTP errs less than ConvLSTM", "released form", "main", lower(RELEASED, CONVLSTM)),
    Claim("ConvLSTM errs less than CNN then LSTM", "", "main", lower(CONVLSTM, LABELS["cnn-lstm"])),
    Claim("LS-NTP errs less than ridge", "equations", "main", lower(LSNTP, RIDGE), talk=False),
    Claim(
        "LS-NTP errs less than ridge",
        "equations, four weeks",
        "weeks",
        lower_over(LSNTP, RIDGE),
        talk=False,
    ),
    Claim(
        "LS-NTP errs less than ridge",
        "equations, whole grid",
        "grid",
        lower(f"{LSNTP}, whole grid", RIDGE),
        talk=False,
    ),
    Claim("LS-NTP errs less than ridge", "tuned", "main", lower(TUNED, RIDGE), talk=False),
    Claim(
        "LS-NTP errs less than ridge",
        "tuned, four weeks",
        "weeks",
        lower_over(TUNED, RIDGE),
        talk=False,
    ),
    Claim(
        "LS-Conv errs less than a convolution",
        "tuned",
        "tuned",
        lower("LS-Conv", "convolution"),
        talk=False,
    ),
    Claim(
        "LS-Conv errs less than a convolution",
        "tuned, two kernels",
        "tuned",
        lower("two kernels", "convolution"),
        talk=False,
    ),
    # the parts
    Claim("NSA helps", "equations", "ablation", lower("full", "w/o NSA")),
    Claim("NSA helps", "released form", "ablation-released", lower("full", "w/o NSA")),
    Claim("LAGC helps", "equations", "ablation", lower("full", "w/o LAGC")),
    Claim(
        "LAGC helps",
        "forecasts the field",
        "ablation-field",
        lower("full", "w/o LAGC"),
        talk=False,
    ),
    Claim("LAGC helps", "two kernels", "ablation", lower("two kernels", "w/o LAGC"), talk=False),
    Claim("LAGC helps", "released form", "ablation-released", lower("full", "w/o LAGC")),
    Claim("NSA and LAGC help", "equations", "ablation", lower("full", "w/o NSA & LAGC")),
    Claim(
        "NSA and LAGC help", "released form", "ablation-released", lower("full", "w/o NSA & LAGC")
    ),
    Claim("LSI helps", "equations", "ablation", lower("full", "w/o LSI")),
    Claim("LSI helps", "released form", "ablation-released", lower("full", "w/o LSI")),
    Claim("LS-Conv errs less than DAGG", "equations", "ablation", lower("full", "DAGG-ConvLSTM")),
    Claim(
        "LS-Conv errs less than DAGG",
        "released form",
        "ablation-released",
        lower("full", "DAGG-ConvLSTM"),
    ),
    Claim("Every part helps", "equations", "ablation", lowest("full", PARTS)),
    Claim("Every part helps", "released form", "ablation-released", lowest("full", PARTS)),
    # reach and kernels
    Claim("Links help", "trained with the cut", "distance", lower("whole", "0 km")),
    Claim("A trained network relies on its links", "cut once trained", "distance", uncut),
    Claim("A kernel of 3×3 is best", "equations", "kernel", lowest("3@3")),
    Claim(
        "LS-NTP errs less than rivals of any kernel",
        "3×3 to 9×9",
        "baseline-kernels",
        lowest(LSNTP),
    ),
    Claim(
        "LS-NTP errs less than rivals of any kernel",
        "5×5 to 9×9",
        "baseline-kernels",
        lowest(LSNTP, [f"{LABELS[m]} {k}×{k}" for m in BASELINES for k in BASELINE_KERNELS[1:]]),
    ),
    *(
        Claim(
            "A larger kernel helps a rival", LABELS[m], "baseline-kernels", larger_kernel(m), False
        )
        for m in BASELINES
    ),
    # the learned graph
    *(
        Claim(says, form, model, measure)
        for says, measure in (
            ("The learned graph reaches far", reaches_far),
            ("Its links follow the weather", follows_weather),
            ("Its far links do so, too", far_follows_weather),
            ("Trainings find similar graphs", seeds_agree),
        )
        for form, model in (("equations", "lsntp-equations"), ("released form", "lsntp-released"))
    ),
    *(
        Claim("The graph finds planted links", way, "planted", finds_links(way), talk=False)
        for way in ("forecasts the field", "forecasts the change")
    ),
)
"""In the order of the talk.

:meta hide-value:
"""


def table(evidence: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Measure all claims that evidence is given for.

    Parameters
    ----------
    evidence : mapping of data set -> name -> evidence
        Names are those of `SECTIONS`.

    Returns
    -------
    DataFrame
        Index ``claim``, ``form``, ``dataset``; columns as :class:`Claim`'s ``measure`` returns
        them, and ``section``, ``talk``.
    """
    lines = {}
    for says, form, name, measure, talk in CLAIMS:
        for dataset, given in evidence.items():
            measured = measure(given[name]) if name in given else None
            if measured is not None:
                place = {"section": SECTIONS[name], "talk": talk}
                lines[says, form, dataset] = measured.to_dict() | place
    held = pd.DataFrame.from_dict(lines, orient="index")
    held.index = pd.MultiIndex.from_tuples([*lines], names=["claim", "form", "dataset"])
    return held
