"""Who is meant: the words by which somebody is looked for, and what a day holds of him."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from tnc.core.models import Click
from tnc.reports.columns.cardinality import ValueShape, shape_of
from tnc.store.days.writer import LATEST, DayReader
from tnc.store.keys.keyring import Token
from tnc.visitors.client_ip import canonical_ip, truncate_ip

SubjectKind = Literal["click", "ip", "external-id", "visitor", "browser"]
_TOKENS: Final[dict[SubjectKind, Token]] = {
    "click": "click",
    "ip": "address",
    "external-id": "external",
    "visitor": "visitor",
    "browser": "browser",
}
_MIN_DIFFERENT_BYTES: Final = 4  # bytes in a pseudonym: zeros with a small number behind them are in every file
_MIN_LENGTH: Final = 8  # bytes of a value that cannot stand somewhere by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Clicks that have `value`, made from `since_ms` up to, not including, `until_ms`.

    An address means the clicks that were stored with it, and those that were stored with the network that is
    kept of it where the person may not be: these may be of its neighbours, and nobody can tell them apart.
    """

    kind: SubjectKind
    value: str
    since_ms: int = 0
    until_ms: int = LATEST

    def values(self, *, exact_only: bool = False) -> list[str]:
        """The forms in which the value is stored."""
        if self.kind != "ip":
            return [self.value]
        address = canonical_ip(self.value)
        if address is None:  # a network, as it is stored
            return [self.value]
        return [address] if exact_only else [address, truncate_ip(address)]

    def clicks(self, reader: DayReader, *, exact_only: bool = False) -> Iterator[tuple[int, Click]]:
        """(number, click) of one day."""
        for value in self.values(exact_only=exact_only):
            for seq, click in reader.search.clicks(_TOKENS[self.kind], value):
                if self.since_ms <= click.clicked_at_ms < self.until_ms:
                    yield seq, click

    def damaged(self, reader: DayReader) -> list[int]:
        """Numbers of one day's rows that are meant and cannot be read. When they were made nobody knows."""
        return [seq for value in self.values() for seq in reader.search.damaged(_TOKENS[self.kind], value)]


def is_stored_ip(text: str) -> bool:
    """An address, or a network in the form in which it is kept."""
    base = text.partition("/")[0]
    return canonical_ip(text) is not None or (canonical_ip(base) is not None and truncate_ip(base) == text)


def is_text(value: str) -> bool:
    """Not bytes that a command line was given and that stand for no characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def personal_bytes(click: Click) -> set[bytes]:
    """What a click knows of the person, as no file may hold it: text, and the bytes that pseudonyms stand for."""
    return {value for _, value in named_personal_bytes(click)}


def named_personal_bytes(click: Click) -> Iterator[tuple[str, bytes]]:
    """The traces of a click, each with what it is."""
    visit = click.visit
    texts = {
        "click id": click.click_id,
        "address": visit.ip,
        "external id": visit.external_id,
        "referrer": visit.referrer,
        "link": visit.url,
        "pseudonym": visit.visitor,
        "browser": visit.browser_id,
    }
    if visit.mode != "cookieless":  # else it is a family of browsers, of which there are few
        texts["user agent"] = visit.user_agent
    yield from ((name, text.encode()) for name, text in texts.items() if text and len(text) >= _MIN_LENGTH)
    for value in (*visit.subs.values(), *visit.params.values()):
        if len(value) >= _MIN_LENGTH and shape_of(value) is ValueShape.PERSONAL:
            yield "parameter", value.encode()
    for name, pseudonym in (("pseudonym", visit.visitor), ("browser", visit.browser_id)):
        if pseudonym and _is_hex(pseudonym) and len(set(bytes.fromhex(pseudonym))) >= _MIN_DIFFERENT_BYTES:
            yield name, bytes.fromhex(pseudonym)


def identifying_texts(click: Click) -> set[str]:
    """Words by which a postback that names no click can be told to be about the person, in lower case.

    Not an external id, a link or a user agent: visitors write these as they like, and whoever writes what every
    network says would have all of it erased.
    """
    visit = click.visit
    values = (*visit.subs.values(), *visit.params.values())
    personal = {value for value in values if shape_of(value) is ValueShape.PERSONAL}
    return {text.lower() for text in (visit.ip, *personal) if text and len(text) >= _MIN_LENGTH}


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True
