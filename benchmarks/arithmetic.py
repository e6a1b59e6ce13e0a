"""What another machine changes: recorded runs made again under other arithmetic.

    python benchmarks/arithmetic.py [--jobs 2] [--to FOLDER] [KEY ...]

Each run is made again from nothing, in a process of its own with one thread, under every one of
`SETTINGS`. Without keys: one run of every model on both real data sets, and some variants.
Safe to kill: what is done is kept in the cache, and done again only for another commit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lsntp import campaign, machine, metrics, product, records, store
from lsntp.bench.store import new, save
from lsntp.config import RunConfig
from lsntp.experiment import commit, execute

SETTINGS = {
    "as it is": {},
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
}
"""Environment of the process, by name."""


def chosen() -> list[RunConfig]:
    """Return the runs made again without keys: seed 0, few minutes each."""
    models = ("ridge", "cnn-lstm", "convlstm", "agcrn", "dagg-convlstm", "lsntp-equations")
    models += ("lsntp-released", "lsntp-tuned")
    sets = ("era5-uk", "ncep-na")
    tuned = {"recipe": "tuned", "preset": "tuned"}
    settings: list[dict[str, Any]] = [
        {"dataset": d, "model": m} | (tuned if m == "lsntp-tuned" else {})
        for m in models
        for d in sets
    ]
    plain = {"nsa": False, "lagc": False}
    settings += [{"dataset": d, "model": "lsntp-tuned", "parts": plain} | tuned for d in sets]
    settings += [
        {"dataset": "era5-uk", "model": "convlstm", "recipe": "released"},
        {"dataset": "era5-uk", "model": "predrnn"},
        {"dataset": "era5-uk", "model": "simvp"},
        {"dataset": "era5-uk", "model": "sa-convlstm"},
    ]
    return [RunConfig(**s) for s in settings]


def remade(key: str) -> dict[str, Any]:
    """Make a recorded run again here and now: its scores by lead, and what computed them."""
    config = records.config_of(records.find_by_key(key))
    fresh = execute(config)
    return {
        "key": key,
        "seconds": [float(fresh.attrs["wall_s"])],
        "vector_units": machine.arithmetic(),
        "library": product.library(),
    } | {name: fresh[name].values.tolist() for name in metrics.SCORES}


def in_setting(key: str, setting: str, folder: Path) -> dict[str, Any]:
    """Make a run again in a process of its own under a setting, unless that is done already."""
    path = folder / f"{key}-{setting.replace(' ', '-')}.json"
    if not path.exists():
        done = subprocess.run(
            [sys.executable, __file__, "--one", key],
            env={**os.environ, **campaign.ENVIRONMENT, **SETTINGS[setting]},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{key}, {setting}: {done.stderr.strip()}")
        store.write_text(done.stdout.splitlines()[-1], path)
    return {"setting": setting} | json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Make the runs again, store what came out, and say where."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("keys", nargs="*", help="of records; by default one of every model")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--to", type=Path, help="folder for the record")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(remade(given.one)))
        return
    keys = given.keys or [config.key for config in chosen()]
    folder = records.cache_dir() / "arithmetic" / commit()
    started = time.perf_counter()
    with ThreadPoolExecutor(given.jobs) as pool:
        tasks = [pool.submit(in_setting, k, s, folder) for k in keys for s in SETTINGS]
        rows = []
        for task in tasks:
            rows.append(task.result())
            minutes = (time.perf_counter() - started) / 60
            print(f"{len(rows)}/{len(tasks)}, {minutes:.0f} min: {rows[-1]['key']}", flush=True)
    print(save(new("arithmetic", "cpu", 1, {}, {"settings": SETTINGS}, rows), given.to))


if __name__ == "__main__":
    main()
