"""Data sets: what is opened is what the files hold, and every bad input says so."""

import hashlib
import http.server
import shutil
import socket
import threading
import time
from pathlib import Path

import eccodes
import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lsntp.cli import app
from lsntp.data import datasets
from lsntp.data.datasets import DataError, DataUnavailable, open_dataset
from lsntp.data.fields import fingerprint, standardise

# sha256 of the values as stored in the NCEP file, int16, little-endian
NCEP_INT16 = "7910ee28b48790b346ff3bdff05fe085726f528d60234fc97272206889bbe523"


def made_field(steps: int = 10, step: str = "6h", seed: int = 0) -> xr.DataArray:
    """A field already in the form of the library: 4 x 5 cells, across Greenwich."""
    values = np.random.default_rng(seed).uniform(260, 300, (steps, 4, 5)).astype("f4")
    return xr.DataArray(
        values,
        {
            "time": pd.date_range("2020-01-01", periods=steps, freq=step).as_unit("ns"),
            "lat": [52.5, 50.0, 47.5, 45.0],
            "lon": [-5.0, -2.5, 0.0, 2.5, 5.0],
        },
        ("time", "lat", "lon"),
        name="t2m",
        attrs={"units": "K"},
    )


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """A registered data set `tiny` of four dozen values: returns the good file, kept elsewhere."""
    good = tmp_path / "upstream" / "tiny.nc"
    good.parent.mkdir()
    field = made_field()
    field.to_netcdf(good, engine="scipy")
    file = datasets.File(
        filename=good.name,
        md5=hashlib.md5(good.read_bytes()).hexdigest(),
        fingerprint=fingerprint(field.values),
        time=("2020-01-01T00", "2020-01-03T06", 10),
        lat=(52.5, 45.0, 4),
        lon=(-5.0, 5.0, 5),
        long_name="made temperature",
        source="a test",
        licence="MIT",
    )
    monkeypatch.setitem(datasets.REAL, "tiny", datasets.Entry(file, "2020-01-03T00:00:00"))
    monkeypatch.setenv("LSNTP_DATA_DIR", str(tmp_path / "data"))
    return good


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def upstream(monkeypatch, tmp_path):
    """A web server on this machine in place of the upstream one; serves tmp_path/upstream."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=tmp_path / "upstream")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(datasets, "UPSTREAM", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield
        server.shutdown()
        thread.join()


def files_there() -> list[str]:
    folder = datasets.data_dir()
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


def put(good: Path, content: bytes | None = None) -> Path:
    """Put the good file, or `content` under its name, into the data folder."""
    path = datasets.data_dir() / good.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(good.read_bytes() if content is None else content)
    return path


# ---------------------------------------------------------------- the real sets


@pytest.mark.parametrize(
    ("name", "shape", "test_steps", "hours", "corners"),
    [
        ("ncep-na", (2920, 21, 35), 1460, 6, (65, 15, -125, -40)),
        ("ncep-na-full", (2920, 25, 53), 1460, 6, (75, 15, -160, -30)),
        ("era5-uk", (744, 33, 49), 168, 1, (58, 50, -10, 2)),
    ],
)
def test_real_form(real_data, name, shape, test_steps, hours, corners):
    da = open_dataset(name)
    assert da.dims == ("time", "lat", "lon")
    assert da.shape == shape
    assert da.dtype == np.float32
    assert da.attrs["name"] == name
    assert da.attrs["units"] == "K"
    assert da.attrs["step_hours"] == hours
    assert da.attrs["fingerprint"] == datasets.REAL[name].file.fingerprint
    assert da.attrs["licence"]
    assert da.attrs["source"]
    test = da.time >= np.datetime64(da.attrs["test_start"])
    assert int(test.sum()) == test_steps
    assert test_steps - 12 + 1 == {1460: 1449, 168: 157}[test_steps]  # windows of 6 + 6 steps
    assert (np.diff(da.time) == np.timedelta64(hours, "h")).all()
    assert (*da.lat.values[[0, -1]], *da.lon.values[[0, -1]]) == corners
    assert (np.diff(da.lat) < 0).all()
    assert (np.diff(da.lon) > 0).all()


def test_ncep_equals_what_netcdf4_reads(real_data):
    with netCDF4.Dataset(real_data / "air_temperature.nc") as file:
        file.set_auto_maskandscale(False)
        raw, scale = file["air"][:], float(file["air"].scale_factor)
        lat, lon = file["lat"][:], file["lon"][:]
        hours, units = file["time"][:], file["time"].units
    assert hashlib.sha256(raw.astype("<i2").tobytes()).hexdigest() == NCEP_INT16
    da = open_dataset("ncep-na")
    i, j = np.isin(lat, np.arange(15, 66, 2.5)), np.isin(lon, np.arange(235, 321, 2.5))
    np.testing.assert_allclose(da, raw[:, i][:, :, j] * scale, rtol=2e-7, atol=0)
    np.testing.assert_array_equal(da.lon, lon[j] - 360)
    assert units.startswith("hours since 1800-01-01")
    since = (da.time.values - np.datetime64("1800-01-01T00")) / np.timedelta64(1, "h")
    np.testing.assert_array_equal(since, hours)


def test_era5_equals_what_eccodes_reads(real_data):
    da = open_dataset("era5-uk")
    with open(real_data / "era5-2mt-2019-03-uk.grib", "rb") as file:
        for count in range(744):
            message = eccodes.codes_grib_new_from_file(file)
            if count % 100 == 0:
                day, hour = (eccodes.codes_get(message, key) for key in ("dataDate", "hour"))
                assert day == int(da.time[count].dt.strftime("%Y%m%d"))
                assert hour == int(da.time[count].dt.hour)
                values = eccodes.codes_get_values(message).reshape(33, 49)
                np.testing.assert_array_equal(da[count], values.astype("f4"))
            eccodes.codes_release(message)
        assert eccodes.codes_grib_new_from_file(file) is None
    assert not list(real_data.glob("*.idx"))


def test_real_corrupted(real_data, tmp_path, monkeypatch):
    """One flipped bit in the middle of a real file, or its end missing, is found."""
    monkeypatch.setenv("LSNTP_DATA_DIR", str(tmp_path))
    for name in ("ncep-na", "era5-uk"):
        filename = datasets.REAL[name].file.filename
        content = bytearray((real_data / filename).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / filename).write_bytes(content)
        with pytest.raises(DataError, match=r"corrupted or altered: md5 \w+, expected \w+;"):
            open_dataset(name)
        (tmp_path / filename).write_bytes(content[:100_000])
        with pytest.raises(DataError, match=r"corrupted or altered.*cannot be read"):
            open_dataset(name)


# ---------------------------------------------------------------- finding and verifying


def test_found_and_verified(tiny, no_network):
    path = put(tiny)
    da = open_dataset("tiny")
    np.testing.assert_array_equal(da, made_field())
    assert da.attrs["verified"] == "md5 of the upstream file"
    assert da.attrs["test_start"] == "2020-01-03T00:00:00"
    assert da.attrs["long_name"] == "made temperature"
    assert files_there() == [path.name]


def test_reencoded_copy_is_accepted(tiny):
    put(tiny, b"")
    made_field().assign_attrs(history="another header").to_netcdf(
        datasets.data_dir() / tiny.name, engine="netcdf4"
    )
    assert open_dataset("tiny").attrs["verified"] == "fingerprint of the values"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda da: da.where(da < da.max(), 273.0), "fingerprint of its values"),
        (lambda da: da.assign_coords(lat=da.lat + 1), "on other coordinates"),
        (lambda da: da.assign_coords(time=da.time + np.timedelta64(1, "D")), "other coordinates"),
        (lambda da: da.isel(time=slice(5)), "fingerprint of its values"),
        (lambda da: da - 273.15, "degC"),
    ],
)
def test_altered_copy_is_refused(tiny, change, message):
    put(tiny, b"")
    path = datasets.data_dir() / tiny.name
    change(made_field()).to_netcdf(path, engine="scipy")
    with pytest.raises(DataError, match=rf"corrupted or altered: md5 \w+, expected.*{message}"):
        open_dataset("tiny")
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><title>Log in</title>", b"CDF\x01ab"])
def test_corrupted_file(tiny, content):
    path = put(tiny, content)
    with pytest.raises(DataError, match="Delete it, or run `lsntp data fetch tiny`"):
        open_dataset("tiny")
    assert path.read_bytes() == content


def test_no_network_and_no_data(tiny, no_network):
    start = time.perf_counter()
    with pytest.raises(DataUnavailable, match="not on disk and not downloadable") as caught:
        open_dataset("tiny")
    assert time.perf_counter() - start < 5
    assert "\n" not in str(caught.value)
    assert "LSNTP_DATA_DIR" in str(caught.value)
    assert not files_there()


def test_data_folder_that_cannot_be_made(tiny, monkeypatch):
    monkeypatch.setenv("LSNTP_DATA_DIR", str(tiny / "below_a_file"))
    with pytest.raises(DataUnavailable, match="not downloadable"):
        open_dataset("tiny")


def test_download(tiny, upstream):
    da = open_dataset("tiny")
    np.testing.assert_array_equal(da, made_field())
    assert files_there() == ["tiny.nc"]
    tiny.unlink()  # found on disk from now on
    assert datasets.fetch("tiny").exists()


@pytest.mark.parametrize("content", [b"<html>Log in to the network</html>", b"", b"CDF\x01\0"])
def test_download_of_something_else(tiny, upstream, content):
    tiny.write_bytes(content)
    with pytest.raises(DataUnavailable, match=r"not the data: md5 \w+, expected \w+") as caught:
        open_dataset("tiny")
    assert "\n" not in str(caught.value)
    assert not files_there()


def test_download_not_found(tiny, upstream):
    tiny.unlink()
    with pytest.raises(DataUnavailable, match="HTTPError"):
        open_dataset("tiny")
    assert not files_there()


def test_fetch_keeps_a_bad_file_aside(tiny, upstream):
    for _ in range(2):
        put(tiny, b"mine")
        datasets.fetch("tiny")
    assert files_there() == ["tiny.nc", "tiny.nc.corrupt", "tiny.nc.corrupt-2"]
    assert (datasets.data_dir() / "tiny.nc.corrupt").read_bytes() == b"mine"
    assert open_dataset("tiny").shape == (10, 4, 5)


def test_failed_fetch_leaves_the_file(tiny, no_network):
    path = put(tiny, b"mine")
    with pytest.raises(DataUnavailable):
        datasets.fetch("tiny")
    assert path.read_bytes() == b"mine"
    assert files_there() == [path.name]


# ---------------------------------------------------------------- the command


def test_data_check(tiny, monkeypatch):
    monkeypatch.setattr(datasets, "NAMES", ("tiny", "synthetic"))
    run = lambda: CliRunner().invoke(app, ["data", "check"])  # noqa: E731
    assert "missing" in run().output
    assert run().exit_code == 0
    put(tiny)
    assert "10 x 4 x 5" in run().output
    assert "2020-01-01 to 2020-01-03" in run().output
    assert run().exit_code == 0
    put(tiny, b"mine")
    assert "corrupt" in run().output
    assert run().exit_code == 1


def test_data_list_and_fetch(tiny, no_network):
    listed = CliRunner().invoke(app, ["data", "list"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in datasets.NAMES)
    failed = CliRunner().invoke(app, ["data", "fetch", "tiny"])
    assert failed.exit_code == 1
    assert "not downloadable" in failed.output
    assert (
        "no file belongs to data set 'tinny'"
        in CliRunner().invoke(app, ["data", "fetch", "tinny"]).output
    )
    put(tiny)
    assert CliRunner().invoke(app, ["data", "fetch", "tiny"]).exit_code == 0


# ---------------------------------------------------------------- files of one's own


@pytest.mark.parametrize("engine", ["scipy", "netcdf4"])
def test_own_file(tmp_path, engine):
    field = made_field()
    own = field.rename(time="valid_time", lat="latitude", lon="longitude")
    own = own.assign_coords(longitude=own.longitude % 360).sortby("longitude").sortby("latitude")
    own = own.assign_coords(number=0, expver=("valid_time", np.ones(10, int)))
    own.to_netcdf(tmp_path / "my.nc", engine=engine)
    da = open_dataset(tmp_path / "my.nc")
    np.testing.assert_array_equal(da, field)
    np.testing.assert_array_equal(da.lon, field.lon)
    assert da.attrs["test_start"] == "2020-01-03T00:00:00"  # the last 2 of 10 times
    assert da.attrs["step_hours"] == 6
    assert list(tmp_path.iterdir()) == [tmp_path / "my.nc"]


def write_grib(path: Path, field: xr.DataArray) -> None:
    with open(path, "wb") as file:
        for da in field:
            message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib1")
            keys = {
                "indicatorOfParameter": 167,
                "table2Version": 128,
                "dataDate": int(da.time.dt.strftime("%Y%m%d")),
                "hour": int(da.time.dt.hour),
                "Ni": 5,
                "Nj": 4,
                "latitudeOfFirstGridPointInDegrees": float(da.lat[0]),
                "latitudeOfLastGridPointInDegrees": float(da.lat[-1]),
                "longitudeOfFirstGridPointInDegrees": float(da.lon[0]),
                "longitudeOfLastGridPointInDegrees": float(da.lon[-1]),
                "iDirectionIncrementInDegrees": 2.5,
                "jDirectionIncrementInDegrees": 2.5,
                "bitsPerValue": 24,
            }
            for key, value in keys.items():
                eccodes.codes_set(message, key, value)
            eccodes.codes_set_values(message, da.values.astype(float).ravel())
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)


def test_own_grib(tmp_path):
    field = made_field()
    write_grib(tmp_path / "my.grib", field)
    da = open_dataset(tmp_path / "my.grib")
    np.testing.assert_allclose(da, field, atol=1e-4)
    np.testing.assert_array_equal(da.time, field.time)
    np.testing.assert_array_equal(da.lon, field.lon)
    assert list(tmp_path.iterdir()) == [tmp_path / "my.grib"]  # no index file
    shutil.copy(tmp_path / "my.grib", tmp_path / "short.grib")
    with open(tmp_path / "short.grib", "r+b") as file:
        file.truncate(400)
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(tmp_path / "short.grib")


def test_several_fields_in_a_file(tmp_path):
    path = tmp_path / "two.nc"
    pair = xr.Dataset(
        {"t2m": made_field(), "d2m": made_field(seed=1), "extra": ("time", range(10))}
    )
    pair.to_netcdf(path, engine="scipy")
    with pytest.raises(DataError, match=r"2 fields: t2m.*d2m.*two.nc:t2m'\)"):
        open_dataset(path)
    np.testing.assert_array_equal(open_dataset(f"{path}:d2m"), made_field(seed=1))
    with pytest.raises(DataError, match=r"no variable 't3m'; it has t2m"):
        open_dataset(f"{path}:t3m")
    pair[["extra"]].to_netcdf(path, engine="scipy")
    with pytest.raises(DataError, match="no field over time, lat and lon; it has: extra"):
        open_dataset(path)


def test_unknown_name():
    with pytest.raises(DataError, match=r"unknown data set 'ncep-an' \(did you mean 'ncep-na'"):
        open_dataset("ncep-an")
    with pytest.raises(DataError, match=r"there is no file"):
        open_dataset("nowhere/field.nc")


# ---------------------------------------------------------------- fields of one's own


@settings(deadline=None, max_examples=50)
@given(
    order=st.permutations(["time", "lat", "lon", "number"]),
    flip=st.booleans(),
    convention=st.sampled_from([-180, 0, 180]),
    sort=st.booleans(),
    names=st.sampled_from([("time", "lat", "lon"), ("valid_time", "latitude", "longitude")]),
    double=st.booleans(),
)
def test_any_orientation_gives_the_same_field(order, flip, convention, sort, names, double):
    field = made_field()
    own = field.expand_dims("number").transpose(*order)
    own = own.assign_coords(lon=(own.lon - convention) % 360 + convention)
    own = own.sortby("lon") if sort else own
    own = own.isel(lat=slice(None, None, -1)) if flip else own
    own = own.astype(float) if double else own
    own = own.rename(dict(zip(("time", "lat", "lon"), names, strict=True)))
    da = standardise(own)
    assert da.dims == field.dims
    assert da.dtype == np.float32
    np.testing.assert_array_equal(da, field)
    for axis in field.dims:
        np.testing.assert_array_equal(da[axis], field[axis])


def with_nan() -> xr.DataArray:
    da = made_field()
    da[3, 1, 2] = da[7, 0, 0] = np.nan
    return da


def shift(times: list[int]) -> xr.DataArray:
    return (
        made_field(8)
        .isel(time=slice(len(times)))
        .assign_coords(
            time=np.datetime64("2020-01-01", "ns") + np.array(times) * np.timedelta64(6, "h")
        )
    )


BAD = {
    "degC by its values": (lambda: (made_field() - 273.15).drop_attrs(), "degC"),
    "degC called K": (lambda: (made_field() - 273.15).assign_attrs(units="K"), "'K'.*degC"),
    "K called degC": (lambda: made_field().assign_attrs(units="degC"), "'degC'.*'K'"),
    "another quantity": (lambda: made_field() * 300, "expected 150 to 350 K"),
    "NaN": (with_nan, r"2 of 200 values are NaN.*2020-01-01T18:00, lat 50, lon 0;"),
    "infinite": (lambda: made_field() / 0, "all of 200 values are NaN or infinite"),
    "duplicate": (lambda: shift([0, 1, 1, 2]), "1 duplicate time.*2020-01-01T06:00"),
    "gap": (
        lambda: shift([0, 1, 2, 4, 5]),
        "irregular times: 12 h from 2020-01-01T12:00 to 2020-01-02T00:00.*1 of 4",
    ),
    "unsorted": (lambda: shift([0, 2, 1, 3]), "2020-01-01T06:00 follows 2020-01-01T12:00"),
    "descending": (lambda: made_field().isel(time=slice(None, None, -1)), "sortby"),
    "one time": (lambda: made_field(1), r"1 time\(s\); expected at least 2"),
    "no time": (lambda: made_field()[0].drop_vars("time"), "without time"),
    "one row": (lambda: made_field()[:, :1], "grid 1 x 5; expected at least 2 x 2"),
    "levels": (
        lambda: xr.concat([made_field(), made_field()], "level"),
        r"further dimensions \{'level': 2\}",
    ),
    "no coordinates": (lambda: made_field().drop_vars("lat"), r"no coordinate values along"),
    "times as numbers": (lambda: made_field().assign_coords(time=range(10)), "not datetime64"),
    "words": (lambda: made_field().astype(str), "expected numbers"),
    "latitude 100": (lambda: made_field().assign_coords(lat=[100, 50, 40, 30]), "-90 to 90"),
    "twice": (lambda: made_field().assign_coords(lon=[0, 90, 90, 180, 270]), "lon 90 occurs twice"),
    "uneven": (
        lambda: made_field().assign_coords(lat=[52.5, 50.5, 47.5, 45.0]),
        "lat is not evenly spaced, steps from 2 to 3 degrees",
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_field(case):
    make, message = BAD[case]
    with pytest.raises(DataError, match=message):
        standardise(make(), "my field")


def test_a_gaussian_grids_latitudes_are_even_enough():
    lat = [50.475, 48.5705, 46.6658, 44.7609]  # of the T62 grid
    np.testing.assert_allclose(standardise(made_field().assign_coords(lat=lat)).lat, lat)


def test_forecast_uses_valid_times():
    own = made_field().assign_coords(step=6)
    own = own.assign_coords(valid_time=own.time + np.timedelta64(6, "h")).expand_dims("step")
    assert str(standardise(own).time.values[0]) == "2020-01-01T06:00:00.000000000"


def test_input_is_left_as_it_was():
    own = made_field().isel(lat=slice(None, None, -1))
    before = own.copy(deep=True)
    standardise(own).values[:] = 0
    xr.testing.assert_identical(own, before)


def test_synthetic_by_name():
    da = open_dataset("synthetic")
    assert da.shape == (1200, 16, 24)
    assert da.attrs["name"] == "synthetic"


def test_pages_state_what_the_code_holds():
    root = Path(__file__).parents[1]
    readme = (root / "data" / "README.md").read_text(encoding="utf-8")
    page = (root / "book" / "data.md").read_text(encoding="utf-8")
    for entry in datasets.REAL.values():
        file = entry.file
        assert all(word in readme for word in (file.filename, file.md5, file.fingerprint))
        assert f"from {entry.test_start}" in readme
        whole = f"{file.time[2]} × {file.lat[2]} × {file.lon[2]}"
        assert whole in readme
        assert whole in page
    assert NCEP_INT16 in readme
    synthetic = open_dataset("synthetic")
    shape = " × ".join(map(str, synthetic.shape))
    assert f"| `synthetic` | {shape} | 1 h | from {synthetic.test_start}, 240 steps" in readme
    assert shape in page
    assert all(f"`{name}`" in text for name in datasets.NAMES for text in (readme, page))
