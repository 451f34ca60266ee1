"""The cardinality guard: free parameters that turn out to be identifiers stay out of the columns.

Owners put placements and creatives into `sub1`..`sub20`, and sometimes click ids or e-mail addresses. A
parameter of one source is judged over one day: many different values for few clicks is an identifier.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple, Self
from zlib import crc32

from msgspec import Struct

from tnc.core.models import Click

ENOUGH_CLICKS: Final = 20  # with fewer, only the look of a value can tell
_KEPT: Final = 256  # different values that are counted exactly; more of them are estimated

_EMAIL: Final = re.compile(r"[^\s@]+(@|%40)[^\s@]+\.[^\s@]+", re.IGNORECASE)
# With a plus sign, or grouped as people write it: a bare row of digits is as likely the id of an ad.
_PHONE: Final = re.compile(r"(\+|00)[\s\d().-]{8,20}|\(?\d{1,5}\)?([\s.-]\(?\d{2,5}\)?){2,5}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T\s].*)?")
_UUID: Final = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d{9}")
_TOKEN: Final = re.compile(r"(?=[A-Za-z+/=]*\d)[A-Za-z0-9+/=]{16}")
_MIXED: Final = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[\w.~+/=-]{16,}", re.ASCII)


class Look(StrEnum):
    PERSONAL = "personal"  # an e-mail address, a phone number, an internet address: never written
    ODD = "odd"  # could stand for one click or one person
    PLAIN = "plain"


@lru_cache(maxsize=16_384)  # parameters repeat their values
def look(value: str) -> Look:
    text = value.strip()
    if _EMAIL.search(text) or _is_phone(text) or _is_address(text):
        return Look.PERSONAL
    if _UUID.search(text) or _DIGITS.search(text) or _TOKEN.search(text) or _MIXED.fullmatch(text):
        return Look.ODD
    return Look.PLAIN


def _is_phone(text: str) -> bool:
    return bool(_PHONE.fullmatch(text)) and not _DATE.fullmatch(text) and sum(map(str.isdigit, text)) >= 9


def _is_address(text: str) -> bool:
    if "." not in text and ":" not in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Verdict(StrEnum):
    FEW = "few"  # too few clicks to tell: values of an odd look stay out
    OPEN = "open"
    IDENTIFIER = "identifier"


Parameter = tuple[str, str]  # source ("" without one) and sub


class Counts(NamedTuple):
    """Clicks that carried a parameter, by the look of its value."""

    personal: int = 0
    odd: int = 0
    plain: int = 0

    def shown(self, verdict: Verdict) -> int:
        """How many of them keep their value under a verdict."""
        match verdict:
            case Verdict.FEW:
                return self.plain
            case Verdict.OPEN:
                return self.plain + self.odd
            case Verdict.IDENTIFIER:
                return 0


class TallyRecord(Struct, frozen=True, kw_only=True):
    """A tally on disk. It holds no value: `seen_at` are the numbers of the clicks that can tell them again."""

    source: str
    sub: str
    counts: Counts
    level: int
    seen_at: tuple[int, ...]
    withheld: int  # clicks whose value is not in the columns


@dataclass(slots=True)
class _Tally:
    """One parameter. Of its different values it keeps those whose checksum ends in `level` zero bits.

    So the count of different values is exact while there are few and an estimate within some per cent
    after that, and does not depend on the order of the clicks.
    """

    personal: int = 0
    odd: int = 0
    plain: int = 0
    level: int = 0
    values: dict[str, int] = field(default_factory=dict)  # and the click that brought each first

    def count(self, seq: int, value: str) -> None:
        its_look = look(value)
        self.personal += its_look is Look.PERSONAL
        self.odd += its_look is Look.ODD
        self.plain += its_look is Look.PLAIN
        if value not in self.values and _sampled(value, self.level):
            self.values[value] = seq
            while len(self.values) > _KEPT:
                self.level += 1
                self.values = {each: first for each, first in self.values.items() if _sampled(each, self.level)}

    @property
    def counts(self) -> Counts:
        return Counts(self.personal, self.odd, self.plain)

    @property
    def verdict(self) -> Verdict:
        carriers = self.personal + self.odd + self.plain
        if carriers < ENOUGH_CLICKS:
            return Verdict.FEW
        different = len(self.values) << self.level
        return Verdict.IDENTIFIER if different * 2 > carriers else Verdict.OPEN

    def admits(self, value: str) -> bool:
        verdict = self.verdict
        if verdict is Verdict.IDENTIFIER:
            return False
        return look(value) is Look.PLAIN if verdict is Verdict.FEW else look(value) is not Look.PERSONAL


def _sampled(value: str, level: int) -> bool:
    return crc32(value.encode()) & ((1 << level) - 1) == 0


Snapshot = Mapping[Parameter, tuple[Counts, Verdict]]


class Guard:
    """Judges the parameters of one day, click by click; its verdicts depend on the clicks alone."""

    def __init__(self) -> None:
        self._tallies: dict[Parameter, _Tally] = {}

    @classmethod
    def resume(cls, records: Iterable[TallyRecord], read: Callable[[int], Click | None]) -> Self:
        """The guard that made these records. `read` gives a click by its number, None when it is gone."""
        guard = cls()
        clicks: dict[int, Click | None] = {}
        for record in records:
            tally = _Tally(*record.counts, level=record.level)
            for seq in record.seen_at:
                click = clicks[seq] = clicks[seq] if seq in clicks else read(seq)
                value = None if click is None else click.visit.subs.get(record.sub)
                if value is not None:
                    tally.values[value] = seq
            guard._tallies[record.source, record.sub] = tally
        return guard

    def records(self) -> list[TallyRecord]:
        return [
            TallyRecord(
                source=source,
                sub=sub,
                counts=tally.counts,
                level=tally.level,
                seen_at=tuple(tally.values.values()),
                withheld=sum(tally.counts) - tally.counts.shown(tally.verdict),
            )
            for (source, sub), tally in sorted(self._tallies.items(), key=lambda item: item[0])
        ]

    def count(self, seq: int, click: Click) -> None:
        source = click.source or ""
        for sub, value in click.visit.subs.items():
            tally = self._tallies.get((source, sub))
            if tally is None:
                tally = self._tallies[source, sub] = _Tally()
            tally.count(seq, value)

    def admitted(self, click: Click) -> dict[str, str]:
        """The parameters of a counted click that may be written."""
        source = click.source or ""
        return {sub: value for sub, value in click.visit.subs.items() if self._tallies[source, sub].admits(value)}

    def snapshot(self) -> Snapshot:
        """What holds now, for `contradicts` later."""
        return {parameter: (tally.counts, tally.verdict) for parameter, tally in self._tallies.items()}

    def contradicts(self, before: Snapshot) -> bool:
        """Whether clicks that were counted before would have to be written otherwise now."""
        return any(
            counts.shown(verdict) != counts.shown(self._tallies[parameter].verdict)
            for parameter, (counts, verdict) in before.items()
        )
