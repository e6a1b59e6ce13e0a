"""A run made again: identical, agreeing within the seed spread, or different."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from lsntp import RunConfig
from lsntp.cli import app
from lsntp.data.synthetic import synthetic
from lsntp.results import planted
from lsntp.runs import records, verification
from lsntp.runs.verification import verify


@pytest.fixture
def own_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    field = synthetic(height=8, width=10, steps=400, links=1, seed=1).t2m
    field.attrs = {"units": "K"}
    field.to_netcdf(tmp_path / "own.nc")
    return str(tmp_path / "own.nc")


def elsewhere(record: xr.Dataset) -> xr.Dataset:
    """A record that says it was made on another processor."""
    return record.copy(deep=True).assign_attrs(processor="another")


def moved(record: xr.Dataset, by: float) -> xr.Dataset:
    """A record as another processor might give it: every trained value moved at random."""
    rng, other = np.random.default_rng(0), elsewhere(record)
    seeds = verification.other_seeds(record)
    for name in set(verification.TRAINED) & set(map(str, record.data_vars)):
        allowed = verification.allowed(name, record, record, seeds)
        sign = rng.choice([-1, 1], record[name].shape)
        other[name] = record[name] + (by * allowed * sign).astype(record[name].dtype)
    return other


def test_a_record_of_planted_links_agrees_when_made_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = planted.power(planted.IN_FULL)["LS-NTP (equations), to find"][0]
    record = records.find(config)
    for by, answer in ((0.5, "agrees"), (2, "differs")):
        monkeypatch.setattr(verification, "execute", lambda _, by=by: moved(record, by))
        found = verify(record)
        assert (found.answer, found.unlike) == (answer, ())
        assert set(records.AT_PLACES) <= set(found.table.index)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_remade_run_is_identical_agrees_or_differs(
    own_field: str, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RunConfig(dataset=own_field, model="convlstm", preset="smoke")
    for seed in range(seeds):
        records.run(config.model_copy(update={"seed": seed}))
    record = records.find(config)
    others = verification.other_seeds(record)
    assert [r.attrs["key"] for r in others].count(config.key) == 0 and len(others) == seeds - 1
    found = verify(record)
    assert found.answer == "identical" and found.table.empty
    remade = verification.execute(config)  # the same each time
    monkeypatch.setattr(verification, "execute", lambda _: remade.copy(deep=True))
    near = moved(record, 0.5)
    found = verify(near)
    assert found.answer == "agrees"
    assert {"mae", "ssim", "psnr", "window_mae", "train_loss"} <= set(found.table.index)
    assert found.table["share"].between(0.4, 0.6).all()
    here = near.assign_attrs(processor=record.attrs["processor"])
    assert verify(here).answer == "differs"  # where it was made it must be identical
    assert verify(moved(record, 2)).answer == "differs"
    for name in ("mae", "ssim"):  # one score at one lead
        one = elsewhere(record)
        one[name][2] += 2 * verification.allowed(name, record, record, others)
        assert verify(one).answer == "differs"
    cell = elsewhere(record)
    cell["mae_map"][0, 0, 0] += 20 * verification.allowed("mae_map", record, record, others)
    assert verify(cell).answer == "differs"


def test_the_seed_spread_is_students(own_field: str) -> None:
    config = RunConfig(dataset=own_field, model="convlstm", preset="smoke")
    three = [records.run(config.model_copy(update={"seed": seed})) for seed in range(3)]
    near = [r.assign(mae=0.01 * r["mae"] + three[0]["mae"]) for r in three]  # below the cap
    spread = np.sqrt(np.mean(np.std([r["mae"] for r in near], axis=0, ddof=1) ** 2))
    expected = 1.5 * 4.302653 * 2**0.5 * spread  # Student's t, 2 degrees of freedom
    assert verification.allowed("mae", near[0], near[0], near[1:]) == pytest.approx(expected)
    far = [r.assign(mae=(1 + k) * r["mae"]) for k, r in enumerate(three)]
    most = 0.1 * float(np.sqrt(np.mean(three[0]["mae"].values ** 2)))
    assert verification.allowed("mae", far[0], far[0], far[1:]) == pytest.approx(most)


@pytest.mark.parametrize("times", [2.0, 10.0])
def test_a_false_record_in_the_store_differs_whatever_its_seeds(
    own_field: str, times: float
) -> None:
    config = RunConfig(dataset=own_field, model="convlstm", preset="smoke")
    for seed in range(3):
        record = records.run(config.model_copy(update={"seed": seed}))
    false = elsewhere(record)
    false["mae"] = times * false["mae"]
    path = records.path_of(records.config_of(record))
    path.unlink()
    records.write(false, path)
    result = CliRunner().invoke(app, ["verify", record.attrs["key"]])
    assert result.exit_code == 1 and "1 differs" in result.output


def test_a_reference_has_no_seeds_and_agrees_only_to_rounding(own_field: str) -> None:
    record = records.run(RunConfig(dataset=own_field, model="ridge"))
    for factor, answer in [(1 + 1e-7, "agrees"), (1.001, "differs")]:
        other = elsewhere(record)
        other["mae"] = record["mae"] * factor
        assert verify(other).answer == answer


@pytest.mark.parametrize(
    "arguments",
    [[], [""], ["--sample", "0"], ["--sample", "-1"], ["", ""], ["abc", "--sample", "1"]],
)
def test_nothing_verified_is_never_success(own_field: str, arguments: list[str]) -> None:
    records.run(RunConfig(dataset=own_field, model="persistence"))
    assert CliRunner().invoke(app, ["verify", *arguments]).exit_code not in (0, None)


@pytest.mark.parametrize(
    "fault", ["nan", "leads", "map", "fingerprint", "time", "case", "north", "parameters"]
)
def test_verify_accepts_no_false_record(own_field: str, fault: str) -> None:
    record = elsewhere(records.run(RunConfig(dataset=own_field, model="persistence")))
    if fault == "nan":
        record["mae"][2] = np.nan
    elif fault == "leads":
        record = record.isel(lead=slice(2))
    elif fault == "map":
        record["mae_map"] = 0 * record["mae_map"]
    elif fault == "time":
        record["window"] = record["window"] + np.timedelta64(1, "D")
    elif fault == "case":
        record["case_prediction"] = record["case_prediction"] + 0.25
    elif fault == "north":
        record["lat"] = record["lat"][::-1].to_numpy()
    elif fault == "parameters":
        record.attrs["parameters"] += 1
    else:
        record.attrs["fingerprint"] = "0" * 64
    assert verify(record).answer == "differs"
