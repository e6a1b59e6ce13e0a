"""What the notebook ``03_method`` takes LS-NTP apart with: loops, parts removed, a look inside."""

from __future__ import annotations

import math
from copy import deepcopy
from unittest import mock

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor, nn

from lsntp.forecaster import Forecaster
from lsntp.lsconv import NSA, LSConv, convolution
from lsntp.recurrent import RecurrentCell, State

# ---------------------------------------------------------------- the equations as loops


def loop_nsa(nsa: NSA, x: Tensor) -> Tensor:
    """NSA without GroupNorm of one field (C, H, W): matrix products over channels, by cell."""
    out = torch.empty_like(x)
    layers = [m for m in nsa.gate if isinstance(m, nn.Conv2d)]
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            v = x[:, i, j]
            for depth, layer in enumerate(layers):
                assert layer.bias is not None
                v = layer.weight[:, :, 0, 0] @ v + layer.bias
                if depth < len(layers) - 1:
                    v = v.clamp(min=0)
            out[:, i, j] = x[:, i, j] / (1 + torch.exp(-v))
    return out


def loop_lsconv(operator: LSConv, embedding: Tensor, x: Tensor) -> Tensor:
    """LS-Conv of one field from the printed equations: loops over nodes, cells and offsets.

    Parameters
    ----------
    operator : LSConv
        Gives the weights; one attention over all channels, without GroupNorm.
    embedding : Tensor (N, E)
    x : Tensor (C, H, W)

    Returns
    -------
    Tensor (F, H, W)
    """
    if operator.nsa:
        attention = operator.nsa[0]
        assert isinstance(attention, NSA)
        x = loop_nsa(attention, x)
    channels, height, width = x.shape
    nodes = x.reshape(channels, -1).T  # (N, C), row-major
    smoothed = nodes.clone()  # the identity
    if operator.lagc:
        for n in range(len(nodes)):
            weights = [math.exp(max(0.0, float(embedding[n] @ e))) for e in embedding]
            for m, weight in enumerate(weights):
                smoothed[n] += weight / sum(weights) * nodes[m]
    theta, bias = operator.lsi.weight, operator.lsi.bias  # (F, C, k, k)
    reach = theta.shape[-1] // 2
    out = torch.zeros(theta.shape[0], height, width, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            for p in range(-reach, reach + 1):
                for q in range(-reach, reach + 1):
                    if 0 <= i + p < height and 0 <= j + q < width:
                        node = smoothed[(i + p) * width + j + q]
                        out[:, i, j] += theta[:, :, p + reach, q + reach] @ node
            if bias is not None:
                out[:, i, j] += bias
    return out.clamp(min=0) if operator.relu else out


# ---------------------------------------------------------------- parts removed


def without(operator: LSConv, *parts: str) -> LSConv:
    """Copy an operator and take parts out of it: "NSA", "LAGC" or "LSI".

    What remains keeps its weights. Without LSI, the middle of the kernel remains: no neighbour
    is looked at after the graph.
    """
    copy = deepcopy(operator)
    for part in parts:
        if part == "NSA":
            copy.nsa = nn.ModuleList()
        elif part == "LAGC":
            copy.lagc = False
        elif part == "LSI":
            features, channels, kernel, _ = copy.lsi.weight.shape
            middle = copy.lsi.weight.detach()[:, :, kernel // 2, kernel // 2]
            bias = copy.lsi.bias
            copy.lsi = convolution(channels, features, 1, bias is not None).to(middle.dtype)
            copy.lsi.weight.data = middle[:, :, None, None].clone()
            if bias is not None:
                copy.lsi.bias = bias
        else:
            raise ValueError(f'part "{part}": expected NSA, LAGC or LSI')
    return copy


def as_convlstm(model: Forecaster) -> Forecaster:
    """Copy a forecaster and take NSA and LAGC out of every LS-Conv; the graph goes with them."""
    copy = deepcopy(model)
    for cell in cells(copy):
        assert isinstance(cell.operator, LSConv)
        cell.operator = without(cell.operator, "NSA", "LAGC")
    copy.graph = None
    return copy


@torch.no_grad()
def change_map(
    operator: nn.Module,
    frames: xr.DataArray,
    cell: tuple[int, int],
    adjacency: Tensor | None = None,
) -> xr.DataArray:
    """How much an operator's output changes, cell by cell, if one input cell is raised by 1.

    Parameters
    ----------
    operator : Module
        LSConv, or NSA if no adjacency is given; computes in float64 here.
    frames : DataArray (step, lat, lon)
        The field; its steps are the operator's channels. The last is raised.
    cell : (int, int)
        Row and column.
    adjacency : Tensor (N, N), optional

    Returns
    -------
    DataArray (lat, lon)
        Root mean square of the change over output channels; NaN where nothing changes (less
        than 1e-12).
    """
    operator = deepcopy(operator).double()
    x = torch.from_numpy(frames.to_numpy()).double()[None]  # (1, C, H, W)
    raised = x.clone()
    raised[0, -1, *cell] += 1
    more = () if adjacency is None else (adjacency.double(),)
    change = (operator(raised, *more) - operator(x, *more))[0].square().mean(0).sqrt()
    out = frames.isel(step=-1).copy(data=change.numpy())
    return out.where(out > 1e-12)


# ---------------------------------------------------------------- the network from outside


def cells(model: Forecaster) -> list[RecurrentCell]:
    """Return the four recurrent cells, encoder first."""
    return [module for module in model.modules() if isinstance(module, RecurrentCell)]


@torch.no_grad()
def stages(model: Forecaster, x: Tensor) -> dict[str, tuple[int, ...]]:
    """Shapes of what each stage gives for an input (B, T, 1, H, W), in order."""
    shapes = {"input": tuple(x.shape)}
    names: dict[str, nn.Module] = {}
    if model.shrink is not None:
        names["stride-2 convolution, all frames"] = model.shrink
    names |= {f"encoder, layer {k + 1}": layer for k, layer in enumerate(model.encoder)}
    names |= {f"decoder, layer {k + 3}": layer for k, layer in enumerate(model.decoder)}
    names["last convolution, all frames"] = model.head

    def note(name: str, output: Tensor | tuple[Tensor, object]) -> None:
        shapes[name] = tuple((output if isinstance(output, Tensor) else output[0]).shape)

    handles = [
        module.register_forward_hook(lambda _m, _i, output, name=name: note(name, output))
        for name, module in names.items()
    ]
    shapes["forecast"] = tuple(model(x).shape)
    for handle in handles:
        handle.remove()
    return {name: shapes[name] for name in ["input", *names, "forecast"]}


def parameters_by_part(model: Forecaster) -> pd.Series:
    """Count the parameters of each part of LS-NTP."""
    count = dict.fromkeys(["node embedding", "NSA", "LSI", "peepholes", "first and last"], 0)
    marks = {"graph.": "node embedding", ".nsa.": "NSA", ".lsi.": "LSI", ".w_c": "peepholes"}
    for name, weight in model.named_parameters():
        part = next((p for mark, p in marks.items() if mark in name), "first and last")
        count[part] += weight.numel()
    return pd.Series(count)


@torch.no_grad()
def gates(model: Forecaster, x: Tensor) -> dict[str, np.ndarray]:
    """All values of i, f, o and C̃ in one forecast, all layers and steps, peepholes left aside.

    Parameters
    ----------
    x : Tensor (B, T, 1, H, W)

    Returns
    -------
    mapping of "i", "f", "o", "C̃" -> array, flat
    """
    seen: list[Tensor] = []
    update = RecurrentCell.gate

    def noted(cell: RecurrentCell, gates: Tensor, c: Tensor) -> State:
        seen.append(gates)
        return update(cell, gates, c)

    with mock.patch.object(RecurrentCell, "gate", noted):
        model(x)
    i, f, o, c = (
        torch.cat([output.chunk(4, dim=1)[k].flatten() for output in seen]) for k in range(4)
    )
    values = {"i": i.sigmoid(), "f": f.sigmoid(), "o": o.sigmoid(), "C̃": c.tanh()}
    return {name: value.numpy() for name, value in values.items()}
