"""What is written about deliveries while they go out, in the writer's transactions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tnc.deliver.fates import EXPIRED, closed
from tnc.model import OPEN_STATES, Click, ConversionChange
from tnc.store.days import DayWriter
from tnc.store.deliveries import DeliveryRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A delivery that may go now, with all that it is made from."""

    row: DeliveryRow
    click: Click
    changes: Sequence[ConversionChange]


def take(writer: DayWriter, seqs: Iterable[int], *, now_ms: int) -> tuple[list[Taken], list[DeliveryRow]]:
    """Begin an attempt at each that is still to go; and those that waited for one that is not. What is to be
    confirmed stays `accepted`. A later word about a conversion waits until the earlier one is through.
    """
    taken, given_up = [], []
    for seq in seqs:
        row = writer.deliveries.find(seq)
        if row is None or row.state not in ("queued", "accepted") or _waits(writer, row):
            continue
        click = writer.click(row.click_seq)
        if click is None:
            given_up.append(closed(row, "cancelled", "the click is gone", now_ms))
        elif now_ms > row.expires_at_ms:
            given_up.append(closed(row, "dead", EXPIRED, now_ms))
        else:
            events = writer.events_of(row.click_seq, up_to=row.event_seq)
            changes = [each for each in events if isinstance(each, ConversionChange)]
            claimed = writer.deliveries.claim(row) if row.state == "queued" else row
            taken.append(Taken(row=claimed, click=click, changes=changes))
    return taken, settle(writer, given_up)


def _waits(writer: DayWriter, row: DeliveryRow) -> bool:
    return any(each.seq < row.seq and each.state in OPEN_STATES for each in _of_conversion(writer, row))


def _of_conversion(writer: DayWriter, row: DeliveryRow) -> list[DeliveryRow]:
    """All words about the same conversion to the same destination."""
    return [
        each
        for each in writer.deliveries.of_click(row.click_seq)
        if each.destination == row.destination and each.record.conversion_id == row.record.conversion_id
    ]


def settle(writer: DayWriter, rows: Iterable[DeliveryRow]) -> list[DeliveryRow]:
    """Store what became of deliveries; returns those that may go later, and those that waited for them."""
    waiting = []
    for row in rows:
        before = writer.deliveries.state(row.seq)
        if before is None or (before not in OPEN_STATES and row.state in OPEN_STATES):
            continue  # erased, or called back, while it was under way
        writer.deliveries.change(row)
        if row.state in OPEN_STATES:
            waiting.append(row)
        else:
            waiting += [each for each in _of_conversion(writer, row) if each.seq > row.seq and each.state == "queued"]
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
