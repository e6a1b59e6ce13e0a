"""ConvLSTM (Shi et al. 2015): the forecaster whose operator is a convolution."""

from lsntp.data.checks import Count, Odd, Whole, checked
from lsntp.model.forecaster import Forecaster
from lsntp.model.lsconv import LSConv


@checked
def convlstm(
    height: Count,
    width: Count,
    hidden: Count,
    embedding: Whole,
    kernel: Odd = 3,
    downsample: bool = False,
    lead_steps: Count = 6,
) -> Forecaster:
    """Build LS-NTP without attention and graph; ``embedding`` is not used, as there is no graph.

    Parameters as of :meth:`lsntp.LSNTP.equations`.
    """
    return Forecaster(
        height,
        width,
        hidden,
        lambda x, h, gates: LSConv(x + h, gates, kernel, nsa=False, lagc=False),
        downsample=downsample,
        lead_steps=lead_steps,
    )
