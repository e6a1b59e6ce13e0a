"""Models that were fitted, with all that their forecasts need: to a file and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
import xarray as xr
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lsntp import zoo
from lsntp.data import planted, store
from lsntp.data.checks import sentence
from lsntp.data.coordinates import Region
from lsntp.data.distances import grid_nodes
from lsntp.data.fields import DataError, check_form, with_values
from lsntp.data.store import DamagedRecordError, RecordError
from lsntp.data.windows import SCALERS, Scaler, Split, Windows, prepare, scaled_frames
from lsntp.model.forecaster import pad_to_odd
from lsntp.model.graph import DistanceCut, GivenGraph
from lsntp.runs import training
from lsntp.runs.config import RunConfig
from lsntp.zoo.references import Reference

FILE = "model.safetensors"
REFERENCES = ("climatology", "ridge")
"""The references that are kept beside a model, to compare it with; persistence needs nothing."""
NO_WINDOW = np.empty(0, int)


def build_network(config: RunConfig, grid: xr.DataArray) -> nn.Module:
    """Build the config's network for a grid (..., lat, lon), with the weights its seed gives."""
    assert config.preset is not None and config.recipe is not None
    sizes = config.preset.model_dump(include={"hidden", "embedding", "kernel", "downsample"})
    settings: dict[str, Any] = dict(config.parts)
    model = zoo.MODELS[config.model]
    if model.kind == "stacked":
        guessed = config.lead_steps if config.recipe.guess == "ridge" else 0
        settings["input_steps"] = config.input_steps + guessed
    if config.cut_km is not None:
        settings["cut"] = distance_cut(config, grid, config.cut_km)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = model.build(*grid.shape[-2:], lead_steps=config.lead_steps, **sizes, **settings)
    if config.told:
        net.graph = GivenGraph(told(config, grid))
        return net
    there = nodes_there(config, grid)
    if net.graph is not None and not there.all():
        net.graph.restrict(torch.from_numpy(there.nonzero()[0]))
    return net


def nodes_there(config: RunConfig, grid: xr.DataArray) -> np.ndarray:
    """Tell of each node (N,) of the config's network whether any cell that it sees has values."""
    cells = torch.from_numpy(with_values(grid))
    if config.preset is not None and config.preset.downsample:
        seen = pad_to_odd(cells[None, None, None].float())[0]
        cells = F.max_pool2d(seen, 3, stride=2) > 0
    return cells.flatten().numpy()


def told(config: RunConfig, grid: xr.DataArray) -> Tensor:
    """Return the planted links among the nodes of the config's network, (N, N).

    Rows sum to 1, or 0 where nothing is received. With down-sampling a node receives from another
    by the number of links between the cells that they see.
    """
    links = torch.from_numpy(planted.links(config.dataset).to_numpy()).float()
    if config.preset is not None and config.preset.downsample:
        cells = pad_to_odd(torch.eye(len(links)).unflatten(1, grid.shape[-2:])[None, :, None])[0]
        seen = F.avg_pool2d(cells, 3, stride=2).flatten(1)  # (N, nodes)
        links = seen.T @ links @ seen
    return F.normalize(links, p=1.0, dim=1)


def distance_cut(config: RunConfig, grid: xr.DataArray, km: float) -> DistanceCut:
    """Cut the graph of the config's network for a grid."""
    return DistanceCut(*grid_nodes(inner_cells(config, grid)), km)


def inner_cells(config: RunConfig, field: xr.DataArray) -> xr.DataArray:
    """Take of a field (..., lat, lon) the cells that the nodes of the config's network stand for.

    With down-sampling these are the centres of the stride-2 kernels.
    """
    if config.preset is None or not config.preset.downsample:
        return field
    return field.isel(lat=slice(1, None, 2), lon=slice(1, None, 2))


@dataclass
class Trained:
    """A model that was fitted, and all that its forecasts need.

    Attributes
    ----------
    config : RunConfig
    grid : DataArray (lat, lon)
        The cells, degrees, and the first frame that it was trained on, K; NaN where masked.
    step_hours : float
        Step between the frames, h.
    scaler : Scaler
        As fitted on the training times.
    model : Module or Reference
    guess : Ridge, optional
        The first guess that a network's change is added to, where its recipe says "ridge".
    references : dict of Reference, by name
        Fitted on the same data, to compare with.
    provenance : dict of str
        Where it comes from: data, its times and fingerprint, versions, processor, commit.
    """

    config: RunConfig
    grid: xr.DataArray
    step_hours: float
    scaler: Scaler
    model: nn.Module | Reference
    guess: zoo.Ridge | None = None
    references: dict[str, Reference] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)

    def predict(self, data: Windows, starts: np.ndarray) -> xr.DataArray:
        """Forecast the windows at ``starts``: (window, lead, lat, lon), K."""
        if not isinstance(self.model, nn.Module):
            return self.model.predict(data, starts)
        assert self.config.recipe is not None
        if self.guess is not None:
            data = replace(data, guesses=self.guess.guesses(replace(data, guesses=None), starts))
        scaled = training.predict(self.model, data, starts, self.config.recipe.residual)
        return data.to_kelvin(scaled, starts)

    @property
    def region(self) -> Region:
        """North, west, south, east of its cells, degrees, with a little room for rounding."""
        lat, lon = self.grid["lat"].to_numpy(), self.grid["lon"].to_numpy()
        north, south = min(lat.max() + 1e-3, 90.0), max(lat.min() - 1e-3, -90.0)
        return float(north), float(lon.min() - 1e-3), float(south), float(lon.max() + 1e-3)

    def ready(self, field: xr.DataArray) -> Windows:
        """Scale a field by what was fitted, with room for a forecast beyond its end.

        Raises
        ------
        DataError
            If its cells or its step are others than those it was trained on, or it is too short.
        """
        self.check(field)
        steps, leads = self.config.input_steps, self.config.lead_steps
        step = np.timedelta64(round(self.step_hours * 3600), "s")
        beyond = field["time"].to_numpy()[-1] + step * np.arange(1, leads + 1)
        longer = field.reindex(time=np.concatenate([field["time"].to_numpy(), beyond]))
        frames = scaled_frames(self.scaler, field)
        unknown = torch.full((leads, *frames.shape[1:]), torch.nan)
        starts = np.arange(field.sizes["time"] - steps + 1)
        return Windows(
            longer,
            Split(NO_WINDOW, NO_WINDOW, starts, NO_WINDOW, []),
            self.scaler,
            torch.cat([frames, unknown]),
            steps,
            leads,
        )

    def check(self, field: xr.DataArray) -> None:
        """Refuse a field of other cells or another step."""
        check_form(field, "step_hours")
        for axis in ("lat", "lon"):
            own, given = self.grid[axis].to_numpy(), field[axis].to_numpy()
            if own.shape != given.shape or not np.allclose(own, given, rtol=0, atol=1e-3):
                raise DataError(
                    f"the field's {axis} are {len(given)} from {given[0]:g} to {given[-1]:g}, the "
                    f"model's {len(own)} from {own[0]:g} to {own[-1]:g} degrees; expected the same "
                    "cells: select or interpolate them, or train a model for this grid"
                )
        if not np.array_equal(with_values(field), with_values(self.grid)):
            raise DataError(
                f"the field has values in {with_values(field).sum()} cells, the model's in "
                f"{with_values(self.grid).sum()}; expected the same cells to be masked: mask the "
                "others by field.where(...), or train a model for these"
            )
        if float(field.attrs["step_hours"]) != self.step_hours:
            raise DataError(
                f"the field's step is {field.attrs['step_hours']:g} h, the model's "
                f"{self.step_hours:g} h; expected the same: select every n-th time, or train a "
                "model for this step"
            )
        if field.sizes["time"] < self.config.input_steps:
            raise DataError(
                f"the field has {field.sizes['time']} times; expected at least "
                f"{self.config.input_steps}, the frames that the model sees"
            )

    # ---- to a file, and back

    def save(self, folder: Path) -> Path:
        """Write all of it to ``folder/model.safetensors``, whole or not at all; gives its path.

        Raises
        ------
        RecordError
            If it cannot be written.
        """
        grid = {axis: torch.from_numpy(self.grid[axis].to_numpy().astype(float)) for axis in AXES}
        tensors: dict[str, Tensor] = {f"grid.{axis}": value for axis, value in grid.items()}
        tensors["grid.values"] = torch.from_numpy(self.grid.to_numpy().astype("f4"))
        tensors["grid.step_hours"] = torch.tensor(self.step_hours, dtype=torch.float64)
        if isinstance(self.model, nn.Module):
            tensors |= prefixed("model", training.copy_of(self.model))
        else:
            tensors |= prefixed("model", self.model.state())
        tensors |= prefixed("scaler", self.scaler.state())
        if self.guess is not None:
            tensors |= prefixed("guess", self.guess.state())
        for name, reference in self.references.items():
            tensors |= prefixed(name, reference.state())
        tensors = {name: value.cpu().contiguous() for name, value in tensors.items()}
        metadata = {
            "config": self.config.model_dump_json(),
            "provenance": json.dumps(self.provenance),
            "references": json.dumps([*self.references]),
        }
        metadata["sha256"] = training.digest(tensors, metadata)
        store.write_bytes(save(tensors, metadata), folder / FILE)
        return folder / FILE

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        RecordError
            If there is none, or it is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            raise RecordError(
                f"{folder} holds no {FILE}; expected a folder that lsntp train wrote: give the one "
                "named by its --to"
            )
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            if metadata.pop("sha256", "") != training.digest(tensors, metadata):
                raise ValueError("its checksum does not match its content")
            config = RunConfig.model_validate_json(metadata["config"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            why = sentence(error) if isinstance(error, ValidationError) else error
            raise DamagedRecordError(
                f"{path} is no readable model ({why}); expected one that lsntp train wrote: delete "
                "it and train again"
            ) from error
        part = {name: without(name, tensors) for name in PARTS}
        axes = {axis: part["grid"][axis].numpy() for axis in AXES}
        grid = xr.DataArray(part["grid"]["values"].numpy(), axes, AXES, attrs={"units": "K"})
        scaler = SCALERS[config.recipe.scaler if config.recipe else "anomaly"]()
        kept = zoo.MODELS[config.model]
        if kept.kind == "reference":
            model = kept.build().restore(part["model"], grid)
        else:
            model = build_network(config, grid)
            model.load_state_dict(part["model"])
        return cls(
            config,
            grid,
            float(part["grid"]["step_hours"]),
            scaler.restore(part["scaler"], grid),
            model,
            zoo.Ridge().restore(part["guess"], grid) if part["guess"] else None,
            {
                name: zoo.MODELS[name].build().restore(part[name], grid)
                for name in json.loads(metadata["references"])
            },
            json.loads(metadata["provenance"]),
        )


AXES = ("lat", "lon")
PARTS = ("grid", "model", "scaler", "guess", *REFERENCES)


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put a prefix and a dot before all names."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def without(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what has the prefix and a dot before its name, without them."""
    first = f"{prefix}."
    return {n.removeprefix(first): value for n, value in tensors.items() if n.startswith(first)}


def fitted(
    config: RunConfig,
    field: xr.DataArray,
    *,
    checkpoints: Path | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> tuple[Trained, Windows, training.History]:
    """Fit the config's model on a field; a network's training is resumed from its checkpoint.

    Parameters
    ----------
    config : RunConfig
    field : DataArray (time, lat, lon), K
    checkpoints : Path, optional
        Folder for the checkpoint; without it an interrupted training starts again.
    device, progress
        As of :func:`lsntp.runs.training.fit`.

    Returns
    -------
    the model, the windows it was fitted on, and how training went; empty for a reference
    """
    recipe, preset = config.recipe, config.preset
    scaler, validation = (recipe.scaler, recipe.validation) if recipe else ("anomaly", "blocked")
    steps = config.input_steps, config.lead_steps
    data = prepare(field, *steps, scaler, validation, config.rotation)
    grid, step_hours = field[0].drop_vars("time"), float(field.attrs["step_hours"])
    if recipe is None or preset is None:  # references see standardised anomalies
        links = {"links": told(config, grid)} if config.told else {}
        reference = zoo.MODELS[config.model].build(**links).fit(data)
        kept = Trained(config, grid, step_hours, data.scaler, reference)
        return kept, data, training.History()
    guess = None
    if recipe.guess == "ridge":
        guess = zoo.Ridge()
        data = replace(data, guesses=guess.cross_fitted(data))
    net = build_network(config, field)
    checkpoint = None
    if checkpoints is not None:  # never serves other data under the same name
        name = f"{config.key}-{field.attrs['fingerprint'][:8]}.safetensors"
        checkpoint = checkpoints / name
    history = training.fit(
        net,
        data,
        recipe,
        epochs=preset.epochs,
        batch_size=preset.batch_size,
        seed=config.seed,
        checkpoint=checkpoint,
        device=device,
        progress=progress,
    )
    return Trained(config, grid, step_hours, data.scaler, net, guess), data, history
