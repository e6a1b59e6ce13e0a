"""Pearson's r of all pairs of cells: against their distance, and on the map.

Shown in the notebook ``02_observations``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm

from lsntp.figures.maps import maps_row, mark
from lsntp.figures.style import DIVERGING, WIDTH
from lsntp.results.field_records import SERIES_NAMES


def correlation_distance(record: xr.Dataset) -> np.ndarray:
    """Pearson's r of all pairs of cells against their distance: density and bands.

    Colour counts pairs; the line is the median at each distance, dark and light bands hold half
    and nine tenths of the pairs.

    Parameters
    ----------
    record : Dataset
        From :mod:`lsntp.results.field_records`.

    Returns
    -------
    array of two Axes
        The series as they are, and their anomalies.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.3), sharey=True)
    counts = record["pairs"].where(record["pairs"] > 0)
    norm = LogNorm(1, float(counts.max()))
    for ax, series in zip(axes, SERIES_NAMES, strict=True):
        mesh = ax.pcolormesh(
            record["distance"],
            record["r"],
            counts.sel(series=series).transpose("r", "distance"),
            norm=norm,
            cmap="Blues",
            shading="nearest",
            rasterized=True,
        )
        band = record["band"].sel(series=series)
        q05, q25, median, q75, q95 = band.transpose("quantile", "distance").to_numpy()
        distance = record["distance"].to_numpy()
        for curve, line, label in (
            (median, "-", "median"),
            (q25, "--", "half of the pairs"),
            (q75, "--", None),
            (q05, ":", "nine of ten pairs"),
            (q95, ":", None),
        ):
            ax.plot(distance, curve, color="#d55e00", linestyle=line, linewidth=2, label=label)
        ax.axhline(0, color="grey", linewidth=0.8)
        ax.set(title=SERIES_NAMES[series], xlabel="great-circle distance (km)")
    axes[0].set(ylabel="Pearson's r", ylim=(float(record["lowest"].min()) - 0.05, 1.02))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.colorbar(mesh, ax=list(axes), label="pairs of cells in a bin")
    return axes


def correlation_map(record: xr.Dataset) -> np.ndarray:
    """Map Pearson's r of every cell with one cell (cross), raw and anomalies.

    The circle marks the far cell whose anomalies go most closely with it.

    Parameters
    ----------
    record : Dataset
        From :mod:`lsntp.results.field_records`.
    """
    fields = {
        title: record["correlation_map"].sel(series=series)
        for series, title in SERIES_NAMES.items()
    }
    axes = maps_row(
        fields, columns=2, cmap=DIVERGING, limits=(-1, 1), label="Pearson's r with the cell ✕"
    )
    partner = record.sel(series="anomaly")
    for ax in axes:
        mark(ax, (record.attrs["cell_lat"], record.attrs["cell_lon"]))
        mark(ax, (float(partner.far_strongest_lat[1]), float(partner.far_strongest_lon[1])), "o")
    return axes
