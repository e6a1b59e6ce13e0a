"""What the prose of the book says of the results, held against the committed records.

A new campaign that changes one of these changes a sentence of a notebook or of ``intro``.
"""

import numpy as np
import pytest

from lsntp.chapters import q3_baseline_kernels, q4_learned_graph
from lsntp.results import compare, field_records, studies, tables
from lsntp.results.studies import RELEASED_TOO, TRAINED_ALIKE
from lsntp.runs import records
from lsntp.zoo import LABELS, NETWORKS

DATASETS = ("ncep-na", "era5-uk")
RECIPES = ("modern", "released")
LSNTPS = ("lsntp-equations", "lsntp-released")


@pytest.fixture(scope="module")
def runs() -> list:
    rows = [studies.load(studies.main(d)) for d in DATASETS]
    return [run for study in rows for row in study.values() for run in row]


def verdict(runs: list, dataset: str, model: str, rival: str, recipe: str = "modern") -> str:
    return compare.compare(runs, dataset, model, rival, recipe)["verdict"]


def test_no_record_of_the_laptop_campaign_is_missing(runs: list) -> None:
    assert set(records.load_records()["key"]) >= {r.attrs["key"] for r in runs}
    assert len(runs) == 2 * (3 + 3 * (len(NETWORKS) + len(RELEASED_TOO)))


@pytest.mark.parametrize("dataset", DATASETS)
def test_modern_networks_beat_persistence_at_every_lead(runs: list, dataset: str) -> None:
    for model in NETWORKS:
        assert compare.beats_at_every_lead(runs, dataset, model, "persistence", "modern"), model


def test_networks_of_the_released_recipe_do_not_beat_persistence(runs: list) -> None:
    for model in RELEASED_TOO:
        assert verdict(runs, "ncep-na", model, "persistence", "released") == "not separable", model
        assert verdict(runs, "era5-uk", model, "persistence", "released") != "lower", model
    for model in LSNTPS:
        assert verdict(runs, "era5-uk", model, "persistence", "released") == "higher", model


def test_the_spread_comes_from_one_seed(runs: list) -> None:
    several = compare.pick(runs, "ncep-na", "lsntp-equations", "released")
    errors = sorted(compare.mae_of(several))
    assert errors[2] - errors[1] > 5 * (errors[1] - errors[0])


def test_lsntp_does_not_beat_convlstm(runs: list) -> None:
    for model in LSNTPS:
        assert verdict(runs, "era5-uk", model, "convlstm") == "higher"
        assert verdict(runs, "ncep-na", model, "convlstm") == "not separable"
        behind = compare.compare(runs, "ncep-na", model, "convlstm", "modern")
        assert behind["difference"] > 0


@pytest.mark.parametrize("dataset", DATASETS)
def test_convlstm_has_the_lowest_mean_of_those_trained_alike(runs: list, dataset: str) -> None:
    means = {
        m: np.mean([float(r["mae"].mean()) for r in compare.pick(runs, dataset, m, "modern")])
        for m in TRAINED_ALIKE
    }
    assert min(means, key=means.__getitem__) == "convlstm"


def test_a_linear_model_is_as_good(runs: list) -> None:
    for model in TRAINED_ALIKE:
        expected = "not separable" if model == "convlstm" else "higher"
        assert verdict(runs, "era5-uk", model, "ridge") == expected, model
        assert verdict(runs, "ncep-na", model, "ridge") != "lower", model
    for dataset in DATASETS:
        for model in ("cnn-lstm", "agcrn", "dagg-convlstm", "simvp"):
            assert verdict(runs, dataset, model, "ridge") == "higher"
    for model in RELEASED_TOO:
        ours = compare.seed_mean(compare.pick(runs, "ncep-na", model, "modern"), "mae")
        ridge = compare.seed_mean(compare.pick(runs, "ncep-na", "ridge"), "mae")
        assert ours[0] > ridge[0] and ours[-1] < ridge[-1], model


def test_the_tuned_network_beats_all_on_one_set_and_not_ridge_on_the_other(runs: list) -> None:
    for rival in ("ridge", *TRAINED_ALIKE):
        found = compare.compare(runs, "ncep-na", "lsntp-tuned", rival, "modern")
        assert found["verdict"] == "lower" and found["percent"] < -5, rival
    assert verdict(runs, "era5-uk", "lsntp-tuned", "ridge") == "higher"


def test_over_four_weeks_the_linear_model_loses(runs: list) -> None:
    models = ("ridge", "convlstm", "lsntp-tuned")
    weeks = [
        studies.load(studies.rotated("era5-uk", back, models=models))
        for back in range(studies.ROTATIONS)
    ]
    over = tables.over_periods(weeks, LABELS["ridge"])["verdict"]
    assert over[LABELS["convlstm"]] == over[LABELS["lsntp-tuned"]] == "lower"
    over = tables.over_periods(weeks, LABELS["convlstm"])["verdict"]
    assert over[LABELS["lsntp-tuned"]] == "not separable"


def test_long_links_do_harm_on_one_set() -> None:
    rows = studies.load(studies.distance("era5-uk"))
    short, *_, half = (label for label in rows if label.endswith(" km") and label != "0 km")
    assert compare.difference(rows[short], rows["whole"])["verdict"] == "lower"
    assert compare.difference(rows[short], rows[half])["verdict"] == "lower"


def test_part_of_its_lead_is_the_recipe() -> None:
    rows = studies.load(studies.tuned_recipe("ncep-na"))
    tuned = rows[LABELS["lsntp-tuned"]]
    for rival in (LABELS["convlstm"], LABELS["simvp"]):
        modern, same = (rows[f"{rival}, {recipe} recipe"] for recipe in ("modern", "tuned"))
        assert compare.difference(same, modern)["verdict"] == "lower"
        assert compare.difference(tuned, same)["verdict"] == "lower"


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_convolution_is_as_good_in_the_tuned_network(dataset: str) -> None:
    rows = studies.load(studies.tuned_ablation(dataset))
    assert compare.difference(rows["LS-Conv"], rows["convolution"])["verdict"] == "not separable"


def test_training_turns_the_long_range_down(runs: list) -> None:
    for dataset in DATASETS:
        field = field_records.load(dataset)["case"]
        shares = {}
        for recipe in RECIPES:
            for model in LSNTPS:
                several = compare.pick(runs, dataset, model, recipe)
                graphs = [q4_learned_graph.learned_graph(record, field) for record in several]
                assert all(g["far_uniform"] > 0.25 for g in graphs)
                shares[model, recipe] = sum(g["far"] for g in graphs) / len(graphs)
        for model in LSNTPS:
            assert shares[model, "modern"] < 0.7 * graphs[0]["far_uniform"]
            assert shares[model, "modern"] < shares[model, "released"]


def test_where_ridge_wins_and_where_the_network_does(runs: list) -> None:
    ours, ridge = (
        compare.seed_mean(compare.pick(runs, "ncep-na", model, "modern"), "mae_map")
        for model in ("lsntp-equations", "ridge")
    )
    change = (ours - ridge).mean("lead")
    assert float(change.sel(lon=slice(-125, -105)).mean()) > 0.05
    assert float(change.sel(lon=slice(-90, -50), lat=slice(55, 35)).mean()) < -0.05


@pytest.mark.parametrize("dataset", DATASETS)
def test_with_min_max_scaling_the_network_hardly_trains(runs: list, dataset: str) -> None:
    """Page 12: its error is near that of no change, which the other switches leave far behind."""
    (still,) = compare.mae_of(compare.pick(runs, dataset, "persistence"))
    for label, several in studies.load(studies.paper_and_code(dataset)).items():
        share = np.mean(compare.mae_of(several)) / still
        assert share > 0.85 if label == "min-max scaling" else share < 0.7, label


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_largest_kernels_of_rivals_reach_their_best_epoch_early(dataset: str) -> None:
    rivals = q3_baseline_kernels.by_rival(studies.load(studies.baseline_kernels(dataset)))
    assert list(rivals) == ["ConvLSTM", "PredRNN", "SA-ConvLSTM"]
    for rows in rivals.values():
        first, *_, last = (
            np.mean([r["validation_loss"].to_numpy().argmin() for r in several])
            for several in rows.values()
        )
        assert last < first


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_rival_whose_kernel_is_enlarged_is_behind_with_equal_kernels(
    runs: list, dataset: str
) -> None:
    for model in studies.BASELINES:
        assert verdict(runs, dataset, model, studies.LSNTP) != "higher"


@pytest.mark.parametrize("dataset", DATASETS)
def test_no_larger_kernel_helps_lsntp(dataset: str) -> None:
    rows = studies.load(studies.kernel(dataset))
    for larger in ("5@5", "7@7"):
        assert compare.difference(rows[larger], rows["3@3"])["verdict"] != "lower"
