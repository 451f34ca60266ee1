"""What the status of a network means: lead, sale, rejected, an event beside the sale, or unknown."""

from collections.abc import Mapping
from dataclasses import dataclass

from tnc.core.models import STATUSES, ConversionStatus, Network
from tnc.tracking.conversions.postback import Incoming, Meaning

CANONICAL: dict[str, Meaning] = {status: status for status in STATUSES}

# Used only without a mapping: these words are common, not certain. Words that networks use for opposite things
# (accepted, valid, 1, 2) are not among them.
_COMMON: dict[Meaning, str] = {
    "lead": "pending hold on_hold waiting wait new created processing registration",
    "sale": "approved approve confirmed confirm paid purchase completed",
    "rejected": "reject declined decline cancelled canceled cancel trash invalid fraud"
    " refund refunded chargeback reversed reversal",
}
COMMON: dict[str, Meaning] = CANONICAL | {word: meaning for meaning, words in _COMMON.items() for word in words.split()}

# Events that earn beside the sale; as a status each becomes an event of its own.
EVENTS: frozenset[str] = frozenset({"deposit", "trial", "rebill", "upsell"})

# No status goes back to lead, and a rejected conversion stays rejected: a late repeat of the sale must not restore
# it. Only a correction does (a network with `duplicates = "update"`, or a person).
MOVES: frozenset[tuple[ConversionStatus, ConversionStatus]] = frozenset(
    {("lead", "sale"), ("lead", "rejected"), ("sale", "rejected")}
)
CORRECTIONS = MOVES | {("rejected", "sale")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The status and event of a postback, as far as they are known."""

    status: ConversionStatus | None  # None: no mapping has the word
    word: str | None
    event: str | None
    ignored: bool = False  # the URL maps this word to "ignored"


def vocabulary(network: Network | None, meanings: Mapping[str, Meaning]) -> dict[str, Meaning]:
    """Case-folded word -> meaning: the mapping of the network first, then of the URL, then the canonical words."""
    mapped: dict[str, Meaning] = {
        word.casefold(): status for status in STATUSES for word in (network.statuses.get(status, ()) if network else ())
    }
    return (CANONICAL if mapped or meanings else COMMON) | dict(meanings) | mapped


def read_status(incoming: Incoming, network: Network | None) -> Reading:
    """The status and event of a postback. Without a status it is a sale; an unknown status gives None."""
    known = vocabulary(network, incoming.meanings)
    words, event = incoming.status_words, incoming.event
    kind = incoming.type_word
    if kind and kind.casefold() not in known:
        event = event or kind.lower()
    elif kind and not words:
        words = (kind,)
    beside = next((word.lower() for word in words if word.casefold() not in known and word.lower() in EVENTS), None)
    meaning = next((known[word.casefold()] for word in words if word.casefold() in known), None)
    if meaning is None and (beside or not words):
        meaning = "sale"
    return Reading(
        status=None if meaning == "ignored" else meaning,
        word=words[0] if words else None,
        event=event or beside,
        ignored=meaning == "ignored",
    )


def moves_on(before: ConversionStatus | None, after: ConversionStatus, *, correcting: bool) -> bool:
    """Whether a conversion with the status `before` takes the status `after`."""
    if before is None:
        return True
    return (before, after) in (CORRECTIONS if correcting else MOVES)
