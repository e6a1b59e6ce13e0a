"""Sphinx extension: the data of the book's page on learned graphs, made from the records.

    python -m tools.learned_page FILE    # write the data alone, to look at it

The page (``book/learned-graph.md``, ``book/_static/learned-graph.js``) computes the rows of
``softmax(relu(E Eᵀ))`` itself. Here the recorded embeddings E are packed for it as 16-bit integers,
and the coast as lines, into one script that needs no network and no server.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from skimage.measure import approximate_polygon, find_contours
from sphinx.application import Sphinx

from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.land import land_mask
from lsntp.data.store import write_text
from lsntp.results import field_records, learned_graphs, studies
from lsntp.runs.trained import inner_cells
from lsntp.zoo import LABELS

DATASETS = {
    "ncep-na": "ncep-na: North America, steps of 6 h",
    "era5-uk": "era5-uk: United Kingdom, steps of 1 h",
}
MODELS = ("lsntp-equations", "lsntp-released")
SEEDS = 3
COAST_POINTS = 500  # along the longer side of a map
LARGEST = 32767  # of a 16-bit integer


def pack(embedding: np.ndarray) -> dict[str, Any]:
    """Pack an embedding (N, E) as base64 of little-endian int16, times ``scale``."""
    scale = float(np.abs(embedding).max()) / LARGEST
    whole = np.rint(embedding / scale).astype("<i2")
    return {"scale": scale, "embedding": base64.b64encode(whole.tobytes()).decode()}


def unpack(packed: dict[str, Any], nodes: int) -> np.ndarray:
    """Return the embedding (N, E) that the page reads from what `pack` made."""
    whole = np.frombuffer(base64.b64decode(packed["embedding"]), "<i2")
    return whole.reshape(nodes, -1) * packed["scale"]


def coast(lat: np.ndarray, lon: np.ndarray) -> list[list[float]]:
    """Return the coastlines around cells with these centres, each a list of lon, lat in turn."""
    half_lat, half_lon = abs(lat[1] - lat[0]) / 2, abs(lon[1] - lon[0]) / 2
    south, north = lat.min() - half_lat, lat.max() + half_lat
    west, east = lon.min() - half_lon, lon.max() + half_lon
    step = max(north - south, east - west) / COAST_POINTS
    y, x = np.arange(south, north, step), np.arange(west, east, step)
    lines = []
    for line in find_contours(land_mask(y, x).astype(float), 0.5):
        line = approximate_polygon(line, 0.6)
        if len(line) > 3:
            places = np.stack([west + line[:, 1] * step, south + line[:, 0] * step], axis=1)
            lines.append(np.round(places, 2).ravel().tolist())
    return lines


def data_of(dataset: str) -> dict[str, Any]:
    """Everything the page shows of one data set."""
    field = field_records.load(dataset)["case"]
    rows = studies.main(dataset, seeds=SEEDS, models=MODELS, recipes=("modern",))
    runs = []
    for model in MODELS:
        for record in studies.load({"": rows[LABELS[model]]})[""]:
            exact = learned_graphs.adjacency(record["embedding"].values)
            packed = pack(record["embedding"].values)
            shown = learned_graphs.adjacency(unpack(packed, len(exact)))
            config = learned_graphs.config_of(record)
            nodes = inner_cells(config, field)
            runs.append(
                {
                    "label": f"{LABELS[model]}, seed {config.seed}",
                    "key": config.key,
                    "error": float(np.abs(shown / exact - 1).max()),
                    **packed,
                }
            )
    return {"title": DATASETS[dataset], "far": far_km(nodes), "runs": runs, **grid_of(nodes)}


def grid_of(nodes: xr.DataArray) -> dict[str, Any]:
    """Coordinates of the nodes, and the coast around them."""
    lat, lon = (nodes[c].values.astype(float) for c in ("lat", "lon"))
    return {"lat": lat.tolist(), "lon": lon.tolist(), "coast": coast(lat, lon)}


def far_km(nodes: xr.DataArray) -> int:
    """Distance beyond which the notebook calls a cell far, km."""
    return learned_graphs.far_distances(great_circle_km(*grid_nodes(nodes)))[-1]


def write(path: Path) -> None:
    """Write the page's data as a script."""
    text = json.dumps({name: data_of(name) for name in DATASETS}, separators=(",", ":"))
    write_text(f"window.LEARNED_GRAPHS = {text};\n", path)


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Add the data to the static files of a book that was built."""
    if exception is None and app.builder.format == "html":
        write(Path(app.outdir) / "_static" / "learned-graph-data.js")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
