"""Stored notebook outputs against fresh ones: what may differ, and what may not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from lsntp.results import studies
from lsntp.runs import records
from tools import portable
from tools.compare import GLUE, TRAINED, compare_outputs, rounded

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# {glue:text}`key:format` or {glue:text}`path/notebook.ipynb::key:format`, of a number
SHOWN = re.compile(r"\{glue:text\}`(?:[^`]*?([^/`]+\.ipynb)::)?([^`]+):([^:`]*[defg])`")


def glue(value: float | int | str, name: str = "x") -> list:
    metadata = {"scrapbook": {"name": name}}
    return [new_output("display_data", {GLUE: repr(value)}, metadata=metadata)]


def shows(text: str, mime: str = "text/html") -> list:
    return [new_output("display_data", {mime: text})]


def prints(text: str, stream: str = "stdout") -> list:
    return [new_output("stream", name=stream, text=text)]


def passes(stored: list, fresh: list, *tags: str) -> bool:
    return not compare_outputs(stored, fresh, tags).faults


# ---- what is shown

RIDGE, NET = ("ridge", "1.669", "separable"), ("LS-NTP", "-0.041", "not separable")


def table(*rows: tuple[str, ...]) -> list:
    return shows("".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>\n" for row in rows))


@pytest.mark.parametrize(
    "rows",
    [
        (NET, RIDGE),
        (RIDGE,),
        (RIDGE, ("LS-NTP", "-0.041", "separable")),
        (RIDGE, ("LS-NTP", "-0.042", "not separable")),
        (RIDGE, ("LS-NTP", "0.041", "not separable")),
        (("ridge", "1.67", "separable"), NET),
        (("ridge", "1.6690", "separable"), NET),
    ],
    ids=["swapped rows", "lost row", "verdict", "last digit", "sign", "fewer digits", "more"],
)
def test_a_change_in_a_table_fails(rows: tuple) -> None:
    assert passes(table(RIDGE, NET), table(RIDGE, NET))
    assert not passes(table(RIDGE, NET), table(*rows))


def test_the_sign_of_zero_and_the_width_of_a_column_may_differ() -> None:
    assert passes(prints("a  -0.00 1.25"), prints("a 0.00 1.25"))


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        (prints("epoch 3"), prints("epoch 3") + prints("a warning", "stderr")),
        (prints("5988373 weights"), prints("5988374 weights")),
        (prints("2014-01-01"), prints("2014-01-02")),
        (shows("AAAA", "image/png"), []),
        (glue(1.5, "a"), glue(1.5, "b")),
        (glue("3.1e-06"), glue("3.2e-06")),
        (glue("12345.6 s"), glue("12345.8 s")),
    ],
    ids=[
        "stderr",
        "integer",
        "date",
        "lost figure",
        "name of a glued value",
        "glued text",
        "glued time",
    ],
)
def test_a_change_elsewhere_fails(stored: list, fresh: list) -> None:
    assert not passes(stored, fresh)


def test_a_network_trained_in_the_cell_has_two_units_of_its_last_digit() -> None:
    stored = prints("AUC 0.93 after 15 epochs")
    assert passes(stored, prints("AUC 0.91 after 15 epochs"), TRAINED)
    assert not passes(stored, prints("AUC 0.91 after 15 epochs"))
    assert not passes(stored, prints("AUC 0.90 after 15 epochs"), TRAINED)
    assert not passes(stored, prints("AUC 0.93 after 14 epochs"), TRAINED)


# ---- what is glued


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8973198244994799, "0.89732"),
        (-1234.5678901, "-1234.56789"),
        (1.49999e-6, "1e-06"),
        (3e-17, "0.0"),
    ],
)
def test_a_glued_float_keeps_six_decimals(value: float, text: str) -> None:
    assert rounded(repr(value)) == text


@pytest.mark.parametrize("text", ["5988373", "'0.123456789 K'", "True"])
def test_other_glued_values_are_kept_as_they_are(text: str) -> None:
    assert rounded(text) == text


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_asks_to_be_left_out(notebook: Path) -> None:
    for cell in nbformat.read(notebook, as_version=4).cells:
        assert "nbval" not in f"{cell.metadata} {cell.source}".lower()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_noise_in_a_glued_number_passes_and_one_shown_digit_fails(notebook: Path) -> None:
    """For every number that a page shows."""
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [o for c in cells for o in c.get("outputs", []) if GLUE in o.get("data", {})]
    stored = {o.metadata["scrapbook"]["name"]: o.data[GLUE] for o in outputs}
    pages = [*NOTEBOOKS, *(ROOT / "book").glob("*.md")]
    for page in pages:
        text = page.with_suffix(".py" if page.suffix == ".ipynb" else ".md").read_text()
        for source, key, spec in SHOWN.findall(text):
            if (source or page.name) != notebook.name:
                continue
            value = float(stored[key]) if spec[-1] != "d" else int(stored[key])
            shown = Decimal(format(value, spec).replace(",", ""))
            digit = float(Decimal(10) ** shown.as_tuple().exponent)
            changed = value + digit if spec[-1] != "d" else value + 1
            assert passes(glue(value), glue(value * (1 + 1e-7) if spec[-1] != "d" else value))
            assert not passes(glue(value), glue(changed)), f"{page.name}: {key} {value} {spec}"


# ---- through nbval


def nbval(*arguments: object, **environment: object) -> str:
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--color=no"]
    done = subprocess.run(
        [*command, "-p", "no:xdist", "-q", "-rA", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def outcomes(report: str) -> dict[int, str]:
    return {int(n): how for how, n in re.findall(r"^(PASSED|FAILED) .*Cell (\d+)", report, re.M)}


def test_nbval_fails_a_cell_that_shows_another_number_or_was_never_run(tmp_path: Path) -> None:
    cells = [
        new_code_cell("print(0.125)", execution_count=1, outputs=prints("0.125\n")),
        new_code_cell("print(0.125)", execution_count=2, outputs=prints("0.126\n")),
        new_code_cell("print(0.125)", execution_count=None),
        new_code_cell(
            f"display({{{GLUE!r}: '0.1234564999'}}, raw=True, "
            "metadata={'scrapbook': {'name': 'x'}})",
            execution_count=4,
            outputs=glue(0.123457),
        ),
    ]
    nbformat.write(new_notebook(cells=cells), tmp_path / "some.ipynb")
    report = nbval("-p", "tools.compare", tmp_path / "some.ipynb")
    assert outcomes(report) == {0: "PASSED", 1: "FAILED", 2: "FAILED", 3: "PASSED"}, report
    found = re.search(
        r"(\d+) notebook cells compared; text of (\d+) differs; .* (\S+)$", report, re.M
    )
    assert found, report
    assert found.groups()[:2] == ("3", "2")
    assert float(found[3]) == pytest.approx(1e-6 / 0.126 * 1e3, rel=0.1)


def test_one_percent_in_a_score_of_one_record_fails(tmp_path: Path) -> None:
    for path in records.store_dir().glob("*.nc"):
        (tmp_path / path.name).symlink_to(path)
    config = studies.kernel("ncep-na", "laptop", 3)["5@5"][1]
    record = records.find(config).copy(deep=True)
    record["mae"] *= 1.01
    path = tmp_path / records.path_of(config).name
    path.unlink()
    records.write(record, path)
    report = nbval("notebooks/07_q2_kernel.ipynb", LSNTP_RECORDS_DIR=tmp_path)
    failed = {cell for cell, how in outcomes(report).items() if how == "FAILED"}
    assert {2, 4} <= failed, report  # the claim, and the table


# ---- under other arithmetic


def test_an_unknown_setting_is_told() -> None:
    with pytest.raises(SystemExit, match="nonsense.*narrow"):
        portable.main(["nonsense"])
