"""Every score, each with its stated aggregation.

The small functions take plain arrays of one lead, shape (S, H, W): S samples of H × W
fields in K. :func:`score` applies all of them lead by lead. Shown in ``04_main_table``.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter
from scipy.stats import mannwhitneyu

from lsntp.data.checks import shown
from lsntp.data.distances import great_circle_km, grid_nodes
from lsntp.data.fields import with_values
from lsntp.data.units import HIGHEST_K, LEAST_SPREAD_K, LOWEST_K

WINDOW = 7
"""Side of SSIM's square, evenly weighted window, in cells (scikit-image's default)."""

FARTHEST_K = 1e6
"""A forecast beyond this is no number of kelvin; single precision still squares it."""

Array = np.ndarray


def mae(pred: Array, target: Array) -> float:
    """Mean absolute error, pooled over samples and cells. K."""
    return float(np.abs(pred - target).mean())


def rmse(pred: Array, target: Array) -> float:
    """Root of the mean squared error, the mean pooled over samples and cells. K."""
    return float(np.sqrt(np.square(pred - target).mean()))


def rmse_per_cell(pred: Array, target: Array) -> float:
    """RMSE over the samples of each cell, then the mean over cells. K; never above `rmse`."""
    return float(np.sqrt(np.square(pred - target).mean(axis=0)).mean())


def ssim(pred: Array, target: Array, data_range: float, there: Array | None = None) -> float:
    """Structural similarity of each field, then the mean over samples. Dimensionless, at most 1.

    In a 7×7 window w of field x and field y, with sample (co)variances,

    ``(2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2))``,
    ``C1 = (0.01 data_range)²``, ``C2 = (0.03 data_range)²``,

    averaged over all windows that lie wholly inside the field, and on cells that are ``there``
    (H, W) where some are not (NaN if there is no such window): scikit-image's
    ``structural_similarity`` with its default settings, for all fields at once.
    Arithmetic is done in the arrays' own precision, as there.
    (Wang et al. 2004, doi 10.1109/TIP.2003.819861.)
    """
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    n = WINDOW * WINDOW
    mean_x, mean_y = _window_mean(target), _window_mean(pred)
    var_x = (_window_mean(target * target) - mean_x * mean_x) * (n / (n - 1))
    var_y = (_window_mean(pred * pred) - mean_y * mean_y) * (n / (n - 1))
    cov = (_window_mean(target * pred) - mean_x * mean_y) * (n / (n - 1))
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    similarity = luminance * structure
    if there is not None:
        if not (whole := whole_windows(there)).any():
            return float("nan")
        similarity = similarity[..., whole]
    return float(similarity.mean(dtype=np.float64))


def whole_windows(there: Array) -> Array:
    """Tell of each 7×7 window of a grid (H, W) whether all its cells are there."""
    windows = np.lib.stride_tricks.sliding_window_view(there, (WINDOW, WINDOW))
    return np.asarray(windows.all(axis=(-2, -1)))


def psnr(pred: Array, target: Array, data_range: float) -> float:
    """Peak signal-to-noise ratio of each field, then the mean over samples. dB.

    ``10 log10(data_range² / MSE)``; infinite if any field is forecast perfectly.
    """
    field_mse = np.square(pred - target).mean(axis=(-2, -1))
    with np.errstate(divide="ignore"):
        return float((10 * np.log10(data_range**2 / field_mse)).mean())


def ssim_released(pred: Array, target: Array, there: Array | None = None) -> float:
    """SSIM by the paper's protocol: on kelvin in float32, data range 2, mean over samples.

    The released code gave no data range and the library of its time then took 2. Kelvin square to
    about 8·10⁴, so single precision shows in the fifth decimal; it is kept to match the paper's.
    """
    return ssim(pred.astype(np.float32), target.astype(np.float32), 2, there)


def psnr_released(pred: Array, target: Array) -> float:
    """PSNR by the paper's protocol: data range 255 for fields in kelvin, mean over samples. dB."""
    return psnr(pred, target, data_range=255)


UNITS: dict[Callable[..., float], str] = {
    mae: "K",
    rmse: "K",
    rmse_per_cell: "K",
    ssim: "1",
    psnr: "dB",
    ssim_released: "1",
    psnr_released: "dB",
}
SCORES = tuple(function.__name__ for function in UNITS)
"""Names of all scores, as variables of :func:`score` and in every record."""


def score(pred: xr.DataArray, target: xr.DataArray) -> xr.Dataset:
    """All scores of a set of forecasts, by lead.

    Parameters
    ----------
    pred, target : DataArray (..., lead, lat, lon)
        Forecast and truth in K. All dimensions before `lead` are samples and are pooled. Cells that
        the target lacks in all samples are masked: they do not count, whatever is forecast there.

    Returns
    -------
    Dataset (lead)
        `mae`, `rmse`, `rmse_per_cell` (K); `ssim` and `psnr` (dB), for which both fields are first
        scaled to ``(x − lowest) / data_range``, with `lowest` and `data_range` the minimum and the
        range (K) of the target over the whole evaluated set, all leads; `ssim_released` and
        `psnr_released` (dB) by the paper's protocol. Each variable's `aggregation` says how it was
        averaged; the attributes `data_range` and `lowest` (K), `samples` and `cells` say over what.

    Raises
    ------
    TypeError
        Anything but a DataArray.
    ValueError
        Dimensions or coordinates that differ or lack lead, lat, lon; NaN or infinity; values that
        are not kelvin; a grid smaller than SSIM's 7×7 window; a constant target.
    """
    pred, target = _checked(pred, target)
    if min(target.sizes["lat"], target.sizes["lon"]) < WINDOW:
        raise ValueError(
            f"a grid of {target.sizes['lat']}×{target.sizes['lon']} cells is smaller than SSIM's "
            f"{WINDOW}×{WINDOW} window: expected at least {WINDOW}×{WINDOW} cells"
        )
    lowest = float(target.min())
    data_range = float(target.max()) - lowest
    if data_range < LEAST_SPREAD_K:
        raise ValueError(
            f"target is {lowest} K everywhere: expected a field that varies, by at least "
            f"{LEAST_SPREAD_K} K, as SSIM and PSNR need a range"
        )

    there = with_values(target)
    masked = None if there.all() else there
    leads = []
    for lead in range(target.sizes["lead"]):
        p, t = (_samples(a.isel(lead=lead)) for a in (pred, target))  # (S, H, W), float64, K
        p01, t01 = (p - lowest) / data_range, (t - lowest) / data_range
        fields, fields01 = np.stack([p, t]), np.stack([p01, t01])
        if masked is not None:  # SSIM needs fields, the others the cells that are there
            p, t, p01, t01 = (a[:, None, there] for a in (p, t, p01, t01))
            fields = np.where(there, fields, lowest)
            fields01 = np.where(there, fields01, 0.0)
        leads.append(
            {
                "mae": mae(p, t),
                "rmse": rmse(p, t),
                "rmse_per_cell": rmse_per_cell(p, t),
                "ssim": ssim(fields01[0], fields01[1], 1, masked),
                "psnr": psnr(p01, t01, data_range=1),
                "ssim_released": ssim_released(fields[0], fields[1], masked),
                "psnr_released": psnr_released(p, t),
            }
        )

    steps = target["lead"] if "lead" in target.coords else np.arange(1, 1 + len(leads))
    table = xr.Dataset(
        {name: ("lead", [row[name] for row in leads]) for name in leads[0]},
        coords={"lead": steps},
        attrs={
            "data_range": data_range,
            "lowest": lowest,
            "samples": len(p),
            "cells": int(there.sum()),
        },
    )
    for function, units in UNITS.items():
        summary = (function.__doc__ or "").splitlines()[0]
        table[function.__name__].attrs = {"units": units, "aggregation": summary}
    return table


def ensemble(members: xr.DataArray, target: xr.DataArray) -> xr.Dataset:
    """Scores of an ensemble of forecasts beside those of its mean, by lead.

    With M members x_m and truth y, pooled over samples and cells:

    ``crps``: mean of ``Σ_m |x_m − y| / M − Σ_m Σ_n |x_m − x_n| / (2 M (M − 1))``, the continuous
    ranked probability score that does not depend on M in expectation (Ferro 2014, doi
    10.1002/qj.2270); ``spread``: root of the mean variance of the members, which, times
    ``sqrt((M + 1) / M)``, is the RMSE of the mean where members and truth are exchangeable.

    Parameters
    ----------
    members : DataArray (member, window, lead, lat, lon), K
        Two or more.
    target : DataArray (window, lead, lat, lon), K

    Returns
    -------
    Dataset
        ``crps``, ``spread`` (lead), and the MAE of each member and of the mean of all others,
        ``member_mae``, ``others_mae`` (member, lead). K.

    Raises
    ------
    ValueError
        Of a single member.
    """
    samples, count = ("window", "lat", "lon"), members.sizes["member"]
    if count < 2:
        raise ValueError("one member is no ensemble: expected two or more")
    members, target = members.astype(np.float64), target.astype(np.float64)
    members = members.where(target.notnull())  # masked cells do not count
    error = abs(members - target).mean(samples)
    # Σ_m Σ_n |x_m − x_n| = 2 Σ_m (2 m − M − 1) x_(m), in ascending order, m = 1 … M
    ascending = members.copy(data=np.sort(members, axis=members.get_axis_num("member")))
    rank = xr.DataArray(2.0 * np.arange(1, count + 1) - count - 1, dims="member")
    apart = (rank * ascending).sum("member", skipna=False).mean(samples) / (count * (count - 1))
    spread = np.sqrt(members.var("member", ddof=1).mean(samples))
    others = (members.sum("member", skipna=False) - members) / (count - 1)
    scores = xr.Dataset(
        {
            "crps": error.mean("member") - apart,
            "spread": spread,
            "member_mae": error,
            "others_mae": abs(others - target).mean(samples),
        }
    ).transpose("member", "lead")
    for variable in scores.data_vars.values():
        variable.attrs["units"] = "K"
    return scores


def error_maps(pred: xr.DataArray, target: xr.DataArray) -> xr.Dataset:
    """Errors of each cell, averaged over samples only.

    Parameters and errors as :func:`score`, but any grid size will do.

    Returns
    -------
    Dataset (lead, lat, lon)
        `mae`, `rmse` and `bias` (forecast minus truth), all in K.
    """
    pred, target = _checked(pred, target)
    error = pred.astype(np.float64) - target.astype(np.float64)
    samples = error.dims[:-3]
    maps = xr.Dataset(
        {
            "mae": abs(error).mean(samples),
            "rmse": np.sqrt((error**2).mean(samples)),
            "bias": error.mean(samples),
        }
    )
    for variable in maps.data_vars.values():
        variable.attrs["units"] = "K"
    return maps


def _window_mean(fields: Array) -> Array:
    """Mean of every 7×7 window inside each field: (S, H, W) -> (S, H−6, W−6)."""
    edge = WINDOW // 2
    return uniform_filter(fields, WINDOW, axes=(-2, -1))[..., edge:-edge, edge:-edge]


def _samples(fields: xr.DataArray) -> Array:
    """(..., lat, lon) -> (S, H, W), float64."""
    return fields.to_numpy().reshape(-1, *fields.shape[-2:]).astype(np.float64)


def _checked(pred: xr.DataArray, target: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Both with dimensions (..., lead, lat, lon) in one order, or a ValueError saying why not."""
    for name, a in (("pred", pred), ("target", target)):
        if not isinstance(a, xr.DataArray):
            raise TypeError(f"{name} is a {type(a).__name__}: expected an xarray.DataArray in K")
        missing = [d for d in ("lead", "lat", "lon") if d not in a.dims]
        if missing:
            raise ValueError(
                f"{name} has dimensions {a.dims}, without {', '.join(missing)}: "
                "expected (..., lead, lat, lon)"
            )
    if dict(pred.sizes) != dict(target.sizes):
        raise ValueError(
            f"pred has sizes {dict(pred.sizes)}, target {dict(target.sizes)}: they must be equal"
        )
    for dim in target.dims:
        both = dim in pred.indexes and dim in target.indexes
        if both and not np.array_equal(pred.indexes[dim], target.indexes[dim]):
            raise ValueError(
                f"pred and target differ in their coordinate {dim!r}: expected the same, align them"
            )
    for name, a in (("pred", pred), ("target", target)):
        if a.size == 0 or a.dtype.kind not in "iuf":
            raise ValueError(f"{name} is {shown(a)}: expected numbers in K, at least one")
    there = np.isfinite(target.transpose(..., "lat", "lon").to_numpy())
    there = there.reshape(-1, *there.shape[-2:]).any(axis=0)
    for name, a in (("pred", pred), ("target", target)):
        values = a.transpose(..., "lat", "lon").to_numpy()[..., there]
        bad = int((~np.isfinite(values)).sum())
        if bad or not values.size:
            raise ValueError(
                f"{name} has {bad} NaN or infinite values of {values.size}, masked cells not "
                "counted, which the target lacks in all samples; expected none, and one value or "
                "more"
            )
        units = a.attrs.get("units", "K")
        low, high, middle = float(values.min()), float(values.max()), float(np.median(values))
        if name == "target":
            likely = low >= LOWEST_K and high <= HIGHEST_K
        else:  # a forecast may go astray
            likely = middle >= LOWEST_K and max(-low, high) <= FARTHEST_K
        if units not in ("K", "kelvin") or not likely:
            raise ValueError(
                f"{name} does not look like kelvin: units {units!r}, median {middle:g}, from "
                f"{low:g} to {high:g}; expected {LOWEST_K:g} to {HIGHEST_K:g}. "
                "If it is in °C, add 273.15"
            )
    target = target.transpose(..., "lead", "lat", "lon")
    return pred.transpose(*target.dims), target


def auc(strength: np.ndarray, linked: np.ndarray) -> float:
    """Area under the ROC curve: chance that a linked pair has more strength than another pair.

    The Mann–Whitney statistic over the product of both numbers; ties count half.

    Parameters
    ----------
    strength : array (pairs,)
    linked : array (pairs,) of bool
    """
    a, b = strength[linked], strength[~linked]
    if not len(a) or not len(b):
        raise ValueError(f"{len(a)} linked pairs and {len(b)} others: AUC needs some of both")
    return float(mannwhitneyu(a, b).statistic / (len(a) * len(b)))


def far_auc(strength: np.ndarray, world: xr.Dataset) -> float:
    """AUC of a matrix against planted links, over far pairs only, direction left aside.

    Parameters
    ----------
    strength : array (N, N)
        Each pair is given the sum of its two entries.
    world : Dataset
        ``links`` (node, node_from), bool, of the cells of ``t2m`` (..., lat, lon), as of
        :func:`lsntp.data.synthetic.synthetic`. Far pairs lie at least as far apart as the nearest
        linked pair, so that nearness cannot help.
    """
    links = world["links"].to_numpy()
    one, other = np.triu_indices(len(links), k=1)
    linked = (links | links.T)[one, other]
    km = great_circle_km(*grid_nodes(world["t2m"]))[one, other]
    far = km >= km[linked].min()
    return auc((strength + strength.T)[one, other][far], linked[far])
