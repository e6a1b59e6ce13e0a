"""Nothing altered goes unnoticed, nothing is half-written, and what cannot be stored is told first.

``FLIPS=1000 pytest tests/test_integrity.py -s`` flips as many bits of each kind of file.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from torch.optim.swa_utils import AveragedModel
from typer.testing import CliRunner

from benchmarks import store as bench
from benchmarks.__main__ import bench as benchmarks
from lsntp import RunConfig, load_records, run
from lsntp.cli import app
from lsntp.data import datasets, store
from lsntp.data.fields import DataError, fingerprint, standardise
from lsntp.data.store import RecordError
from lsntp.data.synthetic import synthetic
from lsntp.results import field_records, pearson
from lsntp.runs import records
from lsntp.runs.config import PRESETS, Preset
from lsntp.runs.training import RECIPES, History, Recipe, load_checkpoint, save_checkpoint

FLIPS = int(os.environ.get("FLIPS", 60))
RUNS = field_records.RECORDS.parent / "runs"


@pytest.fixture
def own_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small file of one's own; records and checkpoints go beside it."""
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    field.to_netcdf(tmp_path / "own.nc")
    return str(tmp_path / "own.nc")


# ---- flipped bits


class Kind(NamedTuple):
    """A stored file, how it is read, and what is raised if it is damaged."""

    path: Path
    read: Callable[[], Any]
    error: type[Exception] = RecordError


def exactly(ds: xr.Dataset | xr.DataArray) -> object:
    """All that is read of a file: values, types, dimensions, coordinates, attributes."""
    ds = ds.to_dataset(name="field") if isinstance(ds, xr.DataArray) else ds
    variables = {
        name: (v.dims, v.dtype.str, v.values.tolist() if v.dtype == object else v.values.tobytes())
        for name, v in ds.variables.items()
    }
    every = [ds.attrs, *(v.attrs for v in ds.variables.values())]
    return variables, set(ds.coords), [{k: (type(v), str(v)) for k, v in a.items()} for a in every]


def smallest_run(folder: Path, magic: bytes) -> Kind:
    runs = [path for path in RUNS.glob("*.nc") if path.read_bytes().startswith(magic)]
    path = Path(shutil.copy(min(runs, key=lambda path: path.stat().st_size), folder))
    return Kind(path, lambda: exactly(records.read(path)))


def a_run(folder: Path, _: object) -> Kind:
    return smallest_run(folder, b"\x89HDF")


def a_plain_run(folder: Path, _: object) -> Kind:
    return smallest_run(folder, b"CDF\x02")


def a_field_record(folder: Path, _: object) -> Kind:
    path = Path(shutil.copy(field_records.RECORDS / "ncep-na.nc", folder))
    return Kind(path, lambda: exactly(field_records.load("ncep-na", folder)))


def a_pearson_record(folder: Path, _: object) -> Kind:
    path = Path(shutil.copy(pearson.RECORDS / "ncep-na.nc", folder))
    return Kind(path, lambda: exactly(pearson.load("ncep-na", folder)))


def a_benchmark(folder: Path, _: object) -> Kind:
    path = Path(shutil.copy(min(bench.folder().glob("steps-*.json")), folder))
    return Kind(path, lambda: bench.load(path.stem, folder).model_dump_json())


def a_checkpoint(folder: Path, _: object) -> Kind:
    def fresh() -> tuple:
        torch.manual_seed(0)
        model = torch.nn.Linear(7, 5)
        return model, AveragedModel(model), torch.optim.AdamW(model.parameters())

    path = folder / "run.safetensors"
    model, running, optimizer = fresh()
    model(torch.ones(3, 7)).sum().backward()
    optimizer.step()
    running.update_parameters(model)
    best, history = {"weight": torch.ones(2)}, History([0.5], [0.25], 1.5)
    save_checkpoint(path, model, running, optimizer, best, history, "seed=0")

    def read() -> object:
        parts = fresh()
        history, best = load_checkpoint(path, *parts, "seed=0")
        return [vars(history), str(best), *(str(part.state_dict()) for part in parts)]

    torch.set_printoptions(precision=9)
    return Kind(path, read)


def a_data_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """As one that was re-encoded: known by its values and cells, not by its md5."""
    path = folder / "tiny.nc"
    field = synthetic(height=8, width=8, steps=40, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    field.to_netcdf(path, format="NETCDF3_CLASSIC", engine="scipy")
    whole = standardise(field.copy(), "tiny")
    first, last = np.datetime_as_string(whole.time.values[[0, -1]], "h")
    axes = [
        (float(whole[axis][0]), float(whole[axis][-1]), whole.sizes[axis])
        for axis in ("lat", "lon")
    ]
    file = datasets.File(
        path.name,
        "0",
        fingerprint(whole.values),
        (first, last, len(whole.time)),
        *axes,
        "t",
        "made",
        "MIT",
    )
    monkeypatch.setitem(datasets.REAL, "tiny", datasets.Entry(file, f"{last}:00:00"))
    monkeypatch.setenv("LSNTP_DATA_DIR", str(folder))
    return Kind(path, lambda: exactly(datasets.open_dataset("tiny")), DataError)


KINDS = [
    a_run,
    a_plain_run,
    a_field_record,
    a_pearson_record,
    a_benchmark,
    a_checkpoint,
    a_data_file,
]


def flipped(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    rng = np.random.default_rng(0)
    for at, bit in rng.integers([len(content), 8], size=(FLIPS, 2)).tolist():
        yield at, bit, content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.filterwarnings("ignore")  # xarray's, on its way to an error
def test_a_flipped_bit_is_noticed_or_means_nothing(
    make: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = make(tmp_path, monkeypatch)
    truth, noticed = kind.read(), 0
    for at, bit, content in flipped(kind.path.read_bytes()):
        kind.path.write_bytes(content)
        try:
            found = kind.read()
        except kind.error as error:
            noticed += kind.path.name in str(error)
        else:
            assert found == truth, f"bit {bit} of byte {at}: read, and not what was written"
    print(f"{make.__name__}: {noticed} of {FLIPS} noticed, the rest means nothing")
    assert noticed


def test_a_damaged_heap_of_names_is_told_and_not_read_for_ever(tmp_path: Path) -> None:
    path = a_run(tmp_path, None).path
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 + 8] ^= 1  # the length of its first object
    path.write_bytes(content)
    with pytest.raises(RecordError, match="heap"):
        records.read(path)


# ---- another record under the name, or a copy under another


@pytest.mark.parametrize("make", KINDS[:5])
def test_a_copy_under_another_name_is_refused_and_the_advice_works(
    make: Callable, tmp_path: Path
) -> None:
    kind = make(tmp_path, None)
    truth = kind.read()
    other = kind.path.with_name("other" + kind.path.name)
    load = {
        a_run: lambda: records.read(other),
        a_plain_run: lambda: records.read(other),
        a_field_record: lambda: field_records.load(other.stem, tmp_path),
        a_pearson_record: lambda: pearson.load(other.stem, tmp_path),
        a_benchmark: lambda: bench.load(other.stem, tmp_path),
    }[make]
    shutil.copy(kind.path, other)
    with pytest.raises(RecordError, match=f"{other.name} .*delete it, {kind.path.name} is there"):
        load()
    kind.path.unlink()
    with pytest.raises(RecordError, match=f"{other.name} .*name it {kind.path.name}"):
        load()
    other.rename(kind.path)
    assert kind.read() == truth


def test_one_kind_of_record_is_not_read_as_another(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not a readable record"):
        pearson.load("ncep-na", field_records.RECORDS)
    with pytest.raises(RecordError, match="not a readable record"):
        field_records.load("ncep-na", pearson.RECORDS)
    path = Path(shutil.copy(field_records.RECORDS / "ncep-na.nc", tmp_path))
    with pytest.raises(RecordError, match="not a readable record"):
        records.read(path)


def test_a_copy_does_not_count_twice(own_field: str) -> None:
    config = RunConfig(dataset=own_field, model="persistence")
    run(config)
    path = records.path_of(config)
    copies = [path.with_name(f"copy-{config.key}.nc"), path.with_name(f"copy-of-{path.name}")]
    for copy in copies:
        shutil.copy(path, copy)
        with pytest.raises(RecordError, match=copy.name):
            load_records()
        with pytest.raises(RecordError, match=f"2 records.*{copy.name}.*{path.name}"):
            records.find_by_key(config.key)
        with pytest.raises(RecordError, match=copy.name):
            records.sample(2)
        copy.unlink()
    assert len(load_records()) == 1
    with pytest.raises(RecordError, match='key ""'):
        records.find_by_key("")


# ---- made again


def test_field_and_pearson_records_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    field = standardise(field.assign_attrs(units="K"), "synthetic")
    for module, folder in ((field_records, "RECORDS"), (pearson, "RECORDS")):
        monkeypatch.setattr(module, "open_dataset", lambda name: field)
        monkeypatch.setattr(module, folder, tmp_path / module.__name__)
        monkeypatch.setattr(module.load, "__defaults__", (tmp_path / module.__name__,))
    monkeypatch.setattr(pearson.read, "__defaults__", (tmp_path / pearson.__name__,))
    paths = [m.record("synthetic", tmp_path / m.__name__) for m in (field_records, pearson)]
    assert field_records.verify("synthetic") == pearson.verify("synthetic") == 0.0

    recorded = field_records.load("synthetic")
    recorded["far_median"][0] += 0.01
    store.write(recorded, paths[0], field_records.ENCODING)
    assert 0.005 < field_records.verify("synthetic") < 0.01
    store.write(recorded.assign_attrs(test_start="2001-01-01"), paths[0], field_records.ENCODING)
    assert field_records.verify("synthetic") == np.inf

    made = pearson.kept("synthetic")
    made["r"][0, 3] += 2
    store.write(made, paths[1])
    assert pearson.verify("synthetic") == 2 * pearson.STEP
    store.write(made.assign_attrs(fingerprint="0"), paths[1])
    assert pearson.verify("synthetic") == np.inf


# ---- disks, folders, names


def test_a_file_that_finds_no_room_is_told_in_a_line_and_leaves_nothing(
    own_field: str, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    field = synthetic(height=8, width=10, steps=100, links=1, seed=1)
    rows = bench.load(min(bench.folder().glob("steps-*.json")).stem)
    writers: dict[str, Callable[[Path], object]] = {
        "run.nc": lambda path: records.write(field, path),
        "bench.json": lambda path: store.write_json(rows.model_dump(mode="json"), path),
        "run.safetensors": lambda path: a_checkpoint(path.parent, None),
    }
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name, write in writers.items():
        path = tmp_path / name / name
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(
                RecordError, match=f"{name} cannot be written .*bytes.* free"
            ) as told:
                write(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "\n" not in str(told.value)
        assert list(path.parent.iterdir()) == []


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_stay(own_field: str) -> None:
    config = RunConfig(dataset=own_field, model="convlstm", preset="smoke")
    checkpoints = records.cache_dir() / "checkpoints"
    places = [records.path_of(config), checkpoints / f"{config.key}-01234567.safetensors"]
    me, nobody = os.getpid(), 2**22 + 1  # above Linux's largest
    assert store.alive(me) and not store.alive(nobody)
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
        living = store.scratch_of(path)
        living.write_bytes(b"half")
        dead = living.with_name(living.name.replace(f".{me}.", f".{nobody}."))
        dead.write_bytes(b"half")
        elsewhere = path.with_name(f".{path.name}.lsntp.elsewhere.{nobody}.part")
        elsewhere.write_bytes(b"half")
        forgotten = path.with_name(f".x{path.name}.lsntp.elsewhere.{nobody}.part")
        forgotten.write_bytes(b"half")
        os.utime(forgotten, (0, 0))
        stores = [p.with_name(p.name.replace(".lsntp.", ".zarr.lsntp.")) for p in (living, dead)]
        for half in stores:  # a Zarr store is a folder
            half.mkdir()
            (half / "zarr.json").touch()
    places[0].with_name("x.nc").touch()  # not a scratch file
    foreign = places[0].with_name(".holiday-video.part")  # another program's
    foreign.touch()
    os.utime(foreign, (0, 0))
    store.check_folder(places[0].parent, "")
    store.check_folder(checkpoints, "")
    assert foreign.exists()
    foreign.unlink()
    for path in places:
        left = {p.name for p in path.parent.glob(".*")}
        mine = [store.scratch_of(path.with_name(path.name + end)).name for end in ("", ".zarr")]
        assert left == {*mine, f".{path.name}.lsntp.elsewhere.{nobody}.part"}


def test_an_existing_record_is_shown_though_nothing_can_be_written(
    own_field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(RunConfig(dataset=own_field, model="persistence"))
    (tmp_path / "a file").touch()
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "a file" / "cache"))
    assert run(RunConfig(dataset=own_field, model="persistence")).identical(made)
    result = CliRunner().invoke(app, ["run", own_field, "persistence"])
    assert result.exit_code == 0 and "MAE (K)" in result.output


@pytest.mark.parametrize("variable", ["LSNTP_RECORDS_DIR", "LSNTP_CACHE_DIR"])
@pytest.mark.parametrize("command", ["run", "campaign"])
def test_an_unusable_folder_is_told_before_training(
    own_field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, command: str
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "a file"))
    monkeypatch.setattr(records, "execute", lambda *_, **__: pytest.fail("it trained"))
    name = [own_field, "persistence"] if command == "run" else ["main"]
    result = CliRunner().invoke(app, [command, *name])
    assert result.exit_code == 1 and variable in result.output, result.output
    assert str(tmp_path / "a file") in result.output and "Traceback" not in result.output


@pytest.mark.parametrize("command", ["released", "scale"])
def test_an_unusable_folder_is_told_before_a_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("benchmarks.machine.peak", lambda *_: pytest.fail("it measured"))
    (tmp_path / "a file").touch()
    clone = ["--path", str(tmp_path)] if command == "released" else []
    arguments = [command, *clone, "--to", str(tmp_path / "a file")]
    result = CliRunner().invoke(benchmarks, arguments)
    assert result.exit_code == 1 and "--to" in result.output
    if clone:
        result = CliRunner().invoke(benchmarks, [*arguments[:-1], str(tmp_path)])
        assert result.exit_code == 1 and "no model/network.py" in result.output


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "a\\b", "a b", "x" * 41, "a\n"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    for kind, good in ((Preset, PRESETS["smoke"]), (Recipe, RECIPES["modern"])):
        with pytest.raises(ValidationError, match="name"):
            kind(**{**good.model_dump(), "name": name})


@pytest.mark.parametrize("stem", ["x" * 252, "ü" * 126, "a:b?*", "..", ".hidden"])
def test_the_record_of_any_file_has_a_name_within_the_store(
    own_field: str, tmp_path: Path, stem: str
) -> None:
    """Path of a file of one's own, of the longest name a file system takes."""
    own = Path(own_field).rename(tmp_path / f"{stem}.nc")
    config = RunConfig(dataset=str(own), model="persistence", input_steps=5)
    path = records.path_of(config)
    made = run(config)
    assert path.parent == tmp_path / "records" and list(path.parent.iterdir()) == [path]
    assert len(os.fsencode(store.scratch_of(path).name)) <= 255
    assert not set('<>:"/\\|?*') & set(path.name)
    assert records.find_by_key(config.key).identical(made)


@pytest.mark.parametrize("km", [-1.0, float("nan"), float("inf")])
def test_a_cut_that_is_no_distance_is_told(km: float) -> None:
    for cut in ({"cut_km": km}, {"test_cuts_km": [0.0, km]}):
        with pytest.raises(ValidationError, match="cut"):
            RunConfig(dataset="era5-uk", model="lsntp-equations", **cut)
