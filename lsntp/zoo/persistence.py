"""Persistence: every lead is the last frame seen."""

from typing import Self

import numpy as np
import xarray as xr
from torch import Tensor

from lsntp.data.windows import Windows


class Persistence:
    """Forecast ``x(t + l) = x(t)``."""

    parameters = 0

    def fit(self, data: Windows) -> Self:
        """Nothing to fit."""
        return self

    def predict(self, data: Windows, starts: np.ndarray) -> xr.DataArray:
        """Repeat the last input frame of each window."""
        last = data.field.to_numpy()[starts + data.input_steps - 1]
        return data.as_forecast(np.repeat(last[:, None], data.lead_steps, axis=1), starts)

    def state(self) -> dict[str, Tensor]:
        """Nothing was fitted."""
        return {}

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Nothing was fitted."""
        return self
