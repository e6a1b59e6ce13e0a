"""What is imported, and when: help and lists answer at once, and all names are there."""

from __future__ import annotations

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import lsntp
from lsntp.cli import app
from tools import book_extension

PACKAGE = Path(lsntp.__file__).parent
SLOW = {
    "dask",
    "distributed",
    "lightning_fabric",
    "matplotlib",
    "netCDF4",
    "numpy",
    "pandas",
    "safetensors",
    "scipy",
    "seaborn",
    "skimage",
    "torch",
    "xarray",
}
THEN = "import atexit, sys; atexit.register(lambda: print('imported:', *sys.modules))"
MAIN = "sys.argv[1:] = {!r}; import runpy; runpy.run_module('lsntp', run_name='__main__')"


def modules_after(code: str) -> set[str]:
    """Names of the modules of a fresh process at its end."""
    done = subprocess.run(
        [sys.executable, "-c", f"{THEN}\n{code}"], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("imported:")[2].split())


def pages(command: typer.core.TyperCommand, *names: str) -> list[list[str]]:
    """Every command line that shows a page of help."""
    inner = getattr(command, "commands", {}).items()
    return [[*names, "--help"], *(page for name, c in inner for page in pages(c, *names, name))]


def test_help_and_the_list_of_data_sets_import_nothing_slow() -> None:
    helps = pages(typer.main.get_command(app))
    assert len(helps) > 5
    show = f"""
from typer.main import get_command
from lsntp.cli import app
for page in {helps!r}:
    get_command(app).main(page, "lsntp", standalone_mode=False)
"""
    for code in (show, MAIN.format(["--help"]), MAIN.format(["data", "list"])):
        modules = modules_after(code)
        assert "lsntp.cli" in modules
        assert not modules & SLOW


def test_the_package_alone_imports_nothing_slow() -> None:
    modules = modules_after("import lsntp; lsntp.__version__, dir(lsntp), lsntp.__all__")
    assert "lsntp" in modules
    assert not modules & SLOW


@pytest.mark.parametrize("name", ["zoo", "runs.config"])
def test_what_is_named_is_imported_and_any_module_may_be_the_first(name: str) -> None:
    assert {f"lsntp.{name}", "torch"} <= modules_after(f"import lsntp; lsntp.{name}")


def stubs() -> list[tuple[str, str]]:
    """Module and name of each import in ``__init__.pyi``."""
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [
        (f"lsntp.{node.module}" if node.module else "lsntp", alias.name)
        for node in imports
        for alias in node.names
    ]


@pytest.mark.parametrize(("module", "name"), stubs(), ids=lambda value: value)
def test_every_public_name_is_the_one_of_its_module(module: str, name: str) -> None:
    found = getattr(lsntp, name)
    assert found is getattr(importlib.import_module(module), name)
    assert name in dir(lsntp) and name in lsntp.__all__
    if module != "lsntp":
        assert found.__module__ == module
        assert book_extension.defined_name(f"lsntp.{name}") == f"{module}.{name}"
        assert pickle.loads(pickle.dumps(found)) is found


def test_all_names_at_once() -> None:
    names: dict = {}
    exec("from lsntp import *", names)
    assert set(lsntp.__all__) <= set(names)


@pytest.mark.parametrize("package", ["data", "model", "runs"])
def test_modules_of_packages_need_no_import_of_their_own(package: str) -> None:
    expected = {p.stem for p in (PACKAGE / package).glob("*.py") if p.stem != "__init__"}
    assert set(dir(getattr(lsntp, package))) == expected
    for name in expected:
        assert getattr(getattr(lsntp, package), name).__name__ == f"lsntp.{package}.{name}"


@pytest.mark.parametrize("package", [lsntp, lsntp.data, lsntp.model, lsntp.runs])
def test_what_is_not_there_is_missing_as_of_any_module(package) -> None:
    assert not hasattr(package, "nothing")
    with pytest.raises(ImportError, match="nothing"):
        exec(f"from {package.__name__} import nothing")
