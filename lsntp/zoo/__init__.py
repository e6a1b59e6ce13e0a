"""The models, by name: references that are fitted in closed form, networks that are trained.

A new rival is one file here, one line in one of the two tables and its label.
"""

from collections.abc import Callable

from torch import nn

from lsntp.model.forecaster import EQUATIONS, LSNTP, RELEASED
from lsntp.zoo.agcrn import AGCRN
from lsntp.zoo.climatology import ClimatologyForecast
from lsntp.zoo.cnn_lstm import CNNLSTM
from lsntp.zoo.convlstm import convlstm
from lsntp.zoo.dagg_convlstm import dagg_convlstm
from lsntp.zoo.persistence import Persistence
from lsntp.zoo.predrnn import predrnn
from lsntp.zoo.references import Reference
from lsntp.zoo.ridge import Ridge
from lsntp.zoo.sa_convlstm import sa_convlstm
from lsntp.zoo.simvp import SimVP
from lsntp.zoo.tuned import PARTS, DirectLSNTP

REFERENCES: dict[str, type[Reference]] = {
    "persistence": Persistence,
    "climatology": ClimatologyForecast,
    "ridge": Ridge,
}

# build(height, width, hidden, embedding, kernel, downsample, lead_steps)
#   -> (B, T, 1, H, W) -> (B, L, 1, H, W)
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "cnn-lstm": CNNLSTM,
    "convlstm": convlstm,
    "predrnn": predrnn,
    "sa-convlstm": sa_convlstm,
    "agcrn": AGCRN,
    "dagg-convlstm": dagg_convlstm,
    "simvp": SimVP,
    "lsntp-equations": LSNTP.equations,
    "lsntp-released": LSNTP.released,
    "lsntp-tuned": DirectLSNTP,
}

STACKED = ("simvp", "lsntp-tuned")
"""The networks that stack frames into channels, and so must be told how many there are."""

FORMS = {"lsntp-equations": EQUATIONS, "lsntp-released": RELEASED, "lsntp-tuned": PARTS}
"""The networks whose parts can be changed one by one, and what those are."""

LABELS = {
    "persistence": "Persistence",
    "climatology": "Climatology",
    "ridge": "Ridge 5×5",
    "cnn-lstm": "CNN then LSTM",
    "convlstm": "ConvLSTM",
    "predrnn": "PredRNN",
    "sa-convlstm": "SA-ConvLSTM",
    "agcrn": "AGCRN",
    "dagg-convlstm": "DAGG-ConvLSTM",
    "simvp": "SimVP (gSTA)",
    "lsntp-equations": "LS-NTP (equations)",
    "lsntp-released": "LS-NTP (released)",
    "lsntp-tuned": "LS-NTP (tuned)",
}
"""What to call them in tables and figures."""
