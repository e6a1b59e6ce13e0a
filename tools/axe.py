"""Run axe-core, the checker of web accessibility, on a page that is open in a browser."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

MODES = ("light", "dark")
FAULTS = ("serious", "critical")
RULES = {
    "preload": False,  # it would fetch style sheets again, which a file may not
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
    "rules": {"color-contrast": {"enabled": False}},  # looked at apart, in both modes
}

# A mode, without the transition from one to the other.
MODE = """mode => {
    if (!document.getElementById("no-transition")) {
        document.head.insertAdjacentHTML("beforeend",
            "<style id='no-transition'>* { transition: none !important; }</style>");
    }
    document.documentElement.dataset.theme = mode;
    document.documentElement.dataset.mode = mode;
}"""
RUN = """options => axe.run(document, {...options, resultTypes: ["violations"], preload: false})
    .then(results => results.violations)"""
# Contrast takes axe a minute on a page with thousands of words of code. One text of each
# combination of colour, ground, size and weight is enough; the others are counted.
CONTRAST = """async () => {
    const clear = colour => /rgba\\(.*, 0\\)|transparent/.test(colour);
    const kinds = new Map();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        const element = text.parentElement;
        if (!text.data.trim() || !element.checkVisibility({visibilityProperty: true})) { continue; }
        const style = getComputedStyle(element);
        let ground = element;
        while (ground && clear(getComputedStyle(ground).backgroundColor)) {
            ground = ground.parentElement;
        }
        const kind = [style.color, ground && getComputedStyle(ground).backgroundColor,
            style.fontSize, style.fontWeight, style.opacity].join();
        kinds.set(kind, [...(kinds.get(kind) || []), element]);
    }
    const found = [];
    const size = element => element.getElementsByTagName("*").length;
    for (const elements of kinds.values()) {
        const least = elements.reduce((a, b) => (size(b) < size(a) ? b : a));
        least.dataset.axe = elements.length;
    }
    const results = await axe.run(
        {include: [["[data-axe]"]]},
        {runOnly: ["color-contrast"], resultTypes: ["violations"], preload: false});
    for (const violation of results.violations) {
        violation.nodes.forEach(n => {
            const element = document.querySelector(n.target[n.target.length - 1]);
            n.count = Number(element && element.dataset.axe || 1);
        });
        found.push(violation);
    }
    document.querySelectorAll("[data-axe]").forEach(e => { delete e.dataset.axe; });
    return found;
}"""


def told(violation: dict[str, Any]) -> str:
    """One line of a violation: its rule, how often it is broken, where first, and what axe says."""
    nodes = violation["nodes"]
    count = sum(node.get("count", 1) for node in nodes)
    checks = [c for kind in ("any", "all", "none") for c in nodes[0][kind]]
    said = checks[0]["message"] if checks else violation["help"]
    return f"{violation['id']} ({violation['impact']}), {count} × {nodes[0]['target'][-1]}: {said}"


def check(page: Page) -> list[str]:
    """Serious and critical violations on the page as it is shown, in the light and in the dark."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate(RUN, RULES)
    faults = [told(v) for v in found if v["impact"] in FAULTS]
    for mode in MODES:
        page.evaluate(MODE, mode)
        found = page.evaluate(CONTRAST)
        faults += [f"{mode}: {told(v)}" for v in found if v["impact"] in FAULTS]
    page.evaluate(MODE, MODES[0])
    return faults
