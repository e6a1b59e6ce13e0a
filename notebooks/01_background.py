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
# # Background
#
# **Convolution, graph convolution and attention mix cells by a matrix product. They differ in which cells may
# speak, and in who sets the weights.**
#
# :::{div} page-head
# **You will see** each piece of LS-NTP built in a few lines and checked. **You should know** matrix products
# and a little PyTorch. {sub-ref}`wordcount-minutes` min. With other settings:
# `papermill notebooks/01_background.ipynb mine.ipynb -p seed 1`
# :::

# %% tags=["parameters", "hide-input"]
seed = 0
# rows and columns of the cat's image, pixels; a multiple of 32, at most 256
image_size = 256
epochs = 20  # of the autoencoder
grid = 25  # rows and columns of the receptive-field demonstration, cells; odd
# of the sequences for attention and RNN, steps
lengths = [128, 256, 512, 1024, 2048]

# %% tags=["hide-input"]
# | alt: A small image, a kernel and their convolution; below, the patches of the image as rows of a matrix, times the kernel as one column.
# | caption: "One convolution, drawn twice. Above: the kernel on one patch gives one number. Below: that patch is one row of a matrix, the kernel one column, and the convolution a matrix product. ({func}`~lsntp.chapters.background.figures.convolution_as_product` draws it.)"
import numpy as np
import scipy.signal
import torch
import torch.nn.functional as F
from myst_nb import glue
from torch import nn

from lsntp import figures as book
from lsntp.chapters import background, parameters
from lsntp.chapters.background import figures, sequences
from lsntp.chapters.background import images as photographs
from lsntp.model.graph import adaptive_adjacency

parameters.background(seed, image_size, epochs, grid, lengths)
book.style()
torch.manual_seed(seed)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
exact = {"rtol": 0, "atol": 1e-12}  # "equal" means: to twelve decimals

image = torch.randint(0, 10, (5, 5)).double()
sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
rows = background.im2row(image[None, None], kernel=3)[0]
axes = figures.convolution_as_product(image, sobel, rows, at=5)


# %% [markdown]
# (conv-as-matrix)=
# ## A convolution is a matrix product
#
# $$Y = \mathrm{im2row}(X)\,\Theta$$
#
# With $C$ input channels, a kernel of $k \times k$ cells, $F$ output channels and $P$ patches,
# $\mathrm{im2row}(X)$ is $P \times Ck^2$ and $\Theta$ is $Ck^2 \times F$. From scratch, on a real image,
# against PyTorch:

# %%
def convolve(image, weight, stride=1, padding=0):
    k = weight.shape[-1]
    x = F.pad(image, [padding] * 4)
    patches = x.unfold(2, k, stride).unfold(3, k, stride)  # (B, C, H', W', k, k)
    rows = patches.permute(0, 2, 3, 1, 4, 5).flatten(3)  # (B, H', W', C·k·k)
    return (rows @ weight.flatten(1).T).permute(0, 3, 1, 2)  # (B, F, H', W')


cat = photographs.cat(image_size)
x = cat.permute(2, 0, 1)[None].double()  # (1, 3, H, W)
theta = torch.randn(8, 3, 3, 3)
ours, theirs = convolve(x, theta, padding=1), F.conv2d(x, theta, padding=1)
torch.allclose(ours, theirs, **exact)

# %% tags=["hide-cell"]
for ours in (
    convolve(x, theta, padding=1),
    background.convolve(x, theta, padding=1),
):
    difference = (ours - F.conv2d(x, theta, padding=1)).abs().max().item()
    assert difference < 1e-12, f"im2row and conv2d differ by {difference}"

# %% [markdown]
# PyTorch's own code does the same: on a CPU, in double precision,
# [`slow_conv2d`](https://github.com/pytorch/pytorch/blob/v2.6.0/aten/src/ATen/native/ConvolutionMM2d.cpp)
# copies the patches into the columns of a matrix
# ([`unfolded2d_copy`](https://github.com/pytorch/pytorch/blob/v2.6.0/aten/src/ATen/native/cpu/Unfold2d.cpp))
# and calls one matrix product, `gemm`.
#
# So a convolution is linear, and all it knows of space is *which* cells make up a patch. Choose the
# neighbours in another way and the same product works on a graph.
#
# (cross-correlation)=
# ### "Convolution" is cross-correlation

# %% tags=["hide-input"]
# | alt: A kernel with the numbers one to nine; SciPy's convolution with a single one in an empty image gives the kernel back, PyTorch's gives it turned upside down and left to right.
# | caption: Answers to an image that is zero but for a one in the middle. A mathematician's convolution returns the kernel, PyTorch's returns it flipped. ({func}`~lsntp.chapters.background.figures.matrices` draws it.)
impulse = torch.zeros(5, 5)
impulse[2, 2] = 1
counting = torch.arange(1.0, 10).view(3, 3)
true = torch.from_numpy(scipy.signal.convolve2d(impulse, counting, mode="valid"))
by_torch = F.conv2d(impulse[None, None], counting[None, None])[0, 0]
axes = figures.matrices(
    {"image": impulse, "kernel": counting, "convolve2d": true, "F.conv2d": by_torch}
)

# %%
flipped = sobel.flip(0, 1)
by_scipy = torch.from_numpy(scipy.signal.convolve2d(image, flipped, mode="valid"))
theirs = F.conv2d(image[None, None], sobel[None, None])[0, 0]
torch.allclose(by_scipy, theirs, **exact)

# %% [markdown]
# Networks leave out the flip: what is learned can be learned flipped. We follow them.
#
# (stride-padding-channels)=
# ### Stride, padding, output channels

# %% tags=["hide-input"]
# | alt: Four small grids with a kernel's first two places and the output, for stride one and two and padding zero and one; below, three input channels, three kernels and three output channels.
# | caption: Full and dashed outlines are the kernel's first two places and the cells they fill. Dotted cells are padding. Each output channel has a kernel of its own, which reads all input channels. ({func}`~lsntp.chapters.background.figures.convolution_geometry` draws it.)
axes = figures.convolution_geometry()


# %%
def output_size(size, kernel, stride=1, padding=0):
    return (size + 2 * padding - kernel) // stride + 1


# %% tags=["hide-cell"]
assert torch.equal(true, counting) and torch.equal(by_torch, counting.flip(0, 1))
assert torch.allclose(
    by_scipy, F.conv2d(image[None, None], sobel[None, None])[0, 0], **exact
)
for size, k, stride, padding in np.ndindex(9, 5, 3, 3):
    if padding <= 2 and 1 <= k <= size and stride >= 1:
        y = F.conv2d(
            torch.zeros(1, 3, size, size),
            torch.zeros(4, 3, k, k),
            stride=stride,
            padding=padding,
        )
        side = output_size(size, k, stride, padding)
        assert y.shape == (1, 4, side, side), (size, k, stride, padding)

# %% [markdown]
# (autoencoder)=
# ## An autoencoder learns features without labels

# %% tags=["hide-input", "photograph"]
# | alt: A cat, and the same cat rebuilt from the mean patch, from principal components and from the code of the autoencoder.
# | caption: A photograph that no method has seen, rebuilt patch by patch from a short code. RMSE is the root of the mean squared error; the image runs from 0 to 1. ({func}`~lsntp.chapters.background.figures.reconstructions` draws it.)
train = torch.cat(
    [
        photographs.patches(p, size=32, stride=24)
        for p in photographs.training_photographs()
    ]
)
model, losses = photographs.train_autoencoder(train, epochs, seed)
held_out = photographs.patches(cat, size=32)
with torch.no_grad():
    code_size = model.encoder(held_out).flatten(1).shape[1]
    rebuilt = {
        "mean patch": train.mean(dim=0).expand_as(held_out),
        "PCA": photographs.pca_reconstruction(train, held_out, code_size),
        "autoencoder": model(held_out),
    }
rmse = {name: F.mse_loss(r, held_out).sqrt().item() for name, r in rebuilt.items()}
images = {"original": cat} | {
    f"{name}, RMSE {rmse[name]:.2f}": photographs.assemble(r, image_size // 32)
    for name, r in rebuilt.items()
}
axes = figures.reconstructions(images)

# %% tags=["hide-cell"]
assert losses[-1] < losses[0], "the training loss did not fall"
assert rmse["autoencoder"] < rmse["mean patch"], (
    "the autoencoder learned nothing of use"
)
patch_numbers = held_out[0].numel()
weights_learned = sequences.parameters(model)
weights_pca = (code_size + 1) * patch_numbers
print(f"{len(train)} training patches of {tuple(train.shape[1:])}")
print(f"mean squared error: first epoch {losses[0]:.3f}, last {losses[-1]:.3f}")
for name, error in rmse.items():
    print(f"{name:12s} RMSE {error:.2f}")
print(f"learned numbers: autoencoder {weights_learned}, PCA {weights_pca}")
glue("best_code", min(rmse, key=rmse.get), display=False)
glue("code_size", code_size, display=False)
glue("patch_numbers", patch_numbers, display=False)
glue("weights_learned", weights_learned, display=False)
glue("weights_pca", weights_pca, display=False)

# %% [markdown]
# An encoder $f$ squeezes a patch $x$ into a short code, a decoder $g$ builds it again, and both learn to
# make the error small:
#
# $$z = f(x), \qquad \hat x = g(z), \qquad \min_{f,\,g}\; \overline{(x - \hat x)^2} .$$

# %%
by_two = {"kernel_size": 4, "stride": 2, "padding": 1}
encoder = nn.Sequential(
    *(nn.Conv2d(3, 16, **by_two), nn.ReLU()),  # 32×32 -> 16×16
    *(nn.Conv2d(16, 32, **by_two), nn.ReLU()),  # -> 8×8
    nn.Conv2d(32, 4, **by_two),  # -> 4×4: the code
)
decoder = nn.Sequential(
    *(nn.ConvTranspose2d(4, 32, **by_two), nn.ReLU()),
    *(nn.ConvTranspose2d(32, 16, **by_two), nn.ReLU()),
    nn.ConvTranspose2d(16, 3, **by_two),
)

# %% tags=["hide-cell"]
encoder.load_state_dict(model.encoder.state_dict())
decoder.load_state_dict(model.decoder.state_dict())
with torch.no_grad():
    z = encoder.float()(held_out - photographs.MID_GREY)
    again = decoder.float()(z) + photographs.MID_GREY
assert z.shape[1:] == (4, 4, 4) and code_size == 64
assert torch.allclose(again, rebuilt["autoencoder"], atol=1e-5)

# %% [markdown]
# It learns here and now, from four other photographs of scikit-image. {glue:text}`code_size` numbers stand
# for {glue:text}`patch_numbers`, and the cat is still a cat. Its rival, the leading principal components
# (PCA), is the best linear code of the training patches. Best on the cat: {glue:text}`best_code`. A linear
# method is a hard rival, here and later in this book, though PCA learns many more numbers: a convolution
# uses one kernel everywhere.
#
# (feature-maps)=
# ## Shallow and deep feature maps

# %% tags=["hide-input", "photograph"]
# | alt: Feature maps of the cat in three layers; the first keeps edges and whiskers, the third is coarse.
# | caption: What single channels of the encoder make of the cat; in each layer, the maps with the largest variance. ({func}`~lsntp.chapters.background.figures.feature_maps` draws it.)
maps = photographs.feature_maps(model, cat)
axes = figures.feature_maps(maps)

# %% tags=["hide-cell"]
x = cat.permute(2, 0, 1)[None].clone().requires_grad_()
outputs = [model.encoder[:depth](x - photographs.MID_GREY) for depth in (1, 3, 5)]
middles = [y[0, :, y.shape[2] // 2, y.shape[3] // 2] for y in outputs]
seen = [
    background.influence(middle, x)[0].sum(dim=(0, 1)).count_nonzero()
    for middle in middles
]
expected = [
    1 + 3,
    1 + 3 + 3 * 2,
    1 + 3 + 3 * 2 + 3 * 4,
]  # kernel 4, stride 2 in each layer
assert seen == expected, f"pixels seen: {seen}, expected {expected}"
glue("seen_shallow", int(seen[0]), display=False)
glue("seen_deep", int(seen[-1]), display=False)

# %% [markdown]
# A number of the first layer sees {glue:text}`seen_shallow` pixels across: edges, stripes, whiskers. One of
# the third sees {glue:text}`seen_deep` and sums up a region. The deep maps still look like a cat, because
# the code has to carry the picture; in a network trained to recognise things they are more abstract.
#
# (gcn)=
# ## Graph convolution

# %% tags=["hide-input"]
# | alt: A graph of five nodes, and its adjacency matrix times features times weights; the row of one node and the features of its neighbours are outlined.
# | caption: A graph convolution before its bias and σ. The outlined row of A picks the node's neighbours and the node itself, W mixes their features. ({func}`~lsntp.chapters.background.figures.graph_as_product` draws it.)
ring = torch.eye(5)
for n, m in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (1, 4)]:
    ring[n, m] = ring[m, n] = 1
signals = torch.tensor([[1.0, 0], [2, 1], [0, 3], [1, 1], [4, 0]])
mixing = torch.tensor([[1.0, 2], [1, -1]])
axes = figures.graph_as_product(ring, signals, mixing, at=1)


# %% [markdown]
# A graph has $N$ nodes with $C$ features each: the rows of $H$. The adjacency matrix $A$ ($N \times N$)
# says what a node takes from each other one. A graph convolutional network (GCN) collects, mixes with one
# $W$ for all nodes, adds a bias $B$ and applies a nonlinearity:
#
# $$H' = \sigma(A H W + B).$$

# %%
def gcn(A, H, W, B):
    return torch.relu(A @ H @ W + B)


def with_self_loop(A):
    root = A.sum(dim=1).rsqrt()  # D^-1/2
    return torch.eye(len(A)) + root[:, None] * A * root


# %% [markdown]
# The second is the usual normalisation: $(I + D^{-1/2} A D^{-1/2})\, X\, \Theta + b$, with $D$ the diagonal
# matrix of the degrees.

# %% tags=["hide-cell"]
adjacency = background.grid_adjacency(4, 5)
propagation = torch.eye(20) + background.normalise(adjacency)
features, weight, bias = torch.randn(20, 3), torch.randn(3, 2), torch.randn(2)
by_matrix = background.gcn_layer(propagation, features, weight, bias)
by_node = background.gcn_layer_by_node(propagation, features, weight, bias)
difference = (by_matrix - by_node).abs().max().item()
assert difference < 1e-12, f"matrix and loop differ by {difference}"
assert torch.allclose(with_self_loop(adjacency), propagation, **exact)
assert torch.allclose(
    gcn(with_self_loop(adjacency), features, weight, bias), by_node, **exact
)

# %% [markdown]
# (graph-autoencoder)=
# ### An encoder–decoder on a graph

# %%
A = with_self_loop(background.grid_adjacency(6, 6, neighbours=4))
values, vectors = torch.linalg.eigh(A)
codes = {}
for d in (4, 12):
    W = vectors[:, -d:] / values[-d:].sqrt()  # the best weights, in closed form
    Z = A @ torch.eye(36) @ W  # encoder: a GCN layer without σ, d numbers a node
    codes[d] = Z @ Z.T  # decoder: nodes with like codes are joined

# %% tags=["hide-input"]
# | alt: The adjacency matrix of a grid, and the same rebuilt from four and from twelve numbers a node; with twelve its bands come back.
# | caption: The graph of a 6×6 grid, and the graph that comes back from the nodes' codes. ({func}`~lsntp.chapters.background.figures.rebuilt_graphs` draws it.)
axes = figures.rebuilt_graphs(
    {"graph": A} | {f"{d} numbers a node": a for d, a in codes.items()}
)
for d, again in codes.items():
    lost = values[:-d].square().sum().sqrt()
    assert torch.allclose((A - again).norm(), lost, **exact), "not the best rank"
assert values[0] > -1e-12, "the code needs eigenvalues that are not negative"

# %% [markdown]
# The same idea, for edges: an encoder gives each node a code $Z = A X W$ (here $X = I$: a node knows only
# its name), a decoder draws the edges again, $\hat A = Z Z^\top$. A
# [graph autoencoder](https://arxiv.org/abs/1611.07308) trains $W$; without σ the best $W$ is known, from
# the eigenvectors. The learned graph of LS-NTP, $\mathrm{softmax}(\mathrm{relu}(E E^\top))$, is such a
# decoder: its codes $E$ learn from the forecast's error.
#
# (gcn-v-cnn)=
# ## What a GCN shares with a convolution, and what it lacks

# %% tags=["hide-input"]
# | alt: A cell and its eight neighbours; the convolution has another weight for each direction, the graph convolution one weight for all.
# | caption: What the two ask of a neighbourhood. ({func}`~lsntp.chapters.background.figures.neighbourhoods` draws it.)
axes = figures.neighbourhoods(sobel, own=1.0, shared=1.0)

# %% [markdown]
# Make a graph of a grid, with an edge from each cell to its eight neighbours. Then $(A + I)X$ sums over the
# patch of a 3×3 convolution, and a missing edge does what a padded zero does: a graph convolution *is* the
# convolution whose nine numbers are equal.

# %%
height, width = 8, 9
A = background.grid_adjacency(height, width)
X = torch.randn(height * width, 1)
field = X.view(1, 1, height, width)
plain = ((A + torch.eye(len(A))) @ X).view_as(field)
constant = F.conv2d(field, torch.ones(1, 1, 3, 3), padding=1)
torch.allclose(plain, constant, **exact)

# %% [markdown]
# With the normalisation the kernel is $1$ in the middle and $1/8$ around it, but for the border, where
# degrees $d$ differ: there $d^{-1/2}X$ is summed and multiplied by $d^{-1/2}$.

# %% tags=["hide-cell"]
eye = torch.eye(height * width)
around = torch.ones(1, 1, 3, 3)
around[..., 1, 1] = 0
root = A.sum(dim=1).rsqrt().view_as(field)
normalised = ((eye + background.normalise(A)) @ X).view_as(field)
interior = field + F.conv2d(field, around / 8, padding=1)
scaled = field + root * F.conv2d(root * field, around, padding=1)
differences = {
    "A + I, every cell": plain - constant,
    "normalised, two cells from the border": (normalised - interior)[
        ..., 2:-2, 2:-2
    ],
    "normalised, degrees put in, every cell": normalised - scaled,
}
for name, difference in differences.items():
    assert difference.abs().max() < 1e-12, f"{name}: GCN and convolution differ"
border = (normalised - interior).abs().max().item()
assert border > 0.01, (
    "at the border, the normalised graph should differ from the plain kernel"
)
print(f"normalised, plain kernel, every cell: largest difference {border:.2f}")


# %% [markdown]
# One graph cannot hold nine different numbers, nine graphs can: in $S_{pq}$ every cell has one edge, to the
# cell $p$ rows down and $q$ columns to the right. A convolution is
# $\sum_{p=-1}^{1} \sum_{q=-1}^{1} S_{pq}\, X\, w_{pq}$.

# %%
def S(p, q):
    return background.shift_matrix(height, width, p, q)


w = torch.randn(3, 3)
nine = sum(S(p, q) @ X * w[p + 1, q + 1] for p in (-1, 0, 1) for q in (-1, 0, 1))
theirs = F.conv2d(field, w[None, None], padding=1)
torch.allclose(nine.view_as(field), theirs, **exact)

# %% [markdown]
# A single graph loses direction. Ask for the middle cell of a field that rises to the east, and of its
# mirror image:

# %%
rising = torch.arange(9.0).expand(9, 9)
A9 = background.grid_adjacency(9, 9) + torch.eye(81)
for name, f in {"rising": rising, "falling": rising.flip(1)}.items():
    by_conv = F.conv2d(f[None, None], sobel[None, None], padding=1)[0, 0, 4, 4]
    by_gcn = (A9 @ f.flatten()).view(9, 9)[4, 4]
    print(f"{name:8s} convolution {by_conv:+.0f}   GCN {by_gcn:+.0f}")

# %% tags=["hide-cell"]
difference = (
    (nine.view_as(field) - F.conv2d(field, w[None, None], padding=1))
    .abs()
    .max()
    .item()
)
assert difference < 1e-12, f"nine graphs and one convolution differ by {difference}"
falling = rising.flip(1)
by_conv = [
    F.conv2d(f[None, None], sobel[None, None], padding=1)[0, 0, 4, 4].item()
    for f in (rising, falling)
]
by_gcn = [(A9 @ f.flatten()).view(9, 9)[4, 4].item() for f in (rising, falling)]
assert by_conv[0] == -by_conv[1] != 0, (
    "the kernel should answer with opposite signs"
)
assert by_gcn[0] == by_gcn[1], "the GCN should not see the direction"

# %% [markdown]
# A convolution knows directions but only near ones; a graph can join any two cells but knows no directions.
# LS-Conv wants both, so it applies one after the other.
#
# (receptive-field)=
# ## How far a stack of layers sees

# %% tags=["hide-input"]
# | alt: Maps of the cells that reach the central one after one, two and three layers; a growing square for the convolution, a growing diamond for the grid graph, the whole field for the adaptive graph.
# | caption: The gradient of the central output by every input cell; where nothing is drawn it is exactly zero. ({func}`~lsntp.chapters.background.figures.receptive_fields` draws it.)
four = background.normalise(background.grid_adjacency(grid, grid, neighbours=4))
eight = background.normalise(background.grid_adjacency(grid, grid, neighbours=8))
adaptive = adaptive_adjacency(torch.randn(grid * grid, 8))
layers = {
    "CNN 3×3": nn.Conv2d(1, 1, 3, padding=1),
    "GCN, 8 neighbours": background.GraphConvolution(
        torch.eye(grid * grid) + eight
    ),
    "GCN, 4 neighbours": background.GraphConvolution(torch.eye(grid * grid) + four),
    "GCN, adaptive graph": background.GraphConvolution(adaptive),
    "CNN 5×5": nn.Conv2d(1, 1, 5, padding=2),
}
depths = list(range(1, (grid - 1) // 4 + 1))
fields = background.receptive_fields(layers, grid, depths)
shown = ["CNN 3×3", "GCN, 4 neighbours", "GCN, adaptive graph"]
axes = figures.receptive_fields(fields.sel(layer=shown, depth=depths[:3]))

# %%
x = torch.randn(1, 1, grid, grid, requires_grad=True)
stack = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1), nn.Tanh()] * 2)
centre = stack(x)[0, 0, grid // 2, grid // 2]
seen = torch.autograd.grad(centre, x)[0] != 0
print(seen.sum().item(), "cells seen through two layers")

# %% [markdown]
# The receptive field of a cell is the set of inputs that can change it. $L$ convolutions of size $k$ see
# $1 + L\,(k - 1)$ cells across. A grid graph adds one ring a layer as well: with four neighbours, a diamond
# of $1 + 2L(L + 1)$ cells. In the adaptive graph of the paper, $\mathrm{softmax}(\mathrm{relu}(E E^\top))$,
# no entry is zero, and one layer sees everything. {doc}`Click a cell and see <../book/play-reach>`.

# %% tags=["hide-input"]
# | alt: Cells seen against layers stacked; the adaptive graph starts at the whole field, the others grow slowly.
# | caption: Cells seen, counted from the gradients, on a logarithmic scale. ({func}`~lsntp.chapters.background.figures.receptive_growth` draws it.)
ax = figures.receptive_growth(fields)

# %% tags=["hide-cell"]
assert seen.sum() == 5 * 5
cells = (fields > 0).sum(("row", "column"))
L = fields["depth"]
expected = {
    "CNN 3×3": (1 + L * 2) ** 2,
    "GCN, 8 neighbours": (1 + L * 2) ** 2,
    "GCN, 4 neighbours": 1 + 2 * L * (L + 1),
    "GCN, adaptive graph": 0 * L + grid * grid,
    "CNN 5×5": (1 + L * 4) ** 2,
}
for layer, formula in expected.items():
    assert (cells.sel(layer=layer) == formula).all(), (
        f"{layer}: not the expected cells"
    )
    print(f"{layer:20s} {cells.sel(layer=layer).values}")
deepest, nodes = depths[-1], grid * grid
glue("deepest", deepest, display=False)
glue("nodes", nodes, display=False)
glue("seen_cnn", int(cells.sel(layer="CNN 3×3", depth=deepest)), display=False)

# %% [markdown]
# After {glue:text}`deepest` layers the 3×3 CNN sees {glue:text}`seen_cnn` of {glue:text}`nodes` cells. The
# price of the graph's reach: distance and direction mean nothing in it.
#
# (recurrence)=
# ## Recurrent networks: RNN, LSTM, GRU
#
# A forecast is the most probable future, given the past:
#
# $$\hat X_{t+1:t+L} = \underset{X_{t+1:t+L}}{\arg\max}\; p\,(X_{t+1}, \dots, X_{t+L} \mid X_{t-T+1}, \dots, X_t) .$$
#
# That past of $T$ steps has an order. A recurrent network reads it step by step and keeps what matters in
# a state.

# %% tags=["hide-input"]
# | alt: A row of equal boxes, one a step; each takes the input of its step and the state of the step before and hands the state on.
# | caption: A recurrent network, unrolled in time. Every step has the same weights; only the state h travels. ({func}`~lsntp.chapters.background.figures.recurrence` draws it.)
ax = figures.recurrence()


# %% [markdown]
# The plain RNN is $h_t = \tanh(W\,[h_{t-1}, x_t] + b)$. The LSTM adds a cell state $C$ and three gates,
# input $i$, forget $f$ and output $o$, each with its own $W$ and $b$; $\sigma$ is the logistic function,
# $\circ$ multiplies element by element:
#
# $$\begin{aligned}
# i, f, o &= \sigma(W\,[h_{t-1}, x_t] + b) &
# \tilde C &= \tanh(W\,[h_{t-1}, x_t] + b)\\
# C_t &= f \circ C_{t-1} + i \circ \tilde C &
# h_t &= o \circ \tanh(C_t)
# \end{aligned}$$

# %%
def rnn_step(x, h, W, b):
    return torch.tanh(torch.cat([h, x], dim=1) @ W.T + b)


def lstm_step(x, h, C, W, b):
    i, f, o, g = (torch.cat([h, x], dim=1) @ W.T + b).chunk(4, dim=1)
    C = f.sigmoid() * C + i.sigmoid() * g.tanh()
    return o.sigmoid() * C.tanh(), C


# %% [markdown]
# The GRU makes do with two gates, reset $r$ and update $z$, and no cell state; PyTorch writes it
#
# $$\begin{aligned}
# r, z &= \sigma(W_x x_t + b_x + W_h h_{t-1} + b_h)\\
# n &= \tanh(W_x x_t + b_x + r \circ (W_h h_{t-1} + b_h))\\
# h_t &= (1 - z) \circ n + z \circ h_{t-1}
# \end{aligned}$$
#
# All three, given PyTorch's weights, equal PyTorch's own ({mod}`lsntp.chapters.background.sequences`).

# %% tags=["hide-cell"]
x = torch.randn(12, 3, 5)  # 12 steps, 3 sequences, 5 inputs
torch_rnn, torch_lstm, torch_gru = nn.RNN(5, 7), nn.LSTM(5, 7), nn.GRU(5, 7)
gru_weights = [
    getattr(torch_gru, name).unflatten(0, (3, 7))
    for name in ("weight_hh_l0", "weight_ih_l0", "bias_hh_l0", "bias_ih_l0")
]
pairs = {
    "RNN": (
        sequences.rnn(x, *sequences.printed_weights(torch_rnn)),
        torch_rnn(x)[0],
    ),
    "LSTM": (
        sequences.lstm(x, *sequences.printed_weights(torch_lstm)),
        torch_lstm(x)[0],
    ),
    "GRU": (sequences.gru(x, *gru_weights), torch_gru(x)[0]),
}
for name, (ours, theirs) in pairs.items():
    difference = (ours - theirs).abs().max().item()
    assert difference < 1e-12, f"{name}: differs from torch's by {difference}"

W, b = (p.flatten(0, 1) for p in sequences.printed_weights(torch_lstm))
W_rnn, b_rnn = (p.flatten(0, 1) for p in sequences.printed_weights(torch_rnn))
h_rnn = h = C = torch.zeros(3, 7)
for t, x_t in enumerate(x):
    h, C = lstm_step(x_t, h, C, W, b)
    h_rnn = rnn_step(x_t, h_rnn, W_rnn, b_rnn)
    assert torch.allclose(h, torch_lstm(x)[0][t], **exact)
    assert torch.allclose(h_rnn, torch_rnn(x)[0][t], **exact)

# %% [markdown]
# (attention)=
# ## Attention and its cost

# %% tags=["hide-input"]
# | alt: Operations and wall time against the length of the sequence, for attention and an RNN; the operations of attention rise more steeply.
# | caption: Operations as PyTorch counts them, the same everywhere, and wall time on the machine that made this page. ({func}`~lsntp.chapters.background.figures.sequence_costs` draws it.)
costs = sequences.sequence_costs(lengths)
axes = figures.sequence_costs(costs)


# %% [markdown]
# Attention lets every step look at every other: $\mathrm{softmax}(Q K^\top / \sqrt d)\, V$, with a query, a
# key and a value, rows of $d$ numbers, for each step.

# %%
def attention(Q, K, V):
    scores = Q @ K.transpose(-1, -2) / Q.shape[-1] ** 0.5  # of each pair of steps
    return torch.softmax(scores, dim=-1) @ V


Q, K, V = torch.randn(3, 2, 50, 16)
theirs = F.scaled_dot_product_attention(Q, K, V)
torch.allclose(attention(Q, K, V), theirs, **exact)

# %% tags=["hide-cell"]
for ours in (attention(Q, K, V), sequences.attention(Q, K, V)):
    difference = (ours - theirs).abs().max().item()
    assert difference < 1e-12, f"attention differs from torch's by {difference}"
expected = {"attention": 2, "RNN": 1}
for model_name, group in costs.groupby("model", sort=False):
    exponent = np.polyfit(np.log(group["length"]), np.log(group["operations"]), 1)[
        0
    ]
    assert abs(exponent - expected[model_name]) < 1e-6, (
        f"{model_name}: n^{exponent}"
    )
    print(f"{model_name}: operations grow as n^{exponent:.2f}")
    print(group[["length", "operations", "held"]].to_string(index=False))
    glue(f"exponent_{model_name}", round(float(exponent), 2), display=False)

# %% [markdown]
# The operations of attention grow with the power {glue:text}`exponent_attention` of the length, those of the
# RNN with {glue:text}`exponent_RNN`, its parameters shared over time. But an RNN takes its steps one after
# the other, attention all at once: on short sequences it need not be slower. LS-NTP reads few steps; its
# adjacency matrix is quadratic in the number of *nodes*.
#
# (cnn-then-lstm)=
# (convlstm)=
# ## Space and time: CNN then LSTM, or ConvLSTM

# %% tags=["hide-input"]
# | alt: Which cells of each earlier input reach the central cell of the last output; for ConvLSTM a square that widens backwards, for CNN then LSTM the whole grid at every step.
# | caption: ConvLSTM looks back in a cone. CNN then LSTM sees everything, through a vector that has forgotten which number belongs to which place. ({func}`~lsntp.chapters.background.figures.influence_over_time` draws it.)
size, steps = 15, 4
x = torch.randn(1, steps, 1, size, size, requires_grad=True)
conv_lstm = sequences.convlstm(1, 4, (size, size))
cnn_lstm = sequences.CNNThenLSTM(1, 4, (size, size))
centre = size // 2
reach = {
    "ConvLSTM": background.influence(conv_lstm(x)[0][0, -1, :, centre, centre], x)[
        0, :, 0
    ],
    "CNN then LSTM": background.influence(cnn_lstm(x)[0, -1, 0, centre, centre], x)[
        0, :, 0
    ],
}
axes = figures.influence_over_time(reach)


# %% [markdown]
# *CNN then LSTM* applies a convolution to each field, flattens the result to a vector and gives the vectors
# to an LSTM. *ConvLSTM* keeps the state a field and puts convolutions ($*$) where the LSTM has matrix
# products. As printed in the talk, with peepholes (the terms $W_c \circ C$, by which the gates see the cell
# state):
#
# $$\begin{aligned}
# i &= \sigma(W_{xi} * X_t + W_{hi} * H_{t-1} + W_{ci} \circ C_{t-1} + b_i)\\
# f &= \sigma(W_{xf} * X_t + W_{hf} * H_{t-1} + W_{cf} \circ C_{t-1} + b_f)\\
# \tilde C &= \tanh(W_{xc} * X_t + W_{hc} * H_{t-1} + b_c)\\
# C_t &= f \circ C_{t-1} + i \circ \tilde C\\
# o &= \sigma(W_{xo} * X_t + W_{ho} * H_{t-1} + W_{co} \circ C_t + b_o)\\
# H_t &= o \circ \tanh(C_t)
# \end{aligned}$$

# %%
def convlstm_step(x, h, C, W, b, w_ci, w_cf, w_co):
    both = torch.cat([x, h], dim=1)
    gates = F.conv2d(both, W, b, padding=W.shape[-1] // 2)
    i, f, o, g = gates.chunk(4, dim=1)
    i = torch.sigmoid(i + w_ci * C)
    f = torch.sigmoid(f + w_cf * C)
    C = f * C + i * torch.tanh(g)
    o = torch.sigmoid(o + w_co * C)
    return o * torch.tanh(C), C


# %% [markdown]
# The project's own cell ({class}`lsntp.model.convlstm.ConvLSTMCell`) is this step, *given* its convolution;
# LS-NTP is the same cell, given LS-Conv. On a grid of one cell, with a 1×1 kernel, it is the LSTM above with
# peepholes.

# %% tags=["hide-cell"]
cell = conv_lstm.cell
convolution = cell.operator.lsi
weights = convolution.weight, convolution.bias, cell.w_ci, cell.w_cf, cell.w_co
h = C = torch.zeros(1, 4, size, size)
for t in range(steps):
    h, C = convlstm_step(x[:, t], h, C, *weights)
    assert torch.allclose(h, conv_lstm(x)[0][:, t], **exact), (
        "not the library's cell"
    )

across = {name: (r > 0).any(dim=1).sum(dim=1).tolist() for name, r in reach.items()}
lag = torch.arange(steps).flip(0)  # 0 for the last step
assert across["ConvLSTM"] == (3 + 2 * lag).tolist(), (
    "ConvLSTM should widen by two cells a step"
)
assert across["CNN then LSTM"] == [size] * steps, (
    "CNN then LSTM should see everything"
)

channels, hidden = 3, 5
tiny = sequences.convlstm(channels, hidden, (1, 1), kernel=1)
x = torch.randn(2, 6, channels, 1, 1)
gates = tiny.cell.operator.lsi  # a 1×1 convolution of [x, h]
weight = (
    gates.weight.flatten(1).unflatten(0, (4, hidden)).roll(hidden, dims=-1)
)  # of [h, x]
peepholes = torch.stack([tiny.cell.w_ci, tiny.cell.w_cf, tiny.cell.w_co]).flatten(1)
vectors = x.flatten(2).transpose(0, 1)  # (T, B, C)
lstm = sequences.lstm(
    vectors, weight, gates.bias.unflatten(0, (4, hidden)), peepholes
)
difference = (tiny(x)[0].flatten(2).transpose(0, 1) - lstm).abs().max().item()
assert difference < 1e-12, f"ConvLSTM on one cell and LSTM differ by {difference}"

# %% [markdown]
# Place forgotten can be shown. Move the whole input one cell to the east: the ConvLSTM's output moves along
# (away from the border, with one peephole number per channel). After flattening, nothing forces it to.

# %%
same = sequences.convlstm(1, 4, (size, size), per_cell=False)
x = torch.randn(1, steps, 1, size, size)
inner = slice(steps + 1, -steps - 1)  # away from the border
models = {"ConvLSTM": lambda x: same(x)[0], "CNN then LSTM": cnn_lstm}
shifts = {
    name: (run(x.roll(1, dims=-1)) - run(x).roll(1, dims=-1))[..., inner, inner]
    for name, run in models.items()
}
for name, shift in shifts.items():
    follows = torch.allclose(shift, torch.zeros(()), **exact)
    print(f"{name:13s} moves with its input: {follows}")

# %% tags=["hide-cell"]
largest = {name: d.abs().max().item() for name, d in shifts.items()}
assert largest["ConvLSTM"] < 1e-12, (
    "the ConvLSTM's output should move with its input"
)
assert largest["CNN then LSTM"] > 1e-3, "CNN then LSTM should not follow"

# %% tags=["hide-input"]
# | alt: Parameters against the cells of the grid; CNN then LSTM rises most, ConvLSTM less, ConvLSTM without peepholes stays level.
# | caption: The vector grows with the grid, and the LSTM's matrices with it. Kernels do not know the size of the grid; peepholes with a number for each cell do. ({func}`~lsntp.chapters.background.figures.parameter_growth` draws it.)
counts = sequences.parameter_growth([4, 8, 16, 32, 64])
ax = figures.parameter_growth(counts)

# %% tags=["hide-cell"]
kernels = counts["convlstm"] - counts["peepholes"]
assert kernels.nunique() == 1, "the kernels should not depend on the grid"
assert (counts["peepholes"] == 3 * 8 * counts["cells"]).all(), (
    "three peepholes per cell and channel"
)
lstm_size, maps_out = 32, 8
flattened = 4 * lstm_size * (maps_out * counts["cells"] + lstm_size + 2)
readout = (lstm_size + 1) * counts["cells"]
assert (counts["cnn_then_lstm"] == maps_out * (9 + 1) + flattened + readout).all()
assert counts["peepholes"].iloc[-1] > counts["convlstm"].iloc[-1] / 2
print(counts.to_string(index=False))
glue("largest_grid", int(counts["size"].iloc[-1]), display=False)
glue("parameters_cnn_lstm", int(counts["cnn_then_lstm"].iloc[-1]), display=False)
glue("parameters_convlstm", int(counts["convlstm"].iloc[-1]), display=False)

# %% [markdown]
# On a square grid of {glue:text}`largest_grid` cells a side, CNN then LSTM has
# {glue:text}`parameters_cnn_lstm` parameters, ConvLSTM {glue:text}`parameters_convlstm`, most of them
# peepholes. ConvLSTM keeps the place, but its cone is narrow. LS-NTP keeps the cell and widens the cone: its
# convolution has looked at the whole graph first.
#
# ## Kelvin
#
# All temperatures in this book are in kelvin, $K = {}^\circ\mathrm{C} + 273.15$. Differences and errors are
# the same in both units.

# %% tags=["hide-cell"]
celsius = torch.linspace(-80, 60, 141)
kelvin = background.celsius_to_kelvin(celsius)
assert background.celsius_to_kelvin(0.0) == 273.15, "water freezes at 273.15 K"
assert torch.allclose(background.kelvin_to_celsius(kelvin), celsius, atol=1e-12)
assert torch.allclose(kelvin.diff(), celsius.diff(), atol=1e-12)

# %% [markdown]
# ## Exercises
#
# 1. Two 3×3 convolutions in a row, with nothing between them, are one 5×5 convolution. Find its kernel.

# %% tags=["hide-cell"]
# | prompt: Solution
# The first kernel, convolved (not correlated) with the second: flip one of them.
a, b = torch.randn(2, 1, 1, 3, 3)
ab = F.conv2d(a, b.flip(-1, -2), padding=2)
x = torch.randn(1, 1, 12, 12)
assert torch.allclose(F.conv2d(F.conv2d(x, a), b), F.conv2d(x, ab), **exact)

# %% [markdown]
# 2. With one matrix $A$ a GCN cannot tell east from west. Write one with two, $A$ to the east and to the west, that can.

# %% tags=["hide-cell"]
# | prompt: Solution
# One graph of the eastern neighbours, one of the western; their weights differ.
east, west = (background.shift_matrix(9, 9, 0, q) for q in (1, -1))
by_two = [
    ((east - west) @ f.flatten()).view(9, 9)[4, 4].item()
    for f in (rising, rising.flip(1))
]
assert by_two[0] == -by_two[1] == 2

# %% [markdown]
# 3. When is the paper's adjacency, $\mathrm{softmax}(\mathrm{relu}(E E^\top))$, the weights of an attention?

# %% tags=["hide-cell"]
# | prompt: Solution
# When no entry of E Eᵀ is negative, with √√d E as queries and as keys. The ReLU turns
# every negative score into 0, which still gets weight: e⁰ = 1.
E = torch.rand(20, 8)
queries = 8**0.25 * E
assert torch.allclose(
    sequences.attention_weights(queries, queries), adaptive_adjacency(E), **exact
)
E = torch.randn(20, 8)
queries = 8**0.25 * E
assert not torch.allclose(
    sequences.attention_weights(queries, queries), adaptive_adjacency(E), atol=1e-3
)
assert (adaptive_adjacency(E) > 0).all()

# %% [markdown]
# Next: {doc}`what real temperature fields say about near and far correlations <02_observations>`.
