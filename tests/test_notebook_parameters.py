"""Notebooks executed by papermill, as a user would: real training, and clear errors."""

from pathlib import Path

import nbformat
import papermill
import pytest

MAIN_TABLE = Path(__file__).parent.parent / "notebooks" / "04_main_table.ipynb"


def execute(tmp_path: Path, **parameters: object) -> nbformat.NotebookNode:
    return papermill.execute_notebook(
        MAIN_TABLE, tmp_path / "out.ipynb", parameters, cwd=tmp_path, progress_bar=False
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dataset": "era5-uq"}, "did you mean 'era5-uk'"),
        ({"preset": "huge"}, "expected one of smoke, laptop, tuned"),
        ({"seeds": 99}, "no record of .* pass rerun=True"),
    ],
)
def test_unknown_values_are_told(tmp_path: Path, parameters: dict, message: str) -> None:
    with pytest.raises(papermill.PapermillExecutionError, match=f"(?s){message}"):
        execute(tmp_path, **parameters)


def test_rerun_trains_on_a_field_of_ones_own(tmp_path: Path) -> None:
    """Another data set than the book's, no data and no network at hand."""
    from lsntp.synthetic import synthetic

    field = synthetic(height=10, width=12, steps=500, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    field.to_netcdf(tmp_path / "own.nc")
    notebook = execute(tmp_path, dataset="own.nc", preset="smoke", seeds=1, rerun=True)
    text = str(notebook.cells)
    assert "LS-NTP (equations)" in text and "own.nc" in text
    assert not any(o.output_type == "error" for c in notebook.cells for o in c.get("outputs", []))
