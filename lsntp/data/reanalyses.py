"""The paper's own data: ``ncep-china`` and ``era5-china``, temperature at 2 m in 2017 and 2018.

What is known of them is what the released code is configured for: grids of 21×35 and 77×125 cells,
2017 for training and 2018 for testing, windows of 6 + 6 steps of 6 h and 1 h. Its data came as
arrays without coordinates, so the region is told nowhere; the one here is inferred from the sizes
of the grids. Explained in the book's page on data; :mod:`lsntp.data.china` gets and opens them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsntp.data.coordinates import Region

YEARS = (2017, 2018)
"""Training and test."""

INFERRED = "region inferred from the size of the paper's grid"


@dataclass(frozen=True)
class Reanalysis:
    """Where a data set of the paper comes from, and what of it is taken."""

    home: str  # the folder of its files on their server, or a Zarr store
    region: Region  # inferred
    step: str  # between times
    spacing: float | None  # of the cells taken, degrees; None: all there are
    variables: tuple[str, ...]  # what it may be called
    files: str
    long_name: str
    source: str
    licence: str


REMOTE = {
    "ncep-china": Reanalysis(
        home="https://downloads.psl.noaa.gov/Datasets/ncep.reanalysis/surface_gauss",
        region=(55, 71, 16, 136),
        step="6h",
        spacing=None,
        variables=("air",),
        files="air.2m.gauss.YEAR.nc",
        long_name="air temperature at 2 m",
        source="NCEP/NCAR Reanalysis 1 (NOAA PSL)",
        licence="US Government work, public domain",
    ),
    "era5-china": Reanalysis(
        home="https://storage.googleapis.com/gcp-public-data-arco-era5/ar/"
        "full_37-1h-0p25deg-chunk-1.zarr-v3",
        region=(54, 73, 16, 135),
        step="1h",
        spacing=0.5,
        variables=("2m_temperature", "t2m"),
        files="era5-2mt-YEAR-MONTH-REGION.nc",
        long_name="2 metre temperature",
        source="ERA5 (ECMWF, Copernicus Climate Change Service)",
        licence="Copernicus licence; contains modified Copernicus Climate Change Service "
        "information",
    ),
}
"""The data sets by name, beside ``lsntp.data.catalogue.REAL``: no record of the book is made
from them, and they are downloaded only when asked for.

:meta hide-value:
"""
