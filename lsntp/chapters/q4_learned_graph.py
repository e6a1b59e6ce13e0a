"""What a learned graph looks like, and whether its links are long and mean something.

N nodes; ``A = softmax(relu(E Eᵀ))``, (N, N): row n is what node n receives, from the nodes in the
columns. Explained in the notebook ``09_q4_learned_graph``, which shows the `verdicts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from scipy.stats import rankdata, spearmanr

from lsntp.data.synthetic import LAG_STEPS, synthetic
from lsntp.data.windows import StandardisedAnomaly
from lsntp.figures.maps import _panels, field_map, mark
from lsntp.figures.style import COLOURS, DIVERGING, WIDTH
from lsntp.model.graph import AdaptiveGraph, adaptive_adjacency, great_circle_km, grid_nodes
from lsntp.results.claims import FAILS, HOLDS
from lsntp.results.field_records import SERIES_NAMES, STRONG
from lsntp.results.planted import far_auc, lagged_correlation
from lsntp.runs.config import RunConfig
from lsntp.runs.experiment import build_network, inner_cells
from lsntp.runs.records import config_of
from lsntp.zoo import LABELS

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
    """Return the adjacency (N, N) that the config's network starts from, by its seed.

    Parameters
    ----------
    config : RunConfig
    field : DataArray (..., lat, lon)
        On the full grid; its values do not matter.
    """
    graph = cast(AdaptiveGraph, build_network(config, field).graph)
    return adjacency(graph.embedding.detach().numpy())


def far_distances(km: np.ndarray) -> tuple[int, ...]:
    """Return three distances, km, that suit a region, given those between its nodes: `FAR_KM`.

    Of a region less than 1000 km wide: a tenth, a quarter and half of its width.
    """
    largest = float(np.max(km))
    suiting = [distances for least, distances in FAR_KM.items() if largest >= least]
    return suiting[0] if suiting else tuple(round(s * largest) for s in (0.1, 0.25, 0.5))


def nearest_node(nodes: xr.DataArray | xr.Dataset, lat: float, lon: float) -> int:
    """Index of the node nearest to a place, degrees; nodes count row by row."""
    row = int(np.argmin(abs(nodes["lat"].values - lat)))
    return row * nodes.sizes["lon"] + int(np.argmin(abs(nodes["lon"].values - lon)))


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

    Parameters
    ----------
    runs : sequence of Dataset
        Records with an ``embedding``.
    field : DataArray (..., lat, lon)
        Gives the coordinates of the full grid.
    pearson : Dataset
        From :func:`lsntp.results.pearson.of_nodes`.

    Returns
    -------
    Dataset
        ``adjacency``, ``untrained`` (seed, node, node_from). ``km`` (node, node_from). ``beyond``,
        ``beyond_others`` (graph, seed, far_km), by :func:`share_beyond`; ``curve`` (graph, seed,
        distance), the first at many distances; ``own`` (graph, seed), a node's weight for itself,
        median; graphs are learned, untrained, uniform. ``nearness`` (seed): rank correlation of
        rows with −distance. ``rank`` (measure, series, seed): rank correlations with Pearson's r,
        means over rows, a node's own entry left out; see `MEASURES`. ``agreement``,
        ``agreement_given_distance`` (pair): rank correlation of all off-diagonal entries between
        two seeds. Attribute ``far``: the largest of ``far_km``; beyond it cells are far.
    """
    configs = [config_of(run) for run in runs]
    nodes = inner_cells(configs[0], field)
    km = great_circle_km(*grid_nodes(nodes))
    far_km = far_distances(km)
    learned = np.stack([adjacency(run["embedding"].values) for run in runs])
    first = np.stack([untrained(config, field) for config in configs])
    uniform = np.full_like(learned, 1 / len(km))
    graphs = {"learned": learned, "untrained": first, "uniform": uniform}
    distances = np.linspace(0, km.max(), 60)

    def by_graph(measure: Callable[[np.ndarray], object]) -> np.ndarray:
        return np.array([[measure(a) for a in graph] for graph in graphs.values()])

    found = [ranks_with(a, b, km, pearson) for a, b in zip(learned, first, strict=True)]
    pairs = list(combinations(range(len(runs)), 2))
    agree = np.array([agreement(learned[i], learned[j], km) for i, j in pairs]).reshape(-1, 2)
    matrix = ("seed", "node", "node_from")
    return xr.Dataset(
        {
            "adjacency": (matrix, learned),
            "untrained": (matrix, first),
            "km": (matrix[1:], km, {"units": "km"}),
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
            "nearness": ("seed", [near for _, near in found]),
            "rank": (
                ("measure", "series", "seed"),
                np.stack([ranks for ranks, _ in found], axis=-1),
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
    a random order; of `SHUFFLES` such, the 95th percentile.

    Returns
    -------
    array (measure, series), float
    """
    size = len(km)
    others, far = ~np.eye(size, dtype=bool), km > far_distances(km)[-1]
    mirror = np.arange(size).reshape(-1, pearson.sizes["lon"])[:, ::-1].ravel()
    rng = np.random.default_rng(0)
    shuffles = [rng.permutation(size) for _ in range(SHUFFLES)]
    a, d, a_first = (row_ranks(x, others) for x in (learned, -km, first))
    a_far, d_far = row_ranks(learned, far), row_ranks(-km, far)

    columns = []
    for r in pearson["r"].values:
        b, b_far = row_ranks(r, others), row_ranks(r, far)
        null = [_given(a, b[np.ix_(order, order)], d) for order in shuffles]
        turned = r[np.ix_(mirror, mirror)]
        columns.append(
            {
                "learned": _mean(a, b),
                "untrained": _mean(a_first, b),
                "distance": _mean(d, b),
                "given distance": _given(a, b, d),
                "mirrored": _given(a, row_ranks(turned, others), d),
                "shuffled": np.quantile(null, 0.95),
                "far": _given(a_far, b_far, d_far),
                "far mirrored": _given(a_far, row_ranks(turned, far), d_far),
            }
        )
    return np.array([[c[m] for c in columns] for m in MEASURES]), _mean(a, d)


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
        Loaded from :func:`lsntp.results.studies.planted`. Rows whose records keep no ``embedding``
        are left out and named in the attribute ``without_graph``.

    Returns
    -------
    Dataset
        ``auc`` (way, seed), by :func:`lsntp.results.planted.far_auc` on the network's nodes: the
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
        Gives the coordinates of the full grid.

    Returns
    -------
    Series
        ``own``: weight a node gives itself, median over nodes. ``nodes``: share of all nodes a node
        effectively listens to, exp(entropy of its row)/N, mean. ``far`` and ``far_uniform``: share
        of the weight that comes from far cells, beyond the last of :func:`far_distances`, and
        what it would be if all nodes were alike.
    """
    km = great_circle_km(*grid_nodes(inner_cells(config_of(record), field)))
    far = far_distances(km)[-1]
    matrix = adjacency(record["embedding"].to_numpy())
    entropy = -(matrix * np.log(matrix)).sum(axis=1)
    return pd.Series(
        {
            "own": np.median(matrix.diagonal()),
            "nodes": (np.exp(entropy) / len(matrix)).mean(),
            "far": share_beyond(matrix, km, [far]).item(),
            "far_uniform": (km > far).mean(),
        }
    )


SMALL = 0.1
"""Rank correlation from which one counts (Cohen 1988: a "small" effect)."""
CLAIMS = {
    "reach": "the graph reaches far",
    "meaning": "links follow the weather, not only distance",
    "far": "far weights rank as correlations do",
    "same": "seeds find similar graphs",
}
DISAGREE, ONE = "the seeds disagree", "one seed cannot tell"
"""The verdicts on a claim that is true of some seeds only, and of a single seed."""


def verdicts(study: xr.Dataset) -> pd.DataFrame:
    """Judge a study's graphs by rules that look at each seed.

    Parameters
    ----------
    study : Dataset
        From :func:`study`.

    Returns
    -------
    DataFrame
        Columns ``claim`` (a key of `CLAIMS`), ``verdict``, ``why``. A claim *holds* if it is true
        of every seed, and *does not hold* if of none; else `DISAGREE`, or `ONE`. It is true of a
        seed (with r of anomalies) if

        - *reach*: the share of the weight from beyond the far distance exceeds the uniform graph's
          and that of the same network's graph at initialisation;
        - *meaning*: the rank correlation of rows with Pearson's r, given distance, is at least
          `SMALL`, and more than with the mirrored map and with the shuffled ones;
        - *far*: the same over far cells only is at least `SMALL`, and more than with the mirrored
          map;
        - *same* (of each pair of seeds): the rank correlation of their entries is at least
          :data:`lsntp.results.field_records.STRONG`.
    """
    far = study.attrs["far"]
    share = study["beyond"].sel(far_km=far)
    learned, first, uniform = (
        share.sel(graph=g).values for g in ("learned", "untrained", "uniform")
    )
    rank = study["rank"].sel(series="anomaly")
    given, mirrored, shuffled, over, turned = (
        rank.sel(measure=m).values
        for m in ("given distance", "mirrored", "shuffled", "far", "far mirrored")
    )
    same = study["agreement"].values
    seeds = study.sizes["seed"]
    rows = [
        (
            "reach",
            verdict((learned > uniform) & (learned > first), seeds),
            f"{spread(100 * learned, 0, ' %')} of the weight comes from beyond {far} km; of a "
            f"uniform graph it would be {100 * uniform.mean():.0f} %, and at initialisation it is "
            f"{100 * first.mean():.0f} %.",
        ),
        (
            "meaning",
            verdict((given >= SMALL) & (given > mirrored) & (given > shuffled), seeds),
            f"Given distance, a row's rank correlation with the cell's Pearson map is "
            f"{spread(given)}; with the map mirrored {spread(mirrored)}, with shuffled maps at "
            f"most {number(shuffled.max())} nineteen times in twenty.",
        ),
        (
            "far",
            verdict((over >= SMALL) & (over > turned), seeds),
            f"Among cells more than {far} km away this rank correlation is {spread(over)}; with "
            f"the map mirrored {spread(turned)}.",
        ),
        (
            "same",
            verdict(same >= STRONG, seeds),
            f"The entries of two seeds' graphs have a rank correlation of {spread(same)}, given "
            f"distance {spread(study['agreement_given_distance'].values)}."
            if len(same)
            else "There is one seed only.",
        ),
    ]
    return pd.DataFrame(rows, columns=["claim", "verdict", "why"])


def verdict(true: np.ndarray, seeds: int) -> str:
    """Return the verdict on a claim that is true, or not, of each seed (or pair of seeds)."""
    if seeds < 2:
        return ONE
    if true.any() != true.all():
        return DISAGREE
    return HOLDS if true.all() else FAILS


def report(study: xr.Dataset) -> str:
    """Write `verdicts` as Markdown: a heading with data set and model, one item per claim."""
    heading = f"**{study.attrs['dataset']}, {LABELS[study.attrs['model']]}**"
    items = [
        f"- *{CLAIMS[v.claim]}*: **{v.verdict}**. {v.why}" for v in verdicts(study).itertuples()
    ]
    return "\n".join([heading, "", *items])


def planted_verdicts(recovery: xr.Dataset) -> dict[str, tuple[str, str]]:
    """Say of each row of graphs whether it tells the planted links from other far pairs, and why.

    It holds if every seed's AUC exceeds 95 % of those of untrained graphs, and does not hold if
    none does.

    Parameters
    ----------
    recovery : Dataset
        From :func:`recovery`.
    """
    chance = float(recovery["chance"].quantile(0.95))
    found = {}
    for row in recovery.attrs["rows"]:
        auc = recovery["auc"].sel(way=row).values
        why = f"AUC {spread(auc)}; of untrained graphs 95 % lie below {chance:.2f}."
        found[row] = verdict(auc > chance, len(auc)), why
    return found


def planted_report(recovery: xr.Dataset) -> str:
    """Write `planted_verdicts` as Markdown, one item per row."""
    items = [
        f"- *Links are found by the network that {row}*: **{said}**. {why}"
        for row, (said, why) in planted_verdicts(recovery).items()
    ]
    items += [
        f"- The records of the network that {row} keep no graph."
        for row in recovery.attrs["without_graph"]
    ]
    return "\n".join(items)


def number(value: float, digits: int = 2) -> str:
    """Write a number with a true minus sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")  # no −0


def spread(values: np.ndarray, digits: int = 2, unit: str = "") -> str:
    """Write the mean of several seeds, and in brackets the least and the largest."""
    mean, least, largest = (
        number(float(f(values)), digits) + unit for f in (np.mean, np.min, np.max)
    )
    return mean if len(values) == 1 else f"{mean} (seeds: {least} to {largest})"


WEIGHTS = "YlGnBu"
UNIFORM = "weight × N\n(1: as in a uniform graph)"


def weight_norm(matrix: np.ndarray) -> LogNorm:
    """Colours of weights × N, by powers of ten: from the 1st percentile to the largest."""
    relative = matrix * matrix.shape[-1]
    return LogNorm(float(np.quantile(relative, 0.01)), float(relative.max()))


def matrix(
    study: xr.Dataset, seed: int = 0, cell: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one learned graph as a matrix: rows receive, columns are heard.

    Parameters
    ----------
    study : Dataset
        From :func:`study`.
    seed : int
        Position along ``seed``.
    cell : int, optional
        A node whose column is framed.
    """
    ax = ax or plt.subplots(figsize=(5.6, 4.8))[1]
    a = study["adjacency"][seed].values
    mesh = ax.pcolormesh(a * len(a), norm=weight_norm(a), cmap=WEIGHTS, rasterized=True)
    if cell is not None:
        ax.axvline(cell + 0.5, color=COLOURS["lsntp-equations"], linewidth=1.2)
        ax.annotate(
            "✕",
            (cell + 0.5, 0),
            color=COLOURS["lsntp-equations"],
            ha="center",
            va="bottom",
            xytext=(0, -1),
            textcoords="offset points",
            annotation_clip=False,
        )
    ax.set(xlabel="node that is heard (column)", ylabel="node that receives (row)", aspect="equal")
    ax.set_ylim(len(a), 0)  # as a matrix is written
    ax.figure.colorbar(mesh, ax=ax, label=UNIFORM)
    return ax


def columns(study: xr.Dataset, cell: int) -> np.ndarray:
    """Map one column of each seed's graph: how much every cell listens to the cell (cross).

    Returns
    -------
    array of Axes, one per seed, and the last the graph at initialisation of the first seed
    """
    titles = [f"seed {s}" for s in study["seed"].values] + ["at initialisation"]
    weights = [*study["adjacency"].values, study["untrained"].values[0]]
    norm = weight_norm(study["adjacency"].values)
    maps = {t: on_grid(w[:, cell] * len(w), study) for t, w in zip(titles, weights, strict=True)}
    figure, axes = _panels(next(iter(maps.values())), len(maps), 2)
    figure.set_figheight(0.9 * figure.get_figheight())
    for ax, (title, values) in zip(axes, maps.items(), strict=True):
        field_map(values, ax, title=title, cmap=WEIGHTS, norm=norm, colourbar=False)
        mark(ax, place(study, cell))
        ax.label_outer()
    figure.colorbar(axes[0].collections[0], ax=list(axes), label=UNIFORM)
    return axes


def row_and_pearson(study: xr.Dataset, pearson: xr.Dataset, cell: int, partner: int) -> np.ndarray:
    """Map what a cell (cross) listens to, above Pearson's r of every cell with it.

    Parameters
    ----------
    study, pearson : Dataset
        From :func:`study` and :func:`lsntp.results.pearson.of_nodes`.
    cell, partner : int
        Two nodes: that of the cross, and that of the circle.

    Returns
    -------
    array of Axes (4,)
        The learned rows of the first two seeds (of one, the row at initialisation beside it); r of
        the series as they are, and of anomalies.
    """
    graphs = {f"learned row, seed {int(a.seed)}": a.values for a in study["adjacency"][:2]}
    if len(graphs) < 2:
        graphs["at initialisation"] = study["untrained"].values[0]
    norm = weight_norm(np.stack(list(graphs.values())))
    blank = on_grid(np.zeros(study.sizes["node"]), study)
    figure, axes = _panels(blank, 4, 2)
    figure.set_figheight(0.9 * figure.get_figheight())
    for ax, (title, a) in zip(axes[:2], graphs.items(), strict=True):
        row = on_grid(a[cell] * len(a), study)
        field_map(row, ax, title=title, cmap=WEIGHTS, norm=norm, colourbar=False)
    for ax, (series, title) in zip(axes[2:], SERIES_NAMES.items(), strict=True):
        r = on_grid(pearson["r"].sel(series=series).values[cell], study)
        field_map(r, ax, title=title, cmap=DIVERGING, limits=(-1, 1), colourbar=False)
    for ax in axes:
        mark(ax, place(study, cell))
        mark(ax, place(study, partner), "o")
        ax.label_outer()
    figure.colorbar(axes[0].collections[0], ax=list(axes[:2]), label=UNIFORM)
    figure.colorbar(axes[2].collections[0], ax=list(axes[2:]), label="Pearson's r")
    return axes


def share_by_distance(studies: Mapping[str, xr.Dataset], ax: Axes | None = None) -> Axes:
    """Draw the share of the weight that comes from beyond a distance, one line per seed.

    Parameters
    ----------
    studies : mapping of model -> Dataset
        From :func:`study`, all of one data set.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 4.2))[1]
    first = next(iter(studies.values()))
    km = first["distance"].values
    plain = {"uniform": ("--", "black"), "untrained": (":", "#777777")}
    for graph, (line, colour) in plain.items():
        share = 100 * first["curve"].sel(graph=graph)[0]
        name = {"uniform": "uniform graph", "untrained": "at initialisation"}[graph]
        ax.plot(km, share, line, color=colour, linewidth=2.5, label=name)
    for model, study in studies.items():
        for k, curve in enumerate(100 * study["curve"].sel(graph="learned").values):
            label = None if k else LABELS[model]
            ax.plot(km, curve, color=COLOURS[model], linewidth=1.8, label=label)
    for d in first["far_km"].values:
        ax.axvline(d, color="#dddddd", linewidth=1, zorder=0)
    ax.set(xlabel="great-circle distance $d$ (km)", ylabel="weight from beyond $d$ (%)")
    ax.set_ylim(0, 101)
    ax.set_xlim(0, km[-1])
    ax.legend()
    return ax


def rank_dots(
    studies: Mapping[str, xr.Dataset], series: str = "anomaly", ax: Axes | None = None
) -> Axes:
    """Draw rank correlations with Pearson's r, one row per measure, one dot per seed.

    Parameters
    ----------
    studies : mapping of model -> Dataset
        As of `share_by_distance`.
    series : {"raw", "anomaly"}
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 4.4))[1]
    place = np.arange(len(MEASURES), dtype=float)
    place[3:] += 0.5  # a gap between the questions
    place[6:] += 0.5
    offsets = np.linspace(-0.17, 0.17, len(studies)) if len(studies) > 1 else [0.0]
    for (model, study), offset in zip(studies.items(), offsets, strict=True):
        values = study["rank"].sel(series=series, measure=list(MEASURES)).values
        for k, dots in enumerate(values):
            ax.plot(
                dots,
                np.full(len(dots), place[k] + offset),
                "o",
                color=COLOURS[model],
                markersize=7,
                label=None if k else LABELS[model],
            )
    ax.axvline(0, color="grey", linewidth=1, zorder=0)
    ax.set_yticks(place, [name.strip() for name in MEASURES.values()])
    ax.invert_yaxis()
    ax.set(xlabel="rank correlation with Pearson's r, mean over cells", title=SERIES_NAMES[series])
    ax.grid(axis="y", color="#eeeeee")
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.17), ncols=2)
    return ax


def on_grid(values: Sequence[float] | np.ndarray, study: xr.Dataset) -> xr.DataArray:
    """Lay values of the nodes (N,) on the grid of a study: (lat, lon)."""
    grid = {c: study[c].values for c in ("lat", "lon")}
    shape = tuple(len(v) for v in grid.values())
    return xr.DataArray(np.reshape(values, shape), grid, ("lat", "lon"), attrs={"units": "1"})


def place(study: xr.Dataset, node: int) -> tuple[float, float]:
    """Latitude and longitude of a node of a study, degrees."""
    row, column = divmod(node, study.sizes["lon"])
    return float(study["lat"][row]), float(study["lon"][column])
