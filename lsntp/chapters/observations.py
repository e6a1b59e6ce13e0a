"""Pearson's r of all pairs of cells: against their distance, and on the map.

Shown in the notebook ``02_observations``.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm

from lsntp.figures.maps import field_map, mark
from lsntp.figures.style import DIVERGING, WIDTH
from lsntp.results.field_records import SERIES_NAMES

BANDS = (
    (":", "nine of ten pairs"),
    ("--", "half of the pairs"),
    ("-", "median"),
    ("--", None),
    (":", None),
)
"""Line and name of each quantile of a record's bands."""


def correlation_distance(records: Mapping[str, xr.Dataset]) -> np.ndarray:
    """Pearson's r of all pairs of cells against their distance: density and bands.

    Colour counts pairs; the solid line is the median at each distance, between the dashed lines
    lie half and between the dotted ones nine tenths of the pairs.

    Parameters
    ----------
    records : mapping of data set -> Dataset
        From :mod:`lsntp.results.field_records`.

    Returns
    -------
    array of Axes (data sets, 2)
        The series as they are, and their anomalies.
    """
    size = (WIDTH, 2.9 * len(records) + 0.6)
    figure, axes = plt.subplots(len(records), 2, figsize=size, sharey=True, squeeze=False)
    for row, (name, record) in zip(axes, records.items(), strict=True):
        counts = record["pairs"].where(record["pairs"] > 0)
        norm = LogNorm(1, float(counts.max()))
        for ax, series in zip(row, SERIES_NAMES, strict=True):
            mesh = ax.pcolormesh(
                record["distance"],
                record["r"],
                counts.sel(series=series).transpose("r", "distance"),
                norm=norm,
                cmap="Blues",
                shading="nearest",
                rasterized=True,
            )
            bands = record["band"].sel(series=series).transpose("quantile", "distance").to_numpy()
            for curve, (line, label) in zip(bands, BANDS, strict=True):
                ax.plot(record["distance"], curve, line, color="#d55e00", lw=2, label=label)
            ax.axhline(0, color="grey", linewidth=0.8)
            ax.set_title(f"{name}: {SERIES_NAMES[series]}")
        row[0].set_ylabel("Pearson's r")
        figure.colorbar(mesh, ax=list(row), label="pairs of cells in a bin")
    lowest = min(float(record["lowest"].min()) for record in records.values())
    axes[0, 0].set_ylim(lowest - 0.05, 1.02)
    for ax in axes[-1]:
        ax.set_xlabel("great-circle distance (km)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes


def correlation_map(records: Mapping[str, xr.Dataset]) -> np.ndarray:
    """Map Pearson's r of every cell with one cell (cross), raw and anomalies.

    The circle marks the far cell whose anomalies go most closely with it.

    Parameters
    ----------
    records : mapping of data set -> Dataset
        From :mod:`lsntp.results.field_records`.

    Returns
    -------
    array of Axes (data sets, 2)
    """
    size = (WIDTH, 3.0 * len(records))
    figure, axes = plt.subplots(len(records), 2, figsize=size, squeeze=False)
    for row, (name, record) in zip(axes, records.items(), strict=True):
        partner = record.sel(series="anomaly")
        circle = float(partner.far_strongest_lat[1]), float(partner.far_strongest_lon[1])
        for ax, (series, title) in zip(row, SERIES_NAMES.items(), strict=True):
            field_map(
                record["correlation_map"].sel(series=series),
                ax,
                title=f"{name}: {title}",
                cmap=DIVERGING,
                limits=(-1, 1),
                colourbar=False,
            )
            mark(ax, (record.attrs["cell_lat"], record.attrs["cell_lon"]))
            mark(ax, circle, "o")
        row[1].set_ylabel("")
    for ax in axes[:-1].ravel():
        ax.set_xlabel("")
    label = "Pearson's r with the cell ✕"
    figure.colorbar(axes[0, 0].collections[0], ax=list(axes.ravel()), label=label, shrink=0.6)
    return axes
