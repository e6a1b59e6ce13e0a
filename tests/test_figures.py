"""figures: units on every axis, coastlines on every map, Axes returned. And the land mask."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes

from lsntp import figures
from lsntp.chapters import observations
from lsntp.data.land import land_mask
from lsntp.figures import scores as score_figures
from lsntp.results import field_records


@pytest.fixture(autouse=True)
def _clean():
    with matplotlib.rc_context():
        figures.style()
        yield
        plt.close("all")


@pytest.fixture(params=["ncep-na", "era5-uk"])
def record(request):
    return field_records.load(request.param)


def truth_of(record):
    truth = record.case.sel(step=slice(1, None)).rename(step="lead").drop_vars("case_time")
    hours = truth["lead"].to_numpy() * record.attrs["step_hours"]
    return truth.assign_coords(lead=("lead", hours, {"units": "h"}))


def assert_map(ax):
    assert isinstance(ax, Axes)
    assert any(c.get_gid() == "coastline" for c in ax.collections), "no coastline"
    assert ax.get_xlabel() == "longitude" or not ax.xaxis.get_tick_params()["labelbottom"]
    assert ax.get_xlim()[0] < ax.get_xlim()[1]


def colour_labels(axes):
    """Texts beside the colour bars of the figure that `axes` belong to."""
    figure = np.ravel(axes)[0].figure
    return [a.get_ylabel() for a in figure.axes if a.get_label() == "<colorbar>"]


def test_field_map(record):
    ax = figures.field_map(record.case.sel(step=0), title="one frame")
    assert_map(ax)
    assert colour_labels(ax) == ["temperature (K)"]
    ax.figure.canvas.draw()
    assert any("°N" in t.get_text() for t in ax.get_yticklabels())
    assert any("°W" in t.get_text() for t in ax.get_xticklabels())
    assert ax.get_title() == "one frame"


def test_maps_need_units_and_a_map(record):
    frame = record.case.sel(step=0)
    with pytest.raises(ValueError, match="no units attribute"):
        figures.field_map(frame.drop_attrs())
    with pytest.raises(ValueError, match=r"dimensions \(lat, lon\)"):
        figures.field_map(record.case)


def test_case_frames_share_one_scale(record):
    axes = figures.case_frames(record)
    assert len(axes) == 6
    for ax in axes:
        assert_map(ax)
    assert len({ax.collections[0].get_clim() for ax in axes}) == 1
    assert colour_labels(axes) == ["temperature (K)"]
    assert axes[2].get_title() == "input, 0 h"
    assert axes[0].get_title().startswith("input, −")


def test_correlation_figures(record):
    axes = observations.correlation_distance({"made": record})[0]
    assert [a.get_xlabel() for a in axes] == ["great-circle distance (km)"] * 2
    assert axes[0].get_ylabel() == "Pearson's r"
    assert axes[0].get_ylim()[0] < float(record.lowest.min())
    maps = observations.correlation_map({"made": record})[0]
    for ax in maps:
        assert_map(ax)
        assert ax.collections[0].get_clim() == (-1, 1)
        assert len(ax.lines) == 2  # the cell and its far partner


def test_forecast_case(record):
    truth = truth_of(record)
    forecasts = {"colder": truth - 1, "warmer": truth + 2}
    axes = figures.forecast_case(truth, forecasts, leads=(0, 5))
    assert axes.shape == (5, 2)
    for ax in axes.ravel():
        assert_map(ax)
    assert axes[0, 0].get_title() == f"lead {record.attrs['step_hours']:g} h"
    assert axes[2, 0].collections[0].get_clim() == (-2, 2)
    np.testing.assert_allclose(axes[2, 0].collections[0].get_array(), -1, atol=1e-4)
    np.testing.assert_allclose(axes[4, 0].collections[0].get_array(), 2, atol=1e-4)
    assert colour_labels(axes) == [
        "temperature (K)",
        "temperature (K)",
        "error (K)",
        "temperature (K)",
        "error (K)",
    ]


def test_error_map(record):
    frame = record.case.sel(step=slice(1, 6)).rename(step="lead")
    mae = (abs(frame - 280)).rename("mae")
    ax = figures.error_map(mae)
    assert_map(ax)
    assert ax.collections[0].get_clim()[0] == 0
    assert colour_labels(ax) == ["MAE (K)"]
    bias = figures.error_map((frame - float(frame.mean())).rename("bias"))
    low, high = bias.collections[0].get_clim()
    assert low == -high
    assert colour_labels(bias) == ["bias (K)"]


def scores():
    return pd.DataFrame(
        [
            {"model": model, "seed": seed}
            | {f"mae_lead_{k}": base + 0.3 * k + 0.1 * seed for k in range(1, 7)}
            for model, base in (("persistence", 2.0), ("ridge", 1.0), ("new-rival", 1.01))
            for seed in range(3)
        ]
    )


def test_scores_by_lead():
    ax = figures.scores_by_lead(scores(), step_hours=6, labels={"ridge": "Ridge"})
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lead time (h)", "MAE (K)")
    assert [t.get_text() for t in ax.texts] == ["persistence", "Ridge", "new-rival"]
    assert len(ax.lines) == len(ax.collections) == 3
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [6, 12, 18, 24, 30, 36])
    np.testing.assert_allclose(ax.lines[1].get_ydata()[0], 1.4)
    heights = sorted(t.get_position()[1] for t in ax.texts)
    assert min(np.diff(heights)) > 0.05  # labels do not cover each other
    with pytest.raises(ValueError, match="metric 'bleu'"):
        figures.scores_by_lead(scores(), "bleu")


def test_colours_are_told_apart():
    models = [*figures.COLOURS, "a", "b", "c", "d"]
    colours = figures.model_colours(models)
    assert len(set(colours.values())) == len(models)
    assert figures.model_colours(["ridge"])["ridge"] == colours["ridge"]


def test_labels_are_spread_apart_in_order():
    places = score_figures._spread_apart([3.0, 1.0, 1.01, 1.02], 0.5)
    assert np.argsort(places).tolist() == [1, 2, 3, 0]
    assert (np.diff(np.sort(places)) >= 0.5 - 1e-9).all()
    np.testing.assert_allclose(score_figures._spread_apart([1.0, 5.0], 0.5), [1, 5])


def test_land_mask_knows_places():
    london, mid_atlantic, denver, north_sea = (51.5, -0.1), (40, -40), (39.7, -105), (56, 3)
    for (lat, lon), land in (
        (london, True),
        (denver, True),
        (mid_atlantic, False),
        (north_sea, False),
    ):
        assert land_mask(np.array([lat]), np.array([lon])).item() is land
    grid = land_mask(np.array([51.5, 40.0, 56.0]), np.array([-105.0, -40.0]))
    assert grid.tolist() == [[True, False], [True, False], [True, False]]
    with pytest.raises(ValueError, match="longitudes 200 to 300"):
        land_mask(np.array([40.0]), np.array([200.0, 300.0]))


def test_a_map_of_open_sea_has_no_coast_to_draw():
    sea = xr.DataArray(
        np.full((8, 8), 290.0),
        coords={"lat": 38 - np.arange(8.0), "lon": -42 + np.arange(8.0)},
        dims=("lat", "lon"),
        attrs={"units": "K", "long_name": "temperature"},
    )
    assert isinstance(figures.field_map(sea), Axes)
