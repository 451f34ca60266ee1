"""What becomes of a delivery by a verdict: done, dead, or again, and when."""

from dataclasses import replace
from typing import Final

from msgspec.structs import replace as amended

from tnc.deliver.courier import Told
from tnc.deliver.delivery import Why
from tnc.deliver.retry import wait_ms
from tnc.deliver.verdict import Verdict
from tnc.model import DeliveryState
from tnc.store.deliveries import DeliveryRow

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
