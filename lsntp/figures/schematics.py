"""Schematics of LS-Conv and of LS-NTP in one style: grids, graphs and boxes, few words.

Blue is what a cell takes from its neighbours, orange what comes from afar, by learned weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from lsntp.figures.style import WIDTH

NARROW = 5.6  # inches; its smallest type is legible at the width of a phone
NEAR, FAR, INK, GRID = "#0072b2", "#d55e00", "#444444", "#9a9a9a"
NEAR_LIGHT, FAR_LIGHT, PLAIN = "#cfe3f1", "#f7dccb", "#eeeeee"
OFFSETS = (
    ("#56b4e9", "#0072b2", "#004c78"),
    ("#8fd4bd", "#009e73", "#006b4e"),
    ("#f6c26b", "#e69f00", "#a87400"),
)
"""A colour for each of the nine offsets of a 3×3 kernel, by row and column."""

Cell = tuple[int, int]
Point = tuple[float, float]


def convolution_and_lsconv() -> np.ndarray:
    """Draw what one output cell reads: of a convolution, and of LS-Conv.

    Returns
    -------
    array of Axes (2,), one a row
    """
    rows, columns, at, gap = 7, 9, (3, 4), 13.0
    block = [(i, j) for i in range(2, 5) for j in range(3, 6)]
    weights = {(0, 0): 1.0, (1, 7): 0.55, (6, 1): 0.75, (5, 8): 0.9, (0, 5): 0.4}
    heard = {(0, 0): (2, 3), (1, 7): (3, 5), (6, 1): (4, 3), (5, 8): (4, 5), (0, 5): (2, 4)}
    titles = (
        "Convolution: an output cell reads its neighbours",
        "LS-Conv: each of these cells first listens to every cell,\nby a learned weight",
    )
    _, axes = plt.subplots(2, 1, figsize=(WIDTH, 6.6))
    for ax, title, far in zip(axes, titles, (False, True), strict=True):
        if far:
            ax.add_patch(Rectangle((0, 0), columns, rows, facecolor=FAR_LIGHT, alpha=0.45))
            for place, weight in weights.items():
                shade(ax, place, FAR)
                arc(ax, centre(place), centre(heard[place]), 1.2 + 3.3 * weight)
        grid(ax, rows, columns, fill=dict.fromkeys(block, NEAR))
        grid(ax, rows, columns, left=gap, fill={at: INK})
        for i in (0, 1):
            link(ax, (6, 2 + 3 * i), (gap + at[1], at[0] + i), GRID, 1.4)
        frame(ax, (3, 2), 3, 3)
        ax.set_title(title, fontsize=14, loc="left", pad=8)
        for x, name in ((0, "input"), (gap, "output")):
            ax.text(x + columns / 2, rows + 0.25, name, ha="center", va="top", fontsize=13)
        ax.set(xlim=(-0.2, gap + columns + 0.2), ylim=(rows + 1.1, -0.2), aspect="equal")
        ax.set_axis_off()
    return np.asarray(axes)


def overview(ax: Axes | None = None) -> Axes:
    """Draw LS-Conv as a flow of three parts, its equation under each."""
    ax = ax or plt.subplots(figsize=(NARROW, 3.0))[1]
    size, left = 4, (0.0, 6.6, 13.2)
    fields = np.random.default_rng(4).uniform(0.05, 0.85, (size, size))
    attention = np.random.default_rng(7).uniform(0.25, 1, (size, size))
    for i in range(size):
        for j in range(size):
            strength = fields[i, j] * attention[i, j]
            shade(ax, (i, j), NEAR, alpha=strength, left=left[0])
    grid(ax, size, size, left=left[0])

    nodes = [(7.6 + 2.0 * (k % 2) + 0.3 * (k // 2 % 2), 0.35 + 1.1 * (k // 2)) for k in range(8)]
    nodes = [(x if k % 2 else x - 0.8, y) for k, (x, y) in enumerate(nodes)]
    links = {(0, 7): 4.0, (1, 4): 2.0, (3, 6): 3.2, (2, 5): 1.0, (0, 3): 1.5, (5, 6): 1.2}
    for (one, other), width in links.items():
        ax.plot(*zip(nodes[one], nodes[other], strict=True), color=FAR, linewidth=width, zorder=2)
    for node in nodes:
        ax.add_patch(Circle(node, 0.27, facecolor="white", edgecolor=INK, linewidth=1.4, zorder=3))

    colours = {(i, j): OFFSETS[i][j] for i in range(3) for j in range(3)}
    for (i, j), colour in colours.items():
        corner = (left[2] + 4 / 3 * j, 4 / 3 * i)
        ax.add_patch(Rectangle(corner, 4 / 3, 4 / 3, facecolor=colour, edgecolor="white"))
    frame(ax, (left[2], 0), 4, 4)
    for start in (left[0] + 4.4, left[1] + 4.4):
        arrow(ax, (start, 2), (start + 1.9, 2), width=2.2)
    texts = (
        ("NSA: weigh each cell", r"$X = \sigma(\mathrm{net}(\mathcal{X})) \circ \mathcal{X}$"),
        ("LAGC: listen afar", r"$L = (I + A)\,X$"),
        ("LSI: read neighbours", r"$\Sigma_{pq}\; L\,\Theta_{pq}$"),
    )
    for x, (name, equation) in zip(left, texts, strict=True):
        head, _, rest = name.partition(": ")
        ax.text(x + 2, -1.35, head, ha="center", fontsize=15, fontweight="bold")
        ax.text(x + 2, -0.4, rest, ha="center", fontsize=12)
        ax.text(x + 2, 4.9, equation, ha="center", va="center", fontsize=13)
    notes = (
        r"$\mathcal{X}$: input",
        r"$A = \mathrm{softmax}(\mathrm{relu}(EE^\top))$",
        "a colour an\noffset $p, q$",
    )
    for x, note in zip(left, notes, strict=True):
        ax.text(x + 2, 5.6, note, ha="center", va="top", fontsize=12)
    ax.set(xlim=(-1.3, 18.5), ylim=(7.1, -2.3), aspect="equal")
    ax.set_axis_off()
    return ax


def integrator(ax: Axes | None = None) -> Axes:
    """Draw how LSI picks, for each offset of the kernel, its row of the graph-convolved field."""
    ax = ax or plt.subplots(figsize=(NARROW, 3.7))[1]
    rows, columns, at = 4, 5, (1, 2)
    picked = {(at[0] + p, at[1] + q): OFFSETS[p + 1][q + 1] for p in (-1, 0, 1) for q in (-1, 0, 1)}
    grid(ax, rows, columns, top=3, fill=picked)
    frame(ax, (at[1], 3 + at[0]), 1, 1)
    ax.text(columns / 2, 2.6, r"field, $H \times W$", ha="center", fontsize=12)

    high, wide, left, channels = 0.5, 0.5, 7.0, 4
    for n in range(rows * columns):
        colour = picked.get(divmod(n, columns), "none")
        for c in range(channels):
            corner = (left + wide * c, high * n)
            ax.add_patch(Rectangle(corner, wide, high, facecolor=colour, edgecolor=GRID, lw=0.8))
    ax.text(left + wide * channels / 2, -0.4, r"$L$, $N \times C$", ha="center", fontsize=13)
    arrow(ax, (columns + 0.2, 5), (left - 0.2, 5), width=2)
    ax.text((columns + left) / 2, 4.6, "rows", ha="center", fontsize=12)

    step, theta, total = 10 / 9, 10.4, (15.0, 5.0)
    for k, ((i, j), colour) in enumerate(picked.items()):
        y, n = step * (k + 0.5), i * columns + j
        link(ax, (left + wide * channels, high * (n + 0.5)), (theta, y), colour, 2)
        name = rf"$\Theta_{{{i - at[0]}\,{j - at[1]}}}$"
        box(ax, (theta + 1.1, y), name, "white", (2.2, 0.94), edge=colour, width=3)
        link(ax, (theta + 2.2, y), (total[0] - 0.5, total[1]), colour, 2)
    ax.text(theta + 1.1, -0.4, "weigh", ha="center", fontsize=13)
    ax.add_patch(Circle(total, 0.6, facecolor="white", edgecolor=INK, linewidth=1.6, zorder=5))
    ax.text(*total, "+", ha="center", va="center", fontsize=18, color="black", zorder=6)
    ax.text(total[0], -0.4, "add", ha="center", fontsize=13)
    arrow(ax, (total[0] + 0.6, total[1]), (total[0] + 1.7, total[1]), width=2)
    shade(ax, (0, 0), INK, left=total[0] + 1.8, top=total[1] - 0.5)
    ax.text(total[0] + 2.3, total[1] + 1.2, "output\ncell", ha="center", va="center", fontsize=12)
    ax.set(xlim=(-0.2, total[0] + 3.4), ylim=(10.2, -1.3), aspect="equal")
    ax.set_axis_off()
    return ax


def cell(ax: Axes | None = None) -> Axes:
    """Draw ConvLSTM's cell, the operator that LS-NTP swaps marked."""
    ax = ax or plt.subplots(figsize=(6.6, 3.1))[1]
    gates = {"$f$": 5.0, "$i$": 6.6, r"$\tilde{C}$": 8.2, "$o$": 9.8}
    low, gate, high = 0.6, 2.6, 4.6
    ax.add_patch(
        FancyBboxPatch(
            (1.5, -0.3),
            10.8,
            6.1,
            boxstyle="round,pad=0,rounding_size=0.3",
            facecolor="none",
            edgecolor=GRID,
            linewidth=1.5,
        )
    )
    arrow(ax, (0.1, low), (1.8, low))
    ax.text(0.0, low, "$X_t$,\n$H_{t-1}$", ha="right", va="center", fontsize=14)
    box(ax, (3.05, low), r"LS-Conv $\star$", FAR_LIGHT, (2.5, 0.9), edge=FAR, width=3)
    ax.text(3.05, low + 0.72, "in place of $*$", ha="center", fontsize=12, color=FAR)
    ax.plot([4.3, gates["$o$"]], [low, low], color=INK, linewidth=1.6, zorder=1)
    for name, x in gates.items():
        arrow(ax, (x, low), (x, gate - 0.4))
        colour = PLAIN if "tilde" in name else NEAR_LIGHT
        box(ax, (x, gate), name, colour, (1.0, 0.8))
        squash = r"$\tanh$" if "tilde" in name else r"$\sigma$"
        ax.text(x + 0.12, low + 0.62, squash, ha="left", va="center", fontsize=12)

    arrow(ax, (0.1, high), (4.72, high))
    ax.text(0.0, high, "$C_{t-1}$", ha="right", va="center", fontsize=14)
    node(ax, (5.0, high), r"$\circ$")
    arrow(ax, (5.0, gate + 0.4), (5.0, high - 0.28))
    middle = 3.6
    node(ax, (7.4, middle), r"$\circ$")
    for x in (6.6, 8.2):
        ax.plot([x, x], [gate + 0.4, middle], color=INK, linewidth=1.6, zorder=1)
        arrow(ax, (x, middle), (7.12 if x < 7 else 7.68, middle))
    arrow(ax, (5.28, high), (7.12, high))
    node(ax, (7.4, high), "$+$")
    arrow(ax, (7.4, middle + 0.28), (7.4, high - 0.28))
    arrow(ax, (7.68, high), (13.2, high))
    ax.text(13.3, high, "$C_t$", ha="left", va="center", fontsize=14)
    out = 11.4
    node(ax, (out, gate), r"$\circ$")
    arrow(ax, (gates["$o$"] + 0.5, gate), (out - 0.28, gate))
    arrow(ax, (out, high), (out, gate + 0.28))
    ax.text(out - 0.15, 3.75, r"$\tanh$", ha="right", va="center", fontsize=12)
    arrow(ax, (out + 0.28, gate), (13.2, gate))
    ax.text(13.3, gate, "$H_t$", ha="left", va="center", fontsize=14)
    ax.text(1.8, 5.35, "ConvLSTM's cell", ha="left", va="center", fontsize=14, fontweight="bold")
    ax.set(xlim=(-1.3, 14.2), ylim=(-0.5, 6.0), aspect="equal")
    ax.set_axis_off()
    return ax


def encoder_decoder(ax: Axes | None = None) -> Axes:
    """Draw the encoder and decoder of :class:`lsntp.Forecaster`, unrolled over the steps."""
    ax = ax or plt.subplots(figsize=(6.6, 4.2))[1]
    width, height = 0.86, 0.56
    steps = {0: "$X_1$", 1: "…", 2: "$X_T$", 3.5: "$Y_1$", 4.5: "…", 5.5: "$Y_L$"}
    for x, name in steps.items():
        encodes = x < 3
        ax.text(x, 0, name if encodes else "0", ha="center", va="center", fontsize=15)
        for layer in (1, 2):
            bottom = layer - 1 + (height / 2 if layer == 2 else 0.2)
            arrow(ax, (x, bottom), (x, layer - height / 2))
            text = "…" if name == "…" else f"layer {layer + (0 if encodes else 2)}"
            box(ax, (x, layer), text, NEAR_LIGHT if encodes else FAR_LIGHT, (width, height))
            if x not in (2, 5.5):
                arrow(ax, (x + width / 2, layer), (x + 1 - width / 2, layer))
        if not encodes:
            arrow(ax, (x, 2 + height / 2), (x, 3 - height / 2))
            box(ax, (x, 3), "…" if name == "…" else "conv", PLAIN, (width, height))
            arrow(ax, (x, 3 + height / 2), (x, 3.75))
            ax.text(x, 3.95, name, ha="center", va="center", fontsize=15)
    for layer in (1, 2):
        arrow(ax, (2 + width / 2, layer), (3.5 - width / 2, layer), colour=FAR, width=3)
    ax.text(2.75, 1.5, "$H, C$", ha="center", va="center", fontsize=14, color=FAR)
    for x, y, text in ((1, 2.75, "encoder"), (4.5, 4.5, "decoder")):
        ax.text(x, y, text, ha="center", va="center", fontsize=15, fontweight="bold")
    ax.set(xlim=(-0.5, 6), ylim=(-0.25, 4.75))
    ax.set_axis_off()
    return ax


# ---------------------------------------------------------------- what they are made of


def grid(
    ax: Axes,
    rows: int,
    columns: int,
    *,
    left: float = 0,
    top: float = 0,
    fill: Mapping[Cell, str] | None = None,
) -> None:
    """Draw a grid of unit cells, y downwards, with some cells filled."""
    for at, colour in (fill or {}).items():
        shade(ax, at, colour, left=left, top=top)
    for i in range(rows + 1):
        ax.plot([left, left + columns], [top + i] * 2, color=GRID, linewidth=0.9, zorder=2)
    for j in range(columns + 1):
        ax.plot([left + j] * 2, [top, top + rows], color=GRID, linewidth=0.9, zorder=2)


def shade(
    ax: Axes, at: Cell, colour: str, *, alpha: float = 1, left: float = 0, top: float = 0
) -> None:
    """Fill one cell, (row, column), of a grid."""
    corner = (left + at[1], top + at[0])
    ax.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=alpha, linewidth=0, zorder=1))


def frame(ax: Axes, corner: Point, width: float, height: float) -> None:
    """Draw a dark frame."""
    ax.add_patch(
        Rectangle(corner, width, height, fill=False, edgecolor=INK, linewidth=2.2, zorder=4)
    )


def centre(at: Cell) -> Point:
    """Return the middle (x, y) of a cell (row, column)."""
    return at[1] + 0.5, at[0] + 0.5


def arc(ax: Axes, start: Point, end: Point, width: float) -> None:
    """Draw a bent arrow from a far cell."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle="arc3,rad=.18",
            arrowstyle=f"-|>,head_length={3 + width:g},head_width={1.4 + width / 2:g}",
            color=FAR,
            linewidth=width,
            shrinkA=0,
            shrinkB=2,
            zorder=6,
        )
    )


def arrow(ax: Axes, start: Point, end: Point, *, colour: str = INK, width: float = 1.6) -> None:
    """Draw a straight arrow."""
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style)


def link(ax: Axes, start: Point, end: Point, colour: str, width: float) -> None:
    """Draw a line in one colour."""
    ax.plot(*zip(start, end, strict=True), color=colour, linewidth=width, zorder=3)


def box(
    ax: Axes,
    middle: Point,
    text: str,
    colour: str,
    size: tuple[float, float],
    *,
    edge: str = INK,
    width: float = 1.2,
) -> None:
    """Draw a rounded box with a text."""
    corner = (middle[0] - size[0] / 2, middle[1] - size[1] / 2)
    style = "round,pad=0,rounding_size=0.08"
    ax.add_patch(
        FancyBboxPatch(
            corner, *size, boxstyle=style, facecolor=colour, edgecolor=edge, lw=width, zorder=3
        )
    )
    ax.text(*middle, text, ha="center", va="center", fontsize=14, zorder=6)


def node(ax: Axes, middle: Point, text: str) -> None:
    """Draw a small circle with an operation."""
    ax.add_patch(Circle(middle, 0.28, facecolor="white", edgecolor=INK, linewidth=1.4, zorder=3))
    ax.text(*middle, text, ha="center", va="center", fontsize=14, zorder=6)
