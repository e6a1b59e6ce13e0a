"""figures of the studies: what they draw, not how it looks."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lsntp import figures
from lsntp.figures import studies as study_figures


@pytest.fixture(autouse=True)
def _clean():
    with matplotlib.rc_context():
        figures.style()
        yield
        plt.close("all")


def curves():
    return pd.DataFrame(
        [
            (curve, at, base + at / 1000 + 0.1 * seed)
            for curve, base in (("one way", 1.0), ("another", 2.0))
            for at in (0, 100, 800)
            for seed in range(2)
        ],
        columns=["curve", "at", "mae"],
    )


def test_swept_joins_the_means_at_even_distances():
    ax = study_figures.swept(
        curves(), "mae", "MAE (K)", "distance (km)", levels={"w/o": np.array([1.0, 1.4])}
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("distance (km)", "MAE (K)")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "100", "800"]
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(lines["one way"].get_ydata(), [1.05, 1.15, 1.85])
    np.testing.assert_allclose(np.diff(lines["another"].get_xdata()), 1)
    np.testing.assert_allclose(lines["w/o"].get_ydata(), 1.2)
    seeds = [line for line in ax.lines if line.get_marker() == "_"]
    assert [len(line.get_xdata()) for line in seeds] == [6, 6]
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["one way", "another", "w/o"]


def test_swept_without_spread_draws_no_seeds_and_takes_names():
    table = curves().drop_duplicates(["curve", "at"]).replace("one way", "convlstm")
    ax = study_figures.swept(table, "mae", "MAE (K)", "k", names={"convlstm": "ConvLSTM"})
    assert not [line for line in ax.lines if line.get_marker() == "_"]
    assert ax.lines[0].get_label() == "ConvLSTM"
    assert ax.lines[0].get_color() == figures.COLOURS["convlstm"]


def test_curves_without_a_model_keep_clear_of_lsntps_colour():
    colours = study_figures.curve_colours(["a", "b", "c", "d"])
    assert len(set(colours.values())) == 4
    assert figures.COLOURS["lsntp-equations"] not in colours.values()


def test_changes_show_a_panel_a_data_set_and_a_marker_a_form():
    table = pd.DataFrame(
        {
            "difference": [0.5, 0.0],
            "low": [0.4, -0.1],
            "high": [0.6, 0.1],
            "verdict": ["higher", "no difference seen"],
        },
        index=["less", "other"],
    )
    panels = {"one": {"a": table, "b": table[:1]}, "two": {"a": table}}
    axes = study_figures.changes(panels, "difference (K)")
    assert [ax.get_title() for ax in axes] == ["one", "two"]
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ["less", "other"]
    dots = [line for line in axes[0].lines if line.get_marker() in "os"]
    drawn = [(x.get_marker(), x.get_xdata()[0], x.get_markerfacecolor() != "none") for x in dots]
    assert drawn == [("o", 0.5, True), ("o", 0.0, False), ("s", 0.5, True)]
    higher, unseen = (study_figures.VERDICTS[v][0] for v in table["verdict"])
    assert [x.get_color() for x in dots] == [higher, unseen, higher] and higher != unseen
    bars = [list(line.get_xdata()) for line in axes[1].lines if line.get_linestyle() == "-"]
    assert bars == [[0.4, 0.6], [-0.1, 0.1]]
    legend = [t.get_text() for t in axes[0].figure.legends[0].get_texts()]
    assert legend == ["lower error", "higher error", "no difference seen", "a", "b"]


def test_swept_panels_share_one_legend():
    levels = {"one": {"w/o": np.array([1.0, 1.4])}}
    axes = study_figures.swept_panels(
        {"one": curves(), "two": curves()}, "mae", "MAE (K)", "distance (km)", levels=levels
    )
    assert [ax.get_title() for ax in axes] == ["one", "two"]
    assert not any(ax.get_legend() for ax in axes)
    legend = [t.get_text() for t in axes[0].figure.legends[0].get_texts()]
    assert legend == ["one way", "another", "w/o"]
