"""Q3: larger kernels for the rivals.

Shown in the notebook ``08_q3_baseline_kernels``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lsntp.model.forecaster import inner_grid
from lsntp.results.claims import CLAIM, OPEN, Rows, claim, compared
from lsntp.results.compare import difference
from lsntp.results.tables import kernel_of
from lsntp.runs.records import config_of
from lsntp.zoo import LABELS

LARGER_KERNEL = {"lower": "helps", "higher": "harms", "not separable": OPEN}
"""Of the verdict on a rival's error with a larger kernel against its smallest: what it does."""


def report_rivals(
    rivals: Mapping[str, Rows], ours: Sequence[xr.Dataset], dataset: str, name: str
) -> str:
    """Say whether larger kernels bring the rivals what LS-Conv brings.

    Of a rival's larger kernels the one that :func:`chosen_kernel` returns is compared.

    Parameters
    ----------
    rivals : mapping of model -> rows
        Of :func:`by_rival`.
    ours : sequence of Dataset
        LS-NTP's records.
    dataset : str
        Its name.
    name : str
        What to call LS-NTP.

    Returns
    -------
    str
        Markdown: an item for the claim, one for ConvLSTM with LS-NTP's kernel (the two differ in
        LS-Conv alone), one for each rival.
    """
    everyone = {label: group for rows in rivals.values() for label, group in rows.items()}
    said = f"{name} errs less than every rival at every kernel"
    items = [claim(said, {**everyone, name: ours}, name, dataset)]
    for rival, rows in rivals.items():
        first = next(iter(rows))
        if rival == LABELS["convlstm"]:
            found = difference(rows[first], ours)
            items.append(
                f"**{name} is ahead of {first}: {CLAIM[found['verdict']]}.** "
                + compared(found, first, name, dataset)
            )
        best, found = chosen_kernel(rows)
        items.append(
            f"**A larger kernel for {rival}, {best} chosen on validation windows: "
            f"{LARGER_KERNEL[found['verdict']]}.** "
            + compared(found, best, first, dataset)
            + " "
            + compared(difference(rows[best], ours), best, name, dataset)
        )
    return "\n".join(f"- {item}" for item in items)


def chosen_kernel(rows: Rows) -> tuple[str, pd.Series]:
    """Return the larger kernel with the lowest validation loss, and how it compares with the first.

    Test errors have no part in the choice.

    Parameters
    ----------
    rows : mapping
        One rival's, the smallest kernel first: a value of :func:`by_rival`.

    Returns
    -------
    label : str
        Of the row whose runs have the lowest validation loss, mean over seeds.
    found : Series
        :func:`lsntp.results.compare.difference` of that row from the first.
    """
    first, *larger = rows
    best = min(larger, key=lambda label: np.mean([r["validation_loss"].min() for r in rows[label]]))
    return best, difference(rows[best], rows[first])


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
