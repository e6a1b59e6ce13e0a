"""What each lever of the engine is worth: a training step with and without it, in one run.

    python -m benchmarks.levers [--threads 2] [--budget-s 90] [--to FOLDER]

The library has no switches. Each lever is taken away by putting the plain way in the place of the
library's function for the length of a step; steps with and without alternate.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import machine, released, store
from benchmarks.flops import Case
from lsntp.model import product
from lsntp.model.convlstm import ConvLSTMLayer
from lsntp.model.graph import AdaptiveGraph
from lsntp.model.lsconv import LSConv
from lsntp.runs.config import PRESETS

LAPTOP = PRESETS["laptop"]
CASES = {
    "77×125, hidden 32": Case(77, 125, 32, 512, downsample=True),
    "21×35, hidden 64": Case(21, 35, 64, 512),
    "laptop preset, 1 thread": Case(
        21, 35, LAPTOP.hidden, LAPTOP.embedding, LAPTOP.downsample, LAPTOP.batch_size
    ),
}
Patch = tuple[Any, str, Any]


# ---- the plain ways


class RebuiltAdjacency:
    """The adjacency made anew for every product, as the released code does."""

    def __init__(self, embedding: Tensor) -> None:
        self.embedding = embedding
        self.shape = torch.Size((len(embedding), len(embedding)))

    def __matmul__(self, x: Tensor) -> Tensor:
        return product.DenseAdjacency(self.embedding) @ x


def with_zeros(run: Callable[..., Any]) -> Callable[..., Any]:
    """Make a layer without input compute with zeros."""

    def forward(self: ConvLSTMLayer, x: Tensor, state: Any = None, *graph: Any) -> Any:
        operator = self.cell.operator
        assert isinstance(operator, LSConv)
        absent, skipped = operator.absent, operator.skipped
        operator.absent = operator.skipped = 0
        try:
            zeros = x.new_zeros(*x.shape[:2], absent, *x.shape[3:])
            return run(self, torch.cat([zeros, x], dim=2), state, *graph)
        finally:
            operator.absent, operator.skipped = absent, skipped

    return forward


def levers() -> dict[str, list[Patch]]:
    """What is put in place of what, to be without each lever."""
    other = next((n for n in product.LIBRARIES if n != product.library()), product.library())
    found: dict[str, list[Patch]] = {
        "adjacency once a pass": [
            (AdaptiveGraph, "adjacency", lambda self: RebuiltAdjacency(self.embedding))
        ],
        f"{product.library()}, not {other}": [(product, "library", lambda: other)],
        "zeros skipped": [(ConvLSTMLayer, "forward", with_zeros(ConvLSTMLayer.forward))],
    }
    found["all of these"] = [patch for patches in found.values() for patch in patches]
    return found


@contextlib.contextmanager
def without(patches: list[Patch]) -> Iterator[None]:
    """Put the plain ways in place for a while."""
    originals = [(owner, name, owner.__dict__[name]) for owner, name, _ in patches]
    try:
        for owner, name, plain in patches:
            setattr(owner, name, plain)
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


# ---- the measurement


def measure(label: str, case: Case, threads: int, budget_s: float) -> list[dict]:
    """Time a training step of the released form with all levers and without each."""
    torch.manual_seed(0)
    network: nn.Module = released.build(released.OURS, case, Path(), "cpu")
    trainer = released.Trainer(network, case, "cpu", "float32")

    def step_without(patches: list[Patch]) -> Callable[[], None]:
        def step() -> None:
            with without(patches):
                trainer.step()

        return step

    calls = {name: step_without(patches) for name, patches in levers().items()}
    seconds = machine.alternate({"none": trainer.step, **calls}, budget_s)
    return [
        {"without": name, "case": label, "threads": threads, **asdict(case), "seconds": times}
        for name, times in seconds.items()
    ]


def run(cases: dict[str, Case], threads: int, budget_s: float) -> store.Record:
    """Measure all cases; the laptop preset on one thread, as its runs are made."""
    rows = []
    with machine.threads(threads):
        peaks = machine.peak()
        for label, case in cases.items():
            used = 1 if "1 thread" in label else threads
            with machine.threads(used):
                rows += measure(label, case, used, budget_s)
            print(f"{label}: measured", flush=True)
        peaks = machine.larger(peaks, machine.peak())
    return store.new("levers", "cpu", threads, peaks, {"budget_s": budget_s}, rows)


def main() -> None:
    """Measure, store, and print how much longer a step takes without each lever."""
    parser = argparse.ArgumentParser(description="What each lever of the engine is worth.")
    parser.add_argument("--threads", type=int, default=2, help="threads on the CPU")
    parser.add_argument("--budget-s", type=float, default=90.0, help="time a case, s")
    parser.add_argument("--to", type=Path, help="folder for the record")
    chosen = parser.parse_args()
    record = run(CASES, chosen.threads, chosen.budget_s)
    print(store.ratios(record).round(3).to_string())
    print(store.save(record, chosen.to))


if __name__ == "__main__":
    main()
