"""The value of each macro, from a click and its conversion."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final

from tnc.core.models import SUBS, Click, Configuration, Conversion
from tnc.rules.macros import is_unexpanded

Reader = Callable[[Click, Configuration, Conversion | None], Any]


def macro_value(
    name: str, click: Click, configuration: Configuration, conversion: Conversion | None = None
) -> str | None:
    """The value of a macro by its canonical name, as text; None when it is unknown.

    A parameter that is an unexpanded macro of an ad platform is never passed on.
    """
    if name.startswith("param."):
        return _forwarded(click.visit.params.get(name[6:]))
    if name in _SUBS:
        return _forwarded(click.visit.subs.get(name))
    value = _READERS[name](click, configuration, conversion)
    return None if value is None else str(value)


_SUBS: Final = frozenset(SUBS)


def _forwarded(value: str | None) -> str | None:
    return None if value is None or is_unexpanded(value) else value


def decimal(micros: int | None) -> str | None:
    """Micros as a plain decimal: `12.5`, `0.000001`, `3`."""
    if micros is None:
        return None
    text = f"{Decimal(micros) / 1_000_000:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _day(click: Click) -> str:
    return datetime.fromtimestamp(click.clicked_at_ms / 1000, UTC).strftime("%Y-%m-%d")


def _random(click: Click) -> int:
    """Nine digits that follow from the click id, so that the destination can be rebuilt."""
    return int.from_bytes(blake2b(click.click_id.encode(), digest_size=8, person=b"random").digest(), "big") % 10**9


def _cost(click: Click, _: Configuration, conversion: Conversion | None) -> str | None:
    """The cost of the conversion where conversions are paid for, else of the click."""
    of_conversion = None if conversion is None else conversion.cost_micros
    return decimal(click.cost_micros if of_conversion is None else of_conversion)


def _currency(click: Click, _: Configuration, conversion: Conversion | None) -> str | None:
    return (conversion.currency if conversion is not None else None) or click.currency


def _of_click(name: str) -> Reader:
    read = attrgetter(name)
    return lambda click, _, __: read(click)


def _of_conversion(read: Callable[[Conversion], Any]) -> Reader:
    return lambda _, __, conversion: None if conversion is None else read(conversion)


def _named(noun: str, nouns: str) -> Reader:
    identity, table = attrgetter(noun), attrgetter(nouns)

    def read(click: Click, configuration: Configuration, _: Conversion | None) -> str | None:
        found = table(configuration).get(identity(click))
        return None if found is None else found.name

    return read


_OF_CLICK: Final = ("click_id", "campaign", "source", "flow", "lander", "offer", "network", "workspace")
_OF_VISIT: Final = (
    "domain", "country", "region", "city", "isp", "asn", "connection", "ip", "device", "brand", "model", "os",
    "os_version", "browser", "browser_version", "language", "user_agent", "referrer", "referrer_domain",
)  # fmt: skip
_READERS: Final[Mapping[str, Reader]] = {
    **{name: _of_click(name) for name in _OF_CLICK},
    **{name: _of_click(f"visit.{name}") for name in _OF_VISIT},
    "campaign_name": _named("campaign", "campaigns"),
    "source_name": _named("source", "sources"),
    "lander_name": _named("lander", "landers"),
    "offer_name": _named("offer", "offers"),
    "network_name": _named("network", "networks"),
    "external_id": lambda click, _, __: _forwarded(click.visit.external_id),
    "timestamp": lambda click, _, __: click.clicked_at_ms // 1000,
    "date": lambda click, _, __: _day(click),
    "random": lambda click, _, __: _random(click),
    "cost": _cost,
    "currency": _currency,
    "payout": _of_conversion(lambda conversion: decimal(conversion.payout_micros)),
    "status": _of_conversion(lambda conversion: conversion.status),
    "event": _of_conversion(lambda conversion: conversion.event),
    "txid": _of_conversion(lambda conversion: conversion.txid),
    "conversion_id": _of_conversion(lambda conversion: conversion.conversion_id),
    "conversion_timestamp": _of_conversion(lambda conversion: conversion.converted_at_ms // 1000),
}
