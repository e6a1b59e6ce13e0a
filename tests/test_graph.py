"""The graph against loops, a sphere worked by hand, and its own definition."""

import math

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.model.graph import AdaptiveGraph, DistanceCut, adaptive_adjacency


def test_distances_on_the_sphere_worked_by_hand() -> None:
    quarter = math.pi / 2 * 6371.0
    lat, lon = np.array([0.0, 0.0, 90.0, 0.0]), np.array([0.0, 90.0, 0.0, -180.0])
    distance = great_circle_km(lat, lon)
    assert distance[0] == pytest.approx([0, quarter, quarter, 2 * quarter])
    assert distance[1, 3] == pytest.approx(quarter)


@given(st.floats(-89, 89), st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))
def test_distance_equals_the_angle_between_unit_vectors(
    lat1: float, lon1: float, lat2: float, lon2: float
) -> None:
    def unit(lat: float, lon: float) -> np.ndarray:
        phi, lam = math.radians(lat), math.radians(lon)
        return np.array(
            [math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)]
        )

    u, v = unit(lat1, lon1), unit(lat2, lon2)
    angle = math.atan2(float(np.linalg.norm(np.cross(u, v))), float(u @ v))
    distance = great_circle_km(np.array([lat1, lat2]), np.array([lon1, lon2]))
    assert distance[0, 1] == pytest.approx(6371.0 * angle, abs=1e-3)


def test_nodes_run_along_rows() -> None:
    coords = {"lat": [50.0, 49.0], "lon": [0.0, 1.0, 2.0]}
    lat, lon = grid_nodes(xr.DataArray(np.zeros((2, 3)), coords, ("lat", "lon")))
    assert lat.tolist() == [50, 50, 50, 49, 49, 49]
    assert lon.tolist() == [0, 1, 2, 0, 1, 2]


def test_adjacency_equals_the_loop_and_its_rows_sum_to_one() -> None:
    embedding = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.empty(7, 7, dtype=torch.float64)
    for n in range(7):
        weights = [math.exp(max(0.0, float(embedding[n] @ embedding[m]))) for m in range(7)]
        expected[n] = torch.tensor(weights) / sum(weights)
    adjacency = adaptive_adjacency(embedding)
    torch.testing.assert_close(adjacency, expected)
    torch.testing.assert_close(adjacency.sum(1), torch.ones(7, dtype=torch.float64))


def test_gradient_of_the_adjacency() -> None:
    embedding = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(adaptive_adjacency, embedding)


LAT, LON = np.repeat([60.0, 58.0, 56.0], 4), np.tile([0.0, 2.5, 5.0, 7.5], 3)


@pytest.mark.parametrize("km", [0.0, 150.0, 300.0, 1000.0, 30_000.0])
def test_cut_keeps_what_the_great_circle_keeps(km: float) -> None:
    kept = DistanceCut(LAT, LON, km).within(slice(None), slice(2, 7))
    assert torch.equal(kept, torch.from_numpy(great_circle_km(LAT, LON) <= km)[:, 2:7])


def test_cut_at_the_largest_distance_keeps_everything() -> None:
    for lat, lon in [(LAT, LON), (np.array([90.0, -90.0, 0.0]), np.zeros(3))]:
        largest = float(great_circle_km(lat, lon).max())
        assert DistanceCut(lat, lon, largest).within(slice(None), slice(None)).all()


def test_cut_zeroes_after_the_softmax() -> None:
    torch.manual_seed(0)
    full = AdaptiveGraph(12, 4)
    for km, kept in [(0.0, torch.eye(12)), (200.0, great_circle_km(LAT, LON) <= 200)]:
        graph = AdaptiveGraph(12, 4, DistanceCut(LAT, LON, km))
        graph.load_state_dict(full.state_dict())
        torch.testing.assert_close(graph(), full() * torch.as_tensor(kept))
        torch.testing.assert_close(graph.adjacency() @ torch.eye(12), graph())
    whole = AdaptiveGraph(12, 4, DistanceCut(LAT, LON, 20_016.0))
    whole.load_state_dict(full.state_dict())
    assert torch.equal(whole(), full())
    assert torch.equal(whole.adjacency() @ torch.eye(12), full.adjacency() @ torch.eye(12))


def test_wrong_cuts_are_told() -> None:
    for km in (-1.0, float("nan")):
        with pytest.raises(ValueError, match=f"km={km}"):
            DistanceCut(LAT, LON, km)
    with pytest.raises(ValueError, match="one of each a node"):
        DistanceCut(LAT, LON[:3], 100.0)
    for lat, lon in [(200 + LAT, LON), (LAT, np.nan * LON)]:
        with pytest.raises(ValueError, match="expected degrees"):
            DistanceCut(lat, lon, 100.0)
    with pytest.raises(ValueError, match="12 nodes, this graph has 3"):
        AdaptiveGraph(3, 4, DistanceCut(LAT, LON, 100.0))
