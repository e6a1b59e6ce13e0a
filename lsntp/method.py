"""What the notebook ``03_method`` takes LS-NTP apart with: loops, parts removed, planted links."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.stats import mannwhitneyu
from torch import Tensor, nn

from lsntp import training
from lsntp.forecaster import Forecaster
from lsntp.graph import AdaptiveGraph, great_circle_km, grid_nodes
from lsntp.lsconv import NSA, LSConv, convolution, lagc
from lsntp.recurrent import RecurrentCell
from lsntp.synthetic import synthetic
from lsntp.windows import StandardisedAnomaly, prepare

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
    handles = [
        cell.operator.register_forward_hook(lambda _m, _i, output: seen.append(output))
        for cell in cells(model)
    ]
    model(x)
    for handle in handles:
        handle.remove()
    i, f, o, c = (
        torch.cat([output.chunk(4, dim=1)[k].flatten() for output in seen]) for k in range(4)
    )
    values = {"i": i.sigmoid(), "f": f.sigmoid(), "o": o.sigmoid(), "C̃": c.tanh()}
    return {name: value.numpy() for name, value in values.items()}


# ---------------------------------------------------------------- planted links


class NextFrame(nn.Module):
    """The smallest network with a graph: one linear LS-Conv, without NSA, gives the next frame.

    The T input frames are its channels: (B, T, 1, H, W) -> (B, 1, 1, H, W).

    Parameters
    ----------
    height, width, input_steps, embedding : int
        H, W, T and E.
    shared : bool
        True: LS-Conv, ``(I + A) X Θ``, the same weights for a cell and for its links.
        False: ``X Θ' + A X Θ``, weights of their own for each.
    """

    def __init__(
        self, height: int, width: int, input_steps: int, embedding: int, shared: bool = True
    ) -> None:
        super().__init__()
        self.graph = AdaptiveGraph(height * width, embedding)
        self.operator = LSConv(input_steps, 1, kernel=3, nsa=False)
        self.own = None if shared else convolution(input_steps, 1, kernel=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Forecast one frame."""
        x = x[:, :, 0]
        if self.own is None:
            return self.operator(x, self.graph())[:, :, None]
        linked = lagc(x, self.graph()) - x  # A X
        return (self.own(x) + self.operator.lsi(linked))[:, :, None]


def auc(strength: np.ndarray, linked: np.ndarray) -> float:
    """Area under the ROC curve: chance that a linked pair has more strength than another pair.

    The Mann–Whitney statistic over the product of both numbers; ties count half.

    Parameters
    ----------
    strength : array (pairs,)
    linked : array (pairs,) of bool
    """
    a, b = strength[linked], strength[~linked]
    if not len(a) or not len(b):
        raise ValueError(f"{len(a)} linked pairs and {len(b)} others: AUC needs some of both")
    return float(mannwhitneyu(a, b).statistic / (len(a) * len(b)))


def far_auc(strength: np.ndarray, world: xr.Dataset) -> float:
    """AUC of a matrix against a world's planted links, over far pairs only, direction left aside.

    Parameters
    ----------
    strength : array (N, N)
        Each pair is given the sum of its two entries.
    world : Dataset
        From :func:`lsntp.synthetic.synthetic`. Far pairs lie at least as far apart as the nearest
        linked pair, so that nearness cannot help.
    """
    links = world["links"].to_numpy()
    one, other = np.triu_indices(len(links), k=1)
    linked = (links | links.T)[one, other]
    km = great_circle_km(*grid_nodes(world["t2m"]))[one, other]
    far = km >= km[linked].min()
    return auc((strength + strength.T)[one, other][far], linked[far])


def lagged_correlation(series: np.ndarray, lag: int) -> np.ndarray:
    """Pearson's r of node n (row) with node m (column) ``lag`` steps before: (T, N) -> (N, N)."""
    now, before = (part - part.mean(0) for part in (series[lag:], series[: len(series) - lag]))
    return (now / now.std(0)).T @ (before / before.std(0)) / len(now)


def learn_graph(
    world: xr.Dataset,
    *,
    seed: int,
    epochs: int,
    residual: bool = False,
    shared: bool = True,
    input_steps: int = 6,
    embedding: int = 32,
) -> NextFrame:
    """Train a :class:`NextFrame` on a synthetic world, by :func:`lsntp.training.fit`.

    The recipe is "modern" with MSE, a peak learning rate of 0.01, no clipping, no weight decay,
    and ``residual`` as given: forecast the next frame, or (True) its change from the last.
    """
    changes = {
        "residual": residual,
        "loss": "mse",
        "learning_rate": 1e-2,
        "clip_norm": None,
        "weight_decay": 0.0,
    }
    recipe = training.RECIPES["modern"].model_copy(update=changes)
    data = prepare(world["t2m"], input_steps, 1, recipe.scaler, recipe.validation)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = NextFrame(*world["t2m"].shape[1:], input_steps, embedding, shared)
    training.fit(model, data, recipe, epochs=epochs, batch_size=32, seed=seed)
    return model


SETUPS: Mapping[str, dict[str, bool]] = {
    "LS-Conv": {},
    "LS-Conv, change": {"residual": True},
    "own Θ for links, change": {"residual": True, "shared": False},
}


def planted_links(seeds: Sequence[int], epochs: int, steps: int, links: int) -> xr.Dataset:
    """Train on synthetic worlds and score what is learned against the planted links.

    Parameters
    ----------
    seeds : sequence of int
        One world, with links of its own, and one set of first weights for each.
    epochs, steps, links : int
        Of each training; of each world.

    Returns
    -------
    Dataset
        ``auc`` (way, seed), by :func:`far_auc`; ``adjacency``, ``links`` (seed, node, node_from):
        of the set-up "LS-Conv", and the truth; ``source``, ``target`` (seed, link): the patches'
        middle nodes; coordinates lat, lon of the grid.
    """
    found = []
    for seed in seeds:
        world = synthetic(steps=steps, links=links, seed=seed)
        bare = synthetic(steps=steps, links=0, seed=seed)
        field, lag = world["t2m"], 3  # steps a link takes
        anomaly = StandardisedAnomaly().fit(field).transform(field)
        learned = {
            name: learn_graph(world, seed=seed, epochs=epochs, **setup)
            for name, setup in SETUPS.items()
        }
        learned["no links there"] = learn_graph(bare, seed=seed, epochs=epochs)
        learned["untrained"] = learn_graph(world, seed=seed, epochs=0)
        matrices = {name: model.graph().detach().numpy() for name, model in learned.items()}
        for name, values in (("fields", field.to_numpy()), ("anomalies", anomaly)):
            flat = values.reshape(steps, -1).astype(float)
            matrices[f"lagged r, {name}"] = lagged_correlation(flat, lag)
        scores = [far_auc(matrix, world) for matrix in matrices.values()]
        out = world[["links", "source", "target"]].assign_coords(lat=field.lat, lon=field.lon)
        out["auc"] = xr.DataArray(scores, {"way": list(matrices)}, ("way",))
        out["adjacency"] = (("node", "node_from"), matrices["LS-Conv"])
        found.append(out)
    return xr.concat(found, pd.Index(list(seeds), name="seed"))
