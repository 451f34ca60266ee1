"""Which module may import which, and how long files may get."""

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import tnc

ROOT = Path(tnc.__file__).parent
MODULES = {
    ".".join(("tnc", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(ROOT.rglob("*.py"))
    if file.parent != ROOT or file.stem != "__init__"
}

# A layer may import the layers above it in this list. Packages of one layer do not import each other.
LAYERS = (
    "core",
    "rules",
    "campaigns visitors",
    "store",
    "destinations reports",
    "tracking",
    "privacy",
    "admin",
    "web",
    "app",
    "cli",
    "__main__",
)

# Third-party libraries (and three of the standard library), and the packages that may import them.
DOORS = {
    "aiohttp": "destinations admin web",
    "aiosmtplib": "admin",
    "aiosqlite": "store",
    "apscheduler": "admin",
    "bcrypt": "core",
    "click": "cli",
    "cryptography": "core",
    "duckdb": "reports",
    "httptools": "web",
    "idna": "core",
    "iptocc": "visitors",
    "jinja2": "web",
    "maxminddb": "visitors",
    "msgspec": " ".join(LAYERS),
    "re2": "rules visitors privacy",
    "sqlite3": "store admin privacy",
    "tomli_w": "campaigns core",
    "tomllib": "campaigns core",
    "ua_parser": "visitors",
    "uvloop": "cli",
    "yarl": "destinations admin",
    "zoneinfo": "core",
    "zstandard": "store admin",
}

LONGEST_FILE = 500  # lines
LONGEST_FUNCTION = 60


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def names_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(source), names=names):
            yield source
            yield from (f"{source}.{alias.name}" for alias in names)
        case _:
            pass


def imported_by(module: str) -> set[str]:
    return {name for node in ast.walk(tree(module)) for name in names_of(node)}


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def unit(module: str) -> str:
    return module.split(".")[1]


def layer(module: str) -> int:
    places = [i for i, line in enumerate(LAYERS) if unit(module) in line.split()]
    assert places, f"{unit(module)} has no place in LAYERS"
    return places[0]


def test_imports_point_downwards() -> None:
    assert [
        f"{module} imports {other}"
        for module in MODULES
        for other in sorted(imported_by(module) & MODULES.keys())
        if unit(other) != unit(module) and layer(other) >= layer(module)
    ] == []


def test_imports_have_no_cycles() -> None:
    def needed(module: str) -> set[str]:
        # A package's `__init__` imports its own modules; they do not depend on it.
        return {name for name in imported_by(module) & MODULES.keys() if not module.startswith(f"{name}.")}

    TopologicalSorter({module: needed(module) for module in MODULES}).prepare()


def test_each_library_is_imported_only_where_it_may_be() -> None:
    def libraries(module: str) -> set[str]:
        names = {name.partition(".")[0] for name in imported_by(module)} - {"tnc"}
        return {name for name in names if name in DOORS or name not in sys.stdlib_module_names}

    assert [
        f"{module} imports {library}"
        for module in MODULES
        for library in sorted(libraries(module))
        if unit(module) not in DOORS.get(library, "").split()
    ] == []


def test_modules_have_a_docstring_and_import_at_the_top() -> None:
    silent = [name for name, file in MODULES.items() if file.read_text().strip() and not ast.get_docstring(tree(name))]
    hidden = [
        f"{module}.{function.name}"
        for module in MODULES
        for function in functions(module)
        for node in ast.walk(function)
        if set(names_of(node))
    ]
    assert (silent, hidden) == ([], [])


def test_files_and_functions_stay_readable() -> None:
    long = [name for name, file in MODULES.items() if file.read_text(encoding="utf-8").count("\n") > LONGEST_FILE]
    long += [
        f"{module}.{each.name}"
        for module in MODULES
        for each in functions(module)
        if (each.end_lineno or each.lineno) - each.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("script", sorted((ROOT.parent / "bench").glob("*.py")), ids=lambda script: script.stem)
def test_measurements_import_what_exists(script: Path) -> None:
    """The scripts in bench/ take minutes and are not run here."""
    imports = [
        node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    assert [
        f"{node.module}.{alias.name}"
        for node in imports
        if (node.module or "").partition(".")[0] in {"tnc", "tests"}
        for alias in node.names
        if not hasattr(import_module(str(node.module)), alias.name) and find_spec(f"{node.module}.{alias.name}") is None
    ] == []


def test_contributing_shows_the_same_layers_and_libraries() -> None:
    page = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    layers, _, libraries = page.partition("| library |")
    rows = re.findall(r"^\| ((?:`[a-z_/.]+` ?)+)\|", layers, re.MULTILINE)
    assert tuple(re.sub(r"[`/]|\.py", "", row).strip() for row in rows) == LAYERS
    doors = re.findall(r"\| ([a-z_0-9, ]+) \| ((?:`[a-z]+` ?)+)(?=\|)", libraries)
    shown = {name: re.sub("`", "", where).strip() for names, where in doors for name in names.split(", ")}
    assert shown == {name: where for name, where in DOORS.items() if name != "msgspec"}
