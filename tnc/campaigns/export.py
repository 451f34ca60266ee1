"""Writes a configuration as a file that reads like one written by hand, without secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.campaigns.schema import NOUNS
from tnc.core.errors import FailedError
from tnc.core.models import Configuration, Destination
from tnc.core.toml import inline, inline_key, parse_toml

WIDTH: Final = 120
"""Longer lists are written one item a line."""


def export_toml(configuration: Configuration) -> str:
    """Sorted by noun and id, only what differs from the defaults; applying it again changes nothing."""
    return "\n".join(
        block
        for noun in NOUNS.values()
        for _, item in sorted(getattr(configuration, noun.plural).items())
        for block in _blocks(noun.name, noun.write(item))
    )


def export_tables(configuration: Configuration) -> dict[str, Any]:
    """The tables of that file."""
    return parse_toml(export_toml(configuration), "the export")


def _blocks(header: str, table: Mapping[str, Any]) -> Iterator[str]:
    flows = table.get("flow", [])
    lines = [f"[[{header}]]", *(_line(key, value) for key, value in table.items() if key != "flow")]
    yield "\n".join(lines) + "\n"
    for flow in flows:
        yield from _blocks(f"{header}.flow", flow)


def _line(key: str, value: object) -> str:
    short = f"{inline_key(key)} = {_padded(value)}"
    if len(short) <= WIDTH or not isinstance(value, list):
        return short
    return "\n".join((f"{inline_key(key)} = [", *(f"  {inline(each)}," for each in value), "]"))


def _padded(value: object) -> str:
    """A list of tables with spaces inside: `[ { ... } ]`."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return f"[ {', '.join(map(inline, value))} ]"
    return inline(value)


def to_document(configuration: Configuration) -> bytes:
    return msgspec.json.encode(configuration)


def from_document(document: bytes) -> Configuration:
    """Keys that an older version did not store get their defaults. Raises FailedError for an invalid document."""
    try:
        configuration = msgspec.json.decode(document, type=Configuration)
    except msgspec.DecodeError as error:
        raise FailedError(
            f"this version of the configuration cannot be read ({error}); roll back to another or restore a backup."
        ) from error
    return replace(
        configuration, destinations={key: _completed(each) for key, each in configuration.destinations.items()}
    )


def _completed(destination: Destination) -> Destination:
    platform = PLATFORMS.get(destination.type)
    if platform is None:
        raise FailedError(
            f"destination {destination.id} is of the type {destination.type!r}, which this version of tnc does not "
            f"know (it knows {', '.join(PLATFORMS)}): install the newer version again."
        )
    return replace(destination, settings=platform.with_defaults(destination.settings))
