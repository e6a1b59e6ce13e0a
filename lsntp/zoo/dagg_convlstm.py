"""DAGG-ConvLSTM: the paper's ablation with AGCRN's learned graph convolution in LS-Conv's place."""

from functools import partial

from lsntp.data.checks import Count, Odd, checked
from lsntp.model.forecaster import Forecaster, inner_grid, on_both
from lsntp.model.graph import AdaptiveGraph


@checked
def dagg_convlstm(
    height: Count,
    width: Count,
    hidden: Count,
    embedding: Count,
    kernel: Odd = 3,
    downsample: bool = False,
    lead_steps: Count = 6,
) -> Forecaster:
    """Build the forecaster whose operator is DAGG, ``(I + softmax(relu(E Eᵀ))) X Θ + b``.

    This is data-adaptive graph generation (DAGG) of Bai et al. (2020). LS-Conv is it without
    attention and with a 1×1 convolution, so that ``kernel`` is not used.

    Parameters as of :meth:`lsntp.LSNTP.equations`.
    """
    rows, columns = inner_grid(height, width, downsample)
    return Forecaster(
        height,
        width,
        hidden,
        partial(on_both, kernel=1, nsa=False),
        graph=AdaptiveGraph(rows * columns, embedding),
        downsample=downsample,
        lead_steps=lead_steps,
    )
