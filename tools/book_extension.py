"""Sphinx extension of this book, for what no setting can say.

A public name links to the place where it is defined: ``lsntp.open_dataset`` is documented once, as
``lsntp.data.datasets.open_dataset``. Thebe, which Jupyter Book always loads and this book does not
use, is switched off: it would fetch its script from the network.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))  # the API page shows benchmarks, too


def defined_name(name: str) -> str | None:
    """Full name under which the object called ``lsntp.<...>`` is defined; None if there is none."""
    module, *attributes = name.split(".")
    found: Any = importlib.import_module(module)
    try:
        for attribute in attributes:
            found = getattr(found, attribute)
        return f"{found.__module__}.{found.__qualname__}"
    except AttributeError:
        return None


def resolve(app: Sphinx, env: Any, node: Any, contents: Any) -> Any:
    """Resolve a missing reference to a name of this library by the name it is defined under."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("lsntp."):
        return None
    name = defined_name(target)
    if name is None or name == target:
        return None
    domain = env.get_domain("py")
    kind = node["reftype"]
    return domain.resolve_xref(env, node["refdoc"], app.builder, kind, name, node, contents)


def without_thebe(app: Sphinx, config: Any) -> None:
    """Take sphinx-thebe's handlers off the events by which it adds its scripts."""
    for event in ("env-before-read-docs", "doctree-resolved"):
        listeners = app.events.listeners[event]
        listeners[:] = [x for x in listeners if x.handler.__module__ != "sphinx_thebe"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", without_thebe)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
