"""What a running server holds in memory about its workspace, kept in step with what is on disk."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from datetime import date as Date
from datetime import timedelta
from itertools import islice
from typing import Any, Final, TypeVar

from tnc.core.conversions import counts_for_cap
from tnc.core.errors import UnavailableError
from tnc.core.models import Click, Configuration, Conversion, OfferId
from tnc.core.process import background_pool, yield_gil
from tnc.destinations.worker import DeliveryWorker
from tnc.store.days.click_log import ClickLog
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.record import RecordedConversion
from tnc.tracking.setup import recount_caps
from tnc.tracking.tracker import Tracker

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_REMEMBERED_FIRST: Final = 4_000  # clicks remembered before the port opens; the others follow while it serves
_REMEMBERED_AT_ONCE: Final = 100


class LiveConfiguration:
    """The configuration that visitors are served by, and the stored versions before it."""

    def __init__(self, workspace: Workspace, tracker: Tracker) -> None:
        self._workspace = workspace
        self._tracker = tracker

    def configuration(self) -> tuple[int, Configuration]:
        return self._tracker.plans.version, self._tracker.plans.configuration

    def version(self, number: int) -> Configuration:
        return self._workspace.version(number)


class LiveState:
    """The Listener of a running server: passes each change on to the tracker, the outbox and the click log.

    Made on the event loop. The methods of a Listener are called in other threads.
    """

    def __init__(self, workspace: Workspace, tracker: Tracker, outbox: DeliveryWorker, click_log: ClickLog) -> None:
        self._workspace = workspace
        self._tracker = tracker
        self._outbox = outbox
        self._click_log = click_log
        self._loop = asyncio.get_running_loop()
        self._configuring = threading.Lock()

    # -- as a Listener

    def configured(self, version: int) -> None:
        """Serve visitors by a version at once. Conversions of offers with another cap are counted after that."""
        with self._configuring:  # one at a time, so that the newest version stays
            if version <= self._tracker.plans.version:
                return
            plans = self._workspace.plans(version)
            recounted: set[OfferId] = set()

            def take() -> None:
                recounted.update(self._tracker.take_plans(plans))
                self._outbox.configured()

            self._on_loop(take)
            recount = recount_caps(self._workspace, self._tracker.caps, recounted)
            self._on_loop(lambda: self._tracker.caps.finish_recount(recount))

    def converted(self, recorded: RecordedConversion) -> None:
        self._on_loop(lambda: self._note(recorded))

    def _note(self, recorded: RecordedConversion) -> None:
        """Caps, the condition `converted` and the outbox know of a conversion before its postback is answered."""
        outcome = recorded.outcome
        if outcome is None or outcome.change is None or recorded.click is None or recorded.click.test:
            return
        date = utc_date(recorded.click.clicked_at_ms)
        self._outbox.add(date, recorded.deliveries)
        before, after = _counted(outcome.before), _counted(outcome.after)
        if recorded.offer is not None and after != before and outcome.after is not None:
            event = date, recorded.event_seq
            self._tracker.caps.add(recorded.offer, outcome.after.converted_at_ms, after - before, event)
        if after:
            self._tracker.note_conversion(recorded.click, outcome.change.at_ms)

    def erased(self, visitors: frozenset[str]) -> None:
        self._on_loop(lambda: self._tracker.forget(visitors))

    def objected(self) -> None:
        stored = self._workspace.stored_opt_outs()
        self._workspace.save_snapshot()
        self._on_loop(lambda: self._tracker.opt_outs.replace(stored))

    def day_retiring(self, date: Date) -> None:
        self._wait(self._click_log.retire((self._workspace.id, date)))

    def keys_renewed(self) -> None:
        self._wait(self.prepare_days())

    # -- day by day

    def turn_day(self) -> None:
        """Take up salts and keys of today and tomorrow ahead of midnight, and drop opt-outs that have expired."""
        self._tracker.take_salts(self._workspace.rotate_salts())
        self.objected()
        self._wait(self.prepare_days())

    async def prepare_days(self) -> None:
        """Have the files and keys of today and tomorrow ready."""
        today = utc_date(self._workspace.world.now_ms())
        try:
            await self._click_log.prepare((self._workspace.id, today + timedelta(days=n)) for n in range(2))
        except UnavailableError:
            log.exception("the day's file could not be made ready")  # visitors are redirected; their clicks wait

    # -- at the start

    def remember_newest(self) -> Iterator[Click]:
        """Remember the newest visitors before the port opens; gives the older clicks, for `remember_older`."""
        clicks = self._workspace.histories.newest_clicks(since_ms=self._horizon_ms())
        for click in islice(clicks, _REMEMBERED_FIRST):
            self._tracker.remember(click)
        return clicks

    async def remember_older(self, clicks: Iterator[Click]) -> None:
        """Decrypted in a thread, remembered on the loop in portions so small that no visitor waits for one."""
        with background_pool() as thread:
            while some := await self._portion(thread, clicks):
                for click in some:
                    self._tracker.remember(click)
            self._tracker.history_loaded = True
            converted = yield_gil(self._workspace.histories.converted_since(self._horizon_ms()))
            while histories := await self._portion(thread, converted):
                for history in histories:
                    for conversion in history.conversions:
                        self._tracker.note_conversion(history.click, conversion.history[-1].at_ms)

    async def _portion(self, thread: Executor, items: Iterator[_T]) -> list[_T]:
        return await self._loop.run_in_executor(thread, lambda: list(islice(items, _REMEMBERED_AT_ONCE)))

    def _horizon_ms(self) -> int:
        return self._workspace.world.now_ms() - self._tracker.seen.window_s * 1000

    # -- from other threads

    def _on_loop(self, work: Callable[[], None]) -> None:
        """Do `work` on the loop and wait for it, so that what follows sees the change."""

        async def do() -> None:
            work()

        self._wait(do())

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _counted(conversion: Conversion | None) -> int:
    return int(conversion is not None and counts_for_cap(conversion))
