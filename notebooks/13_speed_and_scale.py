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
# # Speed and scale
#
# What LS-Conv costs, how fast this library computes it beside the released code, and how large the
# grid may become. All figures are from records of `python -m benchmarks` and of the scripts in `benchmarks/`,
# made on the processors named beside them; the last table says by which commit. The commands to make them on yours
# are at the end.

# %% tags=["parameters", "hide-input"]
machine = "amd-epyc-2threads"  # whose records; data/records/bench lists them
# True: measure growth now, at small sizes, and what `clone` gives; else as recorded
rerun = False
# with rerun, a clone of the released code; without one its record is read
clone = ""

# %% tags=["hide-input"]
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display
from myst_nb import glue

import lsntp
from lsntp import StrongestLinks, figures
from lsntp.chapters import parameters
from lsntp.model.product import TILE
from lsntp.results import field_records, studies
from lsntp.runs import records, verification
from lsntp.runs.metrics import SCORES
from lsntp.zoo import LABELS

sys.path.insert(0, str(Path(lsntp.__file__).parents[1]))  # the checkout
from benchmarks import draw, flops, released, scale, store
from benchmarks.machine import float32_peak

figures.style()
parameters.speed_and_scale(machine, rerun, clone)
side_by_side = (
    released.run(Path(clone), threads=1, cases=released.QUICK, budget_s=1, say=str)
    if rerun and clone
    else store.load(f"released-{machine}")
)
growing = (
    scale.run(threads=1, sizes=(500, 1000, 1500, 2000), budget_s=0.5, say=str)
    if rerun
    else store.load(f"scale-{machine}")
)
levers = store.load_all("levers")
steps_taken = store.load_all("steps")

# %% [markdown]
# ## The machine, and the fastest it can multiply
#
# Nearly all the work of LS-Conv is multiplying matrices. So a machine is best described by how many
# floating-point operations a second it manages there: its *matrix-product peak*, measured in the same
# run as all else, with the same number of threads, as the best of several sizes and repetitions
# ({func}`benchmarks.machine.peak`). Two libraries that PyTorch carries can do it on a CPU, and they
# need not be equally fast: `torch.mm` calls MKL or another BLAS, convolutions call oneDNN. The
# larger is the peak that shares are taken of.

# %% tags=["hide-input"]
words = side_by_side.machine
display(
    Markdown(
        f"**{words.get('gpu', words['processor'])}**, {words['threads']} of "
        f"{words['cores']} cores, "
        f"{words['memory_gib']} GiB of memory, {words['system']}; PyTorch "
        f"{side_by_side.versions['torch']}."
    )
)
peaks = {
    "beside the released code": side_by_side,
    "as N grows": growing,
}
pd.DataFrame(
    {
        name: {
            f"{library}, Gflop/s": round(value)
            for library, value in r.peak_gflops.items()
        }
        | {"threads": r.machine["threads"]}
        for name, r in peaks.items()
    }
)

# %% [markdown]
# ## What the operator costs
#
# LS-Conv smooths a field over the learned graph, then convolves it:
#
# $$ L = \left(I + \operatorname{softmax}(\operatorname{relu}(E E^{\top}))\right) X, \qquad \mathcal{X} \star \Theta = L * \Theta . $$
#
# With $N$ nodes, embeddings of size $E$ and $M$ columns in $X$ (batch times channels), a product of an
# $N \times K$ with a $K \times M$ matrix takes $2 N K M$ operations, a multiplication and an addition
# for each triple. So
#
# - the **adjacency** $E E^{\top}$ takes $2 N^2 E$, half of it if one uses that it is symmetric,
# - the **graph product** takes $2 N^2 M$,
# - the **convolution** (LSI) takes $2 N k^2$ for each pair of an input and an output channel, and the
#   attention (NSA) three times $2 N$ for each pair.
#
# The graph's part grows with the *square* of the grid. A network of four recurrent layers calls its
# operator 24 times for six steps in and six out. A backward pass costs twice a forward pass.
#
# **The fewest operations** ({func}`benchmarks.flops.fewest`) leave out what need not be done: the
# adjacency is the same in all 24 calls; the decoder's first layer is fed zeros; the first hidden
# state is zero. **The released code** ({func}`benchmarks.flops.released_code`) computes the
# adjacency in each call and multiplies the zeros. Less the gradients that nobody asks for, its count
# is the one that PyTorch's counter takes from its own run. In units of $10^9$ operations of a training step, by part, with the ratio of
# the totals:

# %% tags=["hide-input"]
table = released.table(side_by_side)
cases = {
    row.case: flops.Case(
        **{k: getattr(row, k) for k in flops.Case.__dataclass_fields__}
    )
    for row in table.drop_duplicates("case").itertuples()
}
counts = pd.DataFrame(
    {
        (name, who): pd.Series(count) * 3 / 1e9
        for name, case in cases.items()
        for who, count in (
            ("fewest", flops.fewest(case, "released")),
            ("released code", flops.released_code(case)[0]),
        )
    }
)
counts.loc["all"] = counts.sum()
ratios = counts.loc["all"].unstack().loc[list(cases)]
display(counts.T.round(1))
(ratios["released code"] / ratios["fewest"]).round(2).to_frame(
    "released code / fewest"
)

# %% [markdown]
# ## Beside the released code
#
# A clone of the released code and this library's *released form*, with the same weights, the same
# random batch of 8 windows and the same optimiser, take training steps in turn: forward, mean squared
# error, backward, Adam. Before that it is checked that both compute the same: the forecast, the loss,
# and the forecast after three steps of Adam. Bars say how many times as fast as the released code this
# library is, by medians of all steps, on every processor it was measured on
# ({func}`benchmarks.draw.case_bars`). Those named `AVX2` and `AVX512` are one processor: in the first case it
# was told not to use its wider vectors.

# %% tags=["hide-input"]
# | alt: Bars that compare this library with the released code, by case and processor.
elsewhere = store.load_all("released")
everywhere = pd.concat(
    [released.table(r).assign(processor=r.where) for r in elsewhere]
)
everywhere = everywhere[everywhere["model"] == released.OURS].query(
    "precision == 'float32'"
)
steps = everywhere[everywhere["task"] == "step"]
draw.case_bars(
    steps,
    "speedup",
    "training step: times as fast as the released code",
    by="processor",
)
plt.show()

# %% tags=["hide-input"]
agreement = steps[["output", "loss", "output_after_3_steps"]]
glue("largest difference", f"{agreement.max(axis=None):.1e}", display=False)
glue("least memory", 100 * float(steps["memory_ratio"].min()), display=False)
glue("greatest memory", 100 * float(steps["memory_ratio"].max()), display=False)
for place, rows in steps.groupby("processor"):
    for name, factor in (("speedup", 1), ("share", 100)):
        glue(
            f"{place} least {name}", factor * float(rows[name].min()), display=False
        )
        glue(
            f"{place} greatest {name}",
            factor * float(rows[name].max()),
            display=False,
        )
own, own_forward = (
    everywhere[everywhere["task"] == task].set_index(["processor", "case"])
    for task in ("step", "forward")
)
pd.DataFrame(
    {
        "step, times as fast": own["speedup"],
        "forward, times as fast": own_forward["speedup"],
        "memory (%)": 100 * own["memory_ratio"],
        "share of peak, step (%)": 100 * own["share"],
        "forward (%)": 100 * own_forward["share"],
    }
).round(2)

# %% tags=["hide-input"]
pd.DataFrame({r.where: r.peak_gflops for r in elsewhere}).T.round().rename(
    columns="{}, Gflop/s".format
)

# %% [markdown]
# In no case is the library slower. On the AMD processor, where oneDNN multiplies at twice the rate of MKL and the
# released code multiplies by MKL, a training step is {glue:text}`AMD EPYC least speedup:.1f` to
# {glue:text}`AMD EPYC greatest speedup:.1f` times as fast. On the Intel processor both libraries are alike, and what is left
# is the work not done: {glue:text}`Intel Xeon Processor AVX512 least speedup:.1f` to {glue:text}`Intel Xeon Processor AVX512 greatest speedup:.1f` times, with narrower
# vectors {glue:text}`Intel Xeon Processor AVX2 least speedup:.1f` to {glue:text}`Intel Xeon Processor AVX2 greatest speedup:.1f` times. More channels leave less to
# save (see the ratios above). Peak memory is {glue:text}`least memory:.0f` to {glue:text}`greatest memory:.0f` %
# of the released code's. The largest difference of the results, relative to the largest value, is
# {glue:text}`largest difference`.
#
# **In detail, on {glue:text}`machine`.** The *equations form* is another network and stands there for
# information.

# %% tags=["hide-input"]
# | alt: Bars that compare this library with the released code, by case and processor.
glue("machine", side_by_side.where, display=False)
step = table[(table["task"] == "step") & (table["precision"] == "float32")]
forward = table[(table["task"] == "forward") & (table["precision"] == "float32")]
ours = step["model"] != released.THEIRS
draw.case_bars(
    step[ours], "speedup", "training step: times as fast as the released code"
)
draw.case_bars(
    forward[ours.to_numpy()],
    "speedup",
    "forward pass: times as fast as the released code",
)
plt.show()

# %% [markdown]
# Times in s, median and the quartiles around it; "rounds" is how many steps of each were taken, of the
# slow ones few.

# %% tags=["hide-input"]
shown = step.assign(
    time=[
        f"{m:.3g} ({a:.3g}–{b:.3g})"
        for m, a, b in step[["median_s", "low_s", "high_s"]].to_numpy()
    ]
)
shown[["case", "model", "time", "count"]].set_index(["case", "model"]).rename(
    columns={"time": "step (s)", "count": "rounds"}
)

# %% [markdown]
# **Memory.** Each model takes two training steps in a process of its own. What is counted is the
# most memory the process held at any time, above what it held before the first step, when weights and
# batch were there ({func}`benchmarks.machine.peak_above`). In GiB:

# %% tags=["hide-input"]
# | alt: Bars of the peak memory of a training step, this library beside the released code.
gib = step.assign(gib=step["peak_memory_mib"] / 1024)
draw.case_bars(gib, "gib", "peak memory of a training step (GiB)")
plt.show()

# %% [markdown]
# **Share of the peak.** The fewest operations of the form, divided by the time, as a part of the
# machine's measured peak. Work that need not be done does not count as achieved, so this is a
# stricter measure than how busy the machine is.

# %% tags=["hide-input"]
# | alt: Bars that compare this library with the released code, by case and processor.
draw.case_bars(
    step.assign(percent=100 * step["share"]),
    "percent",
    "share of the peak, training step (%)",
)
plt.show()

# %% [markdown]
# ## Where the time went: the levers
#
# Each lever is taken away alone, by putting the plain way in the place of the library's function;
# steps with and without alternate in one run (`benchmarks/levers.py`). A bar of 1.20 says: without
# it a step takes a fifth longer; below 1 it does not pay there. The bars do not add up, as levers share work.
#
# - **Adjacency once a pass.** All layers and steps share one graph, so one $N \times N$ matrix will do.
# - **One library of products, not the other.** Which one is measured where it runs
#   ({func}`lsntp.model.product.library`).
# - **Zeros skipped.** No work on the decoder's missing input.
#
# These records are of the edition before `LSConv.forward` became what runs: there no work was done on the first
# hidden state, either. Two of their levers are gone, as they did not pay on either kind of machine: *gates fused
# by hand* and *its gradient added in place*. Drawn by {func}`benchmarks.draw.lever_bars`.

# %% tags=["hide-input"]
# | alt: Bars of how much longer a training step takes without each lever.
for record in levers:
    draw.lever_bars(store.ratios(record)).set_title(record.where)
    plt.show()

# %% [markdown]
# ## A training step, then and now
#
# The networks of the [main table](04_main_table.ipynb) are small, on grids of 170 and 384 nodes.
# The levers above are worth less there: products are small, and the cost of calling many small
# operations remains. Two more count: a campaign lets its processes keep freed memory for the next step, in large pages,
# instead of giving it back to the system page by page ({data}`lsntp.runs.campaign.ENVIRONMENT`), and
# training takes numbers below $10^{-38}$, as in gradients that vanish over many steps, for zero,
# because processors are slow at them.
#
# One step by the first edition of this library, by the one *before* `LSConv.forward` became what runs, and by
# *this* one, in turn, all with a campaign's memory (`benchmarks/steps.py`); medians, in s:

# %% tags=["hide-input"]
for record in steps_taken:
    frame = store.frame(record)
    seconds = frame.pivot(
        index=["case", "model"], columns="edition", values="median_s"
    )
    seconds = seconds[["first", "before", "this"]]
    seconds["this / first"] = seconds["this"] / seconds["first"]
    seconds["this / before"] = seconds["this"] / seconds["before"]
    display(Markdown(f"**{record.where}**"))
    display(seconds.rename(index=LABELS).round(3).rename_axis(columns=None))
prices = 100 * (seconds["this / before"] - 1)
glue("least price", float(prices.min()), display=False)
glue("greatest price", float(prices.max()), display=False)

# %% [markdown]
# That the equation is also what runs costs {glue:text}`least price:.0f` to {glue:text}`greatest price:.0f` % of a
# step: the input's part is no longer done for all steps at once, and the first hidden states, which are zero, are
# multiplied like any other. The AMD records above were made *before*, the Intel ones by *this* edition.

# %% [markdown]
# ## As the grid grows
#
# On 77×125 cells, halved to 38×62, {math}`N = 2356` and the matrix is 21 MiB large. On a globe at 2° ({math}`N` = 16,200) it is 1 GiB, at 1°
# (64,800) 16 GiB, and training holds several. {func}`lsntp.graph_product` with `method="tiled"`
# computes the same product, exactly, and never holds the matrix:
#
# 1. Cut the nodes into blocks of a thousand or so. A *tile* is the part of $S = \exp(\operatorname{relu}(E E^{\top}))$
#    that joins block $I$ to block $J$; it fits into the processor's cache.
# 2. $S$ is **symmetric**: the tile $(J, I)$ is the tile $(I, J)$ transposed. So only tiles with
#    $I \le J$ are made, and each serves twice: $Y_I \mathrel{+}= S_{IJ} X_J$ and
#    $Y_J \mathrel{+}= S_{IJ}^{\top} X_I$. Half of the products $E E^{\top}$ are saved.
# 3. The softmax needs each row's sum. It is added up along the way, $r_I \mathrel{+}= S_{IJ} \mathbf 1$, and
#    $Y$ is divided by $r$ at the end. Dividing makes the matrix asymmetric, which is why it comes last.
# 4. The backward pass makes the tiles again instead of keeping them, and uses each twice in the
#    same way.
#
# What remains in memory are a few tiles and matrices of $N$ rows. The work still grows with $N^2$:
# nothing is left out. (Measured times grow a little otherwise, as the share of the machine's peak that is
# reached changes with $N$.) With $M$ columns, forward and backward pass take $(4 E + 6 M) N^2$ operations
# ({func}`benchmarks.flops.product_fewest`); here $E = M = 64$.
#
# Each point below was measured in a process of its own, forward and backward pass, dense up to where it
# fits comfortably. Memory is what is held above the inputs, and includes the result and the gradients
# ({func}`benchmarks.machine.peak_above`). The lines are fits of $y = a + b N^p$ by least squares of
# $\log y$, for tiled over the sizes that need more than one tile; the constant $a \ge 0$ is what is there at every size, such as a tile or the cost of
# a call ({func}`benchmarks.scale.fit`). Drawn by {func}`benchmarks.draw.growth`.

# %% tags=["hide-input"]
# | alt: Time and memory of the graph product against the number of nodes, dense and tiled, with fitted lines.
both = scale.table(growing).query("task == 'step'")
fits = {
    (value, method): scale.fit(list(rows["nodes"]), list(rows[value]))
    for value in draw.GROWTH
    for method, rows in both[
        (both["method"] == "dense") | (both["nodes"] > 1.5 * TILE["cpu"])
    ].groupby("method", sort=False)
    if len(rows) >= 4
}
figure, axes = plt.subplots(2, 1, figsize=(figures.WIDTH, 9.5))
for value, ax in zip(draw.GROWTH, axes, strict=True):
    chosen = {method: fit for (what, method), fit in fits.items() if what == value}
    draw.growth(both, value, chosen, ax=ax)
plt.show()

# %% tags=["hide-input"]
pd.DataFrame(
    {
        (f"{draw.GROWTH[value]}", method): {
            "exponent p": fit.exponent,
            "standard error of p": fit.error,
            "constant a": fit.constant,
        }
        for (value, method), fit in fits.items()
    }
).T.round(3)

# %% [markdown]
# Shares of the peak are counted in two ways: with the fewest operations, as above, and "plain" with
# those of the equation as it stands, $2 N^2 (E + M)$ forward and twice that backward, which use no
# symmetry and make nothing twice ({func}`benchmarks.flops.product_plain`).

# %% tags=["hide-input"]
columns = {
    "median_s": "time (s)",
    "peak_memory_mib": "memory (MiB)",
    "share": "share (%)",
    "share_plain": "share, plain (%)",
}
percent = both.assign(
    share=100 * both["share"], share_plain=100 * both["share_plain"]
)
percent.set_index(["nodes", "method"])[list(columns)].rename(columns=columns).round(
    3
).sort_index()

# %% tags=["hide-input"]
wide = both.pivot(
    index="nodes", columns="method", values=["median_s", "peak_memory_mib"]
)
shared = wide.dropna().iloc[-1]  # the largest size at which both were measured
largest = both[both["method"] == "tiled"].iloc[-1]
glue("shared nodes", int(shared.name), display=False)
glue(
    "time ratio",
    float(shared["median_s", "tiled"] / shared["median_s", "dense"]),
    display=False,
)
memory_ratio = (
    shared["peak_memory_mib", "tiled"] / shared["peak_memory_mib", "dense"]
)
glue("memory percent", 100 * float(memory_ratio), display=False)
glue("largest nodes", int(largest["nodes"]), display=False)
glue("largest seconds", float(largest["median_s"]), display=False)
glue("largest gib", float(largest["peak_memory_mib"]) / 1024, display=False)
glue("largest share", 100 * float(largest["share"]), display=False)
glue("matrix gib", float(largest["nodes"]) ** 2 * 4 / 2**30, display=False)
for (value, method), fit in fits.items():
    glue(f"{value} {method} exponent", fit.exponent, display=False)

# %% [markdown]
# At {glue:text}`shared nodes:,d` nodes, the largest size measured both ways, tiled takes
# {glue:text}`time ratio:.2f` times the time of dense and {glue:text}`memory percent:.1f` % of its memory.
# At {glue:text}`largest nodes:,d` nodes the matrix alone would fill {glue:text}`matrix gib:.1f` GiB; tiled
# takes {glue:text}`largest seconds:.1f` s for both passes within {glue:text}`largest gib:.2f` GiB above
# the inputs, at {glue:text}`largest share:.0f` % of the peak. The exponents fitted for tiled are
# {glue:text}`median_s tiled exponent:.2f` for time and {glue:text}`peak_memory_mib tiled exponent:.2f` for
# memory, for dense {glue:text}`median_s dense exponent:.2f` and
# {glue:text}`peak_memory_mib dense exponent:.2f`.
#
# ## An approximation, by name
#
# Where a trained graph is applied many times, one may keep only the strongest links of each node and
# spread what is left of its weight evenly over all ({class}`lsntp.StrongestLinks`). This is cheap, and
# it is not exact: nothing uses it unless it is called by name. Its error depends on the graph. Below
# are the graphs of recorded runs (first seed, recipe `modern`), applied to the twelve frames of the
# field record: the distance from the exact product, in % of how much that varies between nodes
# ({meth}`lsntp.StrongestLinks.error`).

# %% tags=["hide-input"]
sets, forms = ["ncep-na", "era5-uk"], ["lsntp-equations", "lsntp-released"]
rows = [studies.load(studies.main(d, "laptop", 1, forms, ["modern"])) for d in sets]
fields = field_records.studies(sets)
errors = {}
for run in [run for study in rows for row in study.values() for run in row]:
    config = records.RunConfig.model_validate_json(run.attrs["config"])
    frames = fields[config.dataset]["case"][
        :, 1::2, 1::2
    ]  # the cells of the halved grid
    x = torch.tensor(
        (frames - frames.mean()).values.reshape(len(frames), -1).T.astype("float32")
    )
    embedding = torch.tensor(run["embedding"].values.astype("float32"))
    errors[config.dataset, LABELS[config.model]] = {
        links: 100 * StrongestLinks(embedding, links).error(x)
        for links in (4, 16, 64)
    }
error_table = pd.DataFrame(errors).T.rename_axis(columns="links kept")
error_table.round(1)

# %% [markdown]
# What it saves, at the largest size above that was measured in all ways: the forward pass, in s, of the
# exact product and of the approximation once its links are found.

# %% tags=["hide-input"]
scale.table(growing).query("task == 'forward'").set_index(["nodes", "method"])[
    ["median_s"]
].rename(columns=columns).round(4)

# %% [markdown]
# (what-another-machine-changes)=
# ## What another machine changes
#
# Another processor adds up in another order. What that does to a record: runs of different models, recorded by
# earlier commits on an AMD processor, were made again from nothing on an Intel Xeon (family 6, model 207), with all its
# vector units and with narrower ones (`benchmarks/arithmetic.py`). A cross compares these two, which share one code;
# circle and diamond compare each with the record, so that code and processor both differ. Each is the largest
# difference in MAE at any lead; the bar is what {func}`lsntp.runs.verification.allowed` allows there.

# %% tags=["hide-input"]
# | alt: Largest difference of each run made again on another processor, beside what is allowed.
arithmetic = store.load("arithmetic-intel-xeon-processor-avx512-1threads")
remade = pd.DataFrame(arithmetic.rows)
paths = {
    path.stem.rpartition("-")[2]: path for path in records.store_dir().glob("*.nc")
}
recorded = [records.read(paths[key]) for key in remade["key"]]
configs = [records.config_of(run) for run in recorded]
remade["run"] = [
    ", ".join(filter(None, [LABELS[c.model], c.variant, c.dataset]))
    + (", released recipe" if c.recipe and c.recipe.name == "released" else "")
    for c in configs
]
remade["difference"] = [
    np.abs(np.subtract(mae, run["mae"].values)).max()
    for mae, run in zip(remade["mae"], recorded, strict=True)
]
fresh = [
    run.assign({score: run[score].copy(data=row[score]) for score in SCORES})
    for (_, row), run in zip(remade.iterrows(), recorded, strict=True)
]
others = [verification.other_seeds(run) for run in recorded]
shares = pd.DataFrame(
    {
        score: [
            float(abs(made[score] - run[score]).max())
            / verification.allowed(score, made, run, seeds)
            for made, run, seeds in zip(fresh, recorded, others, strict=True)
        ]
        for score in SCORES
    }
)
remade["allowed"] = [
    verification.allowed("mae", made, run, seeds)
    for made, run, seeds in zip(fresh, recorded, others, strict=True)
]
remade["share"] = shares.max(axis=1)
shown = remade.pivot(index="run", columns="vector_units", values="difference")
by_units = remade.pivot(index="run", columns="vector_units", values="mae")
pairs = pd.Series([np.abs(np.subtract(*mae)).max() for mae in by_units.to_numpy()])
shown["AVX512 and AVX2"] = pairs.to_numpy()
shown["allowed"] = remade.groupby("run")["allowed"].min()
shown["share"] = remade.groupby("run")["share"].max()
shown = shown.sort_values(["AVX2", "allowed"])
figure, ax = plt.subplots(figsize=(figures.WIDTH, 0.35 * len(shown) + 1.5))
ax.barh(shown.index, shown["allowed"], color="0.85", label="allowed")
for units, marker in (("AVX512", "o"), ("AVX2", "D")):
    label = f"record and {units}"
    ax.plot(shown[units], shown.index, marker, mfc="none", label=label)
ax.plot(shown["AVX512 and AVX2"], shown.index, "kx", label="AVX512 and AVX2")
ax.set_xscale("symlog", linthresh=1e-6)
ax.set(xlabel="largest difference in MAE at a lead (K)", xlim=(0, None))
ax.set_xticks([0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %% tags=["hide-input"]
glue("remade runs", int(remade["run"].nunique()), display=False)
glue("remade median", f"{remade['difference'].median():.0e}", display=False)
glue("remade largest", float(remade["difference"].max()), display=False)
glue("remade median pair", f"{pairs.median():.0e}", display=False)
glue("remade largest pair", float(pairs.max()), display=False)
glue("remade largest share", float(remade["share"].max()), display=False)
shown.map("{:.2g}".format)

# %% [markdown]
# Of {glue:text}`remade runs` runs, the median difference between the two settings is
# {glue:text}`remade median pair` K and the largest {glue:text}`remade largest pair:.3f` K; from the record,
# {glue:text}`remade median` and {glue:text}`remade largest:.3f` K. *Share* is the largest of all seven
# scores' differences from the record, as a part of what is allowed: at most
# {glue:text}`remade largest share:.2f`. Ridge's MAE is identical.
# Some networks come back to within a ten-thousandth of a kelvin, others stray as far as another seed would, or
# further: a score of those says no more than its seed spread does.

# %% [markdown]
# ## More than one process or machine
#
# Tests hold each of these to the result of one process:
#
# - `torchrun --nproc-per-node 2 -m lsntp run …` trains one network on several devices (DDP). Each
#   batch is shared out, weighted so that the loss and its gradient are those of the whole batch.
# - {func}`lsntp.graph_product` with a `group` shares its tiles among processes, and sums their parts.
# - `lsntp campaign … --scheduler` shares out a campaign's runs over a Dask cluster; what a killed
#   worker leaves undone is done again, and every record is there once.
#
# ## Limits
#
# - **No time was measured on a GPU.** Networks were trained on one (`lsntp campaign --device cuda`). The same
#   commands with `--device cuda` also time TF32 and bfloat16, and take the tiled forward pass to
#   globes at 0.5° and 0.25° (259,200 and 1,038,240 nodes). CUDA graphs are not used.
# - Two processors, one version of each library. What grows with N, and the editions, are from one of them each.
#   The released code was written for GPUs; how it compares there is not known from here.
# - Elementwise work is not in the counts, so that no implementation reaches 100 %.
# - The peak of a library is the best of a few square products. Others may be faster still.
#
# ## The same on your machine
#
# ```bash
# git clone https://github.com/xuguangning1218/LS_NTP
# python -m benchmarks released --path LS_NTP
# python -m benchmarks scale
# python -m benchmarks.levers
# python -m benchmarks.steps first=CHECKOUT before=CHECKOUT
# ```
#
# Each writes a record, named by benchmark, processor and threads. This page shows all that are there of the first
# and the third; give it the name without the benchmark as `machine`, and the others are shown, too. `CHECKOUT` is one of this library's
# earlier editions, made by `git worktree add CHECKOUT 4d94b5a` (`0c122db~1` is the one before). A GPU's records
# hold no levers or editions: what it measures is in the tables that the commands print.
#
# ## Checks, and the records behind this page

# %% tags=["hide-input"]
theirs = table[table["model"] == released.THEIRS]
assert np.array_equal(theirs["spent_flops"], theirs["counted_flops"]), (
    "the count is wrong"
)
assert (agreement <= side_by_side.settings["tolerance"]).all(axis=None), (
    "results differ"
)
assert (remade["share"] <= 1).all(), "a run made again is outside what is allowed"
assert not remade.loc[remade["run"].str.contains("ridge"), "difference"].any(), (
    "ridge is not exact"
)
assert (table["share"] < 1).all() and (both["share"] < 1).all(), (
    "faster than the measured peak"
)
assert all(
    float32_peak(r.peak_gflops) > 0 for r in [*elsewhere, *levers, growing]
), "no peak"
pd.DataFrame(
    {
        r.name: {
            "processor": r.machine["processor"],
            "made": r.made[:10],
            "commit": r.commit[:10],
            "torch": r.versions["torch"],
        }
        for r in [*elsewhere, *levers, growing, *steps_taken, arithmetic]
    }
).T
