"""The shape of the house, kept true by a test rather than by memory."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tnc

ROOT = Path(tnc.__file__).parent
MODULES = {
    ".".join(("tnc", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(ROOT.rglob("*.py"))
    if file.parent != ROOT or file.stem != "__init__"
}

# Each line may import the lines above it. Neighbours on one line do not know each other.
LAYERS = (
    "model errors chance",
    "fields money where trials findings",
    "readings rates",
    "world niceness settings crypto passwords process",
    "rules",
    "configuration conversions imports logs",
    "templates",
    "facts",
    "store",
    "deliver reporting receipts",
    "live recording",
    "house demo",
    "objecting verifying bulk forwarding receiving remapping reclassifying reviewers withdrawing",
    "explaining operations forgetting retention disclosing install answering renewal checking searching nightly",
    "rights keys dealings",
    "keeping backups",
    "errands",
    "control reportchild scanchild sumschild",
    "doctor",
    "records",
    "web jobs alerting",
    "listening",
    "desk maildesk peopledesk",
    "app",
    "bench",
    "cli",
    "__main__",
)

# Each library enters the house by one door, and a library that is not named here does not enter.
DOORS = {
    "aiohttp": "web deliver listening control",
    "aiosmtplib": "deliver",
    "bcrypt": "passwords",
    "click": "cli",
    "cryptography": "crypto",
    "duckdb": "store",
    "httptools": "web",
    "iptocc": "facts",
    "jinja2": "web",
    "maxminddb": "facts",
    "msgspec": " ".join(LAYERS),
    "re2": "rules facts store",
    "sqlite3": "store",
    "tomli_w": "configuration settings",
    "tomllib": "configuration settings",
    "ua_parser": "facts",
    "uvloop": "cli",
    "yarl": "deliver",
    "zstandard": "store",
}

# Places that are longer than what one can hold in the head, each with its reason.
LONG = {
    "tnc.model": "every noun on one page is the tour of the house",
}


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


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    wrong = {
        other
        for other in imported_by(module) & MODULES.keys()
        if unit(other) != unit(module) and layer(other) >= layer(module)
    }
    assert not wrong


def test_imports_go_round_in_no_circle() -> None:
    def needed(module: str) -> set[str]:
        # A package's `__init__` is what others see of it; its own rooms are what it is made from.
        return {name for name in imported_by(module) & MODULES.keys() if not module.startswith(f"{name}.")}

    TopologicalSorter({module: needed(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_libraries_use_their_door(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imported_by(module)} - {"tnc"}
    guarded = {name for name in libraries if name in DOORS or name not in sys.stdlib_module_names}
    assert {name for name in guarded if unit(module) not in DOORS.get(name, "").split()} == set()


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top(module: str) -> None:
    hidden = {function.name for function in functions(module) for node in ast.walk(function) if set(names_of(node))}
    assert not hidden


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(tree(module)) or not MODULES[module].read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_can_be_held_in_the_head(module: str) -> None:
    sizes = {f"{module}.{each.name}": (each.end_lineno or each.lineno) - each.lineno + 1 for each in functions(module)}
    long = {name for name, lines in sizes.items() if lines > 60}
    if MODULES[module].read_text(encoding="utf-8").count("\n") > 400:
        long.add(module)
    assert long - LONG.keys() == set()


def test_what_is_excused_for_its_length_is_still_there() -> None:
    known = set(MODULES) | {f"{module}.{each.name}" for module in MODULES for each in functions(module)}
    assert LONG.keys() <= known


def test_the_page_for_contributors_names_every_room_and_door() -> None:
    page = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {unit(module) for module in MODULES} - {"__main__"}
    assert {room for room in rooms if f"`{room}`" not in page and f"`{room}/`" not in page} == set()
    assert {library for library in DOORS if library not in page} == set()
