"""The paper's own data: fetched from a server on this machine, resumed, recognised and opened."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from lsntp.cli import app
from lsntp.data import china, download, windows
from lsntp.data.datasets import NAMES, DataError, DataUnavailable, fetch, open_dataset
from lsntp.data.reanalyses import REMOTE
from lsntp.results import campaigns
from lsntp.runs import records
from lsntp.runs.config import PRESETS, RunConfig
from lsntp.runs.training import RECIPES
from tools import upstream

REGION = (54.0, 73.0, 16.0, 135.0)


@pytest.fixture(scope="module")
def noaa(tmp_path_factory) -> Path:
    """Folder with files as NOAA PSL serves them: one of packed integers, one of floats."""
    folder = tmp_path_factory.mktemp("noaa")
    upstream.ncep_year(folder / "air.2m.gauss.2017.nc", 2017, packed=True)
    upstream.ncep_year(folder / "air.2m.gauss.2018.nc", 2018, packed=False)
    return folder


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch) -> Path:
    """An empty data folder, and no waiting between two tries."""
    folder = tmp_path / "data"
    monkeypatch.setenv("LSNTP_DATA_DIR", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def lsntp(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


# ---------------------------------------------------------------- NCEP


def test_ncep_is_fetched_and_opened_as_the_released_code_has_it(noaa, data):
    with upstream.served(noaa) as url:
        code, output = lsntp("data", "fetch", "ncep-china", "--source", url)
    assert code == 0, output
    field = open_dataset("ncep-china")
    assert field.shape == (2920, 21, 35)
    assert field.attrs["step_hours"] == 6
    assert "inferred" in field.attrs["region"] and "inferred" in field.attrs["source"]
    # every window of 6 + 6 inside a year; 15 % of the first year's, rounded up, for validation
    split = windows.split(field, 6, 6, "random")
    assert [len(part) for part in (split.train, split.validation, split.test)] == [1231, 218, 1449]
    assert field.time.values[split.test[0]] == np.datetime64("2018-01-01T00")
    assert -(-len(split.test) // 256) == 6  # test batches that the released notebook shows


def test_ncep_equals_what_netcdf4_reads(noaa, data):
    with upstream.served(noaa) as url:
        china.fetch("ncep-china", source=url)
    field = open_dataset("ncep-china")
    for year in (2017, 2018):
        with netCDF4.Dataset(noaa / f"air.2m.gauss.{year}.nc") as file:
            lat, lon = file["lat"][:], file["lon"][:]
            rows = np.flatnonzero((lat > 16) & (lat < 55))
            columns = np.flatnonzero((lon > 71) & (lon < 136))
            expected = np.asarray(file["air"][:, rows, columns])
        np.testing.assert_allclose(field.sel(time=f"{year}"), expected, rtol=0, atol=1e-4)
        np.testing.assert_allclose(field.lat, lat[rows], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(field.lon, lon[columns])
    assert (field.lat[0] > field.lat[-1]) and (np.diff(field.lon) == 1.875).all()


def test_a_download_that_is_cut_off_goes_on_where_it_was(noaa, data, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 1)
    whole = (noaa / "air.2m.gauss.2017.nc").read_bytes()
    with upstream.served(noaa, cuts=[3_000_000]) as url:
        with pytest.raises(DataUnavailable, match="again to go on"):
            china.fetch("ncep-china", years=[2017], source=url)
        (part,) = (data / "ncep-china").glob("*.part")
        come = part.read_bytes()
        assert 2_900_000 < len(come) <= 3_000_000 and whole.startswith(come)
        assert not (data / "ncep-china" / "air.2m.gauss.2017.nc").exists()
        part.write_bytes(bytes(100) + come[100:])  # to see that these are kept, not got again
        with pytest.raises(DataUnavailable, match="no NetCDF file"):
            china.fetch("ncep-china", years=[2017], source=url)
        assert not part.exists()
        part.write_bytes(come)
        (path,) = china.fetch("ncep-china", years=[2017], source=url)
    assert path.read_bytes() == whole


def test_broken_connections_are_taken_up_again(noaa, data):
    cuts = [1_000_000, 2_000_000, 10]
    with upstream.served(noaa, cuts=cuts) as url:
        (path,) = china.fetch("ncep-china", years=[2017], source=url)
    assert not cuts
    assert path.read_bytes() == (noaa / path.name).read_bytes()
    assert files_in(path.parent) == [path.name, path.name + ".sha256"]


def test_another_version_is_not_appended_to_what_has_come(noaa, data, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 1)
    name = "air.2m.gauss.2017.nc"
    (tmp_path / name).write_bytes(b"an earlier version of the file")
    with upstream.served(tmp_path, cuts=[10]) as url, pytest.raises(DataUnavailable):
        china.fetch("ncep-china", years=[2017], source=url)
    (tmp_path / name).write_bytes((noaa / name).read_bytes())
    with upstream.served(tmp_path) as url:
        (path,) = china.fetch("ncep-china", years=[2017], source=url)
    assert path.read_bytes() == (noaa / name).read_bytes()
    assert files_in(path.parent) == [name, name + ".sha256"]


def test_a_file_that_changes_between_two_tries_is_not_mixed(tmp_path, monkeypatch):
    there, here = tmp_path / "there" / "field.nc", tmp_path / "here" / "field.nc"
    there.parent.mkdir(), here.parent.mkdir()
    old, new = (letter * 5 * download.BLOCK for letter in (b"a", b"b"))
    come = []

    def change(seconds: float) -> None:
        come.append(next(here.parent.iterdir()).stat().st_size)
        there.write_bytes(new)

    there.write_bytes(old)
    monkeypatch.setattr(download.time, "sleep", change)
    with upstream.served(there.parent, cuts=[3 * download.BLOCK]) as url:
        download.download(f"{url}/field.nc", here, lambda path: None)
    assert len(come) == 1 and here.read_bytes() == new


@pytest.fixture
def fetched(noaa, data) -> Path:
    """The folder of both files, put there by hand; their SHA-256 is written down when opened."""
    folder = data / "ncep-china"
    folder.mkdir(parents=True)
    for path in noaa.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    open_dataset("ncep-china")
    return folder


def test_a_changed_byte_is_noticed_and_the_advice_works(noaa, fetched):
    path = fetched / "air.2m.gauss.2018.nc"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="`lsntp data fetch ncep-china`"):
        open_dataset("ncep-china")
    code, output = lsntp("data", "check")
    assert code == 1 and "corrupt" in output
    with upstream.served(noaa) as url:
        code, output = lsntp("data", "fetch", "ncep-china", "--source", url)
    assert code == 0, output
    assert open_dataset("ncep-china").shape == (2920, 21, 35)
    (kept,) = fetched.glob("*.corrupt")
    assert kept.read_bytes() == content


@pytest.mark.parametrize("cut", [slice(0, 5_000_000), slice(0), slice(9, None)])
def test_half_a_file_put_there_by_hand_is_not_taken_for_a_whole_one(noaa, data, cut):
    path = data / "ncep-china" / "air.2m.gauss.2018.nc"
    path.parent.mkdir(parents=True)
    path.write_bytes((noaa / path.name).read_bytes()[cut])
    with upstream.served(noaa) as url:
        (path,) = china.fetch("ncep-china", years=[2018], source=url)
    assert path.read_bytes() == (noaa / path.name).read_bytes()
    path.with_name(f"{path.name}.sha256").unlink()
    path.write_bytes((noaa / path.name).read_bytes()[cut])
    with pytest.raises(DataError, match=f"{path.name}.*`lsntp data fetch ncep-china --years 2018`"):
        china.open_reanalysis("ncep-china", [2018])


def test_a_file_that_is_another_one_on_the_server_now_is_refused_until_told(
    noaa, fetched, tmp_path
):
    name = "air.2m.gauss.2018.nc"
    upstream.ncep_year(tmp_path / name, 2018, packed=True)
    (fetched / name).unlink()
    with upstream.served(tmp_path) as url:
        with pytest.raises(DataUnavailable, match=f"delete .*{name}.sha256") as caught:
            china.fetch("ncep-china", source=url)
        assert not (fetched / name).exists() and "\n" not in str(caught.value)
        (fetched / f"{name}.sha256").unlink()
        china.fetch("ncep-china", source=url)
    assert open_dataset("ncep-china").shape == (2920, 21, 35)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_text("<html>Log in to the network</html>"), "no NetCDF file"),
        (lambda path: upstream.ncep_year(path, 2018, packed=True, step="24h"), "lacks 1095 of"),
        (lambda path: upstream.ncep_year(path, 2016, packed=True), "lacks 1460 of"),
        (lambda path: path.unlink(missing_ok=True), "404"),
    ],
)
def test_what_comes_but_is_not_the_data_is_refused(data, tmp_path, make, reason):
    make(tmp_path / "air.2m.gauss.2018.nc")
    with upstream.served(tmp_path) as url, pytest.raises(DataUnavailable, match=reason):
        china.fetch("ncep-china", years=[2018], source=url)
    assert files_in(data / "ncep-china") == []


def test_other_years_and_another_region(noaa, fetched):
    field = china.open_reanalysis("ncep-china", [2018], (60, -10, 40, 30))
    assert field.lon.values[0] == -9.375 and field.lon.values[-1] == 30
    assert field.sizes["time"] == 1460 and field.attrs["region"] == "as given"
    with netCDF4.Dataset(fetched / "air.2m.gauss.2018.nc") as file:
        expected = file["air"][100, np.argmin(abs(file["lat"][:] - 48)), -3]  # 354.375 E
    found = field.isel(time=100).sel(lat=48, lon=-5.625, method="nearest")
    assert found == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"name": "ncep-chine"}, "ncep-chine"),
        ({"years": []}, "years"),
        ({"years": [2018, 2017]}, "2018, 2017"),
        ({"years": [2015, 2017]}, "2015, 2017"),
        ({"region": (16, 73, 54, 135)}, "region"),
        ({"region": (54, 73, 16)}, "region"),
        ({"region": "China"}, "China"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(DataError, match=named):
        china.fetch(**({"name": "ncep-china"} | arguments))


# ---------------------------------------------------------------- ERA5


def test_era5_from_a_store_laid_out_as_arco_era5(data, tmp_path):
    hours = pd.date_range("2017", "2019", freq="1h", inclusive="left")
    march = hours[(hours.year == 2017) & (hours.month == 1)]
    # the globe at 0.25 degrees, hour by hour, but over HTTP and only for two days: the rest of the
    # store is not written, and a month with such hours is refused
    upstream.era5_store(tmp_path / "era5.zarr", hours, march[:48])
    with upstream.served(tmp_path) as url:
        store = china._store(f"{url}/era5.zarr")
        found = china._from_store(store, REMOTE["era5-china"], march[:48], REGION)
        with pytest.raises(DataError, match="missing in 2017-01"):
            china._keep(
                china._from_store(store, REMOTE["era5-china"], march[24:72], REGION),
                data / "x.nc",
                url,
            )
    assert found.shape == (48, 77, 125)
    lat, lon = np.arange(54, 15.9, -0.5), np.arange(73, 135.1, 0.5)
    np.testing.assert_array_equal(found.lat, lat)
    np.testing.assert_array_equal(found.lon, lon)
    expected = np.stack([*upstream.weather(march[:48], lat, lon)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=6e-3)


@pytest.fixture(scope="module")
def weatherbench(tmp_path_factory) -> Path:
    """A store of both years around a small region, as WeatherBench 2's: time, lon, lat; 0.5°."""
    path = tmp_path_factory.mktemp("weatherbench") / "era5.zarr"
    hours = pd.date_range("2017", "2019", freq="1h", inclusive="left")
    order = ("time", "longitude", "latitude")
    upstream.era5_store(path, hours, hours, 0.5, (55, 72, 45, 87), chunk=24, order=order)
    return path


def test_era5_is_fetched_month_by_month_and_opened_as_the_released_code_has_it(
    weatherbench, data, monkeypatch
):
    small = dataclasses.replace(REMOTE["era5-china"], region=(54, 73, 46, 85))
    monkeypatch.setitem(REMOTE, "era5-china", small)
    china.fetch("era5-china", years=[2017], source=str(weatherbench))
    assert len([n for n in files_in(data / "era5-china") if n.endswith(".nc")]) == 12
    code, output = lsntp("data", "check")
    assert code == 0 and "12 of 24 files" in output
    first = min((data / "era5-china").glob("*.nc"))
    age = first.stat().st_mtime_ns
    with upstream.served(weatherbench.parent) as url:  # goes on with 2018
        code, output = lsntp("data", "fetch", "era5-china", "--source", f"{url}/era5.zarr")
    assert code == 0, output
    assert first.stat().st_mtime_ns == age
    field = open_dataset("era5-china")
    assert field.shape == (17520, 17, 25)
    assert field.attrs["step_hours"] == 1 and "inferred" in field.attrs["source"]
    split = windows.split(field, 6, 6, "random")
    assert [len(part) for part in (split.train, split.validation, split.test)] == [7436, 1313, 8749]
    assert -(-len(split.test) // 256) == 35
    lat, lon = np.arange(54, 45.9, -0.5), np.arange(73, 85.1, 0.5)
    times = pd.DatetimeIndex(["2017-01-01T00", "2018-02-28T23", "2018-12-31T23"])
    expected = np.stack([*upstream.weather(times, lat, lon)])
    np.testing.assert_allclose(field.sel(time=times), expected, rtol=0, atol=6e-3)

    content = bytearray(first.read_bytes())  # and a changed byte is noticed here, too
    content[-100] ^= 1
    first.write_bytes(content)
    with pytest.raises(DataError, match=first.name):
        open_dataset("era5-china")
    china.fetch("era5-china", source=str(weatherbench))
    np.testing.assert_array_equal(open_dataset(str(first)), field[:744])


def test_era5_of_another_region_lies_beside_the_first(weatherbench, data):
    with pytest.raises(DataUnavailable) as caught:
        china.open_reanalysis("era5-china", [2018], (52, 75, 47, 85.5))
    command = re.search("`lsntp (.*)`", str(caught.value))[1]  # which gets just that
    code, output = lsntp(*command.split(), "--source", weatherbench)
    assert code == 0, output
    paths = china.fetch("era5-china", [2018], (52, 75, 47, 85.5), "nowhere")
    field = china.open_reanalysis("era5-china", [2018], (52, 75, 47, 85.5))
    assert field.shape == (8760, 11, 22)
    assert "inferred" not in field.attrs["source"]
    assert not set(paths) & set(china.files_of("era5-china"))
    own = open_dataset(str(paths[0]))  # each is a file as any other
    np.testing.assert_array_equal(own, field[:744])
    with pytest.raises(DataUnavailable, match="every 0.5 degrees"):
        china.fetch("era5-china", [2018], (52.1, 75, 47, 85), str(weatherbench))
    with pytest.raises(DataUnavailable, match="no Zarr store"):
        china.fetch("era5-china", [2018], (52, 75, 47, 85), str(data / "nothing.zarr"))


def test_era5_from_the_climate_data_store(data, monkeypatch):
    """Its client is played by one that answers what is asked for, as the CDS lays it out."""
    asked = []

    class Client:
        def retrieve(self, name, request, target):
            asked.append(request)
            (year,), (month,) = request["year"], request["month"]
            times = pd.DatetimeIndex(
                [
                    f"{year}-{month}-{day}T{time}"
                    for day in request["day"]
                    for time in request["time"]
                ]
            )
            north, west, south, east = request["area"]
            lat, lon = np.arange(north, south - 0.1, -0.25), np.arange(west, east + 0.1, 0.25)
            values = np.stack([*upstream.weather(times, lat, lon)]).astype("f4")
            dims = ("valid_time", "latitude", "longitude")
            coords = dict(zip(dims, (times, lat, lon), strict=True))
            ds = xr.Dataset({"t2m": (dims, values, {"units": "K"})}, coords)
            ds.assign_coords(number=0, expver=("valid_time", ["0001"] * len(times))).to_netcdf(
                target, engine="netcdf4"
            )

    monkeypatch.setitem(sys.modules, "cdsapi", types.SimpleNamespace(Client=Client))
    region = (50, 100, 48, 103)
    paths = china.fetch("era5-china", [2016], region, "cds")
    assert len(paths) == len(asked) == 12 and len(asked[1]["day"]) == 29
    field = china.open_reanalysis("era5-china", [2016], region)
    assert field.shape == (8784, 5, 7)
    times = field.indexes["time"][[0, 5000]]
    expected = np.stack([*upstream.weather(times, field.lat.values, field.lon.values)])
    np.testing.assert_allclose(field.sel(time=times), expected, rtol=0, atol=6e-3)

    monkeypatch.setitem(sys.modules, "cdsapi", None)  # not installed
    with pytest.raises(DataUnavailable, match="pip install cdsapi"):
        china.fetch("era5-china", [2015], region, "cds")


# ---------------------------------------------------------------- as names


@pytest.mark.parametrize("name", REMOTE)
def test_without_their_files_the_names_say_what_to_type(name, data):
    with pytest.raises(DataUnavailable, match=f"`lsntp data fetch {name}`"):
        open_dataset(name)
    code, output = lsntp("data", "list")
    assert code == 0 and name in output and "inferred" in output
    code, output = lsntp("data", "check")
    assert code == 0 and f"lsntp data fetch {name}" in output
    with pytest.raises(DataError, match=name):  # among the names that were expected
        open_dataset("no-such-name")


def test_the_pages_state_what_is_opened():
    root = Path(__file__).parents[1]
    readme = (root / "data" / "README.md").read_text(encoding="utf-8")
    page = (root / "book" / "data.md").read_text(encoding="utf-8")
    for name in REMOTE:
        (row,) = re.findall(rf"^\| `{name}` \|.*$", readme, re.M)
        assert "inferred" in row and "from 2018-01-01T00:00:00" in row
    # shapes and windows as the tests above find them
    for row in (
        r"`ncep-china` .* 2920 × 21 × 35 .* 1231, 218, 1449",
        r"`era5-china` .* 17520 × 77",
    ):
        assert re.search(rf"^\| {row}", page, re.M)
    assert "7436, 1313, 8749" in page


def test_no_network(monkeypatch, data):
    nowhere = "http://127.0.0.1:9"  # discard: nothing listens
    for name in REMOTE:
        with pytest.raises(DataUnavailable, match=nowhere) as caught:
            china.fetch(name, source=nowhere)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(china, "fetch", lambda name: [data / name / "a.nc"])
    assert fetch("ncep-china") == data / "ncep-china"


def test_options_of_the_paper_s_data_are_refused_for_others():
    assert lsntp("data", "fetch", "era5-uk", "--years", "2017")[0] == 1
    for wrong in (("--years", "2018-2017"), ("--years", "now"), ("--region", "1,2,3")):
        code, output = lsntp("data", "fetch", "era5-china", *wrong)
        assert code == 2 and wrong[1] in output


def test_records_of_them_do_not_mix_with_the_book_s(fetched, monkeypatch, tmp_path):
    """The book has none: they lie where those of one's own files do, bound to their values."""
    monkeypatch.delenv("LSNTP_RECORDS_DIR", raising=False)
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    assert not set(REMOTE) & set(NAMES)
    config = RunConfig(dataset="ncep-china", model="persistence")
    record = records.run(config)
    assert records.path_of(config).is_relative_to(tmp_path)
    assert record.attrs["fingerprint"] == open_dataset("ncep-china").attrs["fingerprint"]
    assert records.is_current(config)
    for path in fetched.glob("*2018*"):
        path.unlink()
    upstream.ncep_year(fetched / "air.2m.gauss.2018.nc", 2018, packed=True)  # other values
    assert not records.is_current(config)


def test_the_study_of_the_paper():
    configs = campaigns.configs("paper", "laptop", 2)
    networks = [c for c in configs if c.recipe]
    assert len(networks) == 2 * 2 * 3
    assert {c.model for c in networks} == {"convlstm", "lsntp-equations", "lsntp-released"}
    sizes = {"ncep-china": PRESETS["paper"], "era5-china": PRESETS["paper-era5"]}
    for config in configs:
        assert config.dataset in REMOTE and (config.input_steps, config.lead_steps) == (6, 6)
    for config in networks:
        assert config.recipe == RECIPES["released"]
        assert config.preset == sizes[config.dataset]
    small = campaigns.configs("paper", "smoke", 1)
    assert {c.preset for c in small if c.preset} == {PRESETS["smoke"]}
    assert not {c.key for c in configs} & {c.key for c in campaigns.configs("all", "laptop", 2)}
