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
# **LS-NTP (equations) gains most on persistence over land; over the sea of `era5-uk` it gains nothing in the mean, and
# loses in most cells. At the edge of `ncep-na` the gain is smaller.**
#
# :::{div} page-head
# **You will see** where on the map forecasts err, and what of that is more than chance. **You should know** the models of
# {doc}`04_main_table`. {sub-ref}`wordcount-minutes` min. On data of yours:
# `papermill notebooks/11_q6_error_maps.ipynb mine.ipynb -p dataset my.nc -p rerun True`
# :::

# %% tags=["parameters", "hide-input"]
dataset = [
    "ncep-na",
    "era5-uk",
]  # a name, or a list; also "synthetic" or a file of your own
models = [
    "lsntp-equations",
    "convlstm",
    "lsntp-tuned",
]  # the first one in most figures, all in the tables
preset = "laptop"  # how large and how long: "smoke", "laptop"
seeds = 3  # of each network
rerun = False  # True: train, and keep the records as your own

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from lsntp import figures
from lsntp.chapters import parameters, q6_error_maps
from lsntp.results import studies, tables
from lsntp.zoo import LABELS

figures.style()
datasets, models = parameters.models_of_study(
    dataset, preset, seeds, rerun, models
)
focus = LABELS[models[0]]
SHARE = "share of persistence's error"
runs = {
    d: studies.load(studies.rows(d, models, preset, seeds), rerun) for d in datasets
}
asked = {d: q6_error_maps.quantities(runs[d], models) for d in datasets}
cells = {
    d: q6_error_maps.geography(asked[d]["MAE of Persistence"]) for d in datasets
}
shares = {d: asked[d][f"{focus} over Persistence"] for d in datasets}

# %% tags=["hide-input"]
# | alt: Maps of the error of LS-NTP (equations) as a share of that of persistence; blue over land, red over much of the sea around Britain.
# | caption: "The error of LS-NTP (equations) in each cell as a share of persistence's, mean over leads and seeds. Blue is better than no change, red is worse. ({func}`lsntp.chapters.q6_error_maps.ratio_map` draws it.)"
axes = q6_error_maps.ratio_map({d: shares[d].mean("seed") for d in datasets})

# %% [markdown]
# Persistence, the forecast of no change, errs where the weather changes much. The share takes that off.
#
# (came-out)=
# ## Land, latitude, edge
#
# Means of LS-NTP (equations) over two groups of cells: > or < where they differ, ~ where no difference is seen.

# %% tags=["hide-input"]
found = {d: q6_error_maps.contrasts(asked[d], cells[d]) for d in datasets}
answers = pd.concat(
    {d: q6_error_maps.answers(found[d], models) for d in datasets},
    names=["data set"],
)
compact = answers.xs(focus, level="model")[[SHARE, "MAE (K)"]]
compact.unstack("data set", sort=False).fillna("–").rename_axis(index=None)

# %% [markdown]
# A group's share is the mean of its cells' shares. Over the sea of `era5-uk` that is above 1; the mean error there is
# about persistence's own.
#
# All three networks agree on land. The edge is seen for ConvLSTM on `ncep-na` too, for LS-NTP (tuned) on `era5-uk` only.

# %% tags=["hide-cell"]
# | prompt: The answers for all models
for d in datasets:
    display(Markdown(f"**{d}**"))
    display(answers.xs(d))

# %% tags=["hide-cell"]
# | prompt: Differences and intervals
for d in datasets:
    display(Markdown(f"**{d}**"))
    display(q6_error_maps.readable(found[d]))


# %% [markdown]
# ## How two groups are compared
#
# A cell is **land** if its centre is ({func}`lsntp.data.land.land_mask`; lakes are land). The **rim** is the three outermost
# rows and columns; the western one is held against the eastern, as weather mostly comes from the west. Rows
# shrink towards the pole, so a cell counts by the cosine of its latitude:

# %%
def contrast(error, land):
    """Mean error over land minus that over the sea, by area."""
    cosine = np.cos(np.radians(error["lat"].to_numpy()))
    area = np.repeat(cosine[:, None], error.sizes["lon"], axis=1)
    over_land, at_sea = (
        np.average(error.to_numpy()[group], weights=area[group])
        for group in (land, ~land)
    )
    return over_land - at_sea


# %% [markdown]
# Errors are smooth: neighbouring cells are no independent values. Would any pattern differ as much? Lay
# that of the land over the map at every other place, wrapping round, and count.

# %%
def share_of_shifts(error, land):
    """How often land, laid elsewhere, differs from its sea as much."""
    height, width = land.shape
    elsewhere = [
        contrast(error, np.roll(land, (down, across), axis=(0, 1)))
        for down in range(height)
        for across in range(width)
    ]
    as_much = abs(contrast(error, land)) * (1 - 1e-9)  # its own place counts
    return np.mean(np.abs(elsewhere) >= as_much)


# %% tags=["hide-cell"]
# | prompt: The same as the library's
for d in datasets:
    land = cells[d]["land"].to_numpy()
    if land.any() and not land.all() and cells[d]["there"].all():
        ours = found[d].loc[(f"{focus} over Persistence", "land")]
        error = shares[d].mean("seed").astype(float)
        np.testing.assert_allclose(contrast(error, land), ours["difference"])
        np.testing.assert_allclose(share_of_shifts(error, land), ours["p"])

# %% [markdown]
# This share is *p*; it is asked for land and rim. Halves have none: shifted by half the region, one half is the other.
#
# All four get an *interval*: how far two groups differ by chance on a map as smooth as this one, with no preferred
# direction. The map is taken apart into waves; the mean square of each band of wave lengths gives the variance of
# the contrast ({func}`lsntp.chapters.q6_error_maps.chance`). Tests hold it to be wrong in about one of ten made-up smooth maps at
# most. The standard error over seeds is added in variance.
#
# A difference counts if the interval excludes zero and *p*, where there is one, is at most 0.05.
#
# ## The error itself

# %% tags=["hide-input"]
# | alt: Maps of the mean absolute error of LS-NTP (equations); on both data sets it is largest over land.
# | caption: "Mean absolute error of LS-NTP (equations) over the test period, mean over leads and seeds. The talk shows such maps; what it concludes is not in what we have. ({func}`lsntp.chapters.q6_error_maps.error_maps` draws it.)"
axes = q6_error_maps.error_maps(
    {d: asked[d][f"MAE of {focus}"].mean("seed") for d in datasets}
)

# %% [markdown]
# ## Minus the linear model

# %% tags=["hide-input"]
# | alt: Maps of the error of each network less that of ridge; blue where the network is better, red where ridge is.
# | caption: "MAE minus that of ridge, mean over leads and seeds. Blue: the network is better. Red: the linear model is. ({func}`lsntp.chapters.q6_error_maps.change_maps` draws it.)"
axes = q6_error_maps.change_maps(
    {
        d: {
            LABELS[m]: asked[d][f"{LABELS[m]} minus Ridge"].mean("seed")
            for m in models
        }
        for d in datasets
    },
    "minus Ridge (K)",
)

# %% [markdown]
# On `ncep-na` no tie of LS-NTP (equations) minus ridge to land, latitude or edge is seen. On `era5-uk` it is further behind
# ridge along the eastern rim than along the western.
#
# ## Latitude

# %% tags=["hide-input"]
# | alt: Error as a share of that of persistence by latitude, a line a network, one panel a data set.
# | caption: "Bands of rows, weighted by area; the grey line is persistence, bars are one standard deviation over seeds. ({func}`lsntp.chapters.q6_error_maps.latitude_profiles` draws it.)"
axes = q6_error_maps.latitude_profiles(
    {
        d: {
            LABELS[m]: q6_error_maps.by_latitude(
                asked[d][f"{LABELS[m]} over Persistence"]
            )
            for m in models
        }
        for d in datasets
    },
    SHARE,
)

# %% [markdown]
# On `ncep-na` the share is lowest in the middle; between its two halves no difference is seen.
#
# ## The edge of the region
#
# Beyond the edge all models read zeros. Ridge has coefficients of its own for each cell and can allow for that; the
# networks share theirs over the grid, apart from peepholes and node embeddings.

# %% tags=["hide-input"]
# | alt: Error as a share of that of persistence by the distance to each side, up to the middle of the region, one panel a data set.
# | caption: "LS-NTP (equations), up to the middle of the region, without the rims of the two other sides; bands are one standard deviation over seeds. ({func}`lsntp.chapters.q6_error_maps.edge_profiles` draws it.)"
axes = q6_error_maps.edge_profiles(
    {d: q6_error_maps.by_distance(shares[d]) for d in datasets}, SHARE
)

# %% [markdown]
# ## Limits
#
# - **Land, latitude and edge go together in a small region.** On `ncep-na` the north is mostly land, the eastern and
#   southern rims are mostly sea. A difference does not say which of them makes it.
# - **Sixteen comparisons a data set and model.** By the interval alone up to one in ten comes out by chance; *p* is a weak
#   guard, as few of the shifts are independent. Between halves only a very strong difference can be told from chance.
# - `era5-uk` is tested on one week of March: its map is a map of that week's weather.

# %% [markdown]
# ## Checks, and the records behind this page
#
# `lsntp verify KEY` makes a run again and compares.

# %% tags=["hide-cell"]
if (datasets, preset, seeds, rerun) == parameters.PRINTED:  # what the text says
    verdicts = {d: found[d]["verdict"].unstack("contrast") for d in datasets}
    for d in datasets:
        assert verdicts[d].loc[f"MAE of {focus}", "land"] == "higher"
        for m in models:  # on land all agree
            assert verdicts[d].loc[f"{LABELS[m]} over Persistence", "land"] == "lower"
        skill = verdicts[d].loc[f"{focus} over Persistence"]
        assert skill["north"] == skill["west"] == "no difference seen"
    rim = {
        (d, m): verdicts[d].loc[f"{LABELS[m]} over Persistence", "rim"]
        for d in datasets
        for m in models
    }
    seen = [where for where, verdict in rim.items() if verdict == "higher"]
    assert seen == [
        ("ncep-na", "lsntp-equations"),
        ("ncep-na", "convlstm"),
        ("era5-uk", "lsntp-tuned"),
    ]
    sea = found["era5-uk"]["other"].xs("land", level="contrast")
    at_sea = sea[f"MAE of {focus}"] / sea["MAE of Persistence"]
    assert 0.95 < at_sea < 1.05 and sea[f"{focus} over Persistence"] > 1
    at_sea = shares["era5-uk"].mean("seed").where(~cells["era5-uk"]["land"])
    assert (at_sea > 1).sum() > at_sea.notnull().sum() / 2
    from_ridge = found["ncep-na"].xs(f"{focus} minus Ridge", level="quantity")
    assert (from_ridge["verdict"] == "no difference seen").all()
    west = found["era5-uk"].loc[(f"{focus} minus Ridge", "west")]
    assert west["verdict"] == "lower" and 0 < west["one"] < west["other"]
    for m in models:
        what = f"{LABELS[m]} over Persistence"
        bands = q6_error_maps.by_latitude(asked["ncep-na"][what])["mean"]
        assert bands.idxmin() in (2, 3)  # of six
        assert verdicts["ncep-na"].loc[what, "north"] == "no difference seen"
    land, north, east = (cells["ncep-na"][k] for k in ("land", "north", "east"))
    assert land.where(north).mean() > 0.6
    assert max(land.where(east).mean(), land[-q6_error_maps.RIM :].mean()) < 0.2
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
