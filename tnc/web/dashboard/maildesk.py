"""What comes in and goes out, as the dashboard sees it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from tnc.admin.services import Services
from tnc.core.models import DeliveryState, Destination, DestinationId
from tnc.destinations.preview import DestinationTest, send_test
from tnc.destinations.sender import Sender
from tnc.destinations.service import delivery_id
from tnc.destinations.worker import DestinationStatus
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.inbox import CallOutcome, InboxRow
from tnc.tracking.conversions.inbox import call_id


class MailDesk:
    def __init__(self, services: Services, sender: Sender) -> None:
        self._services = services
        self._sender = sender

    def calls(self, *, outcomes: Collection[CallOutcome] | None, limit: int) -> Sequence[tuple[str, InboxRow]]:
        rows = self._services.conversions.rows(outcomes=outcomes, limit=limit)
        return [(call_id(date, row), row) for date, row in rows]

    def hear_again(self, call: str | None) -> int:
        heard: int = self._services.conversions.replay(call)["replayed"]
        return heard

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return self._services.destinations.statuses()

    def counts(self) -> Mapping[tuple[DestinationId, DeliveryState], int]:
        return self._services.destinations.counts()

    def deliveries(
        self, destination: DestinationId, *, limit: int, state: DeliveryState | None = None
    ) -> Sequence[tuple[str, DeliveryRow]]:
        rows = self._services.destinations.rows(destination, limit=limit, state=state)
        return [(delivery_id(date, row), row) for date, row in rows]

    def answers(self, destination: DestinationId) -> Sequence[tuple[str, DeliveryRow]]:
        return [(delivery_id(date, row), row) for date, row in self._services.destinations.answers(destination)]

    def file_path(self, destination: Destination) -> str | None:
        return self._services.destinations.file_path(destination)

    def replay(self, destination: DestinationId, delivery: str | None) -> int:
        replayed: int = self._services.destinations.replay(destination, delivery=delivery)["replayed"]
        return replayed

    def resume(self, destination: DestinationId) -> None:
        self._services.destinations.resume(destination)

    async def test(self, destination: Destination) -> DestinationTest:
        _, configuration = await asyncio.to_thread(self._services.workspace.configuration)
        return await send_test(self._sender, destination, configuration, self._services.workspace.world)

    def apply(self, text: str, *, by: str) -> int:
        version: int = self._services.configure.apply(text, file="this form", by=by)["version"]
        return version
