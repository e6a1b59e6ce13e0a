"""errors, cases, conventions and their figures: known answers on made-up records."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from skimage.metrics import structural_similarity

from lsntp import figures
from lsntp.chapters import paper_and_code, q5_forecasts, q6_error_maps
from lsntp.results import compare, field_records, studies
from lsntp.runs import metrics
from lsntp.runs.experiment import scores
from lsntp.zoo import LABELS

LAT, LON = 65 - 2.5 * np.arange(21), -125 + 2.5 * np.arange(35)
PERSISTENCE, RIDGE, OURS = LABELS["persistence"], LABELS["ridge"], LABELS["lsntp-equations"]


@pytest.fixture(autouse=True)
def _clean():
    with matplotlib.rc_context():
        figures.style()
        yield
        plt.close("all")


def made_up_map(*maps):
    """Maps of errors, one per seed."""
    coords = {"lat": LAT, "lon": LON}
    return xr.DataArray(np.array(maps, float), coords, ("seed", "lat", "lon"), attrs={"units": "K"})


def smooth(seed=0):
    """A smooth map around 2 K that knows nothing of land."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal((21, 35))
    return 2 + 2 * gaussian_filter(noise, 3, mode="wrap")


@pytest.fixture(scope="module")
def cells():
    return q6_error_maps.geography(made_up_map(np.ones((21, 35))))


def forecasts(seed, windows=60, leads=6, bias=0.0):
    """Truth and a forecast of it, (window, lead, lat, lon), K; the change grows with the window."""
    rng = np.random.default_rng(7)
    coords = {
        "window": pd.date_range("2014-01-01", periods=windows, freq="6h"),
        "lead": ("lead", 6.0 * np.arange(1, leads + 1), {"units": "h"}),
        "lat": 60 - 5.0 * np.arange(8),
        "lon": -100 + 5.0 * np.arange(9),
    }
    size = 0.5 + np.arange(windows)[:, None, None, None] / 10
    change = size * (1 + 0.1 * rng.standard_normal((windows, leads, 8, 9)))
    truth = xr.DataArray(
        280 + change, coords, ("window", "lead", "lat", "lon"), attrs={"units": "K"}
    )
    noise = np.random.default_rng(seed).standard_normal(truth.shape)
    return truth, truth + bias + 0.3 * noise, xr.full_like(truth, 280.0)


def record(prediction, truth, trained):
    made = scores(prediction, truth)
    if trained:
        made["train_loss"] = ("epoch", [0.5, 0.4])
        made["validation_loss"] = ("epoch", [0.6, 0.5])
    return made


@pytest.fixture(scope="module")
def study():
    """Rows of a study: persistence, a ridge with a bias of 0.5 K, ours with a smaller error."""
    truth, ours, still = forecasts(1)
    return {
        PERSISTENCE: [record(still, truth, False)],
        RIDGE: [record(forecasts(2, bias=0.5)[1], truth, False)],
        OURS: [record(p, truth, True) for p in (ours, forecasts(3)[1])],
    }


@pytest.fixture(scope="module")
def three():
    """Records of the study "cases": forecasts 0.1 K and 0.2 K too warm, but 1 K in the typical."""
    truth, _, _ = forecasts(1)
    chosen = [3, 30, 59]
    frames = truth.isel(window=chosen).transpose("window", "lead", "lat", "lon").to_numpy()
    frames = np.concatenate([np.full((3, 6, 8, 9), 280.0), frames], axis=1)
    rows = {}
    for label, warm in ((RIDGE, [0.1, 0.1, 0.2]), (OURS, [0.2, 1.0, 0.1])):
        made = xr.Dataset(coords={"case": list(q5_forecasts.CASES), "step": np.arange(-5, 7)})
        shifted = truth.isel(window=chosen) + xr.DataArray(warm, dims="window")
        made["cases_prediction"] = shifted.drop_vars("window").rename(window="case")
        made["cases_truth"] = ("case", "step", "lat", "lon"), frames, {"units": "K"}
        made["cases_time"] = "case", truth["window"].to_numpy()[chosen]
        made["mae"] = "lead", np.full(6, 1.0 if label == OURS else 2.0)
        made["window_mae"] = ("window", "lead"), np.ones((60, 6))
        rows[label] = [made]
    return rows


# ---- where


def test_cells_without_values_are_in_no_group():
    whole = made_up_map(np.random.default_rng(3).normal(1, 0.1, (21, 35)))[0]
    masked = whole.where(whole["lat"] > float(whole["lat"][14]))  # the north has values
    cells = q6_error_maps.geography(masked)
    rows = np.arange(21) < 14
    north = (np.arange(21) < 10.5) & rows
    found = q6_error_maps.contrast(masked, cells, "north")
    area = np.cos(np.radians(whole["lat"].values))
    for end, group in (("one", north), ("other", rows & ~north)):
        by_row = whole.values[group].mean(axis=1)
        assert found[end] == pytest.approx(np.average(by_row, weights=area[group]))
    assert 0 < found["high"] - found["low"] < 1
    land = q6_error_maps.contrast(masked, cells, "land")
    assert np.isfinite([land["difference"], land["low"], land["p"]]).all()
    sea = whole.where(~q6_error_maps.geography(whole)["land"])
    table = q6_error_maps.contrasts({"MAE": sea}, q6_error_maps.geography(sea))
    assert {*table.index.get_level_values("contrast")} == {"north", "rim", "west"}
    assert np.isfinite(table[["one", "other", "low", "high"]].to_numpy(float)).all()


def test_geography_knows_land_edges_and_area(cells):
    assert cells["rim"].sum() == 21 * 35 - 15 * 29
    assert cells["west"].sum() == cells["east"].sum() == 3 * 21
    assert bool(cells["north"].sel(lat=65, lon=-40)) and not bool(
        cells["north"].sel(lat=15, lon=-40)
    )
    assert bool(cells["land"].sel(lat=40, lon=-100)) and not bool(
        cells["land"].sel(lat=40, lon=-60)
    )
    np.testing.assert_allclose(cells["area"].sel(lon=-40), np.cos(np.radians(LAT)))


def test_an_error_that_follows_the_land_is_found(cells):
    land = cells["land"].to_numpy()
    found = q6_error_maps.contrast(
        made_up_map(smooth() + land, smooth() + 1.1 * land), cells, "land"
    )
    assert found["difference"] == pytest.approx(found["one"] - found["other"])
    assert found["difference"] == pytest.approx(1.05, abs=0.4)
    assert found["low"] < found["difference"] < found["high"]
    assert found["p"] <= 0.05
    assert found["seed_sd"] == pytest.approx(0.1 / np.sqrt(2))
    assert found["verdict"] == "higher"
    reversed_ = q6_error_maps.contrast(made_up_map(smooth() - land, smooth() - land), cells, "land")
    assert reversed_["verdict"] == "lower"


@pytest.mark.parametrize("name", q6_error_maps.CONTRASTS)
def test_a_map_that_knows_nothing_is_rarely_separable(cells, name):
    """Smooth maps by chance: the interval alone is wrong in at most about one of ten."""
    from scipy.ndimage import gaussian_filter

    one, other = q6_error_maps.groups(cells, name)
    area = cells["area"].to_numpy()
    weights = area * one / (area * one).sum() - area * other / (area * other).sum()
    wrong = 0
    for seed in range(100):
        noise = np.random.default_rng(seed).standard_normal((81, 95))
        values = gaussian_filter(noise, 3)[30:-30, 30:-30]
        half = compare.half_width([q6_error_maps.chance(values, weights, cells)])
        wrong += abs((weights * values).sum()) > half
    assert wrong <= 12


def test_masked_cells_are_in_no_group(cells):
    land, area = cells["land"].to_numpy(), cells["area"].to_numpy()
    there = ~land | (np.arange(35) < 20)
    maps = made_up_map(smooth() + land, smooth() + 1.1 * land)
    masked = maps.where(xr.DataArray(there, dims=("lat", "lon")))
    known = q6_error_maps.geography(masked)
    for name in q6_error_maps.CONTRASTS:
        one, other = (group & there for group in q6_error_maps.groups(cells, name))
        found = q6_error_maps.contrast(masked, known, name)
        mean = maps.mean("seed").to_numpy()
        assert found["one"] == pytest.approx(np.average(mean[one], weights=area[one]))
        assert found["other"] == pytest.approx(np.average(mean[other], weights=area[other]))
        assert found["low"] < found["difference"] < found["high"]
    found = q6_error_maps.contrast(masked, known, "land")
    assert found["verdict"] == "higher" and found["p"] <= 0.05
    sea = maps.where(xr.DataArray(~land, dims=("lat", "lon")))
    table = q6_error_maps.contrasts({"": sea}, q6_error_maps.geography(sea))
    assert list(table.index.get_level_values("contrast")) == ["north", "rim", "west"]
    assert table.drop(columns="p").notnull().all(axis=None)


def test_one_seed_is_never_separable_and_no_seed_can_be(cells):
    field = made_up_map(smooth() + cells["land"].to_numpy())
    assert q6_error_maps.contrast(field, cells, "land")["verdict"] == "no interval"
    assert q6_error_maps.contrast(field.isel(seed=0), cells, "land")["verdict"] == "higher"


def test_means_are_weighted_by_area(cells):
    latitude = np.repeat(LAT[:, None], 35, axis=1)
    found = q6_error_maps.contrast(made_up_map(latitude, latitude), cells, "north")
    north = LAT[:11]
    expected = (north * np.cos(np.radians(north))).sum() / np.cos(np.radians(north)).sum()
    assert found["one"] == pytest.approx(expected)
    assert np.isnan(found["p"])


def test_a_region_without_sea_has_no_such_contrast(cells):
    inland = cells.assign(land=xr.ones_like(cells["land"]))
    with pytest.raises(ValueError, match="land and sea"):
        q6_error_maps.contrast(made_up_map(smooth(), smooth()), inland, "land")
    table = q6_error_maps.contrasts({f"MAE of {OURS}": made_up_map(smooth(), smooth())}, inland)
    assert list(table.index.get_level_values("contrast")) == ["north", "rim", "west"]


@pytest.mark.parametrize(("sign", "said"), [(1, ">"), (-1, "<"), (0, "~")])
def test_the_answer_comes_out_either_way(cells, sign, said):
    ours = 2 + sign * cells["land"].to_numpy() + 0.2 * smooth()
    maps = made_up_map(ours, ours)
    asked = {
        f"MAE of {OURS}": maps,
        f"{OURS} minus Ridge": maps - 2,
        f"{OURS} over Persistence": maps / 4,
    }
    table = q6_error_maps.contrasts(asked, cells)
    answers = q6_error_maps.answers(table, ["lsntp-equations"])
    land, c = answers.loc[("land, sea", OURS)], table.loc[(f"MAE of {OURS}", "land")]
    assert land["MAE (K)"].split() == [f"{c['one']:.2f}", said, f"{c['other']:.2f}"]
    assert [text.split()[1] for text in land] == 3 * [said]
    assert answers.shape == (4, 3)
    shown = q6_error_maps.readable(table)
    assert shown.shape[0] == 12 and "nan" not in shown.to_string()
    for (_, row), (_, c) in zip(shown.iterrows(), table.iterrows(), strict=True):
        p = row["p of shifts"]
        assert p == "–" if np.isnan(c["p"]) else abs(float(p.lstrip("< ")) - c["p"]) <= 0.01


def test_profiles_by_latitude_and_distance():
    row, column = np.indices((21, 35))
    bands = q6_error_maps.by_latitude(made_up_map(row, row))
    assert len(bands) == 6 and (np.diff(bands["latitude"]) < 0).all()
    assert bands["mean"].is_monotonic_increasing and (bands["sd"] == 0).all()
    coarse = made_up_map(row, row)[:, ::3].assign_coords(lat=np.linspace(80, 0, 7))
    first = q6_error_maps.by_latitude(coarse).iloc[0]  # of two rows: 80 and 66.7 N
    weight = np.cos(np.radians(coarse["lat"][:2].values))
    assert first["mean"] == pytest.approx(np.average(coarse[0, :2, 0], weights=weight))
    profile = q6_error_maps.by_distance(made_up_map(column, column + 2))
    west, east = (profile[profile["side"] == side] for side in ("west", "east"))
    np.testing.assert_allclose(west["mean"], np.arange(18) + 1)
    np.testing.assert_allclose(east["mean"], 35 - np.arange(18))
    np.testing.assert_allclose(west["sd"], np.sqrt(2))
    north = profile.loc[profile["side"] == "north", "km"]
    assert north.iloc[0] == pytest.approx(1.25 * 111.19, rel=1e-3)


def test_quantities_are_of_persistence_and_ridge(study):
    asked = q6_error_maps.quantities(study, ["lsntp-equations"])
    assert list(asked) == [
        f"MAE of {PERSISTENCE}",
        f"MAE of {OURS}",
        f"{OURS} minus Ridge",
        f"{OURS} over Persistence",
    ]
    assert float(asked[f"{OURS} minus Ridge"].mean()) < 0
    assert asked[f"{OURS} over Persistence"].dims == ("seed", "lat", "lon")


def test_rows_come_from_the_main_table():
    study = studies.rows("ncep-na", ["convlstm", "ridge"], "smoke", 2)
    assert list(study) == [PERSISTENCE, RIDGE, "ConvLSTM"]
    assert [len(row) for row in study.values()] == [1, 1, 2]


# ---- when


def test_cases_are_scored_against_their_truth(three):
    table = q5_forecasts.scores(three)
    assert list(table.index.get_level_values("model"))[:3] == [PERSISTENCE, RIDGE, OURS]
    assert table.loc[("typical", OURS), "mean"] == pytest.approx(1.0)
    assert table.loc[("extreme", RIDGE), "36 h"] == pytest.approx(0.2)
    assert table.loc[("extreme", PERSISTENCE), "mean"] == pytest.approx(6.4, abs=0.1)
    assert q5_forecasts.cases(three).loc["quiet", "last input (UTC)"] == "2014-01-01 18:00"


def test_rows_that_show_other_windows_are_told(three):
    other = three[OURS][0].assign(cases_time=three[OURS][0]["cases_time"] + np.timedelta64(6, "h"))
    with pytest.raises(ValueError, match="not those of the other rows"):
        q5_forecasts.frames({**three, OURS: [other]}, "quiet")


def test_fifths_are_ordered_by_change(study):
    table = q5_forecasts.by_change(study, RIDGE)
    assert list(table["fifth"]) == [0, 1, 2, 3, 4] and set(table["model"]) == {OURS}
    assert table["change"].is_monotonic_increasing
    assert (table["windows"] == 12).all() and (table["days"] <= 4).all()
    assert (table["verdict"] == "lower").all()  # ridge is biased by 0.5 K
    one_seed = q5_forecasts.by_change({**study, OURS: study[OURS][:1]}, RIDGE)
    assert (one_seed["verdict"] == "no interval").all()


# ---- how it is scored


@pytest.fixture(scope="module")
def released():
    """A made-up forecast and its truth, (sample, lead, lat, lon), K; the released code's scores."""
    with np.load(Path(__file__).parent / "parity" / "released_metrics.npz") as stored:
        fields = stored["pred"][:, :, 0], stored["target"][:, :, 0]
        return fields, {score: float(stored[score].mean()) for score in paper_and_code.SCORES}


def test_the_released_conventions_are_the_released_codes(released):
    fields, scores = released
    table = paper_and_code.scored(*fields).set_index(["score", "convention"])
    for score, theirs in scores.items():
        ours = table.loc[(score, paper_and_code.RELEASED[score]), "value"]
        assert ours == pytest.approx(theirs, rel=1e-4), score


def test_our_conventions_are_those_of_score_and_of_records(released):
    pred, target = released[0]
    dims = ("window", "lead", "lat", "lon")
    pair = [xr.DataArray(a, dims=dims, attrs={"units": "K"}) for a in (pred, target)]
    made = metrics.score(*pair)
    made["window_mse"] = np.square((pair[0] - pair[1]).astype(float)).mean(["lat", "lon"])
    of_fields = paper_and_code.scored(pred, target).set_index(["score", "convention"])["value"]
    of_record = paper_and_code.of_record(made).set_index(["score", "convention"])["value"]
    for score, name in paper_and_code.OURS.items():
        assert of_fields[(score, name)] == pytest.approx(float(made[score].mean()), rel=1e-6)
    assert set(of_record.index) < set(of_fields.index)
    for key, value in of_record.items():
        assert value == pytest.approx(of_fields[key], rel=1e-6), key


def test_conventions_by_hand():
    """Two windows of one lead: one errs by 1 K everywhere, the other by 3 K."""
    rng = np.random.default_rng(0)
    target = 280 + rng.standard_normal((2, 1, 12, 12))
    pred = target + np.array([1.0, 3.0])[:, None, None, None]
    table = paper_and_code.scored(pred, target).set_index(["score", "convention"])["value"]
    assert table["mae"].item() == pytest.approx(2)
    assert table["rmse", "pooled over all"] == pytest.approx(np.sqrt(5))
    assert table["rmse", "each field, then mean"] == pytest.approx(2)
    assert table["rmse", "each cell and lead, then mean"] == pytest.approx(np.sqrt(5))
    assert table["psnr", "range 255, of the pooled error"] == pytest.approx(
        20 * np.log10(255) - 10 * np.log10(5)
    )
    one = structural_similarity(target[0, 0], pred[0, 0], data_range=np.ptp(target))
    two = structural_similarity(target[1, 0], pred[1, 0], data_range=np.ptp(target))
    assert table["ssim", "kelvin, range of the set"] == pytest.approx((one + two) / 2)
    small = paper_and_code.scored(pred[..., :8, :8], target[..., :8, :8])
    assert not small["convention"].str.contains("Gaussian").any()


def test_ranges_of_conventions_by_hand():
    """Two windows of two leads, all of which err by 1 K, between these lowest and highest values.

    The first lead goes from 0 to 8 K, the second from -9 to 1 K.
    """
    ends = np.array([[[0, 2], [0, 1]], [[4, 8], [-9, 1]]])  # (window, lead, lowest and highest)
    between = np.random.default_rng(0).permutation(np.linspace(0, 1, 64)).reshape(8, 8)
    low, high = ends[..., :1, None], ends[..., 1:, None]
    target = low + (high - low) * between
    pred = target + 1
    table = paper_and_code.scored(pred, target).set_index(["score", "convention"])["value"]

    def ssim(ranges):
        fields = [(w, k) for w in range(2) for k in range(2)]
        return np.mean(
            [structural_similarity(target[f], pred[f], data_range=ranges[f]) for f in fields]
        )

    ranges = {
        "range of each lead": np.array([[8, 10], [8, 10]]),
        "range of each field": np.array([[2, 1], [4, 10]]),
    }
    for name, by_field in ranges.items():
        assert table["psnr", name] == pytest.approx(20 * np.log10(by_field).mean()), name
        assert table["ssim", f"kelvin, {name}"] == pytest.approx(ssim(by_field)), name
    assert table["psnr", paper_and_code.OURS["psnr"]] == pytest.approx(20 * np.log10(17))


def test_spread_beside_the_papers_kernels(released):
    assert paper_and_code.gaps().loc["NCEP"].round(3).to_dict() == {
        "mae": 0.052,
        "rmse": 0.068,
        "ssim": 0.005,
        "psnr": 0.266,
    }
    table = paper_and_code.scored(*released[0])
    found = paper_and_code.spread(table)
    assert found.loc["MAE (K)", "by convention"] == 0
    assert found.loc["PSNR (dB)", "by convention"] > 10


def test_psnr_bounds_the_pooled_rmse(study):
    table = paper_and_code.allowed().set_index(["dataset", "kernel"])
    assert table.loc[("NCEP", "3@3"), "least pooled RMSE (K)"] == pytest.approx(2.367, abs=5e-4)
    assert not table.loc[("NCEP", "3@3"), "possible"]
    assert table.loc[("ERA5", "5@5"), "possible"]
    for several in study.values():
        for made in several:  # no forecast of ours can break it
            least = paper_and_code.least_rmse(made["psnr_released"].to_numpy())
            assert (made["rmse"] >= least * (1 - 1e-9)).all()


def test_the_leak_is_read_at_the_best_epoch(study):
    rows = {paper_and_code.REFERENCE: study[OURS], paper_and_code.LEAKY: study[OURS]}
    np.testing.assert_allclose(paper_and_code.leak(rows)["ratio"], 0.5 / 0.4)


# ---- figures


def bars_of(axes):
    figure = np.ravel(axes)[0].figure
    return [a.get_ylabel() for a in figure.axes if a.get_label() == "<colorbar>"]


def test_case_maps(three):
    truth, shown = q5_forecasts.frames(three, "typical")
    axes = q5_forecasts.case_maps(truth, shown, title="a case")
    assert axes.shape == (3, 3)
    assert [a.get_title() for a in axes[0]] == ["lead 6 h", "lead 18 h", "lead 36 h"]
    assert axes[2, 0].get_ylabel() == f"{OURS}\nminus truth"
    np.testing.assert_allclose(axes[2, 0].collections[0].get_array(), 1.0, atol=1e-5)
    assert bars_of(axes) == ["truth (K)", "forecast minus truth (K)"]
    assert all(any(c.get_gid() == "coastline" for c in a.collections) for a in axes.flat)


def test_error_and_change_maps():
    case = field_records.load("ncep-na")["case"].sel(step=[1, 3, 6]).rename(step="lead")
    mae = abs(case - 280).drop_vars("case_time").mean("lead")
    axes = q6_error_maps.error_maps({"a": mae, "b": 2 * mae})
    ends = [ax.collections[0].get_clim() for ax in axes]
    assert ends[0][0] == 0 and ends[1][1] == pytest.approx(2 * ends[0][1])
    assert [a.get_title() for a in axes] == ["a", "b"]
    change = mae - 5
    several = {"one": change, "other": -change}
    axes = q6_error_maps.change_maps({"a": several, "b": several}, "difference (K)")
    low, high = axes[0, 1].collections[0].get_clim()
    assert low == -high and bars_of(axes) == 2 * ["difference (K)"]
    shares = {"a": xr.full_like(change, 0.5), "b": xr.full_like(change, 4)}
    axes = q6_error_maps.ratio_map(shares)
    np.testing.assert_allclose(axes[0].collections[0].get_array(), -1)
    assert {ax.collections[0].get_clim() for ax in axes} == {(-2, 2)}  # one scale
    (bar,) = [a for a in axes[0].figure.axes if a.get_label() == "<colorbar>"]
    assert bar.get_xlabel() == "share of persistence's error"


def test_lines_and_dots(study, released):
    table = q5_forecasts.by_change(study, RIDGE)
    axes = q5_forecasts.change_dots({"one": table, "other": table}, RIDGE)
    assert axes[1].get_ylabel() == f"MAE minus\n{RIDGE}'s (K)" and len(axes[1].get_xticks()) == 5
    maps = made_up_map(smooth(), smooth(1))
    bands = {OURS: q6_error_maps.by_latitude(maps)}
    axes = q6_error_maps.latitude_profiles({"a": bands, "b": bands}, "share")
    assert [ax.get_xlabel() for ax in axes] == 2 * ["share"]
    axes = q6_error_maps.edge_profiles({"a": q6_error_maps.by_distance(maps)}, "share")
    lines = {line.get_label(): line for line in axes[0].lines}
    assert {*q6_error_maps.SIDES} <= {*lines} and "km" in axes[0].get_xlabel()
    table = paper_and_code.scored(*released[0])
    fewer = table[~table["convention"].str.contains("Gaussian")]
    both = {"all": table, "fewer": fewer}
    axes = paper_and_code.convention_dots(both, paper_and_code.SCORES, {"rmse": 0.1})
    assert [a.get_xlabel() for a in axes[:, 0]] == list(paper_and_code.SCORES.values())
    assert [a.get_title() for a in axes[0]] == ["all", "fewer"]
    for score, row in zip(paper_and_code.SCORES, axes, strict=True):
        labels = [t.get_text() for t in row[0].get_yticklabels()]
        for ax, rows in zip(row, both.values(), strict=True):
            values = rows[rows["score"] == score].set_index("convention")["value"]
            dots = ax.lines[0]
            np.testing.assert_allclose(dots.get_xdata(), values)
            assert [labels[int(y)] for y in dots.get_ydata()] == list(values.index)
