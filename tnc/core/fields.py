"""The registry of click fields, read from the annotations of the model.

Storage, JSON, CSV, reports, conditions, documentation and the data map follow from it, so a new field is one line in
`tnc.core.models`.
"""

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

from tnc.core.errors import InvalidError
from tnc.core.models import SUBS, About, Click, ClickHistory, Conversion, Privacy, Visit

Kind = Literal["text", "number", "boolean", "version", "list", "table", "money", "time"]

# Public names of fields whose own name has its unit.
_SHOWN_AS: Final = {
    "clicked_at_ms": ("clicked_at", "time"),
    "cost_micros": ("cost", "money"),
    "os_version": ("os_version", "version"),
    "browser_version": ("browser_version", "version"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a click. `name` is the public one; `read` gets the value from a stored click."""

    name: str
    kind: Kind
    about: About
    read: Callable[[Click], Any]

    @property
    def personal(self) -> bool:
        return self.about.privacy in (Privacy.PII, Privacy.PSEUDONYM)


def _kind(annotation: Any) -> Kind:
    """The kind of an annotation of the model: its type without `None` and without its `about`."""
    text = str(annotation)
    for mark, kind in (("tuple", "list"), ("dict", "table"), ("bool", "boolean"), ("int", "number")):
        if mark in text.partition("Meta(")[0]:
            return kind  # type: ignore[return-value]
    return "text"


def _fields_of(struct: type[msgspec.Struct], path: Callable[[str], Callable[[Click], Any]]) -> list[Field]:
    found = []
    for each in msgspec.structs.fields(struct):
        metas = getattr(each.type, "__metadata__", ())
        if not metas:
            continue
        described: About = metas[0].extra["about"]
        name, kind = _SHOWN_AS.get(each.name, (each.name, _kind(each.type)))
        found.append(Field(name, kind, described, path(each.name)))  # type: ignore[arg-type]
    return found


def _of_click(name: str) -> Callable[[Click], Any]:
    return attrgetter(name)


def _of_visit(name: str) -> Callable[[Click], Any]:
    if name == "reasons":  # those of the visit, and those that the decision added
        return lambda click: click.visit.reasons + click.added_reasons
    return attrgetter(f"visit.{name}")


def _sub(name: str) -> Field:
    """A free parameter: personal until a day of clicks shows that it is no identifier; see docs/reports.md."""
    return Field(
        name,
        "text",
        About(Privacy.QUASI, "free parameter of the traffic source", dimension=True, fact=True),
        lambda click: click.visit.subs.get(name),
    )


FIELDS: Final[Mapping[str, Field]] = {
    each.name: each
    for each in (
        *_fields_of(Click, _of_click),
        *_fields_of(Visit, _of_visit),
        *(_sub(name) for name in SUBS),
    )
}

DIMENSION_FIELDS: Final[tuple[Field, ...]] = tuple(each for each in FIELDS.values() if each.about.dimension)
FACT_FIELDS: Final[Mapping[str, Field]] = {name: each for name, each in FIELDS.items() if each.about.fact}


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(time_ms: int) -> str:
    """`2026-11-23T14:05:06.123Z`"""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339_ms(text: str) -> int:
    """Whole milliseconds since 1970; a time without a zone is in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def money(micros: int | None) -> float | int | None:
    """Micros as a number of JSON: 12.5, 3, 0.000001."""
    if micros is None:
        return None
    whole, rest = divmod(micros, 1_000_000)
    return micros / 1_000_000 if rest else whole


def conversion_json(conversion: Conversion) -> dict[str, Any]:
    return {
        "conversion_id": conversion.conversion_id,
        "converted_at": rfc3339(conversion.converted_at_ms),
        "status": conversion.status,
        "event": conversion.event,
        "payout": money(conversion.payout_micros),
        "currency": conversion.currency,
        "txid": conversion.txid,
        "history": [
            {
                "at": rfc3339(change.at_ms),
                "status": change.status,
                "status_word": change.status_word,
                "payout": money(change.payout_micros),
                "currency": change.currency,
                "origin": change.origin,
            }
            for change in conversion.history
        ],
    }


def click_json(history: ClickHistory, *, destination: str | None) -> dict[str, Any]:
    """A click as JSON shows it. `destination` is the URL that its plan rebuilt."""
    click = history.click
    shown: dict[str, Any] = {}
    for each in FIELDS.values():
        if each.about.public:
            value = each.read(click)
            shown[each.name] = plain(each.kind, value)
    shown["destination"] = destination
    shown["lander_clicked_at"] = None if history.lander_clicked_at_ms is None else rfc3339(history.lander_clicked_at_ms)
    went_on = history.lander_clicked_at_ms is not None
    shown["offer_clicked"] = history.offer if went_on else None
    shown["network_clicked"] = history.network if went_on else None
    shown["stopped"] = click.stopped
    shown["test"] = click.test
    shown["conversions"] = [
        conversion_json(each) | {"cost": money(each.cost_micros), "cost_currency": each.cost_currency}
        for each in history.conversions
    ]
    return shown


def plain(kind: Kind, value: Any) -> Any:
    """A value as JSON shows it."""
    if value is None:
        return None
    match kind:
        case "time":
            return rfc3339(value)
        case "money":
            return money(value)
        case "list":
            return list(value)
        case _:
            return value


Comparison = Literal["=", "!=", "~", ">", "<"]

_CONDITION: Final = re.compile(r"([a-z_0-9]+)(!=|=|~|>|<)(.*)", re.DOTALL)
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Where:
    """One condition of `--where`. `values` are texts; exactly one for `~`, `>` and `<`. `unknown` means no value."""

    name: str
    comparison: Comparison
    values: tuple[str, ...]

    def holds(self, item: Mapping[str, Any]) -> bool:
        """Whether an object in JSON, such as a click, matches the condition."""
        value = item.get(self.name)
        match self.comparison:
            case "=":
                return _text(value) in self.values
            case "!=":
                return _text(value) not in self.values
            case "~":
                return value is not None and self.values[0].casefold() in _text(value).casefold()
            case ">":
                return value is not None and _is_number(value) and value > float(self.values[0])
            case "<":
                return value is not None and _is_number(value) and value < float(self.values[0])


def parse_where(text: str, names: Collection[str]) -> Where:
    """Raises InvalidError that says how to write a condition, or which names there are."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InvalidError(f"--where {text!r} cannot be read; write K=V, K!=V, K~TEXT, K>N or K<N, like country=US,CA.")
    name, comparison, rest = found[1], found[2], found[3]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(sorted(names))}."
        raise InvalidError(f"--where {text!r}: there is no field {name!r}{hint}")
    if comparison in (">", "<") and not _is_decimal(rest):
        raise InvalidError(f"--where {text!r}: {rest!r} is not a number.")
    values = tuple(rest.split(",")) if comparison in ("=", "!=") else (rest,)
    return Where(name, comparison, values)  # type: ignore[arg-type]


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_decimal(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
