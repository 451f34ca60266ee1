"""The cardinality check: free parameters that turn out to be identifiers stay out of the columns.

Owners put placements and creatives into `sub1`..`sub20`, and sometimes click ids or e-mail addresses. Each parameter
of each source is checked over one day: many different values for few clicks make it an identifier. Parameters that
the owner says name placements (`keep` of the source) are never identifiers; personal values stay out of them, too.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple, Self
from zlib import crc32

from msgspec import Struct

from tnc.core.models import Click

MIN_CLICKS: Final = 20  # with fewer clicks, only the shape of a value decides
_MAX_EXACT_VALUES: Final = 256  # different values that are counted exactly; more are estimated

_EMAIL: Final = re.compile(r"[^\s@]+(@|%40)[^\s@]+\.[^\s@]+", re.IGNORECASE)
# With a plus sign, or grouped as people write it: a plain row of digits is as likely the id of an ad.
_PHONE: Final = re.compile(r"(\+|00)[\s\d().-]{8,20}|\(?\d{1,5}\)?([\s.-]\(?\d{2,5}\)?){2,5}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T\s].*)?")
_UUID: Final = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d{9}")
_TOKEN: Final = re.compile(r"(?=[A-Za-z+/=]*\d)[A-Za-z0-9+/=]{16}")
_MIXED: Final = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[\w.~+/=-]{16,}", re.ASCII)


class ValueShape(Enum):
    PERSONAL = auto()  # an e-mail address, a phone number, an IP address: never written
    IDENTIFIER_LIKE = auto()  # could stand for one click or one person
    PLAIN = auto()


@lru_cache(maxsize=16_384)  # parameters repeat their values
def shape_of(value: str) -> ValueShape:
    text = value.strip()
    if _EMAIL.search(text) or _is_phone(text) or _is_ip(text):
        return ValueShape.PERSONAL
    if _UUID.search(text) or _DIGITS.search(text) or _TOKEN.search(text) or _MIXED.fullmatch(text):
        return ValueShape.IDENTIFIER_LIKE
    return ValueShape.PLAIN


def _is_phone(text: str) -> bool:
    return bool(_PHONE.fullmatch(text)) and not _DATE.fullmatch(text) and sum(map(str.isdigit, text)) >= 9


def _is_ip(text: str) -> bool:
    if "." not in text and ":" not in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Verdict(Enum):
    """What a parameter of one source is, by its clicks so far."""

    PLAIN_ONLY = auto()  # too few clicks to tell, or identifiers on this day that repeat over days: only plain values
    LABEL = auto()  # values repeat, or the owner keeps them: all but personal ones are written
    IDENTIFIER = auto()  # nearly every click has its own value: none is written


ParameterKey = tuple[str, str]  # source ("" without one) and sub
Known = Mapping[ParameterKey, Verdict]
"""What is known about parameters beside the day: `LABEL` where the owner keeps one (placements, ads, creatives),
`PLAIN_ONLY` where its values repeat over days with other visitors (`tnc.reports.columns.repeating`).
"""
NOTHING_KNOWN: Final[Known] = {}


class Counts(NamedTuple):
    """Clicks that carried a parameter, by the shape of its value."""

    personal: int = 0
    identifier_like: int = 0
    plain: int = 0

    def written(self, verdict: Verdict) -> int:
        """How many of them have their value in the columns under a verdict."""
        match verdict:
            case Verdict.PLAIN_ONLY:
                return self.plain
            case Verdict.LABEL:
                return self.plain + self.identifier_like
            case Verdict.IDENTIFIER:
                return 0


class ParameterRecord(Struct, frozen=True, kw_only=True):
    """A parameter on disk. It holds no value: `seen_at` are numbers of clicks from which values are read again."""

    source: str
    sub: str
    counts: Counts
    level: int
    seen_at: tuple[int, ...]
    withheld: int  # clicks whose value is not in the columns


@dataclass(slots=True)
class _Parameter:
    """The clicks and values of one parameter. Of its values it keeps those whose CRC-32 ends in `level` zero bits.

    So the number of different values is exact while there are few and an estimate within a few per cent
    after that, and does not depend on the order of the clicks.
    """

    known: Verdict | None = None  # by the owner (LABEL) or by other days (PLAIN_ONLY)
    personal: int = 0
    identifier_like: int = 0
    plain: int = 0
    level: int = 0
    values: dict[str, int] = field(default_factory=dict)  # each with the number of the first click that had it

    def count(self, seq: int, value: str) -> None:
        shape = shape_of(value)
        self.personal += shape is ValueShape.PERSONAL
        self.identifier_like += shape is ValueShape.IDENTIFIER_LIKE
        self.plain += shape is ValueShape.PLAIN
        if value not in self.values and is_sampled(value, self.level):
            self.values[value] = seq
            while len(self.values) > _MAX_EXACT_VALUES:
                self.level += 1
                self.values = {each: first for each, first in self.values.items() if is_sampled(each, self.level)}

    @property
    def counts(self) -> Counts:
        return Counts(self.personal, self.identifier_like, self.plain)

    @property
    def verdict(self) -> Verdict:
        if self.known is Verdict.LABEL:
            return Verdict.LABEL
        clicks = self.personal + self.identifier_like + self.plain
        if clicks < MIN_CLICKS:
            return Verdict.PLAIN_ONLY
        different = len(self.values) << self.level
        return self.known or Verdict.IDENTIFIER if different * 2 > clicks else Verdict.LABEL

    def allows(self, value: str) -> bool:
        match self.verdict:
            case Verdict.PLAIN_ONLY:
                return shape_of(value) is ValueShape.PLAIN
            case Verdict.LABEL:
                return shape_of(value) is not ValueShape.PERSONAL
            case Verdict.IDENTIFIER:
                return False


def is_sampled(value: str, level: int) -> bool:
    return crc32(value.encode()) & ((1 << level) - 1) == 0


Snapshot = Mapping[ParameterKey, tuple[Counts, Verdict]]


class CardinalityCheck:
    """Checks the parameters of one day, click by click. Its verdicts depend only on the clicks, not on their order."""

    def __init__(self, known: Known = NOTHING_KNOWN) -> None:
        self._known = known
        self._parameters: dict[ParameterKey, _Parameter] = {}

    @classmethod
    def resume(
        cls,
        records: Iterable[ParameterRecord],
        read: Callable[[int], Click | None],
        known: Known = NOTHING_KNOWN,
    ) -> Self:
        """The check that made these records. `read` returns a click by its number, None when it was deleted."""
        check = cls(known)
        clicks: dict[int, Click | None] = {}
        for record in records:
            parameter = check._new((record.source, record.sub))
            parameter.personal, parameter.identifier_like, parameter.plain = record.counts
            parameter.level = record.level
            for seq in record.seen_at:
                click = clicks[seq] = clicks[seq] if seq in clicks else read(seq)
                value = None if click is None else click.visit.subs.get(record.sub)
                if value is not None:
                    parameter.values[value] = seq
            check._parameters[record.source, record.sub] = parameter
        return check

    def records(self) -> list[ParameterRecord]:
        return [
            ParameterRecord(
                source=source,
                sub=sub,
                counts=parameter.counts,
                level=parameter.level,
                seen_at=tuple(parameter.values.values()),
                withheld=sum(parameter.counts) - parameter.counts.written(parameter.verdict),
            )
            for (source, sub), parameter in sorted(self._parameters.items(), key=lambda item: item[0])
        ]

    def _new(self, key: ParameterKey) -> _Parameter:
        return _Parameter(known=self._known.get(key))

    def count(self, seq: int, click: Click) -> None:
        source = click.source or ""
        for sub, value in click.visit.subs.items():
            parameter = self._parameters.get((source, sub))
            if parameter is None:
                parameter = self._parameters[source, sub] = self._new((source, sub))
            parameter.count(seq, value)

    def allowed(self, click: Click) -> dict[str, str]:
        """The parameters of a counted click that may be written."""
        source = click.source or ""
        return {sub: value for sub, value in click.visit.subs.items() if self._parameters[source, sub].allows(value)}

    def snapshot(self) -> Snapshot:
        """Counts and verdicts as they are now, for a later `changed_since`."""
        return {key: (parameter.counts, parameter.verdict) for key, parameter in self._parameters.items()}

    def changed_since(self, before: Snapshot) -> bool:
        """Whether clicks that were counted before would have to be written with other values now."""
        return any(
            counts.written(verdict) != counts.written(self._parameters[key].verdict)
            for key, (counts, verdict) in before.items()
        )
