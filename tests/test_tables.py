"""Summaries of records against values worked by hand, on records made up for the purpose."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import signal, stats

from lsntp import RunConfig
from lsntp.results import compare, learned_graphs, tables
from lsntp.runs import records
from lsntp.zoo import NETWORKS

DAYS, A_DAY = 20, 4


def record(model: str, error: np.ndarray, seed: int = 0, recipe: str = "modern") -> xr.Dataset:
    """A record whose MAE in every window and lead is ``error`` (window,)."""
    config = RunConfig(dataset="era5-uk", model=model, recipe=recipe, seed=seed)
    times = pd.date_range("2014-01-01", periods=len(error), freq="6h")
    window_mae = xr.DataArray(
        np.tile(error[:, None], (1, 6)),
        coords={"window": times, "lead": np.arange(1, 7)},
        dims=("window", "lead"),
    )
    names = ("mae", "rmse", "rmse_per_cell", "ssim", "psnr", "ssim_released", "psnr_released")
    data = xr.Dataset({name: window_mae.mean("window") for name in names})
    data["window_mae"] = window_mae
    if model in NETWORKS:
        data["train_loss"] = ("epoch", [1.0])
    data.attrs = {
        "config": config.model_dump_json(),
        "key": config.key,
        "fingerprint": "",
        "parameters": 1234567,
        "wall_s": 61.0,
        "peak_memory_mib": 1.0,
        "device": "CPU",
        "commit": "",
        "made": "",
        "versions": '{"torch": "2"}',
    }
    return data


def days_of(values: np.ndarray) -> np.ndarray:
    return np.repeat(values, A_DAY)


def test_main_table_by_hand() -> None:
    several = [record("convlstm", days_of(np.full(DAYS, 1.0 + 0.1 * s)), s) for s in range(3)]
    several.append(record("ridge", days_of(np.full(DAYS, 2.0))))
    table = tables.main_table(records.tabulate(several))
    assert table.loc[("ConvLSTM", "modern"), "MAE (K)"] == "1.100 ± 0.100"
    assert table.loc[("ConvLSTM", "modern"), "seeds"] == "3"
    assert table.loc[("Ridge 5×5", "–"), "MAE (K)"] == "2.000"
    assert table.loc[("Ridge 5×5", "–"), "seeds"] == "–"
    assert table.loc[("ConvLSTM", "modern"), "parameters"] == "1,234,567"


def test_by_lead_by_hand() -> None:
    several = [record("convlstm", np.full(80, 1.0 + 0.1 * s), s) for s in range(3)]
    for run in several:
        run["mae"] = run["mae"] * xr.DataArray([1, 2, 3, 4, 5, 6], dims="lead")
    table = tables.by_lead(records.tabulate(several))
    assert table.loc["ConvLSTM", 1] == "1.100 ± 0.100"
    assert table.loc["ConvLSTM", 6] == "6.600 ± 0.600"
    several.append(record("convlstm", np.ones(80), recipe="released"))
    with pytest.raises(ValueError, match="recipes modern, released cannot share a row"):
        tables.by_lead(records.tabulate(several))


def test_published_rows_are_marked_and_leave_what_is_not_known() -> None:
    table = tables.main_table(records.tabulate([record("ridge", np.ones(80))]))
    joined = tables.with_published(table, "NCEP")
    theirs = joined.iloc[1:]
    assert [mark for _, mark in theirs.index] == ["other data", "other data"]
    assert theirs["MAE (K)"].tolist() == ["1.740", f"{1.7325:.3f}"]
    assert theirs["SSIM, paper's"].tolist() == ["0.915", "0.916"]
    assert "SSIM" not in joined  # only the paper's own protocol is known of the paper
    assert not joined.isna().any(axis=None)
    assert len(tables.with_published(table, "none")) == 1


@pytest.mark.parametrize(
    ("blocks", "days_a_block"),
    [(60, 7), (80, 1), (7, 1)],  # of many days: weeks, here one weather each; else days
    ids=["weeks", "days", "few days"],
)
def test_the_interval_is_student_s_of_the_means_of_blocks(blocks: int, days_a_block: int) -> None:
    of_block = np.random.default_rng(1).normal(0.5, 0.5, blocks)
    values = np.repeat(of_block, days_a_block * A_DAY)
    ours = [record("convlstm", 1 + values, s) for s in range(3)]
    c = compare.difference(ours, [record("ridge", np.ones(len(values)))])
    half = stats.t.ppf(0.975, blocks - 1) * of_block.std(ddof=1) / np.sqrt(blocks)
    assert c["difference"] == pytest.approx(of_block.mean())
    assert c["low"] == pytest.approx(of_block.mean() - half, abs=0.2 * half)
    assert c["high"] == pytest.approx(of_block.mean() + half, abs=0.2 * half)
    assert c["verdict"] == "higher"


def test_one_day_has_no_interval() -> None:
    c = compare.difference([record("climatology", np.ones(4))], [record("ridge", np.ones(4))])
    assert np.isnan(c["low"]) and np.isnan(c["high"]) and c["verdict"] == "no interval"


def test_only_errors_of_the_same_windows_are_compared() -> None:
    with pytest.raises(ValueError, match="different windows, 80 from 2014-01-01.* and 76 from"):
        compare.difference([record("ridge", np.ones(80))], [record("ridge", np.ones(76))])


def test_seeds_widen_the_interval_as_welch_and_satterthwaite_have_it() -> None:
    ours = [record("convlstm", np.full(80, 1 + 0.3 * s), s) for s in range(3)]
    theirs = [record("predrnn", np.full(80, 1 + 0.4 * s), s) for s in range(4)]
    c = compare.difference(ours, theirs)
    a, b = ([float(r["mae"].mean()) for r in row] for row in (ours, theirs))
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (c["low"], c["high"]) == pytest.approx((expected.low, expected.high))
    assert c["seed_sd"] == pytest.approx(np.hypot(np.std(a, ddof=1), np.std(b, ddof=1)))
    assert compare.difference([record("ridge", np.ones(80))], theirs)["seed_sd"] < c["seed_sd"]


def test_one_seed_has_no_interval() -> None:
    one = [record("convlstm", np.full(80, 2.0), 0)]
    c = compare.difference(one, [record("ridge", np.ones(80))])
    assert np.isnan(c["low"]) and np.isnan(c["seed_sd"]) and c["verdict"] == "no interval"


@pytest.mark.parametrize(
    ("windows", "step", "memory"),  # as in the real sets: a year by weeks, a week by days
    [(1449, "6h", 2.5), (157, "1h", 2.7)],
    ids=["weeks", "days"],
)
def test_without_a_difference_one_interval_in_twenty_excludes_zero(
    windows: int, step: str, memory: float
) -> None:
    """Two rows of three seeds: weather with a memory, and a level of each seed's own."""
    rng = np.random.default_rng(2)
    times = pd.date_range("2014-01-01", periods=windows, freq=step)
    keep = np.exp(-1 / memory)
    trials, wrong = 400, 0
    for _ in range(trials):
        noise = rng.standard_normal(windows + 200) * np.sqrt(1 - keep**2)
        weather = signal.lfilter([1], [1, -keep], noise)[200:]
        levels = rng.normal(0, 0.1, (2, 3))
        ours = xr.DataArray(1 + weather + levels[0].mean(), {"window": times}, ["window"])
        theirs = xr.DataArray(np.ones(windows) + levels[1].mean(), {"window": times}, ["window"])
        wrong += compare.interval(ours, theirs, levels)["verdict"] in ("lower", "higher")
    assert 0.02 <= wrong / trials <= 0.08  # 0.05 within three standard errors


def test_over_several_periods_the_interval_is_students_of_their_means() -> None:
    rng = np.random.default_rng(0)
    changes, periods = rng.normal(-0.1, 0.05, 4), []
    for k, mean in enumerate(changes):
        weather = rng.normal(0, 0.01, 80)  # the mean of a period is what counts
        later = np.timedelta64(60 * k, "D")
        ridge, other = record("ridge", np.ones(80)), record("ridge", 1 + mean + weather)
        periods.append(
            {
                label: [run.assign_coords(window=run["window"] + later)]
                for label, run in (("theirs", ridge), ("ours", other))
            }
        )
        changes[k] += weather.mean()
    found = compare.over_periods(periods, "ours", "theirs")
    reach = stats.t.ppf(0.975, 3) * changes.std(ddof=1) / 2
    expected = changes.mean() + np.array([0, -reach, reach])
    np.testing.assert_allclose(found[["difference", "low", "high"]].astype(float), expected, 0.02)


def test_over_several_periods_one_seed_says_nothing() -> None:
    def period(seeds: int) -> dict[str, list[xr.Dataset]]:
        ours = [record("convlstm", np.full(80, 0.9 + 0.001 * s), s) for s in range(seeds)]
        return {"ours": ours, "ridge": [record("ridge", np.ones(80))]}

    for seeds, verdict in ((3, "lower"), (1, "no interval")):
        later = period(seeds)
        for several in later.values():
            for run in several:
                run["window"] = run["window"] + np.timedelta64(60, "D")
        table = tables.over_periods([period(seeds), later], "ridge")
        assert table.loc["ours", "verdict"] == verdict
    assert table.loc["ours", "mean"] == "0.900" and table.loc["ours", "change (K)"] == "−0.100"


@pytest.mark.parametrize("table", [tables.main_table, tables.by_lead])
def test_unlike_runs_do_not_share_a_row(table: Callable) -> None:
    runs = records.tabulate([record("ridge", np.ones(80))])
    for column, other in {"variant": "rotation1", "dataset": "ncep-na"}.items():
        with pytest.raises(ValueError, match=f"runs of {column} .*cannot share a row"):
            table(pd.concat([runs, runs.assign(**{column: other})]))
    ours = records.tabulate([record("convlstm", np.ones(80))])
    with pytest.raises(ValueError, match="runs of preset 'laptop', 'paper'"):
        table(pd.concat([ours, ours.assign(preset="paper")]))
    assert len(table(pd.concat([ours, runs]))) == 2


def test_verdicts() -> None:
    wobble = np.tile([0.4, -0.4], DAYS // 2)

    def verdict(shift: float, seed_step: float, seeds: int = 3, wobbling: float = 0.0) -> str:
        error = 1 + shift + days_of(wobbling * wobble)
        ours = [record("convlstm", error + seed_step * (s - 1), s) for s in range(seeds)]
        theirs = [record("ridge", np.ones(DAYS * A_DAY))]
        return str(compare.difference(ours, theirs)["verdict"])

    assert verdict(-0.1, 0.001) == "lower"
    assert verdict(+0.1, 0.001) == "higher"
    assert verdict(-0.1, 0.1) == "too uncertain"  # large, inside the seed spread
    assert verdict(-0.04, 0.1) == "no difference seen"
    assert verdict(-0.04, 0.001, wobbling=1.0) == "no difference seen"  # depends on the days
    assert verdict(-0.04, 0.0, seeds=1) == "no interval"  # one seed tells no spread


def test_learned_graph_of_a_uniform_and_of_a_selfish_embedding() -> None:
    field = xr.DataArray(
        np.zeros((4, 6)),
        coords={"lat": [50.0, 49, 48, 47], "lon": np.arange(6.0)},
        dims=("lat", "lon"),
    )
    some = record("lsntp-equations", np.ones(80))
    nodes = 2 * 3  # laptop networks halve the grid
    some["embedding"] = (("node", "feature"), np.zeros((nodes, nodes)))
    uniform = learned_graphs.learned_graph(some, field)
    assert uniform["own"] == pytest.approx(1 / nodes)
    assert uniform["nodes"] == pytest.approx(1)
    assert uniform["far"] == pytest.approx(uniform["far_uniform"])
    assert 0 < uniform["far_uniform"] < 1
    some["embedding"] = (("node", "feature"), 5 * np.eye(nodes))
    selfish = learned_graphs.learned_graph(some, field)
    assert selfish["own"] == pytest.approx(1, abs=1e-8)
    assert selfish["nodes"] == pytest.approx(1 / nodes, abs=1e-6)
    assert selfish["far"] == pytest.approx(0, abs=1e-8)
