"""Visitors who denied consent after visits on which they had not, in line to have what waits of these called back."""

import logging
from collections.abc import Iterable
from typing import Final, NamedTuple

from tnc.model import ClickId

log = logging.getLogger(__name__)

MOST: Final = 10_000


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
        if len(self._line) >= MOST:
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
