"""The machine that runs this, on any system: its processor, its arithmetic, the memory in use."""

from __future__ import annotations

import contextlib
import platform
import subprocess
import sys
from pathlib import Path

import torch

MIB = 2**20


def processor() -> str:
    """Name the processor, with its family and model where the system tells them.

    A virtual machine may hide the name of the model, not its numbers.
    """
    with contextlib.suppress(OSError):  # Linux
        facts: dict[str, str] = {}
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
        if "model name" in facts:
            return (
                f"{facts['model name']} (family {facts.get('cpu family', '?')}, "
                f"model {facts.get('model', '?')})"
            )
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()  # Windows, by family and model


def arithmetic() -> str:
    """Name the vector units that PyTorch uses here: ``AVX512``, ``AVX2``, ``DEFAULT`` (none)."""
    return torch.backends.cpu.get_cpu_capability()


def peak_memory_mib() -> float:
    """Return the most memory that this process has held, MiB.

    On Linux that is ``VmHWM``: ``ru_maxrss`` may be that of the process which started this one.
    """
    if sys.platform == "win32":
        import psutil  # only here: elsewhere it is not needed

        return psutil.Process().memory_info().peak_wset / MIB
    if sys.platform == "darwin":
        import resource  # only here: Windows has none

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    mark = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(mark.split()[1]) / 1024
