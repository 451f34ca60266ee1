"""May it be sent at all? Asked when a delivery is made and again each time that it would go out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tnc.core.models import Conversion, ConversionChange, Destination
from tnc.destinations.delivery import Delivery, Kind, Why, is_chosen
from tnc.destinations.platforms.base import Platform

CONSENT_FIRST: Final = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "IS", "LI", "NO", "GB", "CH",
})  # fmt: skip
"""EEA, United Kingdom, Switzerland: nothing goes without an explicit yes, whatever the destination says."""

Gate = Callable[[Delivery, Platform, int], Why | None]


def gate(delivery: Delivery, platform: Platform, now_ms: int) -> Why | None:
    """The first reason not to send, in the contract's order; None when nothing stands against it."""
    return next((why for each in _GATES if (why := each(delivery, platform, now_ms)) is not None), None)


def _consent(delivery: Delivery, platform: Platform, _now_ms: int) -> Why | None:
    """By processing mode: `limited` leaves only receivers that then act as our service provider (spec/privacy 4.6)."""
    if delivery.consent == "denied" or delivery.mode == "none":
        return "consent-denied"
    if delivery.mode == "limited" and not platform.limited:
        return "consent-denied"
    # Who cannot be placed may be anywhere, Europe included.
    asked_first = delivery.country is None or delivery.country in CONSENT_FIRST
    needed = asked_first or delivery.mode == "cookieless" or delivery.destination.consent == "require-granted"
    return "consent-unknown" if needed and delivery.consent != "granted" else None


def _status(delivery: Delivery, platform: Platform, _now_ms: int) -> Why | None:
    """A correction of what was sent needs no choice of its own where the platform takes corrections."""
    if platform.corrects and delivery.kind != "convert":
        return None
    conversion = delivery.conversion
    # A refund is a refund, not a second sale of the same event.
    event = None if conversion.status == "rejected" else conversion.event
    return None if is_chosen(delivery.destination, conversion.status, event) else "status-not-chosen"


def _mends(delivery: Delivery, platform: Platform) -> bool:
    """A correction of what the receiver holds: without it he keeps a sale that is none, whoever made it.

    Where corrections are not taken only a refund is one; another status is an event of its own.
    """
    return delivery.is_known and (delivery.kind == "retract" or (platform.corrects and delivery.kind == "adjust"))


def _first(delivery: Delivery, platform: Platform, _now_ms: int) -> Why | None:
    if _mends(delivery, platform):
        return None
    return "not-first" if delivery.destination.first and delivery.nth > 1 else None


def _useful(delivery: Delivery, platform: Platform, _now_ms: int) -> Why | None:
    return platform.lacks(delivery)


def _age(delivery: Delivery, platform: Platform, now_ms: int) -> Why | None:
    limit = platform.max_age_ms
    return "too-old" if limit is not None and now_ms - delivery.at_ms > limit else None


def _human(delivery: Delivery, platform: Platform, _now_ms: int) -> Why | None:
    if _mends(delivery, platform):
        return None
    click = delivery.click
    return "not-human" if click.visit.traffic != "human" or click.stopped else None


def _active(delivery: Delivery, _platform: Platform, _now_ms: int) -> Why | None:
    return "paused" if delivery.destination.paused or delivery.destination.archived else None


_GATES: Final[tuple[Gate, ...]] = (_consent, _status, _first, _useful, _age, _human, _active)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    kind: Kind
    number: int  # `Delivery.number`
    at_ms: int


def due(destination: Destination, platform: Platform, conversion: Conversion, earlier: Sequence[Kind]) -> Due | None:
    """What the newest change of a conversion makes due. `earlier`: kinds already made for it here, oldest first.

    Where the platform takes corrections, each change of state or money after the first delivery is one; elsewhere
    a change is sent only when it is an event of its own: another chosen status.
    """
    change, before = conversion.history[-1], conversion.history[:-1]
    status, event = conversion.status, None if conversion.status == "rejected" else conversion.event
    chosen = is_chosen(destination, status, event)
    kind: Kind = "retract" if status == "rejected" else "adjust"
    if not earlier:
        return Due(kind="convert", number=0, at_ms=change.at_ms) if chosen else None
    if platform.served or change.status is None:
        return None  # a file tells the present state by itself; an unmapped word tells nothing yet
    new_status = change.status != _last_status(before)
    if platform.corrects:
        wanted = earlier[-1] != "retract" if kind == "retract" else new_status or _says_money(change, before)
    else:
        wanted = chosen and new_status
    return Due(kind=kind, number=len(earlier), at_ms=change.at_ms) if wanted else None


def _last_status(changes: Sequence[ConversionChange]) -> str | None:
    return next((each.status for each in reversed(changes) if each.status is not None), None)


def _says_money(change: ConversionChange, before: Sequence[ConversionChange]) -> bool:
    """Whether a change names another payout than the last one that did."""
    if change.payout_micros is None:
        return False
    known = [each for each in before if each.payout_micros is not None and each.status is not None]
    last = known[-1] if known else None
    return last is None or (last.payout_micros, last.currency) != (change.payout_micros, change.currency)
