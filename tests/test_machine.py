"""The machine as the library sees it, and the library where modules of Unix are missing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
import xarray as xr
from torch.optim.swa_utils import AveragedModel

import lsntp
from lsntp.data.synthetic import synthetic
from lsntp.runs import machine, training

UNIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios")
WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({UNIX_ONLY}))\n"
HELP = """
import typer
from lsntp.cli import app

def show(command, *names):
    root.main([*names, "--help"], "lsntp", standalone_mode=False)
    for name, inner in getattr(command, "commands", {}).items():
        show(inner, *names, name)

root = typer.main.get_command(app)
show(root)
"""


def as_on_windows(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Run code without the modules that Windows lacks, writing what its pipes can take."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(machine.__file__).parents[2]),
        "PYTHONIOENCODING": "cp1252",
    }
    command = [sys.executable, "-c", WITHOUT + code]
    return subprocess.run(
        command, capture_output=True, encoding="cp1252", cwd=folder, env=environment
    )


@pytest.mark.parametrize(
    "code",
    [
        "import lsntp; lsntp.open_dataset('synthetic'); lsntp.load_records()",
        HELP,
        "from lsntp.cli import app; app(['data', 'list'])",
        "from lsntp.cli import app; app(['run', 'synthetic', 'persistence'])",
    ],
)
def test_nothing_needs_what_windows_lacks(code, tmp_path, monkeypatch):
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    done = as_on_windows(code, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no file may have this name there")
@pytest.mark.parametrize("name", [r"C:\data\own.nc", r"C:\data\own.nc:t2m"])
def test_the_colon_of_a_drive_sets_no_variable_apart(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = synthetic()["t2m"]
    expected.to_netcdf(r"C:\data\own.nc", engine="scipy")
    xr.testing.assert_equal(lsntp.open_dataset(name), expected)


@pytest.mark.skipif(sys.platform == "darwin", reason="does not tell which files are mapped")
def test_a_checkpoint_that_was_read_is_let_go(tmp_path):
    """Windows replaces no file that is mapped into memory, and every epoch replaces this one."""
    path, model = tmp_path / "own.safetensors", torch.nn.Linear(300, 300)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(300)).sum().backward()
    optimizer.step()
    running = AveragedModel(model)
    state = model, running, optimizer
    training.save_checkpoint(path, *state, training.copy_of(model), training.History(), "")
    _, best = training.load_checkpoint(path, *state, "")
    assert best.keys() == model.state_dict().keys()
    assert str(path) not in [file.path for file in psutil.Process().memory_maps()]


def test_the_processor_is_named_on_one_line():
    assert machine.processor().strip()
    assert "\n" not in machine.processor()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of the processor")
def test_without_what_linux_says_of_it_the_processor_is_named_as_python_does(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "")
    assert machine.processor() == (platform.processor() or platform.machine())


def test_arithmetic_is_what_pytorch_was_told_to_use():
    assert machine.arithmetic() == torch.backends.cpu.get_cpu_capability()
    narrow = "from lsntp.runs.machine import arithmetic; print(arithmetic())"
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run(
        [sys.executable, "-c", narrow], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() in ("DEFAULT", "NO AVX")


def test_the_peak_is_at_least_what_is_held_and_grows_with_it():
    before = machine.peak_memory_mib()
    held = bytearray(64 * machine.MIB)  # zeros are not resident until written
    held[::4096] = b"1" * len(held[::4096])
    now = psutil.Process().memory_info().rss / machine.MIB
    assert machine.peak_memory_mib() >= max(before, now) - 1
    del held
    assert machine.peak_memory_mib() >= now - 1
