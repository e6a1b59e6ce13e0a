"""CNN then LSTM: each frame a vector, the vectors a sequence; the talk's intuitive way."""

from __future__ import annotations

import math

from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, Whole, checked
from lsntp.model.forecaster import GridForecaster, over_time
from lsntp.model.lsconv import convolution

UNITS = 8  # numbers in the LSTM's state for each hidden channel


class CNNLSTM(GridForecaster):
    """Convolutions on each frame, flattened to a vector; an LSTM encoder and decoder of vectors.

    Two convolutions with ReLU give F channels a frame, which a linear map makes a vector of 8F.
    An LSTM reads the T vectors. The decoder's LSTM starts from its last state and, as no data come
    in, is fed ones, whose weights are one more bias. A linear map makes each of its L outputs a
    field of F channels. The notebook ``01_background`` shows what flattening costs.

    Parameters
    ----------
    height, width, downsample, lead_steps
        As of :class:`~lsntp.model.forecaster.GridForecaster`.
    hidden : int
        F, the channels of the convolutions; the LSTMs have 8F units.
    embedding : int
        Not used, as there is no graph.
    kernel : int
        Odd size of the convolutions.
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
    ) -> None:
        super().__init__(height, width, downsample, lead_steps)
        self.maps = (hidden, *self.inner)  # (F, h, w)
        units = UNITS * hidden
        self.frame = nn.Sequential(
            convolution(1, hidden, kernel, bias=True),
            nn.ReLU(inplace=True),
            convolution(hidden, hidden, kernel, bias=True),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(math.prod(self.maps), units),
        )
        self.encoder = nn.LSTM(units, units, batch_first=True)
        self.decoder = nn.LSTM(1, units, batch_first=True)
        self.field = nn.Linear(units, math.prod(self.maps))
        self.head = self.make_head(hidden)

    def features(self, x: Tensor) -> Tensor:
        """The decoder's output at each lead as a field, (B, L, F, h, w)."""
        _, state = self.encoder(over_time(self.frame, x))
        vectors, _ = self.decoder(x.new_ones(len(x), self.lead_steps, 1), state)  # (B, L, 8F)
        return self.field(vectors).unflatten(2, self.maps)
