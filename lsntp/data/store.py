"""What is stored, and how: whole or not at all, with a checksum of all it holds.

Records of runs, of fields and of Pearson's r are NetCDF, :func:`write` and :func:`read`; those of
measurements are JSON, :func:`write_json` and :func:`read_json`. Whatever is wrong with a file,
:class:`RecordError` says it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
import xarray as xr

RECORDS = Path(__file__).resolve().parents[2] / "data" / "records"
"""Folder of the book's records, in the checkout the library runs from.

:meta hide-value:
"""
SMALL = 1024
"""Variables of fewer bytes are stored as they are: compressing them would need more."""
PLAIN = 20_000
"""Records of fewer bytes are NetCDF 3: what NetCDF 4 describes them by takes more than they do."""
PACKING = ("zlib", "complevel", "shuffle", "significant_digits", "quantize_mode")
"""What only NetCDF 4 can do with a variable."""
DAY_S = 86_400


class RecordError(ValueError):
    """A record that is missing, or cannot be read or written; the message says what to do."""


class DamagedRecordError(RecordError):
    """A file that could be read, and does not hold the record that its name says."""


# ---- files, whole or not at all


def scratch_of(path: Path) -> Path:
    """Return where this process writes a file before it takes its place.

    The name tells host and process, so that :func:`clear_leftovers` knows whose it is.
    """
    return path.with_name(f".{path.name}.lsntp.{platform.node()}.{os.getpid()}.part")


def alive(pid: int) -> bool:
    """Tell whether a process of this machine still runs."""
    import psutil  # here: on Linux it needs `resource`, and importing the library must not

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's
        return True


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clear_leftovers(folder: Path) -> None:
    """Remove what killed runs left half-written: of this host, or untouched for a day."""
    here = re.compile(rf"\..*\.lsntp\.{re.escape(platform.node())}\.(\d+)\.part")
    for path in folder.glob(".*.lsntp.*.part"):
        with suppress(OSError):  # another process may be clearing up, too
            ours = here.fullmatch(path.name)
            old = time.time() - path.stat().st_mtime > DAY_S
            if old or (ours and not alive(int(ours[1]))):
                remove(path)


def check_folder(folder: Path, setting: str) -> None:
    """Tell before long work, not after it, that nothing can be stored in a folder.

    Parameters
    ----------
    folder : Path
        Is made, and cleared of leftovers.
    setting : str
        What names another folder, for the message.

    Raises
    ------
    RecordError
        It cannot be made or written, or its disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_leftovers(folder)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(bytes(2**16))
    except OSError as error:
        raise RecordError(
            f"nothing can be stored in {folder} ({error.strerror}); expected a folder that can be "
            f"written, with room: make it so, or name another by {setting}"
        ) from error


@contextmanager
def atomic_write(path: Path, size: int) -> Iterator[Path]:
    """Give a scratch file to write, which takes the place of ``path`` once it is written.

    It may be written as a folder (a Zarr store), where there is none yet.

    Parameters
    ----------
    path : Path
        Its folder is made, and cleared of leftovers.
    size : int
        The most bytes it may take.

    Raises
    ------
    RecordError
        There is no room for it, or no right to write it.
    """
    scratch = scratch_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(path.parent)
        try:
            yield scratch
            scratch.replace(path)
        finally:
            remove(scratch)
    except (OSError, RuntimeError) as error:  # libraries raise the latter
        there = next(folder for folder in path.parents if folder.is_dir())
        free = shutil.disk_usage(there).free
        reason = "the disk is full" if free < size else error
        raise RecordError(
            f"{path} cannot be written ({reason}): it takes up to {size:,} bytes, {free:,} are "
            "free there; make room or give the right to write, and start again"
        ) from error


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file :func:`atomic_write`."""
    with atomic_write(path, len(content)) as scratch:
        scratch.write_bytes(content)


def write_text(text: str, path: Path) -> None:
    """Write a text in UTF-8 :func:`atomic_write`."""
    write_bytes(text.encode(), path)


def content_of(path: Path) -> bytes:
    """Read a file.

    Raises
    ------
    RecordError
        It cannot be opened: that says nothing about what it holds.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(
            f"{path} cannot be read ({error.strerror}); expected a file that can: give the right "
            "to, or close other programs' files, and start again"
        ) from error


def damaged(path: Path, reason: object, remedy: str) -> DamagedRecordError:
    """Return the error of a file that is damaged or something else, in a line."""
    why = " ".join(str(reason).split())
    return DamagedRecordError(f"{path} is not a readable record ({why}); {remedy}")


def check_name(path: Path, name: str) -> None:
    """Refuse a record under another name than its content gives it: a copy never counts.

    Raises
    ------
    RecordError
        If ``name`` is not the file's, without ending.
    """
    if path.stem != name:
        right = path.with_name(name + path.suffix)
        remedy = f"delete it, {right.name} is there" if right.exists() else f"name it {right.name}"
        raise DamagedRecordError(
            f"{path} holds {name}: it was copied, renamed or overwritten; {remedy}"
        )


# ---- NetCDF


def checksum(file: netCDF4.Dataset) -> str:
    """Return the SHA-256 of all that a record's file holds but the checksum itself."""

    def attributes(of: netCDF4.Dataset | netCDF4.Variable) -> dict[str, str]:
        values = {name: of.getncattr(name) for name in of.ncattrs() if name != "sha256"}
        return {  # every digit of arrays, too
            name: str(value.tolist() if isinstance(value, np.ndarray) else value)
            for name, value in values.items()
        }

    file.set_auto_maskandscale(False)
    digest = hashlib.sha256(json.dumps(attributes(file), sort_keys=True).encode())
    for name in sorted(file.variables):
        variable = file[name]
        values = np.asarray(variable[...])
        values = values.astype(str) if values.dtype == object else values  # names of cases
        head = [name, variable.dimensions, values.shape, values.dtype.str, attributes(variable)]
        digest.update(json.dumps(head, sort_keys=True).encode() + values.tobytes())
    return digest.hexdigest()


def check_heaps(content: bytes) -> None:
    """Refuse an HDF5 file with a heap of names that does not add up: HDF5 may read it for ever.

    A heap is ``GCOL``, a version (4 bytes) and its length (8 bytes); then objects, each an index
    (2 bytes), 6 bytes, a length (8 bytes) and as many bytes, rounded up to 8. Index 0 is the room
    that is left, its length that of all of it.
    """
    for start in (match.start() for match in re.finditer(rb"GCOL\x01\0\0\0", content)):
        end = start + int.from_bytes(content[start + 8 : start + 16], "little")
        at = start + 16
        while at + 16 <= min(end, len(content)):
            index = int.from_bytes(content[at : at + 2], "little")
            length = int.from_bytes(content[at + 8 : at + 16], "little")
            at += 16 + -(-length // 8) * 8 if index else length
            if at > end or (index == 0 and at != end):
                raise ValueError("a heap of names does not add up")


def write(
    record: xr.Dataset, path: Path, encoding: dict[str, dict[str, Any]] | None = None
) -> None:
    """Store a record, whole or not at all, with its :func:`checksum`.

    As compressed NetCDF 4, or, if it has fewer bytes than `PLAIN`, as NetCDF 3.

    Parameters
    ----------
    record : Dataset
    path : Path
    encoding : dict, optional
        By variable, as xarray takes it; NetCDF 3 leaves out `PACKING`: it keeps every digit.

    Raises
    ------
    RecordError
        As of :func:`atomic_write`.
    """
    plain = record.nbytes < PLAIN
    packed: dict[str, dict[str, Any]] = {
        str(name): {"zlib": True, "complevel": 6, "shuffle": True}
        for name, variable in record.variables.items()
        if variable.nbytes >= SMALL
    }
    for name, more in (encoding or {}).items():
        packed[name] = packed.get(name, {}) | more
    if plain:
        packed = {n: {k: v for k, v in e.items() if k not in PACKING} for n, e in packed.items()}
    form: Literal["NETCDF3_64BIT", "NETCDF4"] = "NETCDF3_64BIT" if plain else "NETCDF4"
    with atomic_write(path, record.nbytes + 2**16) as scratch:
        record.to_netcdf(scratch, engine="netcdf4", format=form, encoding=packed)
        with netCDF4.Dataset(scratch, "a") as file:
            file.sha256 = checksum(file)


def read(path: Path, name_of: Callable[[xr.Dataset], str], remedy: str) -> xr.Dataset:
    """Read a record into memory.

    Parameters
    ----------
    path : Path
    name_of : callable
        Gives the name, without ending, that a record's file must have; fails if it is no such
        record.
    remedy : str
        What to do if it is damaged, for the message.

    Raises
    ------
    RecordError
        If the file cannot be opened; a :class:`DamagedRecordError` if it is damaged, or does not
        hold what its name says.
    """
    content = content_of(path)
    try:
        check_heaps(content)
        with netCDF4.Dataset(path.name, memory=content) as file:
            if file.sha256 != checksum(file):  # before it is decoded, which might fail in any way
                raise ValueError("its checksum does not match its content")
            far = xr.coders.CFDatetimeCoder(time_unit="us")  # ns end in the year 2262
            record = xr.open_dataset(xr.backends.NetCDF4DataStore(file), decode_times=far).load()
        del record.attrs["sha256"]
        name = name_of(record)
    except Exception as error:  # on a damaged file the libraries fail in any way
        raise damaged(path, error, remedy) from error
    check_name(path, name)
    return record


# ---- JSON


def digest(content: dict[str, Any]) -> str:
    """Return the SHA-256 of all that a JSON record holds but the checksum itself."""
    values = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write_json(content: dict[str, Any], path: Path) -> None:
    """Store a record as JSON, whole or not at all, with its :func:`digest`.

    Raises
    ------
    RecordError
        As of :func:`atomic_write`.
    """
    text = json.dumps(content | {"sha256": digest(content)}, indent=1, ensure_ascii=False)
    write_text(text + "\n", path)


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a record of :func:`write_json`.

    Raises
    ------
    RecordError
        If the file cannot be opened; a :class:`DamagedRecordError` if it is damaged.
    """
    text = content_of(path)
    try:
        content = json.loads(text)
        if content.pop("sha256") != digest(content):
            raise ValueError("its checksum does not match its content")
    except Exception as error:  # the content may be of any type
        raise damaged(path, error, remedy) from error
    return content
