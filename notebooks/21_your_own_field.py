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
# # Your own field
#
# **A file with one temperature on a regular grid is enough: it is checked and put in order, and a model of this book
# forecasts it in seconds.**
#
# :::{div} page-head
# **You will see** a file opened, a forecast, its scores. **You should know** nothing of LS-NTP.
# {sub-ref}`wordcount-minutes` min. With a file of yours:
# `papermill notebooks/21_your_own_field.ipynb mine.ipynb -p dataset my.nc`
# :::

# %% tags=["parameters", "hide-input"]
dataset = ""  # a NetCDF or GRIB file of yours; "": one is made here
models = ["persistence", "climatology", "ridge"]  # the last one is shown

# %% tags=["hide-cell"]
# | prompt: A file such as others write them, where none is given
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lsntp
from lsntp import figures
from lsntp.chapters import parameters
from lsntp.data.synthetic import synthetic
from lsntp.runs.experiment import execute
from lsntp.zoo import LABELS

figures.style()
parameters.own_field(dataset, models)
folder = tempfile.TemporaryDirectory()
if dataset:
    path = Path(dataset)
else:
    path = Path(folder.name) / "my_temperature.nc"
    made = synthetic(12, 16, 600, links=4).t2m.rename(
        lat="latitude", lon="longitude"
    )
    made = made.assign_coords(longitude=made["longitude"] % 360).sortby("latitude")
    made.assign_attrs(units="K").rename("tas").to_netcdf(path)
wrong_unit = Path(folder.name) / "celsius.nc"
made = synthetic(12, 16, 600, links=4).t2m - 273.15
made.assign_attrs(units="degC").to_netcdf(wrong_unit)

# %%
field = lsntp.open_dataset(path)  # (time, lat, lon), K
records = {
    LABELS[m]: execute(lsntp.RunConfig(dataset=str(path), model=m)) for m in models
}

# %% tags=["hide-input"]
# | alt: Three maps, the forecast of the last model named, what happened, and their difference; the difference is largest in patches.
# | caption: "The forecast at the last lead, the truth, and their difference, for the window in the middle of the test period: the last fifth of the file, which no model has seen. ({func}`lsntp.figures.field_map` draws each.)"
label, record = list(records.items())[-1]
forecast = record["case_prediction"].isel(lead=-1)
hours = float(record["lead"][-1])
valid = pd.Timestamp(record["case_time"].values) + pd.Timedelta(hours=hours)
truth = field.sel(time=valid, drop=True)
error = (forecast - truth).assign_attrs(units="K")
figure, axes = plt.subplots(1, 3, figsize=(figures.WIDTH, 2.6), sharey=True)
limits = float(truth.min()), float(truth.max())
widest = float(abs(error).max())
panels = [
    (forecast, f"{label}, +{hours:g} h", limits, figures.SEQUENTIAL, "K"),
    (truth, "what happened", limits, figures.SEQUENTIAL, "K"),
    (error, "difference", (-widest, widest), figures.DIVERGING, "K"),
]
for ax, (cells, title, ends, cmap, unit) in zip(axes, panels, strict=True):
    figures.field_map(cells, ax, title=title, limits=ends, cmap=cmap, label=unit)
    ax.label_outer()

# %%
mae = pd.DataFrame({name: r["mae"].to_series() for name, r in records.items()})
mae.rename_axis("lead (h)").round(2)

# %% [markdown]
# Mean absolute error (K) by lead, over every window of the last fifth.
#
# ## What the file must hold
#
# - One temperature in K, NetCDF or GRIB, at regular times, on a regular latitude–longitude grid of at least 7 × 7 cells. Usual
#   names of coordinates are known; longitudes run from 0° or from −180°, latitudes either way.
# - 300 steps, for six frames in and six out; a network wants thousands.
# - No missing value, no gap in time.
#
# What cannot be put right without guessing is an error that names the value and says what to do:

# %%
try:
    lsntp.open_dataset(wrong_unit)
except lsntp.data.fields.DataError as told:
    print(str(told).replace(str(folder.name), "…"))

# %% [markdown]
# ## Networks
#
# ```bash
# .venv/bin/lsntp run my_temperature.nc lsntp-equations --preset laptop
# .venv/bin/papermill notebooks/04_main_table.ipynb mine.ipynb -p dataset "$PWD/my_temperature.nc" -p preset smoke -p rerun True
# ```
#
# The first trains one network; the second this book's whole comparison, and {doc}`05_ablation` to {doc}`12_paper_and_code` do
# with theirs the same. Records of your files go to your user's cache folder, or to `$LSNTP_RECORDS_DIR`.
#
# ## Limits
#
# - Forecasts are of times that the file holds. None goes beyond its end yet, and no trained weights are kept.
# - Masked cells, rotated and projected grids are not read.

# %% tags=["hide-cell"]
# | prompt: Checks
np.testing.assert_allclose(
    abs(record["mae_map"].mean(["lat", "lon"]) - record["mae"]), 0, atol=1e-3
)
still = field.sel(time=pd.Timestamp(record["case_time"].values), drop=True)
if models[0] == "persistence":
    last = records[LABELS["persistence"]]["case_prediction"].isel(lead=-1)
    np.testing.assert_allclose(last, still, atol=1e-3)
if not dataset:
    assert (np.diff(field["lat"]) < 0).all() and field["lon"].max() < 180
    np.testing.assert_allclose(
        field, synthetic(12, 16, 600, links=4).t2m, atol=1e-4
    )
    assert (mae["Ridge 5×5"] < mae["Persistence"]).all()
folder.cleanup()
