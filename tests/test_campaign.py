"""Campaigns: one process a run; what is killed is made again, and every record is there once."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from distributed import LocalCluster
from typer.testing import CliRunner

from lsntp import RunConfig
from lsntp.cli import app
from lsntp.data.synthetic import synthetic
from lsntp.runs import campaign, records
from lsntp.runs.config import PRESETS
from lsntp.runs.experiment import execute

LOOPBACK = "127.0.0.1:0"


@pytest.fixture(autouse=True)
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small file of one's own; records and checkpoints go beside it."""
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "own.nc"
    values = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    values.attrs = {"units": "K"}
    values.to_netcdf(path)
    return str(path)


@pytest.fixture
def long(field: str) -> RunConfig:
    """A run of some seconds, with a checkpoint early on."""
    preset = PRESETS["smoke"].model_copy(update={"epochs": 8})
    return RunConfig(dataset=field, model="convlstm", preset=preset)


def in_the_midst_of(config: RunConfig, then: Callable[[], None]) -> threading.Thread:
    """Do something as soon as a run has written its first checkpoint."""

    def wait() -> None:
        checkpoints = records.cache_dir() / "checkpoints"
        while not list(checkpoints.glob(f"{config.key}-*.safetensors")):
            time.sleep(0.02)
        assert not records.path_of(config).exists()
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def assert_there_once_and_as_if_undisturbed(configs: list[RunConfig]) -> None:
    stored = [path.name for path in records.store_dir().glob("*.nc")]
    assert sorted(stored) == sorted(records.path_of(config).name for config in configs)
    for config in configs:
        record, undisturbed = records.find(config), execute(config)
        for name in ("mae", "rmse", "ssim", "psnr", "train_loss", "validation_loss"):
            if name in undisturbed:
                xr.testing.assert_equal(record[name], undisturbed[name])


not_on_windows = pytest.mark.skipif(
    sys.platform == "win32", reason="a killed process cannot be told from one that failed there"
)


@not_on_windows
def test_a_killed_process_is_made_again_and_a_failure_stops_no_other(
    field: str, long: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: dict[str, list[int]] = {}

    class Spy(subprocess.Popen):
        def __init__(self, command: list[str], **options: object) -> None:
            super().__init__(command, **options)
            started.setdefault(command[-1], []).append(self.pid)

    monkeypatch.setattr(subprocess, "Popen", Spy)
    bad = RunConfig(dataset="nowhere.nc", model="persistence")
    runs = started.setdefault(long.model_dump_json(), [])
    killer = in_the_midst_of(long, lambda: os.kill(runs[0], signal.SIGKILL))
    outcome = dict(campaign.run_all([bad, long], jobs=2))
    killer.join()
    assert outcome[long] is None
    assert "DataError: " in str(outcome[bad]) and "'nowhere.nc'" in str(outcome[bad])
    assert len(runs) == 2  # killed, and made again
    assert len(started[bad.model_dump_json()]) == 1  # of no use to try again
    assert_there_once_and_as_if_undisturbed([long])


@not_on_windows
def test_a_killed_worker_of_a_cluster_loses_no_run(field: str, long: RunConfig) -> None:
    other = RunConfig(dataset=field, model="persistence")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=LOOPBACK) as cluster:

        def kill_its_worker() -> None:
            for nanny in cluster.workers.values():
                tasks = cluster.scheduler.workers[nanny.worker_address].processing
                if any(long.key in task.key for task in tasks):
                    killed.append(nanny.pid)
                    os.kill(nanny.pid, signal.SIGKILL)

        killed: list[int] = []
        killer = in_the_midst_of(long, kill_its_worker)
        outcome = dict(campaign.run_all([long, other], scheduler=cluster.scheduler_address))
        killer.join()
    assert len(killed) == 1
    assert set(outcome.values()) == {None}
    assert_there_once_and_as_if_undisturbed([long, other])


def test_an_address_without_a_cluster_is_told_in_a_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["campaign", "main", "--scheduler", "here"])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "--scheduler \"here\": missing port number in address 'here'; expected a Dask cluster there"
    ]
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "a.nc")  # which would ask a default client for a lock
