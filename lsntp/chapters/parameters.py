"""The parameters of the notebooks, checked before anything is computed.

Each function is the first call of the notebooks it is named after; its types say what they accept.
Names come back as lists, data sets of one's own by their files' names. A copy run on other data
than the book's is marked so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from pydantic import Field

from lsntp.data.catalogue import OURS, PLANTED
from lsntp.data.checks import (
    Count,
    DataError,
    Odd,
    Seed,
    checked,
    one_of,
    one_or_several,
    shown,
)
from lsntp.data.datasets import Datasets
from lsntp.data.reanalyses import REMOTE
from lsntp.data.sources import go_by_file
from lsntp.results.planted import PLANTED_SETS
from lsntp.runs.config import Members, ModelName, Models, PresetName, Recipes, Seeds
from lsntp.zoo import LABELS

PRINTED = (["ncep-na", "era5-uk"], "laptop", 3, False)
"""Data sets, preset, seeds and ``rerun`` of the book: what its sentences are about."""

# A data set by itself, also as a list of one.
Dataset = Annotated[list[str], one_or_several, Field(min_length=1, max_length=1)]


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
    return marked(dataset)


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
    return marked(dataset)


@checked
def study(dataset: Datasets, preset: PresetName, seeds: Seeds, rerun: bool) -> list[str]:
    """Check the parameters of a study's notebook; return the data sets as a list.

    Raises
    ------
    ValueError
    """
    return marked(dataset, preset, seeds)


@checked
def tuned(
    dataset: Datasets, preset: PresetName, seeds: Seeds, members: Members, rerun: bool
) -> list[str]:
    """Check the parameters of ``15_tuned``; return the data sets as a list.

    Raises
    ------
    ValueError
    """
    return marked(dataset, preset, seeds)


@checked
def models_of_study(
    dataset: Datasets,
    preset: PresetName,
    seeds: Seeds,
    rerun: bool,
    models: Models,
    among: Collection[str] = tuple(LABELS),
    against: str | None = None,
) -> tuple[list[str], list[str]]:
    """Check the parameters of a study's notebook that lets models be chosen.

    Parameters
    ----------
    dataset, preset, seeds, rerun, models
        Those of the notebook.
    among : collection of str
        The models that it can show.
    against : str, optional
        The model that it compares all others with.

    Returns
    -------
    the data sets and the models, as lists

    Raises
    ------
    ValueError
    """
    if not {*models} <= {*among}:
        raise ValueError(f"models={shown(models)}: expected some of {', '.join(among)}")
    if {*models} == {against}:
        raise ValueError(f"models={shown(models)}: expected one more, to compare with {against}")
    return marked(dataset, preset, seeds), list(models)


@checked
def main_table(
    dataset: Datasets,
    preset: PresetName,
    seeds: Seeds,
    rerun: bool,
    models: Models,
    recipes: Recipes,
) -> tuple[list[str], list[str], list[str]]:
    """Check the parameters of ``04_main_table``; return data sets, models and recipes as lists.

    Raises
    ------
    ValueError
    """
    return marked(dataset, preset, seeds), beside_references(models), list(recipes)


@checked
def test_weeks(
    dataset: Datasets, preset: PresetName, seeds: Seeds, rerun: bool, models: Models
) -> tuple[list[str], list[str]]:
    """Check the parameters of ``16_test_weeks``; return the data sets and the models as lists.

    Raises
    ------
    ValueError
    """
    return marked(dataset, preset, seeds, book=["era5-uk"]), beside_references(models)


@checked
def power(
    dataset: Annotated[list[Annotated[str, one_of(PLANTED)]], one_or_several, Field(min_length=1)],
    preset: PresetName,
    seeds: Seeds,
    rerun: bool,
) -> list[str]:
    """Check the parameters of ``17_power``; return the data sets as a list.

    Raises
    ------
    ValueError
    """
    return marked(dataset, preset, seeds, book=[*PLANTED_SETS])


def beside_references(models: Sequence[str]) -> list[str]:
    """Put persistence and ridge, which all are compared with, before models chosen without them."""
    return [m for m in ("persistence", "ridge") if m not in models] + list(models)


@checked
def in_your_network(dataset: Dataset, embedding: Count, seed: Seed) -> str:
    """Check the parameters of ``20_in_your_network``; return the data set.

    Raises
    ------
    ValueError
    """
    return marked(dataset, book=["synthetic"])[0]


@checked
def own_field(dataset: Dataset, model: ModelName, preset: PresetName | None) -> str:
    """Check the parameters of ``21_your_own_field``; return the data set, "" if none is given.

    Raises
    ------
    ValueError
    """
    return marked(dataset, book=["a made field"])[0] if dataset != [""] else ""


@checked
def speed_and_scale(machine: str, rerun: bool, clone: str) -> None:
    """Check the parameters of ``13_speed_and_scale``.

    Raises
    ------
    ValueError
    """


def marked(
    datasets: list[str],
    preset: str = PRINTED[1],
    seeds: int = PRINTED[2],
    book: list[str] = PRINTED[0],
) -> list[str]:
    """Return the data sets' names; if the page was written for others, say so on it.

    Parameters
    ----------
    datasets, preset, seeds
        Those of the notebook.
    book : sequence of str
        The data sets that its text is about.

    Raises
    ------
    DataError
        One is unknown, and no file that is there.
    """
    from IPython.display import Markdown, display

    names = existing(datasets)
    ours, theirs = (", ".join(one) for one in (book, names))
    if (preset, seeds) != PRINTED[1:3]:
        ours += f" (preset {PRINTED[1]}, seeds {PRINTED[2]})"
        theirs += f" (preset {preset}, seeds {seeds})"
    if ours != theirs:
        note = (
            f"> **The text of this page was written for {ours}; its figures and tables below are "
            f"of {theirs}.**"
        )
        display(Markdown(note))
    return names


def existing(datasets: list[str]) -> list[str]:
    """Return the data sets' names, of files the files', if each is known or a file that is there.

    Raises
    ------
    DataError
        One is not; or two files have one name.
    """
    known = {*OURS, *REMOTE}
    names = [name if name in known else go_by_file(name) for name in dict.fromkeys(datasets)]
    if len({*names}) < len(names):
        raise DataError(
            f"dataset={shown(datasets)}: two files of one name; expected each once, by a name of "
            "its own: rename one"
        )
    return names
