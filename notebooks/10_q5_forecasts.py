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
# # Q5: forecasts
#
# What do forecasts look like, lead by lead, when little happens and when much does? The part of the
# talk on this question is missing in what we have; by its figure numbers it shows forecasts (its
# Figs 13 and 14). We do not know which days they show, how those were chosen, or what is claimed
# from them. Here the choice follows a rule that was fixed before any forecast was looked at, and
# all test windows stand beside the three that are shown.

# %% tags=["parameters", "hide-input"]
dataset = [
    "ncep-na",
    "era5-uk",
]  # a name, or a list; also "synthetic" or a file of your own
models = ["ridge", "convlstm", "lsntp-equations", "lsntp-tuned"]  # some of these
preset = "laptop"  # how large and how long: "smoke", "laptop"
seeds = 3  # of each network, in the second part
rerun = False  # True: train everything now instead of reading the records

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from lsntp import figures
from lsntp.chapters import parameters, q5_forecasts
from lsntp.results import studies, tables
from lsntp.zoo import LABELS

figures.style()
datasets = parameters.study(
    dataset, preset, seeds, rerun, models, studies.CASE_MODELS
)
labels = [LABELS[m] for m in models]
chosen = {
    d: {k: row for k, row in studies.cases(d, preset).items() if k in labels}
    for d in datasets
}
shown = {d: studies.load(study, rerun) for d, study in chosen.items()}
everything = {
    d: studies.load(studies.rows(d, models, preset, seeds), rerun) for d in datasets
}

# %% [markdown]
# ## In short
#
# **In the most eventful fifth of the windows of `ncep-na` ConvLSTM and LS-NTP beat the linear model; in none of the
# others, and in some they are behind it.** LS-NTP (tuned) beats it in every fifth. On `era5-uk` no network does, in any
# ([below](fifths)). The three cases shown are three windows: what a forecast looks like, not which model is
# better.
#
# ## Which windows, and by what rule
#
# A window is six input frames and the six that follow. For each window of the test period take the
# mean absolute change from the last input frame, over all leads and cells. This is what a forecast
# of no change would err by: *persistence's error*. It depends on the weather alone, not on any
# model. In the order of this change,
#
# - the **quiet** case is the window at the 5th percentile,
# - the **typical** case is the one in the middle,
# - the **extreme** case is the last.
#
# ({func}`lsntp.runs.experiment.three_cases`). The rule says nothing of how hard a window is to forecast:
# where a strong daily cycle moves all cells together, much changes and little is uncertain.

# %%
for d in datasets:
    display(Markdown(f"**{d}**"))
    display(q5_forecasts.cases(shown[d]).round(2))

# %% [markdown]
# ## The forecasts
#
# For leads of one, three and six steps: the truth, the forecasts of the linear model (ridge), of
# ConvLSTM, of LS-NTP as the equations print it and of LS-NTP as we tuned it ({doc}`04_main_table`
# introduces them), then each forecast minus the truth. All networks are those of the first seed,
# with the recipe of the main table. Temperatures share one scale, and so do the differences: red is
# too warm, blue too cold. The ends of that scale are the 99th percentile of all differences shown,
# so that a few cells do not hide the rest ({func}`lsntp.chapters.q5_forecasts.case_maps`).

# %%
for d in datasets:
    for case in q5_forecasts.CASES:
        truth, forecasts = q5_forecasts.frames(shown[d], case)
        q5_forecasts.case_maps(truth, forecasts, title=f"{d}, {case} case")
        plt.show()

# %% [markdown]
# ## Their errors
#
# MAE over the map in K, by case, model and lead ({func}`lsntp.chapters.q5_forecasts.scores`). Persistence's row is
# how much the temperature changed.

# %%
for d in datasets:
    display(Markdown(f"**{d}**"))
    display(q5_forecasts.scores(shown[d]).round(2))

# %% [markdown]
# (fifths)=
# ## All windows, by how much happens
#
# Three windows show what a forecast looks like, not which model is better. So all windows of the
# test period are put in the same order and cut into fifths, from the calmest to the most eventful.
# In each fifth a model's MAE is compared with ridge's, over all leads, all seeds and the fifth's
# windows. Below zero the model is better. Bars are 95 % intervals for weather and seeds together
# ({func}`lsntp.results.compare.interval`), as in {doc}`04_main_table`
# ({func}`lsntp.chapters.q5_forecasts.by_change`, drawn by {func}`lsntp.chapters.q5_forecasts.change_dots`).

# %%
fifths = {
    d: q5_forecasts.by_change(everything[d], LABELS["ridge"]) for d in datasets
}
for d in datasets:
    q5_forecasts.change_dots(fifths[d], LABELS["ridge"]).set_title(d)
    plt.show()

# %% tags=["hide-output"]
for d in datasets:
    display(Markdown(f"**{d}**"))
    columns = [
        "model",
        "share",
        "windows",
        "days",
        "change",
        "mae",
        "difference",
        "low",
        "high",
    ]
    display(fifths[d][[*columns, "seed_sd", "verdict"]].round(3))

# %% [markdown]
# In which fifths the error is lower than ridge's, and in which higher:

# %%
for d in datasets:
    display(Markdown(f"**{d}**, against {LABELS['ridge']}"))
    verdicts = fifths[d].pivot(index="model", columns="fifth", values="verdict")
    display(verdicts.set_axis(q5_forecasts.SHARES, axis="columns"))

# %% [markdown]
# ## Limits
#
# - One window is one window. Neighbouring windows overlap, so that even a fifth of them holds far
#   fewer independent forecasts than windows. The most eventful fifth is often a few spells of
#   weather, or one season.
# - **Looking at what turned out to be eventful favours bold forecasts.** Who sorts windows by what
#   happened, and not by what could be known, rewards a model that always forecasts much change: in
#   the eventful windows it is right, and its false alarms fall into the calm ones (the forecaster's
#   dilemma: Lerch et al. 2017, doi 10.1214/16-STS588). So a difference in one fifth is
#   to be read beside those in the others, and the mean over all windows decides.
# - The networks are trained on the absolute error, whose best forecast is the median of what may
#   come; ridge on the squared error, whose best is the mean. Both smooth what is uncertain: at long
#   leads a forecast map *should* be smoother than the truth.
# - The test week of `era5-uk` is one regime of weather, with a strong daily cycle. A fifth of it holds windows
#   of seven days only; its intervals mean little.

# %% [markdown]
# ## Checks, and the records behind this page
#
# `lsntp verify KEY` makes a run again and compares. The cases are those of the rule, as persistence's own
# record of the test period has it, and the runs shown are those of the main table's first seed.

# %% tags=["hide-cell"]
printed = (datasets, preset, seeds, rerun) == parameters.PRINTED
if printed and models == [*studies.CASE_MODELS]:  # what the text says
    best = {m: fifths["ncep-na"].query("model == @LABELS[@m]") for m in models[1:]}
    assert (best["lsntp-tuned"]["verdict"] == "lower").all()
    for m in ("convlstm", "lsntp-equations"):
        lower = best[m].loc[best[m]["verdict"] == "lower", "share"]
        assert [*lower] == ["most eventful"]
        assert (best[m]["verdict"] == "higher").any()
    assert not (fifths["era5-uk"]["verdict"] == "lower").any()
    assert (fifths["era5-uk"]["days"] == 7).all()
for d in datasets:
    still = (
        everything[d][q5_forecasts.PERSISTENCE][0]["window_mae"]
        .mean("lead")
        .to_series()
    )
    for label, (record,) in shown[d].items():
        times = pd.DatetimeIndex(record["cases_time"])
        for when, share in zip(times, q5_forecasts.CASES.values(), strict=True):
            ruled = np.quantile(still, share, method="nearest")
            assert np.isclose(still[when], ruled, rtol=0.01), "another case"
        same = everything[d][label][0]
        assert np.isclose(record["mae"].mean(), same["mae"].mean(), rtol=1e-3), (
            "another run"
        )
keys = {
    (d, part): tables.keys(found[d])
    for d in datasets
    for part, found in {"the cases": shown, "all windows": everything}.items()
}
pd.concat(keys, names=["dataset", "shown"])
