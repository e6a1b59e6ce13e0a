"""Page 17: errors where links are planted, and who is compared with whom."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lsntp.chapters import parameters, power
from lsntp.results import studies
from lsntp.results.compare import LOWER, interval
from lsntp.runs.config import RunConfig


def runs(level: float, seeds: int, auc: float | None = None) -> list[xr.Dataset]:
    """Records whose error is ``level`` at the places and 1 K elsewhere."""
    rng = np.random.default_rng(round(level * 1000))
    days = pd.date_range("2014-01-01", periods=400)
    records = []
    for seed in range(seeds):
        at = level + 0.01 * seed + 0.1 * np.sin(np.arange(400)) + 0.01 * rng.standard_normal(400)
        record = xr.Dataset(
            {
                "mae": ("lead", np.full(5, 9.0)),
                "place_mae": ("lead", np.full(5, at.mean())),
                "place_day_mae": ("day", at),
                "other_day_mae": ("day", np.ones(400)),
            },
            {"day": days, "lead": np.arange(1.0, 6.0)},
        )
        if auc is not None:
            record["link_auc"] = auc + 0.1 * seed
        records.append(record.assign(train_loss=("epoch", [1.0])) if seeds > 1 else record)
    return records


@pytest.fixture
def rows() -> dict[str, list[xr.Dataset]]:
    return {
        "ridge, without": runs(2.0, 1),
        "ridge, to find": runs(1.9, 1, 0.99),
        "ridge, told": runs(1.7, 1),
        "net, without": runs(2.2, 3),
        "net, to find": runs(2.2004, 3, 0.5),
        "net, told": runs(2.1, 3),
    }


def test_changes_are_those_of_the_one_interval(rows: dict[str, list[xr.Dataset]]) -> None:
    changes = power.changes(rows)
    assert [*changes] == ["to find", "told"]
    for way, table in changes.items():
        assert [*table.index] == ["ridge", "net"]
        for label in table.index:
            groups = [rows[f"{label}, {w}"] for w in (way, "without")]
            means = [
                sum(r["place_day_mae"].rename(day="window") for r in g) / len(g) for g in groups
            ]
            seeds = [[float(r["place_day_mae"].mean()) for r in g] for g in groups if len(g) > 1]
            by_hand = interval(*means, seeds)
            assert table.loc[label].to_dict() == pytest.approx(by_hand.to_dict())
    assert changes["told"].loc["net", "difference"] == pytest.approx(-0.1, abs=2e-3)
    assert (changes["told"]["verdict"] == LOWER).all()
    for table in power.changes(rows, "other").values():
        assert (table["difference"] == 0).all()


def test_what_is_measured(rows: dict[str, list[xr.Dataset]]) -> None:
    table = power.measured(rows)
    assert [*table.index] == ["ridge", "net"]
    assert [*table["MAE (K)"].loc["net", ["without", "to find", "told"]]] == [
        "2.21",
        "2.21",
        "2.11",
    ]
    assert table.loc["ridge", ("AUC", "to find")] == "0.99"
    assert table.loc["net", ("AUC", "to find")] == "0.50 to 0.70"


def altered(one: RunConfig, other: RunConfig) -> dict[str, object]:
    """The fields of ``one`` that differ from ``other``'s."""
    theirs = other.model_dump()
    return {name: value for name, value in one.model_dump().items() if value != theirs[name]}


def test_rows_differ_from_their_twins_in_the_graph_alone() -> None:
    rows = studies.power(studies.STRONGEST)
    labels = [label.removesuffix(", told") for label in rows if label.endswith(", told")]
    assert len(rows) == 3 * len(labels) == 15
    for label in labels:
        without, found, told = (rows[f"{label}, {way}"] for way in studies.WAYS)
        for one, two, three in zip(without, found, told, strict=True):
            assert not one.linked and not one.told and not two.told
            if one.model == "ridge":
                assert altered(two, one) == {"model": "ridge-screened"}
                assert altered(three, one) == {"told": True}
                continue
            assert two.linked and one.seed == two.seed
            assert altered(three, two) == {"told": True}
            # what is tied means nothing without a graph, see test_planted
            assert {*altered(two, one)} <= {"parts", "model"}
            assert one.model == two.model or (one.model, two.model) == (
                "lsntp-equations",
                "lsntp-untied",
            )
            assert {k: v for k, v in one.parts.items() if k not in ("tied", "lagc")} == {
                k: v for k, v in two.parts.items() if k not in ("tied", "lagc")
            }


def test_only_planted_sets_are_taken() -> None:
    names = ["ncep-na-planted-100-lag1", "era5-uk-planted-25-lag4"]
    assert parameters.power(names, "laptop", 3, False) == names
    assert parameters.power(names[0], "laptop", 3, False) == names[:1]
    with pytest.raises(ValueError, match="ncep-na-planted-60-lag1.*did you mean"):
        parameters.power("ncep-na-planted-60-lag1", "laptop", 3, False)
