"""The talk's background: convolutions and graphs, from their equations (``01_background``).

Written to be read, not to be fast: each function is one equation. Recurrence and attention are in
:mod:`lsntp.chapters.background.sequences`, photographs in :mod:`lsntp.chapters.background.images`.

Where a tensor's shape is written: B batch, C channels, H rows, W columns, N = H·W nodes,
k kernel size, P patches, F output features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
import xarray as xr
from torch import Tensor, nn

ZERO_CELSIUS_K = 273.15


# --- Convolution as a matrix product ------------------------------------------------------------


def im2row(image: Tensor, kernel: int, stride: int = 1, padding: int = 0) -> Tensor:
    """Lay every patch that a kernel meets out as one row of a matrix.

    Parameters
    ----------
    image : Tensor of shape (B, C, H, W).
    kernel, stride, padding : int
        In cells; ``padding`` cells of zeros are added on each side.

    Returns
    -------
    rows : Tensor of shape (B, P, C·k·k), P = H'·W' the positions of the kernel, row by row.

    Raises
    ------
    ValueError
        If the kernel does not fit into the padded image, or a size is out of range.
    """
    if kernel < 1 or stride < 1 or padding < 0:
        raise ValueError(
            f"kernel={kernel}, stride={stride}, padding={padding}: expected at least 1, 1 and 0"
        )
    padded = F.pad(image, (padding,) * 4)
    if kernel > min(padded.shape[-2:]):
        raise ValueError(
            f"kernel={kernel} does not fit into the padded image of {tuple(padded.shape[-2:])} "
            "cells; use a smaller kernel or more padding"
        )
    windows = padded.unfold(2, kernel, stride).unfold(3, kernel, stride)  # (B, C, H', W', k, k)
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def convolve(image: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Convolve by one matrix product, ``Y = im2row(X) Θ``.

    Parameters
    ----------
    image : Tensor of shape (B, C, H, W).
    weight : Tensor of shape (F, C, k, k), as :func:`torch.nn.functional.conv2d` takes it.
    stride, padding : int
        In cells.

    Returns
    -------
    image : Tensor of shape (B, F, H', W').
    """
    kernel = weight.shape[-1]
    rows = im2row(image, kernel, stride, padding)  # (B, P, C·k·k)
    theta = weight.flatten(1).T  # (C·k·k, F)
    height = (image.shape[-2] + 2 * padding - kernel) // stride + 1
    return (rows @ theta).transpose(1, 2).unflatten(2, (height, -1))


# --- Graphs -------------------------------------------------------------------------------------


def shift_matrix(height: int, width: int, down: int, right: int) -> Tensor:
    """Make the graph whose every cell has one edge, to the cell ``(i + down, j + right)``.

    Parameters
    ----------
    height, width : int
        H and W, cells.
    down, right : int
        The shift, cells; an edge that would leave the grid is missing.

    Returns
    -------
    S : Tensor of shape (N, N), zeros and ones; ``S X`` is the field X so shifted.
    """
    rows = torch.diag(torch.ones(height - abs(down)), down)
    columns = torch.diag(torch.ones(width - abs(right)), right)
    return torch.kron(rows, columns)


def grid_adjacency(height: int, width: int, neighbours: int = 8) -> Tensor:
    """Make the graph that joins every cell to its neighbours on the grid.

    Parameters
    ----------
    height, width : int
        H and W, at least 2 cells each.
    neighbours : 4 or 8
        Without or with the diagonal ones.

    Returns
    -------
    A : Tensor of shape (N, N), zeros and ones, symmetric, zero diagonal.
    """
    if neighbours not in (4, 8):
        raise ValueError(f"neighbours={neighbours}: expected 4 or 8")
    if min(height, width) < 2:
        raise ValueError(f"grid of {height}×{width}: expected at least 2×2 cells")
    steps = [(p, q) for p in (-1, 0, 1) for q in (-1, 0, 1) if (p, q) != (0, 0)]
    if neighbours == 4:
        steps = [(p, q) for p, q in steps if p == 0 or q == 0]
    return torch.stack([shift_matrix(height, width, p, q) for p, q in steps]).sum(dim=0)


def normalise(adjacency: Tensor) -> Tensor:
    """Divide every edge by the root of the degrees at its ends: ``D^-1/2 A D^-1/2``.

    Parameters
    ----------
    adjacency : Tensor of shape (N, N), without negative numbers.

    Returns
    -------
    adjacency : Tensor of shape (N, N); a node without edges keeps none.
    """
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1]:
        raise ValueError(f"adjacency of shape {tuple(adjacency.shape)}: expected (N, N)")
    if (adjacency < 0).any():
        raise ValueError(f"adjacency holds {adjacency.min():.3g}: expected no negative number")
    degree = adjacency.sum(dim=1)
    root = torch.where(degree > 0, degree.clamp(min=1e-30).rsqrt(), 0.0)
    return root[:, None] * adjacency * root[None, :]


def gcn_layer(
    adjacency: Tensor,
    features: Tensor,
    weight: Tensor,
    bias: Tensor | float = 0.0,
    activation: Callable[[Tensor], Tensor] = torch.relu,
) -> Tensor:
    """Apply one graph convolution, ``H' = σ(A H W + B)``.

    Parameters
    ----------
    adjacency : Tensor of shape (N, N); row n holds what node n takes from each node.
    features : Tensor of shape (..., N, C), H in the equation.
    weight : Tensor of shape (C, F), shared by all nodes.
    bias : Tensor of shape (F,), or 0.
    activation : callable
        σ.

    Returns
    -------
    features : Tensor of shape (..., N, F).
    """
    return activation(adjacency @ features @ weight + bias)


def gcn_layer_by_node(
    adjacency: Tensor, features: Tensor, weight: Tensor, bias: Tensor | float = 0.0
) -> Tensor:
    """Do the same as :func:`gcn_layer` with σ = relu, one node after the other, to check it.

    ``h'_n = relu(Σ_m a_nm h_m W + b)`` for features of shape (N, C).
    """
    updated = []
    for edges in adjacency:
        message = torch.zeros_like(features[0])
        for strength, neighbour in zip(edges, features, strict=True):
            message = message + strength * neighbour
        updated.append(torch.relu(message @ weight + bias))
    return torch.stack(updated)


class GraphConvolution(nn.Module):
    """:func:`gcn_layer` without σ on the cells of a grid, to be stacked like ``Conv2d``.

    Parameters
    ----------
    adjacency : Tensor of shape (N, N).
    in_channels, out_channels : int
        C and F.
    """

    adjacency: Tensor

    def __init__(self, adjacency: Tensor, in_channels: int = 1, out_channels: int = 1) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency)
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(in_channels, out_channels)))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x`` (B, C, H, W); gives (B, F, H, W)."""
        nodes = x.flatten(2).transpose(1, 2)  # (B, N, C)
        mixed = gcn_layer(self.adjacency, nodes, self.weight, self.bias, activation=nn.Identity())
        return mixed.transpose(1, 2).unflatten(2, x.shape[-2:])


# --- Receptive field ----------------------------------------------------------------------------


def influence(output: Tensor, x: Tensor) -> Tensor:
    """Measure how much each input moves an output: ``|∂(Σ output)/∂x|``, in the shape of ``x``.

    An input that cannot reach the output gives exactly zero.
    """
    return torch.autograd.grad(output.sum(), x, retain_graph=True)[0].abs()


def receptive_fields(
    layers: Mapping[str, nn.Module], size: int, depths: Sequence[int]
) -> xr.DataArray:
    """Stack each layer ``depth`` times (tanh between) and see which cells reach the centre.

    Parameters
    ----------
    layers : name -> module (1, 1, H, W) -> (1, 1, H, W).
    size : int
        Rows and columns of the grid, odd, cells.
    depths : sequence of int
        Numbers of layers to stack.

    Returns
    -------
    influence : DataArray (layer, depth, row, column), the :func:`influence` of every input cell
        on the output at the centre, largest = 1.
    """
    if size % 2 == 0:
        raise ValueError(f"size={size}: expected an odd number, so that there is a central cell")
    x = torch.randn(1, 1, size, size, requires_grad=True)
    fields = np.empty((len(layers), len(depths), size, size))
    for i, layer in enumerate(layers.values()):
        for j, depth in enumerate(depths):
            stack = nn.Sequential(*[layer, nn.Tanh()] * depth)
            field = influence(stack(x)[..., size // 2, size // 2], x)[0, 0]
            fields[i, j] = field / field.max()
    return xr.DataArray(
        fields,
        dims=("layer", "depth", "row", "column"),
        coords={"layer": list(layers), "depth": list(depths)},
        attrs={"long_name": "influence on the central cell", "units": "1"},
    )


# --- Units --------------------------------------------------------------------------------------


def celsius_to_kelvin(celsius: float) -> float:
    """Convert ``K = °C + 273.15``; numbers, arrays and tensors alike."""
    return celsius + ZERO_CELSIUS_K


def kelvin_to_celsius(kelvin: float) -> float:
    """Convert ``°C = K - 273.15``; numbers, arrays and tensors alike."""
    return kelvin - ZERO_CELSIUS_K
