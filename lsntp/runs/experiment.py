"""From a config to its record: the one way to a number."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import nn

from lsntp.data import planted
from lsntp.data.catalogue import LINKED
from lsntp.data.datasets import open_dataset
from lsntp.data.windows import Windows, split
from lsntp.model import product
from lsntp.model.graph import AdaptiveGraph
from lsntp.runs import machine, metrics, training
from lsntp.runs.config import RunConfig
from lsntp.runs.machine import peak_memory_mib
from lsntp.runs.trained import Trained, distance_cut, fitted, inner_cells, told
from lsntp.zoo import RidgeScreened
from lsntp.zoo.references import Reference

PROVENANCE = ("name", "long_name", "source", "licence", "fingerprint")
"""What is kept with a model of its field's attributes."""


def execute(
    config: RunConfig,
    *,
    checkpoints: Path | None = None,
    device: str = "cpu",
    progress: bool = False,
    keep: Path | None = None,
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
    keep : Path, optional
        Folder to keep the model in, with its best weights (:meth:`Trained.save`); of several
        members each has a folder in it.

    Returns
    -------
    Dataset
        By lead: ``mae``, ``rmse``, ``rmse_per_cell`` (K), ``ssim``, ``psnr`` (dB) and the
        ``_released`` forms. ``mae_map``, ``bias_map`` (lead, lat, lon), K. ``window_mae``,
        ``window_mse`` (window, lead). ``case_prediction`` (lead, lat, lon), K: the forecast of the
        case shown in the book. Networks: ``train_loss``, ``validation_loss`` (epoch), and with a
        graph ``embedding`` (node, feature). Where links are known, as of :func:`at_places`. With
        ``test_cuts_km``: ``cut_mae`` (cut, lead) and its parts ``cut_window_mae`` (cut, window), K.
        With ``cases``: as of :func:`three_cases`. With ``members`` no losses and no embedding, but
        as of :func:`lsntp.runs.metrics.ensemble`.
        Attributes: config, key, fingerprint, versions, device, processor, parameters, wall time,
        peak memory, commit.
    """
    with one_thread():
        field = open_dataset(config.dataset)
        check_size(config, field)
        forecasts, wall_s, size = [], 0.0, 0
        for member in config.alone:
            started = time.perf_counter()
            trained, data, history = fitted(
                member, field, checkpoints=checkpoints, device=device, progress=progress
            )
            forecasts.append(trained.predict(data, data.split.test))
            wall_s += history.seconds or time.perf_counter() - started
            size += parameters(trained.model)
            trained.provenance = provenance(data, device)
            if keep is not None:
                trained.save(keep if config.members == 1 else keep / f"seed{member.seed}")
        target = data.targets(data.split.test)
        if config.members == 1:
            prediction = forecasts[0]
            record = scores(prediction, target).merge(extras(trained, data, history))
            if config.dataset in LINKED:
                record = record.merge(at_places(trained, prediction, data))
        else:
            seeds = pd.Index([member.seed for member in config.alone], name="member")
            members = xr.concat(forecasts, seeds)
            prediction = members.mean("member", skipna=False, keep_attrs=True)
            record = scores(prediction, target).merge(metrics.ensemble(members, target))
        if config.cases:
            record = record.merge(three_cases(prediction, data))
        record.attrs = {
            "key": config.key,
            "config": config.model_dump_json(),
            "fingerprint": field.attrs["fingerprint"],
            "parameters": size,
            "wall_s": wall_s,
            "peak_memory_mib": peak_memory_mib(),
            **made_by(device),
        }
        return record


def check_size(config: RunConfig, field: xr.DataArray) -> None:
    """Tell before training, not after it, that a field has too few cells or times.

    Raises
    ------
    ValueError
        Of times as of :func:`lsntp.data.windows.split`.
    """
    if min(field.shape[1:]) < metrics.WINDOW:
        raise ValueError(
            f"{config.dataset} has {field.shape[1]}×{field.shape[2]} cells; expected at least "
            f"{metrics.WINDOW}×{metrics.WINDOW}, the window of SSIM"
        )
    validation = config.recipe.validation if config.recipe else "blocked"
    split(field, config.input_steps, config.lead_steps, validation, config.rotation)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that numbers do not depend on how many are at hand."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def provenance(data: Windows, device: str) -> dict[str, str]:
    """Say of a model where it comes from: data, its times, what computed it and when."""
    field, tests = data.field, data.split.test
    length = data.input_steps + data.lead_steps
    ends = field["time"].to_numpy()[[0, -1, tests[0], tests[-1] + length - 1]]
    times = ("first", "last", "test_start", "test_end")
    return {key: str(field.attrs.get(key, "")) for key in PROVENANCE} | {
        **dict(zip(times, np.datetime_as_string(ends, "s").tolist(), strict=True)),
        **made_by(device),
    }


def made_by(device: str) -> dict[str, str]:
    """Say what computed something, and when."""
    return {
        "device": describe(device),
        "processor": describe_processor(),
        "commit": commit(),
        "versions": json.dumps(versions()),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def parameters(model: torch.nn.Module | Reference) -> int:
    """Count what is fitted."""
    if isinstance(model, torch.nn.Module):
        return sum(p.numel() for p in model.parameters())
    return model.parameters


def extras(trained: Trained, data: Windows, history: training.History) -> xr.Dataset:
    """What a network leaves besides its forecasts: losses, embedding, scores with cut links."""
    if not isinstance(trained.model, torch.nn.Module):
        return xr.Dataset()
    config = trained.config
    kept = xr.Dataset(
        {
            "train_loss": ("epoch", history.train_loss),
            "validation_loss": ("epoch", history.validation_loss),
        }
    )
    graph = getattr(trained.model, "graph", None)
    if isinstance(graph, AdaptiveGraph):
        kept["embedding"] = (("node", "feature"), graph.embedding.detach().cpu().numpy())
    return kept.merge(scores_of_cuts(trained, data)) if config.test_cuts_km else kept


def scores_of_cuts(trained: Trained, data: Windows) -> xr.Dataset:
    """Cut the graph of a trained network at each of ``test_cuts_km``, and score what it forecasts.

    Returns
    -------
    Dataset
        ``cut_mae`` (cut, lead), ``cut_window_mae`` (cut, window), K; ``cut`` in km.
    """
    config, starts = trained.config, data.split.test
    graph = cast(AdaptiveGraph, cast(nn.Module, trained.model).graph)
    whole, by_cut = graph.cut, []
    for km in config.test_cuts_km:
        graph.cut = distance_cut(config, data.field, km)
        error = abs(trained.predict(data, starts) - data.targets(starts)).astype(np.float64)
        cells = error.mean(["lat", "lon"])
        by_cut.append(
            xr.Dataset({"cut_mae": cells.mean("window"), "cut_window_mae": cells.mean("lead")})
        )
    graph.cut = whole
    cuts = pd.Index(config.test_cuts_km, name="cut")
    return xr.concat(by_cut, cuts, join="exact", data_vars="all").assign_coords(
        cut=("cut", cuts, {"units": "km"})
    )


def at_places(trained: Trained, prediction: xr.DataArray, data: Windows) -> xr.Dataset:
    """Score forecasts where links are planted, and elsewhere, and the graph that was learned.

    Returns
    -------
    Dataset
        ``place_mae`` (lead), K; ``place_day_mae`` and ``other_day_mae`` (day), K, of the windows
        whose last input is of that day, UTC; ``link_auc``, of a learned graph or a screen, by
        :func:`lsntp.runs.metrics.far_auc`.
    """
    config = trained.config
    truth = planted.links(config.dataset).any("node_from").to_numpy()
    places = xr.zeros_like(data.field[0], bool).drop_vars("time")
    places = places.copy(data=truth.reshape(places.shape))
    error = abs(prediction - data.targets(data.split.test)).astype(np.float64)
    at, elsewhere = (error.where(there).mean(["lat", "lon"]) for there in (places, ~places))
    kept = xr.Dataset({"place_mae": at.mean("window")})
    for name, errors in (("place_day_mae", at), ("other_day_mae", elsewhere)):
        kept[name] = errors.mean("lead").resample(window="1D").mean().rename(window="day")
    graph = getattr(trained.model, "graph", None)
    found = graph().detach() if isinstance(graph, AdaptiveGraph) else None
    if isinstance(trained.model, RidgeScreened):
        found = trained.model.strength
    if found is not None:
        links = ("node", "node_from"), told(config, data.field).numpy() > 0
        world = xr.Dataset({"t2m": inner_cells(config, data.field[0]), "links": links})
        kept["link_auc"] = metrics.far_auc(found.cpu().numpy(), world)
    return kept


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
    change = np.abs(data.targets(starts).to_numpy() - last)[..., data.there].mean(axis=(1, 2))
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
