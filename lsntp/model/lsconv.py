"""LS-Conv: node-based attention (NSA), adaptive graph convolution (LAGC), then a convolution (LSI).

The notebook ``03_method`` explains each part on a real field.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, checked, fits, shown
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


def lagc(x: Tensor, adjacency: Tensor | Adjacency) -> Tensor:
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
    fits("x", x, ("B", "C", "H", "W"))
    nodes = x.shape[-2] * x.shape[-1]
    if getattr(adjacency, "shape", None) != (nodes, nodes):
        raise ValueError(
            f"the adjacency is {shown(adjacency)}, but a grid of {x.shape[-2]}×{x.shape[-1]} cells "
            f"needs ({nodes}, {nodes}): build the graph for this grid and give graph.adjacency()"
        )
    if hasattr(adjacency, "dtype"):
        fits("adjacency", adjacency, (nodes, nodes), x)
    columns = x.reshape(-1, nodes).T  # (N, B·C)
    return x + (adjacency @ columns).T.reshape(x.shape)


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
    bias : bool
        Add a bias (the released code has none).
    relu : bool
        End in a ReLU, as the released code does.
    norm : bool
        GroupNorm inside NSA, as the released code does.
    split : sequence of int, optional
        Sizes of the groups of input channels that get an attention each, e.g.
        ``(input, hidden)`` in a recurrent cell. Default: one attention over all channels.

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
        bias: bool = True,
        relu: bool = False,
        norm: bool = False,
        split: Sequence[Count] | None = None,
    ) -> None:
        super().__init__()
        self.split = tuple(split or (in_channels,))
        if sum(self.split) != in_channels:
            raise ValueError(f"split {self.split} must add up to in_channels={in_channels}")
        self.nsa = nn.ModuleList(NSA(channels, norm) for channels in self.split if nsa)
        self.lagc = lagc
        self.lsi = convolution(in_channels, out_channels, kernel, bias)
        self.relu = relu

    def forward(self, x: Tensor, adjacency: Tensor | Adjacency | None = None) -> Tensor:
        """Apply the operator to ``x`` (B, C, H, W) with adjacency (N, N); gives (B, F, H, W)."""
        fits("x", x, ("B", self.lsi.in_channels, "H", "W"), self.lsi.weight)
        groups = x.split(self.split, dim=1)
        attended = [self.attend(k, group) for k, group in enumerate(groups)]
        return self.mix(self.link(torch.cat(attended, dim=1), adjacency))

    def ahead(self, x: Tensor, adjacency: Tensor | Adjacency | None = None) -> Tensor:
        """Do what the operator on [X, H] does to X alone, for :meth:`pair`, before H is known."""
        return x if self.joint else self.link(self.attend(0, x), adjacency)

    def pair(
        self,
        x: Tensor | None,
        h: Tensor | None,
        adjacency: Tensor | Adjacency | None = None,
    ) -> Tensor:
        """Apply the operator to [X, H], with X as :meth:`ahead` returns it and None for zeros.

        NSA and LAGC keep zeros zero, so that channels of zeros are left out of the work.
        """
        if self.joint:
            present = self.link(self.attend_pair(x, h), adjacency)
        else:
            smoothed = None if h is None else self.link(self.attend(1, h), adjacency)
            present = torch.cat([part for part in (x, smoothed) if part is not None], dim=1)
        return self.mix(present, first=self.lsi.in_channels - present.shape[1] if x is None else 0)

    @property
    def joint(self) -> bool:
        """Whether one attention looks at all channels together."""
        return len(self.nsa) == 1

    def attend(self, k: int, x: Tensor) -> Tensor:
        """NSA of the ``k``-th group of channels, where the operator has it."""
        return self.nsa[k](x) if self.nsa else x

    def attend_pair(self, x: Tensor | None, h: Tensor | None) -> Tensor:
        """One attention over [X, H], either None where zero; of the result what is not zero."""
        present = torch.cat([part for part in (x, h) if part is not None], dim=1)
        zeros = self.lsi.in_channels - present.shape[1]
        before, behind = (zeros, 0) if x is None else (0, zeros)
        attended = self.nsa[0](F.pad(present, (0, 0, 0, 0, before, behind)))
        return attended[:, before : before + present.shape[1]]

    def link(self, x: Tensor, adjacency: Tensor | Adjacency | None) -> Tensor:
        """LAGC, where the operator has it."""
        if not self.lagc:
            return x
        if adjacency is None:
            raise ValueError(
                "LSConv with lagc=True needs an adjacency, e.g. AdaptiveGraph(...).adjacency()"
            )
        return lagc(x, adjacency)

    def mix(self, x: Tensor, first: int = 0) -> Tensor:
        """LSI: convolve ``x``, all channels or those from ``first`` on; the others are zero."""
        weight = self.lsi.weight
        if x.shape[1] < self.lsi.in_channels:
            weight = weight[:, first : first + x.shape[1]]
        x = F.conv2d(x, weight, self.lsi.bias, padding=self.lsi.padding)
        return torch.relu(x) if self.relu else x


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
