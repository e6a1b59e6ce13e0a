"""A Zarr store far larger than memory, evaluated over a small region: time and peak memory.

    python -m benchmarks.large_store FOLDER

A globe at 0.25° with 4,900 hourly steps, 20 GB; chunks outside the region are empty and take no
room. Each command runs in a process of its own, as a user would type it, and tells its own peak.
The folder can be removed afterwards; the record stays.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from benchmarks import store as bench

STEPS, CHUNK = 4900, (49, 90, 90)
REGION = "60,10,50.25,19.75"  # 40 x 40 cells, in one column of chunks
COMMAND = """
import atexit, sys, time
from lsntp.cli import app
from lsntp.runs.machine import peak_memory_mib
atexit.register(lambda: print(peak_memory_mib(), time.process_time()))
app(sys.argv[1:])
"""


def make(path: Path) -> None:
    """Write the store."""
    lat, lon = np.linspace(90, -90, 721), np.arange(1440) * 0.25
    root = zarr.open_group(path, mode="w", zarr_format=2)
    t2m = root.create_array(
        "t2m",
        shape=(STEPS, 721, 1440),
        chunks=CHUNK,
        dtype="f4",
        fill_value=np.nan,
        attributes={"units": "K", "_ARRAY_DIMENSIONS": ["time", "latitude", "longitude"]},
    )
    rows, columns = slice(90, 180), slice(0, 90)
    weather = np.random.default_rng(0).normal(0, 1, (STEPS, 90, 90)).astype("f4")
    for t in range(1, STEPS):
        weather[t] = 0.95 * weather[t - 1] + 0.3 * weather[t]
    t2m[:, rows, columns] = 280 + weather
    axes = {
        "time": (np.arange(STEPS), "hours since 2020-01-01"),
        "latitude": (lat, "degrees_north"),
        "longitude": (lon, "degrees_east"),
    }
    for name, (values, units) in axes.items():
        attributes: dict[str, Any] = {"units": units, "_ARRAY_DIMENSIONS": [name]}
        root.create_array(
            name, data=np.asarray(values, float), fill_value=np.nan, attributes=attributes
        )
    zarr.consolidate_metadata(path, zarr_format=2)


def timed(*words: str) -> dict[str, Any]:
    """Run a command; return its time, by the clock and of the processor, and its peak memory."""
    started = time.perf_counter()
    call = [sys.executable, "-c", COMMAND, *words]
    said = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = time.perf_counter() - started
    peak, worked = map(float, said.split()[-2:])
    print(f"{words[0]}: {seconds:.0f} s, {worked:.0f} s of the processor, peak {peak:.0f} MiB")
    return {
        "command": words[0],
        "seconds": [seconds],
        "processor_s": worked,
        "peak_memory_mib": peak,
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    store = folder / "globe.zarr"
    model = Path(tempfile.mkdtemp(dir=folder)) / "model"
    if not store.exists():
        make(store)
    to = ("--to", str(model), "--region", REGION)
    rows = [
        timed("train", str(store), "--model", "climatology", *to),
        timed("evaluate", str(model), str(store)),
        timed("forecast", str(model), str(store), "--to", str(model.with_name("forecast.nc"))),
    ]
    settings = {"gigabytes": STEPS * 721 * 1440 * 4 / 1e9, "steps": STEPS, "region": REGION}
    print(bench.save(bench.new("large-store", "cpu", 1, {}, settings, rows)))
