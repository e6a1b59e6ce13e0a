"""The parameters of the notebooks, checked before anything is computed.

Each function is the first call of the notebooks it is named after; its types say what they accept.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from pydantic import Field

from lsntp.data.checks import Count, Odd, Seed, checked, shown
from lsntp.data.datasets import NAMES, Datasets, located
from lsntp.data.reanalyses import REMOTE
from lsntp.runs.config import ModelName, Models, PresetName, Recipes, Seeds
from lsntp.zoo import LABELS

PRINTED = (["ncep-na", "era5-uk"], "laptop", 3, False)
"""Data sets, preset, seeds and ``rerun`` of the book: what its sentences are about."""


@checked
def background(
    seed: Seed,
    image_size: Annotated[Count, Field(multiple_of=32, le=256)],
    epochs: Annotated[Count, Field(ge=2)],
    grid: Annotated[Odd, Field(ge=5)],
    lengths: Annotated[Sequence[Count], Field(min_length=2)],
) -> None:
    """Check the parameters of ``01_background``.

    Raises
    ------
    ValueError
    """


@checked
def observations(dataset: Datasets, recompute: bool) -> list[str]:
    """Check the parameters of ``02_observations``; return the data sets as a list.

    Raises
    ------
    ValueError
    """
    return existing(dataset)


@checked
def method(
    dataset: Datasets,
    seed: Seed,
    seeds: Annotated[Sequence[Seed], Field(min_length=1)],
    epochs: Count,
    steps: Annotated[Count, Field(ge=200)],
    links: Annotated[Count, Field(le=12)],
) -> list[str]:
    """Check the parameters of ``03_method``; return the data sets as a list.

    Raises
    ------
    ValueError
    """
    return existing(dataset)


@checked
def study(
    dataset: Datasets,
    preset: PresetName,
    seeds: Seeds,
    rerun: bool,
    models: Models = tuple(LABELS),
    among: Collection[str] = tuple(LABELS),
) -> list[str]:
    """Check the parameters of a study's notebook; return the data sets as a list.

    Parameters
    ----------
    dataset, preset, seeds, rerun, models
        Those of the notebook.
    among : collection of str
        The models that it can show.

    Raises
    ------
    ValueError
    """
    for model in models if among != tuple(LABELS) else ():
        if model not in among:
            raise ValueError(f"models={shown(models)}: expected some of {', '.join(among)}")
    return existing(dataset)


@checked
def main_table(
    dataset: Datasets,
    preset: PresetName,
    seeds: Seeds,
    rerun: bool,
    models: Models,
    recipes: Recipes = ("modern",),
) -> list[str]:
    """Check the parameters of ``04_main_table`` and ``16_test_weeks``; return the data sets.

    Raises
    ------
    ValueError
    """
    if "ridge" not in models:
        raise ValueError(f"models={shown(models)}: expected ridge among them, to compare with")
    return existing(dataset)


@checked
def in_your_network(dataset: str, embedding: Count, seed: Seed) -> None:
    """Check the parameters of ``20_in_your_network``.

    Raises
    ------
    ValueError
    """
    existing([dataset])


@checked
def own_field(dataset: str, model: ModelName, preset: PresetName | None) -> None:
    """Check the parameters of ``21_your_own_field``.

    Raises
    ------
    ValueError
    """
    existing([dataset] if dataset else [])


@checked
def speed_and_scale(machine: str, rerun: bool, clone: str) -> None:
    """Check the parameters of ``13_speed_and_scale``.

    Raises
    ------
    ValueError
    """


def existing(datasets: list[str]) -> list[str]:
    """Return the data sets' names, as records have them, if each is known or a file that is there.

    Raises
    ------
    DataError
    """
    known = {*NAMES, *REMOTE}
    return [name if name in known else located(name).name for name in datasets]
