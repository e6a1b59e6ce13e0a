"""What a learned graph looks like, and whether its links are long and mean something.

N nodes; ``A = softmax(relu(E Eᵀ))``, (N, N): row n is what node n receives, from the nodes in the
columns. Shown in the notebook ``09_q4_learned_graph``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.stats import rankdata, spearmanr

from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.synthetic import LAG_STEPS, synthetic
from lsntp.data.windows import StandardisedAnomaly
from lsntp.model.graph import AdaptiveGraph, adaptive_adjacency
from lsntp.results.pearson import lagged_correlation
from lsntp.runs.config import RunConfig
from lsntp.runs.metrics import far_auc
from lsntp.runs.records import config_of
from lsntp.runs.trained import build_network, inner_cells, nodes_there

FAR_KM = {4000.0: (500, 1000, 2000), 1000.0: (100, 250, 500)}
"""For regions at least so wide (km): beyond which distances the weight is added up, km."""
SHUFFLES = 99
FEWEST = 10
"""A row with fewer far cells has no rank correlation over them."""
MEASURES = {
    "learned": "learned graph",
    "untrained": "graph at initialisation",
    "distance": "nearness alone",
    "given distance": "learned, given distance",
    "mirrored": "same, map mirrored",
    "shuffled": "same, maps shuffled (95 %)",
    "far": "far cells, given distance",
    "far mirrored": "same, map mirrored ",
}
"""What `study` correlates with the Pearson map of a cell, by rank."""


def adjacency(embedding: np.ndarray) -> np.ndarray:
    """``softmax(relu(E Eᵀ))`` in double precision: (N, E) -> (N, N)."""
    return adaptive_adjacency(torch.from_numpy(np.asarray(embedding, float))).numpy()


def untrained(config: RunConfig, field: xr.DataArray) -> np.ndarray:
    """Return the adjacency that the config's network starts from, by its seed.

    Parameters
    ----------
    config : RunConfig
    field : DataArray (..., lat, lon)
        On the full grid; of its values only matters which cells have none.

    Returns
    -------
    array (n, n), of the nodes of :func:`lsntp.runs.trained.nodes_there`
    """
    graph = cast(AdaptiveGraph, build_network(config, field).graph)
    return adjacency(graph.embedding.detach().numpy()[nodes_there(config, field)])


def among_all(matrices: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Lay matrices (..., n, n) of the nodes ``there`` (N,) into (..., N, N), elsewhere NaN."""
    whole = np.full((*matrices.shape[:-2], there.size, there.size), np.nan)
    whole[..., there[:, None] & there] = matrices.reshape(*matrices.shape[:-2], -1)
    return whole


def far_distances(km: np.ndarray) -> tuple[int, ...]:
    """Return three distances, km, that suit a region, given those between its nodes: `FAR_KM`.

    Of a region less than 1000 km wide: a tenth, a quarter and half of its width.
    """
    largest = float(np.max(km))
    suiting = [distances for least, distances in FAR_KM.items() if largest >= least]
    return suiting[0] if suiting else tuple(round(s * largest) for s in (0.1, 0.25, 0.5))


def share_beyond(
    matrix: np.ndarray, km: np.ndarray, far_km: Sequence[float] | np.ndarray, others: bool = False
) -> np.ndarray:
    """Share of the weight that comes from further away than each distance, mean over rows.

    Parameters
    ----------
    matrix, km : arrays (N, N)
        Weights, and distances of the nodes.
    far_km : sequence of float (D,)
    others : bool
        Leave a node's weight for itself out, so that the rest adds up to 1.

    Returns
    -------
    array (D,), 0 to 1
    """
    if others:
        matrix = matrix * ~np.eye(len(matrix), dtype=bool)
        matrix = matrix / matrix.sum(axis=1, keepdims=True)
    return np.array([(matrix * (km > d)).sum(axis=1).mean() for d in far_km])


def row_ranks(matrix: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Ranks within each row, with mean 0 and length 1; 0 where ``among`` is False.

    The product of two such rows is Spearman's rank correlation over the cells ``among``.

    Parameters
    ----------
    matrix : array (N, N)
    among : array (N, N) of bool

    Returns
    -------
    array (N, N)
        NaN in rows with fewer than `FEWEST` cells, or with no two different values.
    """
    ranks = rankdata(np.where(among, matrix, np.inf), axis=1)  # the others come last
    count = among.sum(axis=1, keepdims=True)
    ranks = np.where(among, ranks - (count + 1) / 2, 0.0)
    length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    good = (count >= FEWEST) & (length > 0)
    return np.where(good, ranks / np.where(good, length, 1.0), np.nan)


def partial(ab: np.ndarray, ad: np.ndarray, bd: np.ndarray) -> np.ndarray:
    """Partial correlation of a and b given d, from the three; 0 where d leaves nothing of one."""
    left = np.sqrt(np.maximum((1 - ad**2) * (1 - bd**2), 0))
    return (ab - ad * bd) / np.where(left > 1e-6, left, np.inf)


def study(runs: Sequence[xr.Dataset], field: xr.DataArray, pearson: xr.Dataset) -> xr.Dataset:
    """Measure the graphs of one data set and model, one record a seed.

    Nodes that see only masked cells take no part.

    Parameters
    ----------
    runs : sequence of Dataset
        Records with an ``embedding``.
    field : DataArray (..., lat, lon)
        Gives the coordinates of the full grid, and which cells have values.
    pearson : Dataset
        From :func:`lsntp.results.pearson.of_nodes`.

    Returns
    -------
    Dataset
        ``adjacency``, ``untrained`` (seed, node, node_from), NaN but for nodes that are ``there``
        (node). ``km`` (node, node_from). ``beyond``,
        ``beyond_others`` (graph, seed, far_km), by :func:`share_beyond`; ``curve`` (graph, seed,
        distance), the first at many distances; ``own`` (graph, seed), a node's weight for itself,
        median; graphs are learned, untrained, uniform. ``nearness`` (seed): rank correlation of
        rows with −distance. ``rank`` (measure, series, seed): rank correlations with Pearson's r,
        means over rows, a node's own entry left out; see `MEASURES`. ``agreement``,
        ``agreement_given_distance`` (pair): rank correlation of all off-diagonal entries between
        two seeds. Attribute ``far``: the largest of ``far_km``; beyond it cells are far.
    """
    configs = [config_of(run) for run in runs]
    nodes, there = inner_cells(configs[0], field), nodes_there(configs[0], field)
    whole_km = great_circle_km(*grid_nodes(nodes))
    km = whole_km[np.ix_(there, there)]
    far_km = far_distances(km)
    learned = np.stack([adjacency(run["embedding"].values[there]) for run in runs])
    first = np.stack([untrained(config, field) for config in configs])
    uniform = np.full_like(learned, 1 / len(km))
    graphs = {"learned": learned, "untrained": first, "uniform": uniform}
    distances = np.linspace(0, km.max(), 60)

    def by_graph(measure: Callable[[np.ndarray], object]) -> np.ndarray:
        return np.array([[measure(a) for a in graph] for graph in graphs.values()])

    among = {name: among_all(graph, there) for name, graph in graphs.items()}
    ranked = [
        ranks_with(a, b, whole_km, pearson)
        for a, b in zip(among["learned"], among["untrained"], strict=True)
    ]
    pairs = list(combinations(range(len(runs)), 2))
    agree = np.array([agreement(learned[i], learned[j], km) for i, j in pairs]).reshape(-1, 2)
    matrix = ("seed", "node", "node_from")
    return xr.Dataset(
        {
            "adjacency": (matrix, among["learned"]),
            "untrained": (matrix, among["untrained"]),
            "there": ("node", there),
            "km": (matrix[1:], whole_km, {"units": "km"}),
            "beyond": (
                ("graph", "seed", "far_km"),
                by_graph(lambda a: share_beyond(a, km, far_km)),
            ),
            "beyond_others": (
                ("graph", "seed", "far_km"),
                by_graph(lambda a: share_beyond(a, km, far_km, others=True)),
            ),
            "curve": (
                ("graph", "seed", "distance"),
                by_graph(lambda a: share_beyond(a, km, distances)),
            ),
            "own": (("graph", "seed"), by_graph(lambda a: np.median(a.diagonal()))),
            "nearness": ("seed", [near for _, near in ranked]),
            "rank": (
                ("measure", "series", "seed"),
                np.stack([ranks for ranks, _ in ranked], axis=-1),
            ),
            "agreement": ("pair", agree[:, 0]),
            "agreement_given_distance": ("pair", agree[:, 1]),
        },
        {
            "seed": [c.seed for c in configs],
            "graph": list(graphs),
            "far_km": ("far_km", list(far_km), {"units": "km"}),
            "distance": ("distance", distances, {"units": "km"}),
            "measure": list(MEASURES),
            "series": pearson["series"].values,
            "pair": [f"{configs[i].seed} and {configs[j].seed}" for i, j in pairs],
            "lat": nodes["lat"].values,
            "lon": nodes["lon"].values,
        },
        {"dataset": configs[0].dataset, "model": configs[0].model, "far": far_km[-1]},
    )


def ranks_with(
    learned: np.ndarray, first: np.ndarray, km: np.ndarray, pearson: xr.Dataset
) -> tuple[np.ndarray, float]:
    """Rank correlations of one graph's rows with Pearson's r, and with nearness.

    The *mirrored* map is that of the grid turned east for west: every distance stays as it is (on
    a grid of regular longitudes), and every coast moves. *Shuffled* maps are those of the nodes in
    a random order; of `SHUFFLES` such, the 95th percentile. Pairs of nodes without an r, where
    cells are masked, are left out, of the mirrored map those without one in either.

    Returns
    -------
    array (measure, series), float
    """
    every, known = np.arange(len(km)), ~np.isnan(pearson["r"].values[0].diagonal())
    pairs = known[:, None] & known
    others = pairs & ~np.eye(len(km), dtype=bool)
    far = pairs & (km > far_distances(km[~np.isnan(learned)])[-1])
    mirror = every.reshape(-1, pearson.sizes["lon"])[:, ::-1].ravel()
    in_both = pairs & pairs[np.ix_(mirror, mirror)]
    rng, shuffles = np.random.default_rng(0), np.tile(every, (SHUFFLES, 1))
    shuffles[:, known] = [rng.permutation(every[known]) for _ in range(SHUFFLES)]
    a, d, a_first = (row_ranks(x, others) for x in (learned, -km, first))

    columns = []
    for r in pearson["r"].values:
        b = row_ranks(r, others)
        null = [_given(a, b[np.ix_(order, order)], d) for order in shuffles]
        turned = r[np.ix_(mirror, mirror)]
        columns.append(
            {
                "learned": _mean(a, b),
                "untrained": _mean(a_first, b),
                "distance": _mean(d, b),
                "given distance": _given(a, b, d),
                "mirrored": given_distance(learned, turned, km, others & in_both),
                "shuffled": np.quantile(null, 0.95),
                "far": given_distance(learned, r, km, far),
                "far mirrored": given_distance(learned, turned, km, far & in_both),
            }
        )
    return np.array([[c[m] for c in columns] for m in MEASURES]), _mean(a, d)


def given_distance(a: np.ndarray, b: np.ndarray, km: np.ndarray, among: np.ndarray) -> float:
    """Rank correlation of the rows of two matrices over pairs ``among``, given distance, mean."""
    return _given(row_ranks(a, among), row_ranks(b, among), row_ranks(-km, among))


def _mean(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over rows of the rank correlation of two matrices of :func:`row_ranks`; NaN if none."""
    return _mean_of((a * b).sum(axis=1))


def _given(a: np.ndarray, b: np.ndarray, d: np.ndarray) -> float:
    """Do the same, given d."""
    return _mean_of(partial((a * b).sum(axis=1), (a * d).sum(axis=1), (b * d).sum(axis=1)))


def _mean_of(rho: np.ndarray) -> float:
    return float(np.nanmean(rho)) if not np.isnan(rho).all() else float("nan")


def agreement(one: np.ndarray, other: np.ndarray, km: np.ndarray) -> tuple[float, float]:
    """Rank correlation of two graphs' off-diagonal entries, (N, N); the same given distance."""
    off = ~np.eye(len(km), dtype=bool)
    rho = spearmanr(np.stack([one[off], other[off], -km[off]], axis=1)).statistic
    return float(rho[0, 1]), float(partial(rho[0, 1], rho[0, 2], rho[1, 2]))


def recovery(rows: Mapping[str, Sequence[xr.Dataset]]) -> xr.Dataset:
    """How well graphs learned on `synthetic` tell the planted links from other far pairs.

    Parameters
    ----------
    rows : mapping
        Loaded from :func:`lsntp.results.planted.on_synthetic`. Rows whose records keep no
        ``embedding`` are left out and named in the attribute ``without_graph``.

    Returns
    -------
    Dataset
        ``auc`` (way, seed), by :func:`lsntp.runs.metrics.far_auc` on the network's nodes: the
        rows, the untrained graphs, and Pearson's r at the links' lag; ``chance`` (start): that of
        `SHUFFLES` untrained graphs.
    """
    learned = {
        label: [adjacency(run["embedding"].values) for run in group]
        for label, group in rows.items()
        if all("embedding" in run for run in group)
    }
    first = [config_of(run) for run in next(iter(rows.values()))]
    world = synthetic()
    field = world["t2m"]
    inner = inner_world(world, first[0])
    starts = [
        far_auc(untrained(first[0].model_copy(update={"seed": s}), field), inner)
        for s in range(SHUFFLES)
    ]
    ways = {label: [far_auc(a, inner) for a in graphs] for label, graphs in learned.items()}
    ways["untrained graph"] = [far_auc(untrained(c, field), inner) for c in first]
    anomaly = StandardisedAnomaly().fit(field).transform(field)
    for name, values in (("fields", field.values), ("anomalies", anomaly)):
        series = inner_cells(first[0], field.copy(data=values)).values.reshape(len(field), -1)
        r = lagged_correlation(series.astype(float), LAG_STEPS)
        ways[f"Pearson at lag, {name}"] = [far_auc(r, inner)] * len(first)
    return xr.Dataset(
        {"auc": (("way", "seed"), np.array(list(ways.values()))), "chance": ("start", starts)},
        {"way": list(ways), "seed": [c.seed for c in first]},
        {"rows": list(learned), "without_graph": [r for r in rows if r not in learned]},
    )


def inner_world(world: xr.Dataset, config: RunConfig) -> xr.Dataset:
    """Return a synthetic world's field and planted links on the nodes of the config's network."""
    field = world["t2m"]
    cells = field[0].copy(data=np.arange(field[0].size).reshape(field[0].shape))
    kept = inner_cells(config, cells).values.ravel()
    links = world["links"].values[np.ix_(kept, kept)]
    inner = inner_cells(config, field)
    return xr.Dataset({"t2m": inner, "links": (("node", "node_from"), links)})


def learned_graph(record: xr.Dataset, field: xr.DataArray) -> pd.Series:
    """What training made of the graph of one record.

    Parameters
    ----------
    record : Dataset
        With the node ``embedding``.
    field : DataArray (..., lat, lon)
        Gives the coordinates of the full grid, and which cells have values.

    Returns
    -------
    Series
        ``own``: weight a node gives itself, median over nodes. ``nodes``: share of all nodes a node
        effectively listens to, exp(entropy of its row)/N, mean. ``far`` and ``far_uniform``: share
        of the weight that comes from far cells, beyond the last of :func:`far_distances`, and
        what it would be if all nodes were alike.
    """
    config = config_of(record)
    there = nodes_there(config, field)
    km = great_circle_km(*grid_nodes(inner_cells(config, field)))[np.ix_(there, there)]
    far = far_distances(km)[-1]
    matrix = adjacency(record["embedding"].to_numpy()[there])
    entropy = -(matrix * np.log(matrix)).sum(axis=1)
    return pd.Series(
        {
            "own": np.median(matrix.diagonal()),
            "nodes": (np.exp(entropy) / len(matrix)).mean(),
            "far": share_beyond(matrix, km, [far]).item(),
            "far_uniform": (km > far).mean(),
        }
    )
