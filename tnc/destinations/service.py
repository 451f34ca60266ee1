"""What the owner asks of destinations: how they stand, what they would send and did send, and to try again."""

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
    DeliveryState,
    Destination,
    DestinationId,
)
from tnc.core.shapes import PLACEHOLDER, SecretValue
from tnc.destinations.batch import revive
from tnc.destinations.delivery import Delivery, Kind
from tnc.destinations.eligibility import Due, due, gate
from tnc.destinations.platforms.csv_feeds import feed
from tnc.destinations.platforms.registry import DESTINATIONS
from tnc.destinations.preview import invented_sale, preview
from tnc.destinations.queue import delivery_of
from tnc.destinations.worker import DestinationStatus
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.history import click_now, relabelled
from tnc.store.days.transactions import Transact, in_portions
from tnc.store.days.writer import DayReader, DayWriter
from tnc.store.workspace import Workspace

LAST: Final = 10
"""Answers that are shown of a destination."""


class Outbox(Protocol):
    """A running outbox."""

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]: ...

    def add(self, date: Date, waiting: Sequence[DeliveryRow]) -> None: ...

    def resume(self, destination: DestinationId) -> None: ...


class OfflineOutbox:
    """While no server runs: what is stopped is known, and what is to go waits for the next start."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        stopped_destinations = {
            stop.destination: stop.reason for stop in self._workspace.stopped_destinations.all_of(self._workspace.id)
        }
        destinations = all_destinations(self._workspace.configuration()[1]).values()
        return {each.id: _standing(each, stopped_destinations.get(each.id)) for each in destinations}

    def add(self, date: Date, waiting: Sequence[DeliveryRow]) -> None:
        """They lie in their day file."""

    def resume(self, destination: DestinationId) -> None:
        self._workspace.stopped_destinations.remove(self._workspace.id, destination)


def _standing(destination: Destination, reason: str | None) -> DestinationStatus:
    if reason is not None:
        return DestinationStatus(state="stopped", reason=reason)
    return DestinationStatus(state="paused" if destination.paused or destination.archived else "active")


def feed_secret(workspace: Workspace, destination: DestinationId) -> str:
    """The word in the address of a destination's file: made from the installation's key, the same at all times."""
    place = f"feed 1|{workspace.id}|{destination}".encode()
    return urlsafe_b64encode(hmac.digest(workspace.keys.control_key, place, "sha256")[:24]).decode()


def delivery_id(date: Date, row: DeliveryRow) -> str:
    """`20261124-17`: the day of its click, and its number there."""
    return f"{date:%Y%m%d}-{row.seq}"


def read_delivery_id(text: str) -> tuple[Date, int]:
    """Raises NotFoundError for what is none."""
    day, _, number = text.partition("-")
    try:
        return Date.fromisoformat(day), int(number)
    except ValueError:
        raise NotFoundError(f"there is no delivery {text!r}; `tnc destination log ID` lists them.") from None


def delivery_json(date: Date, row: DeliveryRow) -> dict[str, Any]:
    """A delivery as section 8 of the contract shows it."""
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
    """`post` is the running outbox, or a closed one; `transact` lends the writer, also to a command that has it."""

    def __init__(self, workspace: Workspace, transact: Transact, post: Outbox) -> None:
        self._workspace = workspace
        self._transact = transact
        self._post = post

    # -- how they stand

    def get(self, destination: str) -> Destination:
        """Raises NotFoundError that names what there is."""
        known = all_destinations(self._workspace.configuration()[1])
        found = known.get(DestinationId(destination))
        if found is None:
            raise NotFoundError(
                f"there is no destination {destination!r}; there are: {', '.join(known) or 'none yet'}."
            )
        return found

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return self._post.statuses()

    def listed(self) -> list[dict[str, Any]]:
        counts = self.counts()
        statuses = self.statuses()
        return [
            {
                "id": each.id,
                "name": each.name,
                "type": each.type,
                **_standing_json(statuses.get(each.id, _standing(each, None))),
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
        """One destination: how it stands, its settings without secrets, where its file is, its last answers."""
        found = self.get(destination)
        told = next((each for each in self.listed() if each["id"] == found.id), {"id": found.id})
        return {
            **told,
            "settings": _shown_settings(found),
            "file": self.file_path(found),
            "last": [
                {**delivery_json(date, row), "answer": row.record.answer, "request": row.record.request}
                for date, row in self.answers(found.id)
            ],
        }

    def file_path(self, destination: Destination) -> str | None:
        """The secret path on every tracking domain where a platform fetches the file; None for other types."""
        if not DESTINATIONS[destination.type].served:
            return None
        return f"/-/feed/{feed_secret(self._workspace, destination.id)}.csv"

    def rows(
        self, destination: DestinationId, *, limit: int | None = None, state: DeliveryState | None = None
    ) -> Iterator[tuple[Date, DeliveryRow]]:
        """Newest first, across the days; those in one state only."""
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
        """The last that were sent, with what was answered, whatever waits behind them."""
        found: list[tuple[Date, DeliveryRow]] = []
        for date in self._workspace.histories.dates():
            with self._workspace.histories.day(date) as reader:
                found += [(date, row) for row in reader.deliveries.answered(destination, limit=LAST)]
        return sorted(found, key=lambda each: each[1].done_at_ms or each[1].next_at_ms, reverse=True)[:LAST]

    # -- what its platform fetches

    def file(self, secret: str) -> str | None:
        """The file at a secret address, with the conversions as they are now; None: there is none."""
        for destination in all_destinations(self._workspace.configuration()[1]).values():
            if self.file_path(destination) == f"/-/feed/{secret}.csv" and not destination.archived:
                return feed(destination, self._in_file(destination))
        return None

    def _in_file(self, destination: Destination) -> Iterator[Delivery]:
        """Oldest click first, so that a file that is read again says the same in the same order."""
        _, configuration = self._workspace.configuration()
        now_ms, opt_outs = self._workspace.world.now_ms(), self._workspace.opt_outs()
        for date in self._workspace.histories.dates():
            with self._workspace.histories.day(date) as reader:
                for row in reversed(list(reader.deliveries.newest(destination.id))):
                    delivery = None if row.state != "done" else _as_it_is_now(reader, row, configuration)
                    if delivery is None or opt_outs.concern(delivery.click.visit):
                        continue
                    if gate(delivery, DESTINATIONS[destination.type], now_ms) is None:
                        yield delivery

    # -- what it would send

    def preview(self, destination: str, click_id: str, conversion_id: str | None = None) -> dict[str, Any]:
        """Section 8 of the contract. Raises NotFoundError for what there is not."""
        found, history = self.get(destination), self._workspace.histories.get(ClickId(click_id))
        now_ms = self._workspace.world.now_ms()
        return preview(self._delivery(found, history, conversion_id, now_ms), now_ms)

    def _delivery(
        self, destination: Destination, history: ClickHistory, conversion_id: str | None, now_ms: int
    ) -> Delivery:
        _, configuration = self._workspace.configuration()
        nth, conversion = _chosen(history, conversion_id) or (1, invented_sale(history.click, configuration, now_ms))
        word, conversion = _last_word(destination, conversion)
        click = relabelled(history.decided or history.click, history.changes)
        visit = click.visit
        return Delivery(
            destination=destination,
            kind=word.kind,
            number=word.number,
            conversion=conversion,
            click=click,
            configuration=configuration,
            at_ms=word.at_ms,
            consent=visit.consent if history.withdrawn_at_ms is None else "denied",
            mode="none" if self._workspace.opt_outs().concern(visit) else visit.mode,
            nth=nth,
            is_known=word.number > 0 and self._is_known(destination, click.click_id, conversion),
        )

    def _is_known(self, destination: Destination, click_id: ClickId, conversion: Conversion) -> bool:
        """Whether the first word about it may be there."""
        date = self._workspace.histories.date_of(click_id)
        if date is None:
            return False
        with self._workspace.histories.day(date) as reader:
            found = reader.find(click_id)
            rows = [] if found is None else reader.deliveries.of_click(found[0])
        return any(
            row.may_be_there
            for row in rows
            if row.destination == destination.id and row.record.conversion_id == conversion.conversion_id
        )

    # -- once more

    def replay(self, destination: str, *, delivery: str | None = None) -> dict[str, Any]:
        """Send one delivery again, or all that are dead, under the ids they had. Refuses what is on its way."""
        found = self.get(destination)
        wanted = self._dead(found) if delivery is None else self._one(found, delivery)
        again = partial(self._revive, DESTINATIONS[found.type].patience_ms)
        for date, seqs in wanted.items():
            day = (self._workspace.id, date)
            for portion in in_portions(self._transact, day, seqs, again, world=self._workspace.world):
                self._post.add(date, [row for row in portion if row is not None])
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
        if DESTINATIONS[destination.type].served:
            raise InvalidError(f"{destination.id} is a file that its platform fetches: there is nothing to send again.")
        if row.state in OPEN_STATES:
            raise RefusedError(f"the delivery {text} is on its way; wait until it is done or dead.")
        return {date: [seq]}

    def _revive(self, patience_ms: int, writer: DayWriter, seq: int) -> DeliveryRow | None:
        row = writer.deliveries.find(seq)
        if row is None or row.state in OPEN_STATES:
            return None
        return revive(writer, row, now_ms=self._workspace.world.now_ms(), patience_ms=patience_ms)

    def resume(self, destination: str) -> dict[str, Any]:
        """Close the breaker: everything goes again."""
        found = self.get(destination)
        self._post.resume(found.id)
        return {"destination": found.id, "state": _standing(found, None).state}


_STATES: Final[Sequence[DeliveryState]] = ("queued", "sending", "accepted", "done", "dropped", "dead", "cancelled")


def _standing_json(standing: DestinationStatus) -> dict[str, Any]:
    return {
        "state": standing.state,
        "until": None if standing.until_ms is None else rfc3339(standing.until_ms),
        "why": standing.reason,
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
    """A conversion of a click and which one it is by time: the one that is named, else the last; None: it has none."""
    ordered = enumerate(sorted(history.conversions, key=lambda each: each.converted_at_ms), start=1)
    found = [each for each in ordered if conversion_id in (None, each[1].conversion_id)]
    if not found and conversion_id is not None:
        raise NotFoundError("that click has no such conversion; `tnc click ID` lists them.")
    return found[-1] if found else None


def _as_it_is_now(reader: DayReader, row: DeliveryRow, configuration: Configuration) -> Delivery | None:
    """A delivery with its conversion in its present state; None when its click is gone."""
    click = click_now(reader, row.click_seq)
    if click is None:
        return None
    changes = [each for each in reader.events_of(row.click_seq) if isinstance(each, ConversionChange)]
    present = next(each for each in fold(changes) if each.conversion_id == row.record.conversion_id)
    then = [each for each in reader.events_of(row.click_seq, up_to=row.event_seq) if isinstance(each, ConversionChange)]
    delivery = delivery_of(row, click, then, configuration)
    return None if delivery is None else replace(delivery, conversion=present)


def _last_word(destination: Destination, conversion: Conversion) -> tuple[Due, Conversion]:
    """The last word about a conversion that goes there, and the conversion as it left it; when none does, all of it,
    which a gate then holds back.
    """
    kinds: list[Kind] = []
    last = Due(kind="convert", number=0, at_ms=conversion.history[-1].at_ms), conversion
    for count in range(1, len(conversion.history) + 1):
        (so_far,) = fold(conversion.history[:count])
        word = due(destination, DESTINATIONS[destination.type], so_far, kinds)
        if word is not None:
            kinds.append(word.kind)
            last = word, so_far
    return last
