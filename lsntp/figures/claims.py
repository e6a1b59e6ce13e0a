"""The claims as a grid: one line a claim, one column a data set, its verdict and effect in each."""

from __future__ import annotations

from html import escape

import pandas as pd

from lsntp.results.claims import FAILS, HOLDS
from lsntp.results.compare import signed

MARKS = {HOLDS: ("✓", "var(--holds, #00734f)"), FAILS: ("✗", "var(--fails, #b34500)")}
"""Sign and colour of a verdict; what is neither has a grey dash."""
WIDE = 104  # px, of a drawn interval


def claims_grid(table: pd.DataFrame) -> str:
    """Lay out :func:`lsntp.results.claims.table`: verdicts and effects at a glance.

    Beside each verdict its effect is drawn with the 95 % interval. To the right of the upright line
    speaks for the claim, to the left against it; an arrow head marks what the drawing is too narrow
    for. A click on a verdict shows the numbers.

    Returns
    -------
    str
        HTML of a table that needs no script. The book's style sheet has its colours in the dark.
    """
    if table.empty:
        return "<p>No claim is about what is shown here.</p>"
    datasets = table.index.unique("dataset")
    scales = table.groupby(["dataset", "unit"])[["low", "high"]].apply(_scale)
    rows = []
    for (says, form), claim in table.groupby(level=["claim", "form"], sort=False):
        name = escape(says) + (f" <small>{escape(form)}</small>" if form else "")
        cells = []
        for dataset in datasets:
            if (says, form, dataset) in claim.index:
                c = claim.loc[(says, form, dataset)]
                cells.append(_cell(c, scales[dataset, c["unit"]]))
            else:
                cells.append("<td>–</td>")
        rows.append(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col">{escape(d)}</th>' for d in datasets)
    return (
        f'<table class="claims"><thead><tr><th scope="col">claim</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _scale(limits: pd.DataFrame) -> float:
    """Effect at the ends of a drawing; one wide interval does not flatten the others."""
    return 3 * float(limits.abs().max(axis=1).median()) or 1.0


def _cell(claim: pd.Series, scale: float) -> str:
    mark, colour = MARKS.get(claim["verdict"], ("–", "var(--open, #5f5f5f)"))
    unit, digits = (" K", 3) if claim["unit"] == "K" else ("", 2)
    effect, low, high = (signed(claim[k], digits) + unit for k in ("effect", "low", "high"))
    ours, theirs = (f"{claim[k]:.{digits}f}{unit}" for k in ("ours", "theirs"))
    more, less = ("higher", "lower") if claim["unit"] == "K" else ("more", "less")
    size = f"{abs(claim['effect']):.{digits}f}{unit} {more if claim['effect'] > 0 else less}"
    interval = f"<br>95 %: {low} to {high}" if claim["low"] < claim["high"] else ""
    return (
        f'<td><details><summary style="color: {colour}"><b>{mark} {claim["verdict"]}</b>'
        f"{_drawn(claim, scale)} <small>{size}</small></summary>"
        f"{effect}{interval}<br>{ours} against {theirs}</details></td>"
    )


def _drawn(claim: pd.Series, scale: float) -> str:
    """Draw effect and interval, right for the claim: to the left in errors, to the right else."""
    side, middle = (-1 if claim["unit"] == "K" else 1), WIDE / 2

    def x(value: float) -> float:
        return round(min(max(middle * (1 + side * value / scale), 4), WIDE - 4), 1)

    ends = sorted(x(claim[k]) for k in ("low", "high"))
    heads = "".join(
        f'<path d="M{end} 6l{5 * way} 4l{-5 * way} 4z"/>'
        for end, way, edge in zip(ends, (-1, 1), (4, WIDE - 4), strict=True)
        if end == edge
    )
    return (
        f'<svg viewBox="0 0 {WIDE} 20" width="{WIDE}" height="20" aria-hidden="true" '
        f'fill="currentColor" stroke="currentColor"><path d="M{middle} 0v20" opacity=".5"/>'
        f'<path d="M{ends[0]} 10H{ends[1]}" stroke-width="2"/>{heads}'
        f'<circle cx="{min(max(x(claim["effect"]), 12), WIDE - 12)}" cy="10" r="4"/></svg>'
    )
