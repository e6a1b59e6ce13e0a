"""Killed at random moments, runs and campaigns end as if undisturbed, and leave nothing behind.

``KILLS=25 pytest tests/test_kills.py -s`` kills more often, and prints what and when.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import psutil
import pytest
import xarray as xr

from lsntp import RunConfig
from lsntp.data.synthetic import synthetic
from lsntp.runs import campaign, records
from lsntp.runs.config import PRESETS
from lsntp.runs.experiment import execute
from lsntp.runs.trained import FILE

KILLS = int(os.environ.get("KILLS", 2))
SCRIPTS = {
    "run": "from lsntp import RunConfig, run\nrun(RunConfig.model_validate_json(sys.argv[1]))",
    "campaign": "from lsntp import RunConfig\nfrom lsntp.runs import campaign\n"
    "todo = [RunConfig.model_validate_json(x) for x in sys.argv[1:]]\n"
    "print(dict(campaign.run_all(todo, jobs=2)))",
}
MOMENTS = (  # what is started, what is killed, once what is there, within seconds from then
    ("campaign", "parent", "*.safetensors", 0.3),  # while its children train
    ("run", "itself", "*.safetensors", 0.5),
    ("campaign", "a child", "*.safetensors", 0.3),
    ("campaign", "parent", "child", 3.0),  # while its children import
    ("run", "itself", ".*.part", 0.0),  # while it saves
)


@pytest.fixture
def configs(tmp_path: Path) -> list[RunConfig]:
    """Two runs of some seconds on a file of one's own."""
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    field.to_netcdf(tmp_path / "own.nc")
    preset = PRESETS["smoke"].model_copy(update={"epochs": 16})
    dataset = str(tmp_path / "own.nc")
    return [RunConfig(dataset=dataset, model="convlstm", preset=preset, seed=s) for s in (0, 1)]


def start(what: str, configs: list[RunConfig]) -> subprocess.Popen:
    arguments = [config.model_dump_json() for config in configs]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys\n{SCRIPTS[what]}", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def ours(folder: Path) -> Iterator[psutil.Process]:
    """All living processes that were started for a test, whoever their parent is by now."""
    for process in psutil.process_iter():
        try:
            told = f"{folder}/" in " ".join(process.cmdline())
            if told and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            pass


def wait_for(what: str, seconds: float, process: subprocess.Popen, folder: Path) -> None:
    """Wait for a file, or a child of the process, and so long from then; or until it ends."""
    run = psutil.Process(process.pid)
    while what and process.poll() is None:
        if run.children() if what == "child" else any(folder.rglob(what)):
            break
    ends = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < ends:
        time.sleep(0.01)


def test_sigkill_at_any_moment(
    configs: list[RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = [records.kept(execute(config), config) for config in configs]
    rng = random.Random(KILLS)
    for number, (what, who, first, longest) in zip(range(KILLS), cycle(MOMENTS), strict=False):
        folder = tmp_path / str(number)
        monkeypatch.setenv("LSNTP_RECORDS_DIR", str(folder / "records"))
        monkeypatch.setenv("LSNTP_CACHE_DIR", str(folder / "cache"))
        todo = configs[: 1 if what == "run" else None]
        process = start(what, todo)
        began = time.monotonic()
        wait_for(first, rng.uniform(0, longest), process, folder)
        ended = process.poll() is not None
        children = [] if ended else psutil.Process(process.pid).children()
        assert not (ended and first == "*.safetensors"), "it ended before it was killed"
        killed = time.monotonic()
        if who == "a child" and children:
            rng.choice(children).kill()  # it is made again
        else:
            process.kill()
        saved = sorted(p.suffix for p in folder.rglob("*.*") if p.is_file())
        process.wait()
        ended_s = time.monotonic()
        while (left := list(ours(tmp_path))) and time.monotonic() < ended_s + 5:
            time.sleep(0.05)
        print(
            f"{number} {what}, {who}, after {killed - began:.1f} s{' (had ended)' if ended else ''}"
            f" with {len(children)} children, files {saved}: all ended "
            f"{time.monotonic() - ended_s:.1f} s later"
        )
        assert not left, "still running 5 s after its parent was killed"

        for config, expected in zip(todo, undisturbed, strict=False):
            made, expected = records.run(config), reread(expected, tmp_path)
            for attribute in ("made", "commit", "wall_s", "peak_memory_mib"):
                del made.attrs[attribute], expected.attrs[attribute]
            xr.testing.assert_identical(made, expected)
        files = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
        assert sorted(map(str, files)) == sorted(
            [f"records/{records.path_of(config).name}" for config in todo]
            + [f"cache/checkpoints/{config.key}.lock" for config in todo]
            + [f"cache/models/{records.name_of(config)}/{FILE}" for config in todo]
        )


def reread(record: xr.Dataset, folder: Path) -> xr.Dataset:
    """Return a record as it is once stored: some of it to fewer digits."""
    path = folder / f"{records.name_of(records.config_of(record))}.nc"
    records.write(record, path)
    return records.read(path)


def test_a_child_whose_parent_is_gone_already_ends_without_training(
    configs: list[RunConfig],
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    child = [
        sys.executable,
        "-c",
        campaign.CHILD,
        str(gone.pid),
        "cpu",
        configs[0].model_dump_json(),
    ]
    began = time.monotonic()
    assert subprocess.run(child, timeout=60).returncode == 1
    assert time.monotonic() - began < 5
