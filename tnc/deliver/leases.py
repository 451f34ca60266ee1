"""What is written about deliveries while they go out, in the writer's transactions."""

from collections.abc import Iterable
from dataclasses import replace

from tnc.model import OPEN_STATES
from tnc.store.days import DayWriter
from tnc.store.deliveries import DeliveryRow, Waiting

Sealed = tuple[DeliveryRow, bytes | None]
"""A row with its sealed part, which the writer makes where there is none yet."""


def settle(writer: DayWriter, rows: Iterable[Sealed]) -> list[Waiting]:
    """Store what became of deliveries; returns those that may go later, and those that waited for them."""
    waiting: list[Waiting] = []
    for row, sealed in rows:
        before = writer.deliveries.state(row.seq)
        if before is None or (before not in OPEN_STATES and row.state in OPEN_STATES):
            continue  # erased, or called back, while it was under way
        part = sealed or writer.deliveries.seal(row)
        if part is None:
            continue  # erased, and not yet scrubbed
        writer.deliveries.put(row, part)
        if row.state in OPEN_STATES:
            waiting.append(Waiting(seq=row.seq, destination=row.destination, next_at_ms=row.next_at_ms))
        else:
            waiting += writer.deliveries.behind(row)
    return waiting


def revive(writer: DayWriter, row: DeliveryRow, *, now_ms: int, patience_ms: int) -> DeliveryRow:
    """Send it again, whatever became of it, under the same id."""
    fresh = replace(
        row,
        state="queued",
        attempts=0,
        next_at_ms=now_ms,
        expires_at_ms=max(row.expires_at_ms, now_ms + patience_ms),
        done_at_ms=None,
    )
    writer.deliveries.change(fresh)
    return fresh
