"""The tools around the book: what they take from a page, and what they write."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import accessible, book_extension, first_page

# ---- the Sphinx extensions


class Lists(HTMLParser):
    """Names of the children of every list."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.children: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if self.open and self.open[-1] == "ul":
            self.children.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def mended(page: str, body: str) -> str:
    context = {"body": body}
    accessible.mend(None, page, "page.html", context, None)
    return context["body"]


def test_lists_of_modules_hold_items_only():
    inner = "<ul>\n<li>a.b</li>\n<ul>\n<li>a.b.c</li>\n</ul>\n</ul>\n"
    body = f"<h1>All</h1><ul><li>a</li>\n{inner}<li>d</li>\n</ul>\n"
    lists = Lists(mended("_modules/index", body))
    assert lists.children == ["li"] * 4
    assert not lists.open


def test_a_bibliography_is_no_list_of_roles():
    body = '<div role="list" class="citation-list"><div role="doc-biblioentry">a</div></div>'
    assert "role" not in mended("references", body)


def source_of(cells: list[dict], suffix: str = ".ipynb") -> list[dict]:
    source = [json.dumps({"cells": cells})]
    app = SimpleNamespace(env=SimpleNamespace(doc2path=lambda name: name + suffix))
    book_extension.with_options(app, "page", source)
    return json.loads(source[0])["cells"]


def code(*lines: str) -> dict:
    return {"cell_type": "code", "source": [*lines], "metadata": {}}


def test_options_of_a_cell_move_to_its_metadata():
    cell = code("# | alt: a line\n", "# | caption: 'so: many'\n", "x = 1\n", "# | no option\n")
    (cell,) = source_of([cell])
    assert cell["source"] == "x = 1\n# | no option\n"
    assert cell["metadata"]["mystnb"] == {
        "image": {"alt": "a line"},
        "figure": {"caption": "so: many"},
    }
    (fold,) = source_of([code("# | prompt: Solution\n", "assert True")])
    assert {*fold["metadata"]["mystnb"].values()} == {"Solution"}


def test_other_cells_and_pages_keep_their_text():
    text = {"cell_type": "markdown", "source": ["# | alt: no"], "metadata": {}}
    assert source_of([text, code("x = 1")]) == [text, code("x = 1")]
    assert source_of([code("# | alt: a")], ".md") == [code("# | alt: a")]


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="captoin"):
        source_of([code("# | captoin: a")])


def test_a_public_name_leads_to_its_definition():
    name = book_extension.defined_name("lsntp.open_dataset")
    assert name == "lsntp.data.datasets.open_dataset"
    assert book_extension.defined_name("lsntp.nothing") is None


def test_the_first_vector_figure_of_a_notebook():
    def cell(**data: str) -> dict:
        return {"outputs": [{"data": {k.replace("_", "/"): v for k, v in data.items()}}]}

    figures = {"image/svg+xml": ["<svg>", "1</svg>"]}
    cells = [{}, cell(image_png="x"), {"outputs": [{"data": figures}]}, cell(text_plain="y")]
    assert first_page.first_figure({"cells": cells}) == "<svg>1</svg>"
    assert first_page.first_figure({"cells": cells[:2]}) is None


def test_the_drawing_of_lsconv_is_a_vector_with_a_ground(tmp_path: Path):
    drawn = {}
    for ground in ("none", "white"):
        first_page.draw_lsconv(tmp_path / f"{ground}.svg", ground)
        text = (tmp_path / f"{ground}.svg").read_text(encoding="utf-8")
        assert ET.fromstring(text).tag.endswith("svg")
        drawn[ground] = len(re.findall("fill: ?#ffffff", text))
    assert drawn["white"] == drawn["none"] + 1


# ---- the tools that open a browser: what they do without one


def fault(impact: str, *counts: int) -> dict:
    nodes = [
        {"count": k, "target": ["main", "p.x"], "any": [{"message": "why"}], "all": [], "none": []}
        for k in counts
    ]
    return {"id": "rule", "impact": impact, "help": "help", "nodes": nodes}


class FakePage:
    """A page on which axe finds the same, by any rule and mode."""

    def __init__(self, found: list[dict]) -> None:
        self.found = found

    def evaluate(self, script: str, argument: object = None) -> list[dict] | None:
        from tools import axe

        return self.found if script in (axe.RUN, axe.CONTRAST) else None


def test_axe_counts_elements_and_tells_what_is_serious():
    pytest.importorskip("axe_playwright_python")
    from tools import axe

    line = axe.told(fault("serious", 3, 4))
    assert "7 ×" in line and "p.x" in line and "why" in line
    found = axe.check(FakePage([fault("moderate", 1), fault("critical", 2)]))
    assert len(found) == 1 + len(axe.MODES)
    assert axe.check(FakePage([fault("minor", 1)])) == []


def test_pages_are_printed_in_the_order_of_the_contents(tmp_path: Path):
    pytest.importorskip("pypdf")
    pytest.importorskip("playwright")
    from tools import pdf

    names = [p.relative_to(tmp_path).with_suffix("").as_posix() for p in pdf.pages_of(tmp_path)]
    text = (Path(__file__).parents[1] / "_toc.yml").read_text(encoding="utf-8")
    assert names == re.findall(r"^(?:root:|\s*- file:) (\S+)", text, re.M)


def test_links_between_pages_become_links_within_the_file():
    pypdf = pytest.importorskip("pypdf")
    pytest.importorskip("playwright")
    from pypdf.annotations import Link

    from tools import pdf

    writer = pypdf.PdfWriter()
    for _ in range(3):
        writer.add_blank_page(100, 100)
    for address in ("file:///b.html#there", "https://elsewhere"):
        writer.add_annotation(0, Link(rect=(0, 0, 9, 9), url=address))
    pdf.link_within(writer, {"file:///b.html": 2})
    within, away = (a.get_object() for a in writer.pages[0]["/Annots"])
    assert within["/Dest"][0] == writer.pages[2].indirect_reference and "/A" not in within
    assert away["/A"]["/URI"] == "https://elsewhere"


PAGE = """<article><h1>One two</h1><p>three 4 <code>five</code></p><pre>not these</pre>
<p hidden>nor this</p><div style="height: 900px"></div>
<div class="cell_input"><div class="highlight"><pre>x = 1\nglue("a", x)</pre></div></div>
<img alt="a" src="data:," width="200" height="90"><img src="data:," width="200" height="90">
<figure><figcaption>six</figcaption></figure></article>"""


def test_a_page_is_measured_as_it_is_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    api = pytest.importorskip("playwright.sync_api")
    pytest.importorskip("pypdf")
    from tools import browser, measure

    executable = next(filter(None, map(shutil.which, browser.NAMES)), None)
    if executable is None:
        pytest.skip("no browser")
    (tmp_path / "page.html").write_text(f"<meta charset=utf-8>{PAGE}", encoding="utf-8")
    monkeypatch.setattr(measure, "pages_of", lambda book: [book / "page.html"])
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable)
        row = measure.measured(opened, tmp_path)["page"]
        opened.close()
    assert (row["words"], row["code cells"], row["glue lines"]) == (6, 1, 1)
    assert row["alt / images"] == "1 / 2" and row["to table"] == ""
    assert 1.0 < float(row["to figure"]) < 1.3
    assert (row["cut code"], row["cut tables"]) == (0, 0)
