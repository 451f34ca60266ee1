"""What the click path leaves for later: withdrawals of consent, and declared crawlers to check.

Both queues are used on the event loop only.
"""

import logging
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from tnc.core.models import Click, ClickId

log = logging.getLogger(__name__)

MAX_WITHDRAWALS: Final = 10_000


class PendingWithdrawal(NamedTuple):
    """Consent was denied at `at_ms`. Earlier visits are found by the cookie, or by the pseudonyms of two days."""

    at_ms: int
    browser_id: str | None
    last_click: ClickId | None  # of the cookie
    visitors: tuple[str, ...]


class PendingWithdrawals:
    def __init__(self) -> None:
        self._queue: list[PendingWithdrawal] = []

    def add(self, withdrawal: PendingWithdrawal) -> None:
        if len(self._queue) >= MAX_WITHDRAWALS:
            log.error("a withdrawal of consent was dropped: the queue is full")
            return
        self._queue.append(withdrawal)

    def put_back(self, withdrawals: Iterable[PendingWithdrawal]) -> None:
        """Try them again later."""
        for withdrawal in withdrawals:
            self.add(withdrawal)

    def take(self) -> list[PendingWithdrawal]:
        """Empty the queue."""
        taken, self._queue = self._queue, []
        return taken


MAX_CHECKS: Final = 1000  # in a flood the oldest are dropped; their clicks keep the reason crawler_claimed


class PendingCrawlerCheck(NamedTuple):
    """A click whose user agent names a crawler, and the address it came from."""

    click_id: ClickId
    clicked_at_ms: int
    crawler: str
    ip: str
    asn: int | None


class PendingCrawlerChecks:
    def __init__(self) -> None:
        self._queue: deque[PendingCrawlerCheck] = deque(maxlen=MAX_CHECKS)

    def add(self, click: Click) -> None:
        """Only clicks with the reason `crawler_claimed` are queued."""
        visit = click.visit
        if visit.bot is not None and visit.ip is not None and "crawler_claimed" in visit.reasons:
            self._queue.append(PendingCrawlerCheck(click.click_id, click.clicked_at_ms, visit.bot, visit.ip, visit.asn))

    def take(self) -> list[PendingCrawlerCheck]:
        """Empty the queue."""
        taken = list(self._queue)
        self._queue.clear()
        return taken
