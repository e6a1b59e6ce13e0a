"""Ridge regression on a cell's 5×5 neighbourhood: the linear rival; and two that see far."""

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lsntp.data.windows import Windows

NEIGHBOURHOOD = 5
MODES = (5, 10, 20, 40)
LAGS = (0, 1, 2, 4)  # steps back from the last input frame
CROSS_FITTED_BLOCKS = 6
AT_ONCE = 2**28
"""Bytes of regressors that are made at a time."""
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


class Ridge:
    """For each cell and lead, a linear map from its 5×5 neighbourhood at four recent steps.

    Works on the scaled frames of the windows it is given, 4·25 of them, P more that are seen
    :meth:`beyond` them, and a constant. The penalty is chosen on the validation
    windows, one for all cells and leads; the coefficients are then fitted on every window outside
    the test period. Beyond the grid's edge the anomaly is taken as zero.

    Parameters
    ----------
    links : Tensor (N, N), optional
        Known links: a cell (row) also sees the 5×5 neighbourhoods, at all steps, of those that it
        receives from, by their weights.
    """

    parameters = 0

    def __init__(self, links: Tensor | None = None) -> None:
        self.links = links

    def fit(self, data: Windows) -> Self:
        """Choose the penalty on the validation windows, then fit on all outside the test period."""
        self.choose(data)
        self.coefficients = self.fitted(data, data.starts_outside_test())
        self.parameters = self.coefficients.numel()
        return self

    def choose(self, data: Windows) -> float:
        """Choose the penalty; gives the sum of squared errors on the validation windows with it."""
        errors = np.zeros(len(PENALTIES))
        held_out = self.blocks(data, data.split.validation)
        for (seen, truth), (x, y) in zip(
            self.blocks(data, data.split.train), held_out, strict=True
        ):
            normal = seen.mT @ seen, seen.mT @ truth
            errors += [float((x @ self.solve(*normal, p) - y).square().sum()) for p in PENALTIES]
        self.penalty = PENALTIES[int(np.argmin(errors))]
        return float(errors.min())

    def fitted(self, data: Windows, starts: np.ndarray) -> Tensor:
        """Coefficients (N, 4·25 + P + 1, L) fitted on the windows at ``starts``."""
        blocks = self.blocks(data, starts)
        return torch.cat([self.solve(x.mT @ x, x.mT @ y, self.penalty) for x, y in blocks])

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
            coefficients = self.fitted(data, fitted_on)
            guesses[torch.from_numpy(starts)] = self.scaled(data, starts, coefficients).float()

        for block in np.array_split(train, CROSS_FITTED_BLOCKS):
            apart = (train <= block[0] - length) | (train >= block[-1] + length)
            put(block, train[apart])
        put(data.split.validation, train)
        return guesses

    def guesses(self, data: Windows, starts: np.ndarray) -> Tensor:
        """First guesses (time, L, 1, H, W), scaled, at ``starts``; zero elsewhere."""
        guesses = data.frames.new_zeros(len(data.frames), data.lead_steps, *data.frames.shape[1:])
        guesses[torch.from_numpy(starts)] = self.scaled(data, starts, self.coefficients).float()
        return guesses

    def scaled(self, data: Windows, starts: np.ndarray, coefficients: Tensor) -> Tensor:
        """Forecast (n, L, 1, H, W) of the windows at ``starts``, scaled."""
        size, done = (len(starts), data.lead_steps, len(coefficients)), 0
        forecast = coefficients.new_empty(size)  # (n, L, N)
        for x, _ in self.blocks(data, starts):
            cells = slice(done, done + len(x))
            forecast[..., cells] = (x @ coefficients[cells]).permute(1, 2, 0)
            done += len(x)
        return forecast.reshape(-1, data.lead_steps, *data.frames.shape[1:])

    def predict(self, data: Windows, starts: np.ndarray) -> xr.DataArray:
        """Forecast the windows at ``starts``."""
        scaled = self.scaled(data, starts, self.coefficients)[:, :, 0]
        return data.to_kelvin(scaled.numpy(), starts)

    def blocks(self, data: Windows, starts: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        """Regressors (m, n, 4·25 + P + 1) and targets (m, n, L) of m cells at a time, row by row.

        As many rows of the grid as fit into :data:`AT_ONCE`, were all windows asked for.
        """
        inputs, targets = data.batch(starts)  # (n, T, 1, H, W), (n, L, 1, H, W)
        lags = [data.input_steps - 1 - lag for lag in LAGS if lag < data.input_steps]
        reach = NEIGHBOURHOOD // 2
        padded = torch.nn.functional.pad(inputs[:, lags, 0], [reach] * 4)
        height, width = data.frames.shape[-2:]
        far, weights = self.beyond(inputs)
        columns = len(lags) * NEIGHBOURHOOD**2 + far.shape[1] + 1
        rows = max(1, AT_ONCE // (len(data.frames) * width * columns * 8))
        for top in range(0, height, rows):
            part = padded[..., top : top + rows + 2 * reach, :]
            patches = torch.nn.functional.unfold(part, NEIGHBOURHOOD)  # (n, 4·25, m)
            here = weights[top * width : (top + rows) * width]
            patches = torch.cat([patches, far @ here.T], 1)
            x = torch.nn.functional.pad(patches.permute(2, 0, 1).double(), (0, 1), value=1.0)
            y = targets[:, :, 0, top : top + rows].flatten(-2).permute(2, 0, 1).double()
            yield x, y

    def beyond(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen beyond the neighbourhood: nothing, or, over known links, their sources.

        Returns
        -------
        (n, P, S), (N, S) : P numbers of each of S places, and how much a cell sees of each place
        """
        frames = inputs[:, :, 0]  # (n, T, H, W)
        if self.links is None:
            return frames.new_empty(len(frames), 0, 0), frames.new_empty(frames[0, 0].numel(), 0)
        sources = self.links.any(0)
        padded = torch.nn.functional.pad(frames, [NEIGHBOURHOOD // 2] * 4)
        patches = torch.nn.functional.unfold(padded, NEIGHBOURHOOD)  # (n, T·25, N)
        return patches[..., sources], self.links[:, sources]

    @staticmethod
    def solve(gram: Tensor, moment: Tensor, penalty: float) -> Tensor:
        """Coefficients (N, 4·25 + P + 1, L); the intercept is not penalised."""
        weights = torch.full((gram.shape[-1],), penalty, dtype=gram.dtype)
        weights[-1] = 0
        return torch.linalg.solve(gram + torch.diag(weights), moment)

    def state(self) -> dict[str, Tensor]:
        """Coefficients (N, 4·25 + P + 1, L), and links."""
        links = {} if self.links is None else {"links": self.links}
        return {"coefficients": self.coefficients} | links

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take coefficients, and links."""
        self.links = state.get("links")
        self.coefficients = state["coefficients"]
        self.parameters = self.coefficients.numel()
        return self


class RidgeEOF(Ridge):
    """Ridge on the neighbourhood and on the field's leading empirical orthogonal functions.

    Every cell also sees the first principal components at the same four recent steps, of the
    scaled frames, weighted by the square root of the cosine of latitude, as fitted on the training
    times and scaled to their s.d. there: the linear model that can see far. How many is chosen
    with the penalty, on the validation windows.
    """

    def fit(self, data: Windows) -> Self:
        """Fit the functions on the training times, then choose their number and fit as Ridge."""
        frames = data.frames[torch.from_numpy(data.split.fit_times), 0].flatten(1)  # (t, N)
        cosine = np.cos(np.radians(data.field["lat"].to_numpy())).clip(0)
        weight = torch.from_numpy(cosine).sqrt().float().repeat_interleave(data.field.sizes["lon"])
        _, spread, functions = torch.linalg.svd(frames * weight, full_matrices=False)
        deviation = spread / len(frames) ** 0.5
        modes = weight[:, None] * functions.T / deviation.clamp(min=1e-6)  # (N, modes)

        def error(count: int) -> float:
            self.modes = modes[:, :count]
            return self.choose(data)

        self.modes = modes[:, : min(MODES, key=error)]
        return super().fit(data)

    def beyond(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Principal components, the same for every cell."""
        lags = [inputs.shape[1] - 1 - lag for lag in LAGS if lag < inputs.shape[1]]
        components = inputs[:, lags, 0].flatten(2) @ self.modes  # (n, lags, modes)
        return components.flatten(1)[..., None], self.modes.new_ones(len(self.modes), 1)

    def state(self) -> dict[str, Tensor]:
        """Coefficients (N, 4·25 + P + 1, L), and functions (N, modes)."""
        return super().state() | {"modes": self.modes}

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take coefficients and functions."""
        self.modes = state["modes"]
        return super().restore(state, grid)


class RidgeScreened(Ridge):
    """Ridge on the neighbourhood and on one cell beyond it, which is found by correlation.

    Of the cells at least 5 rows or columns away each cell also sees, at all input steps, the one
    whose scaled value at any of them correlates most, on the training windows, with what ridge,
    fitted outside the test period, leaves at any lead: the linear model that finds far links.
    """

    def fit(self, data: Windows) -> Self:
        """Find the links on the training windows, then choose the penalty and fit as Ridge."""
        height, width = data.frames.shape[-2:]
        row, column = np.divmod(np.arange(height * width), width)
        apart = np.maximum(*(abs(np.subtract.outer(n, n)) for n in (row, column)))
        self.strength = self.screen(data).masked_fill(torch.from_numpy(apart < NEIGHBOURHOOD), 0)
        self.links = torch.eye(height * width)[self.strength.argmax(1)]  # rows are receivers
        return super().fit(data)

    @staticmethod
    def screen(data: Windows) -> Tensor:
        """Largest size of r, (N, N), of what ridge leaves in a cell (row) with another's values."""
        train = data.split.train
        inputs, targets = (part[:, :, 0].flatten(2) for part in data.batch(train))
        near = Ridge().fit(data)
        left = targets - near.scaled(data, train, near.coefficients)[:, :, 0].flatten(2).float()
        seen, left = (
            (x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-6) for x in (inputs, left)
        )
        largest = seen.new_zeros(seen.shape[-1], seen.shape[-1])
        for residual in left.unbind(1):  # (n, N), at each lead
            for values in seen.unbind(1):  # at each input step
                largest = torch.maximum(largest, (residual.T @ values / len(train)).abs())
        return largest

    def beyond(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The cells that are linked to, at all input steps."""
        assert self.links is not None
        return inputs[:, :, 0].flatten(2), self.links
