"""Whether learned graphs find long-range, physically meaningful links: verdicts in words.

Shown in the notebook ``09_q4_learned_graph``, from the measurements of :mod:`lsntp.learned`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.findings import FAILS, HOLDS
from lsntp.observations import STRONG
from lsntp.zoo import LABELS

SMALL = 0.1
"""Rank correlation from which one counts (Cohen 1988: a "small" effect)."""
CLAIMS = {
    "reach": "the graph reaches far",
    "meaning": "links follow the weather, not only distance",
    "far": "far weights rank as correlations do",
    "same": "seeds find similar graphs",
}
DISAGREE, ONE = "the seeds disagree", "one seed cannot tell"
"""The verdicts on a claim that is true of some seeds only, and of a single seed."""


def verdicts(study: xr.Dataset) -> pd.DataFrame:
    """Judge a study's graphs by rules that look at each seed.

    Parameters
    ----------
    study : Dataset
        From :func:`lsntp.learned.study`.

    Returns
    -------
    DataFrame
        Columns ``claim`` (a key of `CLAIMS`), ``verdict``, ``why``. A claim *holds* if it is true
        of every seed, and *does not hold* if of none; else `DISAGREE`, or `ONE`. It is true of a
        seed (with r of anomalies) if

        - *reach*: the share of the weight from beyond the far distance exceeds the uniform graph's
          and that of the same network's graph at initialisation;
        - *meaning*: the rank correlation of rows with Pearson's r, given distance, is at least
          `SMALL`, and more than with the mirrored map and with the shuffled ones;
        - *far*: the same over far cells only is at least `SMALL`, and more than with the mirrored
          map;
        - *same* (of each pair of seeds): the rank correlation of their entries is at least
          :data:`lsntp.observations.STRONG`.
    """
    far = study.attrs["far"]
    share = study["beyond"].sel(far_km=far)
    learned, first, uniform = (
        share.sel(graph=g).values for g in ("learned", "untrained", "uniform")
    )
    rank = study["rank"].sel(series="anomaly")
    given, mirrored, shuffled, over, turned = (
        rank.sel(measure=m).values
        for m in ("given distance", "mirrored", "shuffled", "far", "far mirrored")
    )
    same = study["agreement"].values
    seeds = study.sizes["seed"]
    rows = [
        (
            "reach",
            verdict((learned > uniform) & (learned > first), seeds),
            f"{spread(100 * learned, 0, ' %')} of the weight comes from beyond {far} km; of a "
            f"uniform graph it would be {100 * uniform.mean():.0f} %, and at initialisation it is "
            f"{100 * first.mean():.0f} %.",
        ),
        (
            "meaning",
            verdict((given >= SMALL) & (given > mirrored) & (given > shuffled), seeds),
            f"Given distance, a row's rank correlation with the cell's Pearson map is "
            f"{spread(given)}; with the map mirrored {spread(mirrored)}, with shuffled maps at "
            f"most {number(shuffled.max())} nineteen times in twenty.",
        ),
        (
            "far",
            verdict((over >= SMALL) & (over > turned), seeds),
            f"Among cells more than {far} km away this rank correlation is {spread(over)}; with "
            f"the map mirrored {spread(turned)}.",
        ),
        (
            "same",
            verdict(same >= STRONG, seeds),
            f"The entries of two seeds' graphs have a rank correlation of {spread(same)}, given "
            f"distance {spread(study['agreement_given_distance'].values)}."
            if len(same)
            else "There is one seed only.",
        ),
    ]
    return pd.DataFrame(rows, columns=["claim", "verdict", "why"])


def verdict(true: np.ndarray, seeds: int) -> str:
    """Return the verdict on a claim that is true, or not, of each seed (or pair of seeds)."""
    if seeds < 2:
        return ONE
    if true.any() != true.all():
        return DISAGREE
    return HOLDS if true.all() else FAILS


def report(study: xr.Dataset) -> str:
    """Write `verdicts` as Markdown: a heading with data set and model, one item per claim."""
    heading = f"**{study.attrs['dataset']}, {LABELS[study.attrs['model']]}**"
    items = [
        f"- *{CLAIMS[v.claim]}*: **{v.verdict}**. {v.why}" for v in verdicts(study).itertuples()
    ]
    return "\n".join([heading, "", *items])


def planted_verdicts(recovery: xr.Dataset) -> dict[str, tuple[str, str]]:
    """Say of each row of graphs whether it tells the planted links from other far pairs, and why.

    It holds if every seed's AUC exceeds 95 % of those of untrained graphs, and does not hold if
    none does.

    Parameters
    ----------
    recovery : Dataset
        From :func:`lsntp.learned.recovery`.
    """
    chance = float(recovery["chance"].quantile(0.95))
    found = {}
    for row in recovery.attrs["rows"]:
        auc = recovery["auc"].sel(way=row).values
        why = f"AUC {spread(auc)}; of untrained graphs 95 % lie below {chance:.2f}."
        found[row] = verdict(auc > chance, len(auc)), why
    return found


def planted_report(recovery: xr.Dataset) -> str:
    """Write `planted_verdicts` as Markdown, one item per row."""
    items = [
        f"- *Links are found by the network that {row}*: **{said}**. {why}"
        for row, (said, why) in planted_verdicts(recovery).items()
    ]
    items += [
        f"- The records of the network that {row} keep no graph."
        for row in recovery.attrs["without_graph"]
    ]
    return "\n".join(items)


def number(value: float, digits: int = 2) -> str:
    """Write a number with a true minus sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")  # no −0


def spread(values: np.ndarray, digits: int = 2, unit: str = "") -> str:
    """Write the mean of several seeds, and in brackets the least and the largest."""
    mean, least, largest = (
        number(float(f(values)), digits) + unit for f in (np.mean, np.min, np.max)
    )
    return mean if len(values) == 1 else f"{mean} (seeds: {least} to {largest})"
