"""What came out of the studies of LS-NTP's parts, of its graph's reach and of kernels, in words.

Every verdict comes from :func:`lsntp.tables.difference` and can come out either way. Records are
given as :func:`lsntp.studies.load` returns them, row by row. Shown in the notebooks
``05_ablation``, ``06_q1_distance``, ``07_q2_kernel`` and ``08_q3_baseline_kernels``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr

from lsntp import records, tables
from lsntp.experiment import RunConfig, inner_cells
from lsntp.graph import adaptive_adjacency, great_circle_km, grid_nodes
from lsntp.zoo import LABELS

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

HELPS = {"higher": "helps", "lower": "does not help", "not separable": OPEN}
"""Of the verdict on the error without a part: what the part does."""

TABLE_5 = pd.DataFrame(
    [
        ("ERA5", 1, 0.939, 1.233, 0.878, 46.308),
        ("ERA5", 3, 0.897, 1.176, 0.883, 46.639),
        ("ERA5", 5, 1.034, 1.357, 0.869, 45.585),
        ("ERA5", 7, 1.118, 1.455, 0.845, 44.937),
        ("NCEP", 1, 1.799, 2.386, 0.910, 40.380),
        ("NCEP", 3, 1.740, 2.318, 0.915, 40.646),
        ("NCEP", 5, 1.792, 2.397, 0.908, 40.377),
        ("NCEP", 7, 1.860, 2.465, 0.908, 40.123),
    ],
    columns=["dataset", "kernel", "mae", "rmse", "ssim_released", "psnr_released"],
)
"""The paper's Table 5: LS-Conv's kernel, on other data than ours; K, K, –, dB."""

TRAINED_CUT, TESTED_CUT = "trained with the cut", "cut once trained"
"""The two ways of Q1."""


def errors(rows: Rows) -> pd.DataFrame:
    """One line a run: its ``row`` and its ``mae``, K, mean over the leads."""
    return pd.DataFrame(
        [(label, float(r["mae"].mean())) for label, group in rows.items() for r in group],
        columns=["row", "mae"],
    )


def mean_errors(rows: Rows) -> pd.Series:
    """MAE of each row, K, mean over leads and seeds, in the order of the rows."""
    return errors(rows).groupby("row", sort=False)["mae"].mean()


def differences(rows: Rows, against: str) -> pd.DataFrame:
    """:func:`lsntp.tables.difference` of every other row from one of them, a line a row."""
    found = {
        label: tables.difference(group, rows[against])
        for label, group in rows.items()
        if label != against
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
    return (
        f"{others}. The lowest mean is that of {best}, {means[best]:.3f} K; {label} has "
        f"{means[label]:.3f} K."
    )


def compared(found: pd.Series, ours: str, theirs: str, dataset: str) -> str:
    """Say in words what a difference is: :func:`lsntp.tables.sentence` with these names."""
    names = pd.Series({"model": ours, "against": theirs, "dataset": dataset})
    return tables.sentence(pd.concat([names, found]))


# ---- the parts


def parts(rows: Rows, full: str = "full") -> pd.DataFrame:
    """What each part of LS-NTP does: :func:`differences` of the rows without it.

    Returns
    -------
    DataFrame
        A line a row but the full one; ``part`` and ``does`` (one of `HELPS`) come first.
    """
    table = differences(rows, full)
    table.insert(0, "does", table["verdict"].map(HELPS))
    table.insert(0, "part", [PARTS[label][0] for label in table.index])
    return table


def report_parts(rows: Rows, dataset: str) -> str:
    """Write :func:`parts` as Markdown, one item a part."""
    return "\n".join(
        f"- **{row['part']}: {row['does']}.** "
        + compared(row, PARTS[str(label)][1], "the full network", dataset)
        for label, row in parts(rows).iterrows()
    )


# ---- the reach of the graph


def cut_rows(rows: Rows) -> dict[int, Sequence[xr.Dataset]]:
    """Return the rows of Q1 trained with a cut, by its distance, km; the last is the whole."""
    by_km = {int(label.split()[0]): group for label, group in rows.items() if label.endswith(" km")}
    return by_km | {int(rows["whole"][0]["cut"][-1]): rows["whole"]}


def distance_curves(rows: Rows) -> pd.DataFrame:
    """MAE against the distance of the cut, both ways: ``curve``, ``at`` (km), ``mae`` (K)."""
    trained = [
        (TRAINED_CUT, km, float(record["mae"].mean()))
        for km, group in cut_rows(rows).items()
        for record in group
    ]
    tested = [
        (TESTED_CUT, int(km), float(record["cut_mae"].sel(cut=km).mean()))
        for record in rows["whole"]
        for km in record["cut"].to_numpy()
    ]
    return pd.DataFrame(trained + tested, columns=["curve", "at", "mae"])


def cut_difference(whole: Sequence[xr.Dataset]) -> pd.Series:
    """Difference in MAE of trained networks between their graph cut at 0 and whole, K.

    As of :func:`lsntp.tables.difference`; ``seed_sd`` is the standard deviation over seeds of the
    difference, since each seed's network is its own rival.
    """
    by_window = tables.seed_mean(whole, "cut_window_mae")
    change = [float((r["cut_mae"][0] - r["cut_mae"][-1]).mean()) for r in whole]
    seed_sd = float(np.std(change, ddof=1)) if len(change) > 1 else float("nan")
    return tables.interval(
        by_window.isel(cut=0, drop=True), by_window.isel(cut=-1, drop=True), seed_sd
    )


def reach(rows: Rows) -> int:
    """Return the shortest distance, km, from which on no cut has a higher error than the whole.

    Of the rows trained with a cut. 0: self-links alone are not separably worse.
    """
    by_km = cut_rows(rows)
    shortest = max(by_km)
    for km in sorted(by_km, reverse=True)[1:]:
        if tables.difference(by_km[km], rows["whole"])["verdict"] == "higher":
            break
        shortest = km
    return shortest


def distance_verdicts(rows: Rows) -> pd.DataFrame:
    """Whether links help, tested both ways: error with self-links alone against the whole graph.

    Returns
    -------
    DataFrame
        A line a way (`TRAINED_CUT`, `TESTED_CUT`): ``holds``, and the difference.
    """
    alone = cut_rows(rows)[0]
    found = {
        TRAINED_CUT: tables.difference(alone, rows["whole"]),
        TESTED_CUT: cut_difference(rows["whole"]),
    }
    table = pd.DataFrame.from_dict(found, orient="index")
    table.insert(0, "holds", table["verdict"].map(CLAIM))
    return table


def report_distance(rows: Rows, dataset: str) -> str:
    """Write :func:`distance_verdicts` as Markdown, with how the curves fall and :func:`reach`."""
    curves = distance_curves(rows)
    items = []
    for way, row in distance_verdicts(rows).iterrows():
        means = curves[curves["curve"] == way].groupby("at")["mae"].mean()
        falls = int((np.diff(means) < 0).sum())
        items.append(
            f"- **Links help, {way}: {row['holds']}.** "
            + compared(row, "The graph of self-links alone", "the whole graph", dataset)
            + f" The mean error falls in {falls} of the {len(means) - 1} steps of growing distance "
            f"and is lowest at {means.idxmin()} km."
        )
    km = reach(rows)
    said = (
        "not even self-links alone have a separably higher error than the whole graph"
        if km == 0
        else f"no cut at {km} km or further has a separably higher error than the whole graph"
        if km < max(cut_rows(rows))
        else "already the longest cut that removes links has a separably higher error"
    )
    return "\n".join([*items, f"- **Reach, {TRAINED_CUT}: {km} km.** On {dataset}, {said}."])


def with_graph(whole: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return records of the same networks that hold their embedding.

    The records of a study keep scores alone; the main table's of the same configs keep the graph.

    Raises
    ------
    RecordError
        If the main table has no record of one of them.
    """
    found = []
    for record in whole:
        config = RunConfig.model_validate_json(record.attrs["config"])
        main = RunConfig(**{**dict(config), "test_cuts_km": ()})
        found.append(record if "embedding" in record else records.find(main))
    return found


def weight_within(
    several: Sequence[xr.Dataset], field: xr.DataArray, distances_km: Iterable[float]
) -> pd.DataFrame:
    """Share of a learned graph's weight that stays within a distance, mean over nodes.

    Parameters
    ----------
    several : sequence of Dataset
        Records with the node ``embedding``, one a seed.
    field : DataArray (..., lat, lon)
        Gives the coordinates of the full grid.
    distances_km : iterable of float
        Cuts; at 0 the share is the weight of a node's link to itself.

    Returns
    -------
    DataFrame
        ``curve`` ("after training", a line a seed, and "all nodes alike", 1/N each), ``at`` (km),
        ``share``.
    """
    config = RunConfig.model_validate_json(several[0].attrs["config"])
    between = great_circle_km(*grid_nodes(inner_cells(config, field)))
    lines = []
    for km in distances_km:
        kept = between <= km + 1e-3  # as lsntp.graph.DistanceCut
        lines.append(("all nodes alike", int(km), kept.mean()))
        for record in several:
            embedding = torch.from_numpy(record["embedding"].to_numpy()).double()
            adjacency = adaptive_adjacency(embedding).numpy()
            lines.append(("after training", int(km), (adjacency * kept).sum(1).mean()))
    table = pd.DataFrame(lines, columns=["curve", "at", "share"])
    return table.sort_values(["curve", "at"], ignore_index=True)


# ---- kernels


def kernel_of(record: xr.Dataset) -> int:
    """Return the kernel of a record's network."""
    config = RunConfig.model_validate_json(record.attrs["config"])
    assert config.preset is not None
    return config.preset.kernel


def kernel_curves(rows: Rows) -> pd.DataFrame:
    """MAE against the kernel, a curve a model: ``curve`` (its name in the zoo), ``at``, ``mae``."""
    lines = [
        (
            RunConfig.model_validate_json(r.attrs["config"]).model,
            kernel_of(r),
            float(r["mae"].mean()),
        )
        for group in rows.values()
        for r in group
    ]
    return pd.DataFrame(lines, columns=["curve", "at", "mae"])


def kernel_ratios(rows: Rows, dataset: str, source: str | None) -> pd.DataFrame:
    """MAE through that of the 3×3 kernel: ours, a line a seed, and the paper's.

    Parameters
    ----------
    rows : mapping
        Of :func:`lsntp.studies.kernel`.
    dataset : str
        Ours, to name the curve.
    source : str, optional
        The data set of `TABLE_5` to put beside it.

    Returns
    -------
    DataFrame
        ``curve``, ``at``, ``ratio``; ours is divided by the mean over seeds of the 3×3 kernel.
    """
    ours = kernel_curves(rows).assign(curve=f"here, {dataset}")
    ours["ratio"] = ours["mae"] / ours.loc[ours["at"] == 3, "mae"].mean()
    theirs = TABLE_5[TABLE_5["dataset"] == source].rename(columns={"kernel": "at"})
    theirs = theirs.assign(
        curve=f"paper's Table 5, {source}",
        ratio=theirs["mae"] / theirs.loc[theirs["at"] == 3, "mae"].mean(),
    )
    return pd.concat([ours, theirs], ignore_index=True)[["curve", "at", "ratio"]]


def report_kernels(rows: Rows, dataset: str, source: str | None) -> str:
    """Say whether 3@3 is best, and which kernel is best in the paper's Table 5."""
    said = claim("The 3×3 kernel is best", rows, "3@3", dataset)
    theirs = TABLE_5[TABLE_5["dataset"] == source].set_index("kernel")["mae"]
    if theirs.empty:
        return f"- {said}"
    ours = mean_errors(rows)
    worst = str(ours.idxmax())
    return (
        f"- {said} The worst kernel, {worst}, errs {100 * (ours[worst] / ours['3@3'] - 1):.1f} % "
        f"more than 3@3; the paper's worst on {source}, {theirs.idxmax()}@{theirs.idxmax()}, "
        f"{100 * (theirs.max() / theirs[3] - 1):.1f} % more."
    )


def report_rivals(
    rivals: Mapping[str, Rows], ours: Sequence[xr.Dataset], dataset: str, name: str
) -> str:
    """Say whether larger kernels bring the rivals what LS-Conv brings.

    Parameters
    ----------
    rivals : mapping of model -> rows
        Of :func:`by_rival`.
    ours : sequence of Dataset
        LS-NTP's records.
    name : str
        What to call it.
    """
    everyone = {label: group for rows in rivals.values() for label, group in rows.items()}
    said = f"{name} errs less than every rival at every kernel"
    items = [claim(said, {**everyone, name: ours}, name, dataset)]
    for rival, rows in rivals.items():
        first, *larger = rows
        if rival == LABELS["convlstm"]:
            found = tables.difference(rows[first], ours)
            items.append(
                f"**{name} is ahead of {first}: {CLAIM[found['verdict']]}.** "
                + compared(found, first, name, dataset)
            )
        best = str(mean_errors({label: rows[label] for label in larger}).idxmin())
        found = tables.difference(rows[best], rows[first])
        helps = {"lower": "helps", "higher": "does not help", "not separable": OPEN}
        items.append(
            f"**A larger kernel for {rival}, {best} at best: {helps[found['verdict']]}.** "
            + compared(found, best, first, dataset)
            + " "
            + compared(tables.difference(rows[best], ours), best, name, dataset)
        )
    return "\n".join(f"- {item}" for item in items)


def by_rival(rows: Rows) -> dict[str, dict[str, Sequence[xr.Dataset]]]:
    """Return the rows of Q3 by the model's name, the smallest kernel first."""
    sorted_rows: dict[str, dict[str, Sequence[xr.Dataset]]] = {}
    for label, group in sorted(rows.items(), key=lambda row: kernel_of(row[1][0])):
        model = RunConfig.model_validate_json(group[0].attrs["config"]).model
        sorted_rows.setdefault(LABELS[model], {})[label] = group
    return {LABELS[m]: sorted_rows[LABELS[m]] for m in LABELS if LABELS[m] in sorted_rows}


def keys(rows: Rows) -> pd.DataFrame:
    """Return the keys of the records: a line a row, a column a seed."""
    table = {label: [r.attrs["key"] for r in group] for label, group in rows.items()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis(index="row", columns="seed")
