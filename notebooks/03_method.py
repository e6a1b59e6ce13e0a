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
# **LS-NTP is ConvLSTM with another convolution, LS-Conv: it lets every cell listen to every other before the kernel reads.**
#
# :::{div} page-head
# **You will see** LS-Conv in a few lines of code, the network around it, and when planted links are found. **You should know**
# {doc}`01_background`. {sub-ref}`wordcount-minutes` min. On data of yours:
# `papermill notebooks/03_method.ipynb mine.ipynb -p dataset my.nc`
# :::

# %% tags=["parameters", "hide-input"]
dataset = ["ncep-na", "era5-uk"]  # a name, or a list; real fields
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
from lsntp.data.datasets import NAMES
from lsntp.model.convlstm import ConvLSTMCell
from lsntp.model.forecaster import inner_grid
from lsntp.model.lsconv import lagc
from lsntp.results import field_records, learned_graphs, studies
from lsntp.runs import records as run_records
from lsntp.runs.config import PRESETS
from lsntp.runs.trained import inner_cells, nodes_there
from lsntp.zoo import MODELS

torch.set_num_threads(1)
figures.style()
records = field_records.studies(
    parameters.method(dataset, seed, seeds, epochs, steps, links)
)
first = next(iter(records))  # where one field is enough

# %% tags=["hide-input"]
# | alt: NSA weighs a field cell by cell, LAGC mixes cells over a graph, LSI reads neighbours with a kernel.
# | caption: "The three parts and their equations. *Listens* is a weighted sum over all cells; its weights are learned, and the same for every input. ({func}`lsntp.figures.schematics.overview` draws it.)"
ax = figures.schematics.overview()

# %% [markdown]
# (task)=
# ## The task
#
# From the last $\alpha = T$ fields of near-surface temperature, forecast the next $\beta = L$:
#
# $$ \hat X_{t+1}, \dots, \hat X_{t+\beta} = f(X_{t-\alpha+1}, \dots, X_t), \qquad X \in \mathbb{R}^{H \times W} . $$
#
# Every cell is a node of a graph: $N = H\,W$ nodes, counted row by row ({doc}`../book/notation`). The six input frames
# of a real case, standardised over the case, are the channels here.

# %% tags=["hide-input"]
inputs = {}
for name, record in records.items():
    case = (record.case - record.case.mean()) / record.case.std()
    case = case.fillna(0)  # masked cells, as networks see them
    case.attrs = {"units": "1", "long_name": "standardised temperature"}
    inputs[name] = case.sel(step=slice(None, 0))
tensors = {
    name: torch.from_numpy(frames.to_numpy())[None]
    for name, frames in inputs.items()
}
frames, x = inputs[first], tensors[first]  # the field of this page, (B, C, H, W)
height, width = x.shape[-2:]
torch.manual_seed(seed)
operator = LSConv(6, 4, kernel=3)
E = AdaptiveGraph(height * width, PRESETS["laptop"].embedding).embedding.detach()
conv1, _, conv2, _, conv3 = operator.nsa[0].gate
theta, bias = operator.lsi.weight, operator.lsi.bias

# %% [markdown]
# (nsa)=
# ## NSA: attention, cell by cell
#
# $$ \mathrm{NSA}(\mathcal{X}) = \sigma\bigl(\mathrm{conv}_{1\times1}(\operatorname{relu}(\mathrm{conv}_{1\times1}(\operatorname{relu}(\mathrm{conv}_{1\times1}(\mathcal{X}))))\bigr) \circ \mathcal{X} . $$
#
# Three 1×1 convolutions give every cell a weight in (0, 1):

# %%
X = torch.sigmoid(conv3(conv2(conv1(x).relu()).relu())) * x
assert torch.allclose(X, operator.nsa[0](x))  # the library's

# %% [markdown]
# A 1×1 convolution looks at one cell, so this attention is a matter of that cell alone. The released code adds a
# GroupNorm, which averages over the *whole* field: there, one cell's attention depends on all others. Cells whose output
# changes if one is raised:

# %% tags=["hide-input"]
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
    | {"cells": int(records[name].case[0].count())}
    for name, x in inputs.items()
}
for counts in reached.values():
    assert counts["equations"] == 1, "without norm, attention is local"
    assert counts["released (GroupNorm)"] == counts["cells"], (
        "with GroupNorm it is not"
    )
pd.DataFrame(reached).T

# %% [markdown]
# (lagc)=
# ## LAGC: a graph that is learned
#
# $$ D^{-1/2} A D^{-1/2} = \operatorname{softmax}\bigl(\operatorname{relu}(E E^{\top})\bigr), \qquad
# L = \bigl(I + \operatorname{softmax}(\operatorname{relu}(E E^{\top}))\bigr) X . $$
#
# Every node has an embedding, a row of $E$. Two nodes are linked as far as their embeddings point the same way:

# %%
A = (E @ E.T).relu().softmax(dim=1)  # (N, N), row n: what node n listens to
L = X + (X.flatten(2) @ A.T).reshape(X.shape)  # (I + A) X
assert torch.allclose(L, lagc(X, A), atol=1e-5)  # the library's

# %% [markdown]
# **It starts as a global mean**: embeddings start small, so every weight is near $1/N$.
# **It is never sparse**: with a score $s$, $e^{\operatorname{relu}(s)} = 1 + (e^{s} - 1)_+$, a floor everywhere and a sparse
# positive part. **Scores know no direction, rows do**: $E E^\top$ is symmetric, but each row is divided by its own sum. The
# code computes $D^{-1}A$, not $D^{-1/2} A D^{-1/2}$.

# %% tags=["hide-cell"]
torch.manual_seed(seed)
nodes = tensors[first].shape[-2] * tensors[first].shape[-1]
with torch.no_grad():
    graph = AdaptiveGraph(nodes, PRESETS["paper"].embedding).double()
    scores = graph.embedding @ graph.embedding.T
    A64 = graph()
attention = torch.sigmoid(operator.nsa[0].gate(x))
assert attention.min() > 0 and attention.max() < 1, "attention lies in (0, 1)"
assert torch.allclose(A.sum(1), torch.ones(len(A)), atol=1e-5), "rows sum to 1"
numerator = torch.exp(torch.relu(scores))
positive = torch.expm1(scores).clamp(min=0)
Z = numerator.sum(1, keepdim=True)
assert torch.allclose(numerator, 1 + positive, rtol=1e-13, atol=0), (
    "floor plus positive part"
)
assert torch.allclose(numerator, numerator.T, rtol=1e-13, atol=0), (
    "the numerator is symmetric"
)
assert torch.allclose(A64, numerator / Z, rtol=1e-12, atol=0), (
    "rows divided by their sums"
)
x64 = tensors[first].double()
floor = (
    x64.sum((2, 3), keepdim=True).expand_as(x64).flatten(2)
)  # the sum of the field, everywhere
assert torch.allclose(
    (lagc(x64, A64) - x64).flatten(2),
    (floor + x64.flatten(2) @ positive) / Z[:, 0],
    atol=1e-12,
), "A X = (sum of the field + P X) / Z"
glue("sparse", f"{100 * (positive == 0).double().mean():.0f} %", display=False)
glue("floor", f"{100 * (nodes / Z).mean():.0f} %", display=False)
print(
    f"smallest weight × N: {nodes * A64.min():.2f}; weights that are 0: "
    f"{int((A64 == 0).sum())}"
)
print(
    f"entries of the positive part that are 0: "
    f"{(positive == 0).double().mean():.2f}"
)
print(f"share of a row's weight in the floor, mean: {(nodes / Z).mean():.2f}")
print(
    f"largest difference between A and its transpose, × N: "
    f"{nodes * (A64 - A64.T).abs().max():.2f}"
)

# %% [markdown]
# At the start {glue:text}`sparse` of the positive part is 0, and the floor holds {glue:text}`floor` of the weight.
# Training changes that. Below, the recorded embeddings of LS-NTP (equations), and what their graph makes of a field:

# %% tags=["hide-input"]
# | alt: A field on the nodes, what the learned graph adds to it, and their sum.
# | caption: "A field at the network's nodes, what the trained graph brings each cell, and both together; `ncep-na` in this book, seed 0."
own = first not in NAMES  # a file of one's own has no record: a short training
wanted = studies.main(
    first, "smoke" if own else "laptop", 1, ["lsntp-equations"], ["modern"]
)
run = studies.load(wanted, own)
(run,) = next(iter(run.values()))
config = run_records.config_of(run)
coarse = inner_cells(config, inputs[first])
there = nodes_there(config, records[first].case)  # all, if no cell is masked
trained = learned_graphs.adjacency(run["embedding"].values[there])
trained = learned_graphs.among_all(trained, there)
trained = torch.from_numpy(trained).nan_to_num(0)
on_nodes = torch.from_numpy(coarse.to_numpy())[None].double()
brought = (lagc(on_nodes, trained) - on_nodes)[0, -1].numpy()
last = coarse.isel(step=-1)
axes = figures.maps_row(
    {
        "$X$": last,
        "$A X$": last.copy(data=brought),
        "$L = (I + A) X$": last + brought,
    },
    columns=2,
    cmap=figures.DIVERGING,
    limits=(-2.5, 2.5),
    label=coarse.attrs["long_name"],
)

# %% [markdown]
# (lsi)=
# ## LSI: the kernel
#
# For each offset of the kernel, LSI takes the row of $L$ that lies there, weighs it by $\Theta_{pq}$, and adds:

# %% tags=["hide-input"]
# | alt: Nine coloured cells of a field are nine rows of a matrix; each is multiplied by its own weights, and they are added to one output cell.
# | caption: "A colour an offset. The field's cells are the rows of L. ({func}`lsntp.figures.schematics.integrator` draws it.)"
ax = figures.schematics.integrator()

# %% [markdown]
# (ls-conv)=
# ### The three together: LS-Conv, written $\star$
#
# $$
# \begin{aligned}
# X &= \left[\mathrm{NSA}(\mathcal{X})\right]_{nm,c} \\
# L &= \left(I + \operatorname{softmax}(\operatorname{relu}(E E^{\top}))\right) X \\
# (\mathcal{X} \star \Theta)(i, j, :) &= \sum_{p} \sum_{q} \left[L\,\Theta_{pq}\right]_{n,m,f}(i - p,\; j - q,\; :)
# \end{aligned}
# $$

# %% tags=["hide-input"]
# | alt: "A convolution reads the 3×3 cells around an output cell; in LS-Conv arrows from five far cells reach those nine first."
# | caption: "Blue, what the kernel reads; orange, what those cells hear from afar, thicker arrows for more weight. ({func}`lsntp.figures.schematics.convolution_and_lsconv` draws it.)"
axes = figures.schematics.convolution_and_lsconv()

# %%
Y = torch.nn.functional.conv2d(L, theta, bias, padding=1)
assert torch.allclose(Y, operator(x, A), atol=1e-5)  # the library's LS-Conv

# %% [markdown]
# As it runs ({class}`lsntp.model.lsconv.LSConv`; *absent* channels are known to be zero and left out):

# %% tags=["remove-input"]
display(Markdown(method.code_of(LSConv.forward)))

# %% tags=["hide-cell"]
for name, field in tensors.items():
    crop = field[0, :, 4:12, 6:16].double()
    torch.manual_seed(seed)
    small = LSConv(6, 4, kernel=3).double()
    graph = AdaptiveGraph(crop[0].numel(), 8).double()
    with torch.no_grad():
        graph.embedding *= 3  # so that the graph is far from uniform
        fast = small(crop[None], graph())[0]
        slow = method.loop_lsconv(small, graph.embedding, crop)
    error = (fast - slow).abs().max().item()
    assert error < 1e-12, f"LS-Conv and its loops differ by {error}"
    print(
        f"{name}, {tuple(crop.shape)} to {tuple(fast.shape)}: largest error "
        f"{error:.12f}"
    )

# %% [markdown]
# ### What one cell reaches
#
# Raise one cell by one standard deviation: where does the output change? The graph is the trained one, the other weights
# are untrained. With trained graphs, for any cell: {doc}`../book/play-reach`.

# %% tags=["hide-input"]
# | alt: Change of the output on maps by powers of ten, with parts of LS-Conv taken out; only the graph and GroupNorm reach beyond the kernel.
# | caption: "White cells do not change. Only LAGC, and the released GroupNorm, reach beyond the kernel. ({func}`lsntp.chapters.method.change_map` computes it.)"
middle = coarse.sizes["lat"] // 2, coarse.sizes["lon"] // 2
torch.manual_seed(seed)
normed = LSConv(6, 4, kernel=3, lagc=False, norm=True)
operators = {
    "LS-Conv": operator,
    "w/o NSA": method.without(operator, "NSA"),
    "w/o LSI": method.without(operator, "LSI"),
    "w/o LAGC": method.without(operator, "LAGC"),
    "convolution": method.without(operator, "NSA", "LAGC"),
    "w/o LAGC, GroupNorm": normed,
}
changes = {
    part: method.change_map(op, coarse, middle, trained)
    for part, op in operators.items()
}
axes = figures.maps_row(
    {part: np.log10(change) for part, change in changes.items()},
    columns=2,
    label="change of the output\n(power of ten)",
)

# %% tags=["hide-input"]
near = np.zeros(coarse.shape[1:], bool)
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
if there.all():  # masked cells have no links
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
# **LAGC** carries the change beyond the kernel. **NSA** changes its strength, not its place. **LSI** tells directions apart.
# With **GroupNorm**, even "w/o LAGC" reaches every cell: in the released form an ablation without the graph is not one
# without long range.
#
# (cell)=
# ## LS-NTP: ConvLSTM's cell, given its operator

# %% tags=["hide-input"]
# | alt: ConvLSTM's cell with its gates; the box of the operator is marked as replaced by LS-Conv.
# | caption: "The cell of ConvLSTM; orange, the one thing LS-NTP swaps. Peepholes are left out. ({func}`lsntp.figures.schematics.cell` draws it.)"
ax = figures.schematics.cell()

# %% [markdown]
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
# As it runs ({class}`lsntp.model.convlstm.ConvLSTMCell`). Any module that maps $[X, H]$ to four gates will do.

# %% tags=["remove-input"]
display(Markdown(method.code_of(ConvLSTMCell.forward)))

# %% [markdown]
# Without NSA and LAGC an LS-NTP *is* a ConvLSTM: its weights fit, and the forecasts are equal.

# %% tags=["hide-cell"]
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
# (encoder-decoder)=
# ### Encoder and decoder
#
# Two layers read the $T$ inputs, two more write the $L$ forecasts, from the states of the first two. All share one graph.

# %% tags=["hide-input"]
# | alt: Two encoder layers read the inputs; their states start two decoder layers, which write the forecasts through a convolution.
# | caption: "Orange arrows: states handed over. ({func}`lsntp.figures.schematics.encoder_decoder` draws it.)"
ax = figures.schematics.encoder_decoder()

# %% [markdown]
# As it runs ({meth}`lsntp.Forecaster.features`):

# %% tags=["remove-input"]
display(Markdown(method.code_of(Forecaster.features)))

# %% [markdown]
# The shapes on the way, laptop preset. A stride-2 convolution halves the grid; the graph lives on the small one.

# %% tags=["hide-input"]
laptop = PRESETS["laptop"].model_dump(
    include={"hidden", "embedding", "kernel", "downsample"}
)
shapes = {}
for name, field in tensors.items():
    height, width = field.shape[-2:]
    torch.manual_seed(seed)
    model = LSNTP.equations(height, width, **laptop)
    shapes[name] = method.stages(model, field[:, :, None])
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
# The released code's two networks, ERA5 (77×125 cells) and NCEP (21×35), and this book's laptop preset on NCEP's grid:

# %% tags=["hide-input"]
configurations = {
    "ERA5": LSNTP.released(77, 125, hidden=128, embedding=512, downsample=True),
    "NCEP": LSNTP.released(21, 35, hidden=256, embedding=512),
    "laptop, released": LSNTP.released(21, 35, **laptop),
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
# The released configurations have {glue:text}`era5-millions` and {glue:text}`ncep-millions` parameters, most of them kernels
# (LSI: {glue:text}`era5-lsi` and {glue:text}`ncep-lsi`). The embedding, all that the graph is, holds
# {glue:text}`era5-embedding` and {glue:text}`ncep-embedding`.
#
# ### Two forms
#
# The paper's equations and the released code are not the same network. Both are here:
# {meth}`lsntp.LSNTP.equations` and {meth}`lsntp.LSNTP.released`.

# %% tags=["hide-input"]
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
# The ReLU weighs most. It comes *before* the gates: $\sigma(\operatorname{relu}(\cdot)) \ge \tfrac12$,
# $\tanh(\operatorname{relu}(\cdot)) \ge 0$. But for the peepholes, a released cell forgets at most half of its state in a step
# and adds nothing negative.

# %% tags=["hide-input"]
# | alt: Shares of the values of the four gates in both forms; the released ones begin at one half, and its candidate at zero.
# | caption: "Gates in one forecast from a real field, **untrained** weights, peepholes left aside. ({func}`lsntp.chapters.method.gate_histograms` draws it.)"
opened = {}
for name, field in tensors.items():
    height, width = field.shape[-2:]
    values = {}
    for form, build in (
        ("equations", LSNTP.equations),
        ("released", LSNTP.released),
    ):
        torch.manual_seed(seed)
        values[f"lsntp-{form}"] = method.gates(
            build(height, width, **laptop), field[:, :, None]
        )
        opened[name, form] = {
            f"{gate} ≥ {'0' if gate == 'C̃' else '½'}": (
                v >= (0 if gate == "C̃" else 0.5)
            ).mean()
            for gate, v in values[f"lsntp-{form}"].items()
        }
    if name == first:
        axes = method.gate_histograms(values)

# %% tags=["hide-input"]
opened = pd.DataFrame(opened).T
assert (opened.xs("released", level=1) == 1).all(axis=None), (
    "the ReLU keeps every gate half open"
)
opened.map("{:.1f}".format)

# %% [markdown]
# ## Are planted links found?
#
# On `synthetic` the linked cells are known: weather drifts and decays, and a few patches are pulled towards what a far patch
# was three steps before ({func}`lsntp.data.synthetic.synthetic`). One linear LS-Conv without NSA is trained here to forecast
# the next frame ({class}`lsntp.chapters.method.NextFrame`); it never sees the truth. Its graph is scored by AUC over far
# pairs: ½ is guessing, 1 perfect ({func}`lsntp.runs.metrics.far_auc`).

# %% tags=["hide-input"]
# | alt: AUC of planted links by way of finding them, a dot a seed; the layer that forecasts the next frame and Pearson's r find them.
# | caption: "A dot a world and its weights. *Own Θ*: the links have weights of their own, $X Θ' + A X Θ$. *Control*: a world without links. ({func}`lsntp.figures.auc_dots` draws it.)"
study = method.planted_links(seeds, epochs=epochs, steps=steps, links=links)
ax = figures.auc_dots(study.auc)

# %% tags=["trained-here", "hide-input"]
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

# %% tags=["hide-input"]
# | alt: Maps of three planted links beside what the learned graph gives the same cells.
# | caption: "What the cell at the cross listens to; outlined, the true source. ({func}`lsntp.chapters.method.learned_rows` draws it.)"
axes = method.learned_rows(study.sel(seed=seeds[0]))

# %% [markdown]
# - **The graph can learn far links from forecasting alone**: {glue:text}`auc-next`, against {glue:text}`auc-untrained` untrained
#   and {glue:text}`auc-control` where there are none. It leans the right way: a target's row gives its source
#   {glue:text}`forwards` times the global mean, a source's row its target {glue:text}`backwards` times.
# - **What is asked for decides.** Asked for the *change*, the same layer ends at {glue:text}`auc-change`, no better than guessing
#   or worse. A reason: $(I + A) X \Theta$ shares $\Theta$ between a cell and its links, and a source's movement is no help to a
#   cell pulled towards its *level*. Weights of their own for the links find them: {glue:text}`auc-own`.
# - **A plain correlation finds them better**: {glue:text}`auc-pearson`, though told the lag.
# - One linear layer is not LS-NTP. What four layers do with the atmosphere, {doc}`05_ablation` has to say.
#
# ## Exercises
#
# 1. Show that LAGC doubles a constant field.
# 2. Show that with $A = 0$ and no NSA, LS-Conv is `nn.Conv2d`.
# 3. How many parameters does NSA add to a convolution of $C$ channels, and LAGC to a grid of $N$ nodes?

# %% tags=["hide-cell"]
# | prompt: Solution
ones = torch.ones_like(x)
assert torch.allclose(lagc(ones, A), 2 * ones, atol=1e-4)  # rows of A sum to 1

# %% tags=["hide-cell"]
# | prompt: Solution
plain = torch.nn.Conv2d(6, 4, 3, padding=1)
bare = LSConv(6, 4, kernel=3, nsa=False)
bare.lsi.load_state_dict(plain.state_dict())
zero = torch.zeros_like(A)
assert torch.allclose(bare(x, zero), plain(x), atol=1e-5)

# %% tags=["hide-cell"]
# | prompt: Solution
C = 6
attention = sum(w.numel() for w in operator.nsa.parameters())
assert attention == 3 * (C * C + C)  # three 1×1 convolutions with bias
assert E.numel() == len(A) * PRESETS["laptop"].embedding  # once, for all

# %% tags=["hide-cell"]
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
