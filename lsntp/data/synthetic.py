"""A seeded world with planted long-range links: what a model should find is known.

A temperature field on a small grid is made of a mean state that falls towards the pole, a diurnal
cycle in local solar time, and an anomaly that is carried by a mean wind, diffuses, decays and is
stirred by spatially correlated noise. A few far-apart pairs of patches are linked: the target's
anomaly is drawn towards what the source's was some hours before. Shown in ``03_method``.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field
from scipy.ndimage import gaussian_filter

from lsntp.data.checks import Count, Seed, Whole, checked
from lsntp.data.fields import fingerprint, standardise

# Per hour and grid cell; chosen for a field as lively as the real ones, not fitted to any.
WIND_EAST, WIND_SOUTH = 0.4, 0.05  # cells h-1
DIFFUSION = 0.05  # cells2 h-1
DECAY = 1 / 24  # h-1
NOISE_K, NOISE_CELLS = 0.9, 1.2  # K h-1/2, cells
PULL = 0.5  # h-1, of a link on its target
DIURNAL_K = 4.0
SPIN_UP = 240  # h
MARGIN = 8  # cells simulated on every side of the grid and cut off, against edge effects
LAG_STEPS = 3
"""Steps that a link takes."""
SLOT = 4  # cells: patches are 3 x 3, one to a slot of 4 x 4


@checked
def synthetic(
    height: Annotated[Count, Field(ge=8)] = 16,
    width: Annotated[Count, Field(ge=8)] = 24,
    steps: Annotated[Count, Field(ge=10)] = 1200,
    links: Whole = 8,
    seed: Seed = 0,
    step_hours: Count = 1,
) -> xr.Dataset:
    r"""Make a synthetic temperature field whose long-range links are known.

    With anomaly :math:`a` (K), mean wind :math:`u` (by upwind differences), noise :math:`\eta`:

    .. math:: a_{t+1} = a_t - u \cdot \nabla a_t + D \nabla^2 a_t - r a_t + \eta_t

    in steps of an hour, and in each target patch
    :math:`a_{t+1} \mathrel{+}= p\,(a^\mathrm{source}_{t+1-\tau} - a_{t+1})` with
    :math:`\tau` three output steps. Linked patches (3 x 3 cells) lie, middle to middle,
    further apart than a third of the grid's diagonal. The same arguments give the same
    values, bit for bit.

    Parameters
    ----------
    height, width : int
        Rows (north first) and columns, at least 8 each; they always span 20-60 N, 170-110 W.
    steps : int
        Number of times, at least 10.
    links : int
        Number of planted links, at least 0; each needs two of the ``height // 4 * width // 4``
        slots.
    seed : int
        Seed of the noise and of where the links are.
    step_hours : int
        Hours between two times.

    Returns
    -------
    xr.Dataset
        ``t2m`` (time, lat, lon), float32, K, to 0.01 K, with the attributes of
        `lsntp.open_dataset`; ``links`` (node, node_from), bool, True between all cells of a target
        patch (rows) and of its source (columns), nodes row by row, though each cell follows just
        its counterpart; ``source``, ``target`` (link,), the patches'
        middle nodes; attribute ``lag_hours``.

    Raises
    ------
    ValueError
        A size out of range, or more links than fit.
    """
    rng = np.random.default_rng(seed)
    source, target = _place(rng, height, width, links)
    lag = LAG_STEPS * step_hours
    lat, lon = np.linspace(60, 20, height), np.round(np.linspace(-170, -110, width), 4)

    outer = (height + 2 * MARGIN, width + 2 * MARGIN)
    inner = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    wind = WIND_EAST * np.cos(np.pi * np.linspace(-0.4, 0.4, outer[0]))[:, None]  # westerly jet
    scale = NOISE_K * 2 * np.sqrt(np.pi) * NOISE_CELLS  # gives the smoothed noise its s.d.
    past = np.zeros((lag, height * width))  # the anomalies of the last `lag` hours
    anomaly = np.zeros(outer)
    out = np.empty((steps, height, width))
    for hour in range(SPIN_UP + (steps - 1) * step_hours + 1):
        p = np.pad(anomaly, 1)
        west, east, north, south = p[1:-1, :-2], p[1:-1, 2:], p[:-2, 1:-1], p[2:, 1:-1]
        anomaly = (
            anomaly * (1 - wind - WIND_SOUTH - 4 * DIFFUSION - DECAY)
            + (wind + DIFFUSION) * west
            + (WIND_SOUTH + DIFFUSION) * north
            + DIFFUSION * (east + south)
            + scale * gaussian_filter(rng.standard_normal(outer), NOISE_CELLS, mode="wrap")
        )
        seen = anomaly[inner].reshape(-1)  # a copy
        seen[target] += PULL * (past[hour % lag][source] - seen[target])
        past[hour % lag] = seen
        anomaly[inner] = seen.reshape(height, width)
        step, rest = divmod(hour - SPIN_UP, step_hours)
        if step >= 0 and rest == 0:
            out[step] = anomaly[inner]

    time = np.datetime64("2001-01-01", "ns") + np.arange(steps) * np.timedelta64(step_hours, "h")
    solar = np.arange(steps)[:, None] * step_hours + lon / 15  # local solar time, h
    day = DIURNAL_K * np.cos(2 * np.pi * (solar - 15) / 24)[:, None, :]  # warmest at 15 h
    cosine = np.cos(np.radians(lat))[:, None]

    linked = np.zeros((height * width, height * width), bool)
    for here, there in zip(target, source, strict=True):
        linked[np.ix_(here, there)] = True
    t2m = xr.DataArray(
        np.round(258 + 42 * cosine + cosine * day + out, 2),
        {"time": time, "lat": lat, "lon": lon},
        ("time", "lat", "lon"),
        attrs={"long_name": "synthetic temperature", "source": "synthetic", "licence": "MIT"},
    )
    field = standardise(t2m, "synthetic")
    return xr.Dataset(
        {
            "t2m": field.assign_attrs(fingerprint=fingerprint(field.values)),
            "links": (
                ("node", "node_from"),
                linked,
                {"long_name": "node (row) receives from node_from (column)"},
            ),
            "source": ("link", source[:, 4], {"long_name": "middle node of the source patch"}),
            "target": ("link", target[:, 4], {"long_name": "middle node of the target patch"}),
        },
        attrs={"lag_hours": lag, "seed": seed, "source": "synthetic", "licence": "MIT"},
    )


def _place(
    rng: np.random.Generator, height: int, width: int, links: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (links, 9) of source and target patches, no two in one slot, each pair far apart."""
    rows, columns = np.divmod(np.arange(height // SLOT * (width // SLOT)), width // SLOT)
    if 2 * links > len(rows):
        raise ValueError(
            f"links={links}: expected 0 to {len(rows) // 2}, all that {height} x {width} cells hold"
        )
    middle = SLOT * np.stack([rows, columns], 1) + 1 + rng.integers(0, 2, (len(rows), 2))
    far = np.hypot(height, width) / 3
    for _ in range(1000):
        drawn = rng.permutation(middle)[: 2 * links].reshape(2, links, 2)
        # swap partners of pairs that are too near, until none is
        for _ in range(100):
            near = np.hypot(*(drawn[0] - drawn[1]).T) <= far
            if not near.any():
                offsets = np.add.outer(np.arange(-1, 2) * width, np.arange(-1, 2)).reshape(-1)
                nodes = (drawn @ [width, 1])[..., None] + offsets
                return nodes[0], nodes[1]
            a, b = rng.choice(np.flatnonzero(near)), rng.integers(links)
            drawn[1, [a, b]] = drawn[1, [b, a]]
    raise ValueError(f"links = {links}; no such number of far pairs was found; ask for fewer")
