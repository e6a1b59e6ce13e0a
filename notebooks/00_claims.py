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
# # The talk's claims
#
# **Trained alike, LS-NTP is nowhere ahead of ConvLSTM of its kernel, on `era5-uk` and on the whole grid of `ncep-na`
# behind it. Its convolution (LSI) helps on `ncep-na`; its attention (NSA) is seen to help nowhere, its learned graph
# (LAGC) to harm on `era5-uk`.**
#
# :::{div} page-head
# **You will see** which claims of the talk hold on two real data sets. **You should know** what
# {doc}`LS-Conv <03_method>` is. {sub-ref}`wordcount-minutes` min. On data of yours:
# `papermill notebooks/00_claims.ipynb mine.ipynb -p dataset my.nc -p rerun True`
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
from IPython.display import HTML, display

from lsntp import figures
from lsntp.chapters import claims as chapter
from lsntp.chapters import parameters
from lsntp.results import claims, learned_graphs, planted, studies

figures.style()
datasets = parameters.study(dataset, preset, seeds, rerun)
evidence = {d: chapter.evidence(d, preset, seeds, rerun) for d in datasets}
links = studies.load(planted.on_synthetic(preset, seeds), rerun)
world = evidence.setdefault("synthetic", {})
world["planted"] = learned_graphs.recovery(links)
held = claims.table(evidence)
talk = held[held["talk"] & (held["section"] != "02_observations")]
HTML(figures.claims_grid(talk))

# %% [markdown]
# Right of the line speaks for the claim, left against it; the bar is the 95 % interval, an arrow goes on; a click shows
# the numbers. *equations* is LS-NTP as printed, *released* as its code computes it. A part *helps* against the network
# without it.
#
# ## The observations behind the method

# %% tags=["hide-input"]
HTML(figures.claims_grid(held[held["section"] == "02_observations"]))

# %% [markdown]
# ## What a reader will ask

# %% tags=["hide-input"]
for names in (datasets, ["synthetic"]):
    asked = held[~held["talk"] & held.index.isin(names, level="dataset")]
    display(HTML(figures.claims_grid(asked)))

# %% [markdown]
# ## How a claim is judged
#
# One object a claim, {class}`lsntp.results.claims.Claim`. The interval of a difference in errors holds both sources
# of doubt, the weather of the test period (a bootstrap over its weeks, or days if weeks are few; of several periods, over
# these) and the seeds,
# added in variance ({func}`lsntp.results.compare.interval`); that of a learned graph the seeds; what is
# measured without training has none.
#
# - *holds*: the interval is all on the claim's side of zero; *does not hold*: all on the other, or a number set before is
#   missed. "Best of several" must beat each of them; its difference is that from the best of the others.
# - *not shown*: the interval holds zero. It says how large a difference may yet be. *Too uncertain*: the difference is
#   above 5 % and the interval holds zero.
#
# Differences are those of the first from the second. In errors (K) a negative one speaks for the claim; in
# correlations and shares, which are held against a number, a positive one.
#
# Correlations and graphs are held against a number set before looking: ½ is a strong correlation, 0.1 a
# small one. Graphs are also held against graphs that know nothing: the uniform one, the one before
# training, Pearson maps mirrored or shuffled. For *trainings find similar graphs* the range of the pairs of seeds
# stands in the interval's place. The observations rest on few weeks of independent weather and have no interval.
#
# These are networks trained in minutes on a laptop, on one region and, but where four weeks are named, one test
# period each. Where nothing differs one interval in twenty excludes zero by chance; nothing corrects for that.
# Several claims rest on one comparison: that of LS-NTP with ConvLSTM stands in five rows of `ncep-na`.
#
# ## Where each is measured

# %% tags=["hide-input"]
places = held.reset_index()[["claim", "section"]].drop_duplicates()
places.groupby("section")["claim"].agg("; ".join).to_frame("claims")

# %% [markdown]
# ## Checks

# %% tags=["hide-input"]
if (datasets, preset, seeds, rerun) == parameters.PRINTED:  # what the text says
    said = held["verdict"]
    assert (said["LSI helps"].xs("ncep-na", level="dataset") == "holds").all()
    for says in ("NSA helps", "LAGC helps", "LS-NTP errs less than ConvLSTM"):
        assert (said[says] != "holds").all()
    behind = said["LS-NTP errs less than ConvLSTM"].xs("era5-uk", level="dataset")
    assert (behind == "does not hold").all()
    ahead = said["LS-NTP errs less than ConvLSTM"]
    assert [*ahead.xs("equations, whole grid", level="form")] == ["does not hold"]
    graph = said["LAGC helps"].xs("era5-uk", level="dataset")
    assert (graph[["equations", "released form"]] == "does not hold").all()
    effect, ours = (
        held["effect"].xs("ncep-na", level="dataset"),
        "LS-NTP errs less than ConvLSTM",
    )
    assert (effect == effect[ours]["equations"]).sum() == 5
    seen = held[held["section"] == "02_observations"]["verdict"]
    failed = seen[seen != "holds"]
    assert [*failed.index] == [
        (
            "Some far cells correlate strongly",
            "anomalies from climatology",
            "ncep-na",
        )
    ]
