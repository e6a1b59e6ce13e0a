"""All that the claims are measured on, and their effects in one picture.

Shown in the notebook ``00_claims``.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from lsntp.figures.style import WIDTH
from lsntp.results import claims, field_records, learned_graphs, pearson, studies
from lsntp.runs.experiment import inner_cells
from lsntp.runs.records import config_of
from lsntp.zoo import LABELS


def evidence(dataset: str, preset: str, seeds: int, rerun: bool = False) -> dict[str, Any]:
    """Load, or make, what the claims on one data set are measured on, by `claims.SECTIONS`.

    Raises
    ------
    RecordError
        If a record is missing and ``rerun`` is false.
    """
    main, released = studies.main(dataset, preset, seeds), "lsntp-released"
    field = field_records.studies([dataset])[dataset]
    chosen = {
        "main": main,
        "tuned": studies.tuned_ablation(dataset, preset, seeds),
        "ablation": studies.ablation(dataset, preset, seeds),
        "ablation-field": studies.field_ablation(dataset, preset, seeds),
        "ablation-released": studies.ablation(dataset, preset, seeds, model=released),
        "distance": studies.distance(dataset, preset, seeds),
        "kernel": studies.kernel(dataset, preset, seeds),
        "baseline-kernels": {
            claims.LSNTP: main[claims.LSNTP],
            **studies.baseline_kernels(dataset, preset, seeds),
        },
    }
    loaded: dict[str, Any] = {name: studies.load(study, rerun) for name, study in chosen.items()}
    if dataset in studies.ROTATED:
        loaded["weeks"] = [
            studies.load(studies.rotated(dataset, back, preset, seeds), rerun)
            for back in range(studies.ROTATIONS)
        ]
    for model in ("lsntp-equations", released):
        runs = loaded["main"][LABELS[model]]
        r = pearson.of_nodes(dataset, inner_cells(config_of(runs[0]), field["case"]))
        loaded[model] = learned_graphs.study(runs, field["case"], r)
    return loaded | {"field": field}


def forest(table: pd.DataFrame) -> np.ndarray:
    """Draw the effects on errors, a panel a data set: the difference and its 95 % interval.

    Filled where the interval excludes zero. To the left of zero ours errs less.

    Parameters
    ----------
    table : DataFrame
        From :func:`lsntp.results.claims.table`.

    Returns
    -------
    array of Axes
    """
    errors = table[table["unit"] == "K"]
    datasets = errors.index.unique("dataset")
    names = list(dict.fromkeys(zip(*map(errors.index.get_level_values, (0, 1)), strict=True)))
    size = (WIDTH, 1.2 + 0.3 * len(names))
    figure, axes = plt.subplots(1, len(datasets), figsize=size, sharey=True, squeeze=False)
    for ax, dataset in zip(axes[0], datasets, strict=True):
        here = errors.xs(dataset, level="dataset")
        for y, name in enumerate(names):
            if name in here.index:
                _interval(ax, here.loc[name], y)
        ax.axvline(0, color="#777777", linewidth=1, zorder=0)
        ax.set_title(dataset)
    figure.supxlabel("difference in MAE (K)")
    labels = [f"{says} ({form})" if form else says for says, form in names]
    axes[0, 0].set_yticks(range(len(names)), labels)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    return axes[0]


def _interval(ax: Axes, claim: pd.Series, y: int) -> None:
    colour = claims.COLOURS.get(claim["verdict"], "#777777")
    fill = colour if claim["low"] > 0 or claim["high"] < 0 else "white"
    ax.plot([claim["low"], claim["high"]], [y, y], color=colour, linewidth=2)
    ax.plot(claim["effect"], y, "o", color=colour, markerfacecolor=fill, markersize=6)
