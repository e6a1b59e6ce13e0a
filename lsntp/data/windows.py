"""Splits by time, scalers fitted on the training part only, windows that never straddle a split.

A window is T input frames and the L frames that follow; it is named by its first time index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from lsntp.data.checks import Count, DataError, Whole, checked
from lsntp.data.climatology import Climatology
from lsntp.data.fields import check_form, with_values
from lsntp.data.units import LEAST_SPREAD_K

VALIDATION_SHARE = 0.15
VALIDATION_BLOCKS = 3
RELEASED_SPLIT_SEED = 1  # the released configuration's validate_random_state

Segments = list[tuple[int, int]]


def window_starts(segments: Segments, length: int) -> np.ndarray:
    """First indices of all windows of ``length`` frames inside the half-open ``segments``."""
    starts = [np.arange(first, last - length + 1) for first, last in segments]
    return np.concatenate(starts) if starts else np.empty(0, int)


@dataclass(frozen=True)
class Split:
    """First time indices of each part's windows, and the times a scaler may be fitted on."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    fit_times: np.ndarray
    outside: Segments  # all that is not the test period


@checked
def split(
    field: xr.DataArray,
    input_steps: Count,
    lead_steps: Count,
    validation: Literal["blocked", "random"],
    rotation: Whole = 0,
) -> Split:
    """Split a field's windows into training, validation and test.

    The test part is every window inside the period that starts at the field's ``test_start``, or,
    with ``rotation``, inside a period of that length earlier on; everything else comes from what is
    outside it, before and behind.

    Parameters
    ----------
    field : DataArray (time, lat, lon) with the attribute ``test_start``.
    input_steps, lead_steps : int
        T and L.
    validation : {"blocked", "random"}
        "blocked": three blocks, 15 % of the times outside the test period, spread evenly over
        them; no window crosses a block's edge and the scaler does not see the blocks.
        "random": 15 % of all windows drawn at random, as the released code does; they overlap
        training windows, and the scaler sees everything outside the test period.
    rotation : int
        The test period is moved back by so many of its lengths.

    Raises
    ------
    ValueError
        If a part is too short for a single window, or ``validation`` is unknown.
    DataError
        If the field is not of its form.
    """
    check_form(field, "test_start")
    length = input_steps + lead_steps
    times = pd.DatetimeIndex(field["time"].values)
    tests = len(times) - int(times.searchsorted(pd.Timestamp(field.attrs["test_start"])))
    if tests < 1:
        raise DataError(
            f"test_start={field.attrs['test_start']!r} lies behind the last time, {times[-1]}; "
            "expected a time of the series"
        )
    last = len(times) - rotation * tests
    first = last - tests
    if first < 0:
        raise ValueError(
            f"rotation={rotation}: {len(times)} steps hold the test period of {tests} steps "
            f"{len(times) // tests} times; expected 0 to {len(times) // tests - 1}"
        )
    outside = [(a, b) for a, b in ((0, first), (last, len(times))) if a < b]
    steps = len(times) - tests
    if validation == "blocked":
        block = round(VALIDATION_SHARE * steps / VALIDATION_BLOCKS)
        middles = (np.arange(VALIDATION_BLOCKS) + 0.5) * steps / VALIDATION_BLOCKS
        blocks = [(int(m) - block // 2, int(m) - block // 2 + block) for m in middles]
        edges = [0, *np.ravel(blocks).tolist(), steps]
        between = around(list(zip(edges[::2], edges[1::2], strict=True)), first, last)
        train = window_starts(between, length)
        held_out = window_starts(around(blocks, first, last), length)
        fit_times = np.concatenate([np.arange(*segment) for segment in between])
    else:
        everything = window_starts(outside, length)
        shuffled = np.random.RandomState(RELEASED_SPLIT_SEED).permutation(everything)
        count = int(np.ceil(VALIDATION_SHARE * len(everything)))
        train, held_out = np.sort(shuffled[count:]), np.sort(shuffled[:count])
        fit_times = np.concatenate([np.arange(*segment) for segment in outside])
    test = window_starts([(first, last)], length)
    enough = int(np.ceil(length * VALIDATION_BLOCKS / VALIDATION_SHARE))
    for name, part in (("training", train), ("validation", held_out), ("test", test)):
        if len(part) == 0:
            raise ValueError(
                f"the series is too short: {steps} steps outside the test period from "
                f"{times[first]} and {tests} inside leave no {name} window of {length} steps "
                f"(input_steps={input_steps}, lead_steps={lead_steps}); expected at least one: "
                f"give a longer series ({enough} steps outside are enough), or fewer "
                "input_steps (--steps) or lead_steps (--lead)"
            )
    return Split(train, held_out, test, fit_times, outside)


def around(segments: Segments, first: int, last: int) -> Segments:
    """Move what of the segments lies behind ``first`` to behind ``last``: none holds the gap."""
    gap = last - first
    before = [(a, min(b, first)) for a, b in segments if a < first]
    behind = [(max(a, first) + gap, b + gap) for a, b in segments if b > first]
    return before + behind


class Scaler(Protocol):
    """Maps a field in K to what a network sees, and back."""

    def fit(self, field: xr.DataArray) -> Self:
        """Learn from the training times of a field."""

    def transform(self, field: xr.DataArray) -> np.ndarray:
        """Scale a field (time, lat, lon), K; gives float32 of the same shape."""

    def inverse(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Turn scaled ``values`` (..., H, W) at ``times`` (...) back into K."""

    def state(self) -> dict[str, Tensor]:
        """Return what was learned."""

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take what was learned, for a grid (lat, lon)."""


class MinMax:
    """Scale the whole field to [0, 1] by its smallest and largest value (released code)."""

    def fit(self, field: xr.DataArray) -> Self:
        """Learn minimum and maximum, K."""
        check_form(field)
        self.low, self.high = float(field.min()), float(field.max())
        check_spread(self.high - self.low, "span")
        return self

    def transform(self, field: xr.DataArray) -> np.ndarray:
        """Scale; values outside the range seen in training fall outside [0, 1]."""
        scaled = (field.to_numpy() - self.low) / (self.high - self.low)
        return scaled.astype(np.float32)

    def inverse(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Scale back; the times do not matter here."""
        return values * (self.high - self.low) + self.low

    def state(self) -> dict[str, Tensor]:
        """Minimum and maximum, K."""
        return {"range": torch.tensor([self.low, self.high], dtype=torch.float64)}

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take minimum and maximum."""
        self.low, self.high = state["range"].tolist()
        return self


class StandardisedAnomaly:
    """Departure from the :class:`~lsntp.data.climatology.Climatology`, in units of its s.d."""

    def fit(self, field: xr.DataArray) -> Self:
        """Learn the climatology, and one standard deviation for all cells."""
        self.climatology = Climatology().fit(field)
        anomaly = field.to_numpy() - self.climatology.predict(field["time"].values).to_numpy()
        if not (there := with_values(field)).all():
            anomaly = anomaly[:, there]
        self.deviation = float(anomaly.std())
        check_spread(self.deviation, "standard deviation of anomalies")
        return self

    def transform(self, field: xr.DataArray) -> np.ndarray:
        """Return the standardised anomaly."""
        normal = self.climatology.predict(field["time"].values).to_numpy()
        return ((field.to_numpy() - normal) / self.deviation).astype(np.float32)

    def inverse(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Add the climatology of the forecast times."""
        unique, where = np.unique(times, return_inverse=True)
        normal = self.climatology.predict(unique).to_numpy()[where.reshape(times.shape)]
        return values * self.deviation + normal

    def state(self) -> dict[str, Tensor]:
        """The climatology's, and the standard deviation, K."""
        deviation = torch.tensor(self.deviation, dtype=torch.float64)
        return {"deviation": deviation} | self.climatology.state()

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take climatology and standard deviation."""
        self.deviation = float(state["deviation"])
        self.climatology = Climatology().restore(state, grid)
        return self


def check_spread(spread: float, what: str) -> None:
    """Refuse to scale by the spread of what is constant, and of NaN.

    Raises
    ------
    DataError
    """
    if not spread >= LEAST_SPREAD_K:
        raise DataError(
            f"the {what} of the field's training part is {spread:g} K; expected "
            f"{LEAST_SPREAD_K:g} K or more: give a field that varies there"
        )


SCALERS: dict[str, type[Scaler]] = {"minmax": MinMax, "anomaly": StandardisedAnomaly}


@dataclass(frozen=True)
class Windows:
    """A field made ready for a model: scaled frames, split windows, and the way back to K.

    Masked cells, without values in the field, are zero in the frames.
    """

    field: xr.DataArray
    split: Split
    scaler: Scaler
    frames: Tensor  # (time, 1, H, W), scaled
    input_steps: int
    lead_steps: int
    guesses: Tensor | None = None  # (time, L, 1, H, W), scaled, by the window's first time index

    def batch(self, starts: np.ndarray) -> tuple[Tensor, Tensor]:
        """Inputs (B, T, 1, H, W) and targets (B, L, 1, H, W), scaled, of the windows given.

        Where there is a first guess of the targets, its L frames follow the T of the inputs.
        """
        steps = np.arange(self.input_steps + self.lead_steps)
        window = self.frames[torch.from_numpy(starts[:, None] + steps)]
        inputs, targets = window[:, : self.input_steps], window[:, self.input_steps :]
        if self.guesses is not None:
            inputs = torch.cat([inputs, self.guesses[torch.from_numpy(starts)]], dim=1)
        return inputs, targets

    def first_guess(self, inputs: Tensor) -> Tensor:
        """Of inputs as of :meth:`batch` the first guess, or without one the last frame."""
        return inputs[:, -1:] if self.guesses is None else inputs[:, self.input_steps :]

    def starts_outside_test(self) -> np.ndarray:
        """First indices of all windows outside the test period, those of validation included."""
        return window_starts(self.split.outside, self.input_steps + self.lead_steps)

    def outside_test(self) -> xr.DataArray:
        """The field outside the test period, K."""
        times = np.concatenate([np.arange(*segment) for segment in self.split.outside])
        return self.field.isel(time=times)

    @property
    def there(self) -> np.ndarray:
        """Cells (H, W) with values."""
        return with_values(self.field)

    def targets(self, starts: np.ndarray) -> xr.DataArray:
        """Truth in K, (window, lead, lat, lon); ``window`` holds the time of the last input."""
        leads = np.arange(self.input_steps, self.input_steps + self.lead_steps)
        return self.as_forecast(self.field.to_numpy()[starts[:, None] + leads], starts)

    def to_kelvin(self, scaled: np.ndarray, starts: np.ndarray) -> xr.DataArray:
        """Scaled forecasts (window, L, H, W) as a DataArray in K, (window, lead, lat, lon)."""
        leads = np.arange(self.input_steps, self.input_steps + self.lead_steps)
        times = self.field["time"].to_numpy()[starts[:, None] + leads]
        kelvin = self.as_forecast(self.scaler.inverse(scaled, times), starts)
        return kelvin if self.there.all() else kelvin.where(self.there)

    def as_forecast(self, values: np.ndarray, starts: np.ndarray) -> xr.DataArray:
        """Name the dimensions of values in K, (window, L, H, W)."""
        hours = float(self.field.attrs["step_hours"])
        return xr.DataArray(
            values.astype(np.float32),
            dims=("window", "lead", "lat", "lon"),
            coords={
                "window": self.field["time"].to_numpy()[starts + self.input_steps - 1],
                "lead": ("lead", hours * np.arange(1, self.lead_steps + 1), {"units": "h"}),
                "lat": self.field["lat"],
                "lon": self.field["lon"],
            },
            attrs={"units": "K"},
        )


@checked
def prepare(
    field: xr.DataArray,
    input_steps: Count,
    lead_steps: Count,
    scaler: Literal["anomaly", "minmax"],
    validation: Literal["blocked", "random"],
    rotation: Whole = 0,
) -> Windows:
    """Split a field, fit the named scaler on what the split allows, and scale the whole field.

    Parameters
    ----------
    field : DataArray (time, lat, lon), K, as given by :func:`lsntp.open_dataset`.
    input_steps, lead_steps : int
        T and L.
    scaler : {"anomaly", "minmax"}
    validation : {"blocked", "random"}
    rotation : int
        As of :func:`split`.

    Raises
    ------
    ValueError
        As of :func:`split`; if there is no such scaler.
    DataError
        If the training part is constant.
    """
    parts = split(field, input_steps, lead_steps, validation, rotation)
    fitted = SCALERS[scaler]().fit(field.isel(time=parts.fit_times))
    frames = scaled_frames(fitted, field)
    return Windows(field, parts, fitted, frames, input_steps, lead_steps)


def scaled_frames(scaler: Scaler, field: xr.DataArray) -> Tensor:
    """Scale a field: frames (time, 1, H, W), zero where cells are masked."""
    return torch.from_numpy(scaler.transform(field)).nan_to_num_(nan=0.0).unsqueeze(1)
