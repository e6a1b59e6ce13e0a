"""Figures of the notebook ``03_method`` that are not maps of a field alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from lsntp.figures.maps import field_map, mark
from lsntp.figures.style import COLOURS, WIDTH

ENCODER, DECODER, PLAIN = "#cfe3f1", "#f7dccb", "#eeeeee"


def architecture(ax: Axes | None = None) -> Axes:
    """Draw the encoder and decoder of :class:`lsntp.Forecaster`, unrolled over the steps."""
    ax = ax or plt.subplots(figsize=(WIDTH, 4.6))[1]
    width, height = 0.86, 0.56
    steps = {0: "$X_1$", 1: "…", 2: "$X_T$", 3.5: "$Y_1$", 4.5: "…", 5.5: "$Y_L$"}

    def box(x: float, y: float, text: str, colour: str) -> None:
        corner = (x - width / 2, y - height / 2)
        ax.add_patch(
            FancyBboxPatch(
                corner,
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=colour,
                edgecolor="#444444",
            )
        )
        ax.text(x, y, text, ha="center", va="center", fontsize=13)

    def arrow(start: tuple[float, float], end: tuple[float, float], state: bool = False) -> None:
        style = {"arrowstyle": "-|>", "color": "#444444", "linewidth": 1.6}
        if state:
            style |= {"color": COLOURS["lsntp-equations"], "linewidth": 3}
        ax.annotate("", end, start, arrowprops={**style, "shrinkA": 0, "shrinkB": 0})

    for x, name in steps.items():
        encodes = x < 3
        colour = ENCODER if encodes else DECODER
        ax.text(x, 0, name if encodes else "0", ha="center", va="center", fontsize=14)
        for layer in (1, 2):
            arrow((x, layer - 1 + (height / 2 if layer == 2 else 0.2)), (x, layer - height / 2))
            box(x, layer, "…" if name == "…" else f"layer {layer + (0 if encodes else 2)}", colour)
            if x not in (2, 5.5):
                arrow((x + width / 2, layer), (x + 1 - width / 2, layer))
        if not encodes:
            arrow((x, 2 + height / 2), (x, 3 - height / 2))
            box(x, 3, "…" if name == "…" else "conv", PLAIN)
            arrow((x, 3 + height / 2), (x, 3.75))
            ax.text(x, 3.95, name, ha="center", va="center", fontsize=14)
    for layer in (1, 2):
        arrow((2 + width / 2, layer), (3.5 - width / 2, layer), state=True)
    ax.text(2.75, 1.5, "$H, C$", ha="center", va="center", fontsize=13)
    ax.text(1, 3, "encoder", ha="center", va="center", fontsize=14, fontweight="bold")
    ax.text(4.5, 4.45, "decoder", ha="center", va="center", fontsize=14, fontweight="bold")
    ax.set(xlim=(-0.5, 6), ylim=(-0.25, 4.7))
    ax.set_axis_off()
    return ax


def gate_histograms(forms: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
    """Density of the gates' values, one panel a gate, one line a form.

    Parameters
    ----------
    forms : mapping of form -> :func:`lsntp.method.gates`

    Returns
    -------
    array of Axes (4,)
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5), sharey=True)
    for ax, name in zip(axes.ravel(), ["i", "f", "o", "C̃"], strict=True):
        everything = np.concatenate([gates[name] for gates in forms.values()])
        for form, gates in forms.items():
            ax.hist(
                gates[name],
                bins=40,
                range=(everything.min(), everything.max()),
                weights=np.full(len(gates[name]), 1 / len(gates[name])),
                histtype="step",
                linewidth=2.5,
                color=COLOURS[form],
                label=form.removeprefix("lsntp-"),
            )
        ax.axvline(0 if name == "C̃" else 0.5, color="grey", linewidth=1, zorder=0)
        ax.set(xlabel=r"$\tilde{C}$" if name == "C̃" else f"${name}$", yscale="log")
    for ax in axes[:, 0]:
        ax.set_ylabel("share of values")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return axes.ravel()


def auc_dots(auc: xr.DataArray, ax: Axes | None = None) -> Axes:
    """Draw one row per way, one dot per seed, against the ½ of guessing.

    Parameters
    ----------
    auc : DataArray (way, seed)
        As in :func:`lsntp.planted.planted_links`.
    """
    ax = ax or plt.subplots(figsize=(WIDTH, 0.5 * auc.sizes["way"] + 1.2))[1]
    rows = np.arange(auc.sizes["way"])
    values = auc.transpose("way", "seed").to_numpy()
    ax.axvline(0.5, color="grey", linewidth=1)
    ax.hlines(rows, values.min(1), values.max(1), color="#999999", linewidth=2)
    for row, dots in zip(rows, values, strict=True):
        ax.plot(dots, np.full(len(dots), row), "o", color=COLOURS["lsntp-equations"], markersize=8)
    ax.set_yticks(rows, auc["way"].to_numpy())
    ax.invert_yaxis()
    ax.set(xlabel="AUC on far pairs (½: guessing)", xlim=(0, 1.03))
    return ax


def learned_rows(study: xr.Dataset, links: Sequence[int] = (0, 1, 2)) -> np.ndarray:
    """Rows of the learned adjacency of linked cells, with the true source outlined.

    Parameters
    ----------
    study : Dataset
        One seed of :func:`lsntp.planted.planted_links`.
    links : sequence of int
        One row of maps each.

    Returns
    -------
    array of Axes (links, 2)
        Left the truth, right what was learned. Colours run up to the largest weight more than
        three cells away from the cell the row belongs to (cross).
    """
    lat, lon = study["lat"].to_numpy(), study["lon"].to_numpy()
    columns = len(lon)
    _, axes = plt.subplots(len(links), 2, figsize=(WIDTH, 2.6 * len(links)), squeeze=False)
    for row, link in zip(axes, links, strict=True):
        target, source = int(study["target"][link]), int(study["source"][link])
        grid = {"lat": lat, "lon": lon}
        truth, learned = (
            xr.DataArray(study[name].values[target].reshape(len(lat), columns), grid)
            for name in ("links", "adjacency")
        )
        step = np.indices((len(lat), columns)).reshape(2, -1).T - divmod(target, columns)
        away = (np.abs(step).max(1) > 3).reshape(truth.shape)
        top = learned.size * float(learned.values[away].max())
        for ax, field, title in (
            (row[0], top * truth, "planted"),
            (row[1], learned.size * learned, "learned"),
        ):
            field_map(
                field,
                ax,
                title=title if link == links[0] else None,
                cmap="YlGnBu",
                limits=(0, top),
                label="weight × N",
                colourbar=title == "learned",
            )
            mark(ax, (lat[target // columns], lon[target % columns]))
            outline(ax, lat, lon, source)
            ax.label_outer()
    return axes


def outline(ax: Axes, lat: np.ndarray, lon: np.ndarray, middle: int) -> None:
    """Outline the 3×3 patch around a node of a map of a regular grid, degrees."""
    row, column = divmod(middle, len(lon))
    high, wide = abs(lat[1] - lat[0]), lon[1] - lon[0]
    corner = (lon[column] - 1.5 * wide, lat[row] - 1.5 * high)
    ax.add_patch(
        Rectangle(corner, 3 * wide, 3 * high, fill=False, edgecolor="#d55e00", linewidth=2)
    )
