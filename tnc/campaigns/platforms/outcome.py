"""What a platform's answer means for the deliveries that were sent. HTTP 200 alone does not mean success everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from tnc.campaigns.platforms.messages import Answer
from tnc.core.clock import DAY_MS, HOUR_MS

OutcomeKind = Literal["done", "accepted", "retry", "throttled", "split", "drop", "stop"]

SIX_HOURS_MS: Final = 6 * HOUR_MS
LONGEST_WAIT_MS: Final = DAY_MS
"""The longest wait that a platform may ask for; longer ones are cut to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`done`: taken. `accepted`: taken, the platform decides later (`receipt` asks for the decision).
    `retry`: send again later. `throttled`: the same, and nothing else goes to this destination until then.
    `split`: one event of the batch is bad, send its halves. `drop`: never send again.
    `stop`: send nothing to this destination until the operator has acted.

    `reason` is made of the platform's codes and tnc's own words, never of a text that could hold personal data.
    """

    kind: OutcomeKind
    reason: str | None = None
    after_ms: int | None = None  # the wait that the platform asked for: kept exactly
    pause_ms: int = 0  # the shortest wait that makes sense, when the platform named none
    receipt: str | None = None
    rows: Mapping[int, "Outcome"] = field(default_factory=dict)  # events with another outcome, by index in the batch

    def of_row(self, index: int) -> "Outcome":
        return self.rows.get(index, replace(self, rows={}) if self.rows else self)

    def for_batch(self, size: int) -> "Outcome":
        """A `drop` of several is a `split`, because one bad event fails a batch; a `split` of one is a `drop`."""
        if self.kind == "drop" and size > 1:
            return replace(self, kind="split")
        if self.kind == "split" and size == 1:
            return replace(self, kind="drop")
        return self


def done(receipt: str | None = None) -> Outcome:
    return Outcome(kind="done", receipt=receipt)


def drop(reason: str) -> Outcome:
    return Outcome(kind="drop", reason=reason)


def stop(reason: str) -> Outcome:
    return Outcome(kind="stop", reason=reason)


def retry(reason: str, answer: Answer | None = None, *, pause_ms: int = 0) -> Outcome:
    after_ms = None if answer is None else retry_after_ms(answer)
    return Outcome(kind="retry", reason=reason, after_ms=after_ms, pause_ms=pause_ms)


def throttled(reason: str, answer: Answer, *, pause_ms: int = 60_000) -> Outcome:
    after_ms = retry_after_ms(answer)
    return Outcome(kind="throttled", reason=reason, after_ms=after_ms, pause_ms=pause_ms if after_ms is None else 0)


def retry_after_ms(answer: Answer) -> int | None:
    """Retry-After in milliseconds: seconds, or a date relative to the answer's own Date header."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text) * 1000, LONGEST_WAIT_MS)
    try:
        until = parsedate_to_datetime(text)
        wait = until - parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0, min(round(wait.total_seconds()) * 1000, LONGEST_WAIT_MS))


def without_answer(answer: Answer) -> Outcome:
    """When no answer came: a broken network passes, a forbidden address does not."""
    if answer.trouble == "forbidden-address":
        return stop(
            "forbidden-address: the host is an internal address; add it to [outbound] allow_hosts in config.toml if "
            "this is meant"
        )
    return retry(f"no-answer: {answer.trouble}")


def by_status(answer: Answer) -> Outcome:
    """The meaning of the HTTP status alone, for platforms that say nothing more exact."""
    status, reason = answer.status, f"http-{answer.status}"
    if 200 <= status < 300:
        return done()
    if status == 429:
        return throttled(reason, answer)
    if status >= 500 or status in (408, 425):
        return retry(reason, answer)
    if 300 <= status < 400:
        return stop(f"{reason}: redirects are not followed; use the final address")
    if status in (401, 403, 407):
        return stop(f"{reason}: the receiver refuses the credentials; replace them")
    return drop(reason)
