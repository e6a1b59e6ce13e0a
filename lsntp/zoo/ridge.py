"""Ridge regression on a cell's 5×5 neighbourhood: the linear rival."""

from typing import Self

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lsntp.data.windows import Windows

NEIGHBOURHOOD = 5
LAGS = (0, 1, 2, 4)  # steps back from the last input frame
CROSS_FITTED_BLOCKS = 6
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


class Ridge:
    """For each cell and lead, a linear map from its 5×5 neighbourhood at four recent steps.

    Works on the scaled frames of the windows it is given. The penalty is chosen on the validation
    windows, one for all cells and leads; the coefficients are then fitted on every window outside
    the test period. Beyond the grid's edge the anomaly is taken as zero.
    """

    parameters = 0

    def fit(self, data: Windows) -> Self:
        """Choose the penalty on the validation windows, then fit on all outside the test period."""
        x, y = self.regressors(data, data.split.validation)
        normal = self.normal_equations(data, data.split.train)
        errors = [float((x @ self.solve(*normal, p) - y).square().mean()) for p in PENALTIES]
        self.penalty = PENALTIES[int(np.argmin(errors))]
        normal = self.normal_equations(data, data.starts_outside_test())
        self.coefficients = self.solve(*normal, self.penalty)
        self.parameters = self.coefficients.numel()
        return self

    def cross_fitted(self, data: Windows) -> Tensor:
        """First guesses (time, L, 1, H, W), scaled, none of them fitted on the window it is for.

        Training windows are guessed from a fit on those of the other blocks of time, those of
        validation from a fit on all training windows, those of the test period as by
        :meth:`predict`. Times at which no window begins are zero.
        """
        train, length = data.split.train, data.input_steps + data.lead_steps
        self.fit(data)
        guesses = self.guesses(data, data.split.test)

        def put(starts: np.ndarray, fitted_on: np.ndarray) -> None:
            coefficients = self.solve(*self.normal_equations(data, fitted_on), self.penalty)
            guesses[torch.from_numpy(starts)] = self.scaled(data, starts, coefficients)

        for block in np.array_split(train, CROSS_FITTED_BLOCKS):
            apart = (train <= block[0] - length) | (train >= block[-1] + length)
            put(block, train[apart])
        put(data.split.validation, train)
        return guesses

    def guesses(self, data: Windows, starts: np.ndarray) -> Tensor:
        """First guesses (time, L, 1, H, W), scaled, at ``starts``; zero elsewhere."""
        guesses = data.frames.new_zeros(len(data.frames), data.lead_steps, *data.frames.shape[1:])
        guesses[torch.from_numpy(starts)] = self.scaled(data, starts, self.coefficients)
        return guesses

    def scaled(self, data: Windows, starts: np.ndarray, coefficients: Tensor) -> Tensor:
        """Forecast (n, L, 1, H, W) of the windows at ``starts``, scaled."""
        x, _ = self.regressors(data, starts)
        forecast = (x @ coefficients).permute(1, 2, 0)  # (N, n, L) -> (n, L, N)
        return forecast.reshape(-1, data.lead_steps, *data.frames.shape[1:]).float()

    def predict(self, data: Windows, starts: np.ndarray) -> xr.DataArray:
        """Forecast the windows at ``starts``."""
        x, _ = self.regressors(data, starts)
        scaled = x @ self.coefficients  # (N, n, L)
        grid = data.frames.shape[-2:]
        return data.to_kelvin(scaled.permute(1, 2, 0).unflatten(-1, grid).numpy(), starts)

    @staticmethod
    def regressors(data: Windows, starts: np.ndarray) -> tuple[Tensor, Tensor]:
        """Regressors (N, n, 4·25 + 1) and targets (N, n, L), one matrix a cell."""
        inputs, targets = data.batch(starts)  # (n, T, 1, H, W), (n, L, 1, H, W)
        lagged = inputs[
            :, [data.input_steps - 1 - lag for lag in LAGS if lag < data.input_steps], 0
        ]
        patches = torch.nn.functional.unfold(  # (n, 4·25, N)
            lagged, NEIGHBOURHOOD, padding=NEIGHBOURHOOD // 2
        )
        x = torch.nn.functional.pad(patches.permute(2, 0, 1).double(), (0, 1), value=1.0)
        return x, targets[:, :, 0].flatten(-2).permute(2, 0, 1).double()

    def normal_equations(self, data: Windows, starts: np.ndarray) -> tuple[Tensor, Tensor]:
        """``XᵀX`` (N, 4·25 + 1, 4·25 + 1) and ``XᵀY`` (N, 4·25 + 1, L) of every cell."""
        x, y = self.regressors(data, starts)
        return x.mT @ x, x.mT @ y

    @staticmethod
    def solve(gram: Tensor, moment: Tensor, penalty: float) -> Tensor:
        """Coefficients (N, 4·25 + 1, L); the intercept is not penalised."""
        weights = torch.full((gram.shape[-1],), penalty, dtype=gram.dtype)
        weights[-1] = 0
        return torch.linalg.solve(gram + torch.diag(weights), moment)

    def state(self) -> dict[str, Tensor]:
        """Coefficients (N, 4·25 + 1, L)."""
        return {"coefficients": self.coefficients}

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take coefficients."""
        self.coefficients = state["coefficients"]
        self.parameters = self.coefficients.numel()
        return self
