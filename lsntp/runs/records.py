"""Records: one file per run, written whole or not at all; found, run if missing, tabulated."""

from __future__ import annotations

import json
import os
import random
import re
import warnings
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import xarray as xr
from filelock import FileLock
from platformdirs import user_cache_dir
from pydantic import ValidationError

from lsntp.data import store
from lsntp.data.catalogue import NAMES, OURS, PLANTED, REAL
from lsntp.data.checks import checked, sentence, shown
from lsntp.data.datasets import open_dataset
from lsntp.data.sources import short_name
from lsntp.data.store import DamagedRecordError, RecordError
from lsntp.runs import metrics
from lsntp.runs.config import RunConfig
from lsntp.runs.experiment import execute
from lsntp.runs.training import launch

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
    "crps",
    "spread",
    "member_mae",
    "others_mae",
)
"""What the record of a study's variant keeps."""
AT_PLACES = ("place_mae", "place_day_mae", "other_day_mae", "link_auc")
"""What it keeps where links are known; if planted in a real field, in place of `window_mae`."""

# 4 significant digits, of forecasts in K that is 1/16 K; the scores keep every digit
COARSE = {"dtype": "float32", "significant_digits": 4, "quantize_mode": "GranularBitRound"}
KEPT_COARSELY = (
    "mae_map",
    "bias_map",
    "window_mae",
    "window_mse",
    "case_prediction",
    "embedding",
    "cut_window_mae",
    "cases_prediction",
    "place_day_mae",
    "other_day_mae",
)

REMEDY = (
    "restore its file with git checkout, or give the command that made it again (lsntp campaign "
    "all makes the book's)"
)
"""What to do about a damaged record: whatever needs it makes it again."""

NAME_BYTES = 150
"""The most of a :attr:`RunConfig.title` in a file's name: a file system takes 255 bytes in all."""


def cache_dir() -> Path:
    """Folder for checkpoints: ``$LSNTP_CACHE_DIR`` or the user's cache folder."""
    return Path(os.environ.get("LSNTP_CACHE_DIR") or user_cache_dir("lsntp")).expanduser()


def store_dir(dataset: str = NAMES[0]) -> Path:
    """Folder of the records of a data set.

    ``$LSNTP_RECORDS_DIR``, else, for a data set with a name, ``data/records/runs`` of the checkout
    the library runs from, else, as for a file of one's own, a folder in the user's cache.
    """
    checkout = store.RECORDS / "runs"
    ours = dataset in OURS and checkout.is_dir() and not os.environ.get("LSNTP_RECORDS_DIR")
    return checkout if ours else own_store()


def own_store() -> Path:
    """Folder of the user's records: ``$LSNTP_RECORDS_DIR``, else one in the user's cache."""
    given = os.environ.get("LSNTP_RECORDS_DIR")
    return Path(given).expanduser() if given else cache_dir() / "records"


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
            f"expected a lsntp.RunConfig as JSON ({sentence(error)}); {REMEDY}"
        ) from None


def name_of(config: RunConfig) -> str:
    """Return the name of the config's record, without ending, of any length and on any system."""
    title = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", config.title)
    return f"{title.encode()[:NAME_BYTES].decode(errors='ignore')}-{config.key}"


def path_of(config: RunConfig, folder: Path | None = None) -> Path:
    """Return where the record of a config is kept, in its :func:`store_dir` or another folder."""
    return (folder or store_dir(config.dataset)) / f"{name_of(config)}.nc"


def model_dir(config: RunConfig) -> Path:
    """Return the folder where the model of a run is kept, with its best weights."""
    return cache_dir() / "models" / name_of(config)


def is_stored(config: RunConfig, folder: Path | None = None) -> bool:
    """Tell whether a readable record of the config is stored; warn of a damaged one.

    Raises
    ------
    RecordError
        If there is a file that cannot be opened, whatever it holds.
    """
    path = path_of(config, folder)
    if not path.exists():
        return False
    try:
        read(path)
    except DamagedRecordError as error:
        warnings.warn(f"{error}; it counts as missing", stacklevel=2)
        return False
    return True


def is_current(
    config: RunConfig, folder: Path | None = None, fingerprint: str | None = None
) -> bool:
    """Tell whether :func:`is_stored`, and of a file of one's own, whether it holds those values.

    The file is opened, unless its field's ``fingerprint`` is given.
    """
    if not is_stored(config, folder):
        return False
    now = fingerprint or fingerprint_now(config.dataset)
    return now is None or now == read(path_of(config, folder)).attrs["fingerprint"]


def fingerprint_now(dataset: str) -> str | None:
    """Return the fingerprint of a data set of one's own as it is now.

    None of the others, which are verified against theirs whenever they are opened.
    """
    return None if dataset in OURS else open_dataset(dataset).attrs["fingerprint"]


def kept(record: xr.Dataset, config: RunConfig) -> xr.Dataset:
    """Return what is stored of a record: all of it, or, of a study's variant, the scores."""
    if config.keeps_all:
        return record
    names = (*SCORES_ONLY, *AT_PLACES)
    return record[
        [n for n in names if n in record and (n, config.dataset in PLANTED) != ("window_mae", True)]
    ]


def write(record: xr.Dataset, path: Path) -> None:
    """Store a record by :func:`lsntp.data.store.write`; the maps of large ones keep 4 digits."""
    store.write(record, path, {name: COARSE for name in KEPT_COARSELY if name in record})


def read(path: Path) -> xr.Dataset:
    """Read a record into memory.

    Raises
    ------
    RecordError
        If the file is damaged, or does not hold what its name says.
    """
    return store.read(path, lambda record: name_of(config_of(record)), REMEDY)


def find(config: RunConfig, fingerprint: str | None = None) -> xr.Dataset:
    """Return the stored record of a config; ``fingerprint`` as of :func:`is_current`.

    Raises
    ------
    RecordError
        If there is none, or it was made from other data.
    """
    path = path_of(config)
    if not path.exists():
        raise RecordError(
            f"no record of {config.title} in {path.parent}; make it with lsntp "
            f"{'campaign all' if config.variant else 'run'}, or pass rerun=True to the notebook"
        )
    record = read(path)
    now = fingerprint or fingerprint_now(config.dataset)
    if now and now != (then := record.attrs["fingerprint"]):
        raise RecordError(
            f"the record of {config.title} in {path.parent} was made from other data: fingerprint "
            f"{then[:8]}, {short_name(config.dataset)} now has {now[:8]}; make it again with lsntp "
            f"{'campaign' if config.variant else 'run'}, or pass rerun=True to the notebook"
        )
    return record


def find_by_key(key: str) -> xr.Dataset:
    """Return the stored record whose key begins with ``key``, be it of a file of one's own."""
    if not re.fullmatch("[0-9a-f]{1,16}", key):
        raise RecordError(
            f'key "{key}": expected hexadecimal digits as at the end of a file name, or of '
            f"{', '.join(REAL)} the name"
        )
    folders = {store_dir(), store_dir("a file of one's own")}
    paths = sorted(path for folder in folders for path in folder.glob("*.nc"))
    matching = [path for path in paths if path.stem.split("-")[-1].startswith(key)]
    if not matching:
        within = " and ".join(sorted(map(str, folders)))
        raise RecordError(f'key "{key}": 0 records in {within}, expected one')
    if len(matching) > 1:
        first = ", ".join(map(str, matching[:3])) + (", …" if len(matching) > 3 else "")
        raise RecordError(
            f'key "{key}": {len(matching)} records ({first}), expected one; give more digits, or '
            "delete copies"
        )
    return read(matching[0])


def sample(count: int) -> list[xr.Dataset]:
    """Return ``count`` stored records drawn at random, another draw each time."""
    paths = sorted(store_dir().glob("*.nc"))
    if count > len(paths):
        raise RecordError(f"asked for {count} records, but {store_dir()} holds {len(paths)}")
    return [read(path) for path in random.sample(paths, count)]


def check_folders(path: Path) -> None:
    """Tell before a run, not after it, that its record or its checkpoint cannot be stored.

    Raises
    ------
    RecordError
        As of :func:`lsntp.data.store.check_folder`.
    """
    store.check_folder(path.parent, "LSNTP_RECORDS_DIR")
    store.check_folder(cache_dir() / "checkpoints", "LSNTP_CACHE_DIR")


@checked
def run(
    config: RunConfig,
    *,
    device: str = "cpu",
    progress: bool = False,
    folder: Path | None = None,
) -> xr.Dataset:
    """Return the stored record of a config; without one, make it and store it.

    A record that cannot be read is made again, and so is one of a file of your own whose values
    have changed since.
    Two processes never make the same record at once, unless torchrun started them to make it
    together; then the first writes it. The model is kept in :func:`model_dir`. An interrupted run
    resumes from its last epoch.

    Parameters
    ----------
    config : RunConfig
    device, progress
        As of :func:`lsntp.runs.experiment.execute`.
    folder : Path, optional
        Of the record; by default its :func:`store_dir`.
    """
    path, checkpoints = path_of(config, folder), cache_dir() / "checkpoints"
    team = launch(device)
    first = team.is_global_zero
    if team.broadcast(first and is_current(config, folder)):  # even if nothing can be written
        return read(path)
    if first:
        check_folders(path)
    keys = sorted({config.key, *(member.key for member in config.alone)}) if first else []
    with ExitStack() as locks:
        for key in keys:  # of the members, too: they share checkpoints with runs of their own
            locks.enter_context(FileLock(checkpoints / f"{key}.lock"))
        if team.broadcast(first and not is_current(config, folder)):  # nor made while it waited
            record = execute(
                config,
                checkpoints=checkpoints,
                device=device,
                progress=progress,
                keep=model_dir(config) if first else None,
            )
            if first:
                write(kept(record, config), path)
        team.barrier()  # no process reads before the first has written
        for key in keys:
            for leftover in checkpoints.glob(f"{key}-*.safetensors"):
                leftover.unlink()
    return read(path)


def row(record: xr.Dataset) -> dict[str, object]:
    """Return the record as one row of the table; scores are means over the leads."""
    config = config_of(record)
    cells: dict[str, object] = {
        "key": config.key,
        "dataset": short_name(config.dataset),
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


def tabulate(records: list[xr.Dataset]) -> pd.DataFrame:
    """One row per record: key, dataset, model, …, seed, scores, by lead, cost."""
    return pd.DataFrame([row(record) for record in records])


def load_records() -> pd.DataFrame:
    """All stored records of the named data sets, one row per run, in order of their file names.

    Columns: ``key``, ``dataset``, ``model``, ``recipe``, ``preset``, ``variant`` (what sets it
    apart from a run of the main table, else ""), ``seed``; ``mae``, ``rmse``,
    ``rmse_per_cell`` (K), ``ssim``, ``psnr`` (dB), ``ssim_released``, ``psnr_released`` (dB), each
    as mean over the leads and as ``<score>_lead_1`` …; ``parameters``, ``wall_s`` (s, training),
    ``peak_memory_mib``, ``device``, ``torch``, ``commit``, ``made``, ``fingerprint``.
    """
    return tabulate([read(path) for path in sorted(store_dir().glob("*.nc"))])
