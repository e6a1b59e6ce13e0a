"""What another machine changes: recorded runs made again under other arithmetic.

    python -m benchmarks.arithmetic [--jobs 2] [--to FOLDER] [KEY ...]

Each run is made again from nothing, in a process of its own with one thread, under every one of
`SETTINGS`. Without keys: runs of most models on both real data sets, and variants.
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

from benchmarks.store import new, save
from lsntp.data import store
from lsntp.model import product
from lsntp.runs import campaign, machine, metrics, records
from lsntp.runs.config import PRESETS, RunConfig
from lsntp.runs.experiment import commit, execute

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
    """Return the runs made again without keys: of every kind some that take few minutes."""
    tuned: dict[str, Any] = {"recipe": "tuned", "preset": "tuned"}
    plain = {"nsa": False, "lagc": False}
    kernel = PRESETS["laptop"].model_copy(update={"kernel": 1})
    on_both: list[dict[str, Any]] = [
        *({"model": m} for m in ("ridge", "cnn-lstm", "convlstm", "agcrn")),
        {"model": "lsntp-tuned", "parts": plain} | tuned,
    ]
    on_uk: list[dict[str, Any]] = [
        *({"model": m} for m in ("dagg-convlstm", "lsntp-equations", "lsntp-released", "predrnn")),
        {"model": "convlstm", "recipe": "released"},
        {"model": "lsntp-equations", "parts": {"nsa": False}},
        {"model": "lsntp-equations", "parts": {"lagc": False}},
        {"model": "lsntp-equations", "preset": kernel},
        {"model": "lsntp-released", "parts": plain},
        {"model": "dagg-convlstm", "rotation": 2},
        {"model": "cnn-lstm", "rotation": 3},
    ]
    settings = [s | {"dataset": d} for s in on_both for d in ("era5-uk", "ncep-na")]
    return [RunConfig(**s) for s in settings + [s | {"dataset": "era5-uk"} for s in on_uk]]


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
            [sys.executable, "-m", "benchmarks.arithmetic", "--one", key],
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
    if commit().endswith("+"):
        raise SystemExit(
            "the library differs from its commit: commit first, results are kept by it"
        )
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
