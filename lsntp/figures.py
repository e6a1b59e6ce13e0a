"""One function a figure: takes xarray or pandas, draws, returns matplotlib Axes.

Every map carries coastlines, drawn offline from :func:`lsntp.land.land_mask`; every axis and colour
bar names its unit. Pass `ax` to draw into a figure of your own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from lsntp.land import land_mask
from lsntp.observations import SERIES_NAMES as SERIES

# Okabe and Ito's colours, told apart by colour-blind readers too; black for the truth.
COLOURS = {
    "persistence": "#999999",
    "climatology": "#8c6d46",
    "ridge": "#e69f00",
    "convlstm": "#0072b2",
    "lsntp-equations": "#d55e00",
    "lsntp-released": "#cc79a7",
}
OTHER_COLOURS = ("#009e73", "#56b4e9", "#f0e442", "#000000")
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
COAST_POINTS = 700  # along the longer side of a map
WIDTH = 7.4  # inches; wider figures turn illegible on a phone

SCORES = {
    "mae": "MAE (K)",
    "rmse": "RMSE (K)",
    "rmse_per_cell": "RMSE per cell, mean (K)",
    "ssim": "SSIM",
    "psnr": "PSNR (dB)",
    "ssim_released": "SSIM, released protocol",
    "psnr_released": "PSNR, released protocol (dB)",
}


def style() -> None:
    """Set the look of all figures: legible at phone width, nothing that is not needed."""
    sns.set_theme(
        context="notebook",
        style="ticks",
        palette=[*list(COLOURS.values())[2:], *OTHER_COLOURS],
        rc={
            "figure.dpi": 120,
            "figure.constrained_layout.use": True,
            "savefig.bbox": "tight",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 12,
            "axes.labelsize": 12,
            "xtick.labelsize": 11,
            "ytick.labelsize": 11,
            "legend.fontsize": 11,
            "legend.frameon": False,
        },
    )


def model_colours(models: Sequence[str]) -> dict[str, str]:
    """Colour of each model: its own in every figure, free ones for models not known here."""
    unknown = [m for m in models if m not in COLOURS]
    free = dict(zip(unknown, OTHER_COLOURS * (1 + len(unknown) // 4), strict=False))
    return {m: COLOURS.get(m, free.get(m, "")) for m in models}


# ---------------------------------------------------------------- maps


def coastlines(ax: Axes, lat: np.ndarray, lon: np.ndarray, colour: str = "black") -> None:
    """Draw coastlines over the grid whose cell centres are `lat` (H,) and `lon` (W,), degrees."""
    south, north = _edges(lat)
    west, east = _edges(lon)
    step = max(east - west, north - south) / COAST_POINTS
    x, y = np.arange(west, east + step, step), np.arange(south, north + step, step)
    x, y = x[x <= 180], y[np.abs(y) <= 90]
    land = land_mask(y, x)
    if land.any() and not land.all():
        lines = ax.contour(x, y, land.astype(float), levels=[0.5], colors=colour, linewidths=0.8)
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


def case_frames(record: xr.Dataset, steps: Sequence[int] = (-5, -2, 0, 1, 3, 6)) -> np.ndarray:
    """Frames of a field record's case, one colour scale for all.

    Parameters
    ----------
    record : Dataset
        From :mod:`lsntp.observations`.
    steps : sequence of int
        Which frames; 0 is the last input.
    """
    hours = record.attrs["step_hours"]
    frames = {
        f"{'input' if step <= 0 else 'target'}, {_signed(step * hours)} h": record["case"].sel(
            step=step
        )
        for step in steps
    }
    return maps_row(frames)


def forecast_case(
    truth: xr.DataArray,
    forecasts: Mapping[str, xr.DataArray],
    leads: Sequence[int] = (0, 2, 5),
) -> np.ndarray:
    """Truth, forecasts and their errors for one case.

    Parameters
    ----------
    truth : DataArray (lead, lat, lon), K
    forecasts : mapping of name -> DataArray (lead, lat, lon), K
    leads : sequence of int
        Columns: positions along `lead`.

    Returns
    -------
    array of Axes (1 + 2 forecasts, leads)
        First row the truth, then for each forecast a row of fields and a row of errors (forecast
        minus truth).
    """
    shown = {name: f.isel(lead=list(leads)) for name, f in forecasts.items()}
    target = truth.isel(lead=list(leads))
    everything = [target, *shown.values()]
    limits = min(float(f.min()) for f in everything), max(float(f.max()) for f in everything)
    errors = {name: f - target.assign_coords(f.coords) for name, f in shown.items()}
    worst = max(float(np.abs(e).max()) for e in errors.values())

    rows: list[tuple[str, xr.DataArray, bool]] = [("truth", target, False)]
    for name in shown:
        rows += [(name, shown[name], False), (f"{name}\nerror", errors[name], True)]
    figure, flat = _panels(target.isel(lead=0), len(rows) * len(leads), len(leads))
    axes = flat.reshape(len(rows), len(leads))
    for row, (name, values, is_error) in zip(axes, rows, strict=True):
        for k, ax in enumerate(row):
            field_map(
                values.isel(lead=k),
                ax,
                title=_lead_title(target, k) if ax in axes[0] else None,
                cmap=DIVERGING if is_error else SEQUENTIAL,
                limits=(-worst, worst) if is_error else limits,
                colourbar=False,
            )
            ax.label_outer()
        row[0].set_ylabel(f"{name}\nlatitude")
        label = "error (K)" if is_error else "temperature (K)"
        figure.colorbar(row[0].collections[0], ax=list(row), label=label)
    return axes


def error_map(errors: xr.DataArray, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Map of an error by cell, K: `mae`, `rmse` or `bias` of :func:`lsntp.metrics.error_maps`.

    A quantity with both signs gets diverging colours centred at 0, any other starts at 0.
    Dimensions other than (lat, lon), such as `lead`, are averaged.
    """
    others = [d for d in errors.dims if d not in ("lat", "lon")]
    mean = errors.mean(others)
    signed = float(mean.min()) < 0
    top = float(np.abs(mean).max())
    name = {"mae": "MAE", "rmse": "RMSE"}.get(str(errors.name).removesuffix("_map"), "bias")
    return field_map(
        mean,
        ax,
        title=title,
        cmap=DIVERGING if signed else "YlOrRd",
        limits=(-top if signed else 0, top),
        label=f"{'bias' if signed else name} (K)",
    )


def adjacency_row_map(
    weights: xr.DataArray, cell: tuple[float, float], ax: Axes | None = None
) -> Axes:
    """Map of one row of an adjacency: how much the graph lets every cell speak to `cell`.

    Parameters
    ----------
    weights : DataArray (lat, lon)
        The row, adding up to 1.
    cell : (float, float)
        Latitude and longitude of the cell it belongs to, degrees; marked by a cross.
    """
    relative = weights * weights.size
    ax = field_map(relative, ax, cmap="YlGnBu", label="weight, in multiples of 1/N")
    mark(ax, cell)
    return ax


def mark(ax: Axes, cell: tuple[float, float], marker: str = "X", label: str = "") -> None:
    """Mark a place, (latitude, longitude) in degrees, on a map."""
    ax.plot(
        cell[1],
        cell[0],
        marker=marker,
        markersize=11,
        markerfacecolor="#f0e442",
        markeredgecolor="black",
        linestyle="none",
        label=label or None,
        clip_on=False,
    )


# ---------------------------------------------------------------- correlation


def correlation_distance(record: xr.Dataset) -> np.ndarray:
    """Pearson's r of all pairs of cells against their distance: density and bands.

    Colour counts pairs; the line is the median at each distance, dark and light bands hold half
    and nine tenths of the pairs.

    Parameters
    ----------
    record : Dataset
        From :mod:`lsntp.observations`.

    Returns
    -------
    array of two Axes
        The series as they are, and their anomalies.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.3), sharey=True)
    counts = record["pairs"].where(record["pairs"] > 0)
    norm = LogNorm(1, float(counts.max()))
    for ax, series in zip(axes, SERIES, strict=True):
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
        ax.set(title=SERIES[series], xlabel="great-circle distance (km)")
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
        From :mod:`lsntp.observations`.
    """
    fields = {
        title: record["correlation_map"].sel(series=series) for series, title in SERIES.items()
    }
    axes = maps_row(
        fields, columns=2, cmap=DIVERGING, limits=(-1, 1), label="Pearson's r with the cell ✕"
    )
    partner = record.sel(series="anomaly")
    for ax in axes:
        mark(ax, (record.attrs["cell_lat"], record.attrs["cell_lon"]))
        mark(ax, (float(partner.far_strongest_lat[1]), float(partner.far_strongest_lon[1])), "o")
    return axes


# ---------------------------------------------------------------- scores


def scores_by_lead(
    table: pd.DataFrame,
    metric: str = "mae",
    *,
    step_hours: float | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One line a model: its score at each lead, with the spread of its seeds.

    Parameters
    ----------
    table : DataFrame
        Rows of :func:`lsntp.load_records`: columns `model` and ``<metric>_lead_1`` ….
    metric : str
        A key of `SCORES`.
    step_hours : float, optional
        Gives the horizontal axis in hours rather than steps.
    labels : mapping of model -> str, optional
        Names to show, for example `lsntp.zoo.LABELS`.

    Notes
    -----
    The line is the mean over seeds, the band ± 1 standard deviation. Names stand at the line ends.
    """
    if metric not in SCORES:
        raise ValueError(f"metric {metric!r}: expected one of {', '.join(SCORES)}")
    ax = ax or plt.subplots(figsize=(WIDTH, 4.5))[1]
    columns = sorted(
        (c for c in table.columns if c.startswith(f"{metric}_lead_")),
        key=lambda c: int(c.rsplit("_", 1)[1]),
    )
    leads = np.arange(1, 1 + len(columns)) * (step_hours or 1)
    colours = model_colours(list(dict.fromkeys(table["model"])))
    ends = {}
    for model, rows in table.groupby("model", sort=False):
        values = rows[columns].to_numpy(float)  # (seed, lead)
        mean = values.mean(axis=0)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(mean)
        ax.plot(leads, mean, color=colours[model], linewidth=2, marker="o", markersize=4)
        ax.fill_between(
            leads, mean - spread, mean + spread, color=colours[model], alpha=0.25, linewidth=0
        )
        ends[model] = mean[-1]
    unit = "h" if step_hours else "steps"
    ax.set(xlabel=f"lead time ({unit})", ylabel=SCORES[metric], xticks=leads)
    low, high = ax.get_ylim()
    places = _spread_apart(list(ends.values()), 0.065 * (high - low))
    for model, y in zip(ends, places, strict=True):
        ax.annotate(
            (labels or {}).get(model, model),
            (leads[-1], ends[model]),
            xytext=(leads[-1] + 0.06 * np.ptp(leads), y),
            color=colours[model],
            va="center",
            fontweight="bold",
            fontsize=11,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colours[model],
                "linewidth": 0.8,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )
    return ax


def training_curves(
    runs: Mapping[str, Mapping[str, Sequence[xr.Dataset]]],
    labels: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Loss by epoch, one panel a recipe: validation drawn, training dashed, mean over seeds.

    Parameters
    ----------
    runs : mapping of recipe -> model -> records
        Records hold `train_loss` and `validation_loss` (epoch).
    labels : mapping of model -> str, optional
        Names to show.
    """
    figure, axes = plt.subplots(1, len(runs), figsize=(WIDTH, 4.8), squeeze=False)
    for (recipe, models), ax in zip(runs.items(), axes[0], strict=True):
        colours = model_colours(list(models))
        for model, records in models.items():
            for name, line in (("validation_loss", "-"), ("train_loss", "--")):
                loss = np.mean([record[name].to_numpy() for record in records], axis=0)
                epochs = np.arange(1, 1 + len(loss))
                label = (labels or {}).get(model, model) if line == "-" else None
                ax.plot(epochs, loss, line, color=colours[model], linewidth=2, label=label)
        ax.set(title=f"recipe {recipe}", xlabel="epoch", ylabel="loss (scaled units)", yscale="log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 4.0, 5.0, 7.0)))
        ax.yaxis.set_major_formatter(FuncFormatter("{:g}".format))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.plot([], [], "k-", label="validation")
    ax.plot([], [], "k--", label="training")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes[0]


# ---------------------------------------------------------------- parts


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
    return f"{abs(value):g}°{'E' if value > 0 else 'W' if value < 0 else ''}"


def _spread_apart(values: Sequence[float], gap: float) -> np.ndarray:
    """Places near `values`, in the same order, no two nearer than `gap`."""
    order = np.argsort(values)
    slots = gap * np.arange(len(values))
    # Least squares under "next at least a gap further": isotonic regression of value − slot.
    level = np.asarray(values, float)[order] - slots
    blocks: list[list[float]] = []
    for v in level:
        blocks.append([v, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, m), (b, n) = blocks[-2:]
            blocks[-2:] = [[(a * m + b * n) / (m + n), m + n]]
    fitted = np.repeat([b[0] for b in blocks], [int(b[1]) for b in blocks]) + slots
    places = np.empty(len(values))
    places[order] = fitted
    return places
