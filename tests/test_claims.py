"""The table of all claims, and what else the book's prose says, against the committed records."""

import re
from collections.abc import Iterator
from functools import cache
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from lsntp import figures
from lsntp.chapters import claims as chapter
from lsntp.chapters import q3_baseline_kernels
from lsntp.results import claims, compare, field_records, learned_graphs, planted, studies
from lsntp.results.studies import RELEASED_TOO
from lsntp.runs import records
from lsntp.zoo import LABELS, MAIN, NETWORKS

DATASETS = ("ncep-na", "era5-uk")
RECIPES = ("modern", "released")
TRAINED = [name for name in NETWORKS if name in MAIN]
LSNTPS = ("lsntp-equations", "lsntp-released")


@pytest.fixture(scope="module", autouse=True)
def each_record_is_read_once() -> Iterator[None]:
    with mock.patch.object(records, "read", cache(records.read)):
        yield


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, list]]:
    return {d: studies.load(studies.main(d)) for d in DATASETS}


def label(model: str, recipe: str) -> str:
    return LABELS[model] + ", released recipe" * (recipe == "released")


def test_every_claim_is_measured_and_its_verdict_follows_from_its_interval() -> None:
    evidence = {d: chapter.evidence(d, "laptop", 3) for d in DATASETS}
    links = learned_graphs.recovery(studies.load(planted.on_synthetic()))
    table = claims.table({**evidence, "synthetic": {"planted": links}})
    measured = {(says, form) for says, form, _ in table.index}
    assert measured == {(c.says, c.form) for c in claims.CLAIMS}
    page = figures.claims_grid(table)
    assert page.count('<th scope="row">') == len(claims.CLAIMS)
    assert page.count("<details>") == len(table)
    for verdict, count in table["verdict"].value_counts().items():
        assert page.count(f" {verdict}</b>") == count
    best_of_several = (
        "LS-NTP errs less than its rivals",
        "LS-NTP errs less than rivals of any kernel",
        "Every part helps",
        "A kernel of 3×3 is best",
    )
    for (says, form, _), c in table.iterrows():
        rounding = 2e-3 if "weeks" in form else 1e-5  # weeks have not quite as many windows each
        assert c["effect"] == pytest.approx(c["ours"] - c["theirs"], abs=rounding)
        excluded = c["low"] > 0 or c["high"] < 0
        true = c["effect"] < 0 if c["unit"] == "K" else c["effect"] > 0
        if c["verdict"] == "holds":
            assert excluded and true, says
        elif c["verdict"] == "does not hold":
            assert says in best_of_several or (excluded and not true), says
        else:
            assert c["verdict"] in ("not shown", "too uncertain")
            assert says in best_of_several or not excluded, says


def test_what_speaks_for_a_claim_is_drawn_to_the_right() -> None:
    rows = {
        ("errs less", "", "d"): (-0.2, -0.3, -0.1, 1.0, 1.2, "K", "holds"),
        ("errs less than it", "", "d"): (0.2, 0.1, 0.3, 1.2, 1.0, "K", "does not hold"),
        ("errs far less", "", "d"): (-9.0, -9.5, -8.5, 1.0, 10.0, "K", "holds"),
        ("correlates", "", "d"): (0.2, 0.1, 0.3, 0.5, 0.3, "1", "holds"),
    }
    names = ["effect", "low", "high", "ours", "theirs", "unit", "verdict"]
    index = pd.MultiIndex.from_tuples(rows, names=["claim", "form", "dataset"])
    page = figures.claims_grid(pd.DataFrame([*rows.values()], index, names))
    cells = re.findall(r"<td>.*?</td>", page)
    at = [float(re.search(r'cx="([\d.]+)"', cell)[1]) for cell in cells]  # type: ignore[index]
    ends = [sorted(map(float, re.search(r"M([\d.]+) 10H([\d.]+)", c).groups())) for c in cells]  # type: ignore[union-attr]
    middle = float(re.search(r'd="M([\d.]+) 0v20"', page)[1])  # type: ignore[index]
    assert at[0] > middle > at[1] and at[2] > middle and at[3] > middle
    for x, (low, high) in zip(at[:2], ends[:2], strict=True):
        assert low < x < high
    assert [cell.count("4z") for cell in cells] == [0, 0, 1, 0]
    assert "1.000 K against 1.200 K" in cells[0] and "0.200 K lower" in cells[0]
    assert "0.200 K higher" in cells[1] and "0.20 more" in cells[3]


def test_the_laptop_campaign_has_every_model_and_seed(rows: dict) -> None:
    runs = [run for study in rows.values() for row in study.values() for run in row]
    assert len(runs) == 2 * (3 + 3 * (len(TRAINED) + len(RELEASED_TOO)))


@pytest.mark.parametrize("dataset", DATASETS)
def test_modern_networks_beat_persistence_at_every_lead(rows: dict, dataset: str) -> None:
    (still,) = rows[dataset][LABELS["persistence"]]
    for model in TRAINED:
        for run in rows[dataset][LABELS[model]]:
            assert (run["mae"] < still["mae"]).all(), model


def test_the_spread_comes_from_one_seed(rows: dict) -> None:
    several = rows["ncep-na"][label("lsntp-equations", "released")]
    errors = sorted(compare.mae_of(several))
    assert errors[2] - errors[1] > 5 * (errors[1] - errors[0])


def test_ridge_is_ahead_at_the_first_lead_and_networks_at_the_last(rows: dict) -> None:
    for model in RELEASED_TOO:
        ours, ridge = (
            compare.seed_mean(rows["ncep-na"][LABELS[m]], "mae") for m in (model, "ridge")
        )
        assert ours[0] > ridge[0] and ours[-1] < ridge[-1], model


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


def test_training_turns_the_long_range_down(rows: dict) -> None:
    for dataset in DATASETS:
        field = field_records.load(dataset)["case"]
        shares = {}
        for recipe in RECIPES:
            for model in LSNTPS:
                several = rows[dataset][label(model, recipe)]
                graphs = [learned_graphs.learned_graph(record, field) for record in several]
                uniform = graphs[0]["far_uniform"]
                assert uniform > 0.25
                shares[model, recipe] = sum(g["far"] for g in graphs) / len(graphs)
        for model in LSNTPS:
            assert shares[model, "modern"] < 0.7 * uniform
            assert shares[model, "modern"] < shares[model, "released"]


def test_where_ridge_wins_and_where_the_network_does(rows: dict) -> None:
    ours, ridge = (
        compare.seed_mean(rows["ncep-na"][LABELS[model]], "mae_map")
        for model in ("lsntp-equations", "ridge")
    )
    change = (ours - ridge).mean("lead")
    assert float(change.sel(lon=slice(-125, -105)).mean()) > 0.05
    assert float(change.sel(lon=slice(-90, -50), lat=slice(55, 35)).mean()) < -0.05


@pytest.mark.parametrize("dataset", DATASETS)
def test_with_min_max_scaling_the_network_hardly_trains(rows: dict, dataset: str) -> None:
    """Page 12: its error is near that of no change, which the other switches leave far behind."""
    (still,) = compare.mae_of(rows[dataset][LABELS["persistence"]])
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
def test_no_larger_kernel_helps_lsntp(dataset: str) -> None:
    rows = studies.load(studies.kernel(dataset))
    for larger in ("5@5", "7@7"):
        assert compare.difference(rows[larger], rows["3@3"])["verdict"] != "lower"
