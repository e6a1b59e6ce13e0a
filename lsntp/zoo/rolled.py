"""Rolling forecasters: recurrent cells read the input, then their own last output.

A cell of these rivals keeps three fields: H, C and a second memory M, each (B, F, h, w).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lsntp.data.checks import Count, checked
from lsntp.model.forecaster import GridForecaster
from lsntp.model.lsconv import convolution

LAYERS = 2


class Rolled(GridForecaster):
    """A stack of two cells unrolled over T + L − 1 steps.

    The first T inputs are the frames. Every later one is the last output, a 1×1 convolution of the
    top layer's H, as PredRNN feeds itself. The top layer's H at the last L steps are the features.

    Parameters
    ----------
    height, width, downsample, lead_steps
        As of :class:`~lsntp.model.forecaster.GridForecaster`.
    hidden : int
        F, the hidden channels of each layer.
    cell : callable
        ``cell(C)`` builds a cell with C input channels, which maps (X, H, C, M) to the new H, C, M.
    memories : int
        1: all layers share one M, which so runs up through the layers and from the top at one step
        to the bottom at the next (PredRNN's zigzag). 2: each layer has its own.
    """

    @checked
    def __init__(
        self,
        height: Count,
        width: Count,
        hidden: Count,
        cell: Callable[[int], nn.Module],
        *,
        memories: int,
        downsample: bool = False,
        lead_steps: Count = 6,
    ) -> None:
        super().__init__(height, width, downsample, lead_steps)
        self.hidden, self.memories = hidden, memories
        self.cells = nn.ModuleList([cell(1), *(cell(hidden) for _ in range(LAYERS - 1))])
        if lead_steps > 1:  # otherwise nothing is fed back
            self.feedback = convolution(hidden, 1, kernel=1, bias=False)
        self.head = self.make_head(hidden)

    def features(self, x: Tensor) -> Tensor:
        """The top layer's H at each lead, (B, L, F, h, w)."""
        frames = x.unbind(dim=1)
        zeros = x.new_zeros(x.shape[0], self.hidden, *self.inner)
        h, c, m = [zeros] * LAYERS, [zeros] * LAYERS, [zeros] * self.memories
        outputs = []
        for t in range(len(frames) + self.lead_steps - 1):
            below = frames[t] if t < len(frames) else self.feedback(h[-1])
            for k, cell in enumerate(self.cells):
                own = k % self.memories
                h[k], c[k], m[own] = cell(below, h[k], c[k], m[own])
                below = h[k]
            outputs.append(h[-1])
        return torch.stack(outputs[-self.lead_steps :], dim=1)


def remember(gates: Tensor, memory: Tensor) -> Tensor:
    """Update an LSTM's memory (B, F, h, w), ``σ(f)∘memory + σ(i)∘tanh(g)``.

    ``gates`` (B, 3F, h, w) holds i, f, g before their activations.
    """
    i, f, g = gates.chunk(3, dim=1)
    return torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
