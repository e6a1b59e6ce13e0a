"""The learned graph's product as the number of nodes grows: time and memory, and how they grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import matmul
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from scipy.optimize import least_squares

from benchmarks import flops, machine, store
from lsntp.model.product import Method, graph_product
from lsntp.model.strongest_links import StrongestLinks

EMBEDDING = CHANNELS = 64
SIZES = (1012, 2025, 4050, 8100, 12150, 16200, 32400, 64800)
"""Nodes: 16,200 are a globe at 2° (90×180), 64,800 one at 1° (180×360)."""
GPU_SIZES = (259_200, 1_038_240)
"""Nodes of a globe at 0.5° (360×720) and 0.25° (721×1440): forward pass only, on a GPU."""
DENSE_UP_TO = 16200
LINKS = (16, 64)
"""Strongest links a node keeps where the approximation is timed."""


def seconds(
    nodes: int, method: str, task: str, device: str, threads: int, budget_s: float
) -> list[float]:
    """Time one size, s."""
    torch.set_num_threads(threads)
    call = work(nodes, method, task == "step", device)
    return machine.alternate({method: call}, budget_s, device)[method]


def memory(nodes: int, method: str, task: str, device: str, threads: int) -> float:
    """Peak memory of one size above its inputs, MiB; meant for a process of its own.

    The inputs E (N, 64), X (N, 64) and, for ``task="step"``, the gradient of the result are there
    before; what is held above them includes the result and the gradients. A call with a few nodes
    comes first, so that loading the libraries is not counted.
    """
    torch.set_num_threads(threads)
    machine.return_freed_memory()
    both = task == "step"
    work(100, method, both, device)()
    return machine.peak_above(work(nodes, method, both, device), device)


def work(nodes: int, method: str, both: bool, device: str) -> Callable[[], None]:
    """Return the call that is measured, its inputs made: the forward pass, or both passes."""
    generator = torch.Generator().manual_seed(0)
    embedding, x, gradient = torch.randn(3, nodes, EMBEDDING, generator=generator).to(device)
    embedding = (0.2 * embedding).requires_grad_(both)  # a node's similarity to itself: some 2.5
    x = x.requires_grad_(both)
    if method in ("dense", "tiled"):
        product = partial(graph_product, embedding, x, cast(Method, method))
    else:  # a graph made once, to be applied many times
        product = partial(matmul, StrongestLinks(embedding, int(method.split()[0])), x)

    def call() -> None:
        result = product()
        if both:
            embedding.grad = x.grad = None
            result.backward(gradient)

    return call


def run(
    *,
    device: str = "cpu",
    threads: int = 2,
    sizes: Sequence[int] = SIZES,
    forward_sizes: Sequence[int] = (),
    budget_s: float = 20.0,
    say: Callable[[str], object] = print,
) -> store.Record:
    """Measure the product at all sizes, each in a process of its own; returns the record.

    Parameters
    ----------
    device : str
        ``cpu`` or ``cuda``.
    threads : int
        Threads PyTorch may use on the CPU.
    sizes : sequence of int
        Nodes; forward and backward pass, tiled, and dense up to `DENSE_UP_TO`. At the largest size
        that is measured both ways also the forward pass alone, beside the one of
        :class:`lsntp.StrongestLinks`.
    forward_sizes : sequence of int
        Nodes; forward pass alone, tiled.
    budget_s : float
        Time for the repetitions of a measurement, s; large sizes need more.
    say : callable
        Told of each measurement done.

    Raises
    ------
    ValueError
        If the device is not there, or a size is not positive.
    """
    machine.check_device(device)
    for nodes in (*sizes, *forward_sizes):
        if nodes < 1:
            raise ValueError(f"size {nodes}: expected a number of nodes, 1 or more")
    plan = [(n, "dense", "step") for n in sizes if n <= DENSE_UP_TO]
    plan += [(n, "tiled", "step") for n in sizes]
    if both := [n for n in sizes if max(LINKS) <= n <= DENSE_UP_TO]:
        methods = ["dense", "tiled", *(f"{links} links" for links in LINKS)]
        plan += [(max(both), method, "forward") for method in methods]
    plan += [(n, "tiled", "forward") for n in forward_sizes]
    rows = []
    with machine.threads(threads):
        peaks = machine.peak(device)
        for nodes, method, task in plan:
            of = (nodes, method, task, device, threads)
            times = machine.in_fresh_process(seconds, *of, budget_s)
            held = machine.in_fresh_process(memory, *of)
            row = {"nodes": nodes, "method": method, "task": task}
            rows.append(row | {"seconds": times, "peak_memory_mib": held})
            say(f"{nodes} nodes, {method}: {min(times):.3g} s, {held:.0f} MiB")
        peaks = machine.larger(peaks, machine.peak(device))
    settings = {"embedding": EMBEDDING, "channels": CHANNELS, "budget_s": budget_s}
    return store.new("scale", device, threads, peaks, settings, rows)


def table(record: store.Record) -> pd.DataFrame:
    """Tabulate a record, one row a measurement.

    Adds to what :func:`benchmarks.store.frame` gives ``share`` and ``share_plain``: operations
    of the exact product through median time and measured float32 peak, counted by
    :func:`benchmarks.flops.product_fewest` and :func:`~benchmarks.flops.product_plain`.
    """
    frame = store.frame(record)
    peak = machine.float32_peak(record.peak_gflops) * 1e9
    sizes = record.settings["embedding"], record.settings["channels"]
    for name, count in (("share", flops.product_fewest), ("share_plain", flops.product_plain)):
        operations = [
            count(row.nodes, *sizes)[int(row.task == "step")] for row in frame.itertuples()
        ]
        share = operations / frame["median_s"] / peak
        frame[name] = share.where(frame["method"].isin(["dense", "tiled"]))
    return frame


class Growth(NamedTuple):
    """``y = constant + factor · N^exponent``, with the exponent's standard error."""

    constant: float
    factor: float
    exponent: float
    error: float

    def at(self, nodes: Any) -> Any:
        """Return y at so many nodes, a number or an array."""
        return self.constant + self.factor * np.asarray(nodes, float) ** self.exponent


def fit(nodes: Sequence[float], y: Sequence[float]) -> Growth:
    """Fit ``y = a + b N^p``, a ≥ 0, by least squares of log y.

    The constant takes what is there at every size: buffers of libraries, the cost of a call. On
    double logarithmic axes the rest is a line with slope p. All sizes enter, with equal weight.

    Parameters
    ----------
    nodes, y : sequences of equal length, 4 or more, positive.

    Raises
    ------
    ValueError
        If there are fewer than 4, or one is not positive.
    """
    if len(nodes) != len(y) or len(y) < 4 or min(nodes) <= 0 or not min(y) > 0:
        raise ValueError(
            f"cannot fit growth to N = {list(nodes)}, y = {list(y)}: expected 4 or more positive "
            "values each"
        )
    n, log_y = np.asarray(nodes, float), np.log(y)
    smallest, scale = min(y), n[-1]
    slope, _ = np.polyfit(np.log(n), log_y, 1)

    def miss(p: np.ndarray) -> np.ndarray:
        return np.log(p[0] * smallest + np.exp(p[1]) * (n / scale) ** p[2]) - log_y

    bounds = ([0, -np.inf, 0], np.inf)  # constant as a part of the smallest y, log factor, exponent
    starts = [(share, log_y[-1], max(slope, 0.0)) for share in (0.0, 0.5, 0.9)]
    found = [least_squares(miss, start, bounds=bounds, xtol=1e-12) for start in starts]
    best = min(found, key=lambda result: result.cost)
    constant, log_factor, exponent = best.x
    spread = 2 * best.cost / max(n.size - 3, 1)
    error = np.sqrt(spread * np.linalg.pinv(best.jac.T @ best.jac)[2, 2])
    factor = np.exp(log_factor) / scale**exponent
    return Growth(float(constant * smallest), float(factor), float(exponent), float(error))
