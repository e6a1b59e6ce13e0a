"""Notebooks executed by papermill, as a user would: real training, and clear errors."""

from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
import xarray as xr

from lsntp.zoo import LABELS

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
STUDIES = (
    "05_ablation",
    "06_q1_distance",
    "07_q2_kernel",
    "08_q3_baseline_kernels",
    "09_q4_learned_graph",
    "10_q5_forecasts",
    "11_q6_error_maps",
    "12_paper_and_code",
    "14_recipe",
    "15_tuned",
)


def execute(
    tmp_path: Path, name: str = "04_main_table", **parameters: object
) -> nbformat.NotebookNode:
    return papermill.execute_notebook(
        NOTEBOOKS / f"{name}.ipynb",
        tmp_path / "out.ipynb",
        parameters,
        cwd=tmp_path,
        progress_bar=False,
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


@pytest.fixture
def own_field(tmp_path: Path) -> str:
    """Another data set than the book's, no data and no network at hand."""
    from lsntp.data.synthetic import synthetic

    field = synthetic(height=10, width=12, steps=340, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    field.to_netcdf(tmp_path / "own.nc")
    return "own.nc"


def assert_it_went_well(notebook: nbformat.NotebookNode, folder: Path) -> None:
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    assert not any(o.output_type == "error" or o.get("name") == "stderr" for o in outputs)
    texts = [str(o.get("data", {})) for o in outputs]
    assert any("written for" in text and "own.nc" in text for text in texts)
    assert not any(str(folder) in text for text in texts)  # names of files, not their paths


def test_the_main_table_trains_on_a_field_of_ones_own(tmp_path: Path, own_field: str) -> None:
    own = str(tmp_path / own_field)
    notebook = execute(tmp_path, dataset=own, preset="smoke", seeds=1, rerun=True)
    assert_it_went_well(notebook, tmp_path)
    assert all(label in str(notebook.cells) for label in LABELS.values())


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_trains_on_a_field_of_ones_own(tmp_path: Path, own_field: str, name: str) -> None:
    assert_it_went_well(
        execute(tmp_path, name, dataset=own_field, preset="smoke", seeds=1, rerun=True), tmp_path
    )


def test_the_test_weeks_of_ones_own_field_take_a_subset_of_models(
    tmp_path: Path, own_field: str
) -> None:
    chosen = {"dataset": own_field, "models": ["ridge", "lsntp-equations"]}
    notebook = execute(tmp_path, "16_test_weeks", **chosen, preset="smoke", seeds=1, rerun=True)
    assert_it_went_well(notebook, tmp_path)
    outputs = str([c.get("outputs") for c in notebook.cells])
    shown = {name for name in LABELS if LABELS[name] in outputs}
    assert shown == {"ridge", "lsntp-equations"}


@pytest.fixture
def masked_field(tmp_path: Path) -> str:
    """A sea with land in it, where there are no values."""
    from lsntp.data.synthetic import synthetic

    field = synthetic(height=14, width=16, steps=340, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    shore = 5 + 2 * (np.arange(14) % 3)[:, None]
    field.where(xr.DataArray(np.arange(16) >= shore, dims=("lat", "lon"))).to_netcdf(
        tmp_path / "own.nc"
    )
    return "own.nc"


@pytest.mark.parametrize("name", ["09_q4_learned_graph", "10_q5_forecasts", "11_q6_error_maps"])
def test_a_study_of_a_masked_field(tmp_path: Path, masked_field: str, name: str) -> None:
    chosen = {"dataset": masked_field, "preset": "smoke", "seeds": 1, "rerun": True}
    notebook = execute(tmp_path, name, **chosen)
    assert_it_went_well(notebook, tmp_path)
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    assert not any("nan" in str(o.get("data", {}).get("text/plain")) for o in outputs)


def test_the_observations_of_a_masked_field(tmp_path: Path, masked_field: str) -> None:
    assert_it_went_well(execute(tmp_path, "02_observations", dataset=masked_field), tmp_path)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("04_main_table", {"models": "ridge", "recipes": "modern"}),
        ("09_q4_learned_graph", {"models": "lsntp-equations"}),
        ("10_q5_forecasts", {"models": "convlstm"}),
        ("11_q6_error_maps", {"models": "ridge"}),
        ("16_test_weeks", {"models": "ridge"}),
        ("16_test_weeks", {"models": "convlstm"}),
    ],
)
def test_one_model_is_given_by_its_name(
    tmp_path: Path, own_field: str, name: str, parameters: dict[str, str]
) -> None:
    chosen = {"dataset": own_field, "preset": "smoke", "seeds": 1, "rerun": True}
    assert_it_went_well(execute(tmp_path, name, **chosen, **parameters), tmp_path)
