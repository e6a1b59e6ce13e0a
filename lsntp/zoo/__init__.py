"""The models, by name: references that are fitted in closed form, networks that are trained.

A new rival is one file here and one row of :data:`MODELS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lsntp.model.forecaster import EQUATIONS, LSNTP, RELEASED, UNTIED
from lsntp.zoo.agcrn import AGCRN
from lsntp.zoo.climatology import ClimatologyForecast
from lsntp.zoo.cnn_lstm import CNNLSTM
from lsntp.zoo.convlstm import convlstm
from lsntp.zoo.dagg_convlstm import dagg_convlstm
from lsntp.zoo.persistence import Persistence
from lsntp.zoo.predformer import PredFormer
from lsntp.zoo.predrnn import predrnn
from lsntp.zoo.ridge import Ridge, RidgeEOF, RidgeScreened
from lsntp.zoo.sa_convlstm import sa_convlstm
from lsntp.zoo.simvp import SimVP
from lsntp.zoo.tuned import PARTS, DirectLSNTP


@dataclass(frozen=True)
class Model:
    """All that is said of a model.

    A reference's ``build()`` is a :class:`~lsntp.zoo.references.Reference`. A network's
    ``build(height, width, hidden, embedding, kernel, downsample, lead_steps)`` maps
    (B, T, 1, H, W) to (B, L, 1, H, W).
    """

    build: Callable[..., Any]
    label: str  # in tables and figures
    colour: str  # told apart from the others by colour-blind readers, too
    kind: Literal["reference", "recurrent", "stacked"] = "recurrent"
    """What is stacked puts frames into channels, and so is told how many: ``input_steps``."""
    graph: bool = False  # whether it learns one
    parts: Mapping[str, bool] = field(default_factory=dict)
    """What can be changed of it, one by one, and whether it has that."""
    recipe: str = "modern"  # unless another is asked for
    preset: str = "laptop"
    released_too: bool = False  # the main table also trains it by the released recipe
    in_main: bool = True  # the main table has its row


# Okabe and Ito's colours, and Tol's muted ones for the rivals.
MODELS = {
    "persistence": Model(Persistence, "Persistence", "#999999", "reference"),
    "climatology": Model(ClimatologyForecast, "Climatology", "#8c6d46", "reference"),
    "ridge": Model(Ridge, "Ridge 5×5", "#e69f00", "reference"),
    "ridge-eof": Model(RidgeEOF, "Ridge 5×5 + EOFs", "#ddcc77", "reference", in_main=False),
    "ridge-screened": Model(
        RidgeScreened, "Ridge 5×5, screened", "#b8860b", "reference", in_main=False
    ),
    "cnn-lstm": Model(CNNLSTM, "CNN then LSTM", "#999933"),
    "convlstm": Model(convlstm, "ConvLSTM", "#0072b2", released_too=True),
    "predrnn": Model(predrnn, "PredRNN", "#44aa99"),
    "sa-convlstm": Model(sa_convlstm, "SA-ConvLSTM", "#88ccee"),
    "agcrn": Model(AGCRN, "AGCRN", "#aa4499", graph=True),
    "dagg-convlstm": Model(dagg_convlstm, "DAGG-ConvLSTM", "#332288", graph=True),
    "simvp": Model(SimVP, "SimVP (gSTA)", "#117733", "stacked", parts={"stochastic_depth": False}),
    "predformer": Model(PredFormer, "PredFormer", "#661100", "stacked", in_main=False),
    "lsntp-equations": Model(
        LSNTP.equations,
        "LS-NTP (equations)",
        "#d55e00",
        graph=True,
        parts=EQUATIONS,
        released_too=True,
    ),
    "lsntp-released": Model(
        LSNTP.released,
        "LS-NTP (released)",
        "#cc79a7",
        graph=True,
        parts=RELEASED,
        released_too=True,
    ),
    "lsntp-untied": Model(
        LSNTP.untied, "LS-NTP (untied)", "#cc6677", graph=True, parts=UNTIED, in_main=False
    ),
    "lsntp-tuned": Model(
        DirectLSNTP,
        "LS-NTP (tuned)",
        "#882255",
        "stacked",
        graph=True,
        parts=PARTS,
        recipe="tuned",
        preset="tuned",
    ),
}
"""By name, in the book's order.

:meta hide-value:
"""

REFERENCES = tuple(name for name, model in MODELS.items() if model.kind == "reference")
NETWORKS = tuple(name for name in MODELS if name not in REFERENCES)
LABELS = {name: model.label for name, model in MODELS.items()}
"""What to call them in tables and figures."""
MAIN = tuple(name for name, model in MODELS.items() if model.in_main)
"""Those of the main table."""
