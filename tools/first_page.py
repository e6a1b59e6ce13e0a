"""Sphinx extension: the pictures of the first page, written into the built book.

LS-Conv as a drawing, the errors of all models, and of each notebook the first figure it stores.
The README shows the drawing, too: ``python -m tools.first_page`` draws it there, on white.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from sphinx.application import Sphinx

from lsntp import figures
from lsntp.results import studies
from lsntp.zoo import LABELS

SETS = ("ncep-na", "era5-uk")
OURS = ("convlstm", "lsntp-equations", "lsntp-released", "lsntp-tuned")


def first_figure(notebook: dict[str, Any]) -> str | None:
    """Return the first vector figure of an executed notebook."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if svg := output.get("data", {}).get("image/svg+xml"):
                return "".join(svg)
    return None


def draw_lsconv(path: Path, ground: str) -> None:
    """Write the drawing of LS-Conv on a ground of that colour."""
    with plt.rc_context():
        figures.style()
        figures.schematics.convolution_and_lsconv()
        plt.savefig(path, facecolor=ground, metadata={"Date": None})
        plt.close("all")


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write the pictures into the folder of static files."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    draw_lsconv(static / "ls-conv.svg", "none")
    with plt.rc_context():
        figures.style()
        rows = {d: studies.load(studies.main(d)) for d in SETS}
        kept = {d: {k: r for k, r in rows[d].items() if k in LABELS.values()} for d in SETS}
        figures.models_dots(kept, highlight=[LABELS[m] for m in OURS])
        plt.savefig(static / "results.svg")
        plt.close("all")
    for path in sorted((Path(app.srcdir) / "notebooks").glob("*.ipynb")):
        if figure := first_figure(json.loads(path.read_text(encoding="utf-8"))):
            (static / f"first-{path.stem[:2]}.svg").write_text(figure, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    draw_lsconv(Path(__file__).parents[1] / ".github" / "ls-conv.svg", "white")
