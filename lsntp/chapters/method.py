"""What the notebook ``03_method`` takes LS-NTP apart with: loops, parts removed, links."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from lsntp.data.synthetic import LAG_STEPS, synthetic
from lsntp.data.windows import StandardisedAnomaly, prepare
from lsntp.figures.maps import field_map, mark
from lsntp.figures.style import COLOURS, WIDTH
from lsntp.model.convlstm import ConvLSTMCell
from lsntp.model.forecaster import Forecaster
from lsntp.model.graph import AdaptiveGraph
from lsntp.model.lsconv import NSA, LSConv, convolution, lagc
from lsntp.results.pearson import lagged_correlation
from lsntp.runs import training
from lsntp.runs.metrics import far_auc

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


# ---------------------------------------------------------------- the code as it runs


def code_of(function: Callable[..., object]) -> str:
    """Return the code of a function as it runs, without its docstring, as Markdown."""
    source = textwrap.dedent(inspect.getsource(function))
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.FunctionDef)
    lines = source.splitlines()
    first = tree.body[0]
    if ast.get_docstring(tree) is not None:
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(["```python", *lines, "```"])


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


def cells(model: Forecaster) -> list[ConvLSTMCell]:
    """Return the four recurrent cells, encoder first."""
    return [module for module in model.modules() if isinstance(module, ConvLSTMCell)]


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


def gate_histograms(forms: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
    """Density of the gates' values, one panel a gate, one line a form.

    Parameters
    ----------
    forms : mapping of form -> :func:`lsntp.chapters.method.gates`

    Returns
    -------
    array of Axes (4,)
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5), sharey=True)
    for ax, name in zip(axes.ravel(), ["i", "f", "o", "C̃"], strict=True):
        everything = np.concatenate([gates[name] for gates in forms.values()])
        for form, gates in forms.items():
            ax.hist(
                gates[name],
                bins=40,
                range=(everything.min(), everything.max()),
                weights=np.full(len(gates[name]), 1 / len(gates[name])),
                histtype="step",
                linewidth=2.5,
                color=COLOURS[form],
                label=form.removeprefix("lsntp-"),
            )
        ax.axvline(0 if name == "C̃" else 0.5, color="grey", linewidth=1, zorder=0)
        ax.set(xlabel=r"$\tilde{C}$" if name == "C̃" else f"${name}$", yscale="log")
    for ax in axes[:, 0]:
        ax.set_ylabel("share of values")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return axes.ravel()


def learned_rows(study: xr.Dataset, links: Sequence[int] = (0, 1, 2)) -> np.ndarray:
    """Rows of the learned adjacency of linked cells, with the true source outlined.

    Parameters
    ----------
    study : Dataset
        One seed of :func:`planted_links`.
    links : sequence of int
        One row of maps each.

    Returns
    -------
    array of Axes (links, 2)
        Left the truth, right what was learned. Colours run up to the largest weight more than
        three cells away from the cell the row belongs to (cross).
    """
    lat, lon = study["lat"].to_numpy(), study["lon"].to_numpy()
    columns = len(lon)
    _, axes = plt.subplots(len(links), 2, figsize=(WIDTH, 2.6 * len(links)), squeeze=False)
    for row, link in zip(axes, links, strict=True):
        target, source = int(study["target"][link]), int(study["source"][link])
        grid = {"lat": lat, "lon": lon}
        truth, learned = (
            xr.DataArray(study[name].values[target].reshape(len(lat), columns), grid)
            for name in ("links", "adjacency")
        )
        step = np.indices((len(lat), columns)).reshape(2, -1).T - divmod(target, columns)
        away = (np.abs(step).max(1) > 3).reshape(truth.shape)
        top = learned.size * float(learned.values[away].max())
        for ax, field, title in (
            (row[0], top * truth, "planted"),
            (row[1], learned.size * learned, "learned"),
        ):
            field_map(
                field,
                ax,
                title=title if link == links[0] else None,
                cmap="YlGnBu",
                limits=(0, top),
                label="weight × N",
                colourbar=title == "learned",
            )
            mark(ax, (lat[target // columns], lon[target % columns]))
            outline(ax, lat, lon, source)
            ax.label_outer()
    return axes


def outline(ax: Axes, lat: np.ndarray, lon: np.ndarray, middle: int) -> None:
    """Outline the 3×3 patch around a node of a map of a regular grid, degrees."""
    row, column = divmod(middle, len(lon))
    high, wide = abs(lat[1] - lat[0]), lon[1] - lon[0]
    corner = (lon[column] - 1.5 * wide, lat[row] - 1.5 * high)
    ax.add_patch(
        Rectangle(corner, 3 * wide, 3 * high, fill=False, edgecolor="#d55e00", linewidth=2)
    )


# ---------------------------------------------------------------- are planted links found?


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
    """Train a :class:`NextFrame` on a synthetic world, by :func:`lsntp.runs.training.fit`.

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
    height, width = world["t2m"].shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = NextFrame(height, width, input_steps, embedding, shared)
    training.fit(model, data, recipe, epochs=epochs, batch_size=32, seed=seed)
    return model


SETUPS: Mapping[str, dict[str, bool]] = {
    "LS-Conv, next frame": {},
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
        ``auc`` (way, seed), by :func:`~lsntp.runs.metrics.far_auc`; ``adjacency``, ``links``
        (seed, node, node_from): what "LS-Conv, next frame" learned, and the truth; ``source``,
        ``target`` (seed, link): the patches' middle nodes; coordinates lat, lon of the grid.
    """
    worlds = []
    for seed in seeds:
        world = synthetic(steps=steps, links=links, seed=seed)
        bare = synthetic(steps=steps, links=0, seed=seed)
        field = world["t2m"]
        anomaly = StandardisedAnomaly().fit(field).transform(field)
        learned = {
            name: learn_graph(world, seed=seed, epochs=epochs, **setup)
            for name, setup in SETUPS.items()
        }
        learned["control: no links"] = learn_graph(bare, seed=seed, epochs=epochs)
        learned["untrained graph"] = learn_graph(world, seed=seed, epochs=0)
        matrices = {name: model.graph().detach().numpy() for name, model in learned.items()}
        for name, values in (("fields", field.to_numpy()), ("anomalies", anomaly)):
            flat = values.reshape(steps, -1).astype(float)
            matrices[f"Pearson at lag, {name}"] = lagged_correlation(flat, LAG_STEPS)
        scores = [far_auc(matrix, world) for matrix in matrices.values()]
        out = world[["links", "source", "target"]].assign_coords(lat=field.lat, lon=field.lon)
        out["auc"] = xr.DataArray(scores, {"way": list(matrices)}, ("way",))
        out["adjacency"] = (("node", "node_from"), matrices["LS-Conv, next frame"])
        worlds.append(out)
    return xr.concat(worlds, pd.Index(list(seeds), name="seed"))
