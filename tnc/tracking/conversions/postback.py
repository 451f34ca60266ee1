"""What a network says about a conversion, whatever names it uses for it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tnc.core.clock import id_time_ms
from tnc.core.errors import InvalidError
from tnc.core.models import ClickId, NetworkId
from tnc.core.money import read_amount, read_currency
from tnc.rules.macros import is_unexpanded

Meaning = Literal["lead", "sale", "rejected", "ignored"]

# The parameter names of other trackers: a network that was set up for one of them only needs the new host name.
# docs/postbacks.md shows the same table.
PARAMETER_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "tnc": {
        "click_id": ("cid", "click_id"),
        "payout": ("payout",),
        "currency": ("currency",),
        "status": ("status",),
        "event": ("event",),
        "txid": ("txid", "transaction_id"),
        "key": ("key",),
        "network": ("network",),
    },
    "Keitaro": {
        "click_id": ("subid",),
        "payout": ("payout", "revenue"),
        "currency": ("currency",),
        "status": ("status",),
        "txid": ("tid",),
    },
    "Binom": {
        "click_id": ("cnv_id", "clickid"),
        "payout": ("payout",),
        "currency": ("cnv_currency",),
        "status": ("cnv_status", "cnv_status2"),
    },
    "Voluum": {"click_id": ("cid",), "payout": ("payout",), "txid": ("txid",), "type": ("et",)},
    "RedTrack": {"click_id": ("clickid",), "payout": ("sum",), "type": ("type",)},
    "BeMob": {"click_id": ("cid",), "payout": ("payout",), "status": ("status",), "txid": ("txid",)},
    "Prosper202": {"click_id": ("subid",), "payout": ("amount",)},
}

# Keitaro's URLs map the statuses of the network: sale_status=approved,paid
STATUS_MAPS: dict[str, Meaning] = {
    "ignore_status": "ignored",
    "trash_status": "rejected",
    "rejected_status": "rejected",
    "lead_status": "lead",
    "sale_status": "sale",
}


def _every_name(what: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in PARAMETER_NAMES.values() for name in names.get(what, ())))


NAMES: dict[str, tuple[str, ...]] = {
    what: _every_name(what) for what in ("click_id", "payout", "currency", "status", "type", "event", "txid", "network")
}

LONGEST = 256

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# Macros that only networks use: !!!clickRef!!!, @@CLICK-ID@@, ##SUB_ID(action)##
_NETWORK_MACRO = re.compile(r"!!!.+!!!|@@.+@@|##.+##", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """The values of one postback, pixel, imported line or `tnc conversion add`, before they are applied."""

    click_id: ClickId
    payout_micros: int | None = None
    currency: str | None = None
    status_words: tuple[str, ...] = ()  # as sent; the first one takes precedence
    type_word: str | None = None  # Voluum's `et`, RedTrack's `type`: either a status or an event
    event: str | None = None  # in lower case
    txid: str | None = None
    key: str | None = None
    network: NetworkId | None = None
    meanings: Mapping[str, Meaning] = field(default_factory=dict)  # case-folded status -> its meaning, from the URL
    converted_at_ms: int | None = None  # only from a file; else the time of arrival
    names: Mapping[str, str] = field(default_factory=dict)  # field -> the parameter that it was read from


def read_postback(params: Mapping[str, str]) -> Incoming:
    """Read the parameters of a postback, by the names of any tracker in `PARAMETER_NAMES`, in upper or lower case.

    Raises InvalidError without a click id, or if a payout or currency cannot be read. An
    empty value or an unexpanded macro counts as not sent.
    """
    raw, named = _by_name(params)
    click_name = _click_name(raw, named)
    found = {"click_id": click_name} | {
        what: name for what in NAMES if what != "click_id" and (name := _first(named, NAMES[what]))
    }
    payout, currency = found.get("payout"), found.get("currency")
    event, network = _short(named, found.get("event")), _short(named, found.get("network"))
    return Incoming(
        click_id=_click_id(named[click_name]),
        payout_micros=read_amount(named[payout], payout) if payout else None,
        currency=read_currency(named[currency], currency) if currency else None,
        status_words=tuple(word for name in NAMES["status"] if (word := _short(named, name))),
        type_word=_short(named, found.get("type")),
        event=event.lower() if event else None,
        txid=_short(named, found.get("txid")),
        key=raw.get("key"),
        network=NetworkId(network.lower()) if network else None,
        meanings=_meanings(named),
        names=found,
    )


def click_named(params: Mapping[str, str]) -> ClickId | None:
    """The click id of a call, also of one that cannot be read otherwise."""
    raw, named = _by_name(params)
    try:
        return _click_id(named[_click_name(raw, named)])
    except InvalidError:
        return None


def _by_name(params: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What is not empty, by names in lower case; the same without unexpanded macros."""
    raw: dict[str, str] = {}
    for name, value in params.items():
        if text := _clean(value):
            raw.setdefault(name.strip().lower(), text)
    return raw, {name: value for name, value in raw.items() if not _is_macro(value)}


def _clean(value: str) -> str:
    """Without surrounding space; control characters are made visible. Joiners and other spaces are part of names."""
    return _CONTROLS.sub("\ufffd", value.strip())


def _is_macro(value: str) -> bool:
    return is_unexpanded(value) or _NETWORK_MACRO.fullmatch(value) is not None


def _click_name(raw: Mapping[str, str], named: Mapping[str, str]) -> str:
    """The parameter that holds the click id. Where several came, one that looks like ours goes first:
    some networks use `cid` or `clickid` for an id of their own.
    """
    names = [name for name in NAMES["click_id"] if name in named]
    if names:
        return next((name for name in names if id_time_ms(_click_id(named[name])) is not None), names[0])
    unexpanded = _first(raw, NAMES["click_id"])
    if unexpanded:
        raise InvalidError(
            f"the parameter {unexpanded} holds a macro that was not replaced: check its spelling in the postback URL"
        )
    raise InvalidError("missing click id: send it as cid")


def _click_id(value: str) -> ClickId:
    """Our ids come back in capitals, in quotes or in braces from some networks; other ids are taken as they are."""
    folded = value.strip("\"'{}[]<> \t").lower()
    return ClickId(folded if id_time_ms(folded) is not None else value)


def _first(named: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((name for name in names if name in named), None)


def _short(named: Mapping[str, str], name: str | None) -> str | None:
    value = named.get(name) if name else None
    if value is not None and len(value) > LONGEST:
        raise InvalidError(f"{name} is too long: at most {LONGEST} characters")
    return value


def _meanings(named: Mapping[str, str]) -> dict[str, Meaning]:
    return {
        word.strip().casefold(): meaning
        for name, meaning in STATUS_MAPS.items()
        for word in named.get(name, "").split(",")
        if word.strip()
    }
