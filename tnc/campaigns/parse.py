"""Reads a campaign file into a configuration, or refuses it with a list of all mistakes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tnc.campaigns.destination_schema import short_form
from tnc.campaigns.schema import NOUNS, Noun
from tnc.campaigns.text_types import SLUG
from tnc.core.errors import InvalidError
from tnc.core.mistakes import KeyPath, ShapeError, did_you_mean, sentence, show, show_key
from tnc.core.models import Configuration, OfferId
from tnc.core.shapes import Context, refuse_reference
from tnc.core.toml import parse_toml
from tnc.rules.compile import compile_configuration

LONGEST: Final = 2_000_000
"""Characters of a file: about 10,000 offers. A larger one is a mistake or an attack."""

SHOWN: Final = 40
"""Mistakes that a message lists."""


def read_toml(
    text: str,
    *,
    file: str,
    base: Configuration,
    prune: bool = False,
    allow_hosts: Sequence[str] = (),
    secret: Callable[[str], str] = refuse_reference,
) -> Configuration:
    """`base` with the tables of the file added, or replaced as a whole; everything else stays as it is.

    `prune` archives what the file does not name. `file` is its name in messages, `secret` resolves "env:NAME" and
    "file:/path" or raises InvalidError, `allow_hosts` may be private or plain http. Raises InvalidError with a
    summary in the first line and one line for each mistake.
    """
    reader = _Reader(file=file)
    named = reader.items(_document(text, file))
    known = {
        noun.name: frozenset((*getattr(base, noun.plural), *(each.id for each in named[noun.name])))
        for noun in NOUNS.values()
    }
    context = Context(known=known, resolve=secret, allow_hosts=allow_hosts)
    found = {
        noun.name: reader.read(noun, named[noun.name], getattr(base, noun.plural), context) for noun in NOUNS.values()
    }
    reader.raise_if_any()
    kinds: dict[str, Any] = {
        noun.plural: _merged(getattr(base, noun.plural), found[noun.name], prune=prune) for noun in NOUNS.values()
    }
    merged = Configuration(**kinds)
    reader.check_references(merged, {noun: [each.id for each in items] for noun, items in named.items()})
    reader.raise_if_any()
    return merged


def _document(text: str, file: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise InvalidError(f"{file} is {len(text)} characters long, and {LONGEST} are allowed; nothing was changed.")
    try:
        return parse_toml(text, file)
    except InvalidError as error:
        raise InvalidError(f"{error}; nothing was changed.") from error


def _merged(base: Mapping[str, Any], found: Mapping[str, Any], *, prune: bool) -> dict[str, Any]:
    kept = {key: replace(item, archived=True) if prune and key not in found else item for key, item in base.items()}
    return kept | dict(found)


@dataclass(frozen=True, slots=True)
class _Item:
    """One table of the file with a valid id."""

    id: str
    table: dict[str, Any]

    def place(self, noun: Noun, path: KeyPath) -> tuple[str, KeyPath]:
        """The name of the table that `path` is in, for messages, and the rest of the path."""
        match path:
            case ("flow", int(number), *rest):
                flow = self.table["flow"][number]
                label = show(flow["id"]) if isinstance(flow, dict) and "id" in flow else f"number {number + 1}"
                return f"[[campaign.flow]] {label} of {show(self.id)}", tuple(rest)
            case _:
                return f"[[{noun.name}]] {show(self.id)}", path


class _Reader:
    """Collects mistakes, so that reading can go on after one."""

    def __init__(self, *, file: str) -> None:
        self._file = file
        self._mistakes: list[str] = []

    def items(self, document: Mapping[str, object]) -> dict[str, list[_Item]]:
        for key in document:
            if key not in NOUNS:
                hint = did_you_mean(key, NOUNS) or "."
                self._note(
                    f"[{show_key(key)}]",
                    (),
                    f"is not known here{hint} Known: {', '.join(f'[[{each}]]' for each in NOUNS)}",
                )
        return {noun: self._with_ids(noun, document.get(noun, [])) for noun in NOUNS}

    def read(self, noun: Noun, items: Iterable[_Item], base: Mapping[str, Any], context: Context) -> dict[str, Any]:
        found = {}
        for item in items:
            stored = noun.write(base[item.id]) if item.id in base else None
            try:
                found[item.id] = noun.read(item.table, replace(context, stored=stored))
            except ShapeError as error:
                for path, text in error.mistakes:
                    self._note(*item.place(noun, path), text)
        return found

    def check_references(self, merged: Configuration, named: Mapping[str, Sequence[str]]) -> None:
        """Checks what can be wrong between tables that are right one by one."""
        self._check_caps(merged, named["offer"])
        self._check_paths(merged, named["campaign"])
        self._check_short_forms(merged)
        if not self._mistakes:
            try:
                compile_configuration(merged, 0)
            except InvalidError as error:
                self._mistakes.append(f"{self._file}: {error}")

    def raise_if_any(self) -> None:
        if not self._mistakes:
            return
        count = len(self._mistakes)
        lines = [f"{self._file} has {'a mistake' if count == 1 else f'{count} mistakes'}; nothing was changed."]
        lines += self._mistakes[:SHOWN]
        if count > SHOWN:
            lines.append(f"And {count - SHOWN} more.")
        raise InvalidError("\n".join(lines))

    def _note(self, place: str, path: KeyPath, text: str) -> None:
        self._mistakes.append(f"{self._file}: {place}{':' if path else ''} {sentence(path, text)}")

    def _with_ids(self, noun: str, tables: object) -> list[_Item]:
        """The tables of one noun that have a valid id."""
        if not isinstance(tables, list):
            self._note(f"[{noun}]", (), f"is written with two brackets: [[{noun}]]")
            return []
        items: dict[str, _Item] = {}
        for number, table in enumerate(tables, 1):
            place = f"[[{noun}]] number {number}"
            if not isinstance(table, dict) or "id" not in table:
                self._note(place, ("id",), 'is missing; give it an id of your own like "summer-1"')
                continue
            identity = table["id"]
            try:
                SLUG.read(identity, Context())
            except ShapeError as error:
                self._note(place, ("id",), error.mistakes[0][1])
                continue
            if identity in items:
                self._note(f"[[{noun}]] {show(identity)}", ("id",), "is in the file twice")
                continue
            items[identity] = _Item(identity, table)
        return list(items.values())

    def _check_caps(self, merged: Configuration, named: Sequence[str]) -> None:
        for circle in _circles(merged, map(OfferId, named)):
            text = f"leads back to itself: {' -> '.join((*circle, circle[0]))}"
            self._note(f"[[offer]] {show(circle[0])}", ("cap", "then"), text)

    def _check_paths(self, merged: Configuration, named: Sequence[str]) -> None:
        live = [each for each in merged.campaigns.values() if not each.archived]
        taken = Counter(each.path for each in live)
        first: dict[str, str] = {}
        for campaign in sorted(live, key=lambda each: each.id in named):
            owner = first.setdefault(campaign.path, campaign.id)
            if taken[campaign.path] > 1 and owner != campaign.id:
                text = f"is {show(campaign.path)}, which the campaign {show(owner)} has already"
                self._note(f"[[campaign]] {show(campaign.id)}", ("path",), text)

    def _check_short_forms(self, merged: Configuration) -> None:
        for source in merged.sources.values():
            short = short_form(source)
            if short is not None and short.id in merged.destinations:
                text = f"is the name of the postback of the source {show(source.id)}; choose another"
                self._note(f"[[destination]] {show(short.id)}", ("id",), text)


def _circles(configuration: Configuration, offers: Iterable[OfferId]) -> Iterator[list[OfferId]]:
    """Circles of offers that each replace the one before by their caps; each circle once, from the given offers."""
    seen: set[OfferId] = set()
    for offer in offers:
        chain: dict[OfferId, None] = {}
        here: OfferId | None = offer
        while here is not None and here not in seen:
            seen.add(here)
            chain[here] = None
            cap = configuration.offers[here].cap
            here = None if cap is None else cap.then
        if here in chain:
            yield list(chain)[list(chain).index(here) :]
