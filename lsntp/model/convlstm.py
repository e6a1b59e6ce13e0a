"""ConvLSTM's cell and layer, *given* their operator: ConvLSTM and LS-NTP differ in nothing else.

Where a tensor's shape is written: B batch, T steps, C channels, H rows, W columns, F hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lsntp.data.checks import Count, checked, fits, shown
from lsntp.model.product import Adjacency

State = tuple[Tensor, Tensor]


class ConvLSTMCell(nn.Module):
    """The talk's ConvLSTM, with peepholes, whose convolution is any operator: ⋆ in its place.

    ``i = σ(W_xi⋆X + W_hi⋆H + W_ci∘C + b_i)``, ``f`` likewise, ``C̃ = tanh(W_xc⋆X + W_hc⋆H + b_c)``,
    ``C = f∘C + i∘C̃``, ``o = σ(W_xo⋆X + W_ho⋆H + W_co∘C + b_o)`` (the new C), ``H = o∘tanh(C)``.

    Parameters
    ----------
    operator : Module
        Maps [X, H] (B, C+F, H, W), and a graph where there is one, to the four gates
        (B, 4F, H, W) in the order i, f, o, C̃. One linear operator on [X, H] is W_x⋆X + W_h⋆H.
    hidden : int
        F.
    peephole : (int, int)
        Size of each peephole: the grid (H, W) for one number per cell, as in the equations,
        (1, 1) for one number per channel, as in the released code.

    Examples
    --------
    >>> cell = ConvLSTMCell(nn.Conv2d(1 + 8, 4 * 8, 3, padding=1), hidden=8, peephole=(21, 35))
    """

    @checked
    def __init__(self, operator: nn.Module, hidden: Count, peephole: tuple[Count, Count]) -> None:
        super().__init__()
        self.operator = operator
        self.hidden = hidden
        shape = (1, hidden, *peephole)
        self.w_ci = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))
        self.w_cf = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))
        self.w_co = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))

    def forward(self, x: Tensor, state: State, *graph: Tensor | Adjacency) -> State:
        """Take one step: ``x`` (B, C, H, W), ``state`` = (H, C), each (B, F, H, W).

        Raises
        ------
        ValueError
            If x, state, the grid and what the operator gives do not suit each other.
        """
        self.check(x, state)
        h, c = state
        gates = self.operator(torch.cat([x, h], dim=1), *graph)
        fits("gates from the operator", gates, (len(h), 4 * self.hidden, *h.shape[2:]))
        i, f, o, g = gates.chunk(4, dim=1)
        i = torch.sigmoid(i + self.w_ci * c)
        f = torch.sigmoid(f + self.w_cf * c)
        c = f * c + i * torch.tanh(g)
        o = torch.sigmoid(o + self.w_co * c)
        return o * torch.tanh(c), c

    def check(self, x: Tensor, state: State) -> None:
        """Refuse a state that does not suit x, and a grid that is not the peepholes'."""
        if not isinstance(state, tuple) or len(state) != 2:
            raise ValueError(f"state={shown(state)}: expected (H, C), two tensors (B, F, H, W)")
        grid = x.shape[2:] if self.w_ci.shape[2:] == (1, 1) else self.w_ci.shape[2:]
        for name, part in zip("HC", state, strict=True):
            fits(name, part, (len(x), self.hidden, *grid), x)


class ConvLSTMLayer(nn.Module):
    """A :class:`ConvLSTMCell` run over a sequence."""

    def __init__(self, cell: ConvLSTMCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(
        self, x: Tensor, state: State | None = None, *graph: Tensor | Adjacency
    ) -> tuple[Tensor, State]:
        """Run over ``x`` (B, T, C, H, W), from ``state`` (H, C) or from zeros.

        C is 0 for steps without input.

        Returns
        -------
        all H (B, T, F, H, W), and the last (H, C)
        """
        if not isinstance(x, Tensor) or x.ndim != 5 or not x.shape[1]:
            raise ValueError(f"x={shown(x)}: expected (B, T, C, H, W), of one step or more")
        if state is None:
            zeros = x.new_zeros(len(x), self.cell.hidden, *x.shape[3:])
            state = zeros, zeros
        outputs = []
        for frame in x.unbind(dim=1):
            state = self.cell(frame, state, *graph)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state
