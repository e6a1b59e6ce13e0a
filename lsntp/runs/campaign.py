"""Many runs, side by side and resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from lsntp.data.datasets import open_dataset
from lsntp.runs import records
from lsntp.runs.config import RunConfig
from lsntp.runs.experiment import check_size
from lsntp.runs.training import launch

RETRIES = 3
"""So often is a run made again whose process was killed."""

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # keep freed memory for the next step instead of giving it back page by page (glibc), in
    # large pages (torch)
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TOP_PAD_": str(2**26),
    "THP_MEM_ALLOC_ENABLE": "1",
}
"""What the process of a run is started with."""

# What the process of a run does: it takes its parent's number, a device and a config as JSON.
CHILD = """
import os, sys, threading, time
import psutil


def end_with_parent():  # if that is killed it cannot say so
    try:
        parent = psutil.Process(int(sys.argv[1]))
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.5)
    finally:
        os._exit(1)


threading.Thread(target=end_with_parent, daemon=True).start()
from lsntp import RunConfig, run  # takes seconds, watched already

run(RunConfig.model_validate_json(sys.argv[3]), device=sys.argv[2])
"""


def check(todo: list[RunConfig], device: str = "cpu") -> None:
    """Tell once, before the first run, what each would fail with: folder, device, data.

    Raises
    ------
    ValueError
        If no record can be stored here, the device is not at hand, or a data set cannot be opened
        or has too few cells or times.
    """
    for config in todo:
        records.check_folders(records.path_of(config))
    launch(device)
    for dataset in dict.fromkeys(config.dataset for config in todo):
        field = open_dataset(dataset)
        for config in todo:
            if config.dataset == dataset:
                check_size(config, field)


def run_all(
    todo: list[RunConfig], jobs: int = 1, scheduler: str | None = None, device: str = "cpu"
) -> Iterator[tuple[RunConfig, str | None]]:
    """Run those of ``todo`` that have no record yet, each in a fresh process with one thread.

    A run whose process or worker is killed is made again, from its last epoch, by another worker.
    Killed itself at any moment and started again, this goes on where it was.

    Parameters
    ----------
    todo : list of RunConfig
    jobs : int
        Runs at a time, on this machine.
    scheduler : str, optional
        Address of a Dask cluster to use instead. Its workers need lsntp in their Python, and
        ``$LSNTP_DATA_DIR``, ``$LSNTP_RECORDS_DIR`` and ``$LSNTP_CACHE_DIR`` on folders they share.
    device : str
        What each run trains on, as of :func:`lsntp.runs.training.launch`; runs at a time share it.

    Yields
    ------
    config, failure : RunConfig, str or None
        Every config as it ends, and why it failed if it did; a failure stops no other run.

    Raises
    ------
    RecordError
        If no record can be stored here.
    OSError, ValueError
        If there is no cluster at the address.
    """

    def alone(config: str) -> str | None:  # in here: so it reaches workers without loading torch
        environment = {**os.environ, **ENVIRONMENT}
        command = [sys.executable, "-c", CHILD, str(os.getpid()), device, config]
        child = subprocess.run(command, capture_output=True, text=True, env=environment)
        if child.returncode < 0:
            raise RuntimeError(f"its process was killed {RETRIES + 1} times")
        message = child.stderr.strip() or f"its process ended with {child.returncode}"
        return message.splitlines()[-1] if child.returncode else None

    def retried(config: RunConfig) -> str | None:
        for _ in range(RETRIES):
            with suppress(RuntimeError):
                return alone(config.model_dump_json())
        return alone(config.model_dump_json())

    if scheduler:
        from distributed import Client, as_completed  # here: only clusters need it

        with Client(scheduler, set_as_default=False) as client:
            configs = {f"lsntp-{config.key}": config for config in todo}
            tasks = [
                client.submit(alone, config.model_dump_json(), key=key, retries=RETRIES)
                for key, config in configs.items()
            ]
            for task in as_completed(tasks, loop=client.loop):
                error = task.exception()
                yield configs[task.key], task.result() if error is None else str(error)
        return
    for config in todo:
        records.check_folders(records.path_of(config))
    with ThreadPoolExecutor(jobs) as pool:  # a thread only waits for the process of its run
        running = {pool.submit(retried, config): config for config in todo}
        try:
            for run in futures.as_completed(running):
                error = run.exception()
                yield running[run], run.result() if error is None else str(error)
        finally:
            pool.shutdown(cancel_futures=True)
