"""When does LS-Conv help? Errors where links are planted, and elsewhere.

Shown in the notebook ``17_power``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import xarray as xr

from lsntp.results.compare import Rows, difference
from lsntp.results.studies import WAYS

Where = Literal["place", "other"]


def changes(rows: Rows, where: Where = "place") -> dict[str, pd.DataFrame]:
    """Compare each forecaster that finds links, or is told them, with itself without far links.

    Parameters
    ----------
    rows : mapping of label -> records
        Of :func:`lsntp.results.studies.power`.
    where : str
        "place" or "other": the cells that links are planted in, or all others.

    Returns
    -------
    dict of way -> DataFrame
        "to find" and "told": a line a forecaster, :func:`~lsntp.results.compare.difference`, K.
    """
    return {
        way: pd.DataFrame(
            {
                label: difference(at(rows[f"{label}, {way}"], where), at(without, where))
                for label, without in forecasters(rows).items()
            }
        ).T
        for way in WAYS[1:]
    }


def forecasters(rows: Rows) -> dict[str, Sequence[xr.Dataset]]:
    """Return the records of each forecaster without far links, by its label."""
    end = f", {WAYS[0]}"
    return {label.removesuffix(end): row for label, row in rows.items() if label.endswith(end)}


def at(records: Sequence[xr.Dataset], where: Where) -> list[xr.Dataset]:
    """Put the errors of some cells in the place of those of all."""
    of_some = []
    for record in records:
        errors = record[f"{where}_day_mae"].rename(day="window").expand_dims(lead=1)
        kept = record.drop_dims(["day", "lead"])
        of_some.append(kept.assign(window_mae=errors, mae=errors.mean("window")))
    return of_some


def measured(rows: Rows) -> pd.DataFrame:
    """Return what a table shows of each forecaster: means over the seeds, and the range of the AUC.

    Returns
    -------
    DataFrame
        A line a forecaster; columns (measurement, way): "MAE (K)" where links are planted, and
        "AUC", how well what was found ranks the planted links among all far pairs.
    """
    table = {}
    for label in forecasters(rows):
        groups = {way: rows[f"{label}, {way}"] for way in WAYS}
        for way, group in groups.items():
            error = sum(float(r["place_mae"].mean()) for r in group) / len(group)
            table["MAE (K)", way, label] = f"{error:.2f}"
        auc = sorted({f"{float(r['link_auc']):.2f}" for r in groups["to find"]})
        table["AUC", "to find", label] = " to ".join([auc[0], *auc[1:][-1:]])
    return pd.Series(table).unstack([0, 1]).loc[[*forecasters(rows)]]
