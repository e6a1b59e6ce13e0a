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
# The talk motivates LS-NTP by three observations on how the temperatures of two grid cells go
# together. This page repeats them on two real fields, over all pairs of cells, and asks of each
# whether it is still true once the cycles that all cells share, day and season, are taken off.

# %% tags=["parameters", "hide-input"]
datasets = [
    "ncep-na",
    "era5-uk",
]  # also "ncep-na-full", "synthetic", or a file of your own
# True: make the study anew from the data, and check it against the record
recompute = False

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import HTML
from myst_nb import glue

from lsntp import figures
from lsntp.chapters import observations, parameters
from lsntp.results import claims, field_records

figures.style()
records = field_records.studies(
    parameters.observations(datasets, recompute), recompute
)

# %% [markdown]
# ## The measure
#
# Let $x_n(t)$ be the temperature of cell $n$ at time $t$, and $\bar x_n$ its mean over the $T$ times
# of the training period. The two cells $n$ and $m$ go together as Pearson's coefficient says:
#
# $$
# r_{nm} = \frac{\sum_t \left(x_n(t) - \bar x_n\right)\left(x_m(t) - \bar x_m\right)}
# {\sqrt{\sum_t \left(x_n(t) - \bar x_n\right)^2 \; \sum_t \left(x_m(t) - \bar x_m\right)^2}}
# $$
#
# It is 1 if one series is the other on another scale, and 0 if knowing one says nothing linear about
# the other. We take it for all pairs of cells, against the great-circle distance between them
# ({func}`lsntp.results.field_records.study`). The test period is not looked at.
#
# All of it is done twice: for the **series as they are**, as in the talk, and for their **anomalies**
# from a climatology, the mean of each cell at that time of day and, given most of a year, at that
# season ({class}`lsntp.data.climatology.Climatology`). Summer is warmer than winter nearly everywhere;
# that alone makes two cells correlate, and a forecast gains nothing from it that a calendar would
# not tell.

# %%
pd.DataFrame(
    {
        name: {
            "quantity": r.attrs["long_name"],
            "cells": f"{r.sizes['lat']} × {r.sizes['lon']} = "
            f"{r.sizes['lat'] * r.sizes['lon']}",
            "pairs of cells": f"{int(r.pairs.sel(series='raw').sum()):,}",
            "training period": r.attrs["statistics_period"],
            "steps": f"{r.attrs['statistics_steps']} of "
            f"{r.attrs['step_hours']:g} h",
            "far pairs lie beyond": f"{r.attrs['far_km']:.0f} km",
        }
        for name, r in records.items()
    }
)

# %% [markdown]
# ## What the fields look like
#
# Six of twelve consecutive frames of the test period: inputs up to 0 h, then what a model has to
# forecast. The window is the one in the middle of the test period, the same for which the records
# of all runs keep their forecast. Drawn by {func}`lsntp.figures.case_frames`.

# %%
for name, record in records.items():
    axes = figures.case_frames(record)
    axes[0].figure.suptitle(
        f"{name}, 0 h = "
        f"{record.case_time.sel(step=0).dt.strftime('%Y-%m-%d %H').item()} UTC"
    )

# %% [markdown]
# ## Correlation against distance
#
# Colour counts the pairs in a bin of distance and $r$. The lines give, at each distance, the median
# and the ranges that hold half and nine tenths of the pairs. Drawn by
# {func}`lsntp.chapters.observations.correlation_distance`.

# %%
for name, record in records.items():
    axes = observations.correlation_distance(record)
    axes[0].figure.suptitle(name)

# %% [markdown]
# ## The three observations
#
# (i) Near pairs correlate strongly. (ii) Some far pairs do too. (iii) Pairs at one distance vary. Each has a
# rule that it can fail, set before looking at numbers. "Strong" is $r \ge 0.5$.
#
# - *Near* pairs share an edge. (i) holds if their median is strong and 95 % of them lie above the median
#   of all pairs; the table gives the condition with less to spare.
# - *Far* pairs are the quarter of all pairs that lie furthest apart. (ii) holds if one of them is strong.
#   Anomalies of far pairs are also held against chance: their 99th percentile against that of copies in
#   which one cell of each pair is shifted in time, so that it meets other weather.
# - (iii) holds if distance leaves a tenth or more of the variance of $r$ unexplained.
#
# ({mod}`lsntp.results.claims`.)

# %%
held = claims.table({name: {"field": r} for name, r in records.items()})
HTML(figures.claims_grid(held))

# %% [markdown]
# ## Where the far partner lies
#
# Of all far pairs, one has the anomalies that go together most closely. The maps show Pearson's $r$ of
# every cell with one end of that pair (cross); the circle is the other end. A long-range link worth
# learning would show in the anomalies as a second patch, away from the first; a colour that fades
# smoothly from the cross shows nearness only. `ncep-na` has a second patch, `era5-uk` has none. Drawn
# by {func}`lsntp.chapters.observations.correlation_map`.

# %%
for name, record in records.items():
    axes = observations.correlation_map(record)
    axes[0].figure.suptitle(name)

# %% tags=["hide-input"]
for name, record in records.items():
    raw, anomaly = (record.sel(series=s) for s in field_records.SERIES)
    glue(f"{name}-far-km", f"{record.attrs['far_km']:.0f} km", display=False)
    for series, r in (("raw", raw), ("anomaly", anomaly)):
        strong, explained = (
            100 * float(r.far_strong_share),
            100 * float(r.explained),
        )
        glue(f"{name}-strong-{series}", f"{strong:.1f} %", display=False)
        glue(
            f"{name}-far-median-{series}",
            f"{float(r.far_median):.2f}",
            display=False,
        )
        glue(f"{name}-explained-{series}", f"{explained:.0f} %", display=False)
    glue(f"{name}-strongest", f"{float(anomaly.far_strongest):.2f}", display=False)
    km = float(anomaly.far_strongest_km)
    glue(f"{name}-strongest-km", f"{km:.0f} km", display=False)
    glue(f"{name}-lowest", f"{float(anomaly.lowest):.2f}", display=False)
    glue(f"{name}-lowest-km", f"{float(anomaly.lowest_km):.0f} km", display=False)
    glue(f"{name}-q99", f"{float(anomaly.far_q99):.2f}", display=False)
    shifted = float(record.far_q99_shifted.max())
    glue(f"{name}-chance", f"{shifted:.2f}", display=False)

# %% [markdown]
# ## What is left without the calendar
#
# **On `ncep-na` the strong far pairs are the calendar's.** Of its pairs beyond {glue:text}`ncep-na-far-km`,
# {glue:text}`ncep-na-strong-raw` are strong in the series as they are and
# {glue:text}`ncep-na-strong-anomaly` in the anomalies; the median of these far pairs is
# {glue:text}`ncep-na-far-median-raw` before and {glue:text}`ncep-na-far-median-anomaly` after. What is left
# is a little more than chance: a 99th percentile of {glue:text}`ncep-na-q99`, against at most
# {glue:text}`ncep-na-chance`. The strongest far pair of anomalies has {glue:text}`ncep-na-strongest`, at
# {glue:text}`ncep-na-strongest-km`, the lowest $r$ of any pair is {glue:text}`ncep-na-lowest`, at
# {glue:text}`ncep-na-lowest-km`.
#
# **On `era5-uk` they stay, a little above chance.** Of its pairs beyond {glue:text}`era5-uk-far-km`,
# {glue:text}`era5-uk-strong-raw` are strong before and {glue:text}`era5-uk-strong-anomaly` after; the
# 99th percentile of the anomalies' far pairs is {glue:text}`era5-uk-q99`, against at most
# {glue:text}`era5-uk-chance`.
#
# Distance explains {glue:text}`ncep-na-explained-raw` of the variance of $r$ on `ncep-na`
# ({glue:text}`ncep-na-explained-anomaly` for anomalies) and {glue:text}`era5-uk-explained-raw` on
# `era5-uk` ({glue:text}`era5-uk-explained-anomaly`). What it leaves, the noise of a short series
# included, is the room for a graph that is learned rather than drawn from distances.
#
# ## Limits
#
# - $r$ is taken at one and the same time. Weather moves; a cell may foretell another some hours
#   later and show little of it here.
# - A correlation is not yet a better forecast. Whether long-range links help is for the ablation to
#   say, not for this page.
# - The pairs are many, the independent ones few: neighbouring cells repeat each other, and a training
#   period holds few independent weather situations. That is why chance is judged by shifting whole
#   fields in time, and not by the number of pairs. The shifted copies of a short series are not
#   independent either, so a narrow win over them is weak evidence.
# - `era5-uk` covers one weather system at a time: its far pairs are not far by the measure of
#   `ncep-na`.
# - The climatology is fitted to the very times it is taken from, and its season is a single annual
#   wave, so some of the season remains.
#
# ## Checks

# %% tags=["hide-input"]
if {"ncep-na", "era5-uk"} <= {*datasets}:  # what the text says
    said = held["verdict"].xs("era5-uk", level="dataset")
    assert (said == "holds").all()
    said = held["verdict"].xs("ncep-na", level="dataset")
    assert [*said[said != "holds"].index] == [
        ("Some far cells correlate strongly", "anomalies from climatology")
    ]
for record in records.values():
    cells = record.sizes["lat"] * record.sizes["lon"]
    assert (
        record.pairs.sum(["distance", "r"]) == cells * (cells - 1) // 2
    ).all(), "every pair, once"
    assert (np.abs(record.correlation_map) <= 1 + 1e-6).all(), "|r| is at most 1"
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
