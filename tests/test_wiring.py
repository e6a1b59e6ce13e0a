"""The joints: what a config says reaches data, network and training, and nothing else does."""

import errno
import os
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
import xarray as xr

from lsntp import LSNTP, RunConfig
from lsntp.data.distances import great_circle_km
from lsntp.data.synthetic import synthetic
from lsntp.data.windows import prepare, split
from lsntp.model.forecaster import pad_to_odd
from lsntp.model.graph import DistanceCut
from lsntp.runs import experiment, records, trained, training
from lsntp.runs.training import RECIPES
from lsntp.zoo import MODELS, ridge
from lsntp.zoo.ridge import Ridge


@pytest.fixture
def own_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    field.to_netcdf(tmp_path / "own.nc")
    return str(tmp_path / "own.nc")


# ---- config -> data, network, training


@pytest.mark.parametrize(
    ("model", "recipe", "expected"),
    [
        ("persistence", "released", ("anomaly", "blocked", 0)),
        ("convlstm", "modern", ("anomaly", "blocked", 0)),
        ("convlstm", "released", ("minmax", "random", 0)),
    ],
)
def test_recipe_decides_scaler_and_split(
    own_field: str,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    recipe: str,
    expected: tuple[str, str],
) -> None:
    seen = []

    def spy(field: xr.DataArray, inputs: int, leads: int, *how: object):
        seen.append(how)
        return prepare(field, inputs, leads, *how)

    monkeypatch.setattr(trained, "prepare", spy)
    experiment.execute(RunConfig(dataset=own_field, model=model, recipe=recipe, preset="smoke"))
    assert seen == [expected]


def test_config_reaches_the_training(own_field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    fit = training.fit

    def spy(model: torch.nn.Module, data: object, recipe: object, **kw: object) -> object:
        seen.update(kw, recipe=recipe)
        return fit(model, data, recipe, **kw)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "fit", spy)
    config = RunConfig(
        dataset=own_field, model="convlstm", recipe="released", preset="smoke", seed=7
    )
    experiment.execute(config)
    assert config.preset is not None
    assert seen["seed"] == 7 and seen["recipe"] == config.recipe
    assert (seen["epochs"], seen["batch_size"]) == (config.preset.epochs, config.preset.batch_size)


def test_key_names_the_steps() -> None:
    base = {"dataset": "era5-uk", "model": "convlstm"}
    keys = {RunConfig(**base, **more).key for more in ({}, {"input_steps": 5}, {"lead_steps": 5})}
    assert len(keys) == 3


def test_a_checkpoint_never_serves_other_values(own_field: str, tmp_path: Path) -> None:
    config = RunConfig(dataset=own_field, model="convlstm", preset="smoke")
    folder = tmp_path / "checkpoints"
    experiment.execute(config, checkpoints=folder)
    before = {p.name for p in folder.iterdir()}
    field = xr.load_dataset(own_field)
    field["t2m"] = (field["t2m"] + 1).assign_attrs(units="K")
    field.to_netcdf(own_field)
    experiment.execute(config, checkpoints=folder)
    assert len({p.name for p in folder.iterdir()} - before) == 1


# ---- records


def test_a_damaged_record_is_made_again(own_field: str) -> None:
    config = RunConfig(dataset=own_field, model="persistence")
    good = records.run(config)
    records.path_of(config).write_bytes(b"half a file")
    with pytest.warns(UserWarning, match="not a readable record"):
        np.testing.assert_array_equal(records.run(config)["mae"], good["mae"])


def test_a_record_that_cannot_be_opened_is_not_made_again(
    own_field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RunConfig(dataset=own_field, model="persistence")
    records.run(config)
    good = records.path_of(config).read_bytes()

    def too_many(path: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", too_many)
        with pytest.raises(records.RecordError, match="cannot be read .Too many open files"):
            records.run(config)
    assert records.path_of(config).read_bytes() == good


def test_what_is_edited_in_a_record_is_told(own_field: str, tmp_path: Path) -> None:
    """Well-formed files, so that the format's own checks say nothing."""
    config = RunConfig(dataset=own_field, model="persistence")
    good = records.run(config)
    path = records.path_of(config)
    stored = path.read_bytes()

    def edit_config(file: netCDF4.Dataset) -> None:
        file.config = file.config.replace("persistence", "climatology")

    def edit_unit(file: netCDF4.Dataset) -> None:
        file["lead"].units = "d"

    def edit_time(file: netCDF4.Dataset) -> None:
        file["window"].units = file["window"].units.replace("20", "19", 1)

    def edit_value(file: netCDF4.Dataset) -> None:
        file["mae"][0] += 1e-9

    for edit in (edit_config, edit_unit, edit_time, edit_value):
        with netCDF4.Dataset(path, "a") as file:
            edit(file)
        with pytest.raises(records.RecordError, match="checksum"):
            records.read(path)
        path.write_bytes(stored)
    xr.testing.assert_identical(records.read(path), good)


def test_a_record_of_ones_own_file_is_found_by_its_key(own_field: str) -> None:
    config = RunConfig(dataset=own_field, model="persistence")
    made = records.run(config)
    xr.testing.assert_identical(records.find_by_key(config.key[:8]), made)


# ---- checkpoints


def test_checkpoint_of_another_run_or_history_is_refused(tmp_path: Path) -> None:
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    data = prepare(field, 6, 6, "anomaly", "blocked")
    path = tmp_path / "run.safetensors"

    def fit(recipe: str = "modern", epochs: int = 1, seed: int = 0, batch_size: int = 64) -> None:
        torch.manual_seed(0)
        model = MODELS["convlstm"].build(8, 10, hidden=2, embedding=2, downsample=True)
        training.fit(
            model,
            data,
            RECIPES[recipe],
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            checkpoint=path,
        )

    fit()
    for change in ({"recipe": "released"}, {"epochs": 2}, {"seed": 1}, {"batch_size": 32}):
        with pytest.raises(ValueError, match="of another run"):
            fit(**change)
    good = path.read_bytes()
    at = good.index(b"validation_loss") + len(b'validation_loss\\": [0.')
    flipped = bytes([good[at] ^ 1])
    path.write_bytes(good[:at] + flipped + good[at + 1 :])
    with pytest.raises(ValueError, match="damaged"):
        fit()


def test_gradients_are_clipped() -> None:
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    data = prepare(field, 6, 6, "anomaly", "blocked")
    model = MODELS["convlstm"].build(8, 10, hidden=2, embedding=2, downsample=True)
    tiny = RECIPES["modern"].model_copy(update={"clip_norm": 1e-4})
    training.fit(model, data, tiny, epochs=1, batch_size=64, seed=0)
    total = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    assert float(total) <= 1.001e-4


# ---- windows


def test_kelvin_comes_back_at_the_times_of_the_forecast() -> None:
    """A strong daily cycle: one step off would show."""
    times = pd.date_range("2020-01-01", periods=400, freq="h")
    cycle = 280 + 10 * np.sin(2 * np.pi * times.hour / 24)
    rng = np.random.default_rng(0)
    field = xr.DataArray(
        (cycle.to_numpy()[:, None, None] + rng.normal(0, 1, (400, 2, 3))).astype("f4"),
        coords={"time": times, "lat": [1.0, 0.0], "lon": [0.0, 1.0, 2.0]},
        dims=("time", "lat", "lon"),
        attrs={"units": "K", "step_hours": 1.0, "test_start": str(times[300])},
    )
    data = prepare(field, 6, 6, "anomaly", "blocked")
    starts = data.split.test
    back = data.to_kelvin(data.batch(starts)[1][:, :, 0].numpy(), starts)
    np.testing.assert_allclose(back, data.targets(starts), atol=1e-3)


def test_blocks_lie_in_the_middle_of_each_third_and_the_released_draw_is_fixed() -> None:
    times = pd.date_range("2020-01-01", periods=700, freq="h")
    field = xr.DataArray(
        np.zeros((700, 2, 2), "f4"),
        coords={"time": times, "lat": [1.0, 0.0], "lon": [0.0, 1.0]},
        dims=("time", "lat", "lon"),
        attrs={"test_start": str(times[600])},
    )
    # 600 steps: three blocks of 30 about 100, 300 and 500
    blocked = split(field, 6, 6, "blocked")
    expected = np.concatenate([np.arange(first, first + 19) for first in (85, 285, 485)])
    np.testing.assert_array_equal(blocked.validation, expected)
    released = split(field, 6, 6, "random")
    drawn = np.random.RandomState(1).permutation(589)[: int(np.ceil(0.15 * 589))]
    np.testing.assert_array_equal(released.validation, np.sort(drawn))


# ---- ridge


def test_ridge_chooses_its_penalty_without_the_validation_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    field = synthetic(height=8, width=9, steps=400, links=1, seed=1).t2m
    data = prepare(field, 6, 6, "anomaly", "blocked")
    seen, fitted_on = [], []
    fit, blocks = Ridge.fitted, Ridge.blocks
    monkeypatch.setattr(Ridge, "blocks", lambda r, d, s: seen.append(s) or blocks(r, d, s))
    monkeypatch.setattr(Ridge, "fitted", lambda r, d, s: fitted_on.append(s) or fit(r, d, s))
    Ridge().fit(data)
    assert len(seen) == 3 and len(fitted_on) == 1
    np.testing.assert_array_equal(seen[0], data.split.validation)
    np.testing.assert_array_equal(seen[1], data.split.train)
    np.testing.assert_array_equal(fitted_on[0], np.arange(320 - 11))


@pytest.mark.parametrize("rows", [1, 3])
def test_ridge_is_the_same_however_many_rows_it_takes_at_a_time(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    field = synthetic(height=8, width=9, steps=400, links=1, seed=1).t2m
    data = prepare(field, 6, 6, "anomaly", "blocked")
    whole = Ridge().fit(data)
    monkeypatch.setattr(ridge, "AT_ONCE", rows * 400 * 9 * 101 * 8)
    assert len([*Ridge().blocks(data, data.split.test)]) == -(-8 // rows)
    apart = Ridge().fit(data)
    assert apart.penalty == whole.penalty
    torch.testing.assert_close(apart.coefficients, whole.coefficients, rtol=1e-9, atol=1e-12)
    kelvin = [r.predict(data, data.split.test) for r in (whole, apart)]
    np.testing.assert_allclose(*kelvin, rtol=1e-6)
    torch.testing.assert_close(whole.cross_fitted(data), apart.cross_fitted(data))


def test_ridge_sees_the_steps_it_says() -> None:
    """Lags 0, 1, 2 and 4: the centre of the patch at each, worked out by hand."""
    field = synthetic(height=8, width=9, steps=400, links=1, seed=1).t2m
    data = prepare(field, 6, 6, "anomaly", "blocked")
    ((x, _),) = Ridge().blocks(data, np.array([10]))
    cell = 4 * 9 + 5
    centres = x[cell, 0, [12, 37, 62, 87]]
    expected = data.frames[[15, 14, 13, 11], 0, 4, 5].double()
    assert torch.equal(centres, expected)


# ---- forecaster


def test_even_grids_repeat_their_last_row_and_column() -> None:
    x = torch.arange(4.0).view(1, 1, 1, 2, 2)
    assert pad_to_odd(x)[0, 0, 0].tolist() == [[0, 1, 1], [2, 3, 3], [2, 3, 3]]
    torch.manual_seed(0)
    even = LSNTP.equations(8, 10, hidden=2, embedding=3, downsample=True)
    odd = LSNTP.equations(9, 11, hidden=2, embedding=3, downsample=True)
    odd.load_state_dict(even.state_dict())
    x = torch.randn(2, 6, 1, 8, 10)
    padded = F.pad(x.flatten(0, 1), (0, 1, 0, 1), mode="replicate").view(2, 6, 1, 9, 11)
    torch.testing.assert_close(even(x), odd(padded)[..., :8, :10])


def test_forms_are_built_as_they_say() -> None:
    equations = LSNTP.equations(8, 10, hidden=2, embedding=3, kernel=5)
    released = LSNTP.released(8, 10, hidden=2, embedding=3, kernel=5)
    for layer in (*equations.encoder, *equations.decoder):
        assert len(layer.cell.operator.nsa) == 2
        assert layer.cell.operator.lsi.bias is not None and not layer.cell.operator.relu
        assert layer.cell.w_ci.shape == (1, 2, 8, 10)
        assert layer.cell.operator.lsi.kernel_size == (5, 5)
    for layer in (*released.encoder, *released.decoder):
        assert len(layer.cell.operator.nsa) == 1
        assert layer.cell.operator.lsi.bias is None and layer.cell.operator.relu
        assert layer.cell.w_ci.shape == (1, 2, 1, 1)
        assert layer.cell.operator.lsi.kernel_size == (5, 5)


def test_distance_cut_reaches_the_graph() -> None:
    lat, lon = np.repeat([50.0, 49.0], 3), np.tile([0.0, 1.0, 2.0], 2)
    distance = torch.from_numpy(great_circle_km(lat, lon))
    model = LSNTP.equations(2, 3, 2, 3, cut=DistanceCut(lat, lon, 100.0))
    assert ((model.adjacency() > 0) == (distance <= 100)).all()


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04half"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_broken_checkpoint_files_are_told(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"checkpoint{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole checkpoint|not a torch checkpoint"):
        LSNTP.released(6, 7, 4, 8).load_released(path)


def test_a_list_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="expected weights by name, got list"):
        LSNTP.released(6, 7, 4, 8).load_released(tmp_path / "list.pth")
