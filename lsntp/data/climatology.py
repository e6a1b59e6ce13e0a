"""Climatology by time of day and season: a rival, and what anomalies leave out."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from lsntp.data.fields import check_form, with_values

SEASON_NEEDS_DAYS = 300.0


class Climatology:
    """Mean of every cell at each time of day; with most of a year to fit, also its annual cycle.

    For each time of day h and cell n the series is fitted by least squares:
    ``x(t) = a_hn + b_hn cos(2π d/365.25) + c_hn sin(2π d/365.25)``, d the day of the year;
    without the last two terms if the fitting times span less than 300 days.
    """

    def fit(self, field: xr.DataArray) -> Self:
        """Fit to ``field`` (time, lat, lon), K; the times may have gaps, cells may be masked."""
        check_form(field)
        times = pd.DatetimeIndex(field["time"].values)
        days = (times[-1] - times[0]) / pd.Timedelta(days=1)
        self.seasonal = bool(days >= SEASON_NEEDS_DAYS)
        self.template = field.isel(time=0, drop=True)
        values = field.to_numpy().reshape(len(times), -1).astype(np.float64)
        values[:, masked := ~with_values(field).ravel()] = 0.0
        hours, season = time_of_day(times), self.season(times)
        self.coefficients = {
            hour: np.linalg.lstsq(season[hours == hour], values[hours == hour], rcond=None)[0]
            for hour in np.unique(hours)
        }
        for coefficients in self.coefficients.values():
            coefficients[:, masked] = np.nan
        return self

    def state(self) -> dict[str, Tensor]:
        """Times of day (h), and for each the coefficients (h, 1 or 3, N)."""
        return {
            "hours": torch.tensor([*self.coefficients], dtype=torch.float64),
            "coefficients": torch.from_numpy(np.stack([*self.coefficients.values()])),
        }

    def restore(self, state: dict[str, Tensor], grid: xr.DataArray) -> Self:
        """Take coefficients, for a grid (lat, lon)."""
        values = state["coefficients"].numpy()
        self.coefficients = dict(zip(state["hours"].tolist(), values, strict=True))
        self.seasonal, self.template = values.shape[1] == 3, grid
        return self

    def season(self, times: pd.DatetimeIndex) -> np.ndarray:
        """Return the regressors (time, 1 or 3)."""
        angle = 2 * np.pi * (times.day_of_year.to_numpy() + times.hour.to_numpy() / 24) / 365.25
        columns = [np.ones(len(times))]
        if self.seasonal:
            columns += [np.cos(angle), np.sin(angle)]
        return np.stack(columns, axis=1)

    def predict(self, times: np.ndarray | pd.DatetimeIndex) -> xr.DataArray:
        """Climatology at ``times``: DataArray (time, lat, lon), K.

        Raises
        ------
        ValueError
            If a time of day was not among those fitted.
        """
        times = pd.DatetimeIndex(times)
        hours, season = time_of_day(times), self.season(times)
        values = np.empty((len(times), self.template.size), np.float32)
        for hour in np.unique(hours):
            if hour not in self.coefficients:
                raise ValueError(
                    f"no climatology for {hour:g} h UTC: fitted on {sorted(self.coefficients)} h; "
                    "fit it on a longer series with the same step"
                )
            values[hours == hour] = season[hours == hour] @ self.coefficients[hour]
        return xr.DataArray(
            values.reshape(len(times), *self.template.shape),
            coords={"time": times, "lat": self.template["lat"], "lon": self.template["lon"]},
            dims=("time", "lat", "lon"),
            attrs={"units": "K"},
        )


def time_of_day(times: pd.DatetimeIndex) -> np.ndarray:
    """Hours since midnight UTC, (time,)."""
    return ((times - times.normalize()) / pd.Timedelta(hours=1)).to_numpy()
