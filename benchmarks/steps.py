"""A training step by this edition and by earlier ones, side by side in one run.

    git worktree add /tmp/first 4d94b5a
    python -m benchmarks.steps first=/tmp/first [NAME=CHECKOUT ...] [--rounds 40] [--to FOLDER]

Each edition holds its network in a process of its own, with the memory settings of a campaign; in
every round each takes one step on the same batch. The first steps' losses must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import machine, store
from benchmarks.flops import Case
from lsntp.runs import campaign
from lsntp.runs.config import PRESETS

LAPTOP = PRESETS["laptop"]
CASES = {  # the case, its models, threads
    "laptop preset, 21×35": (
        Case(21, 35, LAPTOP.hidden, LAPTOP.embedding, downsample=True),
        ("convlstm", "lsntp-equations", "lsntp-released"),
        1,
    ),
    "77×125, hidden 32": (
        Case(77, 125, 32, 512, downsample=True),
        ("lsntp-equations", "lsntp-released"),
        2,
    ),
}
SAME = 1e-5
"""The losses after the first step may differ by this part of themselves."""

# What an edition's process does: a step for each line it is given, of which it tells the time.
STEPS = """if True:
    import json, sys, time
    import torch
    from lsntp import zoo
    model, threads, c = json.loads(sys.argv[1])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    build = zoo.MODELS[model].build if hasattr(zoo, "MODELS") else zoo.NETWORKS[model]
    network = build(
        c["height"], c["width"], c["hidden"], c["embedding"], downsample=c["downsample"]
    )
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    torch.manual_seed(1)
    x, target = torch.randn(2, c["batch"], c["input_steps"], 1, c["height"], c["width"])
    def step():
        started = time.perf_counter()
        optimizer.zero_grad()
        loss = (network(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        return time.perf_counter() - started, loss.item()
    for line in sys.stdin:
        print(json.dumps(step()), flush=True)
"""


def start(checkout: Path, model: str, threads: int, case: Case) -> subprocess.Popen[str]:
    """Start the process of an edition."""
    return subprocess.Popen(
        [sys.executable, "-c", STEPS, json.dumps([model, threads, asdict(case)])],
        env={**os.environ, **campaign.ENVIRONMENT, "PYTHONPATH": str(checkout.resolve())},
        cwd=checkout,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def take(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Let an edition take a step; its time (s) and its loss."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    seconds, loss = json.loads(process.stdout.readline())
    return seconds, loss


def measure(
    editions: dict[str, Path], model: str, threads: int, case: Case, rounds: int
) -> dict[str, list[float]]:
    """Time steps of all editions in turn, s, after one each that is not counted."""
    running = {name: start(path, model, threads, case) for name, path in editions.items()}
    try:
        losses = [take(process)[1] for process in running.values()]
        if max(losses) - min(losses) > SAME * min(losses):
            raise ValueError(f"{model}: the editions compute other losses, {losses}")
        times: dict[str, list[float]] = {name: [] for name in editions}
        for _ in range(rounds):
            for name, process in running.items():
                times[name].append(take(process)[0])
        return times
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def run(editions: dict[str, Path], rounds: int) -> store.Record:
    """Measure all cases; at 77×125 a sixth of the rounds."""
    rows: list[dict[str, Any]] = []
    peaks = machine.peak()
    for label, (case, models, threads) in CASES.items():
        for model in models:
            share = rounds if threads == 1 else max(3, rounds // 6)
            for name, seconds in measure(editions, model, threads, case, share).items():
                row = {"edition": name, "case": label, "model": model, "threads": threads}
                rows.append(row | {"seconds": seconds})
            print(f"{label}, {model}: measured", flush=True)
    heads = {}
    for name, checkout in editions.items():
        command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
        heads[name] = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    peaks = machine.larger(peaks, machine.peak())
    return store.new("steps", "cpu", 2, peaks, {"editions": heads}, rows)


def main() -> None:
    """Measure, store, and say where."""
    parser = argparse.ArgumentParser(description="A training step of several editions.")
    parser.add_argument("editions", nargs="+", help="NAME=CHECKOUT of an earlier edition")
    parser.add_argument("--rounds", type=int, default=40, help="steps of each, at laptop size")
    parser.add_argument("--to", type=Path, help="folder for the record")
    given = parser.parse_args()
    editions = {name: Path(path) for name, _, path in (e.partition("=") for e in given.editions)}
    editions["this"] = Path(__file__).parents[1]
    if missing := [str(p) for p in editions.values() if not (p / "lsntp").is_dir()]:
        parser.error(f"no edition in {', '.join(missing)}: expected a checkout of this library")
    print(store.save(run(editions, given.rounds), given.to))


if __name__ == "__main__":
    main()
