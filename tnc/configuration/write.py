"""A configuration as the file its owner could have written: stable, short, and without secrets."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import tomli_w

from tnc.configuration.nouns import NOUNS
from tnc.configuration.shapes import KEPT, Hidden
from tnc.model import Configuration

WIDTH: Final = 120
"""Longer lists are written one item a line."""


def export_toml(configuration: Configuration) -> str:
    """By noun and id, only what differs from the defaults; reading it over the same configuration changes nothing."""
    return "\n".join(
        block
        for noun in NOUNS.values()
        for _, item in sorted(getattr(configuration, noun.plural).items())
        for block in _blocks(noun.name, noun.write(item))
    )


def export_tables(configuration: Configuration) -> dict[str, Any]:
    """The tables of that file."""
    return tomllib.loads(export_toml(configuration))


def inline(value: object) -> str:
    """One value on one line, as it may stand behind `key = `."""
    match value:
        case Hidden():
            return inline(KEPT)
        case Mapping():
            pairs = ", ".join(f"{_key(key)} = {inline(each)}" for key, each in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case _:
            return tomli_w.dumps({"_": value}).removeprefix("_ = ").rstrip("\n")


def _key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def _blocks(header: str, table: Mapping[str, Any]) -> Iterator[str]:
    flows = table.get("flow", [])
    lines = [f"[[{header}]]", *(_line(key, value) for key, value in table.items() if key != "flow")]
    yield "\n".join(lines) + "\n"
    for flow in flows:
        yield from _blocks(f"{header}.flow", flow)


def _line(key: str, value: object) -> str:
    short = f"{_key(key)} = {_padded(value)}"
    if len(short) <= WIDTH or not isinstance(value, list):
        return short
    return "\n".join((f"{_key(key)} = [", *(f"  {inline(each)}," for each in value), "]"))


def _padded(value: object) -> str:
    """Lists of tables with air inside: `[ { ... } ]`."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return f"[ {', '.join(map(inline, value))} ]"
    return inline(value)
