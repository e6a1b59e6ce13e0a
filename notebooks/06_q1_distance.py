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
# # Q1: how far must links reach?
#
# **Long links are seen to help on neither data set; on `era5-uk` they do harm.**
#
# :::{div} page-head
# **You will see** the error of LS-NTP against the length of its longest link, the talk's first question. **You should know** {doc}`03_method`. {sub-ref}`wordcount-minutes` min. On data
# of yours: `papermill notebooks/06_q1_distance.ipynb mine.ipynb -p dataset my.nc -p rerun True`
# :::

# %% tags=["parameters", "hide-input"]
dataset = [
    "ncep-na",
    "era5-uk",
]  # a name, or a list; also "synthetic" or a file of your own
preset = "laptop"  # how large and how long: "smoke", "laptop", "paper"
seeds = 3  # of each network
rerun = False  # True: train, and keep the records as your own

# %% tags=["hide-input"]
# | alt: Two panels, error against the distance of the cut. Trained with the cut, networks err least with short links; on era5-uk the error climbs once links reach half of the region.
# | caption: "Links longer than the distance are cut: in training already, or once the network is trained. Lines join means, short bars are seeds; the band is one standard deviation. *w/o LAGC*: without the graph. ({func}`lsntp.figures.studies.swept_panels` draws it.)"
import numpy as np
import pandas as pd
import torch
from IPython.display import HTML, Markdown, display
from myst_nb import glue

from lsntp import AdaptiveGraph, RunConfig, figures
from lsntp.chapters import parameters, q1_distance
from lsntp.figures import studies as study_figures
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.model.graph import DistanceCut, adaptive_adjacency
from lsntp.model.lsconv import lagc
from lsntp.results import claims, field_records, studies, tables
from lsntp.runs.trained import build_network, inner_cells

figures.style()
datasets = parameters.study(dataset, preset, seeds, rerun)
fields = field_records.studies(datasets)
rows = {
    d: studies.load(studies.distance(d, preset, seeds), rerun) for d in datasets
}
distances = {d: sorted(q1_distance.cut_rows(rows[d])) for d in datasets}
without = {
    d: {"w/o LAGC": tables.errors({"": rows[d]["w/o LAGC"]})["mae"]}
    for d in datasets
}
curves = {d: q1_distance.distance_curves(rows[d]) for d in datasets}
along = "distance of the cut (km)"
_ = study_figures.swept_panels(curves, "mae", "MAE (K)", along, levels=without)

# %% [markdown]
# No cut is seen to raise the error of networks trained with it, not even down to self-links alone. One cut
# lowers it on `ncep-na`, all but the longest on `era5-uk`. A network that was trained with all links and then
# loses them errs more on `ncep-na`: it relies on its links, but they were not worth having.

# %% tags=["hide-input"]
held = claims.table({d: {"distance": rows[d]} for d in datasets})
HTML(figures.claims_grid(held))

# %% [markdown]
# ## The cut
#
# Entries of the learned adjacency whose cells lie further apart than $d$ become zero, *after* the softmax, as the
# talk says. Nothing is scaled up again.

# %%
nodes = inner_cells(
    RunConfig(dataset=datasets[0], model=studies.LSNTP, preset=preset),
    fields[datasets[0]]["case"],
)
lat, lon = grid_nodes(nodes)
km = torch.from_numpy(great_circle_km(lat, lon))
A = adaptive_adjacency(torch.randn(len(lat), 8))

cut = {d: A.where(km <= d, 0) for d in distances[datasets[0]]}

# %% [markdown]
# The distances are 0 and 1/16, 1/8, 1/4, 1/2 and all of the region's largest
# ({func}`lsntp.results.studies.distances_km`): {glue:text}`ncep-na largest:.0f` km on `ncep-na`,
# {glue:text}`era5-uk largest:.0f` km on `era5-uk`. The shortest but 0 is about that of two neighbours. At $d = 0$
# a cell keeps its link to itself, $L_n = (1 + a_{nn})\,X_n$; *w/o LAGC* is $L_n = X_n$.

# %% tags=["hide-cell"]
# | prompt: The cut is the library's, and both ends are as said
graph = AdaptiveGraph(len(lat), 8)
for d, kept in cut.items():
    graph.cut = DistanceCut(lat, lon, d)
    by_library = graph.forward()
    own = adaptive_adjacency(graph.embedding).where(km <= d, 0)
    assert torch.equal(by_library, own)
    assert torch.equal(kept != 0, own != 0)
for d in datasets:
    field, largest = fields[d]["case"], distances[d][-1]
    config = RunConfig(dataset=d, model=studies.LSNTP, preset="smoke")
    whole, longest, alone = (
        build_network(config.model_copy(update={"cut_km": cut_km}), field)
        for cut_km in (None, largest, 0)
    )
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, config.input_steps, 1, *field.shape[1:], generator=random)
    state = torch.randn(2, 4, *alone.inner, generator=random)
    with torch.no_grad():
        assert torch.equal(longest(x), whole(x)), "the largest cut is no cut"
        assert not torch.equal(alone(x), whole(x)), "at 0 km the cut matters"
        own = alone.adjacency().diagonal().reshape(alone.inner)
        torch.testing.assert_close(
            lagc(state, alone.graph.adjacency()), (1 + own) * state
        )
    for record in rows[d]["whole"]:
        np.testing.assert_allclose(
            record["cut_mae"][-1], record["mae"], rtol=0, atol=1e-9
        )

# %% tags=["hide-cell"]
# | prompt: The numbers
chosen = ["MAE (K)", "change (K)", "95 % interval", "verdict"]
for d in datasets:
    display(Markdown(f"**{d}**, trained with the cut: change from the whole graph"))
    display(tables.study_table(rows[d], against="whole")[chosen])

# %% [markdown]
# ## How much weight is there to cut?

# %% tags=["hide-input"]
# | alt: Two panels, the share of a node's weight within a distance, for trained graphs and for one whose nodes are all alike.
# | caption: "Share of a node's weight that stays within a distance, mean over nodes, beside that of a graph whose links are all alike, nearly that at the start of training. ({func}`lsntp.chapters.q1_distance.weight_within` computes it.)"
weights = {
    d: q1_distance.weight_within(
        q1_distance.with_graph(rows[d]["whole"]), fields[d]["case"], distances[d]
    )
    for d in datasets
}
axes = study_figures.swept_panels(
    weights, "share", "share of the weight", "within a distance of (km)"
)
for ax in axes:
    ax.set_ylim(0, 1.05)
for d in datasets:
    glue(f"{d} largest", distances[d][-1], display=False)

# %% [markdown]
# ## Limits
#
# - `era5-uk` is small: what holds there says nothing of thousands of kilometres.
# - Convolutions pass information on, too. Over six steps and two layers a 3×3 kernel reaches far, so self-links
#   alone do not blind a network.
# - Few seeds, small networks, and one region and test period each.
#
# `lsntp verify KEY` makes a run again and compares.

# %% tags=["hide-cell"]
# | prompt: Checks and keys
if (datasets, preset, seeds, rerun) == parameters.PRINTED:  # what the text says
    changes = {d: tables.differences(rows[d], "whole")["verdict"] for d in datasets}
    lower = changes["ncep-na"][changes["ncep-na"] == "lower"].index
    assert [*lower] == [f"{distances['ncep-na'][2]} km"]
    of_cuts = changes["era5-uk"].filter(like=" km")
    assert (of_cuts[:-1] == "lower").all() and of_cuts.iloc[-1] != "lower"
    assert all(q1_distance.reach(rows[d]) == 0 for d in datasets)
    assert (held["verdict"]["Links help"] != "holds").all()
    assert (
        held["verdict"]["Links help"]["trained with the cut"]["era5-uk"]
        == "does not hold"
    )
    relies = held["verdict"]["A trained network relies on its links"]
    assert relies["cut once trained"]["ncep-na"] == "holds"
for d in (
    datasets
):  # the main table's networks of the same configs are the same networks
    whole = rows[d]["whole"]
    for scored, graph in zip(whole, q1_distance.with_graph(whole), strict=True):
        np.testing.assert_allclose(scored["mae"], graph["mae"], rtol=0, atol=1e-4)
keys = {d: tables.keys(rows[d]) for d in datasets}
pd.concat(keys, names=["dataset"])
