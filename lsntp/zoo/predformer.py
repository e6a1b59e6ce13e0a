"""PredFormer: gated transformer blocks over time, then over space, without convolution.

Tang et al. (2024), "Video prediction transformers without recurrence or convolution", in the
factorised form Fac-T-S that does best on their temperature.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, Whole, checked
from lsntp.model.forecaster import GridForecaster, over_time

WIDTH = 4
"""Channels of a token, as a multiple of the hidden channels: 256 of 64, as published."""

HEAD = 32
"""Channels of a head of the attention, where they divide a token's; else there is one head."""

BLOCKS = 2
"""Blocks over time, and as many over space; published 4, halved for speed."""

MLP_RATIO = 2
"""Channels inside a block's SwiGLU, as a multiple of a token's."""

DROPOUT, DROPPED_PATHS = 0.1, 0.25
"""Shares left out in training: of channels, and, by stochastic depth, of a block's branches."""


class StochasticDepth(nn.Module):
    """Leave out a branch, for a share of the samples, in training; the others are scaled up.

    Parameters
    ----------
    dropped : float
        The share, below 1.
    """

    def __init__(self, dropped: float) -> None:
        super().__init__()
        self.dropped = dropped

    def forward(self, branch: Tensor) -> Tensor:
        """From ``branch`` (S, …) to the same shape."""
        if not self.training or not self.dropped:
            return branch
        kept = 1 - self.dropped
        shape = len(branch), *[1] * (branch.ndim - 1)
        return branch * torch.empty(shape, device=branch.device).bernoulli_(kept) / kept


class SelfAttention(nn.Module):
    """``softmax(Q Kᵀ / √d) V`` in each head, and a linear map of them together.

    Parameters
    ----------
    channels : int
        D.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = 1 if channels % HEAD else channels // HEAD
        self.enter = linear(channels, 3 * channels, bias=False)
        self.leave = linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """From ``x`` (S, N, D) to the same shape."""
        query, key, value = self.enter(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.leave(
            F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        )


class SwiGLU(nn.Module):
    """``W₃ (SiLU(W₁ X) ∘ W₂ X)``, with dropout before W₃.

    Parameters
    ----------
    channels : int
        D.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = MLP_RATIO * channels
        self.gate, self.value = linear(channels, inside), linear(channels, inside)
        self.dropout, self.leave = nn.Dropout(DROPOUT), linear(inside, channels)

    def forward(self, x: Tensor) -> Tensor:
        """From ``x`` (S, N, D) to the same shape."""
        return self.leave(self.dropout(F.silu(self.gate(x)) * self.value(x)))


class GatedBlock(nn.Module):
    """``X + Attention(LN(X))``, then ``X + SwiGLU(LN(X))``, each with dropout and stochastic depth.

    Parameters
    ----------
    channels : int
        D.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention, self.mlp = (
            nn.Sequential(
                nn.LayerNorm(channels),
                branch(channels),
                nn.Dropout(DROPOUT),
                StochasticDepth(DROPPED_PATHS),
            )
            for branch in (SelfAttention, SwiGLU)
        )

    def forward(self, x: Tensor) -> Tensor:
        """From ``x`` (S, N, D) to the same shape."""
        x = x + self.attention(x)
        return x + self.mlp(x)


class PredFormer(GridForecaster):
    """Each patch of a frame is a token: blocks over the frames of a patch, then over a frame.

    The token of frame t gives lead t. Where L is not T, a linear map over time gives L of them.

    Parameters
    ----------
    height, width, lead_steps
        As of :class:`~lsntp.model.forecaster.Forecaster`.
    hidden : int
        F, a quarter of a token's channels.
    embedding, kernel
        Not used: there is neither graph nor convolution.
    downsample : bool
        Patches of 2×2 cells, else of one. An odd height or width is padded by its last row or
        column.
    input_steps : int, optional
        T, which this network cannot leave open; L if not given.

    Raises
    ------
    ValueError
        When called, if the input has not T frames.
    """

    positions: Tensor

    @checked
    def __init__(
        self,
        height: Count,
        width: Count,
        hidden: Count,
        embedding: Whole,
        kernel: Odd = 3,
        downsample: bool = False,
        lead_steps: Count = 6,
        input_steps: Count | None = None,
    ) -> None:
        super().__init__(height, width, False, lead_steps)
        self.input_steps, self.patch = input_steps or lead_steps, 2 if downsample else 1
        channels = WIDTH * hidden
        patches = -(-height // self.patch) * -(-width // self.patch)
        self.enter = nn.Conv2d(1, channels, self.patch, self.patch)
        self.register_buffer("positions", sinusoids(self.input_steps, patches, channels), False)
        self.over_time, self.over_space = (
            nn.Sequential(*(GatedBlock(channels) for _ in range(BLOCKS)), nn.LayerNorm(channels))
            for _ in range(2)
        )
        self.leads = (
            nn.Identity()
            if self.input_steps == lead_steps
            else nn.Linear(self.input_steps, lead_steps)
        )
        self.norm = nn.LayerNorm(channels)
        self.head = nn.ConvTranspose2d(channels, 1, self.patch, self.patch)

    def features(self, x: Tensor) -> Tensor:
        """The tokens of each lead, (B, L, D, h, w)."""
        if x.shape[1] != self.input_steps:
            raise ValueError(
                f"the input has {x.shape[1]} frames, expected {self.input_steps}: each has its "
                f"tokens; build PredFormer with input_steps={x.shape[1]}"
            )
        lacking = (0, -self.width % self.patch, 0, -self.height % self.patch)
        x = over_time(lambda frames: self.enter(F.pad(frames, lacking, "replicate")), x)
        rows = x.shape[-2]
        x = x.flatten(3).transpose(2, 3) + self.positions  # (B, T, N, D)
        x = over_time(self.over_time, x.transpose(1, 2))  # (B, N, T, D)
        x = over_time(self.over_space, x.transpose(1, 2))  # (B, T, N, D)
        x = self.leads(self.norm(x).movedim(1, -1))  # (B, N, D, L)
        return x.permute(0, 3, 2, 1).unflatten(-1, (rows, -1))


def sinusoids(frames: int, patches: int, channels: int) -> Tensor:
    """Where a token is, (T, N, D): sine and cosine of its number at falling frequencies."""
    number = torch.arange(frames * patches, dtype=torch.float64)[:, None]
    angle = number / 10000 ** (torch.arange(0, channels, 2) / channels)
    return torch.stack([angle.sin(), angle.cos()], -1).float().view(frames, patches, channels)


def linear(in_channels: int, out_channels: int, bias: bool = True) -> nn.Linear:
    """Build a linear map with weights drawn as published, and a bias of zero."""
    layer = nn.Linear(in_channels, out_channels, bias)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
