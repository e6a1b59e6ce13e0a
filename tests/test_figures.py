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
from lsntp.results import field_records, studies
from lsntp.zoo import LABELS


@pytest.fixture(autouse=True)
def _clean():
    with matplotlib.rc_context():
        figures.style()
        yield
        plt.close("all")


@pytest.fixture(params=["ncep-na", "era5-uk"])
def record(request):
    return field_records.load(request.param)


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


def test_case_frames_share_one_scale_in_a_row(record):
    axes = figures.case_frames({"made": record, "again": record + 5}, (-5, 0, 6))
    assert axes.shape == (2, 3)
    for row, shift in zip(axes, (0, 5), strict=True):
        assert len({ax.collections[0].get_clim() for ax in row}) == 1
        for ax, step in zip(row, (-5, 0, 6), strict=True):
            frame = record.case.sel(step=step) + shift
            drawn = np.asarray(ax.collections[0].get_array()).reshape(frame.shape)
            np.testing.assert_allclose(drawn, frame, rtol=1e-6)


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


def test_scores_by_lead_less_one_model_with_the_others_grey():
    ax = figures.scores_by_lead(scores(), minus="ridge", highlight=["new-rival"])
    lines = {tuple(np.round(line.get_ydata(), 6)): line.get_color() for line in ax.lines}
    colours = figures.model_colours(["persistence", "ridge", "new-rival"])
    assert lines == {
        (1.0,) * 6: score_figures.GREY,
        (0.0,) * 6: colours["ridge"],
        (0.01,) * 6: colours["new-rival"],
    }
    assert [t.get_text() for t in ax.texts] == ["ridge", "new-rival"]


def mean_mae(record):
    return float(record["window_mae"].mean())


def window_means(runs):
    return np.mean([record["window_mae"].mean("lead").to_numpy() for record in runs], axis=0)


def drawn_by_row(ax):
    """Of each row of dots: the dots, the ends of its bar, their colours."""
    rows = {}
    for line in ax.lines:
        y = np.asarray(line.get_ydata(), float)
        if len(y) and (y == y[0]).all() and line.get_xdata()[0] is not None:
            kind = line.get_marker() if line.get_marker() != "None" else "bar"
            rows.setdefault(ax.get_yticklabels()[int(y[0])].get_text(), {})[kind] = (
                np.asarray(line.get_xdata(), float),
                line.get_color(),
            )
    return rows


@pytest.fixture(scope="module")
def main_rows():
    models = ["persistence", "ridge", "convlstm", "lsntp-equations"]
    return studies.load(studies.main("ncep-na", models=models, recipes=("modern",)))


def test_models_dots_hold_each_seed_and_the_difference(main_rows):
    ridge, still = LABELS["ridge"], LABELS["persistence"]
    (ax,) = figures.models_dots({"ncep-na": main_rows}, highlight=[LABELS["convlstm"]])
    means = {k: np.mean([mean_mae(r) for r in runs]) for k, runs in main_rows.items()}
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names == sorted(means, key=means.get)
    rows = drawn_by_row(ax)
    assert means[still] > 1.25 * means[ridge] and still not in rows
    assert f"{means[still]:.2f}" in ax.texts[0].get_text()
    for label, drawn in rows.items():
        expected = sorted(mean_mae(r) for r in main_rows[label])
        np.testing.assert_allclose(sorted(drawn["o"][0]), expected, rtol=1e-5)
        grey = label not in (ridge, LABELS["convlstm"])
        assert (drawn["o"][1] == score_figures.GREY) == grey
        if label != ridge:
            change = window_means(main_rows[label]) - window_means(main_rows[ridge])
            middle = drawn["bar"][0].mean() - means[ridge]
            assert middle == pytest.approx(change.mean(), abs=1e-5)
            assert np.ptp(drawn["bar"][0]) > 0


def test_models_dots_say_which_row_a_data_set_has_not(main_rows):
    ridge, ours = LABELS["ridge"], LABELS["convlstm"]
    both = {ridge: main_rows[ridge], ours: main_rows[ours]}
    _, ax = figures.models_dots({"has it": both, "has it not": {ridge: both[ridge]}})
    (dots,) = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots.get_xdata(), [mean_mae(r) for r in both[ridge]], rtol=1e-5)
    assert [t.get_text() for t in ax.texts] == ["not run"]


def test_weeks_dots_hold_each_week_and_the_mean_change():
    models = ["climatology", "ridge", "convlstm"]
    weeks = [
        studies.load(studies.rotated("era5-uk", back, models=models))
        for back in reversed(range(studies.ROTATIONS))
    ]
    ax = figures.weeks_dots(weeks)
    ridge, ours = LABELS["ridge"], LABELS["convlstm"]
    error = {k: np.array([np.mean([*map(mean_mae, w[k])]) for w in weeks]) for k in (ridge, ours)}
    rows = drawn_by_row(ax)
    assert [*rows] == [ours]  # the one against which has no row, climatology is an arrow
    np.testing.assert_allclose(rows[ours]["o"][0], error[ours] - error[ridge], atol=1e-5)
    windows = [np.concatenate([window_means(w[k]) for w in weeks]) for k in (ours, ridge)]
    change = (windows[0] - windows[1]).mean()
    assert rows[ours]["|"][0].item() == pytest.approx(change, abs=1e-5)
    assert rows[ours]["bar"][0].mean() == pytest.approx(change, abs=1e-5)


def test_training_curves_are_means_over_seeds():
    def record(shift):
        loss = ("epoch", np.array([3.0, 2.0]) + shift)
        return xr.Dataset({"train_loss": loss, "validation_loss": loss})

    runs = {d: {"modern": {"convlstm": [record(0), record(k)]}} for k, d in enumerate("abc")}
    axes = figures.training_curves(runs)
    assert axes.shape == (3, 1)
    for k, ax in enumerate(axes[:, 0]):
        np.testing.assert_allclose(ax.lines[0].get_ydata(), [3 + k / 2, 2 + k / 2])


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
    turned = land_mask(np.array([40.0]), np.array([200.0, 255.0]))
    assert (turned == land_mask(np.array([40.0]), np.array([-160.0, -105.0]))).all()
    with pytest.raises(ValueError, match="longitudes 200 to 600"):
        land_mask(np.array([40.0]), np.array([200.0, 600.0]))


def test_a_map_of_open_sea_has_no_coast_to_draw():
    sea = xr.DataArray(
        np.full((8, 8), 290.0),
        coords={"lat": 38 - np.arange(8.0), "lon": -42 + np.arange(8.0)},
        dims=("lat", "lon"),
        attrs={"units": "K", "long_name": "temperature"},
    )
    assert isinstance(figures.field_map(sea), Axes)
