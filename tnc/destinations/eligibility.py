"""Which events about a conversion a destination is sent, and whether one may be sent at all.

Whether it may is checked when a delivery is made, and again each time before it is sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tnc.campaigns.platforms.base import Delivery, Platform, SkipReason, is_chosen
from tnc.core.models import Conversion, ConversionChange, DeliveryKind, Destination

CONSENT_FIRST: Final = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "IS", "LI", "NO", "GB", "CH",
})  # fmt: skip
"""EEA, United Kingdom, Switzerland: nothing is sent without an explicit yes, whatever `consent` is configured."""

Check = Callable[[Delivery, int], SkipReason | None]


def skip_reason(delivery: Delivery, now_ms: int) -> SkipReason | None:
    """The first reason not to send a delivery, in the order of docs/destinations.md; None when it may be sent."""
    return next((reason for check in _CHECKS if (reason := check(delivery, now_ms)) is not None), None)


def _consent(delivery: Delivery, _now_ms: int) -> SkipReason | None:
    """A visitor in the mode `limited` (Global Privacy Control) reaches only platforms that have a limited mode."""
    if delivery.consent == "denied" or delivery.mode == "none":
        return "consent-denied"
    if delivery.mode == "limited" and not delivery.platform.limited_mode:
        return "consent-denied"
    # A visitor from an unknown country may be in Europe.
    consent_first = delivery.country is None or delivery.country in CONSENT_FIRST
    needed = consent_first or delivery.mode == "cookieless" or delivery.destination.consent == "require-granted"
    return "consent-unknown" if needed and delivery.consent != "granted" else None


def _status(delivery: Delivery, _now_ms: int) -> SkipReason | None:
    """Where the platform takes corrections, `on` decides about the conversion only, not about its corrections."""
    if delivery.platform.takes_adjustments and delivery.kind != "convert":
        return None
    conversion = delivery.conversion
    # A refund of an event is a refund, not the event once more.
    event = None if conversion.status == "rejected" else conversion.event
    return None if is_chosen(delivery.destination, conversion.status, event) else "status-not-chosen"


def _is_correction(delivery: Delivery) -> bool:
    """Whether it corrects what the receiver has. Held back, the receiver would keep a sale that is none.

    Where corrections are not taken only a refund is one; another status is an event of its own.
    """
    corrects = delivery.kind == "retract" or (delivery.platform.takes_adjustments and delivery.kind == "adjust")
    return delivery.receiver_may_know and corrects


def _first(delivery: Delivery, _now_ms: int) -> SkipReason | None:
    if _is_correction(delivery):
        return None
    return "not-first" if delivery.destination.first and delivery.nth > 1 else None


def _click(delivery: Delivery, _now_ms: int) -> SkipReason | None:
    return delivery.platform.check_click(delivery)


def _age(delivery: Delivery, now_ms: int) -> SkipReason | None:
    limit = delivery.platform.max_age_ms
    return "too-old" if limit is not None and now_ms - delivery.at_ms > limit else None


def _human(delivery: Delivery, _now_ms: int) -> SkipReason | None:
    if _is_correction(delivery):
        return None
    click = delivery.click
    return "not-human" if click.visit.traffic != "human" or click.stopped else None


def _active(delivery: Delivery, _now_ms: int) -> SkipReason | None:
    return "paused" if delivery.destination.paused or delivery.destination.archived else None


_CHECKS: Final[tuple[Check, ...]] = (_consent, _status, _first, _click, _age, _human, _active)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueEvent:
    """An event that a change of a conversion makes due at a destination: `kind`, `number`, `at_ms` of its delivery."""

    kind: DeliveryKind
    number: int
    at_ms: int


def due_event(
    destination: Destination, platform: Platform, conversion: Conversion, earlier: Sequence[DeliveryKind]
) -> DueEvent | None:
    """The event that the newest change of a conversion makes due; None: none.

    `earlier` are the kinds of the events that were made for this conversion and destination before, oldest first.
    Where the platform takes corrections, each change of status or money after the first event is one; elsewhere a
    change is an event of its own if its status is new and chosen.
    """
    change, before = conversion.history[-1], conversion.history[:-1]
    status, event = conversion.status, None if conversion.status == "rejected" else conversion.event
    chosen = is_chosen(destination, status, event)
    kind: DeliveryKind = "retract" if status == "rejected" else "adjust"
    if not earlier:
        return DueEvent(kind="convert", number=0, at_ms=change.at_ms) if chosen else None
    if platform.file is not None or change.status is None:
        return None  # a file always shows the present state; an unmapped status says nothing yet
    new_status = change.status != _last_status(before)
    if platform.takes_adjustments:
        due = earlier[-1] != "retract" if kind == "retract" else new_status or _changes_payout(change, before)
    else:
        due = chosen and new_status
    return DueEvent(kind=kind, number=len(earlier), at_ms=change.at_ms) if due else None


def _last_status(changes: Sequence[ConversionChange]) -> str | None:
    return next((each.status for each in reversed(changes) if each.status is not None), None)


def _changes_payout(change: ConversionChange, before: Sequence[ConversionChange]) -> bool:
    """Whether a change has another payout than the last one that had one."""
    if change.payout_micros is None:
        return False
    known = [each for each in before if each.payout_micros is not None and each.status is not None]
    last = known[-1] if known else None
    return last is None or (last.payout_micros, last.currency) != (change.payout_micros, change.currency)
