"""Whose data is meant: a subject, the clicks of a day that belong to it, and the personal data in a click."""

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
_MIN_DIFFERENT_BYTES: Final = 4  # in a pseudonym: zeros with a small number behind them are in every file
_MIN_LENGTH: Final = 8  # of a value that does not occur by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The clicks with `value`, made from `since_ms` up to, not including, `until_ms`.

    An IP address means the clicks that were stored with it, and those that were stored with its truncated network
    because there was no consent. The latter may belong to other people in that network, which cannot be distinguished.
    """

    kind: SubjectKind
    value: str
    since_ms: int = 0
    until_ms: int = LATEST

    def values(self, *, exact_only: bool = False) -> list[str]:
        """The forms in which the value is stored. `exact_only`: without the truncated network."""
        if self.kind != "ip":
            return [self.value]
        address = canonical_ip(self.value)
        if address is None:  # a network, as it is stored
            return [self.value]
        return [address] if exact_only else [address, truncate_ip(address)]

    def clicks(self, reader: DayReader, *, exact_only: bool = False) -> Iterator[tuple[int, Click]]:
        """(number, click) of the subject in one day."""
        for value in self.values(exact_only=exact_only):
            for seq, click in reader.search.clicks(_TOKENS[self.kind], value):
                if self.since_ms <= click.clicked_at_ms < self.until_ms:
                    yield seq, click

    def damaged(self, reader: DayReader) -> list[int]:
        """Numbers of the subject's rows that cannot be decrypted; whether they are in the period is not known."""
        return [seq for value in self.values() for seq in reader.search.damaged(_TOKENS[self.kind], value)]


def is_stored_ip(text: str) -> bool:
    """Whether the text is an IP address, or a network as it is stored without consent."""
    base = text.partition("/")[0]
    return canonical_ip(text) is not None or (canonical_ip(base) is not None and truncate_ip(base) == text)


def is_text(value: str) -> bool:
    """Whether the value is valid Unicode: arguments of a command may be bytes that are not."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def personal_bytes(click: Click) -> set[bytes]:
    """The personal data of a click in every form that no file may contain: text, and pseudonyms also as bytes."""
    return {value for _, value in named_personal_bytes(click)}


def named_personal_bytes(click: Click) -> Iterator[tuple[str, bytes]]:
    """The same with the kind of each."""
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
    if visit.mode != "cookieless":  # else it is a reduced user agent, which many people share
        texts["user agent"] = visit.user_agent
    yield from ((name, text.encode()) for name, text in texts.items() if text and len(text) >= _MIN_LENGTH)
    for value in (*visit.subs.values(), *visit.params.values()):
        if len(value) >= _MIN_LENGTH and shape_of(value) is ValueShape.PERSONAL:
            yield "parameter", value.encode()
    for name, pseudonym in (("pseudonym", visit.visitor), ("browser", visit.browser_id)):
        if pseudonym and _is_hex(pseudonym) and len(set(bytes.fromhex(pseudonym))) >= _MIN_DIFFERENT_BYTES:
            yield name, bytes.fromhex(pseudonym)


def identifying_texts(click: Click) -> set[str]:
    """Lower-case texts that show that a postback without a known click id is about the person of this click.

    Not the external id, link or user agent: visitors can set these freely, and one who sets a common text of networks
    would get other people's postbacks erased.
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
