"""The background pieces against PyTorch, and against small cases worked by hand."""

import socket

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lsntp.chapters import background
from lsntp.chapters.background import figures, images, sequences

CLOSE = {"rtol": 0, "atol": 1e-12}


@pytest.fixture(autouse=True)
def double():
    """Run in float64 from a fixed seed, so that equality can be asked to twelve decimals."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# --- Convolution --------------------------------------------------------------------------------


def test_im2row_by_hand():
    image = torch.arange(6.0).view(1, 1, 2, 3)  # 0 1 2 / 3 4 5
    rows = background.im2row(image, kernel=2)
    assert rows.tolist() == [[[0, 1, 3, 4], [1, 2, 4, 5]]]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_im2row_is_unfold_and_gives_conv2d(channels, kernel, stride, padding, more_h, more_w):
    image = torch.randn(2, channels, kernel + more_h, kernel + more_w)
    rows = background.im2row(image, kernel, stride, padding)
    unfolded = F.unfold(image, kernel, padding=padding, stride=stride).transpose(1, 2)
    torch.testing.assert_close(rows, unfolded, rtol=0, atol=0)

    weight = torch.randn(4, channels, kernel, kernel)
    torch.testing.assert_close(
        background.convolve(image, weight, stride, padding),
        F.conv2d(image, weight, stride=stride, padding=padding),
        **CLOSE,
    )


def test_pytorch_forms_the_matrix_in_double_precision():
    """What the page links to: ConvolutionMM2d.cpp copies the patches, then multiplies."""
    with torch.profiler.profile() as profile:
        F.conv2d(torch.randn(1, 3, 9, 9), torch.randn(4, 3, 3, 3))
    assert "aten::_slow_conv2d_forward" in {event.key for event in profile.key_averages()}


def test_convolve_gradients():
    image = torch.randn(1, 2, 4, 5, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w: background.convolve(x, w, stride=2, padding=1), (image, weight)
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"kernel": 5}, "kernel=5 does not fit"),
        ({"kernel": 0}, "kernel=0"),
        ({"kernel": 2, "stride": 0}, "stride=0"),
        ({"kernel": 2, "padding": -1}, "padding=-1"),
    ],
)
def test_im2row_refuses(sizes, message):
    with pytest.raises(ValueError, match=message):
        background.im2row(torch.zeros(1, 1, 4, 4), **sizes)


# --- Graphs -------------------------------------------------------------------------------------


def test_grid_adjacency_by_hand():
    # 0 1 2
    # 3 4 5
    four = background.grid_adjacency(2, 3, neighbours=4)
    assert [row.nonzero().flatten().tolist() for row in four] == [
        [1, 3],
        [0, 2, 4],
        [1, 5],
        [0, 4],
        [1, 3, 5],
        [2, 4],
    ]
    eight = background.grid_adjacency(2, 3)
    assert eight.sum(dim=1).tolist() == [3, 5, 3, 3, 5, 3]
    torch.testing.assert_close(eight, eight.T)
    assert eight.diagonal().sum() == 0


def test_normalise_by_hand():
    path = torch.tensor([[0.0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    a = 2**-0.5  # degrees 1, 2, 1 and a node on its own
    expected = torch.tensor([[0, a, 0, 0], [a, 0, a, 0], [0, a, 0, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(background.normalise(path), expected, **CLOSE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: background.grid_adjacency(3, 3, neighbours=6), "neighbours=6"),
        (lambda: background.grid_adjacency(1, 3), "1×3"),
        (lambda: background.normalise(torch.zeros(2, 3)), r"\(2, 3\)"),
        (lambda: background.normalise(-torch.ones(2, 2)), "holds -1"),
        (lambda: background.receptive_fields({}, size=4, depths=[1]), "size=4"),
        (lambda: images.cat(279), "size=279: expected 1 to 278"),
        (lambda: images.Autoencoder()(torch.zeros(1, 3, 12, 8)), r"\(12, 8\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_gcn_layer_by_hand_and_by_node():
    adjacency = torch.tensor([[1.0, 0.5], [0.0, 1.0]])
    features = torch.tensor([[1.0], [2.0]])
    layer = background.gcn_layer(adjacency, features, torch.tensor([[3.0]]), -7.0)
    assert layer.tolist() == [[0.0], [0.0]]  # relu(2·3 - 7) = relu(-1), relu(2·3 - 7)
    layer = background.gcn_layer(adjacency, features, torch.tensor([[3.0]]), -5.0)
    assert layer.tolist() == [[1.0], [1.0]]

    adjacency, features = torch.rand(6, 6), torch.randn(6, 3)
    weight, bias = torch.randn(3, 4), torch.randn(4)
    torch.testing.assert_close(
        background.gcn_layer(adjacency, features, weight, bias),
        background.gcn_layer_by_node(adjacency, features, weight, bias),
        **CLOSE,
    )


def test_gcn_layer_gradients():
    inputs = [torch.randn(5, 5), torch.randn(5, 2), torch.randn(2, 3), torch.randn(3)]
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, h, w, b: background.gcn_layer(a, h, w, b, torch.tanh), inputs
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 6), st.integers(2, 6))
def test_constant_kernel_is_grid_graph_and_any_kernel_is_nine_graphs(height, width):
    field = torch.randn(1, 1, height, width)
    nodes = field.view(-1, 1)
    graph = background.grid_adjacency(height, width) + torch.eye(height * width)
    torch.testing.assert_close(
        (graph @ nodes).view_as(field),
        F.conv2d(field, torch.ones(1, 1, 3, 3), padding=1),
        **CLOSE,
    )
    kernel = torch.randn(3, 3)
    shifts = [
        background.shift_matrix(height, width, p, q) * kernel[p + 1, q + 1]
        for p in (-1, 0, 1)
        for q in (-1, 0, 1)
    ]
    torch.testing.assert_close(
        (sum(shifts) @ nodes).view_as(field),
        F.conv2d(field, kernel[None, None], padding=1),
        **CLOSE,
    )


def test_graph_convolution_module_is_the_layer():
    adjacency = torch.rand(12, 12)
    module = background.GraphConvolution(adjacency, in_channels=2, out_channels=5)
    x = torch.randn(3, 2, 3, 4)
    by_layer = background.gcn_layer(
        adjacency, x.flatten(2).mT, module.weight, module.bias, activation=nn.Identity()
    )
    assert module(x).shape == (3, 5, 3, 4)
    torch.testing.assert_close(module(x).flatten(2).mT, by_layer, **CLOSE)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_receptive_field_formula(kernel):
    layers = {"cnn": nn.Conv2d(1, 1, kernel, padding=kernel // 2)}
    fields = background.receptive_fields(layers, size=13, depths=[1, 2, 3])
    seen = (fields > 0).sum(("row", "column")).sel(layer="cnn").values.tolist()
    assert seen == [(1 + depth * (kernel - 1)) ** 2 for depth in (1, 2, 3)]
    assert fields.max() == 1


# --- Sequences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "module"), [("rnn", nn.RNN), ("lstm", nn.LSTM)])
def test_rnn_and_lstm_are_torchs(name, module):
    theirs = module(3, 5)
    x = torch.randn(7, 2, 3)
    ours = getattr(sequences, name)(x, *sequences.printed_weights(theirs))
    torch.testing.assert_close(ours, theirs(x)[0], **CLOSE)


def test_gru_is_torchs():
    theirs = nn.GRU(3, 5)
    names = ("weight_hh_l0", "weight_ih_l0", "bias_hh_l0", "bias_ih_l0")
    weights = [getattr(theirs, name).unflatten(0, (3, 5)) for name in names]
    x = torch.randn(7, 2, 3)
    torch.testing.assert_close(sequences.gru(x, *weights), theirs(x)[0], **CLOSE)


def test_peephole_lstm_by_hand():
    # All matrices and biases zero, C̃ driven by its bias: one unit, peepholes 1, 2, 3.
    weight, bias = torch.zeros(4, 1, 2), torch.tensor([[0.0], [0.0], [0.0], [1.0]])
    h = sequences.lstm(torch.zeros(2, 1, 1), weight, bias, torch.tensor([[1.0], [2.0], [3.0]]))
    candidate = torch.tensor(1.0).tanh()
    first = 0.5 * candidate  # C_0 = 0, so i = ½
    second = (2 * first).sigmoid() * first + first.sigmoid() * candidate
    expected = torch.stack([(3 * c).sigmoid() * c.tanh() for c in (first, second)])
    torch.testing.assert_close(h.flatten(), expected, **CLOSE)


def test_lstm_gradients():
    inputs = [torch.randn(3, 2, 2), torch.randn(4, 3, 5), torch.randn(4, 3), torch.randn(3, 3)]
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(sequences.lstm, inputs)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.integers(1, 8))
def test_attention_is_torchs(length, features):
    query, key, value = torch.randn(3, 2, length, features)
    torch.testing.assert_close(
        sequences.attention(query, key, value),
        F.scaled_dot_product_attention(query, key, value),
        **CLOSE,
    )
    rows = sequences.attention_weights(query, key).sum(dim=-1)
    torch.testing.assert_close(rows, torch.ones(2, length), **CLOSE)


def test_costs_are_those_of_the_formulas():
    costs = sequences.sequence_costs([10, 20], features=8, repeats=1)
    n = costs["length"]
    quadratic = costs["model"] == "attention"
    # A multiplication and an addition each: Q Kᵀ and its product with V; W_x x and W_h h a step.
    expected = (4 * n**2 * 8).where(quadratic, 4 * n * 8 * 8)
    assert costs["operations"].tolist() == expected.tolist()
    assert costs["held"].tolist() == (n**2).where(quadratic, 8).tolist()
    assert (costs["seconds"] > 0).all()


def test_convlstm_on_one_cell_is_torchs_lstm():
    layer = sequences.convlstm(3, 5, (1, 1), kernel=1)
    theirs = nn.LSTM(3, 5)
    weight, bias = sequences.printed_weights(theirs)
    with torch.no_grad():
        of_x_then_h = weight.roll(3, dims=-1)
        layer.cell.operator.lsi.weight.copy_(of_x_then_h.flatten(0, 1)[..., None, None])
        layer.cell.operator.lsi.bias.copy_(bias.flatten())
        for peephole in (layer.cell.w_ci, layer.cell.w_cf, layer.cell.w_co):
            peephole.zero_()
    x = torch.randn(6, 2, 3)
    ours = layer(x.transpose(0, 1)[..., None, None])[0].flatten(2).transpose(0, 1)
    torch.testing.assert_close(ours, theirs(x)[0], **CLOSE)


def test_cnn_then_lstm_shapes_and_parameters():
    model = sequences.CNNThenLSTM(2, 3, (4, 5), units=6)
    assert model(torch.randn(2, 7, 2, 4, 5)).shape == (2, 7, 1, 4, 5)
    expected = 3 * (2 * 9 + 1) + 4 * 6 * (3 * 20 + 6 + 2) + 20 * (6 + 1)
    assert sequences.parameters(model) == expected


# --- Photographs --------------------------------------------------------------------------------


def test_photographs_are_inside_the_package(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a photograph was looked for on the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert images.cat().shape == (256, 256, 3)
    assert all(p.shape[2] == 3 for p in images.training_photographs())
    with pytest.raises(FileNotFoundError, match=r"does not ship 'brain\.tiff'"):
        images.photograph("brain.tiff")


def test_patches_and_back():
    image = torch.rand(12, 16, 3)
    cut = images.patches(image, size=4)
    assert cut.shape == (12, 3, 4, 4)
    torch.testing.assert_close(cut[5], image[4:8, 4:8].permute(2, 0, 1))
    torch.testing.assert_close(images.assemble(cut, columns=4), image)


def test_pca_is_exact_on_its_own_plane_and_mean_without_components():
    basis = torch.randn(2, 12)
    train = (torch.randn(30, 2) @ basis + 0.5).view(30, 3, 2, 2)
    rebuilt = images.pca_reconstruction(train, train, components=2)
    torch.testing.assert_close(rebuilt, train, **CLOSE)
    mean = images.pca_reconstruction(train, train, components=0)
    torch.testing.assert_close(mean, train.mean(dim=0).expand_as(train), **CLOSE)


def test_autoencoder_learns_and_repeats_itself():
    train = images.patches(images.cat(64), size=16)
    model, losses = images.train_autoencoder(train, epochs=8, batch=4)
    assert losses[-1] < losses[0] / 2
    assert model.encoder(train).shape == (16, 4, 2, 2)
    again, same = images.train_autoencoder(train, epochs=8, batch=4)
    assert same == losses
    torch.testing.assert_close(again(train), model(train), rtol=0, atol=0)
    maps = images.feature_maps(model, images.cat(64))
    assert [tuple(m.shape) for m in maps] == [(16, 32, 32), (32, 16, 16), (4, 8, 8)]


# --- Figures ------------------------------------------------------------------------------------


def test_figures_label_their_axes():
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    growth = figures.receptive_growth(
        background.receptive_fields({"CNN": nn.Conv2d(1, 1, 3, padding=1)}, 7, [1, 2])
    )
    parameters = figures.parameter_growth(sequences.parameter_growth([2, 4]))
    costs = figures.sequence_costs(sequences.sequence_costs([4, 8]))
    for ax in (growth, parameters, costs[1, 0]):
        assert ax.get_xlabel()
        assert ax.get_ylabel()
    plt.close("all")


@pytest.mark.parametrize(("size", "kernel"), [(5, 3), (7, 3), (6, 2)])
def test_the_geometry_drawn_is_conv2ds(size, kernel):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    axes = figures.convolution_geometry(size, kernel, channels=2, outputs=4)
    for name, ax in axes.items():
        if name == "channels":
            assert [text.get_text() for text in ax.texts if text.get_text()] == [
                "2 input\nchannels",
                f"4 kernels,\n2×{kernel}×{kernel} each",
                "4 output\nchannels",
            ]
            continue
        stride, padding = map(int, name.split())
        field, weight = torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel, kernel)
        side = F.conv2d(field, weight, stride=stride, padding=padding).shape[-1]
        assert ax.get_title().endswith(f"→ {side}×{side}")
        cells = (size + 2 * padding) ** 2 + size**2 + side**2
        assert len(ax.patches) == cells + 2 * 2  # and two places of the kernel, twice
    plt.close("all")


def test_the_drawn_graph_product_is_the_layer():
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    adjacency = torch.tensor([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]])
    features, weight = torch.tensor([[1.0], [2], [4]]), torch.tensor([[2.0, -1]])
    *_, result = figures.graph_as_product(adjacency, features, weight, at=0)[0]
    drawn = [float(text.get_text()) for text in result.texts]
    layer = background.gcn_layer(adjacency, features, weight, activation=nn.Identity())
    assert drawn == layer.flatten().tolist() == [6, -3, 14, -7, 12, -6]
    plt.close("all")
