"""The named data sets: their files, their sources and licences, and where they are looked for.

Imports nothing heavy: what only lists them answers at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_dir


@dataclass(frozen=True)
class File:
    """A file of others: how to tell it is the right one, and what its values are."""

    filename: str
    md5: str  # of the upstream file
    fingerprint: str  # of the decoded values, see `fingerprint`
    time: tuple[str, str, int]  # first, last, count
    lat: tuple[float, float, int]
    lon: tuple[float, float, int]  # in [-180, 180)
    long_name: str
    source: str
    licence: str


@dataclass(frozen=True)
class Entry:
    """A named data set: a file, a crop of it and where its test period begins."""

    file: File
    test_start: str
    lat: tuple[float | None, float | None] = (None, None)  # north, south
    lon: tuple[float | None, float | None] = (None, None)  # west, east


NCEP = File(
    filename="air_temperature.nc",
    md5="de5b9d45db48cf6b7034de1a4a6d6c98",
    fingerprint="36c20338f8bdae13e981dc1475c095523a5b7dee0f31049c33a180283fbe023f",
    time=("2013-01-01T00", "2014-12-31T18", 2920),
    lat=(75.0, 15.0, 25),
    lon=(-160.0, -30.0, 53),
    long_name="air temperature at sigma level 0.995",
    source="NCEP/NCAR Reanalysis 1 (NOAA PSL), by way of pydata/xarray-data",
    licence="US Government work, public domain",
)
ERA5 = File(
    filename="era5-2mt-2019-03-uk.grib",
    md5="eae4f0d198f4f6c16ba950975a217155",
    fingerprint="96abea797db80899120259c64a98f4e7b4604e541b2137cfdccaf7f71c84eacf",
    time=("2019-03-01T00", "2019-03-31T23", 744),
    lat=(58.0, 50.0, 33),
    lon=(-10.0, 2.0, 49),
    long_name="2 metre temperature",
    source="ERA5 (ECMWF, Copernicus Climate Change Service), by way of pydata/xarray-data",
    licence="Copernicus licence; contains modified Copernicus Climate Change Service "
    "information 2019",
)
REAL: dict[str, Entry] = {
    "ncep-na": Entry(NCEP, "2014-01-01T00:00:00", (65, 15), (-125, -40)),
    "ncep-na-full": Entry(NCEP, "2014-01-01T00:00:00"),
    "era5-uk": Entry(ERA5, "2019-03-25T00:00:00"),
}
NAMES = (*REAL, "synthetic")


@dataclass(frozen=True)
class Planting:
    """Links planted in a real data set: how strong, how slow, how far."""

    base: str  # the data set
    strength: float  # s.d. of the place's anomalies for one of the source's
    lag: int  # steps
    least_km: float


FAR_KM = {"ncep-na": 3000.0, "era5-uk": 400.0}
PLANTED = {
    f"{base}-planted-{percent}-lag{lag}": Planting(base, percent / 100, lag, far)
    for base, far in FAR_KM.items()
    for percent in (0, 25, 50, 100, 200)  # 0: told links that carry nothing, a control
    for lag in (1, 4)
}
LINKED = ("synthetic", *PLANTED)
"""Data sets whose far links are known."""
OURS = (*NAMES, *PLANTED)
"""Those of which the book may have records."""


def data_dir() -> Path:
    """Folder of the real data: ``$LSNTP_DATA_DIR``, by default the user's cache folder."""
    return Path(os.environ.get("LSNTP_DATA_DIR") or user_cache_dir("lsntp")).expanduser()
