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
# # Q4: what does the learned graph look like?
#
# The talk shows one column of the learned adjacency for each data set, as a matrix and on a map, and
# reads it as **the learned graph finds long-range, physically meaningful links**. One column of one
# run can be read in many ways. Here the columns are shown, too, and the claim is split into four that
# can each fail: does the graph reach far, does it follow the weather and not distance alone, do its
# far weights rank as the correlations of far cells do, and do trainings find similar graphs? On a made world
# whose links are known, a fifth: are they found?

# %% tags=["parameters", "hide-input"]
dataset = [
    "ncep-na",
    "era5-uk",
]  # a name, or a list; also "synthetic" or a file of your own
models = ["lsntp-equations", "lsntp-released"]  # the first is the one on the maps
preset = "laptop"  # how large and how long: "smoke", "laptop", "paper"
seeds = 3  # of each network
rerun = False  # True: train everything now instead of reading the records

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import HTML, display
from myst_nb import glue

from lsntp import figures
from lsntp.chapters import parameters, q4_learned_graph
from lsntp.results import (
    claims,
    field_records,
    learned_graphs,
    pearson,
    studies,
    tables,
)
from lsntp.runs import records
from lsntp.runs.experiment import inner_cells
from lsntp.zoo import LABELS

figures.style()
datasets = parameters.study(
    dataset, preset, seeds, rerun, models, studies.WITH_GRAPH
)
rows = {
    d: studies.load(studies.main(d, preset, seeds, models, ["modern"]), rerun)
    for d in datasets
}
fields = field_records.studies(datasets)

# %% [markdown]
# ## In short
#
# **Training moves weight from far cells to near ones.** Of the weights of LS-NTP (equations)
# {glue:text}`ncep-na lsntp-equations far:.0f` % come from beyond
# {glue:text}`ncep-na lsntp-equations far km` km on `ncep-na` and
# {glue:text}`era5-uk lsntp-equations far:.0f` % from beyond
# {glue:text}`era5-uk lsntp-equations far km` km on `era5-uk`; of a uniform graph it would
# be {glue:text}`ncep-na lsntp-equations far uniform:.0f` and
# {glue:text}`era5-uk lsntp-equations far uniform:.0f` %. **That its links follow the weather and not distance
# alone is seen in one of four cases, the equations on `era5-uk`. Trainings find similar graphs there, and not on
# `ncep-na`.** Links that were
# planted in a made world are found by a network that forecasts the field (AUC
# {glue:text}`planted forecasts the field:.2f`, ½ is guessing), and not by one that forecasts the change from the
# last frame, as the modern recipe does ({glue:text}`planted forecasts the change:.2f`). All claims
# [below](graph-claims).

# %% [markdown]
# ## The graph, and what is measured on it
#
# Every node $n$ of the grid inside the network has a learned vector, its embedding $E_n$. The graph is
#
# $$ A = \operatorname{softmax}(\operatorname{relu}(E E^{\top})), \qquad L_n = X_n + \sum_m A_{nm} X_m , $$
#
# with the softmax taken along each row ({func}`lsntp.model.graph.adaptive_adjacency`, {doc}`03_method`). **Rows
# are receivers: row $n$ says what node $n$ listens to and adds up to 1; column $m$ says who listens to
# node $m$, and how much.** With $N$ nodes, every weight of a uniform graph is $1/N$, and weights are shown
# in multiples of that. At initialisation the graph is close to uniform, whatever the data: all that the
# figures show beyond this was made by training. A weight cannot be zero: where
# $E_n \cdot E_m \le 0$ it stays at the least value of its row.
#
# The embeddings are those in the records of {doc}`04_main_table`, recipe `modern`; the graph that
# each run started from is made again from its seed ({func}`lsntp.results.learned_graphs.untrained`). It is held against
# Pearson's $r$ between the series of the nodes, over the training period, for the series as they are and
# for anomalies from climatology, as in {doc}`02_observations` ({func}`lsntp.results.pearson.matrix`). For the nodes
# of the book's networks these matrices are recorded, to four digits ({func}`lsntp.results.pearson.record`).

# %%
runs = {d: {m: rows[d][LABELS[m]] for m in models} for d in datasets}
nodes = {
    d: inner_cells(records.config_of(runs[d][models[0]][0]), fields[d].case)
    for d in datasets
}
correlations = {d: pearson.of_nodes(d, nodes[d]) for d in datasets}
graphs = {
    d: {
        m: learned_graphs.study(runs[d][m], fields[d].case, correlations[d])
        for m in models
    }
    for d in datasets
}
pd.DataFrame(
    {
        d: {
            "nodes": f"{nodes[d].sizes['lat']} × {nodes[d].sizes['lon']} = "
            f"{g.sizes['node']}",
            "nearest nodes": f"{g.km.values[g.km.values > 0].min():.0f} km",
            "furthest nodes": f"{g.km.values.max():.0f} km",
            "weight added up beyond": ", ".join(f"{x} km" for x in g.far_km.values),
            "seeds": g.sizes["seed"],
        }
        for d, g in ((d, graphs[d][models[0]]) for d in datasets)
    }
)

# %% [markdown]
# ## As a matrix
#
# The whole graph of the first model's first seed, by powers of ten. Nodes are counted row by row from the
# north-west. The line marks the column that is mapped next, that of the node in the middle of the region.
# Lines parallel to the diagonal are links to cells north and south of a node; a row that is pale all over
# belongs to a node that keeps nearly all the weight for a few. Drawn by
# {func}`lsntp.chapters.q4_learned_graph.matrix`.

# %%
middle = {}
for d in datasets:
    graph = graphs[d][models[0]]
    middle[d] = graph["lat"].size // 2 * graph["lon"].size + graph["lon"].size // 2
    ax = q4_learned_graph.matrix(graph, cell=middle[d])
    ax.set_title(f"{d}, {LABELS[models[0]]}, seed {int(graph.seed[0])}", pad=18)

# %% [markdown]
# ## One column on the map
#
# Who listens to the cell at the cross: the same column for each seed, and before training
# ({func}`lsntp.chapters.q4_learned_graph.columns`). Seeds differ in the first weights and in the order of the
# training windows, in nothing else.

# %%
for d in datasets:
    axes = q4_learned_graph.columns(graphs[d][models[0]], middle[d])
    axes[0].figure.suptitle(f"{d}, {LABELS[models[0]]}")

# %% [markdown]
# Any other cell, row or column, of every seed and both forms: {doc}`../book/learned-graph`.
#
# ## One row beside the correlations
#
# The cross is one end of the far pair whose anomalies go together most closely, the circle the other
# ({doc}`02_observations`), or the nodes nearest to these. A learned link between them would show as a dark
# patch at the circle in the upper maps: what the cell at the cross listens to. Below them Pearson's $r$ with
# the cell at the cross. Drawn by {func}`lsntp.chapters.q4_learned_graph.row_and_pearson`.

# %%
for d in datasets:
    graph, pair = graphs[d][models[0]], fields[d].sel(series="anomaly")
    ends = [
        q4_learned_graph.nearest_node(nodes[d], float(lat), float(lon))
        for lat, lon in zip(
            pair.far_strongest_lat, pair.far_strongest_lon, strict=True
        )
    ]
    axes = q4_learned_graph.row_and_pearson(graph, correlations[d], *ends)
    axes[0].figure.suptitle(f"{d}, {LABELS[models[0]]}")
    factors = graph["adjacency"][:, ends[0], ends[1]] * graph.sizes["node"]
    said = ", ".join(f"{float(f):.2f}" for f in factors)
    glue(f"{d} strongest far pair", said, display=False)

# %% [markdown]
# What the cell at the cross gives the cell at the circle, seed by seed, in multiples of $1/N$, which a
# uniform graph would give: {glue:text}`ncep-na strongest far pair` on `ncep-na`,
# {glue:text}`era5-uk strongest far pair` on `era5-uk`. That is no link which every training finds.
#
# ## Does it reach far?
#
# The share of the weight that comes from further away than a distance $d$, mean over nodes; one line a
# seed ({func}`lsntp.chapters.q4_learned_graph.share_by_distance`). A graph that reaches further than the
# uniform one lies above its line. The thin lines mark the distances of the table, chosen by the size of the
# region ({func}`lsntp.results.learned_graphs.far_distances`).

# %%
for d in datasets:
    q4_learned_graph.share_by_distance(graphs[d]).set_title(d)

# %% [markdown]
# The same as numbers, in %, means over seeds. *Of others* leaves out the weight that a node gives itself,
# so that the rest adds up to 100 %; *own* is that weight, the median over nodes.

# %%
reach = {}
for d in datasets:
    for m, study in graphs[d].items():
        mean = 100 * study[["beyond", "beyond_others", "own"]].mean("seed")
        for g in study["graph"].values if m == models[0] else ["learned"]:
            s = mean.sel(graph=g)
            name = (
                LABELS[m]
                if g == "learned"
                else {"untrained": "at initialisation"}.get(g, g)
            )
            reach[d, name] = {
                **{f"> {k} km": v for k, v in s["beyond"].to_series().items()},
                **{
                    f"of others > {k} km": v
                    for k, v in s["beyond_others"].to_series().items()
                },
                "own": s["own"].item(),
            }
for d in datasets:
    display(
        pd.DataFrame({n: v for (e, n), v in reach.items() if e == d})
        .T.round(1)
        .rename_axis(d)
    )

# %% [markdown]
# ## Does it mean anything?
#
# For each node, Spearman's rank correlation of its learned row with the Pearson map of the same node,
# its own entry left out; then the mean over nodes. One dot per seed
# ({func}`lsntp.chapters.q4_learned_graph.rank_dots`, {func}`lsntp.results.learned_graphs.study`). Three questions, from top to bottom:
#
# 1. *Do they go together?* Beside it the graph at initialisation, and nearness alone: what a map that
#    only falls with distance would get.
# 2. *More than distance explains?* Near cells correlate, and a graph that links near cells correlates
#    with that. So the partial rank correlation, with distance held fixed. Two nulls stand below it: the
#    Pearson map *mirrored* east for west, in which every distance is as before and every coast is in
#    the wrong place, and maps of the nodes *shuffled*, of which 95 % lie below the dot. The mirrored map
#    is the stricter one: it keeps all that comes from the shape of the region, its middle and its rim.
# 3. *Far away, too?* The same among far cells only, those beyond the largest of the distances above.

# %%
for d in datasets:
    for series in field_records.SERIES:
        ax = q4_learned_graph.rank_dots(graphs[d], series)
        ax.set_title(f"{d}, {ax.get_title()}")

# %% [markdown]
# ## Is it the same every time?
#
# Rank correlation of all off-diagonal entries between the graphs of two seeds, as it is and with
# distance held fixed ({func}`lsntp.results.learned_graphs.agreement`).

# %%
agreement = [
    {
        "data set": d,
        "model": LABELS[m],
        "seeds": pair,
        "rank correlation": f"{float(study['agreement'].sel(pair=pair)):.2f}",
        "given distance": f"{float(study['agreement_given_distance'].sel(pair=pair)):.2f}",
    }
    for d in datasets
    for m, study in graphs[d].items()
    for pair in study["pair"].values
]
keys = ["data set", "model", "seeds"]
pd.DataFrame(agreement).set_index(
    keys
) if agreement else "one seed: nothing to compare"

# %% [markdown]
# ## Are planted links found?
#
# In `synthetic` it is known who listens to whom: eight far pairs of patches are linked, each target is
# drawn towards what its source was three hours before ({func}`lsntp.data.synthetic.synthetic`). The whole LS-NTP is trained on it
# in two ways ({func}`lsntp.results.studies.planted`): forecasting the change from the last frame, as everywhere with
# the modern recipe, and forecasting the field itself. The AUC is the chance that a linked pair of nodes has
# more weight than another pair at least as far apart ({func}`lsntp.results.learned_graphs.recovery`). The two last rows,
# correlations at the links' lag, show that the links can be found in these data. {doc}`03_method` does this
# with the smallest network that has a graph.

# %%
planted = learned_graphs.recovery(
    studies.load(studies.planted(preset, seeds), rerun)
)
ax = figures.auc_dots(planted["auc"])

# %% [markdown]
# (graph-claims)=
# ## What came out
#
# By rules set before looking ({mod}`lsntp.results.claims`); intervals are over the seeds, for similar graphs the range
# of their pairs. The graph *reaches
# far* if more of the weight comes from far cells than in the uniform graph and in its own first one. *Its links
# follow the weather* if the rank correlation with $r$ of anomalies, distance held fixed, is above 0.1 and above
# both nulls; *its far links do so, too*: the same among far cells. *Trainings find similar graphs* if the
# weights of two seeds have a rank correlation above ½. *Planted links* are found if the AUC is above those of
# 95 % of untrained graphs.

# %%
evidence = {d: {m: graphs[d][m] for m in models} for d in datasets}
evidence.setdefault("synthetic", {})["planted"] = planted
held = claims.table(evidence)
HTML(figures.claims_grid(held))

# %% tags=["hide-input"]
for d in datasets:
    for m, study in graphs[d].items():
        far = study["beyond"].sel(far_km=study.attrs["far"])
        rank = study["rank"].sel(series="anomaly").mean("seed")
        glue(f"{d} {m} far km", study.attrs["far"], display=False)
        glue(
            f"{d} {m} far",
            100 * float(far.sel(graph="learned").mean()),
            display=False,
        )
        glue(
            f"{d} {m} far uniform",
            100 * float(far.sel(graph="uniform").mean()),
            display=False,
        )
        glue(
            f"{d} {m} given distance",
            float(rank.sel(measure="given distance")),
            display=False,
        )
        glue(
            f"{d} {m} mirrored", float(rank.sel(measure="mirrored")), display=False
        )
        if study.sizes["pair"]:
            glue(
                f"{d} {m} agreement",
                float(study["agreement"].mean()),
                display=False,
            )
for way in planted.attrs["rows"]:
    glue(f"planted {way}", float(planted["auc"].sel(way=way).mean()), display=False)

# %% [markdown]
# ## Limits
#
# - A weight is not its effect. What a link does also depends on the convolution after the graph and on the
#   network's many steps, and the same weights $\Theta$ serve a node and its links. Whether the graph
#   helps the forecast at all is the subject of {doc}`05_ablation`.
# - Pearson's $r$ at one and the same time is one meaning of "physically meaningful", the talk's own. A link
#   to where the weather comes from would show little of it.
# - $E E^{\top}$ is symmetric: before the softmax, $m$ speaks to $n$ as much as $n$ to $m$, so such a graph
#   cannot tell a source from a target but by the sum of a row.
# - The uniform graph is a far-reaching one. That a graph sends less far than this does not mean that it
#   has no far link, only that training did not favour them.
# - Few seeds, small networks, one region each. Ranks do not tell how much two weights differ, and the many
#   equal ones (where the relu cuts) count as ties.
#
# ## Checks, and the records behind this page
#
# `lsntp verify KEY` makes a run again and compares.

# %% tags=["hide-cell"]
if (datasets, preset, seeds, rerun) == parameters.PRINTED:  # what the text says
    said = held["verdict"]
    assert (
        said["The learned graph reaches far"]["equations"] == "does not hold"
    ).all()
    weather = said["Its links follow the weather"]["equations"]
    assert (weather == ["not shown", "holds"]).all()
    assert (
        said["Its links follow the weather"]["released form"] == "not shown"
    ).all()
    same = said["Trainings find similar graphs"]
    assert (same.xs("ncep-na", level="dataset") == "not shown").all()
    assert (same.xs("era5-uk", level="dataset") == "holds").all()
    assert (
        said["The graph finds planted links"] == ["holds", "does not hold"]
    ).all()
for d in datasets:
    for study in graphs[d].values():
        a, n = study["adjacency"].values, study.sizes["node"]
        assert np.allclose(a.sum(-1), 1), "rows add up to 1"
        uniform = study["beyond"].sel(graph="uniform")[0].values
        share = [(study.km.values > k).mean() for k in study.far_km.values]
        assert np.allclose(uniform, share), (
            "the uniform graph's share is the share of pairs"
        )
        start = study["untrained"].values * n
        off = ~np.eye(n, dtype=bool)
        assert abs(np.median(start[:, off]) - 1) < 0.1, (
            "the first graph is nearly uniform"
        )
        assert study["rank"].sel(measure="untrained").max() < 0.1, (
            "and knows nothing of the data"
        )
pd.concat({d: tables.keys(rows[d]) for d in datasets}, names=["dataset"])
