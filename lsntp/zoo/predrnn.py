"""PredRNN (Wang et al., NeurIPS 2017): two memories, one in time, one in space and time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, Whole, checked
from lsntp.model.lsconv import convolution
from lsntp.zoo.rolled import Rolled, remember


class STLSTMCell(nn.Module):
    """The spatiotemporal LSTM.

    ``g, i, f = tanh, σ, σ(W_x*X + W_h*H + b)``, ``C = f∘C + i∘g``;
    ``g', i', f' = tanh, σ, σ(W'_x*X + W_m*M + b')``, ``M = f'∘M + i'∘g'``, where M comes from the
    layer below; ``o = σ(W_xo*X + W_ho*H + W_co*C + W_mo*M + b_o)`` (the new C and M);
    ``H = o∘tanh(W_1×1*[C, M])``.

    The paper was not at hand in full: these equations were checked against the authors' code. That
    adds layer norm, 1 to the forget gates, and biases to W_co, W_mo and W_1×1; this has none of
    them.

    Parameters
    ----------
    channels, hidden : int
        C, F.
    kernel : int
        Odd size of all convolutions but W_1×1.
    """

    @checked
    def __init__(self, channels: Count, hidden: Count, kernel: Odd) -> None:
        super().__init__()
        self.hidden = hidden
        self.on_xh = convolution(channels + hidden, 4 * hidden, kernel, bias=True)  # i, f, g, o
        self.on_xm = convolution(channels + hidden, 3 * hidden, kernel, bias=True)  # i', f', g'
        self.on_cm = convolution(2 * hidden, hidden, kernel, bias=False)  # o
        self.fuse = convolution(2 * hidden, hidden, kernel=1, bias=False)  # W_1×1

    def forward(self, x: Tensor, h: Tensor, c: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take one step: ``x`` (B, C, h, w); H, C and M, each (B, F, h, w)."""
        gates, o = self.on_xh(torch.cat([x, h], 1)).split([3 * self.hidden, self.hidden], dim=1)
        c = remember(gates, c)
        m = remember(self.on_xm(torch.cat([x, m], 1)), m)
        both = torch.cat([c, m], dim=1)  # (B, 2F, h, w)
        h = torch.sigmoid(o + self.on_cm(both)) * torch.tanh(self.fuse(both))
        return h, c, m


@checked
def predrnn(
    height: Count,
    width: Count,
    hidden: Count,
    embedding: Whole,
    kernel: Odd = 3,
    downsample: bool = False,
    lead_steps: Count = 6,
) -> Rolled:
    """Build PredRNN of two layers; ``embedding`` is not used, as there is no graph.

    Parameters as of :meth:`lsntp.LSNTP.equations`.
    """
    return Rolled(
        height,
        width,
        hidden,
        lambda channels: STLSTMCell(channels, hidden, kernel),
        memories=1,
        downsample=downsample,
        lead_steps=lead_steps,
    )
