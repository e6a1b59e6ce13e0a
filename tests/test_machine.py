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

from lsntp import machine

UNIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios")
WITHOUT = f"import sys; sys.modules.update(dict.fromkeys({UNIX_ONLY}))\n"


def without_unix(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Run code in a process that lacks the modules that Windows lacks."""
    environment = {**os.environ, "PYTHONPATH": str(Path(machine.__file__).parents[1])}
    command = [sys.executable, "-W", "error", "-c", WITHOUT + code]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


@pytest.mark.parametrize(
    "code",
    [
        "import lsntp; lsntp.open_dataset('synthetic')",
        "import lsntp; lsntp.load_records()",
        "from lsntp.cli import app; app(['--help'])",
        "from lsntp.cli import app; app(['run', '--help'])",
        "from lsntp.cli import app; app(['data', 'list'])",
        "from lsntp.cli import app; app(['run', 'synthetic', 'persistence'])",
    ],
)
def test_nothing_needs_a_module_that_windows_lacks(code, tmp_path, monkeypatch):
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    done = without_unix(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_processor_has_a_name_that_does_not_change():
    assert machine.processor() == machine.processor()
    assert machine.processor().strip()
    assert "\n" not in machine.processor()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of the processor")
def test_without_what_linux_says_of_it_the_processor_is_named_as_python_does(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "")
    assert machine.processor() == (platform.processor() or platform.machine())


def test_arithmetic_is_what_pytorch_was_told_to_use(tmp_path):
    assert machine.arithmetic() == torch.backends.cpu.get_cpu_capability()
    narrow = "from lsntp.machine import arithmetic; print(arithmetic())"
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
