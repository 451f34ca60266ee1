"""A post office: real day files, the real writer, the real outbox, and a world whose clocks a test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace as amended

from tests.destinations.examples import CLICK, CONFIGURATION, NOW_MS
from tests.store.control import control_database
from tests.store.records import keyring
from tnc.core.clock import World
from tnc.core.models import MAIN, Campaign, CampaignId, ClickId, Configuration, ConversionId, Destination, DestinationId
from tnc.destinations.batch import BatchSender
from tnc.destinations.http import open_session
from tnc.destinations.sender import Sender
from tnc.destinations.worker import DeliveryWorker
from tnc.store.days.click_log import ClickLog, Days
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.history import ClickHistories
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.stopped import StoppedDestinations
from tnc.tracking.conversions.postback import Incoming
from tnc.tracking.conversions.record import Caller, RecordedConversion, record_conversion

ALLOWED = ("127.0.0.1",)
DATE = utc_date(CLICK.clicked_at_ms)
NETWORK = Caller(origin="postback")


@dataclass(slots=True)
class Clocks:
    """The wall's and the steady one, apart, so that the first can jump."""

    wall_ms: int = NOW_MS
    steady_ms: int = 5_000_000

    def pass_ms(self, ms: int) -> None:
        self.wall_ms += ms
        self.steady_ms += ms

    def world(self) -> World:
        return World(now_ms=lambda: self.wall_ms, steady_ms=lambda: self.steady_ms)


@dataclass(slots=True)
class Versions:
    """The configurations that were live, the last of them now."""

    all: list[Configuration] = field(default_factory=lambda: [Configuration()])

    def configuration(self) -> tuple[int, Configuration]:
        return len(self.all) - 1, self.all[-1]

    def version(self, number: int) -> Configuration:
        return self.all[number]


def sending_to(*destinations: Destination) -> Configuration:
    campaign = Campaign(
        id=CampaignId("summer"), name="Summer", path="summer", destinations=tuple(each.id for each in destinations)
    )
    return replace(
        CONFIGURATION, campaigns={campaign.id: campaign}, destinations={each.id: each for each in destinations}
    )


class Office:
    def __init__(self, data: Path, clocks: Clocks, versions: Versions) -> None:
        self.data = data
        self.clocks = clocks
        self.versions = versions
        self.world = clocks.world()
        self.numbers = count(1)
        self.objecting: set[str | None] = set()  # pseudonyms
        self.histories = ClickHistories(data / "days", keyring(data), MAIN)
        self.stopped_destinations: StoppedDestinations
        self.log: ClickLog
        self.outbox: DeliveryWorker

    async def click(self, **visit: Any) -> ClickId:
        click = amended(CLICK, click_id=f"click-{next(self.numbers)}", visit=amended(CLICK.visit, **visit))
        await self.log.run((MAIN, DATE), lambda writer: writer.add_click(click))
        return click.click_id

    async def say(self, click_id: ClickId, *, wake: bool = True, **more: Any) -> RecordedConversion:
        """A word about a conversion, as a server stores it; the outbox is told unless it is to find out by itself."""
        said: dict[str, Any] = {"status_words": ("sale",), "payout_micros": 12_500_000, "currency": "USD"} | more

        def record(writer: DayWriter) -> RecordedConversion:
            return record_conversion(
                writer,
                Incoming(click_id=click_id, **said),
                configuration=self.versions.all[-1],
                caller=NETWORK,
                now_ms=self.clocks.wall_ms,
                new_id=lambda: ConversionId(f"v{next(self.numbers)}"),
            )

        recorded = await self.log.run((MAIN, DATE), record)
        if wake:
            self.outbox.add(DATE, recorded.deliveries)
        return recorded

    async def later(self, ms: int) -> None:
        """Time passes, once everything that is under way has come to an end."""
        while any(queue.running for queue in self.outbox._queues.values()):
            await asyncio.sleep(0.005)
        self.clocks.pass_ms(ms)
        self.outbox.configured()  # whatever wakes it

    def rows(self) -> list[DeliveryRow]:
        """What is on disk, oldest first."""
        _, configuration = self.versions.configuration()
        with self.histories.day(DATE) as reader:
            found = [row for each in configuration.destinations for row in reader.deliveries.newest(each)]
        return sorted(found, key=lambda row: row.seq)

    def states(self) -> list[str]:
        return [row.state for row in self.rows()]

    def stop_of(self, destination: Destination) -> str | None:
        stopped_destinations = {stop.destination: stop.reason for stop in self.stopped_destinations.all_of(MAIN).wait()}
        return stopped_destinations.get(DestinationId(destination.id))

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Office"]:
        """The writer and the outbox at work; may be opened again, as after a restart."""
        async with AsyncExitStack() as stack:
            self.stopped_destinations = StoppedDestinations(stack.enter_context(control_database(self.data)))
            self.log = ClickLog(Days(self.data / "days", keyring(self.data)))
            self.log.start()
            stack.push_async_callback(self.log.close)
            session = await stack.enter_async_context(open_session(ALLOWED))
            self.outbox = DeliveryWorker(
                workspace=MAIN,
                click_log=self.log,
                histories=self.histories,
                stopped_destinations=self.stopped_destinations,
                batch_sender=BatchSender(
                    sender=Sender(session, self.world, ALLOWED),
                    world=self.world,
                    scale=1.0,
                    objected=lambda click: click.visit.visitor in self.objecting,
                ),
                versions=self.versions,
            )
            await stack.enter_async_context(self.outbox.running())
            yield self
