"""The cardinality guard: free parameters that turn out to be identifiers stay out of the columns.

Owners put placements and creatives into `sub1`..`sub20`, and sometimes click ids or e-mail addresses. A
parameter of one source is judged over one day: many different values for few clicks is an identifier.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Self
from zlib import crc32

from msgspec import Struct

from tnc.model import Click

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


class Parameter(NamedTuple):
    source: str  # "" without one
    sub: str


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


class _Seen(NamedTuple):
    seq: int
    look: Look


@dataclass(slots=True)
class _Tally:
    """One parameter. Of its different values it keeps those whose checksum ends in `level` zero bits.

    So the count of different values is exact while there are few and an estimate within some per cent
    after that, and does not depend on the order of the clicks.
    """

    counts: Counts = field(default_factory=Counts)
    level: int = 0
    values: dict[str, _Seen] = field(default_factory=dict)

    def count(self, seq: int, value: str) -> None:
        its_look = self.look(value)
        self.counts = self.counts._replace(**{its_look.value: getattr(self.counts, its_look.value) + 1})
        if value not in self.values and _sampled(value, self.level):
            self.values[value] = _Seen(seq, its_look)
            while len(self.values) > _KEPT:
                self.level += 1
                self.values = {each: seen for each, seen in self.values.items() if _sampled(each, self.level)}

    def look(self, value: str) -> Look:
        seen = self.values.get(value)
        return look(value) if seen is None else seen.look

    @property
    def verdict(self) -> Verdict:
        if sum(self.counts) < ENOUGH_CLICKS:
            return Verdict.FEW
        different = len(self.values) << self.level
        return Verdict.IDENTIFIER if different * 2 > sum(self.counts) else Verdict.OPEN


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
            tally = _Tally(Counts(*record.counts), record.level)
            for seq in record.seen_at:
                click = clicks[seq] = clicks[seq] if seq in clicks else read(seq)
                value = None if click is None else click.visit.subs.get(record.sub)
                if value is not None:
                    tally.values[value] = _Seen(seq, look(value))
            guard._tallies[Parameter(record.source, record.sub)] = tally
        return guard

    def records(self) -> list[TallyRecord]:
        return [
            TallyRecord(
                source=parameter.source,
                sub=parameter.sub,
                counts=tally.counts,
                level=tally.level,
                seen_at=tuple(seen.seq for seen in tally.values.values()),
                withheld=sum(tally.counts) - tally.counts.shown(tally.verdict),
            )
            for parameter, tally in sorted(self._tallies.items(), key=lambda item: item[0])
        ]

    def count(self, seq: int, click: Click) -> None:
        for sub, value in click.visit.subs.items():
            self._tallies.setdefault(Parameter(click.source or "", sub), _Tally()).count(seq, value)

    def admitted(self, click: Click) -> dict[str, str]:
        """The parameters of a counted click that may be written."""
        return {sub: value for sub, value in click.visit.subs.items() if self._admits(click, sub, value)}

    def _admits(self, click: Click, sub: str, value: str) -> bool:
        tally = self._tallies[Parameter(click.source or "", sub)]
        match tally.verdict:
            case Verdict.FEW:
                return tally.look(value) is Look.PLAIN
            case Verdict.OPEN:
                return tally.look(value) is not Look.PERSONAL
            case Verdict.IDENTIFIER:
                return False

    def snapshot(self) -> Snapshot:
        """What holds now, for `contradicts` later."""
        return {parameter: (tally.counts, tally.verdict) for parameter, tally in self._tallies.items()}

    def contradicts(self, before: Snapshot) -> bool:
        """Whether clicks that were counted before would have to be written otherwise now."""
        return any(
            counts.shown(verdict) != counts.shown(self._tallies[parameter].verdict)
            for parameter, (counts, verdict) in before.items()
        )
