"""The words a condition may use: every fact with its kind and reader, and the operators that fit each kind."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, Literal, get_args

from tnc.errors import InvalidError
from tnc.fields import FACT_FIELDS, FIELDS, Field
from tnc.model import SUBS, CampaignId, Consent, Device, Operator, SourceId, Traffic, Visit
from tnc.rules.words import CONNECTIONS, WEEKDAYS

Kind = Literal[
    "text", "free", "word", "country", "language", "number", "share", "hour", "weekday",
    "time", "boolean", "version", "list", "address",
]  # fmt: skip

Read = Callable[[Visit], Any]

_TEXT: Final[tuple[Operator, ...]] = ("is", "not", "contains", "starts", "ends", "matches")
_ORDER: Final[tuple[Operator, ...]] = ("above", "below", "between")

OPERATORS_OF: Final[Mapping[Kind, tuple[Operator, ...]]] = {
    "text": _TEXT,
    "free": (*_TEXT, *_ORDER),
    "word": ("is", "not"),
    "country": ("is", "not"),
    "language": ("is", "not"),
    "number": ("is", "not", *_ORDER),
    "share": _ORDER,
    "hour": ("is", "not", *_ORDER),
    "weekday": ("is", "not", "between"),
    "time": _ORDER,
    "boolean": ("is", "not"),
    "version": (*_TEXT, *_ORDER),
    "list": _TEXT,
    "address": (*_TEXT, "in"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What a condition may ask. `read` gives its value for a visit, None when it is not known."""

    name: str
    kind: Kind
    text: str
    read: Read
    values: tuple[str, ...] = ()  # the only ones there are; empty: any
    personal: bool = False  # may be gone when the decision is explained, so its answer is recorded

    @property
    def operators(self) -> tuple[Operator, ...]:
        return OPERATORS_OF[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a condition stands: what is decided there, and what is the same for every visit there."""

    of: Literal["flow", "filter"] = "flow"
    campaign: CampaignId | None = None
    source: SourceId | None = None


def share_of(visit: Visit) -> float | None:
    """A number from 0 up to 100 that stays with the visitor: the pseudonym, hashed."""
    if visit.visitor is None:
        return None
    digest = blake2b(visit.visitor.encode(), digest_size=6, person=b"share").digest()
    return int.from_bytes(digest, "big") / 2**48 * 100


# Codes that a decision adds to the reasons of a visit begin so; no condition sees them, also not when a click that
# was recorded with them is decided again.
FILTER_REASON: Final = "filter_"
_DECISION_CODES: Final = (FILTER_REASON, "no_flow", "offer_gone", "campaign_", "source_")


def is_decision_code(reason: str) -> bool:
    return reason.startswith(_DECISION_CODES)


def _reasons_of(visit: Visit) -> tuple[str, ...]:
    return tuple(reason for reason in visit.reasons if not is_decision_code(reason))


def _reader(field: Field) -> Read:
    if field.name in SUBS:
        return _sub_reader(field.name)
    return _reasons_of if field.name == "reasons" else attrgetter(field.name)


_KINDS: Final[Mapping[str, Kind]] = {
    "ip": "address",
    "country": "country",
    "language": "language",
    "device": "word",
    "connection": "word",
    "traffic": "word",
    "consent": "word",
    **dict.fromkeys(SUBS, "free"),
}
_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "device": get_args(Device),
    "connection": CONNECTIONS,
    "traffic": get_args(Traffic),
    "consent": get_args(Consent),
}


def _sub_reader(name: str) -> Callable[[Visit], str | None]:
    return lambda visit: visit.subs.get(name)


def _of_registry(field: Field) -> Fact:
    return Fact(
        name=field.name,
        kind=_KINDS.get(field.name, field.kind),  # type: ignore[arg-type]  # other kinds bear the same names
        text=field.about.text,
        read=_reader(field),
        values=_VALUES.get(field.name, ()),
        personal=field.personal or field.name in SUBS,
    )


FACTS: Final[Mapping[str, Fact]] = {
    **{name: _of_registry(field) for name, field in FACT_FIELDS.items()},
    "hour": Fact(
        name="hour",
        kind="hour",
        text="hour of the day, 0 to 23, or a time like 22:30",
        read=lambda visit: visit.visited_at_ms // 3_600_000 % 24,
    ),
    "weekday": Fact(
        name="weekday",
        kind="weekday",
        text="day of the week",
        values=WEEKDAYS,
        # 1970 began on a Thursday.
        read=lambda visit: WEEKDAYS[(visit.visited_at_ms // 86_400_000 + 3) % 7],
    ),
    "clicked_at": Fact(
        name="clicked_at",
        kind="time",
        text="moment of the visit, like 2026-11-23T18:00",
        read=attrgetter("visited_at_ms"),
    ),
    "share": Fact(name="share", kind="share", text="a number from 0 to 100 that stays with the visitor", read=share_of),
}

# Families and what stands for them in lists of facts: `param.utm_source`, `header.accept`.
FAMILIES: Final[Mapping[str, str]] = {"param.NAME": "a query parameter", "header.NAME": "a request header"}
CONSTANTS: Final[Mapping[str, str]] = {"campaign": "the campaign", "source": "its traffic source"}
FACT_NAMES: Final[tuple[str, ...]] = (*FACTS, *CONSTANTS, *FAMILIES)

_DECIDED: Final = frozenset(
    {"flow", "lander", "offer", "network", "action", "filter", "destination", "lander_clicked_at", "conversions"}
)
_BOOKKEEPING: Final = frozenset(FIELDS) - frozenset(FACTS) - frozenset(CONSTANTS) - _DECIDED


def get_fact(name: str, place: Place) -> Fact:
    """The fact of that name. Raises InvalidError that names the nearest one and lists all."""
    if name in FACTS:
        return FACTS[name]
    family, dot, key = name.partition(".")
    if dot and key and family == "param":
        return Fact(
            name=name, kind="free", text="a query parameter", personal=True, read=lambda visit: visit.params.get(key)
        )
    if dot and key and family == "header":
        header = key.lower()
        return Fact(
            name=name, kind="free", text="a request header", personal=True, read=lambda visit: visit.headers.get(header)
        )
    if name in CONSTANTS:
        value = place.campaign if name == "campaign" else place.source
        return Fact(name=name, kind="text", text=CONSTANTS[name], read=lambda _: value)
    raise InvalidError(_why_not(name))


def _why_not(name: str) -> str:
    if name in _DECIDED:
        return f"{name!r} is only known after the decision, so no condition can ask for it"
    if name in {"params", "param", "headers", "header"}:
        family = name.rstrip("s")
        return f"{name!r} needs the name of one: write {family}.NAME, like {family}.{_EXAMPLES[family]}"
    if name in _BOOKKEEPING:
        return f"{name!r} says nothing about the visitor that a condition could ask for; facts are {_listed()}"
    near = difflib.get_close_matches(name, FACT_NAMES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no fact {name!r}; {hint}Facts are {_listed()}"


_EXAMPLES: Final = {"param": "utm_source", "header": "accept-language"}


def _listed() -> str:
    shown = [name for name in FACT_NAMES if name not in SUBS]
    return ", ".join((*shown, f"{SUBS[0]} to {SUBS[-1]}"))
