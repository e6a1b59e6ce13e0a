"""ConvLSTM (Shi et al. 2015): the forecaster whose operator is a convolution."""

from functools import partial

from lsntp.data.checks import Count, Odd, Whole, checked
from lsntp.model.forecaster import Forecaster, on_both


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
        partial(on_both, kernel=kernel, nsa=False, lagc=False),
        downsample=downsample,
        lead_steps=lead_steps,
    )
