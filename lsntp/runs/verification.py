"""Recorded runs made again from nothing: identical, agreeing within the seed spread, or different.

Another processor sums in another order, and training enlarges the last digits. The notebook
``13_speed_and_scale`` shows by how much (``benchmarks/arithmetic.py``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from lsntp import zoo
from lsntp.runs import metrics, records
from lsntp.runs.config import RunConfig
from lsntp.runs.experiment import execute

ROUNDING = 1e-5
"""What nothing is trained for may differ by this part of itself."""

WIDER = 1.5
"""Times the seed spread that a trained variable may differ by. 42 honest runs reached 1.33."""

MOST = 0.1
"""No score of a network may differ by more than this part of itself. Honest ones reached 0.08."""

ALONE = 0.05
"""Without other seeds, a score may differ by this part of itself."""

Answer = Literal["identical", "agrees", "differs"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)


@dataclass(frozen=True)
class Verification:
    """What came of making a record again.

    ``table`` has a row for each variable whose values differ: ``difference``, of a score the
    largest at any lead, of others the root mean square; ``allowed``; their ratio ``share``.
    ``unlike`` names what must be equal on every machine and is not.
    """

    answer: Answer
    table: pd.DataFrame
    unlike: tuple[str, ...] = ()


def verify(record: xr.Dataset) -> Verification:
    """Make a record again from nothing and compare all it holds.

    It is *identical* if every value is, bit for bit. It *agrees* if another processor or other
    versions made it, what no training changes (times, truth, coordinates, names, the fingerprint
    of the data) is identical and all else differs by no more than is `allowed`. Else it *differs*.
    """
    config = records.config_of(record)
    fresh = as_stored(execute(config), config)
    unlike = [k for k in ("key", "fingerprint", "parameters") if fresh.attrs[k] != record.attrs[k]]
    unlike += sorted(set(map(str, {*fresh.variables} ^ {*record.variables})))
    others, rows = other_seeds(record), {}
    for name in sorted(map(str, {*fresh.variables} & {*record.variables})):
        again, kept = fresh[name].to_numpy(), record[name].to_numpy()
        if again.shape == kept.shape and np.array_equal(
            again, kept, equal_nan=again.dtype.kind == "f"
        ):
            continue
        if again.shape != kept.shape or name in record.coords or name not in TRAINED:
            unlike.append(name)
            continue
        difference = size_of(again.astype(float) - kept, name)
        rows[name] = difference, allowed(name, fresh, record, others)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["difference", "allowed"])
    table["share"] = table["difference"] / table["allowed"]
    if not unlike and table.empty:
        return Verification("identical", table)
    if all(record.attrs.get(k) == fresh.attrs[k] for k in ("device", "processor", "versions")):
        unlike.append("bit for bit, on this very processor,")
    agrees = not unlike and bool((table["share"] <= 1).all())  # of a NaN: it differs
    return Verification("agrees" if agrees else "differs", table, tuple(unlike))


TRAINED = (
    *metrics.SCORES,
    *("mae_map", "bias_map", "window_mae", "window_mse", "case_prediction", "cases_prediction"),
    *("crps", "spread", "member_mae", "others_mae", *records.AT_PLACES),
    *("train_loss", "validation_loss", "embedding", "cut_mae", "cut_window_mae"),
)
"""Variables of a record that depend on the fitted model."""


def size_of(difference: np.ndarray, name: str) -> float:
    """Return the largest difference of a score; of a map or a series the root mean square.

    Or a tenth of its largest, if that is more: a single cell may not be far off.
    """
    largest = float(np.abs(difference).max())
    if name in metrics.SCORES:
        return largest
    return max(float(np.sqrt(np.mean(difference**2))), largest / 10)


def allowed(
    name: str, fresh: xr.Dataset, record: xr.Dataset, others: Sequence[xr.Dataset]
) -> float:
    """Return how far a variable of a record may be from the run made again.

    From the seed spread: what two runs with different seeds differ by at most, 19 times in 20.
    Other arithmetic may lead training as far astray as another seed does. From the standard
    deviation s over n seeds, its root mean square over all elements, it is ``t √2 s`` by Student's
    t with n − 1 degrees of freedom. One of the n is the run made again or its record, whichever
    gives the smaller s: neither a false record nor a faulty run makes its own room. `WIDER` times
    that is allowed; of a score at most `MOST` of itself, of another variable at most its own size,
    of a map of biases, which may be near 0, that of the map of errors.
    Without other seeds: of what is not trained `ROUNDING`; of a network's scores `ALONE`; of its
    other variables that or their own standard deviation.

    Parameters
    ----------
    name : str
    fresh, record : Dataset
        The run made again, and what was recorded.
    others : sequence of Dataset
        Of :func:`other_seeds`.
    """
    pair = [one[name].to_numpy().astype(float) for one in (fresh, record)]
    own = "mae_map" if name == "bias_map" else name
    scale = min(float(np.sqrt(np.mean(one[own].to_numpy() ** 2.0))) for one in (fresh, record))
    score = name in metrics.SCORES
    if records.config_of(fresh).model in zoo.REFERENCES:
        return (ROUNDING if score else 5e-4) * scale  # of maps and windows four digits are kept
    row = [other[name].to_numpy() for other in others if name in other]
    row = [other for other in row if other.shape == pair[0].shape]
    if not row:
        return ALONE * scale if score else max(ALONE * scale, float(min(map(np.std, pair))))
    s = min(np.sqrt(np.var([values, *row], axis=0, ddof=1).mean()) for values in pair)
    spread = float(stats.t.ppf(0.975, len(row)) * np.sqrt(2) * s)
    return min(WIDER * spread, (MOST if score else 1.0) * scale)


def other_seeds(record: xr.Dataset) -> list[xr.Dataset]:
    """Return the stored records of the same data that differ from a record in the seed alone."""
    config = records.config_of(record)
    if config.members > 1:  # with another first seed they share most members
        return []
    others = [config.model_copy(update={"seed": seed}) for seed in range(10)]
    paths = [records.path_of(other) for other in others if other.seed != config.seed]
    stored = [records.read(path) for path in paths if path.exists()]
    return [other for other in stored if other.fingerprint == record.fingerprint]


def as_stored(record: xr.Dataset, config: RunConfig) -> xr.Dataset:
    """Return a record as it reads once stored, with the digits that are kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = records.path_of(config)
        scratch = Path(folder) / path.name
        records.write(records.kept(record, config), scratch)
        return records.read(scratch)
