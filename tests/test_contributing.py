"""The examples of CONTRIBUTING are run, in a copy of the library."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"```(python|bash)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL
)
COMMANDS = [
    text for kind, text in BLOCKS if kind == "bash" and text.startswith(("lsntp", "python"))
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, with the examples' files and lines put in."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("lsntp", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "data").mkdir()
    (copy / "data" / "records").symlink_to(ROOT / "data" / "records")
    for kind, text in BLOCKS:
        if kind != "python" or not text.startswith("# lsntp/"):
            continue
        first, rest = text.split("\n", 1)
        path, _, table = first.removeprefix("# ").partition(": ")
        if table:
            old = (copy / path).read_text(encoding="utf-8")
            imports = "".join(re.findall(r"^from .*\n", rest, re.MULTILINE))
            row = rest.removeprefix(imports)
            new = imports + re.sub(rf"^({table}\b.* = {{\n)", rf"\1{row}", old, flags=re.MULTILINE)
            assert new != old, f"no table {table} in {path}"
            (copy / path).write_text(new, encoding="utf-8")
        else:
            (copy / path).write_text(rest, encoding="utf-8")
    (copy / "notebooks").mkdir()
    (copy / "notebooks" / "14_mine.py").write_text(
        "# %% tags=['parameters']\nx = 2\n\n# %%\nprint(x**2)\n", encoding="utf-8"
    )
    return copy


def run(command: list[str], checkout: Path, **environment: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(checkout), **environment}
    done = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_there_are_the_five_examples() -> None:
    assert len(COMMANDS) == 3
    assert sum(kind == "python" for kind, _ in BLOCKS) == 6  # five of code, and one of glue


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.split()[2])
def test_commands(
    command: str, checkout: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "ncep" in command:
        request.getfixturevalue("real_data")
    program, *rest = command.split()
    module = ["-m", "lsntp"] if program == "lsntp" else []
    folders = {"LSNTP_CACHE_DIR": str(tmp_path), "LSNTP_RECORDS_DIR": str(tmp_path / "records")}
    run([sys.executable, *module, *rest], checkout, **folders)
    if "14_mine" in command:
        assert '"4\\n"' in (checkout / "notebooks" / "14_mine.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["layer = ConvLSTMLayer", "claims.Claim("])
def test_code(name: str) -> None:
    (code,) = [text for kind, text in BLOCKS if kind == "python" and name in text]
    run([sys.executable, "-c", code], ROOT)
