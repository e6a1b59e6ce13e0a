"""Checkpoints of the authors' released code, as files of several kinds -> weights by our names."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Under one of these a checkpoint may hold the weights, or under one of these inside another."""

PREFIXES = {"module", "_orig_mod", "model"}
"""What DataParallel, torch.compile and Lightning put into a weight's name, in any order."""

# released name -> ours, part by part, in this order
RELEASED_NAMES = (
    ("node_embeddings", "graph.embedding"),
    ("encoder.conv2d.", "shrink."),
    ("encoder.convrnn1.", "encoder.0."),
    ("encoder.convrnn2.", "encoder.1."),
    ("decoder.convrnn3.", "decoder.0."),
    ("decoder.convrnn4.", "decoder.1."),
    ("decoder.conv2dtranspose.", "head."),
    ("decoder.conv2d.", "head."),
    (".conv.spatial_atten_block.spatail_atten.", ".operator.nsa.0.gate."),
    (".cell.conv.", ".cell.operator.lsi."),
    ("w_c_", "w_c"),
)


def our_name(released: str) -> str:
    """Translate a weight's released name, with any `PREFIXES`, into ours."""
    name = ".".join(part for part in released.split(".") if part not in PREFIXES)
    for theirs, ours in RELEASED_NAMES:
        name = name.replace(theirs, ours)
    return name


def read_checkpoint(checkpoint: Mapping[str, Any] | str | PathLike[str]) -> dict[str, Tensor]:
    """Read weights, by our names, from a mapping or file; never runs code found in a file.

    Parameters
    ----------
    checkpoint : mapping or path
        Arrays by name, alone or as one of `WRAPPERS` among anything else; or a file of that, of
        safetensors or of ``torch.save``, whatever its ending.

    Raises
    ------
    ValueError
        If a file is broken, or holds more than weights and plain values; if no weights are where
        they are looked for, or two have one name.
    """
    content: Any = checkpoint
    if isinstance(checkpoint, str | PathLike):
        content = content_of(Path(checkpoint).expanduser())
    found = states(content)
    if len(found) != 1:
        raise ValueError(
            f"expected weights by name, got {described(content)}: arrays by name are neither all "
            f"of it nor all of just one of its {', '.join(WRAPPERS)}; give the mapping of those, "
            "and nothing else"
        )
    weights: dict[str, Tensor] = {}
    for name, value in found[0].items():
        if our_name(name) in weights:
            raise ValueError(
                f"the checkpoint holds {name} under another prefix, too; give a mapping without "
                "those weights that you do not mean"
            )
        weights[our_name(name)] = torch.as_tensor(value)
    return weights


def content_of(path: Path) -> Any:
    """Load a file of safetensors or of torch, told by its first bytes, running no code in it."""
    with open(path, "rb") as file:
        safe = file.read(9)[8:] == b"{"
        file.seek(0)
        try:
            return load_file(path) if safe else torch.load(file, "cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            more = "more than weights"
            with suppress(Exception):  # lists what a newer file asks for, without running it
                more += f" ({', '.join(sorted(get_unsafe_globals_in_checkpoint(path)))})"
            raise ValueError(
                f"{path} holds {more}, or is not a torch checkpoint; it was not read further, as "
                "that could run code in it. Ask for a file of the weights alone; or, if you trust "
                f"who made this one, load what torch.load({str(path)!r}, weights_only=False) "
                "returns"
            ) from error
        except Exception as error:  # a reader may meet anything in a broken file
            raise ValueError(
                f"{path} is not a whole checkpoint ({error!r}); get the file again, and unpack it "
                "if it is an archive"
            ) from error


def states(content: Any, deep: int = 2) -> list[Mapping[str, Any]]:
    """Find arrays by name in something, or under its `WRAPPERS`, at most so many deep."""
    if not isinstance(content, Mapping):
        return []
    if content and all(
        isinstance(name, str) and isinstance(value, Tensor | np.ndarray)
        for name, value in content.items()
    ):
        return [content]
    return [s for key in WRAPPERS if deep for s in states(content.get(key), deep - 1)]


def described(content: Any, deep: int = 2) -> str:
    """Name the type of something and, of a mapping, its entries, so many deep, arrays last."""
    kind = type(content).__name__
    if not isinstance(content, Mapping) or not deep:
        return kind
    items = sorted(content.items(), key=lambda item: isinstance(item[1], Tensor | np.ndarray))
    entries = [f"{name!r}: {described(value, deep - 1)}" for name, value in items[:8]]
    return f"{kind} {{{', '.join(entries + ['…'] * (len(items) > 8))}}}"
