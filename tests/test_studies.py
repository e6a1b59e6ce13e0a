"""What the studies are made of, and what is made of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from lsntp import RunConfig
from lsntp.data.synthetic import synthetic
from lsntp.data.windows import Windows, prepare, split
from lsntp.results import studies, tables
from lsntp.runs import records
from lsntp.runs.config import PRESETS
from lsntp.runs.experiment import execute, three_cases
from lsntp.runs.trained import build_network
from lsntp.zoo import LABELS, MAIN, Ridge


@pytest.fixture(scope="module")
def data() -> Windows:
    field = synthetic(height=8, width=9, steps=500, links=1, seed=1).t2m
    return prepare(field, 6, 6, "anomaly", "blocked")


@pytest.fixture(scope="module")
def guesses(data: Windows) -> Tensor:
    return Ridge().cross_fitted(data)


def times_of(starts: np.ndarray, length: int = 12) -> set[int]:
    return set((starts[:, None] + np.arange(length)).ravel().tolist())


@pytest.mark.parametrize("validation", ["blocked", "random"])
@pytest.mark.parametrize("rotation", [0, 1, 2, 4])
def test_a_rotated_test_period_is_apart_from_all_else(
    data: Windows, validation: str, rotation: int
) -> None:
    parts = split(data.field, 6, 6, validation, rotation)
    steps = len(data.field)
    length = steps - int(split(data.field, 6, 6, validation).test[0])
    period = set(range(steps - (rotation + 1) * length, steps - rotation * length))
    assert times_of(parts.test) == period
    assert not period & (times_of(parts.train) | times_of(parts.validation))
    assert not period & set(parts.fit_times.tolist())
    if validation == "blocked":
        assert not times_of(parts.train) & times_of(parts.validation)
        assert not set(parts.fit_times.tolist()) & times_of(parts.validation)


def test_rotations_cover_what_there_is(data: Windows) -> None:
    with pytest.raises(ValueError, match="rotation=5: 500 steps hold the test period of 100 steps"):
        split(data.field, 6, 6, "blocked", 5)


@pytest.mark.parametrize("model", ["ridge", "climatology"])
def test_a_reference_on_a_rotated_period_has_not_seen_it(data: Windows, model: str) -> None:
    from lsntp.zoo import MODELS

    here = prepare(data.field, 6, 6, "anomaly", "blocked", rotation=2)
    changed = data.field.copy(data=data.field.values.copy())
    changed[int(here.split.test[0]) + 6 : int(here.split.test[-1]) + 12] += 10
    there = prepare(changed, 6, 6, "anomaly", "blocked", rotation=2)
    first, second = (
        MODELS[model].build().fit(d).predict(d, d.split.test[:1]) for d in (here, there)
    )
    np.testing.assert_array_equal(first, second)


def test_a_first_guess_was_not_fitted_on_its_own_window(data: Windows, guesses: Tensor) -> None:
    """Change what a training window is to forecast: its guess stays, those of others move."""
    start = int(data.split.train[40])
    frames = data.frames.clone()
    frames[start + 11] += 5  # the last lead of the window
    changed = Ridge().cross_fitted(replace(data, frames=frames))
    torch.testing.assert_close(changed[start], guesses[start], rtol=1e-5, atol=1e-5)
    other = int(data.split.train[-1])
    assert not torch.allclose(changed[other], guesses[other], atol=1e-5)


def test_first_guesses_of_test_windows_are_ridge(data: Windows, guesses: Tensor) -> None:
    of_test = guesses[torch.from_numpy(data.split.test)]
    forecast = Ridge().fit(data).predict(data, data.split.test)
    kelvin = data.to_kelvin(of_test[:, :, 0].numpy(), data.split.test)
    np.testing.assert_allclose(kelvin, forecast, atol=1e-3)


def test_batches_carry_the_guess_behind_the_inputs(data: Windows, guesses: Tensor) -> None:
    guessed = replace(data, guesses=guesses)
    starts = data.split.train[:3]
    inputs, targets = guessed.batch(starts)
    plain, same = data.batch(starts)
    assert inputs.shape[1] == 12 and torch.equal(inputs[:, :6], plain)
    assert torch.equal(targets, same)
    assert torch.equal(guessed.first_guess(inputs), guesses[torch.from_numpy(starts)])


def test_a_cut_at_the_largest_distance_trains_to_the_same_network() -> None:
    common = {"dataset": "synthetic", "model": studies.LSNTP, "preset": "smoke"}
    largest = studies.distances_km("synthetic", "smoke")[-1]
    whole = execute(RunConfig(**common, test_cuts_km=[0, largest]))
    cut = execute(RunConfig(**common, cut_km=largest))
    np.testing.assert_array_equal(cut["mae"], whole["mae"])
    np.testing.assert_array_equal(cut["embedding"], whole["embedding"])
    np.testing.assert_allclose(whole["cut_mae"].sel(cut=largest), whole["mae"], rtol=1e-12)
    np.testing.assert_allclose(
        whole["cut_window_mae"].sel(cut=0).mean(), whole["cut_mae"].sel(cut=0).mean()
    )
    assert (abs(whole["cut_mae"].sel(cut=0) - whole["mae"]) > 1e-6).all()


def test_parts_reach_the_network(data: Windows) -> None:
    def network(model: str = studies.LSNTP, **parts: bool) -> torch.nn.Module:
        config = RunConfig(dataset="synthetic", model=model, preset="smoke", parts=parts)
        return build_network(config, data.field)

    assert network(lagc=False).graph is None and network().graph is not None
    assert not network(nsa=False).encoder[0].cell.operator.nsa
    assert len(network(joint=True).encoder[0].cell.operator.nsa) == 1
    assert network(bias=False).encoder[0].cell.operator.lsi.bias is None
    assert network(relu=True).encoder[0].cell.operator.relu
    assert network(cell_peephole=False).encoder[0].cell.w_ci.shape[2:] == (1, 1)
    assert len(network(norm=True).encoder[0].cell.operator.nsa[0].gate) == 7
    everything = dict.fromkeys(("joint", "norm", "relu"), True)
    released = network(**everything, bias=False, cell_peephole=False)
    for ours, theirs in zip(
        released.parameters(), network("lsntp-released").parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert network("lsntp-tuned", lagc=False).graph is None
    for part in (False, True):
        blocks = network("simvp", stochastic_depth=part).translator
        assert (blocks[-2].depth.dropped > 0) == part
    assert network("lsntp-tuned", places=False).places is None


def test_ablated_of_both_attention_and_graph_is_convlstm(data: Windows) -> None:
    config = RunConfig(
        dataset="synthetic",
        model=studies.LSNTP,
        preset="smoke",
        parts={"nsa": False, "lagc": False},
    )
    convlstm = RunConfig(dataset="synthetic", model="convlstm", preset="smoke")
    ours, theirs = (build_network(c, data.field) for c in (config, convlstm))
    x = torch.randn(1, 6, 1, 8, 9)
    assert torch.equal(ours(x), theirs(x))


def test_three_cases_are_chosen_on_the_truth(data: Windows) -> None:
    target = data.targets(data.split.test)
    cases = three_cases(target, data)  # a perfect forecast
    np.testing.assert_array_equal(cases["cases_prediction"], cases["cases_truth"][:, 6:])
    change = abs(cases["cases_truth"].sel(step=slice(1, None)) - cases["cases_truth"].sel(step=0))
    quiet, typical, extreme = change.mean(["step", "lat", "lon"]).values
    everywhere = [
        float(abs(data.field[s + 6 : s + 12] - data.field[s + 5].drop_vars("time")).mean())
        for s in data.split.test.tolist()
    ]
    assert quiet < typical < extreme == pytest.approx(max(everywhere))
    assert typical == pytest.approx(np.median(everywhere), rel=0.02)


def test_variants_of_real_sets_keep_their_scores_only() -> None:
    record = xr.Dataset({"mae": ("lead", [1.0]), "mae_map": ("lead", [1.0])})
    main = RunConfig(dataset="era5-uk", model="convlstm")
    assert set(records.kept(record, main)) == {"mae", "mae_map"}
    variant = RunConfig(dataset="era5-uk", model="convlstm", rotation=1)
    assert set(records.kept(record, variant)) == {"mae"}
    own = RunConfig(dataset="own.nc", model="convlstm", rotation=1)
    assert set(records.kept(record, own)) == {"mae", "mae_map"}


def test_a_study_is_loaded_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path))
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path.with_name("cache")))
    study = {"a": studies.seeded(1, dataset="synthetic", model="persistence")}
    with pytest.raises(records.RecordError, match="no record of synthetic-persistence"):
        studies.load(study)
    (record,) = studies.load(study, rerun=True)["a"]
    assert [path.stem for path in tmp_path.iterdir()] == [records.name_of(study["a"][0])]
    assert record.attrs["key"] == study["a"][0].key


def test_the_main_table_has_every_model_once() -> None:
    study = studies.main("era5-uk")
    assert [label for label in study if "recipe" not in label] == [LABELS[m] for m in MAIN]
    assert sum("released recipe" in label for label in study) == len(studies.RELEASED_TOO)


def fake(error: float, seed: int, day: str = "2020-01-01", loss: float = 1.0) -> xr.Dataset:
    """A record whose error is the same in all of 48 hourly windows."""
    window = np.datetime64(day, "ns") + np.arange(48) * np.timedelta64(1, "h")
    by_lead = ("lead", np.full(2, error))
    names = ("mae", "rmse", "rmse_per_cell", "ssim", "psnr", "ssim_released", "psnr_released")
    record = xr.Dataset(dict.fromkeys(names, by_lead), coords={"window": window, "lead": [1, 2]})
    noise = np.random.default_rng(0).normal(0, 0.001, (48, 2))
    record["window_mae"] = (("window", "lead"), np.full((48, 2), error) + noise)
    record["validation_loss"] = record["train_loss"] = ("epoch", [2 * loss, loss])
    config = RunConfig(dataset="era5-uk", model="convlstm", seed=seed)
    attrs = {"config": config.model_dump_json(), "key": config.key, "fingerprint": "", "made": ""}
    costs = {"parameters": 7, "wall_s": 1.0, "peak_memory_mib": 1.0, "device": "", "commit": ""}
    return record.assign_attrs(attrs | costs | {"versions": '{"torch": ""}'})


def test_study_table_says_what_differs_from_one_row() -> None:
    rows = {
        "base": [fake(1.0, s) for s in range(2)],
        "worse": [fake(1.2 + 0.01 * s, s) for s in range(2)],
        "alike": [fake(1.0 + 0.02 * s, s) for s in range(2)],
    }
    table = tables.study_table(rows, "base")
    assert list(table["verdict"]) == ["–", "higher", "no difference seen"]
    assert table.loc["worse", "change (K)"] == "+0.205"
    assert table.loc["worse", "MAE (K)"] == "1.205 ± 0.007"


def test_over_periods_takes_the_mean_of_the_periods() -> None:
    first, second = (
        {"a": [fake(k, s, day) for s in (0, 1)], "b": [fake(1.2 * k, s, day) for s in (0, 1)]}
        for k, day in ((1.0, "2020-01-01"), (2.0, "2020-02-01"))
    )
    table = tables.over_periods([first, second], "a")
    assert list(table.columns[:3]) == ["2020-01-01 on", "2020-02-01 on", "mean"]
    assert table.loc["a", "mean"] == "1.500 ± 0.000"
    assert table.loc["b", "change (K)"] == "+0.300"
    assert table.loc["b", "verdict"] == "too uncertain"  # from two periods


def test_search_table_reads_validation_only() -> None:
    rows = {"chosen": [fake(9.0, 0, loss=1.0)], "other": [fake(1.0, 0, loss=1.1)]}
    table = tables.search_table({"one": rows, "two": rows})
    assert table.loc["other", "mean"] == pytest.approx(10)
    assert table.loc["chosen", "mean"] == 0


def test_what_a_study_alters_is_validated() -> None:
    for wrong in ({"valdation": "random"}, {"validation": "rnadom"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            studies.altered(**wrong)
    with pytest.raises(ValueError, match="kernel"):
        studies.with_kernel("laptop", 4)


SIZED = ("ConvLSTM", "LS-NTP (equations)")


@pytest.mark.parametrize(("dataset", "channels"), [("ncep-na", 128), ("era5-uk", 64)])
def test_a_study_of_size_grows_the_hidden_channels_alone(dataset: str, channels: int) -> None:
    study, main = studies.size(dataset), studies.main(dataset)
    assert [int(label.split()[-2]) for label in study][-1] == channels
    for label, row in study.items():
        model, size = label.rsplit(", ", 1)
        for config, small in zip(row, main[model], strict=True):
            hidden = int(size.split()[0])
            grown = small.preset.model_copy(update={"hidden": hidden, "name": config.preset.name})
            assert config == studies.again(small, preset=grown)
            assert (config.key == small.key) == (hidden == 16)


@pytest.mark.parametrize(("preset", "same"), [("laptop", False), ("paper", True)])
def test_a_study_of_the_whole_grid_changes_nothing_else(preset: str, same: bool) -> None:
    own = PRESETS[preset]
    study, sizes = studies.grid("era5-uk", preset), studies.size("era5-uk", preset)
    assert [*study] == [f"{m}, whole grid" for m in SIZED]
    for model, whole in zip(SIZED, study.values(), strict=True):
        for config, halved in zip(whole, sizes[f"{model}, {own.hidden} channels"], strict=True):
            renamed = own.model_copy(update={"name": config.preset.name, "downsample": False})
            assert config == studies.again(halved, preset=renamed)
            assert (config.key == halved.key) == same


@pytest.mark.parametrize("preset", ["smoke", "paper-era5", "paper"])
def test_studies_of_size_and_epochs_hold_the_presets_own(preset: str) -> None:
    own = PRESETS[preset]
    study = studies.size("era5-uk", preset)
    hidden = sorted({16, 64, own.hidden})
    assert [*study] == [f"{m}, {n} channels" for n in hidden for m in SIZED]
    assert all(c.preset == own for c in study[f"ConvLSTM, {own.hidden} channels"])
    for long in (own.epochs, 90):
        study = studies.epochs("era5-uk", preset, 2, long)
        assert len(study) == 2 * len({own.epochs, long})
        least = study[f"ConvLSTM, released recipe, {own.epochs} epochs"]
        assert all(c.preset == own for c in least)


def test_a_study_of_ensembles_has_the_seeds_of_the_other_studies() -> None:
    study, tuned = studies.ensemble("era5-uk", members=3), studies.tuned_ablation("era5-uk")
    assert [mean.alone for (mean,) in study.values()] == [tuned["LS-Conv"], tuned["convolution"]]


@pytest.mark.parametrize("dataset", studies.REAL_SETS)
def test_more_seeds_begin_with_those_of_the_other_studies(dataset: str) -> None:
    main, tuned = studies.main(dataset), studies.tuned_ablation(dataset)
    parts, label = studies.ablation(dataset), LABELS["lsntp-tuned"]
    others = {
        **{LABELS[m]: main[LABELS[m]] for m in ("convlstm", studies.LSNTP, "lsntp-released")},
        "w/o LAGC": parts["w/o LAGC"],
        LABELS["lsntp-untied"]: parts["two kernels"],
        label: tuned["LS-Conv"],
        f"{label}, twin": tuned["convolution"],
        studies.TUNED_UNTIED: tuned["two kernels"],
    }
    more = studies.more_seeds(dataset)
    assert {k: row[:3] for k, row in more.items()} == others
    assert all([c.seed for c in row] == [0, 1, 2, 3, 4] for row in more.values())


def differing(one: RunConfig, other: RunConfig) -> set[str]:
    """Fields of two configs, and of their recipes and presets, that differ."""
    one_, other_ = (c.model_dump() for c in (one, other))
    for field in ("recipe", "preset"):
        one_ |= {f"{field}.{k}": v for k, v in (one_.pop(field) or {}).items()}
        other_ |= {f"{field}.{k}": v for k, v in (other_.pop(field) or {}).items()}
    return {k for k in one_ | other_ if one_.get(k) != other_.get(k)}


def test_rows_of_the_tuned_studies_differ_in_what_they_say() -> None:
    rivals, tuned = studies.tuned_recipe("ncep-na"), studies.tuned_ablation("ncep-na")
    simvp = "SimVP (gSTA)"
    modern, own = (rivals[f"{simvp}, {r} recipe"][0] for r in ("modern", "tuned"))
    assert differing(rivals[f"{simvp}, stochastic depth, modern recipe"][0], modern) == {"parts"}
    whole = rivals["ConvLSTM, whole grid, tuned recipe"][0]
    own_grid = rivals["ConvLSTM, tuned recipe"][0]
    assert differing(whole, own_grid) == {"preset.name", "preset.downsample"}
    assert {k.split(".")[0] for k in differing(own, modern)} == {"recipe"}
    (two, *_), (full, *_) = tuned["two kernels"], tuned["LS-Conv"]
    assert differing(two, full) == {"parts"} and two.parts == {"tied": False}
    assert [m for row in studies.far_ridge("ncep-na").values() for m in [row[0].model]] == [
        "ridge",
        "ridge-screened",
        "ridge-eof",
    ]


def test_a_study_of_epochs_lengthens_the_released_recipe_alone() -> None:
    study, main = studies.epochs("era5-uk"), studies.main("era5-uk")
    assert len(study) == 4
    for label, row in study.items():
        model, epochs = label.rsplit(", ", 1)
        for config, short in zip(row, main[model], strict=True):
            renamed = {"name": config.preset.name, "epochs": int(epochs.split()[0])}
            longer = short.preset.model_copy(update=renamed)
            assert config == studies.again(short, preset=longer)
            assert (config.key == short.key) == (renamed["epochs"] == 12)
