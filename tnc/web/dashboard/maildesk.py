"""What comes in and goes out, as the dashboard sees it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from tnc.core.models import DeliveryState, Destination, DestinationId
from tnc.destinations.preview import DestinationTest, send_test
from tnc.destinations.sender import Sender
from tnc.destinations.service import DestinationService, delivery_id
from tnc.destinations.worker import DestinationStatus
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.inbox import CallOutcome, InboxRow
from tnc.store.workspace import Workspace
from tnc.tracking.configure import Operations
from tnc.tracking.conversions.inbox import call_id


class MailDesk:
    def __init__(
        self, workspace: Workspace, operations: Operations, forwarding: DestinationService, sender: Sender
    ) -> None:
        self._workspace = workspace
        self._operations = operations
        self._forwarding = forwarding
        self._sender = sender

    def calls(self, *, outcomes: Collection[CallOutcome] | None, limit: int) -> Sequence[tuple[str, InboxRow]]:
        rows = self._operations.receiving.rows(outcomes=outcomes, limit=limit)
        return [(call_id(date, row), row) for date, row in rows]

    def hear_again(self, call: str | None) -> int:
        heard: int = self._operations.receiving.replay(call)["replayed"]
        return heard

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return self._forwarding.statuses()

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

    async def test(self, destination: Destination) -> DestinationTest:
        _, configuration = await asyncio.to_thread(self._workspace.configuration)
        return await send_test(self._sender, destination, configuration, self._workspace.world)

    def apply(self, text: str, *, by: str) -> int:
        version: int = self._operations.apply(text, file="this form", by=by)["version"]
        return version
