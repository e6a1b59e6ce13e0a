"""The studies of the book: which runs each is made of.

A study of one data set is an ordered mapping from the label of a table's row to the configs behind
it, one per seed. Its notebook shows their records (:func:`load`), ``lsntp campaign`` makes them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from lsntp.data.catalogue import REAL
from lsntp.data.checks import Count, Odd, checked
from lsntp.data.datasets import open_dataset
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.results import field_records
from lsntp.runs import records
from lsntp.runs.config import (
    PRESETS,
    Members,
    Models,
    Preset,
    PresetName,
    Recipes,
    RunConfig,
    Seeds,
)
from lsntp.runs.trained import inner_cells
from lsntp.runs.training import RECIPES, Recipe
from lsntp.zoo import LABELS, MAIN, MODELS, NETWORKS, REFERENCES

Study = dict[str, list[RunConfig]]

LSNTP = "lsntp-equations"
"""The form of LS-NTP that the studies vary."""

WITH_GRAPH = tuple(m for m in MAIN if MODELS[m].graph)
"""The networks that learn a graph."""

TUNED_UNTIED = "LS-NTP (tuned), untied"
"""Label of LS-NTP (tuned) with a kernel of its own for the links."""
CASE_MODELS = ("ridge", "convlstm", LSNTP, "lsntp-tuned")
"""The models of the study :func:`cases`."""

HIDDEN = (16, 64, 128)
EPOCHS = 70
"""Those of the released code."""
HALVED = ("era5-uk",)
"""Data sets of which the book has no rival on the whole grid."""
PREDFORMER = ("era5-uk",)
"""Data sets of which the book has it: a run takes many times as long as one of ConvLSTM."""
KERNELS = (1, 3, 5, 7)
MORE = 2
"""Seeds of the study :func:`more_seeds` beyond those of the others."""
BASELINE_KERNELS = (3, 5, 7, 9)
BASELINES = ("convlstm", "predrnn", "sa-convlstm")
DISTANCES = (0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Distances of the cut, as shares of the largest great-circle distance between two nodes."""
ROTATIONS = 4
"""Test periods, the data set's own and those before it."""

TRAINED_ALIKE = tuple(m for m in NETWORKS if m in MAIN and MODELS[m].recipe == "modern")
"""The networks of the main table that share preset and recipe."""

RELEASED_TOO = tuple(m for m in NETWORKS if MODELS[m].released_too)
"""The networks that are trained by the released recipe, too."""


@checked
def seeded(seeds: Seeds, **settings: Any) -> list[RunConfig]:
    """Return the configs of one row, one per seed; references have one."""
    return list({c.key: c for s in range(seeds) for c in [RunConfig(seed=s, **settings)]}.values())


@checked
def with_kernel(preset: PresetName, kernel: Odd) -> Preset:
    """Return a preset by name with another kernel."""
    return PRESETS[preset].model_copy(update={"kernel": kernel})


@checked
def main(
    dataset: str,
    preset: PresetName = "laptop",
    seeds: Seeds = 3,
    models: Models = MAIN,
    recipes: Recipes = ("modern", "released"),
) -> Study:
    """Table 3: every model by the first recipe, LS-NTP and ConvLSTM by the others, too."""
    study = {LABELS[m]: seeded(1, dataset=dataset, model=m) for m in models if m in REFERENCES}
    for recipe in recipes:
        for m in models:
            alike = m in NETWORKS and MODELS[m].recipe == "modern"
            if alike if recipe == recipes[0] else m in RELEASED_TOO:
                label = LABELS[m] + f", {recipe} recipe" * (recipe != recipes[0])
                study[label] = seeded(seeds, dataset=dataset, model=m, recipe=recipe, preset=preset)
    if "lsntp-tuned" in models:
        study[LABELS["lsntp-tuned"]] = tuned(dataset, preset, seeds)
    return study


def tuned(dataset: str, preset: str = "laptop", seeds: int = 3) -> list[RunConfig]:
    """LS-NTP (tuned), at its own size, or at that of any other preset than ``laptop``."""
    size = "tuned" if preset == "laptop" else preset
    return seeded(seeds, dataset=dataset, model="lsntp-tuned", recipe="tuned", preset=size)


@checked
def ensemble(dataset: str, preset: PresetName = "laptop", members: Members = 5) -> Study:
    """The mean forecast of several seeds: LS-NTP (tuned), and its twin with a convolution."""
    label = LABELS["lsntp-tuned"]
    rows = tuned_ablation(dataset, preset, 1)
    pair = {label: rows["LS-Conv"], f"{label}, twin": rows["convolution"]}
    return {f"{k}, mean of {members}": [again(c, members=members)] for k, (c,) in pair.items()}


def search(dataset: str, preset: str = "laptop", seeds: int = 1) -> Study:
    """Around LS-NTP (tuned): one thing altered at a time, to be read on validation windows."""
    (base,) = tuned(dataset, preset, 1)

    def changed(field: str, name: str, **values: Any) -> dict[str, Any]:
        return {field: getattr(base, field).model_copy(update={"name": f"tuned-{name}", **values})}

    rows: dict[str, dict[str, Any]] = {
        "as chosen": {},
        "16 hidden channels": changed("preset", "hidden-16", hidden=16),
        "48 hidden channels": changed("preset", "hidden-48", hidden=48),
        "learning rate 4e-3": changed("recipe", "rate-4e-3", learning_rate=4e-3),
        "weights not averaged": changed("recipe", "last", average=0.0),
        "from the last frame, no first guess": changed("recipe", "no-guess", guess="persistence"),
        "w/o learned places": {"parts": {"places": False}},
    }
    common = base.model_dump(include={"dataset", "model", "recipe", "preset"})
    return {label: seeded(seeds, **(common | change)) for label, change in rows.items()}


def again(config: RunConfig, **settings: Any) -> RunConfig:
    """Return a config with other settings."""
    return RunConfig(**(config.model_dump() | settings))


def changed(config: RunConfig, **parts: bool) -> RunConfig:
    """Return a config with other parts."""
    return again(config, parts=config.parts | parts)


def tuned_ablation(dataset: str, preset: str = "laptop", seeds: int = 3) -> Study:
    """What LS-Conv does for LS-NTP (tuned), and what a convolution in its place.

    *Two kernels*: LS-Conv with one of its own for the links.
    """
    rows: dict[str, dict[str, bool]] = {
        "LS-Conv": {},
        "convolution": {"nsa": False, "lagc": False},
        "two kernels": {"tied": False},
    }
    return {
        label: [changed(config, **parts) for config in tuned(dataset, preset, seeds)]
        for label, parts in rows.items()
    }


def tuned_recipe(dataset: str, preset: PresetName = "laptop", seeds: Seeds = 3) -> Study:
    """What the tuned recipe, with ridge's forecast as first guess, does for rivals.

    ConvLSTM also on the whole grid, as LS-NTP (tuned) is; by the modern recipe alone SimVP with
    stochastic depth, and PredFormer.
    """
    rivals = {LABELS[m]: (m, PRESETS[preset]) for m in ("convlstm", "simvp")}
    if dataset not in HALVED:
        rivals[f"{LABELS['convlstm']}, whole grid"] = ("convlstm", whole_grid(preset))
    study = {
        f"{label}, {recipe} recipe": seeded(
            seeds, dataset=dataset, model=m, recipe=recipe, preset=size
        )
        for label, (m, size) in rivals.items()
        for recipe in ("modern", "tuned")
    }
    study[f"{LABELS['simvp']}, stochastic depth, modern recipe"] = seeded(
        seeds, dataset=dataset, model="simvp", preset=preset, parts={"stochastic_depth": True}
    )
    if dataset in PREDFORMER:
        settings = {"dataset": dataset, "model": "predformer", "preset": preset}
        study[f"{LABELS['predformer']}, modern recipe"] = seeded(seeds, **settings)
    study[LABELS["lsntp-tuned"]] = tuned(dataset, preset, seeds)
    return study


def far_ridge(dataset: str) -> Study:
    """Ridge, and two linear models that see farther: one more cell for each, leading components."""
    models = ("ridge", "ridge-screened", "ridge-eof")
    return {LABELS[m]: seeded(1, dataset=dataset, model=m) for m in models}


def more_seeds(dataset: str, preset: PresetName = "laptop", seeds: Seeds = 3) -> Study:
    """LS-NTP, ConvLSTM and the twins of LS-NTP with `MORE` seeds than other networks have."""
    seeds += MORE
    parts = ablation(dataset, preset, seeds)
    networks = main(dataset, preset, seeds, ("convlstm", LSNTP, "lsntp-released"), ("modern",))
    best = tuned_ablation(dataset, preset, seeds)
    label = LABELS["lsntp-tuned"]
    return networks | {
        "w/o LAGC": parts["w/o LAGC"],
        LABELS["lsntp-untied"]: parts["two kernels"],
        label: best["LS-Conv"],
        f"{label}, twin": best["convolution"],
        TUNED_UNTIED: best["two kernels"],
    }


def cases(dataset: str, preset: str = "laptop") -> Study:
    """Q5: the models whose forecasts of three cases are kept, with the first seed."""
    study = {LABELS["ridge"]: seeded(1, dataset=dataset, model="ridge", cases=True)}
    for m in ("convlstm", LSNTP):
        study[LABELS[m]] = seeded(1, dataset=dataset, model=m, preset=preset, cases=True)
    (config,) = tuned(dataset, preset, 1)
    study[LABELS[config.model]] = [again(config, cases=True)]
    return study


def rotated(
    dataset: str,
    rotation: int,
    preset: str = "laptop",
    seeds: int = 3,
    models: Sequence[str] = MAIN,
) -> Study:
    """Table 3 by the modern recipe on another test period, everything fitted outside it."""
    return {
        label: [again(config, rotation=rotation) for config in row]
        for label, row in main(dataset, preset, seeds, models, ("modern",)).items()
    }


def ablation(dataset: str, preset: str = "laptop", seeds: int = 3, model: str = LSNTP) -> Study:
    """Table 4: LS-NTP without each of its parts, and with AGCRN's DAGG in LS-Conv's place.

    LS-NTP (equations) also with two kernels, one of them for the links.
    """
    common: dict[str, Any] = {"dataset": dataset, "preset": preset}
    full = common | {"model": model}
    neither = full | {"parts": {"nsa": False, "lagc": False}}
    if model == LSNTP:  # which is ConvLSTM
        neither = common | {"model": "convlstm"}
    rows = {
        "full": full,
        "w/o NSA": full | {"parts": {"nsa": False}},
        "w/o LAGC": full | {"parts": {"lagc": False}},
        "w/o NSA & LAGC": neither,
        "w/o LSI": full | {"preset": with_kernel(preset, 1)},
        "DAGG-ConvLSTM": common | {"model": "dagg-convlstm"},
    }
    if model == LSNTP:
        rows["two kernels"] = common | {"model": "lsntp-untied"}
    return {label: seeded(seeds, **settings) for label, settings in rows.items()}


@checked
def distances_km(dataset: str, preset: str = "laptop") -> list[int]:
    """Return the distances of Q1 for a data set, km, from 0 to the region's largest."""
    field = field_records.load(dataset)["case"] if dataset in REAL else open_dataset(dataset)
    nodes = inner_cells(RunConfig(dataset=dataset, model=LSNTP, preset=preset), field)
    largest = great_circle_km(*grid_nodes(nodes)).max()
    return [int(np.ceil(share * largest)) for share in DISTANCES]


def distance(dataset: str, preset: str = "laptop", seeds: int = 3) -> Study:
    """Q1: trained with the graph cut at each distance; *whole* is also cut once trained.

    The largest distance cuts nothing and is the whole graph.
    """
    common: dict[str, Any] = {"dataset": dataset, "model": LSNTP, "preset": preset}
    cuts = distances_km(dataset, preset)
    study = {f"{km} km": seeded(seeds, cut_km=km, **common) for km in cuts[:-1]}
    study["whole"] = seeded(seeds, test_cuts_km=cuts, **common)
    study["w/o LAGC"] = seeded(seeds, parts={"lagc": False}, **common)
    return study


def kernel(dataset: str, preset: str = "laptop", seeds: int = 3) -> Study:
    """Q2, Table 5: LS-Conv's kernel."""
    common: dict[str, Any] = {"dataset": dataset, "model": LSNTP}
    return {f"{k}@{k}": seeded(seeds, preset=with_kernel(preset, k), **common) for k in KERNELS}


def size(dataset: str, preset: str = "laptop", seeds: int = 3) -> Study:
    """Whether the gap between LS-NTP and ConvLSTM closes as both grow: hidden channels.

    128, a size for a GPU, on `ncep-na` alone.
    """
    base = PRESETS[preset]
    sizes = {
        n: base.model_copy(update={"name": f"{preset}-hidden-{n}", "hidden": n}) for n in HIDDEN
    }
    sizes[base.hidden] = base
    return {
        f"{LABELS[m]}, {n} channels": seeded(seeds, dataset=dataset, model=m, preset=sizes[n])
        for n in sorted(sizes)
        if n <= 64 or n == base.hidden or dataset == "ncep-na"
        for m in ("convlstm", LSNTP)
    }


def whole_grid(preset: PresetName) -> Preset:
    """Return a preset whose networks work on the grid as it is, not on every other cell."""
    base = PRESETS[preset]
    whole = base.model_copy(update={"name": f"{preset}-whole-grid", "downsample": False})
    return whole if base.downsample else base


def grid(dataset: str, preset: PresetName = "laptop", seeds: Seeds = 3) -> Study:
    """LS-NTP and ConvLSTM on the whole grid: what halving it before the network costs."""
    common: dict[str, Any] = {"dataset": dataset, "preset": whole_grid(preset)}
    return {
        f"{LABELS[m]}, whole grid": seeded(seeds, model=m, **common) for m in ("convlstm", LSNTP)
    }


@checked
def epochs(
    dataset: str, preset: PresetName = "laptop", seeds: Seeds = 3, long: Count = EPOCHS
) -> Study:
    """What the released recipe brings with more epochs, by default the released code's."""
    base = PRESETS[preset]
    longer = base.model_copy(update={"name": f"{preset}-{long}-epochs", "epochs": long})
    lengths = {base.epochs: base, long: base if long == base.epochs else longer}
    common: dict[str, Any] = {"dataset": dataset, "recipe": "released"}
    return {
        f"{LABELS[m]}, released recipe, {n} epochs": seeded(seeds, model=m, preset=length, **common)
        for n, length in lengths.items()
        for m in ("convlstm", "lsntp-released")
    }


def baseline_kernels(dataset: str, preset: str = "laptop", seeds: int = 3) -> Study:
    """Q3: the kernels of the rivals."""
    return {
        f"{LABELS[m]} {k}×{k}": seeded(
            seeds, dataset=dataset, model=m, preset=with_kernel(preset, k)
        )
        for k in BASELINE_KERNELS
        for m in BASELINES
    }


def altered(**fields: Any) -> Recipe:
    """Return the modern recipe with some fields altered, and a name that says so."""
    name = "-".join(["modern", *(f"{k}-{v}".lower() for k, v in fields.items())])
    return Recipe(**{**RECIPES["modern"].model_dump(), "name": name, **fields})


def paper_and_code(dataset: str, preset: str = "laptop", seeds: int = 3) -> Study:
    """What the released code does otherwise, one at a time."""
    common: dict[str, Any] = {"dataset": dataset, "model": LSNTP, "preset": preset}
    rows: dict[str, dict[str, Any]] = {
        "as the equations": {},
        "ReLU before the gates": {"parts": {"relu": True}},
        "no bias": {"parts": {"bias": False}},
        "peepholes per channel": {"parts": {"cell_peephole": False}},
        "one attention over [X, H]": {"parts": {"joint": True}},
        "GroupNorm in the attention": {"parts": {"norm": True}},
        "validation at random": {"recipe": altered(validation="random")},
        "min-max scaling": {"recipe": altered(scaler="minmax")},
        "forecast of the field": {"recipe": altered(residual=False)},
    }
    return {label: seeded(seeds, **(common | changed)) for label, changed in rows.items()}


def field_ablation(dataset: str, preset: str = "laptop", seeds: int = 3) -> Study:
    """LS-NTP that forecasts the field, not its change, with and without LAGC."""
    common: dict[str, Any] = {"dataset": dataset, "model": LSNTP, "preset": preset}
    field = altered(residual=False)
    return {
        "full": seeded(seeds, recipe=field, **common),
        "w/o LAGC": seeded(seeds, recipe=field, parts={"lagc": False}, **common),
    }


def paper(preset: str = "laptop", seeds: int = 3) -> list[Study]:
    """LS-NTP and ConvLSTM on the paper's own data, by its recipe, at its size or another preset's.

    At that size they are for a machine with a GPU; the data is to be fetched before.
    """
    models = ("persistence", "ridge", "convlstm", LSNTP, "lsntp-released")
    return [
        main(dataset, size if preset == "laptop" else preset, seeds, models, ("released",))
        for dataset, size in {"ncep-china": "paper", "era5-china": "paper-era5"}.items()
    ]


REAL_SETS = ("ncep-na", "era5-uk")
"""The data sets that the book's studies are made on."""
ROTATED = ("era5-uk",)
"""Those whose test period is rotated."""


@checked
def load(study: Mapping[str, list[RunConfig]], rerun: bool = False) -> dict[str, list[xr.Dataset]]:
    """Return the records of a study, row by row: those stored, or, with ``rerun``, your own.

    Those of your own that are missing are made and kept in :func:`lsntp.runs.records.own_store`;
    interrupted, it goes on where it was. They show what this machine makes of the configs.

    Raises
    ------
    RecordError
        If a record is missing, or was made from other data, and ``rerun`` is false.
    DataError
        If a data set's name is unknown.
    """
    configs = {c.key: c for row in study.values() for c in row}
    # an unknown name is told before a missing record
    now = {name: records.fingerprint_now(name) for name in {c.dataset for c in configs.values()}}
    if rerun:
        own = records.own_store()
        bar = tqdm(configs.items(), unit="run", file=sys.stdout)
        loaded = {key: records.run(c, folder=own) for key, c in bar}
    else:
        loaded = {key: records.find(c, now[c.dataset]) for key, c in configs.items()}
    return {label: [loaded[c.key] for c in row] for label, row in study.items()}


@checked
def rows(dataset: str, models: Models, preset: PresetName, seeds: Seeds) -> Study:
    """Take some models' rows, and those of persistence and ridge, from the study ``main``."""
    study = main(dataset, preset, seeds)
    return {LABELS[m]: study[LABELS[m]] for m in dict.fromkeys(("persistence", "ridge", *models))}
