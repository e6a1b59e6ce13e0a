"""Compare a notebook's stored outputs with fresh ones: words as text, numbers as numbers.

A plugin of pytest on top of nbval (loaded by ``conftest.py``). What a reader sees must be equal:
every word, and every number with all digits shown. Two things may differ, so that another
processor, which adds up in another order, gets the same answer:

- a number stored by ``glue`` is kept to six decimals, of which pages show fewer; it may differ by
  `ABSOLUTE` or, if that is more, by `RELATIVE` of itself;
- in a cell tagged `TRAINED`, which trains a network then and there, a number with decimals may
  differ by `STEPS` units of its last digit shown.

Of a figure, it is compared that it is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from itertools import zip_longest
from typing import NamedTuple

import pytest
from nbval.plugin import IPyNbCell

GLUE = "application/papermill.record/text/plain"
ABSOLUTE = Decimal("1e-5")
RELATIVE = Decimal("2e-5")
TRAINED = "trained-here"
STEPS = 2
NUMBER = re.compile(r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
FLOAT = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?|-?\d+e[-+]?\d+")


class Comparison(NamedTuple):
    """How two texts, or the outputs of a cell, compare."""

    faults: list[str]
    same_text: bool
    largest: float  # relative difference of two numbers


def rounded(text: str) -> str:
    """Round the text of a glued float to six decimals; leave any other text as it is."""
    return repr(round(float(text), 6)) if FLOAT.fullmatch(text) else text


def allowed(stored: Decimal, *, glued: bool, trained: bool) -> Decimal:
    """Give the difference that is allowed from a stored number: none if it is an integer."""
    exponent = stored.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= 0:
        return Decimal(0)
    return max(
        STEPS * Decimal(10) ** exponent if trained else Decimal(0),
        max(ABSOLUTE, RELATIVE * abs(stored)) if glued else Decimal(0),
    )


def compare(stored: str, fresh: str, *, glued: bool = False, trained: bool = False) -> Comparison:
    """Compare two texts."""
    ours, theirs = NUMBER.split(stored), NUMBER.split(fresh)
    words = [" ".join(word.split()) for word in ours[::2]]
    if words != [" ".join(word.split()) for word in theirs[::2]]:
        return Comparison([f"words differ:\n{stored}\n---- now:\n{fresh}"], False, 0.0)
    faults, largest = [], Decimal(0)
    for a, b in zip(map(Decimal, ours[1::2]), map(Decimal, theirs[1::2]), strict=True):
        if a != b:
            largest = max(largest, abs(a - b) / max(abs(a), abs(b)))
        if not glued and not trained and a and a.as_tuple() != b.as_tuple():
            faults.append(f"{b} for {a} in\n{stored}\n---- now:\n{fresh}")
        elif abs(a - b) > (room := allowed(a, glued=glued, trained=trained)):
            faults.append(f"{b} for {a}, allowed: ± {room} in\n{stored}\n---- now:\n{fresh}")
    return Comparison(faults, stored == fresh, float(largest))


def texts(outputs: Iterable) -> list[tuple[str, str]]:
    """List the outputs of a cell by kind: a stream, a MIME type, the name of a glued value."""
    found = []
    for output in outputs:
        if output["output_type"] == "stream":
            found.append((output["name"], output["text"]))
        for kind, text in output.get("data", {}).items():
            if kind == GLUE:
                name = output["metadata"]["scrapbook"]["name"]
                found.append((f"{GLUE} {name}", rounded(text)))
            else:
                found.append((kind, "" if kind.startswith("image/") else str(text)))
    return sorted(found, key=lambda item: item[0])


def compare_outputs(stored: Iterable, fresh: Iterable, tags: Iterable[str] = ()) -> Comparison:
    """Compare the outputs of a cell."""
    faults, same, largest = [], True, 0.0
    for a, b in zip_longest(texts(stored), texts(fresh), fillvalue=("nothing", "")):
        if a[0] != b[0]:
            return Comparison([f"stored is {a[0]}: {a[1]}\nnow {b[0]}: {b[1]}"], False, largest)
        glued = a[0].startswith(GLUE) and FLOAT.fullmatch(a[1]) is not None  # a number, not a text
        one = compare(a[1], b[1], glued=glued, trained=TRAINED in tags)
        faults += [f"{a[0]}: {fault}" for fault in one.faults]
        same, largest = same and one.same_text, max(largest, one.largest)
    return Comparison(faults, same, largest)


# ---- pytest


def pytest_runtest_call(item: pytest.Item) -> None:
    """Let this module compare, not nbval; nbval passes a cell that was never run."""
    if isinstance(item, IPyNbCell):
        item.compare_outputs = partial(_compare_cell, item)
        if item.cell.execution_count is None and item.cell.source.strip():
            pytest.fail("this cell was never run: run make notebooks", pytrace=False)


def _compare_cell(item: IPyNbCell, fresh: Iterable, stored: Iterable) -> bool:
    result = compare_outputs(stored, fresh, item.cell.metadata.get("tags", ()))
    item.user_properties.append(("cell", (result.same_text, result.largest)))
    item.comparison_traceback = result.faults
    return not result.faults


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cells were compared, and how far their numbers differ."""
    reports = [r for group in terminalreporter.stats.values() for r in group]
    cells = [
        value
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == "cell"
    ]
    if cells:
        differ, largest = sum(not same for same, _ in cells), max(value for _, value in cells)
        terminalreporter.write_line(
            f"{len(cells)} notebook cells compared; text of {differ} differs; "
            f"largest relative difference of a number {largest:.1e}"
        )
