"""Notebooks with parameters, by papermill: real training on a field of one's own, clear errors.

The main table goes as for a user, through a kernel, which the others need not start: they run in
this process. All take the runs they share from one store: each is trained once.
"""

import re
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
import nbformat
import numpy as np
import papermill
import pytest
import xarray as xr
from filelock import FileLock
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib import pyplot as plt
from nbformat.v4 import new_output
from traitlets.config import Config

from lsntp.data.synthetic import synthetic
from lsntp.results import planted
from lsntp.zoo import LABELS, MAIN

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
    "18_size_and_epochs",
)


class InThisProcess(papermill.engines.Engine):
    """Executes cells as a kernel does, draws what it would, and keeps what they show."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **options) -> None:
        no_history = Config(HistoryManager={"enabled": False})
        shell = InteractiveShell.instance(config=no_history, user_module=ModuleType("notebook"))
        try:
            for cell in nb_man.nb.cells:
                if cell.cell_type != "code":
                    continue
                with mpl.rc_context(), capture_output() as shown:
                    result = shell.run_cell(cell.source)
                    for number in plt.get_fignums():
                        plt.figure(number).canvas.draw()
                    plt.close("all")
                cell.execution_count = result.execution_count
                cell.outputs = [
                    new_output("stream", name=name, text=text)
                    for name, text in (("stdout", shown.stdout), ("stderr", shown.stderr))
                    if text
                ] + [new_output("display_data", data=o.data) for o in shown.outputs]
                if error := result.error_before_exec or result.error_in_exec:
                    said = {"ename": type(error).__name__, "evalue": str(error), "traceback": []}
                    cell.outputs.append(new_output("error", **said))
                    break
        finally:
            InteractiveShell.clear_instance()


papermill.engines.papermill_engines.register("in-this-process", InThisProcess)


def execute(
    folder: Path, name: str = "04_main_table", engine: str | None = None, **parameters: object
) -> nbformat.NotebookNode:
    return papermill.execute_notebook(
        NOTEBOOKS / f"{name}.ipynb",
        None,
        parameters,
        engine_name=engine,
        cwd=folder,
        progress_bar=False,
    )


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("04_main_table", {"dataset": "era5-uq"}, "did you mean 'era5-uk'"),
        ("04_main_table", {"preset": "huge"}, "expected one of smoke, laptop, tuned"),
        ("04_main_table", {"seeds": 99}, "no record of .* pass rerun=True"),
        ("05_ablation", {"seeds": 0}, "seeds=0"),
        ("13_speed_and_scale", {"rerun": "no"}, "rerun='no'"),
    ],
)
def test_unknown_values_are_told_before_anything_is_computed(
    tmp_path: Path, name: str, parameters: dict, message: str
) -> None:
    with pytest.raises(papermill.PapermillExecutionError) as told:
        execute(tmp_path, name, "in-this-process", **parameters)
    assert re.search(message, told.value.evalue)
    assert told.value.exec_count <= 3  # parameters, those injected, and the check


@pytest.fixture
def own_field(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Folder with ``own.nc``, another data set than the book's, and the runs made of it so far.

    It is one for all processes of a test run; no data and no network are at hand.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = (folder if worker_id == "master" else folder.parent) / "own"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / ".lock"):
        if not (folder / "own.nc").exists():
            field = synthetic(height=10, width=12, steps=300, links=1, seed=1).t2m
            field.attrs = {"units": "K"}
            field.to_netcdf(folder / "own.nc")
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(folder / "cache"))
    monkeypatch.delenv("LSNTP_RECORDS_DIR", raising=False)
    monkeypatch.chdir(folder)
    return folder


def assert_it_went_well(notebook: nbformat.NotebookNode, folder: Path) -> None:
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    assert not any(o.output_type == "error" or o.get("name") == "stderr" for o in outputs)
    texts = [str(o.get("data", {})) for o in outputs]
    assert any("written for" in text and "own.nc" in text for text in texts)
    assert not any(str(folder) in text for text in texts)  # names of files, not their paths


def own(folder: Path) -> dict[str, object]:
    return {"dataset": str(folder / "own.nc"), "preset": "smoke", "seeds": 1, "rerun": True}


def test_the_main_table_trains_on_a_field_of_ones_own(own_field: Path) -> None:
    notebook = execute(own_field, **own(own_field))
    assert_it_went_well(notebook, own_field)
    assert all(LABELS[model] in str(notebook.cells) for model in MAIN)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_trains_on_a_field_of_ones_own(own_field: Path, name: str) -> None:
    few = {"members": 2} if name == "15_tuned" else {}
    chosen = own(own_field) | few
    assert_it_went_well(execute(own_field, name, "in-this-process", **chosen), own_field)


@pytest.mark.parametrize(
    "chosen", ["ncep-na-planted-0-lag1", planted.IN_FULL, "ncep-na-planted-100-lag4"]
)
def test_the_power_of_one_planted_set(tmp_path: Path, chosen: str) -> None:
    notebook = execute(tmp_path, "17_power", "in-this-process", dataset=chosen)
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    assert not any(o.output_type == "error" for o in outputs)
    assert any(f"below are of {chosen}" in str(o.get("data", {})) for o in outputs)


def test_the_test_weeks_of_ones_own_field_take_a_subset_of_models(own_field: Path) -> None:
    chosen = own(own_field) | {"models": ["ridge", "lsntp-equations"]}
    notebook = execute(own_field, "16_test_weeks", "in-this-process", **chosen)
    assert_it_went_well(notebook, own_field)
    outputs = str([c.get("outputs") for c in notebook.cells])
    shown = {name for name in LABELS if LABELS[name] in outputs}
    assert shown == {"persistence", "ridge", "lsntp-equations"}


@pytest.fixture
def masked_field(own_field: Path) -> Path:
    """Folder with ``own.nc``, a sea with land in it, where there are no values."""
    folder = own_field / "masked"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / ".lock"):
        if not (folder / "own.nc").exists():
            field = synthetic(height=14, width=16, steps=340, links=1, seed=1).t2m
            field.attrs = {"units": "K"}
            sea = np.arange(16) >= 5 + 2 * (np.arange(14) % 3)[:, None]
            field.where(xr.DataArray(sea, dims=("lat", "lon"))).to_netcdf(folder / "own.nc")
    return folder


@pytest.mark.parametrize("name", ["09_q4_learned_graph", "10_q5_forecasts", "11_q6_error_maps"])
def test_a_study_of_a_masked_field(masked_field: Path, name: str) -> None:
    notebook = execute(masked_field, name, "in-this-process", **own(masked_field))
    assert_it_went_well(notebook, masked_field)
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    assert not any("nan" in str(o.get("data", {}).get("text/plain")) for o in outputs)


def test_the_observations_of_a_masked_field(masked_field: Path) -> None:
    chosen = {"dataset": str(masked_field / "own.nc")}
    notebook = execute(masked_field, "02_observations", "in-this-process", **chosen)
    assert_it_went_well(notebook, masked_field)


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
    own_field: Path, name: str, parameters: dict[str, str]
) -> None:
    chosen = own(own_field) | parameters
    assert_it_went_well(execute(own_field, name, "in-this-process", **chosen), own_field)
