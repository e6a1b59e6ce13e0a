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
# LS-NTP puts a graph convolution and a convolution into a recurrent network. This page builds each
# of these pieces from its equation, in the order of the talk, and checks it against PyTorch or
# against a result worked out in another way. Whoever knows the pieces can go on to the next page.

# %% tags=["parameters", "hide-input"]
seed = 0
# rows and columns of the cat's image, pixels; a multiple of 32, at most 256
image_size = 256
epochs = 20  # of the autoencoder
grid = 25  # rows and columns of the receptive-field demonstration, cells; odd
# of the sequences for attention and RNN, steps
lengths = [128, 256, 512, 1024, 2048]

# %% tags=["hide-input"]
import numpy as np
import torch
import torch.nn.functional as F
from myst_nb import glue
from torch import nn

from lsntp.chapters import background, parameters
from lsntp.chapters.background import figures, sequences
from lsntp.chapters.background import images as photographs
from lsntp.model.graph import adaptive_adjacency

parameters.background(seed, image_size, epochs, grid, lengths)
torch.manual_seed(seed)
torch.set_num_threads(1)
torch.set_default_dtype(
    torch.float64
)  # so that "equal" can mean: to twelve decimals

# %% [markdown]
# ## A convolution is a matrix product
#
# A convolution lays a small kernel $\Theta$ on every patch of an image $X$ and sums the products of
# what lies on top of each other. Write every patch as one row of a matrix, and the kernel as one
# column, and the whole convolution is one matrix product:
#
# $$Y = \mathrm{im2row}(X)\,\Theta .$$
#
# With $C$ input channels, a kernel of $k \times k$ cells, $F$ output channels and $P$ patches,
# $\mathrm{im2row}(X)$ is $P \times Ck^2$, $\Theta$ is $Ck^2 \times F$ and $Y$ is $P \times F$.
# Below, the outlined patch of the image becomes the outlined row
# ({func}`lsntp.chapters.background.figures.convolution_as_product`, {func}`lsntp.chapters.background.im2row`).

# %%
image = torch.randint(0, 10, (5, 5)).double()
kernel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
rows = background.im2row(image[None, None], kernel=3)[0]
axes = figures.convolution_as_product(image, kernel, rows, at=5)

# %% [markdown]
# The same on a real image: the cat that scikit-image ships, with several output channels, against
# PyTorch's own convolution.

# %%
cat = photographs.cat(image_size)
x = cat.permute(2, 0, 1)[None].double()  # (1, 3, H, W)
theta = torch.randn(8, 3, 3, 3)
ours = background.convolve(x, theta, padding=1)
difference = (ours - F.conv2d(x, theta, padding=1)).abs().max().item()
assert difference < 1e-12, f"im2row and conv2d differ by {difference}"
print(f"cat image {tuple(cat.shape)}, output {tuple(ours.shape)}")
print(f"largest difference from conv2d: {difference:.12f}")

# %% [markdown]
# What it means: a convolution is linear, and its only knowledge of space is *which* cells make up a
# patch. Choose the neighbours in another way and the same matrix product works on a graph.

# %% [markdown]
# ## An autoencoder learns features without labels
#
# An encoder $f$ squeezes a patch $x$ into a short code, a decoder $g$ builds the patch again, and
# both learn to make the error small:
#
# $$z = f(x), \qquad \hat x = g(z), \qquad \min_{f,\,g}\; \overline{(x - \hat x)^2} .$$
#
# Ours ({class}`lsntp.chapters.background.images.Autoencoder`) has three convolutions, each of which halves
# the rows and columns, and three transposed convolutions back. It learns here and now from patches
# of four photographs of the scikit-image package (an astronaut, coffee, a rocket, a motorcycle).
# The cat is kept out of the training.

# %%
train = torch.cat(
    [
        photographs.patches(p, size=32, stride=24)
        for p in photographs.training_photographs()
    ]
)
model, losses = photographs.train_autoencoder(train, epochs, seed)
ax = figures.loss_curve(losses)
assert losses[-1] < losses[0], "the training loss did not fall"
print(f"{len(train)} training patches of {tuple(train.shape[1:])}")
print(
    f"mean squared error: first epoch {losses[0]:.3f}, last epoch {losses[-1]:.3f}"
)

# %% [markdown]
# Is that good? Two rivals are allowed as many numbers a patch or fewer: the *mean patch* of the
# training set, and the leading *principal components* (PCA), which are the best linear code there
# is for the training patches. All three are scored on the cat, by the root of the mean squared
# error (RMSE; the image runs from 0 to 1).

# %%
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

assert rmse["autoencoder"] < rmse["mean patch"], (
    "the autoencoder learned nothing of use"
)
patch_numbers = held_out[0].numel()
weights_learned = sequences.parameters(model)
weights_pca = (code_size + 1) * patch_numbers
for name, error in rmse.items():
    print(f"{name:12s} RMSE {error:.2f}")
print(f"code: {code_size} numbers for {patch_numbers}")
print(f"learned numbers: autoencoder {weights_learned}, PCA {weights_pca}")
glue("best_code", min(rmse, key=rmse.get), display=False)
glue("code_size", code_size, display=False)
glue("patch_numbers", patch_numbers, display=False)
glue("weights_learned", weights_learned, display=False)
glue("weights_pca", weights_pca, display=False)

# %% [markdown]
# What it means: {glue:text}`code_size` numbers stand for {glue:text}`patch_numbers`, and the cat is
# still a cat. Best of the three, after this short training: {glue:text}`best_code`. A linear method
# is a hard rival, here and later in this book. The autoencoder has {glue:text}`weights_learned`
# numbers to learn, PCA {glue:text}`weights_pca`, because a convolution uses the same kernel
# everywhere. The faint squares are the seams: each patch is coded on its own.

# %% [markdown]
# ## Shallow and deep feature maps
#
# A feature map is what one channel of a convolution makes of the image. Here are maps of the
# encoder just trained, for the cat it has never seen: those with the largest variance in each layer
# ({func}`lsntp.chapters.background.figures.feature_maps`). No network trained for recognition is at hand
# offline, so "deep" means the third layer of this encoder.

# %%
maps = photographs.feature_maps(model, cat)
axes = figures.feature_maps(cat, maps)

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
for depth, (layer, pixels) in enumerate(zip(maps, seen, strict=True), start=1):
    print(
        f"layer {depth}: {tuple(layer.shape)}, each number sees {pixels}×{pixels} "
        f"pixels"
    )
glue("seen_shallow", int(seen[0]), display=False)
glue("seen_deep", int(seen[-1]), display=False)

# %% [markdown]
# What it means: a number of the shallow maps sees {glue:text}`seen_shallow` pixels across; the maps
# keep edges, stripes and whiskers. A number of the deep maps sees {glue:text}`seen_deep` pixels
# across; the maps are coarse, and each number sums up a region. They still look like a cat: the
# code of an autoencoder has to carry the picture. The deep layers of a network trained to recognise
# things are more abstract.

# %% [markdown]
# ## Graph convolution
#
# A graph has $N$ nodes, each with $C$ features: the rows of $H$ ($N \times C$). The adjacency
# matrix $A$ ($N \times N$) says what a node takes from each other one. A layer of a graph
# convolutional network (GCN) collects from the neighbours, mixes the features with one matrix $W$
# ($C \times F$) for all nodes, adds a bias $B$ and applies a nonlinearity $\sigma$:
#
# $$H' = \sigma(A H W + B).$$
#
# With $D$ the diagonal matrix of the degrees (the row sums of $A$), the usual normalisation with a
# self-loop, for features $X$, weights $\Theta$ and bias $b$, is
#
# $$(I + D^{-1/2} A D^{-1/2})\, X\, \Theta + b .$$
#
# {func}`lsntp.chapters.background.gcn_layer` is the equation; {func}`lsntp.chapters.background.gcn_layer_by_node`
# goes from node to node and from edge to edge.

# %%
adjacency = background.grid_adjacency(4, 5)
propagation = torch.eye(20) + background.normalise(adjacency)
features, weight, bias = torch.randn(20, 3), torch.randn(3, 2), torch.randn(2)
by_matrix = background.gcn_layer(propagation, features, weight, bias)
by_node = background.gcn_layer_by_node(propagation, features, weight, bias)
difference = (by_matrix - by_node).abs().max().item()
assert difference < 1e-12, f"matrix and loop differ by {difference}"
print(f"{tuple(features.shape)} -> {tuple(by_matrix.shape)}")
print(f"largest difference from the loop over nodes: {difference:.12f}")

# %% [markdown]
# ## What a GCN shares with a convolution, and what it lacks
#
# Make a graph of a grid: every cell is a node and has an edge to each of its eight neighbours
# ({func}`lsntp.chapters.background.grid_adjacency`). Then $(A + I)X$ sums over exactly the patch that a 3×3
# convolution sees. At the border a missing edge does what a padded zero does. So the graph
# convolution with weight $w$ *is* the convolution whose nine kernel numbers all equal $w$.
#
# With the normalisation this holds as long as all neighbours have eight neighbours themselves; the
# kernel is then $1$ in the middle and $1/8$ around it. Nearer the border the degrees $d$ differ:
# the sum over the neighbours is then taken of $d^{-1/2}X$ and multiplied by $d^{-1/2}$.

# %%
height, width = 8, 9
A = background.grid_adjacency(height, width)
eye = torch.eye(height * width)
X = torch.randn(height * width, 1)
field = X.view(1, 1, height, width)

around = torch.ones(1, 1, 3, 3)
around[..., 1, 1] = 0
plain = ((A + eye) @ X).view_as(field)
constant = F.conv2d(field, torch.ones(1, 1, 3, 3), padding=1)

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
    print(f"{name}: largest difference {difference.abs().max():.12f}")
border = (normalised - interior).abs().max().item()
assert border > 0.01, (
    "at the border, the normalised graph should differ from the plain kernel"
)
print(f"normalised, plain kernel, every cell: largest difference {border:.2f}")

# %% [markdown]
# A general kernel has nine numbers, one for each direction. One graph cannot hold them, nine can:
# let $S_{pq}$ be the graph in which every cell has a single edge, to the cell $p$ rows down and $q$
# columns to the right ({func}`lsntp.chapters.background.shift_matrix`). Then a convolution with the kernel
# $w_{pq}$ is the sum
#
# $$\sum_{p=-1}^{1} \sum_{q=-1}^{1} S_{pq}\, X\, w_{pq} .$$

# %%
w = torch.randn(3, 3)
nine = sum(
    background.shift_matrix(height, width, p, q) @ X * w[p + 1, q + 1]
    for p in (-1, 0, 1)
    for q in (-1, 0, 1)
)
difference = (
    (nine.view_as(field) - F.conv2d(field, w[None, None], padding=1))
    .abs()
    .max()
    .item()
)
assert difference < 1e-12, f"nine graphs and one convolution differ by {difference}"
print(f"nine one-edge graphs: largest difference from conv2d {difference:.12f}")

# %% [markdown]
# What a single graph loses is direction. Take a field that rises to the east and its mirror image,
# which falls, and ask both layers about the cell in the middle. The kernel from the top of this
# page answers with opposite signs. The GCN gives one answer, whatever its weight: it sums over its
# neighbours and cannot tell east from west.

# %%
axes = figures.neighbourhoods(kernel, own=1.0, shared=1.0)

rising = torch.arange(9.0).expand(9, 9)
falling = rising.flip(1)
A9 = background.grid_adjacency(9, 9) + torch.eye(81)
by_conv = [
    F.conv2d(f[None, None], kernel[None, None], padding=1)[0, 0, 4, 4].item()
    for f in (rising, falling)
]
by_gcn = [(A9 @ f.flatten()).view(9, 9)[4, 4].item() for f in (rising, falling)]
assert by_conv[0] == -by_conv[1] != 0, (
    "the kernel should answer with opposite signs"
)
assert by_gcn[0] == by_gcn[1], "the GCN should not see the direction"
print(f"convolution: rising {by_conv[0]:+.0f}, falling {by_conv[1]:+.0f}")
print(f"GCN:         rising {by_gcn[0]:+.0f}, falling {by_gcn[1]:+.0f}")

# %% [markdown]
# What it means: a convolution knows directions but only near ones; a graph can join any two cells
# but does not know directions. LS-Conv wants both, so it applies one after the other.

# %% [markdown]
# ## How far a stack of layers sees
#
# The receptive field of a cell is the set of input cells that can change it. A stack of $L$
# convolutions of size $k$ sees
#
# $$1 + L\,(k - 1)$$
#
# cells across. A GCN on a grid graph grows by one ring of neighbours a layer as well; with four
# neighbours the rings make a diamond of $1 + 2L(L + 1)$ cells. On the adaptive graph of the paper,
# $\mathrm{softmax}(\mathrm{relu}(E E^\top))$ with a vector for each node in the rows of $E$, no
# entry is zero, and one layer sees the whole field.
#
# We do not trust the formulas but measure: the gradient of the central output by every input
# ({func}`lsntp.chapters.background.receptive_fields`). White cells have a gradient of exactly zero.

# %%
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
ax = figures.receptive_growth(fields)
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
# What it means: after {glue:text}`deepest` layers the 3×3 CNN sees {glue:text}`seen_cnn` of the
# {glue:text}`nodes` cells; the adaptive graph sees all of them after one. The pictures also show
# the price: in a convolution near cells come first and far ones only after many layers; in the
# graph, distance and direction mean nothing.

# %% [markdown]
# ## Recurrent networks: RNN, LSTM, GRU
#
# A recurrent network reads a sequence $x_1, x_2, \dots$ step by step and keeps a state $h$; the
# weights $W$ and $b$ are the same at every step. The plain RNN is
#
# $$h_t = \tanh(W\,[h_{t-1}, x_t] + b).$$
#
# The LSTM adds a cell state $C$ and three gates, input $i$, forget $f$ and output $o$, each with
# its own $W$ and $b$; $\sigma$ is the logistic function and $\circ$ multiplies element by element:
#
# $$\begin{aligned}
# i, f, o &= \sigma(W\,[h_{t-1}, x_t] + b) &
# \tilde C &= \tanh(W\,[h_{t-1}, x_t] + b)\\
# C_t &= f \circ C_{t-1} + i \circ \tilde C &
# h_t &= o \circ \tanh(C_t)
# \end{aligned}$$
#
# The GRU makes do with two gates, reset $r$ and update $z$, and no cell state; PyTorch writes it
#
# $$\begin{aligned}
# r, z &= \sigma(W_x x_t + b_x + W_h h_{t-1} + b_h)\\
# n &= \tanh(W_x x_t + b_x + r \circ (W_h h_{t-1} + b_h))\\
# h_t &= (1 - z) \circ n + z \circ h_{t-1}
# \end{aligned}$$
#
# (others apply $r$ to $h_{t-1}$ before the product). Each is written out in
# {mod}`lsntp.chapters.background.sequences` and given the weights of PyTorch's own module.

# %%
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
    print(f"{name:4s} largest difference from torch: {difference:.12f}")

# %% [markdown]
# ## Attention and its cost
#
# Attention lets every step look at every other. From queries $Q$, keys $K$ and values $V$, each
# with one row of $d$ numbers per step,
#
# $$\mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt d}\right) V .$$
#
# The matrix in the brackets has one entry for each pair of steps: for a sequence of $n$ steps the
# cost grows as $n^2$. An RNN takes $n$ equal steps.

# %%
Q, K, V = torch.randn(3, 2, 50, 16)
ours = sequences.attention(Q, K, V)
difference = (ours - F.scaled_dot_product_attention(Q, K, V)).abs().max().item()
assert difference < 1e-12, f"attention differs from torch's by {difference}"
print(f"largest difference from torch's attention: {difference:.12f}")

# %% [markdown]
# Now measured. PyTorch counts the floating-point operations of every matrix product while
# self-attention ($Q = K = V$) and an RNN run, and we count the numbers that must be there at once:
# the matrix of scores, or the hidden state. These counts are the same on every machine. The wall
# time, in the lower panel, is that of the machine that made this page.

# %%
costs = sequences.sequence_costs(lengths)
axes = figures.sequence_costs(costs)
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
# What it means: the operations of attention grow with the power {glue:text}`exponent_attention` of
# the length, those of the RNN with {glue:text}`exponent_RNN`, and the RNN's parameters are shared
# over time. Wall time tells a second story: an RNN has to take its steps one after the other,
# attention does all of them in two large products, so on short sequences it need not be the slower
# one. LS-NTP reads only a few steps, so time is cheap; its adjacency matrix, though, is quadratic
# in the number of *nodes*.

# %% [markdown]
# ## Space and time: CNN then LSTM, or ConvLSTM
#
# There are two ways to read a sequence of fields. *CNN then LSTM* applies a convolution to each
# field, flattens the result to a vector and gives the vectors to an LSTM. *ConvLSTM* keeps the
# state a field and puts convolutions ($*$) where the LSTM has matrix products. As printed in the
# talk, with peepholes (the terms $W_c \circ C$, by which the gates see the cell state):
#
# $$\begin{aligned}
# i &= \sigma(W_{xi} * X_t + W_{hi} * H_{t-1} + W_{ci} \circ C_{t-1} + b_i)\\
# f &= \sigma(W_{xf} * X_t + W_{hf} * H_{t-1} + W_{cf} \circ C_{t-1} + b_f)\\
# \tilde C &= \tanh(W_{xc} * X_t + W_{hc} * H_{t-1} + b_c)\\
# C_t &= f \circ C_{t-1} + i \circ \tilde C\\
# o &= \sigma(W_{xo} * X_t + W_{ho} * H_{t-1} + W_{co} \circ C_t + b_o)\\
# H_t &= o \circ \tanh(C_t)
# \end{aligned}$$
#
# {func}`lsntp.chapters.background.sequences.convlstm` is the project's own recurrent cell, given a
# convolution; LS-NTP is the same cell, given LS-Conv. First check: on a grid of a single cell, with
# a 1×1 kernel, it must be the LSTM of above with peepholes.

# %%
channels, hidden, steps = 3, 5, 6
tiny = sequences.convlstm(channels, hidden, (1, 1), kernel=1)
x = torch.randn(2, steps, channels, 1, 1)
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
print(f"ConvLSTM on one cell, largest difference from the LSTM: {difference:.12f}")

# %% [markdown]
# Which input cells and steps can the central cell of the last output use? Measured by gradients
# again ({func}`lsntp.chapters.background.figures.influence_over_time`).

# %%
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

across = {name: (r > 0).any(dim=1).sum(dim=1).tolist() for name, r in reach.items()}
lag = torch.arange(steps).flip(0)  # 0 for the last step
assert across["ConvLSTM"] == (3 + 2 * lag).tolist(), (
    "ConvLSTM should widen by two cells a step"
)
assert across["CNN then LSTM"] == [size] * steps, (
    "CNN then LSTM should see everything"
)
for name, cells in across.items():
    print(f"{name:13s} cells across, first to last step: {cells}")

# %% [markdown]
# The ConvLSTM looks back in a cone: each step back widens it by one ring, and inside it every
# direction is known. CNN then LSTM sees everything at once, but through a narrow vector that has
# forgotten which number belongs to which place.
#
# That loss can be shown too. Move the whole input one cell to the east. Away from the border, the
# output of a ConvLSTM (here with one peephole number per channel) must move along. After flattening,
# nothing forces it to.

# %%
same = sequences.convlstm(1, 4, (size, size), per_cell=False)
x = torch.randn(1, steps, 1, size, size)
moved = x.roll(1, dims=-1)
inner = slice(steps + 1, -steps - 1)
with torch.no_grad():
    shifts = {
        "ConvLSTM": same(moved)[0] - same(x)[0].roll(1, dims=-1),
        "CNN then LSTM": cnn_lstm(moved) - cnn_lstm(x).roll(1, dims=-1),
    }
largest = {
    name: d[..., inner, inner].abs().max().item() for name, d in shifts.items()
}
assert largest["ConvLSTM"] < 1e-12, (
    "the ConvLSTM's output should move with its input"
)
assert largest["CNN then LSTM"] > 1e-3, "CNN then LSTM should not follow"
for name, difference in largest.items():
    print(f"{name:13s} largest difference after moving the input: {difference:.6f}")

# %% [markdown]
# And it costs parameters: the vector grows with the grid, and the LSTM's matrices with it. The
# kernels of a ConvLSTM do not know the size of the grid; only peepholes with a number for each
# cell, as printed, do ({func}`lsntp.chapters.background.sequences.parameter_growth`).

# %%
counts = sequences.parameter_growth([4, 8, 16, 32, 64])
ax = figures.parameter_growth(counts)
kernels = counts["convlstm"] - counts["peepholes"]
assert kernels.nunique() == 1, "the kernels should not depend on the grid"
assert (counts["peepholes"] == 3 * 8 * counts["cells"]).all(), (
    "three peepholes per cell and channel"
)
lstm_size, maps_out = 32, 8
flattened = 4 * lstm_size * (maps_out * counts["cells"] + lstm_size + 2)
readout = (lstm_size + 1) * counts["cells"]
assert (counts["cnn_then_lstm"] == maps_out * (9 + 1) + flattened + readout).all()
print(counts.to_string(index=False))
glue("largest_grid", int(counts["size"].iloc[-1]), display=False)
glue("parameters_cnn_lstm", int(counts["cnn_then_lstm"].iloc[-1]), display=False)
glue("parameters_convlstm", int(counts["convlstm"].iloc[-1]), display=False)

# %% [markdown]
# What it means: on a grid of {glue:text}`largest_grid` cells by {glue:text}`largest_grid`, CNN then
# LSTM has {glue:text}`parameters_cnn_lstm` parameters and the ConvLSTM
# {glue:text}`parameters_convlstm`, most of them peepholes. ConvLSTM keeps the place, but its cone
# is narrow. LS-NTP keeps the cell and widens the cone: it swaps the convolution for one that has
# looked at the whole graph first.

# %% [markdown]
# ## Kelvin
#
# All temperatures in this book are in kelvin, $K = {}^\circ\mathrm{C} + 273.15$. Differences and
# errors are the same in both units.

# %%
celsius = torch.linspace(-80, 60, 141)
kelvin = background.celsius_to_kelvin(celsius)
assert background.celsius_to_kelvin(0.0) == 273.15, "water freezes at 273.15 K"
assert torch.allclose(background.kelvin_to_celsius(kelvin), celsius, atol=1e-12)
assert torch.allclose(kelvin.diff(), celsius.diff(), atol=1e-12)
print(f"0 °C = {background.celsius_to_kelvin(0.0):.2f} K")
print(f"0 K = {background.kelvin_to_celsius(0.0):.2f} °C")

# %% [markdown]
# Next: what real temperature fields say about near and far correlations.
