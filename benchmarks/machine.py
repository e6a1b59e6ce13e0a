"""The machine a measurement is made on, its matrix-product peak, and how time and memory are taken.

Times are wall times in s. Memory is that of a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch

from lsntp.model.product import LIBRARIES, by_torch
from lsntp.runs.machine import MIB, arithmetic, peak_memory_mib, processor

T = TypeVar("T")
PRECISIONS = ("float32", "tf32", "bf16")
CLEAR_REFS = Path("/proc/self/clear_refs")


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises
    ------
    ValueError
        If it is neither ``cpu`` nor ``cuda``, or no CUDA device is at hand.
    """
    if device not in ("cpu", "cuda"):
        raise ValueError(f'device="{device}": expected cpu or cuda')
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError('device="cuda": PyTorch finds no CUDA device here; use cpu')


def describe(device: str, threads: int) -> dict[str, Any]:
    """Return the machine in words: processor, cores, memory (GiB), system; and the threads used."""
    words: dict[str, Any] = {
        "processor": processor(),
        "vector_units": arithmetic(),
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device == "cuda":
        words["gpu"] = torch.cuda.get_device_name()
        words["gpu_memory_gib"] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
    return words


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch use so many threads on the CPU for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# ---- time


def synchronise(device: str) -> None:
    """Wait until the device has done all it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def alternate(
    calls: Mapping[str, Callable[[], object]], budget_s: float, device: str = "cpu"
) -> dict[str, list[float]]:
    """Time several calls in turn, so that what else the machine does falls on all alike.

    Every call is made once to warm up. Then come rounds of one call each until the budget is spent,
    but at least 5 rounds, or 2 where a call takes 5 s or more.

    Parameters
    ----------
    calls : mapping of name -> function without arguments
    budget_s : float
        Time for all of it, s.

    Returns
    -------
    dict of name -> times, s, one a round.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    started, rounds, least = time.perf_counter(), 0, 1
    while rounds < least or time.perf_counter() - started < budget_s:
        for name, call in calls.items():
            seconds[name].append(stopwatch(call, device))
        rounds += 1
        least = 5 if max(times[0] for times in seconds.values()) < 5 else 2
    return seconds


def stopwatch(call: Callable[[], object], device: str = "cpu") -> float:
    """Return the wall time of one call, s."""
    synchronise(device)
    started = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - started


# ---- memory


def in_fresh_process(function: Callable[..., T], *arguments: Any) -> T:
    """Call a module's function in a new process, which inherits nothing and ends afterwards."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def peak_above(call: Callable[[], object], device: str = "cpu") -> float:
    """Return the most memory a call held at any time above what was held before it, MiB.

    On a GPU: ``torch.cuda.max_memory_allocated``. On the CPU: the process's high-water mark of
    resident memory after the call, minus its resident memory before. Only the first call in a fresh
    process says something: memory that the allocator kept is not counted again.
    """
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    with contextlib.suppress(OSError):
        CLEAR_REFS.write_bytes(b"5")  # on Linux the mark falls to what is resident now
    resident = psutil.Process().memory_info().rss / MIB
    call()
    return peak_memory_mib() - resident


def return_freed_memory() -> None:
    """Let this process give every array it frees back to the system at once (glibc only).

    So that memory is what is held, not what the allocator keeps for later, which is slower.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        threshold = -3  # M_MMAP_THRESHOLD of malloc.h
        ctypes.CDLL(None).mallopt(threshold, 64 * 1024)


# ---- the peak


@contextlib.contextmanager
def precision(name: str, device: str) -> Iterator[None]:
    """Compute float32 products as such, in TF32, or under bfloat16 autocast.

    Weights stay float32 in all three. TF32 exists on GPUs only; elsewhere it changes nothing.
    """
    if name not in PRECISIONS:
        raise ValueError(f'precision "{name}": expected one of {", ".join(PRECISIONS)}')
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    convolutions, allowed = torch.backends.cudnn, torch.backends.cudnn.allow_tf32
    convolutions.allow_tf32 = name == "tf32"
    try:
        with torch.autocast(device, torch.bfloat16, enabled=name == "bf16"):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
        convolutions.allow_tf32 = allowed


def peak(device: str = "cpu", sizes: tuple[int, ...] = (1024, 2048, 4096)) -> dict[str, float]:
    """Measure the fastest square matrix product of each library, in Gflop/s.

    Parameters
    ----------
    sizes : tuple of int
        Rows n of the n×n matrices tried; a product counts 2 n³ operations.

    Returns
    -------
    dict
        Best of all sizes and repetitions by library, float32; on a GPU also ``"torch.mm tf32"`` and
        ``"torch.mm bf16"``.
    """
    libraries = LIBRARIES if device == "cpu" else {"torch.mm": by_torch}
    runs = {(name, "float32"): product for name, product in libraries.items()}
    if device == "cuda":
        runs |= {("torch.mm", p): runs["torch.mm", "float32"] for p in PRECISIONS[1:]}
    best: dict[str, float] = {}
    for (name, kind), product in runs.items():
        label = name if kind == "float32" else f"{name} {kind}"
        for n in sizes:
            a, b = torch.randn(2, n, n, device=device)
            with torch.no_grad(), precision(kind, device):
                times = [stopwatch(partial(product, a, b), device) for _ in range(6)]
            best[label] = max(best.get(label, 0.0), 2 * n**3 / min(times) / 1e9)
    return best


def larger(a: Mapping[str, float], b: Mapping[str, float]) -> dict[str, float]:
    """Return the larger of two measurements of each peak, taken before and after a benchmark."""
    return {name: max(a[name], b[name]) for name in a}


def float32_peak(peaks: Mapping[str, float]) -> float:
    """Return the larger of the float32 peaks of the libraries, Gflop/s."""
    return max(value for name, value in peaks.items() if not name.endswith(PRECISIONS[1:]))
