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
# **Three lines take a file with a temperature to a model that is kept, a forecast beyond the file's end, and scores.**
#
# :::{div} page-head
# **You will see** a file opened, a forecast, its scores. **You should know** nothing of LS-NTP.
# {sub-ref}`wordcount-minutes` min. With a file of yours:
# `papermill notebooks/21_your_own_field.ipynb mine.ipynb -p dataset my.nc`
# :::

# %% tags=["parameters", "hide-input"]
dataset = ""  # a file of yours; "": one is made here
model = "ridge"  # or "lsntp-tuned", "convlstm", …
preset = None  # how large a network is and how long it trains; None: as in this book

# %% tags=["hide-cell"]
# | prompt: A file such as others write them, where none is given
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import lsntp
from lsntp import figures
from lsntp.chapters import parameters
from lsntp.data.synthetic import synthetic
from lsntp.zoo import LABELS

figures.style()
given = parameters.own_field(dataset, model, preset)
folder = tempfile.TemporaryDirectory()
path = given or f"{folder.name}/my_temperature.nc"
kept = f"{folder.name}/my-model"
if not given:
    made = synthetic(12, 16, 600, links=4).t2m
    made = made.rename(lat="latitude", lon="longitude").sortby("latitude")
    made = made.assign_coords(longitude=made["longitude"] % 360)
    made.assign_attrs(units="K").rename("tas").to_netcdf(path)

# %%
field = lsntp.open_dataset(path)  # (time, lat, lon), K
trained = lsntp.train(field, model, preset=preset)
forecast = lsntp.forecast(trained, field)  # from the last frames of the file

# %% tags=["hide-input"]
# | alt: Four maps, the last frame of the file and the forecast at three leads beyond it, on one colour scale.
# | caption: "The last frame of the file, and the forecast beyond its end. ({func}`lsntp.figures.maps_row` draws it.)"
steps = forecast["t2m"][0]
chosen = [0, steps.sizes["lead"] // 2, steps.sizes["lead"] - 1]
maps = {"last frame": field[-1]}
maps |= {f"+{float(steps['lead'][k]):g} h": steps[k] for k in chosen}
_ = figures.maps_row(maps, columns=4, label="temperature (K)")

# %%
scores = lsntp.evaluate(trained, field)
scores["mae"].to_pandas().round(2)

# %% [markdown]
# Mean absolute error (K) by lead in hours, over every window of the last fifth of the file, which no model was fitted on.
#
# ## From the command line
#
# ```bash
# lsntp train    my_temperature.nc --model lsntp-tuned --to my-model/
# lsntp forecast my-model/ my_temperature.nc --to forecast.nc --plot map.png
# lsntp evaluate my-model/ my_temperature.nc
# ```
#
# `forecast.nc` follows the conventions CF 1.11 and is in K. `--at TIME` starts from another time than the last. Tomorrow's
# file will do as well as the one it was trained on, if it has the same cells and step. No file and no model that is there
# is written over: give each a name of its own.
#
# So with a real file, ERA5 of March 2019 in GRIB, over Ireland; it takes some minutes on one core:
#
# ```bash
# lsntp data fetch era5-uk   # says where the file is
# lsntp train    era5-2mt-2019-03-uk.grib --region 56,-10.5,51,-5 --to ireland/
# lsntp forecast ireland/ era5-2mt-2019-03-uk.grib --to forecast.nc --plot map.png
# lsntp evaluate ireland/ era5-2mt-2019-03-uk.grib
# ```
#
# ![Six maps of the temperature over Ireland and the sea around it, one to six hours ahead; the land cools.](../book/_static/era5-ireland.png)
#
# *The map that the third line draws: the first hours after the file's end. Contains modified Copernicus Climate Change
# Service information 2019.* NetCDF from the Climate Data Store does as well, as it comes.
#
# ## A model is kept
#
# One file, `model.safetensors`, holds weights, scaler, grid, references and where they come from:

# %%
trained.save(Path(kept))
again = lsntp.Trained.load(Path(kept))
first = again.predict(again.ready(field), np.array([0]))
pd.Series(again.provenance)[["first", "last", "test_start"]].to_frame("kept")

# %% [markdown]
# ## What the file must hold
#
# - One temperature at regular times on a latitude–longitude grid of at least 7 × 7 cells. {ref}`A table <own-data>` shows
#   what you may have, what to type and what you get.
# - 25 times as many steps as the model sees and forecasts together: 300 for six in and six out, 750 for six in and 24 out.
#   A network wants thousands.
# - No value missing at some times only; cells without any are masked. What cannot be put right without guessing is an error
#   that says what to do.
#
# A region, a period or every n-th step of a larger file, on a disk or a server, is cut out before it is read:
#
# ```bash
# lsntp train globe.zarr --region 60,-10,50,2 --from 2019-01 --every 6 --to my-model/
# ```
#
# ## This book's notebooks on it
#
# ```bash
# lsntp campaign main --dataset my_temperature.nc --preset smoke --jobs 2
# papermill notebooks/04_main_table.ipynb mine.ipynb -p dataset "$PWD/my_temperature.nc" -p preset smoke -p rerun True
# ```
#
# Records and models of your files go to your user's cache folder, or to `$LSNTP_RECORDS_DIR` and `$LSNTP_CACHE_DIR`.
#
# ## Limits
#
# - A forecast here is of this book's kind: a few steps, one temperature, nothing from outside the region.
# - A model belongs to its grid and its step.

# %% tags=["hide-cell"]
# | prompt: Checks
own = trained.predict(trained.ready(field), np.array([0]))
np.testing.assert_array_equal(first, own)
ahead = (forecast["time"][0] - field["time"].values[-1]) / np.timedelta64(1, "h")
np.testing.assert_array_equal(ahead, forecast["lead"])
assert list(scores["model"].values)[:2] == [LABELS[model], "Persistence"]
if not given:
    assert (np.diff(field["lat"]) < 0).all() and field["lon"].max() < 180
    np.testing.assert_allclose(field, synthetic(12, 16, 600, links=4).t2m, atol=1e-4)
    mae = scores["mae"].to_pandas()
    assert (mae.loc["Ridge 5×5"] < mae.loc["Persistence"]).all()
folder.cleanup()
