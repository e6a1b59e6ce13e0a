"""The recurrent rivals against their equations, written out in numpy cell by cell."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lsntp.model.forecaster import GridForecaster
from lsntp.zoo.cnn_lstm import CNNLSTM
from lsntp.zoo.predrnn import STLSTMCell, predrnn
from lsntp.zoo.rolled import Rolled
from lsntp.zoo.sa_convlstm import SAM, SAConvLSTMCell, sa_convlstm

Build = Callable[..., GridForecaster]
RIVALS: dict[str, Build] = {"predrnn": predrnn, "sa_convlstm": sa_convlstm, "cnn_lstm": CNNLSTM}
every_rival = pytest.mark.parametrize("build", RIVALS.values(), ids=RIVALS)
both_rolled = pytest.mark.parametrize("build", [predrnn, sa_convlstm])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def conv(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """``weight`` (F, C, k, k) on ``x`` (C, h, w), zero beyond the edge, cell by cell."""
    out_channels, in_channels, k, _ = weight.shape
    _, rows, columns = x.shape
    out = np.zeros((out_channels, rows, columns))
    for row in range(rows):
        for column in range(columns):
            for p in range(k):
                for q in range(k):
                    r, c = row + p - k // 2, column + q - k // 2
                    if 0 <= r < rows and 0 <= c < columns:
                        for channel in range(in_channels):
                            out[:, row, column] += weight[:, channel, p, q] * x[channel, r, c]
    return out


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Random weights, also for the biases, which start from zero; the module gets them too."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def fields(*channels: int) -> list[Tensor]:
    return [torch.randn(1, c, 3, 4, dtype=torch.float64) for c in channels]


@pytest.mark.parametrize("kernel", [3, 1])
def test_st_lstm_step_equals_the_printed_equations(kernel: int) -> None:
    torch.manual_seed(0)
    channels, hidden = 3, 2
    cell = STLSTMCell(channels, hidden, kernel).double()
    weights = arrays(cell)
    x, h, c, m = fields(channels, hidden, hidden, hidden)
    with torch.no_grad():
        new = cell(x, h, c, m)

    def gate(of: str, k: int, second: np.ndarray) -> np.ndarray:
        weight = weights[f"{of}.weight"][k * hidden : (k + 1) * hidden]
        bias = weights[f"{of}.bias"][k * hidden : (k + 1) * hidden, None, None]
        return conv(weight[:, :channels], x_) + conv(weight[:, channels:], second) + bias

    x_, h_, c_, m_ = (field[0].numpy() for field in (x, h, c, m))
    i, f, g = sigmoid(gate("on_xh", 0, h_)), sigmoid(gate("on_xh", 1, h_)), gate("on_xh", 2, h_)
    c_ = f * c_ + i * np.tanh(g)
    i, f, g = sigmoid(gate("on_xm", 0, m_)), sigmoid(gate("on_xm", 1, m_)), gate("on_xm", 2, m_)
    m_ = f * m_ + i * np.tanh(g)
    w_co, w_mo = weights["on_cm.weight"][:, :hidden], weights["on_cm.weight"][:, hidden:]
    o = sigmoid(gate("on_xh", 3, h_) + conv(w_co, c_) + conv(w_mo, m_))
    h_ = o * np.tanh(conv(weights["fuse.weight"], np.concatenate([c_, m_])))
    for ours, expected in zip(new, (h_, c_, m_), strict=True):
        np.testing.assert_allclose(ours[0], expected, rtol=1e-12, atol=1e-12)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What cell i gets from every cell j, pair by pair; (d, h, w), (d, h, w), (F, h, w)."""
    grid = list(np.ndindex(q.shape[1:]))
    out = np.zeros_like(v)
    for i in grid:
        scores = [np.exp(sum(q[(d, *i)] * k[(d, *j)] for d in range(len(q)))) for j in grid]
        for score, j in zip(scores, grid, strict=True):
            out[(slice(None), *i)] += score / sum(scores) * v[(slice(None), *j)]
    return out


def sam_by_hand(
    weights: dict[str, np.ndarray], h: np.ndarray, m: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    hidden, width = len(h), len(h) // 2
    of_h, of_m = weights["qkv.weight"], weights["kv.weight"]
    q, k_h, v_h = conv(of_h[:width], h), conv(of_h[width : 2 * width], h), conv(of_h[-hidden:], h)
    k_m, v_m = conv(of_m[:width], m), conv(of_m[width:], m)
    pair = np.concatenate([attention(q, k_h, v_h), attention(q, k_m, v_m)])
    z = conv(weights["fuse.weight"], pair)
    w_z, w_h = weights["gates.weight"][:, :hidden], weights["gates.weight"][:, hidden:]
    gates = conv(w_z, z) + conv(w_h, h) + weights["gates.bias"][:, None, None]
    i, g, o = (gates[k * hidden : (k + 1) * hidden] for k in range(3))
    m = (1 - sigmoid(i)) * m + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * m, m


def test_sam_equals_the_printed_equations() -> None:
    torch.manual_seed(1)
    sam = SAM(4).double()
    weights = arrays(sam)
    h, m = fields(4, 4)
    with torch.no_grad():
        new = sam(h, m)
    for ours, expected in zip(new, sam_by_hand(weights, h[0].numpy(), m[0].numpy()), strict=True):
        np.testing.assert_allclose(ours[0], expected, rtol=1e-12, atol=1e-12)


def test_sa_convlstm_step_equals_the_printed_equations() -> None:
    torch.manual_seed(2)
    channels, hidden = 3, 2
    cell = SAConvLSTMCell(channels, hidden, 3).double()
    weights = arrays(cell)
    x, h, c, m = fields(channels, hidden, hidden, hidden)
    with torch.no_grad():
        new = cell(x, h, c, m)
    w_x, w_h = weights["on_xh.weight"][:, :channels], weights["on_xh.weight"][:, channels:]
    gates = conv(w_x, x[0].numpy()) + conv(w_h, h[0].numpy())
    gates += weights["on_xh.bias"][:, None, None]
    i, f, g, o = (gates[k * hidden : (k + 1) * hidden] for k in range(4))
    c_ = sigmoid(f) * c[0].numpy() + sigmoid(i) * np.tanh(g)
    of_sam = {name.removeprefix("sam."): value for name, value in weights.items()}
    h_, m_ = sam_by_hand(of_sam, sigmoid(o) * np.tanh(c_), m[0].numpy())
    for ours, expected in zip(new, (h_, c_, m_), strict=True):
        np.testing.assert_allclose(ours[0], expected, rtol=1e-12, atol=1e-12)


@both_rolled
def test_rolling_written_out(build: Callable[..., Rolled]) -> None:
    """Two frames, two leads: which M goes where, what is fed back, which H are the features."""
    torch.manual_seed(3)
    model = build(4, 5, 2, 0, lead_steps=2).double()
    arrays(model)
    bottom, top = model.cells
    frames = torch.randn(3, 2, 1, 4, 5, dtype=torch.float64)
    zeros = torch.zeros(3, 2, 4, 5, dtype=torch.float64)
    zigzag = build is predrnn
    with torch.no_grad():
        h1, c1, m1 = bottom(frames[:, 0], zeros, zeros, zeros)
        h2, c2, m2 = top(h1, zeros, zeros, m1 if zigzag else zeros)
        h1, c1, m1 = bottom(frames[:, 1], h1, c1, m2 if zigzag else m1)
        h2, c2, m2 = top(h1, h2, c2, m1 if zigzag else m2)
        fed_back = torch.einsum("bfhw,f->bhw", h2, model.feedback.weight[0, :, 0, 0])[:, None]
        h1, _, m1 = bottom(fed_back, h1, c1, m2 if zigzag else m1)
        h3, _, _ = top(h1, h2, c2, m1 if zigzag else m2)
        torch.testing.assert_close(model.features(frames), torch.stack([h2, h3], dim=1))


def test_cnn_lstm_equals_its_description() -> None:
    torch.manual_seed(4)
    hidden, leads = 2, 3
    model = CNNLSTM(4, 5, hidden, 0, lead_steps=leads).double()
    weights = arrays(model)
    frames = torch.randn(1, 3, 1, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        ours = model.features(frames)[0]

    def lstm(name: str, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, ...]:
        """One step of torch's LSTM; its gates come in the order i, f, g, o."""
        on_x, on_h = (weights[f"{name}.weight_{of}_l0"] for of in ("ih", "hh"))
        bias = weights[f"{name}.bias_ih_l0"] + weights[f"{name}.bias_hh_l0"]
        i, f, g, o = np.split(on_x @ x + on_h @ h + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    h = c = np.zeros(8 * hidden)
    for frame in frames[0].numpy():
        maps = frame
        for layer in ("frame.0", "frame.2"):
            maps = conv(weights[f"{layer}.weight"], maps) + weights[f"{layer}.bias"][:, None, None]
            maps = np.maximum(maps, 0)
        h, c = lstm(
            "encoder", weights["frame.5.weight"] @ maps.ravel() + weights["frame.5.bias"], h, c
        )
    for lead in range(leads):
        h, c = lstm("decoder", np.ones(1), h, c)
        field = weights["field.weight"] @ h + weights["field.bias"]
        np.testing.assert_allclose(ours[lead], field.reshape(hidden, 4, 5), rtol=1e-12, atol=1e-12)


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("f", [4, 6])
@pytest.mark.parametrize("downsample", [False, True])
def test_parameter_counts(f: int, k: int, downsample: bool) -> None:
    height, width = 7, 9
    grid = {"kernel": k, "downsample": downsample}
    cells = 3 * 4 if downsample else 7 * 9
    around = 9 * f + 1 + (9 + 1 if downsample else 0)  # the head and, if any, the first convolution

    # W_x for g, i, f, g', i', f', o; W_h for g, i, f, o; W_m for g', i', f'; W_co, W_mo; 7 biases
    st_lstm = sum(k * k * (7 * c * f + 4 * f * f + 3 * f * f + 2 * f * f) for c in (1, f))
    st_lstm += 2 * (7 * f + 2 * f * f)  # biases, W_1×1
    assert count(predrnn(height, width, f, 0, **grid)) == st_lstm + f + around

    # Q, K_h, K_m of F/2 channels; V_h, V_m; W_z; W_z', W_h' for i', g', o' with a bias
    sam = 3 * f * f // 2 + 2 * f * f + 2 * f * f + 2 * 3 * f * f + 3 * f
    conv_lstm = sum(k * k * 4 * (c + f) * f + 4 * f for c in (1, f))
    assert count(sa_convlstm(height, width, f, 0, **grid)) == conv_lstm + 2 * sam + f + around

    units = 8 * f
    frame = k * k * f + f + k * k * f * f + f + f * cells * units + units
    lstms = 4 * units * (units + units + 2) + 4 * units * (1 + units + 2)
    field = units * f * cells + f * cells
    assert count(CNNLSTM(height, width, f, 0, **grid)) == frame + lstms + field + around


def test_parameters_on_the_laptop() -> None:
    counts = [count(build(21, 35, 16, 64, 3, True, 6)) for build in RIVALS.values()]
    assert counts == [60027, 34507, 900971]


@every_rival
@pytest.mark.parametrize("downsample", [False, True])
@pytest.mark.parametrize(("inputs", "leads"), [(1, 1), (1, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("grid", [(4, 4), (5, 8)])
def test_shapes_and_gradients(
    build: Build, grid: tuple[int, int], inputs: int, leads: int, downsample: bool
) -> None:
    torch.manual_seed(5)
    model = build(*grid, 4, 0, downsample=downsample, lead_steps=leads)
    forecast = model(torch.randn(2, inputs, 1, *grid))
    assert forecast.shape == (2, leads, 1, *grid)
    forecast.square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        if inputs > 1:  # after a single step nothing has been remembered
            assert parameter.grad.any(), name


@every_rival
def test_deterministic_and_without_hidden_state(build: Build) -> None:
    x = torch.randn(2, 3, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    forecasts = []
    for _ in range(2):
        torch.manual_seed(6)
        model = build(5, 6, 4, 0)
        forecasts += [model(x), model(x)]
    assert all(torch.equal(forecasts[0], other) for other in forecasts[1:])


@every_rival
def test_samples_are_independent_and_the_order_of_frames_matters(build: Build) -> None:
    torch.manual_seed(7)
    model = build(5, 6, 4, 0, lead_steps=2).double()
    x = torch.randn(3, 3, 1, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        forecast = model(x)
        torch.testing.assert_close(model(x[1:2]), forecast[1:2])
        for order in ([1, 0, 2], [0, 2, 1]):
            assert (model(x[:, order]) - forecast).abs().amax(dim=(1, 2, 3, 4)).min() > 1e-6


@every_rival
def test_every_frame_reaches_every_lead(build: Build) -> None:
    torch.manual_seed(8)
    model = build(5, 6, 4, 0, lead_steps=3).double()
    x = torch.randn(1, 3, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    for lead in model(x)[0]:
        (gradient,) = torch.autograd.grad(lead.square().sum(), x, retain_graph=True)
        assert gradient.abs().amax(dim=(0, 2, 3, 4)).min() > 1e-10


@pytest.mark.parametrize(("build", "global_"), [(predrnn, False), (sa_convlstm, True)])
def test_reach_within_one_step(build: Build, global_: bool) -> None:
    """A corner's change reaches the far corner through attention, not through convolutions."""
    torch.manual_seed(9)
    model = build(12, 12, 4, 0, lead_steps=1).double()
    arrays(model)
    x = torch.zeros(2, 1, 1, 12, 12, dtype=torch.float64)
    x[:] = torch.randn(12, 12, dtype=torch.float64)
    x[1, 0, 0, 0, 0] += 1
    with torch.no_grad():
        forecast = model(x)
    changed = (forecast[1] - forecast[0])[0, 0].abs() > 1e-14
    if global_:
        assert changed.all()
    else:  # in each of two layers W_x, then W_co and W_mo; last the head
        reach = 2 * 2 + 1
        assert changed[: reach + 1, : reach + 1].all()
        assert changed.sum() == (reach + 1) ** 2


@every_rival
def test_wrong_sizes_are_told(build: Build) -> None:
    with pytest.raises(ValueError, match="kernel=2: expected an odd number"):
        build(5, 6, 4, 0, kernel=2)
    model = build(5, 6, 4, 0)
    for shape in [(2, 3, 1, 6, 5), (2, 3, 2, 5, 6), (2, 3, 5, 6)]:
        with pytest.raises(ValueError, match="build the model for this grid"):
            model(torch.zeros(shape))
