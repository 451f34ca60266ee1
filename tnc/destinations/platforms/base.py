"""What every type of destination has to say for itself; each file beside this one says it for one type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tnc.campaigns.destination_schema import TYPES
from tnc.core.clock import DAY_MS
from tnc.core.models import Destination, DestinationType
from tnc.destinations.delivery import Delivery, Why
from tnc.destinations.http import Answer, HttpRequest
from tnc.destinations.platforms.normalize import Normaliser, hashed
from tnc.destinations.verdict import Verdict

Erasure = Literal["letter", "retracted"]
"""What can be asked of a receiver after the fact (spec/privacy 4.8): a letter, or a retraction: the conversion then
counts nothing, but nothing is deleted. No platform has a call that deletes an event.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """How to ask later what became of an accepted request, by the receipt that came with it."""

    build: Callable[[Delivery, str], HttpRequest]
    judge: Callable[[Answer], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A type of destination: how a request is built from deliveries, and what the answer means.

    `build` takes up to `batch` deliveries of one destination and one `lane`, and the time of sending.
    `lacks` says what a click must have to be of use there.
    """

    type: DestinationType
    build: Callable[[Sequence[Delivery], int], HttpRequest]
    judge: Callable[[Answer, Destination], Verdict]
    lacks: Callable[[Delivery], Why | None] = lambda _delivery: None
    lane: Callable[[Delivery], str] = lambda _delivery: ""
    batch: int = 1
    patience_ms: int = 3 * DAY_MS  # how long a delivery is tried
    max_age_ms: int | None = None  # older words are refused there
    settles_ms: int = 0  # a correction is refused there until the conversion is so old
    limited: bool = False  # has a limited-data mode, in which it acts as our service provider only
    corrects: bool = False  # a later word corrects the first one; elsewhere it is an event of its own
    served: bool = False  # the receiver fetches a file: `build` makes it, nothing is sent
    confirmation: Confirmation | None = None
    erasure: Erasure = "letter"

    def their_name(self, delivery: Delivery) -> str:
        """The event name there. The conversion's event wins over its status, but a refund is always a refund."""
        names = {**TYPES[self.type].events, **delivery.destination.events}
        status, event = delivery.conversion.status, delivery.conversion.event
        words = [each for each in ((status,) if status == "rejected" else (event, status)) if each is not None]
        return next((names[each] for each in words if each in names), words[0] if words else "")

    def room(self, destination: Destination) -> int:
        """How many deliveries one request may carry. Test events are sent alone."""
        return 1 if "test_event_code" in destination.settings else self.batch


def person(delivery: Delivery, table: Mapping[str, tuple[str, Normaliser]]) -> dict[str, str]:
    """`table` is parameter -> (field of the platform, its normaliser); the hashes by field."""
    if delivery.consent != "granted" or delivery.mode != "full":
        return {}
    params = delivery.click.visit.params
    found = {}
    for parameter, (theirs, normalise) in table.items():
        if (plain := normalise(params.get(parameter, ""), delivery.country)) is not None:
            found[theirs] = hashed(plain)
    return found
