"""Many runs: lists of configs, run side by side and resumed, and re-made to verify the records."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import numpy as np
import xarray as xr

from lsntp import metrics, records, zoo
from lsntp.datasets import NAMES, open_dataset
from lsntp.experiment import RunConfig, execute
from lsntp.training import RECIPES

SAME = 1e-6
"""Scores that differ by less are the same; then the maps must agree, too."""


def configs(name: str, preset: str, seeds: int) -> list[RunConfig]:
    """Return the configs of a campaign, in the order to run them.

    "main": every model, both real data sets, both recipes.
    """
    if name != "main":
        raise ValueError(f'campaign "{name}": expected "main"')
    datasets = ("ncep-na", "era5-uk")
    references = [RunConfig(dataset=d, model=m) for m in zoo.REFERENCES for d in datasets]
    networks = [
        RunConfig(dataset=d, model=m, recipe=r, preset=preset, seed=s)
        for s in range(seeds)
        for r in RECIPES
        for d in datasets
        for m in zoo.NETWORKS
    ]
    return references + networks


def run_all(todo: list[RunConfig], jobs: int = 1) -> Iterator[tuple[RunConfig, Exception | None]]:
    """Run those of ``todo`` that have no record yet, ``jobs`` at a time, each in its own process.

    Yields every config as it ends, with the error if it failed; a failure stops no other run.
    Killed at any moment and started again, it goes on where it was.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        futures = {pool.submit(records.run, config): config for config in todo}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            yield futures[future], error


def verify(record: xr.Dataset) -> float:
    """Re-make a record from nothing: the largest difference of any score by lead, in its unit.

    Infinite if the two differ in what they hold: in their leads, in the data they were made from,
    in a missing value, or, though their scores are the same, in a map or the embedding beyond the
    digits that records keep of these.
    """
    fresh = execute(RunConfig.model_validate_json(record.attrs["config"]))
    if set(fresh.data_vars) != set(record.data_vars) or fresh.sizes != record.sizes:
        return float("inf")
    if fresh.attrs["fingerprint"] != record.attrs["fingerprint"]:
        return float("inf")
    differences = [
        np.abs(fresh[name].to_numpy() - record[name].to_numpy()) for name in metrics.SCORES
    ]
    worst = float(np.max(differences))
    if worst <= SAME:
        for name in set(records.COARSE) & set(fresh.data_vars):
            made, kept = fresh[name].to_numpy(), record[name].to_numpy()
            if not np.allclose(made, kept, rtol=1e-3, atol=1e-3):
                return float("inf")
    return worst if np.isfinite(worst) else float("inf")


def collect(
    datasets: str | Sequence[str],
    models: Sequence[str],
    recipes: Sequence[str],
    preset: str,
    seeds: int,
    rerun: bool = False,
) -> list[xr.Dataset]:
    """Return the records of every combination: those stored, or, with ``rerun``, made now.

    A re-run is neither looked up nor stored: it shows what this machine makes of the configs.

    Raises
    ------
    RecordError
        If a record is missing and ``rerun`` is false.
    DataError
        If a data set's name is unknown.
    """
    names = [datasets] if isinstance(datasets, str) else datasets
    for name in names:
        if name not in NAMES:
            open_dataset(name)  # an unknown name is told before a missing record
    todo = {
        config.key: config
        for dataset in names
        for model in models
        for recipe in recipes
        for seed in range(seeds)
        for config in [
            RunConfig(dataset=dataset, model=model, recipe=recipe, preset=preset, seed=seed)
        ]
    }
    return [execute(config) if rerun else records.find(config) for config in todo.values()]
