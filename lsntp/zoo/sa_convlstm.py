"""SA-ConvLSTM (Lin et al., AAAI 2020): a ConvLSTM whose H passes through self-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, Whole, checked
from lsntp.model.lsconv import convolution
from lsntp.zoo.rolled import Rolled, remember


class SAM(nn.Module):
    """The paper's self-attention memory: every cell of H asks all cells of H and of M.

    ``Q, K_h, V_h`` are 1×1 convolutions of H, ``K_m, V_m`` of M; Q and K have F/2 channels, V has
    F. ``Z_h = softmax(Qᵀ K_h) V_h``, ``Z_m = softmax(Qᵀ K_m) V_m``, ``Z = W_z*[Z_h, Z_m]``;
    ``i', o' = σ(W_z'*Z + W_h'*H + b)``, ``g' = tanh(…)`` likewise;
    ``M = (1 − i')∘M + i'∘g'``, ``Ĥ = o'∘M``.

    The products Qᵀ K are not scaled by their width. The paper was not at hand in full: these
    equations were checked against public reimplementations, most of which have gates of 1×1
    convolutions, as here.

    Parameters
    ----------
    hidden : int
        F.
    """

    @checked
    def __init__(self, hidden: Count) -> None:
        super().__init__()
        width = max(1, hidden // 2)
        self.sizes = [width, width, hidden]
        self.qkv = convolution(hidden, 2 * width + hidden, kernel=1, bias=False)  # of H
        self.kv = convolution(hidden, width + hidden, kernel=1, bias=False)  # of M
        self.fuse = convolution(2 * hidden, hidden, kernel=1, bias=False)  # W_z
        self.gates = convolution(2 * hidden, 3 * hidden, kernel=1, bias=True)  # i', g', o'

    def forward(self, h: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """From H and M the new H and M, each (B, F, h, w)."""
        q, k_h, v_h = self.qkv(h).flatten(2).split(self.sizes, dim=1)  # (B, ·, N)
        k_m, v_m = self.kv(m).flatten(2).split(self.sizes[1:], dim=1)
        z = torch.cat([attend(q, k_h, v_h), attend(q, k_m, v_m)], dim=1)  # (B, 2F, N)
        z = self.fuse(z.unflatten(2, h.shape[2:]))
        i, g, o = self.gates(torch.cat([z, h], dim=1)).chunk(3, dim=1)
        m = torch.lerp(m, torch.tanh(g), torch.sigmoid(i))  # (1 − i')∘M + i'∘g'
        return torch.sigmoid(o) * m, m


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """For each of N cells the mean of ``v`` (B, F, N), weighted by softmax(Qᵀ K) (B, N, N)."""
    return (torch.softmax(q.mT @ k, dim=-1) @ v.mT).mT  # in this order nothing large is copied


class SAConvLSTMCell(nn.Module):
    """A ConvLSTM step, then :class:`SAM` on its H.

    ``i, f, o, g = σ, σ, σ, tanh(W_x*X + W_h*Ĥ + b)``, ``C = f∘C + i∘g``, ``H = o∘tanh(C)``,
    ``Ĥ, M = SAM(H, M)``. This ConvLSTM has no peepholes.

    Parameters
    ----------
    channels, hidden : int
        C, F.
    kernel : int
        Odd size of the ConvLSTM's convolution.
    """

    @checked
    def __init__(self, channels: Count, hidden: Count, kernel: Odd) -> None:
        super().__init__()
        self.hidden = hidden
        self.on_xh = convolution(channels + hidden, 4 * hidden, kernel, bias=True)  # i, f, g, o
        self.sam = SAM(hidden)

    def forward(self, x: Tensor, h: Tensor, c: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take one step: ``x`` (B, C, h, w); Ĥ, C and M, each (B, F, h, w)."""
        gates, o = self.on_xh(torch.cat([x, h], 1)).split([3 * self.hidden, self.hidden], dim=1)
        c = remember(gates, c)
        h, m = self.sam(torch.sigmoid(o) * torch.tanh(c), m)
        return h, c, m


@checked
def sa_convlstm(
    height: Count,
    width: Count,
    hidden: Count,
    embedding: Whole,
    kernel: Odd = 3,
    downsample: bool = False,
    lead_steps: Count = 6,
) -> Rolled:
    """Build SA-ConvLSTM of two layers; ``embedding`` is not used, as there is no learned graph.

    Parameters as of :meth:`lsntp.LSNTP.equations`.
    """
    return Rolled(
        height,
        width,
        hidden,
        lambda channels: SAConvLSTMCell(channels, hidden, kernel),
        memories=2,
        downsample=downsample,
        lead_steps=lead_steps,
    )
