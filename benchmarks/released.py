"""A clone of the released code and this library, side by side in one run.

Whole training steps (forward, mean squared error, backward, Adam) and forward passes alone, on
random input; first it is checked that both compute the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import flops, machine, store
from benchmarks.flops import Case
from lsntp import LSNTP

THEIRS, OURS, EQUATIONS = "released code", "ours, released form", "ours, equations form"
URL = "https://github.com/xuguangning1218/LS_NTP"
TOLERANCE = 1e-4
LEARNING_RATE = 1e-3
CASES = (
    *(Case(77, 125, hidden, 512, downsample=True) for hidden in (32, 128)),
    *(Case(21, 35, hidden, 512) for hidden in (64, 256)),
)
"""The released configurations, hidden 128 for 77×125 and 256 for 21×35, and smaller ones."""
QUICK = (Case(13, 17, 4, 8, downsample=True, batch=2), Case(6, 7, 4, 8, batch=2))


class DifferenceError(ValueError):
    """The two do not compute the same; times of different things are not compared."""


# ---- the clone


class Clone(nn.Module):
    """The released network, from a clone of its repository.

    Its decoder asks for a GPU; where there is none that request is passed over while it runs. What
    it prints is swallowed.

    Parameters
    ----------
    path : Path
        The clone: a folder that holds ``model/network.py`` with a class ``Network``.
    case : Case
    device : str

    Raises
    ------
    ValueError
        If there is no such class, or it cannot be built.
    """

    def __init__(self, path: Path, case: Case, device: str = "cpu") -> None:
        super().__init__()
        config = {
            "data": {"height": case.height, "width": case.width},
            "model": {
                "in_channel": 1,
                "input_len": case.input_steps,
                "output_len": case.lead_steps,
                "kernel_size": case.kernel,
                "conv_dim": case.hidden,
                "node_embedding_dim": case.embedding,
                "lsntp_downsample": case.downsample,
            },
        }
        build = network_class(path)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self.network = build(config).to(device)
        except (KeyError, TypeError, RuntimeError) as error:
            raise ValueError(
                f"{path} holds a Network that cannot be built from the released configuration "
                f"({error!r}); expected an unchanged clone of {URL}"
            ) from error
        self.device = device

    def forward(self, x: Tensor) -> Tensor:
        """Forecast as the released code does: (B, T, 1, H, W) to (B, L, 1, H, W)."""
        with contextlib.nullcontext() if self.device == "cuda" else without_cuda():
            return self.network(x)


def network_class(path: Path) -> Callable[[dict], nn.Module]:
    """Import the class ``Network`` of a clone, writing nothing into the clone."""
    if not (path / "model" / "network.py").is_file():
        raise ValueError(
            f"{path} holds no model/network.py: expected a clone of the released code, "
            f"made by git clone {URL}"
        )
    for name in [m for m in sys.modules if m == "model" or m.startswith("model.")]:
        del sys.modules[name]
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(path.resolve()))
    try:
        return importlib.import_module("model.network").Network
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ValueError(f"{path}/model/network.py gives no class Network ({error!r})") from error
    finally:
        sys.path.remove(str(path.resolve()))
        sys.dont_write_bytecode = writes


@contextlib.contextmanager
def without_cuda() -> Iterator[None]:
    """Let ``Tensor.cuda`` return the tensor itself."""
    original = Tensor.cuda
    Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
    try:
        yield
    finally:
        Tensor.cuda = original  # type: ignore[method-assign]


def identify(path: Path) -> dict[str, str]:
    """Say which version a clone is: its commit, "" outside git, and the SHA-256 of its model."""
    digest = hashlib.sha256()
    for file in sorted((path / "model").glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    command = ["git", "-C", str(path), "rev-parse", "--show-cdup", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()  # the first is empty at the root of a repository
    commit = lines[1] if done.returncode == 0 and len(lines) == 2 and not lines[0] else ""
    return {"commit": commit, "model_sha256": digest.hexdigest()}


# ---- what is run


def build(name: str, case: Case, path: Path, device: str) -> nn.Module:
    """Build one of `THEIRS`, `OURS` and `EQUATIONS`, with first weights of its own."""
    if name == THEIRS:
        return Clone(path, case, device)
    make = LSNTP.released if name == OURS else LSNTP.equations
    return make(
        case.height,
        case.width,
        case.hidden,
        case.embedding,
        case.kernel,
        downsample=case.downsample,
        lead_steps=case.lead_steps,
    ).to(device)


def random_batch(case: Case, device: str) -> tuple[Tensor, Tensor]:
    """Draw an input (B, T, 1, H, W) and a target (B, L, 1, H, W), uniform in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    grid = (1, case.height, case.width)
    x = torch.rand(case.batch, case.input_steps, *grid, generator=generator)
    target = torch.rand(case.batch, case.lead_steps, *grid, generator=generator)
    return x.to(device), target.to(device)


class Trainer:
    """A network, a batch and Adam: what is timed."""

    def __init__(self, network: nn.Module, case: Case, device: str, precision: str) -> None:
        self.network, self.device, self.precision = network, device, precision
        self.x, self.target = random_batch(case, device)
        self.adam = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)

    def forward(self) -> Tensor:
        """Make a forecast, without what a backward pass would need."""
        with torch.no_grad(), machine.precision(self.precision, self.device):
            return self.network(self.x)

    def step(self) -> Tensor:
        """Take a training step; gives the loss before it, detached."""
        self.adam.zero_grad()
        with machine.precision(self.precision, self.device):
            loss = F.mse_loss(self.network(self.x), self.target)
            loss.backward()
        self.adam.step()
        return loss.detach()


# ---- do both compute the same?


def relative(a: Tensor, b: Tensor) -> float:
    """Return the largest difference of ``a`` and ``b`` as a part of the largest value of ``b``."""
    return float((a - b).abs().max() / b.abs().max())


def agreement(case: Case, path: Path, device: str) -> dict[str, float]:
    """Compare forecast and loss from the same weights, and the forecast after 3 steps of Adam.

    The embedding is three times as large as it starts, so that the graph is not uniform. The first
    step of the released code also counts its operations.

    Returns
    -------
    dict
        ``output``, ``loss``, ``output_after_3_steps``: relative differences;
        ``counted_forward``, ``counted_step``: operations the released code was seen to spend.

    Raises
    ------
    DifferenceError
        If one of the differences exceeds `TOLERANCE`.
    """
    torch.manual_seed(0)
    clone, ours = build(THEIRS, case, path, device), build(OURS, case, path, device)
    assert isinstance(clone, Clone) and isinstance(ours, LSNTP)
    weights = clone.network.state_dict()  # not copies
    weights["node_embeddings"] *= 3
    ours.load_released(weights)
    pair = [Trainer(network, case, device, "float32") for network in (ours, clone)]
    with FlopCounterMode(display=False) as forward:
        theirs = pair[1].forward()
    found = {"output": relative(pair[0].forward(), theirs)}
    with FlopCounterMode(display=False) as step:
        loss = pair[1].step()
    found["loss"] = relative(pair[0].step(), loss)
    for trainer in pair:
        trainer.step()
        trainer.step()
    found["output_after_3_steps"] = relative(*(trainer.forward() for trainer in pair))
    if not max(found.values()) <= TOLERANCE:  # a NaN is a difference, too
        raise DifferenceError(
            f"{title(case)}: ours and the clone differ by {found}, more than {TOLERANCE:g}; "
            "nothing was timed"
        )
    counted = {"forward": forward.get_total_flops(), "step": step.get_total_flops()}
    return found | {f"counted_{task}": float(n) for task, n in counted.items()}


# ---- the measurement


def memory_of_step(name: str, case: Case, path: Path, device: str, options: tuple) -> float:
    """Peak memory of two training steps above what model and batch hold, MiB; in a new process."""
    threads, precision = options
    torch.set_num_threads(threads)
    machine.return_freed_memory()
    torch.manual_seed(0)
    trainer = Trainer(build(name, case, path, device), case, device, precision)
    return machine.peak_above(lambda: (trainer.step(), trainer.step()), device)


def measure(
    case: Case, path: Path, device: str, threads: int, budget_s: float, precisions: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Compare, time and weigh one case; gives one row per model, precision and task."""
    same = agreement(case, path, device)
    lines = [(name, "float32") for name in (THEIRS, OURS, EQUATIONS)]
    lines += [(name, p) for name in (OURS, EQUATIONS) for p in precisions if p != "float32"]
    torch.manual_seed(0)
    networks = {name: build(name, case, path, device) for name in (THEIRS, OURS, EQUATIONS)}
    trainers = {line: Trainer(networks[line[0]], case, device, line[1]) for line in lines}
    forward, step = flops.released_code(case)
    spent = {"forward": sum(forward.values()), "step": step}
    rows = []
    for task, factor in (("step", 3), ("forward", 1)):
        calls = {" ".join(line): getattr(trainers[line], task) for line in lines}
        seconds = machine.alternate(calls, budget_s / 2, device)
        for line in lines:
            form = "equations" if line[0] == EQUATIONS else "released"
            row = {"model": line[0], "precision": line[1], "task": task, **asdict(case)}
            row |= {"nodes": case.nodes, "seconds": seconds[" ".join(line)]}
            row["fewest_flops"] = factor * sum(flops.fewest(case, form).values())
            if line[0] == THEIRS:
                row |= {"spent_flops": spent[task], "counted_flops": same[f"counted_{task}"]}
            if line[0] == OURS and line[1] == "float32":
                row |= {k: v for k, v in same.items() if not k.startswith("counted")}
            rows.append(row)
    for row in rows:
        if row["task"] == "step":
            row["peak_memory_mib"] = machine.in_fresh_process(
                memory_of_step, row["model"], case, path, device, (threads, row["precision"])
            )
    return rows


def run(
    path: Path,
    *,
    device: str = "cpu",
    threads: int = 2,
    cases: tuple[Case, ...] = CASES,
    budget_s: float = 90.0,
    precisions: tuple[str, ...] | None = None,
    say: Callable[[str], object] = print,
) -> store.Record:
    """Measure all cases; returns the record, not yet stored.

    Parameters
    ----------
    path : Path
        The clone of the released code.
    device : str
        ``cpu`` or ``cuda``.
    threads : int
        Threads PyTorch may use on the CPU.
    cases : tuple of Case
    budget_s : float
        Time for the repetitions of a case, s; few cases need more.
    precisions : tuple of str, optional
        Of ours, as of :func:`benchmarks.machine.precision`; all on a GPU, else float32.
    say : callable
        Told of each case done.

    Raises
    ------
    DifferenceError
        If ours and the clone do not compute the same.
    ValueError
        If the device or the clone is not there.
    """
    machine.check_device(device)
    network_class(path)
    precisions = precisions or (machine.PRECISIONS if device == "cuda" else ("float32",))
    rows = []
    with machine.threads(threads):
        peaks = machine.peak(device)
        for case in cases:
            rows += measure(case, path, device, threads, budget_s, precisions)
            say(f"{title(case)}: measured")
        peaks = machine.larger(peaks, machine.peak(device))
    settings = {"released": identify(path), "tolerance": TOLERANCE, "budget_s": budget_s}
    return store.new("released", device, threads, peaks, settings, rows)


# ---- the result


def title(case: Case | pd.Series) -> str:
    """Name a case, for example ``77×125, hidden 32``."""
    return f"{case.height}×{case.width}, hidden {case.hidden}"


def table(record: store.Record) -> pd.DataFrame:
    """Tabulate a record, one row per model, precision and task.

    Adds to what :func:`benchmarks.store.frame` gives: ``case``; ``speedup``, the released code's
    median through this one's; ``memory_ratio``, this one's peak through the released code's;
    ``share``, the fewest operations of its form through median time and the peak measured in its
    precision.
    """
    frame = store.frame(record)
    frame["case"] = frame.apply(title, axis=1)
    rate = frame["fewest_flops"] / frame["median_s"] / 1e9
    peaks = [
        record.peak_gflops.get(f"torch.mm {kind}", machine.float32_peak(record.peak_gflops))
        for kind in frame["precision"]
    ]
    frame["share"] = rate / peaks
    theirs = frame[frame["model"] == THEIRS].set_index(["case", "task"])
    of = [theirs.loc[(row.case, row.task)] for row in frame.itertuples()]
    frame["speedup"] = [t["median_s"] for t in of] / frame["median_s"]
    frame["memory_ratio"] = frame["peak_memory_mib"] / [t["peak_memory_mib"] for t in of]
    return frame
