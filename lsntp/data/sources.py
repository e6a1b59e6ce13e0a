"""A file of your own, or several, a Zarr store or a URL -> the field that lies there, not yet read.

Which field, where there are several, stands behind a colon, and of a further dimension which value
behind an at sign: ``gfs.grib:t@isobaricInhPa=850``.
"""

from __future__ import annotations

import bz2
import difflib
import glob
import gzip
import hashlib
import lzma
import os
import re
import shutil
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import xarray as xr
from filelock import FileLock

from lsntp.data.catalogue import NAMES, OURS
from lsntp.data.checks import DataError, shown
from lsntp.data.download import PLAIN, TIMEOUT_S, download, recognise
from lsntp.data.fields import Given, fields_of, joined, one_of, variables
from lsntp.data.reanalyses import REMOTE

PACKED: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
MARKS = {b"GRIB": "cfgrib", b"CDF\x01": "scipy", b"CDF\x02": "scipy"}
MARKS |= dict.fromkeys((b"CDF\x05", b"\x89HDF"), "")  # netCDF4 or h5netcdf, whichever is there
"""First bytes of a file, and by what it is opened."""
JOINED = " + "
"""Stands between the files of one data set, where one line has to name them all."""


class DataUnavailable(DataError):
    """Data that is neither on disk nor downloadable."""


class Source(NamedTuple):
    """Where a field lies: files, stores or URLs, and which field and part of it."""

    places: tuple[str, ...]
    variable: str = ""
    part: dict[str, str] = {}

    @property
    def name(self) -> str:
        """One line that names it, whatever it was named by: paths are absolute, links followed."""
        chosen = "".join(f"@{dim}={value}" for dim, value in self.part.items())
        chosen = f":{self.variable}{chosen}" if self.variable or chosen else ""
        return JOINED.join(self.places) + chosen


BY_FILE: dict[str, str] = {}
"""Data sets of one's own that go by their file's name in this process -> their full names."""


def short_name(name: str) -> str:
    """Name a data set by its file's name, without the folder; one with a name has that."""
    first, *others = name.split(JOINED)
    return Path(first).name + (f" and {len(others)} more" if others else "")


def go_by_file(name: str) -> str:
    """Let a data set of one's own go by its :func:`short_name` in this process, and return that.

    Raises
    ------
    DataError
        If there is none, or another goes by that name.
    """
    full = located(name).name
    short = short_name(full)
    BY_FILE.pop(short, None)
    if short in (*NAMES, *REMOTE) or _places(short) not in ([], _places(full)):
        raise DataError(
            f"{full}: another data set goes by the name {short} here; expected one that is only "
            "its own: rename the file"
        )
    BY_FILE[short] = full
    return short


def located(given: str | os.PathLike | Sequence[str | os.PathLike]) -> Source:
    """Find the files, stores or URLs that a name, a glob or a list of these stands for.

    Raises
    ------
    DataError
        If there are none.
    """
    several = [given] if isinstance(given, str | os.PathLike) else list(given)
    if not several or not all(isinstance(one, str | os.PathLike) for one in several):
        raise DataError(
            f"the data set is {shown(given)}: expected a name, a path, a glob, a URL or a list of "
            "paths"
        )
    names = [os.fspath(one) for one in several]
    if len(names) == 1 and not _places(names[0]):
        names = [BY_FILE.get(names[0], names[0])]
    if len(names) == 1 and JOINED in names[0] and not _places(names[0]):
        names = names[0].split(JOINED)
    found, chosen = [], {}
    for name in names:
        if name in OURS:
            raise DataError(
                f"the data set is {shown(given)}: expected files in a list; {name} is a data set "
                f"by itself: open_dataset({name!r})"
            )
        places, rest = _places(name), ""
        for mark in ":@" if not places else "":  # a.nc:t2m@level=850, a.nc@level=850
            head, _, tail = name.partition(mark) if mark == "@" else name.rpartition(mark)
            if not places and head and not re.search(r"[/\\]", tail):
                places, rest = _places(head), tail if mark == ":" else mark + tail
        if not places:
            raise DataError(_unknown(name))
        found += places
        chosen[rest] = name
    chosen.pop("", None)
    if len(chosen) > 1:
        raise DataError(f"{', '.join(chosen)}: expected one variable of all files, name one")
    variable, *part = next(iter(chosen), "").split("@")
    if wrong := [one for one in part if "=" not in one]:
        raise DataError(f"@{wrong[0]}: expected a dimension and its value, such as @level=850")
    return Source(tuple(dict.fromkeys(found)), variable, dict(one.split("=", 1) for one in part))


def _places(name: str) -> list[str]:
    """Return what a name, without a variable, stands for: absolute paths, or the URL itself."""
    if name.startswith("file://"):
        name = url2pathname(urlsplit(name).path)
    if "://" in name:
        chosen = re.fullmatch(r"\w*[A-Za-z_]\w*(@[^/]+)*|(@[^/]+)+", name.rpartition(":")[2])
        return [] if chosen else [name]
    path = os.path.expanduser(name)
    if not name or "\0" in name:
        return []
    if os.path.isfile(path) or os.path.isdir(path):
        return [os.path.realpath(path)] if os.path.isfile(path) or _is_store(path) else []
    return sorted(os.path.realpath(one) for one in glob.glob(path, recursive=True))


def _is_store(path: str) -> bool:
    """Tell whether a folder is a Zarr store."""
    return any(
        os.path.exists(os.path.join(path, f)) for f in (".zgroup", ".zmetadata", "zarr.json")
    )


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, (*NAMES, *REMOTE), 1)
    path = Path(os.path.expanduser(name))
    try:
        if name and path.is_dir():
            return (
                f"{name!r} is a folder and no Zarr store; expected files or a store: its files are "
                f"{str(path / '*')!r}"
            )
        if name and path.parent.is_dir():
            close = difflib.get_close_matches(path.name, os.listdir(path.parent), 1, 0.8)
            near = near or [str(path.parent / one) for one in close]
    except (OSError, ValueError):
        pass
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    seen = "" if path.is_absolute() else f", seen from {os.getcwd()}"
    if glob.has_magic(name):
        return f"no file matches {name!r}{meant}; expected one or more{seen}"
    if path.suffix or re.search(r"[/\\]", name):
        return f"there is no file {name!r}{meant}; expected one{seen}"
    return (
        f"unknown data set {name!r}{meant}; expected one of {', '.join((*NAMES, *REMOTE))}, or the "
        "path of a NetCDF or GRIB file, a glob of some, a Zarr store or a URL"
    )


def raw(source: str | os.PathLike | Sequence[str | os.PathLike]) -> xr.DataArray:
    """Read the field of files as it lies there, unchecked, to mend what `open_dataset` refuses.

    Several files are joined in the order of time, and converted to K if their units differ.

    Parameters
    ----------
    source : str, path, or list of these
        A path, a glob, a URL or files that follow each other, as :func:`lsntp.open_dataset` takes.

    Returns
    -------
    xr.DataArray
        In memory, with the dimensions and attributes that it has there.

    Raises
    ------
    DataError
        A file that cannot be read, or does not hold the one field.
    """
    with ExitStack() as stack:
        return joined(fields(located(source), stack))


def fields(source: Source, stack: ExitStack) -> list[Given]:
    """Open the field of each file, without its values; they can be read until the stack closes.

    The files of an archive may hold several variables; of several archives or files, the one that
    is in all is taken.

    Raises
    ------
    DataError
        A file that cannot be read, or does not hold the one field.
    """
    found: list[dict[str, list[xr.DataArray]]] = []
    for place in source.places:
        there: dict[str, list[xr.DataArray]] = {}
        try:
            for file in _unpacked(place, stack):
                for key, da in _named(_datasets(file, stack)).items():
                    there.setdefault(key, []).append(da)
        except DataError as error:
            if place in str(error):
                raise
            raise type(error)(f"{place}: {error}") from error
        found.append(there)
    common = {key: das[0] for key, das in found[0].items() if all(key in one for one in found)}
    given = []
    for place, there in zip(source.places, found, strict=True):
        key = source.variable
        if key and key not in there:
            held = {key: das[0] for key, das in there.items()}
            raise DataError(
                f"{place} has no variable {key!r}; it has {fields_of(held)}: choose one of these, "
                f"'{place}:{next(iter(held), 'variable')}'"
            )
        if not key:
            fields = common or {key: das[0] for key, das in there.items()}
            name = source.name if common else place
            key = one_of(fields, name, repr(source._replace(variable="{}").name))
        file = Source((place,), key, source.part).name
        given += [
            Given(da.sel(_labels(da, source.part, place)), place, f"lsntp.raw({file!r})", file)
            for da in there[key]
        ]
    return given


def _labels(ds: xr.Dataset | xr.DataArray, part: dict[str, str], place: str) -> dict[str, Any]:
    """Return the values that were asked for along dimensions, as their coordinates have them."""
    labels = {}
    for dim, value in part.items():
        along = ds.coords[dim].values if dim in ds.coords else []
        matching = [label for label in along if str(label) == value or _number(label) == value]
        matching += [label for label in along if _equal(label, value)]
        if not matching:
            raise DataError(
                f"{place}: @{dim}={value}: no such value; {dim} is "
                f"{', '.join(map(str, along)) or 'no dimension of it'}: choose one of these"
            )
        labels[dim] = matching[0]
    return labels


def _number(label: Any) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def _equal(label: Any, value: str) -> bool:
    try:
        return float(label) == float(value)
    except (TypeError, ValueError):
        return False


def _named(datasets: list[xr.Dataset]) -> dict[str, xr.DataArray]:
    """Name the variables of several data sets; where a name is there twice, with its level."""
    named = [pair for ds in datasets for pair in variables(ds).items()]
    for more in ("typeOfLevel", "level", "stepType"):
        counts = Counter(name for name, _ in named)
        named = [
            (name if counts[name] == 1 else f"{name}_{_detail(da, more)}", da) for name, da in named
        ]
    return dict(named)


def _detail(da: xr.DataArray, which: str) -> str:
    if which != "level":
        return str(da.attrs.get(f"GRIB_{which}", "other"))
    level = da.coords.get(str(da.attrs.get("GRIB_typeOfLevel")))
    return f"{float(level):g}" if level is not None and not level.ndim else "levels"


# ---- one place


def _unpacked(place: str, stack: ExitStack) -> list[str]:
    """Return the files or stores of a place: a URL's in the cache, those of an archive unpacked."""
    if "://" in place:
        if not re.match("https?://", place) or ".zarr" in place or "/dodsC/" in place:
            return [place]
        place = str(downloaded(place))
    if os.path.isdir(place):
        return [place]
    with open(place, "rb") as stream:
        start = stream.read(8)
    unpack = next((by for mark, by in PACKED.items() if start.startswith(mark)), None)
    if unpack is None and not start.startswith(b"PK\x03\x04"):
        return [place]
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lsntp-"))
    try:
        if unpack:
            inner = os.path.join(folder, "unpacked")
            with unpack(place) as packed, open(inner, "wb") as file:
                shutil.copyfileobj(packed, file)
            return _unpacked(inner, stack)
        with zipfile.ZipFile(place) as archive:
            archive.extractall(folder)
    except (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError) as error:
        raise DataError(f"{place} cannot be unpacked ({error}): fetch it again") from error
    stores = {str(p.parent) for f in (".zgroup", "zarr.json") for p in Path(folder).rglob(f)}
    if stores:
        return [min(stores, key=len)]
    inside = sorted(p for p in Path(folder).rglob("*") if p.is_file() and _can_be_data(p))
    if not inside:
        raise DataError(f"no file of data in it: {', '.join(os.listdir(folder))}; choose another")
    return [file for path in inside for file in _unpacked(str(path), stack)]


def _can_be_data(path: Path) -> bool:
    """Tell a file of an archive from notes, indices and what systems put there unseen."""
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    suffixes = (".nc", ".nc3", ".nc4", ".cdf", ".h5", ".hdf", ".grib", ".grb", ".grib2", ".grb2")
    with open(path, "rb") as stream:
        known = stream.read(8).startswith((*PACKED, *MARKS, b"PK\x03\x04"))
    return not hidden and (known or path.suffix.lower() in suffixes)


def _datasets(place: str, stack: ExitStack) -> list[xr.Dataset]:
    """Open a file or store by its first bytes, leaving no index file beside it."""
    options: dict[str, Any] = {"decode_timedelta": False, "decode_coords": "all"}
    if os.path.isfile(place):
        with open(place, "rb") as stream:
            options |= _engine(stream)
    elif "/dodsC/" not in place:
        options |= {"engine": "zarr", "chunks": {}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that the reader misses and we do not need
        try:
            datasets = _opened(place, options)
        except Exception as error:  # each backend has its own ways to fail on a bad file
            reason = str(error).partition("\n")[0]
            kind = DataUnavailable if "://" in place else DataError
            raise kind(
                f"it cannot be read: {type(error).__name__}: {reason}; expected a whole file or "
                "store: fetch it again"
                + (", or connect to the network" if kind is DataUnavailable else "")
            ) from error
    for ds in datasets:
        stack.callback(ds.close)
    return datasets


def _engine(stream: IO[bytes]) -> dict[str, Any]:
    start = stream.read(8)
    for mark, engine in MARKS.items():
        if start.startswith(mark):
            more = {"backend_kwargs": {"indexpath": "", "errors": "raise"}}
            return {"engine": engine or None} | (more if engine == "cfgrib" else {})
    raise DataError(
        f"neither NetCDF nor GRIB: it begins with {start!r}; expected one of them, or one packed "
        "by zip, gzip, bzip2 or xz: see whether it was downloaded whole"
    )


def _opened(place: str, options: dict[str, Any]) -> list[xr.Dataset]:
    """Open a file; a GRIB file of several levels or heights as a data set each."""
    try:
        return [xr.open_dataset(place, **options)]
    except Exception:
        if options.get("engine") != "cfgrib":
            raise
        from cfgrib.xarray_store import open_variable_datasets

        return open_variable_datasets(place, **options)


def downloaded(url: str) -> Path:
    """Download a file into the cache, once for each version that the server tells of.

    Raises
    ------
    DataUnavailable
        No network, or no such file.
    DataError
        What was downloaded has changed since.
    """
    import requests

    from lsntp.data.catalogue import data_dir

    try:
        head = requests.head(url, headers=PLAIN, timeout=TIMEOUT_S, allow_redirects=True)
        head.raise_for_status()
        told = [head.headers.get(key, "") for key in ("ETag", "Last-Modified", "Content-Length")]
        version = hashlib.sha256("\n".join([url, *told]).encode()).hexdigest()[:16]
        path = data_dir() / "downloads" / version / (url.rsplit("/", 1)[1].split("?")[0] or "file")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.parent / ".lock"):
                if not path.exists():  # nor downloaded while it waited
                    download(url, path, partial(recognise, path))
        recognise(path)
    except DataError as error:
        raise DataError(f"{path}: {error}; delete {path.parent} to download it again") from None
    except OSError as error:  # those of requests among them
        raise DataUnavailable(
            f"{url}: it cannot be downloaded ({error.strerror or type(error).__name__}); see "
            "whether the address is right, connect to the network and start again to go on where "
            "it was cut off, or download it elsewhere and give the path"
        ) from None
    return path
