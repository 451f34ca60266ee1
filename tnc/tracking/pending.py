"""Visitors who denied consent after visits on which they had not, in line to have what waits of these called back."""

import logging
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from tnc.core.models import Click, ClickId

log = logging.getLogger(__name__)

MOST_DENIALS: Final = 10_000


class Denial(NamedTuple):
    """By what earlier visits can be told: the cookie of the browser with its last click, pseudonyms of two days."""

    at_ms: int
    browser_id: str | None
    last_click: ClickId | None
    visitors: tuple[str, ...]


class Denials:
    """Used by the loop alone."""

    def __init__(self) -> None:
        self._line: list[Denial] = []

    def note(self, denial: Denial) -> None:
        if len(self._line) >= MOST_DENIALS:
            log.error("a denial of consent found no room in line")
            return
        self._line.append(denial)

    def give_back(self, denials: Iterable[Denial]) -> None:
        """They could not be seen to now."""
        for denial in denials:
            self.note(denial)

    def take(self) -> list[Denial]:
        """All that came since; the line is empty then."""
        taken, self._line = self._line, []
        return taken


MOST_CHECKS: Final = 1000  # a flood of claims pushes the oldest out; they stay claimed


class Claim(NamedTuple):
    """Who says that it is which crawler, and from where."""

    click_id: ClickId
    clicked_at_ms: int
    crawler: str
    ip: str
    asn: int | None


class Claims:
    """Used by the loop alone."""

    def __init__(self) -> None:
        self._line: deque[Claim] = deque(maxlen=MOST_CHECKS)

    def note(self, click: Click) -> None:
        visit = click.visit
        if visit.bot is not None and visit.ip is not None and "crawler_claimed" in visit.reasons:
            self._line.append(Claim(click.click_id, click.clicked_at_ms, visit.bot, visit.ip, visit.asn))

    def take(self) -> list[Claim]:
        """All that came since; the line is empty then."""
        taken = list(self._line)
        self._line.clear()
        return taken
