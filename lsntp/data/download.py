"""Large files of others: downloaded with progress, resumed where cut off, known again afterwards.

For a server that tells no checksum: the SHA-256 of a file is written down at first sight, beside
it, and compared with the file ever after.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from tqdm import tqdm

from lsntp.data.checks import DataError
from lsntp.data.store import RecordError, write_text

TIMEOUT_S = (5, 60)
"""Of a server: to connect, and of silence."""
TRIES = 4
"""So often is a broken connection taken up again, after 1, 2, 4 s, before it is an error."""
BLOCK = 2**16  # bytes
PLAIN = {"Accept-Encoding": "identity"}  # else the bytes on the way are not those of the file

Result = TypeVar("Result")


def retried(action: Callable[[], Result]) -> Result:
    """Return what ``action`` returns, called again where it fails, after 1, 2 and 4 s."""
    for pause_s in (2**n for n in range(TRIES - 1)):
        try:
            return action()
        except Exception:  # a broken connection has many types
            time.sleep(pause_s)
    return action()


def download(url: str, path: Path, check: Callable[[Path], object]) -> None:
    """Download a file; what has come when it is cut off is kept, and the next call goes on there.

    That is kept beside ``path`` as ``<name>.<version>.part``, its version told by the server's ETag
    or date: another version is begun anew, and so is every file of a server that tells neither.

    Parameters
    ----------
    url : str
    path : Path
        Where it is to lie; its folder is there, and no other process downloads the file.
    check : callable
        Is given the whole file before it takes its place, and raises a DataError if that is not
        the wanted one; it is then deleted.

    Raises
    ------
    DataError
        As of ``check``.
    OSError
        Those of requests among them: no network, no such file, no room.
    """
    import requests

    head = requests.head(url, headers=PLAIN, allow_redirects=True, timeout=TIMEOUT_S)
    head.raise_for_status()
    tags = [head.headers.get(name, "") for name in ("ETag", "Last-Modified")]
    version = next((tag for tag in tags if tag and not tag.startswith("W/")), "")
    size = int(head.headers.get("Content-Length", -1))
    mark = hashlib.sha256((url + version).encode()).hexdigest()[:8]
    part = path.with_name(f"{path.name}.{mark}.part")
    for other in set(path.parent.glob(f"{path.name}.*.part")) - {part}:
        other.unlink()
    with open(part, "ab") as stream:
        retried(lambda: _complete(stream, url, version if size >= 0 else "", size, path.name))
    try:
        check(part)
    except DataError:
        part.unlink()
        raise
    part.replace(path)


def _complete(stream: BinaryIO, url: str, version: str, size: int, name: str) -> None:
    """Append to ``stream`` what it lacks of the file at ``url``; all, if no version is told."""
    import requests

    have = stream.tell() if version else stream.truncate(0)
    if have == size:
        return
    rest = {"Range": f"bytes={have}-", "If-Range": version} if have else {}
    with requests.get(url, headers=PLAIN | rest, stream=True, timeout=TIMEOUT_S) as answer:
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:  # it begins at the beginning
            have = stream.truncate(0)
        total = size if size >= 0 else None
        with tqdm(desc=name, total=total, initial=have, unit="B", unit_scale=True) as bar:
            for block in answer.iter_content(BLOCK):
                bar.update(stream.write(block))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def first_seen(path: Path) -> Path:
    """Return where the SHA-256 of a file is written down, as the command sha256sum does."""
    return path.with_name(path.name + ".sha256")


def recognise(path: Path, file: Path | None = None) -> None:
    """Compare a file with what was written down when it was first seen; write that down now if not.

    Parameters
    ----------
    path : Path
        The file, or where it is to lie.
    file : Path, optional
        Where it lies as yet.

    Raises
    ------
    DataError
        It is another one, or what was written down is no SHA-256.
    """
    mark, note = sha256(file or path), first_seen(path)
    if not note.exists():
        with suppress(RecordError):  # in a folder that cannot be written nothing changes
            write_text(f"{mark}  {path.name}\n", note)
    elif (known := note.read_text(encoding="utf-8").partition(" ")[0]) != mark:
        raise DataError(f"SHA-256 {mark}, but when first seen ({note.name}) {known}")
