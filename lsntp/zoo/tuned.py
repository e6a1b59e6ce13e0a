"""LS-NTP (tuned): LS-Conv in residual blocks over all frames at once.

Found by trial on validation windows; the notebook ``15_tuned`` shows what surrounds it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, checked
from lsntp.model.forecaster import GridForecaster, inner_grid
from lsntp.model.graph import AdaptiveGraph
from lsntp.model.lsconv import LSConv, convolution
from lsntp.model.product import Adjacency

BLOCKS = 4
PLACES = 4
"""Learned numbers per cell, the same for all times, that tell the network where it is."""

PARTS = {"nsa": True, "lagc": True, "tied": True, "places": True}
"""What can be left out of it; without ``nsa`` and ``lagc`` LS-Conv is a convolution."""


class Block(nn.Module):
    """``X + W₂ SiLU(GroupNorm(X) ⋆ Θ)``, W₂ a 1×1 convolution that starts from zero.

    Parameters
    ----------
    operator : LSConv
        ⋆, from F to F channels.
    hidden : int
        F.
    """

    @checked
    def __init__(self, operator: LSConv, hidden: Count) -> None:
        super().__init__()
        self.norm, self.operator = nn.GroupNorm(1, hidden), operator
        self.leave = nn.Conv2d(hidden, hidden, kernel_size=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, adjacency: Adjacency | None) -> Tensor:
        """From ``x`` (B, F, h, w) to the same shape."""
        return x + self.leave(F.silu(self.operator(self.norm(x), adjacency)))


class DirectLSNTP(GridForecaster):
    """All frames stacked into the channels of LS-Conv, in residual blocks; all leads at once.

    With the recipe ``tuned`` the frames are the inputs and a first guess of the targets by ridge
    regression, of which it forecasts what is left.

    Parameters
    ----------
    height, width, hidden, downsample, lead_steps
        As of :class:`~lsntp.model.forecaster.Forecaster`.
    embedding, kernel
        As of :class:`~lsntp.model.forecaster.LSNTP`.
    input_steps : int, optional
        The number of frames, those of a first guess included; L if not given.
    parts : bool, by name
        Those of `PARTS`.

    Raises
    ------
    ValueError
        If a size is out of range or there is no such part.
    """

    @checked
    def __init__(
        self,
        height: Count,
        width: Count,
        hidden: Count,
        embedding: Count,
        kernel: Odd = 3,
        downsample: bool = False,
        lead_steps: Count = 6,
        input_steps: Count | None = None,
        **parts: Any,
    ) -> None:
        if not parts.keys() <= PARTS.keys() or not {*map(type, parts.values())} <= {bool}:
            raise ValueError(f"parts {parts}: expected {', '.join(PARTS)}, each True or False")
        parts = PARTS | parts
        rows, columns = inner_grid(height, width, downsample)
        graph = AdaptiveGraph(rows * columns, embedding) if parts["lagc"] else None
        super().__init__(height, width, downsample, lead_steps, graph)
        self.frames = input_steps or lead_steps
        self.places = (
            nn.Parameter(0.1 * torch.randn(PLACES, rows, columns)) if parts["places"] else None
        )
        channels = self.frames + (PLACES if parts["places"] else 0)
        self.enter = convolution(channels, hidden, kernel, bias=True)
        operator = {name: parts[name] for name in ("nsa", "lagc", "tied")}
        self.blocks = nn.ModuleList(
            Block(LSConv(hidden, hidden, kernel, **operator), hidden) for _ in range(BLOCKS)
        )
        self.leads = nn.Conv2d(hidden, lead_steps * hidden, kernel_size=1)
        self.head = self.make_head(hidden)

    def features(self, x: Tensor) -> Tensor:
        """What each lead is read from, (B, L, F, h, w)."""
        if x.shape[1] != self.frames:
            raise ValueError(
                f"the input has {x.shape[1]} frames, expected {self.frames}: they are stacked into "
                f"channels; build it with input_steps={x.shape[1]}"
            )
        adjacency = None if self.graph is None else self.graph.adjacency()
        x = x.flatten(1, 2)  # (B, frames, h, w)
        if self.places is not None:
            x = torch.cat([x, self.places.expand(len(x), -1, -1, -1)], dim=1)
        x = self.enter(x)  # (B, F, h, w)
        for block in self.blocks:
            x = block(x, adjacency)
        return self.leads(F.silu(x)).unflatten(1, (self.lead_steps, -1))
