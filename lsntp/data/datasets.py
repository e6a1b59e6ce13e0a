"""A name or a file -> a verified temperature field ``(time, lat, lon)`` in K.

Real data is found in ``$LSNTP_DATA_DIR`` (default: the user's cache folder), else downloaded, and
checked before use. Explained in the book's page on data; used by every notebook.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr
from filelock import FileLock
from pydantic import Field

from lsntp.data.catalogue import NAMES, PLANTED, REAL, Entry, File, data_dir
from lsntp.data.checks import DataError, one_or_several, shown
from lsntp.data.coordinates import Region
from lsntp.data.download import download
from lsntp.data.fields import fingerprint, standardise
from lsntp.data.reanalyses import REMOTE
from lsntp.data.sources import DataUnavailable, Source, fields, located
from lsntp.data.synthetic import synthetic

UPSTREAM = "https://raw.githubusercontent.com/pydata/xarray-data/master/"

# One name, or a list of some.
Datasets = Annotated[list[str], one_or_several, Field(min_length=1)]


Given = str | os.PathLike | Sequence[str | os.PathLike] | xr.DataArray | xr.Dataset


def open_dataset(
    source: Given,
    *,
    region: Region | None = None,
    period: tuple | None = None,
    every: int | None = None,
) -> xr.DataArray:
    """Open a named data set, or a field of your own, as a verified field.

    Parameters
    ----------
    source : str, path, list of these, xr.DataArray or xr.Dataset
        ``"ncep-na"`` (21 x 35, 6-hourly), ``"ncep-na-full"`` (25 x 53), ``"era5-uk"`` (33 x 49,
        hourly), ``"synthetic"``, or one of these with planted links, as
        ``"ncep-na-planted-50-lag1"`` (:mod:`lsntp.data.planted`); once they are fetched
        ``"ncep-china"`` (21 x 35, 6-hourly) and ``"era5-china"`` (77 x 125, hourly); the path or
        http(s) URL of a NetCDF or GRIB file, also packed (zip, gzip), or of a Zarr store; a glob or
        a list of files that follow each other in time;
        or a field that is open already. Where there are several fields, ``"file.nc:variable"``
        says which, and ``"file.grib:t@isobaricInhPa=850"`` which level, member or version.
    region : (float, float, float, float), optional
        North, west, south, east in degrees, the order of the Climate Data Store; all cells whose
        centres lie inside. Longitudes count from -180 or from 0 alike, and west to east may cross
        180 degrees. Region, period and step are cut out before values are read, so that the whole
        may be larger than memory.
    period : (from, until), optional
        First and last time, both included: times, text such as ``"2019-03"``, or None.
    every : int, optional
        Take every n-th step.

    Returns
    -------
    xr.DataArray
        Dimensions ``(time, lat, lon)``, float32, K; times ascending and regular, north first,
        longitudes ascending from one in [-180, 180). Attributes: `name`, `long_name`, `units`,
        `step_hours` (h), `source`, `licence`, `fingerprint` (of the whole source array; of an own
        field, or a part, of values, times and places), `test_start` (first time of the test
        period) and, of a real set, `verified` (by what).

    Raises
    ------
    DataUnavailable
        The data is neither on disk nor downloadable.
    DataError
        Unknown name, a corrupted or altered file, or a field that breaks the form above.
    """
    cut: dict[str, Any] = {"region": region, "period": period, "every": every}
    if isinstance(source, xr.DataArray | xr.Dataset):
        return standardise(source, **cut)
    if not isinstance(source, str | os.PathLike | list | tuple):
        raise DataError(
            f"source={shown(source)}: expected one of {', '.join((*NAMES, *REMOTE))}, a path, a "
            "glob, a URL, a list of paths, or an xarray.DataArray or Dataset"
        )
    if isinstance(source, str) and source in (*REAL, *PLANTED, "synthetic"):
        field = _open_ours(source)
        if cut == dict.fromkeys(cut):
            return field
        return standardise(field, **cut)
    if isinstance(source, str) and source in REMOTE:
        from lsntp.data import china

        field = china.open_reanalysis(source)
        return field if cut == dict.fromkeys(cut) else standardise(field, **cut)
    found = located(source)
    with ExitStack() as stack:
        return standardise(fields(found, stack), found.name, **cut)


def _open_ours(name: str) -> xr.DataArray:
    if name in REAL:
        return _open_real(name)
    if name in PLANTED:
        from lsntp.data.planted import open_planted  # which opens the set that it plants in

        return open_planted(name)
    return synthetic()["t2m"]


def _open_real(name: str) -> xr.DataArray:
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


def fetch(name: str) -> Path:
    """Download the file of a real data set, verify it and return its path.

    Of the paper's data, :data:`lsntp.data.reanalyses.REMOTE`, the folder of its files: more by
    :func:`lsntp.data.china.fetch`.
    The download goes to a temporary name and is renamed only once verified; cut off, it goes on
    where it was. A file already there is left alone if it is good; else it is kept under the name
    ``<file>.corrupt``.

    Raises
    ------
    DataUnavailable
        No network, or what came back is not the data (a proxy's page, a truncated file).
    """
    if isinstance(name, str) and name in REMOTE:
        from lsntp.data import china

        return china.fetch(name)[0].parent
    file = _entry(name).file
    path = data_dir() / file.filename
    if _is_good(file, path):
        return path
    hint = (
        f"connect to the network and run `lsntp data fetch {name}`, or put {file.filename} "
        f"({UPSTREAM + file.filename}) into {path.parent} or set LSNTP_DATA_DIR to its folder"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if not _is_good(file, path):  # nor fetched while it waited
                download(UPSTREAM + file.filename, path, partial(_arrived, file, path))
    except DataError as error:
        raise DataUnavailable(f"{name}: the download is not the data: {error}; {hint}") from None
    except OSError as error:  # those of requests among them
        raise DataUnavailable(
            f"{name}: not on disk and not downloadable to {path.parent} "
            f"({error.strerror or type(error).__name__}); {hint}"
        ) from None
    return path


def _is_good(file: File, path: Path) -> bool:
    try:
        return path.exists() and bool(_verified(file, path).size)
    except DataError:
        return False


def _arrived(file: File, path: Path, part: Path) -> None:
    """See to it that a file is the wanted one before it takes its place."""
    _verified(file, part)
    if path.exists():
        path.replace(_free_name(path))


def status(name: str) -> dict[str, str]:
    """One row of ``lsntp data check``: what a data set is, where it was found and in what state.

    `state` is ``ok``, ``missing`` or ``corrupt``; `detail` says more. Nothing is downloaded.
    """
    if isinstance(name, str) and name in REMOTE:
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


def _verified(file: File, path: Path) -> xr.DataArray:
    """Read the whole field of `file` if its md5, or its values and cells, are the known ones."""
    md5 = _md5(path)
    upstream = md5 == file.md5
    try:
        with ExitStack() as stack:
            da = standardise(fields(Source((str(path),)), stack), file.filename)
        mark = fingerprint(da.values)
        if not (upstream or (mark == file.fingerprint and _laid_out(da, file))):
            raise DataError(
                f"fingerprint of its values {mark}, expected {file.fingerprint}"
                + (", on other coordinates" if mark == file.fingerprint else "")
            )
    except DataError as error:
        raise DataError(f"md5 {md5}, expected {file.md5}; {error}") from error
    return da.assign_coords(  # exactly, whatever the file rounded them to
        {axis: da[axis].copy(data=np.linspace(*getattr(file, axis))) for axis in ("lat", "lon")}
    ).assign_attrs(
        long_name=file.long_name,
        source=file.source,
        licence=file.licence,
        fingerprint=mark,
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
