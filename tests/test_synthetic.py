"""The synthetic world: reproducible, plausible, and its links can be found."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import rankdata

from lsntp.data.fields import fingerprint, standardise
from lsntp.data.synthetic import synthetic


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return synthetic()


def anomalies(t2m: xr.DataArray) -> np.ndarray:
    """Series (time, node) without the mean of each hour of the day."""
    hourly = t2m.groupby("time.hour")
    return (hourly - hourly.mean()).values.reshape(t2m.sizes["time"], -1).astype(float)


def cells_apart(height: int, width: int) -> np.ndarray:
    row, column = np.divmod(np.arange(height * width), width)
    return np.hypot(np.subtract.outer(row, row), np.subtract.outer(column, column))


def lagged_pearson(series: np.ndarray, lag: int) -> np.ndarray:
    """Pearson coefficient of cell (row) now and cell (column) `lag` steps before."""
    n = series.shape[1]
    return np.corrcoef(series[lag:].T, series[:-lag].T)[:n, n:]


def roc_auc(score: np.ndarray, truth: np.ndarray) -> float:
    rank, n, m = rankdata(score), truth.sum(), (~truth).sum()
    return (rank[truth].sum() - n * (n + 1) / 2) / (n * m)


def test_form(world):
    t2m = world.t2m
    assert t2m.shape == (1200, 16, 24)
    assert t2m.dtype == np.float32
    assert t2m.attrs["units"] == "K"
    assert int((t2m.time >= np.datetime64(t2m.test_start)).sum()) == 240
    assert t2m.fingerprint == fingerprint(t2m.values)  # as its records have it
    again = standardise(t2m, "synthetic").rename("t2m")
    xr.testing.assert_identical(again.assign_attrs(fingerprint=t2m.fingerprint), t2m)


def test_same_seed_same_bits(world):
    xr.testing.assert_identical(synthetic(), world)
    other = synthetic(seed=1)
    assert not np.array_equal(other.t2m, world.t2m)
    assert not np.array_equal(other.links, world.links)


def test_plausible(world):
    t2m = world.t2m
    assert 250 < float(t2m.min()) < float(t2m.max()) < 320
    north_to_south = t2m.mean(("time", "lon")).values
    assert (np.diff(north_to_south) > 0).all()
    day = t2m.groupby("time.hour").mean().mean("lat")
    warmest = (day.argmax("hour") + t2m.lon / 15) % 24  # local solar time, h
    assert (abs(warmest - 15) < 2.5).all()
    pearson, apart = np.corrcoef(anomalies(t2m).T), cells_apart(16, 24)
    assert pearson[apart == 1].mean() > 0.7
    unlinked = ~(world.links | world.links.T).values & (apart > 9)
    assert abs(pearson[unlinked].mean()) < 0.1


def test_wind_carries_anomalies_eastward():
    """Away from links, a cell follows its western neighbour rather than its eastern one."""
    world = synthetic(links=0)
    pearson, apart = lagged_pearson(anomalies(world.t2m), 3), cells_apart(16, 24)
    column = np.arange(16 * 24) % 24
    side = np.subtract.outer(column, column)
    row = np.arange(16 * 24) // 24
    here = (apart == 1) & (np.subtract.outer(row, row) == 0)
    assert pearson[here & (side == 1)].mean() > pearson[here & (side == -1)].mean() + 0.1


@pytest.mark.parametrize("seed", range(4))
def test_links_can_be_found(seed):
    world = synthetic(seed=seed)
    links = world.links.values
    apart = cells_apart(16, 24)
    middles = apart[world.target, world.source]
    assert links.sum() == 8 * 81
    assert (middles > np.hypot(16, 24) / 3).all()
    assert links[world.target, world.source].all()
    far = apart >= apart[links].min()
    score = lagged_pearson(anomalies(world.t2m), world.attrs["lag_hours"])
    assert roc_auc(score[far], links[far]) > 0.98
    # at each distance: linked pairs against unlinked ones of the same distance
    for low in (8, 11, 14):
        band = (apart >= low) & (apart < low + 3)
        if links[band].any():
            assert roc_auc(score[band], links[band]) > 0.95
            assert np.median(score[band & links]) > 0.6 > 0.2 > np.median(score[band & ~links])


def test_no_links_no_signal():
    world = synthetic(links=0)
    assert not world.links.any()
    assert world.source.size == 0


def test_patches_do_not_overlap():
    for seed in range(5):
        links = synthetic(steps=10, links=10, seed=seed).links.values
        assert links.any(0).sum() == links.any(1).sum() == 90
        assert not (links.any(0) & links.any(1)).any()


@pytest.mark.parametrize(
    "sizes",
    [
        {"height": 8, "width": 8, "links": 1},
        {"height": 9, "width": 13, "steps": 50, "step_hours": 6, "links": 2},
        {"height": 77, "width": 30, "steps": 10},
    ],
)
def test_any_size(sizes):
    world = synthetic(**{"steps": 20} | sizes)
    assert world.t2m.shape == (sizes.get("steps", 20), sizes["height"], sizes["width"])
    assert world.t2m.step_hours == sizes.get("step_hours", 1)
    assert world.target.size == sizes.get("links", 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 4}, "height=4"),
        ({"steps": 1}, "steps=1"),
        ({"links": 13}, "links=13: expected 0 to 12"),
        ({"links": -1}, "links=-1"),
    ],
)
def test_bad_sizes(wrong, message):
    with pytest.raises(ValueError, match=message):
        synthetic(**wrong)
