"""Are planted long-range links found? The smallest network with a graph, trained and scored.

Shown in the notebook ``03_method``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor, nn

from lsntp.data.synthetic import LAG_STEPS, synthetic
from lsntp.data.windows import StandardisedAnomaly, prepare
from lsntp.model.graph import AdaptiveGraph
from lsntp.model.lsconv import LSConv, convolution, lagc
from lsntp.runs import training
from lsntp.runs.metrics import far_auc


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
