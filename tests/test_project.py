"""The project as a whole: what is declared twice agrees, and what is stored is clean."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from contextlib import suppress
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lsntp.chapters import parameters
from lsntp.results import planted, studies, tables
from lsntp.zoo import MAIN
from tools import book_extension

ROOT = Path(__file__).resolve().parents[1]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What conda-forge calls a distribution.
CONDA_NAMES = {
    "eccodes": "python-eccodes",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "torch": "pytorch",
}


def requirements() -> dict[str, Requirement]:
    """Every third-party requirement of pyproject.toml, by canonical name."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    found = [Requirement(text) for group in groups for text in group]
    return {canonicalize_name(r.name): r for r in found if r.name != PROJECT["name"]}


# ---- declared in two places


def test_environment_yml_lists_what_pyproject_lists():
    entries = yaml.safe_load(text_of("environment.yml"))["dependencies"]
    pip = next(e["pip"] for e in entries if isinstance(e, dict))
    listed = [Requirement(e) for e in entries if isinstance(e, str)]
    listed += [Requirement(e) for e in pip if not e.startswith("-")]
    conda = {canonicalize_name(r.name): str(r.specifier) for r in listed}
    assert conda.pop("python") == PROJECT["requires-python"]
    conda.pop("pip")
    expected = {CONDA_NAMES.get(n, n): str(r.specifier) for n, r in requirements().items()}
    assert conda == expected
    assert "-e ." in pip


def test_constraints_pin_every_requirement_within_its_range():
    lines = text_of("constraints.txt").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in pins}
    for name, requirement in requirements().items():
        assert name in versions, f"constraints.txt does not pin {name}"
        assert requirement.specifier.contains(versions[name]), f"{name} {versions[name]}"
    assert not [r for r in pins if r.url or "+" in str(r.specifier)]


def test_the_workflows_run_what_make_runs_on_every_python_that_is_named():
    recipes = re.findall(r"^\t\$\(BIN\)/(python -m .*)", text_of("Makefile"), re.M)
    install = next(r for r in recipes if "pip install" in r).replace("--quiet ", "")
    expected = [
        install.replace("$(CONSTRAINTS)", "--constraint constraints.txt"),
        install.replace("$(CONSTRAINTS) ", ""),
        next(r for r in recipes if "pytest" in r),
    ]
    jobs = yaml.safe_load(text_of(".github/workflows/tests.yml"))["jobs"]
    assert [step["run"] for step in jobs["test"]["steps"] if "run" in step] == expected
    pythons = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    assert jobs["test"]["strategy"]["matrix"]["python"] == pythons
    for name in ("tests", "book"):
        text = text_of(f".github/workflows/{name}.yml")
        for action in re.findall(r"uses: (\S+)", text):
            assert re.search(r"@[0-9a-f]{40}$", action), f"{action}: pin a commit, not a tag"
        targets = re.findall(r"run: make (\w+)", text)
        assert set(targets) <= set(re.findall(r"^(\w+):", text_of("Makefile"), re.M))


def test_the_version_is_the_same_everywhere():
    version = PROJECT["version"]
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert str(citation["version"]) == version
    assert re.search(rf"^## {re.escape(version)}\b", text_of("CHANGELOG.md"), re.M)


def test_the_api_pages_show_every_public_module():
    pages = text_of("book/api.md") + text_of("book/api-book.md")
    shown = set(re.findall(r"automodule:: (\S+)", pages))
    modules = set()
    for path in (ROOT / "lsntp").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not any(part.startswith("_") and part != "__init__" for part in parts):
            modules.add(".".join(parts).removesuffix(".__init__"))
    assert {name for name in shown if name.startswith("lsntp")} == modules


PACKAGES = ("cli", "chapters", "figures", "results", "runs", "zoo", "model", "data")


def test_imports_point_down() -> None:
    for path in (ROOT / "lsntp").rglob("*.py"):
        where = path.relative_to(ROOT / "lsntp").with_suffix("").parts[0]
        if where not in PACKAGES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module == "lsntp":
                names = [f"lsntp.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for used in [n.split(".")[1] for n in names if n.startswith("lsntp.")]:
                assert used in PACKAGES and PACKAGES.index(used) >= PACKAGES.index(where), path
                assert where != "chapters" or used != "chapters" or path.parent.name != "chapters"


def test_every_chapter_is_named_as_its_notebook() -> None:
    notebooks = {path.stem[3:] for path in NOTEBOOKS}
    chapters = {p.stem for p in (ROOT / "lsntp" / "chapters").iterdir() if p.stem[0] != "_"}
    assert chapters - {"parameters"} <= notebooks


CHECKED = [
    p for p in sorted((ROOT / "notebooks").glob("*.py")) if "# what the text says" in p.read_text()
]


@pytest.mark.parametrize("path", CHECKED, ids=lambda p: p.stem)
def test_the_sentences_of_a_printed_notebook_are_checked(path: Path) -> None:
    """Their checks stand behind a condition on the parameters, which those printed fulfil."""
    source = path.read_text(encoding="utf-8")
    given: dict[str, object] = {}
    conditions = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if (name := node.targets[0].id) == "printed":
                with suppress(NameError):  # a table's name, on page 07
                    given[name] = evaluated(node.value, given)
            with suppress(ValueError):
                given.setdefault(name, ast.literal_eval(node.value))
        elif isinstance(node, ast.If):
            head = source.splitlines()[node.lineno - 1 : node.body[0].lineno - 1]
            if "what the text says" in "".join(head):
                conditions.append(evaluated(node.test, given))
    assert conditions and all(conditions)


def evaluated(expression: ast.expr, given: dict[str, object]) -> object:
    """What it is with these parameters, a list of data sets for each ``dataset``."""
    names = {"parameters": parameters, "planted": planted, "studies": studies, "MAIN": MAIN}
    names |= given | {"datasets": given.get("dataset")}
    return eval(compile(ast.Expression(expression), "a condition", "eval"), names)


def test_the_table_of_contents_lists_every_notebook_and_page():
    toc = yaml.safe_load(text_of("_toc.yml"))
    listed = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    pages = [f"book/{p.stem}" for p in (ROOT / "book").glob("*.md")]
    assert sorted(listed) == sorted(pages + [f"notebooks/{p.stem}" for p in NOTEBOOKS])


# ---- notebooks


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [c for c in notebook.cells if c.cell_type == "code"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks_and_each_has_a_text_form():
    assert NOTEBOOKS
    texts = (ROOT / "notebooks").glob("*.py")
    assert [p.stem for p in NOTEBOOKS] == sorted(p.stem for p in texts)


def test_notebook_is_executed_fully_and_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run make notebooks"


def test_notebook_has_one_parameters_cell_and_no_injected_one(notebook):
    tags = [tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])]
    assert tags.count("parameters") == 1
    assert "injected-parameters" not in tags


def test_notebook_matches_its_text_form(path, notebook):
    text = jupytext.read(path.with_suffix(".py"), fmt="py:percent")

    def cells(book: nbformat.NotebookNode) -> list[tuple]:
        return [(c.cell_type, c.source.strip(), c.metadata.get("tags", [])) for c in book.cells]

    assert cells(notebook) == cells(text), "run make notebooks"
    assert notebook.metadata.jupytext.formats == "ipynb,py:percent"


def test_notebook_starts_with_its_title(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \S", first.source)


def test_notebook_defines_only_short_ideas_and_trains_nothing_by_hand(notebook):
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, defined):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= 14, f"{cell.id}: move it to lsntp/"
            called = isinstance(node, ast.Call) and getattr(node.func, "attr", None)
            assert called not in {"backward", "zero_grad", "step"}, f"{cell.id}: {called}()"


def test_every_figure_has_an_alternative_text(notebook):
    for cell in code_cells(notebook):
        if any(m.startswith("image/") for o in cell.outputs for m in o.get("data", {})):
            options = [x for x in cell.source.splitlines() if x.startswith("# | ")]
            assert any(x.startswith("# | alt: ") for x in options), f"{cell.id}: no alt"


def test_notebook_stores_no_error_warning_or_widget(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", f"{cell.id}: {output.get('text')}"
            assert not [mime for mime in output.get("data", {}) if "widget" in mime], cell.id


def test_notebook_stores_no_unrounded_number(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            for mime, text in output.get("data", {}).items():
                if mime.endswith("text/plain"):
                    assert not re.search(r"\d\.\d{7}", text), f"{cell.id}: run make notebooks"


def test_notebook_metadata_is_bare(notebook):
    """No timestamp, duration, widget state or machine: what changes from run to run."""
    assert set(notebook.metadata) <= {"jupytext", "kernelspec", "language_info"}
    assert notebook.metadata.kernelspec == {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    assert "version" not in notebook.metadata.language_info
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id


# ---- nothing of one machine

ABSOLUTE = re.compile(r"(?<![\w.:/-])/(?:home|root|work|Users|opt|tmp|mnt)/")
TEXTS = ("*.py", "*.md", "*.toml", "*.yml", "*.yaml", "*.txt", "*.cff", "*.bib", "Makefile")


def test_no_text_holds_a_path_of_one_machine():
    folders = [
        ROOT,
        *(ROOT / f for f in (".ci", ".github", "book", "data", "lsntp", "notebooks", "tests")),
    ]
    for folder in folders:
        for pattern in (*TEXTS, "run"):
            paths = folder.glob(pattern) if folder == ROOT else folder.rglob(pattern)
            for path in filter(Path.is_file, paths):
                found = ABSOLUTE.search(path.read_text(encoding="utf-8"))
                assert not found, f"{path.relative_to(ROOT)}: {found.group()}"


def test_no_notebook_output_holds_a_path_of_one_machine(notebook):
    for cell in notebook.cells:
        texts = [cell.source]
        for output in cell.get("outputs", []):
            texts.append(output.get("text", ""))
            texts += [v for k, v in output.get("data", {}).items() if not k.startswith("image/")]
        for text in texts:
            assert not ABSOLUTE.search(str(text)), cell.id


# ---- what the README says


def test_the_example_of_the_readme_runs(capsys):
    example = re.search(r"```python\n(.*?)```", text_of("README.md"), re.S)
    names: dict = {}
    exec(compile(example[1], "README.md", "exec"), names)
    assert names["y"].shape == (8, 4, *names["field"].shape[1:])
    assert "rmse" in capsys.readouterr().out


def test_the_table_of_the_readme_holds_the_records():
    shown = re.findall(r"^\| ([^|]+?) \| ([\d.]+) \| ([\d.]+) \|$", text_of("README.md"), re.M)
    for column, data_set in enumerate(("ncep-na", "era5-uk"), start=1):
        errors = tables.mean_errors(studies.load(studies.main(data_set)))
        written = {row[0].removesuffix(" (linear)"): row[column] for row in shown}
        assert written == {k: f"{errors[k]:.3f}" for k in errors.index if "," not in k}


def test_the_verdicts_of_the_readme_are_those_of_the_records():
    for data_set, alike in (("ncep-na", "no difference seen"), ("era5-uk", "higher")):
        rows = studies.load(studies.main(data_set))
        against = {
            rival: tables.differences(rows, rival)["verdict"]
            for rival in ("ConvLSTM", "Ridge 5×5", "Persistence", "LS-NTP (tuned)")
        }
        ours = ["LS-NTP (equations)", "LS-NTP (released)"]
        assert (against["Persistence"][ours] == "lower").all()
        assert (against["ConvLSTM"][ours] == alike).all()
        assert (against["Ridge 5×5"][ours] == alike).all()
        released = [f"{label}, released recipe" for label in ours]
        said = "higher" if data_set == "era5-uk" else "too uncertain"
        assert (against["Persistence"][released] == said).all()
        if data_set == "ncep-na":
            trained_alike = [row for row in rows if "," not in row and "tuned" not in row]
            assert (against["LS-NTP (tuned)"][trained_alike] == "higher").all()
    graph = tables.differences(studies.load(studies.ablation("era5-uk")), "full")
    assert graph["verdict"]["w/o LAGC"] == "lower"


def test_the_pictures_of_the_readme_are_there():
    pictures = re.findall(r"!\[.{20,}\]\((\S+)\)", text_of("README.md"))
    assert pictures and all((ROOT / path).is_file() for path in pictures)


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/someone/lsntp.git", "https://github.com/someone/lsntp"),
        ("git@gitlab.com:group/part/lsntp.git\n", "https://gitlab.com/group/part/lsntp"),
        ("https://github.com/someone/lsntp/", "https://github.com/someone/lsntp"),
        ("ssh://host/somewhere/lsntp.git", None),
        ("../lsntp", None),
    ],
)
def test_the_book_links_to_a_public_repository_only(remote: str, address: str | None):
    assert book_extension.repository(remote).get("repository_url") == address


def test_the_command_is_installed():
    assert PROJECT["scripts"] == {"lsntp": "lsntp.cli:app"}
    assert importlib.util.find_spec("lsntp.cli") is not None
