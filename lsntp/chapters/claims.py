"""All that the claims are measured on.

Shown in the notebook ``00_claims``.
"""

from __future__ import annotations

from typing import Any

from lsntp.results import claims, field_records, learned_graphs, pearson, studies
from lsntp.runs.records import config_of
from lsntp.runs.trained import inner_cells
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
    if dataset not in studies.HALVED:
        grid = studies.grid(dataset, preset, seeds)
        chosen["grid"] = {claims.RIDGE: main[claims.RIDGE], **grid}
    loaded: dict[str, Any] = {name: studies.load(study, rerun) for name, study in chosen.items()}
    if dataset in studies.ROTATED:
        loaded["weeks"] = [
            studies.load(studies.rotated(dataset, back, preset, seeds), rerun)
            for back in reversed(range(studies.ROTATIONS))
        ]
    for model in ("lsntp-equations", released):
        runs = loaded["main"][LABELS[model]]
        r = pearson.of_nodes(dataset, inner_cells(config_of(runs[0]), field["case"]))
        loaded[model] = learned_graphs.study(runs, field["case"], r)
    return loaded | {"field": field}
