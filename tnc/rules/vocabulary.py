"""What conditions can name: every fact with its kind and its reader, and the operators that fit each kind."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, Literal, get_args

from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.errors import InvalidError
from tnc.core.fields import FACT_FIELDS, FIELDS, Field
from tnc.core.models import SUBS, CampaignId, Consent, Device, Operator, SourceId, Traffic, Visit

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CONNECTIONS: Final = ("cellular", "broadband", "corporate", "satellite", "dialup", "education")

# ISO 3166-1 alpha-2, assigned codes, and XK, which geo data uses for Kosovo.
_COUNTRIES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK
"""
COUNTRIES: Final[frozenset[str]] = frozenset(_COUNTRIES.split())
_MISTAKEN: Final = {"UK": "GB", "EN": "GB", "EL": "GR", "UAE": "AE", "USA": "US"}

_PRIMARY_TAG: Final = re.compile(r"[a-z]{2,3}", re.ASCII)


def read_country(text: str) -> str:
    """`"us"` -> `"US"`. Raises InvalidError for a code that is not assigned."""
    code = text.strip().upper()
    if code in COUNTRIES:
        return code
    hint = f"; did you mean {_MISTAKEN[code]}?" if code in _MISTAKEN else ""
    raise InvalidError(f"{text!r} is no country: write an ISO 3166-1 code of two letters like US or DE{hint}")


def read_language(text: str) -> str:
    """`"EN"` -> `"en"`. Raises InvalidError for anything but a primary tag."""
    tag = text.strip().lower()
    if _PRIMARY_TAG.fullmatch(tag):
        return tag
    primary = re.split(r"[-_]", tag)[0]
    hint = f"; write {primary!r}" if _PRIMARY_TAG.fullmatch(primary) else ""
    raise InvalidError(
        f"{text!r} is no language: conditions take the primary tag like en or de, without a region{hint}"
    )


Kind = Literal[
    "text", "free", "option", "country", "language", "number", "share", "hour", "weekday",
    "time", "boolean", "version", "list", "address",
]  # fmt: skip

FactReader = Callable[[Visit], Any]

_TEXT: Final[tuple[Operator, ...]] = ("is", "not", "contains", "starts", "ends", "matches")
_ORDER: Final[tuple[Operator, ...]] = ("above", "below", "between")

OPERATORS_OF: Final[Mapping[Kind, tuple[Operator, ...]]] = {
    "text": _TEXT,
    "free": (*_TEXT, *_ORDER),
    "option": ("is", "not"),
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
    """What a condition can ask for. `read` gives the value for a visit, None when it is unknown."""

    name: str
    kind: Kind
    text: str
    read: FactReader
    values: tuple[str, ...] = ()  # all possible ones; empty: any
    personal: bool = False  # may be deleted before the decision is explained, so the result is recorded

    @property
    def operators(self) -> tuple[Operator, ...]:
        return OPERATORS_OF[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a condition belongs to, and the campaign and source that all visits have there."""

    of: Literal["flow", "filter"] = "flow"
    campaign: CampaignId | None = None
    source: SourceId | None = None


def share_of(visit: Visit) -> float | None:
    """A number from 0 up to 100 that stays the same for a visitor: a hash of the pseudonym."""
    if visit.visitor is None:
        return None
    digest = blake2b(visit.visitor.encode(), digest_size=6, person=b"share").digest()
    return int.from_bytes(digest, "big") / 2**48 * 100


# Prefixes of the codes that a decision adds to the reasons of a visit. Conditions do not see them, also when a
# recorded click, which has them, is decided again.
FILTER_REASON: Final = "filter_"
_DECISION_CODES: Final = (FILTER_REASON, "no_flow", "offer_gone", "campaign_", "source_")


def is_decision_code(reason: str) -> bool:
    return reason.startswith(_DECISION_CODES)


def _reasons_of(visit: Visit) -> tuple[str, ...]:
    return tuple(reason for reason in visit.reasons if not is_decision_code(reason))


def _reader(field: Field) -> FactReader:
    if field.name in SUBS:
        return _sub_reader(field.name)
    return _reasons_of if field.name == "reasons" else attrgetter(field.name)


_KINDS: Final[Mapping[str, Kind]] = {
    "ip": "address",
    "country": "country",
    "language": "language",
    "device": "option",
    "connection": "option",
    "traffic": "option",
    "consent": "option",
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
        kind=_KINDS.get(field.name, field.kind),  # type: ignore[arg-type]  # the other kinds have the same names
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
        read=lambda visit: visit.visited_at_ms // HOUR_MS % 24,
    ),
    "weekday": Fact(
        name="weekday",
        kind="weekday",
        text="day of the week",
        values=WEEKDAYS,
        # 1970 began on a Thursday.
        read=lambda visit: WEEKDAYS[(visit.visited_at_ms // DAY_MS + 3) % 7],
    ),
    "clicked_at": Fact(
        name="clicked_at",
        kind="time",
        text="moment of the visit, like 2026-11-23T18:00",
        read=attrgetter("visited_at_ms"),
    ),
    "share": Fact(name="share", kind="share", text="a number from 0 to 100 that stays with the visitor", read=share_of),
}

# Facts that are named with a key: `param.utm_source`, `header.accept`.
FAMILIES: Final[Mapping[str, str]] = {"param.NAME": "a query parameter", "header.NAME": "a request header"}
CONSTANTS: Final[Mapping[str, str]] = {"campaign": "the campaign", "source": "its traffic source"}
FACT_NAMES: Final[tuple[str, ...]] = (*FACTS, *CONSTANTS, *FAMILIES)

_EXAMPLES: Final = {"param": "utm_source", "header": "accept-language"}

_DECIDED: Final = frozenset(
    {"flow", "lander", "offer", "network", "action", "filter", "destination", "lander_clicked_at", "conversions"}
)
_NOT_ABOUT_THE_VISITOR: Final = frozenset(FIELDS) - frozenset(FACTS) - frozenset(CONSTANTS) - _DECIDED


def get_fact(name: str, scope: Scope) -> Fact:
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
        value = scope.campaign if name == "campaign" else scope.source
        return Fact(name=name, kind="text", text=CONSTANTS[name], read=lambda _: value)
    raise InvalidError(_why_no_fact(name))


def _why_no_fact(name: str) -> str:
    if name in _DECIDED:
        return f"{name!r} is only known after the decision, so no condition can ask for it"
    if name in {"params", "param", "headers", "header"}:
        family = name.rstrip("s")
        return f"{name!r} needs the name of one: write {family}.NAME, like {family}.{_EXAMPLES[family]}"
    if name in _NOT_ABOUT_THE_VISITOR:
        return f"{name!r} says nothing about the visitor that a condition could ask for; facts are {_all_facts()}"
    near = difflib.get_close_matches(name, FACT_NAMES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no fact {name!r}; {hint}Facts are {_all_facts()}"


def _all_facts() -> str:
    shown = [name for name in FACT_NAMES if name not in SUBS]
    return ", ".join((*shown, f"{SUBS[0]} to {SUBS[-1]}"))
