"""Page 17: errors where links are planted, by strength."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lsntp.chapters import parameters, power
from lsntp.results.compare import HIGHER, LOWER, UNSEEN, interval


def runs(level: float, seeds: int, spread: float = 0.01) -> list[xr.Dataset]:
    """Records whose error is ``level`` at the places and 1 K elsewhere."""
    rng = np.random.default_rng(round(level * 1000))
    windows = pd.date_range("2014-01-01", periods=400, freq="6h")
    records = []
    for seed in range(seeds):
        at = level + spread * seed + 0.1 * np.sin(np.arange(400)) + 0.01 * rng.standard_normal(400)
        record = xr.Dataset(
            {
                "place_window_mae": ("window", at),
                "other_window_mae": ("window", np.ones(400)),
                "place_mae": ("lead", np.full(6, at.mean())),
                "link_auc": 0.5 + 0.1 * seed,
            },
            {"window": windows},
        )
        records.append(record.assign(train_loss=("epoch", [1.0])) if seeds > 1 else record)
    return records


def test_changes_are_those_of_the_one_interval() -> None:
    rows = {"ridge": runs(2.0, 1), "one": runs(2.2, 3), "other": runs(2.1, 3)}
    table = power.changes({0.5: rows}, "one")[0.5]
    assert [*table.index] == ["ridge", "other"]
    means = {k: sum(r["place_window_mae"] for r in group) / len(group) for k, group in rows.items()}
    seeds = {k: [float(r["place_window_mae"].mean()) for r in group] for k, group in rows.items()}
    by_hand = interval(means["other"], means["one"], [seeds["other"], seeds["one"]])
    assert table.loc["other"].to_dict() == by_hand.to_dict()
    by_hand = interval(means["ridge"], means["one"], [seeds["one"]])
    assert table.loc["ridge"].to_dict() == by_hand.to_dict()
    assert table.loc["other", "difference"] == pytest.approx(-0.1, abs=2e-3)
    elsewhere = power.changes({0.5: rows}, "one", "other")[0.5]
    assert (elsewhere["difference"] == 0).all()


@pytest.mark.parametrize(
    ("verdicts", "strength"),
    [
        ((UNSEEN, LOWER, LOWER), 0.5),
        ((LOWER, UNSEEN, LOWER), 1.0),
        ((LOWER, LOWER, HIGHER), np.nan),
        ((LOWER, LOWER, LOWER), 0.25),
    ],
)
def test_noticed_is_what_stays_so_above(verdicts: tuple[str, ...], strength: float) -> None:
    strengths = (0.25, 0.5, 1.0)
    tables = {
        s: pd.DataFrame({"verdict": [v]}, index=["a row"])
        for s, v in zip(strengths, verdicts, strict=True)
    }
    back = power.noticed(dict(reversed(tables.items())))
    assert back.to_dict() == pytest.approx({"a row": strength}, nan_ok=True)


def test_measured_is_the_mean_of_the_seeds() -> None:
    rows = {"one": runs(2.0, 3), "none": [r.drop_vars("link_auc") for r in runs(1.0, 3)]}
    auc = power.measured({0.5: rows}, "link_auc")
    assert auc.loc["one", 0.5] == pytest.approx(0.6) and np.isnan(auc.loc["none", 0.5])
    mae = power.measured({0.5: rows}, "place_mae")
    assert mae.loc["one", 0.5] == pytest.approx(2.01, abs=2e-3)


def test_names_are_grouped_by_set_and_lag() -> None:
    names = ["ncep-na-planted-100-lag1", "ncep-na-planted-25-lag1", "era5-uk-planted-50-lag4"]
    assert parameters.power(names, "laptop", 3, False) == {
        ("ncep-na", 1): {0.25: names[1], 1.0: names[0]},
        ("era5-uk", 4): {0.5: names[2]},
    }
    with pytest.raises(ValueError, match="ncep-na-planted-60-lag1.*did you mean"):
        parameters.power("ncep-na-planted-60-lag1", "laptop", 3, False)
