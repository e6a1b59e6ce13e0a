"""Masked cells: without values at all times, they do not count anywhere."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from skimage.metrics import structural_similarity
from torch import nn

from lsntp import AdaptiveGraph, DistanceCut, RunConfig, score
from lsntp.data.datasets import standardise
from lsntp.data.distances import grid_nodes
from lsntp.data.fields import DataError, with_values
from lsntp.data.synthetic import synthetic
from lsntp.data.windows import SCALERS, prepare
from lsntp.runs import forecasts, training
from lsntp.runs.config import PRESETS
from lsntp.runs.experiment import one_thread, three_cases
from lsntp.runs.trained import Trained, build_network, fitted
from lsntp.zoo import LABELS, NETWORKS


@pytest.fixture(autouse=True)
def own_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))


def masked_field(height: int = 14, width: int = 15) -> xr.DataArray:
    field = synthetic(height=height, width=width, steps=300, links=1, seed=1).t2m
    land = np.zeros(field.shape[1:], bool)
    land[:4, :5] = land[10, 12] = land[-1, 0] = True
    return standardise(field.where(~land).assign_attrs(units="K"))


def test_cells_missing_at_all_times_are_a_mask_and_at_some_an_error() -> None:
    field = masked_field()
    assert (~with_values(field)).sum() == 22
    broken = field.copy()
    broken[7, 8, 8] = np.nan
    with pytest.raises(DataError, match="NaN"):
        standardise(broken)
    with pytest.raises(DataError, match="NaN"):
        standardise(field * np.nan)


def test_scores_are_those_of_the_cells_that_are_there() -> None:
    field = masked_field()
    there = with_values(field)
    target = field[6:30].values.reshape(4, 6, *there.shape)
    pred = target + np.random.default_rng(0).normal(0, 1, target.shape)
    pred[..., ~there] = 1e9  # whatever is forecast there
    dims = ("window", "lead", "lat", "lon")
    made = score(*(xr.DataArray(a, dims=dims, attrs={"units": "K"}) for a in (pred, target)))
    error = (pred - target.astype(float))[..., there]
    np.testing.assert_allclose(made["mae"], abs(error).mean(axis=(0, 2)))
    np.testing.assert_allclose(made["rmse"], np.sqrt((error**2).mean(axis=(0, 2))))
    np.testing.assert_allclose(
        made["rmse_per_cell"], np.sqrt((error**2).mean(axis=0)).mean(axis=-1)
    )
    low, high = np.nanmin(target), np.nanmax(target)
    span = float(high) - float(low)
    np.testing.assert_allclose(
        made["psnr"], (10 * np.log10(span**2 / (error**2).mean(axis=-1))).mean(axis=0)
    )
    assert made.attrs["cells"] == there.sum()
    for lead in range(6):  # every window of 7 x 7 alone
        found = []
        for sample in range(4):
            for i in range(there.shape[0] - 6):
                for j in range(there.shape[1] - 6):
                    box = np.s_[i : i + 7, j : j + 7]
                    if there[box].all():
                        x, y = (
                            (a[sample, lead][box].astype(float) - low) / span
                            for a in (pred, target)
                        )
                        found.append(structural_similarity(x, y, data_range=1))
        np.testing.assert_allclose(made["ssim"][lead], np.mean(found))


def test_without_a_whole_window_there_is_no_ssim() -> None:
    field = masked_field().where(lambda a: a["lat"].round() != a["lat"][6].round())
    target = field[6:12].rename(time="lead").drop_vars("lead").where(np.indices((14, 15))[1] != 7)
    made = score(target + 1, target)
    assert made["ssim"].isnull().all() and np.allclose(made["mae"], 1)


@pytest.mark.parametrize("scaler", SCALERS)
def test_scaled_frames_are_zero_there_and_as_without_those_cells(scaler: str) -> None:
    field = masked_field()
    there = with_values(field)
    data = prepare(field, 6, 6, scaler, "blocked")
    assert (data.frames[:, 0, ~there] == 0).all()
    inside = field.isel(lat=slice(4, 10))  # rows without a masked cell, on their own
    if scaler == "anomaly":
        alone = prepare(inside, 6, 6, scaler, "blocked")
        ratio = data.scaler.deviation / alone.scaler.deviation  # type: ignore[attr-defined]
        torch.testing.assert_close(
            alone.frames, data.frames[:, :, 4:10] * ratio, rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("cut_km", [None, 2000.0])
@pytest.mark.parametrize("method", ["dense", "tiled"])
def test_nodes_without_values_have_no_links(cut_km: float | None, method: str) -> None:
    field = masked_field()
    cells = torch.from_numpy(with_values(field).ravel().nonzero()[0])
    cut = None if cut_km is None else DistanceCut(*grid_nodes(field), cut_km)
    graph = AdaptiveGraph(field[0].size, 4, cut, method)  # type: ignore[arg-type]
    graph.restrict(cells)
    matrix = graph()
    among = torch.softmax(torch.relu(graph.embedding[cells] @ graph.embedding[cells].T), dim=1)
    if cut is not None:
        among = among * cut.within(slice(None), slice(None))[cells][:, cells]
    expected = torch.zeros_like(matrix).index_put((cells[:, None], cells[None]), among)
    torch.testing.assert_close(matrix, expected)
    x = torch.randn(field[0].size, 3)
    torch.testing.assert_close(graph.adjacency() @ x, expected @ x)


@pytest.mark.parametrize("model", LABELS)
def test_every_model_is_trained_without_them(model: str, tmp_path: Path) -> None:
    field = masked_field()
    there = with_values(field)
    settings = {"preset": "smoke"} if model in NETWORKS else {}
    config = RunConfig(dataset="own", model=model, **settings)  # type: ignore[arg-type]
    with one_thread():
        trained, data, history = fitted(config, field)
        made = trained.predict(data, data.split.test)
        trained.save(tmp_path)
        again = forecasts.forecast(Trained.load(tmp_path), field, made["window"].values)
    assert made.isnull().values[..., ~there].all() and made.notnull().values[..., there].all()
    np.testing.assert_array_equal(again["t2m"], made)
    np.testing.assert_array_equal(again["reference_time"], made["window"])
    assert np.isfinite(history.train_loss).all()


@pytest.mark.parametrize("model", ["lsntp-equations", "lsntp-tuned"])
def test_what_marks_a_masked_cell_does_not_matter(model: str) -> None:
    """The same weights, whatever stands there for no value."""
    field, weights = masked_field(), []
    config = RunConfig(dataset="own", model=model, preset="smoke")
    for filling in (np.nan, np.inf, -np.inf):
        filled = standardise(field.fillna(filling))
        with one_thread():
            weights.append(fitted(config, filled)[0].model.state_dict())  # type: ignore[union-attr]
    for name, value in weights[0].items():
        assert all(torch.equal(value, others[name]) for others in weights[1:]), name


class EachCellAlone(nn.Module):
    """Forecasts of a cell that no other cell has a part in."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, 0.1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.weight[0] * x[:, -1:] + self.weight[1]).expand(-1, 6, -1, -1, -1)


@pytest.mark.parametrize("recipe", ["modern", "released"])
def test_masked_targets_do_not_matter(recipe: str) -> None:
    field, how = masked_field(), training.RECIPES[recipe]
    data = prepare(field, 6, 6, how.scaler, how.validation)
    outcome = []
    for filling in (0.0, 1e3):
        data.frames[:, 0, ~with_values(field)] = filling
        model = EachCellAlone()
        history = training.fit(model, data, how, epochs=2, batch_size=64, seed=0)
        outcome.append((history.train_loss, history.validation_loss, model.weight.tolist()))
    assert outcome[0] == outcome[1]


def test_the_loss_is_the_mean_over_the_cells_that_are_there() -> None:
    there = np.array([[True, False, True], [True, False, False]])
    a, b = torch.randn(2, 4, 6, 1, 2, 3)
    error = (a - b).numpy()[..., there]
    assert training.loss_over(there, "mae")(a, b).item() == pytest.approx(abs(error).mean())
    assert training.loss_over(there, "mse")(a, b).item() == pytest.approx((error**2).mean())


@pytest.mark.parametrize("downsample", [False, True])
@pytest.mark.parametrize("model", ["lsntp-equations", "dagg-convlstm"])
def test_nodes_that_see_no_value_have_no_part_in_the_graph(model: str, downsample: bool) -> None:
    field = masked_field(13, 15)
    there = with_values(field)
    preset = PRESETS["smoke"].model_copy(update={"name": "mine", "downsample": downsample})
    net = build_network(RunConfig(dataset="own", model=model, preset=preset), field)
    seen = [box for box in np.ndindex(there.shape) if there[box]]
    if downsample:  # a node sees 3 x 3 cells, the next one begins two cells on
        boxes = [np.s_[i : i + 3, j : j + 3] for i in range(0, 11, 2) for j in range(0, 13, 2)]
        nodes = [k for k, box in enumerate(boxes) if there[box].any()]
        assert not all(there[boxes[k]].all() for k in nodes)  # some see both kinds
    else:
        nodes = [15 * i + j for i, j in seen]
    count = 6 * 7 if downsample else 13 * 15
    assert net.graph.cells.tolist() == nodes and 0 < len(nodes) < count
    torch.manual_seed(0)
    net(torch.randn(2, 6, 1, 13, 15)).square().mean().backward()
    slope = net.graph.embedding.grad.abs().sum(dim=1)
    absent = torch.ones(count, dtype=torch.bool).index_fill(0, net.graph.cells, False)
    assert (slope[absent] == 0).all() and (slope[~absent] > 0).all()


@pytest.mark.parametrize("scaler", SCALERS)
def test_forecasts_in_kelvin_are_missing_there_and_nowhere_else(scaler: str) -> None:
    field = masked_field()
    data = prepare(field, 6, 6, scaler, "blocked")
    made = data.to_kelvin(np.zeros((2, 6, 14, 15), np.float32), data.split.test[:2])
    assert (made.isnull() == ~with_values(field)).all()


def test_three_cases_are_chosen_by_the_cells_that_are_there() -> None:
    field = masked_field()
    data = prepare(field, 6, 6, "anomaly", "blocked")
    starts = data.split.test
    made = three_cases(data.targets(starts), data)
    cells = field.to_numpy()[:, with_values(field)].astype(float)
    change = [abs(cells[i + 6 : i + 12] - cells[i + 5]).mean() for i in starts]
    order = np.argsort(change)
    chosen = [order[round(share * (len(order) - 1))] for share in (0.05, 0.5, 1)]
    np.testing.assert_array_equal(made["cases_time"], field["time"].values[starts[chosen] + 5])
    assert (made["cases_truth"].isnull() == ~with_values(field)).all()


def test_another_mask_is_refused_and_the_advice_works() -> None:
    field = masked_field()
    trained = forecasts.train(field, "climatology")
    whole = standardise(synthetic(14, 15, 300, links=1, seed=1).t2m.assign_attrs(units="K"))
    with pytest.raises(DataError, match="masked"):
        forecasts.forecast(trained, whole)
    forecasts.forecast(trained, whole.where(with_values(field)))
