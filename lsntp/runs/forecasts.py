"""Train, forecast, evaluate: from a field to a model that is kept, and on to forecasts.

What ``lsntp train``, ``lsntp forecast`` and ``lsntp evaluate`` call; shown in the notebook
``21_your_own_field``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from filelock import FileLock

from lsntp import zoo
from lsntp.data import store
from lsntp.data.checks import Count, Seed, checked, shown
from lsntp.data.fields import DataError, check_form
from lsntp.data.windows import prepare
from lsntp.runs import metrics
from lsntp.runs.config import RunConfig
from lsntp.runs.experiment import check_size, one_thread, provenance
from lsntp.runs.records import cache_dir
from lsntp.runs.trained import FILE, REFERENCES, Trained, fitted

ENDINGS = (".nc", ".zarr")
"""Of a forecast's file: NetCDF and Zarr."""
PERIODS = ("first", "last", "test_start", "test_end")
"""Of a kept model's provenance: the times of its field, and those it was not trained on."""


@checked
def train(
    field: xr.DataArray,
    model: str = "lsntp-equations",
    *,
    recipe: str | None = None,
    preset: str | None = None,
    seed: Seed = 0,
    input_steps: Count = 6,
    lead_steps: Count = 6,
    keep: Path | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> Trained:
    """Train a model on a field, as :func:`lsntp.run` does, and return it with its references.

    The last fifth of the times is kept for testing (:func:`evaluate`). An interrupted training
    resumes from its last epoch. On the CPU it uses one thread.

    Parameters
    ----------
    field : DataArray (time, lat, lon), K
        As :func:`lsntp.open_dataset` gives it.
    model : str
        A name of :mod:`lsntp.zoo`.
    recipe, preset : str, optional
        How it is trained and how large it is; by default the model's own.
    seed : int
        First weights, and order of the windows.
    input_steps, lead_steps : int
        Frames seen and frames forecast.
    keep : Path, optional
        Folder to keep the model in (:meth:`Trained.save`). One that is there already, of the same
        settings and data, is returned as it is.
    device, progress
        As of :func:`lsntp.runs.training.fit`.

    Raises
    ------
    ValueError
        If a name or number is not known, the field too short, or another model in the folder.
    """
    check_form(field, "step_hours", "test_start", "fingerprint", "name")
    config = RunConfig(
        dataset=field.attrs["name"],
        model=model,
        recipe=recipe,
        preset=preset,
        seed=seed,
        input_steps=input_steps,
        lead_steps=lead_steps,
    )
    checkpoints = cache_dir() / "checkpoints"
    store.check_folder(checkpoints, "LSNTP_CACHE_DIR")
    with one_thread(), FileLock(checkpoints / f"{config.key}.lock"):
        if keep is not None and (keep / FILE).exists():
            return kept_already(keep, config, field)
        check_size(config, field)
        trained, data, _ = fitted(
            config, field, checkpoints=checkpoints, device=device, progress=progress
        )
        if config.recipe is not None:  # they see standardised anomalies, whatever the network sees
            data = prepare(field, input_steps, lead_steps, "anomaly", "blocked")
        trained.references = {
            name: zoo.MODELS[name].build().fit(data) for name in REFERENCES if name != model
        }
        trained.provenance = provenance(data, device)
        if keep is not None:
            trained.save(keep)
        for leftover in checkpoints.glob(f"{config.key}-*.safetensors"):
            leftover.unlink()
    return trained


def kept_already(folder: Path, config: RunConfig, field: xr.DataArray) -> Trained:
    """Return the model that a folder holds, if it is that of the config and the field.

    Raises
    ------
    RecordError
        If it is another, or cannot be read.
    """
    there = Trained.load(folder)
    kept = there.provenance
    if there.config != config or kept["fingerprint"] != field.attrs["fingerprint"]:
        raise store.RecordError(
            f"{folder} holds another model, {there.config.title} of {there.config.dataset} from "
            f"{kept['first']} to {kept['last']}; expected none, or this one: name another folder, "
            f"or delete {folder / FILE}"
        )
    return there


def check_new(path: Path, option: str, endings: Sequence[str]) -> None:
    """Tell before long work that a file has no known ending, is there, or cannot be written.

    Nothing that is there is ever written over: it may be what is read.

    Raises
    ------
    ValueError
        Naming the option that gave it, and what was expected.
    """
    if path.suffix not in endings:
        expected = " or ".join(endings)
        raise ValueError(f"{option} {path}: expected a name that ends in {expected}")
    if path.exists() or path.is_symlink():
        raise ValueError(
            f"{option} {path}: it is there already and is left as it is; expected a new name: give "
            "another"
        )
    store.check_folder(path.parent, option)


def forecast(
    trained: Trained, field: xr.DataArray, at: str | np.datetime64 | Sequence[Any] | None = None
) -> xr.Dataset:
    """Forecast from a field's latest frames, or from those up to other times.

    Parameters
    ----------
    trained : Trained
    field : DataArray (time, lat, lon), K
        As :func:`lsntp.open_dataset` gives it, on the cells and the step it was trained on.
    at : time, or sequence of times, optional
        Of the last frame seen, each; by default the field's last.

    Returns
    -------
    Dataset
        ``t2m`` (reference_time, lead, lat, lon), K, by the conventions CF 1.11: ``reference_time``
        is that of the last frame seen, ``lead`` the forecast period (h), ``time``
        (reference_time, lead) their sum.

    Raises
    ------
    DataError
        If the field does not suit the model, or a time is not in it, or too near to its start.
    """
    data = trained.ready(field)
    with one_thread():
        prediction = trained.predict(data, starts_at(trained, field, at))
    return as_cf(trained, prediction, field)


def starts_at(trained: Trained, field: xr.DataArray, at: Any) -> np.ndarray:
    """Return the first time indices of the windows whose last frames seen are ``at``."""
    times = pd.DatetimeIndex(field["time"].to_numpy())
    try:
        wanted = times[-1:] if at is None else pd.DatetimeIndex(np.atleast_1d(at))
    except (ValueError, TypeError):
        raise DataError(f"at={shown(at)}: expected times, e.g. {times[-1].isoformat()}") from None
    where = times.get_indexer(wanted)
    starts = where - trained.config.input_steps + 1
    for time, found, start in zip(wanted, where, starts, strict=True):
        if found < 0 or start < 0:
            first = times[trained.config.input_steps - 1]
            raise DataError(
                f"at={time.isoformat()}: expected a time of the field from {first.isoformat()}, "
                f"the first with {trained.config.input_steps} frames up to it, to "
                f"{times[-1].isoformat()}, every {trained.step_hours:g} h"
            )
    return starts


def as_cf(trained: Trained, prediction: xr.DataArray, field: xr.DataArray) -> xr.Dataset:
    """Dress a prediction (window, lead, lat, lon) by the climate and forecast conventions."""
    issued, lead = prediction["window"].to_numpy(), prediction["lead"].to_numpy()
    after = (lead * 3600).round().astype("timedelta64[s]")
    attributes = {
        "reference_time": {
            "standard_name": "forecast_reference_time",
            "long_name": "time of the last frame seen",
        },
        "lead": {"standard_name": "forecast_period", "units": "hours", "long_name": "lead"},
        "time": {"standard_name": "time", "long_name": "time that is forecast"},
        "lat": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
        "lon": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
    }
    attributes["lat"]["long_name"], attributes["lon"]["long_name"] = "latitude", "longitude"
    result = xr.Dataset(
        {
            "t2m": (
                ("reference_time", "lead", "lat", "lon"),
                prediction.to_numpy(),
                {
                    "standard_name": "air_temperature",
                    "long_name": f"forecast of {field.attrs.get('long_name', 'temperature')}",
                    "units": "K",
                    "units_metadata": "temperature: on_scale",
                },
            )
        },
        {
            "reference_time": issued,
            "lead": lead,
            "time": (("reference_time", "lead"), issued[:, None] + after),
            "lat": prediction["lat"].to_numpy(),
            "lon": prediction["lon"].to_numpy(),
        },
        {
            "Conventions": "CF-1.11",
            "title": f"Temperature forecast by {zoo.LABELS[trained.config.model]}",
            "institution": "not stated",
            "source": f"lsntp, {trained.config.title}",
            "history": f"forecast from {field.attrs.get('name', 'a field')}",
            "references": "https://doi.org/10.1016/j.neunet.2022.07.022",
            "comment": "; ".join(f"{k}: {v}" for k, v in trained.provenance.items()),
        },
    )
    for name, values in attributes.items():
        result[name].attrs = values
    since = f"hours since {pd.Timestamp(issued[0]):%Y-%m-%d %H:%M:%S}"
    for name in ("reference_time", "time"):
        result[name].encoding = {"units": since, "dtype": "float64", "_FillValue": None}
    for name in ("lead", "lat", "lon"):
        result[name].encoding = {"_FillValue": None}
    return result


def write(result: xr.Dataset, path: Path) -> None:
    """Write a forecast whole or not at all: a Zarr store if the path ends in .zarr, else NetCDF.

    Raises
    ------
    RecordError
        If it cannot be written.
    """
    with store.atomic_write(path, result.nbytes + 2**16) as scratch:
        if path.suffix == ".zarr":
            result.to_zarr(scratch, zarr_format=2)  # 3 warns of its own index
        else:
            result.to_netcdf(scratch, engine="netcdf4")


def summary(result: xr.Dataset) -> str:
    """Say in a line what a forecast holds: units, from when, and for which times."""
    issued = result["reference_time"].dt.strftime("%Y-%m-%d %H:%M").to_numpy()
    ends = result["time"].dt.strftime("%Y-%m-%d %H:%M").to_numpy()[:, [0, -1]]
    several = f", the first of {len(issued)}" if len(issued) > 1 else ""
    return (
        f"temperature in {result['t2m'].attrs['units']}, forecast from {issued[0]} UTC for "
        f"{ends[0][0]} to {ends[0][1]} UTC{several}"
    )


def evaluate(
    trained: Trained,
    field: xr.DataArray,
    from_: str | np.datetime64 | None = None,
    until: str | np.datetime64 | None = None,
) -> xr.Dataset:
    """Score a kept model, and beside it persistence and the references kept with it, by lead.

    Parameters
    ----------
    trained : Trained
    field : DataArray (time, lat, lon), K
    from_, until : time, optional
        First and last time that a window may hold; a day as text is meant whole. By default those
        of the test period that the model was kept with, and all later ones, so that no time it was
        trained on is scored.

    Returns
    -------
    Dataset (model, lead)
        The scores of :func:`lsntp.score`; attributes ``windows``, ``first`` and ``last`` time, and
        ``seen``, the windows that hold times it was trained on.

    Raises
    ------
    DataError
        If the field does not suit the model, or no window lies between these times.
    """
    data = trained.ready(field)
    times = pd.DatetimeIndex(field["time"].to_numpy())
    kept = {name: np.datetime64(trained.provenance[name]) for name in PERIODS}
    first = kept["test_start"] if from_ is None else from_
    if until is None and from_ is None and kept["test_end"] < kept["last"]:  # a rotated period
        until = kept["test_end"]
    span = f"the field runs from {times[0].isoformat()} to {times[-1].isoformat()}"
    try:
        inside = times.slice_indexer(first, until)
    except (ValueError, TypeError):
        raise DataError(
            f"from {shown(first)} until {shown(until)}: expected times, e.g. "
            f"{times[0].isoformat()}; {span}"
        ) from None
    length = trained.config.input_steps + trained.config.lead_steps
    starts = np.arange(inside.start, inside.stop - length + 1)
    if not len(starts):
        raise DataError(
            f"no window of {length} steps from {shown(first)} until {shown(until)}; expected at "
            f"least one: {span}, give other times"
        )
    models: dict[str, Any] = {
        zoo.LABELS[trained.config.model]: trained,
        zoo.LABELS["persistence"]: zoo.MODELS["persistence"].build(),
    } | {zoo.LABELS[name]: model for name, model in trained.references.items()}
    truth = data.targets(starts)
    with one_thread():
        by_model = [metrics.score(m.predict(data, starts), truth) for m in models.values()]
    names = pd.Index(models, name="model")
    scores = xr.concat(by_model, names, combine_attrs="override")
    ends = times[starts[0]], times[starts[-1] + length - 1]
    tested = (times >= kept["test_start"]) & (times <= kept["test_end"])
    trained_on = (times >= kept["first"]) & (times <= kept["last"]) & ~tested
    seen = trained_on[starts[:, None] + np.arange(length)].any(axis=1)
    return scores.assign_attrs(
        windows=len(starts),
        first=ends[0].isoformat(),
        last=ends[1].isoformat(),
        seen=int(seen.sum()),
    )
