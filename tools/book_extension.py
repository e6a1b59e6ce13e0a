"""Sphinx extension of this book, for what no setting can say.

A notebook cell may open with options, as comments in YAML: ``# | alt: …`` and ``# | caption: …`` of
the figure that it draws, ``# | prompt: …``, the text on its fold. They are not shown in the code.

A page links to its source as text, which lies beside it, and to its repository, where the checkout
has a public remote.

A public name links to the place where it is defined: ``lsntp.open_dataset`` is documented once, as
``lsntp.data.datasets.open_dataset``. Thebe, which Jupyter Book always loads and this book does not
use, is switched off: it would fetch its script from the network.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
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


OPTION = "# | "


def of_myst_nb(alt: str = "", caption: str = "", prompt: str = "") -> dict[str, Any]:
    """Spell a cell's options as MyST-NB wants them."""
    return (
        ({"image": {"alt": alt}} if alt else {})
        | ({"figure": {"caption": caption}} if caption else {})
        | ({"code_prompt_show": prompt, "code_prompt_hide": prompt} if prompt else {})
    )


def with_options(app: Sphinx, docname: str, source: list[str]) -> None:
    """Move the options that cells of a notebook open with from their code to their metadata."""
    if app.env.doc2path(docname).endswith(".ipynb"):
        notebook = json.loads(source[0])
        for cell in notebook["cells"]:
            lines = "".join(cell["source"]).splitlines(keepends=True)
            count = next((i for i, x in enumerate(lines) if not x.startswith(OPTION)), len(lines))
            if cell["cell_type"] == "code" and count:
                text = "".join(line.removeprefix(OPTION) for line in lines[:count])
                cell["source"] = "".join(lines[count:])
                cell["metadata"]["mystnb"] = of_myst_nb(**yaml.safe_load(text))
        source[0] = json.dumps(notebook)


REMOTE = re.compile(
    r"(?:https://|git@)(?P<host>github\.com|gitlab\.com)[/:](?P<name>.+?)(?:\.git)?/?"
)


def repository(remote: str) -> dict[str, Any]:
    """Return the theme's options for a public remote; none for any other."""
    found = REMOTE.fullmatch(remote.strip())
    if found is None:
        return {}
    buttons = ("repository", "issues", "edit_page")
    return {
        "repository_url": f"https://{found['host']}/{found['name']}",
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        },
    } | {f"use_{button}_button": True for button in buttons}


def with_repository(app: Sphinx, config: Any) -> None:
    """Show buttons for the repository that the checkout was cloned from."""
    command = ["git", "-C", str(app.srcdir), "remote", "get-url", "origin"]
    try:
        remote = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return
    config.html_theme_options |= repository(remote)


def with_source(app: Sphinx, pagename: str, templatename: str, context: Any, doctree: Any) -> None:
    """Write the source of a page as text beside it, and put a button into its head."""
    if doctree is None:
        return
    source = Path(app.env.doc2path(pagename))
    if source.suffix == ".ipynb":
        source = source.with_suffix(".py")
    target = Path(app.outdir) / "_sources" / f"{pagename}.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    context["header_buttons"].append(
        {
            "type": "link",
            "url": context["pathto"](f"_sources/{pagename}.txt", resource=True),
            "tooltip": "View this page's source",
            "icon": "fas fa-code",
            "label": "view-source",
        }
    )


def with_sources_only(app: Sphinx) -> list[Any]:
    """Leave what has no source of its own, such as builtins, out of the list of modules."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, source in modules.items() if not source]:
        del modules[name]
    return []


def without_thebe(app: Sphinx, config: Any) -> None:
    """Take sphinx-thebe's handlers off the events by which it adds its scripts."""
    for event in ("env-before-read-docs", "doctree-resolved"):
        listeners = app.events.listeners[event]
        listeners[:] = [x for x in listeners if x.handler.__module__ != "sphinx_thebe"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", without_thebe)
    app.connect("config-inited", with_repository)
    app.connect("html-collect-pages", with_sources_only, priority=400)  # before viewcode's
    app.connect("html-page-context", with_source, priority=501)
    app.connect("source-read", with_options)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
