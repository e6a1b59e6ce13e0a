"""Operate the book's pages to play with in a browser, and compare what they show with the records.

`CHECKS` gives for the file name of a page the check of it, from an open page to a list of faults;
:mod:`tools.browser` calls them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from playwright.sync_api import Page

from lsntp.chapters import q5_forecasts
from lsntp.results import studies
from lsntp.results.compare import Rows
from lsntp.results.tables import COLUMNS, mean_and_spread
from tools import play
from tools.learned_page import DATASETS

PACKED = 0.00501  # K: half a hundredth, and what float32 rounds


def shown(page: Page, root: str) -> dict[str, Any]:
    """What a page shows now: ``root.shown`` of its script, and its sentence as ``text``."""
    return page.evaluate(
        """root => {
            const element = document.getElementById(root);
            const text = element.querySelector('[data-part="said"]').textContent;
            return {...element.shown, text};
        }""",
        root,
    )


def part(root: str, name: str) -> str:
    """Selector of a part of a page."""
    return f'#{root} [data-part="{name}"]'


def picture(page: Page, selector: str) -> str:
    """Return the pixels of a canvas."""
    return page.evaluate("s => document.querySelector(s).toDataURL()", selector)


def turn(page: Page, selector: str, value: float) -> None:
    """Put a slider where its value is, as a reader who drags it."""
    page.eval_on_selector(
        selector,
        """(element, value) => {
            element.value = value;
            element.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        value,
    )


def changes(
    page: Page, root: str, steps: dict[str, Callable[[], object]], canvas: str | None = None
) -> list[str]:
    """Take the steps one after another; return those that leave the sentence or the map alone."""
    faults = []
    for what, act in steps.items():
        before = shown(page, root)["text"], canvas and picture(page, part(root, canvas))
        act()
        after = shown(page, root)["text"], canvas and picture(page, part(root, canvas))
        if before[0] == after[0]:
            faults.append(f"{root}: {what} does not change the text")
        if canvas and before[1] == after[1]:
            faults.append(f"{root}: {what} does not change the map")
    return faults


# ---- what one cell reaches


def check_reach(page: Page) -> list[str]:
    """Click a cell, press arrows, turn menus and sliders; compare with the library's operators."""
    root = "play-reach"
    page.wait_for_selector(part(root, "lsconv"), timeout=5000)
    embedding, nodes = play.recorded_graph()

    def compare(what: str) -> list[str]:
        state = shown(page, root)
        exact = play.reached(
            embedding, nodes, state["kernel"], state["depth"], state["tau"], state["cut"]
        )
        faults = []
        radius = state["depth"] * (state["kernel"] // 2)
        at = np.stack(np.divmod(np.arange(len(embedding)), nodes.sizes["lon"]))
        outside = np.abs(at - at[:, [state["cell"]]]).max(axis=0) > radius
        for name in play.OPERATORS:
            row, page_has = exact[name][state["cell"]], state[name]
            if not np.allclose(page_has["shares"], row, rtol=1e-4, atol=1e-12):
                faults.append(f"{root}: after {what}, {name} is not the library's")
            read, beyond = int((row >= play.LEAST).sum()), 100 * float(row[outside].sum())
            text = page.inner_text(part(root, f"{name}-read"))
            if not (text.startswith(f"{read} cells, ") and abs(percent(text) - beyond) < 0.051):
                faults.append(f"{root}: after {what}, {name} says {text}: {read}, {beyond:.1f} %")
        return faults

    def percent(text: str) -> float:
        return float(text.split(", ")[1].split(" %")[0])

    faults = compare("opening")
    steps: dict[str, Callable[[], object]] = {
        "a click": lambda: page.click(part(root, "convolution"), position={"x": 30, "y": 20}),
        "an arrow key right": lambda: page.press(part(root, "lsconv"), "ArrowRight"),
        "an arrow key down": lambda: page.press(part(root, "graph"), "ArrowDown"),
        "a kernel": lambda: page.select_option(part(root, "kernel"), "5"),
        "a depth": lambda: page.select_option(part(root, "depth"), "3"),
        "a key on the temperature": lambda: page.press(part(root, "tau"), "ArrowLeft"),
        "the lowest temperature": lambda: turn(page, part(root, "tau"), -2),
        "a key on the cut": lambda: page.press(part(root, "cut"), "Home"),
        "a cut": lambda: turn(page, part(root, "cut"), 2000),
        "the smallest kernel": lambda: page.select_option(part(root, "kernel"), "1"),
    }
    for what, act in steps.items():
        faults += changes(page, root, {what: act}, "lsconv") + compare(what)
    return faults


# ---- forecasts


@cache
def cases(dataset: str) -> Rows:
    """Return the records behind the page of forecasts."""
    return studies.load(studies.cases(dataset))


def check_forecasts(page: Page) -> list[str]:
    """Turn every menu and the slider; compare frames and MAE with the records."""
    root = "play-forecasts"
    page.wait_for_selector(part(root, "difference"), timeout=5000)
    first, second = DATASETS
    steps: dict[str, Callable[[], object]] = {
        "a key on the lead": lambda: page.press(part(root, "lead"), "ArrowRight"),
        "the first lead": lambda: page.press(part(root, "lead"), "Home"),
        "a model": lambda: page.select_option(part(root, "model"), play.RIDGE),
        "a key on the menu of models": lambda: page.press(part(root, "model"), "ArrowDown"),
        "a case": lambda: page.select_option(part(root, "case"), "quiet"),
        "a data set": lambda: page.select_option(part(root, "set"), second),
        "a key on the lead again": lambda: page.press(part(root, "lead"), "End"),
    }
    faults = []
    for what, act in steps.items():
        faults += changes(page, root, {what: act}, "difference") + compare_frame(page, what)
    for dataset in (first, second):
        page.select_option(part(root, "set"), dataset)
        for case in q5_forecasts.CASES:
            page.select_option(part(root, "case"), case)
            for model in (q5_forecasts.PERSISTENCE, *cases(dataset)):
                page.select_option(part(root, "model"), model)
                turn(page, part(root, "lead"), 3)
                faults += compare_frame(page, f"{dataset}, {case}, {model}")
    return faults


def compare_frame(page: Page, what: str) -> list[str]:
    """Compare the frame that is shown now with its record."""
    state = shown(page, "play-forecasts")
    study = cases(state["set"])
    truth, forecasts = q5_forecasts.frames(study, state["case"])
    k, label = state["lead"], state["model"]
    came = truth.isel(lead=k).to_numpy().astype(float)
    if label == q5_forecasts.PERSISTENCE:
        said = q5_forecasts.last_input(study, state["case"]).to_numpy().astype(float)
    else:
        said = forecasts[label].isel(lead=k).to_numpy().astype(float)
    faults = []
    for name, exact in (("truth", came), ("forecast", said)):
        if np.abs(np.array(state[name]) - exact.ravel()).max() > PACKED:
            faults.append(f"play-forecasts: after {what}, the {name} is not the record's")
    mae = float(np.abs(said - came).mean())
    if abs(state["mae"] - mae) > 1e-4 or abs(state["drawn"] - mae) > PACKED:
        faults.append(f"play-forecasts: after {what}, the MAE is not the record's {mae:.4f} K")
    if f"MAE of {label} {state['mae']:.3f} K" not in state["text"]:
        faults.append(f"play-forecasts: after {what}, the text says: {state['text']}")
    return faults


# ---- scores by lead


@cache
def main_rows(dataset: str) -> Rows:
    """Return the records behind the page of scores."""
    return studies.load(studies.main(dataset))


def check_leads(page: Page) -> list[str]:
    """Point at leads, choose scores and models, take ridge off; compare with the records."""
    root = "play-leads"
    page.wait_for_selector(part(root, "rows") + " tr", timeout=5000)
    svg = page.locator(part(root, "chart-ncep-na"))
    svg.scroll_into_view_if_needed()
    box = page.locator(f'#{root} tr[data-label="{play.RIDGE}"] input')
    faults = compare_scores(page, "opening")
    steps: dict[str, Callable[[], object]] = {
        "pointing at the chart": lambda: svg.hover(position={"x": 60, "y": 100}),
        "a key on the lead": lambda: page.press(part(root, "lead"), "ArrowRight"),
        "another score": lambda: page.select_option(part(root, "score"), "ssim"),
        "the scores themselves": lambda: page.press(part(root, "minus"), "Space"),
        "back to the difference from ridge": lambda: page.click(part(root, "minus")),
        "a third score": lambda: page.select_option(part(root, "score"), "psnr"),
        "a fourth score": lambda: page.select_option(part(root, "score"), "rmse"),
    }
    for what, act in steps.items():
        faults += changes(page, root, {what: act}) + compare_scores(page, what)
    for what, act in {"a click": lambda: box.click(), "a key": lambda: box.press("Space")}.items():
        before = page.locator(f"#{root} g[data-label]").count()
        act()
        after = page.locator(f"#{root} g[data-label]").count()
        if abs(after - before) != len(DATASETS):
            faults.append(f"{root}: {what} on a model's box changes {after - before} lines")
    return faults


def compare_scores(page: Page, what: str) -> list[str]:
    """Compare the numbers in the table, of all models at the chosen lead, with the records."""
    state = shown(page, "play-leads")
    score, k = state["score"], state["lead"]
    digits = COLUMNS[score][1]
    faults = []
    for column, dataset in enumerate(DATASETS):
        rows = main_rows(dataset)
        values = {label: [float(r[score][k]) for r in group] for label, group in rows.items()}
        ridge = float(np.mean(values[play.RIDGE]))
        cells = page.evaluate(
            """column => Object.fromEntries(
                [...document.querySelectorAll('#play-leads tr[data-label]')]
                .map(tr => [tr.dataset.label, tr.children[column + 1].textContent]))""",
            column,
        )
        if set(cells) != set(values):
            faults.append(f"play-leads: after {what}, the rows are not the main table's")
            continue
        for label, seeds in values.items():
            mean = np.mean(seeds) - (ridge if state["minus"] else 0)
            text = cells[label].replace("−", "-").replace("+", "")
            said, _, spread = text.partition(" ± ")
            _, _, exact_spread = mean_and_spread(seeds, digits).partition(" ± ")
            near = 0.5001 * 10**-digits + 2e-6
            if abs(float(said) - mean) > near or (
                bool(spread) != bool(exact_spread)
                or (spread and abs(float(spread) - float(exact_spread)) > 2 * near)
            ):
                faults.append(
                    f"play-leads: after {what}, {dataset}, {label}: {cells[label]}, "
                    f"the records say {mean:.4f} ± {exact_spread}"
                )
            if abs(state["numbers"][label][column] - mean) > 2e-6:
                faults.append(f"play-leads: after {what}, the curve of {label} is not the records'")
    return faults


CHECKS: dict[str, Callable[[Page], list[str]]] = {
    "play-reach.html": check_reach,
    "play-forecasts.html": check_forecasts,
    "play-leads.html": check_leads,
}
