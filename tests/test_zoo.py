"""The references against forecasts worked another way, and the numbers measured before."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lsntp import RunConfig, score
from lsntp.data.synthetic import synthetic
from lsntp.data.windows import Windows, prepare
from lsntp.zoo import MODELS, NETWORKS, REFERENCES
from lsntp.zoo.ridge import LAGS, Ridge


@pytest.fixture(scope="module")
def data() -> Windows:
    field = synthetic(height=8, width=9, steps=400, links=1, seed=1).t2m
    return prepare(field, 6, 6, "anomaly", "blocked")


def test_persistence_repeats_the_last_frame_seen(data: Windows) -> None:
    forecast = MODELS["persistence"].build().fit(data).predict(data, data.split.test[:3])
    for k, start in enumerate(data.split.test[:3]):
        for lead in range(6):
            np.testing.assert_array_equal(forecast[k, lead], data.field[int(start) + 5])


def test_climatology_is_the_mean_by_time_of_day(data: Windows) -> None:
    forecast = MODELS["climatology"].build().fit(data).predict(data, data.split.test[:2])
    before = data.field[: int(data.split.test[0])]
    hour = data.field.time[int(data.split.test[1]) + 6 + 2].dt.hour
    expected = before[before.time.dt.hour == hour].mean("time")
    np.testing.assert_allclose(forecast[1, 2], expected, rtol=1e-6)


def test_ridge_solves_the_penalised_least_squares_of_a_cell(data: Windows) -> None:
    """Corner and inner cell, against the augmented least-squares problem."""
    model = Ridge()
    starts = data.split.train
    model.penalty = 10.0
    coefficients = model.fitted(data, starts)
    frames = data.frames[:, 0].double().numpy()
    padded = np.pad(frames, ((0, 0), (2, 2), (2, 2)))
    for row, column in [(0, 0), (4, 5)]:
        x = np.array(
            [
                [
                    padded[s + 5 - lag, row + p, column + q]
                    for lag in LAGS
                    for p in range(5)
                    for q in range(5)
                ]
                for s in starts
            ]
        )
        y = np.array([[frames[s + 6 + lead, row, column] for lead in range(6)] for s in starts])
        x1 = np.hstack([x, np.ones((len(x), 1))])
        penalty = np.sqrt(10.0) * np.eye(101)
        penalty[-1] = 0
        expected = np.linalg.lstsq(np.vstack([x1, penalty]), np.vstack([y, np.zeros((101, 6))]))[0]
        np.testing.assert_allclose(coefficients[row * 9 + column], expected, atol=1e-8)


def test_ridge_forecasts_a_field_it_can_know() -> None:
    """A pattern that moves one cell east a step is inside its neighbourhood for two steps."""
    rng = np.random.default_rng(0)
    field = synthetic(height=8, width=9, steps=400, links=1, seed=1).t2m
    noise = rng.normal(280, 5, (8, 9 + 400)).astype(np.float32)
    moving = field.copy(data=np.stack([noise[:, 400 - t : 409 - t] for t in range(400)]))
    data = prepare(moving, 6, 6, "anomaly", "blocked")
    forecast = Ridge().fit(data).predict(data, data.split.test)
    error = abs(forecast - data.targets(data.split.test)).mean(["window", "lat"])
    assert float(error[0, 2:].max()) < 1.5  # one step: known but for the edge, up to the penalty
    assert float(error[1, 3:].max()) < 1.5  # two steps: at the rim of the neighbourhood
    assert float(error[5, :].min()) > 3  # six steps: out of reach


def test_nothing_after_the_test_start_is_used(data: Windows) -> None:
    """Change the test period: the forecasts of its first window must not change."""
    changed = data.field.copy(data=data.field.values.copy())
    changed[int(data.split.test[0]) + 6 :] += 10
    other = prepare(changed, 6, 6, "anomaly", "blocked")
    for name in REFERENCES:
        build = MODELS[name].build
        first, second = (build().fit(d).predict(d, d.split.test[:1]) for d in (data, other))
        np.testing.assert_array_equal(first, second, err_msg=name)


MEASURED = {  # the project's own earlier measurements, by hand-written numpy
    "ncep-na": [1.94, 2.83, 2.65, 2.28, 3.12, 3.66],
    "era5-uk": [0.34, 0.64, 0.94, 1.22, 1.47, 1.70],
}


@pytest.mark.parametrize("name", MEASURED)
def test_persistence_on_the_real_sets(real_data: Path, name: str) -> None:
    from lsntp import open_dataset

    data = prepare(open_dataset(name), 6, 6, "anomaly", "blocked")
    starts = data.split.test
    table = score(MODELS["persistence"].build().predict(data, starts), data.targets(starts))
    np.testing.assert_allclose(table.mae, MEASURED[name], atol=0.006)


def test_unfolded_patches_are_in_the_order_the_penalty_assumes(data: Windows) -> None:
    """The intercept is the last regressor and the only one that is not penalised."""
    ((x, _),) = Ridge().blocks(data, data.split.validation)
    assert x.shape[-1] == 4 * 25 + 1
    assert torch.equal(x[..., -1], torch.ones_like(x[..., -1]))


# ---- the registry


def test_every_row_is_told_apart() -> None:
    for of in ("label", "colour"):
        assert len({getattr(model, of) for model in MODELS.values()}) == len(MODELS)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_says_what_its_network_is(name: str) -> None:
    model = MODELS[name]
    network = model.build(7, 8, hidden=2, embedding=3, downsample=False, lead_steps=2)
    assert (network.graph is not None) == model.graph
    assert model.graph == model.parts.get("lagc", model.graph)
    for part, there in model.parts.items():
        changed = model.build(7, 8, 2, 3, downsample=False, lead_steps=2, **{part: not there})
        assert isinstance(changed, type(network))


def test_a_config_takes_recipe_and_size_from_the_model_s_row() -> None:
    tuned = RunConfig(dataset="era5-uk", model="lsntp-tuned")
    assert tuned.recipe is not None and tuned.preset is not None
    assert (tuned.recipe.name, tuned.preset.name) == ("tuned", "tuned")
    named = RunConfig(dataset="era5-uk", model="lsntp-tuned", recipe="tuned", preset="tuned")
    assert tuned == named and tuned.key == named.key
    other = RunConfig(dataset="era5-uk", model="lsntp-tuned", recipe="modern", preset="laptop")
    assert other.key != tuned.key
