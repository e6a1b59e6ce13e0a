"""Print the built book to one PDF by Chromium, its pages in the order of the table of contents.

    python -m tools.pdf _build/html _build/book.pdf

Links from page to page of the book become links within the file. What is printed, and how, is said
by ``book/_static/print.css``.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from pathlib import Path
from urllib.parse import urldefrag

import yaml
from playwright.sync_api import Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, NameObject

from tools.browser import BROKEN_IMAGES, CHECKOUT, MATHS, NAMES

FOOT = '<div style="font-size:8px;width:100%;text-align:center"><span class="title"></span></div>'


def pages_of(book: Path) -> list[Path]:
    """Pages of the book in the order of its table of contents."""
    toc = yaml.safe_load((CHECKOUT / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
    return [(book / f"{name}.html").resolve() for name in names]


def printed(page: Page, path: Path) -> PdfReader:
    """Print one page, once its mathematics and its images are there."""
    page.goto(path.as_uri(), wait_until="load")
    page.evaluate(MATHS)
    page.evaluate(BROKEN_IMAGES)  # loads what is not in sight, too
    data = page.pdf(
        format="A4",
        margin={"top": "16mm", "bottom": "16mm", "left": "15mm", "right": "15mm"},
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT,
    )
    return PdfReader(io.BytesIO(data))


def link_within(writer: PdfWriter, starts: dict[str, int]) -> None:
    """Point the links to pages of the book to where these start in the file."""
    for sheet in writer.pages:
        for reference in sheet.get("/Annots", ()):
            link = reference.get_object()
            address = urldefrag(str(link.get("/A", {}).get("/URI", "")))[0]
            if address in starts:
                del link["/A"]
                target = writer.pages[starts[address]].indirect_reference
                link[NameObject("/Dest")] = ArrayObject([target, NameObject("/Fit")])


def main() -> None:
    """Print the book named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("book", type=Path, help="folder of the built book")
    parser.add_argument("target", type=Path, help="the PDF to write")
    arguments = parser.parse_args()
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        sys.exit(f"no browser: none of {', '.join(NAMES)} is installed")
    writer = PdfWriter()
    starts: dict[str, int] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        page = browser.new_page()
        for path in pages_of(arguments.book):
            starts[path.as_uri()] = len(writer.pages)
            reader = printed(page, path)
            title = page.inner_text("h1").rstrip("#").strip()
            writer.append(reader, outline_item=title, import_outline=False)
        browser.close()
    link_within(writer, starts)
    writer.write(arguments.target)
    print(f"{arguments.target}: {len(writer.pages)} sheets")


if __name__ == "__main__":
    main()
