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
# # LS-NTP (tuned)
#
# **The forecaster with LS-Conv that we chose beats every rival tried on `ncep-na`. So does its twin with a plain
# convolution: LS-Conv is not what wins. In the test week of `era5-uk` ridge is ahead of it.**
#
# :::{div} page-head
# **You will see** what its lead comes from. **You should know** {doc}`04_main_table`. {sub-ref}`wordcount-minutes` min.
# On data of yours: `papermill notebooks/15_tuned.ipynb mine.ipynb -p dataset my.nc -p rerun True`
# :::

# %% tags=["parameters", "hide-input"]
dataset = [
    "ncep-na",
    "era5-uk",
]  # a name, or a list; also "synthetic" or a file of your own
preset = "laptop"  # how large and how long: "smoke", "laptop", "paper"
seeds = 3  # of each network
members = 5  # of the mean forecast
rerun = False  # True: train, and keep the records as your own

# %% tags=["hide-input"]
# | alt: Errors of LS-NTP (tuned), its twin with a convolution, the form with two kernels, the mean of five of the first two, ridge, and three rivals, two of them by several recipes, a panel a data set. On ncep-na all rivals lie right of LS-NTP (tuned), ConvLSTM on the whole grid nearest; its twin and the form with two kernels lie beside it, the means left. On era5-uk ridge and the mean of the twin are left of it; PredFormer was run there alone.
# | caption: "A dot a seed; the upright line is LS-NTP (tuned). Bars are the 95 % interval of the difference from it. The *twin* has a convolution in LS-Conv's place; *untied*: two kernels, one for the links. *Modern* recipe: learn the change from the last frame; *tuned*: what ridge leaves. *Whole grid*: every cell, not only every second row and column. *Mean of 5*: of five networks' forecasts. ({func}`lsntp.figures.models_dots` draws it.)"
import pandas as pd
from IPython.display import HTML, Markdown, display
from myst_nb import glue

from lsntp import figures
from lsntp.chapters import parameters
from lsntp.data.synthetic import synthetic
from lsntp.data.windows import prepare
from lsntp.results import claims, compare, studies, tables
from lsntp.zoo import LABELS, Ridge

figures.style()
datasets = parameters.tuned(dataset, preset, seeds, members, rerun)
tuned, ridge = LABELS["lsntp-tuned"], LABELS["ridge"]
twin = f"{tuned}, twin"
parts, rows, means = {}, {}, {}
for d in datasets:
    means[d] = studies.load(studies.ensemble(d, preset, members), rerun)
    parts[d] = studies.load(studies.tuned_ablation(d, preset, seeds), rerun)
    others = studies.tuned_recipe(d, preset, seeds)
    others |= {ridge: studies.main(d, models=["ridge"])[ridge]}
    forms = {twin: parts[d]["convolution"], studies.TUNED_UNTIED: parts[d]["two kernels"]}
    rows[d] = forms | studies.load(others, rerun) | means[d]
axes = figures.models_dots(
    rows, tuned, highlight=[tuned, ridge, LABELS["convlstm"]]
)

# %% [markdown]
# On `ncep-na` it errs {glue:text}`ncep-na lsntp-tuned below ridge:.1f` % less than ridge and
# {glue:text}`ncep-na lsntp-tuned below convlstm:.1f` % less than the main table's ConvLSTM,
# {glue:text}`ncep-na lsntp-tuned below best:.1f` % less than the best one here. No difference from its twin is seen on
# either set; with five seeds it errs {glue:text}`five` K more on `era5-uk` ({doc}`05_ablation`). The lead is the
# grid's, the recipe's and the network's, or its search's, not the operator's. With a kernel of its own for the links,
# which makes most of planted ones if told them ({doc}`17_power`), it errs {glue:text}`untied` K more than its twin on
# `ncep-na`; on `era5-uk` no difference is seen.

# %% tags=["hide-input"]
evidence = {d: {"tuned": parts[d], "main": rows[d]} for d in datasets}
held = claims.table(evidence)
HTML(figures.claims_grid(held))

# %% tags=["hide-input"]
chosen = ["MAE (K)", "change (K)", "95 % interval", "verdict"]
for d in datasets:
    display(Markdown(f"**{d}**, against {tuned}"))
    display(tables.study_table(rows[d], tuned)[chosen].sort_values("MAE (K)"))

# %% [markdown]
# **Much of the lead is the grid and the recipe.** On `ncep-na` LS-NTP (tuned) is {glue:text}`lead` K ahead of ConvLSTM
# as in the main table. By the whole grid ConvLSTM gains {glue:text}`by the grid` K, by the recipe
# {glue:text}`by the recipe` K, by both {glue:text}`by both` K. SimVP gains from the recipe, too. All stay behind. On
# `era5-uk` the recipe harms ConvLSTM. By the modern recipe, stochastic depth is not seen to change SimVP on either set.
# PredFormer, a transformer, is slow, and was trained there alone: no difference from LS-NTP (tuned) is seen.
#
# ## The mean of five
#
# Five networks that differ in their seed alone, and the mean of their forecasts. *One* is the mean error of the single
# ones; *CRPS* scores the five as an ensemble; *spread* is their standard deviation as a share of the RMSE of their
# mean.

# %% tags=["hide-input"]
for d in datasets:
    table = {}
    for label, (mean,) in means[d].items():
        mae, crps, alone = (
            float(mean[score].mean()) for score in ("mae", "crps", "member_mae")
        )
        spread = float((mean["spread"] / mean["rmse"]).mean())
        table[label] = {"one (K)": alone, "mean (K)": mae, "CRPS (K)": crps, "spread": spread}
    display(pd.DataFrame(table).T.round(3).rename_axis(index=d))

# %% [markdown]
# On `ncep-na` the mean of LS-NTP (tuned) gains {glue:text}`by the mean` K, that of its twin as much. The twin's mean errs
# {glue:text}`mean` K, least of this book (no rival was averaged). On `era5-uk` the mean of LS-NTP (tuned) errs more than
# ridge and, by {glue:text}`twins mean` K, than that of its twin; of the twin's no difference from ridge is seen. A
# reliable ensemble of five would have a spread of {glue:text}`ideal`: seeds alone spread far too little.
#
# ## What it is
#
# It is not recurrent. The six frames and *ridge's* forecast of the six leads are stacked into channels; four residual
# blocks of LS-Conv, and four learned numbers per cell, give what ridge leaves
# ({class}`lsntp.zoo.tuned.DirectLSNTP`). What is kept is the running mean of the weights. The rivals by the tuned
# recipe see and correct ridge's forecast, too, in the size of the main table, ConvLSTM also on the whole grid
# ({func}`lsntp.results.studies.tuned_recipe`).
#
# **The first guess is cross-fitted.** A fit knows the windows it has seen, and errs less there than on new ones. A
# network that corrects such guesses would learn to trust them too much. So each training window's guess is from a fit
# that did not see it ({meth}`lsntp.zoo.Ridge.cross_fitted`):

# %%
field = synthetic(height=10, width=12, steps=600, links=1)["t2m"]
data = prepare(field, 6, 6, "anomaly", "blocked")
linear, starts = Ridge(), data.split.train
unseen = linear.cross_fitted(data)[starts].squeeze(2).numpy()
unseen = data.to_kelvin(unseen, starts)
seen, truth = linear.predict(data, starts), data.targets(starts)
optimism = float(abs(seen - truth).mean() / abs(unseen - truth).mean())

# %% tags=["hide-cell"]
assert optimism < 1  # what was seen is forecast better than what was not

# %% [markdown]
# ## How it was found
#
# By hand, in some ten trial runs, not recorded, judged on **validation** windows of both sets; the idea to correct
# ridge's forecast came before, from trials whose test scores were seen. The table is the record of what surrounds the
# setting: one thing altered at a time, one seed, change of the validation error in per cent
# ({func}`lsntp.results.studies.search`). The setting was fixed before this table was made. Where a row is negative, a
# better one is left to find.

# %% tags=["hide-input"]
searched = {d: studies.load(studies.search(d, preset), rerun) for d in datasets}
tables.search_table(searched).round(1)

# %% [markdown]
# ## Limits
#
# - Of the rivals, only ConvLSTM was also tried on the whole grid, only ConvLSTM and SimVP by the tuned recipe.
#   PredFormer has half of its published blocks and a quarter of its channels.
# - Only LS-NTP (tuned) had a search.
# - The test week of `era5-uk` is one regime of weather. {doc}`16_test_weeks` has three weeks more, in which
#   lie the validation windows that chose it.
#
# ## Checks

# %% tags=["hide-input", "hide-output"]
for d in datasets:
    mae = tables.mean_errors(rows[d])
    best = min((k for k in mae.index if k.startswith("ConvLSTM")), key=mae.get)
    for m, label in (
        ("ridge", ridge),
        ("convlstm", "ConvLSTM, modern recipe"),
        ("best", best),
    ):
        less = 100 * (1 - mae[tuned] / mae[label])
        glue(f"{d} lsntp-tuned below {m}", float(less), display=False)

    first = "ConvLSTM, modern recipe"
    for name, label in (
        ("lead", tuned),
        ("by the grid", "ConvLSTM, whole grid, modern recipe"),
        ("by the recipe", "ConvLSTM, tuned recipe"),
        ("by both", "ConvLSTM, whole grid, tuned recipe"),
    ):
        if d == "ncep-na":
            glue(name, f"{mae[first] - mae[label]:.2f}", display=False)
    if d == "ncep-na":
        mean = f"{tuned}, mean of {members}"
        alone = float(means[d][mean][0]["member_mae"].mean())
        glue("by the mean", f"{alone - mae[mean]:.3f}", display=False)
        glue("mean", f"{mae[f'{twin}, mean of {members}']:.3f}", display=False)
glue("ideal", f"{(members / (members + 1)) ** 0.5:.2f}", display=False)

# %% tags=["hide-cell"]
if (datasets, preset, seeds, rerun) == parameters.PRINTED:  # what the text says
    said = held["verdict"]
    others = tables.differences(rows["ncep-na"], tuned)["verdict"].drop(twin)
    both = [*means["ncep-na"]]
    assert {*others.drop(both)} == {"higher"} and {*others[both]} == {"lower"}
    of_both = tables.differences(means["ncep-na"], both[0])["verdict"]
    assert of_both.item() == "no difference seen"
    mae = tables.mean_errors(rows["ncep-na"])
    assert mae.min() > 1.55 and mae.idxmin() == both[1]
    theirs = tables.differences(rows["era5-uk"], ridge)["verdict"]
    assert [*theirs[both]] == ["higher", "no difference seen"]
    of_both = tables.differences(means["era5-uk"], both[0]).T[both[1]]
    assert of_both["verdict"] == "lower"
    glue("twins mean", f"{-of_both['difference']:.3f}", display=False)
    theirs = tables.differences(rows["era5-uk"], tuned)["verdict"]
    assert theirs["PredFormer, modern recipe"] == "no difference seen"
    gains = tables.differences(rows["ncep-na"], first)["verdict"]
    assert {*gains[gains.index.str.contains("ConvLSTM, ")]} == {"lower"}
    operator = said["LS-Conv errs less than a convolution"]
    assert (operator["tuned"] == "not shown").all()
    assert [*operator["tuned, two kernels"]] == ["does not hold", "not shown"]
    worse = held["effect"]["LS-Conv errs less than a convolution"]["tuned, two kernels"]
    glue("untied", f"{worse['ncep-na']:.3f}", display=False)
    five = studies.more_seeds("era5-uk", preset, seeds)
    five = studies.load({k: five[k] for k in (tuned, twin)})
    five = compare.difference(*five.values())
    assert five["verdict"] == "higher"
    glue("five", f"{five['difference']:.3f}", display=False)
    assert (
        said["LS-NTP errs less than ridge"]["tuned"] == ["holds", "does not hold"]
    ).all()
    main = studies.load(studies.main("ncep-na", preset, seeds))
    rivals = {k: row for k, row in main.items() if k in LABELS.values()}
    verdicts = tables.differences(rivals, tuned)["verdict"]
    assert (verdicts == "higher").all()
    beaten = tables.differences(rivals | {twin: rows["ncep-na"][twin]}, twin)[
        "verdict"
    ]
    assert (beaten.drop(tuned) == "higher").all()
    for m, worse in (("ConvLSTM", "ncep-na"), ("SimVP (gSTA)", "ncep-na")):
        own, given = f"{m}, modern recipe", f"{m}, tuned recipe"
        pair = {k: rows[worse][k] for k in (own, given)}
        assert tables.differences(pair, own)["verdict"].item() == "lower"
        assert tables.differences(rows[worse], tuned)["verdict"][given] == "higher"
    for of_set in rows.values():
        names = (f"SimVP (gSTA), {k}modern recipe" for k in ("", "stochastic depth, "))
        pair = {k: of_set[k] for k in names}
        depth = tables.differences(pair, "SimVP (gSTA), modern recipe")
        assert depth["verdict"].item() == "no difference seen"
    for m, verdict in (("ConvLSTM", "higher"), ("SimVP (gSTA)", "no difference seen")):
        own, given = f"{m}, modern recipe", f"{m}, tuned recipe"
        pair = {k: rows["era5-uk"][k] for k in (own, given)}
        assert tables.differences(pair, own)["verdict"].item() == verdict
    for d in datasets:  # the twin lies beside it
        mae = tables.mean_errors(rows[d])
        assert abs(mae[twin] / mae[tuned] - 1) < 0.02

# %% tags=["hide-output", "hide-input"]
pd.concat({d: tables.keys(rows[d]) for d in datasets}, names=["dataset"])
