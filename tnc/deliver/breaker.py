"""The circuit breaker of a destination: a receiver that is down is asked now and then, not by everybody.

Pure: the time is passed in, from a clock that never jumps.
"""

from dataclasses import dataclass, replace
from typing import Final

from tnc.deliver.verdict import Verdict

IN_A_ROW: Final = 10
OF_THE_LAST: Final = 50
FIRST_PROBE_MS: Final = 30_000
LAST_PROBE_MS: Final = 15 * 60_000


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
