"""Records: one file per run, written whole or not at all; found, run if missing, tabulated."""

from __future__ import annotations

import hashlib
import json
import os
import random
from contextlib import nullcontext
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr
from filelock import FileLock
from pydantic import ValidationError

from lsntp import metrics
from lsntp.checks import checked, sentence, shown
from lsntp.config import RunConfig
from lsntp.datasets import NAMES, open_dataset
from lsntp.experiment import execute
from lsntp.training import launch
from lsntp.whole import whole

SCORES_ONLY = (
    *metrics.SCORES,
    "window_mae",
    "train_loss",
    "validation_loss",
    "cut_mae",
    "cut_window_mae",
    "cases_prediction",
    "cases_truth",
    "cases_time",
)
"""What the record of a study's variant keeps."""

# 4 significant digits, of forecasts in K that is 1/16 K; the scores keep every digit
COARSE = (
    "mae_map",
    "bias_map",
    "window_mae",
    "window_mse",
    "case_prediction",
    "embedding",
    "cut_window_mae",
    "cases_prediction",
)


SMALL = 1024
"""Variables of fewer bytes are stored as they are: compressing them would need more."""


class RecordError(ValueError):
    """A record that is missing or cannot be read; the message says what to do."""


def cache_dir() -> Path:
    """Folder for checkpoints: ``$LSNTP_CACHE_DIR`` or the user's cache folder."""
    import pooch  # here, not above: on import it warns of a progress bar that we do not use

    return Path(os.environ.get("LSNTP_CACHE_DIR") or pooch.os_cache("lsntp")).expanduser()


def store_dir(dataset: str = NAMES[0]) -> Path:
    """Folder of the records of a data set.

    ``$LSNTP_RECORDS_DIR``, else, for a data set with a name, ``data/records/runs`` of the checkout
    the library runs from, else, as for a file of one's own, a folder in the user's cache.
    """
    if given := os.environ.get("LSNTP_RECORDS_DIR"):
        return Path(given).expanduser()
    checkout = Path(__file__).parent.parent / "data" / "records" / "runs"
    return checkout if dataset in NAMES and checkout.is_dir() else cache_dir() / "records"


def config_of(record: xr.Dataset) -> RunConfig:
    """Return the config that a record was made from.

    Raises
    ------
    RecordError
        If it holds none, or one that is not valid.
    """
    stored = record.attrs.get("config", "")
    try:
        return RunConfig.model_validate_json(stored)
    except ValidationError as error:
        raise RecordError(
            f"the record {record.attrs.get('key', 'without a key')} has config={shown(stored)}: "
            f"expected a lsntp.RunConfig as JSON ({sentence(error)}); restore it from the "
            "repository, or delete it and make it again with lsntp run"
        ) from None


def path_of(config: RunConfig) -> Path:
    """Return where the record of a config is kept."""
    return store_dir(config.dataset) / f"{config.title}-{config.key}.nc"


def is_whole(config: RunConfig) -> bool:
    """Tell whether a readable record of the config is stored."""
    try:
        read(path_of(config))
    except RecordError:
        return False
    return True


def is_stale(config: RunConfig, record: xr.Dataset) -> bool:
    """Tell whether a file of one's own no longer holds the values that a record was made from."""
    if config.dataset in NAMES:
        return False  # verified against its fingerprint whenever it is opened
    return open_dataset(config.dataset).attrs["fingerprint"] != record.attrs["fingerprint"]


def kept(record: xr.Dataset, config: RunConfig) -> xr.Dataset:
    """Return what is stored of a record: all of it, or, of a study's variant, the scores."""
    if config.whole:
        return record
    return record[[name for name in SCORES_ONLY if name in record]]


def checksum(file: netCDF4.Dataset) -> str:
    """Return the SHA-256 of all that a record's file holds but the checksum itself."""

    def attributes(of: netCDF4.Dataset | netCDF4.Variable) -> dict[str, str]:
        return {name: str(of.getncattr(name)) for name in of.ncattrs() if name != "sha256"}

    file.set_auto_maskandscale(False)
    digest = hashlib.sha256(json.dumps(attributes(file), sort_keys=True).encode())
    for name in sorted(file.variables):
        variable = file[name]
        values = np.asarray(variable[...])
        values = values.astype(str) if values.dtype == object else values  # names of cases
        head = [name, variable.dimensions, values.shape, values.dtype.str, attributes(variable)]
        digest.update(json.dumps(head, sort_keys=True).encode() + values.tobytes())
    return digest.hexdigest()


def write(record: xr.Dataset, path: Path) -> None:
    """Store a record, whole or not at all, with its :func:`checksum`."""
    encoding: dict[str, dict] = {}
    for name, variable in record.variables.items():
        if variable.nbytes >= SMALL:
            encoding[str(name)] = {"zlib": True, "complevel": 6, "shuffle": True}
        if name in COARSE:
            encoding.setdefault(str(name), {}).update(
                dtype="float32", significant_digits=4, quantize_mode="GranularBitRound"
            )
    with whole(path) as scratch:
        record.to_netcdf(scratch, engine="netcdf4", encoding=encoding)
        with netCDF4.Dataset(scratch, "a") as file:
            file.sha256 = checksum(file)


def read(path: Path) -> xr.Dataset:
    """Read a record into memory.

    Raises
    ------
    RecordError
        If the file is damaged, or does not hold what its name says.
    """
    remedy = "restore it from the repository, or delete it and make it again with lsntp campaign"
    try:
        with netCDF4.Dataset(path) as file:  # one file, though another process may replace it
            if file.sha256 != checksum(file):  # before it is decoded, which might fail in any way
                raise ValueError("its checksum does not match its content")
            record = xr.open_dataset(xr.backends.NetCDF4DataStore(file)).load()
        key = record.attrs["key"]
        del record.attrs["sha256"]
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise RecordError(f"{path} is not a readable record ({error}); {remedy}") from error
    if not path.stem.endswith(key):
        raise RecordError(f"{path} holds the record {key}: it was renamed or overwritten; {remedy}")
    return record


def find(config: RunConfig) -> xr.Dataset:
    """Return the stored record of a config.

    Raises
    ------
    RecordError
        If there is none.
    """
    path = path_of(config)
    if not path.exists():
        raise RecordError(
            f"no record of {config.title} in {path.parent}; make it with lsntp run, or pass "
            "rerun=True to the notebook"
        )
    return read(path)


def find_by_key(key: str) -> xr.Dataset:
    """Return the stored record whose key begins with ``key``, be it of a file of one's own."""
    folders = {store_dir(), store_dir("a file of one's own")}
    paths = [p for folder in folders for p in folder.glob("*.nc")]
    found = [p for p in paths if p.stem.split("-")[-1].startswith(key)]
    if len(found) != 1:
        within = " and ".join(sorted(map(str, folders)))
        raise RecordError(f'key "{key}": {len(found)} records in {within}, expected one')
    return read(found[0])


def sample(count: int) -> list[xr.Dataset]:
    """Return ``count`` stored records drawn at random, another draw each time."""
    paths = sorted(store_dir().glob("*.nc"))
    if count > len(paths):
        raise RecordError(f"asked for {count} records, but {store_dir()} holds {len(paths)}")
    return [read(path) for path in random.sample(paths, count)]


@checked
def run(config: RunConfig, *, device: str = "cpu", progress: bool = False) -> xr.Dataset:
    """Return the stored record of a config; without one, make it and store it.

    A record that cannot be read is made again, and so is one of a file of your own whose values
    have changed since.
    Two processes never make the same record at once, unless torchrun started them to make it
    together; then the first writes it. An interrupted run resumes from its last epoch. Parameters
    as of :func:`lsntp.experiment.execute`.
    """
    checkpoints = cache_dir() / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    path = path_of(config)
    team = launch(device)
    first = team.is_global_zero
    with FileLock(checkpoints / f"{config.key}.lock") if first else nullcontext():
        for leftover in path.parent.glob(f".{path.name}.*") if first else ():
            leftover.unlink()  # of a process that was killed while it wrote
        if team.broadcast(first and (not is_whole(config) or is_stale(config, read(path)))):
            record = execute(config, checkpoints=checkpoints, device=device, progress=progress)
            if first:
                write(kept(record, config), path)
        team.barrier()  # no process reads before the first has written
        for leftover in checkpoints.glob(f"{config.key}-*.safetensors") if first else ():
            leftover.unlink()
    return read(path)


def row(record: xr.Dataset) -> dict[str, object]:
    """Return the record as one row of the table; scores are means over the leads."""
    config = config_of(record)
    cells: dict[str, object] = {
        "key": config.key,
        "dataset": config.dataset,
        "model": config.model,
        "recipe": config.recipe.name if config.recipe else "none",
        "preset": config.preset.name if config.preset else "none",
        "variant": config.variant,
        "seed": config.seed,
    }
    for name in metrics.SCORES:
        cells[name] = float(record[name].mean())
        for lead, value in enumerate(record[name].values, start=1):
            cells[f"{name}_lead_{lead}"] = float(value)
    for name in ("parameters", "wall_s", "peak_memory_mib", "device", "commit", "made"):
        cells[name] = record.attrs[name]
    cells["torch"] = json.loads(record.attrs["versions"])["torch"]
    cells["fingerprint"] = record.attrs["fingerprint"]
    return cells


def tabulate(several: list[xr.Dataset]) -> pd.DataFrame:
    """One row per record: key, dataset, model, …, seed, scores, by lead, cost."""
    return pd.DataFrame([row(record) for record in several])


def load_records() -> pd.DataFrame:
    """All stored records of the named data sets, one row per run, in order of their file names.

    Columns: ``key``, ``dataset``, ``model``, ``recipe``, ``preset``, ``variant`` (what sets it
    apart from a run of the main table, else ""), ``seed``; ``mae``, ``rmse``,
    ``rmse_per_cell`` (K), ``ssim``, ``psnr`` (dB), ``ssim_released``, ``psnr_released`` (dB), each
    as mean over the leads and as ``<score>_lead_1`` …; ``parameters``, ``wall_s`` (s, training),
    ``peak_memory_mib``, ``device``, ``torch``, ``commit``, ``made``, ``fingerprint``.
    """
    return tabulate([read(path) for path in sorted(store_dir().glob("*.nc"))])
