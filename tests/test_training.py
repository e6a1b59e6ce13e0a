"""Training: it learns, it is deterministic, and resuming it changes nothing."""

from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lsntp.data.windows import Windows, prepare
from lsntp.runs.training import RECIPES, Recipe, fit, forecast, learning_rate, predict
from lsntp.zoo import MODELS

SETTINGS = {"epochs": 4, "batch_size": 16, "seed": 3}


@pytest.fixture(scope="module")
def data() -> Windows:
    from lsntp.data.synthetic import synthetic

    field = synthetic(height=12, width=14, steps=300, links=2, seed=1).t2m
    return prepare(field, 6, 6, "anomaly", "blocked")


def network(name: str = "convlstm") -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS[name].build(12, 14, hidden=4, embedding=4, downsample=True)


def test_training_beats_persistence_in_scaled_units(data: Windows) -> None:
    model = network()
    history = fit(model, data, RECIPES["modern"], epochs=12, batch_size=8, seed=0)
    inputs, targets = data.batch(data.split.validation)
    persistence = (targets - inputs[:, -1:]).abs().mean().item()
    assert min(history.validation_loss) < 0.9 * persistence
    assert history.train_loss[-1] < history.train_loss[0]


def test_same_seed_same_weights_other_seed_others(data: Windows) -> None:
    weights = []
    for seed in (3, 3, 4):
        model = network()
        fit(model, data, RECIPES["modern"], **{**SETTINGS, "seed": seed})
        weights.append(torch.cat([p.flatten() for p in model.state_dict().values()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_best_validation_epoch_is_kept(data: Windows) -> None:
    model = network()
    history = fit(model, data, RECIPES["released"], **SETTINGS)
    scaled = predict(model, data, data.split.validation, residual=False)
    truth = data.batch(data.split.validation)[1][:, :, 0].numpy()
    assert np.square(scaled - truth).mean() == pytest.approx(min(history.validation_loss), rel=1e-5)
    assert history.validation_loss[history.best_epoch] == min(history.validation_loss)


@pytest.mark.parametrize(
    ("name", "average"), [("convlstm", 0.0), ("simvp", 0.9), ("predformer", 0.0)]
)
def test_resumed_is_uninterrupted_bit_for_bit(
    data: Windows, tmp_path: Path, name: str, average: float
) -> None:
    """Stopped after each epoch in turn (the schedule, batch statistics and means must not see)."""
    recipe = RECIPES["modern"].model_copy(update={"average": average})
    whole = network(name)
    fit(whole, data, recipe, **SETTINGS)
    for stop in range(1, SETTINGS["epochs"]):
        checkpoint = tmp_path / f"{stop}.safetensors"

        class Stop(Exception):
            pass

        model = network(name)
        seen = []

        def stop_after(*_: object, seen: list = seen, stop: int = stop) -> None:
            seen.append(1)
            # one forward pass a batch and one for the validation windows
            if len(seen) > stop * (-(-len(data.split.train) // 16) + 1):
                raise Stop

        model.register_forward_pre_hook(stop_after)
        with pytest.raises(Stop):
            fit(model, data, recipe, **SETTINGS, checkpoint=checkpoint)
        resumed = network(name)
        fit(resumed, data, recipe, **SETTINGS, checkpoint=checkpoint)
        for weight, value in whole.state_dict().items():
            assert torch.equal(value, resumed.state_dict()[weight]), (stop, weight)


def test_the_mean_of_the_weights_is_what_is_kept(data: Windows) -> None:
    """Against a mean taken by hand over the steps of one epoch."""
    steps: list[torch.Tensor] = []

    class Watched(torch.optim.AdamW):
        def step(self, *arguments: object) -> None:  # type: ignore[override]
            super().step(*arguments)
            steps.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone())

    recipe = RECIPES["modern"].model_copy(update={"average": 0.8})
    model = network()
    with mock.patch("torch.optim.AdamW", Watched):
        fit(model, data, recipe, epochs=1, batch_size=16, seed=0)
    mean = steps[0]
    for weights in steps[1:]:
        mean = 0.8 * mean + 0.2 * weights
    kept = torch.nn.utils.parameters_to_vector(model.parameters())
    torch.testing.assert_close(kept, mean)
    assert not torch.allclose(kept, steps[-1])


def test_damaged_or_foreign_checkpoints_are_refused(data: Windows, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    fit(network(), data, RECIPES["modern"], **{**SETTINGS, "epochs": 1}, checkpoint=path)
    good = path.read_bytes()
    other = network("lsntp-released")
    with pytest.raises(ValueError, match="holds another model"):
        fit(other, data, RECIPES["modern"], **{**SETTINGS, "epochs": 1}, checkpoint=path)
    path.write_bytes(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
    with pytest.raises(ValueError, match="damaged: its checksum"):
        fit(network(), data, RECIPES["modern"], **SETTINGS, checkpoint=path)
    path.write_bytes(good[:100])
    with pytest.raises(ValueError, match="not a readable checkpoint.*delete"):
        fit(network(), data, RECIPES["modern"], **SETTINGS, checkpoint=path)


def test_diverging_training_is_reported(data: Windows) -> None:
    recipe = RECIPES["released"].model_copy(update={"learning_rate": 1e30})
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fit(network(), data, recipe, **SETTINGS)


def test_residual_forecast_adds_the_first_guess(data: Windows) -> None:
    class Ones(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(x), 6, 1, 2, 2)

    x = torch.arange(48.0).view(1, 12, 1, 2, 2)
    frames = x[:, :6]
    assert torch.equal(forecast(Ones(), frames, data, residual=False), torch.ones(1, 6, 1, 2, 2))
    added = forecast(Ones(), frames, data, residual=True)
    assert torch.equal(added[0, 1, 0], frames[0, -1, 0] + 1)
    guessed = replace(data, guesses=torch.zeros(1))
    assert torch.equal(forecast(Ones(), x, guessed, residual=True), x[:, 6:] + 1)


def test_a_guess_needs_blocked_validation() -> None:
    fields = RECIPES["tuned"].model_dump() | {"validation": "random"}
    with pytest.raises(ValidationError, match='guess="ridge": expected residual=True'):
        Recipe(**fields)


def test_schedules() -> None:
    assert learning_rate(RECIPES["released"], 0.9) == 1e-3
    rates = [learning_rate(RECIPES["modern"], p) for p in np.linspace(0, 0.999, 1000)]
    assert max(rates) == pytest.approx(3e-3, rel=1e-2)
    assert np.argmax(rates) == pytest.approx(300, abs=5)
    assert rates[0] < 0.05 * max(rates) and rates[-1] < 1e-3 * max(rates)
