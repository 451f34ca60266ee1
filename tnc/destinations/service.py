"""What the owner asks about destinations: their status, what they would send and have sent, and to send it again."""

import hmac
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date as Date
from functools import partial
from heapq import merge
from itertools import islice
from typing import Any, Final, Protocol

from tnc.campaigns.destination_schema import all_destinations
from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.campaigns.schema import NOUNS
from tnc.core.conversions import fold
from tnc.core.errors import InvalidError, NotFoundError, RefusedError
from tnc.core.fields import rfc3339
from tnc.core.models import (
    OPEN_STATES,
    ClickHistory,
    ClickId,
    Configuration,
    Conversion,
    ConversionChange,
    DeliveryKind,
    DeliveryState,
    Destination,
    DestinationId,
)
from tnc.core.shapes import PLACEHOLDER, SecretValue
from tnc.destinations.batch import requeue
from tnc.destinations.eligibility import DueEvent, due_event, skip_reason
from tnc.destinations.enqueue import delivery_of
from tnc.destinations.preview import example_sale, preview
from tnc.destinations.worker import DestinationStatus
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.history import relabelled, shared_click
from tnc.store.days.transactions import Writer, in_portions
from tnc.store.days.writer import DayReader, DayWriter
from tnc.store.workspace import Workspace

LAST_ANSWERS: Final = 10
"""How many answers `tnc destination show` prints."""


class Outbox(Protocol):
    """Where deliveries wait to be sent: `DeliveryWorker` in the server, `OfflineOutbox` without one."""

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]: ...

    def add(self, date: Date, waiting: Sequence[DeliveryRow]) -> None: ...

    def resume(self, destination: DestinationId) -> None: ...


class OfflineOutbox:
    """While no server runs: what is queued is sent after its next start."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        stopped_destinations = {
            stop.destination: stop.reason
            for stop in self._workspace.stopped_destinations.all_of(self._workspace.id).wait()
        }
        destinations = all_destinations(self._workspace.configuration()[1]).values()
        return {each.id: _offline_status(each, stopped_destinations.get(each.id)) for each in destinations}

    def add(self, date: Date, waiting: Sequence[DeliveryRow]) -> None:
        """They are in the day file, where the server finds them at its start."""

    def resume(self, destination: DestinationId) -> None:
        self._workspace.stopped_destinations.remove(self._workspace.id, destination).wait()


def _offline_status(destination: Destination, reason: str | None) -> DestinationStatus:
    if reason is not None:
        return DestinationStatus(state="stopped", reason=reason)
    return DestinationStatus(state="paused" if destination.paused or destination.archived else "active")


def feed_secret(workspace: Workspace, destination: DestinationId) -> str:
    """The secret part of the URL of a destination's file, derived from the installation's key."""
    message = f"feed 1|{workspace.id}|{destination}".encode()
    return urlsafe_b64encode(hmac.digest(workspace.keys.control_key, message, "sha256")[:24]).decode()


def delivery_id(date: Date, row: DeliveryRow) -> str:
    """`20261124-17`: the day of the click, and the delivery's number in that day's file."""
    return f"{date:%Y%m%d}-{row.seq}"


def read_delivery_id(text: str) -> tuple[Date, int]:
    """Raises NotFoundError for a text of another form."""
    day, _, number = text.partition("-")
    try:
        return Date.fromisoformat(day), int(number)
    except ValueError:
        raise NotFoundError(f"there is no delivery {text!r}; `tnc destination log ID` lists them.") from None


def delivery_json(date: Date, row: DeliveryRow) -> dict[str, Any]:
    """A delivery as `tnc destination log --json` prints it."""
    return {
        "delivery_id": delivery_id(date, row),
        "destination": row.destination,
        "conversion_id": row.record.conversion_id,
        "event_id": row.event_id,
        "kind": row.kind,
        "state": row.state,
        "attempts": row.attempts,
        "next_at": rfc3339(row.next_at_ms) if row.state in OPEN_STATES else None,
        "status": row.record.status,
        "error": row.record.reason,
        "created_at": rfc3339(row.created_at_ms),
        "done_at": None if row.done_at_ms is None else rfc3339(row.done_at_ms),
    }


class DestinationService:
    def __init__(self, workspace: Workspace, writer: Writer, outbox: Outbox) -> None:
        self._workspace = workspace
        self._writer = writer
        self._outbox = outbox

    # -- status and history

    def get(self, destination: str) -> Destination:
        """Raises NotFoundError that names the destinations there are."""
        known = all_destinations(self._workspace.configuration()[1])
        found = known.get(DestinationId(destination))
        if found is None:
            raise NotFoundError(
                f"there is no destination {destination!r}; there are: {', '.join(known) or 'none yet'}."
            )
        return found

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return self._outbox.statuses()

    def listed(self) -> list[dict[str, Any]]:
        counts = self.counts()
        statuses = self.statuses()
        return [
            {
                "id": each.id,
                "name": each.name,
                "type": each.type,
                **_status_json(statuses.get(each.id, _offline_status(each, None))),
                "on": list(each.on),
                "deliveries": {state: counts[each.id, state] for state in _STATES if counts[each.id, state]},
            }
            for each in all_destinations(self._workspace.configuration()[1]).values()
            if not each.archived
        ]

    def counts(self) -> Counter[tuple[DestinationId, DeliveryState]]:
        counts: Counter[tuple[DestinationId, DeliveryState]] = Counter()
        for date in self._workspace.histories.dates():
            with self._workspace.histories.day(date) as reader:
                for destination, state, count in reader.deliveries.counts():
                    counts[destination, state] += count
        return counts

    def shown(self, destination: str) -> dict[str, Any]:
        """One destination: its status, settings without secrets, the path of its file, its last answers."""
        found = self.get(destination)
        listed = next((each for each in self.listed() if each["id"] == found.id), {"id": found.id})
        return {
            **listed,
            "settings": _shown_settings(found),
            "file": self.file_path(found),
            "last": [
                {**delivery_json(date, row), "answer": row.record.answer, "request": row.record.request}
                for date, row in self.answers(found.id)
            ],
        }

    def file_path(self, destination: Destination) -> str | None:
        """The secret path on every tracking domain where its platform fetches the file; None for other platforms."""
        if PLATFORMS[destination.type].file is None:
            return None
        return f"/-/feed/{feed_secret(self._workspace, destination.id)}.csv"

    def rows(
        self, destination: DestinationId, *, limit: int | None = None, state: DeliveryState | None = None
    ) -> Iterator[tuple[Date, DeliveryRow]]:
        """Deliveries of a destination, newest first, across the days; with `state` only those in this state."""
        days = [self._rows_of(date, destination, limit, state) for date in self._workspace.histories.dates()]
        newest = merge(*days, key=lambda each: each[1].created_at_ms, reverse=True)
        yield from islice(newest, limit)

    def _rows_of(
        self, date: Date, destination: DestinationId, limit: int | None, state: DeliveryState | None
    ) -> list[tuple[Date, DeliveryRow]]:
        with self._workspace.histories.day(date) as reader:
            rows = list(reader.deliveries.newest(destination, limit=limit, state=state))
        return sorted(((date, row) for row in rows), key=lambda each: each[1].created_at_ms, reverse=True)

    def answers(self, destination: DestinationId) -> list[tuple[Date, DeliveryRow]]:
        """The last deliveries that were sent, however many wait."""
        found: list[tuple[Date, DeliveryRow]] = []
        for date in self._workspace.histories.dates():
            with self._workspace.histories.day(date) as reader:
                found += [(date, row) for row in reader.deliveries.answered(destination, limit=LAST_ANSWERS)]
        return sorted(found, key=lambda each: each[1].done_at_ms or each[1].next_at_ms, reverse=True)[:LAST_ANSWERS]

    # -- files that platforms fetch

    def file(self, secret: str) -> str | None:
        """The file at a secret URL, with the conversions as they are now; None: there is none."""
        for destination in all_destinations(self._workspace.configuration()[1]).values():
            file = PLATFORMS[destination.type].file
            expected = feed_secret(self._workspace, destination.id)
            if (
                file is not None
                and not destination.archived
                and hmac.compare_digest(secret.encode(), expected.encode())
            ):
                return file(destination, self._in_file(destination))
        return None

    def _in_file(self, destination: Destination) -> Iterator[Delivery]:
        """Oldest click first, so that the rows keep their order from one read to the next."""
        _, configuration = self._workspace.configuration()
        now_ms, opt_outs = self._workspace.world.now_ms(), self._workspace.opt_outs()
        for date in self._workspace.histories.dates():
            with self._workspace.histories.day(date) as reader:
                for row in reversed(list(reader.deliveries.newest(destination.id))):
                    delivery = None if row.state != "done" else _with_present_conversion(reader, row, configuration)
                    if delivery is None or opt_outs.match_visit(delivery.click.visit):
                        continue
                    if skip_reason(delivery, now_ms) is None:
                        yield delivery

    # -- previews

    def preview(self, destination: str, click_id: str, conversion_id: str | None = None) -> dict[str, Any]:
        """What a destination would be sent about a click. Raises NotFoundError for an unknown click or conversion."""
        found, history = self.get(destination), self._workspace.histories.get(ClickId(click_id))
        now_ms = self._workspace.world.now_ms()
        return preview(self._delivery(found, history, conversion_id, now_ms), now_ms)

    def _delivery(
        self, destination: Destination, history: ClickHistory, conversion_id: str | None, now_ms: int
    ) -> Delivery:
        _, configuration = self._workspace.configuration()
        nth, conversion = _chosen(history, conversion_id) or (1, example_sale(history.click, configuration, now_ms))
        due, conversion = _last_event(destination, conversion)
        click = relabelled(history.decided or history.click, history.changes)
        visit = click.visit
        return Delivery(
            platform=PLATFORMS[destination.type],
            destination=destination,
            kind=due.kind,
            number=due.number,
            conversion=conversion,
            click=click,
            configuration=configuration,
            at_ms=due.at_ms,
            consent=visit.consent if history.withdrawn_at_ms is None else "denied",
            mode="none" if self._workspace.opt_outs().match_visit(visit) else visit.mode,
            nth=nth,
            receiver_may_know=due.number > 0 and self._receiver_may_know(destination, click.click_id, conversion),
        )

    def _receiver_may_know(self, destination: Destination, click_id: ClickId, conversion: Conversion) -> bool:
        """Whether an event about the conversion has arrived at the destination, or may have."""
        date = self._workspace.histories.date_of(click_id)
        if date is None:
            return False
        with self._workspace.histories.day(date) as reader:
            found = reader.find(click_id)
            rows = [] if found is None else reader.deliveries.of_click(found[0])
        return any(
            row.may_have_arrived
            for row in rows
            if row.destination == destination.id and row.record.conversion_id == conversion.conversion_id
        )

    # -- sending again

    def replay(self, destination: str, *, delivery: str | None = None) -> dict[str, Any]:
        """Queue one delivery again, or all that are dead, with the same event ids. Refuses one that is still open."""
        found = self.get(destination)
        wanted = self._dead(found) if delivery is None else self._one(found, delivery)
        again = partial(self._requeue, PLATFORMS[found.type].give_up_after_ms)
        for date, seqs in wanted.items():
            day = (self._workspace.id, date)
            for portion in in_portions(self._writer, day, seqs, again, world=self._workspace.world):
                self._outbox.add(date, [row for row in portion if row is not None])
        return {"destination": found.id, "replayed": sum(map(len, wanted.values()))}

    def _dead(self, destination: Destination) -> dict[Date, list[int]]:
        dead: dict[Date, list[int]] = {}
        for date, row in self.rows(destination.id):
            if row.state == "dead":
                dead.setdefault(date, []).append(row.seq)
        return dead

    def _one(self, destination: Destination, text: str) -> dict[Date, list[int]]:
        date, seq = read_delivery_id(text)
        row = None
        if self._workspace.histories.has(date):
            with self._workspace.histories.day(date) as reader:
                row = reader.deliveries.find(seq)
        if row is None or row.destination != destination.id:
            raise NotFoundError(f"{destination.id} has no delivery {text!r}; `tnc destination log` lists them.")
        if PLATFORMS[destination.type].file is not None:
            raise InvalidError(f"{destination.id} is a file that its platform fetches: there is nothing to send again.")
        if row.state in OPEN_STATES:
            raise RefusedError(f"the delivery {text} is still being sent; wait until it is done or dead.")
        return {date: [seq]}

    def _requeue(self, give_up_after_ms: int, writer: DayWriter, seq: int) -> DeliveryRow | None:
        row = writer.deliveries.find(seq)
        if row is None or row.state in OPEN_STATES:
            return None
        return requeue(writer, row, now_ms=self._workspace.world.now_ms(), give_up_after_ms=give_up_after_ms)

    def resume(self, destination: str) -> dict[str, Any]:
        """Send to a stopped destination again."""
        found = self.get(destination)
        self._outbox.resume(found.id)
        return {"destination": found.id, "state": _offline_status(found, None).state}


_STATES: Final[Sequence[DeliveryState]] = ("queued", "sending", "accepted", "done", "dropped", "dead", "cancelled")


def _status_json(status: DestinationStatus) -> dict[str, Any]:
    return {
        "state": status.state,
        "until": None if status.until_ms is None else rfc3339(status.until_ms),
        "why": status.reason,
    }


def _shown_settings(destination: Destination) -> dict[str, Any]:
    """As `tnc export` would write them."""
    written = NOUNS["destination"].write(destination)
    return {key: _shown(value) for key, value in written.items() if key in destination.settings}


def _shown(value: Any) -> Any:
    match value:
        case SecretValue():
            return PLACEHOLDER
        case Mapping():
            return {key: _shown(each) for key, each in value.items()}
        case _:
            return value


def _chosen(history: ClickHistory, conversion_id: str | None) -> tuple[int, Conversion] | None:
    """A conversion of a click and which one it is by time: the named one, else the last; None: the click has none."""
    ordered = enumerate(sorted(history.conversions, key=lambda each: each.converted_at_ms), start=1)
    found = [each for each in ordered if conversion_id in (None, each[1].conversion_id)]
    if not found and conversion_id is not None:
        raise NotFoundError("that click has no such conversion; `tnc click ID` lists them.")
    return found[-1] if found else None


def _with_present_conversion(reader: DayReader, row: DeliveryRow, configuration: Configuration) -> Delivery | None:
    """The delivery of a row, with its conversion as it is now; None when its click is gone."""
    click = shared_click(reader, row.click_seq)
    if click is None:
        return None
    changes = [each for each in reader.events_of(row.click_seq) if isinstance(each, ConversionChange)]
    present = next(each for each in fold(changes) if each.conversion_id == row.record.conversion_id)
    until_then = [
        each for each in reader.events_of(row.click_seq, up_to=row.event_seq) if isinstance(each, ConversionChange)
    ]
    delivery = delivery_of(row, click, until_then, configuration)
    return None if delivery is None else replace(delivery, conversion=present)


def _last_event(destination: Destination, conversion: Conversion) -> tuple[DueEvent, Conversion]:
    """The last event about a conversion that is due at a destination, and the conversion as it was then.

    If none is due: the conversion as it is now, for which `skip_reason` then says why.
    """
    kinds: list[DeliveryKind] = []
    last = DueEvent(kind="convert", number=0, at_ms=conversion.history[-1].at_ms), conversion
    for count in range(1, len(conversion.history) + 1):
        (so_far,) = fold(conversion.history[:count])
        due = due_event(destination, PLATFORMS[destination.type], so_far, kinds)
        if due is not None:
            kinds.append(due.kind)
            last = due, so_far
    return last
