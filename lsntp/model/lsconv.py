"""LS-Conv: node-based attention (NSA), adaptive graph convolution (LAGC), then a convolution (LSI).

The notebook ``03_method`` explains each part on a real field.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, Whole, checked, fits, shown
from lsntp.model.product import Adjacency


class NSA(nn.Module):
    """Node-based spatial attention: 1×1 convolutions ending in a sigmoid reweight every cell.

    Parameters
    ----------
    channels : int
        C, the channels of the input, also of the hidden 1×1 convolutions.
    norm : bool
        Put a one-group GroupNorm behind the first two convolutions, as the released code does.
        It averages over the whole field, so attention is then no longer a matter of one cell.
    """

    @checked
    def __init__(self, channels: Count, norm: bool = False) -> None:
        super().__init__()
        self.channels = channels
        steps: list[nn.Module] = []
        for _ in range(2):
            steps.append(nn.Conv2d(channels, channels, kernel_size=1))
            if norm:
                steps.append(nn.GroupNorm(1, channels))
            steps.append(nn.ReLU(inplace=True))  # the array before it is not kept
        self.gate = nn.Sequential(*steps, nn.Conv2d(channels, channels, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        """Reweight ``x`` (B, C, H, W) by attention in (0, 1); same shape."""
        fits("x", x, ("B", self.channels, "H", "W"), next(self.parameters()))
        return torch.sigmoid(self.gate(x)) * x


def lagc(x: Tensor, adjacency: Tensor | Adjacency | None) -> Tensor:
    """Graph-smooth a field: ``L = (I + A) X``, with the cells of the grid as nodes.

    Parameters
    ----------
    x : Tensor (B, C, H, W)
    adjacency : (N, N), N = H·W, rows are receivers; without the identity. A matrix, or what
        :meth:`lsntp.AdaptiveGraph.adjacency` returns.

    Returns
    -------
    Tensor (B, C, H, W)

    Raises
    ------
    ValueError
        If x is no such field, or the adjacency not N×N for its grid.
    """
    return x + linked(x, adjacency)


def linked(x: Tensor, adjacency: Tensor | Adjacency | None) -> Tensor:
    """What a field's cells receive over their links: ``A X``; all else as of :func:`lagc`."""
    fits("x", x, ("B", "C", "H", "W"))
    nodes = x.shape[-2] * x.shape[-1]
    if adjacency is None or getattr(adjacency, "shape", None) != (nodes, nodes):
        raise ValueError(
            f"the adjacency is {shown(adjacency)}, but a grid of {x.shape[-2]}×{x.shape[-1]} cells "
            f"needs ({nodes}, {nodes}): build the graph for this grid and give graph.adjacency()"
        )
    if hasattr(adjacency, "dtype"):
        fits("adjacency", adjacency, (nodes, nodes), x)
    columns = x.reshape(-1, nodes).T  # (N, B·C)
    return (adjacency @ columns).T.reshape(x.shape)


class LSConv(nn.Module):
    """Long- and short-range convolution, the ``⋆`` of the paper.

    ``(X ⋆ Θ)(i, j) = Σ_p Σ_q [(I + softmax(relu(E Eᵀ))) NSA(X) Θ_pq](i − p, j − q)``:
    an ordinary k×k convolution of the graph-smoothed, attention-weighted field.
    As everywhere in deep learning the convolution is a cross-correlation with zero padding.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel : int
        k of the k×k convolution (LSI), odd. ``kernel=1`` is the paper's "w/o LSI".
    nsa, lagc : bool
        Keep the attention; keep the graph convolution. Without both it is a convolution.
    tied : bool
        A cell and its links share the kernel Θ, as printed. Else the links have one of their own,
        Φ: ``X ⋆ Θ + (A X) ⋆ Φ``, which with Φ = Θ is the same. Φ has no bias.
    bias : bool
        Add a bias (the released code has none).
    relu : bool
        End in a ReLU, as the released code does.
    norm : bool
        GroupNorm inside NSA, as the released code does.
    split : sequence of int, optional
        Sizes of the groups of input channels that get an attention each, e.g.
        ``(input, hidden)`` in a recurrent cell. Default: one attention over all channels.
    absent : int
        So many of the first input channels are always zero: they have weights, but are not given,
        and no work is done on them.

    Examples
    --------
    >>> graph = AdaptiveGraph(nodes=21 * 35, size=64)
    >>> operator = LSConv(8, 16, kernel=3)
    >>> operator(torch.randn(2, 8, 21, 35), graph.adjacency()).shape
    torch.Size([2, 16, 21, 35])
    """

    @checked
    def __init__(
        self,
        in_channels: Count,
        out_channels: Count,
        kernel: Odd = 3,
        *,
        nsa: bool = True,
        lagc: bool = True,
        tied: bool = True,
        bias: bool = True,
        relu: bool = False,
        norm: bool = False,
        split: Sequence[Count] | None = None,
        absent: Whole = 0,
    ) -> None:
        super().__init__()
        self.split = tuple(split or (in_channels,))
        if sum(self.split) != in_channels:
            raise ValueError(f"split {self.split} must add up to in_channels={in_channels}")
        if absent >= in_channels:
            raise ValueError(f"absent={absent}: expected fewer than in_channels={in_channels}")
        self.absent = absent
        self.skipped = sum(end <= absent for end in accumulate(self.split))  # groups not given
        self.nsa = nn.ModuleList(NSA(channels, norm) for channels in self.split if nsa)
        self.lagc = lagc
        self.lsi = convolution(in_channels, out_channels, kernel, bias)
        own = lagc and not tied
        self.phi = convolution(in_channels, out_channels, kernel, bias=False) if own else None
        self.relu = relu

    def forward(self, x: Tensor, adjacency: Tensor | Adjacency | None = None) -> Tensor:
        """Apply the operator to ``x`` (B, C, H, W) with adjacency (N, N); gives (B, F, H, W).

        C are the channels that are not absent.

        Raises
        ------
        ValueError
            If x is no such field, or LAGC has no adjacency for its grid.
        """
        fits("x", x, ("B", self.lsi.in_channels - self.absent, "H", "W"), self.lsi.weight)
        if self.nsa:
            x = self.attend(x)
        if self.phi is not None:
            y = self.convolve(x, self.lsi) + self.convolve(linked(x, adjacency), self.phi)
        elif self.lagc:
            y = self.convolve(lagc(x, adjacency), self.lsi)
        else:
            y = self.convolve(x, self.lsi)
        return torch.relu(y) if self.relu else y

    def convolve(self, x: Tensor, kernel: nn.Conv2d) -> Tensor:
        """Convolve ``x`` with the kernel's part for channels that are not absent."""
        return F.conv2d(x, kernel.weight[:, self.absent :], kernel.bias, padding=kernel.padding)

    def attend(self, x: Tensor) -> Tensor:
        """NSA of each group of channels."""
        zeros = self.absent - sum(self.split[: self.skipped])
        if zeros:  # GroupNorm averages them, too
            x = F.pad(x, (0, 0, 0, 0, zeros, 0))
        groups = x.split(self.split[self.skipped :], dim=1)
        attended = [nsa(group) for nsa, group in zip(self.nsa[self.skipped :], groups, strict=True)]
        return torch.cat(attended, dim=1)[:, zeros:]


@checked
def convolution(in_channels: Count, out_channels: Count, kernel: Odd, bias: bool) -> nn.Conv2d:
    """Build a size-preserving k×k convolution with zero padding and Xavier-normal weights.

    Raises
    ------
    ValueError
        If a size is not positive, or the kernel not odd.
    """
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias)
    nn.init.xavier_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
