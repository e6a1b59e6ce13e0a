"""The pages to play with show what the library computes; tools.play_checks does the rest."""

from __future__ import annotations

import base64
import statistics

import numpy as np
import pytest
import torch
import xarray as xr

from lsntp.chapters import q5_forecasts
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.figures import COLOURS
from lsntp.model.graph import adaptive_adjacency
from lsntp.results import studies
from lsntp.zoo import LABELS
from tools import play

NODES = xr.DataArray(
    np.zeros((4, 5)),
    {"lat": 50 - 2.0 * np.arange(4), "lon": -100 + 2.0 * np.arange(5)},
    ("lat", "lon"),
)
EMBEDDING = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def kernel_matrix(size: int) -> np.ndarray:
    at = np.stack(np.divmod(np.arange(20), 5))
    near = np.abs(at[:, :, None] - at[:, None, :]).max(axis=0) <= size // 2
    return near / size**2


@pytest.mark.parametrize(("kernel", "depth", "tau", "cut"), [(3, 1, 1.0, 1e5), (3, 3, 0.5, 400.0)])
def test_reach_is_the_row_of_the_matrix_power(kernel, depth, tau, cut):
    similar = np.maximum(0, EMBEDDING.numpy() @ EMBEDDING.numpy().T) / tau
    graph = np.exp(similar) / np.exp(similar).sum(axis=1, keepdims=True)
    graph = graph * (great_circle_km(*grid_nodes(NODES)) <= cut) + np.eye(20)
    matrices = (kernel_matrix(kernel), graph, kernel_matrix(kernel) @ graph)
    shares = play.reached(EMBEDDING, NODES, kernel, depth, tau, cut)
    for operator, matrix in zip(play.OPERATORS, matrices, strict=True):
        power = np.linalg.matrix_power(matrix, depth)
        expected = power / power.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(shares[operator], expected, rtol=1e-10, atol=1e-15)


def test_temperature_one_is_the_network():
    shares = play.reached(EMBEDDING, NODES, 1, 1, 1.0, 1e5)
    expected = (torch.eye(20) + adaptive_adjacency(EMBEDDING)) / 2
    np.testing.assert_allclose(shares["graph"], expected, rtol=1e-10)


def test_frames_are_packed_to_hundredths():
    frames = 280 + 30 * np.random.default_rng(0).standard_normal((2, 3, 4))
    packed = play.pack(frames)
    whole = np.frombuffer(base64.b64decode(packed["values"]), "<i2").reshape(frames.shape)
    assert np.abs(packed["offset"] + whole / 100 - frames).max() <= 0.005 + 1e-9


def test_the_errors_of_the_forecasts_are_the_chapters():
    study = studies.load(studies.cases("ncep-na"))
    data = play.forecast_data(study)
    table = q5_forecasts.scores(study).drop(columns="mean")
    for (case, label), row in table.iterrows():
        shown = data["cases"][case]["models"][label]["mae"]
        np.testing.assert_allclose(shown, row, rtol=0, atol=1e-6)


def test_what_the_page_of_scores_says_of_ridge():
    for dataset, always in (("ncep-na", {"LS-NTP (tuned)"}), ("era5-uk", set())):
        rows = play.score_data(studies.load(studies.main(dataset)))["rows"]
        ridge = np.array(rows[play.RIDGE]["mae"]["mean"])
        lower = {label for label, row in rows.items() if (row["mae"]["mean"] < ridge).all()}
        assert lower == always


def test_scores_are_means_and_spreads_over_seeds_by_lead():
    rows = {k: v for k, v in studies.load(studies.main("era5-uk")).items() if k in LABELS.values()}
    data = play.scores_data({"era5-uk": rows})
    assert [s for s, of in data["scores"].items() if of["lower"]] == ["mae", "rmse"]
    shown = data["sets"]["era5-uk"]["rows"]
    for label, group in rows.items():
        seeds = [record["ssim"].values for record in group]
        np.testing.assert_allclose(shown[label]["ssim"]["mean"], sum(seeds) / len(seeds), atol=1e-6)
        if len(seeds) > 1:
            by_hand = [statistics.stdev(by_seed) for by_seed in zip(*seeds, strict=True)]
            np.testing.assert_allclose(shown[label]["ssim"]["spread"], by_hand, atol=1e-6)
        else:
            assert shown[label]["ssim"]["spread"] is None
    assert data["looks"]["ConvLSTM"] == {"colour": COLOURS["convlstm"], "dash": "none"}
