"""Recipes, and the one training loop: seeded, checkpointed every epoch, resumed bit for bit.

Started by torchrun, the same loop trains on all the processes that torchrun made (:func:`launch`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from lsntp.data.checks import Count, Seed, Whole, checked
from lsntp.data.store import RecordError, write_bytes
from lsntp.data.windows import Windows

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger("lsntp")

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What recipes and presets may be called: their names become part of a file's."""


class Recipe(BaseModel):
    """How a network is trained, apart from its size."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field(pattern=NAME, max_length=40, description="part of the record's file name")
    scaler: Literal["anomaly", "minmax"] = Field(description="what the network sees")
    validation: Literal["blocked", "random"] = Field(description="how windows are held out")
    residual: bool = Field(description="forecast the change from the last frame")
    loss: Literal["mae", "mse"] = Field(description="training and validation loss, scaled units")
    schedule: Literal["constant", "one-cycle"] = Field(description="learning rate over the run")
    learning_rate: float = Field(gt=0, description="peak learning rate of Adam")
    clip_norm: float | None = Field(gt=0, description="clip the gradient to this norm")
    weight_decay: float = Field(ge=0, description="decoupled weight decay (AdamW)")
    guess: Literal["persistence", "ridge"] = Field(
        default="persistence", description="with residual: what the network's change is added to"
    )
    average: float = Field(
        default=0.0, ge=0, lt=1, description="decay of the running mean of the weights; 0: none"
    )

    @model_validator(mode="after")
    def _guess_is_from_elsewhere(self) -> Self:
        if self.guess == "ridge" and not (self.residual and self.validation == "blocked"):
            raise ValueError(
                'guess="ridge": expected residual=True, and validation="blocked", so that no '
                "window's guess was fitted on windows that overlap it"
            )
        return self


MODERN = Recipe(
    name="modern",
    scaler="anomaly",
    validation="blocked",
    residual=True,
    loss="mae",
    schedule="one-cycle",
    learning_rate=3e-3,
    clip_norm=1.0,
    weight_decay=1e-2,
)

RECIPES = {
    "modern": MODERN,
    "released": Recipe(
        name="released",
        scaler="minmax",
        validation="random",
        residual=False,
        loss="mse",
        schedule="constant",
        learning_rate=1e-3,
        clip_norm=None,
        weight_decay=0.0,
    ),
    "tuned": MODERN.model_copy(
        update={"name": "tuned", "learning_rate": 2e-3, "guess": "ridge", "average": 0.99}
    ),
}
"""The recipes, by name: ``modern``; ``released`` as in the paper; ``tuned`` for LS-NTP (tuned)."""

LOSSES = {"mae": nn.functional.l1_loss, "mse": nn.functional.mse_loss}


def loss_over(there: np.ndarray, name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a loss of (..., H, W), the mean over the cells that are there."""
    if there.all():
        return LOSSES[name]
    cells = torch.from_numpy(there)
    return lambda forecast, target: LOSSES[name](forecast[..., cells], target[..., cells])


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Learning rate at ``progress`` in [0, 1): constant, or up over 30 % and down by a cosine."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warm = 0.3
    if progress < warm:
        return recipe.learning_rate * (0.04 + 0.96 * progress / warm)
    return recipe.learning_rate * 0.5 * (1 + np.cos(np.pi * (progress - warm) / (1 - warm)))


def forecast(model: nn.Module, inputs: Tensor, data: Windows, residual: bool) -> Tensor:
    """Scaled forecast (B, L, 1, H, W): the network's, or the first guess plus the network's."""
    output = model(inputs)
    return data.first_guess(inputs) + output if residual else output


@dataclass
class History:
    """What a training run leaves besides the weights."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.train_loss)

    @property
    def best_epoch(self) -> int:
        """Epoch (from 0) with the lowest validation loss; the first of equals."""
        return int(np.argmin(self.validation_loss))


def processes() -> int:
    """Processes that train one network together: as many as torchrun started, else one."""
    return int(os.environ["WORLD_SIZE"]) if torch.distributed.is_torchelastic_launched() else 1


def rank() -> int:
    """Which of the :func:`processes` this is, from 0; the first writes and prints."""
    return int(os.environ["RANK"]) if torch.distributed.is_torchelastic_launched() else 0


def launch(device: str) -> Fabric:
    """Join the processes that torchrun started, one device each (DDP); without torchrun, alone.

    Parameters
    ----------
    device : str
        An accelerator of Lightning Fabric: "cpu", "cuda", "mps" or "auto".

    Raises
    ------
    ValueError
        If it is none of these, or not at hand.
    """
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "auto": True,
    }
    if not (isinstance(device, str) and here.get(device)):
        raise ValueError(
            f"device={device!r}: expected one of those at hand, "
            f"{', '.join(name for name, there in here.items() if there)}"
        )
    from lightning_fabric import Fabric  # here, not above: slow to import, and needed to train only
    from lightning_fabric.strategies.ddp import DDPStrategy

    if processes() == 1:
        return Fabric(accelerator=device, devices=1)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # no greeting by each
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    # static_graph: every step uses the same weights, and those it does not use get no gradient
    strategy = DDPStrategy(static_graph=True)
    fabric = Fabric(
        accelerator=device, strategy=strategy, devices=local, num_nodes=processes() // local
    )
    fabric.launch()
    return fabric


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take numbers below 1e-38, as in gradients that vanish, for zero: they are slow to compute."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def drawn_apart() -> Iterator[None]:
    """Leave torch's own random numbers as they were: what is drawn inside, dropout, is seeded."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield


@checked
def check_settings(epochs: Whole, batch_size: Count, seed: Seed) -> None:
    """Refuse numbers that no training can be of: its types say which.

    Raises
    ------
    ValueError
    """


@flushed_denormals()
@drawn_apart()
def fit(
    model: nn.Module,
    data: Windows,
    recipe: Recipe,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    checkpoint: Path | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> History:
    """Train a network in place; it ends with the weights of its best validation epoch.

    Under torchrun the processes share out every batch, so that the losses are, to rounding and but
    for dropout, those of one process; the first of them writes the checkpoint, and all read it.

    Parameters
    ----------
    model : Module (B, T, 1, H, W) -> (B, L, 1, H, W)
    data : Windows
    recipe : Recipe
    epochs, batch_size : int
    seed : int
        Orders the training windows and draws dropout; with the first weights it decides the
        outcome.
    checkpoint : Path, optional
        Written after every epoch; training resumes from it if it is there, with the same
        outcome, bit for bit, as an uninterrupted run.
    device : str
        As of :func:`launch`.
    progress : bool
        Show a bar over the epochs.

    Raises
    ------
    ValueError
        If a setting is out of range or the device not at hand.
    RecordError
        If the checkpoint is damaged or of another model, or cannot be written.
    FloatingPointError
        If the training loss is no longer finite.
    """
    check_settings(epochs, batch_size, seed)
    fabric = launch(device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    wrapped, optimizer = fabric.setup(model, optimizer)
    running = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
    shown: nn.Module = running.module if recipe.average else model  # what is validated and kept
    history, best = History(), copy_of(shown)
    settings = f"{recipe.model_dump_json(exclude_defaults=True)} {epochs=} {batch_size=} {seed=}"
    if checkpoint is not None and fabric.broadcast(checkpoint.exists()):
        history, best = load_checkpoint(checkpoint, model, running, optimizer, settings)
        log.info("resumed %s after epoch %d", checkpoint, history.epochs)
    loss_of = loss_over(data.there, recipe.loss)
    silent = not (progress and fabric.is_global_zero)
    with tqdm(total=epochs, initial=history.epochs, unit="epoch", disable=silent) as bar:
        for epoch in range(history.epochs, epochs):
            started = time.perf_counter()
            model.train()
            rng = np.random.default_rng([seed, epoch])
            order = rng.permutation(data.split.train)
            torch.manual_seed(int(rng.integers(2**63)))  # of dropout; so that a resume draws alike
            batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
            total = 0.0
            for step, starts in enumerate(batches):
                rate = learning_rate(recipe, (epoch + step / len(batches)) / epochs)
                optimizer.param_groups[0]["lr"] = rate
                mine, weight = share_of(starts, fabric.global_rank, fabric.world_size)
                inputs, targets = (part.to(fabric.device) for part in data.batch(mine))
                loss = weight * loss_of(forecast(wrapped, inputs, data, recipe.residual), targets)
                optimizer.zero_grad()
                fabric.backward(loss)
                if recipe.clip_norm is not None:
                    fabric.clip_gradients(wrapped, optimizer, max_norm=recipe.clip_norm)
                optimizer.step()
                if recipe.average:
                    running.update_parameters(model)
                total += loss.item() * len(starts)
            if fabric.world_size > 1:
                mean = torch.tensor(total, dtype=torch.float64, device=fabric.device)
                fabric.all_reduce(mean)  # in place
                total = mean.item()
            scaled = predict(shown, data, data.split.validation, recipe.residual)
            truth = data.batch(data.split.validation)[1][:, :, 0]
            history.train_loss.append(total / len(order))
            history.validation_loss.append(float(loss_of(torch.from_numpy(scaled), truth)))
            for part in ("train", "validation"):
                if not np.isfinite(loss := getattr(history, f"{part}_loss")[-1]):
                    raise FloatingPointError(
                        f"the {part} loss became {loss} in epoch {epoch + 1}; lower the learning "
                        f"rate ({recipe.learning_rate:g}) or set clip_norm ({recipe.clip_norm})"
                    )
            if history.best_epoch == epoch:
                best = copy_of(shown)
            history.seconds += time.perf_counter() - started
            if checkpoint is not None and fabric.is_global_zero:
                save_checkpoint(checkpoint, model, running, optimizer, best, history, settings)
            log.info(
                "epoch %d/%d: loss %.4f, validation %.4f",
                epoch + 1,
                epochs,
                history.train_loss[-1],
                history.validation_loss[-1],
            )
            bar.set_postfix(validation=f"{history.validation_loss[-1]:.4f}")
            bar.update()
    model.load_state_dict(best)
    return history


def share_of(starts: np.ndarray, rank: int, world_size: int) -> tuple[np.ndarray, float]:
    """Return a process's windows of a batch, and the weight of its mean loss over them.

    With these weights the mean over the processes, of the loss as of its gradient, is that over the
    windows. A process left without a window takes the first of all, with weight 0.
    """
    mine = starts[rank::world_size]
    return (mine if len(mine) else starts[:1]), len(mine) * world_size / len(starts)


@torch.no_grad()
def predict(
    model: nn.Module, data: Windows, starts: np.ndarray, residual: bool, batch_size: int = 64
) -> np.ndarray:
    """Scaled forecasts (window, L, H, W) of the windows that begin at ``starts``."""
    model.eval()
    device = next(model.parameters()).device
    outputs = []
    for first in range(0, len(starts), batch_size):
        inputs, _ = data.batch(starts[first : first + batch_size])
        outputs.append(forecast(model, inputs.to(device), data, residual)[:, :, 0].cpu())
    return torch.cat(outputs).numpy()


def copy_of(model: nn.Module) -> dict[str, Tensor]:
    """Copy the weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def save_checkpoint(
    path: Path,
    model: nn.Module,
    running: AveragedModel,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    history: History,
    settings: str,
) -> None:
    """Write everything a resume needs to one safetensors file, whole or not at all."""
    tensors = {f"model.{name}": value for name, value in copy_of(model).items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    if running.n_averaged:
        tensors |= {f"running.{name}": value for name, value in copy_of(running).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    tensors = {name: value.cpu().contiguous() for name, value in tensors.items()}
    metadata = {"history": json.dumps(vars(history)), "settings": settings}
    metadata["sha256"] = digest(tensors, metadata)
    write_bytes(save(tensors, metadata), path)


def load_checkpoint(
    path: Path,
    model: nn.Module,
    running: AveragedModel,
    optimizer: torch.optim.Optimizer,
    settings: str,
) -> tuple[History, dict[str, Tensor]]:
    """Restore all but the history and the best weights so far, which it returns, in place."""
    remedy = f"delete {path} to train from the start"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise RecordError(f"{path} is not a readable checkpoint ({error}); {remedy}") from error
    if metadata.pop("sha256", "") != digest(tensors, metadata):
        raise RecordError(f"{path} is damaged: its checksum does not match its content; {remedy}")
    if metadata["settings"] != settings:
        raise RecordError(
            f"{path} is of another run, {metadata['settings']}; expected {settings}; {remedy}"
        )
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "running": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value.clone()  # no view of the file, which Windows would not replace
    try:
        model.load_state_dict(parts["model"])
        if parts["running"]:
            running.load_state_dict(parts["running"])
    except RuntimeError as error:
        raise RecordError(f"{path} holds another model ({error}); {remedy}") from error
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimizer"].items():
        index, _, rest = name.partition(".")
        state.setdefault(int(index), {})[rest] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return History(**json.loads(metadata["history"])), parts["best"]


def digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """SHA-256 over metadata, and names, types, shapes and values of tensors."""
    sha = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        values = tensors[name].numpy()
        sha.update(json.dumps([name, values.dtype.str, values.shape]).encode() + values.tobytes())
    return sha.hexdigest()
