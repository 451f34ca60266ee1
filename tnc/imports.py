"""Past clicks from elsewhere: objects as in section 5 of the contract, back into the model.

What is missing stays unknown; what is there must be of its type. Nothing is invented but the ids of
conversions that have none, and those are made from the click so that a second import makes the same.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from tnc.errors import InvalidError
from tnc.fields import FIELDS, Field, parse_rfc3339_ms
from tnc.model import MAIN, SUBS, Click, ConversionChange, ConversionId, Event, LanderClick, Visit, WorkspaceId
from tnc.money import micros

_VISIT = frozenset(field.name for field in msgspec.structs.fields(Visit))
_BESIDES = frozenset(("lander_clicked_at", "conversions"))
_STORED_AS = {"clicked_at": "clicked_at_ms", "cost": "cost_micros"}


def click_of(given: Mapping[str, Any], *, workspace: WorkspaceId = MAIN) -> tuple[Click, list[Event]]:
    """A click and what became of it. Raises InvalidError with the field that is wrong."""
    unknown = sorted(name for name in given if name not in _BESIDES and not _public(name))
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
    try:
        click = msgspec.convert(record, Click)
        return click, _events_of(given, click)
    except msgspec.ValidationError as error:
        raise InvalidError(f"{error}.") from error


def _public(name: str) -> bool:
    field = FIELDS.get(name)
    return field is not None and field.about.public


def _read(field: Field, value: Any) -> Any:
    try:
        match field.kind:
            case "time":
                return parse_rfc3339_ms(value)
            case "money":
                return micros(value)
            case _:
                return value
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidError(f"{field.name} is not a {field.kind}: {error}.") from error


class _GivenConversion(msgspec.Struct, frozen=True, kw_only=True):
    conversion_id: str | None = None
    converted_at: str
    status: str | None = "sale"
    event: str | None = None
    payout: float | None = None
    currency: str | None = None
    txid: str | None = None
    history: list[dict[str, Any]] = []


def _events_of(given: Mapping[str, Any], click: Click) -> list[Event]:
    events: list[Event] = []
    if given.get("lander_clicked_at"):
        at_ms = parse_rfc3339_ms(given["lander_clicked_at"])
        events.append(LanderClick(at_ms=at_ms, offer=click.offer, network=click.network))
    for number, each in enumerate(given.get("conversions") or ()):
        events.extend(_changes(msgspec.convert(each, _GivenConversion), click, number))
    return events


def _changes(given: _GivenConversion, click: Click, number: int) -> list[ConversionChange]:
    """The history that was given, else the present state as its only word."""
    made_up = blake2b(f"{click.click_id}|{number}".encode(), digest_size=13).hexdigest()
    said = given.history or [{"at": given.converted_at, "status": given.status, "payout": given.payout}]
    return [
        msgspec.convert(
            {
                "type": "conversion",
                "conversion_id": given.conversion_id or ConversionId(made_up),
                "at_ms": parse_rfc3339_ms(word["at"]),
                "status": word.get("status"),
                "status_word": word.get("status_word"),
                "event": given.event,
                "payout_micros": None if word.get("payout") is None else micros(word["payout"]),
                "currency": word.get("currency") or given.currency,
                "txid": given.txid,
                "network": click.network,
                "origin": "import",
            },
            ConversionChange,
        )
        for word in said
    ]
