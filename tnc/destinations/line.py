"""Who goes next: the deliveries that wait, by destination, and how much at once each destination bears.

Pure: times are milliseconds of a clock that never jumps, and are passed in.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date as Date
from typing import Final, NamedTuple

from tnc.core.clock import MINUTE_MS
from tnc.destinations.retry import PER_DESTINATION
from tnc.destinations.verdict import Outcome, Verdict

IN_A_ROW: Final = 10
OF_THE_LAST: Final = 50
FIRST_PROBE_MS: Final = 30_000
LAST_PROBE_MS: Final = 15 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Closed: everything goes. Open: nothing until `not_before_ms`, then one request to see (the probe).

    `stopped` holds the reason why nothing goes until the operator has acted. An open breaker spends no attempts.
    """

    recent: tuple[bool, ...] = ()  # newest last: whether the request failed
    openings: int = 0  # in a row, without a success between them; 0: closed
    not_before_ms: int = 0
    probing: bool = False
    stopped: str | None = None

    def may_send(self, now_ms: int) -> bool:
        return self.stopped is None and not self.probing and now_ms >= self.not_before_ms

    def sending(self) -> "Breaker":
        """A request is under way; behind an open breaker it is the only one."""
        return replace(self, probing=self.openings > 0)

    def unsent(self) -> "Breaker":
        """What was to be sent was not: nothing was learnt."""
        return replace(self, probing=False)

    def after(self, verdict: Verdict, now_ms: int, *, scale: float = 1.0) -> "Breaker":
        """What the breaker is after an answer. A refusal of what was sent is no failure of the receiver."""
        match verdict.outcome:
            case "stop":
                return replace(self, stopped=verdict.reason or "stopped", probing=False)
            case "throttled":
                wait = verdict.after_ms if verdict.after_ms is not None else round(verdict.pause_ms * scale)
                return self.left_alone(now_ms + wait)
            case "retry":
                return self._failed(now_ms, scale)
            case "done" | "accepted" | "split" | "drop":
                if self.openings:
                    return Breaker(stopped=self.stopped)
                return replace(self, recent=(*self.recent, False)[-OF_THE_LAST:])

    def left_alone(self, until_ms: int) -> "Breaker":
        """The receiver asked for a wait."""
        return replace(self, not_before_ms=max(self.not_before_ms, until_ms), probing=False)

    def _failed(self, now_ms: int, scale: float) -> "Breaker":
        if self.openings and not self.probing:
            return self  # it left before the breaker opened
        recent = (*self.recent, True)[-OF_THE_LAST:]
        mostly = len(recent) == OF_THE_LAST and sum(recent) > OF_THE_LAST / 2
        in_a_row = len(recent) >= IN_A_ROW and all(recent[-IN_A_ROW:])
        if not (self.openings or mostly or in_a_row):
            return replace(self, recent=recent)
        wait = round(min(LAST_PROBE_MS, FIRST_PROBE_MS * 2 ** min(self.openings, 10)) * scale)
        return replace(self, recent=recent, openings=self.openings + 1, not_before_ms=now_ms + wait, probing=False)

    def resumed(self) -> "Breaker":
        """The operator acted: everything goes again."""
        return Breaker()


PROMPT: Final = 24
"""Requests at once to a receiver that answers promptly; others get `PER_DESTINATION`."""

BATCHED: Final = 5
"""Requests at once where one carries many: more would only meet a refused token more often."""

PROMPT_MS: Final = 1_000

_SEQ_BITS: Final = 40
_PLACE_BITS: Final = _SEQ_BITS + 24

# What a request tells of the receiver, the gravest first.
_GRAVITY: Final[tuple[Outcome, ...]] = ("stop", "throttled", "retry", "accepted", "done", "split", "drop")


class QueueKey(NamedTuple):
    """Where a delivery lies: the day of its click, and its number there."""

    date: Date
    seq: int


@dataclass(slots=True)
class DestinationQueue:
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

    def add(self, place: QueueKey, at_ms: int) -> None:
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

    def take(self, now_ms: int, room: int) -> list[QueueKey]:
        """The next ones that are due, for one request; a probe is one alone."""
        room = 1 if self.breaker.openings else room
        taken: list[QueueKey] = []
        while self._heap and len(taken) < room and self._first_ms <= now_ms:
            place = heapq.heappop(self._heap) & ((1 << _PLACE_BITS) - 1)
            self._there.discard(place)
            taken.append(QueueKey(Date.fromordinal(place >> _SEQ_BITS), place & ((1 << _SEQ_BITS) - 1)))
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
