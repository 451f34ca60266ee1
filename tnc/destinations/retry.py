"""When a delivery is sent again, and when it is given up."""

from dataclasses import replace
from typing import Final

from msgspec.structs import replace as amended

from tnc.campaigns.platforms.base import Delivery, SkipReason
from tnc.campaigns.platforms.outcome import Outcome
from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.models import DeliveryState
from tnc.destinations.sender import Exchange
from tnc.store.days.deliveries import DeliveryRow

BASE_MS: Final = 5_000
CAP_MS: Final = HOUR_MS
AHEAD_MS: Final = MINUTE_MS  # platforms refuse events from further in the future

PER_DESTINATION: Final = 4  # requests under way at once, so that one hanging receiver cannot starve the others
IN_ALL: Final = 32


def wait_ms(outcome: Outcome, *, attempts: int, chance: float, scale: float = 1.0) -> int:
    """How long to wait after the `attempts`-th attempt (1 is the first). `chance` is from 0 up to 1.

    Full jitter while the waits grow. At the cap only their last fifth is left to chance, so that a day of outage
    costs one delivery at most 40 attempts. A wait that the receiver asked for is kept and not scaled.
    """
    ceiling = min(CAP_MS, BASE_MS << min(attempts - 1, 20))
    floor = CAP_MS * 4 // 5 if ceiling == CAP_MS else 0
    ours = max(outcome.pause_ms, floor + (ceiling - floor) * chance)
    return max(round(ours * scale), outcome.after_ms or 0)


def first_attempt_ms(delivery: Delivery, made_ms: int) -> int:
    """When a new delivery may be sent: at once, or when the platform takes a correction, and not before it happened."""
    adjustable = made_ms
    if delivery.kind != "convert":
        adjustable = delivery.first_event_ms + delivery.platform.adjust_after_ms
    return max(made_ms, adjustable, delivery.at_ms - AHEAD_MS)


def expires_ms(delivery: Delivery, made_ms: int) -> int:
    """When a new delivery is given up."""
    given_up = made_ms + delivery.platform.give_up_after_ms
    limit = delivery.platform.max_age_ms
    return given_up if limit is None else min(given_up, delivery.at_ms + limit)


EXPIRED: Final = "expired"

# The state of a delivery that may not be sent any more when its time comes; all others become "dropped".
_STATE_OF_SKIPPED: Final[dict[SkipReason, DeliveryState]] = {
    "consent-denied": "cancelled",
    "consent-unknown": "cancelled",
    "too-old": "dead",
}


def after_request(
    row: DeliveryRow, outcome: Outcome, exchange: Exchange, *, size: int, now_ms: int, chance: float, scale: float
) -> DeliveryRow:
    """The row after a request that carried `size` deliveries, or after asking what became of an accepted one."""
    record = amended(
        row.record,
        reason=outcome.reason,
        status=exchange.status,
        request=exchange.request,
        answer=exchange.answer,
        room=None,
        throttled=outcome.kind == "throttled",
    )
    row = replace(row, record=record)
    match outcome.kind:
        case "done":
            return ended(row, "done", outcome.reason, now_ms)
        case "drop":
            return ended(row, "dead", outcome.reason, now_ms)
        case "accepted":
            receipt = outcome.receipt or record.receipt
            asked = record.asked + 1 if row.state == "accepted" else 0
            record = amended(record, receipt=receipt, size=size if outcome.receipt else record.size, asked=asked)
            wait = wait_ms(outcome, attempts=asked + 1, chance=chance, scale=scale)
            return _postponed(replace(row, state="accepted", record=record), wait, now_ms)
        case "split":  # only of an accepted request: `Sender.deliver` itself splits what is refused at once
            record = amended(record, room=max(1, record.size // 2), receipt=None, asked=0)
            return _postponed(replace(row, state="queued", record=record), 0, now_ms)
        case "stop":
            return _postponed(_still_open(row), 0, now_ms)
        case "throttled":
            wait = wait_ms(outcome, attempts=1, chance=chance, scale=scale)
            return _postponed(_still_open(row), wait, now_ms)
        case "retry":
            wait = wait_ms(outcome, attempts=row.attempts, chance=chance, scale=scale)
            record = amended(record, receipt=None, asked=0)
            return _postponed(replace(row, state="queued", record=record), wait, now_ms)


def skipped(row: DeliveryRow, reason: SkipReason, now_ms: int) -> DeliveryRow:
    """The row of a delivery that may not be sent now. One of a paused destination stays queued."""
    if reason == "paused":
        return _postponed(replace(row, state="queued"), 0, now_ms)
    return ended(row, _STATE_OF_SKIPPED.get(reason, "dropped"), reason, now_ms)


def ended(row: DeliveryRow, state: DeliveryState, reason: str | None, now_ms: int) -> DeliveryRow:
    record = amended(row.record, reason=reason)
    return replace(row, state=state, done_at_ms=now_ms, record=record)


def _still_open(row: DeliveryRow) -> DeliveryRow:
    return row if row.state == "accepted" else replace(row, state="queued")


def _postponed(row: DeliveryRow, wait: int, now_ms: int) -> DeliveryRow:
    """Later; a delivery that would expire before is given up, with the last reason that it had."""
    if now_ms + wait > row.expires_at_ms:
        last = row.record.reason
        return ended(row, "dead", f"{EXPIRED}: {last}" if last else EXPIRED, now_ms)
    return replace(row, next_at_ms=now_ms + wait, done_at_ms=None)
