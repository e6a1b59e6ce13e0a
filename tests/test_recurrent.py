"""The recurrent cell against torch's LSTM and against the printed equations."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lsntp import Forecaster, RunConfig, run
from lsntp.data.synthetic import synthetic
from lsntp.model.convlstm import ConvLSTMCell, ConvLSTMLayer
from lsntp.model.forecaster import inner_grid
from lsntp.model.lsconv import LSConv
from lsntp.zoo import MODELS


def cell_of(channels: int, hidden: int, grid: tuple[int, int], kernel: int = 3) -> ConvLSTMCell:
    operator = LSConv(channels + hidden, 4 * hidden, kernel, nsa=False, lagc=False)
    return ConvLSTMCell(operator, hidden, grid).double()


def test_on_one_cell_without_peepholes_it_is_torchs_lstm() -> None:
    torch.manual_seed(0)
    channels, hidden = 3, 4
    layer = ConvLSTMLayer(cell_of(channels, hidden, (1, 1), kernel=1))
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
    layer = ConvLSTMLayer(cell_of(1, 2, (3, 3)))
    x = torch.randn(1, 6, 1, 3, 3, dtype=torch.float64)
    whole, last = layer(x)
    first, state = layer(x[:, :4])
    second, state = layer(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(state[1], last[1])


@pytest.mark.parametrize("split", [None, (2, 3)])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("use_lagc", [True, False])
@pytest.mark.parametrize("nsa", [True, False])
def test_absent_channels_are_zeros(
    nsa: bool, use_lagc: bool, norm: bool, split: tuple[int, int] | None
) -> None:
    torch.manual_seed(3)
    operator = LSConv(5, 4, nsa=nsa, lagc=use_lagc, norm=norm, split=split).double()
    without = LSConv(5, 4, nsa=nsa, lagc=use_lagc, norm=norm, split=split, absent=2).double()
    without.load_state_dict(operator.state_dict())
    h, adjacency = torch.randn(2, 3, 3, 4).double(), torch.rand(12, 12).double()
    zeros = torch.zeros(2, 2, 3, 4).double()
    expected = operator(torch.cat([zeros, h], dim=1), adjacency)
    torch.testing.assert_close(without(h, adjacency), expected)


class Depthwise(torch.nn.Module):
    """A reader's own operator: knows nothing of cells, and takes a graph that it does not use."""

    def __init__(self, channels: int, gates: int) -> None:
        super().__init__()
        self.space = torch.nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.channels = torch.nn.Conv2d(channels, gates, 1)

    def forward(self, x: torch.Tensor, *graph: object) -> torch.Tensor:
        return self.channels(self.space(x))


class Spectral(torch.nn.Module):
    """Another: a filter of each wave number, then a mixing of channels."""

    def __init__(self, channels: int, gates: int, height: int, width: int) -> None:
        super().__init__()
        self.filter = torch.nn.Parameter(torch.ones(channels, height, width // 2 + 1))
        self.channels = torch.nn.Conv2d(channels, gates, 1)

    def forward(self, x: torch.Tensor, *graph: object) -> torch.Tensor:
        waves = torch.fft.rfft2(x) * self.filter
        return self.channels(torch.fft.irfft2(waves, s=x.shape[-2:]))


@pytest.mark.parametrize("own", ["depthwise", "spectral"])
def test_a_readers_own_operator_is_trained_as_ours(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the way of every run: a config, the zoo, a record."""
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    values = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    values.attrs = {"units": "K"}
    values.to_netcdf(tmp_path / "own.nc")

    def build(height: int, width: int, hidden: int, **settings: Any) -> Forecaster:
        def operator(x: int, h: int, gates: int) -> torch.nn.Module:
            inner = inner_grid(height, width, settings["downsample"])
            return Depthwise(x + h, gates) if own == "depthwise" else Spectral(x + h, gates, *inner)

        shape = {k: settings[k] for k in ("downsample", "lead_steps")}
        return Forecaster(height, width, hidden, operator, **shape)

    monkeypatch.setitem(MODELS, "convlstm", replace(MODELS["convlstm"], build=build))
    config = RunConfig(dataset=str(tmp_path / "own.nc"), model="convlstm", preset="smoke")
    record = run(
        config.model_copy(update={"preset": config.preset.model_copy(update={"epochs": 4})})
    )
    assert np.isfinite(record["mae"]).all()
    assert record["train_loss"][-1] < record["train_loss"][0]


def test_wrong_layers_are_told() -> None:
    with pytest.raises(ValueError, match=r"gates from the operator .*12"):
        ConvLSTMCell(torch.nn.Conv2d(5, 8, 1), 3, (1, 1))(
            torch.zeros(1, 2, 3, 3), (torch.zeros(1, 3, 3, 3),) * 2
        )
    layer = ConvLSTMLayer(cell_of(1, 2, (3, 3)))
    with pytest.raises(ValueError, match=r"\(1, 0, "):
        layer(torch.zeros(1, 0, 1, 3, 3))
