"""Learned graphs, the claims on them, Pearson's r, figures, the data of the interactive page."""

import json

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.axes import Axes
from scipy.stats import spearmanr

from lsntp import RunConfig, figures
from lsntp.chapters import q1_distance
from lsntp.chapters import q4_learned_graph as graph_figures
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.store import RecordError
from lsntp.data.synthetic import synthetic
from lsntp.results import claims, field_records, learned_graphs, pearson, studies
from lsntp.runs.metrics import far_auc
from lsntp.runs.trained import build_network, inner_cells
from tools import learned_page

HEIGHT, WIDTH_CELLS = 12, 16


@pytest.fixture(autouse=True)
def _clean():
    with matplotlib.rc_context():
        figures.style()
        yield
        plt.close("all")


@pytest.fixture(scope="module")
def field() -> xr.DataArray:
    return synthetic(height=HEIGHT, width=WIDTH_CELLS, steps=400, links=2, seed=3).t2m


@pytest.fixture(scope="module")
def matrices(field) -> xr.Dataset:
    config = RunConfig(dataset="synthetic", model="lsntp-equations", preset="smoke")
    return pearson.matrix(inner_cells(config, field))


def record(embedding: np.ndarray, seed: int = 0, **settings) -> xr.Dataset:
    config = RunConfig(
        dataset="synthetic", model="lsntp-equations", preset="smoke", seed=seed, **settings
    )
    attrs = {"config": config.model_dump_json(), "key": config.key}
    return xr.Dataset({"embedding": (("node", "feature"), embedding)}, attrs=attrs)


def record_config(runs) -> RunConfig:
    return learned_graphs.config_of(runs[0])


def embedding_of(similarity: np.ndarray) -> np.ndarray:
    """An embedding E with E Eᵀ = a symmetric matrix, made positive definite by its diagonal."""
    values, vectors = np.linalg.eigh(similarity)
    return vectors * np.sqrt(np.maximum(values, 0))


@pytest.fixture(scope="module")
def graphs(field, matrices) -> xr.Dataset:
    """Three seeds of a graph that is Pearson's r of the anomalies."""
    r = matrices["r"].sel(series="anomaly").values
    runs = [record(embedding_of(4 * r), seed) for seed in range(3)]
    return learned_graphs.study(runs, field, matrices)


# ---- measurements


def test_share_beyond_by_hand():
    km = np.array([[0.0, 1, 2], [1, 0, 1], [2, 1, 0]])
    a = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.6, 0.0, 0.4]])
    expected = [(0.5 + 0.2 + 0.6) / 3, (0.2 + 0.0 + 0.6) / 3]
    np.testing.assert_allclose(learned_graphs.share_beyond(a, km, [0, 1]), expected)
    others = [1.0, (0.4 + 0.0 + 1.0) / 3]
    np.testing.assert_allclose(learned_graphs.share_beyond(a, km, [0, 1], others=True), others)


def test_row_ranks_give_spearman():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20, 20)).round(1)  # with ties
    among = ~np.eye(20, dtype=bool)
    among[3, 5:] = False  # too few cells in a row
    rho = (learned_graphs.row_ranks(a, among) * learned_graphs.row_ranks(b, among)).sum(axis=1)
    assert np.isnan(rho[3])
    for n in (0, 7, 19):
        expected = spearmanr(a[n, among[n]], b[n, among[n]]).statistic
        assert rho[n] == pytest.approx(expected)


def test_partial_is_that_of_residuals():
    rng = np.random.default_rng(1)
    d = rng.normal(size=500)
    a, b = d + rng.normal(size=500), 2 * d + rng.normal(size=500)

    def off(x):
        return x - np.polyval(np.polyfit(d, x, 1), d)

    r = np.corrcoef([a, b, d])
    expected = np.corrcoef(off(a), off(b))[0, 1]
    assert learned_graphs.partial(r[0, 1], r[0, 2], r[1, 2]) == pytest.approx(expected)


def test_far_distances_suit_the_region():
    assert learned_graphs.far_distances(np.array([0, 8000.0])) == (500, 1000, 2000)
    assert learned_graphs.far_distances(np.array([0, 1120.0])) == (100, 250, 500)
    assert learned_graphs.far_distances(np.array([0, 400.0])) == (40, 100, 200)


def test_nearest_node(field):
    lat, lon = grid_nodes(field)
    assert graph_figures.nearest_node(field, lat[37] + 0.1, lon[37] - 0.1) == 37


def test_untrained_is_what_the_run_starts_from(field):
    config = RunConfig(dataset="synthetic", model="lsntp-equations", preset="smoke", seed=5)
    with torch.no_grad():
        expected = build_network(config, field).graph()
    np.testing.assert_allclose(learned_graphs.untrained(config, field), expected, rtol=1e-5)


def test_a_graph_of_correlations_is_found_to_be_one(graphs):
    rank = graphs["rank"].sel(series="anomaly")
    assert (rank.sel(measure="learned") > 0.95).all()
    assert (rank.sel(measure="given distance") > 0.9).all()
    assert (abs(rank.sel(measure="untrained")) < 0.1).all()
    assert (rank.sel(measure="shuffled") < 0.2).all()
    assert (rank.sel(measure="mirrored") < rank.sel(measure="given distance")).all()
    np.testing.assert_allclose(graphs["agreement"], 1)


def test_the_mirrored_map_is_turned_east_for_west():
    lat, lon = np.meshgrid([40.0, 0, -40], [0.0, 40, 80, 120], indexing="ij")
    km = great_circle_km(lat.ravel(), lon.ravel())  # all others are further than 2000 km
    graph = np.random.default_rng(0).normal(size=(12, 12))
    r = np.empty((1, 12, 12))
    for n in range(12):
        for m in range(12):
            (row, column), (row_from, column_from) = divmod(n, 4), divmod(m, 4)
            r[0, n, m] = graph[4 * row + 3 - column, 4 * row_from + 3 - column_from]
    pearson_map = xr.Dataset({"r": (("series", "node", "node_from"), r)}, {"lon": lon[0]})
    ranks, _ = learned_graphs.ranks_with(graph, graph, km, pearson_map)
    found = dict(zip(learned_graphs.MEASURES, ranks[:, 0], strict=True))
    assert found["mirrored"] == pytest.approx(1)
    assert found["far mirrored"] == pytest.approx(1)
    assert abs(found["given distance"]) < 0.5 and abs(found["far"]) < 0.5


# ---- masked cells


@pytest.fixture(scope="module")
def embedding() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, HEIGHT // 2 * WIDTH_CELLS // 2, 4))


def test_masked_nodes_take_no_part_in_what_is_measured(field, embedding):
    """As if the grid ended where the masked cells begin, whatever their embedding is."""
    found = []
    for part, nodes in ((field.where(field.lat > field.lat.values[6]), 48), (field[:, :6], 24)):
        runs = [record(e[:nodes], seed) for seed, e in enumerate(embedding)]
        r = pearson.matrix(inner_cells(record_config(runs), part))
        study = learned_graphs.study(runs, part, r)
        study = study.isel(node=study["there"].values, node_from=study["there"].values)
        weights = q1_distance.weight_within(runs, part, [0, 1000, 3000])
        found.append((study, learned_graphs.learned_graph(runs[0], part), weights))
    (masked, graph, weights), (cut, graph_of_cut, weights_of_cut) = found
    assert masked.sizes["node"] == 24
    for name in ("adjacency", "km", "agreement", "agreement_given_distance", "nearness"):
        np.testing.assert_allclose(masked[name], cut[name])
    for name in ("beyond", "beyond_others", "curve", "own"):  # first graphs depend on the grid
        of_masked, of_cut = (s[name].sel(graph=["learned", "uniform"]) for s in (masked, cut))
        np.testing.assert_allclose(of_masked, of_cut)
    np.testing.assert_allclose(
        masked["rank"].drop_sel(measure="untrained"), cut["rank"].drop_sel(measure="untrained")
    )
    assert masked["rank"].notnull().all() and masked.attrs["far"] == cut.attrs["far"]
    np.testing.assert_allclose(graph, graph_of_cut)
    np.testing.assert_allclose(weights["share"], weights_of_cut["share"])


def test_a_node_with_values_only_beside_its_centre_has_links_but_no_r(field, embedding):
    part = field.where(field.lat >= field.lat.values[6])  # nodes' centres are odd rows
    runs = [record(embedding[0])]
    r = pearson.matrix(inner_cells(record_config(runs), part))
    study = learned_graphs.study(runs, part, r)
    assert study["there"].values.tolist() == [True] * 32 + [False] * 16
    a = study["adjacency"].values[0]
    np.testing.assert_allclose(a[:32, :32].sum(axis=1), 1)
    assert np.isnan(a[32:]).all() and np.isnan(a[:, 32:]).all()
    known = ~np.isnan(r["r"].values)
    assert known[:, :24, :24].all() and known.sum() == 2 * 24 * 24
    assert study["rank"].notnull().all()


def test_masked_nodes_are_blank_on_the_figures(field, embedding):
    part = field.where(field.lat < field.lat.values[6])
    runs = [record(embedding[0])]
    nodes = inner_cells(record_config(runs), part)
    r = pearson.matrix(nodes)
    study = learned_graphs.study(runs, part, r)
    alone = learned_graphs.adjacency(embedding[0, 24:])
    np.testing.assert_allclose(study["adjacency"][0, 24:, 24:], alone)
    within = great_circle_km(*(degrees[24:] for degrees in grid_nodes(nodes))) <= 3000
    weights = q1_distance.weight_within(runs, part, [3000])["share"]
    np.testing.assert_allclose(weights, [(alone * within).sum(axis=1).mean(), within.mean()])
    np.testing.assert_allclose(np.nanmean(graph_figures.relative(study)[0, 24:], axis=1), 1)
    lat, lon = grid_nodes(nodes)
    cells = [graph_figures.nearest_node(nodes, *place) for place in zip(lat, lon, strict=True)]
    assert min(cells) == 24 and cells[24:] == [*range(24, 48)]
    axes = [
        *graph_figures.columns({"d": study}, {"d": 30}).ravel(),
        *graph_figures.row_and_pearson({"d": study}, {"d": r}, {"d": (30, 40)}).ravel(),
    ]
    for ax in axes:
        drawn = np.ma.getmaskarray(ax.collections[0].get_array()).ravel()
        assert drawn.tolist() == [True] * 24 + [False] * 24
    drawn = graph_figures.matrix(study).collections[0].get_array()
    assert np.ma.count(drawn) == 24 * 24


def test_a_graph_of_distances_is_no_more_than_that(field, matrices):
    config = RunConfig(dataset="synthetic", model="lsntp-equations", preset="smoke")
    km = great_circle_km(*grid_nodes(inner_cells(config, field)))
    near = embedding_of(8 * np.exp(-((km / 2000) ** 2)))
    study = learned_graphs.study([record(near)], field, matrices)
    assert study["nearness"].item() > 0.9
    assert study["beyond"].sel(graph="learned", far_km=2000) < 0.5
    rank = study["rank"].sel(series="anomaly", seed=0)
    assert abs(rank.sel(measure="given distance")) < rank.sel(measure="learned") / 2
    table = verdicts(study)
    assert (table == "no interval").all()  # one seed tells nothing


def test_uniform_share_is_the_share_of_pairs(graphs):
    expected = [(graphs["km"].values > k).mean() for k in graphs["far_km"].values]
    np.testing.assert_allclose(graphs["beyond"].sel(graph="uniform")[0], expected)
    assert (graphs["own"].sel(graph="learned") > graphs["own"].sel(graph="uniform")).all()


# ---- verdicts


def verdicts(graphs, name="lsntp-equations"):
    return claims.table({"": {name: graphs}}).droplevel(["form", "dataset"])["verdict"]


def test_verdicts_come_out_either_way(graphs):
    said = verdicts(graphs)
    assert said["Its links follow the weather"] == said["Trainings find similar graphs"] == "holds"
    assert said["The learned graph reaches far"] == "does not hold"
    turned = graphs.copy(deep=True)
    turned["rank"].loc[{"measure": ["given distance", "far"]}] = 0.0
    turned["beyond"].loc[{"graph": "learned"}] = 0.99
    turned["agreement"][:] = 0.2
    said = verdicts(turned)
    assert said.pop("The learned graph reaches far") == "holds"
    assert set(said) == {"does not hold"}


# ---- planted links


def test_recovery_finds_a_graph_of_the_planted_links():
    world = synthetic()
    config = RunConfig(dataset="synthetic", model="lsntp-equations", preset="smoke")
    inner = learned_graphs.inner_world(world, config)
    links = inner["links"].values
    assert len(links) == inner["t2m"][0].size
    cells = world["t2m"][0].copy(data=np.arange(world["t2m"][0].size).reshape(16, 24))
    one, other = np.argwhere(links)[0]
    kept = inner_cells(config, cells).values.ravel()
    assert world["links"].values[kept[one], kept[other]]

    both = (links | links.T).astype(float)
    truth = embedding_of(3 * both + 20 * np.eye(len(both)))
    noise = np.random.default_rng(0).normal(size=truth.shape) / 10
    rows = {
        "knows": [record(truth, seed) for seed in range(2)],
        "guesses": [record(noise, seed) for seed in range(2)],
        "is silent": [record(noise).drop_vars("embedding")],
    }
    found = learned_graphs.recovery(rows)
    assert (found["auc"].sel(way="knows") == 1).all()
    assert far_auc(both, inner) == 1
    assert found["chance"].quantile([0.05, 0.95]).to_numpy() == pytest.approx([0.5, 0.5], abs=0.15)
    assert (found["auc"].sel(way="Pearson at lag, anomalies") > 0.9).all()
    ways = [claims.finds_links(way)(found) for way in ("knows", "guesses", "is silent")]
    assert [w["verdict"] for w in ways[:2]] != ["holds", "holds"] and ways[0]["verdict"] == "holds"
    assert ways[2] is None


# ---- Pearson's r of the nodes


def test_pearson_matrix_is_that_of_numpy(field, matrices):
    config = RunConfig(dataset="synthetic", model="lsntp-equations", preset="smoke")
    nodes = inner_cells(config, field)
    train = nodes.sel(time=nodes.time < np.datetime64(str(field.attrs["test_start"])))
    series = train.values.reshape(train.sizes["time"], -1)
    r = matrices["r"].sel(series="raw").values
    assert r[3, 20] == pytest.approx(np.corrcoef(series[:, 3], series[:, 20])[0, 1])
    assert (abs(matrices["r"].sel(series="anomaly") - matrices["r"].sel(series="raw")) > 0.1).any()


def test_pearson_record_is_read_back(field, matrices, tmp_path, monkeypatch):
    named = field.assign_attrs(name="synthetic", source="made", licence="MIT", fingerprint="0")
    monkeypatch.setattr(pearson, "open_dataset", lambda name: named)
    path = pearson.record("synthetic", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["synthetic.nc"]
    kept = pearson.load("synthetic", tmp_path)
    np.testing.assert_allclose(kept["r"], matrices["r"], atol=pearson.STEP)
    monkeypatch.setattr(pearson, "RECORDS", tmp_path)
    nodes = inner_cells(RunConfig(dataset="synthetic", model="lsntp-equations"), field)
    assert pearson.of_nodes("synthetic", nodes).attrs["fingerprint"] == "0"  # the record
    assert "fingerprint" not in pearson.of_nodes("synthetic", nodes[:, 1:]).attrs  # the data
    path.write_bytes(b"no")
    with pytest.raises(RecordError, match="not a readable record"):
        pearson.load("synthetic", tmp_path)
    with pytest.raises(RecordError, match=r"lsntp.results.pearson.record\('x'\) makes it"):
        pearson.load("x", tmp_path)


@pytest.mark.parametrize("name", studies.REAL_SETS)
def test_committed_pearson_records(name):
    kept, field = pearson.load(name), field_records.load(name)
    nodes = inner_cells(RunConfig(dataset=name, model="lsntp-equations"), field["case"])
    for c in ("lat", "lon"):
        np.testing.assert_array_equal(kept[c], nodes[c])
    assert kept.attrs["fingerprint"] == field.attrs["fingerprint"]
    assert float(kept["r"].min()) >= float(field["lowest"].min()) - pearson.STEP
    assert (pearson.RECORDS / f"{name}.nc").stat().st_size < 300_000


@pytest.mark.parametrize("name", studies.REAL_SETS)
def test_committed_pearson_records_can_be_remade(name, real_data):
    assert pearson.verify(name) <= pearson.STEP


# ---- figures


def test_matrix_and_maps(graphs, matrices):
    n = graphs.sizes["node"]
    ax = graph_figures.matrix(graphs, cell=5)
    assert ax.get_xlabel() == "heard (column)"
    assert ax.get_ylabel() == "receives (row)"
    values = ax.collections[0].get_array().reshape(n, n)
    np.testing.assert_allclose(values, graphs["adjacency"][0] * n)

    axes = graph_figures.columns({"made": graphs, "again": graphs}, {"made": 5, "again": 7})
    assert axes.shape == (4, 2)
    weights = [*graphs["adjacency"].values, graphs["untrained"].values[0]]
    for row, w in zip(axes, weights, strict=True):
        for ax, cell in zip(row, (5, 7), strict=True):
            np.testing.assert_allclose(ax.collections[0].get_array().ravel(), w[:, cell] * n)

    one = {"made": graphs}
    axes = graph_figures.row_and_pearson(one, {"made": matrices}, {"made": (5, 30)})[0]
    assert len(axes) == 2 and all(isinstance(a, Axes) and len(a.lines) == 2 for a in axes)
    row, r = (a.collections[0].get_array().ravel() for a in axes)
    np.testing.assert_allclose(row, graphs["adjacency"][0, 5] * n)
    np.testing.assert_allclose(r, matrices["r"].sel(series="anomaly")[5])
    bars = [a.get_ylabel() for a in axes[0].figure.axes if a.get_label() == "<colorbar>"]
    assert bars == ["weight × N", "r of anomalies"]


def test_lines_and_dots(graphs):
    one = {"made": {"lsntp-equations": graphs}}
    ax = graph_figures.share_by_distance(one)[0]
    assert "(km)" in ax.get_xlabel() and "(%)" in ax.get_ylabel()
    labels = [t.get_text() for t in ax.figure.legends[0].get_texts()]
    assert labels == ["uniform graph", "at initialisation", "LS-NTP (equations)"]
    ax = graph_figures.rank_dots(one)[0]
    assert len(ax.get_yticklabels()) == len(learned_graphs.MEASURES)
    np.testing.assert_allclose(
        ax.lines[0].get_xdata(), graphs["rank"].sel(measure="learned", series="anomaly")
    )


# ---- the interactive page


def test_packing_keeps_the_weights():
    embedding = np.random.default_rng(0).normal(size=(30, 16)) / 3
    packed = learned_page.pack(embedding)
    json.dumps(packed)
    back = learned_page.unpack(packed, 30)
    np.testing.assert_allclose(back, embedding, atol=packed["scale"])
    exact = learned_graphs.adjacency(embedding)
    np.testing.assert_allclose(learned_graphs.adjacency(back), exact, rtol=1e-3)


def test_coast_lies_in_its_region():
    lines = learned_page.coast(np.arange(57.75, 50, -0.5), np.arange(-9.75, 2, 0.5))
    assert len(lines) > 5
    points = np.concatenate([np.reshape(line, (-1, 2)) for line in lines])
    assert points.min(0)[0] >= -10 and points.max(0)[0] <= 2
    assert points.min(0)[1] >= 50 and points.max(0)[1] <= 58
    assert learned_page.coast(38 - np.arange(8.0), -42 + np.arange(8.0)) == []  # open sea
