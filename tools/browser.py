"""Open every page of the built book in Chromium, as a reader would, and list its faults.

    python -m tools.browser _build/html [--screenshots DIR]

A fault is a console error, any request that leaves the disk, a broken image, a link to a page or
a heading that does not exist, mathematics that did not render, a page wider than its window, or
one that shows a path of the machine that built it. On the page of learned graphs it is, too, a map
that does not follow clicks, keys and menus, or that does not show what the record holds. In a
window of a desk it is, besides, code or a table that is cut, an image without an alternative text,
a page that is too heavy, and what axe-core calls serious or critical, in the light and in the dark.
Without scripts it is a page to play with that shows no picture.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from lsntp.results import learned_graphs
from lsntp.runs import records
from tools import axe, play_checks

CHECKOUT = Path(__file__).resolve().parents[1]
WINDOWS = {"desktop": (1280, 900), "phone": (390, 844)}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCAL = ("file", "data", "blob", "about")

BROKEN_IMAGES = """async () => {
    const images = [...document.images];
    images.forEach(i => { i.loading = "eager"; });
    await Promise.all(images.map(i => i.decode().catch(() => {})));
    return images.filter(i => i.naturalWidth === 0).map(i => i.getAttribute("src"));
}"""
MATHS = """async () => {
    if (window.MathJax && MathJax.startup) { await MathJax.startup.promise; }
    const raw = [...document.querySelectorAll(".math")]
        .filter(e => !e.querySelector("mjx-container"));
    const wrong = [...document.querySelectorAll("mjx-merror")];
    return raw.concat(wrong).map(e => e.textContent.trim().slice(0, 80));
}"""
LINKS = "() => [...document.querySelectorAll('a[href]')].map(a => a.href)"
ANCHORS = "() => [...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name)"
HEAVIEST = 1_500_000  # bytes that a page may weigh
# What is shown and is wider than its box, as pairs: code or table, and how it begins.
CUT = """() => {
    const shown = name => [...document.querySelectorAll(name)].filter(e => e.checkVisibility());
    const words = e => e.textContent.trim().replace(/\\s+/g, " ").slice(0, 60);
    const code = shown("article div.highlight pre").filter(e => e.scrollWidth > e.clientWidth);
    const tables = shown("article table").filter(table => {
        for (let e = table; e && e.tagName !== "ARTICLE"; e = e.parentElement) {
            if (getComputedStyle(e).overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1) {
                return true;
            }
        }
        return table.getBoundingClientRect().right
            > document.querySelector("article").getBoundingClientRect().right + 1;
    });
    return code.map(e => ["code", words(e)]).concat(tables.map(e => ["table", words(e)]));
}"""
UNSAID = """() => [...document.images].filter(i => {
    const alt = (i.getAttribute("alt") || "").trim();
    return !alt || /^\\S+\\.(png|svg|jpe?g|gif|webp)$/i.test(alt) || /^[0-9a-f]{16,}$/i.test(alt);
}).map(i => (i.getAttribute("src") || "").slice(0, 100))"""
# Not window.innerWidth: a phone widens its window to what the page needs.
OVERFLOW = "width => document.documentElement.scrollWidth - width"


# What the page of learned graphs shows now: colours of the map, the text, and the row behind them.
GRAPH = """() => {
    const root = document.getElementById("learned-graph");
    const cells = [...root.querySelectorAll("rect[data-node]")];
    return {
        colours: cells.map(c => c.getAttribute("fill")),
        text: root.querySelector('[data-part="said"]').textContent,
        list: root.querySelector('[data-part="list"]').textContent,
        key: root.querySelector('[data-part="error"]').textContent.match(/Run (\\w+)/)[1],
        weights: root.weights,
    };
}"""

COLUMNS = """() => {
    const tops = [...document.querySelectorAll("#learned-graph rect[data-node]")]
        .map(c => c.getAttribute("y"));
    return tops.filter(y => y === tops[0]).length;
}"""


def check_learned_graph(page: Page) -> list[str]:
    """Click a cell, press arrow keys, turn the menus: the map must change, and show the record."""
    faults = []
    page.wait_for_selector("#learned-graph rect[data-node]", timeout=5000)
    svg = page.locator('#learned-graph svg[data-part="map"]')
    sets = page.locator('#learned-graph [data-part="set"] option')
    for name in [option.get_attribute("value") or "" for option in sets.all()]:
        page.select_option('#learned-graph [data-part="set"]', name)
        page.select_option('#learned-graph [data-part="run"]', index=0)
        columns = page.evaluate(COLUMNS)
        steps = {
            "a click": lambda: svg.locator('rect[data-node="1"]').click(),
            "an arrow key right": lambda: svg.press("ArrowRight"),
            "an arrow key down": lambda: svg.press("ArrowDown"),
            "another graph": lambda: page.select_option(
                '#learned-graph [data-part="run"]', index=1
            ),
        }
        for what, act in steps.items():
            before = page.evaluate(GRAPH)
            act()
            after = page.evaluate(GRAPH)
            for part in ("colours", "text", "list"):
                if before[part] == after[part]:
                    faults.append(f"learned graph of {name}: {what} does not change the {part}")
        cell = 2 + columns  # node 1, one to the right, one down
        exact = learned_graphs.adjacency(records.find_by_key(after["key"])["embedding"].values)
        if not np.allclose(after["weights"], exact[cell], rtol=1e-3, atol=0):
            faults.append(
                f"learned graph of {name}: the row of node {cell} is not the recorded one"
            )
        page.select_option('#learned-graph [data-part="side"]', "column")
        if not np.allclose(page.evaluate(GRAPH)["weights"], exact[:, cell], rtol=1e-3, atol=0):
            faults.append(
                f"learned graph of {name}: the column of node {cell} is not the recorded one"
            )
        page.select_option('#learned-graph [data-part="side"]', "row")
    return faults


def own_weight(path: Path, loaded: list[str], shared: set[str]) -> int:
    """Bytes of a page, its images and the data that it `loaded` and that is not `shared`."""
    files = {Path(unquote(urlsplit(u).path)) for u in loaded if u.startswith("file:")} - {path}
    own = [f for f in files if f.as_uri() not in shared and f.is_file()]
    weighed = [
        f for f in own if "_static" not in f.parts or "data" in f.stem or f.suffix == ".json"
    ]
    return path.stat().st_size + sum(f.stat().st_size for f in weighed)


def check_desk(page: Page) -> list[str]:
    """Look for what is cut or unsaid, and for what axe faults, on a page in a window of a desk.

    Not on pages of source: they are code as in the notebooks, and axe takes minutes over them.
    """
    if "/_modules/" in page.url:
        return []
    faults = [f"image without an alternative text: {source}" for source in page.evaluate(UNSAID)]
    faults += [f"{what} is cut: {begin}" for what, begin in page.evaluate(CUT)]
    return faults + axe.check(page)


def requests_of(page: Page) -> list[str]:
    """Return a list to which the addresses of all that `page` loads from now on are added."""
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url.partition("?")[0]))
    return urls


def check_page(page: Page, path: Path) -> tuple[list[str], set[str], set[str]]:
    """Open the file `path`; return its faults, its local links and its anchors."""
    faults: list[str] = []
    page.on("console", lambda m: faults.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda e: faults.append(f"script: {e}"))
    page.on("requestfailed", lambda r: faults.append(f"failed request: {r.url}"))
    page.on(
        "request",
        lambda r: (
            None
            if urlsplit(r.url).scheme in LOCAL
            else faults.append(f"request that leaves the disk: {r.url}")
        ),
    )
    page.goto(path.as_uri(), wait_until="load")
    if 'http-equiv="Refresh"' in path.read_text(encoding="utf-8"):
        page.wait_for_url(lambda url: url != path.as_uri(), wait_until="load")
    faults += [f"mathematics not rendered: {text}" for text in page.evaluate(MATHS)]
    faults += [f"broken image: {source}" for source in page.evaluate(BROKEN_IMAGES)]
    if str(CHECKOUT) in page.inner_text("body"):
        faults.append(f"shows a path of this machine, {CHECKOUT}")
    if path.name == "learned-graph.html":
        faults += check_learned_graph(page)
    if (check := play_checks.CHECKS.get(path.name)) is not None:
        faults += check(page)
    elif page.query_selector("noscript img") and path.name != "learned-graph.html":
        faults.append("a figure to play with that no check operates")
    width = (page.viewport_size or {"width": 0})["width"]
    if (excess := page.evaluate(OVERFLOW, width)) > 0:
        faults.append(f"wider than its window by {excess} px")
    if width == WINDOWS["desktop"][0]:
        faults += check_desk(page)
    links = {link for link in page.evaluate(LINKS) if urlsplit(link).scheme == "file"}
    return faults, links, set(page.evaluate(ANCHORS))


def check_still(browser: Browser, paths: list[Path]) -> list[str]:
    """Open the pages to play with without scripts: a picture that is told must stand there."""
    context = browser.new_context(java_script_enabled=False)
    faults = []
    for path in paths:
        if "<noscript><p>" in path.read_text(encoding="utf-8"):
            page = context.new_page()
            page.goto(path.as_uri(), wait_until="load")
            boxes = [i.bounding_box() for i in page.locator("article img[alt]:visible").all()]
            if not any(box and box["height"] > 100 for box in boxes):
                faults.append(f"{path.parent.name}/{path.name}: no picture without scripts")
            page.close()
    context.close()
    return faults


def check_window(
    browser: Browser, window: str, paths: list[Path], screenshots: Path | None
) -> list[str]:
    """Check all pages in a window of one size; return every fault with its page."""
    width, height = WINDOWS[window]
    context = browser.new_context(
        viewport={"width": width, "height": height}, is_mobile=window == "phone"
    )
    faults: list[str] = []
    links: dict[str, set[str]] = {}
    anchors: dict[str, set[str]] = {}
    loaded: dict[Path, list[str]] = {}
    for path in paths:
        page = context.new_page()
        loaded[path] = requests_of(page)
        found, links[path.as_uri()], anchors[path.as_uri()] = check_page(page, path)
        faults += [f"{window} {path.parent.name}/{path.name}: {fault}" for fault in found]
        if screenshots:
            screenshots.mkdir(parents=True, exist_ok=True)
            name = f"{path.parent.name}-{path.stem}-{window}.png"
            page.screenshot(path=screenshots / name, full_page=True)
        page.close()
    pages = Counter(url for urls in loaded.values() for url in set(urls))
    shared = {url for url, count in pages.items() if count > 2}
    for path, urls in loaded.items():
        if (weight := own_weight(path, urls, shared)) > HEAVIEST:
            faults.append(f"{window} {path.parent.name}/{path.name}: weighs {weight / 1e6:.1f} MB")
    for source, targets in links.items():
        for target in sorted(targets):
            address, fragment = urldefrag(target)
            known = anchors.get(address)
            if not Path(unquote(urlsplit(address).path)).is_file() or (
                fragment and known is not None and unquote(fragment) not in known
            ):
                name = Path(urlsplit(source).path).name
                faults.append(f"{window} {name}: broken link {target}")
    context.close()
    return faults


def main() -> int:
    """Check the book named on the command line; 1 if there is any fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("book", type=Path, help="folder of the built book")
    parser.add_argument("--screenshots", type=Path, help="folder for a picture of every page")
    arguments = parser.parse_args()

    paths = sorted(
        path
        for path in arguments.book.resolve().rglob("*.html")
        if "_static" not in path.relative_to(arguments.book.resolve()).parts
    )
    if not paths:
        sys.exit(f"no page in {arguments.book}: build the book first (make book)")
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        sys.exit(f"no browser: none of {', '.join(NAMES)} is installed")
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        for window in WINDOWS:
            faults += check_window(browser, window, paths, arguments.screenshots)
        faults += check_still(browser, paths)
        browser.close()
    print("\n".join(faults) or "no fault", f"\n{len(paths)} pages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
