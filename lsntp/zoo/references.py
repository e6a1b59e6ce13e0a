"""What a reference forecast is."""

from typing import Protocol, Self

import numpy as np
import xarray as xr
from torch import Tensor

from lsntp.data.windows import Windows


class Reference(Protocol):
    """A forecast without gradient descent."""

    parameters: int
    """Number of fitted coefficients."""

    def fit(self, data: Windows) -> Self:
        """Fit on what lies outside the test period."""

    def predict(self, data: Windows, starts: np.ndarray) -> xr.DataArray:
        """Forecast the windows that begin at ``starts``: (window, lead, lat, lon), K."""

    def state(self) -> dict[str, Tensor]:
        """Return what was fitted."""

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take what was fitted, for a grid (lat, lon)."""
