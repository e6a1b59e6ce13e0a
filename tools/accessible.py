"""Sphinx extension: what the theme writes is mended for readers who hear, print or dim the book.

It adds two style sheets after all others: ``accessible.css`` and ``print.css`` of ``book/_static``.
In the body of a page it takes the role "list" off a bibliography, whose links back are no items.
In the list of modules a list within a list is put into the item before it.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

BODY = {
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    ' role="doc-biblioentry"': "",  # deprecated in ARIA 1.3
}


MODULES = "_modules/index"


def nested(body: str) -> str:
    """Put each list that follows an item into that item; the last to end is the outermost."""
    body, end, rest = body.replace("</li>\n<ul>", "\n<ul>").rpartition("</ul>")
    return body.replace("</ul>", "</ul></li>") + end + rest


def mend(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Replace, in the body of a page, what screen readers stumble over."""
    for wrong, right in BODY.items():
        if "body" in context:
            context["body"] = context["body"].replace(wrong, right)
    if name == MODULES:
        context["body"] = nested(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", mend)
    for sheet in ("accessible.css", "print.css"):
        app.add_css_file(sheet, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
