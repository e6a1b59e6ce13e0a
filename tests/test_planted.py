"""Links planted in a real field: where they lie, what they add, who is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from lsntp import RunConfig, open_dataset
from lsntp.data import planted
from lsntp.data.catalogue import PLANTED, Planting
from lsntp.data.climatology import Climatology
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.synthetic import synthetic
from lsntp.data.windows import prepare
from lsntp.results.learned_graphs import adjacency
from lsntp.results.studies import whole_grid
from lsntp.runs import experiment, records
from lsntp.runs.trained import Trained, build_network, fitted, told
from lsntp.zoo import Ridge, RidgeEOF, RidgeScreened, ridge


@pytest.fixture(scope="module")
def field() -> xr.DataArray:
    """A field of 21 x 35 cells and 320 times."""
    rng = np.random.default_rng(0)
    values = 280 + 5 * rng.standard_normal((320, 21, 35))
    time = np.datetime64("2013-01-01", "ns") + np.arange(320) * np.timedelta64(6, "h")
    lat, lon = np.linspace(65, 15, 21), np.linspace(-125, -40, 35)
    attrs = {"units": "K", "step_hours": 6.0, "name": "made", "test_start": "2013-03-02"}
    return xr.DataArray(
        values.astype("f4"),
        {"time": time, "lat": lat, "lon": lon},
        ("time", "lat", "lon"),
        attrs=attrs,
    )


def test_places_and_sources_are_far_and_free(field: xr.DataArray) -> None:
    places, sources = planted.choose(field, 3000)
    km = great_circle_km(*grid_nodes(field))
    assert places.shape == (10, 9) and len({*places.ravel(), *sources}) == 100
    assert all(
        km[place, source].min() > 3000 for place, source in zip(places, sources, strict=True)
    )
    again = planted.choose(field, 3000)
    assert np.array_equal(again[0], places) and np.array_equal(again[1], sources)


def test_too_small_a_grid_is_refused(field: xr.DataArray) -> None:
    with pytest.raises(ValueError, match="a larger region"):
        planted.choose(field[:, :9, :9], 3000)
    with pytest.raises(ValueError, match="expected one with planted links"):
        planted.links("ncep-na")


def test_what_is_planted_by_hand(field: xr.DataArray) -> None:
    after = planted.plant(field, Planting("made", 0.5, 3, 3000))
    changed, bare = (part.to_numpy().reshape(320, -1).astype(float) for part in (after, field))
    normal = Climatology().fit(field).predict(field["time"].values).to_numpy()
    anomaly = bare - normal.reshape(320, -1)
    places, sources = planted.choose(field, 3000)
    expected = bare.copy()
    for place, source in zip(places, sources, strict=True):
        for cell in place:
            for t in range(3, 320):
                z = anomaly[t - 3, source] / anomaly[:, source].std()
                expected[t, cell] += 0.5 * anomaly[:, cell].std() * z
    assert np.allclose(changed, expected, atol=1e-4)
    assert (changed != bare).any(0).sum() == 90


def test_the_truth_among_the_nodes_of_a_network(field: xr.DataArray, monkeypatch) -> None:
    links = np.zeros((735, 735), bool)
    links[5 * 35 + 7, 12 * 35 + 20] = True  # an odd row and column lie in one node alone
    links[5 * 35 + 7, 12 * 35 + 21] = True
    monkeypatch.setattr(planted, "links", lambda name: xr.DataArray(links))
    config = RunConfig(dataset="ncep-na-planted-50-lag1", model="lsntp-untied", told=True)
    inner = told(config, field[0]).numpy()
    assert inner.shape == (170, 170)
    # rows 2r, 2r+1, 2r+2 are seen by node r: row 5 by 2, 12 by 5 and 6; column 7 by 3, 20 by 9, 10
    assert {*zip(*np.nonzero(inner), strict=True)} == {
        (2 * 17 + 3, row * 17 + column) for row in (5, 6) for column in (9, 10)
    }
    assert inner.sum(1)[2 * 17 + 3] == pytest.approx(1)
    assert inner[37, 5 * 17 + 10] == pytest.approx(2 * inner[37, 5 * 17 + 9])
    whole = RunConfig(
        dataset="ncep-na-planted-50-lag1", model="lsntp-untied", told=True, preset="tuned"
    )
    assert np.array_equal(np.nonzero(told(whole, field[0]).numpy()), np.nonzero(links))


def test_only_planted_sets_can_be_told() -> None:
    for settings in (
        {"dataset": "ncep-na", "model": "lsntp-equations"},
        {"dataset": "ncep-na-planted-50-lag1", "model": "convlstm"},
    ):
        with pytest.raises(ValueError, match="leave it out"):
            RunConfig(told=True, **settings)
        RunConfig(**settings)


@pytest.mark.parametrize(
    "model", ["lsntp-equations", "lsntp-tuned", "convlstm", "ridge", "ridge-screened"]
)
def test_the_truth_is_read_by_nobody_who_is_not_told(
    field: xr.DataArray, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise AssertionError("the truth was read")

    monkeypatch.setattr(planted, "links", refuse)
    monkeypatch.setattr(planted, "choose", refuse)
    config = RunConfig(dataset="ncep-na-planted-50-lag1", model=model, preset="smoke")
    trained, data, _ = fitted(config, field)
    trained.predict(data, data.split.test)
    if model not in ("convlstm", "ridge-screened"):
        with pytest.raises(AssertionError, match="was read"):
            fitted(RunConfig(**(config.model_dump() | {"told": True})), field)


def test_ridge_told_sees_the_sources(field: xr.DataArray) -> None:
    links = torch.zeros(735, 735)
    links[100, 400] = 1.0
    links[500, [20 * 35 + 5, 6]] = torch.tensor([0.25, 0.75])
    data = prepare(field, 6, 6, "anomaly", "blocked")
    starts = data.split.test[[0, 9]]
    x, without = (
        torch.cat([part for part, _ in ridge.blocks(data, starts)])
        for ridge in (Ridge(links), Ridge())
    )
    assert torch.equal(x[..., :100], without[..., :100])
    more = x[..., 100:-1].unflatten(-1, (6, 25))  # (N, n, T, 5·5)
    frames = torch.nn.functional.pad(data.frames[:, 0], [2] * 4).double()
    for n, start in enumerate(starts):
        at = frames[start : start + 6]
        expected = at[:, 11 : 11 + 5, 15 : 15 + 5].flatten(1)  # around row 11, column 15
        assert torch.allclose(more[100, n], expected)
        mixed = 0.25 * at[:, 20:25, 5:10] + 0.75 * at[:, 0:5, 6:11]
        assert torch.allclose(more[500, n], mixed.flatten(1))
    others = np.setdiff1d(np.arange(735), [100, 500])
    assert not more[others].any()


@pytest.mark.parametrize("model", ["ridge", "ridge-screened"])
def test_a_record_has_errors_at_the_places(real_data: Path, tmp_path: Path, model: str) -> None:
    name = "ncep-na-planted-100-lag1"
    config = RunConfig(dataset=name, model=model)
    field = open_dataset(name).isel(time=slice(1100, 1700))
    trained, data, _ = fitted(config, field)
    starts = data.split.test
    prediction = trained.predict(data, starts)
    at = experiment.at_places(trained, prediction, data)
    error = abs(prediction - data.targets(starts)).to_numpy().reshape(len(starts), 6, -1)
    places, _ = planted.choose(field, PLANTED[name].least_km)
    there = np.isin(np.arange(735), places)
    assert np.allclose(at["place_mae"], error[..., there].mean((0, 2)))
    days = prediction.indexes["window"].normalize()
    by_day = pd.Series(error[..., ~there].mean((1, 2)), days).groupby(level=0).mean()
    assert np.allclose(at["other_day_mae"], by_day) and at.indexes["day"].equals(by_day.index)
    whole = experiment.scores(prediction, data.targets(starts)).merge(at)
    kept = records.kept(whole, config)
    by_day = pd.Series(error[..., there].mean((1, 2)), days).groupby(level=0).mean()
    assert np.allclose(at["place_day_mae"], by_day)
    assert "window_mae" not in kept and "mae_map" not in kept
    assert ("link_auc" in kept) == (model == "ridge-screened")
    if model == "ridge-screened":  # the chance that a planted link ranks above another far pair
        links = planted.links(name).to_numpy()
        km = great_circle_km(*grid_nodes(field))
        both = (trained.model.strength + trained.model.strength.T).numpy()
        linked = links | links.T
        far = np.triu(km >= km[linked].min(), 1)
        above = both[linked & far][:, None] > both[far & ~linked][None]
        assert float(kept["link_auc"]) == pytest.approx(above.mean(), abs=1e-3)
    trained.save(tmp_path)
    assert np.array_equal(Trained.load(tmp_path).predict(data, starts), prediction)


def test_a_screen_finds_links_that_ridge_does_not_see(field: xr.DataArray) -> None:
    data = prepare(planted.plant(field, Planting("made", 1.0, 1, 3000)), 6, 1, "anomaly", "blocked")
    screened = RidgeScreened().fit(data)
    places, sources = planted.choose(field, 3000)
    chosen = screened.links.argmax(1).numpy()
    hits = chosen[places] == sources[:, None]
    assert hits.mean() > 0.9
    starts, cell = data.split.test[:3], int(places[0, 0])
    x, _ = next(screened.blocks(data, starts))
    source = data.batch(starts)[0][:, :, 0].flatten(2)[..., chosen[cell]]
    assert torch.equal(x[cell, :, 100:-1], source.double())
    error = {}
    for model in (Ridge().fit(data), screened):
        left = abs(model.predict(data, data.split.test) - data.targets(data.split.test)).to_numpy()
        error[type(model)] = left.reshape(*left.shape[:2], -1)[..., places].mean()
    assert error[RidgeScreened] < 0.95 * error[Ridge]


def test_a_screen_passes_the_neighbours_by(field: xr.DataArray) -> None:
    smooth = sum(field.roll(lat=i, lon=j, roll_coords=False) for i in range(7) for j in range(7))
    data = prepare(smooth.assign_attrs(field.attrs) / 49, 3, 1, "anomaly", "blocked")
    screened = RidgeScreened().fit(data)
    row, column = np.divmod(np.arange(735), 35)
    chosen = screened.links.argmax(1).numpy()
    assert np.maximum(abs(row - row[chosen]), abs(column - column[chosen])).min() == 5


def test_a_graph_that_is_not_there_is_neither_tied_nor_untied(field: xr.DataArray) -> None:
    for one, other in (
        (("lsntp-equations", {}), ("lsntp-untied", {})),
        (("lsntp-tuned", {}), ("lsntp-tuned", {"tied": False})),
    ):
        first, second = (
            build_network(
                RunConfig(dataset="ncep-na", model=model, parts=parts | {"lagc": False}), field[0]
            ).state_dict()
            for model, parts in (one, other)
        )
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_screen_is_pearsons_r_on_training_windows(field: xr.DataArray) -> None:
    data = prepare(field, 3, 2, "anomaly", "blocked")
    strength = RidgeScreened.screen(data)
    train, near = data.split.train, Ridge().fit(data)
    left = data.batch(train)[1] - near.scaled(data, train, near.coefficients)
    left = left.flatten(2).double().numpy()  # (n, L, N)
    for one, other in ((5, 600), (600, 5), (300, 301)):
        r = [
            np.corrcoef(left[:, lead, one], data.frames[train + step, 0].flatten(1)[:, other])[0, 1]
            for lead in range(2)
            for step in range(3)
        ]
        assert float(strength[one, other]) == pytest.approx(np.abs(r).max(), rel=1e-3)


def test_principal_components_are_those_of_a_weighted_svd(
    field: xr.DataArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge, "MODES", (3, 6))
    data = prepare(field, 6, 6, "anomaly", "blocked")
    starts, model = data.split.test[:2], RidgeEOF().fit(data)
    x, _ = next(model.blocks(data, starts))
    weight = np.sqrt(np.cos(np.radians(field["lat"].values))).repeat(35)
    fitted_on = data.frames[data.split.fit_times, 0].flatten(1).double().numpy() * weight
    values, functions = np.linalg.eigh(fitted_on.T @ fitted_on / len(fitted_on))
    last = data.batch(starts)[0][:, -1, 0].flatten(1).double().numpy() * weight
    count = model.modes.shape[1]
    expected = abs(last @ functions[:, ::-1][:, :count] / np.sqrt(values[::-1][:count]))
    assert np.allclose(abs(x[7, :, 100 : 100 + count]), expected, atol=1e-2)


@pytest.mark.parametrize("count", [2, 4])
def test_the_number_of_components_is_chosen_on_validation_windows(
    field: xr.DataArray, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge, "MODES", (2, 4))
    errors = {2: 1.0, 4: 2.0} if count == 2 else {2: 2.0, 4: 1.0}
    monkeypatch.setattr(RidgeEOF, "choose", lambda self, data: errors[self.modes.shape[1]])
    monkeypatch.setattr(RidgeEOF, "penalty", 10.0, raising=False)
    small = field[:, :6, :6]
    assert RidgeEOF().fit(prepare(small, 6, 6, "anomaly", "blocked")).modes.shape == (36, count)


def test_a_record_on_synthetic_has_errors_at_its_patches() -> None:
    whole = whole_grid("smoke")
    record = experiment.execute(RunConfig(dataset="synthetic", model="lsntp-tuned", preset=whole))
    world = synthetic()
    around = np.add.outer(np.arange(-1, 2) * 24, np.arange(-1, 2)).ravel()
    targets, sources = (np.add.outer(world[end].to_numpy(), around) for end in ("target", "source"))
    of_cells = record["mae_map"].to_numpy().reshape(6, -1)
    assert np.allclose(record["place_mae"], of_cells[:, targets.ravel()].mean(1), atol=1e-5)
    windows = record["window_mae"].mean("lead").to_series()
    by_day = windows.groupby(windows.index.normalize()).mean()
    shares = targets.size / of_cells.shape[1], 1 - targets.size / of_cells.shape[1]
    mixed = shares[0] * record["place_day_mae"] + shares[1] * record["other_day_mae"]
    assert np.allclose(mixed, by_day, atol=1e-5) and len(by_day) == 10
    weights = adjacency(record["embedding"].to_numpy())
    both, linked = weights + weights.T, np.zeros((384, 384), bool)
    for target, source in zip(targets, sources, strict=True):
        linked[np.ix_(target, source)] = linked[np.ix_(source, target)] = True
    km = great_circle_km(*grid_nodes(world["t2m"]))
    far = np.triu(km >= km[linked].min(), 1)
    above = both[linked & far][:, None] > both[far & ~linked][None]
    assert float(record["link_auc"]) == pytest.approx(above.mean(), abs=1e-3)
