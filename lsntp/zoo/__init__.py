"""The models, by name: references that are fitted in closed form, networks that are trained.

A new rival is one file here, one line in one of the two tables and its label.
"""

from collections.abc import Callable

from torch import nn

from lsntp.forecaster import EQUATIONS, LSNTP, RELEASED
from lsntp.zoo.climatology import ClimatologyForecast
from lsntp.zoo.convlstm import convlstm
from lsntp.zoo.persistence import Persistence
from lsntp.zoo.references import Reference
from lsntp.zoo.ridge import Ridge

REFERENCES: dict[str, type[Reference]] = {
    "persistence": Persistence,
    "climatology": ClimatologyForecast,
    "ridge": Ridge,
}

# build(height, width, hidden, embedding, kernel, downsample, lead_steps)
#   -> (B, T, 1, H, W) -> (B, L, 1, H, W)
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "convlstm": convlstm,
    "lsntp-equations": LSNTP.equations,
    "lsntp-released": LSNTP.released,
}

FORMS = {"lsntp-equations": EQUATIONS, "lsntp-released": RELEASED}
"""The networks whose parts can be changed one by one, and what those are."""

LABELS = {
    "persistence": "Persistence",
    "climatology": "Climatology",
    "ridge": "Ridge 5×5",
    "convlstm": "ConvLSTM",
    "lsntp-equations": "LS-NTP (equations)",
    "lsntp-released": "LS-NTP (released)",
}
