"""Records of measurements: one JSON file a benchmark and machine, written whole or not at all."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks import machine
from lsntp.data.store import RECORDS, RecordError, check_name, damaged, read_json, write_json
from lsntp.runs.experiment import commit, versions


class Record(BaseModel):
    """A measurement: what was measured, on what, by which version."""

    model_config = ConfigDict(extra="forbid")

    benchmark: str = Field(description="released, scale, levers, steps, arithmetic or large-store")
    device: str = Field(description="cpu or cuda")
    machine: dict[str, Any] = Field(description="in words, of benchmarks.machine.describe")
    peak_gflops: dict[str, float] = Field(description="measured peak by library, Gflop/s")
    settings: dict[str, Any] = Field(description="what was asked for")
    rows: list[dict[str, Any]] = Field(min_length=1, description="one a measurement")
    versions: dict[str, str]
    commit: str = Field(description='of this library, with "+" if it differed')
    made: str = Field(description="when, UTC")

    @property
    def where(self) -> str:
        """The GPU; or the processor with the vector units in use, if the record tells them."""
        processor = re.sub(r"\((R|TM)\)", "", self.machine["processor"]).partition("(")[0]
        words = self.machine.get("gpu") or f"{processor} {self.machine.get('vector_units', '')}"
        return " ".join(words.split())

    @property
    def name(self) -> str:
        """Name of its file without ending: benchmark, processor, vector units, threads."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.where.lower()).strip("-")
        tail = "" if self.device == "cuda" else f"-{self.machine['threads']}threads"
        return f"{self.benchmark}-{slug}{tail}"


def new(
    benchmark: str,
    device: str,
    threads: int,
    peak_gflops: dict[str, float],
    settings: dict[str, Any],
    rows: list[dict[str, Any]],
) -> Record:
    """Make a record of what was measured just now, here."""
    return Record(
        benchmark=benchmark,
        device=device,
        machine=machine.describe(device, threads),
        peak_gflops=peak_gflops,
        settings=settings,
        rows=rows,
        versions=versions(),
        commit=commit(),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def frame(record: Record) -> pd.DataFrame:
    """Rows as a table; of their ``seconds`` the quartiles, ``low_s``, ``median_s``, ``high_s``."""
    table = pd.DataFrame(record.rows)
    for name, q in (("low_s", 0.25), ("median_s", 0.5), ("high_s", 0.75)):
        table[name] = [float(np.quantile(s, q)) for s in table["seconds"]]
    table["count"] = table["seconds"].map(len)
    return table


def ratios(levers: Record) -> pd.DataFrame:
    """Of a record of ``benchmarks/levers.py``: time without each lever through time with all.

    Returns
    -------
    DataFrame (lever × case), ratios of medians.
    """
    wide = frame(levers).pivot(index="without", columns="case", values="median_s")
    order = {
        key: list(dict.fromkeys(row[key] for row in levers.rows)) for key in ("without", "case")
    }
    wide = wide.loc[order["without"], order["case"]]
    return (wide / wide.loc["none"]).drop(index="none")


def folder() -> Path:
    """Return where records are kept: ``data/records/bench`` of the checkout."""
    return RECORDS / "bench"


def save(record: Record, to: Path | None = None) -> Path:
    """Write a record into a folder, whole or not at all; it replaces that machine's last one."""
    path = (to or folder()) / f"{record.name}.json"
    write_json(record.model_dump(mode="json"), path)
    return path


def load_all(benchmark: str, at: Path | None = None) -> list[Record]:
    """Read the records of a benchmark on all machines."""
    return [load(path.stem, at) for path in sorted((at or folder()).glob(f"{benchmark}-*.json"))]


def load(name: str, at: Path | None = None) -> Record:
    """Read a record, for example ``load("scale-amd-epyc-2threads")``.

    Raises
    ------
    RecordError
        If there is none of that name, or its file is damaged or another's.
    """
    path = (at or folder()) / f"{name}.json"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise RecordError(
            f'no measurement "{name}" in {path.parent}, which holds: {there}; '
            "make it with a script in benchmarks/"
        )
    remedy = "restore it from the repository, or measure again"
    content = read_json(path, remedy)
    try:
        record = Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise damaged(path, reason, remedy) from error
    check_name(path, record.name)
    return record
