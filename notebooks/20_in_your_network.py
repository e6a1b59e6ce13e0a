# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # LS-Conv in your network
#
# **Two more lines turn a convolution of your network into LS-Conv: a graph for the network, and its product once a
# forward pass. Whether that helps is yours to measure; on this book's data it is not seen to.**
#
# :::{div} page-head
# **You will see** a PyTorch network before and after, its shapes, and what it costs. **You should know** PyTorch.
# {sub-ref}`wordcount-minutes` min. On data of yours:
# `papermill notebooks/20_in_your_network.ipynb mine.ipynb -p dataset my.nc`
# :::

# %% tags=["parameters", "hide-input"]
dataset = "synthetic"  # or a file of your own
embedding = 16  # numbers that describe a node in the graph
seed = 0

# %% tags=["hide-cell"]
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import LogNorm
from torch import nn

import lsntp
from lsntp import figures
from lsntp.chapters import parameters
from lsntp.model.convlstm import ConvLSTMCell, ConvLSTMLayer
from lsntp.data.distances import grid_nodes

sys.path.insert(0, str(Path(lsntp.__file__).parents[1]))  # the checkout
from benchmarks import scale, store

figures.style()
field = lsntp.open_dataset(parameters.in_your_network(dataset, embedding, seed))
frames = torch.from_numpy(field.values[:8, None])  # (B, C, H, W), K
x = (frames - frames.mean()) / frames.std()


# %%
class WithLSConv(nn.Module):
    def __init__(self, height, width):
        super().__init__()
        self.graph = lsntp.AdaptiveGraph(height * width, embedding)  # new
        self.first = lsntp.LSConv(1, 16)  # was nn.Conv2d(1, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x):
        adjacency = self.graph.adjacency()  # new
        return x + self.last(torch.relu(self.first(x, adjacency)))


# %% tags=["hide-cell"]
# | prompt: The same before
class Before(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x):
        return x + self.last(torch.relu(self.first(x)))


torch.manual_seed(seed)
before, after = Before(), WithLSConv(*x.shape[-2:])
middle = x.shape[-2] // 2, x.shape[-1] // 2

# %% tags=["hide-input"]
# | alt: Two maps of what one output cell depends on. Before, a square of five by five cells; after, every cell of the grid.
# | caption: "What the cell in the middle of the output depends on: absolute derivative by each cell of the input, of both networks as they start. Before, white cells have none. After, each has a little: the graph starts almost even, and training makes it choose."
reach, one = {}, x[:1].requires_grad_()
for name, net in {"before: convolutions": before, "after: LS-Conv": after}.items():
    (slope,) = torch.autograd.grad(net(one)[0, 0][middle], one)
    reach[name] = slope[0, 0].abs()
figure, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 2.6))
for ax, (name, cells) in zip(axes, reach.items(), strict=True):
    shown = field[0].copy(data=cells).where(lambda a: a > 0)
    norm = LogNorm(1e-5, 1)
    figures.field_map(shown, ax, title=name, norm=norm, label="derivative")

# %% [markdown]
# ## Shapes
#
# | | shape | |
# |---|---|---|
# | input | `(B, C, H, W)` | as of `Conv2d` |
# | embedding | `(H·W, E)` | learned; it belongs to this grid and goes into `state_dict()` |
# | adjacency | `(H·W, H·W)` | row *i* says how much cell *i* takes from each; rows sum to 1 |
# | output | `(B, F, H, W)` | same grid; zeros beyond the edge |
#
# One adjacency serves all LS-Convs of a forward pass. Channels, kernel, `.to("cuda")`, autocast, DDP and
# `state_dict()` are as of any module ({class}`lsntp.LSConv`, {class}`lsntp.AdaptiveGraph`).
#
# ## What it costs
#
# The graph's product joins each cell with each. Up to some thousand cells the adjacency is held as a matrix, beyond it is
# gone over in tiles, with the same result ({func}`lsntp.graph_product`).

# %% tags=["hide-input"]
# | alt: Time and memory of the graph's product against the number of cells; tiled needs less of both, and memory that grows with cells, not with their square.
# | caption: "Forward and backward pass of one product, 64 channels, E = 64, two threads. Each point is a measurement ({doc}`13_speed_and_scale` says how, and on which processor). In use: held as a matrix left of the dotted line, tiled right of it."
record = store.load("scale-amd-epyc-2threads")
steps = scale.table(record).query("task == 'step'")
figure, axes = plt.subplots(1, 2, figsize=(figures.WIDTH, 3))
labels = {"median_s": "time (s)", "peak_memory_mib": "memory (MiB)"}
for ax, (value, label) in zip(axes, labels.items(), strict=True):
    for (method, rows), marker in zip(steps.groupby("method"), "os", strict=True):
        ax.loglog(rows["nodes"], rows[value], marker, ls="-", label=method)
    ax.axvline(lsntp.model.product.DENSE_UP_TO, color="0.5", ls=":")
    ax.set(xlabel="cells of the grid", ylabel=label)
axes[0].legend()
plt.show()

# %% tags=["hide-input"]
chosen = steps["method"].eq("tiled") == steps["nodes"].gt(
    lsntp.model.product.DENSE_UP_TO
)
globe = {16_200: "globe at 2°", 64_800: "globe at 1°"}
costs = steps[chosen].set_index("nodes")[["median_s", "peak_memory_mib"]]
costs = costs.rename(columns=labels).rename_axis("cells")
costs.insert(0, "such as", [globe.get(n, "") for n in costs.index])
costs.round(3)

# %% [markdown]
# A recurrent network pays this price at every step, a U-Net only where its grid is coarse. So start with the coarsest layer.
#
# ## In a recurrent cell
#
# {class}`~lsntp.model.convlstm.ConvLSTMCell` is given its operator. With LS-Conv it is LS-NTP's:

# %%
hidden, grid = 8, tuple(x.shape[-2:])
cell = ConvLSTMCell(lsntp.LSConv(1 + hidden, 4 * hidden), hidden, peephole=grid)
states, last = ConvLSTMLayer(cell)(x[None], None, after.graph.adjacency())
states.shape  # (B, T, F, H, W)

# %% [markdown]
# ## Only near cells, only the strongest
#
# A graph may be cut by distance, and a trained one be kept as its strongest links alone:

# %%
near = lsntp.DistanceCut(*grid_nodes(field), km=1000)
cut = lsntp.AdaptiveGraph(field[0].size, embedding, cut=near)
fast = lsntp.StrongestLinks(after.graph.embedding, links=16)
(fast @ torch.randn(field[0].size, 3)).shape

# %% [markdown]
# ## Is it worth it?
#
# Train your network with LS-Conv, and once more with `lagc=False, nsa=False`: that is a convolution with the same start.
# Compare over several seeds. {doc}`05_ablation` does so for LS-NTP, {doc}`15_tuned` for a stronger network.
#
# ## Limits
#
# - The embedding is of one grid. Another grid needs another graph and training from the start.
# - Beyond the edge are zeros: a globe does not wrap round in the convolution; in the graph it does.
# - `torch.func` (`vmap`, `jacrev`) does not go through the graph's product; `torch.autograd` does.
# - The price was measured on a processor, not on a GPU.

# %% tags=["hide-cell"]
# | prompt: Checks
square = reach["before: convolutions"].numpy() > 0
rows, columns = np.nonzero(square)
assert len(rows) == 25 and np.ptp(rows) == np.ptp(columns) == 4
assert (reach["after: LS-Conv"] > 0).all()
plain = lsntp.LSConv(1, 16, lagc=False, nsa=False)
plain.lsi.load_state_dict(before.first.state_dict())
torch.testing.assert_close(plain(x), before.first(x))
assert after(x).shape == before(x).shape == x.shape
assert "graph.embedding" in after.state_dict()
tiled = lsntp.graph_product(after.graph.embedding, x[0, 0].reshape(-1, 1), "tiled")
torch.testing.assert_close(tiled, after.graph() @ x[0, 0].reshape(-1, 1))
assert costs.index.is_monotonic_increasing and costs["memory (MiB)"].max() < 1024
removed = cut() == 0
assert removed.any() or max(field.sizes["lat"], field.sizes["lon"]) < 10
