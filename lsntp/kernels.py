"""Q2 and Q3: the kernel of LS-Conv, and larger kernels for its rivals.

Shown in the notebooks ``07_q2_kernel`` and ``08_q3_baseline_kernels``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.comparison import difference
from lsntp.findings import CLAIM, OPEN, Rows, claim, compared, mean_errors
from lsntp.published import TABLE_5
from lsntp.records import config_of
from lsntp.zoo import LABELS


def kernel_of(record: xr.Dataset) -> int:
    """Return the kernel of a record's network."""
    config = config_of(record)
    assert config.preset is not None
    return config.preset.kernel


def kernel_curves(rows: Rows) -> pd.DataFrame:
    """MAE against the kernel, a curve a model: ``curve`` (its name in the zoo), ``at``, ``mae``."""
    lines = [
        (
            config_of(r).model,
            kernel_of(r),
            float(r["mae"].mean()),
        )
        for group in rows.values()
        for r in group
    ]
    return pd.DataFrame(lines, columns=["curve", "at", "mae"])


def kernel_ratios(rows: Rows, dataset: str, source: str | None) -> pd.DataFrame:
    """MAE through that of the 3×3 kernel: ours, a line per seed, and the paper's.

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

    Of a rival's larger kernels that of the lowest :func:`validation_loss` is compared; test errors
    have no part in the choice.

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
            found = difference(rows[first], ours)
            items.append(
                f"**{name} is ahead of {first}: {CLAIM[found['verdict']]}.** "
                + compared(found, first, name, dataset)
            )
        losses = {label: validation_loss(rows[label]) for label in larger}
        best = min(losses, key=losses.__getitem__)
        found = difference(rows[best], rows[first])
        helps = {"lower": "helps", "higher": "harms", "not separable": OPEN}
        items.append(
            f"**A larger kernel for {rival}, {best} chosen on validation windows: "
            f"{helps[found['verdict']]}.** "
            + compared(found, best, first, dataset)
            + " "
            + compared(difference(rows[best], ours), best, name, dataset)
        )
    return "\n".join(f"- {item}" for item in items)


def validation_loss(several: Sequence[xr.Dataset]) -> float:
    """Return the lowest validation loss of each run, mean over seeds."""
    return float(np.mean([r["validation_loss"].min() for r in several]))


def by_rival(rows: Rows) -> dict[str, dict[str, Sequence[xr.Dataset]]]:
    """Return the rows of Q3 by the model's name, the smallest kernel first."""
    sorted_rows: dict[str, dict[str, Sequence[xr.Dataset]]] = {}
    for label, group in sorted(rows.items(), key=lambda row: kernel_of(row[1][0])):
        model = config_of(group[0]).model
        sorted_rows.setdefault(LABELS[model], {})[label] = group
    return {LABELS[m]: sorted_rows[LABELS[m]] for m in LABELS if LABELS[m] in sorted_rows}
