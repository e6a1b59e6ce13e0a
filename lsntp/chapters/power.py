"""How strong must a far link be? Errors where links are planted, and elsewhere.

Shown in the notebook ``17_power``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
import xarray as xr

from lsntp.results.compare import LOWER, Rows, interval, seed_mean

Where = Literal["place", "other"]


def changes(
    worlds: Mapping[float, Rows], against: str, where: Where = "place"
) -> dict[float, pd.DataFrame]:
    """Compare every row of each world with one: errors where links are planted, or elsewhere.

    Parameters
    ----------
    worlds : mapping of strength -> rows
        Of :func:`lsntp.results.studies.power`, one for each strength of the links.
    against : str
        Label of the row that the others are compared with.
    where : str
        "place" or "other": the cells that links are planted in, or all others.

    Returns
    -------
    dict of strength -> DataFrame
        A line per row: :func:`~lsntp.results.compare.interval` of its mean error, K.
    """

    def change(ours: Sequence[xr.Dataset], theirs: Sequence[xr.Dataset]) -> pd.Series:
        errors = f"{where}_window_mae"
        seeds = [
            [float(r[errors].mean()) for r in g] for g in (ours, theirs) if "train_loss" in g[0]
        ]
        return interval(seed_mean(ours, errors), seed_mean(theirs, errors), seeds)

    return {
        strength: pd.DataFrame(
            {label: change(g, rows[against]) for label, g in rows.items() if label != against}
        ).T
        for strength, rows in worlds.items()
    }


def noticed(differences: Mapping[float, pd.DataFrame]) -> pd.Series:
    """Return the smallest strength at which each row is seen to err less; nan: at none.

    At that strength and at each above it: one lucky verdict among several is none.
    """
    lower = pd.DataFrame({s: table["verdict"] == LOWER for s, table in differences.items()})
    from_here = lower.sort_index(axis=1).iloc[:, ::-1].cummin(axis=1)
    return from_here.apply(lambda row: row.index[row].min(), axis=1).astype(float)


def measured(worlds: Mapping[float, Rows], name: str) -> pd.DataFrame:
    """Return one measurement of each row, by strength: mean over the seeds; nan without it.

    Parameters
    ----------
    name : str
        ``place_mae`` (K) or ``link_auc``.
    """
    return pd.DataFrame(
        {
            strength: {
                label: float(seed_mean(group, name).mean()) if name in group[0] else float("nan")
                for label, group in rows.items()
            }
            for strength, rows in worlds.items()
        }
    ).rename_axis(columns="strength")
