"""What the paper and its released code report, for comparison only: other data than ours.

Kelvin, kelvin, SSIM and PSNR (dB) by the paper's protocol, means over six leads.
"""

import pandas as pd

_COLUMNS = ("dataset", "model", "mae", "rmse", "ssim_released", "psnr_released")

LSNTP = pd.DataFrame(
    [
        ("ERA5, 77×125, hourly", "LS-NTP, paper's Table 5", 0.897, 1.176, 0.883, 46.639),
        ("ERA5, 77×125, hourly", "LS-NTP, authors' notebook", 0.8964, 1.2575, 0.8840, 46.673),
        ("NCEP, 21×35, 6-hourly", "LS-NTP, paper's Table 5", 1.740, 2.318, 0.915, 40.646),
        ("NCEP, 21×35, 6-hourly", "LS-NTP, authors' notebook", 1.7325, 2.5281, 0.9158, 40.697),
    ],
    columns=_COLUMNS,
)
"""LS-NTP's own rows: train 2017, test 2018, region not stated. Table 3 itself is not public."""

TABLE_5 = pd.DataFrame(
    [
        ("ERA5", 1, 0.939, 1.233, 0.878, 46.308),
        ("ERA5", 3, 0.897, 1.176, 0.883, 46.639),
        ("ERA5", 5, 1.034, 1.357, 0.869, 45.585),
        ("ERA5", 7, 1.118, 1.455, 0.845, 44.937),
        ("NCEP", 1, 1.799, 2.386, 0.910, 40.380),
        ("NCEP", 3, 1.740, 2.318, 0.915, 40.646),
        ("NCEP", 5, 1.792, 2.397, 0.908, 40.377),
        ("NCEP", 7, 1.860, 2.465, 0.908, 40.123),
    ],
    columns=["dataset", "kernel", "mae", "rmse", "ssim_released", "psnr_released"],
)
"""The paper's Table 5: LS-Conv's kernel, on other data than ours; K, K, –, dB."""
