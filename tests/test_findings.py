"""Verdicts on the studies, on records made up so that each can come out each way."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from lsntp import RunConfig
from lsntp.chapters import q1_distance, q2_kernel, q3_baseline_kernels
from lsntp.chapters.q1_distance import TESTED_CUT, TRAINED_CUT
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.results import claims, paper, studies, tables
from lsntp.results.claims import FAILS, HOLDS, OPEN
from lsntp.results.compare import SCATTER
from lsntp.runs import records

CUTS = (0, 100, 200, 400)


def record(
    error: float, seed: int = 0, losses: Sequence[float] = (1.0,), **settings: Any
) -> xr.Dataset:
    """A record whose MAE is about ``error``, a little more on some days, by seed."""
    config = RunConfig(**{"dataset": "era5-uk", "model": studies.LSNTP, "seed": seed, **settings})
    times = pd.date_range("2014-01-01", periods=80, freq="6h")
    days = 0.1 * np.repeat(np.random.default_rng(1).standard_normal(20), 4)
    by_window = xr.DataArray(
        np.tile((error + 0.002 * seed + days - days.mean())[:, None], (1, 6)),
        {"window": times, "lead": np.arange(1, 7)},
        ("window", "lead"),
    )
    data = xr.Dataset({"mae": by_window.mean("window"), "window_mae": by_window})
    data["train_loss"] = data["validation_loss"] = ("epoch", list(losses))
    data.attrs = {"config": config.model_dump_json(), "key": config.key}
    return data


def row(error: float, seeds: int = 3, **settings: Any) -> list[xr.Dataset]:
    return [record(error, s, **settings) for s in range(seeds)]


def cut(whole: list[xr.Dataset], factors: tuple[float, ...]) -> list[xr.Dataset]:
    """Give records their errors under cuts: factors of the error of the whole graph."""
    by_cut = xr.DataArray(list(factors), {"cut": [float(km) for km in CUTS]}, ("cut",))
    for r in whole:
        r["cut_mae"] = by_cut * r["mae"]
        r["cut_window_mae"] = by_cut * r["window_mae"].mean("lead")
    return whole


def distance_rows(*trained: float, factors: tuple[float, ...] = (2, 1.5, 1.1, 1)) -> dict:
    """Rows of Q1: errors trained with each cut, the last with none."""
    rows = {f"{km} km": row(e, cut_km=km) for km, e in zip(CUTS[:-1], trained, strict=False)}
    rows["whole"] = cut(row(trained[-1], test_cuts_km=CUTS), factors)
    rows["w/o LAGC"] = row(1.0, parts={"lagc": False})
    return rows


def test_errors_and_their_means() -> None:
    rows = {"a": row(1.0), "b": row(2.0, seeds=1)}
    table = tables.errors(rows)
    assert table["row"].tolist() == ["a", "a", "a", "b"]
    np.testing.assert_allclose(table["mae"], [1.0, 1.002, 1.004, 2.0])
    np.testing.assert_allclose(tables.mean_errors(rows), [1.002, 2.0])


def test_differences_leave_the_reference_out() -> None:
    table = tables.differences({"a": row(1.0), "b": row(1.5), "c": row(1.0)}, "a")
    assert table.index.tolist() == ["b", "c"]
    assert table["verdict"].tolist() == ["higher", "no difference seen"]
    assert table.loc["b", "difference"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        ((1.5, 1.6), HOLDS),
        ((1.5, 1.0), OPEN),
        ((1.5, 0.5), FAILS),
        ((1.0, 0.5), FAILS),
    ],
)
def test_lowest_can_come_out_each_way(others: tuple[float, float], verdict: str) -> None:
    rows = {"ours": row(1.0), "x": row(others[0]), "y": row(others[1])}
    assert claims.lowest("ours")(rows)["verdict"] == verdict
    assert claims.lowest("ours", ["x"])(rows)["verdict"] == (HOLDS if others[0] > 1 else OPEN)
    assert claims.lowest("theirs")(rows) is None


def test_lowest_looks_at_every_row_not_at_the_best_alone() -> None:
    scattered = [record(error, s) for s, error in enumerate((0.3, 0.9, 1.5))]
    rows = {"ours": row(1.0), "best": scattered, "lower": row(0.95)}
    assert claims.lowest("ours")(rows)["verdict"] == FAILS
    scattered = [record(error, s) for s, error in enumerate((0.6, 1.2, 1.8))]
    rows = {"ours": row(1.0), "best": row(1.1), "open": scattered}
    assert claims.lowest("ours")(rows)["verdict"] == SCATTER


def test_one_seed_separates_nothing() -> None:
    rows = {"ours": row(1.0, seeds=1), "x": row(1.5, seeds=1)}
    assert claims.lowest("ours")(rows)["verdict"] == "no interval"


def test_a_part_can_help_or_harm() -> None:
    rows = {"full": row(1.0), "worse": row(1.5), "better": row(0.5), "same": row(1.0)}
    said = {label: claims.lower("full", label)(rows) for label in rows}
    assert [said[k]["verdict"] for k in ("worse", "better", "same")] == [HOLDS, FAILS, OPEN]
    assert said["worse"]["effect"] == pytest.approx(-0.5)
    assert claims.lower("full", "w/o NSA")(rows) is None


def test_distance_curves_meet_at_the_whole() -> None:
    rows = distance_rows(1.4, 1.2, 1.1, 1.0)
    assert list(q1_distance.cut_rows(rows)) == list(CUTS)
    curves = q1_distance.distance_curves(rows)
    means = curves.groupby(["curve", "at"])["mae"].mean()
    np.testing.assert_allclose(means[TRAINED_CUT], [1.402, 1.202, 1.102, 1.002])
    np.testing.assert_allclose(means[TESTED_CUT], 1.002 * np.array([2, 1.5, 1.1, 1]))
    assert len(curves) == 2 * 3 * len(CUTS)


def test_the_cut_once_trained_is_compared_seed_by_seed() -> None:
    whole = cut(row(1.0), (1.01, 1.005, 1.002, 1))
    found = claims.uncut({"whole": whole})
    assert found["effect"] == pytest.approx(-0.01002)
    seeds = [-0.01, -0.01002, -0.01004]
    reach = stats.t.ppf(0.975, 2) * np.std(seeds, ddof=1) / np.sqrt(3)
    assert found["high"] - found["effect"] >= reach  # of the difference, not 0.002 of a run
    assert found["high"] - found["effect"] < 0.001 and found["verdict"] == HOLDS
    assert claims.uncut({"whole": whole[:1]})["verdict"] == "no interval"


@pytest.mark.parametrize(
    ("trained", "factors", "holds", "km"),
    [
        ((1.4, 1.2, 1.1, 1.0), (2, 1.5, 1.1, 1), (HOLDS, HOLDS), 400),
        ((1.4, 1.2, 1.0, 1.0), (1, 1, 1, 1), (HOLDS, OPEN), 200),
        ((1.0, 1.0, 1.0, 1.0), (2, 1, 1, 1), (OPEN, HOLDS), 0),
        ((0.5, 1.2, 1.0, 1.0), (0.5, 1, 1, 1), (FAILS, FAILS), 200),
        ((1.4, 0.5, 1.0, 1.0), (1.2, 1.1, 1.05, 1), (HOLDS, HOLDS), 100),
    ],
)
def test_distance_verdicts_can_come_out_each_way(
    trained: tuple, factors: tuple, holds: tuple, km: int
) -> None:
    rows = distance_rows(*trained, factors=factors)
    table = claims.table({"era5-uk": {"distance": rows}})["verdict"]
    assert tuple(table) == holds
    assert q1_distance.reach(rows) == km


def test_the_graph_is_that_of_the_main_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path))
    whole = row(1.0, seeds=1, test_cuts_km=CUTS)
    with pytest.raises(records.RecordError, match="no record"):
        q1_distance.with_graph(whole)
    main = record(1.0)
    main["embedding"] = (("node", "feature"), np.ones((2, 3), np.float32))
    records.write(main, records.path_of(RunConfig(dataset="era5-uk", model=studies.LSNTP)))
    (found,) = q1_distance.with_graph(whole)
    assert found.attrs["key"] == main.attrs["key"] != whole[0].attrs["key"]
    assert q1_distance.with_graph([main])[0] is main


def test_weight_within_by_hand() -> None:
    field = xr.DataArray(
        np.zeros((7, 9)), {"lat": 58 - np.arange(7.0), "lon": np.arange(9.0)}, ("lat", "lon")
    )
    inner = field[1::2, 1::2]
    between = great_circle_km(*grid_nodes(inner))
    alike, alone = record(1.0), record(1.0, 1)
    alike["embedding"] = (("node", "feature"), np.zeros((12, 12)))
    alone["embedding"] = (("node", "feature"), 10 * np.eye(12))
    km = [0, 300, int(np.ceil(between.max()))]
    table = q1_distance.weight_within([alike, alone], field, km)
    uniform = table[table["curve"] == "all nodes alike"]
    np.testing.assert_allclose(uniform["share"], [1 / 12, (between <= 300).mean(), 1])
    trained = table[table["curve"] == "after training"].groupby("at")["share"]
    np.testing.assert_allclose(trained.min(), uniform["share"], atol=1e-12)
    np.testing.assert_allclose(trained.max(), 1)


def kernel_rows(*errors: float) -> dict:
    return {
        f"{k}@{k}": row(e, preset=studies.with_kernel("laptop", k))
        for k, e in zip(studies.KERNELS, errors, strict=True)
    }


def test_table_5_agrees_with_the_papers_row() -> None:
    for source, theirs in paper.TABLE_5[paper.TABLE_5["kernel"] == 3].groupby("dataset"):
        rows = paper.LSNTP[paper.LSNTP["dataset"].str.startswith(str(source))]
        row_of_paper = rows[rows["model"].str.endswith("Table 5")]
        columns = ["mae", "rmse", "ssim_released", "psnr_released"]
        np.testing.assert_array_equal(theirs[columns], row_of_paper[columns])
    assert len(paper.TABLE_5) == 2 * len(studies.KERNELS)


def test_kernel_curves_and_ratios() -> None:
    rows = kernel_rows(1.1, 1.0, 1.2, 1.3)
    curves = tables.curves(rows, "kernel")
    assert curves["at"].unique().tolist() == [1, 3, 5, 7]
    assert set(curves["curve"]) == {studies.LSNTP}
    ratios = q2_kernel.kernel_ratios(rows, "era5-uk", "ERA5")
    means = ratios.groupby(["curve", "at"])["ratio"].mean()
    np.testing.assert_allclose(
        means["here, era5-uk"], np.array([1.102, 1.002, 1.202, 1.302]) / 1.002
    )
    np.testing.assert_allclose(means["paper's Table 5, ERA5"][7], 1.118 / 0.897)
    assert set(q2_kernel.kernel_ratios(rows, "own.nc", None)["curve"]) == {"here, own.nc"}


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [((1.1, 1.0, 1.2, 1.3), HOLDS), ((1.1, 1.0, 1.0, 1.3), OPEN), ((0.9, 1.0, 1.2, 1.3), FAILS)],
)
def test_kernels_can_come_out_each_way(errors: tuple, verdict: str) -> None:
    rows = kernel_rows(*errors)
    assert claims.table({"": {"kernel": rows}})["verdict"].tolist() == [verdict]


def test_rivals_with_larger_kernels() -> None:
    errors = {("convlstm", 3): 1.5, ("convlstm", 5): 1.2, ("predrnn", 3): 1.3, ("predrnn", 5): 1.4}
    rows = {
        f"{m} {k}×{k}": row(e, model=m, preset=studies.with_kernel("laptop", k))
        for (m, k), e in reversed(errors.items())
    }
    rivals = q3_baseline_kernels.by_rival(rows)
    assert list(rivals) == ["ConvLSTM", "PredRNN"]
    assert list(rivals["ConvLSTM"]) == ["convlstm 3×3", "convlstm 5×5"]
    said = claims.table({"": {"baseline-kernels": {claims.LSNTP: row(1.0), **rows}}})["verdict"]
    said = said.droplevel("dataset")
    assert said["LS-NTP errs less than rivals of any kernel", "3×3 to 9×9"] == HOLDS
    assert said["A larger kernel helps a rival", "ConvLSTM"] == HOLDS
    assert said["A larger kernel helps a rival", "PredRNN"] == FAILS
    behind = claims.lowest(claims.LSNTP)({claims.LSNTP: row(1.35), **rows})
    assert behind["verdict"] == FAILS and behind["theirs"] == pytest.approx(1.202)


def test_a_larger_kernel_is_chosen_by_its_lowest_validation_loss_over_seeds() -> None:
    """By its last epoch, its mean epoch, its first seed or its test error it would be 7×7."""
    of_kernel = {
        3: (1.5, [(0.1, 0.1, 0.1), (0.1, 0.1, 0.1)]),
        5: (1.3, [(9.0, 2.0, 9.0), (9.0, 2.0, 9.0)]),
        7: (1.2, [(1.0, 1.0, 1.0), (4.0, 4.0, 4.0)]),
    }
    rows = {
        f"{k}×{k}": [
            record(e, s, of_seed, model="convlstm", preset=studies.with_kernel("laptop", k))
            for s, of_seed in enumerate(losses)
        ]
        for k, (e, losses) in of_kernel.items()
    }
    assert claims.larger_kernel("convlstm")(rows)["ours"] == pytest.approx(1.301)


def test_a_larger_kernel_is_never_the_first_row() -> None:
    rows = {
        f"{k}×{k}": row(e, model="convlstm", preset=studies.with_kernel("laptop", k), losses=[v])
        for k, e, v in ((3, 1.0, 0.1), (5, 1.0, 0.3), (7, 1.5, 0.2))
    }
    found = claims.larger_kernel("convlstm")(rows)
    assert found["verdict"] == FAILS
    np.testing.assert_allclose(found["effect"], 0.5)


def test_best_epochs_are_those_of_the_lowest_validation_loss_counted_from_one() -> None:
    losses = [(3.0, 1.0, 2.0), (1.0, 2.0, 3.0), (3.0, 2.0, 1.0)]
    rows = {"a": [record(1.0, s, of_seed) for s, of_seed in enumerate(losses)], "b": row(1.0)}
    for r in rows["b"]:
        del r["validation_loss"]
    assert tables.best_epochs(rows).to_dict() == {"a": "2, 1, 3"}


def test_keys_by_seed() -> None:
    rows = {"a": row(1.0), "b": row(1.0, parts={"nsa": False})}
    table = tables.keys(rows)
    assert table.shape == (2, 3)
    assert table.loc["b", 2] == rows["b"][2].attrs["key"]
