"""Bad input, by the door it comes in: refused in a sentence that names it; the remedy is taken.

A row is what is called, what the refusal must name, and the same call with the remedy. No row pins
a wording. `python -m tests.test_bad_input` prints the table with what each row is told.
"""

from __future__ import annotations

import ast
import re
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import numpy as np
import pandas as pd
import pydantic
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

from benchmarks.__main__ import bench as measure
from lsntp import (
    LSNTP,
    NSA,
    AdaptiveGraph,
    DistanceCut,
    LSConv,
    RunConfig,
    StrongestLinks,
    graph_product,
    great_circle_km,
    open_dataset,
    score,
    zoo,
)
from lsntp.chapters import parameters
from lsntp.cli import app
from lsntp.data.climatology import Climatology
from lsntp.data.datasets import fetch
from lsntp.data.distances import grid_nodes
from lsntp.data.fields import standardise
from lsntp.data.synthetic import synthetic
from lsntp.data.windows import MinMax, StandardisedAnomaly, prepare
from lsntp.model.convlstm import ConvLSTMCell, ConvLSTMLayer
from lsntp.model.graph import adaptive_adjacency
from lsntp.model.lsconv import lagc
from lsntp.results import campaigns, field_records, studies, tables
from lsntp.runs import metrics, records, training
from lsntp.runs.config import PRESETS
from lsntp.runs.training import RECIPES

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
NO_COUNTS = (0, -1, 2.5, "3", None, True, 10**12)
NO_NAMES = ("", "nonsense", 5, None, [])


class Row(NamedTuple):
    kind: str
    call: Callable[[], object]
    names: str
    remedied: Callable[[], object] | None = None


ROWS: list[Row] = []


def row(kind: str, call: Callable, names: object, remedied: Callable | None = None) -> None:
    ROWS.append(Row(kind, call, str(names) or "''", remedied))


def arguments(
    kind: str, call: Callable, good: dict[str, Any], bad: dict[str, tuple], named: bool = True
) -> None:
    """Spoil one argument of a call that is good; the refusal names it and its value."""
    for argument, values in bad.items():
        for value in values:
            spoilt = partial(call, **{**good, argument: value})
            names = repr(value) if named else str(value)
            row(kind, spoilt, names, partial(call, **good))


# ---- sizes, switches and names of public functions


def lsconv(**settings: Any) -> LSConv:
    return LSConv(**({"in_channels": 3, "out_channels": 4} | settings))


def network(name: str = "lsntp-equations", **settings: Any) -> torch.nn.Module:
    sizes = {"height": 6, "width": 7, "hidden": 4, "embedding": 4, "kernel": 3}
    return zoo.MODELS[name].build(**(sizes | {"downsample": False, "lead_steps": 2} | settings))


def config(**settings: Any) -> RunConfig:
    return RunConfig(**({"dataset": "synthetic", "model": "lsntp-equations"} | settings))


def preset(**settings: Any) -> RunConfig:
    return config(preset=PRESETS["smoke"].model_dump() | settings)


def recipe(**settings: Any) -> RunConfig:
    return config(recipe=RECIPES["modern"].model_dump() | settings)


row("operator", partial(NSA, 3, False, 5), "5")  # one argument too many
row("operator", partial(AdaptiveGraph, 12, 3, None, "auto", 7), "7")
NO_KERNELS = (*NO_COUNTS, 2, 4)
NO_SEEDS = (-1, 2**63, 2**64, 10**30, 1.5, "0", None, True)
arguments(
    "operator",
    lsconv,
    {},
    {
        "in_channels": NO_COUNTS,
        "out_channels": NO_COUNTS,
        "kernel": NO_KERNELS,
        "nsa": ("no", 1, None),
        "lagc": ("yes", 0),
        "relu": (2,),
        "bias": ("False",),
        "split": ((1, 1), 3, "12"),
        "kernal": (3,),
    },
)
arguments("operator", NSA, {"channels": 3}, {"channels": NO_COUNTS, "norm": ("no",)})
arguments(
    "graph",
    AdaptiveGraph,
    {"nodes": 12, "size": 3},
    {
        "nodes": NO_COUNTS,
        "size": NO_COUNTS,
        "cut": (100.0, "100 km"),
        "method": ("sparse", "", None),
    },
)
arguments(
    "graph",
    partial(StrongestLinks, torch.zeros(12, 3)),
    {"links": 4},
    {"links": (*NO_COUNTS, 13)},
)
arguments(
    "network",
    network,
    {},
    {
        "height": NO_COUNTS,
        "width": (0, None),
        "hidden": NO_COUNTS,
        "embedding": NO_COUNTS,
        "kernel": NO_KERNELS,
        "lead_steps": NO_COUNTS,
        "downsample": ("no", 1),
        "nsa": ("no",),
        "attention": (True,),
        "cut": (300.0,),
    },
)
for name in zoo.NETWORKS:
    arguments("network", partial(network, name), {}, {"hidden": (0, 2.0), "lead_steps": ("6",)})
row(
    "network",
    partial(network, height=1, downsample=True),
    "1×7",
    partial(network, height=2, downsample=True),
)
row("network", partial(LSNTP.equations, 6), "hidden", network)
row("network", partial(LSNTP.equations, 6, 7, 4, 4, hidden=5), "hidden=5", network)
row(
    "network",
    partial(network, "lsntp-tuned", cnn=True),
    "cnn",
    partial(network, "lsntp-tuned", nsa=False),
)
arguments(
    "cell",
    lambda **settings: ConvLSTMCell(
        **({"operator": lsconv(in_channels=3, out_channels=8)} | settings)
    ),
    {"hidden": 2, "peephole": (1, 1)},
    {"hidden": NO_COUNTS, "peephole": (1,), "operator": (None, "conv")},
)
arguments(
    "config",
    config,
    {},
    {
        "dataset": ("", 5, None),
        "model": NO_NAMES,
        "recipe": ("", "nonsense", 5, [], {}, False),
        "preset": ("", "nonsense", 5, [], {}, 0),
        "seed": NO_SEEDS,
        "input_steps": NO_COUNTS,
        "lead_steps": NO_COUNTS,
        "rotation": (-1, 1.5, "1", None),
        "parts": (
            None,
            [],
            "nsa",
        ),
        "cut_km": (-1.0, float("nan"), float("inf"), "300", [300], True),
        "test_cuts_km": (None, 5, "300"),
        "cases": ("yes", 1, None),
        "epoch": (3,),
    },
)
row("config", partial(config, parts={"cnn": False}), "cnn", partial(config, parts={"nsa": False}))
row("config", partial(config, model="convlstm", cut_km=5.0), "5.0", partial(config, cut_km=5.0))
row("config", partial(RunConfig.model_validate, [1]), "[1]")
row("config", partial(config, parts={"nsa": "no"}), "no", partial(config, parts={"nsa": False}))
for km in (-1.0, float("nan"), float("inf"), "300", None):
    cut = partial(config, test_cuts_km=[5.0, km])
    row("config", cut, km, partial(config, test_cuts_km=[5.0, 9]))
row("operator", partial(lsconv, split=(1, 2.5)), "2.5", partial(lsconv, split=(1, 2)))
row(
    "config",
    partial(config, model="ridge", recipe="nonsense"),
    "nonsense",
    partial(config, model="ridge"),
)
arguments(
    "config",
    preset,
    {},
    {
        "hidden": NO_COUNTS,
        "embedding": (0, "64"),
        "kernel": NO_KERNELS,
        "epochs": (0, 1.5),
        "batch_size": (0, -8),
        "downsample": ("yes", 1),
        "layers": (2,),
    },
)
arguments(
    "config",
    recipe,
    {},
    {
        "scaler": ("zscore", None),
        "validation": ("rnadom",),
        "loss": ("huber", ""),
        "schedule": ("cosine",),
        "learning_rate": (0.0, -1e-3, float("nan"), float("inf"), "1e-3", None),
        "clip_norm": (0.0, "1"),
        "weight_decay": (-1.0,),
        "average": (1.0, -0.1),
        "residual": ("yes",),
    },
)
arguments(
    "world",
    synthetic,
    {"height": 8, "width": 8, "steps": 10, "links": 0},
    {
        "height": (0, 7, 8.0, "8"),
        "width": (0, None),
        "steps": (0, 9, True),
        "links": (-1, 99, "2"),
        "seed": NO_SEEDS,
        "step_hours": (0, 1.5),
    },
)

# ---- tensors


def at(*shape: int, **settings: Any) -> torch.Tensor:
    return torch.zeros(*shape, **settings)


def operate(x: Any = None, adjacency: Any = None, **settings: Any) -> torch.Tensor:
    graph = AdaptiveGraph(12, 3).adjacency() if adjacency is None else adjacency
    return lsconv(**settings)(at(2, 3, 3, 4) if x is None else x, graph)


NO_FIELDS: dict[str, Any] = {
    "(2, 5, 3, 4)": at(2, 5, 3, 4),
    "(3, 3, 4)": at(3, 3, 4),
    "(0, 3, 3, 4)": at(0, 3, 3, 4),
    "(2, 3, 0, 4)": at(2, 3, 0, 4),
    "float64": at(2, 3, 3, 4, dtype=torch.float64),
    "int64": at(2, 3, 3, 4, dtype=torch.int64),
    "complex64": at(2, 3, 3, 4, dtype=torch.complex64),
    "ndarray": np.zeros((2, 3, 3, 4), np.float32),
    "'x'": "x",
    "[1]": [1],
}
for said, x in NO_FIELDS.items():
    row("tensor", partial(operate, x), said, operate)
    row("tensor", partial(NSA(3), x), said, partial(NSA(3), at(2, 3, 3, 4)))
row("tensor", partial(NSA(3), None), "None")
for said, adjacency in {
    "AdaptiveGraph()": AdaptiveGraph(12, 3),
    "(11, 11)": torch.eye(11),
    "(12,)": torch.ones(12),
    "float64": torch.eye(12, dtype=torch.float64),
    "ndarray": np.eye(12, dtype=np.float32),
    "'graph'": "graph",
    "(20, 20)": AdaptiveGraph(20, 3).adjacency(),
    "torch.float64": AdaptiveGraph(12, 3).double().adjacency(),
}.items():
    row("adjacency", partial(operate, adjacency=adjacency), said, operate)
    row("adjacency", partial(lagc, at(2, 3, 3, 4), adjacency), said, operate)
row("adjacency", partial(lsconv(), at(2, 3, 3, 4)), "adjacency", operate)

FRAMES = at(2, 3, 1, 6, 7)
for name in zoo.NETWORKS:
    model = network(name, **({"input_steps": 3} if zoo.MODELS[name].kind == "stacked" else {}))
    for said, x in {
        "(2, 3, 1, 7, 6)": at(2, 3, 1, 7, 6),
        "(0, 3, 1, 6, 7)": at(0, 3, 1, 6, 7),
        "float64": FRAMES.double(),
    }.items():
        row("tensor", partial(model, x), said, partial(model, FRAMES))
for said, x in {
    "(6, 7)": at(6, 7),
    "int64": FRAMES.long(),
    "None": None,
    "DataArray": xr.DataArray(),
}.items():
    row("tensor", partial(network(), x), said)

LAYER = ConvLSTMLayer(ConvLSTMCell(lsconv(in_channels=3, out_channels=8, lagc=False), 2, (3, 4)))
STATE = at(2, 2, 3, 4), at(2, 2, 3, 4)
for said, given in {
    "(2, 3, 3, 4)": {"x": at(2, 3, 3, 4)},
    "(2, 0, 1, 3, 4)": {"x": at(2, 0, 1, 3, 4)},
    "(2, 7, 3, 4)": {"x": at(2, 2, 5, 3, 4)},
    "(2, 2, 3, 5)": {"x": at(2, 2, 1, 3, 5)},
    "None": {"x": None, "state": STATE},
    "(3, 2, 3, 4)": {"x": at(2, 2, 1, 3, 4), "state": (at(3, 2, 3, 4), at(2, 2, 3, 4))},
    "(2, 9, 3, 4)": {"x": at(2, 2, 1, 3, 4), "state": (STATE[0], at(2, 9, 3, 4))},
    "state=5": {"x": at(2, 2, 1, 3, 4), "state": 5},
}.items():
    row("state", partial(LAYER, **given), said, partial(LAYER, at(2, 2, 1, 3, 4), STATE))
for hidden in (1, 3):  # not what the operator gives
    cell = ConvLSTMCell(lsconv(in_channels=3, out_channels=8, lagc=False), hidden, (3, 4))
    other = at(2, hidden, 3, 4)
    row("state", partial(cell, at(2, 3 - hidden, 3, 4), (other, other)), f"{4 * hidden}, 3, 4")
row(
    "state",
    partial(LAYER.cell, at(2, 1, 3, 4), None),
    "None",
    partial(LAYER.cell, at(2, 1, 3, 4), STATE),
)

E = at(12, 3)
X = at(12, 2)
for said, given in {
    "(12,)": (at(12), X),
    "None": (None, X),
    "float16": (E.half(), X.half()),
    "int64": (E.long(), X),
    "(0, 3)": (at(0, 3), at(0, 2)),
    "(11, 2)": (E, at(11, 2)),
    "float64": (E, X.double()),
    "ndarray": (E, X.numpy()),
    "'sparse'": (E, X, "sparse"),
    "5": (E, X, 5),
}.items():
    if said not in ("'sparse'", "5"):
        row("product", partial(graph_product, *given), said, partial(graph_product, E, X))
row(
    "product",
    partial(graph_product, E, X, "sparse"),
    "sparse",
    partial(graph_product, E, X, "tiled"),
)
row("product", partial(graph_product, E, X, cut=100.0), "100.0")
row("product", partial(graph_product, E, X, cut=DistanceCut([0.0, 1], [0, 1], 9.0)), "2")
row("product", partial(StrongestLinks, None, 3), "None", partial(StrongestLinks, E, 3))
row("product", partial(StrongestLinks, E[0], 1), "(3,)")
row("product", partial(adaptive_adjacency, E.numpy()), "ndarray", partial(adaptive_adjacency, E))

# ---- places on the globe

LAT, LON = np.array([10.0, 20.0]), np.array([0.0, 30.0])
for call in (great_circle_km, partial(DistanceCut, km=5.0)):
    for said, places in {
        "1000": (LAT, LON + 1000),
        "110": (LAT + 100, LON),
        "nan": (LAT, LON * np.nan),
        "inf": (LAT, LON + np.inf),
        "(1,)": (LAT, LON[:1]),
        "()": (10.0, 20.0),
        "(0,)": (LAT[:0], LON[:0]),
        "(2, 1)": (LAT[:, None], LON[:, None]),
        "<U5": ("north", "east"),
        "complex": (LAT + 1j, LON),
    }.items():
        row("globe", partial(call, *places), said, partial(call, LAT, LON))
arguments(
    "globe",
    partial(DistanceCut, LAT, LON),
    {"km": 5.0},
    {"km": (-1.0, float("nan"), "5", None, [5.0], True)},
)
for said, place in {
    "None": None,
    "DataArray": xr.DataArray(np.zeros((2, 2)), dims=("lat", "lon")),
}.items():
    row("globe", partial(grid_nodes, place), said)

# ---- fields of one's own

FIELD = synthetic(height=8, width=9, steps=200, links=0)["t2m"]


def spoilt(values: Any = None, **coordinates: Any) -> xr.DataArray:
    field = FIELD if values is None else FIELD.copy(data=values)
    return field.assign_coords(coordinates)


VALUES = FIELD.to_numpy()
NO_DATA: dict[str, Any] = {
    "None": None,
    "ndarray": VALUES,
    "'a.nc'": "a.nc",
    "1e+30": spoilt(np.where(VALUES.max() == VALUES, 1e30, VALUES.astype(float))),
    "inf": spoilt(np.where(VALUES.max() == VALUES, np.inf, VALUES)),
    "NaN": spoilt(np.where(VALUES.max() == VALUES, np.nan, VALUES)),
    "-1": spoilt(np.where(VALUES.max() == VALUES, -1, VALUES)),
    "280": spoilt(np.full_like(VALUES, 280)),
    "complex": spoilt(VALUES.astype(complex)),
    "<U": spoilt(VALUES.astype(str)),
    "object": spoilt(VALUES.astype(object)),
    "bool": spoilt(VALUES > 280),
    "timedelta": spoilt(VALUES.astype("timedelta64[s]")),
    "degC": FIELD - 273.15,
    "1000": spoilt(lon=FIELD["lon"].to_numpy() + 1170),
    "100": spoilt(lat=np.linspace(100, 30, 8)),
    "nan": spoilt(lat=np.where(FIELD["lat"] > 50, np.nan, FIELD["lat"])),
    "lon": spoilt(lon=[f"{x:g} E" for x in FIELD["lon"].to_numpy()]),
    "lat": FIELD.drop_vars("lat"),
    "time": FIELD.drop_vars("time"),
    "int64": spoilt(time=np.arange(200)),
    "without time": FIELD[0].drop_vars("time"),
    "8 x 1": FIELD[:, :, :1],
    "0 x 9": FIELD[:, :0],
    "0 time": FIELD[:0],
    "1 time(s)": FIELD[0],
    "1 time": FIELD[:1],
    "2 fields": xr.Dataset({"a": FIELD, "b": FIELD}),
    "no field": xr.Dataset(),
    "2001-01-01": FIELD[[0, 1, 1, 2]],
}
for said, data in NO_DATA.items():
    row("field", partial(standardise, data), said, partial(standardise, FIELD))


def windows(field: Any = FIELD, **settings: Any) -> object:
    common = {"input_steps": 3, "lead_steps": 2, "scaler": "anomaly", "validation": "blocked"}
    return prepare(field, **(common | settings))


arguments(
    "windows",
    windows,
    {},
    {
        "input_steps": (*NO_COUNTS[:-1], 10**6),
        "lead_steps": NO_COUNTS[:-1],
        "scaler": NO_NAMES,
        "validation": NO_NAMES,
        "rotation": (-1, "1", 1.0, 7),
    },
    named=False,
)
SEASONLESS = spoilt(np.broadcast_to(VALUES[:24], (9, *VALUES[:24].shape)).reshape(216, 8, 9)[:200])
for said, field, changed in (
    ("None", None, {}),
    ("ndarray", VALUES, {}),
    ("Dataset", xr.Dataset({"t2m": FIELD}), {}),
    ("(9, 8, 200)", FIELD.T, {}),
    ("test_start", FIELD.drop_attrs(), {}),
    ("2099", FIELD.assign_attrs(test_start="2099-01-01"), {}),
    ("1 inside", FIELD[:2].assign_attrs(test_start="2001-01-01T01:00:00"), {}),
    ("0 K", spoilt(np.full_like(VALUES, 280)), {}),
    ("0 K", spoilt(np.full_like(VALUES, 280)), {"scaler": "minmax"}),
    ("K", SEASONLESS, {}),
    ("nan", spoilt(VALUES * np.nan), {"scaler": "minmax"}),
):
    row("windows", partial(windows, field, **changed), said, windows)
for fitted in (Climatology(), MinMax(), StandardisedAnomaly()):
    for said, field in {"None": None, "ndarray": VALUES, "(0, 8, 9)": FIELD[:0]}.items():
        row("windows", partial(fitted.fit, field), said, partial(fitted.fit, FIELD))
row("windows", partial(MinMax().fit, FIELD[:1, :1, :1]), "0 K")
arguments(
    "training",
    training.check_settings,
    {"epochs": 1, "batch_size": 8, "seed": 0},
    {"epochs": (-1, "1", 1.5), "batch_size": (0, -1, None), "seed": NO_SEEDS},
)
arguments("training", training.launch, {"device": "cpu"}, {"device": ("tpu", "", None, 0, [])})
if not torch.cuda.is_available():
    row("training", partial(training.launch, "cuda"), "cuda", partial(training.launch, "auto"))
arguments(
    "observations",
    field_records.case,
    {"test": FIELD},
    {"inputs": NO_COUNTS[:-1], "leads": (0, 500)},
)
for said, field in {"None": None, "test_start": FIELD.drop_attrs(), "(8, 9)": FIELD[0]}.items():
    row("observations", partial(field_records.study, field), said)

# ---- scores


def forecast(**spoil: Callable[[xr.DataArray], Any]) -> xr.Dataset:
    dims, shape = ("sample", "lead", "lat", "lon"), (3, 2, 8, 9)
    noise = np.random.default_rng(0).normal(280, 5, (2, *shape))
    pair = {
        name: xr.DataArray(a, dims=dims) for name, a in zip(("pred", "target"), noise, strict=True)
    }
    return score(**{name: spoil.get(name, lambda a: a)(a) for name, a in pair.items()})


SPOIL: dict[str, Callable[[xr.DataArray], Any]] = {
    "ndarray": lambda a: a.to_numpy(),
    "NoneType": lambda a: None,
    "lead": lambda a: a[:, 0],
    "'lat': 7": lambda a: a[:, :, :7],
    "'lead': 1": lambda a: a[:, :1],
    "1 NaN": lambda a: a.where(a < a.max()),
    "144 NaN": lambda a: xr.where(a.sample == 0, np.inf, a).transpose(*a.dims),
    "1e+30": lambda a: a.where(a < a.max(), 1e30),
    "degC": lambda a: a.assign_attrs(units="degC"),
    "median 6": lambda a: a - 273.15,
    "complex": lambda a: a.astype(complex),
    "<U": lambda a: a.astype(str),
    "object": lambda a: a.astype(object),
    "'sample': 0": lambda a: a[:0],
    "bool": lambda a: a > 0,
}
for said, spoil in SPOIL.items():
    row("score", partial(forecast, pred=spoil), said, forecast)
    row("score", partial(forecast, target=spoil), said, forecast)
row("score", partial(forecast, target=lambda a: a * 0 + 280), "280")
row("score", partial(forecast, target=lambda a: a * 10), "kelvin")
row("score", partial(forecast, **{n: lambda a: a[..., :6] for n in ("pred", "target")}), "8×6")
row(
    "score",
    partial(
        forecast,
        pred=lambda a: a.assign_coords(lat=range(8)),
        target=lambda a: a.assign_coords(lat=range(1, 9)),
    ),
    "lat",
)
row("score", partial(metrics.error_maps, None, None), "NoneType")

# ---- data sets, studies, tables, records

for given in ("", "ncep-an", "nowhere/field.nc", ".", "a" * 300, "a\0b"):
    row(
        "data set",
        partial(open_dataset, given),
        repr(given)[1:20],
        partial(open_dataset, "synthetic"),
    )
for given in (None, 5, ["synthetic"], {}):
    row("data set", partial(open_dataset, given), repr(given))
row("data set", partial(fetch, "nonsense"), "nonsense")
row("data set", partial(fetch, []), "[]")
row("data set", partial(field_records.studies, []), "[]")
row("data set", partial(field_records.studies, None), "None")
row(
    "data set",
    partial(field_records.studies, "ncep"),
    "ncep",
    partial(field_records.studies, "era5-uk"),
)
row("data set", partial(field_records.studies, ["era5-uk", 5]), "5")
row("data set", partial(field_records.studies, "era5-uk", "no"), "no")

for build in (studies.main, studies.ablation, studies.kernel):
    arguments(
        "study",
        build,
        {"dataset": "era5-uk"},
        {"seeds": (*NO_COUNTS, 2000), "preset": ("huge", "", 5, None, []), "dataset": ("", None)},
    )
arguments(
    "study",
    studies.main,
    {"dataset": "era5-uk"},
    {
        "models": ([], "nonsense", None),
        "recipes": ([], "nonsense", None),
    },
    named=False,
)
for models in (["convlsm"], ["ridge", ""]):
    row("study", partial(studies.main, "era5-uk", models=models), repr(models[-1]))
for recipes in (["old"], ["tuned", ""]):
    row("study", partial(studies.main, "era5-uk", recipes=recipes), repr(recipes[-1]))
arguments("study", studies.with_kernel, {"preset": "smoke", "kernel": 3}, {"kernel": NO_KERNELS})
arguments("study", partial(studies.rotated, "era5-uk"), {"rotation": 1}, {"rotation": (-1, "1")})
arguments(
    "study",
    campaigns.configs,
    {"name": "cases", "preset": "smoke", "seeds": 1},
    {"name": NO_NAMES, "preset": ("huge",), "seeds": (0,)},
)
arguments(
    "study",
    partial(studies.rows, "era5-uk"),
    {"models": ["convlstm"], "preset": "smoke", "seeds": 1},
    {"models": ([], "nonsense"), "seeds": (0,)},
)
row("study", partial(studies.load, {}, "no"), "no", partial(studies.load, {}, False))
row("study", partial(studies.load, None), "None")
row("study", partial(studies.distances_km, "nowhere"), "nowhere")

RUNS = pd.DataFrame({"dataset": ["a"], "preset": ["b"], "variant": [""], "model": ["ridge"]})
row("table", partial(tables.main_table, None), "None")
row("table", partial(tables.main_table, RUNS[["dataset"]]), "dataset")
row("table", partial(tables.main_table, RUNS[:0]), "0")
row("table", partial(tables.by_lead, RUNS[:0]), "0")


def record(**attributes: object) -> xr.Dataset:
    return xr.Dataset(attrs={"key": "0123", **attributes})


GOOD_CONFIG = config().model_dump_json()
for said, made in {
    "": record(),
    "'{'": record(config="{"),
    "''": record(config=""),
    "5": record(config=5),
    "nonsense": record(config=GOOD_CONFIG.replace("lsntp-equations", "nonsense")),
    "-3": record(config=GOOD_CONFIG.replace('"seed":0', '"seed":-3')),
    "model": record(config='{"dataset": "era5-uk"}'),
}.items():
    row(
        "record",
        partial(records.config_of, made),
        said,
        partial(records.config_of, record(config=GOOD_CONFIG)),
    )
    row("record", partial(records.tabulate, [made]), said)
for given in (None, "era5-uk", 5):
    row("record", partial(records.run, given), repr(given))
row("record", partial(records.run, config(), device="tpu"), "tpu")
row("record", partial(records.run, config(dataset="nowhere.nc", model="ridge")), "nowhere.nc")
row("record", partial(records.find_by_key, "zz"), "zz")

# ---- the notebooks' parameters, by each notebook's own first check


def notebook(name: str, **changed: object) -> None:
    """Run a notebook's parameters cell, change some, and run its call of `parameters`."""
    (path,) = NOTEBOOKS.glob(f"{name}_*.ipynb")
    code = [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    (cell,) = [c.source for c in code if "parameters" in c.metadata.get("tags", ())]
    given: dict[str, Any] = {}
    exec(cell, given)
    given |= changed | {"parameters": parameters, "studies": studies, "observations": field_records}
    checks = [
        node
        for node in ast.walk(ast.parse("\n".join(c.source for c in code[:2])))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("parameters.")
    ]
    assert len(checks) == 1, (
        f"{name} has {len(checks)} calls of lsntp.chapters.parameters in its first cell"
    )
    eval(ast.unparse(checks[0]), given)


WITH_DATASET = [
    path.stem[:2] for path in sorted(NOTEBOOKS.glob("*.py")) if "\ndataset = " in path.read_text()
]


@pytest.mark.parametrize("name", WITH_DATASET)
def test_a_copy_on_other_data_is_marked_and_the_book_is_not(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    notebook(name)
    assert not shown
    (tmp_path / "mine.nc").touch()
    other, said = str(tmp_path / "mine.nc"), "mine.nc"
    if name == "17":  # which needs planted links
        other = said = "era5-uk-planted-50-lag1"
    for given in (other, [other]):
        notebook(name, dataset=given)
        note = shown.pop().data
        assert said in note and str(tmp_path) not in note and not shown
        if name in ("00", "04"):
            assert "ncep-na, era5-uk" in note
    if name in ("00", "04"):
        notebook(name, preset="smoke")
        assert "smoke" in shown.pop().data


def test_own_data_sets_go_by_the_names_of_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.nc").touch()
    first, second = str(tmp_path / "a" / "mine.nc"), str(tmp_path / "b" / "mine.nc")
    (tmp_path / "a" / "more.nc").touch()
    assert parameters.existing([first, "era5-uk"]) == ["mine.nc", "era5-uk"]
    assert config(dataset="mine.nc").key == config(dataset=first).key
    assert parameters.existing([second]) == ["mine.nc"]  # it may be run again on another
    assert config(dataset="mine.nc").dataset == second
    both = str(tmp_path / "a" / "m*.nc")
    (name,) = parameters.existing([both])
    assert name == "mine.nc and 1 more" and config(dataset=name).key == config(dataset=both).key
    with pytest.raises(ValueError, match="rename"):
        parameters.existing([first, second])
    monkeypatch.chdir(tmp_path / "b")
    assert parameters.existing(["mine.nc"]) == ["mine.nc"]
    with pytest.raises(ValueError, match="rename"):
        parameters.existing([first])
    (tmp_path / "a" / "mine.nc").rename(tmp_path / "a" / "own.nc")  # as it says
    assert parameters.existing([str(tmp_path / "a" / "own.nc")]) == ["own.nc"]


NO_DATASETS = ("", [], None, 5, ["ncep-an"], ["era5-uk", "nowhere.nc"], [5])
STUDIES = {
    "dataset": NO_DATASETS,
    "preset": ("huge", "", 5, None, []),
    "seeds": (0, -1, "three", 2.5, None, [0, 1], 2000),
    "rerun": ("no", 1, None),
}
MODELS = ([], None, "nonsense", ["nonsense"], [5])
PARAMETERS: dict[str, dict[str, tuple]] = {
    "01": {
        "seed": NO_SEEDS,
        "image_size": (0, 100, 512, "256"),
        "epochs": (0, "20", 1.5),
        "grid": (0, 4, -3, "25"),
        "lengths": ([], [128, 0], 128, [256, "128"], [128]),
    },
    "02": {"dataset": NO_DATASETS, "recompute": ("no", 1)},
    "03": {
        "dataset": NO_DATASETS,
        "seed": NO_SEEDS,
        "seeds": ([], 3, ["0"], [-1], None),
        "epochs": (0, "15"),
        "steps": (0, 50, "1200"),
        "links": (0, 13, -1, "8"),
    },
    "04": STUDIES
    | {
        "models": MODELS,
        "recipes": ([], None, "nonsense", ["nonsense"]),
    },
    "16": STUDIES | {"models": MODELS},
    "09": STUDIES | {"models": (*MODELS, "ridge", ["ridge"])},
    "10": STUDIES | {"models": (*MODELS, ["predrnn"], "ridge")},
    "11": STUDIES | {"models": MODELS},
    "17": STUDIES | {"dataset": (*NO_DATASETS, "ncep-na", ["era5-uk-planted-50-lag2"])},
    "13": {"rerun": ("no", 1), "machine": (5, None), "clone": (5, None)},
}
for name in ("05", "06", "07", "08", "12", "14", "15", "18"):
    PARAMETERS[name] = STUDIES
for name, bad in PARAMETERS.items():
    for parameter, values in bad.items():
        for value in values:
            first = value[-1] if isinstance(value, list) and value else value
            row(
                "notebook",
                partial(notebook, name, **{parameter: value}),
                first,
                partial(notebook, name),
            )


# ---- the command


class Refused(ValueError):
    """What another process, or the command, printed."""


def command(*words: str) -> None:
    """Run the command as from a shell; a refusal is raised as what it prints."""
    result = CliRunner(env={"COLUMNS": "300", "TERM": "dumb"}).invoke(
        measure if words[0] in ("scale", "released") else app, words
    )
    printed = result.output
    if result.exit_code:
        assert result.exit_code in (1, 2)
        assert isinstance(result.exception, SystemExit), repr(result.exception)
        raise Refused(re.sub(r"\s*[│╭╰]\s*|\s+", " ", printed))


RUN = ("run", "era5-uk", "ridge")
for words, named in {
    ("run", "era5-uq", "ridge"): "era5-uk",
    ("run", "", "ridge"): "''",
    ("run", ".", "ridge"): "'.'",
    ("run", "nowhere/field.nc", "ridge"): "nowhere/field.nc",
    ("run", __file__, "ridge"): __file__,
    ("run", "era5-uk", "rigde"): "rigde",
    ("run", "era5-uk", ""): "''",
    (*RUN, "--recipe", "old"): "old",
    (*RUN, "--recipe", ""): "''",
    (*RUN, "--preset", "huge"): "huge",
    (*RUN, "--preset", ""): "''",
    (*RUN, "--seed", "-1"): "-1",
    (*RUN, "--seed", "three"): "three",
    (*RUN, "--seed", "1.5"): "1.5",
    (*RUN, "--seed", str(2**63)): str(2**63),
    (*RUN, "--seed", "9" * 40): "9" * 40,
    (*RUN, "--seed", ""): "''",
    (*RUN, "--device", "tpu"): "tpu",
    (*RUN, "--device", ""): "''",
    (*RUN, "--device", "cuda:7"): "cuda:7",
}.items():
    row("command", partial(command, *words), named, partial(command, *RUN))
if not torch.cuda.is_available():
    row("command", partial(command, *RUN, "--device", "cuda"), "cuda", partial(command, *RUN))
CAMPAIGN = ("campaign", "cases")
for words, named in {
    ("campaign", "mian"): "main",
    ("campaign", ""): "''",
    (*CAMPAIGN, "--preset", "huge"): "huge",
    (*CAMPAIGN, "--preset", ""): "''",
    (*CAMPAIGN, "--seeds", "0"): "0",
    (*CAMPAIGN, "--seeds", "-1"): "-1",
    (*CAMPAIGN, "--seeds", "three"): "three",
    (*CAMPAIGN, "--seeds", "9" * 20): "9" * 20,
    (*CAMPAIGN, "--jobs", "0"): "0",
    (*CAMPAIGN, "--jobs", "2.5"): "2.5",
    (*CAMPAIGN, "--jobs", "9999999"): "9999999",
    (*CAMPAIGN, "--scheduler", ""): '""',
    ("scale", "--sizes", "a,b"): "a,b",
    ("scale", "--sizes", ""): '""',
    ("scale", "--sizes", "100,"): "100,",
    ("scale", "--sizes", "0"): "0",
    ("scale", "--sizes", "100,-5"): "-5",
    ("scale", "--sizes", "1e3"): "1e3",
    ("scale", "--threads", "0"): "0",
    ("scale", "--threads", "many"): "many",
    ("scale", "--device", "mps"): "mps",
    ("released", "--path", "nowhere"): "nowhere",
    ("released", "--path", "."): ".",
    ("released", "--path", ".", "--threads", "-2"): "-2",
    ("data", "fetch", "ncep"): "ncep",
    ("data", "fetch", ""): "''",
}.items():
    row("command", partial(command, *words), named)

# ---- the checks


def name_of(number: int, given: Row) -> str:
    return f"{given.kind}-{number}"


def refusal(call: Callable[[], object]) -> str:
    """Return what a call is refused with, by this library and not by one that it uses."""
    try:
        call()
    except (ValueError, TypeError) as error:
        if not isinstance(error, pydantic.ValidationError | Refused):
            last = traceback.extract_tb(error.__traceback__)[-1].filename
            if not any(part in Path(last).parts for part in ("lsntp", "benchmarks")):
                pytest.fail(f"raised in {last}: {error!r}")
        return str(error)
    pytest.fail("accepted")


def assert_it_is_a_sentence(said: str, names: str) -> None:
    assert names in said, f"{names!r} is not named in: {said}"
    expectation = re.search("expected|should|needs|required|must|not permitted|is not one of", said)
    assert expectation, f"what was expected? {said}"


@pytest.mark.parametrize("given", ROWS, ids=[name_of(*pair) for pair in enumerate(ROWS)])
def test_bad_input_is_refused_in_a_sentence(given: Row) -> None:
    assert_it_is_a_sentence(refusal(given.call), given.names)


@pytest.mark.parametrize(
    "remedied",
    list({str(r.remedied): r.remedied for r in ROWS if r.remedied}.values()),
)
def test_the_remedy_is_taken(remedied: Callable[[], object]) -> None:
    remedied()


if __name__ == "__main__":
    for given in ROWS:
        print(f"{given.kind}\t{given.names}\t{refusal(given.call)!r}")
    print(Counter(given.kind for given in ROWS).most_common(), len(ROWS))
