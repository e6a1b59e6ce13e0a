"""Many runs, side by side and resumed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

from lsntp.runs import records
from lsntp.runs.config import RunConfig

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
    from distributed import Client, LocalCluster, as_completed  # here: only campaigns need them

    def alone(config: str) -> str | None:  # in here: so it reaches workers without loading torch
        environment = {**os.environ, **ENVIRONMENT}
        command = [sys.executable, "-c", CHILD, str(os.getpid()), device, config]
        child = subprocess.run(command, capture_output=True, text=True, env=environment)
        if child.returncode < 0:
            raise RuntimeError(f"its process was killed {RETRIES + 1} times")
        said = child.stderr.strip() or f"its process ended with {child.returncode}"
        return said.splitlines()[-1] if child.returncode else None

    for config in [] if scheduler else todo:
        records.check_folders(config)
    logging.getLogger("distributed").setLevel(logging.WARNING)
    with ExitStack() as stack:
        cluster = scheduler or stack.enter_context(
            LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                memory_limit=0,
                processes=False,  # a worker only waits for the process of its run
                host="127.0.0.1",
                protocol="tcp",
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
            )
        )
        client = stack.enter_context(Client(cluster))
        configs = {f"lsntp-{config.key}": config for config in todo}
        futures = [
            client.submit(alone, config.model_dump_json(), key=key, retries=RETRIES)
            for key, config in configs.items()
        ]
        for future in as_completed(futures):
            error = future.exception()
            yield configs[future.key], future.result() if error is None else str(error)
