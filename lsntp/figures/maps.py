"""Maps, each with coastlines drawn offline from :func:`lsntp.data.land.land_mask`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lsntp.data.land import land_mask
from lsntp.figures.style import SEQUENTIAL, WIDTH

COAST_POINTS = 700  # along the longer side of a map
MOST_MAPS = 12  # of a forecast's leads


def coastlines(ax: Axes, lat: np.ndarray, lon: np.ndarray) -> None:
    """Draw coastlines over the grid whose cell centres are `lat` (H,) and `lon` (W,), degrees."""
    south, north = _edges(lat)
    west, east = _edges(lon)
    step = max(east - west, north - south) / COAST_POINTS
    x, y = np.arange(west, east + step, step), np.arange(south, north + step, step)
    y = y[np.abs(y) <= 90]
    land = land_mask(y, x)
    if land.any() and not land.all():
        lines = ax.contour(x, y, land.astype(float), levels=[0.5], colors="black", linewidths=0.8)
        lines.set_rasterized(True)  # as lines of a vector figure they would weigh a megabyte
        lines.set_label("coastline")
        lines.set_gid("coastline")


def field_map(
    field: xr.DataArray,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    cmap: str | None = None,
    limits: tuple[float, float] | None = None,
    norm: LogNorm | None = None,
    label: str | None = None,
    colourbar: bool = True,
) -> Axes:
    """Draw one map with coastlines.

    Parameters
    ----------
    field : DataArray (lat, lon)
        With `units` among its attributes, unless `label` says what the colours mean.
    ax : Axes, optional
    title, cmap, label : str, optional
        `label` belongs to the colour bar; by default long_name and units.
    limits : (float, float), optional
        Values at the ends of the colours.
    norm : optional
        Of the colours, in place of `limits`.
    colourbar : bool
        False where several maps share one.
    """
    if set(field.dims) != {"lat", "lon"}:
        raise ValueError(f"a map has dimensions (lat, lon); this field has {field.dims}")
    ax = ax or _panels(field, 1, 1)[1][0]
    field = field.transpose("lat", "lon")
    lat, lon = field["lat"].to_numpy(), field["lon"].to_numpy()
    low, high = limits if limits else (None, None)
    mesh = ax.pcolormesh(
        lon,
        lat,
        field.to_numpy(),
        shading="nearest",
        cmap=cmap or SEQUENTIAL,
        norm=norm,
        vmin=low,
        vmax=high,
        rasterized=True,
    )
    coastlines(ax, lat, lon)
    ax.set_xlim(*_edges(lon))
    ax.set_ylim(*_edges(lat))
    ax.set_aspect(1 / np.cos(np.radians(lat.mean())))
    ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 4, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 4, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(_degrees_east))
    ax.yaxis.set_major_formatter(FuncFormatter(_degrees_north))
    ax.set(xlabel="longitude", ylabel="latitude")
    if title:
        ax.set_title(title)
    if colourbar:
        ax.figure.colorbar(mesh, ax=ax, label=label or _label(field), shrink=0.85)
    return ax


def maps_row(
    fields: Mapping[str, xr.DataArray],
    *,
    columns: int = 3,
    cmap: str | None = None,
    limits: tuple[float, float] | None = None,
    label: str | None = None,
) -> np.ndarray:
    """Draw maps side by side with one colour bar.

    Parameters
    ----------
    fields : mapping of title -> DataArray (lat, lon)
    columns : int
        Maps in a row.
    cmap, limits, label
        As in :func:`field_map`; by default the limits span all maps.

    Returns
    -------
    array of Axes, one a map
    """
    limits = limits or (
        min(float(f.min()) for f in fields.values()),
        max(float(f.max()) for f in fields.values()),
    )
    figure, axes = _panels(next(iter(fields.values())), len(fields), columns)
    for ax, (title, field) in zip(axes, fields.items(), strict=True):
        field_map(field, ax, title=title, cmap=cmap, limits=limits, colourbar=False)
        ax.label_outer()
    label = label or _label(next(iter(fields.values())))
    figure.colorbar(axes[0].collections[0], ax=list(axes), label=label, shrink=0.8)
    return axes


def forecast_maps(forecast: xr.Dataset) -> np.ndarray:
    """Maps of a forecast, each with its lead and the time that it is for.

    Parameters
    ----------
    forecast : Dataset
        As :func:`lsntp.forecast` gives it; the first of several. Of many leads a dozen are drawn.

    Returns
    -------
    array of Axes, one a map
    """
    first = forecast.isel(reference_time=0)
    count = first.sizes["lead"]
    chosen = np.linspace(0, count - 1, min(count, MOST_MAPS)).round().astype(int)
    maps = {}
    for k in chosen:
        step = first.isel(lead=k)
        when = step["time"].dt.strftime("%Y-%m-%d %H:%M").item()
        maps[f"+{step['lead'].item():g} h\n{when}"] = step["t2m"]
    axes = maps_row(maps)
    issued = first["reference_time"].dt.strftime("%Y-%m-%d %H:%M").item()
    axes[0].figure.suptitle(f"{forecast.attrs['title']}, from {issued} UTC")
    return axes


def case_frames(records: Mapping[str, xr.Dataset], steps: Sequence[int] = (-5, 0, 6)) -> np.ndarray:
    """Frames of the cases of field records, one row and one colour scale a data set.

    Parameters
    ----------
    records : mapping of data set -> Dataset
        From :mod:`lsntp.results.field_records`.
    steps : sequence of int
        Which frames; 0 is the last input.

    Returns
    -------
    array of Axes (data sets, steps)
    """
    size = (WIDTH, 2.4 * len(records))
    figure, axes = plt.subplots(len(records), len(steps), figsize=size, squeeze=False)
    for row, (name, record) in zip(axes, records.items(), strict=True):
        frames = record["case"].sel(step=list(steps))
        limits = float(frames.min()), float(frames.max())
        for ax, step in zip(row, steps, strict=True):
            hours = _signed(step * record.attrs["step_hours"])
            title = f"{'input' if step <= 0 else 'target'}, {hours} h"
            field_map(frames.sel(step=step), ax, title=title, limits=limits, colourbar=False)
            ax.set(xlabel="", ylabel="")
            ax.tick_params(labelleft=ax is row[0])
        last = record["case_time"].sel(step=0).dt.strftime("%Y-%m-%d %H UTC").item()
        row[0].set_ylabel(f"{name}\n0 h: {last}")
        figure.colorbar(row[0].collections[0], ax=list(row), label=_label(frames))
    return axes


def mark(ax: Axes, cell: tuple[float, float], marker: str = "X") -> None:
    """Mark a place, (latitude, longitude) in degrees, on a map."""
    ax.plot(
        cell[1],
        cell[0],
        marker=marker,
        markersize=11,
        markerfacecolor="#f0e442",
        markeredgecolor="black",
        linestyle="none",
        clip_on=False,
    )


def _edges(centres: np.ndarray) -> tuple[float, float]:
    """Outer edges of the first and last of regular cells, ascending."""
    half = abs(float(centres[1] - centres[0])) / 2 if len(centres) > 1 else 0.5
    return float(centres.min()) - half, float(centres.max()) + half


def _panels(field: xr.DataArray, count: int, columns: int) -> tuple[plt.Figure, np.ndarray]:
    """Make a figure of `count` panels shaped like a field's map; returns Axes (count,)."""
    columns = min(columns, count)
    rows = -(-count // columns)
    height, width = np.ptp(_edges(field["lat"].to_numpy())), np.ptp(_edges(field["lon"].to_numpy()))
    tall = float(height / (width * np.cos(np.radians(float(field["lat"].mean())))))
    total = WIDTH if columns > 1 else 5.5
    panel = (total - 2.0) / columns  # what axis labels and colour bar leave
    size = (total, rows * (panel * tall + 0.4) + 0.6)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    flat = axes.ravel()
    for ax in flat[count:]:
        ax.remove()
    return figure, flat[:count]


def _label(field: xr.DataArray) -> str:
    units = field.attrs.get("units")
    if not units:
        raise ValueError("the field has no units attribute: set it, or pass label")
    name = textwrap.fill(str(field.attrs.get("long_name", field.name or "value")), 30)
    return name if units == "1" else f"{name} ({units})"


def _lead_title(target: xr.DataArray, k: int) -> str:
    lead = target["lead"]
    if lead.attrs.get("units") == "h":
        return f"lead {float(lead[k]):g} h"
    return f"lead {int(lead[k])}"


def _signed(hours: float) -> str:
    """Write hours with their sign; 0 has none."""
    return f"{hours:+g}".replace("-", "−") if hours else "0"


def _degrees_north(value: float, _: int | None = None) -> str:
    return f"{abs(value):g}°{'N' if value > 0 else 'S' if value < 0 else ''}"


def _degrees_east(value: float, _: int | None = None) -> str:
    value = value - 360 if value > 180 else value  # of a region across 180 degrees
    return f"{abs(value):g}°{'E' if value > 0 else 'W' if value < 0 else ''}"
