"""The look that all figures share."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd
import seaborn as sns

from lsntp.zoo import LABELS, MODELS

COLOURS = {name: model.colour for name, model in MODELS.items()}
PALETTE = ("ridge", "convlstm", "lsntp-equations", "lsntp-released")
OTHER_COLOURS = ("#009e73", "#56b4e9", "#f0e442", "#000000")
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
WIDTH = 7.4  # inches; wider figures turn illegible on a phone


def style() -> None:
    """Set the look of all figures: legible at phone width, nothing not needed; tables whole.

    Notebooks show them as vectors without a ground: they stand on the page's own, light or dark.
    """
    if "ipykernel" in sys.modules:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None})
    pd.set_option("display.max_rows", None, "display.max_colwidth", None)
    sns.set_theme(
        context="notebook",
        style="ticks",
        palette=[*(COLOURS[m] for m in PALETTE), *OTHER_COLOURS],
        rc={
            "figure.dpi": 96,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "savefig.dpi": 144,  # of what is drawn in pixels inside a vector figure
            "svg.hashsalt": "lsntp",
            "savefig.bbox": "tight",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 12,
            "axes.labelsize": 12,
            "xtick.labelsize": 11,
            "ytick.labelsize": 11,
            "legend.fontsize": 11,
            "legend.frameon": False,
        },
    )


def model_colours(models: Sequence[str]) -> dict[str, str]:
    """Colour of each model: its own in every figure, free ones for models not known here."""
    unknown = [m for m in models if m not in COLOURS]
    free = dict(zip(unknown, OTHER_COLOURS * (1 + len(unknown) // 4), strict=False))
    return {m: COLOURS.get(m, free.get(m, "")) for m in models}


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Colours by the label of :data:`lsntp.zoo.LABELS`, as of :func:`model_colours`."""
    names = {label: name for name, label in LABELS.items()}
    colours = model_colours([names.get(label, label) for label in labels])
    return {label: colours[names.get(label, label)] for label in labels}
