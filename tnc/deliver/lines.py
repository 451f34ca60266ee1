"""Who goes next: the deliveries that wait, by destination, and how much at once each destination bears.

Pure: times are milliseconds of a clock that never jumps, and are passed in.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from typing import Final, NamedTuple

from tnc.deliver.breaker import Breaker
from tnc.deliver.retry import PER_DESTINATION
from tnc.deliver.verdict import Outcome, Verdict

PROMPT: Final = 24
"""Requests at once to a receiver that answers promptly; others get `PER_DESTINATION`."""

BATCHED: Final = 5
"""Requests at once where one carries many: more would only meet a refused token more often."""

PROMPT_MS: Final = 1_000

_SEQ_BITS: Final = 40
_PLACE_BITS: Final = _SEQ_BITS + 24

# What a request tells of the receiver, the gravest first.
_GRAVITY: Final[tuple[Outcome, ...]] = ("stop", "throttled", "retry", "accepted", "done", "split", "drop")


class Place(NamedTuple):
    """Where a delivery lies: the day of its click, and its number there."""

    date: Date
    seq: int


@dataclass(slots=True)
class Line:
    """One destination. `width` grows with each prompt answer, as a stranger is trusted: so a refused token is met by
    one request and not by sixteen.
    """

    most: int = PROMPT
    breaker: Breaker = field(default_factory=Breaker)
    running: int = 0
    width: int = 1
    _heap: list[int] = field(default_factory=list)  # a time and a place each, as one number: there may be a great many
    _there: set[int] = field(default_factory=set)  # the places alone

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, place: Place, at_ms: int) -> None:
        """What is in line stays where it is: at a start, what comes just then is also read from disk."""
        where = place.date.toordinal() << _SEQ_BITS | place.seq
        if where not in self._there:
            self._there.add(where)
            heapq.heappush(self._heap, at_ms << _PLACE_BITS | where)

    def may_start(self, now_ms: int) -> bool:
        due = bool(self._heap) and self._first_ms <= now_ms
        return due and self.running < self.width and self.breaker.may_send(now_ms)

    def starts_ms(self) -> int | None:
        """When it may start again at the earliest, if nothing happens before; None: not by time alone."""
        if not self._heap or self.running >= self.width or self.breaker.probing or self.breaker.stopped is not None:
            return None
        return max(self._first_ms, self.breaker.not_before_ms)

    @property
    def _first_ms(self) -> int:
        return self._heap[0] >> _PLACE_BITS

    def take(self, now_ms: int, room: int) -> list[Place]:
        """The next ones that are due, for one request; a probe is one alone."""
        room = 1 if self.breaker.openings else room
        taken: list[Place] = []
        while self._heap and len(taken) < room and self._first_ms <= now_ms:
            place = heapq.heappop(self._heap) & ((1 << _PLACE_BITS) - 1)
            self._there.discard(place)
            taken.append(Place(Date.fromordinal(place >> _SEQ_BITS), place & ((1 << _SEQ_BITS) - 1)))
        self.breaker = self.breaker.sending()
        self.running += 1
        return taken

    def learn(self, verdicts: Iterable[Verdict], *, now_ms: int, took_ms: int, scale: float) -> None:
        """What the answer to one request says of the receiver; no verdict: nothing was sent."""
        self.running -= 1
        verdict = min(verdicts, key=lambda each: _GRAVITY.index(each.outcome), default=None)
        if verdict is None:
            self.breaker = self.breaker.unsent()
            return
        self.breaker = self.breaker.after(verdict, now_ms, scale=scale)
        if verdict.outcome in ("stop", "throttled", "retry"):
            self.width = max(1, self.width // 2)
        elif took_ms <= PROMPT_MS:
            self.width = min(self.width + 1, self.most)
        else:
            self.width = min(self.width + 1, self.most, PER_DESTINATION)
