"""Splits, scalers and windows against counts and values worked by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from lsntp.data.climatology import Climatology
from lsntp.data.windows import MinMax, StandardisedAnomaly, prepare, split, window_starts


def field_of(
    steps: int, hours: float = 6, tests: int = 100, start: str = "2013-01-01"
) -> xr.DataArray:
    """A field (steps, 2, 3) whose value names its time step and cell."""
    times = pd.date_range(start, periods=steps, freq=pd.Timedelta(hours=hours))
    values = 250 + np.arange(steps)[:, None, None] * 0.01 + np.arange(6).reshape(2, 3)
    return xr.DataArray(
        values.astype(np.float32),
        coords={"time": times, "lat": [50.0, 49.0], "lon": [0.0, 1.0, 2.0]},
        dims=("time", "lat", "lon"),
        attrs={"units": "K", "step_hours": hours, "test_start": str(times[steps - tests])},
    )


@pytest.mark.parametrize(("name", "count"), [("ncep-na", 1449), ("era5-uk", 157)])
def test_test_windows_of_the_real_sets(real_data: None, name: str, count: int) -> None:
    from lsntp import open_dataset

    field = open_dataset(name)
    parts = split(field, 6, 6, "blocked")
    assert len(parts.test) == count
    assert parts.test[-1] + 12 == field.sizes["time"]
    if name == "ncep-na":
        assert field.time[int(parts.test[0])] == np.datetime64("2014-01-01")


@settings(max_examples=50, deadline=None)
@given(st.integers(400, 900), st.integers(1, 6), st.integers(1, 6))
def test_no_window_straddles_a_blocked_split(steps: int, inputs: int, leads: int) -> None:
    parts = split(field_of(steps), inputs, leads, "blocked")
    boundary, length = steps - 100, inputs + leads

    def frames(starts: np.ndarray) -> set[int]:
        return {int(s) + k for s in starts for k in range(length)}

    train, validation, test = (frames(p) for p in (parts.train, parts.validation, parts.test))
    assert not train & validation and not (train | validation) & test
    assert max(train | validation) < boundary <= min(test)
    assert test == set(range(boundary, steps))
    # the scaler sees the frames between the blocks, all of them and no other
    assert not set(parts.fit_times) & validation
    assert len(parts.fit_times) == pytest.approx(0.85 * boundary, abs=3)


def test_released_split_overlaps_and_says_so() -> None:
    parts = split(field_of(500), 6, 6, "random")
    together = np.concatenate([parts.train, parts.validation])
    assert sorted(together) == list(range(400 - 11))
    assert len(parts.validation) == np.ceil(0.15 * 389)
    assert len(parts.fit_times) == 400  # the scaler sees the validation part, as in the paper
    assert np.array_equal(parts.train, split(field_of(500), 6, 6, "random").train)


def test_window_starts_by_hand() -> None:
    assert window_starts([(0, 4), (10, 12), (20, 23)], 3).tolist() == [0, 1, 20]


def test_batches_and_targets_are_the_frames_they_say() -> None:
    field = field_of(300)
    data = prepare(field, 4, 2, "minmax", "random")
    inputs, targets = data.batch(np.array([0, 7]))
    assert inputs.shape == (2, 4, 1, 2, 3) and targets.shape == (2, 2, 1, 2, 3)
    kelvin = data.scaler.inverse(targets[1, :, 0].numpy(), field.time.values[11:13])
    np.testing.assert_allclose(kelvin, field[11:13], rtol=1e-6)
    truth = data.targets(np.array([7]))
    np.testing.assert_array_equal(truth[0], field[11:13])
    assert truth.window[0] == field.time[10]  # the last frame seen
    assert truth.lead.values.tolist() == [6, 12]


@pytest.mark.parametrize("validation", ["blocked", "random"])
def test_scalers_never_see_the_test_period(validation: str) -> None:
    field = field_of(400)
    changed = field.copy(data=field.values.copy())
    changed[300:] += 50
    for name in ("minmax", "anomaly"):
        first, second = (prepare(f, 6, 6, name, validation).frames[:300] for f in (field, changed))
        assert (first == second).all(), name


@pytest.mark.parametrize("scaler", [MinMax(), StandardisedAnomaly()])
def test_scalers_come_back(scaler: MinMax | StandardisedAnomaly) -> None:
    field = field_of(400)
    scaled = scaler.fit(field[:200]).transform(field)
    np.testing.assert_allclose(scaler.inverse(scaled, field.time.values), field, atol=1e-3)


def test_standardised_anomaly_has_unit_deviation_and_no_daily_mean() -> None:
    rng = np.random.default_rng(0)
    field = field_of(400) + rng.normal(0, 3, (400, 2, 3)).astype(np.float32)
    scaled = StandardisedAnomaly().fit(field).transform(field)
    assert scaled.std() == pytest.approx(1, abs=1e-3)
    hours = field.time.dt.hour.values
    for hour in (0, 6, 12, 18):
        np.testing.assert_allclose(scaled[hours == hour].mean(0), 0, atol=1e-5)


def test_climatology_recovers_a_planted_cycle() -> None:
    field = field_of(1460, start="2013-01-01")
    day = field.time.dt.dayofyear + field.time.dt.hour / 24
    planted = 280 - 10 * np.cos(2 * np.pi * day / 365.25) + 3 * (field.time.dt.hour == 18)
    field = (planted + xr.zeros_like(field)).transpose("time", "lat", "lon")
    later = pd.date_range("2014-07-01", periods=4, freq="6h")
    predicted = Climatology().fit(field).predict(later)
    angle = 2 * np.pi * (later.day_of_year + later.hour / 24) / 365.25
    expected = 280 - 10 * np.cos(angle) + 3 * (later.hour == 18)
    np.testing.assert_allclose(predicted[:, 0, 0], expected, atol=1e-3)


def test_climatology_of_a_short_series_is_the_mean_by_time_of_day() -> None:
    field = field_of(200)
    predicted = Climatology().fit(field).predict(field.time.values[:4])
    expected = field.groupby("time.hour").mean()
    np.testing.assert_allclose(predicted, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="no climatology for 3 h"):
        Climatology().fit(field).predict(pd.DatetimeIndex(["2014-01-01T03"]))


def test_too_short_a_series() -> None:
    with pytest.raises(ValueError, match="too short.*no test window of 12 steps"):
        split(field_of(300, tests=11), 6, 6, "blocked")
    with pytest.raises(ValueError, match="no validation window"):
        split(field_of(200), 6, 6, "blocked")
    with pytest.raises(ValueError, match="240 steps outside are enough"):
        split(field_of(280, tests=56), 6, 6, "blocked")
    split(field_of(300, tests=60), 6, 6, "blocked")
    with pytest.raises(ValueError, match="expected 'blocked' or 'random'"):
        split(field_of(300), 6, 6, "leaky")
