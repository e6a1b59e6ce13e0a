"""One function a figure: takes xarray or pandas, draws, returns matplotlib Axes.

Every map carries coastlines; every axis and colour bar names its unit. Pass `ax` to draw into a
figure of your own.
"""

from lsntp.figures import schematics
from lsntp.figures.claims import claims_grid
from lsntp.figures.maps import (
    case_frames,
    coastlines,
    field_map,
    forecast_maps,
    maps_row,
    mark,
)
from lsntp.figures.scores import models_dots, scores_by_lead, training_curves, weeks_dots
from lsntp.figures.studies import auc_dots
from lsntp.figures.style import (
    COLOURS,
    DIVERGING,
    SEQUENTIAL,
    WIDTH,
    label_colours,
    model_colours,
    style,
)

__all__ = [
    "COLOURS",
    "DIVERGING",
    "SEQUENTIAL",
    "WIDTH",
    "auc_dots",
    "case_frames",
    "claims_grid",
    "coastlines",
    "field_map",
    "forecast_maps",
    "label_colours",
    "maps_row",
    "mark",
    "model_colours",
    "models_dots",
    "schematics",
    "scores_by_lead",
    "style",
    "training_curves",
    "weeks_dots",
]
