"""Declared crawlers whose claim no list could decide, in line for a check after their answer."""

from collections import deque
from typing import Final, NamedTuple

from tnc.model import Click, ClickId

MOST: Final = 1000  # a flood of claims pushes the oldest out; they stay claimed


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
        self._line: deque[Claim] = deque(maxlen=MOST)

    def note(self, click: Click) -> None:
        visit = click.visit
        if visit.bot is not None and visit.ip is not None and "crawler_claimed" in visit.reasons:
            self._line.append(Claim(click.click_id, click.clicked_at_ms, visit.bot, visit.ip, visit.asn))

    def take(self) -> list[Claim]:
        """All that came since; the line is empty then."""
        taken = list(self._line)
        self._line.clear()
        return taken
