"""One function a figure: takes xarray or pandas, draws, returns matplotlib Axes.

Every map carries coastlines; every axis and colour bar names its unit. Pass `ax` to draw into a
figure of your own.
"""

from lsntp.figures.correlation import correlation_distance, correlation_map
from lsntp.figures.maps import (
    case_frames,
    coastlines,
    error_map,
    field_map,
    forecast_case,
    maps_row,
    mark,
)
from lsntp.figures.method import architecture, auc_dots, gate_histograms, learned_rows
from lsntp.figures.scores import SCORES, scores_by_lead, training_curves
from lsntp.figures.speed import GROWTH, case_bars, growth, lever_bars
from lsntp.figures.style import COLOURS, DIVERGING, SEQUENTIAL, WIDTH, model_colours, style

__all__ = [
    "COLOURS",
    "DIVERGING",
    "GROWTH",
    "SCORES",
    "SEQUENTIAL",
    "WIDTH",
    "architecture",
    "auc_dots",
    "case_bars",
    "case_frames",
    "coastlines",
    "correlation_distance",
    "correlation_map",
    "error_map",
    "field_map",
    "forecast_case",
    "gate_histograms",
    "growth",
    "learned_rows",
    "lever_bars",
    "maps_row",
    "mark",
    "model_colours",
    "scores_by_lead",
    "style",
    "training_curves",
]
