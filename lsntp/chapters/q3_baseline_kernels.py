"""Q3: larger kernels for the rivals.

Shown in the notebook ``08_q3_baseline_kernels``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.model.forecaster import inner_grid
from lsntp.results.compare import Rows
from lsntp.results.tables import kernel_of
from lsntp.runs.records import config_of
from lsntp.zoo import LABELS


def inside(rows: Rows, height: int, width: int) -> pd.Series:
    """Return for each row the share of cells at which its whole kernel lies on the inner grid.

    At the others it reaches beyond the rim, where it sees zeros.

    Parameters
    ----------
    height, width : int
        Of the field, in cells.
    """
    shares = {}
    for label, group in rows.items():
        preset = config_of(group[0]).preset
        assert preset is not None
        sides = inner_grid(height, width, preset.downsample)
        shares[label] = np.prod([max(side - preset.kernel + 1, 0) / side for side in sides])
    return pd.Series(shares, name="kernel inside")


def by_rival(rows: Rows) -> dict[str, dict[str, Sequence[xr.Dataset]]]:
    """Return the rows of Q3 by the model's name, in the book's order, the smallest kernel first."""
    sorted_rows: dict[str, dict[str, Sequence[xr.Dataset]]] = {}
    for label, group in sorted(rows.items(), key=lambda row: kernel_of(row[1][0])):
        model = config_of(group[0]).model
        sorted_rows.setdefault(LABELS[model], {})[label] = group
    return {LABELS[m]: sorted_rows[LABELS[m]] for m in LABELS if LABELS[m] in sorted_rows}
