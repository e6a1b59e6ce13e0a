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
# # Three observations: near, far, and unequal
#
# **Near cells go together, and some far cells do. But on `ncep-na` no far pair stays strong once day and season
# are taken off.**
#
# :::{div} page-head
# **You will see** how the temperatures of two cells go together, for all pairs of cells. **You should know** what a
# correlation is. {sub-ref}`wordcount-minutes` min. On data of yours:
# `papermill notebooks/02_observations.ipynb mine.ipynb -p dataset my.nc`
# :::

# %% tags=["parameters", "hide-input"]
dataset = [
    "ncep-na",
    "era5-uk",
]  # a name, or a list; also "ncep-na-full", "synthetic", or a file of your own
# True: make the study anew from the data, and check it against the record
recompute = False

# %% tags=["hide-input"]
# | alt: Pearson's r of all pairs of cells against their distance, for two data sets. It falls with distance, more so in the anomalies.
# | caption: Every pair of cells, by distance and Pearson's $r$; darker blue holds more pairs. Left, the series as they are; right, without day and season. Near pairs correlate, and pairs at one distance differ. ({func}`lsntp.chapters.observations.correlation_distance` draws it.)
import numpy as np
import pandas as pd
from IPython.display import HTML
from myst_nb import glue

from lsntp import figures
from lsntp.chapters import observations, parameters
from lsntp.data.climatology import Climatology
from lsntp.data.synthetic import LAG_STEPS, synthetic
from lsntp.results import claims, field_records

figures.style()
datasets = parameters.observations(dataset, recompute)
records = field_records.studies(datasets, recompute)
axes = observations.correlation_distance(records)

# %% [markdown]
# (near-observation)=
# (unequal-observation)=
# ## Rules before numbers
#
# The talk motivates LS-NTP by three observations. Each gets a rule that it can fail, set before looking.
# "Strong" is $r \ge 0.5$.
#
# - (i) *Near cells correlate.* Near pairs share an edge. Their median is strong, and 95 % of them lie above the
#   median of all pairs; the grid shows the condition with less to spare.
# - (ii) *Far cells can.* Far pairs are the furthest quarter. One of them is strong. Beside it: more than by chance,
#   judged by copies in which one cell of each pair is shifted in time.
# - (iii) *Unequal at one distance.* Distance leaves a tenth or more of the variance of $r$ unexplained.

# %% tags=["hide-input"]
held = claims.table({name: {"field": r} for name, r in records.items()})
HTML(figures.claims_grid(held))


# %% [markdown]
# (observations-to-method)=
# ## From observation to method
#
# The talk answers each observation with a kind of network. LS-Conv joins the three.
#
# | seen | so one wants | in LS-Conv |
# |---|---|---|
# | (i) near cells correlate | a **CNN**: each cell with its neighbours | {doc}`LSI <03_method>`, a convolution |
# | (ii) far cells can, too | a **GCN**: each cell with any other | {doc}`LAGC <03_method>`, a learned graph |
# | (iii) unequal at one distance | **attention**: weights that are learned | {doc}`NSA <03_method>`, a weight a cell |
#
# (pearson)=
# ## Pearson's coefficient in three lines
#
# It is 1 if one series is the other on another scale, and 0 if neither says anything linear about the other.

# %%
def pearson(x, y):
    """Pearson's r of two series, or of one with each cell of a field."""
    x, y = x - x.mean("time"), y - y.mean("time")
    norm = np.sqrt((x**2).sum("time") * (y**2).sum("time"))
    return (x * y).sum("time") / norm


# %% [markdown]
# Summer is warmer than winter nearly everywhere. That alone makes far cells correlate, and a calendar tells it as
# well. So everything is done twice, the second time for **anomalies**: each cell without its mean at that time of day
# and season ({class}`lsntp.data.climatology.Climatology`). Only the training period is used.
#
# Here is the map of one cell, in a made world that needs no download, equal to the library's
# ({func}`lsntp.results.field_records.study`) and to NumPy's.

# %%
world = synthetic()["t2m"].astype(float)
made = field_records.study(world)
train = world.sel(time=world.time < np.datetime64(made.test_start))
anomalies = train - Climatology().fit(train).predict(train.time.values)
for series, x in {"raw": train, "anomaly": anomalies}.items():
    cell = x.sel(lat=made.cell_lat, lon=made.cell_lon)
    r = pearson(cell, x)
    assert np.allclose(r, made.correlation_map.sel(series=series), atol=1e-5)
    assert np.isclose(r[0, 0], np.corrcoef(cell, x[:, 0, 0])[0, 1])

# %% [markdown]
# (far-observation)=
# ## Where the far partner lies

# %% tags=["hide-input"]
# | alt: Maps of Pearson's r with one cell, for two data sets. Without day and season, ncep-na has a faint second patch, era5-uk fades smoothly.
# | caption: Pearson's $r$ of every cell with the cross; the circle is its far partner, of all far pairs the one whose anomalies correlate most. A long-range link would be a second patch (right). `ncep-na` has one; `era5-uk` fades smoothly, which is nearness only. ({func}`lsntp.chapters.observations.correlation_map` draws it.)
axes = observations.correlation_map(records)

# %% tags=["hide-cell"]
for name, record in records.items():
    raw, anomaly = (record.sel(series=s) for s in field_records.SERIES)
    glue(f"{name}-far-km", f"{record.attrs['far_km']:.0f} km", display=False)
    for series, r in (("raw", raw), ("anomaly", anomaly)):
        strong = 100 * float(r.far_strong_share)
        glue(f"{name}-strong-{series}", f"{strong:.1f} %", display=False)
pd.DataFrame(
    {
        (name, field_records.SERIES_NAMES[s]): {
            "strong far pairs (%)": f"{100 * float(r.far_strong_share):.1f}",
            "median of far pairs": f"{float(r.far_median):.2f}",
            "strongest far pair": f"{float(r.far_strongest):.2f}",
            "its distance (km)": f"{float(r.far_strongest_km):.0f}",
            "far pairs, 99th percentile": f"{float(r.far_q99):.2f}",
            "by chance, at most": f"{float(record.far_q99_shifted.max()):.2f}"
            if s == "anomaly"
            else "",
            "lowest of any pair": f"{float(r.lowest):.2f}",
            "distance explains (%)": f"{100 * float(r.explained):.0f}",
        }
        for name, record in records.items()
        for s in field_records.SERIES
        for r in [record.sel(series=s)]
    }
)

# %% [markdown]
# ## What is left without the calendar
#
# **On `ncep-na` the strong far pairs are the calendar's.** Beyond {glue:text}`ncep-na-far-km`,
# {glue:text}`ncep-na-strong-raw` of the pairs are strong in the series as they are, and
# {glue:text}`ncep-na-strong-anomaly` in the anomalies. What is left is a little more than chance.
#
# **On `era5-uk` they stay, a little above chance.** Beyond {glue:text}`era5-uk-far-km`,
# {glue:text}`era5-uk-strong-raw` are strong before and {glue:text}`era5-uk-strong-anomaly` after.
#
# What distance does not explain, noise included, is the room for a graph that is learned.
#
# ## Limits
#
# - $r$ is taken at one and the same time. Weather moves: a cell may foretell another some hours later.
# - Independent weather situations are few, so chance is judged by shifting whole fields in time. A narrow win over
#   that is weak evidence.
# - A correlation is not yet a better forecast. Whether links help is for {doc}`05_ablation` to say.
#
# ## The fields

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {
            "grid": f"{r.sizes['lat']} × {r.sizes['lon']}",
            "cells with values": int(r.case[0].count()),
            "pairs of cells": f"{int(r.pairs.sel(series='raw').sum()):,}",
            "training period": r.attrs["statistics_period"],
            "steps": f"{r.attrs['statistics_steps']} of "
            f"{r.attrs['step_hours']:g} h",
            "far pairs lie beyond": f"{r.attrs['far_km']:.0f} km",
        }
        for name, r in records.items()
    }
)

# %% tags=["hide-input"]
# | alt: Maps of temperature, a row a data set; the first and the last input, and the last frame to be forecast.
# | caption: Three of twelve frames from the middle of the test period, the first and the last input and the last frame that a model has to forecast. ({func}`lsntp.figures.case_frames` draws it.)
axes = figures.case_frames(records)

# %% [markdown]
# ## Exercises
#
# **1.** Give one series in °F and the other in K. What becomes of $r$?

# %% tags=["hide-cell"]
# | prompt: Solution
# Nothing: r has no unit and no origin. It only turns its sign with the scale's.
other = train[:, 3, 5]
fahrenheit = (cell - 273.15) * 9 / 5 + 32
assert np.isclose(pearson(fahrenheit, other), pearson(cell, other))
assert np.isclose(pearson(-fahrenheit, other), -pearson(cell, other))

# %% [markdown]
# **2.** In the made world some patches follow others, three hours later. Correlate a source with its target at the
# same time, and with the target three steps later. Which is larger, and what does it say of this page?

# %% tags=["hide-cell"]
# | prompt: Solution
# The lagged one, for each of the links. This page's r looks at one time only: it misses part of such links.
links = synthetic()
nodes = anomalies.stack(node=("lat", "lon")).drop_vars(["node", "lat", "lon"])
now, later = (
    pearson(
        nodes[: len(nodes) - lag, links.source].drop_vars("time"),
        nodes[lag:, links.target].drop_vars("time"),
    )
    for lag in (0, LAG_STEPS)
)
assert (later > now).all()

# %% [markdown]
# **3.** Make two series of pure noise and add the same daily cycle to both. How large is $r$, and what is left of it
# in the anomalies?

# %% tags=["hide-cell"]
# | prompt: Solution
# Large, though the two have nothing to do with each other; and nothing is left.
noise = train.copy(data=np.random.default_rng(0).normal(size=train.shape))
cycled = noise + 5 * np.sin(2 * np.pi * noise.time.dt.hour / 24)
free = cycled - Climatology().fit(cycled).predict(cycled.time.values)
assert pearson(cycled[:, 0, 0], cycled[:, 9, 9]) > 0.8
assert abs(pearson(free[:, 0, 0], free[:, 9, 9])) < 0.1

# %% [markdown]
# ## Checks

# %% tags=["hide-cell"]
if {"ncep-na", "era5-uk"} <= {*datasets}:  # what the text says
    said = held["verdict"].xs("era5-uk", level="dataset")
    assert (said == "holds").all()
    said = held["verdict"].xs("ncep-na", level="dataset")
    assert [*said[said != "holds"].index] == [
        ("Some far cells correlate strongly", "anomalies from climatology")
    ]
    strongest = {
        d: r.far_strongest.sel(series="anomaly") for d, r in records.items()
    }
    assert strongest["ncep-na"] < field_records.STRONG <= strongest["era5-uk"]
    for d in ("ncep-na", "era5-uk"):  # "a little more than chance"
        spare = held["effect"]["Far cells correlate more than by chance"].xs(
            d, level="dataset"
        )
        assert (spare > 0).all() and (spare < 0.05).all()
for record in records.values():
    cells = int(record.case[0].count())
    assert (
        record.pairs.sum(["distance", "r"]) == cells * (cells - 1) // 2
    ).all(), "every pair, once"
    assert record.correlation_map[0].count() == cells, "masked cells have none"
    assert np.abs(record.correlation_map).max() <= 1 + 1e-6, "|r| is at most 1"
    own_cell = record.correlation_map.sel(
        lat=record.attrs["cell_lat"], lon=record.attrs["cell_lon"], method="nearest"
    )
    assert np.allclose(own_cell, 1, atol=1e-5), "a cell goes fully with itself"
    half, width = record.pairs.sum("r") / 2, float(record.r[1] - record.r[0])
    counted, median = record.pairs.cumsum("r"), record.band.sel(quantile=0.5)
    above = record.r.where(counted >= half).min("r") - width / 2 <= median + 1e-6
    below = record.r.where(counted > half).min("r") + width / 2 >= median - 1e-6
    assert (median.isnull() | (above & below)).all(), (
        "counts and bands tell the same medians"
    )
print("counts, bands and maps agree")
