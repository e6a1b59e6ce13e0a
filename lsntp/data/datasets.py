"""A name or a file -> a verified temperature field ``(time, lat, lon)`` in K.

Real data is found in ``$LSNTP_DATA_DIR`` (default: the user's cache folder), else downloaded, and
checked before use. Explained in the book's page on data; used by every notebook.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import BeforeValidator, Field

from lsntp.data.checks import shown
from lsntp.data.fields import DataError, fields_of, standardise
from lsntp.data.reanalyses import REMOTE
from lsntp.data.store import clear_leftovers, scratch_of
from lsntp.data.synthetic import synthetic

UPSTREAM = "https://raw.githubusercontent.com/pydata/xarray-data/master/"
CONNECT_S, READ_S = 2, 20  # time limits of a download, s: to connect to an address, of silence


class DataUnavailable(DataError):
    """Data that is neither on disk nor downloadable."""


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
# One name, or a list of some.
Datasets = Annotated[
    list[str],
    BeforeValidator(lambda names: [names] if isinstance(names, str) else names),
    Field(min_length=1),
]


def data_dir() -> Path:
    """Folder of the real data: ``$LSNTP_DATA_DIR``, by default the user's cache folder."""
    import pooch

    return Path(os.environ.get("LSNTP_DATA_DIR") or pooch.os_cache("lsntp")).expanduser()


def open_dataset(name: str | os.PathLike) -> xr.DataArray:
    """Open a named data set, or a file of your own, as a verified field.

    Parameters
    ----------
    name : str or path
        ``"ncep-na"`` (21 x 35, 6-hourly), ``"ncep-na-full"`` (25 x 53), ``"era5-uk"`` (33 x 49,
        hourly), ``"synthetic"``, once they are fetched ``"ncep-china"`` (21 x 35, 6-hourly) and
        ``"era5-china"`` (77 x 125, hourly), or the path of a NetCDF or GRIB file. Where a file
        holds several fields, ``"file.nc:variable"`` says which.

    Returns
    -------
    xr.DataArray
        Dimensions ``(time, lat, lon)``, float32, K; times ascending and regular, north first,
        longitudes ascending in [-180, 180). Attributes: `name`, `long_name`, `units`,
        `step_hours` (h), `source`, `licence`, `fingerprint` (of the whole source array),
        `test_start` (first time of the test period) and, of a real set, `verified` (by what).

    Raises
    ------
    DataUnavailable
        The data is neither on disk nor downloadable.
    DataError
        Unknown name, a corrupted or altered file, or a field that breaks the form above.
    """
    if not isinstance(name, str | os.PathLike):
        raise DataError(
            f"name={shown(name)}: expected one of {', '.join((*NAMES, *REMOTE))}, or a path; a "
            "field that is open already is given to lsntp.data.datasets.standardise"
        )
    name = os.fspath(name)
    if name == "synthetic":
        return synthetic()["t2m"]
    if name in REMOTE:
        from lsntp.data import china

        return china.open_reanalysis(name)
    if name in REAL:
        entry = REAL[name]
        path = data_dir() / entry.file.filename
        if not path.exists():
            path = fetch(name)
        try:
            da = _verified(entry.file, path)
        except DataError as error:
            raise DataError(
                f"{path} is corrupted or altered: {error}. Delete it, or run "
                f"`lsntp data fetch {name}` (which keeps it as *.corrupt)"
            ) from error
        da = da.sel(lat=slice(*entry.lat), lon=slice(*entry.lon))
        return da.assign_attrs(name=name, test_start=entry.test_start)
    return _open_own(name)


def fetch(name: str) -> Path:
    """Download the file of a real data set, verify it and return its path.

    Of the paper's data, :data:`lsntp.data.reanalyses.REMOTE`, the folder of its files: more by
    :func:`lsntp.data.china.fetch`.
    The download goes to a temporary name and is renamed only once verified. A file already there
    is left alone if it is good; else it is kept under the name ``<file>.corrupt``.

    Raises
    ------
    DataUnavailable
        No network, or what came back is not the data (a proxy's page, a truncated file).
    """
    if name in REMOTE:
        from lsntp.data import china

        return china.fetch(name)[0].parent
    import pooch

    file = _entry(name).file
    path = data_dir() / file.filename
    if path.exists():
        try:
            _verified(file, path)
            return path
        except DataError:
            pass
    hint = (
        f"connect to the network and run `lsntp data fetch {name}`, or put {file.filename} "
        f"({UPSTREAM + file.filename}) into {path.parent} or set LSNTP_DATA_DIR to its folder"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(path.parent)
        temporary = scratch_of(path)
        temporary.touch()
    except OSError as error:
        raise DataUnavailable(
            f"{name}: not on disk, and {path.parent} cannot be written ({error.strerror}); {hint}"
        ) from None
    try:
        download = pooch.HTTPDownloader(timeout=(CONNECT_S, READ_S))
        download(UPSTREAM + file.filename, str(temporary), None)
        _verified(file, temporary)
        if path.exists():
            path.replace(_free_name(path))
        temporary.replace(path)
    except DataError as error:
        raise DataUnavailable(f"{name}: the download is not the data: {error}; {hint}") from None
    except OSError as error:  # those of requests among them
        raise DataUnavailable(
            f"{name}: not on disk and not downloadable ({error.strerror or type(error).__name__}); "
            f"{hint}"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def status(name: str) -> dict[str, str]:
    """One row of ``lsntp data check``: what a data set is, where it was found and in what state.

    `state` is ``ok``, ``missing`` or ``corrupt``; `detail` says more. Nothing is downloaded.
    """
    if name in REMOTE:
        from lsntp.data import china

        return china.status(name)
    path = None if name == "synthetic" else data_dir() / _entry(name).file.filename
    row = {"name": name, "shape": "", "span": "", "step": "", "found": str(path or "computed")}
    if path is not None and not path.exists():
        return row | {"state": "missing", "detail": f"run `lsntp data fetch {name}`"}
    try:
        da = open_dataset(name)
    except DataError as error:
        return row | {"state": "corrupt", "detail": str(error)}
    first, last = da.time.dt.strftime("%Y-%m-%d").values[[0, -1]]
    return row | {
        "shape": " x ".join(map(str, da.shape)),
        "span": f"{first} to {last}",
        "step": f"{da.step_hours:g} h",
        "state": "ok",
        "detail": da.attrs.get("verified", "made from its seed"),
    }


def _entry(name: str) -> Entry:
    if not isinstance(name, str) or name not in REAL:
        names = ", ".join((*REAL, *REMOTE))
        raise DataError(f"no file belongs to data set {name!r}; expected one of {names}")
    return REAL[name]


def _free_name(path: Path) -> Path:
    free = path.with_name(path.name + ".corrupt")
    number = 1
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.corrupt-{number}")
    return free


def _md5(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def _decode(path: Path) -> xr.Dataset:
    """Read a NetCDF or GRIB file whole, by its first bytes, leaving no index file beside it."""
    with open(path, "rb") as stream:
        start = stream.read(8)
    if start.startswith(b"GRIB"):
        options: dict = {"engine": "cfgrib", "backend_kwargs": {"indexpath": "", "errors": "raise"}}
    elif start.startswith((b"CDF\x01", b"CDF\x02")):
        options = {"engine": "scipy"}
    elif start.startswith((b"CDF\x05", b"\x89HDF")):
        options = {}  # whichever of netCDF4 and h5netcdf is installed
    else:
        raise DataError(f"neither NetCDF nor GRIB: it begins with {start!r}; expected one of them")
    try:
        with xr.open_dataset(path, decode_timedelta=False, **options) as ds:
            return ds.load()
    except Exception as error:  # each backend has its own ways to fail on a bad file
        reason = str(error).partition("\n")[0]
        raise DataError(f"it cannot be read: {type(error).__name__}: {reason}") from error


def _verified(file: File, path: Path) -> xr.DataArray:
    """Read the whole field of `file` if its md5, or its values and cells, are the known ones."""
    md5 = _md5(path)
    upstream = md5 == file.md5
    try:
        da = standardise(_decode(path), file.filename)
        if not (upstream or (da.fingerprint == file.fingerprint and _laid_out(da, file))):
            raise DataError(
                f"fingerprint of its values {da.fingerprint}, expected {file.fingerprint}"
                + (", on other coordinates" if da.fingerprint == file.fingerprint else "")
            )
    except DataError as error:
        raise DataError(f"md5 {md5}, expected {file.md5}; {error}") from error
    return da.assign_coords(  # exactly, whatever the file rounded them to
        {axis: da[axis].copy(data=np.linspace(*getattr(file, axis))) for axis in ("lat", "lon")}
    ).assign_attrs(
        long_name=file.long_name,
        source=file.source,
        licence=file.licence,
        verified="md5 of the upstream file" if upstream else "fingerprint of the values",
    )


def _laid_out(da: xr.DataArray, file: File) -> bool:
    first, last, count = file.time
    ends = np.array([first, last], "datetime64[ns]")
    return (
        da.shape == (count, file.lat[2], file.lon[2])
        and bool((da.time.values[[0, -1]] == ends).all())
        and np.allclose(da.lat, np.linspace(*file.lat), rtol=0, atol=1e-3)
        and np.allclose(da.lon, np.linspace(*file.lon), rtol=0, atol=1e-3)
    )


def located(name: str) -> tuple[str, str]:
    """Split the name of a file of one's own into its path and, if one is given, a variable.

    Raises
    ------
    DataError
        If there is no such file.
    """
    path, _, variable = name.rpartition(":")
    if not os.path.isfile(path):
        path, variable = name, ""
    if not os.path.isfile(path):
        near = difflib.get_close_matches(name, (*NAMES, *REMOTE), 1)
        raise DataError(
            f"unknown data set {name!r}"
            + (f" (did you mean {near[0]!r}?)" if near else "")
            + f"; expected one of {', '.join((*NAMES, *REMOTE))}, or the path of a NetCDF or GRIB "
            "file"
        )
    return path, variable


def _open_own(name: str) -> xr.DataArray:
    path, variable = located(name)
    try:
        ds = _decode(Path(path))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if variable and variable not in ds.data_vars:
        raise DataError(f"{path} has no variable {variable!r}; it has {fields_of(ds)}")
    return standardise(ds[variable] if variable else ds, name)
