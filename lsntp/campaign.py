"""Many runs, side by side and resumed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

from lsntp import records
from lsntp.config import RunConfig

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


def run_all(
    todo: list[RunConfig], jobs: int = 1, scheduler: str | None = None
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

    Yields
    ------
    config, failure : RunConfig, str or None
        Every config as it ends, and why it failed if it did; a failure stops no other run.

    Raises
    ------
    OSError, ValueError
        If there is no cluster at the address.
    """
    from distributed import Client, LocalCluster, as_completed  # here: only campaigns need them

    def alone(config: str) -> str | None:  # in here: so it reaches workers without loading torch
        environment = {**os.environ, **ENVIRONMENT}
        command = [sys.executable, "-m", "lsntp.campaign", config]
        child = subprocess.run(command, capture_output=True, text=True, env=environment)
        if child.returncode < 0:
            raise RuntimeError(f"its process was killed {RETRIES + 1} times")
        said = child.stderr.strip() or f"its process ended with {child.returncode}"
        return said.splitlines()[-1] if child.returncode else None

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


def end_with_parent() -> None:
    """End this process when its parent ends: a killed worker leaves no run behind."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    records.run(RunConfig.model_validate_json(sys.argv[1]))
