"""Sphinx extension: data and still pictures of the book's pages to play with, from the records.

    python -m tools.play FOLDER    # write them there, to look at them

The pages are ``book/play-*.md`` with ``book/_static/play-*.js``. They need no network and no
server: what they show lies beside them as scripts, and for readers without JavaScript as pictures.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
import xarray as xr
from matplotlib.colors import LogNorm, to_hex
from sphinx.application import Sphinx

from lsntp.chapters import q5_forecasts
from lsntp.data.distances import grid_nodes
from lsntp.data.store import write_text
from lsntp.figures.maps import field_map
from lsntp.figures.style import DIVERGING, SEQUENTIAL, label_colours
from lsntp.model.graph import DistanceCut, adaptive_adjacency
from lsntp.model.lsconv import lagc
from lsntp.results import field_records, studies, tables
from lsntp.results.compare import Rows
from lsntp.runs.experiment import CASES
from lsntp.runs.records import config_of
from lsntp.runs.trained import inner_cells
from lsntp.zoo import LABELS
from tools.learned_page import DATASETS, grid_of

REACH_SET, REACH_MODEL = "ncep-na", "lsntp-equations"
OPERATORS = ("convolution", "graph", "lsconv")
LEAST = 0.001
"""Share of the weight from which on a cell counts as read."""
SCORES = ("mae", "rmse", "ssim", "psnr")
RIDGE = LABELS["ridge"]
START = ("persistence", "ridge", "convlstm", "simvp", "lsntp-equations", "lsntp-tuned")
"""The models that are chosen when the page of scores opens."""
STOPS = 15  # colours of a scale


# ---- what one cell reaches


def recorded_graph() -> tuple[torch.Tensor, xr.DataArray]:
    """Embedding (N, E), in double precision, and the nodes' grid (lat, lon)."""
    study = studies.main(REACH_SET, seeds=1, models=(REACH_MODEL,), recipes=("modern",))
    record = studies.load(study)[LABELS[REACH_MODEL]][0]
    nodes = inner_cells(config_of(record), field_records.load(REACH_SET)["case"])
    return torch.from_numpy(record["embedding"].to_numpy().astype(float)), nodes


def reached(
    embedding: torch.Tensor,
    nodes: xr.DataArray,
    kernel: int,
    depth: int,
    temperature: float,
    cut_km: float,
) -> dict[str, np.ndarray]:
    """Shares (N, N) of what each cell reads: rows of K^d, (I+A)^d and (K(I+A))^d through their sum.

    Parameters
    ----------
    embedding : Tensor (N, E)
    nodes : DataArray (..., lat, lon)
    kernel, depth : int
        A uniform kernel×kernel convolution with zero padding; how many layers.
    temperature : float
        τ of ``A = softmax(relu(E Eᵀ)/τ)``.
    cut_km : float
        Longer links are set to 0 after the softmax.
    """
    matrix = adaptive_adjacency(embedding / temperature**0.5)
    matrix = matrix * DistanceCut(*grid_nodes(nodes), cut_km).within(slice(None), slice(None))
    uniform = torch.full((1, 1, kernel, kernel), kernel**-2.0, dtype=matrix.dtype)
    size = len(matrix)
    every = torch.eye(size, dtype=matrix.dtype)  # each cell alone, a field each
    shares = {}
    for operator in OPERATORS:
        x = every.reshape(size, 1, nodes.sizes["lat"], nodes.sizes["lon"])
        for _ in range(depth):
            x = x if operator == "convolution" else lagc(x, matrix)
            x = x if operator == "graph" else F.conv2d(x, uniform, padding=kernel // 2)
        rows = x.reshape(size, size).T.numpy()
        shares[operator] = rows / rows.sum(axis=1, keepdims=True)
    return shares


def reach_data() -> dict[str, Any]:
    """Grid, coast and embedding, as base64 of little-endian float32."""
    embedding, nodes = recorded_graph()
    packed = embedding.numpy().astype("<f4").tobytes()
    return {**grid_of(nodes), "embedding": base64.b64encode(packed).decode()}


def reach_picture(path: Path) -> None:
    """Draw what the middle cell reads through two layers of 3×3."""
    embedding, nodes = recorded_graph()
    shares = reached(embedding, nodes, 3, 2, 1.0, 1e5)
    height, width = nodes.sizes["lat"], nodes.sizes["lon"]
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
    for ax, (title, rows) in zip(axes, shares.items(), strict=True):
        row = rows[height // 2 * width + width // 2].reshape(height, width)
        field = xr.DataArray(np.maximum(row, LEAST), {c: nodes[c] for c in ("lat", "lon")})
        field_map(field, ax, title=title, cmap="YlGnBu", norm=LogNorm(LEAST, 1), colourbar=False)
        ax.set(xlabel="", ylabel="")
    figure.savefig(path, dpi=100)
    plt.close(figure)


# ---- forecasts


def pack(frames: np.ndarray) -> dict[str, Any]:
    """Pack fields, K, as base64 of little-endian int16: hundredths of a kelvin above ``offset``."""
    offset = round(float(frames.mean()))
    whole = np.rint((frames.astype(float) - offset) * 100).astype("<i2")
    return {"offset": offset, "values": base64.b64encode(whole.tobytes()).decode()}


def colours(name: str) -> list[str]:
    """Colours of a scale, from low to high."""
    return [to_hex(mpl.colormaps[name](part)) for part in np.linspace(0, 1, STOPS)]


def forecast_data(study: Rows) -> dict[str, Any]:
    """Frames, their errors and the ends of the colours, of each case of a data set."""
    errors = q5_forecasts.scores(study).drop(columns="mean")
    times = q5_forecasts.cases(study)["last input (UTC)"]
    shown = {}
    for case in CASES:
        truth, forecasts = q5_forecasts.frames(study, case)
        still = q5_forecasts.last_input(study, case).expand_dims("lead")
        gaps = np.stack([f.to_numpy() - truth.to_numpy() for f in forecasts.values()])
        fields = [truth, *forecasts.values()]
        shown[case] = {
            "time": times[case],
            "low": round(min(float(f.min()) for f in fields), 2),
            "high": round(max(float(f.max()) for f in fields), 2),
            "worst": round(float(np.quantile(np.abs(gaps), 0.99)), 2),
            "truth": pack(truth.to_numpy()),
            "models": {
                label: pack(f.to_numpy()) | {"mae": errors.loc[(case, label)].round(6).tolist()}
                for label, f in {q5_forecasts.PERSISTENCE: still, **forecasts}.items()
            },
        }
    leads = [float(k) for k in truth["lead"]]
    return {
        "leads": leads,
        "persistence": q5_forecasts.PERSISTENCE,
        "cases": shown,
        **grid_of(truth),
    }


def forecast_picture(study: Rows, path: Path) -> None:
    """Draw truth, forecast and difference of the extreme case by the last model, at lead 4."""
    truth, forecasts = q5_forecasts.frames(study, "extreme")
    label, forecast = list(forecasts.items())[-1]
    came, said = (f.isel(lead=3, drop=True) for f in (truth, forecast))
    gap = said.copy(data=said.to_numpy() - came.to_numpy())
    ends = float(min(came.min(), said.min())), float(max(came.max(), said.max()))
    worst = float(np.quantile(np.abs(gap), 0.99))
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
    for ax, (title, field, cmap, limits) in zip(
        axes,
        [
            ("Truth", came, SEQUENTIAL, ends),
            (label, said, SEQUENTIAL, ends),
            ("Forecast minus truth", gap, DIVERGING, (-worst, worst)),
        ],
        strict=True,
    ):
        field_map(field, ax, title=title, cmap=cmap, limits=limits, label="K")
        ax.set(xlabel="", ylabel="")
    figure.savefig(path, dpi=100)
    plt.close(figure)


# ---- scores by lead


def score_data(study: Rows) -> dict[str, Any]:
    """Mean and standard deviation over seeds of each score by lead, of each row."""
    rows: dict[str, dict[str, Any]] = {}
    for label, group in study.items():
        rows[label] = {}
        for score in SCORES:
            seeds = np.stack([record[score].to_numpy() for record in group])
            spread = seeds.std(axis=0, ddof=1).round(6).tolist() if len(seeds) > 1 else None
            rows[label][score] = {"mean": seeds.mean(axis=0).round(6).tolist(), "spread": spread}
    leads = next(iter(study.values()))[0]["lead"]
    return {"leads": [float(k) for k in leads], "rows": rows}


def looks(labels: list[str]) -> dict[str, dict[str, str]]:
    """Colour and dashes of each row: its model's; another recipe's line is dashed."""
    models = [label.split(", ")[0] for label in labels]
    known = label_colours(models)
    return {
        label: {"colour": known[model], "dash": "none" if model == label else "6 4"}
        for label, model in zip(labels, models, strict=True)
    }


def scores_data(loaded: Mapping[str, Rows]) -> dict[str, Any]:
    """Everything the page of scores shows."""
    titles = {s: dict(zip(("title", "digits"), tables.COLUMNS[s], strict=True)) for s in SCORES}
    labels = list(next(iter(loaded.values())))
    return {
        "scores": {s: t | {"lower": s in ("mae", "rmse")} for s, t in titles.items()},
        "ridge": RIDGE,
        "start": [LABELS[m] for m in START],
        "looks": looks(labels),
        "sets": {name: score_data(study) for name, study in loaded.items()},
    }


def score_picture(data: dict[str, Any], path: Path) -> None:
    """Draw the MAE by lead, minus ridge's, of the models that are chosen at first."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for ax, (name, shown) in zip(axes, data["sets"].items(), strict=True):
        ridge = np.array(shown["rows"][data["ridge"]]["mae"]["mean"])
        for label in data["start"]:
            curve = pd.Series(shown["rows"][label]["mae"]["mean"] - ridge, shown["leads"])
            ax.plot(curve, "o-", color=data["looks"][label]["colour"], label=label)
        ax.set(
            title=name, xlabel="lead (h)", ylabel=f"{data['scores']['mae']['title']}, minus ridge's"
        )
    axes[0].legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


# ---- the files


def script(statement: str, data: Any, path: Path) -> None:
    """Write data as a script that sets it."""
    write_text(f"{statement} = {json.dumps(data, separators=(',', ':'))};\n", path)


def write(folder: Path) -> None:
    """Write all data and pictures."""
    script("window.PLAY_REACH", reach_data(), folder / "play-reach-data.js")
    scales = {"temperature": colours(SEQUENTIAL), "difference": colours(DIVERGING)}
    loaded = {}
    for name, title in DATASETS.items():
        study = studies.load(studies.cases(name))
        file = folder / f"play-forecasts-{name}.js"
        shown = {"colours": scales, name: {"title": title, **forecast_data(study)}}
        whole = "window.PLAY_FORECASTS = Object.assign(window.PLAY_FORECASTS || {}, DATA)"
        text = json.dumps(shown, separators=(",", ":"))
        write_text(whole.replace("DATA", text) + ";\n", file)
        if name == REACH_SET:
            forecast_picture(study, folder / "play-forecasts.png")
        loaded[name] = studies.load(studies.main(name))
    data = scores_data(loaded)
    script("window.PLAY_LEADS", data, folder / "play-leads-data.js")
    reach_picture(folder / "play-reach.png")
    score_picture(data, folder / "play-leads.png")


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Add data and pictures to the static files of a book that was built."""
    if exception is None and app.builder.format == "html":
        write(Path(app.outdir) / "_static")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
