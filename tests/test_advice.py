"""Every call that a refusal advises, taken as it is printed, from wherever the user stands."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from test_own_fields import calls, field, in_celsius, in_fahrenheit, other_grid, times
from typer.testing import CliRunner

import lsntp
from lsntp import open_dataset
from lsntp.cli import app
from lsntp.data.checks import DataError
from lsntp.data.fields import with_values
from lsntp.data.regrid import regrid


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spoilt(value: float, *, at: Any = (5, 3, 4), units: str = "K") -> xr.DataArray:
    """Put a value that is none into a field."""
    da = field().copy(deep=True) if units == "K" else in_celsius(field(), units)
    da.values[at] = value
    return da


def all_but_one(row: int = 3, column: int = 4) -> xr.DataArray:
    da = field().copy(deep=True)
    da[1:, row, column] = np.nan
    return da


def on(freq: str, start: str, drop: int | None = None, **calendar: Any) -> xr.DataArray:
    da = field(time=times(freq, start, **calendar))
    return da if drop is None else da.drop_isel(time=[drop])


def plain(y: str, x: str, coordinates: bool = False) -> xr.DataArray:
    """Take from a field all that says what its dimensions are."""
    da = field().drop_vars(["lat", "lon"]).rename(lat=y, lon=x)
    return da.assign_coords({y: field().lat.values, x: field().lon.values}) if coordinates else da


SECONDS = np.random.default_rng(1).integers(0, 3, 60)
FAULTS: dict[str, Callable[[], xr.DataArray]] = {
    # times
    "a day missing, at 12 UTC": lambda: on("D", "2020-03-01T12:00", 20),
    "a step of six hours from 03": lambda: on("6h", "2020-03-01T03:00", 20),
    "three hours from 01:30": lambda: on("3h", "2020-03-01T01:30", 40),
    "seven minutes past": lambda: on("h", "2020-03-01T00:07", 20),
    "odd seconds": lambda: field(time=field().time + pd.to_timedelta(SECONDS, "s")),
    "months": lambda: on("MS", "1980-01-01"),
    "middles of months": lambda: field(time=times("MS", "1980-01-01") + pd.Timedelta("14D12h")),
    "months, one missing": lambda: on("MS", "1980-01-01", 40),
    "months of 365 days": lambda: on("MS", "1980-01-01", calendar="noleap", use_cftime=True),
    "months of 360 days": lambda: on("MS", "1980-01-01", calendar="360_day", use_cftime=True),
    "their ends": lambda: on("ME", "1980-01-01", calendar="360_day", use_cftime=True),
    "their middles": lambda: on("30D", "1980-01-16", calendar="360_day", use_cftime=True),
    "days of 360": lambda: on("D", "2001-01-01", calendar="360_day", use_cftime=True),
    "days of 366": lambda: on("D", "2001-02-01", calendar="all_leap", use_cftime=True),
    "years": lambda: on("YS", "1900-01-01"),
    "twice": lambda: xr.concat([field(), field()[3:4]], "time"),
    "backwards": lambda: field()[::-1],
    "hours counted": lambda: field(time=np.arange(60)),
    "days in digits": lambda: field(time=[int(f"{t:%Y%m%d}") for t in times("D")]),
    "along another dimension": lambda: (
        on("h", "2020-03-01", 20).rename(time="t").swap_dims(t="n").rename(t="valid_time")
    ),
    # values
    "one infinite": lambda: spoilt(np.inf),
    "infinite and NaN": lambda: spoilt(np.inf).where(field() > field().min()),
    "NaN at the first time": lambda: spoilt(np.nan, at=(0, 3, 4)),
    "a cell with one value": all_but_one,
    "-9999 on land": lambda: spoilt(-9999, at=(slice(None), 3, 4)),
    "-9999 once": lambda: spoilt(-9999),
    "-9999 in °C": lambda: spoilt(-9999, units="degC"),
    "1e20 on land": lambda: spoilt(1e20, at=(slice(None), 3, slice(4, 9))),
    "0 K on most": lambda: field().where(field().lat > 54, 0).assign_attrs(units="K"),
    "-9999 without units": lambda: spoilt(-9999, units="degC").drop_attrs(),
    # units and names
    "a flux without units": lambda: (
        field().drop_attrs().rename("rlut").assign_attrs(long_name="outgoing longwave radiation")
    ),
    "z": lambda: field().drop_attrs(deep=False).rename("z"),
    "°C without units": lambda: in_celsius(field(), "").drop_attrs(deep=False),
    "°F said to be °C": lambda: in_fahrenheit(field(), "degC"),
    "a unit misspelt": lambda: in_celsius(field(), "grad C"),
    "another standard name": lambda: (
        field().drop_attrs(deep=False).assign_attrs(standard_name="air_pressure")
    ),
    "text": lambda: field().astype(str),
    # grids
    "rotated": lambda: other_grid("rlat"),
    "projected": lambda: other_grid("Lambert").assign_attrs(units="K"),
    "projected, without places": lambda: other_grid("Lambert").drop_vars(["lat", "lon"]),
    "y, x": lambda: plain("y", "x"),
    "X, Y": lambda: plain("Y", "X").transpose("time", "X", "Y"),
    "Y, X of degrees": lambda: plain("Y", "X", coordinates=True),
    "south_north": lambda: plain("south_north", "west_east"),
    "bare lat": lambda: field().drop_vars(["lat", "lon"]),
    "cells without places": lambda: (
        field().stack(cell=("lat", "lon")).drop_vars(["cell", "lat", "lon"])
    ),
    "radians": lambda: field(lat=("lat", np.radians(field().lat.values), {"units": "radians"})),
    "beyond the pole": lambda: field(lat=np.linspace(95, 88, 8)),
    "a row twice": lambda: field(lat=[55, 55, 54, 53, 52, 51, 50, 49]),
    "uneven along j": lambda: (
        field(lat=55 - 0.5 * np.arange(8) ** 1.2)
        .rename(lat="j")
        .rename(j="latitude")
        .swap_dims(latitude="j")
    ),
    "levels": lambda: field().expand_dims(level=[1000, 850]).transpose("time", ...),
}
NOT_IN_FILES = ("text",)


def as_dataset(da: xr.DataArray) -> dict[str, Any]:
    return {"ds": da.to_dataset(name=da.name or "t2m")}


def as_file(da: xr.DataArray) -> dict[str, Any]:
    da.to_dataset(name=da.name or "t2m").to_netcdf("own.nc")
    return {"source": "own.nc"}


def as_archive(da: xr.DataArray) -> dict[str, Any]:
    as_file(da)
    with zipfile.ZipFile("own.zip", "w") as archive:
        archive.write("own.nc")
    return {"source": "own.zip"}


def as_two_files(da: xr.DataArray) -> dict[str, Any]:
    """Cut in two along time, whatever its name."""
    (time,) = {*da.dims} & {"time", "n"}
    for part, name in ((slice(0, 30), "one.nc"), (slice(30, None), "two.nc")):
        da.to_dataset(name=da.name or "t2m").isel({time: part}).to_netcdf(name)
    return {"source": ["one.nc", "two.nc"]}


FORMS: dict[str, Callable[[xr.DataArray], dict[str, Any]]] = {
    "da": lambda da: {"da": da},
    "ds": as_dataset,
    "file": as_file,
    "archive": as_archive,
    "two files": as_two_files,
}


def told(source: Any) -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(source)
    return str(caught.value)


def followed(call: str, names: dict[str, Any], grid: tuple[int, int]) -> xr.DataArray:
    """Evaluate a call with what the user has, and numbers where it asks for some."""
    rows, columns = 55 - 0.5 * np.arange(grid[0]), -1 + 0.5 * np.arange(grid[1])
    if "lat=((" in call or "latitude=((" in call:
        rows, columns = np.meshgrid(rows, columns, indexing="ij")
    elif "cell" in call:
        rows, columns = (a.ravel() for a in np.meshgrid(rows, columns, indexing="ij"))
    own = {name: value for name, value in names.items() if name != "source"}
    numbers = {"latitudes": rows, "longitudes": columns, "step": 0.5, "times": times("h")}
    libraries = {"lsntp": lsntp, "np": np, "pd": pd, "xr": xr, "open_dataset": open_dataset}
    return eval(call, own | numbers | libraries)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_of_every_refusal_opens_the_field(folder, fault, form):
    da = FAULTS[fault]()
    if form in ("file", "archive", "two files") and fault in NOT_IN_FILES:
        return
    names = FORMS[form](da)
    try:
        said = told(next(iter(names.values())))
    except pytest.fail.Exception:
        assert form == "two files"  # each is whole
        return
    advised = calls(said)
    assert advised, said
    for call in advised:
        opened = followed(call, names, (14, 16) if fault.startswith("proj") else (8, 9))
        assert opened.dims == ("time", "lat", "lon") and opened.sizes["time"] >= 25, said
        assert np.isfinite(opened.values).any(axis=0).mean() > 0.2
        assert ((opened.values > 150) & (opened.values < 350) | np.isnan(opened.values)).all()


@pytest.mark.parametrize("fault", ["-9999 once", "one infinite", "-9999 in °C"])
def test_what_stood_for_a_missing_value_is_filled_and_nothing_else_changes(fault):
    da = FAULTS[fault]()
    (call,) = calls(told(da))
    opened = followed(call, {"da": da}, (8, 9))
    wrong = np.zeros(field().shape, bool)
    wrong[5, 3, 4] = True
    np.testing.assert_allclose(opened.values[~wrong], field().values[~wrong], rtol=1e-6)
    between = (field().values[4, 3, 4] + field().values[6, 3, 4]) / 2
    np.testing.assert_allclose(opened.values[5, 3, 4], between, rtol=1e-6)


def test_where_and_how_many_are_told():
    said = told(spoilt(-9999, at=(slice(4, 9), 3, 4)))
    assert "5 of 4320" in said and "-9999" in said and "2020-03-01T04:00" in said
    assert "lat 53.5" in said and "lon 1" in said


def test_cells_that_have_none_are_masked():
    (call,) = calls(told(da := FAULTS["-9999 on land"]()))
    assert not with_values(followed(call, {"da": da}, (8, 9)))[3, 4]


def test_a_field_without_any_value_says_so_and_advises_no_call():
    said = told(field() * np.nan)
    assert "4320" in said and not calls(said)


# ---- several files, each a field of its own


def parts(first: xr.DataArray, second: xr.DataArray) -> list[str]:
    first[:30].to_netcdf("a.nc")
    second[30:].to_netcdf("b.nc")
    return ["a.nc", "b.nc"]


@pytest.mark.parametrize("order", [1, -1])
def test_each_file_is_converted_by_its_own_units(folder, order):
    kinds = {"K": field(), "degC": in_celsius(field(), "degC"), "degF": in_fahrenheit(field(), "F")}
    for first in kinds.values():
        for second in kinds.values():
            names = parts(first, second)[::order]
            np.testing.assert_allclose(open_dataset(names), field(), rtol=1e-6)
            np.testing.assert_allclose(open_dataset(names, every=7), field()[::7], rtol=1e-6)


def test_files_of_either_order_of_latitudes_and_longitudes_are_one_field(folder):
    turned = field().isel(lat=slice(None, None, -1))
    east = field().assign_coords(lon=field().lon % 360).sortby("lon")
    for other in (turned, east):
        np.testing.assert_array_equal(open_dataset(parts(field(), other)), field())
        np.testing.assert_array_equal(open_dataset(parts(other, field())), field())


OTHERS = {
    "wind": lambda: (field() / 30).rename("u10").assign_attrs(units="m s**-1"),
    "dew point": lambda: (field() - 5).rename("d2m").assign_attrs(units="K"),
    "standard name": lambda: field().assign_attrs(standard_name="dew_point_temperature"),
    "level": lambda: field().assign_coords(level=850.0),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("order", [1, -1])
def test_another_variable_is_refused_by_name(folder, other, order):
    own = field().assign_attrs(standard_name="air_temperature").assign_coords(level=1000.0)
    said = told(parts(own, OTHERS[other]())[::order])
    assert "a.nc" in said and "b.nc" in said
    if other == "wind":
        assert "u10" in said
    for call in calls(said):
        assert followed(call, {}, (8, 9)).size


def test_a_file_made_as_advised_goes_with_any(folder):
    said = told(parts(field(), field().rename("tas")))
    call = re.search(r"lsntp\.open_dataset\(.*?\)\.to_netcdf\('mended\.nc'\)", said)
    assert call
    eval(call[0])
    left = "a.nc" if "b.nc" in call[0] else "b.nc"
    np.testing.assert_array_equal(open_dataset([left, "mended.nc"]), field())


def test_the_temperature_that_all_files_have_is_taken(folder):
    field()[:30].to_netcdf("a.nc")
    both = xr.Dataset({"t2m": field(), "d2m": field() - 5})
    both[{"time": slice(30, None)}].to_netcdf("b.nc")
    np.testing.assert_array_equal(open_dataset(["a.nc", "b.nc"]), field())
    np.testing.assert_array_equal(open_dataset(["b.nc", "a.nc"]), field())


def test_overlapping_files_are_joined_as_advised(folder):
    field()[:40].to_netcdf("a.nc")
    in_celsius(field(), "degC")[20:].to_netcdf("b.nc")
    (call,) = calls(told(["b.nc", "a.nc"]))
    np.testing.assert_allclose(followed(call, {}, (8, 9)), field(), rtol=1e-6)


# ---- archives


def archive(name: str, **members: xr.DataArray | bytes) -> str:
    with zipfile.ZipFile(name, "w") as file:
        for member, content in members.items():
            path = member.replace("__", "/", 1) if "MACOSX" not in member else member
            if isinstance(content, bytes):
                file.writestr(path, content)
            else:
                content.to_netcdf("member")
                file.write("member", path)
    return name


def test_the_one_temperature_among_the_files_of_an_archive(folder):
    rain = (field() / 1e5).rename("tp").assign_attrs(units="m")
    both = archive("cds.zip", **{"instant.nc": field(), "accum.nc": rain})
    np.testing.assert_array_equal(open_dataset(both), field())
    np.testing.assert_array_equal(open_dataset("cds.zip:t2m"), field())
    dew = (field() - 5).rename("d2m")
    said = told(archive("two.zip", **{"a.nc": field(), "b.nc": dew}))
    opened = [followed(call, {}, (8, 9)) for call in calls(said)]
    np.testing.assert_array_equal(opened[0], field())
    months = {"a.nc": in_celsius(field(), "degC")[:30], "b.nc": field()[30:], "c.nc": rain}
    np.testing.assert_allclose(open_dataset(archive("m.zip", **months)), field(), rtol=1e-6)


def test_what_is_no_data_in_an_archive_is_passed_over(folder):
    notes = {"readme.txt": b"hello", "__MACOSX/._a.nc": b"\0\5\26\7junk", ".DS_Store": b"x"}
    np.testing.assert_array_equal(
        open_dataset(archive("a.zip", **notes, **{"a.nc": field()})), field()
    )
    assert "readme.txt" in told(archive("none.zip", **{"readme.txt": b"hello"}))


def test_a_broken_file_of_an_archive_is_not_passed_over(folder):
    told(archive("cut.zip", **{"a.nc": field()[:30], "b.nc": b"<html>no</html>"}))


# ---- grids


def wrf() -> xr.Dataset:
    """A file as WRF writes it; truth is linear in latitude and longitude."""
    grid = other_grid("no coordinates")
    shape = grid.shape
    dims = ("Time", "south_north", "west_east")
    words = [f"{t:%Y-%m-%d_%H:%M:%S}" for t in pd.DatetimeIndex(grid.time)]
    return xr.Dataset(
        {
            "T2": (dims, grid.values, {"units": "K", "coordinates": "XLONG XLAT XTIME"}),
            "U10": (dims, grid.values / 30, {"units": "m s-1", "coordinates": "XLONG XLAT XTIME"}),
            "XLAT": (dims, np.broadcast_to(grid.lat, shape), {"units": "degree_north"}),
            "XLONG": (dims, np.broadcast_to(grid.lon, shape), {"units": "degree_east"}),
            "XTIME": ("Time", 60.0 * np.arange(60), {"units": "minutes since 2020-03-01"}),
            "Times": ("Time", np.array(words, "S19")),
        }
    )


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of 6000 cells, evenly on the globe."""
    n = 6000
    lat = np.rad2deg(np.arcsin(1 - (2 * np.arange(n) + 1) / n))
    return lat, (np.arange(n) * 137.50776405) % 360 - 180


def reduced() -> tuple[np.ndarray, np.ndarray]:
    """Of a reduced Gaussian grid: fewer cells in a row towards the poles."""
    rows = np.linspace(87, -87, 59)
    counts = [max(20, int(120 * np.cos(np.radians(row)))) for row in rows]
    lon = [np.arange(count) * 360 / count for count in counts]
    return np.repeat(rows, counts), np.concatenate(lon)


def warmth(lat: Any, lon: Any) -> Any:
    lat, lon = np.radians(lat), np.radians(lon)
    return 280 + 10 * np.sin(lat) + 5 * np.cos(lon) * np.cos(lat)


def on_cells(kind: str) -> xr.Dataset:
    lat, lon = reduced() if kind == "reduced" else cells()
    names = {"ICON": ("clat", "clon", "ncells"), "MPAS": ("latCell", "lonCell", "nCells")}
    a, b, dim = names.get(kind, ("latitude", "longitude", "values"))
    values = warmth(lat, lon) + np.sin(np.arange(60))[:, None]
    ds = xr.Dataset({"t2m": (("time", dim), values, {"units": "K"})}, {"time": times("h")})
    if kind == "reduced":
        return ds.assign_coords({a: (dim, lat), b: (dim, lon)})
    attrs = {"units": "radian"}
    ds = ds.assign({a: (dim, np.radians(lat), attrs), b: (dim, np.radians(lon), attrs)})
    if kind == "ICON":
        ds[a].attrs["standard_name"], ds[b].attrs["standard_name"] = "latitude", "longitude"
        return ds.set_coords([a, b])
    return ds


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("kind", ["ICON", "MPAS", "reduced"])
def test_a_list_of_cells_is_regridded_as_advised(folder, kind, written):
    ds = on_cells(kind)
    if written:
        ds.to_netcdf("cells.nc")
    (call,) = calls(told("cells.nc" if written else ds))
    opened = followed(call, {} if written else {"ds": ds}, (8, 9))
    assert opened.sizes["lon"] * float(np.diff(opened.lon)[0]) == pytest.approx(360)
    truth = warmth(opened.lat, opened.lon) + np.sin(xr.DataArray(np.arange(60), dims="time"))
    error = abs(opened.values - truth.transpose("time", "lat", "lon").values)
    assert np.nanmedian(error) < 0.01 and np.nanmax(error) < 0.5
    assert with_values(opened).mean() > 0.98


@pytest.mark.parametrize("spoil", ["", "XTIME", "coordinates"])
@pytest.mark.parametrize("written", [False, True])
def test_a_file_of_wrf(folder, spoil, written):
    ds = wrf()
    if spoil == "XTIME":
        ds = ds.drop_vars("XTIME")
    ds.to_netcdf("wrfout_d01")
    ds = xr.open_dataset("wrfout_d01", decode_coords=spoil != "coordinates").load()
    (call,) = calls(told("wrfout_d01" if written else ds))
    new = followed(call, {} if written else {"ds": ds}, (8, 9))
    expected = 280 + 0.3 * (new.lat - 50) - 0.2 * (new.lon - 8)
    change = xr.DataArray(np.sin(np.arange(60)), dims="time")
    np.testing.assert_allclose(new, (expected + change).transpose("time", ...), atol=1e-3)
    assert str(new.time.values[0])[:10] == "2020-03-01"


def test_lazy_fields_are_regridded_too():
    grid = other_grid("ni")
    np.testing.assert_allclose(regrid(grid.chunk(time=7), 0.5).compute(), regrid(grid, 0.5))


@pytest.mark.parametrize("names", [("g0_lat_1", "g0_lon_2"), ("lat_0", "lon_0"), ("XLAT", "XLONG")])
def test_names_that_other_programs_give(names):
    own = field().drop_attrs().rename(lat=names[0], lon=names[1]).assign_attrs(units="K")
    np.testing.assert_array_equal(open_dataset(own), field())


# ---- names and units


@pytest.mark.parametrize(
    ("units", "factor", "celsius"),
    [
        *[("℃", 1, 1), ("Deg. C", 1, 1), ("˚C", 1, 1), ("0.1 K", 10, 0), ("0.01 degC", 100, 1)],
        *[("1e-2 degC", 100, 1), ("0.1 °C", 10, 1), ("0.1*K", 10, 0), ("dK", 10, 0), ("K", 1, 0)],
    ],
)
def test_other_spellings_of_units(units, factor, celsius):
    own = (field().astype(float) - 273.15 * celsius) * factor
    np.testing.assert_allclose(open_dataset(own.assign_attrs(units=units)), field(), rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["t2m", "tas", "T_2M", "2t", "air", "sst", "tmax", "TREFHT", "tos", "t", "temperature"]
)
def test_without_units_a_temperature_by_its_name_is_taken_for_kelvin(name):
    np.testing.assert_array_equal(open_dataset(field().drop_attrs().rename(name)), field())


@pytest.mark.parametrize("name", ["z", "rlut", "tp", "tcc", "u10", "var11", "thickness"])
def test_without_units_anything_else_is_asked_about(name):
    da = field().drop_attrs(deep=False).rename(name)
    said = told(da)
    assert name in said
    (call,) = calls(said)
    np.testing.assert_array_equal(followed(call, {"da": da}, (8, 9)), field())
    both = xr.Dataset({name: da, "tas": field() - 1})
    np.testing.assert_array_equal(open_dataset(both), field() - 1)


# ---- names of files, and commands


def test_a_file_that_is_not_there_is_called_a_file(folder):
    field().to_netcdf("there.nc")
    for name in ("nosuch.nc", "no/such", "nothing*.nc", "x@y=1.nc"):
        said = told(name)
        assert repr(name) in said and "data set" not in said and "ncep" not in said
    assert "there.nc" in told("ther.nc")
    assert "ncep-na" in told("ncep-an")


def test_a_url_of_a_file_and_a_level_without_a_variable(folder):
    field().to_netcdf("my file.nc")
    np.testing.assert_array_equal(open_dataset((folder / "my file.nc").as_uri()), field())
    np.testing.assert_array_equal(open_dataset(f"{(folder / 'my file.nc').as_uri()}:t2m"), field())
    pair = xr.concat([field(), field() - 9], pd.Index([100000.0, 85000.0], name="plev"))
    pair.to_netcdf("lev.nc")
    np.testing.assert_array_equal(open_dataset("lev.nc@plev=85000"), field() - 9)
    np.testing.assert_array_equal(lsntp.raw("lev.nc@plev=85000"), field() - 9)


def test_the_advice_works_from_the_command_line(folder, monkeypatch):
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(folder / "cache"))
    long = in_celsius(field(400), "degC")
    long[:250].to_netcdf("a.nc")
    long[200:].to_netcdf("b.nc")
    refused = CliRunner().invoke(app, ["run", "a.nc", "b.nc", "persistence"])
    assert refused.exit_code == 1
    (call,) = calls(refused.output)
    ends = re.search(r"\.to_netcdf\('.*?'\)", refused.output)
    assert ends
    program = f"import lsntp; lsntp.{call}{ends[0]}"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=folder, env=in_this_tree())
    np.testing.assert_allclose(open_dataset("mended.nc"), field(400), rtol=1e-6)
    assert CliRunner().invoke(app, ["run", "mended.nc", "persistence"]).exit_code == 0


def in_this_tree() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(lsntp.__file__).parents[1])}


def test_a_file_in_celsius_is_opened_in_silence(folder):
    in_celsius(field(), "degC").to_netcdf("c.nc")
    program = "import logging; logging.basicConfig(); import lsntp; lsntp.open_dataset('c.nc')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=in_this_tree(),
    )
    assert done.stderr == "" and done.stdout == ""
