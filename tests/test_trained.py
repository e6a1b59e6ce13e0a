"""Models that are kept: the run's own forecasts again, and on beyond the field's end."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

from lsntp import RunConfig, open_dataset
from lsntp.cli import app
from lsntp.data import store
from lsntp.data.fields import DataError
from lsntp.data.store import RecordError
from lsntp.data.synthetic import synthetic
from lsntp.results import campaigns, studies
from lsntp.runs import experiment, forecasts, metrics, records
from lsntp.runs.trained import FILE, Trained, fitted
from lsntp.zoo import LABELS, NETWORKS


@pytest.fixture(autouse=True)
def own_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def own_file(tmp_path: Path) -> str:
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    field.assign_attrs(units="K").to_netcdf(tmp_path / "own.nc")
    return str(tmp_path / "own.nc")


def settings(model: str) -> dict[str, str]:
    return {"preset": "smoke"} if model in NETWORKS else {}


@pytest.mark.parametrize("model", ["lsntp-tuned", "convlstm", "ridge"])
def test_a_run_keeps_the_model_that_made_its_record(own_file: str, model: str):
    config = RunConfig(dataset=own_file, model=model, **settings(model))
    record = records.run(config)
    kept = Trained.load(records.model_dir(config))
    with experiment.one_thread():
        scores = forecasts.evaluate(kept, open_dataset(own_file))
    for score in ("mae", "rmse", "ssim", "psnr"):
        np.testing.assert_array_equal(scores[score].sel(model=LABELS[model]), record[score])


@pytest.mark.parametrize("model", ["lsntp-equations", "lsntp-tuned", "climatology", "ridge"])
def test_what_lies_behind_the_frames_seen_does_not_matter(own_file: str, model: str):
    field = open_dataset(own_file)
    trained = forecasts.train(field, model, **settings(model))
    with experiment.one_thread():
        at = field["time"].values[200]
        whole = forecasts.forecast(trained, field, at)
        cut = forecasts.forecast(trained, field.isel(time=slice(0, 201)))
        short = forecasts.forecast(trained, field.isel(time=slice(195, 201)))
    xr.testing.assert_identical(whole["t2m"].drop_attrs(), cut["t2m"].drop_attrs())
    xr.testing.assert_identical(whole["t2m"].drop_attrs(), short["t2m"].drop_attrs())
    assert np.isfinite(whole["t2m"]).all()


def test_the_references_are_those_of_their_own_runs(own_file: str):
    scores = forecasts.evaluate(
        forecasts.train(open_dataset(own_file), "persistence"), open_dataset(own_file)
    )
    for model in ("persistence", "climatology", "ridge"):
        record = experiment.execute(RunConfig(dataset=own_file, model=model))
        np.testing.assert_allclose(
            scores["mae"].sel(model=LABELS[model]), record["mae"], rtol=1e-12
        )


def test_scores_are_those_of_the_windows_between_the_times(own_file: str):
    field = open_dataset(own_file)
    trained = forecasts.train(field, "ridge")
    first, last = field["time"].values[[100, 150]]
    scores = forecasts.evaluate(trained, field, first, last)
    windows = [field["time"].values[i] for i in range(105, 145)]  # last frames seen
    made = forecasts.forecast(trained, field, windows)
    truth = np.stack([field.values[i + 1 : i + 7] for i in range(105, 145)])
    assert scores.attrs["windows"] == 40
    by_hand = abs(made["t2m"].values.astype(float) - truth).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(scores["mae"].sel(model=LABELS["ridge"]), by_hand, rtol=1e-6)


def test_the_forecast_file_follows_the_conventions(own_file: str, tmp_path: Path):
    field = open_dataset(own_file)
    made = forecasts.forecast(forecasts.train(field, "persistence"), field)
    made.to_netcdf(tmp_path / "forecast.nc")
    with xr.open_dataset(tmp_path / "forecast.nc") as read:
        assert read["t2m"].dims == ("reference_time", "lead", "lat", "lon")
        assert read["t2m"].attrs["standard_name"] == "air_temperature"
        last = pd.Timestamp(field["time"].values[-1])
        hours = [last + pd.Timedelta(hours=h) for h in range(1, 7)]
        np.testing.assert_array_equal(read["time"][0], np.array(hours, "datetime64[ns]"))
        np.testing.assert_array_equal(read["t2m"][0, 3], field[-1])


@pytest.mark.parametrize("byte", [300, -100])
def test_a_damaged_model_is_refused(own_file: str, tmp_path: Path, byte: int):
    path = forecasts.train(open_dataset(own_file), "ridge").save(tmp_path)
    content = bytearray(path.read_bytes())
    content[byte] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordError):
        Trained.load(tmp_path)


def test_another_field_is_refused_and_the_advice_works(own_file: str):
    field = open_dataset(own_file)
    trained = forecasts.train(field, "climatology")
    with pytest.raises(DataError, match="select or interpolate"):
        forecasts.forecast(trained, field.isel(lat=slice(1, None)))
    forecasts.forecast(trained, field.isel(lat=slice(1, None)).reindex_like(field).fillna(280.0))
    coarse = field[::2].assign_attrs(step_hours=2.0)
    with pytest.raises(DataError, match="every n-th"):
        forecasts.forecast(trained, coarse)
    for at in ("1999-01-01", "no time", field["time"].values[3]):
        with pytest.raises(DataError, match="expected"):
            forecasts.forecast(trained, field, at)
    with pytest.raises(DataError, match="no window"):
        forecasts.evaluate(trained, field, "2030-01-01")


@pytest.mark.parametrize("axis", ["lat", "lon"])
def test_cells_half_a_degree_off_are_refused_and_the_advice_works(own_file: str, axis: str):
    field = open_dataset(own_file)
    trained = forecasts.train(field, "persistence")
    off = field.assign_coords({axis: field[axis] + 0.5})
    with pytest.raises(DataError, match="select or interpolate"):
        forecasts.forecast(trained, off)
    wanted = {"lat": field["lat"], "lon": field["lon"]}
    with xr.set_options(keep_attrs=True):
        again = off.interp(wanted, kwargs={"fill_value": "extrapolate"})
    forecasts.forecast(trained, again)


@pytest.mark.parametrize("model", ["lsntp-equations", "lsntp-released", "climatology", "ridge"])
def test_what_is_kept_knows_nothing_of_the_test_period(own_file: str, model: str):
    field = open_dataset(own_file)
    other = field.copy()
    test = field["time"].values >= np.datetime64(field.attrs["test_start"])
    other[test] = 250 + 2 * (other[test] - 280)
    kept = [forecasts.train(f, model, **settings(model)) for f in (field, other)]
    one, two = (
        {"scaler": k.scaler.state()} | {name: r.state() for name, r in k.references.items()}
        for k in kept
    )
    assert {"climatology", "ridge"} - {model} == one.keys() - {"scaler"}
    for name, state in one.items():
        for part, value in state.items():
            assert torch.equal(value, two[name][part]), (name, part)


def test_a_checkpoint_of_what_the_file_held_before_is_not_resumed(own_file: str, tmp_path: Path):
    config = RunConfig(dataset=own_file, model="convlstm", preset="smoke")
    with experiment.one_thread():
        before, *_ = fitted(config, open_dataset(own_file), checkpoints=tmp_path / "cut off")
        with xr.open_dataset(own_file) as held:
            changed = held.load() * 1.01
        changed["t2m"].attrs["units"] = "K"
        changed.to_netcdf(own_file)
        field = open_dataset(own_file)
        found, *_ = fitted(config, field, checkpoints=tmp_path / "cut off")
        afresh, *_ = fitted(config, field)
    weights, own, old = (dict(t.model.state_dict()) for t in (found, afresh, before))
    assert all(torch.equal(weights[name], own[name]) for name in own)
    assert not all(torch.equal(weights[name], old[name]) for name in old)


def test_only_what_was_not_trained_on_is_scored_unless_asked(own_file: str):
    record = records.run(RunConfig(dataset=own_file, model="ridge", rotation=1))
    kept = Trained.load(records.model_dir(records.config_of(record)))
    field = open_dataset(own_file)
    scores = forecasts.evaluate(kept, field)
    np.testing.assert_array_equal(scores["mae"].sel(model=LABELS["ridge"]), record["mae"])
    assert scores.attrs["windows"] == record.sizes["window"] and scores.attrs["seen"] == 0
    # of 400 times the 80 before the last 80 were not trained on
    whole = forecasts.evaluate(kept, field, from_=field["time"].values[0])
    inside = 80 - 12 + 1
    assert whole.attrs["windows"] == 400 - 12 + 1
    assert whole.attrs["seen"] == whole.attrs["windows"] - inside


def test_a_grid_up_to_the_poles_is_found_again_by_its_region(tmp_path: Path):
    field = synthetic(height=9, width=12, steps=320, links=0, seed=1).t2m
    field = field.assign_coords(lat=np.linspace(90, -90, 9), lon=np.linspace(-180, 150, 12))
    field.assign_attrs(units="K").to_netcdf(tmp_path / "globe.nc")
    field = open_dataset(tmp_path / "globe.nc")
    trained = forecasts.train(field, "ridge")
    again = open_dataset(tmp_path / "globe.nc", region=trained.region)
    xr.testing.assert_equal(
        forecasts.forecast(trained, again)["t2m"], forecasts.forecast(trained, field)["t2m"]
    )


def test_the_commands_do_what_the_functions_do(own_file: str, tmp_path: Path):
    def call(*words: object) -> str:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.output

    to, made, drawn = tmp_path / "mine", tmp_path / "forecast.nc", tmp_path / "map.png"
    call("train", own_file, "--model", "convlstm", "--preset", "smoke", "--to", to, "--steps", 4)
    assert [p.name for p in to.iterdir()] == [FILE]
    call("forecast", to, own_file, "--to", made, "--plot", drawn)
    assert drawn.read_bytes().startswith(b"\x89PNG")
    with xr.open_dataset(made) as read:
        expected = forecasts.forecast(Trained.load(to), open_dataset(own_file))
        np.testing.assert_array_equal(read["t2m"], expected["t2m"])
    scores = forecasts.evaluate(Trained.load(to), open_dataset(own_file))
    shown = call("evaluate", to, own_file)
    for label in scores["model"].values:
        assert f"{float(scores['mae'].sel(model=label).mean()):.3f}" in shown
    assert not list((tmp_path / "cache" / "checkpoints").glob("*.safetensors"))


def test_metrics_of_evaluate_are_those_of_score(own_file: str):
    field = open_dataset(own_file)
    trained = forecasts.train(field, "ridge")
    data = trained.ready(field)
    starts = np.arange(10, 60)
    scores = metrics.score(trained.predict(data, starts), data.targets(starts))
    ends = field["time"].values[[10, 70]]
    shown = forecasts.evaluate(trained, field, *ends).sel(model=LABELS["ridge"], drop=True)
    np.testing.assert_array_equal(shown["ssim"], scores["ssim"])
    assert torch.isnan(data.frames[-6:]).all() and torch.isfinite(data.frames[:-6]).all()


def test_a_rerun_keeps_records_of_ones_own_and_finds_them_again(own_file: str, tmp_path: Path):
    study = studies.main(own_file, "smoke", 1, ("persistence", "ridge", "convlstm"), ("modern",))
    made = studies.load(study, rerun=True)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}
    assert len(kept) == len(study)
    again = studies.load(study, rerun=True)
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "records").iterdir()}
    for label, row in made.items():
        xr.testing.assert_identical(row[0], again[label][0])
        xr.testing.assert_identical(row[0], studies.load(study)[label][0])


def test_a_rerun_of_a_named_data_set_leaves_the_committed_records(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LSNTP_RECORDS_DIR")
    study = {"ridge": studies.seeded(1, dataset="synthetic", model="persistence")}
    studies.load(study, rerun=True)
    (config,) = study["ridge"]
    assert records.path_of(config, records.own_store()).exists()
    assert not records.path_of(config).exists()


def test_a_campaign_is_made_on_the_data_sets_given(own_file: str):
    book = campaigns.configs("kernel", "smoke", 1)
    own = campaigns.configs("kernel", "smoke", 1, [own_file])
    assert {c.dataset for c in own} == {own_file} and 2 * len(own) == len(book)
    assert [c.model_copy(update={"dataset": "ncep-na"}) for c in own] == book[: len(own)]


def test_a_forecast_of_the_year_2300_and_its_record(own_file: str, tmp_path: Path):
    hours = np.datetime64("2300-01-01", "us") + np.arange(400) * np.timedelta64(1, "h")
    with xr.open_dataset(own_file) as near:
        near.assign_coords(time=hours).to_netcdf(tmp_path / "far.nc")
    far = str(tmp_path / "far.nc")
    record = records.run(RunConfig(dataset=far, model="ridge"))
    assert record["window"].values[-1] == hours[-7]
    np.testing.assert_array_equal(
        record["mae"], records.run(RunConfig(dataset=own_file, model="ridge"))["mae"]
    )
    result = CliRunner().invoke(
        app,
        [
            "forecast",
            str(records.model_dir(RunConfig(dataset=far, model="ridge"))),
            far,
            "--to",
            str(tmp_path / "f.nc"),
        ],
    )
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", ["f.nc", "f.zarr"])
def test_a_forecast_is_written_whole_or_not_at_all(
    own_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    forecasts.train(open_dataset(own_file), "ridge").save(tmp_path / "m")
    to = tmp_path / "there" / name
    words = ["forecast", str(tmp_path / "m"), own_file, "--to", str(to)]
    writer = {"f.nc": "to_netcdf", "f.zarr": "to_zarr"}[name]
    write = getattr(xr.Dataset, writer)

    def cut_off(*args, **kwargs):
        write(*args, **kwargs)
        assert [p.name for p in to.parent.iterdir()] == [store.scratch_of(to).name]
        raise OSError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(xr.Dataset, writer, cut_off)
        assert CliRunner().invoke(app, words).exit_code == 1
    assert not list(to.parent.iterdir())
    assert CliRunner().invoke(app, words).exit_code == 0
    assert [p.name for p in to.parent.iterdir()] == [name]
    with xr.open_dataset(to) as made:
        assert made["t2m"].shape == (1, 6, 8, 10) and np.isfinite(made["t2m"]).all()


def test_a_store_that_is_there_is_left_alone(own_file: str, tmp_path: Path):
    forecasts.train(open_dataset(own_file), "ridge").save(tmp_path / "m")
    kept = tmp_path / "kept.zarr"
    kept.mkdir()
    (kept / "mine").touch()
    words = ["forecast", str(tmp_path / "m"), own_file, "--to", str(kept)]
    assert CliRunner().invoke(app, words).exit_code == 1
    assert [p.name for p in kept.iterdir()] == ["mine"]


def test_a_model_of_a_region_takes_it_out_of_larger_files(own_file: str, tmp_path: Path):
    def call(*words: object) -> str:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.output

    with xr.open_dataset(own_file) as whole:
        lat, lon = whole["lat"].values, whole["lon"].values
        for k, part in enumerate((slice(0, 250), slice(250, None))):
            whole.isel(time=part).to_netcdf(tmp_path / f"part{k}.nc")
    parts = [tmp_path / "part0.nc", tmp_path / "part1.nc"]
    region = ",".join(
        f"{x:.4f}" for x in (lat[1] + 0.1, lon[1] - 0.1, lat[-1] - 0.1, lon[-1] + 0.1)
    )
    options = (
        "--model",
        "ridge",
        "--to",
        tmp_path / "m",
        "--region",
        region,
        "--until",
        "2001-01-15",
    )
    glob = str(tmp_path / "part*.nc")
    assert call("run", *parts, "ridge") == call("run", glob, "ridge")
    (made,) = (tmp_path / "records").glob("*.nc")
    whole = records.run(RunConfig(dataset=own_file, model="ridge"))
    np.testing.assert_array_equal(records.read(made)["mae"], whole["mae"])
    call("train", *parts, *options)
    call("forecast", tmp_path / "m", *parts, "--to", tmp_path / "f.nc")
    field = open_dataset(own_file, region=Trained.load(tmp_path / "m").region)
    assert field.shape[1:] == (7, 9)
    with xr.open_dataset(tmp_path / "f.nc") as made:
        expected = forecasts.forecast(Trained.load(tmp_path / "m"), field)
        np.testing.assert_array_equal(made["t2m"], expected["t2m"])
    kept = Trained.load(tmp_path / "m").provenance
    assert kept["last"].startswith("2001-01-15")


def as_the_climate_data_store_gives_it(field: xr.DataArray, path: Path) -> None:
    """Write a field as the CDS's NetCDF of today: its names, its coordinates, its attributes."""
    times = field["time"].values.astype("datetime64[s]").astype(int)
    degrees = {axis: field[axis].values.astype(float) for axis in ("lat", "lon")}
    store = xr.Dataset(
        {
            "t2m": (
                ("valid_time", "latitude", "longitude"),
                field.values,
                {
                    "GRIB_paramId": 167,
                    "GRIB_shortName": "2t",
                    "units": "K",
                    "long_name": "2 metre temperature",
                    "standard_name": "unknown",
                },
            )
        },
        {
            "number": ((), 0, {"units": "1", "standard_name": "realization"}),
            "valid_time": (
                "valid_time",
                times,
                {
                    "units": "seconds since 1970-01-01",
                    "calendar": "proleptic_gregorian",
                    "standard_name": "time",
                },
            ),
            "latitude": (
                "latitude",
                degrees["lat"],
                {"units": "degrees_north", "stored_direction": "decreasing"},
            ),
            "longitude": ("longitude", degrees["lon"], {"units": "degrees_east"}),
            "expver": ("valid_time", np.full(len(times), "0001", object)),
        },
        {
            "Conventions": "CF-1.7",
            "institution": "European Centre for Medium-Range Weather Forecasts",
        },
    )
    store.to_netcdf(path)


@pytest.mark.parametrize("model", [["lsntp-tuned", "--preset", "smoke"], ["ridge"]])
def test_a_real_era5_file_of_another_region_by_the_lines_a_user_types(
    real_data: Path, tmp_path: Path, model: list[str]
):
    ireland = open_dataset("era5-uk", region=(56, -10, 51.5, -5.5))
    file, to, made = (tmp_path / name for name in ("my.nc", "my-model", "forecast.nc"))
    as_the_climate_data_store_gives_it(ireland, file)
    lines = [
        ["train", file, "--model", *model, "--to", to],
        ["forecast", to, file, "--to", made, "--plot", tmp_path / "map.png"],
        ["evaluate", to, file],
    ]
    for line in lines:
        result = CliRunner().invoke(app, [str(word) for word in line])
        assert result.exit_code == 0, result.output
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    with xr.open_dataset(made) as read:
        ahead = pd.date_range("2019-04-01T00", periods=6, freq="h")
        np.testing.assert_array_equal(read["time"][0], ahead)  # March is over
        for axis in ("lat", "lon"):
            np.testing.assert_allclose(read[axis], ireland[axis])
        # an hour ahead it is nearly as warm as it was, and in the same places
        assert abs(read["t2m"][0, 0] - ireland[-1]).mean() < 1.5
        assert np.corrcoef(read["t2m"][0, 0].values.flat, ireland[-1].values.flat)[0, 1] > 0.8
    last = ireland[int(0.8 * 744) :].values.astype(float)
    windows = len(last) - 11
    still = [abs(last[5 + k : 5 + k + windows] - last[5 : 5 + windows]).mean() for k in range(1, 7)]
    (row,) = [line for line in result.output.splitlines() if line.startswith("Persistence")][:1]
    np.testing.assert_allclose([float(x) for x in row.split()[1:7]], still, atol=6e-4)
