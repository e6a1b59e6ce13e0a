"""From a config to its record: the one way to a number."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import nn

from lsntp import zoo
from lsntp.data.datasets import open_dataset
from lsntp.data.windows import Windows, prepare
from lsntp.model import product
from lsntp.model.graph import AdaptiveGraph, DistanceCut, grid_nodes
from lsntp.runs import machine, metrics, training
from lsntp.runs.config import RunConfig
from lsntp.runs.machine import peak_memory_mib


def build_network(config: RunConfig, field: xr.DataArray) -> nn.Module:
    """Build the config's network for the field's grid, with the first weights its seed gives."""
    assert config.preset is not None and config.recipe is not None
    sizes = config.preset.model_dump(include={"hidden", "embedding", "kernel", "downsample"})
    settings: dict[str, Any] = dict(config.parts)
    model = zoo.MODELS[config.model]
    if model.kind == "stacked":
        guessed = config.lead_steps if config.recipe.guess == "ridge" else 0
        settings["input_steps"] = config.input_steps + guessed
    if config.cut_km is not None:
        settings["cut"] = distance_cut(config, field, config.cut_km)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return model.build(*field.shape[1:], lead_steps=config.lead_steps, **sizes, **settings)


def distance_cut(config: RunConfig, field: xr.DataArray, km: float) -> DistanceCut:
    """Cut the graph of the config's network for the field's grid."""
    return DistanceCut(*grid_nodes(inner_cells(config, field)), km)


def inner_cells(config: RunConfig, field: xr.DataArray) -> xr.DataArray:
    """Take of a field (..., lat, lon) the cells that the nodes of the config's network stand for.

    With down-sampling these are the centres of the stride-2 kernels.
    """
    if config.preset is None or not config.preset.downsample:
        return field
    return field.isel(lat=slice(1, None, 2), lon=slice(1, None, 2))


def execute(
    config: RunConfig,
    *,
    checkpoints: Path | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> xr.Dataset:
    """Fit the model, forecast every test window, score, and return the record (not yet stored).

    On the CPU it uses one thread, so that the numbers do not depend on how many are at hand.
    Under torchrun every process trains on its part of each batch and then does all the rest.
    :func:`lsntp.run` calls it where no record is stored yet.

    Parameters
    ----------
    config : RunConfig
    checkpoints : Path, optional
        Folder for the run's checkpoint; without it an interrupted run starts again.
    device : str
        As of :func:`lsntp.runs.training.fit`.
    progress : bool
        Show a bar.

    Returns
    -------
    Dataset
        By lead: ``mae``, ``rmse``, ``rmse_per_cell`` (K), ``ssim``, ``psnr`` (dB) and the
        ``_released`` forms. ``mae_map``, ``bias_map`` (lead, lat, lon), K. ``window_mae``,
        ``window_mse`` (window, lead). ``case_prediction`` (lead, lat, lon), K: the forecast of the
        case shown in the book. Networks: ``train_loss``, ``validation_loss`` (epoch), and with a
        graph ``embedding`` (node, feature). With ``test_cuts_km``: ``cut_mae`` (cut, lead) and its
        parts ``cut_window_mae`` (cut, window), K. With ``cases``: as of :func:`three_cases`.
        Attributes: config, key, fingerprint, versions, device, processor, parameters, wall time,
        peak memory, commit.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        field = open_dataset(config.dataset)
        if min(field.shape[1:]) < metrics.WINDOW:  # told before training, not after
            raise ValueError(
                f"{config.dataset} has {field.shape[1]}×{field.shape[2]} cells; expected at least "
                f"{metrics.WINDOW}×{metrics.WINDOW}, the window of SSIM"
            )
        started = time.perf_counter()
        if config.model in zoo.REFERENCES:
            prediction, data, extras = run_reference(config, field)
        else:
            prediction, data, extras = run_network(config, field, checkpoints, device, progress)
        if config.cases:
            extras = extras.merge(three_cases(prediction, data))
        wall_s = extras.attrs.pop("seconds", time.perf_counter() - started)
        record = scores(prediction, data.targets(data.split.test)).merge(extras)
        record.attrs = {
            "key": config.key,
            "config": config.model_dump_json(),
            "fingerprint": field.attrs["fingerprint"],
            "parameters": extras.attrs["parameters"],
            "wall_s": wall_s,
            "peak_memory_mib": peak_memory_mib(),
            "device": describe(device),
            "processor": describe_processor(),
            "commit": commit(),
            "versions": json.dumps(versions()),
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return record
    finally:
        torch.set_num_threads(threads)


def run_reference(
    config: RunConfig, field: xr.DataArray
) -> tuple[xr.DataArray, Windows, xr.Dataset]:
    """Fit and apply a reference; they see standardised anomalies and the blocked split."""
    steps = config.input_steps, config.lead_steps
    data = prepare(field, *steps, "anomaly", "blocked", config.rotation)
    model = zoo.MODELS[config.model].build().fit(data)
    prediction = model.predict(data, data.split.test)
    return prediction, data, xr.Dataset(attrs={"parameters": model.parameters})


def run_network(
    config: RunConfig,
    field: xr.DataArray,
    checkpoints: Path | None,
    device: str,
    progress: bool,
) -> tuple[xr.DataArray, Windows, xr.Dataset]:
    """Train and apply a network."""
    recipe, preset = config.recipe, config.preset
    assert recipe is not None and preset is not None
    steps = config.input_steps, config.lead_steps
    data = prepare(field, *steps, recipe.scaler, recipe.validation, config.rotation)
    if recipe.guess == "ridge":
        data = replace(data, guesses=zoo.Ridge().cross_fitted(data))
    model = build_network(config, field)
    checkpoint = None
    if checkpoints is not None:  # never serves other data under the same name
        name = f"{config.key}-{field.attrs['fingerprint'][:8]}.safetensors"
        checkpoint = checkpoints / name
    history = training.fit(
        model,
        data,
        recipe,
        epochs=preset.epochs,
        batch_size=preset.batch_size,
        seed=config.seed,
        checkpoint=checkpoint,
        device=device,
        progress=progress,
    )
    scaled = training.predict(model, data, data.split.test, recipe.residual)
    extras = xr.Dataset(
        {
            "train_loss": ("epoch", history.train_loss),
            "validation_loss": ("epoch", history.validation_loss),
        },
        attrs={
            "parameters": sum(p.numel() for p in model.parameters()),
            "seconds": history.seconds,
        },
    )
    graph = getattr(model, "graph", None)
    if graph is not None:
        embedding = graph.embedding.detach().cpu().numpy()
        extras["embedding"] = (("node", "feature"), embedding)
    if config.test_cuts_km:
        extras = extras.merge(scores_of_cuts(config, model, data))
    return data.to_kelvin(scaled, data.split.test), data, extras


def scores_of_cuts(config: RunConfig, model: nn.Module, data: Windows) -> xr.Dataset:
    """Cut the graph of a trained network at each of ``test_cuts_km``, and score what it forecasts.

    Returns
    -------
    Dataset
        ``cut_mae`` (cut, lead), ``cut_window_mae`` (cut, window), K; ``cut`` in km.
    """
    assert config.recipe is not None
    graph, starts = cast(AdaptiveGraph, model.graph), data.split.test
    whole, by_cut = graph.cut, []
    for km in config.test_cuts_km:
        graph.cut = distance_cut(config, data.field, km)
        scaled = training.predict(model, data, starts, config.recipe.residual)
        error = abs(data.to_kelvin(scaled, starts) - data.targets(starts)).astype(np.float64)
        cells = error.mean(["lat", "lon"])
        by_cut.append(
            xr.Dataset({"cut_mae": cells.mean("window"), "cut_window_mae": cells.mean("lead")})
        )
    graph.cut = whole
    cuts = pd.Index(config.test_cuts_km, name="cut")
    return xr.concat(by_cut, cuts, join="exact", data_vars="all").assign_coords(
        cut=("cut", cuts, {"units": "km"})
    )


def scores(prediction: xr.DataArray, target: xr.DataArray) -> xr.Dataset:
    """Everything a record keeps of a forecast of all test windows."""
    record = metrics.score(prediction, target)
    maps = metrics.error_maps(prediction, target)
    record["mae_map"], record["bias_map"] = maps["mae"], maps["bias"]
    error = (prediction - target).astype(np.float64)
    record["window_mae"] = abs(error).mean(["lat", "lon"])
    record["window_mse"] = (error**2).mean(["lat", "lon"])
    case = case_window(target)
    record["case_prediction"] = prediction.isel(window=case).drop_vars("window")
    record["case_time"] = target["window"][case].drop_vars("window")
    return record


CASES = {"quiet": 0.05, "typical": 0.5, "extreme": 1.0}
"""The cases of :func:`three_cases`, as shares of the windows in their order."""


def three_cases(prediction: xr.DataArray, data: Windows) -> xr.Dataset:
    """Forecast and truth of a quiet, a typical and an extreme test window.

    Chosen on the truth alone: of all test windows in the order of their mean absolute change from
    the last input frame, that at the 5th percentile, that in the middle, and the last.

    Returns
    -------
    Dataset
        ``cases_prediction`` (case, lead, lat, lon), ``cases_truth`` (case, step, lat, lon), K, with
        step 0 the last input, ``cases_time`` (case) its time.
    """
    starts, length = data.split.test, data.input_steps + data.lead_steps
    frames = data.field.to_numpy()
    last = frames[starts + data.input_steps - 1][:, None]
    change = np.abs(data.targets(starts).to_numpy() - last).mean(axis=(1, 2, 3))
    order = np.argsort(change, kind="stable")
    chosen = order[[round(share * (len(order) - 1)) for share in CASES.values()]]
    truth = frames[starts[chosen][:, None] + np.arange(length)]
    predicted = prediction.isel(window=chosen).rename(window="case")
    return xr.Dataset(
        {
            "cases_prediction": predicted.assign_coords(case=list(CASES)),
            "cases_truth": (("case", "step", "lat", "lon"), truth, {"units": "K"}),
            "cases_time": ("case", predicted["case"].to_numpy()),
        },
        coords={"step": np.arange(1 - data.input_steps, data.lead_steps + 1)},
    )


def case_window(target: xr.DataArray) -> int:
    """Index of the test window shown in the book: the one in the middle of the test period."""
    return target.sizes["window"] // 2


def versions() -> dict[str, str]:
    """Versions of what computed the numbers."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "xarray": xr.__version__,
    }


def describe(device: str) -> str:
    """Name the device in words, with their number if torchrun started several processes."""
    if device in ("cuda", "auto") and torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    elif device in ("mps", "auto") and torch.backends.mps.is_available():
        name = f"Apple GPU ({platform.machine()})"
    else:
        name = f"CPU, 1 thread ({platform.machine()})"
    return name if training.processes() == 1 else f"{training.processes()} × {name}"


def describe_processor() -> str:
    """Name what decides the last digits on a CPU: processor, vector units, library of products."""
    return f"{machine.processor()}, {machine.arithmetic()}, products by {product.library()}"


def commit() -> str:
    """Return the repository's commit, with "+" if the library differs from it; "" outside one."""
    here = Path(__file__).parents[1]
    try:
        command = ["git", "-C", str(here)]
        head = subprocess.run(
            [*command, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        changes = subprocess.run(
            [*command, "status", "--porcelain", "."], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")
