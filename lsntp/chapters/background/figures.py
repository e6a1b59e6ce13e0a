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


def matrices(named: Mapping[str, Tensor]) -> np.ndarray:
    """Draw small matrices with their numbers side by side.

    Parameters
    ----------
    named : title -> Tensor of two dimensions.

    Returns
    -------
    axes : array (1, matrices) of Axes.
    """
    axes = panels(1.9, 1, len(named), width_ratios=[m.shape[1] for m in named.values()])
    for ax, (title, values) in zip(axes[0], named.items(), strict=True):
        matrix(ax, values.numpy(), title)
    return axes


def squares(
    ax: Axes, left: float, top: float, count: int, cell: float = 1.0, **options: Any
) -> None:
    """Draw ``count`` × ``count`` cells whose upper left corner is (left, top)."""
    for i, j in np.ndindex(count, count):
        ax.add_patch(Rectangle((left + j * cell, top + i * cell), cell, cell, **options))


def placements(ax: Axes, size: int, kernel: int, stride: int, padding: int) -> None:
    """Draw a grid, the kernel's first two places on it and the output they go to."""
    padded = size + 2 * padding
    output = (padded - kernel) // stride + 1
    start, middle, right = 1 - padding, 1 + size / 2, size + 4.0
    squares(ax, start, start, padded, facecolor="none", edgecolor="0.6", linestyle=":")
    squares(ax, 1, 1, size, facecolor="#cfe3f3", edgecolor="white")
    top = middle - output / 2
    squares(ax, right, top, output, facecolor="#cfe3f3", edgecolor="white")
    for step, (colour, line) in enumerate(((COLOURS[1], "-"), (COLOURS[2], "--"))):
        style: dict[str, Any] = {"fill": False, "color": colour, "linestyle": line, "linewidth": 2}
        inset = 0.12 * step
        for left, upper, side in (
            (start + step * stride, start, kernel),
            (right + step, top, 1),
        ):
            corner = left + inset, upper + inset
            ax.add_patch(Rectangle(corner, side - 2 * inset, side - 2 * inset, **style))
    arrow = {"arrowstyle": "-|>", "color": "0.4"}
    ax.annotate("", xy=(right - 0.3, middle), xytext=(size + 2.2, middle), arrowprops=arrow)
    ax.set(xlim=(-0.3, 2 * size + 4.3), ylim=(size + 2.3, -0.3), aspect="equal")
    bare(ax, f"stride {stride}, padding {padding}:\n{size}×{size} → {output}×{output}")


def output_channels(ax: Axes, channels: int, outputs: int, kernel: int) -> None:
    """Draw a stack of input channels, one kernel for each output channel, and the outputs."""
    shades = ("#f4b9a0", "#b9dfb0", "#b5cbe8")
    arrow = {"arrowstyle": "-|>", "color": "0.4"}
    middle = outputs * 1.5 - 0.25
    for c in reversed(range(channels)):
        face = {"facecolor": shades[c % len(shades)], "edgecolor": "white"}
        squares(ax, 0.4 * c, middle - 2.6 + 0.4 * c, 5, 0.9, **face)
        for f in range(outputs):
            squares(ax, 8 + 0.25 * c, 3 * f + 0.25 * c, kernel, 0.6, **face)
    for f in range(outputs):
        colour = COLOURS[f % len(COLOURS)]
        tip = 3 * f + 1.2
        squares(ax, 13, 3 * f, 5, 0.5, facecolor=colour, edgecolor="white", alpha=0.7)
        ax.annotate("", xy=(7.8, tip), xytext=(5.8, middle), arrowprops=arrow)
        ax.annotate("", xy=(12.8, tip), xytext=(10.5, tip), arrowprops=arrow)
    bottom = 3 * outputs + 0.2
    for x, text in (
        (2.7, f"{channels} input\nchannels"),
        (9.2, f"{outputs} kernels,\n{channels}×{kernel}×{kernel} each"),
        (14.3, f"{outputs} output\nchannels"),
    ):
        ax.text(x, bottom, text, ha="center", va="top", fontsize=11)
    ax.set(xlim=(-0.5, 16.5), ylim=(bottom + 2.1, -0.3), aspect="equal")
    bare(ax)


def convolution_geometry(
    size: int = 5, kernel: int = 3, channels: int = 3, outputs: int = 3
) -> dict[str, Axes]:
    """Draw what stride, padding and output channels do to a small grid.

    Parameters
    ----------
    size, kernel : int
        Rows and columns of the grid and of the kernel, cells.
    channels, outputs : int
        C and F.

    Returns
    -------
    axes : ``"s p"`` (stride and padding) or ``"channels"`` -> Axes.
    """
    _, axes = plt.subplot_mosaic(
        [["1 0", "2 0"], ["1 1", "2 1"], ["channels", "channels"]],
        figsize=(WIDTH_INCHES, 6.2),
        height_ratios=[1, 1, 1.5],
        layout="constrained",
    )
    for name, ax in axes.items():
        if name == "channels":
            output_channels(ax, channels, outputs, kernel)
        else:
            stride, padding = map(int, name.split())
            placements(ax, size, kernel, stride, padding)
    return axes


def feature_maps(maps: Sequence[Tensor], columns: int = 4) -> np.ndarray:
    """Draw, layer by layer, the feature maps of largest variance.

    Parameters
    ----------
    maps : sequence of Tensors (C, H', W'), the shallowest layer first.
    columns : int
        Maps shown a layer.

    Returns
    -------
    axes : array (layers, columns) of Axes.
    """
    axes = panels(1.35 * len(maps) + 0.2, len(maps), columns)
    axes[0, 0].figure.set_facecolor("white")
    for depth, (layer, row) in enumerate(zip(maps, axes, strict=True), start=1):
        strongest = layer.flatten(1).var(dim=1).argsort(descending=True)
        for channel, ax in zip(strongest.tolist(), row, strict=False):
            ax.imshow(layer[channel].numpy(), cmap="gray")
            bare(ax)
        row[0].set_ylabel(
            f"layer {depth}\n{layer.shape[1]}×{layer.shape[2]}×{layer.shape[0]}", fontsize=10
        )
    return axes


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
    axes[0, 0].figure.set_facecolor("white")
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, image) in zip(axes.flat, images.items(), strict=False):
        ax.imshow(image.clamp(0, 1).numpy())
        ax.set_title(title, fontsize=11)
    return axes


def nodes_and_edges(ax: Axes, adjacency: np.ndarray, at: int) -> None:
    """Draw a graph's nodes on a ring; the node ``at`` and the edges into it are highlighted."""
    angle = 2 * np.pi * np.arange(len(adjacency)) / len(adjacency)
    x, y = np.sin(angle), -np.cos(angle)
    for n, m in np.argwhere(np.triu(adjacency, 1)):
        near = at in (n, m)
        colour, width = (HIGHLIGHT, 2.5) if near else ("0.6", 1.2)
        ax.plot(x[[n, m]], y[[n, m]], color=colour, linewidth=width, zorder=1)
    for n in range(len(adjacency)):
        edge = HIGHLIGHT if n == at else "0.4"
        ax.plot(x[n], y[n], "o", color="#cfe3f3", markersize=19, markeredgecolor=edge)
        ax.text(x[n], y[n], str(n), ha="center", va="center", fontsize=10)
    ax.set(xlim=(-1.4, 1.4), ylim=(1.4, -1.4), aspect="equal")


def graph_as_product(adjacency: Tensor, features: Tensor, weight: Tensor, at: int) -> np.ndarray:
    """Draw a small graph and one graph convolution on it as two matrix products.

    Parameters
    ----------
    adjacency : Tensor of shape (N, N).
    features, weight : Tensors of shape (N, C) and (C, F).
    at : int
        The node to highlight, 0 ... N - 1.

    Returns
    -------
    axes : array (1, 5) of Axes.
    """
    nodes, (c, f) = len(adjacency), weight.shape
    mixed = adjacency @ features @ weight
    axes = panels(2.0, 1, 5, width_ratios=[nodes + 1, nodes, c + 0.6, f + 0.6, f + 0.6])
    nodes_and_edges(axes[0, 0], adjacency.numpy(), at)
    bare(axes[0, 0], "graph")
    matrix(axes[0, 1], adjacency.numpy(), "A", outline(0, at, nodes, 1))
    matrix(axes[0, 2], features.numpy(), "× H")
    for neighbour in adjacency[at].nonzero().flatten().tolist():
        axes[0, 2].add_patch(outline(0, neighbour, c, 1))
    matrix(axes[0, 3], weight.numpy(), "× W")
    matrix(axes[0, 4], mixed.numpy(), "= A H W", outline(0, at, f, 1))
    return axes


def rebuilt_graphs(graphs: Mapping[str, Tensor]) -> np.ndarray:
    """Draw adjacency matrices side by side, in one scale of colours.

    Parameters
    ----------
    graphs : title -> Tensor of shape (N, N).

    Returns
    -------
    axes : array (1, graphs) of Axes.
    """
    axes = panels(2.3, 1, len(graphs))
    largest = max(abs(a).max().item() for a in graphs.values())
    for ax, (title, values) in zip(axes[0], graphs.items(), strict=True):
        drawn = ax.imshow(values.numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest)
        bare(ax, title)
    bar = axes[0, 0].figure.colorbar(drawn, ax=axes, location="bottom", aspect=40, pad=0.02)
    bar.set_label("strength of the edge", fontsize=10)
    return axes


def recurrence(steps: int = 4) -> Axes:
    """Draw a recurrent network unrolled in time; gives the Axes."""
    ax = panels(1.9)[0, 0]
    arrow = {"arrowstyle": "-|>", "color": "0.4", "shrinkA": 0, "shrinkB": 0}
    for t in range(steps):
        left = 2.0 * t
        ax.add_patch(Rectangle((left, 0), 1.1, 0.8, facecolor="#cfe3f3", edgecolor="0.4"))
        ax.text(left + 0.55, 0.4, "W, b", ha="center", va="center", fontsize=11)
        ax.annotate("", xy=(left + 0.55, 0), xytext=(left + 0.55, -0.55), arrowprops=arrow)
        ax.text(left + 0.55, -0.62, f"$x_{t + 1}$", ha="center", va="top", fontsize=12)
        ax.annotate("", xy=(left + 0.55, 1.35), xytext=(left + 0.55, 0.8), arrowprops=arrow)
        ax.text(left + 0.55, 1.4, f"$h_{t + 1}$", ha="center", va="bottom", fontsize=12)
        state = arrow | {"color": HIGHLIGHT, "linewidth": 2}
        ax.annotate("", xy=(left, 0.4), xytext=(left - 0.9, 0.4), arrowprops=state)
        ax.text(left - 0.45, 0.5, f"$h_{t}$", ha="center", color=HIGHLIGHT, fontsize=12)
    ax.set(xlim=(-1, 2.0 * steps - 0.8), ylim=(-1.1, 1.9), aspect="equal")
    bare(ax)
    return ax


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
    axes = panels(4.4, 2, 1, sharex=True)
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
