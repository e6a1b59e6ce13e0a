"""LS-NTP: long- and short-range correlations for near-surface temperature prediction.

The executable companion to Xu et al., Neural Networks 155 (2022), doi 10.1016/j.neunet.2022.07.022.
"""

from lsntp.data.datasets import open_dataset
from lsntp.model.forecaster import LSNTP, Forecaster
from lsntp.model.graph import AdaptiveGraph, DistanceCut, great_circle_km
from lsntp.model.lsconv import NSA, LSConv
from lsntp.model.product import graph_product
from lsntp.model.strongest_links import StrongestLinks
from lsntp.runs.config import RunConfig
from lsntp.runs.forecasts import evaluate, forecast, train
from lsntp.runs.metrics import score
from lsntp.runs.records import load_records, run
from lsntp.runs.trained import Trained

__version__ = "0.1.0"

__all__ = [
    "LSNTP",
    "NSA",
    "AdaptiveGraph",
    "DistanceCut",
    "Forecaster",
    "LSConv",
    "RunConfig",
    "StrongestLinks",
    "Trained",
    "evaluate",
    "forecast",
    "graph_product",
    "great_circle_km",
    "load_records",
    "open_dataset",
    "run",
    "score",
    "train",
]
