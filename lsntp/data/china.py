"""Get and open the paper's own data, ``ncep-china`` and ``era5-china``: any years, any region.

Explained in the book's page on data; what they are is told by :mod:`lsntp.data.reanalyses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import xarray as xr
from filelock import FileLock
from tqdm import tqdm

from lsntp.data.checks import DataError, shown
from lsntp.data.coordinates import Region
from lsntp.data.datasets import DataUnavailable, data_dir
from lsntp.data.download import download, first_seen, recognise, retried, sha256
from lsntp.data.fields import standardise
from lsntp.data.reanalyses import INFERRED, REMOTE, YEARS, Reanalysis
from lsntp.data.store import RecordError, atomic_write


def files_of(
    name: str, years: Sequence[int] = YEARS, region: Region | None = None
) -> dict[Path, pd.DatetimeIndex]:
    """Return the files of a data set, one a year or one a month, each with the times it holds.

    Parameters
    ----------
    name : {"ncep-china", "era5-china"}
    years : sequence of int
        One after the other; the last is the test period.
    region : (north, west, south, east), optional
        Degrees; by default the inferred one.

    Raises
    ------
    DataError
        No such name; years that do not follow one another; no region.
    """
    if name not in REMOTE:
        raise DataError(f"name={shown(name)}: expected one of {', '.join(REMOTE)}")
    made = REMOTE[name]
    years = list(years)
    if not years or years != list(range(years[0], years[0] + len(years))):
        raise DataError(f"years={shown(years)}: expected years one after the other, (2017, 2018)")
    box = _region(made, region)
    times = pd.date_range(f"{years[0]}", f"{years[-1] + 1}", freq=made.step, inclusive="left")
    folder = data_dir() / name
    if made.spacing is None:  # a file holds the globe
        return {
            folder / made.files.replace("YEAR", str(year)): part
            for year, part in times.groupby(times.year).items()
        }
    cut = "_".join(f"{side:g}" for side in box)
    return {
        folder / made.files.replace("YEAR-MONTH", f"{month}").replace("REGION", cut): part
        for month, part in times.groupby(times.to_period("M")).items()
    }


def _region(made: Reanalysis, region: Region | None) -> Region:
    if region is None:
        return made.region
    try:
        north, west, south, east = map(float, region)
    except (TypeError, ValueError):
        north = west = south = east = np.nan
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 180):
        raise DataError(
            f"region={shown(region)}: expected north, west, south, east in degrees, the latitudes "
            "in [-90, 90] and the longitudes in [-180, 180], such as (54, 73, 16, 135)"
        )
    return north, west, south, east


def cut(made: Reanalysis, ds: xr.Dataset, times: pd.DatetimeIndex, region: Region) -> xr.DataArray:
    """Select times and region of a file or store, over time, lat and lon in any order, still lazy.

    Raises
    ------
    DataError
        It does not hold them.
    """
    north, west, south, east = region
    names = {"valid_time": "time", "latitude": "lat", "longitude": "lon"}
    ds = ds.rename({old: new for old, new in names.items() if old in ds.dims})
    da = next((ds[name] for name in made.variables if name in ds), None)
    if da is None or not {"time", "lat", "lon"} <= {*da.dims}:
        raise DataError(f"it has no {made.variables[0]} over time, lat and lon; it has {list(ds)}")
    if lacking := times.difference(da.indexes["time"]).size:
        raise DataError(f"it lacks {lacking} of the {len(times)} times from {times[0]} on")
    da = da.squeeze([dim for dim in da.dims if dim == "level"], drop=True).sel(time=times)
    if made.spacing is None:
        lon = (da.lon + 180) % 360 - 180
        rows = np.flatnonzero((da.lat <= north) & (da.lat >= south))
        return da.isel(lat=rows, lon=np.flatnonzero((lon >= west) & (lon <= east)))
    lat = np.arange(north, south - 1e-6, -made.spacing)
    lon = np.arange(west, east + 1e-6, made.spacing)
    try:
        da = da.sel(lat=lat, lon=lon % 360 if da.lon.max() > 180 else lon)
    except KeyError:
        raise DataError(
            f"its grid does not hold every {made.spacing:g} degrees from {north:g} N, {west:g} E "
            f"to {south:g} N, {east:g} E"
        ) from None
    return da.assign_coords(lon=lon)


# ---- getting them


def fetch(
    name: str,
    years: Sequence[int] = YEARS,
    region: Region | None = None,
    source: str | None = None,
) -> list[Path]:
    """Download the files of a data set that are not there, or not as they were when first seen.

    Whatever has come when it is cut off is kept; call it again to go on. A file that has changed is
    kept under another name, ``*.corrupt``.

    Parameters
    ----------
    name : {"ncep-china", "era5-china"}
    years : sequence of int
        One after the other.
    region : (north, west, south, east), optional
        Degrees; by default the inferred one. A file of ``ncep-china`` holds the globe: only
        opening it cuts.
    source : str, optional
        Another place than :data:`lsntp.data.reanalyses.REMOTE` tells: of ``ncep-china`` the URL of
        a folder that holds its files; of ``era5-china`` the URL or path of a Zarr store, or "cds"
        for the Climate Data Store, with your key and the package cdsapi.

    Returns
    -------
    list of Path
        All files, in the order of time.

    Raises
    ------
    DataUnavailable
        No network, no such place, or what came is not the data.
    DataError
        As of :func:`files_of`.
    """
    files = files_of(name, years, region)
    made = REMOTE[name]
    source = source or made.home
    box = _region(made, region)
    try:
        (data_dir() / name).mkdir(parents=True, exist_ok=True)
        with FileLock(data_dir() / name / ".lock"):
            todo = {p: times for p, times in files.items() if not _is_good(made, p, times, box)}
            if made.spacing is None:
                for path, times in todo.items():
                    arrived = partial(_arrived, made, path, times, box)
                    download(f"{source.rstrip('/')}/{path.name}", path, arrived)
            elif todo:
                month = _from_cds if source == "cds" else partial(_from_store, _store(source))
                for path, times in todo.items():
                    _keep(month(made, times, box), path, source)
    except (DataError, RecordError, OSError) as error:
        raise DataUnavailable(
            f"{name}: {sum(path.exists() for path in files)} of {len(files)} files are in "
            f"{data_dir() / name}, the next could not be had from {source} ({error}); run `lsntp "
            f"data fetch {name}{_options(years, region)}` again to go on, with --source to take "
            "another place"
        ) from None
    return list(files)


def _is_good(made: Reanalysis, path: Path, times: pd.DatetimeIndex, region: Region) -> bool:
    if not path.exists():
        return False
    try:
        if first_seen(path).exists():
            recognise(path)
        else:
            _read(made, path, times, region)
    except DataError:
        return False
    return True


def _options(years: Sequence[int], region: Region | None) -> str:
    """What the command needs beside the name to fetch the same."""
    span = "-".join(str(year) for year in dict.fromkeys((years[0], years[-1])))
    chosen = "" if tuple(years) == YEARS else f" --years {span}"
    return chosen + (f" --region {','.join(f'{x:g}' for x in region)}" if region else "")


def _arrived(
    made: Reanalysis, path: Path, times: pd.DatetimeIndex, region: Region, file: Path
) -> None:
    """See to it that a file is the wanted one before it takes its place."""
    cut(made, _loaded(file), times, region)
    try:
        recognise(path, file)
    except DataError as error:
        raise DataError(f"{error}: to take it as it is now, delete {first_seen(path)}") from None
    _set_aside(path)


def _loaded(file: Path) -> xr.Dataset:
    try:
        with xr.open_dataset(file, engine="netcdf4", decode_timedelta=False) as ds:
            return ds.load()
    except Exception as error:  # of many types
        raise DataError(f"no NetCDF file: {type(error).__name__}: {error}") from error


def _set_aside(path: Path) -> None:
    if path.exists():
        path.replace(path.with_name(f"{path.name}.{sha256(path)[:8]}.corrupt"))


def _keep(da: xr.DataArray, path: Path, source: str) -> None:
    """Store a month as NetCDF, whole or not at all."""
    if not np.isfinite(da).all():
        raise DataError(f"values are missing in {da.time.dt.strftime('%Y-%m').values[0]}")
    _set_aside(path)
    first_seen(path).unlink(missing_ok=True)
    da = da.transpose("time", "lat", "lon").drop_vars({*da.coords} - {*da.dims})
    ds = da.to_dataset(name="t2m")
    ds.t2m.attrs = {"units": "K", "long_name": "2 metre temperature", "source": source}
    with atomic_write(path, da.nbytes) as scratch:
        ds.to_netcdf(scratch, engine="netcdf4")
    recognise(path)


def _store(source: str) -> xr.Dataset:
    """Open a Zarr store, those of Google's cloud by plain HTTPS."""
    url = source.replace("gs://", "https://storage.googleapis.com/")
    try:
        return xr.open_zarr(url, chunks=None, decode_timedelta=False)
    except Exception as error:  # of many types
        raise DataError(f"no Zarr store: {type(error).__name__}: {error}") from error


def _from_store(
    store: xr.Dataset, made: Reanalysis, times: pd.DatetimeIndex, region: Region
) -> xr.DataArray:
    """Read a month day by day: of a store that keeps the globe hour by hour, 24 chunks."""
    days = list(cut(made, store, times, region).resample(time="D"))
    bar = tqdm(days, desc=f"{times[0]:%Y-%m}", unit="day")
    try:
        return xr.concat([retried(day.load) for _, day in bar], "time")
    except Exception as error:  # of many types
        raise DataError(f"{type(error).__name__}: {error}") from error


def _from_cds(made: Reanalysis, times: pd.DatetimeIndex, region: Region) -> xr.DataArray:
    """Order a month from the Climate Data Store, which asks for the user's key."""
    try:
        import cdsapi
    except ImportError:
        raise DataError("the package cdsapi is not installed: pip install cdsapi") from None
    request = {
        "product_type": ["reanalysis"],
        "variable": ["2m_temperature"],
        "year": [f"{times[0]:%Y}"],
        "month": [f"{times[0]:%m}"],
        "day": [f"{day:02}" for day in range(1, times.days_in_month[0] + 1)],
        "time": [f"{hour:02}:00" for hour in range(24)],
        "area": list(region),
        "data_format": "netcdf",
        "download_format": "unarchived",
    }
    with TemporaryDirectory(dir=data_dir()) as folder:
        file = Path(folder) / "month.nc"
        try:
            client = cdsapi.Client()
            client.retrieve("reanalysis-era5-single-levels", request, str(file))
        except Exception as error:  # without a key, it raises just that
            raise DataError(f"Climate Data Store: {error}") from error
        return cut(made, _loaded(file), times, region)


# ---- opening them


def open_reanalysis(
    name: str, years: Sequence[int] = YEARS, region: Region | None = None
) -> xr.DataArray:
    """Open a data set that was fetched; its last year is the test period.

    Parameters
    ----------
    name, years, region
        As of :func:`fetch`.

    Returns
    -------
    xr.DataArray
        ``(time, lat, lon)``, K, as :func:`lsntp.open_dataset` gives it; its attribute `region` says
        where that comes from.

    Raises
    ------
    DataUnavailable
        Not all files are there.
    DataError
        One has changed since it was first seen, or is none of these; as of :func:`files_of`.
    """
    files = files_of(name, years, region)
    made = REMOTE[name]
    command = f"`lsntp data fetch {name}{_options(years, region)}`"
    if lacking := [path for path in files if not path.exists()]:
        raise DataUnavailable(
            f"{name}: {len(lacking)} of {len(files)} files are not in {lacking[0].parent}, first "
            f"{lacking[0].name}: run {command}"
        )
    box = _region(made, region)
    try:
        field = xr.concat([_read(made, path, times, box) for path, times in files.items()], "time")
    except DataError as error:
        raise DataError(
            f"{name} is corrupted or altered: {error}; run {command}, which keeps the file as "
            "*.corrupt"
        ) from error
    own = _options(years, region)
    return standardise(field, name).assign_attrs(
        name=name + own,
        long_name=made.long_name,
        source=f"{made.source}, {made.files}" + ("" if region else f"; {INFERRED}"),
        licence=made.licence,
        test_start=f"{years[-1]}-01-01T00:00:00",
        region="as given" if region else INFERRED,
        verified="SHA-256 of its files as when first seen",
    )


def _read(made: Reanalysis, path: Path, times: pd.DatetimeIndex, region: Region) -> xr.DataArray:
    """Read a file as it was when first seen; one that is seen first is read before it is."""
    known = first_seen(path).exists()
    if known:
        recognise(path)
    try:
        da = cut(made, _loaded(path), times, region)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error
    if not known:
        recognise(path)
    return da


def status(name: str) -> dict[str, str]:
    """One row of ``lsntp data check``, as of :func:`lsntp.data.datasets.status`."""
    files = files_of(name)
    there = [path for path in files if path.exists()]
    row = {"name": name, "shape": "", "span": "", "step": "", "found": str(data_dir() / name)}
    if len(there) < len(files):
        detail = f"{len(there)} of {len(files)} files; run `lsntp data fetch {name}`; {INFERRED}"
        return row | {"state": "missing", "detail": detail}
    try:
        da = open_reanalysis(name)
    except DataError as error:
        return row | {"state": "corrupt", "detail": str(error)}
    return row | {
        "shape": " x ".join(map(str, da.shape)),
        "span": f"{YEARS[0]}-01-01 to {YEARS[-1]}-12-31",
        "step": f"{da.step_hours:g} h",
        "state": "ok",
        "detail": f"{da.attrs['verified']}; {INFERRED}",
    }
