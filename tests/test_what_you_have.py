"""The table of book/data.md, row by row: what you have, what you type, what you get."""

import gzip
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from test_own_fields import calls, field, other_grid, times, write_grib

from lsntp import open_dataset
from lsntp.data.checks import DataError
from lsntp.data.fields import with_values
from lsntp.data.regrid import regrid

PAGE = (Path(__file__).parents[1] / "book" / "data.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| `(open_dataset\(.*?\))` \| (.+?) \|$", PAGE, re.M)
GIVEN: dict[str, xr.DataArray | xr.Dataset] = {
    "da": field(),
    "ds": field().to_dataset(),
    "celsius": (field() - 273.15).assign_attrs(units="degC"),
    "fahrenheit": ((field() - 273.15) * 1.8 + 32).assign_attrs(units="degF"),
    "bare": field().drop_attrs(),
    "doubtful": (field() - 273.15).drop_attrs(),
    "wind": (field() / 50).assign_attrs(units="m s-1", standard_name="wind_speed"),
    "turned": field().assign_coords(lon=field()["lon"] % 360).sortby(["lat", "lon"]),
    "across": field(lon=176 + 1.0 * np.arange(9)),
    "cyclic": xr.concat(
        [
            field(lon=40.0 * np.arange(9) - 180),
            field(lon=40.0 * np.arange(9) - 180)[..., :1].assign_coords(lon=[180.0]),
        ],
        "lon",
    ),
    "masked": field().where(field()["lat"] < 54.6),
    "holes": field().where((field()["time"] != field()["time"][3]) | (field()["lat"] < 53)),
    "nameless": field().drop_attrs().rename("z"),
    "fillers": field().where(field()["time"] != field()["time"][3], -9999).assign_attrs(units="K"),
    "cells": field().stack(cell=("lat", "lon")).reset_index("cell").assign_attrs(units="K"),
    "gap": field().drop_isel(time=7),
    "doubled": xr.concat([field(), field()[-1:]], "time"),
    "jumbled": field()[::-1],
    "zoned": field().assign_coords(
        time=pd.DatetimeIndex(field()["time"].values).tz_localize("UTC").tz_convert("Asia/Tokyo")
    ),
    "noleap": field(time=times("6h", "2021-02-25", calendar="noleap", use_cftime=True)),
    "year360": field(time=times("D", calendar="360_day")),
    "levels": field().expand_dims(level=[1000, 850]).transpose("time", "level", "lat", "lon"),
    "rotated": other_grid("rlat"),
    "expver": xr.concat(
        [
            field().where(field()["time"] < field()["time"][40]),
            field().where(field()["time"] >= field()["time"][40]),
        ],
        pd.Index([1, 5], name="expver"),
    ).transpose("time", "expver", "lat", "lon"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of one field, in all the ways that the table names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    own = field()
    own.to_netcdf("my.nc")
    own.to_netcdf("classic.nc", engine="scipy")
    write_grib("my.grib", [(own, {})])
    rain = (own * 0 + own / 1e5).assign_attrs(units="mm/day").rename("tp")
    xr.merge([own, rain]).to_netcdf("several.nc")
    own[:25].to_netcdf("part1.nc")
    own[25:].to_netcdf("part2.nc")
    GIVEN["celsius"][:25].to_netcdf("celsius1.nc")
    with zipfile.ZipFile("streams.zip", "w") as archive:
        archive.write("my.nc", "instant.nc")
        rain.to_netcdf("rain.nc")
        archive.write("rain.nc", "accum.nc")
        archive.writestr("readme.txt", "a note")
    with zipfile.ZipFile("cds.nc", "w") as archive:
        archive.write("my.nc", "data_0.nc")
    Path("my.nc.gz").write_bytes(gzip.compress(Path("my.nc").read_bytes()))
    own.to_dataset().to_zarr("my.zarr", zarr_format=2, consolidated=True)
    return tmp_path


def test_there_are_some_thirty_rows_and_nothing_given_is_left_over() -> None:
    typed = " ".join(call for _, call, _ in ROWS)
    assert len(ROWS) >= 30
    assert all(re.search(rf"\({name}\)", typed) for name in GIVEN)


@pytest.mark.parametrize(("have", "call", "get"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row(folder: Path, have: str, call: str, get: str) -> None:
    names = GIVEN | {"open_dataset": open_dataset}
    if get.startswith(("refused", "asked")):
        with pytest.raises(DataError) as caught:
            eval(call, names)
        said = str(caught.value)
        da = GIVEN[call.removeprefix("open_dataset(").removesuffix(")")]
        if "regridded" in get:
            assert "regrid" in said and open_dataset(regrid(da, 0.5)).size
            return
        assert "no temperature" in said if "no temperature" in get else calls(said)
        for advised in calls(said) if "no temperature" not in get else ():
            opened = eval(advised, {"open_dataset": open_dataset, "da": da})
            assert opened.sizes["lat"] == 8 and np.isfinite(opened).all()
        return
    opened, expected = eval(call, names), field()
    if "cut before" in get:
        expected = expected.sel(lat=slice(54, 52), lon=slice(0, 2))[::6]
    if "from there on" in get:
        expected = expected.sel(time=slice("2020-03-02", None))
    if "masked" in get:
        assert (with_values(opened) == (field()["lat"] < 54.6).values[:, None]).all()
        expected = expected.where(field()["lat"] < 54.6)
    assert opened.dims == ("time", "lat", "lon") and opened.attrs["units"] == "K"
    np.testing.assert_allclose(opened, expected, atol=0.01 if "grib" in call else 2e-4)
    assert (np.diff(opened["lat"]) < 0).all() and (np.diff(opened["lon"]) > 0).all()
