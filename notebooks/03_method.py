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
# # Method: LS-Conv taken apart
#
# LS-NTP is a ConvLSTM whose convolution was swapped for another operator, LS-Conv. This page takes
# that operator apart on two real fields, equation by equation, puts the network together from it, and
# then asks on a world with known long-range links whether its graph finds them.

# %% tags=["parameters", "hide-input"]
datasets = ["ncep-na", "era5-uk"]  # real fields, from the field records
seed = 0  # of the untrained weights
seeds = [0, 1, 2]  # of the synthetic worlds, and of the weights trained on them
epochs = 15  # of each training on a synthetic world
steps = 1200  # hours in a synthetic world
links = 8  # planted in each, at most 12

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from myst_nb import glue

from lsntp import LSNTP, NSA, AdaptiveGraph, Forecaster, LSConv, figures
from lsntp.chapters import method, parameters
from lsntp.model.convlstm import ConvLSTMCell
from lsntp.model.forecaster import inner_grid
from lsntp.model.lsconv import lagc
from lsntp.results import field_records, planted
from lsntp.runs.config import PRESETS
from lsntp.zoo import MODELS

torch.set_num_threads(1)
figures.style()
records = field_records.studies(
    parameters.method(datasets, seed, seeds, epochs, steps, links)
)
first = next(iter(records))  # where one field is enough

# %% [markdown]
# ## The task
#
# Given the last $\alpha = T$ fields of near-surface temperature, forecast the next $\beta = L$:
#
# $$ \hat X_{t+1}, \dots, \hat X_{t+\beta} = f(X_{t-\alpha+1}, \dots, X_t), \qquad X \in \mathbb{R}^{H \times W} . $$
#
# Every cell of the grid is also a node of a graph: $N = H\,W$ nodes, counted row by row. All symbols
# are in {doc}`../book/notation`. The real fields of this page are the twelve frames that the field
# records keep of each data set: six inputs, six targets. Drawn by
# {func}`lsntp.figures.case_frames`.

# %%
for name, record in records.items():
    axes = figures.case_frames(record, steps=(-5, 0, 6))
    axes[0].figure.suptitle(
        f"{name}, 0 h = "
        f"{record.case_time.sel(step=0).dt.strftime('%Y-%m-%d %H').item()} UTC"
    )

# %% [markdown]
# A network sees scaled numbers. Here: the temperature minus the mean of the whole case, divided by its
# standard deviation (a record of twelve frames holds no climatology). The six input frames serve as
# the six channels of the operator.

# %%
inputs = {}
for name, record in records.items():
    case = (record.case - record.case.mean()) / record.case.std()
    case.attrs = {"units": "1", "long_name": "standardised temperature"}
    inputs[name] = case.sel(step=slice(None, 0))
tensors = {
    name: torch.from_numpy(frames.to_numpy())[None]
    for name, frames in inputs.items()
}
pd.DataFrame(
    {"(B, C, H, W)": {n: tuple(x.shape) for n, x in tensors.items()}}
    | {"N": {n: x.shape[-2] * x.shape[-1] for n, x in tensors.items()}}
)

# %% [markdown]
# ## NSA: attention, cell by cell
#
# Node-based spatial attention asks how much each cell matters. Three 1×1 convolutions, ReLU between
# them, end in a sigmoid; the result weighs the field:
#
# $$ \mathrm{NSA}(\mathcal{X}) = \sigma\bigl(\mathrm{conv}_{1\times1}(\operatorname{relu}(\mathrm{conv}_{1\times1}(\operatorname{relu}(\mathrm{conv}_{1\times1}(\mathcal{X}))))\bigr) \circ \mathcal{X} . $$
#
# In code, {class}`lsntp.model.lsconv.NSA`. The weights below are **untrained**: the maps show what kind of
# thing an attention is, not what a trained one attends to. Drawn by {func}`lsntp.figures.maps_row` and
# {func}`lsntp.figures.field_map`.

# %%
torch.manual_seed(seed)
nsa = NSA(channels=6)
for name, frames in inputs.items():
    with torch.no_grad():
        attention = torch.sigmoid(nsa.gate(tensors[name]))[0]  # (C, H, W)
        weighed = nsa(tensors[name])[0]
    assert attention.min() > 0 and attention.max() < 1, "attention lies in (0, 1)"
    assert torch.allclose(weighed, attention * tensors[name][0]), (
        "it weighs the field"
    )
    last = frames.isel(step=-1)
    axes = figures.maps_row(
        {
            "field, 0 h": last,
            "reweighted field": last.copy(data=weighed[-1].numpy()),
        },
        columns=2,
        cmap=figures.DIVERGING,
        limits=(-2.5, 2.5),
    )
    axes[0].figure.suptitle(f"{name}, untrained NSA")
    ax = figures.field_map(
        last.copy(data=attention[-1].numpy()),
        title=f"{name}, attention",
        label="attention",
    )
    print(
        f"{name}: attention from {attention[-1].min():.2f} to "
        f"{attention[-1].max():.2f}"
    )

# %% [markdown]
# Untrained, the attention stays near ½ and little more happens than that the field is halved.
#
# A 1×1 convolution looks at one cell, so this attention is a matter of that cell alone. The released
# code puts a GroupNorm with a single group behind the first two convolutions. It takes mean and
# variance over the *whole* field, and with it one cell's attention depends on all others. Raise one
# cell of the last frame by one standard deviation and count the cells whose output changes
# ({func}`lsntp.chapters.method.change_map`):

# %%
torch.manual_seed(seed)
attentions = {"equations": NSA(6), "released (GroupNorm)": NSA(6, norm=True)}
reached = {
    name: {
        form: int(
            method.change_map(a, x, (x.sizes["lat"] // 2, x.sizes["lon"] // 2))
            .notnull()
            .sum()
        )
        for form, a in attentions.items()
    }
    | {"cells": x[0].size}
    for name, x in inputs.items()
}
for counts in reached.values():
    assert counts["equations"] == 1, "without norm, attention is local"
    assert counts["released (GroupNorm)"] == counts["cells"], (
        "with GroupNorm it is not"
    )
pd.DataFrame(reached).T

# %% [markdown]
# ## LAGC: a graph that is learned
#
# A graph convolution needs an adjacency. LAGC learns one: every node has an embedding, a row of $E$,
# and two nodes are linked as far as their embeddings point the same way:
#
# $$ D^{-1/2} A D^{-1/2} = \operatorname{softmax}\bigl(\operatorname{relu}(E E^{\top})\bigr), \qquad
# L = \bigl(I + \operatorname{softmax}(\operatorname{relu}(E E^{\top}))\bigr) X . $$
#
# The softmax is taken of each row. In code, {class}`lsntp.model.graph.AdaptiveGraph` and
# {func}`lsntp.model.lsconv.lagc`. Three things follow from the equation alone.
#
# **It starts as a global mean.** Before training the embeddings are small and random, so all scores are
# near 0 and every weight is near $1/N$. The table gives weights times $N$ (1 is the global mean), for the
# embedding sizes of the laptop preset and of the paper.

# %%
rows = []
for name, x in tensors.items():
    nodes = x.shape[-2] * x.shape[-1]
    for preset in ("laptop", "paper"):
        torch.manual_seed(seed)
        with torch.no_grad():
            A = AdaptiveGraph(nodes, PRESETS[preset].embedding)()
        assert torch.allclose(A.sum(1), torch.ones(nodes), atol=1e-5), (
            "rows sum to 1"
        )
        others = nodes * A[~torch.eye(nodes, dtype=bool)]
        rows.append(
            {
                "field": name,
                "N": nodes,
                "embedding size": PRESETS[preset].embedding,
                "smallest × N": f"{others.min():.2f}",
                "largest × N, other cells": f"{others.max():.2f}",
                "own cell × N, mean": f"{nodes * A.diagonal().mean():.2f}",
            }
        )
pd.DataFrame(rows)

# %% [markdown]
# **It is never sparse.** The ReLU sets every negative score to 0, but $e^0 = 1$: a score of 0 is not a
# missing link. For every score $s$,
#
# $$ e^{\operatorname{relu}(s)} = 1 + \left(e^{s} - 1\right)_+ , $$
#
# so the softmax's numerator is a floor, the matrix of ones (rank one: every cell gets the plain sum of the
# field), and a positive part that is sparse.
#
# **It knows no direction, but its rows do.** $E E^\top$ is symmetric, and so is the numerator. Dividing each
# row by its own sum $Z_n$ is not: what the code computes is $D^{-1}A$, not the symmetric $D^{-1/2} A D^{-1/2}$
# of the equation's left side.

# %%
torch.manual_seed(seed)
nodes = tensors[first].shape[-2] * tensors[first].shape[-1]
with torch.no_grad():
    graph = AdaptiveGraph(nodes, PRESETS["paper"].embedding).double()
    scores = graph.embedding @ graph.embedding.T
    A = graph()
numerator = torch.exp(torch.relu(scores))
positive = torch.expm1(scores).clamp(min=0)
Z = numerator.sum(1, keepdim=True)
assert torch.allclose(numerator, 1 + positive, rtol=1e-13, atol=0), (
    "floor plus positive part"
)
assert torch.allclose(numerator, numerator.T, rtol=1e-13, atol=0), (
    "the numerator is symmetric"
)
assert torch.allclose(A, numerator / Z, rtol=1e-12, atol=0), (
    "rows divided by their sums"
)
x = tensors[first].double()
floor = (
    x.sum((2, 3), keepdim=True).expand_as(x).flatten(2)
)  # the sum of the field, everywhere
assert torch.allclose(
    (lagc(x, A) - x).flatten(2),
    (floor + x.flatten(2) @ positive) / Z[:, 0],
    atol=1e-12,
), "A X = (sum of the field + P X) / Z"
glue("sparse", f"{100 * (positive == 0).double().mean():.0f} %", display=False)
glue("floor", f"{100 * (nodes / Z).mean():.0f} %", display=False)
print(
    f"smallest weight × N: {nodes * A.min():.2f}; weights that are 0: "
    f"{int((A == 0).sum())}"
)
print(
    f"entries of the positive part that are 0: "
    f"{(positive == 0).double().mean():.2f}"
)
print(f"share of a row's weight in the floor, mean: {(nodes / Z).mean():.2f}")
print(
    f"largest difference between A and its transpose, × N: "
    f"{nodes * (A - A.T).abs().max():.2f}"
)

# %% [markdown]
# At the start {glue:text}`sparse` of the positive part is 0, and the floor holds {glue:text}`floor` of the
# weight. What an untrained graph adds to a field is therefore close to one number, the field's mean:

# %%
for name, frames in inputs.items():
    last, x = frames.isel(step=-1), tensors[name]
    torch.manual_seed(seed)
    with torch.no_grad():
        A = AdaptiveGraph(x.shape[-2] * x.shape[-1], PRESETS["paper"].embedding)()
        smoothed = lagc(x, A)[0, -1].numpy()
    maps = {
        "$X$": last,
        "$A X$": last.copy(data=smoothed - last.to_numpy()),
        "$L = (I + A) X$": last.copy(data=smoothed),
    }
    axes = figures.maps_row(
        maps, columns=2, cmap=figures.DIVERGING, limits=(-2.5, 2.5)
    )
    axes[0].figure.suptitle(f"{name}, untrained graph")
    spread = {title: f"{float(m.std()):.2f}" for title, m in maps.items()}
    print(f"{name}: standard deviation over the cells: {spread}")

# %% [markdown]
# ## LSI and LS-Conv
#
# The last part, LSI, is an ordinary $k \times k$ convolution, here of the graph-smoothed field. The three
# together are LS-Conv, written $\star$:
#
# $$
# \begin{aligned}
# X &= \left[\mathrm{NSA}(\mathcal{X})\right]_{nm,c} \\
# L &= \left(I + \operatorname{softmax}(\operatorname{relu}(E E^{\top}))\right) X \\
# (\mathcal{X} \star \Theta)(i, j, :) &= \sum_{p} \sum_{q} \left[L\,\Theta_{pq}\right]_{n,m,f}(i - p,\; j - q,\; :)
# \end{aligned}
# $$
#
# This is the method of {class}`lsntp.model.lsconv.LSConv` that runs, wherever LS-Conv does. (*Absent* channels are known
# to be zero, and left out.)

# %% tags=["remove-input"]
display(Markdown(method.code_of(LSConv.forward)))

# %% [markdown]
# {func}`lsntp.chapters.method.loop_lsconv` writes the same sums as loops over nodes, cells and offsets, with no tensor library to hide in. On a crop of each real field
# they agree. (Like every deep-learning library, both count the offsets the other way, $i + p$ for $i - p$;
# as $\Theta$ is learned, that is a matter of naming.)

# %%
for name, x in tensors.items():
    crop = x[0, :, 4:12, 6:16].double()
    torch.manual_seed(seed)
    operator = LSConv(6, 4, kernel=3).double()
    graph = AdaptiveGraph(crop[0].numel(), 8).double()
    with torch.no_grad():
        graph.embedding *= 3  # so that the graph is far from uniform
        fast = operator(crop[None], graph())[0]
        slow = method.loop_lsconv(operator, graph.embedding, crop)
    error = (fast - slow).abs().max().item()
    assert error < 1e-12, f"LS-Conv and its loops differ by {error}"
    print(
        f"{name}, {tuple(crop.shape)} to {tuple(fast.shape)}: largest error "
        f"{error:.12f}"
    )

# %% [markdown]
# ### What one cell reaches
#
# Raise one cell of the last frame by one standard deviation. Where does the output change? A convolution
# answers within its kernel; the graph reaches everywhere in one step. Each part can be taken out
# ({func}`lsntp.chapters.method.without`), the weights of the others stay as they are. The maps show the size of
# the change, by powers of ten; white cells do not change. The last map is a convolution behind the released
# code's attention, with its GroupNorm.

# %%
frames, x = inputs[first], tensors[first]
middle = frames.sizes["lat"] // 2, frames.sizes["lon"] // 2
torch.manual_seed(seed)
operator = LSConv(6, 4, kernel=3)
torch.manual_seed(seed)
normed = LSConv(6, 4, kernel=3, lagc=False, norm=True)
with torch.no_grad():
    A = AdaptiveGraph(x.shape[-2] * x.shape[-1], PRESETS["paper"].embedding)()
operators = {
    "LS-Conv": operator,
    "w/o NSA": method.without(operator, "NSA"),
    "w/o LSI": method.without(operator, "LSI"),
    "w/o LAGC": method.without(operator, "LAGC"),
    "convolution": method.without(operator, "NSA", "LAGC"),
    "w/o LAGC, GroupNorm": normed,
}
changes = {
    part: method.change_map(op, frames, middle, A) for part, op in operators.items()
}
axes = figures.maps_row(
    {part: np.log10(change) for part, change in changes.items()},
    columns=2,
    label="change of the output\n(power of ten)",
)

# %%
near = np.zeros(frames.shape[1:], bool)
near[middle[0] - 1 : middle[0] + 2, middle[1] - 1 : middle[1] + 2] = True
table = pd.DataFrame(
    {
        part: {
            "cells reached": int(c.notnull().sum()),
            "change in the 3×3 cells": f"{float(np.sqrt((c.where(near) ** 2).sum())):.2f}",
            "change elsewhere": f"{float(np.sqrt((c.where(~near) ** 2).sum())):.3f}",
        }
        for part, c in changes.items()
    }
).T
assert table["cells reached"].to_dict() == {
    "LS-Conv": near.size,
    "w/o NSA": near.size,
    "w/o LSI": near.size,
    "w/o LAGC": 9,
    "convolution": 9,
    "w/o LAGC, GroupNorm": near.size,
}, "only the graph, and GroupNorm, reach beyond the kernel"
assert (
    changes["w/o NSA"].where(near).sum() > changes["LS-Conv"].where(near).sum()
), "an attention below 1 weakens"
table

# %% [markdown]
# - **LAGC** carries the change beyond the kernel. Untrained, it does so equally everywhere and by
#   little, about $1/N$ a cell: the last column adds up the squares of all those cells.
# - **NSA** changes how strong the answer is, not where it is.
# - **LSI** is what tells directions apart: without it, the neighbours are reached only as all other cells
#   are, through the graph.
# - **GroupNorm** makes even "w/o LAGC" reach every cell. In the released form, an ablation without the graph is
#   not one without long range.
#
# ## LS-NTP: one cell, given its operator
#
# The recurrent cell ({class}`lsntp.model.convlstm.ConvLSTMCell`) is ConvLSTM's, with peepholes. It does not know
# its operator; it is *given* one:
#
# $$
# \begin{aligned}
# i &= \sigma(W_{xi} \star X_t + W_{hi} \star H_{t-1} + W_{ci} \circ C_{t-1} + b_i) \\
# f &= \sigma(W_{xf} \star X_t + W_{hf} \star H_{t-1} + W_{cf} \circ C_{t-1} + b_f) \\
# \tilde{C} &= \tanh(W_{xc} \star X_t + W_{hc} \star H_{t-1} + b_c) \\
# C_t &= f \circ C_{t-1} + i \circ \tilde{C} \\
# o &= \sigma(W_{xo} \star X_t + W_{ho} \star H_{t-1} + W_{co} \circ C_t + b_o) \\
# H_t &= o \circ \tanh(C_t)
# \end{aligned}
# $$
#
# As it runs:

# %% tags=["remove-input"]
display(Markdown(method.code_of(ConvLSTMCell.forward)))

# %% [markdown]
# Any module that maps $[X, H]$ to the four gates will do: a plain convolution, LS-Conv, or one of your own.
#
# Take NSA and LAGC out of every LS-Conv of an LS-NTP, and it *is* a ConvLSTM: its weights fit into one, and
# the forecasts are equal.

# %%
height, width = tensors[first].shape[-2:]
sizes = {"hidden": 8, "embedding": 16, "downsample": True}
window = tensors[first][:, :, None]  # (B, T, C, H, W)
torch.manual_seed(seed)
lsntp_model = LSNTP.equations(height, width, **sizes)
stripped = method.as_convlstm(lsntp_model)
convlstm = MODELS["convlstm"].build(height, width, **sizes)
convlstm.load_state_dict(stripped.state_dict())
with torch.no_grad():
    assert torch.equal(stripped(window), convlstm(window)), (
        "LS-NTP without NSA and LAGC is ConvLSTM"
    )
    assert not torch.allclose(lsntp_model(window), convlstm(window)), (
        "with them it is not"
    )
print("LS-NTP without NSA and LAGC = ConvLSTM")

# %% [markdown]
# ### Encoder and decoder
#
# Two layers read the $T$ input frames. Two more, without input, write the $L$ forecasts; layer 3 starts from the
# last state of layer 1, layer 4 from that of layer 2. One convolution turns each hidden state into a field.
# All four layers share one graph. Drawn by {func}`lsntp.chapters.method.architecture`.

# %%
ax = method.architecture()

# %% [markdown]
# Between the two convolutions, as it runs ({meth}`lsntp.Forecaster.features`):

# %% tags=["remove-input"]
display(Markdown(method.code_of(Forecaster.features)))

# %% [markdown]
# The shapes on the way ({func}`lsntp.chapters.method.stages`), for the laptop preset. A stride-2 convolution halves the
# grid first, a transposed one restores it at the end; the graph lives on the small grid.

# %%
laptop = PRESETS["laptop"].model_dump(
    include={"hidden", "embedding", "kernel", "downsample"}
)
shapes = {}
for name, x in tensors.items():
    height, width = x.shape[-2:]
    torch.manual_seed(seed)
    model = LSNTP.equations(height, width, **laptop)
    shapes[name] = method.stages(model, x[:, :, None])
    rows, columns = inner_grid(height, width, downsample=True)
    assert model.adjacency().shape == (rows * columns, rows * columns), (
        "a node a cell"
    )
pd.DataFrame(
    {
        name: {stage: str(s) for stage, s in found.items()}
        for name, found in shapes.items()
    }
)

# %% [markdown]
# ### Where the parameters sit
#
# The two configurations of the released code, and the laptop preset of this book on one real grid
# ({func}`lsntp.chapters.method.parameters_by_part`):

# %%
configurations = {
    "released, ERA5 77×125": LSNTP.released(
        77, 125, hidden=128, embedding=512, downsample=True
    ),
    "released, NCEP 21×35": LSNTP.released(21, 35, hidden=256, embedding=512),
    "laptop, released form": LSNTP.released(21, 35, **laptop),
    "laptop, equations": LSNTP.equations(21, 35, **laptop),
}
counts = pd.DataFrame(
    {name: method.parameters_by_part(m) for name, m in configurations.items()}
)
counts.loc["all"] = counts.sum()
millions = (counts.loc["all"] / 1e6).map("{:.2f}".format)
assert millions.iloc[0] == "5.99" and millions.iloc[1] == "19.48", (
    "the released code's own counts"
)
for key, configuration in (
    ("era5", counts.columns[0]),
    ("ncep", counts.columns[1]),
):
    glue(f"{key}-millions", f"{millions[configuration]} M", display=False)
    share = counts.loc["LSI", configuration] / counts.loc["all", configuration]
    glue(f"{key}-lsi", f"{100 * share:.0f} %", display=False)
    share = (
        counts.loc["node embedding", configuration]
        / counts.loc["all", configuration]
    )
    glue(f"{key}-embedding", f"{100 * share:.0f} %", display=False)
counts.map("{:,}".format)

# %% [markdown]
# The released configurations have {glue:text}`era5-millions` and {glue:text}`ncep-millions`. Most of it
# is ordinary convolution kernels: LSI holds {glue:text}`era5-lsi` and {glue:text}`ncep-lsi`. The embedding,
# all that the graph is, holds {glue:text}`era5-embedding` and {glue:text}`ncep-embedding`.
#
# ### Two forms
#
# The paper's equations and the released code are not the same network. Both are here, by name:
# {meth}`lsntp.LSNTP.equations` and {meth}`lsntp.LSNTP.released`. The table is read off the models themselves.

# %%
forms = {}
for form, build in (("equations", LSNTP.equations), ("released", LSNTP.released)):
    torch.manual_seed(seed)
    forms[form] = build(21, 35, **laptop)
pd.DataFrame(
    {
        form: {
            "attentions a cell": f"{len(op.nsa)}, over "
            f"{' and '.join(map(str, op.split))} channels",
            "GroupNorm in NSA": "GroupNorm" in str(op.nsa),
            "bias in LS-Conv": op.lsi.bias is not None,
            "ReLU before the gates": op.relu,
            "peepholes": f"a number a {'channel' if cell.w_ci[0, 0].numel() == 1 else 'cell and channel'}",
        }
        for form, model in forms.items()
        for cell in method.cells(model)[1:2]
        for op in [cell.operator]
    }
)

# %% [markdown]
# The ReLU weighs most. It comes *before* the gates, so no gate sees a negative number: $\sigma(\operatorname{relu}(\cdot)) \ge \tfrac12$
# and $\tanh(\operatorname{relu}(\cdot)) \ge 0$. A released cell can hardly close: it forgets at most half of its state in a step, and
# what it adds is never negative, but for what the peepholes contribute. Measured in one forecast from a real
# field with untrained weights, over all layers, steps and cells, peepholes left aside
# ({func}`lsntp.chapters.method.gates`, drawn by {func}`lsntp.chapters.method.gate_histograms`):

# %%
opened = {}
for name, x in tensors.items():
    height, width = x.shape[-2:]
    values = {}
    for form, build in (
        ("equations", LSNTP.equations),
        ("released", LSNTP.released),
    ):
        torch.manual_seed(seed)
        values[f"lsntp-{form}"] = method.gates(
            build(height, width, **laptop), x[:, :, None]
        )
        opened[name, form] = {
            f"{gate} ≥ {'0' if gate == 'C̃' else '½'}": (
                v >= (0 if gate == "C̃" else 0.5)
            ).mean()
            for gate, v in values[f"lsntp-{form}"].items()
        }
    axes = method.gate_histograms(values)
    axes[0].figure.suptitle(f"{name}, untrained")
opened = pd.DataFrame(opened).T
assert (opened.xs("released", level=1) == 1).all(axis=None), (
    "the ReLU keeps every gate half open"
)
opened.map("{:.1f}".format)

# %% [markdown]
# ## Are planted links found?
#
# On real fields nobody knows which far cells are linked. On `synthetic` we do
# ({func}`lsntp.data.synthetic.synthetic`): weather drifts, spreads and decays on a small grid, and in a few
# target patches the anomaly is pulled towards what it was, three steps before, in a patch far away.
#
# The smallest network with a graph is one linear LS-Conv without NSA that forecasts the next frame from the
# last six ({class}`lsntp.results.planted.NextFrame`). It is trained live, by {func}`lsntp.runs.training.fit`, never seeing
# the truth. Then its graph is scored against the truth by the area under the ROC curve, AUC: the chance that
# a linked pair of cells has more weight than a pair that is not linked; ½ is guessing, 1 is perfect
# ({func}`lsntp.results.planted.far_auc`). A pair's weight is $A_{nm} + A_{mn}$, because the score $E E^\top$ is symmetric.
# Only **far pairs** count, those at least as far apart as the nearest linked pair; that near cells go
# together is no discovery.
#
# Beside it stand
# - the same layer when it forecasts the *change* from the last frame, as the `modern` recipe does;
# - for the change, a layer with weights of their own for the links, $X \Theta' + A X \Theta$ for $(I + A) X \Theta$;
# - a control: trained on a world without links, scored against links that were never there;
# - the untrained graph;
# - Pearson's $r$ at the true lag, of the fields as they are and of their anomalies.

# %%
study = planted.planted_links(seeds, epochs=epochs, steps=steps, links=links)
ax = figures.auc_dots(study.auc)

# %% tags=["trained-here"]
means = study.auc.mean("seed").to_pandas()
short = {
    "next": "LS-Conv, next frame",
    "change": "LS-Conv, change",
    "own": "own Θ for links, change",
    "control": "control: no links",
    "untrained": "untrained graph",
    "pearson": "Pearson at lag, anomalies",
}
for key, way in short.items():
    glue(f"auc-{key}", f"{means[way]:.2f}", display=False)
weights, truth = (
    study.adjacency.to_numpy() * study.sizes["node"],
    study.links.to_numpy(),
)
forwards, backwards = weights[truth].mean(), weights[truth.swapaxes(1, 2)].mean()
glue("forwards", f"{forwards:.1f}", display=False)
glue("backwards", f"{backwards:.1f}", display=False)
means.map("{:.2f}".format).to_frame("AUC on far pairs, mean over seeds")

# %% [markdown]
# Drawn by {func}`lsntp.figures.auc_dots`, a dot per seed. The layer finds the links:
# {glue:text}`auc-next` on average, against {glue:text}`auc-untrained` before training and
# {glue:text}`auc-control` where there is nothing to find. Rows of the learned adjacency, each of the middle
# cell (cross) of a target patch, beside the planted truth; the true source is outlined. Drawn by
# {func}`lsntp.chapters.method.learned_rows`.

# %%
axes = method.learned_rows(study.sel(seed=seeds[0]))

# %% [markdown]
# What this shows, and what it does not:
#
# - **The graph can learn long-range links from forecasting alone**, and even leans to the right direction: a
#   target's row gives its source {glue:text}`forwards` times the global mean, a source's row gives its target
#   {glue:text}`backwards` times. The score is symmetric; the rows' own sums make the difference.
# - **What is asked for decides.** Asked for the *change*, the same layer ends at
#   {glue:text}`auc-change`, no better than guessing or worse. A reason: LS-Conv uses the same $\Theta$ for a cell and for
#   what its links bring, $(I + A) X \Theta$. Next-frame weights ask "what will it be?", and a source's answer
#   helps its target. Weights for the change ask "how will it move?", and a source's movement is no help to a
#   cell that is pulled towards the source's *level*. If so, a layer with weights of their own
#   for the links should find them again, and it does: {glue:text}`auc-own`. (Worlds and first weights move these
#   scores; the dots show by how much.)
# - **A plain correlation finds them better**: {glue:text}`auc-pearson`, though told the lag. The graph is
#   a by-product of forecasting; it starts from a global mean, is the same for all channels and lags, and
#   has to share each row's weight between the cell itself, its neighbours and its links.
# - One linear layer is not LS-NTP. That a graph *can* find links in a world made for it says little about
#   what four recurrent layers do with the atmosphere; the ablation has to say that.
#
# ## Checks

# %%
assert means["LS-Conv, next frame"] > 0.8, "the planted links are found"
assert abs(means["untrained graph"] - 0.5) < 0.1, "before training they are not"
assert means["LS-Conv, next frame"] > means["control: no links"] + 0.2, (
    "nor where there are none"
)
assert means["own Θ for links, change"] > means["LS-Conv, change"] + 0.2, (
    "own weights help"
)
assert np.allclose(study.adjacency.sum("node_from"), 1, atol=1e-5), "rows sum to 1"
print("links found, controls at about one half")
