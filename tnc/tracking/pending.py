"""Visitors who denied consent after visits on which they had not, in line to have what waits of these called back."""

import logging
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from tnc.core.models import Click, ClickId

log = logging.getLogger(__name__)

MOST_WITHDRAWALS: Final = 10_000


class PendingWithdrawal(NamedTuple):
    """By what earlier visits can be told: the cookie of the browser with its last click, pseudonyms of two days."""

    at_ms: int
    browser_id: str | None
    last_click: ClickId | None
    visitors: tuple[str, ...]


class PendingWithdrawals:
    """Used by the loop alone."""

    def __init__(self) -> None:
        self._line: list[PendingWithdrawal] = []

    def note(self, denial: PendingWithdrawal) -> None:
        if len(self._line) >= MOST_WITHDRAWALS:
            log.error("a denial of consent found no room in line")
            return
        self._line.append(denial)

    def give_back(self, pending_withdrawals: Iterable[PendingWithdrawal]) -> None:
        """They could not be seen to now."""
        for denial in pending_withdrawals:
            self.note(denial)

    def take(self) -> list[PendingWithdrawal]:
        """All that came since; the line is empty then."""
        taken, self._line = self._line, []
        return taken


MOST_CHECKS: Final = 1000  # a flood of claims pushes the oldest out; they stay claimed


class PendingCrawlerCheck(NamedTuple):
    """Who says that it is which crawler, and from where."""

    click_id: ClickId
    clicked_at_ms: int
    crawler: str
    ip: str
    asn: int | None


class PendingCrawlerChecks:
    """Used by the loop alone."""

    def __init__(self) -> None:
        self._line: deque[PendingCrawlerCheck] = deque(maxlen=MOST_CHECKS)

    def note(self, click: Click) -> None:
        visit = click.visit
        if visit.bot is not None and visit.ip is not None and "crawler_claimed" in visit.reasons:
            self._line.append(PendingCrawlerCheck(click.click_id, click.clicked_at_ms, visit.bot, visit.ip, visit.asn))

    def take(self) -> list[PendingCrawlerCheck]:
        """All that came since; the line is empty then."""
        taken = list(self._line)
        self._line.clear()
        return taken
