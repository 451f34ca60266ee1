"""What an answer means for a delivery: never the status alone, for a 200 is not a success everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from tnc.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from tnc.destinations.http import Answer

Outcome = Literal["done", "accepted", "retry", "throttled", "split", "drop", "stop"]

SIX_HOURS_MS: Final = 6 * HOUR_MS
LONGEST_WAIT_MS: Final = DAY_MS
"""What a receiver may ask for at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`done`: taken for good. `accepted`: taken, the platform says later what became of it (`receipt` asks).
    `retry`, `throttled`: again later; `throttled` holds the whole destination. `split`: one of the batch is bad,
    send its halves. `drop`: never again. `stop`: nothing goes until the operator has acted.

    `reason` consists of the platform's codes and our own words, so nothing of a person can be in it.
    """

    outcome: Outcome
    reason: str | None = None
    after_ms: int | None = None  # the receiver asked for this wait: it is kept exactly
    pause_ms: int = 0  # we had better wait so long
    receipt: str | None = None
    rows: Mapping[int, "Verdict"] = field(default_factory=dict)  # those that fared otherwise, by place in the batch

    def of_row(self, place: int) -> "Verdict":
        return self.rows.get(place, replace(self, rows={}) if self.rows else self)

    def for_batch(self, size: int) -> "Verdict":
        """A request that is refused for good because of one of many is split; of one alone, that one is dropped."""
        if self.outcome == "drop" and size > 1:
            return replace(self, outcome="split")
        if self.outcome == "split" and size == 1:
            return replace(self, outcome="drop")
        return self


def done(receipt: str | None = None) -> Verdict:
    return Verdict(outcome="done", receipt=receipt)


def drop(reason: str) -> Verdict:
    return Verdict(outcome="drop", reason=reason)


def stop(reason: str) -> Verdict:
    return Verdict(outcome="stop", reason=reason)


def retry(reason: str, answer: Answer | None = None, *, pause_ms: int = 0) -> Verdict:
    after_ms = None if answer is None else retry_after_ms(answer)
    return Verdict(outcome="retry", reason=reason, after_ms=after_ms, pause_ms=pause_ms)


def throttled(reason: str, answer: Answer, *, pause_ms: int = MINUTE_MS) -> Verdict:
    after_ms = retry_after_ms(answer)
    return Verdict(outcome="throttled", reason=reason, after_ms=after_ms, pause_ms=pause_ms if after_ms is None else 0)


def retry_after_ms(answer: Answer) -> int | None:
    """Retry-After in milliseconds: seconds, or a date against the answer's own Date, so no clock of ours matters."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text) * 1000, LONGEST_WAIT_MS)
    try:
        until = parsedate_to_datetime(text)
        wait = until - parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0, min(round(wait.total_seconds()) * 1000, LONGEST_WAIT_MS))


def without_answer(answer: Answer) -> Verdict:
    """Of a request that got none: the network mends itself, a forbidden address does not."""
    if answer.trouble == "forbidden-address":
        return stop("forbidden-address: the host leads inside; allow it in config.toml if this is meant")
    return retry(f"no-answer: {answer.trouble}")


def by_status(answer: Answer) -> Verdict:
    """The meaning of a bare HTTP status, where the platform says nothing more exact."""
    status, reason = answer.status, f"http-{answer.status}"
    if 200 <= status < 300:
        return done()
    if status == 429:
        return throttled(reason, answer)
    if status >= 500 or status in (408, 425):
        return retry(reason, answer)
    if 300 <= status < 400:
        return stop(f"{reason}: redirects are not followed; put the final address")
    if status in (401, 403, 407):
        return stop(f"{reason}: the receiver does not accept us; put new credentials")
    return drop(reason)
