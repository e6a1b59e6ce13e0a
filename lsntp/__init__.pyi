from . import data as data
from . import model as model
from . import runs as runs
from . import zoo as zoo
from .data.datasets import open_dataset as open_dataset
from .data.distances import great_circle_km as great_circle_km
from .data.sources import raw as raw
from .model.forecaster import LSNTP as LSNTP
from .model.forecaster import Forecaster as Forecaster
from .model.graph import AdaptiveGraph as AdaptiveGraph
from .model.graph import DistanceCut as DistanceCut
from .model.lsconv import NSA as NSA
from .model.lsconv import LSConv as LSConv
from .model.product import graph_product as graph_product
from .model.strongest_links import StrongestLinks as StrongestLinks
from .runs.config import RunConfig as RunConfig
from .runs.forecasts import evaluate as evaluate
from .runs.forecasts import forecast as forecast
from .runs.forecasts import train as train
from .runs.metrics import score as score
from .runs.records import load_records as load_records
from .runs.records import run as run
from .runs.trained import Trained as Trained

__version__: str
