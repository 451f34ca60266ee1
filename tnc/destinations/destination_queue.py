"""The open deliveries of one destination by due time, and how many requests may be under way to it.

Pure. Times are milliseconds of the steady clock, which never jumps; they are passed in.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date as Date
from typing import Final, NamedTuple

from tnc.campaigns.platforms.outcome import Outcome, OutcomeKind
from tnc.core.clock import MINUTE_MS
from tnc.destinations.retry import PER_DESTINATION

FAILURES_IN_A_ROW: Final = 10
RECENT: Final = 50
FIRST_PROBE_MS: Final = 30_000
LAST_PROBE_MS: Final = 15 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """Closed: everything is sent. Open: nothing until `not_before_ms`, then one request to try (the probe).

    It opens after `FAILURES_IN_A_ROW` failed requests, or when most of the `RECENT` ones failed. `stopped` is the
    reason why nothing is sent until the operator has acted. A delivery that waits behind it uses up no attempts.
    """

    recent: tuple[bool, ...] = ()  # newest last: whether the request failed
    openings: int = 0  # in a row, without a success between them; 0: closed
    not_before_ms: int = 0
    probing: bool = False
    stopped: str | None = None

    def may_send(self, now_ms: int) -> bool:
        return self.stopped is None and not self.probing and now_ms >= self.not_before_ms

    def sending(self) -> "CircuitBreaker":
        """A request is under way; while the breaker is open it is the only one."""
        return replace(self, probing=self.openings > 0)

    def not_sent(self) -> "CircuitBreaker":
        """The request was not sent after all, so it says nothing about the receiver."""
        return replace(self, probing=False)

    def after(self, outcome: Outcome, now_ms: int, *, scale: float = 1.0) -> "CircuitBreaker":
        """The breaker after an answer. A receiver that refuses an event has not failed."""
        match outcome.kind:
            case "stop":
                return replace(self, stopped=outcome.reason or "stopped", probing=False)
            case "throttled":
                wait = outcome.after_ms if outcome.after_ms is not None else round(outcome.pause_ms * scale)
                return self.paused_until(now_ms + wait)
            case "retry":
                return self._failed(now_ms, scale)
            case "done" | "accepted" | "split" | "drop":
                if self.openings:
                    return CircuitBreaker(stopped=self.stopped)
                return replace(self, recent=(*self.recent, False)[-RECENT:])

    def paused_until(self, until_ms: int) -> "CircuitBreaker":
        """The receiver asked for a wait."""
        return replace(self, not_before_ms=max(self.not_before_ms, until_ms), probing=False)

    def _failed(self, now_ms: int, scale: float) -> "CircuitBreaker":
        if self.openings and not self.probing:
            return self  # this request was sent before the breaker opened
        recent = (*self.recent, True)[-RECENT:]
        mostly = len(recent) == RECENT and sum(recent) > RECENT / 2
        in_a_row = len(recent) >= FAILURES_IN_A_ROW and all(recent[-FAILURES_IN_A_ROW:])
        if not (self.openings or mostly or in_a_row):
            return replace(self, recent=recent)
        wait = round(min(LAST_PROBE_MS, FIRST_PROBE_MS * 2 ** min(self.openings, 10)) * scale)
        return replace(self, recent=recent, openings=self.openings + 1, not_before_ms=now_ms + wait, probing=False)

    def resumed(self) -> "CircuitBreaker":
        """The operator has acted: everything is sent again."""
        return CircuitBreaker()


PROMPT: Final = 24
"""Requests at once to a receiver that answers within `PROMPT_MS`; others get `PER_DESTINATION`."""

BATCHED: Final = 5
"""Requests at once to a platform that takes batches: more would only make more of them meet a refused token."""

PROMPT_MS: Final = 1_000

_SEQ_BITS: Final = 40
_KEY_BITS: Final = _SEQ_BITS + 24

# Of the outcomes of one request, the one that says most about the receiver comes first.
_GRAVITY: Final[tuple[OutcomeKind, ...]] = ("stop", "throttled", "retry", "accepted", "done", "split", "drop")


class QueueKey(NamedTuple):
    """A delivery: the day of its click, and its number in that day's file."""

    date: Date
    seq: int


@dataclass(slots=True)
class DestinationQueue:
    """`width` is how many requests may be under way. It grows by one with each prompt answer and is halved by each
    failure, so that after a start a refused token is met by one request and not by sixteen.
    """

    most: int = PROMPT
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    running: int = 0
    width: int = 1
    _heap: list[int] = field(default_factory=list)  # time and key packed into one int: there may be very many
    _queued: set[int] = field(default_factory=set)  # packed keys

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, key: QueueKey, at_ms: int) -> None:
        """A delivery that is queued already keeps its time: at a start the same one is also read from disk."""
        packed = key.date.toordinal() << _SEQ_BITS | key.seq
        if packed not in self._queued:
            self._queued.add(packed)
            heapq.heappush(self._heap, at_ms << _KEY_BITS | packed)

    def may_start(self, now_ms: int) -> bool:
        due = bool(self._heap) and self._first_ms <= now_ms
        return due and self.running < self.width and self.breaker.may_send(now_ms)

    def starts_ms(self) -> int | None:
        """The earliest time of the next request if nothing else happens; None: time alone will not start one."""
        if not self._heap or self.running >= self.width or self.breaker.probing or self.breaker.stopped is not None:
            return None
        return max(self._first_ms, self.breaker.not_before_ms)

    @property
    def _first_ms(self) -> int:
        return self._heap[0] >> _KEY_BITS

    def take(self, now_ms: int, limit: int) -> list[QueueKey]:
        """The next due deliveries for one request, at most `limit`; one alone while the breaker is open."""
        limit = 1 if self.breaker.openings else limit
        taken: list[QueueKey] = []
        while self._heap and len(taken) < limit and self._first_ms <= now_ms:
            packed = heapq.heappop(self._heap) & ((1 << _KEY_BITS) - 1)
            self._queued.discard(packed)
            taken.append(QueueKey(Date.fromordinal(packed >> _SEQ_BITS), packed & ((1 << _SEQ_BITS) - 1)))
        self.breaker = self.breaker.sending()
        self.running += 1
        return taken

    def learn(self, outcomes: Iterable[Outcome], *, now_ms: int, took_ms: int, scale: float) -> None:
        """After one request, with the outcomes of its deliveries; none: nothing was sent."""
        self.running -= 1
        outcome = min(outcomes, key=lambda each: _GRAVITY.index(each.kind), default=None)
        if outcome is None:
            self.breaker = self.breaker.not_sent()
            return
        self.breaker = self.breaker.after(outcome, now_ms, scale=scale)
        if outcome.kind in ("stop", "throttled", "retry"):
            self.width = max(1, self.width // 2)
        elif took_ms <= PROMPT_MS:
            self.width = min(self.width + 1, self.most)
        else:
            self.width = min(self.width + 1, self.most, PER_DESTINATION)
