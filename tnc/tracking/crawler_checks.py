"""Checks declared crawlers by reverse DNS, after their requests were answered. Only the labels of the click change."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tnc.core.errors import UnavailableError
from tnc.store.days.click_log import ClickLog
from tnc.store.days.writer import utc_date
from tnc.tracking.pending import PendingCrawlerCheck
from tnc.tracking.record import record_check
from tnc.tracking.tracker import Tracker
from tnc.visitors.crawlers import Crawlers, CrawlerVerifier, Resolve, resolve

log = logging.getLogger(__name__)

_INTERVAL_SECONDS: Final = 1.0
_AT_ONCE: Final = 8


class CrawlerChecks:
    """A background task of the server."""

    def __init__(
        self, tracker: Tracker, click_log: ClickLog, crawlers: Crawlers, *, resolve: Resolve = resolve
    ) -> None:
        self._tracker = tracker
        self._clicklog = click_log
        self._crawlers = crawlers
        self._verifier = CrawlerVerifier(resolve)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        working = asyncio.create_task(self._work())
        try:
            yield
        finally:
            working.cancel()

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            await self.check_all()

    async def check_all(self) -> None:
        """Check everything in the queue, a few at once."""
        pending = self._tracker.pending_crawler_checks.take()
        for start in range(0, len(pending), _AT_ONCE):
            await asyncio.gather(*(self._check(each) for each in pending[start : start + _AT_ONCE]))

    async def _check(self, check: PendingCrawlerCheck) -> None:
        crawler = self._crawlers.find(check.crawler)
        if crawler is None:
            return
        try:
            now_ms = self._tracker.world.now_ms()
            verified = await self._verifier.verify(crawler, check.ip, check.asn, now_ms)
            if verified is not None:
                day = (self._tracker.workspace, utc_date(check.clicked_at_ms))
                await self._clicklog.run(
                    day, lambda writer: record_check(writer, check.click_id, verified=verified, at_ms=now_ms)
                )
        except UnavailableError:
            return  # the doctor and alerts report the disk; the click keeps the reason crawler_claimed
        except Exception:
            log.exception("a crawler could not be checked")
