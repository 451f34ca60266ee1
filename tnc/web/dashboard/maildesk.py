"""What comes in and goes out, as the dashboard sees it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from tnc.core.models import DeliveryState, Destination, DestinationId
from tnc.destinations.preview import Rehearsal, send_test
from tnc.destinations.sender import Courier
from tnc.destinations.service import Forwarding, delivery_id
from tnc.destinations.worker import Standing
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.inbox import CallOutcome, InboxRow
from tnc.store.workspace import House
from tnc.tracking.configure import Operations
from tnc.tracking.conversions.inbox import call_id


class MailDesk:
    def __init__(self, house: House, operations: Operations, forwarding: Forwarding, courier: Courier) -> None:
        self._house = house
        self._operations = operations
        self._forwarding = forwarding
        self._courier = courier

    def calls(self, *, outcomes: Collection[CallOutcome] | None, limit: int) -> Sequence[tuple[str, InboxRow]]:
        rows = self._operations.receiving.rows(outcomes=outcomes, limit=limit)
        return [(call_id(date, row), row) for date, row in rows]

    def hear_again(self, call: str | None) -> int:
        heard: int = self._operations.receiving.replay(call)["replayed"]
        return heard

    def standings(self) -> Mapping[DestinationId, Standing]:
        return self._forwarding.standings()

    def counts(self) -> Mapping[tuple[DestinationId, DeliveryState], int]:
        return self._forwarding.counts()

    def deliveries(
        self, destination: DestinationId, *, limit: int, state: DeliveryState | None = None
    ) -> Sequence[tuple[str, DeliveryRow]]:
        rows = self._forwarding.rows(destination, limit=limit, state=state)
        return [(delivery_id(date, row), row) for date, row in rows]

    def answers(self, destination: DestinationId) -> Sequence[tuple[str, DeliveryRow]]:
        return [(delivery_id(date, row), row) for date, row in self._forwarding.answers(destination)]

    def file_path(self, destination: Destination) -> str | None:
        return self._forwarding.file_path(destination)

    def replay(self, destination: DestinationId, delivery: str | None) -> int:
        replayed: int = self._forwarding.replay(destination, delivery=delivery)["replayed"]
        return replayed

    def resume(self, destination: DestinationId) -> None:
        self._forwarding.resume(destination)

    async def test(self, destination: Destination) -> Rehearsal:
        _, configuration = await asyncio.to_thread(self._house.configuration)
        return await send_test(self._courier, destination, configuration, self._house.world)

    def apply(self, text: str, *, by: str) -> int:
        version: int = self._operations.apply(text, file="this form", by=by)["version"]
        return version
