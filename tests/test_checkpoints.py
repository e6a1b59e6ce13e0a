"""Checkpoints of the released code: the same weights under any usual wrapper, and no code."""

from __future__ import annotations

import argparse
import re
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from lsntp import LSNTP
from lsntp.model.checkpoints import our_name, read_checkpoint

with np.load(Path(__file__).parent / "parity" / "released_era5_form.npz") as file:
    STATE = {
        name.removeprefix("state/"): torch.from_numpy(file[name])
        for name in file.files
        if name.startswith("state/")
    }
WRAPPINGS = [(), *product(("state_dict", "model_state_dict", "model"))]
WRAPPINGS += product(("state_dict", "model_state_dict", "model"), repeat=2)
PREFIXES = ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.module."]
ENDINGS = [".pt", ".pth", ".pth.tar", ".ckpt"]


def model() -> LSNTP:
    torch.manual_seed(0)
    return LSNTP.released(9, 13, hidden=4, embedding=8, downsample=True)


LOADED = model().load_released(STATE)
EXPECTED = LOADED.state_dict()


def after_a_step() -> dict[str, Any]:
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(2)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


ADAM = after_a_step()


def wrapped(state: dict, wrapping: tuple[str, ...], **beside: Any) -> dict:
    for key in reversed(wrapping):
        state = {"epoch": 70, key: state, "optimizer": ADAM, "best": 0.5, **beside}
    return state


def assert_same(weights: Mapping[str, Tensor]) -> None:
    assert weights.keys() == EXPECTED.keys()
    assert all(torch.equal(weights[name], value) for name, value in EXPECTED.items())


def assert_loaded(checkpoint: Any) -> None:
    assert_same(model().load_released(checkpoint).state_dict())


def test_the_bare_state_dict_is_what_its_names_say() -> None:
    assert len(EXPECTED) == len(STATE)
    assert all(torch.equal(EXPECTED[our_name(name)], value) for name, value in STATE.items())


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("wrapping", WRAPPINGS, ids=".".join)
def test_every_wrapper_and_prefix_gives_the_same_weights(
    wrapping: tuple[str, ...], prefix: str, tmp_path: Path
) -> None:
    checkpoint = wrapped({prefix + name: value for name, value in STATE.items()}, wrapping)
    assert_loaded(checkpoint)
    for ending, new in zip(ENDINGS, (True, False, True, False), strict=True):
        path = tmp_path / f"checkpoint{ending}"
        torch.save(checkpoint, path, _use_new_zipfile_serialization=new)
        assert_same(read_checkpoint(path))


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("ending", [".safetensors", ".SAFETENSORS", ".pth"])
def test_safetensors_are_known_by_what_they_hold(prefix: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"checkpoint{ending}"
    save_file({prefix + name: value for name, value in STATE.items()}, path, {"format": "pt"})
    assert_loaded(path)
    assert_loaded(str(path))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["module.", "_orig_mod."])), st.data())
def test_prefixes_stack_and_may_stand_inside_a_name(before: list[str], data: st.DataObject) -> None:
    """A part of a network may have been compiled, or shared out, by itself."""
    inner = data.draw(st.sampled_from(["encoder.", "decoder."]))
    put = data.draw(st.sampled_from(["module.", "_orig_mod."]))
    named = {"".join(before) + k.replace(inner, inner + put): v for k, v in STATE.items()}
    assert_same(read_checkpoint(named))


def test_arrays_and_other_mappings_will_do() -> None:
    assert_loaded(OrderedDict((name, value.numpy()) for name, value in STATE.items()))
    assert_loaded({"model": "LS-NTP", "state_dict": STATE, "hyper_parameters": {"hidden": 4}})
    assert_loaded({"model": {"hidden": 4}, "state_dict": STATE})


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    torch.save(STATE, tmp_path / "checkpoint.pth")
    assert_loaded("~/checkpoint.pth")


# ---- what does not fit is named


@pytest.mark.parametrize(
    ("checkpoint", "found", "mended"),
    [
        ({"net": STATE}, ["net"], lambda c: c["net"]),
        ({"model": {"net": STATE}, "epoch": 3}, ["net", "epoch"], lambda c: c["model"]["net"]),
        (
            {"model": STATE, "state_dict": STATE},
            ["model", "state_dict"],
            lambda c: c["state_dict"],
        ),
        (
            {**STATE, "epoch": 3},
            ["node_embeddings: Tensor", "epoch"],
            lambda c: {name: value for name, value in c.items() if name != "epoch"},
        ),
        ({"model": LOADED}, ["LSNTP"], lambda c: c["model"].state_dict()),
        (LOADED, ["LSNTP"], lambda c: c.state_dict()),
        (
            {**STATE, "module.node_embeddings": STATE["node_embeddings"]},
            ["node_embeddings"],
            lambda c: {name: value for name, value in c.items() if name[:7] != "module."},
        ),
    ],
    ids=["net", "model.net", "two", "beside", "module inside", "module", "twice"],
)
def test_what_is_no_checkpoint_is_named_and_can_be_mended(checkpoint, found, mended) -> None:
    before = model()
    with pytest.raises(ValueError, match="weights by name|the checkpoint holds") as error:
        before.load_released(checkpoint)
    message = str(error.value).replace("'", "")
    assert all(name in message for name in found)
    assert all(map(torch.equal, before.state_dict().values(), model().state_dict().values()))
    assert_loaded(mended(checkpoint))


@pytest.mark.parametrize("checkpoint", [{}, {"model": {}}, [1.0], None, 3, {1: torch.zeros(1)}])
def test_nothing_and_anything_else_are_refused(checkpoint: Any) -> None:
    with pytest.raises(ValueError, match=f"expected weights.* got {type(checkpoint).__name__}"):
        model().load_released(checkpoint)


def test_what_goes_round_in_circles_is_refused() -> None:
    circle: dict = {}
    circle["model"] = circle
    with pytest.raises(ValueError, match="expected weights by name"):
        model().load_released(circle)


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        model().load_released(tmp_path / "none.pth")


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["new", "old", "safetensors"]), st.floats(0, 0.999))
def test_a_file_that_was_cut_off_is_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, share: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "checkpoint.pth"
    if kind == "safetensors":
        save_file(STATE, path)
    else:
        torch.save(wrapped(STATE, ("model",)), path, _use_new_zipfile_serialization=kind == "new")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=path.name):
        model().load_released(path)


# ---- code in a file


class Bomb:
    """Pickled, it makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("ending", [*ENDINGS, ".safetensors"])
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("place", ["weight", "beside", "above", "optimizer"])
def test_code_in_a_file_is_never_run(tmp_path: Path, ending: str, new: bool, place: str) -> None:
    path, mark = tmp_path / f"checkpoint{ending}", tmp_path / "was-run"
    checkpoint: Any = {
        "weight": {"model": {**STATE, "node_embeddings": Bomb(mark)}},
        "beside": {"model": STATE, "args": Bomb(mark)},
        "above": [Bomb(mark), STATE],
        "optimizer": {"model": STATE, "optimizer": {"state": {0: Bomb(mark)}}},
    }[place]
    torch.save(checkpoint, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ValueError, match="more than weights"):
        model().load_released(path)
    assert not mark.exists()
    with open(path, "rb") as file:
        torch.load(file, weights_only=False)  # the bomb is one
    assert mark.exists()


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        (argparse.Namespace(lr=1e-3, hidden=4), "argparse.Namespace"),
        (np.float64(0.5), "numpy"),
        ({"best": np.float32(0.5), "args": argparse.Namespace()}, "argparse.Namespace"),
        (np.zeros(3), "numpy"),
        (Path("runs"), "pathlib"),
        (defaultdict(list), "collections.defaultdict"),
    ],
    ids=["Namespace", "scalar", "both", "array", "path", "defaultdict"],
)
def test_more_than_weights_is_refused_with_advice_that_works(tmp_path, beside, named) -> None:
    path = tmp_path / "it's.pth.tar"
    torch.save(wrapped(STATE, ("state_dict",), args=beside), path)
    with pytest.raises(ValueError, match="more than weights") as error:
        model().load_released(path)
    assert named in str(error.value)
    advice = re.search(r"torch\.load\(.*?\bweights_only=False\)", str(error.value))
    assert advice is not None
    assert_loaded(eval(advice.group(), {"torch": torch}))


def test_tensors_of_a_file_are_on_the_cpu_and_of_the_models_type(tmp_path: Path) -> None:
    halves: dict[str, Tensor] = {name: value.double() for name, value in STATE.items()}
    torch.save(halves, tmp_path / "checkpoint.pt")
    assert_loaded(tmp_path / "checkpoint.pt")
