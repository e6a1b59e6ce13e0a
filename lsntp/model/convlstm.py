"""One recurrent cell and layer, *given* their operator: ConvLSTM and LS-NTP differ in nothing else.

Where a tensor's shape is written: B batch, T steps, C channels, H rows, W columns, F hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lsntp.data.checks import Count, checked, fits, shown
from lsntp.model.lsconv import LSConv
from lsntp.model.product import Adjacency

State = tuple[Tensor, Tensor]
# (input channels, hidden channels, output channels) -> the operator of a cell
MakeOperator = Callable[[int, int, int], LSConv]


class RecurrentCell(nn.Module):
    """The talk's ConvLSTM, with peepholes, whose convolution is any operator: ⋆ in its place.

    ``i = σ(W_xi⋆X + W_hi⋆H + W_ci∘C + b_i)``, ``f`` likewise, ``C̃ = tanh(W_xc⋆X + W_hc⋆H + b_c)``,
    ``C = f∘C + i∘C̃``, ``o = σ(W_xo⋆X + W_ho⋆H + W_co∘C + b_o)`` (the new C), ``H = o∘tanh(C)``.

    Parameters
    ----------
    operator : LSConv
        Maps [X, H] (B, C+F, H, W) and an adjacency to the four gates (B, 4F, H, W) in the
        order i, f, o, C̃, by its methods ``ahead`` and ``pair``. As it is linear, one operator
        on [X, H] is W_x⋆X + W_h⋆H.
    hidden : int
        F.
    peephole : (int, int)
        Size of each peephole: the grid (H, W) for one number per cell, as in the equations,
        (1, 1) for one number per channel, as in the released code.
    """

    @checked
    def __init__(self, operator: LSConv, hidden: Count, peephole: tuple[Count, Count]) -> None:
        super().__init__()
        if operator.lsi.in_channels <= hidden or operator.lsi.out_channels != 4 * hidden:
            raise ValueError(
                f"hidden={hidden} with LSConv({operator.lsi.in_channels}, "
                f"{operator.lsi.out_channels}): expected LSConv(C + {hidden}, {4 * hidden})"
            )
        apart = (operator.lsi.in_channels - hidden, hidden)
        if len(operator.nsa) > 1 and operator.split != apart:
            raise ValueError(
                f"split={operator.split}: expected {apart}, an attention for the input and one for "
                "the hidden state, or one for both together"
            )
        self.operator = operator
        self.hidden = hidden
        shape = (1, hidden, *peephole)
        self.w_ci = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))
        self.w_cf = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))
        self.w_co = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))

    def forward(
        self, x: Tensor, state: State, adjacency: Tensor | Adjacency | None = None
    ) -> State:
        """Take one step: ``x`` (B, C, H, W), ``state`` = (H, C), each (B, F, H, W)."""
        self.check(x, state)
        h, c = state
        return self.gate(self.operator.pair(self.operator.ahead(x, adjacency), h, adjacency), c)

    def check(self, x: Tensor | None, state: State | None, *steps: str) -> None:
        """Refuse an x ``(B, *steps, C, H, W)`` or a state that do not suit this cell or each other.

        Raises
        ------
        ValueError
        """
        weight = self.operator.lsi.weight
        batch: int | str = "B"
        size: tuple[int | str, ...] = self.w_ci.shape[2:]
        if size == (1, 1):  # a peephole a channel suits any grid
            size = ("H", "W")
        if x is not None:
            fits("x", x, (batch, *steps, weight.shape[1] - self.hidden, *size), weight)
            batch, size = len(x), x.shape[-2:]
        if state is None and steps:
            return
        if not isinstance(state, tuple) or len(state) != 2:
            raise ValueError(f"state={shown(state)}: expected (H, C), two tensors (B, F, H, W)")
        for name, part in zip("HC", state, strict=True):
            fits(name, part, (batch, self.hidden, *size), weight)
            batch, size = len(part), part.shape[-2:]

    def gate(self, gates: Tensor, c: Tensor) -> State:
        """From W⋆[X, H] + b (B, 4F, H, W) and C the new H and C, each (B, F, H, W)."""
        i, f, o, g = gates.chunk(4, dim=1)
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
        self,
        x: Tensor | None,
        state: State | None = None,
        adjacency: Tensor | Adjacency | None = None,
        steps: int = 0,
    ) -> tuple[Tensor, State]:
        """Run over a sequence.

        Parameters
        ----------
        x : Tensor (B, T, C, H, W), or None for ``steps`` steps without input, which is zero.
        state : (H, C), each (B, F, H, W); without one from zeros
        adjacency : as of :class:`~lsntp.model.lsconv.LSConv`
        steps : int

        Returns
        -------
        all H (B, T, F, H, W), and the last (H, C)
        """
        operator = self.cell.operator
        if x is None and (state is None or not isinstance(steps, int) or steps < 1):
            raise ValueError(
                f"nothing to run over: state={shown(state)}, steps={shown(steps)}; expected x, or "
                "a state and 1 step or more"
            )
        self.cell.check(x, state, "T")
        inputs: Sequence[Tensor | None] = [None] * steps
        if x is not None:  # X's own part for all steps at once
            ahead = operator.ahead(x.flatten(0, 1), adjacency)
            inputs = ahead.unflatten(0, x.shape[:2]).unbind(dim=1)
        h, c = state or (None, None)
        outputs = []
        for frame in inputs:
            gates = operator.pair(frame, h, adjacency)
            if c is None:
                c = gates.new_zeros(gates.shape[0], self.cell.hidden, *gates.shape[2:])
            h, c = self.cell.gate(gates, c)
            outputs.append(h)
        assert h is not None and c is not None
        return torch.stack(outputs, dim=1), (h, c)
