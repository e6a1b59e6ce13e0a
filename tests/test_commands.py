"""The commands train, forecast, evaluate and campaign: nothing is lost, mistakes are told first."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from lsntp import figures, open_dataset
from lsntp.cli import app
from lsntp.data.synthetic import synthetic
from lsntp.runs import forecasts
from lsntp.runs.trained import FILE, Trained


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with records and cache of its own."""
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "stores" / "records"))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "stores" / "cache"))
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


@cache
def field(steps: int) -> xr.DataArray:
    return synthetic(height=8, width=10, steps=steps, links=1, seed=1).t2m.assign_attrs(units="K")


def write(path: str | Path, steps: int = 400) -> str | Path:
    field(steps).to_netcdf(path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSNTP_CACHE_DIR", str(folder / "cache"))
        return forecasts.train(open_dataset(write(folder / "own.nc")), "ridge")


@pytest.fixture
def model(here: Path, trained: Trained) -> str:
    """A model, and the values it was trained on in own.nc, to forecast from."""
    write("own.nc")
    trained.save(here / "r")
    return "r"


@pytest.fixture
def own_model(here: Path) -> str:
    """A model of own.nc itself."""
    write("own.nc")
    forecasts.train(open_dataset("own.nc"), "ridge", keep=here / "r")
    return "r"


def lsntp(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ---- forecast: what it writes


@pytest.mark.parametrize("option", ["--to", "--plot"])
@pytest.mark.parametrize(
    "name", ["own", "./own", "../mine/own", "soft", "hard", "dangling", "other", "store"]
)
def test_a_forecast_is_written_over_nothing(
    model: str, here: Path, monkeypatch: pytest.MonkeyPatch, option: str, name: str
) -> None:
    ending = ".nc" if option == "--to" else ".png"
    if option == "--plot":  # a name is no proof of what is inside
        shutil.move("own.nc", "own.png")
    Path(f"soft{ending}").symlink_to(f"own{ending}")
    Path(f"dangling{ending}").symlink_to("elsewhere")
    os.link(f"own{ending}", f"hard{ending}")
    Path(f"other{ending}").write_text("kept")
    Path(f"store{ending}").mkdir()
    Path(f"store{ending}", "kept").touch()
    before = content(here)
    monkeypatch.setattr(Trained, "load", lambda _: pytest.fail("it began"))
    words = {"--to": "f.nc", "--plot": "map.png"} | {option: f"{name}{ending}"}
    result = lsntp("forecast", model, f"own{ending}", *sum(words.items(), ()))
    assert result.exit_code == 1 and f"{name.removeprefix('./')}{ending}" in result.output
    assert content(here) == before
    assert Path(f"dangling{ending}").is_symlink()


@pytest.mark.parametrize("name", ["f.nc", "f.zarr"])
def test_both_formats_are_written_once_and_a_new_name_will_do(
    model: str, here: Path, name: str
) -> None:
    assert lsntp("forecast", model, "own.nc", "--to", name).exit_code == 0
    before = content(here)
    assert lsntp("forecast", model, "own.nc", "--to", name).exit_code == 1
    assert content(here) == before
    assert lsntp("forecast", model, "own.nc", "--to", f"new-{name}").exit_code == 0
    with xr.open_dataset(name) as first, xr.open_dataset(f"new-{name}") as second:
        xr.testing.assert_identical(first, second)


@pytest.mark.parametrize("words", [("--to", "f.txt"), ("--plot", "fr.txt")])
def test_an_unknown_ending_is_told_before_work_and_those_it_names_work(
    model: str, here: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    option, name = words
    others = () if option == "--to" else ("--to", "f.nc")
    before = content(here)
    with monkeypatch.context() as patch:
        patch.setattr(Trained, "load", lambda _: pytest.fail("it began"))
        result = lsntp("forecast", model, "own.nc", *others, option, name)
    assert result.exit_code == 1 and name in result.output
    assert content(here) == before
    endings = [word for word in result.output.split() if word.startswith(".")]
    assert len(endings) >= 2
    for k, ending in enumerate(endings):
        to = () if option == "--to" else ("--to", f"{k}.nc")
        assert lsntp("forecast", model, "own.nc", *to, option, f"made{ending}").exit_code == 0
        assert Path(f"made{ending}").exists()


def test_a_forecast_of_a_file_in_celsius_says_that_it_is_in_kelvin(model: str) -> None:
    (field(400) - 273.15).assign_attrs(units="degC").to_netcdf("c.nc")
    said = [lsntp("forecast", model, f"{n}.nc", "--to", f"{n}-f.nc").output for n in ("own", "c")]
    assert " K" in said[0] and said[1] == said[0].replace("own-f", "c-f")
    with xr.open_dataset("own-f.nc") as one, xr.open_dataset("c-f.nc") as other:
        assert one["t2m"].units == other["t2m"].units == "K"
        np.testing.assert_allclose(one["t2m"], other["t2m"], atol=0.01)


@pytest.mark.parametrize("leads", [1, 6, 30])
def test_the_maps_tell_from_when_and_for_when(leads: int) -> None:
    own = open_dataset(field(900))
    trained = forecasts.train(own, "persistence", lead_steps=leads)
    at = own["time"].values[[100, 200]]
    axes = figures.forecast_maps(forecasts.forecast(trained, own, at))
    start = pd.Timestamp(at[0])
    figure = axes[0].figure
    assert f"{start:%Y-%m-%d %H:%M}" in figure.get_suptitle()
    titles = [ax.get_title().split("\n") for ax in axes]
    drawn = [int(lead.strip("+ h")) for lead, _ in titles]
    assert drawn[0] == 1 and drawn[-1] == leads and len(drawn) == min(leads, 12)
    assert drawn == sorted(set(drawn))
    for hours, (_, valid) in zip(drawn, titles, strict=True):
        assert pd.Timestamp(valid) == start + pd.Timedelta(hours=hours)
    assert "(K)" in figure.axes[-1].get_ylabel()
    plt.close(figure)


# ---- train: the model that is kept


def test_another_model_is_not_replaced_and_the_advice_works(own_model: str, here: Path) -> None:
    write("other.nc", 380)
    before = content(here)
    for words in (
        ("own.nc", "--model", "climatology"),
        ("own.nc", "--model", "ridge", "--lead", 3),
        ("own.nc", "--model", "ridge", "--every", 2),
        ("own.nc", "--model", "ridge", "--until", "2001-01-16"),
        ("other.nc", "--model", "ridge"),
    ):
        result = lsntp("train", *words, "--to", own_model)
        assert result.exit_code == 1 and "own-ridge" in result.output
        assert content(here) == before
    assert lsntp("train", "other.nc", "--model", "ridge", "--to", "r2").exit_code == 0
    Path(own_model, FILE).unlink()
    assert lsntp("train", "other.nc", "--model", "ridge", "--to", own_model).exit_code == 0
    assert Path(own_model, FILE).read_bytes() != before[f"r/{FILE}"]


def test_other_values_of_the_same_name_are_another_model(own_model: str, here: Path) -> None:
    (field(400) + 1).assign_attrs(units="K").to_netcdf("own.nc")
    before = content(here)
    assert lsntp("train", "own.nc", "--model", "ridge", "--to", own_model).exit_code == 1
    assert content(here) == before


def test_the_same_model_is_there_already(
    own_model: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasts, "fitted", lambda *_, **__: pytest.fail("it trained"))
    before = content(here)
    result = lsntp("train", here / "own.nc", "--model", "ridge", "--to", own_model)
    assert result.exit_code == 0 and "already" in result.output
    assert content(here) == before
    again = forecasts.train(open_dataset("own.nc"), "ridge", keep=here / "r")
    assert again.provenance == Trained.load(here / "r").provenance


def test_a_file_of_others_with_that_name_is_kept(here: Path) -> None:
    write("own.nc")
    Path("theirs").mkdir()
    Path("theirs", FILE).write_bytes(b"weights of something else")
    before = content(here)
    assert lsntp("train", "own.nc", "--model", "ridge", "--to", "theirs").exit_code == 1
    assert content(here) == before
    Path("theirs", FILE).unlink()
    assert lsntp("train", "own.nc", "--model", "ridge", "--to", "theirs").exit_code == 0


@pytest.mark.parametrize("lead", [6, 24])
def test_so_many_steps_are_enough_as_the_book_says(lead: int) -> None:
    enough = 25 * (6 + lead)
    write("enough.nc", enough)
    write("fewer.nc", enough - 30)
    words = ("--model", "ridge", "--lead", lead, "--to")
    assert lsntp("train", "enough.nc", *words, "a").exit_code == 0
    refused = lsntp("train", "fewer.nc", *words, "b")
    assert refused.exit_code == 1 and "fewer input_steps" in refused.output
    assert lsntp("train", "fewer.nc", *words, "b", "--steps", 4).exit_code == 0


# ---- evaluate


def test_a_day_is_scored_whole(model: str) -> None:
    times = open_dataset("own.nc")["time"].values.astype("datetime64[m]")
    trained = Trained.load(Path(model))
    scores = forecasts.evaluate(trained, open_dataset("own.nc"), "2001-01-05", "2001-01-06")
    days = times.astype("datetime64[D]")
    inside = np.isin(days, np.array(["2001-01-05", "2001-01-06"], "datetime64[D]"))
    assert scores.attrs["windows"] == inside.sum() - 12 + 1
    assert pd.Timestamp(scores.attrs["last"]) == times[inside][-1]
    for words in (("--from", "no time"), ("--until", "1999-01-01")):
        result = lsntp("evaluate", model, "own.nc", *words)
        assert result.exit_code == 1 and words[1] in result.output and "2001" in result.output


# ---- campaign


def test_what_no_run_can_use_is_told_once_before_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("own.nc")
    field(400)[:, :5].to_netcdf("small.nc")
    field(400)[:150].to_netcdf("short.nc")
    Path("text.nc").write_text("no field")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a run began"))
    for words in (
        ("--dataset", "nosuch.nc"),
        ("--dataset", "own.nc", "--dataset", "nosuch.nc"),
        ("--dataset", "text.nc"),
        ("--dataset", "small.nc"),
        ("--dataset", "short.nc"),
        ("--dataset", "own.nc", "--device", "mps"),
    ):
        result = lsntp("campaign", "main", "--preset", "smoke", *words)
        assert result.exit_code == 1 and len(result.output.splitlines()) == 1, result.output
    assert "mps" in result.output


def test_a_file_in_the_place_of_a_study_is_told_where_it_belongs() -> None:
    write("own.nc")
    result = lsntp("campaign", "own.nc")
    assert result.exit_code == 2 and "--dataset" in result.output and "ablation" in result.output
