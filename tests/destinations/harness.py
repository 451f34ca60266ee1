"""Deliveries with real day files, the real writer and the real worker, and clocks that a test moves."""

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
    """The wall clock and the steady one. They are apart, so that a test can change the wall clock alone."""

    wall_ms: int = NOW_MS
    steady_ms: int = 5_000_000

    def pass_ms(self, ms: int) -> None:
        self.wall_ms += ms
        self.steady_ms += ms

    def world(self) -> World:
        return World(now_ms=lambda: self.wall_ms, steady_ms=lambda: self.steady_ms)


@dataclass(slots=True)
class Versions:
    """All configuration versions; the last one is live."""

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


class Harness:
    def __init__(self, data: Path, clocks: Clocks, versions: Versions) -> None:
        self.data = data
        self.clocks = clocks
        self.versions = versions
        self.world = clocks.world()
        self.numbers = count(1)
        self.opted_out: set[str | None] = set()  # pseudonyms
        self.histories = ClickHistories(data / "days", keyring(data), MAIN)
        self.stopped_destinations: StoppedDestinations
        self.click_log: ClickLog
        self.worker: DeliveryWorker

    async def click(self, **visit: Any) -> ClickId:
        click = amended(CLICK, click_id=f"click-{next(self.numbers)}", visit=amended(CLICK.visit, **visit))
        await self.click_log.run((MAIN, DATE), lambda writer: writer.add_click(click))
        return click.click_id

    async def convert(self, click_id: ClickId, *, notify: bool = True, **more: Any) -> RecordedConversion:
        """Record a postback about a click as the server does. With `notify` the worker hears of it at once."""
        given: dict[str, Any] = {"status_words": ("sale",), "payout_micros": 12_500_000, "currency": "USD"} | more

        def record(writer: DayWriter) -> RecordedConversion:
            return record_conversion(
                writer,
                Incoming(click_id=click_id, **given),
                configuration=self.versions.all[-1],
                caller=NETWORK,
                now_ms=self.clocks.wall_ms,
                new_id=lambda: ConversionId(f"v{next(self.numbers)}"),
            )

        recorded = await self.click_log.run((MAIN, DATE), record)
        if notify:
            self.worker.add(DATE, recorded.deliveries)
        return recorded

    async def pass_time(self, ms: int) -> None:
        """Once no request is under way, move the clocks."""
        while any(queue.running for queue in self.worker._queues.values()):
            await asyncio.sleep(0.005)
        self.clocks.pass_ms(ms)
        self.worker.configured()  # wakes it

    def rows(self) -> list[DeliveryRow]:
        """All deliveries on disk, oldest first."""
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
    async def open(self, *, sending: bool = True) -> AsyncIterator["Harness"]:
        """Run the writer, and with `sending` the worker. Opening it again is a restart."""
        async with AsyncExitStack() as stack:
            self.stopped_destinations = StoppedDestinations(stack.enter_context(control_database(self.data)))
            self.click_log = ClickLog(Days(self.data / "days", keyring(self.data)))
            self.click_log.start()
            stack.push_async_callback(self.click_log.close)
            session = await stack.enter_async_context(open_session(ALLOWED))
            self.worker = DeliveryWorker(
                workspace=MAIN,
                click_log=self.click_log,
                histories=self.histories,
                stopped_destinations=self.stopped_destinations,
                batch_sender=BatchSender(
                    sender=Sender(session, self.world, ALLOWED),
                    world=self.world,
                    scale=1.0,
                    objected=lambda click: click.visit.visitor in self.opted_out,
                ),
                versions=self.versions,
            )
            if sending:
                await stack.enter_async_context(self.worker.running())
            yield self
