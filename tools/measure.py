"""Measure the pages of one or two builds of the book, as a reader meets them, in Markdown.

    python -m tools.measure BEFORE_HTML [AFTER_HTML]

Words are those of the prose that is shown; screens, of 1280 x 900, those from the top of a page to
its first figure and table. Code in closed folds is not counted.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tools.browser import CUT, NAMES, WINDOWS, own_weight, requests_of
from tools.pdf import pages_of

MEASURES = """() => {
    const article = document.querySelector("article");
    const all = name => [...article.querySelectorAll(name)].filter(e => e.checkVisibility());
    const aside = "pre, script, style, table, mjx-container, .cell_output";
    let words = 0;
    const texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        const element = text.parentElement;
        if (element.checkVisibility()
            && (element.closest("figcaption") || !element.closest(aside))) {
            words += (text.data.match(/[\\p{L}\\p{N}]+/gu) || []).length;
        }
    }
    const first = names => {
        const tops = all(names).map(e => e.getBoundingClientRect())
            .filter(box => box.width > 150 && box.height > 60).map(box => box.top + scrollY);
        return tops.length ? (Math.min(...tops) / innerHeight).toFixed(1) : "";
    };
    const code = all(".cell_input div.highlight pre");
    const images = [...article.querySelectorAll("img")];
    return {
        words: words,
        "to figure": first("img, svg"),
        "to table": first("table"),
        "code cells": code.length,
        "glue lines": code.flatMap(e => e.innerText.split("\\n"))
            .filter(line => line.includes("glue(")).length,
        "alt / images": images.filter(i => i.alt.trim()).length + " / " + images.length,
    };
}"""


def measured(browser: Browser, book: Path) -> dict[str, dict[str, Any]]:
    """Measures of every page of a build that is in the table of contents."""
    width, height = WINDOWS["desktop"]
    context = browser.new_context(viewport={"width": width, "height": height})
    rows = {}
    for path in filter(Path.is_file, pages_of(book)):
        page = context.new_page()
        loaded = requests_of(page)
        page.goto(path.as_uri(), wait_until="load")
        cut = page.evaluate(CUT)
        rows[path.stem] = page.evaluate(MEASURES) | {
            "cut code": sum(what == "code" for what, _ in cut),
            "cut tables": sum(what == "table" for what, _ in cut),
            "kB": round(own_weight(path, loaded, set()) / 1000),
        }
        page.close()
    context.close()
    return rows


def main() -> None:
    """Print the table of one build, or of two beside each other: before → after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("books", type=Path, nargs="+", help="folders of built books")
    books = parser.parse_args().books
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        sys.exit(f"no browser: none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        tables = [measured(browser, book) for book in books]
        browser.close()
    columns = list(next(iter(tables[-1].values())))
    print(f"| page | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name in tables[-1]:
        cells = [" → ".join(str(t[name][c]) for t in tables if name in t) for c in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
