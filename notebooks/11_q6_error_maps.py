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
# # Q6: maps of the error
#
# Where does the forecast err? The talk shows maps of LS-NTP's mean absolute error on both of its
# data sets; what it concludes from them is not in what we have. Here are such maps for this book's
# data sets and three leads, the difference from a linear model, and three plain questions with
# numbers that could have come out either way: is the error larger over land than over the sea, does
# it depend on latitude, and does it grow towards the edge of the region, where what flows in is not
# seen?

# %% tags=["parameters", "hide-input"]
dataset = [
    "ncep-na",
    "era5-uk",
]  # a name, or a list; also "synthetic" or a file of your own
models = [
    "lsntp-equations",
    "convlstm",
    "lsntp-tuned",
]  # the first one: lead by lead
preset = "laptop"  # how large and how long: "smoke", "laptop"
seeds = 3  # of each network
rerun = False  # True: train everything now instead of reading the records

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue

from lsntp import figures
from lsntp.chapters import parameters, q6_error_maps
from lsntp.results import studies, tables
from lsntp.zoo import LABELS

figures.style()
datasets = parameters.study(dataset, preset, seeds, rerun, models)
focus = LABELS[models[0]]
runs = {
    d: studies.load(studies.rows(d, models, preset, seeds), rerun) for d in datasets
}
asked = {d: q6_error_maps.quantities(runs[d], models) for d in datasets}
cells = {
    d: q6_error_maps.geography(asked[d]["MAE of Persistence"]) for d in datasets
}

# %% [markdown]
# ## In short
#
# The mean error of LS-NTP (equations), divided by persistence's over the same cells; 1 is no better than
# no change:
#
# | | land | sea | outer three cells | further inside |
# |---|---|---|---|---|
# | `ncep-na` | {glue:text}`ncep-na LS-NTP (equations) share land one:.2f` | {glue:text}`ncep-na LS-NTP (equations) share land other:.2f` | {glue:text}`ncep-na LS-NTP (equations) share rim one:.2f` | {glue:text}`ncep-na LS-NTP (equations) share rim other:.2f` |
# | `era5-uk` | {glue:text}`era5-uk LS-NTP (equations) share land one:.2f` | {glue:text}`era5-uk LS-NTP (equations) share land other:.2f` | {glue:text}`era5-uk LS-NTP (equations) share rim one:.2f` | {glue:text}`era5-uk LS-NTP (equations) share rim other:.2f` |
#
# Cell by cell it is worse than no change in {glue:text}`ncep-na LS-NTP (equations) worse:.0f` % of the area of
# `ncep-na` and in {glue:text}`era5-uk LS-NTP (equations) worse:.0f` % of that of `era5-uk`. What of the
# differences is more than chance is [below](came-out).
#
# ## The error of each cell
#
# Mean absolute error over all windows of the test period, mean over the seeds, at leads of one,
# three and six steps: of LS-NTP as the equations print it, with the `modern` recipe of the main
# table ({func}`lsntp.chapters.q6_error_maps.error_maps`; the errors are
# {func}`lsntp.runs.metrics.error_maps`'s).

# %% tags=["hide-input"]
# | alt: Maps of the mean absolute error of LS-NTP (equations) at three leads; it grows with the lead.
for d in datasets:
    by_lead = (
        q6_error_maps.maps(runs[d][focus])
        .mean("seed", keep_attrs=True)
        .isel(lead=[0, 2, 5])
    )
    q6_error_maps.error_maps(by_lead, f"{d}, MAE of {focus}")
    plt.show()

# %% [markdown]
# A map like this shows two things at once: how well the model forecasts, and how much the
# temperature of a place changes at all. So the same map once more, as a share of persistence's
# error, mean over leads: 1 is no better than no change; blue is better
# ({func}`lsntp.chapters.q6_error_maps.ratio_map`).

# %% tags=["hide-input"]
# | alt: Map of the error of LS-NTP (equations) as a share of that of persistence; blue is better than no change.
for d in datasets:
    share = asked[d][f"{focus} over Persistence"].mean("seed")
    q6_error_maps.ratio_map(share, f"{d}, {focus}")
    plt.show()

# %% [markdown]
# ## Minus the linear model
#
# MAE minus that of ridge, mean over leads and seeds. Blue: the network is better. Red: the linear
# model is ({func}`lsntp.chapters.q6_error_maps.change_maps`).

# %% tags=["hide-input"]
# | alt: Maps of the error of each network less that of ridge; blue where the network is better, red where ridge is.
for d in datasets:
    changes = {
        LABELS[m]: asked[d][f"{LABELS[m]} minus Ridge"].mean("seed") for m in models
    }
    q6_error_maps.change_maps(changes, "MAE minus that of Ridge (K)", d)
    plt.show()

# %% [markdown]
# ## Land, latitude, edge: how the questions are asked
#
# For each question the cells are put into two groups, and the area-weighted means (weight:
# cos latitude) of a map over both are compared:
#
# - cells whose centre is **land** against those at sea ({func}`lsntp.data.land.land_mask`; lakes count
#   as land);
# - the **northern** half of the rows against the southern;
# - the **rim**, the three outermost rows and columns, against all cells further inside;
# - the **western** rim against the eastern. At these latitudes weather mostly moves eastwards, so
#   that the unknown enters in the west.
#
# Each is asked of four maps: the error of persistence, which is the weather's own variability; the
# model's error; that minus ridge's; and that as a share of persistence's (the mean of the cells'
# shares, not the share of the means).
#
# **Intervals.** A map of errors is smooth: its hundreds of cells are far fewer independent values,
# and a test that took them as independent would find something everywhere. The maps are means over
# the test period, so that its days cannot be drawn anew. What is done instead:
#
# 1. The *interval* asks how far two groups would differ by chance on a map as smooth as this one,
#    with no preferred direction. The map is taken apart into waves, the mean square of each band of
#    wave lengths is estimated from the map itself, and the variance of the contrast follows
#    ({func}`lsntp.chapters.q6_error_maps.chance`). Tests hold it to be wrong in about one of ten made-up smooth
#    maps at most; leaving out one block of the map at a time, which we tried first, was wrong in up
#    to half of them.
# 2. For land and for the rim there is a second null: the pattern of land (or the frame) is laid
#    over the map at every other place, wrapping round, and *p* is the share of places where the
#    two groups differ by as much. This keeps the pattern and the map as they are and breaks only the
#    tie between them. It makes no sense for halves of the map: shifted by half the region, a half
#    is the other half.
# 3. The *seeds*: the standard error of the mean over them is added to the interval, in variance.
#
# A difference counts as one if the interval excludes zero and *p* is at most 0.05 where there is one
# ({func}`lsntp.chapters.q6_error_maps.contrast`).

# %% tags=["hide-input"]
found = {d: q6_error_maps.contrasts(asked[d], cells[d]) for d in datasets}

# %% tags=["hide-output"]
for d in datasets:
    display(Markdown(f"**{d}**"))
    display(q6_error_maps.readable(found[d], cells[d]))

# %% [markdown]
# (came-out)=
# ## What came out
#
# The means of the two groups, by model: of its error, of its cells' errors as shares of persistence's,
# and of its error minus ridge's. Between them stands > or < where they differ, and ~ where no difference is seen
# ({func}`lsntp.chapters.q6_error_maps.answers`).

# %% tags=["hide-input"]
for d in datasets:
    display(Markdown(f"**{d}**"))
    display(q6_error_maps.answers(found[d], models))
    for (what, name), c in found[d].iterrows():
        if what == f"MAE of {focus}":
            still = found[d].loc[("MAE of Persistence", name)]
            for group in ("one", "other"):
                glue(
                    f"{d} {focus} share {name} {group}",
                    float(c[group] / still[group]),
                    display=False,
                )
    worse = asked[d][f"{focus} over Persistence"].mean("seed") > 1
    area = 100 * float((worse * cells[d]["area"]).sum() / cells[d]["area"].sum())
    glue(f"{d} {focus} worse", area, display=False)

# %% [markdown]
# ## Latitude
#
# The means of six bands of rows, weighted by area; bars are one standard deviation over the seeds
# ({func}`lsntp.chapters.q6_error_maps.by_latitude`, {func}`lsntp.chapters.q6_error_maps.latitude_profile`). The lines of the
# models against that of persistence show how much of the dependence is the weather's own.

# %% tags=["hide-input"]
# | alt: Mean absolute error by latitude, a line a model beside that of persistence.
for d in datasets:
    bands = {
        what.removeprefix("MAE of "): q6_error_maps.by_latitude(asked[d][what])
        for what in asked[d]
        if what.startswith("MAE of ")
    }
    q6_error_maps.latitude_profile(bands, "MAE (K)").set_title(d)
    plt.show()

# %% [markdown]
# ## The edge of the region
#
# Beyond the edge no model sees anything: all of them read zeros there. Ridge has coefficients of
# its own for each cell and so can take that into account; the networks share theirs over the grid,
# apart from peepholes and node embeddings. The error by the distance to each side, up to the
# middle of the region, three cells along the two other sides left out, bands one standard deviation
# over the seeds ({func}`lsntp.chapters.q6_error_maps.by_distance`, {func}`lsntp.chapters.q6_error_maps.edge_profiles`).

# %% tags=["hide-input"]
# | alt: Error by the distance to each side of the region, absolute, as a share of that of persistence, and less that of ridge.
for d in datasets:
    panels = {
        f"{d}, {focus}": ("MAE of", "MAE (K)"),
        "as a share of persistence's": ("over", "MAE / MAE"),
        "minus Ridge": ("minus", "difference (K)"),
    }
    names = {"MAE of": f"MAE of {focus}", "over": f"{focus} over Persistence"}
    names["minus"] = f"{focus} minus Ridge"
    q6_error_maps.edge_profiles(
        {
            title: (q6_error_maps.by_distance(asked[d][names[k]]), y)
            for title, (k, y) in panels.items()
        }
    )
    plt.show()

# %% [markdown]
# ## Limits
#
# - Land, latitude and edge are not independent of each other in one small region: on `ncep-na` the
#   land lies in the middle and the north, the western and the southern rim are mostly sea. A
#   difference between two groups does not say which of these makes it. The share of persistence's
#   error takes the weather's own variability off, not more.
# - Two regions are two regions. One map is about one value where halves of it are compared, so that
#   only a very strong dependence on latitude can be told from chance.
# - The null that shifts a pattern lets it wrap round the edge, and few of its hundreds of places
#   are independent. It is a guard against reading a pattern into any smooth map, and weak where
#   only few shifts differ.
# - Sixteen comparisons a data set and model: by the interval alone up to one in ten would come out by
#   chance, fewer where *p* is asked as well.
# - `era5-uk` is tested on one week of March: its map is a map of that week's weather.

# %% [markdown]
# ## Checks, and the records behind this page
#
# `lsntp verify KEY` makes a run again and compares.

# %% tags=["hide-cell"]
if (datasets, preset, seeds, rerun) == parameters.PRINTED:  # what the text says
    from_ridge = found["ncep-na"].xs(f"{focus} minus Ridge", level="quantity")
    assert (from_ridge["verdict"] == "no difference seen").all()
for d in datasets:
    for label, several in runs[d].items():
        for record in several:
            mean = record["mae_map"].mean(["lat", "lon"])
            assert np.allclose(mean, record["mae"], rtol=1e-3), (
                f"{label}: maps and scores"
            )
    for record in runs[d][focus]:
        assert (
            record.attrs["fingerprint"]
            == runs[d][LABELS["ridge"]][0].attrs["fingerprint"]
        )
    rim = cells[d]["rim"].to_numpy()
    assert (
        not rim[
            q6_error_maps.RIM : -q6_error_maps.RIM,
            q6_error_maps.RIM : -q6_error_maps.RIM,
        ].any()
        and rim[0].all()
    )
pd.concat({d: tables.keys(runs[d]) for d in datasets}, names=["dataset"])
