"""Page 17: errors where links are planted, and who is compared with whom."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lsntp.chapters import parameters, power
from lsntp.results import planted
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


def test_every_day_counts_beside_errors_by_window() -> None:
    """Of a record that also keeps them, as those on `synthetic` do, none beginning at midnight."""
    hours = pd.date_range("2014-01-01 05:00", periods=300, freq="7h")
    (record,) = runs(2.0, 1)
    both = record.assign(window_mae=("window", np.ones(300))).assign_coords(window=hours)
    one, other = (power.at([r], "place")[0]["window_mae"] for r in (record, both))
    xr.testing.assert_identical(one, other)


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
    for way in planted.WAYS:
        by_hand = np.mean([r["place_day_mae"] for r in rows[f"net, {way}"]])
        assert table.loc["net", ("MAE (K)", way)] == f"{by_hand:.3f}"
    assert table.loc["ridge", ("AUC", "to find")] == "0.99"
    assert table.loc["net", ("AUC", "to find")] == "0.50 to 0.70"


def test_the_smallest_strength_is_that_of_the_verdicts() -> None:
    levels = {25: (2.0, 2.0), 50: (2.0, 1.9), 100: (1.8, 1.8)}  # to find, told; 2.0 without
    rows = {
        f"ncep-na-planted-{percent}-lag1": {
            f"{label}, {way}": runs(level, 3, 0.5)
            for label in planted.ASKED
            for way, level in zip(planted.WAYS, (2.0, *of_way), strict=True)
        }
        for percent, of_way in levels.items()
    }
    table = power.by_strength(rows)
    assert len(table) == len(levels) * 2 * len(planted.ASKED)
    told = table[(table["way"] == "told") & (table["forecaster"] == planted.ASKED[0])]
    assert [*told["strength"]] == [0.25, 0.5, 1]
    assert [*told["difference"]] == pytest.approx([0, -0.1, -0.2], abs=5e-3)
    smallest = power.noticed(table)
    assert (smallest.loc["ncep-na, lag 1", "to find"] == "1").all()
    assert (smallest.loc["ncep-na, lag 1", "told"] == "0.5").all()
    weak_only = table.assign(verdict=np.where(table["strength"] < 1, LOWER, "higher"))
    assert (power.noticed(weak_only) == "–").all(axis=None)
    elsewhere = table.assign(links="era5-uk, lag 1")[table["forecaster"] != planted.ASKED[1]]
    both = power.noticed(pd.concat([table, elsewhere]))
    assert [*both.index.unique(0)] == ["ncep-na, lag 1", "era5-uk, lag 1"]
    assert (both.loc["era5-uk, lag 1"][planted.ASKED[1]] == "not tried").all()
    pd.testing.assert_frame_equal(both.loc["ncep-na, lag 1"], smallest.loc["ncep-na, lag 1"])
    late = table.assign(links="ncep-na, lag 4")
    for gained, least in ((0.0, "0.5"), (-0.15, "1"), (-0.25, "–")):  # with no links at all
        control = table[table["strength"] == 1].assign(strength=0.0, difference=gained)
        smallest = power.noticed(pd.concat([table, control, late]))
        for links in ("ncep-na, lag 1", "ncep-na, lag 4"):  # strength 0 is the same field
            assert (smallest.loc[links, "told"] == least).all()
    strong = power.noticed(table[table["strength"] > 0.25])
    assert (strong.loc["ncep-na, lag 1", "told"] == "≤ 0.5").all()
    none = table.assign(verdict="higher")
    assert (power.noticed(none) == "–").all(axis=None)


def test_gains_are_drawn_where_they_are() -> None:
    rows = {
        f"{base}-planted-{percent}-lag1": {
            f"{label}, {way}": runs(2 - k * percent / 1000 * (way == "told"), 3)
            for k, label in enumerate(planted.ASKED, start=shift)
            for way in planted.WAYS
        }
        for base, shift in (("ncep-na", 0), ("era5-uk", 3))
        for percent in (50, 100)
    }
    table = power.by_strength(rows)
    axes = power.gains(table)
    assert axes.shape == (2, 2)
    for row, links in zip(axes, ("ncep-na, lag 1", "era5-uk, lag 1"), strict=True):
        for ax, way in zip(row, planted.WAYS[1:], strict=True):
            assert ax.get_title() == f"{links}, {way}"
            bars = iter(ax.collections)
            lines = {line.get_label(): line for line in ax.lines}
            here = table[(table["links"] == links) & (table["way"] == way)]
            for label in planted.ASKED:
                own = here[here["forecaster"] == label]
                np.testing.assert_allclose(lines[label].get_xdata(), [0.5, 1], atol=0.05)
                np.testing.assert_allclose(lines[label].get_ydata(), own["difference"])
                ends = [segment[:, 1] for segment in next(bars).get_segments()]
                np.testing.assert_allclose(ends, own[["low", "high"]].astype(float))
            filled = [line for line in ax.lines if line.get_linestyle() == "None"]
            seen = int((here["verdict"] == LOWER).sum())
            assert sum(len(line.get_xdata()) for line in filled) == seen
            assert (seen > 0) == (way == "told")


def test_what_links_are_worth_over_all_cells() -> None:
    rows = {
        f"{base}-planted-100-lag1": {
            f"{label}, {way}": [
                record.assign(mae=record["mae"] - gain * (way == "told")) for record in runs(2, 3)
            ]
            for label, gain in zip(planted.ASKED, of_each, strict=True)
            for way in planted.WAYS
        }
        for base, of_each in (("ncep-na", (0.4, 0.3, -0.2)), ("era5-uk", (0.2, 0.0, 0.1)))
    }
    ablations = {f"{base}, lag 1": pd.Series({"low": -0.02, "high": 0.04}) for base in ("ncep-na",)}
    table = power.over_all_cells(power.by_strength(rows), ablations)
    here = table.loc[("ncep-na, lag 1", 1)]
    assert [*here] == pytest.approx([-0.4, -0.3, 0.2, 0.03])
    assert [*table.loc[("era5-uk, lag 1", 1)]][:3] == pytest.approx([-0.2, 0, -0.1])


def altered(one: RunConfig, other: RunConfig) -> dict[str, object]:
    """The fields of ``one`` that differ from ``other``'s."""
    theirs = other.model_dump()
    return {name: value for name, value in one.model_dump().items() if value != theirs[name]}


def test_rows_differ_from_their_twins_in_the_graph_alone() -> None:
    rows = planted.power(planted.IN_FULL)
    labels = [label.removesuffix(", told") for label in rows if label.endswith(", told")]
    assert len(rows) == 3 * len(labels) == 18
    for label in labels:
        without, found, told = (rows[f"{label}, {way}"] for way in planted.WAYS)
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
