"""observations: hand-worked r, planted truth, records written whole, verdicts that can fail."""

import numpy as np
import pytest
import xarray as xr

from lsntp.data.datasets import DataError
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.store import RecordError
from lsntp.data.synthetic import synthetic
from lsntp.results import claims, field_records
from lsntp.runs.experiment import case_window


def weather(seed=0, height=5, width=7, days=12, step_hours=6, length_km=900.0):
    """Field (time, lat, lon), K: noise smooth in space, independent in time, no cycle at all."""
    rng = np.random.default_rng(seed)
    steps = int(days * 24 / step_hours)
    field = xr.DataArray(
        np.empty((steps, height, width), "float32"),
        dims=("time", "lat", "lon"),
        coords={
            "time": np.datetime64("2001-01-01", "ns")
            + np.arange(steps) * np.timedelta64(step_hours, "h"),
            "lat": 50 - 2.5 * np.arange(height),
            "lon": 10 + 2.5 * np.arange(width),
        },
        attrs={"name": "weather", "units": "K", "step_hours": float(step_hours), "source": "test"}
        | {"long_name": "noise", "licence": "MIT", "fingerprint": "0" * 64},
    )
    km = great_circle_km(*grid_nodes(field))
    root = np.linalg.cholesky(np.exp(-km / length_km) + 1e-6 * np.eye(len(km)))
    field.values = (280 + 5 * rng.normal(size=(steps, len(km))) @ root.T).reshape(field.shape)
    return field.assign_attrs(test_start=str(field.time.values[-20]))


def with_cycle(field, amplitude=20.0):
    hours = (field.time - field.time[0]) / np.timedelta64(1, "h")
    shared = amplitude * np.sin(2 * np.pi * hours / 24)
    return (field + shared).astype("float32").assign_attrs(field.attrs)


def test_counts_every_pair_once_and_equals_numpy():
    field = weather()
    made = field_records.study(field)
    train = field.isel(time=slice(0, -20)).to_numpy().reshape(28, -1)
    matrix = np.corrcoef(train.T)
    one, other = np.triu_indices(35, k=1)
    r, km = matrix[one, other], great_circle_km(*grid_nodes(field))[one, other]
    raw = made.sel(series="raw")
    assert int(raw.pairs.sum()) == 35 * 34 // 2
    assert float(raw.all_median) == pytest.approx(np.median(r))
    far = km >= np.quantile(km, 0.75)
    assert float(raw.far_strongest) == pytest.approx(r[far].max())
    assert float(raw.far_strong_share) == pytest.approx((r[far] >= 0.5).mean())
    assert float(raw.lowest) == pytest.approx(r.min())
    assert made.attrs["far_km"] == pytest.approx(np.quantile(km, 0.75))
    near = np.isclose(km, great_circle_km(np.array([50.0, 47.5]), np.array([10.0, 10.0]))[0, 1])
    assert int(near.sum()) == 4 * 7  # north-south neighbours, a part of all
    assert raw.near_median > raw.far_median


def test_masked_cells_form_no_pairs():
    field = weather()
    there = np.ones((5, 7), bool)
    there[:2, :3] = there[3, 4] = False
    made = field_records.study(field.where(xr.DataArray(there, dims=("lat", "lon"))))
    matrix = np.corrcoef(field.isel(time=slice(0, -20)).to_numpy()[:, there].T)
    lat, lon = (degrees[there.ravel()] for degrees in grid_nodes(field))
    one, other = np.triu_indices(28, k=1)
    r, km = matrix[one, other], great_circle_km(lat, lon)[one, other]
    raw = made.sel(series="raw")
    assert (made.pairs.sum(["distance", "r"]) == 28 * 27 // 2).all()
    assert float(raw.all_median) == pytest.approx(np.median(r))
    assert float(raw.lowest) == pytest.approx(r.min())
    assert float(raw.far_strongest) == pytest.approx(r[km >= np.quantile(km, 0.75)].max())
    steps = abs(lat[one] - lat[other]) / 2.5 + abs(lon[one] - lon[other]) / 2.5
    assert float(raw.near_median) == pytest.approx(np.median(r[np.isclose(steps, 1)]))
    (cell,) = np.flatnonzero((lat == made.cell_lat) & (lon == made.cell_lon))
    np.testing.assert_allclose(raw.correlation_map.to_numpy()[there], matrix[cell], atol=1e-6)
    assert (made.correlation_map.isnull() == ~there).all()
    assert not any(made[name].isnull().any() for name in ("explained", "far_q99_shifted"))


def test_the_strongest_far_pair_is_where_it_says():
    field = weather()
    made = field_records.study(field)
    train = field.isel(time=slice(0, -20))
    raw = made.sel(series="raw")
    ends = [
        train.sel(lat=float(raw.far_strongest_lat[k]), lon=float(raw.far_strongest_lon[k]))
        for k in (0, 1)
    ]
    assert np.corrcoef(*ends)[0, 1] == pytest.approx(float(raw.far_strongest), abs=1e-6)
    km = great_circle_km(raw.far_strongest_lat.to_numpy(), raw.far_strongest_lon.to_numpy())
    assert float(raw.far_strongest_km) == pytest.approx(km[0, 1])
    cell = made.correlation_map.sel(lat=made.cell_lat, lon=made.cell_lon)
    np.testing.assert_allclose(cell, 1)


def test_only_the_training_period_counts():
    field = weather()
    other = field.copy()
    other[-20:] = other[-20:] * 0.5 + 150
    a, b = (field_records.study(f).drop_vars(["case", "case_time"]) for f in (field, other))
    xr.testing.assert_identical(a, b)


def test_a_shared_cycle_is_seen_and_taken_off():
    field = weather(days=40)
    plain, cycled = field_records.study(field), field_records.study(with_cycle(field))
    assert float(cycled.sel(series="raw").far_median) > 0.9
    assert float(plain.sel(series="raw").far_median) < 0.6
    np.testing.assert_allclose(
        cycled.sel(series="anomaly").band, plain.sel(series="anomaly").band, atol=1e-3
    )


STRONG_FAR, CHANCE = "Some far cells correlate strongly", "Far cells correlate more than by chance"


def verdicts(record):
    return claims.table({"": {"field": record}}).droplevel("dataset")["verdict"]


def test_verdicts_can_fail():
    """Independent cells: nothing correlates, near or far, and no verdict says it does."""
    field = weather(days=60, length_km=1.0)
    said = verdicts(field_records.study(field))
    assert (
        said.loc[["Near cells correlate strongly", STRONG_FAR, CHANCE]] == "does not hold"
    ).all()
    everywhere = weather(days=60, length_km=1e7)  # one series, nearly, at every cell
    said = verdicts(field_records.study(everywhere))
    assert (said[STRONG_FAR] == "holds").all()
    assert (said["Pairs at one distance differ"] == "does not hold").all()


def test_planted_links_show_as_far_pairs():
    world = synthetic(seed=1)["t2m"]
    made = field_records.study(world)
    said = verdicts(made)
    assert (said.loc[[STRONG_FAR, CHANCE], "anomalies from climatology"] == "holds").all()


def test_the_case_is_that_of_the_runs():
    test = weather().isel(time=slice(-20, None))
    frames = field_records.case(test, inputs=3, leads=2)
    assert list(frames.step) == [-2, -1, 0, 1, 2]
    windows = xr.DataArray(np.zeros(20 - 5 + 1), dims="window")
    first = case_window(windows)
    np.testing.assert_array_equal(frames, test[first : first + 5])
    assert frames.case_time.sel(step=0) == test.time[first + 2]


def test_record_is_written_whole_and_read_back(tmp_path, monkeypatch):
    field = weather()
    monkeypatch.setattr(field_records, "open_dataset", lambda name: field)
    path = field_records.record("weather", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["weather.nc"]
    field_records.check_agreement(
        field_records.study(field), field_records.load("weather", tmp_path)
    )
    before = path.read_bytes()
    monkeypatch.setattr(xr.Dataset, "to_netcdf", interrupted)
    with pytest.raises(KeyboardInterrupt):
        field_records.record("weather", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["weather.nc"]
    assert path.read_bytes() == before


def interrupted(self, path, *args, **kwargs):
    path.write_bytes(b"half a file")
    raise KeyboardInterrupt


def test_disagreement_is_named():
    made = field_records.study(weather())
    other = made.copy(deep=True)
    other["far_median"] += 0.01
    with pytest.raises(AssertionError, match="far_median"):
        field_records.check_agreement(made, other)
    with pytest.raises(AssertionError, match="fingerprint"):
        field_records.check_agreement(made, made.assign_attrs(fingerprint="1" * 64))


@pytest.mark.parametrize("name", ["ncep-na", "era5-uk"])
def test_committed_records(name):
    record = field_records.load(name)
    cells = record.sizes["lat"] * record.sizes["lon"]
    assert cells == {"ncep-na": 735, "era5-uk": 1617}[name]
    assert (record.pairs.sum(["distance", "r"]) == cells * (cells - 1) // 2).all()
    assert record.case.sizes["step"] == 12
    assert float(record.case.min()) > 200
    for key in ("source", "licence", "fingerprint", "lsntp_version", "rule_case", "far_km"):
        assert record.attrs[key]
    assert (field_records.RECORDS / f"{name}.nc").stat().st_size < 300_000
    assert ("Copernicus" in record.attrs["licence"]) == (name == "era5-uk")


@pytest.mark.parametrize("name", ["ncep-na", "era5-uk"])
def test_committed_records_can_be_remade(name, real_data):
    assert field_records.verify(name) <= field_records.AGREEMENT


def test_study_of_a_set_without_record():
    assert list(field_records.studies(["synthetic"])) == ["synthetic"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.drop_attrs(), "no attribute test_start"),
        (lambda f: f.assign_attrs(test_start="2001-01-02"), "two days are needed"),
        (lambda f: f[:-12], "a case needs 12"),
        (lambda f: xr.where(f.lat == 50, 280.0, f).transpose(*f.dims), "7 cells never change"),
        (lambda f: f.where((f.lat < 50) | (f.time < f.time[9])), "7 cells .* lack values"),
    ],
)
def test_bad_fields_are_named(spoil, message):
    field = weather()
    spoilt = spoil(field)
    if spoilt.attrs == {} and "test_start" not in message:
        spoilt = spoilt.assign_attrs(field.attrs)
    with pytest.raises(DataError, match=message):
        field_records.study(spoilt)


def test_too_many_cells(monkeypatch):
    monkeypatch.setattr(field_records, "MOST_CELLS", 30)
    with pytest.raises(DataError, match="35 cells: at most 30"):
        field_records.study(weather())


def test_missing_and_damaged_records(tmp_path):
    with pytest.raises(RecordError, match=r"no field record of 'nowhere'; there are \[\]"):
        field_records.load("nowhere", tmp_path)
    (tmp_path / "broken.nc").write_bytes(b"not a record")
    with pytest.raises(RecordError, match=r"broken.nc is not a readable record"):
        field_records.load("broken", tmp_path)
    with pytest.raises(DataError, match="unknown data set 'ncep'"):
        field_records.studies("ncep")
