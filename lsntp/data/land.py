"""Land or sea at any place, offline, from the 1-arc-minute mask that `global-land-mask` ships."""

from __future__ import annotations

import importlib.util
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np

ROWS, COLUMNS = 21600, 43200  # 120 cells a degree; row 0 at 90°N, column 0 at 180°W


def land_mask(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Whether each point of a grid is land.

    Parameters
    ----------
    lat : array (H,)
        Degrees north, in any order.
    lon : array (W,)
        Degrees east, -540 to 540.

    Returns
    -------
    array (H, W) of bool
        Lakes count as land, as in the package.

    Notes
    -----
    The package itself decompresses its whole mask, 933 MB. Here its rows are read one after
    another, and only the wanted points are kept.
    """
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    if np.abs(lat).max() > 90 or np.abs(lon).max() > 540:
        raise ValueError(
            f"latitudes {lat.min():g} to {lat.max():g}, longitudes {lon.min():g} to {lon.max():g}: "
            "expected -90 to 90 and -540 to 540"
        )
    row = np.minimum((90 - lat) * 120, ROWS - 1).astype(int)
    east = np.where(np.abs(lon) > 180, (lon + 180) % 360 - 180, lon)
    column = np.minimum((east + 180) * 120, COLUMNS - 1).astype(int)
    wanted, place = np.unique(row, return_inverse=True)
    return ~_sea_rows(tuple(wanted.tolist()), tuple(column.tolist()))[place]


@lru_cache(maxsize=32)
def _sea_rows(rows: tuple[int, ...], columns: tuple[int, ...]) -> np.ndarray:
    """Read the package's mask (True at sea) at ascending rows and the given columns."""
    package = importlib.util.find_spec("global_land_mask")  # importing it would load the whole mask
    if package is None or package.origin is None:
        raise ModuleNotFoundError("global-land-mask is not installed: pip install global-land-mask")
    packed = Path(package.origin).with_name("globe_combined_mask_compressed.npz")
    kept = np.empty((len(rows), len(columns)), bool)
    with zipfile.ZipFile(packed) as archive, archive.open("mask.npy") as stream:
        np.lib.format.read_magic(stream)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if (shape, fortran, dtype) != ((ROWS, COLUMNS), False, np.dtype(bool)):
            raise ValueError(f"global-land-mask holds {shape} {dtype}: install version 1.0.0")
        here = 0
        for k, row in enumerate(rows):
            for _ in range(row - here):
                stream.read(COLUMNS)
            kept[k] = np.frombuffer(stream.read(COLUMNS), bool)[list(columns)]
            here = row + 1
    return kept
