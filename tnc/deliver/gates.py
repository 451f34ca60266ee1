"""May it be sent at all? Asked when a delivery is made and again each time that it would go out."""

from collections.abc import Callable
from typing import Final

from tnc.deliver.delivery import Delivery, Why, is_chosen
from tnc.deliver.platform import Platform

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
