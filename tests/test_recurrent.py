"""The recurrent cell against torch's LSTM and against the printed equations."""

import pytest
import torch

from lsntp.model.convlstm import RecurrentCell, RecurrentLayer
from lsntp.model.lsconv import LSConv


def cell_of(channels: int, hidden: int, grid: tuple[int, int], kernel: int = 3) -> RecurrentCell:
    operator = LSConv(channels + hidden, 4 * hidden, kernel, nsa=False, lagc=False)
    return RecurrentCell(operator, hidden, grid).double()


def test_on_one_cell_without_peepholes_it_is_torchs_lstm() -> None:
    torch.manual_seed(0)
    channels, hidden = 3, 4
    layer = RecurrentLayer(cell_of(channels, hidden, (1, 1), kernel=1))
    lstm = torch.nn.LSTM(channels, hidden, batch_first=True).double()
    with torch.no_grad():
        for weight in (layer.cell.w_ci, layer.cell.w_cf, layer.cell.w_co):
            weight.zero_()
        # ours: i, f, o, g on [x, h]; torch's: i, f, g, o on x and on h
        i, f, g, o = range(4)
        order = [i, f, o, g]
        weight = torch.cat([lstm.weight_ih_l0, lstm.weight_hh_l0], dim=1)
        bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
        layer.cell.operator.lsi.weight.copy_(
            torch.cat([weight.chunk(4)[k] for k in order])[:, :, None, None]
        )
        layer.cell.operator.lsi.bias.copy_(torch.cat([bias.chunk(4)[k] for k in order]))
        x = torch.randn(2, 5, channels, dtype=torch.float64)
        ours, (h, c) = layer(x[..., None, None])
        theirs, (h_n, c_n) = lstm(x)
    torch.testing.assert_close(ours[..., 0, 0], theirs)
    torch.testing.assert_close(h[..., 0, 0], h_n[0])
    torch.testing.assert_close(c[..., 0, 0], c_n[0])


@pytest.mark.parametrize("grid", [(4, 5), (1, 1)])
def test_step_equals_the_printed_equations(grid: tuple[int, int]) -> None:
    torch.manual_seed(1)
    cell = cell_of(2, 3, grid)
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64)
    h, c = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        new_h, new_c = cell(x, (h, c))
        theta, bias = cell.operator.lsi.weight, cell.operator.lsi.bias
        w_x, w_h = theta[:, :2].split(3), theta[:, 2:].split(3)
        gates = []
        for k in range(4):
            on_x = torch.conv2d(x, w_x[k], padding=1)
            on_h = torch.conv2d(h, w_h[k], padding=1)
            gates.append(on_x + on_h + bias.split(3)[k].view(-1, 1, 1))
        i = 1 / (1 + torch.exp(-(gates[0] + cell.w_ci * c)))
        f = 1 / (1 + torch.exp(-(gates[1] + cell.w_cf * c)))
        expected_c = f * c + i * torch.tanh(gates[3])
        o = 1 / (1 + torch.exp(-(gates[2] + cell.w_co * expected_c)))
    torch.testing.assert_close(new_c, expected_c)
    torch.testing.assert_close(new_h, o * torch.tanh(expected_c))


def test_a_layer_can_be_stopped_and_continued() -> None:
    torch.manual_seed(2)
    layer = RecurrentLayer(cell_of(1, 2, (3, 3)))
    x = torch.randn(1, 6, 1, 3, 3, dtype=torch.float64)
    whole, last = layer(x)
    first, state = layer(x[:, :4])
    second, state = layer(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(state[1], last[1])


@pytest.mark.parametrize("absent", ["neither", "x", "h"])
@pytest.mark.parametrize("split", [None, (2, 3)])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("use_lagc", [True, False])
@pytest.mark.parametrize("nsa", [True, False])
def test_pair_is_the_operator_on_both(
    nsa: bool, use_lagc: bool, norm: bool, split: tuple[int, int] | None, absent: str
) -> None:
    """With X taken ahead, and with what is absent left out instead of given as zeros."""
    torch.manual_seed(3)
    operator = LSConv(5, 4, nsa=nsa, lagc=use_lagc, norm=norm, split=split).double()
    x, h = torch.randn(2, 2, 3, 4).double(), torch.randn(2, 3, 3, 4).double()
    adjacency = torch.rand(12, 12).double()
    ahead = None if absent == "x" else operator.ahead(x, adjacency)
    pair = operator.pair(ahead, None if absent == "h" else h, adjacency)
    both = [0 * x if absent == "x" else x, 0 * h if absent == "h" else h]
    torch.testing.assert_close(pair, operator(torch.cat(both, dim=1), adjacency))


def test_wrong_layers_are_told() -> None:
    for split in [(3, 2), (2, 1, 2)]:
        with pytest.raises(ValueError, match=r"expected \(2, 3\)"):
            RecurrentCell(LSConv(5, 12, split=split), 3, (1, 1))
    layer = RecurrentLayer(cell_of(1, 2, (3, 3)))
    with pytest.raises(ValueError, match=r"\(1, 0, 1, 3, 3\)"):
        layer(torch.zeros(1, 0, 1, 3, 3))
    with pytest.raises(ValueError, match="state=None"):
        layer(None, steps=3)
