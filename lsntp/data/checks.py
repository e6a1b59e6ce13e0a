"""What public functions accept: types that say so, and a sentence for what they refuse."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Sequence
from functools import partial, wraps
from typing import Annotated, Any, TypeVar, cast

import numpy as np
import torch
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    validate_call,
)
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])


class DataError(ValueError):
    """Data that cannot be used as it is; the message says what was found and what to do."""


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("expected an odd number (1, 3, 5, …), so that there is a middle")
    return value


Whole = Annotated[int, BeforeValidator(_plain), Field(strict=True, ge=0, lt=2**31)]
Count = Annotated[int, BeforeValidator(_plain), Field(strict=True, ge=1, lt=2**31)]
Odd = Annotated[Count, AfterValidator(_odd)]
Seed = Annotated[int, BeforeValidator(_plain), Field(strict=True, ge=0, lt=2**63)]
Kilometres = Annotated[float, BeforeValidator(_plain), Field(strict=True, ge=0)]


one_or_several = BeforeValidator(lambda given: [given] if isinstance(given, str) else given)
"""Take a name for a list of one."""


def known(name: str, names: Collection[str]) -> str:
    """Return a name if it is one of these, else raise a ValueError with them and the nearest."""
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise ValueError(f"expected one of {', '.join(names)}{hint}")


def one_of(names: Collection[str]) -> AfterValidator:
    """Accept these names only."""
    return AfterValidator(partial(known, names=names))


def checked(function: Function) -> Function:
    """Let a function refuse what its annotations do not allow.

    It then raises a ValueError that names the value and what was expected. Nothing is converted
    but NumPy's numbers to Python's.
    """
    call = validate_call(config=ConfigDict(strict=True, arbitrary_types_allowed=True))(function)
    names = list(inspect.signature(function).parameters)
    what = function.__qualname__.removesuffix(".__init__")

    @wraps(function)
    def refusing(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except ValidationError as error:
            message = sentence(error, names)
            if any("argument" in e["type"] for e in error.errors(include_url=False)):
                message += f"; expected the arguments {', '.join(names)}".replace(" self,", "")
            raise ValueError(f"{what}: {message}") from None

    return cast(Function, refusing)


def sentence(error: ValidationError, names: Sequence[str] = ()) -> str:
    """Say of all that pydantic refused which value it was, and what was expected.

    Arguments that it counts are called by their ``names``.
    """
    lines = []
    for e in error.errors(include_url=False):
        first, *inner = e["loc"] or ("",)
        if isinstance(first, int) and first < len(names):
            first = names[first]
        where = ".".join(map(str, [first, *inner]))
        message = e["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)
        if e["type"] == "sequence_str":
            message = "expected a list"
        given = "" if "missing" in e["type"] else f"={shown(e['input'])}"
        lines.append(f"{where}{given}: {message}" if where else message)
    return "\n".join(lines)


def shown(value: Any) -> str:
    """Write a value in a few words: an array by its size and type, all else as it prints."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} of {value.dtype} on {value.device}"
    if hasattr(value, "shape"):
        of = f" of {value.dtype}" if hasattr(value, "dtype") else ""
        return f"a {type(value).__name__} {tuple(value.shape)}{of}"
    words = repr(value)
    return words if len(words) <= 80 else f"{words[:79]}…"


def fits(
    name: str,
    x: Any,
    shape: tuple[int | str, ...],
    like: Tensor | None = None,
    remedy: str = "reshape it, or build the module for it",
) -> None:
    """Refuse what is not a tensor of floats, of this shape, and of another's type and device.

    Letters in the shape stand for any size of 1 or more. Under autocast every float type will do.

    Raises
    ------
    ValueError
        Naming what it is, what was expected and what to do.
    """
    wanted = "a torch.Tensor "
    if isinstance(x, Tensor):
        wanted = ""
        sizes = len(x.shape) == len(shape) and all(
            n >= 1 if isinstance(m, str) else n == m for n, m in zip(x.shape, shape, strict=True)
        )
        low = torch.is_autocast_enabled(x.device.type)
        same = like is None or (x.device == like.device and (low or x.dtype == like.dtype))
        if sizes and same and x.is_floating_point():
            return
        if sizes:
            remedy = "convert it by .to(...)"
    wanted += f"({', '.join(map(str, shape))})"
    wanted += " of floats" if like is None else f" of {like.dtype} on {like.device}"
    raise ValueError(f"expected {name} {wanted}, got {shown(x)}; {remedy}")
