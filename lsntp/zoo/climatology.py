"""Climatology as a forecast: the mean of the time of day and season, whatever the weather."""

from typing import Self

import numpy as np
import xarray as xr
from torch import Tensor

from lsntp.data.climatology import Climatology
from lsntp.data.windows import Windows


class ClimatologyForecast:
    """Forecast the :class:`~lsntp.data.climatology.Climatology` of the target's time."""

    parameters = 0

    def fit(self, data: Windows) -> Self:
        """Fit the climatology on all that is outside the test period."""
        self.climatology = Climatology().fit(data.outside_test())
        self.parameters = sum(c.size for c in self.climatology.coefficients.values())
        return self

    def predict(self, data: Windows, starts: np.ndarray) -> xr.DataArray:
        """Look the target times up."""
        steps = np.arange(data.input_steps, data.input_steps + data.lead_steps)
        where = starts[:, None] + steps
        unique, inverse = np.unique(where, return_inverse=True)
        normal = self.climatology.predict(data.field["time"].to_numpy()[unique]).to_numpy()
        return data.as_forecast(normal[inverse.reshape(where.shape)], starts)

    def state(self) -> dict[str, Tensor]:
        """The climatology's."""
        return self.climatology.state()

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take the climatology's, for a grid (lat, lon)."""
        self.climatology = Climatology().restore(state, grid)
        return self
