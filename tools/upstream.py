"""Made files in the place of NOAA's and of ARCO-ERA5's, and a server for them on this machine.

    python -m tools.upstream FOLDER

makes ``air.2m.gauss.2017.nc`` and ``…2018.nc`` as NOAA PSL has them (T62 Gaussian grid, global)
and ``era5.zarr``, a Zarr store laid out as ARCO-ERA5 (0.25 degrees, global, a chunk an hour), of
which only January 2017 has chunks of its own; then serves them, with Range, until it is
interrupted. Names, headers and layout are those of the originals; the weather is not.
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd

T62 = (94, 192)  # rows and columns


def gaussian_latitudes(rows: int) -> np.ndarray:
    """Latitudes of a Gaussian grid, degrees, north first: zeros of the Legendre polynomial."""
    return np.degrees(np.arcsin(np.polynomial.legendre.leggauss(rows)[0]))[::-1]


def weather(times: pd.DatetimeIndex, lat: np.ndarray, lon: np.ndarray) -> Iterator[np.ndarray]:
    """Made temperature (lat, lon), K, of each time: seasons, days, and a wave that goes east."""
    for time in times:
        season = np.cos(2 * np.pi * (time.day_of_year - 200) / 365)
        solar = np.cos(2 * np.pi * (time.hour + lon / 15 - 14) / 24)
        wave = np.cos(np.radians(4 * lon) - time.day_of_year)
        mean = 300 - 45 * np.sin(np.radians(lat)) ** 2 + 10 * season * np.sin(np.radians(lat))
        yield mean[:, None] + (4 * solar + 3 * wave) * np.cos(np.radians(lat))[:, None]


def ncep_year(path: Path, year: int, packed: bool, step: str = "6h") -> None:
    """Make a year's file of NCEP/NCAR Reanalysis 1: floats as now, or packed as in older copies."""
    lat, lon = gaussian_latitudes(T62[0]), np.arange(T62[1]) * 360 / T62[1]
    times = pd.date_range(f"{year}", f"{year + 1}", freq=step, inclusive="left")
    with netCDF4.Dataset(path, "w", format="NETCDF4_CLASSIC") as file:
        file.setncatts(
            {
                "Conventions": "COARDS",
                "title": f"4x daily NMC reanalysis ({year})",
                "platform": "Model",
                "dataset_title": "NCEP-NCAR Reanalysis 1",
                "history": "made by tools/upstream.py: not real data",
            }
        )
        for name, size in {"lat": lat.size, "lon": lon.size, "time": None}.items():
            file.createDimension(name, size)
        hours = (times - pd.Timestamp("1800-01-01")) / pd.Timedelta("1h")
        for name, kind, values, units in (
            ("lat", "f4", lat, "degrees_north"),
            ("lon", "f4", lon, "degrees_east"),
            ("time", "f8", hours, "hours since 1800-01-01 00:00:0.0"),
        ):
            axis = file.createVariable(name, kind, (name,))
            full = {"lat": "Latitude", "lon": "Longitude", "time": "Time"}[name]
            axis.setncatts({"units": units, "long_name": full, "standard_name": full.lower()})
            axis[:] = values
        air = file.createVariable(
            "air",
            "i2" if packed else "f4",
            ("time", "lat", "lon"),
            zlib=not packed,
            complevel=1,
            chunksizes=(1, *T62),
            fill_value=np.int16(32766) if packed else np.float32(-9.97e36),
        )
        air.setncatts(
            {
                "long_name": "4xDaily Air temperature at 2 m",
                "units": "degK",
                "GRIB_name": "TMP",
                "var_desc": "Air temperature",
                "level_desc": "2 m",
                "statistic": "Individual Obs",
                "dataset": "NCEP Reanalysis",
            }
        )
        if packed:
            air.setncatts({"scale_factor": np.float32(0.01), "add_offset": np.float32(477.66)})
        for n, values in enumerate(weather(times, lat, lon)):
            air[n] = np.round(values, 1)


def era5_store(
    path: Path,
    times: pd.DatetimeIndex,
    written: pd.DatetimeIndex,
    spacing: float = 0.25,
    box: tuple[float, float, float, float] = (90, 0, -90, 360),
    chunk: int = 1,
    order: tuple[str, ...] = ("time", "latitude", "longitude"),
) -> None:
    """Make a Zarr store (format 2, consolidated) of ERA5.

    By default it is laid out as ARCO-ERA5: the globe at 0.25 degrees, a chunk an hour. WeatherBench
    2 has others in the order time, longitude, latitude, the south first. Chunks are there of the
    hours ``written``; the rest is missing.
    """
    import zarr

    north, west, south, east = box
    lat, lon = np.arange(north, south - 1e-6, -spacing), np.arange(west, min(east, 359.9), spacing)
    lat = lat if order[1] == "latitude" else lat[::-1]
    sizes = {"time": len(times), "latitude": lat.size, "longitude": lon.size}
    hours = (times - pd.Timestamp("1900-01-01")) // pd.Timedelta("1h")
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["valid_time_stop"] = f"{times[-1]:%Y-%m-%d}"
    for name, values, units in (
        ("time", hours.to_numpy("i8"), "hours since 1900-01-01"),
        ("latitude", lat.astype("f4"), "degrees_north"),
        ("longitude", lon.astype("f4"), "degrees_east"),
    ):
        axis = root.create_array(name, data=values)
        axis.attrs.update({"_ARRAY_DIMENSIONS": [name], "units": units})
    field = root.create_array(
        "2m_temperature",
        shape=tuple(sizes[name] for name in order),
        chunks=tuple(chunk if name == "time" else sizes[name] for name in order),
        dtype="f4",
        fill_value=np.nan,
    )
    field.attrs.update(
        {"_ARRAY_DIMENSIONS": order, "units": "K", "long_name": "2 metre temperature"}
    )
    for first in range(0, len(written), chunk):  # a chunk of hours at a time
        part = written[first : first + chunk]
        values = np.stack([*weather(part, lat, lon)]).round(2)
        at = times.get_loc(part[0])
        field[at : at + len(part)] = values if order[1] == "latitude" else values.swapaxes(1, 2)
    zarr.consolidate_metadata(path, zarr_format=2)


class Handler(http.server.SimpleHTTPRequestHandler):
    """A file server with ETag and Range, which may cut its answers off."""

    def __init__(self, *args: Any, cuts: list[int], **kwargs: Any) -> None:
        self.cuts = cuts
        super().__init__(*args, **kwargs)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer with the headers only."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Answer with a file, or what is asked for of it."""
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, size = 0, len(content)
        if asked and self.headers.get("If-Range", tag) == tag:
            start = int(asked[1])
            stop = int(asked[2]) + 1 if asked[2] else size
            content = content[start:stop]
        self.send_response(206 if start or len(content) < size else 200)
        if start or len(content) < size:
            end = start + len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", tag)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            cut = self.cuts.pop(0) if self.cuts else size
            self.wfile.write(content[:cut])
            self.close_connection = True


@contextmanager
def served(folder: Path, port: int = 0, cuts: list[int] | None = None) -> Iterator[str]:
    """Serve a folder on this machine and give its URL; the first answers end after ``cuts`` bytes.

    Parameters
    ----------
    folder : Path
    port : int
        0: any that is free.
    cuts : list of int, optional
        Of each answer with a body, one after the other; those that follow are whole. It is
        consumed.
    """
    handler = partial(Handler, directory=str(folder), cuts=cuts if cuts is not None else [])
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Make everything and serve it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for year in (2017, 2018):
        ncep_year(options.folder / f"air.2m.gauss.{year}.nc", year, packed=year == 2017)
    hours = pd.date_range("2017", "2019", freq="1h", inclusive="left")
    era5_store(options.folder / "era5.zarr", hours, hours[:744])
    with served(options.folder, options.port) as url:
        print(f"lsntp data fetch ncep-china --source {url}")
        print(f"lsntp data fetch era5-china --source {url}/era5.zarr")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
