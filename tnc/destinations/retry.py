"""When a delivery is tried again, and when it is given up."""

from dataclasses import replace
from typing import Final

from msgspec.structs import replace as amended

from tnc.core.clock import HOUR_MS, MINUTE_MS
from tnc.core.models import DeliveryState
from tnc.destinations.delivery import Delivery, Why
from tnc.destinations.platforms.base import Platform
from tnc.destinations.sender import Told
from tnc.destinations.verdict import Verdict
from tnc.store.days.deliveries import DeliveryRow

BASE_MS: Final = 5_000
CAP_MS: Final = HOUR_MS
AHEAD_MS: Final = MINUTE_MS  # an event from further in the future is refused everywhere
LEASE_MS: Final = MINUTE_MS

PER_DESTINATION: Final = 4  # requests under way at once, so that one hanging receiver cannot starve the others
IN_ALL: Final = 32


def wait_ms(verdict: Verdict, *, attempts: int, chance: float, scale: float = 1.0) -> int:
    """How long to wait after the `attempts`-th attempt (1 is the first). `chance` is from 0 up to 1.

    Full jitter while the waits grow. At the cap only their last fifth is left to chance: whatever the dice say,
    a day of outage costs one delivery at most 40 attempts. A wait that the receiver asked for is kept, unscaled.
    """
    ceiling = min(CAP_MS, BASE_MS << min(attempts - 1, 20))
    floor = CAP_MS * 4 // 5 if ceiling == CAP_MS else 0
    ours = max(verdict.pause_ms, floor + (ceiling - floor) * chance)
    return max(round(ours * scale), verdict.after_ms or 0)


def first_attempt_ms(delivery: Delivery, platform: Platform, made_ms: int) -> int:
    """When a new delivery may go: at once, or when the platform takes a correction, and never before its time."""
    settled = delivery.first_word_ms + platform.settles_ms if delivery.kind != "convert" else made_ms
    return max(made_ms, settled, delivery.at_ms - AHEAD_MS)


def expires_ms(delivery: Delivery, platform: Platform, made_ms: int) -> int:
    """After this moment it is not tried again."""
    given_up = made_ms + platform.patience_ms
    return given_up if platform.max_age_ms is None else min(given_up, delivery.at_ms + platform.max_age_ms)


EXPIRED: Final = "expired"

# Where a delivery ends that a gate holds back when it would go. Consent that is gone calls it back.
_HELD_BACK: Final[dict[Why, DeliveryState]] = {
    "consent-denied": "cancelled",
    "consent-unknown": "cancelled",
    "too-old": "dead",
}


def settled(
    row: DeliveryRow, verdict: Verdict, told: Told, *, size: int, now_ms: int, chance: float, scale: float
) -> DeliveryRow:
    """The row after a request that carried `size` deliveries, or after asking what became of one."""
    record = amended(
        row.record,
        reason=verdict.reason,
        status=told.status,
        request=told.request,
        answer=told.answer,
        room=None,
        throttled=verdict.outcome == "throttled",
    )
    row = replace(row, record=record)
    match verdict.outcome:
        case "done":
            return closed(row, "done", verdict.reason, now_ms)
        case "drop":
            return closed(row, "dead", verdict.reason, now_ms)
        case "accepted":
            receipt = verdict.receipt or record.receipt
            asked = record.asked + 1 if row.state == "accepted" else 0
            record = amended(record, receipt=receipt, size=size if verdict.receipt else record.size, asked=asked)
            wait = wait_ms(verdict, attempts=asked + 1, chance=chance, scale=scale)
            return _again(replace(row, state="accepted", record=record), wait, now_ms)
        case "split":  # only of what was accepted: a courier splits what is refused at once by itself
            record = amended(record, room=max(1, record.size // 2), receipt=None, asked=0)
            return _again(replace(row, state="queued", record=record), 0, now_ms)
        case "stop":
            return _again(_in_line(row), 0, now_ms)
        case "throttled":
            wait = wait_ms(verdict, attempts=1, chance=chance, scale=scale)
            return _again(_in_line(row), wait, now_ms)
        case "retry":
            wait = wait_ms(verdict, attempts=row.attempts, chance=chance, scale=scale)
            record = amended(record, receipt=None, asked=0)
            return _again(replace(row, state="queued", record=record), wait, now_ms)


def held_back(row: DeliveryRow, why: Why, now_ms: int) -> DeliveryRow:
    """The row of a delivery that a gate does not let out any more; what is paused stays in line."""
    if why == "paused":
        return _again(replace(row, state="queued"), 0, now_ms)
    return closed(row, _HELD_BACK.get(why, "dropped"), why, now_ms)


def closed(row: DeliveryRow, state: DeliveryState, reason: str | None, now_ms: int) -> DeliveryRow:
    record = amended(row.record, reason=reason)
    return replace(row, state=state, done_at_ms=now_ms, record=record)


def _in_line(row: DeliveryRow) -> DeliveryRow:
    return row if row.state == "accepted" else replace(row, state="queued")


def _again(row: DeliveryRow, wait: int, now_ms: int) -> DeliveryRow:
    """Later; but what would go only after its last moment is given up, with the reason it last had."""
    if now_ms + wait > row.expires_at_ms:
        last = row.record.reason
        return closed(row, "dead", f"{EXPIRED}: {last}" if last else EXPIRED, now_ms)
    return replace(row, next_at_ms=now_ms + wait, done_at_ms=None)
