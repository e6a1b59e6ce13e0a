"""How long a run of the laptop campaign takes, in this edition and in an earlier one, in turn.

    git worktree add /tmp/first 4d94b5a
    python -m benchmarks.editions --old /tmp/first [--rounds 3] [--to FOLDER]

Every measurement is one epoch of a real run, its validation included, in a process of its own with
one thread, started as a campaign of its edition starts it. Needs the real data sets.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import machine, store
from lsntp.runs import campaign
from lsntp.zoo import NETWORKS

ONE_EPOCH = """if True:
    import sys
    from lsntp import RunConfig
    from lsntp.runs.experiment import execute
    config = RunConfig(dataset=sys.argv[1], model=sys.argv[2], preset="laptop")
    preset = config.preset.model_copy(update={"epochs": 1})
    print(execute(config.model_copy(update={"preset": preset})).attrs["wall_s"])
"""
HERE = Path(__file__).parents[1]


def one_epoch(checkout: Path, dataset: str, model: str, environment: dict[str, str]) -> float:
    """Train and validate one epoch with the library of a checkout; its time, s."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_EPOCH, dataset, model],
        env={**os.environ, **environment, "PYTHONPATH": str(checkout.resolve())},
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def run(old: Path, rounds: int) -> store.Record:
    """Measure both editions, turn by turn."""
    editions = {
        "first": (old, {"OMP_NUM_THREADS": "1"}),
        "this": (HERE, campaign.ENVIRONMENT),
    }
    rows = []
    with machine.threads(1):
        peaks = machine.peak()
        for dataset in ("ncep-na", "era5-uk"):
            for model in NETWORKS:
                seconds: dict[str, list[float]] = {name: [] for name in editions}
                for _ in range(rounds):
                    for name, (checkout, environment) in editions.items():
                        seconds[name].append(one_epoch(checkout, dataset, model, environment))
                rows += [
                    {"edition": name, "dataset": dataset, "model": model, "seconds": times}
                    for name, times in seconds.items()
                ]
                print(dataset, model, seconds, flush=True)
    head = ["git", "-C", str(old), "rev-parse", "HEAD"]
    done = subprocess.run(head, capture_output=True, text=True, check=False)
    return store.new("editions", "cpu", 1, peaks, {"old": done.stdout.strip()}, rows)


def main() -> None:
    """Measure, store, and say where."""
    parser = argparse.ArgumentParser(description="An epoch of this edition and of an earlier one.")
    parser.add_argument("--old", type=Path, required=True, help="checkout of the earlier edition")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each")
    parser.add_argument("--to", type=Path, help="folder for the record")
    chosen = parser.parse_args()
    print(store.save(run(chosen.old, chosen.rounds), chosen.to))


if __name__ == "__main__":
    main()
