"""Figures of the notebook ``01_background``: five inches wide, to be read on a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from torch import Tensor

WIDTH_INCHES = 5.0
HIGHLIGHT = "#d55e00"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000")
MARKERS = "osD^v"


def panels(height: float, rows: int = 1, columns: int = 1, **options: Any) -> np.ndarray:
    """Axes (rows, columns) of a figure of the common width; ``height`` in inches."""
    _, axes = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH_INCHES, height),
        dpi=144,
        layout="constrained",
        squeeze=False,
        **options,
    )
    return axes


def bare(ax: Axes, title: str = "") -> None:
    """Take ticks and frame away and set a title."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=11)


def matrix(ax: Axes, values: np.ndarray, title: str, chosen: Rectangle | None = None) -> None:
    """Draw a small matrix with its numbers; ``chosen`` is a rectangle to outline."""
    largest = max(abs(values).max(), 1)
    ax.imshow(values, cmap="RdBu_r", vmin=-2.5 * largest, vmax=2.5 * largest)
    for (i, j), value in np.ndenumerate(values):
        ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=9)
    if chosen is not None:
        ax.add_patch(chosen)
    bare(ax, title)


def outline(column: float, row: float, width: float, height: float) -> Rectangle:
    """Outline cells of a matrix, from the cell (row, column)."""
    return Rectangle(
        (column - 0.5, row - 0.5), width, height, fill=False, color=HIGHLIGHT, linewidth=2.5
    )


def convolution_as_product(image: Tensor, kernel: Tensor, rows: Tensor, at: int) -> np.ndarray:
    """Draw a small convolution and, below it, the same as a matrix product.

    Parameters
    ----------
    image, kernel : Tensors of shape (H, W) and (k, k).
    rows : Tensor of shape (P, k·k), the patches of the image as rows.
    at : int
        The patch to highlight, 0 ... P - 1.

    Returns
    -------
    axes : array (2, 3) of Axes.
    """
    k = kernel.shape[0]
    width = image.shape[1] - k + 1
    product = rows @ kernel.flatten()
    i, j = divmod(at, width)
    axes = panels(4.9, 2, 3, height_ratios=[5, 9], width_ratios=[9, 3, 3])
    matrix(axes[0, 0], image.numpy(), "image", outline(j, i, k, k))
    matrix(axes[0, 1], kernel.numpy(), "* kernel", outline(0, 0, k, k))
    matrix(axes[0, 2], product.unflatten(0, (-1, width)).numpy(), "= output", outline(j, i, 1, 1))
    matrix(axes[1, 0], rows.numpy(), "patches as rows", outline(0, at, k * k, 1))
    matrix(axes[1, 1], kernel.flatten()[:, None].numpy(), "× kernel", outline(0, 0, 1, k * k))
    matrix(axes[1, 2], product[:, None].numpy(), "= output", outline(0, at, 1, 1))
    return axes


def feature_maps(image: Tensor, maps: Sequence[Tensor], columns: int = 3) -> np.ndarray:
    """Draw an image and, layer by layer, the maps of largest variance.

    Parameters
    ----------
    image : Tensor of shape (H, W, 3), in [0, 1].
    maps : sequence of Tensors (C, H', W'), the shallowest layer first.
    columns : int
        Maps shown a layer.

    Returns
    -------
    axes : array (1 + layers, columns) of Axes.
    """
    axes = panels(1.9 * (1 + len(maps)), 1 + len(maps), columns)
    for ax in axes[0]:
        ax.axis("off")
    axes[0, columns // 2].imshow(image.numpy())
    axes[0, columns // 2].set_title(f"image, {image.shape[0]}×{image.shape[1]}×3", fontsize=11)
    for depth, (layer, row) in enumerate(zip(maps, axes[1:], strict=True), start=1):
        strongest = layer.flatten(1).var(dim=1).argsort(descending=True)
        for channel, ax in zip(strongest.tolist(), row, strict=False):
            ax.imshow(layer[channel].numpy(), cmap="gray")
            bare(ax, f"channel {channel}")
        row[0].set_ylabel(
            f"layer {depth}\n{layer.shape[1]}×{layer.shape[2]}×{layer.shape[0]}", fontsize=11
        )
    return axes


def loss_curve(losses: Sequence[float]) -> Axes:
    """Draw the training loss against the epoch; gives the Axes."""
    ax = panels(2.6)[0, 0]
    ax.semilogy(range(1, len(losses) + 1), losses, "o-", color=COLOURS[0], markersize=4)
    ax.set(xlabel="epoch", ylabel="mean squared error")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.grid(alpha=0.3, which="both")
    return ax


def reconstructions(images: Mapping[str, Tensor]) -> np.ndarray:
    """Draw images side by side, two a row.

    Parameters
    ----------
    images : title -> Tensor (H, W, 3), in [0, 1]; what lies outside is clipped.

    Returns
    -------
    axes : array (rows, 2) of Axes.
    """
    rows = -(-len(images) // 2)
    axes = panels(2.7 * rows, rows, 2)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, image) in zip(axes.flat, images.items(), strict=False):
        ax.imshow(image.clamp(0, 1).numpy())
        ax.set_title(title, fontsize=11)
    return axes


def neighbourhoods(kernel: Tensor, own: float, shared: float) -> np.ndarray:
    """Draw what a 3×3 convolution and a GCN layer ask of a cell's neighbourhood.

    Parameters
    ----------
    kernel : Tensor of shape (3, 3), the weights of the convolution.
    own, shared : float
        The GCN's weight of the cell itself and of each neighbour.

    Returns
    -------
    axes : array (1, 2) of Axes.
    """
    graph = np.full((3, 3), shared)
    graph[1, 1] = own
    axes = panels(2.9, 1, 2)
    for ax, weights, title in zip(
        axes[0],
        (kernel.numpy(), graph),
        ("convolution: a weight\nfor each direction", "GCN: one weight for\nall neighbours"),
        strict=True,
    ):
        for (i, j), weight in np.ndenumerate(weights):
            colour = plt.get_cmap("RdBu_r")(0.5 + weight / 8)
            if (i, j) != (1, 1):
                arrow = {"arrowstyle": "-|>", "color": "0.4", "shrinkA": 16, "shrinkB": 19}
                ax.annotate("", xy=(1, 1), xytext=(j, i), arrowprops=arrow)
            ax.plot(j, i, "o", color=colour, markersize=32, markeredgecolor="0.3")
            ax.text(
                j, i, f"{weight:+.0f}" if weight else "0", ha="center", va="center", fontsize=12
            )
        ax.set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), aspect="equal")
        bare(ax, title)
    return axes


def receptive_fields(fields: xr.DataArray) -> np.ndarray:
    """Draw the influence of every cell on the central one; white is exactly none.

    Parameters
    ----------
    fields : DataArray (layer, depth, row, column), largest = 1.

    Returns
    -------
    axes : array (layers, depths) of Axes.
    """
    layers, depths = fields.sizes["layer"], fields.sizes["depth"]
    axes = panels(1.5 * layers + 0.8, layers, depths)
    for row, layer in zip(axes, fields["layer"].values, strict=True):
        for ax, depth in zip(row, fields["depth"].values, strict=True):
            field = fields.sel(layer=layer, depth=depth)
            drawn = ax.imshow(
                field.where(field > 0), norm=LogNorm(1e-4, 1, clip=True), cmap="viridis_r"
            )
            ax.set(xticks=[], yticks=[])
            if layer == fields["layer"].values[0]:
                ax.set_title(f"{depth} layer{'s' if depth > 1 else ''}", fontsize=11)
        row[0].set_ylabel(layer.replace(", ", ",\n"), fontsize=10)
    bar = axes[0, 0].figure.colorbar(drawn, ax=axes, location="bottom", aspect=40, pad=0.02)
    bar.set_label("influence on the central cell (largest = 1)", fontsize=10)
    return axes


def receptive_growth(fields: xr.DataArray) -> Axes:
    """Draw the number of cells that reach the central one against the depth; gives the Axes."""
    ax = panels(3.6)[0, 0]
    cells = (fields > 0).sum(("row", "column"))
    for number, layer in enumerate(cells["layer"].values):
        ax.plot(
            cells["depth"],
            cells.sel(layer=layer),
            marker=MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            markersize=10 if number % 2 else 5,  # open markers around what they would hide
            markerfacecolor="none" if number % 2 else None,
            linestyle="--" if number % 2 else "-",
            label=layer,
        )
    ax.set(xlabel="layers stacked", ylabel="cells seen", yscale="log")
    ax.set_xticks(cells["depth"].values)
    ax.grid(alpha=0.3)
    ax.figure.legend(loc="outside lower center", ncols=2, fontsize=10, frameon=False)
    return ax


def sequence_costs(costs: pd.DataFrame) -> np.ndarray:
    """Draw operations (counted) and wall time (measured here) against the sequence's length.

    Parameters
    ----------
    costs : DataFrame of :func:`lsntp.chapters.background.sequences.sequence_costs`.

    Returns
    -------
    axes : array (2, 1) of Axes.
    """
    axes = panels(5.6, 2, 1, sharex=True)
    for column, label, ax in (
        ("operations", "operations, counted", axes[0, 0]),
        ("seconds", "wall time, s, measured", axes[1, 0]),
    ):
        for number, (model, group) in enumerate(costs.groupby("model", sort=False)):
            ax.loglog(
                group["length"],
                group[column],
                marker=MARKERS[number],
                color=COLOURS[number],
                label=model,
            )
        ax.set_ylabel(label)
        ax.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=10)
    axes[1, 0].set_xlabel("length of the sequence, steps")
    axes[1, 0].set_xticks(costs["length"].unique(), [str(n) for n in costs["length"].unique()])
    axes[1, 0].minorticks_off()
    return axes


def influence_over_time(fields: Mapping[str, Tensor]) -> np.ndarray:
    """Draw how much every cell of every input frame moves the central cell of the last output.

    Parameters
    ----------
    fields : model -> Tensor (T, H, W), each scaled here to largest = 1.

    Returns
    -------
    axes : array (models, T) of Axes.
    """
    steps = next(iter(fields.values())).shape[0]
    axes = panels(1.2 * len(fields) + 0.8, len(fields), steps)
    for number, (model, field) in enumerate(fields.items()):
        scaled = (field / field.max()).numpy()
        for step, ax in enumerate(axes[number]):
            drawn = ax.imshow(
                np.where(scaled[step] > 0, scaled[step], np.nan),
                norm=LogNorm(1e-6, 1, clip=True),
                cmap="viridis_r",
            )
            ax.set(xticks=[], yticks=[])
            if number == 0:
                back = steps - 1 - step
                ax.set_title(f"{back} back" if back else "last step", fontsize=11)
        axes[number, 0].set_ylabel(model, fontsize=10)
    bar = axes[0, 0].figure.colorbar(drawn, ax=axes, location="bottom", aspect=40, pad=0.02)
    bar.set_label("influence on the central cell (largest = 1)", fontsize=10)
    return axes


def parameter_growth(counts: pd.DataFrame) -> Axes:
    """Draw the parameters of both models against the cells of the grid; gives the Axes."""
    ax = panels(3.4)[0, 0]
    for number, (column, label) in enumerate(
        (
            ("cnn_then_lstm", "CNN then LSTM"),
            ("convlstm", "ConvLSTM"),
            ("kernels", "ConvLSTM without peepholes"),
        )
    ):
        values = counts["convlstm"] - counts["peepholes"] if column == "kernels" else counts[column]
        ax.loglog(
            counts["cells"], values, marker=MARKERS[number], color=COLOURS[number], label=label
        )
    ax.set(xlabel="cells of the grid, H·W", ylabel="parameters")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=10)
    return ax
