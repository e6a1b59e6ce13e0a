"""Configs, records, campaigns: keys that do not collide, files that cannot be half-written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from typer.testing import CliRunner

from lsntp import RunConfig, load_records, open_dataset, run, score
from lsntp.cli import app
from lsntp.results import campaigns, compare, tables
from lsntp.runs import records, training
from lsntp.runs.config import PRESETS
from lsntp.runs.experiment import execute, one_thread
from lsntp.runs.trained import Trained, fitted
from lsntp.runs.training import RECIPES
from lsntp.runs.verification import verify
from lsntp.zoo import LABELS, NETWORKS, REFERENCES


@pytest.fixture
def own_field(tmp_path: Path) -> str:
    """A user's own file: small, synthetic."""
    from lsntp.data.synthetic import synthetic

    path = tmp_path / "own.nc"
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    field.to_netcdf(path)
    return str(path)


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records and checkpoints of a test go to its own folder."""
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "records"


def smoke(dataset: str, model: str = "lsntp-equations", **kw: object) -> RunConfig:
    return RunConfig(dataset=dataset, model=model, preset="smoke", **kw)


def test_keys_name_every_choice_and_survive_a_round_trip() -> None:
    configs = campaigns.configs("all", "laptop", 3)
    assert len({c.key for c in configs}) == len(configs)
    for config in configs:
        again = RunConfig.model_validate_json(config.model_dump_json())
        assert again == config and again.key == config.key and again.keeps_all == config.keeps_all
    base = RunConfig(dataset="era5-uk", model="lsntp-equations")
    for change in (
        {"seed": 7},
        {"lead_steps": 3},
        {"preset": "paper"},
        {"recipe": "released"},
        {"rotation": 1},
        {"parts": {"nsa": False}},
        {"cut_km": 0},
        {"test_cuts_km": [0.0]},
        {"cases": True},
    ):
        assert RunConfig(**{**base.model_dump(), **change}).key != base.key


def test_the_keys_of_the_first_records_have_not_changed() -> None:
    assert RunConfig(dataset="era5-uk", model="ridge").key == "bed393e03bc145e1"
    assert RunConfig(dataset="ncep-na", model="convlstm", seed=2).key == "f32e14dbffd413c6"


def test_parts_are_those_unlike_the_form() -> None:
    base = RunConfig(dataset="era5-uk", model="lsntp-equations")
    assert RunConfig(dataset="era5-uk", model="lsntp-equations", parts={"nsa": True}) == base


def test_references_have_one_record_whatever_the_recipe() -> None:
    keys = {RunConfig(dataset="era5-uk", model="ridge", recipe=r, seed=s).key
            for r in RECIPES for s in (0, 1)}  # fmt: skip
    assert len(keys) == 1


def test_every_model_has_a_label() -> None:
    assert set(LABELS) == {*REFERENCES, *NETWORKS}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "transformer"}, "(?s)model.*expected one of persistence.*transformer"),
        ({"recipe": "old"}, "(?s)recipe.*expected one of modern, released, tuned.*old"),
        ({"preset": "huge"}, "(?s)preset.*expected one of smoke, laptop, tuned.*huge"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"epoch": 3}, "Extra inputs are not permitted"),
        ({"parts": {"nsa": False}}, "nsa of convlstm: expected some of none"),
        ({"cut_km": 0}, "convlstm without a graph"),
        ({"test_cuts_km": [1.0]}, "convlstm without a graph"),
        ({"model": "lsntp-equations", "parts": {"lagc": False}, "cut_km": 5}, "without a graph"),
        (
            {"model": "lsntp-equations", "parts": {"cnn": False}},
            "cnn of .*expected some of nsa, lagc",
        ),
        ({"model": "lsntp-equations", "cut_km": -1}, "greater than or equal to 0"),
    ],
)
def test_bad_configs(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RunConfig(**{"dataset": "era5-uk", "model": "convlstm", **change})
    even = {**PRESETS["smoke"].model_dump(), "kernel": 4}
    with pytest.raises(ValidationError, match="(?s)kernel.*expected an odd number"):
        RunConfig(dataset="era5-uk", model="convlstm", preset=even)


def test_record_holds_what_it_says(own_field: str) -> None:
    config = smoke(own_field)
    record = run(config)
    assert record.attrs["key"] == config.key
    assert record.attrs["fingerprint"] == open_dataset(own_field).attrs["fingerprint"]
    assert record.sizes["lead"] == 6 and record.sizes["window"] == 80 - 11
    assert record["embedding"].shape == (4 * 5, PRESETS["smoke"].embedding)
    # three ways to the same mean error: by lead, by cell, by window
    mae = record["mae"].values
    np.testing.assert_allclose(record["mae_map"].mean(["lat", "lon"]), mae, rtol=2e-4)
    np.testing.assert_allclose(record["window_mae"].mean("window"), mae, rtol=2e-4)
    np.testing.assert_allclose(
        np.sqrt(record["window_mse"].mean("window")), record["rmse"], rtol=2e-4
    )
    table = load_records()
    assert table.loc[0, "key"] == config.key
    assert table.loc[0, "mae"] == pytest.approx(mae.mean())
    assert table.loc[0, "mae_lead_6"] == mae[5]
    for column in ("dataset", "model", "recipe", "preset", "seed", "rmse", "ssim", "psnr",
                   "parameters", "wall_s", "device"):  # fmt: skip
        assert column in table


def test_stored_record_is_returned_and_a_fresh_one_agrees(own_field: str, stores: Path) -> None:
    config = smoke(own_field)
    first = run(config)
    path = records.path_of(config)
    made = path.stat().st_mtime_ns
    assert run(config).identical(first)
    assert path.stat().st_mtime_ns == made
    assert verify(first).answer == "identical"
    assert [p.name for p in stores.iterdir()] == [path.name]  # no temporary file left


def test_a_file_that_changed_is_not_answered_from_its_old_record(own_field: str) -> None:
    config = RunConfig(dataset=own_field, model="persistence")
    first = run(config)
    field = xr.load_dataset(own_field)
    field["t2m"] = field["t2m"].mean() + 1.1 * (field["t2m"] - field["t2m"].mean())
    field["t2m"].attrs["units"] = "K"
    field.to_netcdf(own_field)
    second = run(config)
    np.testing.assert_allclose(second["mae"], 1.1 * first["mae"], rtol=1e-4)


def test_records_of_ones_own_files_stay_out_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LSNTP_RECORDS_DIR")
    assert records.store_dir("era5-uk").parts[-3:] == ("data", "records", "runs")
    assert records.store_dir("own.nc") == tmp_path / "cache" / "records"


def test_damaged_or_renamed_records_are_refused(own_field: str) -> None:
    config = RunConfig(dataset=own_field, model="persistence")
    run(config)
    path = records.path_of(config)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(records.RecordError, match="not a readable record.*restore"):
        records.find(config)
    path.write_bytes(good)
    other = RunConfig(dataset=own_field, model="climatology")
    path.rename(records.path_of(other))
    with pytest.raises(records.RecordError, match=f"holds own-persistence-{config.key}"):
        records.find(other)


def test_missing_record() -> None:
    with pytest.raises(records.RecordError, match="no record of era5-uk-ridge.*lsntp run"):
        records.find(RunConfig(dataset="era5-uk", model="ridge"))


def test_nothing_is_left_behind_when_writing_fails(
    own_field: str, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(self: xr.Dataset, path: Path, **_: object) -> None:
        path.write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full_disk)
    with pytest.raises(records.RecordError, match="cannot be written .*No space left"):
        run(RunConfig(dataset=own_field, model="persistence"))
    assert list(stores.iterdir()) == []


def test_networks_of_both_recipes_run_and_score(own_field: str) -> None:
    for recipe in ("modern", "released"):
        record = execute(smoke(own_field, "lsntp-released", recipe=recipe))
        config = json.loads(record.attrs["config"])
        assert config["recipe"]["name"] == recipe
        assert np.isfinite(record["mae"]).all() and (record["mae"] < 20).all()


def test_command_line(own_field: str, tmp_path: Path) -> None:
    cli = CliRunner()
    short_field = str(tmp_path / "short.nc")
    xr.load_dataset(own_field).isel(time=slice(0, 60)).to_netcdf(short_field)
    result = cli.invoke(app, ["run", own_field, "persistence"])
    assert result.exit_code == 0 and "MAE (K)" in result.output, result.output
    result = cli.invoke(app, ["verify", "--sample", "1"])
    assert result.exit_code == 0 and "1 identical, 0 agrees, 0 differs" in result.output
    for arguments, message in [
        (["run", "nowhere", "persistence"], "nowhere"),
        (["run", own_field, "transformer"], "expected one of persistence"),
        (["run", short_field, "ridge"], "too short"),
        (["run", own_field, "convlstm", "--preset", "huge"], "expected one of smoke"),
        (["campaign", "everything"], "expected one of main"),
        (["verify"], "--sample N"),
        (["verify", "abc"], "0 records"),
        (["verify", "--sample", "9"], "holds 1"),
    ]:
        result = cli.invoke(app, arguments)
        assert result.exit_code != 0, arguments
        assert message in result.output, (arguments, result.output)
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_the_command_is_installed() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "lsntp", "--help"], capture_output=True, text=True, check=True
    )
    for command in ("data", "run", "campaign", "verify"):
        assert command in result.stdout


def test_a_mean_of_members_is_that_of_their_own_forecasts(own_field: str) -> None:
    config = smoke(own_field, "lsntp-tuned", recipe="tuned", seed=1, members=3)
    record = records.run(config)
    assert [m.seed for m in config.alone] == [1, 2, 3] and "mean3" in config.title
    field, forecasts = open_dataset(own_field), []
    for member in config.alone:
        kept = Trained.load(records.model_dir(config) / f"seed{member.seed}")
        assert kept.config == member
        with one_thread():  # as every run
            alone, data, _ = fitted(member, field)
            forecasts.append(kept.predict(data, data.split.test))
            np.testing.assert_array_equal(forecasts[-1], alone.predict(data, data.split.test))
    truth = data.targets(data.split.test)
    by_hand = score(sum(forecasts) / 3, truth)
    for name in ("mae", "rmse", "ssim"):
        np.testing.assert_allclose(record[name], by_hand[name], rtol=1e-5)
    errors = [abs(f - truth).mean(["window", "lat", "lon"]) for f in forecasts]
    np.testing.assert_allclose(record["member_mae"], errors, rtol=1e-5)
    without = [
        abs(sum(forecasts) - f - 2 * truth).mean(["window", "lat", "lon"]) / 2 for f in forecasts
    ]
    np.testing.assert_allclose(record["others_mae"], without, rtol=1e-5)
    checkpoints = records.cache_dir() / "checkpoints"
    assert not list(checkpoints.glob("*.safetensors"))
    (pseudo,) = compare.by_seed([record])  # its error's s.d. is the jackknife's
    errors = np.mean(without, axis=1)
    by_hand = 2 / 3 * ((errors - errors.mean()) ** 2).sum()
    assert np.var(pseudo, ddof=1) / 3 == pytest.approx(by_hand, rel=1e-4)
    assert tables.study_table({"mean": [record]}, "mean").loc["mean", "seeds"] == "3"
    assert verify(record).answer == "identical"


def test_a_member_that_forecasts_nothing_is_told(
    own_field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = Trained.predict

    def astray(trained: Trained, *args: object) -> xr.DataArray:
        forecast = predict(trained, *args)
        return forecast * np.nan if trained.config.seed == 1 else forecast

    monkeypatch.setattr(Trained, "predict", astray)
    with pytest.raises(ValueError, match="NaN"):
        execute(smoke(own_field, "convlstm", members=3))


def test_an_interrupted_mean_goes_on_where_it_was(
    own_field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, whole = smoke(own_field, "convlstm", members=2), []

    def interrupted(trained: Trained, *args: object) -> None:
        whole.append(trained.config.seed)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trained, "predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            records.run(config)
    assert whole == [0]
    trained_again = []
    save = training.save_checkpoint
    monkeypatch.setattr(
        training, "save_checkpoint", lambda *a: (trained_again.append(a[0]), save(*a))
    )
    records.run(config)
    assert len(trained_again) == 1  # of the second member's one epoch


@pytest.mark.parametrize(
    "settings",
    [
        {"test_cuts_km": (0.0,)},
        {"dataset": "ncep-na-planted-50-lag1"},
        {"dataset": "synthetic", "told": True},
    ],
)
def test_a_mean_is_refused_what_is_about_one_graph(settings: dict[str, object]) -> None:
    chosen = {"dataset": "era5-uk", "model": "lsntp-equations", **settings}
    with pytest.raises(ValueError, match="members=5: expected 1"):
        RunConfig(**chosen, members=5)
    assert RunConfig(**chosen, members=1) == RunConfig(**chosen)
    assert RunConfig(dataset="era5-uk", model="ridge", members=5).members == 1
