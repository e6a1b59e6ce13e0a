"""Whether the talk's three observations hold in a field record, in words.

Explained in the notebook ``02_observations``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import LogNorm

from lsntp.figures.maps import maps_row, mark
from lsntp.figures.style import DIVERGING, WIDTH
from lsntp.results.field_records import SERIES, SERIES_NAMES, SHIFTS, STRONG

ANSWERS = {"yes": "holds", "weakly": "holds weakly", "no": "does not hold"}


def verdicts(record: xr.Dataset) -> pd.DataFrame:
    """Whether each of the three observations holds, and on what numbers.

    Parameters
    ----------
    record : Dataset
        From `study` or `load`.

    Returns
    -------
    DataFrame
        Columns `observation` (near, far, spread), `series`, `holds` (yes, weakly, no), `why`
        (a sentence). The rules:

        - *near* holds if the median r of neighbouring cells is at least `STRONG` and their 5th
          percentile lies above the median of all pairs;
        - *far* holds if some far pair reaches `STRONG`; for anomalies, moreover, the 99th
          percentile of far pairs must exceed that of all series shifted in time. If it does and
          no far pair reaches `STRONG`, the observation holds weakly;
        - *spread* holds if distance leaves a tenth or more of the variance of r unexplained.
    """
    rows = []
    for series in SERIES:
        n = record.sel(series=series)
        near = n.near_median >= STRONG and n.near_q05 > n.all_median
        why_near = (
            f"Neighbouring cells have a median r of {_r(n.near_median)}, and 95 % of them "
            f"{_r(n.near_q05)} or more; the median of all pairs is {_r(n.all_median)}."
        )
        strong = bool(n.far_strongest >= STRONG)
        why_far = (
            f"Of the pairs more than {record.far_km:.0f} km apart, {_share(n.far_strong_share)} "
            f"have an r of {STRONG} or more. The strongest, {_places(n)}, "
            f"{n.far_strongest_km:.0f} km apart, has {_r(n.far_strongest)}."
        )
        if series == "anomaly":
            most = float(record.far_q99_shifted.max())
            real = bool(n.far_q99 > most)
            far = "yes" if strong and real else "weakly" if real else "no"
            why_far += (
                f" The 99th percentile of far pairs is {_r(n.far_q99)}, "
                f"{'more than in any' if real else 'no more than in some'} of {SHIFTS} copies with "
                f"one cell of each pair shifted in time (there at most {_r(most)})."
            )
        else:
            far = "yes" if strong else "no"
        why_spread = (
            f"At {record.spread_km_low:.0f} to {record.spread_km_high:.0f} km, nine pairs of ten "
            f"have an r between {_r(n.spread_low)} and {_r(n.spread_high)}; over all distances, "
            f"distance explains {_share(n.explained)} of the variance of r."
        )
        spread = n.explained <= 0.9
        rows += [
            ("near", series, "yes" if near else "no", why_near),
            ("far", series, far, why_far),
            ("spread", series, "yes" if spread else "no", why_spread),
        ]
    return pd.DataFrame(rows, columns=["observation", "series", "holds", "why"])


def report(record: xr.Dataset) -> str:
    """Write `verdicts` as Markdown, one item per observation and series."""
    names = {"near": "(i) near pairs", "far": "(ii) far pairs", "spread": "(iii) one distance"}
    items = [
        f"- **{names[v.observation]}, {SERIES_NAMES[v.series]}: {ANSWERS[v.holds]}.** {v.why}"
        for v in verdicts(record).itertuples()
    ]
    return "\n".join(items)


def survivors(record: xr.Dataset) -> str:
    """Say in one clause which observations still hold once the climatology is off."""
    table = verdicts(record).query("series == 'anomaly'")
    numerals = {"near": "(i)", "far": "(ii)", "spread": "(iii)"}
    said = [f"{numerals[v.observation]} {ANSWERS[v.holds]}" for v in table.itertuples()]
    return ", ".join(said[:-1]) + " and " + said[-1]


def _r(r: xr.DataArray | float) -> str:
    """Write a correlation to two places, with a true minus sign."""
    return f"{float(r):.2f}".replace("-", "−")


def _share(share: xr.DataArray) -> str:
    """Write a share in per cent, never rounded to none or to all."""
    percent = 100 * float(share)
    if percent in (0, 100):
        return "none" if percent == 0 else "all"
    return f"{percent:.0f} %" if 1 <= percent <= 99 else f"{percent:.2g} %"


def _places(n: xr.Dataset) -> str:
    return " and ".join(
        f"{abs(lat):g}°{'N' if lat >= 0 else 'S'} {abs(lon):g}°{'E' if lon >= 0 else 'W'}"
        for lat, lon in zip(n.far_strongest_lat.values, n.far_strongest_lon.values, strict=True)
    )


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
