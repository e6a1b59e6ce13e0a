"""AGCRN, DAGG-ConvLSTM, SimVP and LS-NTP (tuned) against their equations worked another way."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsntp.model.forecaster import GridForecaster
from lsntp.model.graph import AdaptiveGraph
from lsntp.zoo.agcrn import AGCRN, EMBEDDING, NodeAdaptiveGRU
from lsntp.zoo.dagg_convlstm import dagg_convlstm
from lsntp.zoo.simvp import AttentionBlock, GatedAttention, SimVP
from lsntp.zoo.tuned import BLOCKS, PLACES, DirectLSNTP

BUILD: dict[str, Callable[..., GridForecaster]] = {
    "agcrn": AGCRN,
    "dagg": dagg_convlstm,
    "simvp": SimVP,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """These fields are so small that threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def adjacency_of(embedding: np.ndarray) -> np.ndarray:
    exp = np.exp(np.maximum(embedding @ embedding.T, 0))
    return exp / exp.sum(axis=1, keepdims=True)


Module = TypeVar("Module", bound=nn.Module)


def drawn_wide(module: Module) -> Module:
    """In float64, with weights so large that no term of an equation is lost in the others."""
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


# --- what the first three promise


@pytest.mark.parametrize(
    ("height", "width", "downsample"), [(4, 5, False), (4, 5, True), (7, 6, True)]
)
@pytest.mark.parametrize(("batch", "steps", "leads"), [(2, 3, 3), (1, 1, 4), (1, 3, 1), (2, 1, 1)])
@pytest.mark.parametrize("name", BUILD)
def test_any_grid_batch_steps_and_leads(
    name: str, batch: int, steps: int, leads: int, height: int, width: int, downsample: bool
) -> None:
    more = {"input_steps": steps} if name == "simvp" else {}
    model = BUILD[name](height, width, 4, 3, downsample=downsample, lead_steps=leads, **more)
    x = torch.randn(batch, steps, 1, height, width)
    assert model(x).shape == (batch, leads, 1, height, width)


@pytest.mark.parametrize("downsample", [False, True])
@pytest.mark.parametrize("name", BUILD)
def test_a_gradient_reaches_every_parameter(name: str, downsample: bool) -> None:
    torch.manual_seed(0)
    model = BUILD[name](8, 9, 4, 3, downsample=downsample, lead_steps=3)
    model(torch.randn(2, 3, 1, 8, 9)).square().sum().backward()
    for weight, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), weight


@pytest.mark.parametrize("name", BUILD)
def test_the_same_again(name: str) -> None:
    x = torch.randn(2, 3, 1, 7, 6)
    forecasts = []
    for _ in range(2):
        torch.manual_seed(0)
        model = BUILD[name](7, 6, 4, 3, downsample=True, lead_steps=3)
        forecasts += [model(x), model(x)]
    for forecast in forecasts[1:]:
        assert torch.equal(forecast, forecasts[0])


@pytest.mark.parametrize("name", BUILD)
def test_another_grid_is_refused(name: str) -> None:
    model = BUILD[name](7, 6, 4, 3, lead_steps=3)
    with pytest.raises(ValueError, match=r"expected input \(B, T, 1, 7, 6\)"):
        model(torch.zeros(2, 3, 1, 6, 7))


# --- AGCRN


@pytest.mark.parametrize(("nodes", "size", "published"), [(307, 10, 748_810), (170, 2, 150_112)])
def test_agcrn_has_as_many_parameters_as_published(nodes: int, size: int, published: int) -> None:
    """PEMSD4 and PEMSD8: 64 hidden, 12 leads, one value a lead."""
    layers = [NodeAdaptiveGRU(channels, 64, size) for channels in (1, 64)]
    assert parameters(AdaptiveGraph(nodes, size), *layers, nn.Linear(64, 12)) == published


def test_agcrn_layer_equals_the_equations_node_by_node() -> None:
    torch.manual_seed(0)
    nodes, steps, channels, hidden, size = 6, 3, 2, 3, 4
    layer = drawn_wide(NodeAdaptiveGRU(channels, hidden, size))
    graph = drawn_wide(AdaptiveGraph(nodes, size))
    x = torch.randn(nodes, steps, 2, channels, dtype=torch.float64)
    with torch.no_grad():
        ours = layer(x, graph.embedding, graph.adjacency()).numpy()
    embedding, pool, bias_pool = (
        p.detach().numpy() for p in (graph.embedding, layer.weight_pool, layer.bias_pool)
    )
    adjacency = adjacency_of(embedding)

    def convolve(v: np.ndarray, part: int) -> np.ndarray:
        """Of [X, H] (N, C + F) the product to z, r or Ĥ (N, F)."""
        these = slice(part * hidden, (part + 1) * hidden)
        result = np.zeros((nodes, hidden))
        for n in range(nodes):
            weight = sum(embedding[n, d] * pool[d] for d in range(size))
            result[n] = v[n] @ weight[0][:, these]
            result[n] += sum(adjacency[n, m] * v[m] for m in range(nodes)) @ weight[1][:, these]
            result[n] += sum(embedding[n, d] * bias_pool[d, these] for d in range(size))
        return result

    for sample in range(2):
        h = np.zeros((nodes, hidden))
        for t in range(steps):
            x_t = x[:, t, sample].numpy()
            z = sigmoid(convolve(np.hstack([x_t, h]), 0))
            r = sigmoid(convolve(np.hstack([x_t, h]), 1))
            new = np.tanh(convolve(np.hstack([x_t, r * h]), 2))
            h = z * h + (1 - z) * new
            np.testing.assert_allclose(ours[:, t, sample], h, atol=1e-12)


def test_agcrn_maps_the_last_state_of_a_cell_to_its_leads() -> None:
    torch.manual_seed(1)
    model = drawn_wide(AGCRN(4, 5, 3, 7, lead_steps=2))
    assert model.graph.embedding.shape == (4 * 5, EMBEDDING)
    x = torch.randn(2, 3, 1, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        nodes = x.reshape(2, 3, 1, 20).permute(3, 1, 0, 2)
        for layer in model.layers:
            nodes = layer(nodes, model.graph.embedding, model.graph.adjacency())
        features = model.features(x)
        weight, bias = model.leads.weight, model.leads.bias
        for lead, row, column in [(0, 0, 0), (1, 2, 3)]:
            of_lead = slice(3 * lead, 3 * lead + 3)
            last = nodes[5 * row + column, -1]
            expected = last @ weight[of_lead].T + bias[of_lead]
            torch.testing.assert_close(features[:, lead, :, row, column], expected)
    rows = model.adjacency().sum(dim=1)
    torch.testing.assert_close(rows, torch.ones_like(rows))


# --- DAGG-ConvLSTM


def test_dagg_is_equation_5_and_the_cell_steps_by_it() -> None:
    torch.manual_seed(2)
    channels, hidden = 1, 3
    model = drawn_wide(dagg_convlstm(4, 5, hidden, 2))
    cell, graph = model.encoder[0].cell, model.graph
    x = torch.randn(2, channels, 4, 5, dtype=torch.float64)
    h, c = torch.randn(2, 2, hidden, 4, 5, dtype=torch.float64)
    smooth = np.eye(20) + adjacency_of(graph.embedding.detach().numpy())
    theta = cell.operator.lsi.weight.detach().numpy()[:, :, 0, 0].T  # (C + F, 4F)
    bias = cell.operator.lsi.bias.detach().numpy()
    w_ci, w_cf, w_co = (
        w.detach().numpy()[0].reshape(hidden, 20).T for w in (cell.w_ci, cell.w_cf, cell.w_co)
    )
    with torch.no_grad():
        gates = cell.operator(torch.cat([x, h], dim=1), graph.adjacency())
        new_h, new_c = cell(x, (h, c), graph.adjacency())
    for sample in range(2):
        nodes = torch.cat([x, h], dim=1)[sample].flatten(1).T.numpy()  # (N, C + F)
        expected = smooth @ nodes @ theta + bias
        np.testing.assert_allclose(gates[sample].flatten(1).T, expected, atol=1e-12)
        i, f, o, g = np.split(expected, 4, axis=1)
        old = c[sample].flatten(1).T.numpy()
        state = sigmoid(f + w_cf * old) * old + sigmoid(i + w_ci * old) * np.tanh(g)
        np.testing.assert_allclose(new_c[sample].flatten(1).T, state, atol=1e-12)
        output = sigmoid(o + w_co * state) * np.tanh(state)
        np.testing.assert_allclose(new_h[sample].flatten(1).T, output, atol=1e-12)


# --- SimVP


def depthwise_by_loops(x: np.ndarray, layer: nn.Conv2d, dilation: int) -> np.ndarray:
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    channels, height, width = x.shape
    reach = weight.shape[-1] // 2
    y = np.zeros_like(x)
    for k in range(channels):
        for i in range(height):
            for j in range(width):
                y[k, i, j] = bias[k]
                for p in range(-reach, reach + 1):
                    for q in range(-reach, reach + 1):
                        row, column = i + dilation * p, j + dilation * q
                        if 0 <= row < height and 0 <= column < width:
                            y[k, i, j] += weight[k, 0, p + reach, q + reach] * x[k, row, column]
    return y


def pointwise_by_product(x: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    weight, bias = layer.weight.detach().numpy()[:, :, 0, 0], layer.bias.detach().numpy()
    return np.tensordot(weight, x, axes=1) + bias[:, None, None]


def test_gated_attention_by_loops() -> None:
    torch.manual_seed(3)
    attention = drawn_wide(GatedAttention(2))
    x = torch.randn(1, 2, 7, 8, dtype=torch.float64)
    first, dilated, to_both = attention.attend
    u = pointwise_by_product(x[0].numpy(), attention.enter[0])
    u = u * np.vectorize(lambda v: (1 + math.erf(v / 2**0.5)) / 2)(u)
    seen = depthwise_by_loops(depthwise_by_loops(u, first, 1), dilated, 3)
    value, gate = np.split(pointwise_by_product(seen, to_both), 2)
    expected = x[0].numpy() + pointwise_by_product(sigmoid(gate) * value, attention.leave)
    with torch.no_grad():
        np.testing.assert_allclose(attention(x)[0], expected, atol=1e-12)
    assert (first.kernel_size, dilated.kernel_size, dilated.dilation) == ((5, 5), (7, 7), (3, 3))


def block_by_hand(block: AttentionBlock, x: Tensor) -> Tensor:
    """A translator block from torch's functions, with the statistics of the batch."""
    norm, attention = block.attention
    x = x + block.scale_attention * attention(
        F.batch_norm(x, None, None, norm.weight, norm.bias, training=True)
    )
    norm, up, mix, _, down = block.mlp
    y = F.batch_norm(x, None, None, norm.weight, norm.bias, training=True)
    y = F.conv2d(y, up.weight, up.bias)
    y = F.conv2d(y, mix.weight, mix.bias, padding=1, groups=len(mix.weight))
    return x + block.scale_mlp * F.conv2d(F.gelu(y), down.weight, down.bias)


@pytest.mark.parametrize(("steps", "leads"), [(3, 3), (4, 4), (2, 3), (3, 1)])
def test_simvp_composed_by_hand(steps: int, leads: int) -> None:
    torch.manual_seed(4)
    batch, hidden = 2, 4
    model = drawn_wide(SimVP(4, 5, hidden, 0, lead_steps=leads, input_steps=steps))
    x = torch.randn(batch, steps, 1, 4, 5, dtype=torch.float64)

    def spatial(block: nn.Sequential, frame: Tensor) -> Tensor:
        conv, norm, _ = block
        frame = F.conv2d(frame, conv.weight, conv.bias, padding=1)
        return F.silu(F.group_norm(frame, 2, norm.weight, norm.bias))

    with torch.no_grad():
        first = [spatial(model.encoder[0], x[:, t]) for t in range(steps)]
        z = torch.cat([spatial(model.encoder[1], frame) for frame in first], dim=1)
        layers = list(model.translator)
        widths = [steps * hidden, 4 * hidden, 4 * hidden, 4 * hidden, leads * hidden]
        for before, after in pairwise(widths):
            z = block_by_hand(layers.pop(0), z)
            if before != after:
                reduce = layers.pop(0)
                z = F.conv2d(z, reduce.weight, reduce.bias)
        assert not layers and z.shape[1] == leads * hidden
        expected = []
        for lead in range(leads):
            y = spatial(model.decoder[0], z[:, lead * hidden : (lead + 1) * hidden])
            y = spatial(model.decoder[1], y + first[lead if steps == leads else -1])
            expected.append(F.conv2d(y, model.head.weight, model.head.bias, padding=1))
        torch.testing.assert_close(model(x), torch.stack(expected, dim=1))


def test_simvp_forecasts_each_sample_by_itself_once_trained() -> None:
    torch.manual_seed(5)
    model = SimVP(6, 6, 4, 0, lead_steps=2).double()
    x = torch.randn(3, 2, 1, 6, 6, dtype=torch.float64)
    model(x)  # in training: takes the batch's statistics in
    model.eval()
    torch.testing.assert_close(model(x)[1:2], model(x[1:2]))
    torch.testing.assert_close(model(x), model(x))


def test_simvp_leaves_out_branches_of_some_samples_in_training() -> None:
    torch.manual_seed(6)
    model = SimVP(6, 6, 4, 0, lead_steps=2, stochastic_depth=True)
    blocks = [m for m in model.translator if isinstance(m, AttentionBlock)]
    np.testing.assert_allclose([b.depth.dropped for b in blocks], [0.01, 0.04, 0.07, 0.1])
    block = AttentionBlock(2, 0.5)
    x = torch.randn(64, 2, 4, 4)
    for scale, branch in (
        (block.scale_mlp, block.attention),
        (block.scale_attention, block.mlp),
    ):
        with torch.no_grad():
            scale.zero_()  # so that the other branch is alone
            whole = 0.01 * branch(x)
            share = ((block(x) - x) / whole).mean((1, 2, 3))  # 0, or what is kept scaled up
            scale.fill_(0.01)
        assert {*share.round().tolist()} == {0, 2}
        assert 16 < int((share < 1).sum()) < 48
    plain = SimVP(6, 6, 4, 0, lead_steps=2)
    plain.load_state_dict(model.state_dict())
    frames = torch.randn(2, 2, 1, 6, 6)
    assert torch.equal(plain.eval()(frames), model.eval()(frames))
    depths = [m.depth for m in plain.train().translator if isinstance(m, AttentionBlock)]
    assert all(depth(frames) is frames for depth in depths)


def test_simvp_tells_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="kernel=4"):
        SimVP(6, 6, 4, 0, kernel=4)
    with pytest.raises(ValueError, match="hidden=3: expected an even number"):
        SimVP(6, 6, 3, 0)
    with pytest.raises(ValueError, match="has 5 frames, expected 6.* input_steps=5"):
        SimVP(6, 6, 4, 0)(torch.zeros(1, 5, 1, 6, 6))


# --- LS-NTP (tuned)


@pytest.mark.parametrize(("steps", "leads", "kernel"), [(3, 3, 3), (5, 2, 5)])
def test_tuned_composed_by_hand(steps: int, leads: int, kernel: int) -> None:
    torch.manual_seed(6)
    batch, hidden, nodes = 2, 4, 4 * 5
    model = DirectLSNTP(4, 5, hidden, 3, kernel, lead_steps=leads, input_steps=steps)
    state = drawn_wide(model).state_dict()
    x = torch.randn(batch, steps, 1, 4, 5, dtype=torch.float64)
    smooth = torch.eye(nodes) + torch.from_numpy(adjacency_of(state["graph.embedding"].numpy()))

    def convolve(layer: str, y: Tensor) -> Tensor:
        weight = state[f"{layer}.weight"]
        return F.conv2d(y, weight, state[f"{layer}.bias"], padding=weight.shape[-1] // 2)

    def norm(layer: str, y: Tensor) -> Tensor:
        """Over channels and cells of each sample; the weights are those of a channel."""
        away = y - y.mean((1, 2, 3), keepdim=True)
        scaled = away / (away.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
        weight, bias = (state[f"{layer}.{name}"][:, None, None] for name in ("weight", "bias"))
        return scaled * weight + bias

    def block(layer: str, y: Tensor) -> Tensor:
        z = norm(f"{layer}.norm", y)
        gate = z
        for depth in (0, 2, 4):
            gate = convolve(f"{layer}.operator.nsa.0.gate.{depth}", gate.relu() if depth else gate)
        z = (gate.sigmoid() * z).flatten(2) @ smooth.T
        z = convolve(f"{layer}.operator.lsi", z.unflatten(2, (4, 5)))
        return y + convolve(f"{layer}.leave", z * z.sigmoid())

    places = state["places"].expand(batch, PLACES, 4, 5)
    y = convolve("enter", torch.cat([x[:, t] for t in range(steps)] + [places], dim=1))
    for k in range(BLOCKS):
        y = block(f"blocks.{k}", y)
    y = convolve("leads", y * y.sigmoid())
    expected = [
        convolve("head", y[:, lead * hidden : (lead + 1) * hidden]) for lead in range(leads)
    ]
    with torch.no_grad():
        torch.testing.assert_close(model(x), torch.stack(expected, dim=1))


def test_tuned_blocks_start_as_if_they_were_not_there() -> None:
    torch.manual_seed(7)
    model = DirectLSNTP(4, 5, 3, 2)
    x = torch.randn(2, 3, 4, 5)
    for block in model.blocks:
        assert torch.equal(block(x, model.graph.adjacency()), x)


def test_tuned_tells_how_many_frames_it_needs() -> None:
    with pytest.raises(ValueError, match="has 6 frames, expected 12.* input_steps=6"):
        DirectLSNTP(6, 6, 4, 3, input_steps=12)(torch.zeros(1, 6, 1, 6, 6))
