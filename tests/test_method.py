"""What 03_method shows: loops, parts removed, a look inside, planted links; and its figures."""

import math

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr

from lsntp import LSNTP, NSA, AdaptiveGraph, LSConv, figures
from lsntp.chapters import method
from lsntp.chapters.method import loop_nsa
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.synthetic import synthetic
from lsntp.model.lsconv import lagc
from lsntp.results import pearson
from lsntp.runs import metrics
from lsntp.zoo import MODELS


@pytest.fixture
def frames() -> xr.DataArray:
    values = np.random.default_rng(0).standard_normal((3, 5, 6)).astype(np.float32)
    return xr.DataArray(values, dims=("step", "lat", "lon"))


@pytest.fixture
def model() -> LSNTP:
    torch.manual_seed(0)
    return LSNTP.equations(7, 9, hidden=2, embedding=4, downsample=True, lead_steps=2)


# ---- the loops themselves, by hand


def test_the_loops_by_hand() -> None:
    """Two cells, one channel, kernel 1, no attention: (I + A) X Θ + b worked on paper."""
    operator = LSConv(1, 1, kernel=1, nsa=False).double()
    operator.lsi.weight.data.fill_(2)
    operator.lsi.bias.data.fill_(1)
    embedding = torch.tensor([[np.sqrt(np.log(3))], [0.0]], dtype=torch.float64)
    # scores: ln 3 and 0 in the first row, 0 and 0 in the second: weights ¾ ¼ and ½ ½
    x = torch.tensor([[[4.0, 8.0]]], dtype=torch.float64)
    with torch.no_grad():
        y = method.loop_lsconv(operator, embedding, x)
    assert y.flatten().tolist() == pytest.approx([2 * (4 + 5) + 1, 2 * (8 + 6) + 1])


def test_a_negative_score_counts_as_zero() -> None:
    operator = LSConv(1, 1, kernel=1, nsa=False, bias=False).double()
    operator.lsi.weight.data.fill_(1)
    embedding = torch.tensor([[2.0], [-2.0]], dtype=torch.float64)  # scores 4, −4; −4, 4
    x = torch.tensor([[[4.0, 8.0]]], dtype=torch.float64)
    with torch.no_grad():
        y = method.loop_lsconv(operator, embedding, x)
    e4 = math.exp(4)
    expected = [4 + (e4 * 4 + 8) / (e4 + 1), 8 + (4 + e4 * 8) / (1 + e4)]
    assert y.flatten().tolist() == pytest.approx(expected)


def test_loop_attention_is_nsa() -> None:
    torch.manual_seed(0)
    nsa, x = NSA(3).double(), torch.randn(3, 2, 4, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(loop_nsa(nsa, x), nsa(x[None])[0])


# ---- parts removed


def test_parts_removed_are_gone_and_the_others_stay() -> None:
    torch.manual_seed(1)
    operator = LSConv(3, 2, kernel=3)
    torch.nn.init.normal_(operator.lsi.bias)
    x, A = torch.randn(1, 3, 4, 5), AdaptiveGraph(20, 4)()
    weight, bias = operator.lsi.weight, operator.lsi.bias
    expected = {
        (): torch.conv2d(lagc(operator.nsa[0](x), A), weight, bias, padding=1),
        ("NSA",): torch.conv2d(lagc(x, A), weight, bias, padding=1),
        ("LAGC",): torch.conv2d(operator.nsa[0](x), weight, bias, padding=1),
        ("NSA", "LAGC"): torch.conv2d(x, weight, bias, padding=1),
        ("LSI",): torch.conv2d(lagc(operator.nsa[0](x), A), weight[:, :, 1:2, 1:2], bias),
    }
    for parts, y in expected.items():
        torch.testing.assert_close(method.without(operator, *parts)(x, A), y)
    torch.testing.assert_close(operator(x, A), expected[()])  # the original is untouched
    with pytest.raises(ValueError, match='part "CNN": expected NSA, LAGC or LSI'):
        method.without(operator, "CNN")


def test_lsntp_without_its_parts_is_convlstm(model: LSNTP) -> None:
    convlstm = MODELS["convlstm"].build(7, 9, hidden=2, embedding=0, downsample=True, lead_steps=2)
    stripped = method.as_convlstm(model)
    convlstm.load_state_dict(stripped.state_dict())
    x = torch.randn(2, 3, 1, 7, 9)
    assert torch.equal(stripped(x), convlstm(x))
    assert model.graph is not None
    assert not torch.allclose(model(x), convlstm(x))


def test_change_of_a_convolution_is_its_kernel(frames: xr.DataArray) -> None:
    """Raising a cell by 1 shows the kernel, turned about, and nothing else."""
    torch.manual_seed(2)
    operator = LSConv(3, 2, kernel=3, nsa=False, lagc=False)
    change = method.change_map(operator, frames, (2, 3))
    kernel = operator.lsi.weight.detach()[:, 2].flip(1, 2).square().mean(0).sqrt()
    np.testing.assert_allclose(change[1:4, 2:5], kernel, rtol=1e-6)
    assert int(change.notnull().sum()) == 9
    assert operator.lsi.weight.dtype == torch.float32


def test_change_through_the_graph_is_its_column(frames: xr.DataArray) -> None:
    operator = LSConv(3, 1, kernel=1, nsa=False)
    operator.lsi.weight.data.fill_(1)
    A = AdaptiveGraph(30, 4)().detach()
    change = method.change_map(operator, frames, (2, 3), A)
    column = A[:, 2 * 6 + 3].numpy() + (np.arange(30) == 15)
    np.testing.assert_allclose(change.to_numpy().ravel(), column, rtol=1e-5)


# ---- the network from outside


def test_stages_in_order(model: LSNTP) -> None:
    shapes = method.stages(model, torch.zeros(2, 3, 1, 7, 9))
    assert list(shapes.values()) == [
        (2, 3, 1, 7, 9),
        (6, 1, 3, 4),
        (2, 3, 2, 3, 4),
        (2, 3, 2, 3, 4),
        (2, 2, 2, 3, 4),
        (2, 2, 2, 3, 4),
        (4, 1, 7, 9),
        (2, 2, 1, 7, 9),
    ]
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize("form", ["equations", "released"])
def test_parameters_are_counted_once(form: str) -> None:
    model = getattr(LSNTP, form)(6, 7, hidden=3, embedding=4)
    counts = method.parameters_by_part(model)
    assert counts.sum() == sum(p.numel() for p in model.parameters())
    assert counts["node embedding"] == 6 * 7 * 4
    gates, channels = 4 * 3, (1 + 3, 3 + 3, 3 + 3, 3 + 3)
    bias = gates if form == "equations" else 0
    assert counts["LSI"] == sum(gates * c * 9 + bias for c in channels)
    assert counts["peepholes"] == 4 * 3 * 3 * (6 * 7 if form == "equations" else 1)


def test_gates_are_those_of_the_cell() -> None:
    """One frame from a zero state: C = i ∘ C̃, H = o ∘ tanh(C) once the peepholes are zero."""
    model = LSNTP.released(5, 6, hidden=2, embedding=4, lead_steps=1)
    for cell in method.cells(model):
        torch.nn.init.zeros_(cell.w_co)
    x = torch.randn(1, 1, 1, 5, 6)
    values = method.gates(model, x)
    first = {name: v[: 2 * 30] for name, v in values.items()}  # the first cell's call
    with torch.no_grad():
        _, (h, c) = model.encoder[0](x, None, model.adjacency())
    np.testing.assert_allclose(c.flatten(), first["i"] * first["C̃"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        h.flatten(), first["o"] * c.tanh().numpy().ravel(), rtol=1e-5, atol=1e-7
    )
    assert len(values["f"]) == 4 * 2 * 30  # four layers, one step each
    assert min(values[gate].min() for gate in "ifo") >= 0.5
    assert values["C̃"].min() >= 0


# ---- planted links


def test_auc_by_counting_pairs() -> None:
    rng = np.random.default_rng(3)
    strength, linked = rng.integers(0, 5, 40).astype(float), rng.random(40) < 0.3
    wins = [(a > b) + 0.5 * (a == b) for a in strength[linked] for b in strength[~linked]]
    assert metrics.auc(strength, linked) == pytest.approx(np.mean(wins))
    assert metrics.auc(linked.astype(float), linked) == 1
    with pytest.raises(ValueError, match="0 linked pairs and 40 others"):
        metrics.auc(strength, np.zeros(40, bool))


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return synthetic(8, 12, steps=300, links=2, seed=1)


def test_far_auc_ignores_direction_and_near_pairs(world: xr.Dataset) -> None:
    links = world["links"].to_numpy()
    assert metrics.far_auc(links.astype(float), world) == 1
    assert metrics.far_auc(links.T.astype(float), world) == 1
    km = great_circle_km(*grid_nodes(world["t2m"]))
    near = np.where(km < km[links].min(), 1e6, 0.0)  # would spoil the score, were it counted
    assert metrics.far_auc(links + near, world) == 1
    assert metrics.far_auc(np.zeros_like(km), world) == 0.5


def test_lagged_correlation_is_pearsons() -> None:
    series = np.random.default_rng(4).standard_normal((50, 3))
    r = pearson.lagged_correlation(series, 2)
    assert r[0, 1] == pytest.approx(np.corrcoef(series[2:, 0], series[:-2, 1])[0, 1])
    assert r[2, 2] == pytest.approx(np.corrcoef(series[2:, 2], series[:-2, 2])[0, 1])


def test_own_weights_for_links_contain_the_shared_ones() -> None:
    """X Θ' + A X Θ with Θ' = Θ is LS-Conv, (I + A) X Θ."""
    torch.manual_seed(5)
    shared, own = (method.NextFrame(4, 5, 3, 6, shared=s) for s in (True, False))
    own.load_state_dict(shared.state_dict(), strict=False)
    own.own.weight.data = shared.operator.lsi.weight.data
    x = torch.randn(2, 3, 1, 4, 5)
    assert shared(x).shape == (2, 1, 1, 4, 5)
    torch.testing.assert_close(own(x), shared(x))


def test_learning_is_seeded_and_leaves_the_callers_seed_alone(world: xr.Dataset) -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    one, two = (method.learn_graph(world, seed=3, epochs=1) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.graph(), two.graph())
    untrained = method.learn_graph(world, seed=3, epochs=0)
    assert not torch.allclose(untrained.graph(), one.graph())


@pytest.fixture(scope="module")
def study() -> xr.Dataset:
    return method.planted_links([0], epochs=8, steps=600, links=4)


def test_planted_links_are_found(study: xr.Dataset) -> None:
    auc = study.auc.sel(seed=0).to_pandas()
    assert auc["LS-Conv, next frame"] > 0.8
    assert abs(auc["untrained graph"] - 0.5) < 0.1
    assert auc["Pearson at lag, anomalies"] > 0.9
    np.testing.assert_allclose(study.adjacency.sum("node_from"), 1, atol=1e-5)


# ---- figures


def test_figures(study: xr.Dataset, model: LSNTP) -> None:
    assert {t.get_text() for t in figures.schematics.encoder_decoder().texts} >= {"layer 4", "conv"}
    gates = method.gates(model, torch.randn(1, 3, 1, 7, 9))
    axes = method.gate_histograms({"lsntp-equations": gates})
    assert [ax.get_xlabel() for ax in axes] == ["$i$", "$f$", "$o$", r"$\tilde{C}$"]
    ax = figures.auc_dots(study.auc)
    assert [t.get_text() for t in ax.get_yticklabels()] == study.way.values.tolist()
    assert "AUC" in ax.get_xlabel()
    axes = method.learned_rows(study.isel(seed=0), links=[0, 1])
    assert axes.shape == (2, 2)
    for ax in axes.ravel():
        assert any(c.get_gid() == "coastline" for c in ax.collections), "no coastline"
        assert len(ax.patches) == 1, "the source is outlined"
    plt.close("all")
