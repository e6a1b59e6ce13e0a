"""SimVP with gated spatiotemporal attention: convolutions only, time stacked into the channels.

Gao et al. (2022, CVPR), "SimVP: Simpler yet better video prediction"; Tan et al. (2022),
"SimVP: Towards simple yet powerful spatiotemporal predictive learning" (gSTA).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, Whole, checked
from lsntp.model.forecaster import GridForecaster, over_time
from lsntp.model.lsconv import convolution
from lsntp.zoo.predformer import StochasticDepth

BLOCKS = 4
"""N_T, the blocks of the translator."""

WIDTH = 4
"""Channels of the translator's inner blocks, as a multiple of the hidden channels."""

MLP_RATIO = 4
"""Hidden channels of a block's MLP, as a multiple of the block's; published 8, halved for speed."""

DROPPED_PATHS = 0.01, 0.1
"""With stochastic depth: shares left out in training in the first block and the last."""


class ConvSC(nn.Sequential):
    """The spatial block, with stride 1: ``SiLU(GroupNorm(conv(X)))``, two groups.

    Parameters
    ----------
    in_channels, out_channels : int
        ``out_channels`` even.
    kernel : int
        Odd.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__(
            convolution(in_channels, out_channels, kernel, bias=True),
            nn.GroupNorm(2, out_channels),
            nn.SiLU(),
        )


class GatedAttention(nn.Module):
    """Gated spatiotemporal attention, between two 1×1 convolutions and with a shortcut.

    ``U = GELU(W₁ X)``, ``[V, G] = W_a DW_7×7,dilated by 3 (DW_5×5 U)``, ``X + W₂ (σ(G) ∘ V)``:
    the two depthwise convolutions stand for one of 21×21.

    Parameters
    ----------
    channels : int
        C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(pointwise(channels, channels), nn.GELU())
        self.attend = nn.Sequential(
            depthwise(channels, 5),
            depthwise(channels, 7, dilation=3),
            pointwise(channels, 2 * channels),
        )
        self.leave = pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Attend to ``x`` (B, C, H, W); same shape."""
        value, gate = self.attend(self.enter(x)).chunk(2, dim=1)
        return x + self.leave(torch.sigmoid(gate) * value)


class AttentionBlock(nn.Module):
    """The MetaFormer block: ``X + s₁∘gSTA(BN(X))``, then ``X + s₂∘MLP(BN(X))``.

    The MLP has a depthwise 3×3 convolution behind its first layer.

    Parameters
    ----------
    channels : int
        C.
    dropped : float
        Share of the samples without one of the sums' second terms, in training.
    """

    def __init__(self, channels: int, dropped: float = 0.0) -> None:
        super().__init__()
        inside = MLP_RATIO * channels
        self.attention = nn.Sequential(nn.BatchNorm2d(channels), GatedAttention(channels))
        self.mlp = nn.Sequential(
            nn.BatchNorm2d(channels),
            pointwise(channels, inside),
            depthwise(inside, 3),
            nn.GELU(),
            pointwise(inside, channels),
        )
        self.scale_attention = nn.Parameter(torch.full((channels, 1, 1), 0.01))
        self.scale_mlp = nn.Parameter(torch.full((channels, 1, 1), 0.01))
        self.depth = StochasticDepth(dropped)

    def forward(self, x: Tensor) -> Tensor:
        """From ``x`` (B, C, H, W) to the same shape."""
        x = torch.addcmul(x, self.scale_attention, self.depth(self.attention(x)))
        return torch.addcmul(x, self.scale_mlp, self.depth(self.mlp(x)))


class SimVP(GridForecaster):
    """Encoder of every frame, translator of all frames together, decoder of every lead.

    The encoder and the decoder are two :class:`ConvSC` each, of stride 1: the halved grid plays
    the part of the published strides. The decoder's second block sees the encoder's first as well.
    The translator is four :class:`AttentionBlock` over T·F channels; a 1×1 convolution behind a
    block changes their number. Where L is not T, the last one gives L·F channels, and every lead
    sees the encoder's first block on the last frame.

    Batch statistics are used in training: call ``eval()`` before forecasting.

    Parameters
    ----------
    height, width, hidden, downsample, lead_steps
        As of :class:`~lsntp.model.forecaster.Forecaster`; F = ``hidden`` even.
    embedding
        Not used: there is no graph.
    kernel : int
        Odd size of the encoder's and the decoder's kernels.
    input_steps : int, optional
        T, which this network cannot leave open; L if not given.
    stochastic_depth : bool
        Whether training leaves out parts of the translator at random.

    Raises
    ------
    ValueError
        If ``hidden`` is odd or ``kernel`` even; when called, if the input has not T frames.
    """

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
        stochastic_depth: bool = False,
    ) -> None:
        super().__init__(height, width, downsample, lead_steps)
        if hidden % 2:
            raise ValueError(
                f"hidden={hidden}: expected an even number, for two groups of channels to norm"
            )
        self.input_steps = input_steps or lead_steps
        self.encoder = nn.ModuleList([ConvSC(1, hidden, kernel), ConvSC(hidden, hidden, kernel)])
        widths = [
            self.input_steps * hidden,
            *[WIDTH * hidden] * (BLOCKS - 1),
            lead_steps * hidden,
        ]
        self.translator = nn.Sequential()
        shares = torch.linspace(*DROPPED_PATHS, BLOCKS) * stochastic_depth
        for dropped, (channels, to) in zip(shares.tolist(), pairwise(widths), strict=True):
            self.translator.append(AttentionBlock(channels, dropped))
            if channels != to:
                self.translator.append(nn.Conv2d(channels, to, kernel_size=1))
        self.decoder = nn.ModuleList(ConvSC(hidden, hidden, kernel) for _ in range(2))
        self.head = self.make_head(hidden)

    def features(self, x: Tensor) -> Tensor:
        """The decoder's last block at each lead, (B, L, F, h, w)."""
        if x.shape[1] != self.input_steps:
            raise ValueError(
                f"the input has {x.shape[1]} frames, expected {self.input_steps}: SimVP stacks "
                f"them into its channels; build it with input_steps={x.shape[1]}"
            )
        skip = over_time(self.encoder[0], x)  # (B, T, F, h, w)
        x = over_time(self.encoder[1], skip)
        x = self.translator(x.flatten(1, 2)).unflatten(1, (self.lead_steps, -1))
        x = over_time(self.decoder[0], x)  # (B, L, F, h, w)
        if self.input_steps != self.lead_steps:
            skip = skip[:, -1:]
        return over_time(self.decoder[1], x + skip)


def pointwise(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Build a 1×1 convolution with He-normal weights by fan-out, as published."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size=1)
    return started(layer, out_channels)


def depthwise(channels: int, kernel: int, dilation: int = 1) -> nn.Conv2d:
    """Build a size-preserving convolution of each channel by itself; weights likewise."""
    padding = dilation * (kernel // 2)
    layer = nn.Conv2d(channels, channels, kernel, 1, padding, dilation, groups=channels)
    return started(layer, kernel * kernel)


def started(layer: nn.Conv2d, fan_out: int) -> nn.Conv2d:
    """Draw He-normal weights; biases are zero."""
    nn.init.normal_(layer.weight, std=(2 / fan_out) ** 0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
