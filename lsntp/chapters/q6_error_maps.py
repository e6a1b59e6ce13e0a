"""Where the error is: maps of MAE against land and sea, latitude and the region's rim.

Explained in the notebook ``11_q6_error_maps``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.fft import dctn

from lsntp.data.distances import EARTH_RADIUS_KM
from lsntp.data.fields import with_values
from lsntp.data.land import land_mask
from lsntp.figures.maps import _degrees_north, _edges, field_map
from lsntp.figures.style import DIVERGING, WIDTH, label_colours
from lsntp.results.compare import (
    ALONE,
    HIGHER,
    LOWER,
    UNSEEN,
    between,
    half_width,
    signed,
    variance,
    verdict,
)
from lsntp.zoo import LABELS

RIM = 3
"""The rim of a region: so many outermost rows and columns."""
MODES, WIDER = 8, 1.5
"""Waves in the first band of a map's spectrum, and how much wider each further band is."""
CONTRASTS = {
    "land": ("land", "sea"),
    "north": ("northern half", "southern half"),
    "rim": (f"outer {RIM} cells", "further inside"),
    "west": ("western rim", "eastern rim"),
}
"""What is compared: the name of the cells of either group."""
NO_BREAK = "\N{NO-BREAK SPACE}"
BANDS = 6
"""Bands of latitude, of as equal a number of rows as can be."""
SHIFTED = ("land", "rim")
"""The contrasts whose cells are also laid elsewhere, as a null."""


def maps(runs: Sequence[xr.Dataset]) -> xr.DataArray:
    """MAE by cell of a row of a study, K (seed, lead, lat, lon)."""
    by_seed = xr.concat([r["mae_map"] for r in runs], "seed", join="exact")
    return by_seed.assign_attrs(units="K", long_name="MAE")


def quantities(
    rows: Mapping[str, Sequence[xr.Dataset]], models: Sequence[str]
) -> dict[str, xr.DataArray]:
    """What is asked of each cell, mean over leads: (seed, lat, lon) each.

    Parameters
    ----------
    rows : mapping
        Records, from :func:`lsntp.results.studies.load`.
    models : sequence of str
        Names in :data:`lsntp.zoo.LABELS`.

    Returns
    -------
    dict
        For each model its MAE (K), its MAE minus ridge's (K), and its MAE as a share of
        persistence's, that is of how much the temperature of the cell changes. First of all
        persistence's MAE, which has no seed.
    """
    mean = {label: maps(row).mean("lead", keep_attrs=True) for label, row in rows.items()}
    still, linear = (mean[LABELS[m]].isel(seed=0, drop=True) for m in ("persistence", "ridge"))
    asked = {"MAE of Persistence": still}
    for m in models:
        ours = mean[LABELS[m]]
        asked[f"MAE of {LABELS[m]}"] = ours
        asked[f"{LABELS[m]} minus Ridge"] = (ours - linear).assign_attrs(units="K")
        asked[f"{LABELS[m]} over Persistence"] = (ours / still).assign_attrs(units="1")
    return asked


def geography(field: xr.DataArray) -> xr.Dataset:
    """What is known of each cell of a map.

    Parameters
    ----------
    field : DataArray (..., lat, lon)
        Its coordinates count, rows from north to south, and which cells have values.

    Returns
    -------
    Dataset (lat, lon)
        ``land``, ``north`` (half), ``rim``: bool. ``west``, ``east``: whether in the western or
        eastern `RIM` columns. ``there``: whether it has values. ``area``: cos(latitude), 0 where
        not.
    """
    lat, lon = field["lat"].to_numpy(), field["lon"].to_numpy()
    row, column = np.meshgrid(np.arange(len(lat)), np.arange(len(lon)), indexing="ij")
    from_side = {
        "north": row,
        "south": len(lat) - 1 - row,
        "west": column,
        "east": len(lon) - 1 - column,
    }
    cells = {
        "land": land_mask(lat, lon),
        "north": row < len(lat) / 2,
        "rim": np.min(list(from_side.values()), axis=0) < RIM,
        "west": from_side["west"] < RIM,
        "east": from_side["east"] < RIM,
        "there": (there := with_values(field)),
        "area": np.repeat(np.cos(np.radians(lat))[:, None], len(lon), axis=1) * there,
    }
    dims = ("lat", "lon")
    return xr.Dataset(
        {name: (dims, values) for name, values in cells.items()}, {"lat": lat, "lon": lon}
    )


def groups(cells: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the two groups of cells that one of `CONTRASTS` compares, (H, W) of bool each."""
    one, there = cells[name].to_numpy(), cells["there"].to_numpy()
    return one & there, (cells["east"].to_numpy() if name == "west" else ~one) & there


def contrast(values: xr.DataArray, cells: xr.Dataset, name: str) -> pd.Series:
    """Compare the area-weighted mean of a map over two groups of cells.

    Maps are smooth, so cells are not so many independent values. The interval asks how far the two
    groups would differ by chance on a map as smooth as this one that knows nothing of them
    (:func:`chance`). For `SHIFTED` contrasts there is a second null: the pattern of cells is laid
    over the map at every other place, leaving the region on one side and entering it on the other,
    and the share of places where the two groups differ as much is ``p``. This keeps the pattern
    and the map as they are, and breaks only their tie.

    Parameters
    ----------
    values : DataArray (seed, lat, lon), or (lat, lon) of what has no seed
    cells : Dataset
        From :func:`geography`.
    name : str
        One of `CONTRASTS`.

    Returns
    -------
    Series
        ``one``, ``other``: mean of either group; ``difference``, ``low``, ``high``, ``seed_sd``
        (of the difference; of one seed nan, without a seed 0), ``p`` (nan without a null),
        ``verdict``: `HIGHER` or `LOWER` (in the first group), `UNSEEN` if the interval, of chance
        and seeds together, holds 0, or p > 0.05; `ALONE` with one seed only.
    """
    seeds = _by_seed(values).to_numpy().astype(float)
    area, there = cells["area"].to_numpy(), cells["there"].to_numpy()
    if not there.all():  # no area, and no wave
        seeds = np.stack([np.where(there, s, np.average(s[there])) for s in seeds])
    one, other = groups(cells, name)
    if not one.any() or not other.any():
        raise ValueError(f"no two groups of cells: {' and '.join(CONTRASTS[name])}")

    by_seed = [_mean(s, area, one) - _mean(s, area, other) for s in seeds]
    mean = seeds.mean(axis=0)
    ends = _mean(mean, area, one), _mean(mean, area, other)
    difference = ends[0] - ends[1]
    weights = area * one / (area * one).sum() - area * other / (area * other).sum()
    parts = [chance(mean, weights, cells)]
    if "seed" in values.dims:
        parts.append((variance(by_seed) / len(by_seed), len(by_seed) - 1))
    half = half_width(parts)
    pattern = cells[name].to_numpy()
    p = _share_of_shifts(mean, area, pattern, difference) if name in SHIFTED else np.nan
    return pd.Series(
        {
            "one": ends[0],
            "other": ends[1],
            "difference": difference,
            "low": difference - half,
            "high": difference + half,
            "seed_sd": np.sqrt(variance(by_seed)) if "seed" in values.dims else 0.0,
            "p": p,
            "verdict": UNSEEN if p > 0.05 else verdict(difference, half, np.inf),
        }
    )


def chance(values: np.ndarray, weights: np.ndarray, cells: xr.Dataset) -> tuple[float, float]:
    """Variance of a contrast, Σ weights · values, of one map by chance, and degrees of freedom.

    The map is taken apart into waves (cosines along rows and columns). Were its pattern one of
    chance without a preferred direction, the size of a wave would depend on its length alone; its
    mean square P is estimated in bands of wave length, `MODES` waves in the first. A contrast is
    then normal with the variance Σ w² P, where w are the waves of its weights. As P is an estimate,
    Student's t takes the place of the normal distribution, its degrees of freedom by Satterthwaite.
    On maps made by chance, as smooth as those of errors or smoother, the interval excludes zero in
    about one of ten at most; an interval from leaving out a block of the map at a time did so in up
    to half of them.

    Parameters
    ----------
    values, weights : array (H, W)
        The weights add up to 0. Cells without values hold the mean of the others.
    cells : Dataset
        Gives the coordinates and how many cells have values: the others have no part in P.
    """
    lat, lon = cells["lat"].to_numpy(), cells["lon"].to_numpy()
    height = len(lat) * abs(lat[1] - lat[0])
    width = len(lon) * abs(lon[1] - lon[0]) * np.cos(np.radians(lat.mean()))
    rows, columns = np.indices(values.shape)
    order = np.argsort(np.hypot(rows / height, columns / width).ravel(), kind="stable")[1:]
    wave, weight = (np.square(dctn(a, norm="ortho")).ravel()[order] for a in (values, weights))
    share = float(cells["there"].mean())
    parts, counts = [], []
    first, size = 0, float(MODES)
    while first < len(order):
        band = slice(first, first + int(size))
        parts.append(weight[band].sum() * wave[band].mean() / share)
        counts.append(len(wave[band]))
        first, size = first + int(size), size * WIDER
    total = float(sum(parts))
    if total == 0:
        return 0.0, 1.0
    return total, total**2 / sum(p**2 / n for p, n in zip(parts, counts, strict=True))


def _by_seed(values: xr.DataArray) -> xr.DataArray:
    """Put the map of each seed first; a map without a seed is one."""
    stacked = values if "seed" in values.dims else values.expand_dims("seed")
    return stacked.transpose("seed", "lat", "lon")


def _mean(values: np.ndarray, area: np.ndarray, where: np.ndarray) -> float:
    """Area-weighted mean over some cells; nan where there are none."""
    weight = (area * where).sum()
    return float((values * area * where).sum() / weight) if weight else float("nan")


def _share_of_shifts(
    values: np.ndarray, area: np.ndarray, pattern: np.ndarray, difference: float
) -> float:
    """Share of all shifts of a pattern, none included, whose two groups differ as much."""
    height, width = pattern.shape
    as_much = 0
    for down in range(height):
        for across in range(width):
            shifted = np.roll(pattern, (down, across), (0, 1))
            change = _mean(values, area, shifted) - _mean(values, area, ~shifted)
            as_much += abs(change) >= abs(difference) * (1 - 1e-9)
    return as_much / pattern.size


def contrasts(asked: Mapping[str, xr.DataArray], cells: xr.Dataset) -> pd.DataFrame:
    """Every contrast of every quantity; those without two groups (a region all sea) are left out.

    Parameters
    ----------
    asked : mapping
        From :func:`quantities`.
    cells : Dataset
        From :func:`geography`.

    Returns
    -------
    DataFrame
        As of :func:`contrast`, one row per quantity and contrast.
    """
    compared = {
        (what, name): contrast(values, cells, name)
        for what, values in asked.items()
        for name in CONTRASTS
        if all(group.any() for group in groups(cells, name))
    }
    table = pd.DataFrame.from_dict(compared, orient="index")
    table.index = table.index.set_names(["quantity", "contrast"])
    return table


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Write :func:`contrasts` for a reader: groups in words, differences with their sign."""
    written = {}
    for (what, name), c in table.iterrows():
        written[what, ", ".join(CONTRASTS[name])] = {
            "difference": signed(c["difference"]),
            "95 % interval": between(c["low"], c["high"]),
            "seed s.d.": "–" if np.isnan(c["seed_sd"]) else f"{c['seed_sd']:.3f}",
            "p of shifts": "–" if np.isnan(p := c["p"]) else "< 0.01" if p < 0.01 else f"{p:.2f}",
            "the first is": c["verdict"],
        }
    out = pd.DataFrame.from_dict(written, orient="index")
    out.index = out.index.set_names(["map", "cells"])
    return out


def answers(table: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Say for each question and model which group errs more, or that it cannot be told.

    Parameters
    ----------
    table : DataFrame
        From :func:`contrasts`.
    models : sequence of str
        Names in :data:`lsntp.zoo.LABELS`.

    Returns
    -------
    DataFrame
        One row per question and model. Cells are "mean of one group > mean of the other" (or <)
        where there is a difference, and "one ~ other" where none is seen.
    """
    signs = {HIGHER: ">", LOWER: "<", UNSEEN: "~", ALONE: "~"}
    asked = table.index.unique("contrast")

    def cell(what: str, name: str, digits: int) -> str:
        c = table.loc[(what, name)]
        one, other = (f"{c[k]:.{digits}f}".replace("-", "−") for k in ("one", "other"))
        return f"{one} {signs[c['verdict']]} {other}".replace(" ", NO_BREAK)

    rows = {
        (", ".join(CONTRASTS[name]), LABELS[m]): {
            "MAE (K)": cell(f"MAE of {LABELS[m]}", name, 2),
            "share of persistence's error": cell(f"{LABELS[m]} over Persistence", name, 2),
            "minus ridge's (K)": cell(f"{LABELS[m]} minus Ridge", name, 3),
        }
        for name in asked
        for m in models
    }
    out = pd.DataFrame.from_dict(rows, orient="index")
    out.index = out.index.set_names(["cells", "model"])
    return out


def _area(values: xr.DataArray) -> xr.DataArray:
    return xr.DataArray(np.cos(np.radians(values["lat"])))


def by_latitude(values: xr.DataArray) -> pd.DataFrame:
    """Mean of a map over `BANDS` bands of latitude: mean and s.d. over seeds, by their middle.

    Parameters
    ----------
    values : DataArray (seed, lat, lon)
    """
    values = _by_seed(values)
    count = min(BANDS, values.sizes["lat"])
    bands = []
    for part in np.array_split(np.arange(values.sizes["lat"]), count):
        band = values.isel(lat=part)
        means = band.weighted(_area(band)).mean(["lat", "lon"]).to_numpy()
        sd = float(means.std(ddof=1)) if len(means) > 1 else 0.0
        bands.append({"latitude": float(band["lat"].mean()), "mean": means.mean(), "sd": sd})
    return pd.DataFrame(bands)


def by_distance(values: xr.DataArray) -> pd.DataFrame:
    """Mean of a map by the distance to each side of the region, up to its middle.

    Rows and columns within `RIM` of the two other sides are left out, where there are enough, so
    that a corner does not count for both.

    Parameters
    ----------
    values : DataArray (seed, lat, lon)
        Rows from north to south.

    Returns
    -------
    DataFrame
        ``side``, ``km`` (from the edge of the outermost cell to the cell's centre), ``mean`` and
        ``sd`` over seeds.
    """
    values = _by_seed(values)
    lat, lon = values["lat"].to_numpy(), values["lon"].to_numpy()
    degree = np.radians(1) * EARTH_RADIUS_KM
    rows = []
    for side in ("west", "east", "north", "south"):
        along, across = ("lon", "lat") if side in ("west", "east") else ("lat", "lon")
        size = values.sizes[across]
        inside = slice(RIM, size - RIM) if size > 2 * RIM else slice(None)
        profile = values.isel({across: inside})
        lines = profile.weighted(_area(profile)).mean(across).to_numpy()  # (seed, along)
        lines = lines if side in ("west", "north") else lines[:, ::-1]
        spacing = abs(lon[1] - lon[0]) * np.cos(np.radians(lat.mean()))
        step = degree * (spacing if along == "lon" else abs(lat[1] - lat[0]))
        for k in range((lines.shape[1] + 1) // 2):
            sd = float(lines[:, k].std(ddof=1)) if len(lines) > 1 else 0.0
            rows.append(
                {"side": side, "km": (k + 0.5) * step, "mean": lines[:, k].mean(), "sd": sd}
            )
    return pd.DataFrame(rows)


SIDES = {"west": "#0072b2", "east": "#d55e00", "north": "#000000", "south": "#009e73"}


def error_maps(errors: Mapping[str, xr.DataArray]) -> np.ndarray:
    """Maps of the MAE by cell, one per data set, each with its own scale from 0.

    Parameters
    ----------
    errors : mapping of data set -> DataArray (lat, lon), K

    Returns
    -------
    array of Axes, one per data set
    """
    figure, axes = _side_by_side(errors)
    for ax, (name, error) in zip(axes, errors.items(), strict=True):
        limits = 0.0, float(error.max())
        field_map(error, ax, title=name, cmap="YlOrRd", limits=limits, colourbar=False)
        figure.colorbar(
            ax.collections[0], ax=ax, label="MAE (K)", orientation="horizontal", shrink=0.9
        )
    return axes


def ratio_map(shares: Mapping[str, xr.DataArray]) -> np.ndarray:
    """Maps of an error as a share of persistence's: blue below 1, red above, by their logarithm.

    Parameters
    ----------
    shares : mapping of data set -> DataArray (lat, lon)

    Returns
    -------
    array of Axes, one per data set, all on one scale
    """
    powers = {name: share.copy(data=np.log2(share.to_numpy())) for name, share in shares.items()}
    top = max(float(abs(power).max()) for power in powers.values())
    figure, axes = _side_by_side(powers)
    for ax, (name, power) in zip(axes, powers.items(), strict=True):
        field_map(power, ax, title=name, cmap=DIVERGING, limits=(-top, top), colourbar=False)
    bar = figure.colorbar(
        axes[0].collections[0], ax=list(axes), label="share of persistence's error",
        orientation="horizontal", shrink=0.7, aspect=40,
    )  # fmt: skip
    ticks = [t for t in (0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 2.8, 4) if abs(np.log2(t)) <= top]
    bar.set_ticks(list(np.log2(ticks)), labels=[f"{t:g}" for t in ticks])
    return axes


def change_maps(changes: Mapping[str, Mapping[str, xr.DataArray]], label: str) -> np.ndarray:
    """Maps of a difference, a row per data set on one scale: blue below 0, red above.

    Parameters
    ----------
    changes : mapping of data set -> mapping of model -> DataArray (lat, lon)
    label : str
        What the colours mean, with its unit.

    Returns
    -------
    array of Axes (data set, model)
    """
    first = [next(iter(row.values())) for row in changes.values()]
    columns = max(len(row) for row in changes.values())
    tall = [1 / _wide(field) for field in first]
    size = WIDTH, sum((WIDTH - 2.0) / max(columns, 2) * t + 0.5 for t in tall) + 0.4
    figure, axes = plt.subplots(
        len(changes), columns, figsize=size, height_ratios=tall, squeeze=False
    )
    for row, (dataset, by_model) in zip(axes, changes.items(), strict=True):
        top = max(float(abs(c).max()) for c in by_model.values())
        for ax, (name, change) in zip(row, by_model.items(), strict=True):
            field_map(change, ax, title=name, cmap=DIVERGING, limits=(-top, top), colourbar=False)
            ax.set(xlabel="", ylabel="")
            ax.tick_params(labelleft=ax is row[0])
        row[0].set_ylabel(dataset)
        figure.colorbar(row[0].collections[0], ax=list(row), label=label, shrink=0.9)
    return axes


def latitude_profiles(bands: Mapping[str, Mapping[str, pd.DataFrame]], label: str) -> np.ndarray:
    """Mean of a map over bands of latitude, one panel per data set, bars one s.d. over seeds.

    Parameters
    ----------
    bands : mapping of data set -> mapping of model's label -> DataFrame
        From :func:`by_latitude`.
    label : str
        What is averaged, with its unit.
    """
    figure, panels = plt.subplots(1, len(bands), figsize=(WIDTH, 3.6), squeeze=False)
    axes = panels[0]
    for ax, (dataset, by_model) in zip(axes, bands.items(), strict=True):
        colours = label_colours(list(by_model))
        for name, table in by_model.items():
            ax.errorbar(
                table["mean"], table["latitude"], xerr=table["sd"], fmt="o-", color=colours[name],
                label=name, capsize=3, linewidth=2,
            )  # fmt: skip
        ax.axvline(1, color="grey", linewidth=1)
        ax.set(title=dataset, xlabel=label, xlim=(0, None))
        ax.yaxis.set_major_formatter(FuncFormatter(_degrees_north))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes


def edge_profiles(profiles: Mapping[str, pd.DataFrame], label: str) -> np.ndarray:
    """Mean of a map by the distance to each side of the region, one panel per data set.

    Parameters
    ----------
    profiles : mapping of data set -> DataFrame
        From :func:`by_distance`.
    label : str
        What is averaged, with its unit.
    """
    figure, panels = plt.subplots(
        1, len(profiles), figsize=(WIDTH, 3.6), sharey=True, squeeze=False
    )
    axes = panels[0]
    for ax, (dataset, table) in zip(axes, profiles.items(), strict=True):
        for side, colour in SIDES.items():
            line = table[table["side"] == side]
            ax.plot(line["km"], line["mean"], "o-", color=colour, markersize=4, label=side)
            ends = line["mean"] - line["sd"], line["mean"] + line["sd"]
            ax.fill_between(line["km"], *ends, color=colour, alpha=0.2, linewidth=0)
        ax.axhline(1, color="grey", linewidth=1)
        ax.set(title=dataset, xlabel="distance to that side (km)", xlim=(0, None))
    axes[0].set(ylabel=label, ylim=(0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return axes


def _wide(field: xr.DataArray) -> float:
    """Width of a field's map over its height."""
    lat, lon = field["lat"].to_numpy(), field["lon"].to_numpy()
    return float(np.ptp(_edges(lon)) * np.cos(np.radians(lat.mean())) / np.ptp(_edges(lat)))


def _side_by_side(maps: Mapping[str, xr.DataArray]) -> tuple[Figure, np.ndarray]:
    """Make a figure with a panel per map, all as high; returns Axes (map,)."""
    wide = [_wide(field) for field in maps.values()]
    height = min((WIDTH - 0.8 * len(maps)) / sum(wide), 3.5)
    size = WIDTH, height + 1.6
    figure, axes = plt.subplots(1, len(maps), figsize=size, width_ratios=wide, squeeze=False)
    return figure, axes[0]
