"""metrics: hand-worked values, scikit-image, the released protocol, properties, bad input."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lsntp.runs import metrics

DIMS = ("sample", "lead", "lat", "lon")
PARITY = Path(__file__).parent / "parity" / "released_metrics.npz"


def forecast(seed=0, samples=3, leads=2, height=9, width=11):
    """A pair (pred, target) in K: smooth fields that look like temperature."""
    rng = np.random.default_rng(seed)
    shape = (samples, leads, height, width)
    gradient = np.linspace(-15, 15, height)[:, None]
    target = 280 + gradient + rng.normal(0, 3, shape)
    pred = target + rng.normal(0.3, 1.5, shape)
    return (xr.DataArray(a.astype("float32"), dims=DIMS) for a in (pred, target))


def test_hand_worked_values():
    """Two samples, one wrong by +2 K in one column and by −1 K in another, the other perfect."""
    target = xr.DataArray(np.full((2, 1, 8, 8), 280.0), dims=DIMS)
    target[0, 0, 0, 0] = 290.0  # range 10 K
    pred = target.copy()
    pred[0, 0, :, 2] += 2.0
    pred[0, 0, :, 5] -= 1.0
    table = metrics.score(pred, target).isel(lead=0)
    assert table.mae == pytest.approx((8 * 2 + 8 * 1) / 128)
    assert table.rmse == pytest.approx(np.sqrt((8 * 4 + 8 * 1) / 128))
    # a cell of column 2: sqrt((4 + 0) / 2); of column 5: sqrt((1 + 0) / 2)
    assert table.rmse_per_cell == pytest.approx((8 * np.sqrt(2) + 8 * np.sqrt(0.5)) / 64)
    assert np.isinf(table.psnr)  # the second field is perfect
    assert table.attrs == {"data_range": 10.0, "lowest": 280.0, "samples": 2, "cells": 64}
    first = metrics.score(pred[:1], target[:1]).isel(lead=0)
    assert first.psnr == pytest.approx(10 * np.log10(10**2 / (40 / 64)))
    assert first.psnr_released == pytest.approx(48.1308 - 20 * np.log10(np.sqrt(40 / 64)), abs=1e-4)

    maps = metrics.error_maps(pred, target).isel(lead=0)
    assert maps.mae.dims == ("lat", "lon")
    np.testing.assert_allclose(maps.mae[:, 2], 1.0)
    np.testing.assert_allclose(maps.bias[:, 5], -0.5)
    np.testing.assert_allclose(maps.rmse[:, 5], np.sqrt(0.5))
    assert float(maps.mae.mean()) == pytest.approx(float(table.mae))


def test_bias_is_forecast_minus_truth():
    _, target = forecast()
    np.testing.assert_allclose(metrics.error_maps(target + 1, target).bias, 1.0, atol=1e-4)


def test_ssim_by_hand_of_a_flat_forecast():
    """No variance, no covariance: structure is 1 and only luminance is left."""
    field = np.full((1, 7, 7), 0.5)
    c1 = 0.01**2
    expected = (2 * 0.5 * 0.7 + c1) / (0.5**2 + 0.7**2 + c1)
    assert metrics.ssim(field + 0.2, field, data_range=1) == pytest.approx(expected)


def test_equals_scikit_image_field_by_field():
    pred, target = forecast()
    table = metrics.score(pred, target)
    lowest, data_range = table.attrs["lowest"], table.attrs["data_range"]
    for lead in range(2):
        similarity, noise, released = [], [], []
        for s in range(3):
            t, p = target[s, lead].to_numpy(), pred[s, lead].to_numpy()
            t01, p01 = ((a.astype(float) - lowest) / data_range for a in (t, p))
            similarity.append(structural_similarity(t01, p01, data_range=1))
            noise.append(peak_signal_noise_ratio(t01, p01, data_range=1))
            released.append(structural_similarity(t, p, data_range=2))
        assert float(table.ssim[lead]) == pytest.approx(np.mean(similarity), abs=1e-12)
        assert float(table.psnr[lead]) == pytest.approx(np.mean(noise), abs=1e-9)
        assert float(table.ssim_released[lead]) == pytest.approx(np.mean(released), abs=1e-7)


def test_reproduces_the_released_metrics():
    stored = np.load(PARITY)
    dims = ("sample", "lead", "channel", "lat", "lon")
    pred, target = (xr.DataArray(stored[k], dims=dims) for k in ("pred", "target"))
    table = metrics.score(pred, target)
    np.testing.assert_allclose(table.mae, stored["mae"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(table.rmse, stored["rmse"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(table.rmse_per_cell, stored["rmse_per_gridcell"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(table.psnr_released, stored["psnr"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(table.ssim_released, stored["ssim"], atol=1e-5, rtol=0)


def test_perfect_forecast():
    _, target = forecast()
    table = metrics.score(target, target)
    for name in ("mae", "rmse", "rmse_per_cell"):
        assert (table[name] == 0).all()
    np.testing.assert_allclose(table.ssim, 1)
    np.testing.assert_allclose(table.ssim_released, 1)
    assert np.isinf(table.psnr).all()


def test_every_score_states_unit_and_aggregation():
    table = metrics.score(*forecast())
    for variable in table.data_vars.values():
        assert variable.attrs["units"] in ("K", "dB", "1")
        assert "over" in variable.attrs["aggregation"]
    assert list(table.lead) == [1, 2]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), samples=st.integers(1, 5))
def test_properties(seed, samples):
    pred, target = forecast(seed, samples)
    table = metrics.score(pred, target)
    assert (table.mae <= table.rmse + 1e-9).all()
    assert (table.rmse_per_cell <= table.rmse + 1e-9).all()
    assert (table.ssim <= 1).all()
    assert (table.ssim_released <= 1 + 1e-6).all()
    order = np.random.default_rng(seed).permutation(samples)
    xr.testing.assert_allclose(metrics.score(pred[order], target[order]), table)
    xr.testing.assert_allclose(metrics.score(pred.T, target.T), table)  # dims by name, not by place
    swapped = metrics.score(target, pred)
    for name in ("mae", "rmse", "rmse_per_cell", "ssim_released", "psnr_released"):
        np.testing.assert_allclose(swapped[name], table[name], rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**16), offset=st.floats(0.5, 20))
def test_worse_forecast_scores_worse(seed, offset):
    _, target = forecast(seed)
    near, far = (metrics.score(target + k * offset, target) for k in (1, 2))
    for name in ("mae", "rmse", "rmse_per_cell"):
        assert (far[name] > near[name]).all()
    for name in ("ssim", "psnr", "psnr_released"):
        assert (far[name] < near[name]).all()


@pytest.mark.parametrize("count", [2, 5])
def test_an_ensemble_by_loops(count):
    rng = np.random.default_rng(count)
    dims = ("window", "lead", "lat", "lon")
    target = xr.DataArray(280 + rng.normal(0, 3, (3, 2, 2, 3)), dims=dims)
    apart = xr.DataArray(rng.normal(0, 2, (count, *target.shape)), dims=("member", *dims))
    members = (target + apart).transpose("member", ...)
    target[:, :, 0, 1] = np.nan  # masked
    table = metrics.ensemble(members, target)
    for lead in range(2):
        y = target[:, lead].to_numpy().reshape(-1)
        x = members[:, :, lead].to_numpy().reshape(count, -1)[:, ~np.isnan(y)]
        y = y[~np.isnan(y)]
        near = np.mean([np.abs(x[m] - y).mean() for m in range(count)])
        pairs = [np.abs(x[m] - x[n]).mean() for m in range(count) for n in range(count) if m != n]
        assert table["crps"][lead] == pytest.approx(near - np.mean(pairs) / 2)
        squares = ((x - x.mean(0)) ** 2).sum(0) / (count - 1)
        assert table["spread"][lead] == pytest.approx(np.sqrt(squares.mean()))
        by_member = [np.abs(x[m] - y).mean() for m in range(count)]
        np.testing.assert_allclose(table["member_mae"][:, lead], by_member)
        others = [np.abs(np.delete(x, m, 0).mean(0) - y).mean() for m in range(count)]
        np.testing.assert_allclose(table["others_mae"][:, lead], others)


def test_one_member_is_no_ensemble():
    pred, target = (a.rename(sample="window") for a in forecast())
    with pytest.raises(ValueError, match="two or more"):
        metrics.ensemble(pred.expand_dims("member"), target)


def test_members_that_agree_have_no_spread_and_the_crps_of_one():
    pred, target = (a.rename(sample="window") for a in forecast())
    table = metrics.ensemble(xr.concat([pred] * 4, "member"), target)
    assert float(table["spread"].max()) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(table["crps"], abs(pred - target).mean(["window", "lat", "lon"]))


def test_a_calibrated_ensemble_spreads_as_far_as_its_mean_errs():
    rng = np.random.default_rng(0)
    dims, shape = ("window", "lead", "lat", "lon"), (400, 1, 8, 8)
    truth, *members = (xr.DataArray(280 + rng.normal(0, 2, shape), dims=dims) for _ in range(5))
    table = metrics.ensemble(members := xr.concat(members, "member"), truth)
    error = np.sqrt(float(((members.mean("member") - truth) ** 2).mean()))
    assert float(table["spread"][0]) * np.sqrt(5 / 4) == pytest.approx(error, rel=0.02)
    # of a normal distribution with s.d. σ that is known the CRPS is σ / √π in the mean
    assert float(table["crps"][0]) == pytest.approx(2 / np.sqrt(np.pi), rel=0.02)


def test_samples_may_have_any_number_of_dimensions():
    pred, target = forecast(samples=4)
    folded = [
        xr.DataArray(a.to_numpy().reshape(2, 2, *a.shape[1:]), dims=("seed", *DIMS))
        for a in (pred, target)
    ]
    xr.testing.assert_allclose(metrics.score(*folded), metrics.score(pred, target))
    one = metrics.score(pred[0], target[0])
    assert one.attrs["samples"] == 1


def with_nan(a):
    a = a.copy()
    a[0, 0, 0, 0] = np.nan
    return a


@pytest.mark.parametrize(
    ("spoil_pred", "spoil_target", "message"),
    [
        (lambda a: a.rename(lead="step"), lambda a: a, "pred has dimensions .* without lead"),
        (lambda a: a[:, :1], lambda a: a, "pred has sizes .* must be equal"),
        (with_nan, lambda a: a, "pred has 1 NaN"),
        (lambda a: a, with_nan, "target has 1 NaN"),
        (lambda a: a, lambda a: a - 273.15, "target does not look like kelvin"),
        (lambda a: a - 273.15, lambda a: a, "pred does not look like kelvin.*273.15"),
        (lambda a: a, lambda a: a.assign_attrs(units="degC"), "units 'degC'"),
        (lambda a: a[..., :6], lambda a: a[..., :6], "9×6 cells is smaller than SSIM's 7×7 window"),
        (lambda a: a, lambda a: xr.full_like(a, 280), "280.0 K everywhere"),
        (lambda a: a[:0], lambda a: a[:0], r"pred is .*\(0, "),
        (
            lambda a: a.assign_coords(lat=range(9)),
            lambda a: a.assign_coords(lat=range(1, 10)),
            "differ in their coordinate 'lat'",
        ),
    ],
)
def test_bad_input_is_named(spoil_pred, spoil_target, message):
    pred, target = forecast()
    with pytest.raises(ValueError, match=message):
        metrics.score(spoil_pred(pred), spoil_target(target))


def test_plain_arrays_are_refused():
    pred, target = forecast()
    with pytest.raises(TypeError, match="pred is a ndarray"):
        metrics.score(pred.to_numpy(), target)
