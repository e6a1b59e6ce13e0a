"""The encoder–decoder, and LS-NTP in its two forms.

The forecaster's shapes: (B, T, 1, H, W) in, (B, L, 1, H, W) out, in scaled units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, checked, fits
from lsntp.model.checkpoints import read_checkpoint
from lsntp.model.convlstm import ConvLSTMCell, ConvLSTMLayer
from lsntp.model.graph import AdaptiveGraph, DistanceCut, GivenGraph
from lsntp.model.lsconv import LSConv


class GridForecaster(nn.Module):
    """What every network shares: the check of its input, the halved grid, the way to one channel.

    A network is one :meth:`features` on the inner grid, between ``shrink`` and ``head``.

    Parameters
    ----------
    height, width : int
        H, W of the grid.
    downsample : bool
        Halve the grid by a stride-2 convolution first, and undo it by a transposed one at the end.
        An even height or width is padded by its last row or column.
    lead_steps : int
        L, the number of steps forecast.
    graph : AdaptiveGraph or GivenGraph, optional
        The graph of networks that have one; as many nodes as the inner grid.
    """

    head: nn.Module

    @checked
    def __init__(
        self,
        height: Count,
        width: Count,
        downsample: bool,
        lead_steps: Count,
        graph: AdaptiveGraph | GivenGraph | None = None,
    ) -> None:
        super().__init__()
        self.height, self.width, self.lead_steps = height, width, lead_steps
        self.inner = inner_grid(height, width, downsample)
        self.graph = graph
        self.shrink = nn.Conv2d(1, 1, 3, stride=2) if downsample else None

    def make_head(self, hidden: int) -> nn.Module:
        """Build the last convolution, from ``hidden`` channels to the field on the full grid."""
        if self.shrink is not None:
            return nn.ConvTranspose2d(hidden, 1, 3, stride=2)
        return nn.Conv2d(hidden, 1, 3, padding=1)

    def features(self, x: Tensor) -> Tensor:
        """From ``x`` (B, T, 1, h, w) on the inner grid the hidden state (B, L, F, h, w)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Forecast from ``x`` (B, T, 1, H, W) the next L frames (B, L, 1, H, W)."""
        wanted, remedy = ("B", "T", 1, self.height, self.width), "build the model for this grid"
        fits("input", x, wanted, next(self.parameters()), remedy)
        if self.shrink is not None:
            x = over_time(self.shrink, pad_to_odd(x))
        return over_time(self.head, self.features(x))[..., : self.height, : self.width]

    def adjacency(self) -> Tensor:
        """Return the learned adjacency (N, N): rows sum to 1, without the identity."""
        if self.graph is None:
            raise ValueError("this forecaster has no graph: its operator is a plain convolution")
        return self.graph()


class Forecaster(GridForecaster):
    """Encoder of two recurrent layers, decoder of two more, one convolution to the field.

    The decoder's first layer has no input and starts from the last state of the encoder's first
    layer, its second from that of the second. All layers share one graph, whose adjacency is
    computed once a forward pass.

    Parameters
    ----------
    height, width, downsample, lead_steps, graph
        As of :class:`GridForecaster`.
    hidden : int
        F, the hidden channels of each layer.
    operator : callable
        ``operator(C, F, 4F)`` builds the operator of a cell with C input channels, which maps
        C + F of them, and a graph where there is one, to 4F. C is 0 for a cell without input.
    cell_peephole : bool
        One peephole weight per cell and channel (equations), not one per channel (released).
    """

    @checked
    def __init__(
        self,
        height: Count,
        width: Count,
        hidden: Count,
        operator: Callable[[int, int, int], nn.Module],
        *,
        graph: AdaptiveGraph | GivenGraph | None = None,
        downsample: bool = False,
        cell_peephole: bool = True,
        lead_steps: Count = 6,
    ) -> None:
        super().__init__(height, width, downsample, lead_steps, graph)

        def layer(channels: int) -> ConvLSTMLayer:
            gates = operator(channels, hidden, 4 * hidden)
            peephole = self.inner if cell_peephole else (1, 1)
            return ConvLSTMLayer(ConvLSTMCell(gates, hidden, peephole))

        self.encoder = nn.ModuleList([layer(1), layer(hidden)])
        self.decoder = nn.ModuleList([layer(0), layer(hidden)])
        self.head = self.make_head(hidden)

    def features(self, x: Tensor) -> Tensor:
        """The last layer's H at each lead, (B, L, F, h, w)."""
        graph = () if self.graph is None else (self.graph.adjacency(),)
        x, first = self.encoder[0](x, None, *graph)
        _, second = self.encoder[1](x, None, *graph)
        nothing = x.new_empty(len(x), self.lead_steps, 0, *self.inner)
        x, _ = self.decoder[0](nothing, first, *graph)
        x, _ = self.decoder[1](x, second, *graph)
        return x


def on_both(x: int, h: int, gates: int, *, joint: bool = True, **settings: Any) -> LSConv:
    """LS-Conv on [X, H], of ``x`` and ``h`` channels; ``joint``: one attention over both.

    A cell without input has weights for ``h`` channels of zeros, as in the released code.
    """
    channels = x or h
    split = None if joint else (channels, h)
    return LSConv(channels + h, gates, split=split, absent=channels - x, **settings)


EQUATIONS = {
    "nsa": True,  # attention over cells
    "lagc": True,  # the learned graph
    "tied": True,  # one kernel for a cell and its links, not one for each
    "joint": False,  # one attention over [X, H], not one for each
    "norm": False,  # GroupNorm inside the attention
    "bias": True,  # of LS-Conv
    "relu": False,  # behind LS-Conv, before the gates
    "cell_peephole": True,  # peepholes per cell, not per channel
}
"""What LS-NTP is made of, as its equations print it."""

RELEASED = EQUATIONS | {
    "joint": True,
    "norm": True,
    "bias": False,
    "relu": True,
    "cell_peephole": False,
}
"""What LS-NTP is made of, as the authors' released code computes it."""

UNTIED = EQUATIONS | {"tied": False}
"""As the equations, with a kernel of its own for the links."""


class LSNTP(Forecaster):
    """LS-NTP: the forecaster whose operator is :class:`~lsntp.model.lsconv.LSConv`.

    Build it by :meth:`equations`, :meth:`released` or :meth:`untied`. The notebooks ``03_method``
    and ``04_main_table`` explain and use it.

    Parameters
    ----------
    height, width, hidden, downsample, lead_steps
        As of :class:`Forecaster`.
    embedding : int
        E, the size of a node's embedding.
    kernel : int
        Odd size of the LS-Conv kernel.
    cut : DistanceCut, optional
        As of :class:`~lsntp.model.graph.AdaptiveGraph`, on the inner grid.
    parts : bool, by name
        Those of `EQUATIONS`, all of them.
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
        cut: DistanceCut | None = None,
        **parts: Any,
    ) -> None:
        if parts.keys() != EQUATIONS.keys() or {*map(type, parts.values())} != {bool}:
            raise ValueError(
                f"parts {parts}: expected {', '.join(EQUATIONS)}, each True or False; use "
                "LSNTP.equations(...) or LSNTP.released(...), which set those that you do not name"
            )
        rows, columns = inner_grid(height, width, downsample)
        joint, cell_peephole = parts.pop("joint"), parts.pop("cell_peephole")
        super().__init__(
            height,
            width,
            hidden,
            partial(on_both, kernel=kernel, joint=joint, **parts),
            graph=AdaptiveGraph(rows * columns, embedding, cut) if parts["lagc"] else None,
            cell_peephole=cell_peephole,
            downsample=downsample,
            lead_steps=lead_steps,
        )

    @classmethod
    def equations(cls, *sizes: Any, **settings: Any) -> Self:
        """LS-NTP as the equations print it.

        A linear LS-Conv with bias, its own attention for X and for H, peepholes per cell.
        Parameters as of the class; parts not named are those of `EQUATIONS`.
        """
        return cls(*sizes, **(EQUATIONS | settings))

    @classmethod
    def released(cls, *sizes: Any, **settings: Any) -> Self:
        """LS-NTP as the authors' released code computes it.

        One attention with GroupNorm over [X, H], no bias, a ReLU before the gates, peepholes a
        channel. Parameters as of the class; parts not named are those of `RELEASED`.
        """
        return cls(*sizes, **(RELEASED | settings))

    @classmethod
    def untied(cls, *sizes: Any, **settings: Any) -> Self:
        """LS-NTP as the equations print it, but the links have a kernel of their own.

        ``X ⋆ Θ + (A X) ⋆ Φ`` in place of ``(I + A) X ⋆ Θ``. Parameters as of the class; parts not
        named are those of `UNTIED`.
        """
        return cls(*sizes, **(UNTIED | settings))

    def load_released(self, checkpoint: Mapping[str, Any] | str | PathLike[str]) -> Self:
        """Load weights under the released code's names.

        Parameters
        ----------
        checkpoint : mapping or path
            Weights by name, alone or under ``state_dict``, ``model_state_dict`` or ``model``, or
            under one of these inside another; or a file that holds this: safetensors, or a torch
            checkpoint, with its optimizer or without, which is read without unpickling code. Names
            may carry ``module.``, ``_orig_mod.`` and ``model.``, in any order.

        Raises
        ------
        ValueError
            If a weight is missing, unknown or of another shape (another grid or hidden size), or
            a file holds more than weights and plain values.
        """
        weights = read_checkpoint(checkpoint)
        own = self.state_dict()
        missing, unknown = sorted(own.keys() - weights), sorted(weights.keys() - own)
        if missing or unknown:
            raise ValueError(
                f"not a checkpoint of this form of LS-NTP: missing {missing[:3]}, unknown "
                f"{unknown[:3]}; use LSNTP.released(...) with the checkpoint's downsample setting"
            )
        for name, value in weights.items():
            if value.shape != own[name].shape:
                raise ValueError(
                    f"the checkpoint's {name} is {tuple(value.shape)}, this model's "
                    f"{tuple(own[name].shape)}: it was trained on another grid, hidden or "
                    f"embedding size than {self.height}×{self.width} with these settings"
                )
        self.load_state_dict(weights)
        return self


@checked
def inner_grid(height: Count, width: Count, downsample: bool) -> tuple[int, int]:
    """Rows and columns the recurrent layers work on.

    Raises
    ------
    ValueError
        If a grid is too small to be halved.
    """
    if downsample and min(height, width) < 2:
        raise ValueError(
            f"a grid of {height}×{width} cells cannot be halved: expected at least 2×2, or "
            "downsample=False"
        )
    return (height // 2, width // 2) if downsample else (height, width)


def pad_to_odd(x: Tensor) -> Tensor:
    """Repeat the last row and column of ``x`` (B, T, 1, H, W) where H or W is even."""
    height, width = x.shape[-2:]
    if height % 2 and width % 2:
        return x
    pad = (0, 1 - width % 2, 0, 1 - height % 2)
    return F.pad(x.flatten(0, 1), pad, mode="replicate").unflatten(0, x.shape[:2])


def over_time(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a module for (B, C, H, W) to every frame of ``x`` (B, T, C, H, W)."""
    return module(x.flatten(0, 1)).unflatten(0, x.shape[:2])
