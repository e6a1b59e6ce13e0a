"""Q3: larger kernels for the rivals.

Shown in the notebook ``08_q3_baseline_kernels``.
"""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from lsntp.results.compare import Rows
from lsntp.results.tables import preset_of
from lsntp.runs.records import config_of
from lsntp.zoo import LABELS


def by_rival(rows: Rows) -> dict[str, dict[str, Sequence[xr.Dataset]]]:
    """Return the rows of Q3 by the model's name, in the book's order, the smallest kernel first."""
    sorted_rows: dict[str, dict[str, Sequence[xr.Dataset]]] = {}
    for label, group in sorted(rows.items(), key=lambda row: preset_of(row[1][0]).kernel):
        model = config_of(group[0]).model
        sorted_rows.setdefault(LABELS[model], {})[label] = group
    return {LABELS[m]: sorted_rows[LABELS[m]] for m in LABELS if LABELS[m] in sorted_rows}
