"""Studies on data sets with planted links, whether they are found and used.

Their notebooks are ``09_q4_learned_graph`` and ``17_power``.
"""

from __future__ import annotations

from typing import Any

from lsntp.results.studies import (
    LSNTP,
    TUNED_UNTIED,
    Study,
    again,
    altered,
    changed,
    seeded,
    tuned,
    whole_grid,
)
from lsntp.runs.config import PresetName, RunConfig, Seeds
from lsntp.zoo import LABELS

NETWORK_KERNELS = ("no graph", "one kernel", "two kernels")
"""Rows of each network in the study :func:`switches`."""
WAYS = ("without", "to find", "told")
"""Rows of each forecaster in the study :func:`power`."""

IN_FULL = "ncep-na-planted-100-lag1"
"""The data set on which most forecasters are tried."""
ASKED = (LABELS["ridge"], LABELS[LSNTP], TUNED_UNTIED)
"""The forecasters of the study :func:`power` on a data set that `PLANTED_SETS` does not name."""
PLANTED_SETS = {
    "ncep-na-planted-0-lag1": (LABELS["ridge"], TUNED_UNTIED),  # who is told is told nothing
    "ncep-na-planted-25-lag1": (LABELS["ridge"],),
    "ncep-na-planted-50-lag1": ASKED,
    IN_FULL: (*ASKED, *(LABELS[m] for m in ("lsntp-untied", "lsntp-released", "lsntp-tuned"))),
    "ncep-na-planted-50-lag4": (LABELS["ridge"],),
    "ncep-na-planted-100-lag4": (LABELS["ridge"], TUNED_UNTIED),
    "ncep-na-planted-200-lag4": (LABELS["ridge"], TUNED_UNTIED),
    "era5-uk-planted-0-lag1": (LABELS["ridge"], TUNED_UNTIED),
    "era5-uk-planted-50-lag1": (LABELS["ridge"],),
    "era5-uk-planted-100-lag1": ASKED,
}
"""The data sets of the study :func:`power`, and the forecasters that are tried on each."""


def on_synthetic(preset: str = "laptop", seeds: int = 3) -> Study:
    """Q4's made world: LS-NTP that forecasts the change, and the field."""
    common: dict[str, Any] = {"dataset": "synthetic", "model": LSNTP, "preset": preset}
    return {
        "forecasts the change": seeded(seeds, **common),
        "forecasts the field": seeded(seeds, recipe=altered(residual=False), **common),
    }


def power(dataset: str, preset: PresetName = "laptop", seeds: Seeds = 3) -> Study:
    """What links planted in a data set bring to whoever has to find them, or is told.

    Each forecaster has three rows, ``forecaster, way`` of `WAYS`: *without* far links, as it finds
    them, *told* the truth. Which are tried on a data set, `PLANTED_SETS` says.
    """
    common: dict[str, Any] = {"dataset": dataset, "preset": preset}
    ridge, found = (seeded(1, dataset=dataset, model=m) for m in ("ridge", "ridge-screened"))
    models = (LSNTP, "lsntp-untied", "lsntp-released")
    equations, untied, released = (seeded(seeds, model=m, **common) for m in models)
    best = tuned(dataset, preset, seeds)
    best_untied = [changed(c, tied=False) for c in best]
    # without a graph nothing is left to tie
    without, released_without, best_without = (
        [changed(c, lagc=False) for c in row] for row in (equations, released, best_untied)
    )
    rows = {
        LABELS["ridge"]: (ridge, found, ridge),
        LABELS[LSNTP]: (without, equations, equations),
        LABELS["lsntp-untied"]: (without, untied, untied),
        LABELS["lsntp-released"]: (released_without, released, released),
        LABELS["lsntp-tuned"]: (best_without, best, best),
        TUNED_UNTIED: (best_without, best_untied, best_untied),
    }
    return {
        f"{label}, {way}": [again(c, told=True) for c in row] if way == "told" else row
        for label, three in rows.items()
        if label in PLANTED_SETS.get(dataset, ASKED)
        for way, row in zip(WAYS, three, strict=True)
    }


def switches(dataset: str, preset: PresetName = "laptop") -> Study:
    """What keeps LS-NTP from using links that it is told: one seed of four networks, each thrice.

    Rows are ``network, kernel`` of `NETWORK_KERNELS`: without a graph; told the links, with the
    paper's one kernel for a cell and its links; with one of their own.
    """
    whole = whole_grid(preset)
    common: dict[str, Any] = {"dataset": dataset, "preset": preset, "model": "lsntp-untied"}
    (best,) = tuned(dataset, preset, 1)
    networks = {
        "LS-NTP": RunConfig(**common),
        "… that forecasts the field": RunConfig(**common, recipe=altered(residual=False)),
        "… on the whole grid": RunConfig(**(common | {"preset": whole})),
        "LS-NTP (tuned)": changed(best, tied=False),
    }
    study: Study = {}
    for label, config in networks.items():
        own = again(config, told=True)
        one = changed(own, tied=True) if config.model == best.model else again(own, model=LSNTP)
        three = (changed(config, lagc=False), one, own)
        study |= {f"{label}, {k}": [c] for k, c in zip(NETWORK_KERNELS, three, strict=True)}
    return study
