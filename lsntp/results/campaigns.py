"""The book's studies by name, for ``lsntp campaign``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from lsntp.data.catalogue import LINKED
from lsntp.data.checks import checked, one_of
from lsntp.results import planted, studies
from lsntp.results.studies import HALVED, REAL_SETS, ROTATED, ROTATIONS, Study
from lsntp.runs.config import PresetName, RunConfig, Seeds

Studies = Callable[[Sequence[str], str, int], list[Study]]


def _of_each(build: Callable[..., Study], **settings: Any) -> Studies:
    return lambda sets, preset, seeds: [build(d, preset, seeds, **settings) for d in sets]


def _of_planted(build: Callable[..., Study], ours: Sequence[str]) -> Studies:
    return lambda sets, preset, seeds: [
        build(name, preset, seeds)
        for name in LINKED
        if name in (ours if sets == REAL_SETS else sets)
    ]


STUDIES: dict[str, Studies] = {
    "main": _of_each(studies.main),
    "ablation": _of_each(studies.ablation),
    "search": lambda sets, preset, seeds: [studies.search(d, preset) for d in sets],
    "tuned": _of_each(studies.tuned_ablation),
    "tuned-recipe": _of_each(studies.tuned_recipe),
    "cases": lambda sets, preset, seeds: [studies.cases(d, preset) for d in sets],
    "kernel": _of_each(studies.kernel),
    "distance": _of_each(studies.distance),
    "planted": lambda sets, preset, seeds: [planted.on_synthetic(preset, seeds)],
    "paper-and-code": _of_each(studies.paper_and_code),
    "ablation-field": _of_each(studies.field_ablation),
    "ablation-released": _of_each(studies.ablation, model="lsntp-released"),
    "weeks": lambda sets, preset, seeds: [
        studies.rotated(d, r, preset, seeds)
        for d in sets
        if d in ROTATED or d not in REAL_SETS
        for r in range(1, ROTATIONS)
    ],
    "baseline-kernels": _of_each(studies.baseline_kernels),
    "far-ridge": lambda sets, preset, seeds: [studies.far_ridge(d) for d in sets],
    "ensemble": lambda sets, preset, seeds: [studies.ensemble(d, preset) for d in sets],
    "power": _of_planted(planted.power, (*planted.PLANTED_SETS, "synthetic")),
    "switches": _of_planted(
        lambda name, preset, _: planted.switches(name, preset), (planted.IN_FULL,)
    ),
    "more-seeds": _of_each(studies.more_seeds),
    "size": _of_each(studies.size),
    "grid": lambda sets, preset, seeds: [
        studies.grid(d, preset, seeds) for d in sets if d not in HALVED or sets != REAL_SETS
    ],
    "epochs-once": lambda sets, preset, seeds: [studies.epochs("era5-uk", preset, 1)],
}
"""By name, in the order to run them; each gives its study of every data set it is made on."""
OTHERS: dict[str, Studies] = {
    "epochs": _of_each(studies.epochs),
    "paper": lambda sets, preset, seeds: studies.paper(preset, seeds),
}
"""Likewise, studies of which the book has no records."""


NAMES = (*STUDIES, *OTHERS, "all")


@checked
def configs(
    name: Annotated[str, one_of(NAMES)],
    preset: PresetName,
    seeds: Seeds,
    datasets: Sequence[str] = REAL_SETS,
) -> list[RunConfig]:
    """Return the configs of a study, or of "all" the book's, each once, in the order to run them.

    Raises
    ------
    ValueError
        If there is no such study or preset, or no seed.
    """
    chosen = STUDIES.values() if name == "all" else [{**STUDIES, **OTHERS}[name]]
    rows = [
        row for make in chosen for study in make(datasets, preset, seeds) for row in study.values()
    ]
    return list({config.key: config for row in rows for config in row}.values())
