"""Imports past clicks, as JSON objects with the fields that `tnc clicks --json` prints.

A missing field stays unknown; a given one must have its type. Conversions without an id get one made from the click
and their position, so that a second import makes the same.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date as Date
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

import msgspec

from tnc.core.clock import DAY_MS, MINUTE_MS
from tnc.core.errors import InvalidError
from tnc.core.fields import FIELDS, Field, parse_rfc3339_ms
from tnc.core.models import (
    MAIN,
    SUBS,
    Click,
    ClickId,
    ConversionChange,
    ConversionId,
    ConversionStatus,
    Event,
    LanderClick,
    NetworkId,
    OfferId,
    Visit,
    WorkspaceId,
)
from tnc.core.money import LARGEST, micros, read_currency
from tnc.store.days.transactions import Writer, in_portions
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.workspace import Workspace

_VISIT = frozenset(field.name for field in msgspec.structs.fields(Visit))
_EVENT_FIELDS = frozenset(("lander_clicked_at", "offer_clicked", "network_clicked", "stopped", "test", "conversions"))
_STORED_AS = {"clicked_at": "clicked_at_ms", "cost": "cost_micros"}
_LINES_AT_ONCE: Final = 500
_ERRORS_SHOWN: Final = 20
_PastClick = tuple[Click, list[Event]]


@dataclass(slots=True)
class _Result:
    """Counts of the lines of an import, and its first errors."""

    read: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)

    def refuse(self, why: str) -> None:
        self.refused += 1
        if len(self.errors) < _ERRORS_SHOWN:
            self.errors.append(why)


class ClickImport:
    def __init__(self, workspace: Workspace, writer: Writer) -> None:
        self._workspace = workspace
        self._writer = writer

    def add(self, lines: Iterable[bytes], *, file: str, first: int = 1) -> dict[str, Any]:
        """One JSON object a line; `first` is the number of the first line in the file. Clicks that are stored already
        add nothing; invalid lines are reported.
        """
        result = _Result()
        waiting: dict[Date, list[_PastClick]] = {}
        numbered = ((number, line) for number, line in enumerate(lines, start=first) if line.strip())
        while portion := list(islice(numbered, _LINES_AT_ONCE)):
            result.read += len(portion)
            read = [(number, self._read(line)) for number, line in portion]
            erased = self._find_erased([found for _, found in read if not isinstance(found, InvalidError)])
            for number, found in read:
                if isinstance(found, InvalidError):
                    result.refuse(f"{file}, line {number}: {found}")
                elif found[0].click_id in erased:
                    result.refuse(f"{file}, line {number}: this click was erased here and is not imported again.")
                else:
                    date = utc_date(found[0].clicked_at_ms)
                    waiting.setdefault(date, []).append(found)
                    if len(waiting[date]) >= _LINES_AT_ONCE:
                        self._store(date, waiting.pop(date), result)
        for date, clicks in sorted(waiting.items()):
            self._store(date, clicks, result)
        return asdict(result)

    def _read(self, line: bytes) -> _PastClick | InvalidError:
        try:
            click, events = click_of(read_object(line), workspace=self._workspace.id)
            self._check_time(click)
        except InvalidError as error:
            return error
        return click, events

    def _find_erased(self, clicks: Iterable[_PastClick]) -> Collection[ClickId]:
        return self._workspace.erasures.find_erased([click.click_id for click, _ in clicks]).wait()

    def _check_time(self, click: Click) -> None:
        settings, now_ms = self._workspace.settings, self._workspace.world.now_ms()
        if click.clicked_at_ms > now_ms + MINUTE_MS:
            raise InvalidError("clicked_at is in the future.")
        if click.clicked_at_ms < now_ms - settings.clicks_days * DAY_MS:
            raise InvalidError(f"clicked_at is older than the retention of clicks here ({settings.clicks_days} days).")

    def _store(self, date: Date, clicks: Sequence[_PastClick], result: _Result) -> None:
        def add(writer: DayWriter, each: _PastClick) -> bool:
            click, events = each
            if writer.find(click.click_id) is not None:
                return False
            writer.add_with_events(click, events)
            return True

        day = (self._workspace.id, date)
        added = sum(map(sum, in_portions(self._writer, day, clicks, add, world=self._workspace.world)))
        result.added += added
        result.known += len(clicks) - added


def read_object(line: bytes) -> Mapping[str, Any]:
    try:
        given = msgspec.json.decode(line.removeprefix(BOM_UTF8))
    except msgspec.DecodeError as error:
        raise InvalidError(f"this is not JSON: {error}.") from error
    except RecursionError as error:
        raise InvalidError("this is nested too deeply.") from error
    if not isinstance(given, dict):
        raise InvalidError("this is not a JSON object.")
    return given


def click_of(given: Mapping[str, Any], *, workspace: WorkspaceId = MAIN) -> tuple[Click, list[Event]]:
    """A click and its events. Raises InvalidError that names the wrong field."""
    unknown = sorted(name for name in given if name not in _EVENT_FIELDS and not _public(name))
    if unknown:
        raise InvalidError(f"unknown field {unknown[0]!r}; the fields are those that `tnc clicks --json` prints.")
    for needed in ("click_id", "clicked_at", "campaign"):
        if not given.get(needed):
            raise InvalidError(f"{needed} is missing.")
    values = {name: _read(FIELDS[name], value) for name, value in given.items() if name in FIELDS and value is not None}
    subs = {name: values.pop(name) for name in SUBS if name in values}
    visit = {name: values.pop(name) for name in tuple(values) if name in _VISIT}
    visit |= {"subs": subs, "visited_at_ms": values["clicked_at"]}
    record = {_STORED_AS.get(name, name): value for name, value in values.items()}
    record |= {"visit": visit, "imported": True, "workspace": workspace}
    record |= {name: given[name] for name in ("stopped", "test") if given.get(name) is not None}
    try:
        click = msgspec.convert(record, Click)
        given_events = msgspec.convert({name: given[name] for name in _EVENT_FIELDS if name in given}, _GivenEvents)
    except msgspec.ValidationError as error:
        raise InvalidError(f"{error}.") from error
    return click, _events(given_events, click)


def _public(name: str) -> bool:
    field = FIELDS.get(name)
    return field is not None and field.about.public


def _read(field: Field, value: Any) -> Any:
    match field.kind:
        case "time":
            return _time_ms(value, field.name)
        case "money":
            return _micros(value, field.name)
        case "text" if not isinstance(value, str):
            raise InvalidError(f"{field.name} is not a text.")
        case "text" if field.name == "currency":
            return read_currency(value.strip(), "currency")
        case "text" if field.name == "country":
            return _country(value.strip())
        case _:
            return value


def _country(text: str) -> str:
    """`us` -> US. InvalidError for what is not two letters, and for UK, which ISO 3166-1 writes GB."""
    code = text.upper()
    if not re.fullmatch("[A-Z]{2}", code):
        raise InvalidError(f"country is {text!r}: write a code of ISO 3166-1 like US.")
    if code == "UK":
        raise InvalidError("country is 'UK': ISO 3166-1 writes GB.")
    return code


def _time_ms(value: Any, name: str) -> int:
    try:
        time_ms = parse_rfc3339_ms(value)
    except (ValueError, TypeError) as error:
        raise InvalidError(f"{name} is not a time like 2026-11-23T14:05:06Z.") from error
    if time_ms < 0:
        raise InvalidError(f"{name} is before 1970.")
    return time_ms


def _micros(value: Any, name: str) -> int:
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > LARGEST:
        raise InvalidError(f"{name} is not a number up to {LARGEST}.")
    if value < 0:
        raise InvalidError(f"{name} is negative.")
    return micros(value)


class _GivenChange(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a conversion's history."""

    at: str
    status: ConversionStatus | None = None
    status_word: str | None = None
    payout: float | None = None
    currency: str | None = None
    origin: str | None = None


class _GivenConversion(msgspec.Struct, frozen=True, kw_only=True):
    conversion_id: str | None = None
    converted_at: str
    status: ConversionStatus | None = "sale"
    event: str | None = None
    payout: float | None = None
    currency: str | None = None
    txid: str | None = None
    cost: float | None = None
    cost_currency: str | None = None
    history: tuple[_GivenChange, ...] = ()


class _GivenEvents(msgspec.Struct, frozen=True, kw_only=True):
    """The events of a click."""

    lander_clicked_at: str | None = None
    offer_clicked: OfferId | None = None
    network_clicked: NetworkId | None = None
    conversions: tuple[_GivenConversion, ...] | None = None


def _events(given: _GivenEvents, click: Click) -> list[Event]:
    events: list[Event] = []
    if given.lander_clicked_at is not None:
        at_ms = _time_ms(given.lander_clicked_at, "lander_clicked_at")
        events.append(
            LanderClick(
                at_ms=at_ms,
                offer=given.offer_clicked or click.offer,
                network=given.network_clicked or click.network,
            )
        )
    for number, each in enumerate(given.conversions or ()):
        if _time_ms(each.converted_at, "converted_at") // 1000 < click.clicked_at_ms // 1000:
            raise InvalidError("converted_at is before clicked_at.")
        events.extend(_changes(each, click, number))
    return events


def _currency(text: str | None) -> str | None:
    return None if text is None else read_currency(text.strip(), "currency")


def _changes(given: _GivenConversion, click: Click, number: int) -> list[ConversionChange]:
    """The given history, else one change with the given state."""
    own_id = blake2b(f"{click.click_id}|{number}".encode(), digest_size=13).hexdigest()
    _time_ms(given.converted_at, "converted_at")  # refused when invalid, also where the history is used instead
    changes = given.history or (_GivenChange(at=given.converted_at, status=given.status, payout=given.payout),)
    return [
        ConversionChange(
            conversion_id=ConversionId(given.conversion_id or own_id),
            at_ms=_time_ms(change.at, "at"),
            status=change.status,
            status_word=change.status_word,
            event=given.event,
            payout_micros=None if change.payout is None else _micros(change.payout, "payout"),
            currency=_currency(change.currency or given.currency),
            txid=given.txid,
            network=click.network,
            cost_micros=None if given.cost is None else _micros(given.cost, "cost"),
            cost_currency=_currency(given.cost_currency),
            origin="test" if change.origin == "test" or click.test else "import",
        )
        for change in changes
    ]
