"""Recurrent networks and attention, from their equations (explained in ``01_background``).

Where a tensor's shape is written: T steps, B batch, C inputs, h hidden size, d features,
H rows, W columns.
"""

from __future__ import annotations

import timeit
from collections.abc import Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lsntp.model.convlstm import ConvLSTMCell, ConvLSTMLayer
from lsntp.model.lsconv import LSConv


def rnn(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Run a plain recurrent network, ``h_t = tanh(W·[h_{t-1}, x_t] + b)``, from ``h_0 = 0``.

    Parameters
    ----------
    x : Tensor of shape (T, B, C).
    weight : Tensor of shape (1, h, h + C); as in :func:`lstm`, with one "gate".
    bias : Tensor of shape (1, h).

    Returns
    -------
    h : Tensor of shape (T, B, h), after every step.
    """
    h = x.new_zeros(x.shape[1], weight.shape[1])
    outputs = []
    for x_t in x:
        h = torch.tanh(torch.cat([h, x_t], dim=1) @ weight[0].T + bias[0])
        outputs.append(h)
    return torch.stack(outputs)


def lstm(x: Tensor, weight: Tensor, bias: Tensor, peephole: Tensor | None = None) -> Tensor:
    """Run an LSTM as printed in the talk, from ``h_0 = C_0 = 0``.

    ``i, f, o = σ(W·[h, x] + b)``, ``C̃ = tanh(W·[h, x] + b)``, ``C = f∘C + i∘C̃``, ``h = o∘tanh(C)``.
    With peepholes ``i`` and ``f`` also see the old C and ``o`` the new one: ``… + w_c∘C``.

    Parameters
    ----------
    x : Tensor of shape (T, B, C).
    weight : Tensor of shape (4, h, h + C): W_i, W_f, W_o, W_C.
    bias : Tensor of shape (4, h), in the same order.
    peephole : Tensor of shape (3, h), optional: w_ci, w_cf, w_co.

    Returns
    -------
    h : Tensor of shape (T, B, h), after every step.
    """
    W_i, W_f, W_o, W_C = weight
    b_i, b_f, b_o, b_C = bias
    w_ci, w_cf, w_co = torch.zeros_like(bias[:3]) if peephole is None else peephole
    h = C = x.new_zeros(x.shape[1], weight.shape[1])
    outputs = []
    for x_t in x:
        hx = torch.cat([h, x_t], dim=1)
        i = torch.sigmoid(hx @ W_i.T + w_ci * C + b_i)
        f = torch.sigmoid(hx @ W_f.T + w_cf * C + b_f)
        C = f * C + i * torch.tanh(hx @ W_C.T + b_C)
        o = torch.sigmoid(hx @ W_o.T + w_co * C + b_o)
        h = o * torch.tanh(C)
        outputs.append(h)
    return torch.stack(outputs)


def gru(x: Tensor, weight_h: Tensor, weight_x: Tensor, bias_h: Tensor, bias_x: Tensor) -> Tensor:
    """Run a GRU in torch's form, from ``h_0 = 0``.

    ``r, z = σ(W_x x + b_x + W_h h + b_h)``, ``n = tanh(W_x x + b_x + r∘(W_h h + b_h))``,
    ``h = (1 - z)∘n + z∘h``.

    Parameters
    ----------
    x : Tensor of shape (T, B, C).
    weight_h, weight_x : Tensors of shape (3, h, h) and (3, h, C), in the order r, z, n.
    bias_h, bias_x : Tensors of shape (3, h).

    Returns
    -------
    h : Tensor of shape (T, B, h), after every step.
    """
    h = x.new_zeros(x.shape[1], weight_h.shape[1])
    outputs = []
    for x_t in x:
        from_x = torch.einsum("bc,ghc->gbh", x_t, weight_x) + bias_x[:, None]
        from_h = torch.einsum("bk,ghk->gbh", h, weight_h) + bias_h[:, None]
        r, z = torch.sigmoid(from_x[:2] + from_h[:2])
        n = torch.tanh(from_x[2] + r * from_h[2])
        h = (1 - z) * n + z * h
        outputs.append(h)
    return torch.stack(outputs)


def printed_weights(module: nn.RNN | nn.LSTM) -> tuple[Tensor, Tensor]:
    """Arrange the weights of torch's one-layer RNN or LSTM as :func:`rnn` and :func:`lstm` do.

    torch keeps two matrices (of h and of x), two biases and the order i, f, C̃, o.

    Returns
    -------
    weight, bias : Tensors of shape (gates, h, h + C) and (gates, h).
    """
    p = dict(module.named_parameters())
    joined = torch.cat([p["weight_hh_l0"], p["weight_ih_l0"]], dim=1)
    weight = joined.unflatten(0, (-1, module.hidden_size))
    bias = (p["bias_hh_l0"] + p["bias_ih_l0"]).unflatten(0, (-1, module.hidden_size))
    order = [0, 1, 3, 2] if isinstance(module, nn.LSTM) else [0]
    return weight[order], bias[order]


# --- Attention ----------------------------------------------------------------------------------


def attention_weights(query: Tensor, key: Tensor) -> Tensor:
    """Tell how much step n looks at m: ``softmax(Q Kᵀ / √d)``, (..., T, T); rows sum to 1."""
    return torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, dim=-1)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Apply scaled dot-product attention, ``softmax(Q Kᵀ / √d) V``; all Tensors (..., T, d)."""
    return attention_weights(query, key) @ value


@torch.no_grad()
def sequence_costs(lengths: Sequence[int], features: int = 32, repeats: int = 3) -> pd.DataFrame:
    """Measure what self-attention and a plain RNN cost on sequences of growing length.

    Parameters
    ----------
    lengths : sequence of int
        T, steps.
    features : int
        d of the attention, C and h of the RNN.
    repeats : int
        The shortest of so many timings is kept.

    Returns
    -------
    costs : DataFrame with the columns model, length (steps), operations (floating-point
        operations of all matrix products, counted by torch while they run), held (numbers that
        must be there at once: the score matrix, or the hidden state) and seconds.
    """
    network = nn.RNN(features, features)
    rows = []
    for length in lengths:
        x = torch.randn(length, features)
        runs = {
            "attention": (partial(attention, x, x, x), attention_weights(x, x)),
            "RNN": (partial(network, x), network(x)[1]),
        }
        for model, (run, held) in runs.items():
            with FlopCounterMode(display=False) as counter:
                run()
            seconds = min(timeit.repeat(run, number=1, repeat=repeats))
            rows.append((model, length, counter.get_total_flops(), held.numel(), seconds))
    return pd.DataFrame(rows, columns=["model", "length", "operations", "held", "seconds"])


# --- Space and time together --------------------------------------------------------------------


def convlstm(
    channels: int, hidden: int, grid: tuple[int, int], kernel: int = 3, per_cell: bool = True
) -> ConvLSTMLayer:
    """Make a ConvLSTM with peepholes: the project's recurrent layer and a plain convolution.

    Parameters
    ----------
    channels, hidden : int
        C and h.
    grid : (int, int)
        H and W, cells.
    kernel : int
        Odd, cells.
    per_cell : bool
        Peepholes with a number for each cell, as printed, or one for the whole grid.
    """
    operator = LSConv(channels + hidden, 4 * hidden, kernel, nsa=False, lagc=False)
    return ConvLSTMLayer(ConvLSTMCell(operator, hidden, grid if per_cell else (1, 1)))


class CNNThenLSTM(nn.Module):
    """A convolution on each frame, the result flattened to a vector, an LSTM, a field again.

    Parameters
    ----------
    channels, hidden : int
        C and the channels of the convolution.
    grid : (int, int)
        H and W, cells.
    units : int
        Length of the LSTM's state.
    """

    def __init__(self, channels: int, hidden: int, grid: tuple[int, int], units: int = 32) -> None:
        super().__init__()
        self.grid = grid
        cells = grid[0] * grid[1]
        self.convolution = nn.Conv2d(channels, hidden, kernel_size=3, padding=1)
        self.lstm = nn.LSTM(hidden * cells, units, batch_first=True)
        self.readout = nn.Linear(units, cells)

    def forward(self, x: Tensor) -> Tensor:
        """Run over ``x`` (B, T, C, H, W); gives (B, T, 1, H, W)."""
        maps = torch.relu(self.convolution(x.flatten(0, 1)))  # (B·T, hidden, H, W)
        vectors = maps.flatten(1).unflatten(0, x.shape[:2])  # (B, T, hidden·H·W)
        return self.readout(self.lstm(vectors)[0]).unflatten(2, (1, *self.grid))


def parameters(module: nn.Module) -> int:
    """Count the numbers a module learns."""
    return sum(p.numel() for p in module.parameters())


def parameter_growth(sizes: Sequence[int], hidden: int = 8, units: int = 32) -> pd.DataFrame:
    """Count parameters of CNN-then-LSTM and of ConvLSTM on square grids of growing size.

    Parameters
    ----------
    sizes : sequence of int
        H = W, cells.
    hidden, units : int
        As for :class:`CNNThenLSTM`; ConvLSTM has the same ``hidden``.

    Returns
    -------
    counts : DataFrame, one row a size, with the columns size, cells, cnn_then_lstm, convlstm (all
        parameters) and peepholes (those of the ConvLSTM that belong to one cell each).
    """
    rows = []
    for size in sizes:
        grid = size, size
        recurrent = convlstm(1, hidden, grid)
        rows.append(
            {
                "size": size,
                "cells": size * size,
                "cnn_then_lstm": parameters(CNNThenLSTM(1, hidden, grid, units)),
                "convlstm": parameters(recurrent),
                "peepholes": parameters(recurrent) - parameters(recurrent.cell.operator),
            }
        )
    return pd.DataFrame(rows)
