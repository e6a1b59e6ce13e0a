"""Re-execute notebooks: from the text form (py:percent) to a clean, executed .ipynb.

    python -m tools.execute                                  # every notebook, in order
    python -m tools.execute notebooks/02_observations.py     # one

The text form is the source; the .ipynb is made from it, run from an empty kernel of this very
environment, stripped of everything that changes from run to run or from processor to processor
(glued numbers keep six decimals), and written in one rename.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

# Same numbers on every machine: one thread, this environment's kernel before any other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")

import jupytext
import nbformat
from nbclient import NotebookClient

from lsntp.data.store import write_text
from tools.compare import GLUE, rounded

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
METADATA = {
    "jupytext": {"formats": "ipynb,py:percent"},
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
}
LANGUAGE_INFO = {
    "name": "python",
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "pygments_lexer": "ipython3",
}
# What nbval would trip over on the next run, although this run succeeded.
UNSTABLE = re.compile(r"\bat 0x[0-9a-f]{6,}")


def from_text(path: Path) -> nbformat.NotebookNode:
    """Read a py:percent file as a notebook with fixed metadata and cell ids."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    return notebook


def complaints(notebook: nbformat.NotebookNode) -> list[str]:
    """List outputs that must not be stored: stderr text and addresses in memory."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                found.append(f"{cell.id} writes to stderr: {output.text.strip()[:300]}")
            plain = output.get("data", {}).get("text/plain", output.get("text", ""))
            if UNSTABLE.search(plain):
                found.append(f"{cell.id} shows an address that changes: {plain.strip()[:120]}")
    return found


def execute(path: Path) -> None:
    """Make and execute the notebook beside the py:percent file `path`."""
    notebook = from_text(path)
    canonical = jupytext.writes(notebook, fmt="py:percent")
    if canonical != path.read_text(encoding="utf-8"):
        write_text(canonical, path)
    NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    notebook.metadata = nbformat.from_dict({**METADATA, "language_info": LANGUAGE_INFO})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if GLUE in output.get("data", {}):
                output["data"][GLUE] = rounded(output["data"][GLUE])
    if found := complaints(notebook):
        raise SystemExit(f"{path.name}: outputs that must not be stored\n  " + "\n  ".join(found))
    nbformat.validate(notebook)
    write_text(nbformat.writes(notebook) + "\n", path.with_suffix(".ipynb"))


def main(arguments: list[str]) -> None:
    """Execute the notebooks named, or all in the order of their numbers."""
    paths = [Path(a).resolve().with_suffix(".py") for a in arguments]
    for path in paths or sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py")):
        start = time.monotonic()
        print(f"{path.name} ...", end=" ", flush=True)
        execute(path)
        print(f"{time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
