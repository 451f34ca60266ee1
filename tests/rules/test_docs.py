"""docs/rules.md lists every fact, operator and macro, and no others."""

import re
from pathlib import Path

from tnc.core.models import SUBS
from tnc.rules.macros import ALIASES, MACROS
from tnc.rules.vocabulary import FACT_NAMES, OPERATORS_OF

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
FAMILIES = {"sub", "sub_id_", "t", "var"}  # listed as `sub1` to `sub20`


def rows(heading: str) -> list[list[str]]:
    """The cells of the one table under a heading, without its head."""
    section = re.split(r"^#+ ", TEXT.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_docs_list_every_fact() -> None:
    listed = {name for row in rows("### Facts") for name in ticked(row[0])}

    assert listed == {name for name in FACT_NAMES if name not in SUBS[1:-1]}


def test_docs_list_the_operators_of_each_kind() -> None:
    listed = [tuple(ticked(row[1])) for row in rows("### Operators")]

    assert listed == list(OPERATORS_OF.values())


def test_docs_list_every_macro_with_its_aliases() -> None:
    found = {name for row in rows("## Macros") for cell in row for name in re.findall(r"`\{([^}]+)\}`", cell)}
    listed = {name for name in found if ":" not in name or name in ALIASES}
    single = {name for name in (*MACROS, *ALIASES) if name.rstrip("0123456789") not in FAMILIES}
    of_families = {"sub1", "sub20", "sub_id_1", "sub_id_20", "t1", "t20", "var1", "var10"}
    params = {"param.NAME", *(name for name in ALIASES.values() if name.startswith("param."))}

    assert listed == single | of_families | params
