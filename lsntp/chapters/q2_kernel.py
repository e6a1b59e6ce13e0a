"""Q2: the kernel of LS-Conv.

Shown in the notebook ``07_q2_kernel``.
"""

from __future__ import annotations

import pandas as pd

from lsntp.results.compare import Rows
from lsntp.results.paper import TABLE_5
from lsntp.results.tables import curves


def kernel_ratios(rows: Rows, dataset: str, source: str | None) -> pd.DataFrame:
    """MAE through that of the 3×3 kernel: ours, a line per seed, and the paper's.

    Parameters
    ----------
    rows : mapping
        Of :func:`lsntp.results.studies.kernel`.
    dataset : str
        Ours, to name the curve.
    source : str, optional
        The data set of `TABLE_5` to put beside it.

    Returns
    -------
    DataFrame
        ``curve``, ``at``, ``ratio``; ours is divided by the mean over seeds of the 3×3 kernel.
    """
    ours = curves(rows, "kernel").assign(curve=f"here, {dataset}")
    ours["ratio"] = ours["mae"] / ours.loc[ours["at"] == 3, "mae"].mean()
    theirs = TABLE_5[TABLE_5["dataset"] == source].rename(columns={"kernel": "at"})
    theirs = theirs.assign(
        curve=f"paper's Table 5, {source}",
        ratio=theirs["mae"] / theirs.loc[theirs["at"] == 3, "mae"].mean(),
    )
    return pd.concat([ours, theirs], ignore_index=True)[["curve", "at", "ratio"]]
