"""One recurrent cell and layer, *given* their operator: ConvLSTM and LS-NTP differ in nothing else.

Where a tensor's shape is written: B batch, T steps, C channels, H rows, W columns, F hidden.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
# (input channels, hidden channels, output channels) -> a module (B, C+F, H, W) -> (B, 4F, H, W)
MakeOperator = Callable[[int, int, int], nn.Module]


class RecurrentCell(nn.Module):
    """The talk's ConvLSTM, with peepholes, whose convolution is any operator: ⋆ in its place.

    ``i = σ(W_xi⋆X + W_hi⋆H + W_ci∘C + b_i)``, ``f`` likewise, ``C̃ = tanh(W_xc⋆X + W_hc⋆H + b_c)``,
    ``C = f∘C + i∘C̃``, ``o = σ(W_xo⋆X + W_ho⋆H + W_co∘C + b_o)`` (the new C), ``H = o∘tanh(C)``.

    Parameters
    ----------
    operator : Module
        Maps [X, H] (B, C+F, H, W) and an adjacency to the four gates (B, 4F, H, W) in the
        order i, f, o, C̃. As it is linear, one operator on [X, H] is W_x⋆X + W_h⋆H.
    hidden : int
        F.
    peephole : (int, int)
        Size of each peephole: the grid (H, W) for one number a cell, as in the equations,
        (1, 1) for one number a channel, as in the released code.
    """

    def __init__(self, operator: nn.Module, hidden: int, peephole: tuple[int, int]) -> None:
        super().__init__()
        self.operator = operator
        self.hidden = hidden
        shape = (1, hidden, *peephole)
        self.w_ci = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))
        self.w_cf = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))
        self.w_co = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))

    def forward(self, x: Tensor, state: State, adjacency: Tensor | None = None) -> State:
        """Take one step: ``x`` (B, C, H, W), ``state`` = (H, C), each (B, F, H, W)."""
        h, c = state
        i, f, o, g = self.operator(torch.cat([x, h], dim=1), adjacency).chunk(4, dim=1)
        i = torch.sigmoid(i + self.w_ci * c)
        f = torch.sigmoid(f + self.w_cf * c)
        c = f * c + i * torch.tanh(g)
        o = torch.sigmoid(o + self.w_co * c)
        return o * torch.tanh(c), c


class RecurrentLayer(nn.Module):
    """A :class:`RecurrentCell` run over a sequence."""

    def __init__(self, cell: RecurrentCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(
        self, x: Tensor, state: State | None = None, adjacency: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over ``x`` (B, T, C, H, W); gives all H (B, T, F, H, W) and the last (H, C)."""
        if state is None:
            zeros = x.new_zeros(x.shape[0], self.cell.hidden, *x.shape[-2:])
            state = zeros, zeros
        outputs = []
        for frame in x.unbind(dim=1):
            state = self.cell(frame, state, adjacency)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state
