"""Fields as people have them: opened, or refused with advice that works as it is printed."""

import bz2
import gzip
import http.server
import lzma
import os
import re
import shutil
import socket
import threading
import zipfile
from pathlib import Path

import eccodes
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from lsntp import RunConfig, open_dataset, run
from lsntp.data import download
from lsntp.data.checks import DataError
from lsntp.data.coordinates import axes
from lsntp.data.regrid import regrid
from lsntp.data.sources import DataUnavailable
from lsntp.data.store import RecordError
from lsntp.results import studies
from tools import upstream

STEPS, ROWS, COLUMNS = 60, 8, 9


def field(steps: int = STEPS, **coordinates) -> xr.DataArray:
    """Hourly ERA5-like temperatures in K on 8 x 9 cells, with the attributes of CF."""
    rng = np.random.default_rng(0)
    values = (285 + 5 * rng.standard_normal((steps, ROWS, COLUMNS))).astype("f4")
    da = xr.DataArray(
        values,
        {
            "time": pd.date_range("2020-03-01", periods=steps, freq="h"),
            "lat": ("lat", 55 - 0.5 * np.arange(ROWS), {"units": "degrees_north"}),
            "lon": ("lon", -1 + 0.5 * np.arange(COLUMNS), {"units": "degrees_east"}),
        },
        ("time", "lat", "lon"),
        name="t2m",
        attrs={"units": "K"},
    )
    return da.assign_coords(coordinates)


def times(freq: str, start: str = "2020-03-01", **calendar) -> xr.DataArray:
    return xr.date_range(start, periods=STEPS, freq=freq, **calendar)


def test_of_several_coordinates_the_one_that_is_told_best_is_taken() -> None:
    row = ("lat", np.arange(ROWS), {"units": "degrees_north"})
    da = field(a_row=row, row=row)
    da["lat"].attrs["standard_name"] = "latitude"
    found = axes(da)
    assert list(found) == ["time", "lat", "lon"]
    assert found["lat"] == ("lat", "lat", True)
    assert found["time"] == ("time", "time", False)  # by its name, the others by attributes
    del da["lat"].attrs["standard_name"], da["lat"].attrs["units"]
    assert axes(da)["lat"].told and axes(da)["lat"].coordinate in ("a_row", "row")
    assert axes(da.drop_vars(["a_row", "row"]))["lat"] == ("lat", "lat", False)


def calls(message: str) -> list[str]:
    """Return every complete call of open_dataset that a message advises, as it is printed."""
    found = []
    for start in (m.start() for m in re.finditer(r"open_dataset\((?!takes)", message)):
        depth = 0
        for end in range(start, len(message)):
            depth += {"(": 1, ")": -1}.get(message[end], 0)
            if depth == 0 and message[end] == ")":
                found.append(message[start : end + 1])
                break
    return [call for call in found if "…" not in call]


def refusal(da, **cut) -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(da, **cut)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def in_celsius(da: xr.DataArray, units: str) -> xr.DataArray:
    return (da - 273.15).assign_attrs(units=units)


def in_fahrenheit(da: xr.DataArray, units: str) -> xr.DataArray:
    return ((da - 273.15) * 1.8 + 32).assign_attrs(units=units)


# ---- units


@pytest.mark.parametrize(
    "units",
    [
        "K",
        "k",
        "K ",
        "kelvin",
        "Kelvin",
        "KELVIN",
        "kelvins",
        "degree_K",
        "degrees K",
        "degK",
        "deg_K",
        "°K",
        "Degrees_Kelvin",
    ],
)
def test_kelvin_in_any_spelling_is_left_as_it_is(units):
    np.testing.assert_array_equal(open_dataset(field().assign_attrs(units=units)), field())


@pytest.mark.parametrize(
    ("convert", "units"),
    [(in_celsius, u) for u in ("degC", "°C", "C", "celsius", "degree_Celsius", "degrees C")]
    + [(in_celsius, u) for u in ("deg C", "degree_C", "Celsius", "centigrade", "degrees_celsius")]
    + [(in_fahrenheit, u) for u in ("degF", "°F", "F", "fahrenheit", "deg_F", "degree_Fahrenheit")]
    + [(lambda da, u: (da * 1000).assign_attrs(units=u), "mK")]
    + [(lambda da, u: (da * 1.8).assign_attrs(units=u), "degR")],
)
def test_other_temperatures_are_converted_by_their_units(convert, units):
    own = open_dataset(convert(field().astype(float), units))
    np.testing.assert_allclose(own, field(), rtol=2e-7)
    assert own.attrs["units"] == "K"


@pytest.mark.parametrize(
    ("attributes", "values"),
    [
        ({"units": "m s**-1"}, (0, 30)),
        ({"units": "m/s"}, (200, 300)),
        ({"units": "kg m-2 s-1", "standard_name": "precipitation_flux"}, (0, 1e-3)),
        ({"units": "mm/day"}, (160, 340)),
        ({"units": "Pa"}, (90_000, 105_000)),
        ({"units": "hPa"}, (200, 300)),
        ({"units": "%"}, (0, 100)),
        ({"units": "1"}, (200, 300)),
        ({"units": "(0 - 1)"}, (0, 1)),
        ({"units": "dam"}, (200, 300)),
        ({"units": "no unit at all"}, (200, 300)),
        ({"standard_name": "wind_from_direction"}, (200, 300)),
    ],
)
def test_what_is_no_temperature_is_refused_by_its_name(attributes, values):
    other = xr.zeros_like(field()).drop_attrs() + np.random.default_rng(0).uniform(
        *values, (STEPS, ROWS, COLUMNS)
    )
    said = refusal(other.assign_attrs(attributes))
    assert all(repr(value) in said or value in said for value in attributes.values())
    assert "temperature" in said


UNITS_IN_DOUBT = {
    "degC without units": in_celsius(field(), "").drop_attrs(),
    "degF without units": in_fahrenheit(field(), "").drop_attrs(),
    "degC said to be K": in_celsius(field(), "K"),
    "degF said to be degC": in_fahrenheit(field(), "degC"),
    "K said to be degC": field().assign_attrs(units="degC"),
    "K said to be degF": field().assign_attrs(units="degF"),
}


@pytest.mark.parametrize("case", UNITS_IN_DOUBT)
def test_units_in_doubt_are_asked_about(case):
    da = UNITS_IN_DOUBT[case]
    for call in calls(refusal(da)):
        opened = eval(call)
        assert opened.min() > 200
    assert calls(refusal(da))


def test_without_units_values_that_can_only_be_kelvin_decide():
    np.testing.assert_array_equal(open_dataset(field().drop_attrs()), field())


# ---- times


def gap(*hours: int) -> xr.DataArray:
    return field().drop_isel(time=[*hours])


MENDED = {
    "one hour missing": gap(20),
    "a day missing": gap(*range(20, 44)),
    "two hours missing": gap(10, 40),
    "monthly": field(time=times("MS")),
    "month ends": field(time=times("ME")),
    "noleap across 29 February": field(time=times("6h", "2020-02-25", calendar="noleap")),
    "noleap, hourly": field(time=times("h", "2019-12-30", calendar="noleap")).assign_coords(
        time=times("D", "2020-01-15", calendar="noleap")
    ),
    "360 days": field(time=times("D", calendar="360_day")),
    "360 days, hourly": field(time=times("12h", "2019-02-20", calendar="360_day")),
    "duplicate": xr.concat([field(), field()[-1:]], "time"),
    "unsorted": field()[::-1],
    "duplicate valid_time": xr.concat([field(), field()[-1:]], "time").rename(time="valid_time"),
    "gap in date": gap(20).rename(time="date"),
    "a time missing": field(time=field().time.where(np.arange(STEPS) != 0)),
    "uneven": field(lat=("lat", 55 - 0.5 * np.arange(ROWS) ** 1.2)),
    "uneven latitude": field(lat=("lat", 55 - 0.5 * np.arange(ROWS) ** 1.2)).rename(lat="latitude"),
    "radians": field(lat=("lat", np.radians(field().lat.values), {"units": "radians"})),
    "member": field().expand_dims(number=[0, 1]),
    "level": field().expand_dims(level=[1000, 850]).transpose("time", "level", "lat", "lon"),
    "wrong units attribute": field().assign_attrs(units="m"),
}


@pytest.mark.parametrize("case", MENDED)
def test_the_advice_of_a_refusal_works_as_printed(case):
    da = MENDED[case]
    said = refusal(da)
    advised = [call for call in calls(said) if "file.nc" not in call]
    assert advised, said
    for call in advised:
        opened = eval(call)
        assert opened.sizes["lat"] == ROWS
        assert opened.sizes["time"] > 30


@pytest.mark.parametrize(
    "case", [name for name in MENDED if "missing" in name and "time" not in name]
)
def test_the_longest_part_without_a_gap_is_named(case):
    said = refusal(MENDED[case])
    period = eval(re.search(r"period=(\(.*?\))", said)[1])
    part = open_dataset(MENDED[case], period=period)
    lengths = np.diff([-1, *np.flatnonzero(np.diff(MENDED[case].time) > np.timedelta64(1, "h")), 0])
    assert part.sizes["time"] >= lengths.max()


@pytest.mark.parametrize(
    ("start", "calendar"),
    [
        ("2021-01-01", "noleap"),
        ("2019-03-01", "365_day"),
        ("2020-01-01", "all_leap"),
        ("2300-01-01", "standard"),
        ("2300-01-01", "proleptic_gregorian"),
        ("2020-01-01", "gregorian"),
        ("2021-01-01", "julian"),
    ],
)
def test_calendars_without_a_gap_are_read(start, calendar):
    own = field(time=times("6h", start, calendar=calendar, use_cftime=True))
    opened = open_dataset(own)
    assert str(opened.time.values[0])[:10] == start
    assert opened.attrs["step_hours"] == 6
    np.testing.assert_array_equal(opened, field())


def test_a_time_zone_is_turned_into_utc():
    index = pd.DatetimeIndex(field().time.values).tz_localize("UTC")
    for zone in ("UTC", "Asia/Tokyo"):
        opened = open_dataset(field().assign_coords(time=index.tz_convert(zone)))
        np.testing.assert_array_equal(opened.time, field().time)


def test_numbers_as_times_are_refused_with_advice_that_works():
    da = field(time=np.arange(STEPS))
    said = refusal(da)
    (call,) = calls(said)
    opened = eval(call)
    assert str(opened.time.values[0]) == "2000-01-01T00:00:00.000000000"


def test_expver_of_era5_and_its_first_release_is_combined():
    first = np.arange(STEPS) < 40
    for labels in ([1, 5], ["0001", "0005"]):
        pair = [field().where(xr.DataArray(part, dims="time")) for part in (first, ~first)]
        own = xr.concat(pair, pd.Index(labels, name="expver")).transpose("time", "expver", ...)
        np.testing.assert_array_equal(open_dataset(own), field())


def test_forecasts_count_by_the_time_they_hold_for():
    leads = pd.timedelta_range("0h", periods=STEPS, freq="h")
    own = field().drop_vars("time").rename(time="step").assign_coords(step=leads)
    own = own.assign_coords(
        time=np.datetime64("2020-03-01"), valid_time=("step", field().time.values)
    )
    np.testing.assert_array_equal(open_dataset(own).time, field().time)
    new = field().rename(time="forecast_reference_time").expand_dims(forecast_period=[0])
    new = new.assign_coords(
        valid_time=(("forecast_reference_time", "forecast_period"), field().time.values[:, None])
    )
    np.testing.assert_array_equal(open_dataset(new), field())


# ---- places


@settings(deadline=None, max_examples=30)
@given(
    west=st.sampled_from([-180, -179.5, -20, 0, 140, 160.5, 178, 179.5]),
    width=st.integers(2, 30),
    convention=st.sampled_from([-180, 0]),
)
def test_a_region_is_cut_in_one_piece_wherever_it_lies(west, width, convention):
    lon = np.sort((np.arange(0, 360, 1.5) - convention) % 360 + convention)
    values = np.broadcast_to(250 + 40 * np.cos(np.radians(lon - 100)), (4, 3, len(lon)))
    world = xr.DataArray(
        values,
        {"time": field().time[:4].values, "lat": [50, 48.5, 47], "lon": lon},
        ("time", "lat", "lon"),
        attrs={"units": "K"},
    )
    part = open_dataset(world, region=(51, west, 46, west + 1.5 * width + 0.1))
    assert (np.diff(part.lon) == 1.5).all()
    assert -180 <= part.lon[0] < 180
    assert 0 <= (float(part.lon[0]) - west) % 360 < 1.5
    assert part.sizes["lon"] in (width, width + 1)
    expected = 250 + 40 * np.cos(np.radians(part.lon.values - 100))
    np.testing.assert_allclose(part[0, 0], expected, atol=1e-3)


@pytest.mark.parametrize("start", [160, 178, -200, 340])
def test_a_field_across_180_degrees_stays_in_one_piece(start):
    lon = start + 2.5 * np.arange(COLUMNS)
    whole = open_dataset(field(lon=lon))
    np.testing.assert_allclose(np.diff(whole.lon), 2.5)
    np.testing.assert_allclose((whole.lon - lon) % 360, 0, atol=1e-9)
    np.testing.assert_array_equal(whole, field())
    torn = field(lon=(lon + 180) % 360 - 180).sortby("lon")
    np.testing.assert_array_equal(open_dataset(torn), whole)


def test_a_map_across_180_degrees_has_its_coastlines_and_true_longitudes():
    from lsntp.data.distances import great_circle_km, grid_nodes
    from lsntp.data.land import land_mask
    from lsntp.figures.maps import field_map

    across = open_dataset(
        field(lat=("lat", 70 - 1.0 * np.arange(ROWS)), lon=160 + 5.0 * np.arange(9))
    )
    lat, lon = across.lat.values, across.lon.values
    np.testing.assert_array_equal(land_mask(lat, lon), land_mask(lat, (lon + 180) % 360 - 180))
    ax = field_map(across[0])
    line = next(c for c in ax.collections if c.get_gid() == "coastline")
    assert line.get_datalim(ax.transData).x1 > 185  # Alaska
    ax.figure.canvas.draw()
    assert "170°W" in [ax.xaxis.get_major_formatter()(190, 0)]
    km = great_circle_km(*grid_nodes(across[0]))
    nodes = grid_nodes(across[0])
    np.testing.assert_allclose(
        km, great_circle_km(nodes[0], (nodes[1] + 180) % 360 - 180), atol=1e-6
    )


def test_a_cyclic_point_is_dropped():
    for start in (0, -180):
        lon = start + 45.0 * np.arange(COLUMNS)
        world = open_dataset(field(lon=lon))
        assert world.sizes["lon"] == COLUMNS - 1
        assert len(np.unique(world.lon % 360)) == COLUMNS - 1


@pytest.mark.parametrize("west", [4.3, 179.999, 359.3])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_fine_grid_is_even(west, dtype):
    lon = (west + np.arange(COLUMNS) / 1200).astype(dtype)  # 92 m
    own = open_dataset(field(lon=lon, lat=(50.9 - np.arange(ROWS) / 1200).astype(dtype)))
    np.testing.assert_array_equal(own, field())


@pytest.mark.parametrize(
    "region",
    [
        (50, 0, 55, 5),
        (55, 0, 50),
        "55,0,50,5",
        (55, 0, 50, 0),
        (95, 0, 50, 5),
        (np.nan, 0, 1, 2),
        5,
    ],
)
def test_a_region_that_is_none_is_refused(region):
    assert "north, west, south, east" in refusal(field(), region=region)


def test_a_region_elsewhere_says_what_there_is():
    said = refusal(field(), region=(-10, 0, -20, 10))
    south, north, west, east = map(
        float,
        re.findall(r"-?[\d.]+ to -?[\d.]+", said)[0].split(" to ")
        + re.findall(r"-?[\d.]+ to -?[\d.]+", said)[1].split(" to "),
    )
    assert open_dataset(field(), region=(north, west, south, east)).shape == field().shape


def test_period_and_every():
    part = open_dataset(field(), period=("2020-03-01T05:00", "2020-03-02"), every=6)
    np.testing.assert_array_equal(part, field()[5:48:6])
    assert part.attrs["step_hours"] == 6
    assert open_dataset(field(), period=(None, "2020-03-01")).sizes["time"] == 24
    for period in (("1999", "2000"), ("2020-03-02", "2020-03-01"), ("no", None), 3):
        assert "2020-03-01" in refusal(field(), period=period)
    for every in (0, -1, 1.5, True, "2"):
        assert repr(every) in refusal(field(), every=every)


# ---- grids that are none of latitude and longitude


def other_grid(kind: str) -> xr.DataArray:
    """Truth is linear in latitude and longitude, so that interpolation finds it exactly."""
    j, i = np.arange(14.0), np.arange(16.0)
    lat = 50 + 0.5 * j[:, None] + 0.05 * i
    lon = 8 + 0.5 * i - 0.04 * j[:, None]
    values = 280 + 0.3 * (lat - 50) - 0.2 * (lon - 8) + np.sin(np.arange(STEPS))[:, None, None]
    y, x = {"ni": ("nj", "ni"), "rlat": ("rlat", "rlon")}.get(kind, ("y", "x"))
    attributes = {
        "rlat": ({"standard_name": "grid_latitude", "units": "degrees"}, "grid_longitude"),
        "rotated, called y": ({"standard_name": "grid_latitude", "axis": "Y"}, "grid_longitude"),
        "Lambert": (
            {"standard_name": "projection_y_coordinate", "units": "km"},
            "projection_x_coordinate",
        ),
        "geostationary": (
            {"standard_name": "projection_y_angular_coordinate", "units": "rad"},
            "projection_x_angular_coordinate",
        ),
    }
    da = xr.DataArray(
        values,
        {"time": field().time.values, "lat": ((y, x), lat), "lon": ((y, x), lon)},
        ("time", y, x),
        attrs={"units": "K"},
    )
    if kind in attributes:
        attrs, other = attributes[kind]
        da = da.assign_coords({y: (y, j, attrs), x: (x, i, attrs | {"standard_name": other})})
    return da


@pytest.mark.parametrize(
    "kind", ["rlat", "rotated, called y", "Lambert", "geostationary", "ni", "no coordinates"]
)
def test_other_grids_are_refused_by_name_and_regridded_as_advised(kind):
    own = other_grid(kind)
    said = refusal(own)
    assert str(own.dims) in said
    assert "regrid" in said
    new = open_dataset(regrid(own, 0.5))
    expected = 280 + 0.3 * (new.lat - 50) - 0.2 * (new.lon - 8)
    change = np.sin(np.arange(STEPS))
    np.testing.assert_allclose(
        new,
        (expected + xr.DataArray(change, dims="time")).transpose("time", "lat", "lon"),
        atol=1e-4,
    )
    assert min(new.sizes.values()) > 6


def test_a_projection_without_places_is_refused_until_it_has_some():
    whole = other_grid("Lambert")
    bare = whole.drop_vars(["lat", "lon"])
    assert "assign_coords(lat=" in refusal(bare)
    open_dataset(regrid(bare.assign_coords(lat=whole.lat, lon=whole.lon), 0.5))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda da: da.rename(lat="y", lon="x").assign_coords(
            y=("y", np.arange(8.0), {"axis": "Y"}), x=("x", np.arange(9.0), {"axis": "X"})
        ),
        lambda da: da.assign_coords(
            lat=("lat", np.arange(8.0), {"standard_name": "grid_latitude", "units": "degrees"}),
            lon=("lon", np.arange(9.0), {"standard_name": "grid_longitude", "units": "degrees"}),
        ),
        lambda da: da.assign_coords(
            lat=("lat", np.arange(8.0), {"units": "km"}), lon=("lon", np.arange(9.0))
        ),
        lambda da: da.rename(lat="y", lon="x").assign_coords(
            y=("y", np.arange(8.0), {"units": "m"}), x=("x", np.arange(9.0), {"units": "m"})
        ),
        lambda da: da.stack(cell=("lat", "lon")).reset_index("cell"),
    ],
)
def test_names_and_axes_alone_make_no_latitude(spoil):
    refusal(spoil(field()))


def test_standard_names_count_before_units_and_names():
    own = field().rename(lat="a", lon="b")
    own["a"].attrs = {"standard_name": "latitude"}
    own["b"].attrs = {"units": "degree_east"}
    np.testing.assert_array_equal(open_dataset(own), field())
    swapped = field().rename(lat="lon", lon="lat")
    swapped["lon"].attrs = {"standard_name": "latitude"}
    swapped["lat"].attrs = {"standard_name": "longitude"}
    np.testing.assert_array_equal(open_dataset(swapped), field())
    index = field().rename(lat="j", lon="i").drop_vars(["j", "i"])
    index = index.assign_coords(
        latitude=("j", field().lat.values), longitude=("i", field().lon.values)
    )
    np.testing.assert_array_equal(open_dataset(index), field())


# ---- kinds of files


def test_a_dataset_in_memory_is_itself():
    np.testing.assert_array_equal(open_dataset(field().to_dataset()), field())
    np.testing.assert_array_equal(open_dataset(field().chunk(time=7)), field())


def test_of_several_fields_the_only_temperature_is_taken():
    wind = field().assign_attrs(units="m s-1")
    np.testing.assert_array_equal(open_dataset(xr.Dataset({"u10": wind, "t2m": field()})), field())
    both = xr.Dataset({"u10": wind, "t2m": field(), "d2m": field() - 5})
    said = refusal(both)
    assert all(name in said for name in ("u10", "t2m", "d2m"))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    field().to_netcdf("a.nc")
    field()[:25].to_netcdf("p1.nc")
    field()[25:].to_netcdf("p2.nc")
    field(120).to_netcdf("long.nc")
    return tmp_path


def packed(kind: str) -> str:
    data = Path("a.nc").read_bytes()
    if kind == "zip":
        with zipfile.ZipFile("cds.nc", "w") as archive:
            archive.write("a.nc", "data_stream-oper.nc")
        return "cds.nc"
    if kind == "zip of months":
        with zipfile.ZipFile("months.zip", "w") as archive:
            archive.write("p2.nc")
            archive.write("p1.nc")
        return "months.zip"
    module = {"gz": gzip, "bz2": bz2, "xz": lzma}[kind]
    Path(f"a.nc.{kind}").write_bytes(module.compress(data))
    return f"a.nc.{kind}"


@pytest.mark.parametrize("kind", ["zip", "zip of months", "gz", "bz2", "xz"])
def test_packed_files_are_read_and_nothing_is_left_beside_them(folder, kind):
    name = packed(kind)
    before = sorted(folder.iterdir())
    np.testing.assert_array_equal(open_dataset(name), field())
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", ["p*.nc", ["p2.nc", "p1.nc"], ["./p1.nc", "p1.nc", "p2.nc"]])
def test_several_files_are_one_field(folder, name):
    np.testing.assert_array_equal(open_dataset(name), field())
    np.testing.assert_array_equal(open_dataset(name, every=7), field()[::7])
    part = open_dataset(name, region=(54, 0, 52, 2), period=("2020-03-01T20:00", None), every=3)
    expected = field()[20::3].sel(lat=slice(54, 52), lon=slice(0, 2))
    np.testing.assert_array_equal(part, expected)


def test_files_of_one_time_each(folder):
    for hour in range(30):
        field().isel(time=hour).to_netcdf(f"h{hour:02}.nc")
    np.testing.assert_array_equal(open_dataset("h*.nc"), field()[:30])


def test_files_that_do_not_fit_together_are_named(folder):
    field(lon=field().lon + 9)[25:].to_netcdf("p3.nc")
    with pytest.raises(DataError, match=r"p3\.nc"):
        open_dataset(["p1.nc", "p3.nc"])
    with pytest.raises(DataError, match="duplicate"):
        open_dataset(["a.nc", "p1.nc"])


@pytest.mark.parametrize("form", [2, 3])
def test_a_zarr_store(folder, form):
    field().to_dataset().chunk(time=10).to_zarr("s.zarr", zarr_format=form, consolidated=False)
    np.testing.assert_array_equal(open_dataset("s.zarr"), field())
    np.testing.assert_array_equal(open_dataset("s.zarr:t2m", every=2), field()[::2])
    shutil.make_archive("packed", "zip", "s.zarr")
    np.testing.assert_array_equal(open_dataset("packed.zip"), field())


def test_home_and_links(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    np.testing.assert_array_equal(open_dataset("~/a.nc"), field())


@pytest.fixture
def server(folder, monkeypatch):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, *args):
            pass

    monkeypatch.setenv("LSNTP_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_a_url(server):
    np.testing.assert_array_equal(open_dataset(f"{server}/a.nc"), field())
    np.testing.assert_array_equal(open_dataset(f"{server}/a.nc:t2m"), field())
    changed = field() + 1
    os.remove("a.nc")
    changed.to_netcdf("a.nc")
    os.utime("a.nc", (1, 1))
    np.testing.assert_array_equal(open_dataset(f"{server}/a.nc"), changed)
    with pytest.raises(DataUnavailable):
        open_dataset(f"{server}/nosuch.nc")


def test_a_download_that_is_cut_off_goes_on_and_a_changed_byte_is_noticed(
    folder, tmp_path_factory, monkeypatch, capsys
):
    monkeypatch.setenv("LSNTP_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "TRIES", 1)
    field(900).to_netcdf("big.nc")
    whole = Path("big.nc").read_bytes()
    downloads = Path(os.environ["LSNTP_DATA_DIR"]) / "downloads"
    with upstream.served(folder, cuts=[200_000]) as url:
        with pytest.raises(DataUnavailable):
            open_dataset(f"{url}/big.nc")
        (part,) = downloads.rglob("*.part")
        come = part.read_bytes()
        assert len(come) > 100_000 and whole.startswith(come)
        part.write_bytes(bytes(50) + come[50:])  # to see that these are kept
        with pytest.raises(DataError):
            open_dataset(f"{url}/big.nc")
        (path,) = downloads.rglob("big.nc")
        assert path.read_bytes() == bytes(50) + whole[50:]
        shutil.rmtree(path.parent)
        np.testing.assert_array_equal(open_dataset(f"{url}/big.nc"), field(900))
        assert "big.nc" in capsys.readouterr().err  # how far it has come
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(DataError, match="delete") as told:
            open_dataset(f"{url}/big.nc")
        advised = re.search("delete (.*) to download", str(told.value))[1]
        shutil.rmtree(advised)
        np.testing.assert_array_equal(open_dataset(f"{url}/big.nc"), field(900))


def test_a_zarr_store_on_a_server(server):
    field().to_dataset().chunk(time=10).to_zarr("s.zarr", zarr_format=2, consolidated=True)
    np.testing.assert_array_equal(
        open_dataset(f"{server}/s.zarr", region=(54, 0, 52, 2)).shape, (60, 5, 5)
    )


@pytest.mark.parametrize("end", ["a.nc", "s.zarr"])
def test_a_url_without_a_network(monkeypatch, end):
    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DataUnavailable, match="network"):
        open_dataset(f"https://example.org/{end}")


@pytest.mark.parametrize("name", ["nosuch.nc", "x*.nc", ".", "text.txt", "half.nc.gz", "cut.nc"])
def test_what_cannot_be_opened_is_named(folder, name):
    Path("text.txt").write_text("no data")
    Path("half.nc.gz").write_bytes(gzip.compress(Path("a.nc").read_bytes())[:500])
    Path("cut.nc").write_bytes(Path("a.nc").read_bytes()[:3000])
    with pytest.raises(DataError, match=re.escape(name)):
        open_dataset(name)


# ---- GRIB of several levels


def write_grib(path: str, fields: list[tuple[xr.DataArray, dict]], sample: str = "GRIB2") -> None:
    with open(path, "wb") as file:
        for da, keys in fields:
            for frame in da:
                message = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_{sample.lower()}")
                settings = {
                    "dataDate": int(frame.time.dt.strftime("%Y%m%d")),
                    "dataTime": 100 * int(frame.time.dt.hour),
                    "Ni": COLUMNS,
                    "Nj": ROWS,
                    "latitudeOfFirstGridPointInDegrees": float(frame.lat[0]),
                    "latitudeOfLastGridPointInDegrees": float(frame.lat[-1]),
                    "longitudeOfFirstGridPointInDegrees": float(frame.lon[0]),
                    "longitudeOfLastGridPointInDegrees": float(frame.lon[-1]),
                    "iDirectionIncrementInDegrees": 0.5,
                    "jDirectionIncrementInDegrees": 0.5,
                    "bitsPerValue": 24,
                } | keys
                for key, value in settings.items():
                    eccodes.codes_set(message, key, value)
                eccodes.codes_set_values(message, frame.values.astype(float).ravel())
                eccodes.codes_write(message, file)
                eccodes.codes_release(message)


def height(metres: int, number: int = 0, category: int = 0) -> dict:
    return {
        "discipline": 0,
        "parameterCategory": category,
        "parameterNumber": number,
        "typeOfFirstFixedSurface": 103,
        "scaleFactorOfFirstFixedSurface": 0,
        "scaledValueOfFirstFixedSurface": metres,
    }


def pressure(hectopascals: int) -> dict:
    return height(100 * hectopascals) | {"typeOfFirstFixedSurface": 100}


def test_grib_of_several_heights_and_levels(folder):
    few = field(6).assign_coords(lon=field().lon + 3)
    write_grib(
        "gfs.grib2",
        [
            (few, height(2)),
            (few - 3, height(80)),
            (few - 280, height(10, 2, 2)),
            (few - 10, pressure(850)),
            (few - 20, pressure(500)),
        ],
    )
    with pytest.raises(DataError) as caught:
        open_dataset("gfs.grib2")
    advised = re.findall(r"(\w+) \('", str(caught.value))
    assert len(advised) >= 3
    np.testing.assert_allclose(open_dataset("gfs.grib2:t2m"), few, atol=1e-3)
    with pytest.raises(DataError) as caught:
        open_dataset("gfs.grib2:t_isobaricInhPa")
    level = re.search(r"@\w+=[\d.]+", str(caught.value))[0]
    opened = open_dataset(f"gfs.grib2:t_isobaricInhPa{level}")
    np.testing.assert_allclose(
        opened, few - {"850": 10, "500": 20}[level.split("=")[1][:3]], atol=1e-3
    )
    np.testing.assert_allclose(
        open_dataset("gfs.grib2:t_isobaricInhPa@isobaricInhPa=500"), few - 20, atol=1e-3
    )
    with pytest.raises(DataError, match="m s"):
        open_dataset("gfs.grib2:u10")
    assert not list(folder.glob("*.idx"))


@pytest.mark.parametrize("sample", ["GRIB1", "GRIB2"])
def test_grib_of_either_edition(folder, sample):
    keys = height(2) if sample == "GRIB2" else {"indicatorOfParameter": 167, "table2Version": 128}
    write_grib("one.grib", [(field(6).assign_coords(lon=field().lon + 3), keys)], sample)
    np.testing.assert_allclose(open_dataset("one.grib"), field(6), atol=1e-3)


def test_a_level_of_a_netcdf_file(folder):
    pair = xr.concat([field(), field() - 9], pd.Index([1000, 850], name="level"))
    pair.to_netcdf("levels.nc")
    with pytest.raises(DataError) as caught:
        open_dataset("levels.nc")
    advised = re.search(r"@\w+=\d+", str(caught.value))[0]
    for part in (advised, "@level=850"):
        opened = open_dataset(f"levels.nc:t2m{part}")
        np.testing.assert_array_equal(opened, pair.sel(level=int(part.split("=")[1])))
    with pytest.raises(DataError, match="1000, 850"):
        open_dataset("levels.nc:t2m@level=3")


# ---- what a record is of


def test_one_data_set_has_one_name(folder):
    os.symlink("a.nc", "link.nc")
    os.symlink(folder, folder / "way")
    names = ["a.nc", "./a.nc", folder / "a.nc", "link.nc", "way/a.nc", ["a.nc"]]
    keys = {RunConfig(dataset=name, model="ridge").key for name in names}
    assert len(keys) == 1
    both = [["p1.nc", "p2.nc"], "p*.nc", str(folder / "p?.nc")]
    configs = [RunConfig(dataset=name, model="ridge") for name in both]
    assert len({config.key for config in configs}) == 1
    assert RunConfig.model_validate_json(configs[0].model_dump_json()) == configs[0]
    np.testing.assert_array_equal(open_dataset(configs[0].dataset), field())
    chosen = RunConfig(dataset="a.nc:t2m", model="ridge")
    assert chosen.dataset == f"{folder}/a.nc:t2m"
    assert RunConfig(dataset=chosen.dataset, model="ridge") == chosen


def test_a_stored_config_is_read_alike_whatever_lies_on_the_disk(folder):
    config = RunConfig(dataset="a.nc", model="ridge")
    os.rename("a.nc", "b.nc")
    os.symlink("b.nc", "a.nc")
    assert RunConfig.model_validate_json(config.model_dump_json()).key == config.key


def test_names_keep_their_keys():
    assert RunConfig(dataset="ncep-na", model="ridge").dataset == "ncep-na"
    assert RunConfig(dataset="synthetic", model="ridge").key == "53aac1cfe3b8bdd0"


CHANGES = {
    "values": lambda da: da + 1,
    "times": lambda da: da.assign_coords(time=da.time + np.timedelta64(30, "D")),
    "step": lambda da: da.assign_coords(time=pd.date_range("2020-03-01", periods=120, freq="6h")),
    "latitudes": lambda da: da.assign_coords(lat=da.lat - 20),
    "longitudes": lambda da: da.assign_coords(lon=da.lon + 0.25),
    "order": lambda da: da.isel(lat=slice(None, None, -1)).assign_coords(lat=da.lat.values),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_record_of_other_data_is_never_shown(folder, monkeypatch, change):
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(folder / "cache"))
    first = run(RunConfig(dataset="long.nc", model="climatology", input_steps=2, lead_steps=1))
    again = run(
        RunConfig(dataset=folder / "long.nc", model="climatology", input_steps=2, lead_steps=1)
    )
    assert again.attrs["made"] == first.attrs["made"]
    os.remove("long.nc")
    CHANGES[change](field(120)).to_netcdf("long.nc")
    config = RunConfig(dataset="long.nc", model="climatology", input_steps=2, lead_steps=1)
    with pytest.raises(RecordError, match="made from other data"):
        studies.load({"climatology": [config]})
    second = run(config)
    assert studies.load({"climatology": [config]})["climatology"][0].equals(second)
    assert second.attrs["fingerprint"] != first.attrs["fingerprint"]
    if change in ("latitudes", "longitudes"):
        axis = change[:3]
        np.testing.assert_allclose(second[axis], open_dataset("long.nc")[axis])


def test_the_same_field_in_other_clothes_is_the_same_record():
    first = open_dataset(field()).attrs["fingerprint"]
    turned = field().isel(lat=slice(None, None, -1)).rename(lat="latitude", time="valid_time")
    assert (
        open_dataset(turned.assign_coords(lon=field().lon % 360).sortby("lon")).attrs["fingerprint"]
        == first
    )
