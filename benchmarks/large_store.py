"""A Zarr store far larger than memory, evaluated over a small region: time and peak memory.

    python -m benchmarks.large_store FOLDER

A globe at 0.25° with 4,900 hourly steps, 20 GB; chunks outside the region are empty and take no
room. Each command runs in a process of its own, as a user would type it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr

STEPS, CHUNK = 4900, (49, 90, 90)
REGION = "60,10,50.25,19.75"  # 40 x 40 cells, in one column of chunks


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


def timed(*words: str) -> None:
    """Run a command; print its time and the peak memory of the largest so far."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "lsntp", *words], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{words[0]}: {time.perf_counter() - started:.0f} s, peak {peak:.2f} GiB")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    store, model = folder / "globe.zarr", folder / "model"
    if not store.exists():
        make(store)
    print(f"{STEPS * 721 * 1440 * 4 / 1e9:.1f} GB, of {pd.Timedelta(hours=STEPS).days} days")
    timed("train", str(store), "--model", "climatology", "--to", str(model), "--region", REGION)
    timed("evaluate", str(model), str(store))
    timed("forecast", str(model), str(store), "--to", str(folder / "forecast.nc"))
