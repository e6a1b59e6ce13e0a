"""The schematics: large type, and what each has to show."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lsntp.figures import schematics

PHONE = 342  # px, the width of a figure on a phone
SHOWN = {
    "convolution_and_lsconv": "input",
    "overview": "LAGC",
    "integrator": "add",
    "cell": r"LS-Conv $\star$",
    "encoder_decoder": "layer 4",
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_schematic_shows_its_parts_in_large_type(name: str) -> None:
    axes = np.atleast_1d(getattr(schematics, name)())
    texts = [t for ax in axes for t in ax.texts if t.get_text()]  # arrows have none
    assert SHOWN[name] in {t.get_text() for t in texts}
    width = axes[0].figure.get_figwidth()
    assert PHONE * min(t.get_fontsize() for t in texts) / 72 / width >= 8  # px
    plt.close("all")
