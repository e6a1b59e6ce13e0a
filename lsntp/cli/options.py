"""What the commands share: arguments, options, and how a mistake is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from lsntp.data.coordinates import Region


@contextmanager
def told(code: int = 1) -> Iterator[None]:
    """Tell a user's mistake in a line, and exit with a code; with 2 where an argument is wrong."""
    from pydantic import ValidationError

    from lsntp.data.checks import sentence

    try:
        yield
    except ValidationError as error:
        typer.echo(sentence(error), err=True)
        raise typer.Exit(2) from None
    except (ValueError, OSError, FloatingPointError, RuntimeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(code) from None


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Read an option that is a whole number; what is not is named, and what was expected."""

    def parse(given: str) -> int:
        try:
            number = int(given)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise typer.BadParameter(f"{given!r}: expected a whole number, {least} to {most}")
        return number

    return parse


def region(given: str) -> Region:
    """Read an option that is a region."""
    try:
        north, west, south, east = map(float, given.split(","))
    except ValueError:
        expected = "expected north,west,south,east in degrees, such as 54,73,16,135"
        raise typer.BadParameter(f"{given!r}: {expected}") from None
    return north, west, south, east


def years(given: str) -> list[int]:
    """Read an option that is a year, or the first and the last of some."""
    first, _, last = given.partition("-")
    last = last or first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise typer.BadParameter(f"{given!r}: expected first and last, such as 2017-2018")
    return list(range(int(first), int(last) + 1))


Files = Annotated[
    list[str], typer.Argument(help="A data set's name, or your files, a glob, a URL, a Zarr store.")
]
Folder = Annotated[Path, typer.Argument(help="Folder of a model, as lsntp train wrote it.")]
Box = Annotated[
    Any,
    typer.Option(
        parser=region,
        metavar="N,W,S,E",
        help="The cells in it only: north,west,south,east in degrees, e.g. 54,-4,51,1.",
    ),
]
From = Annotated[str | None, typer.Option("--from", help="First time, e.g. 2019-03-25.")]
Until = Annotated[str | None, typer.Option(help="Last time, e.g. 2019-03-31T18.")]
Every = Annotated[
    int | None, typer.Option(parser=whole_number(1, 10**6), help="Take every n-th step.")
]
RecipeName = Annotated[
    str | None, typer.Option(help="modern, released or tuned: how it is trained.")
]
PresetName = Annotated[
    str | None, typer.Option(help="smoke, laptop, paper or tuned: how large and how long.")
]
Seed = Annotated[
    int, typer.Option(parser=whole_number(0, 2**63 - 1), help="First weights, order of windows.")
]
Device = Annotated[Literal["cpu", "cuda", "mps", "auto"], typer.Option(help="What to train on.")]
