"""Words that nobody understood, understood later: a new mapping reaches back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from tnc.conversions.cost import conversion_cost
from tnc.conversions.incoming import Meaning
from tnc.conversions.present import fold
from tnc.conversions.status import moves_on, vocabulary
from tnc.model import Campaign, Conversion, ConversionChange, ConversionStatus, Network


def remap(
    changes: Iterable[ConversionChange], *, network: Network | None, campaign: Campaign | None, now_ms: int
) -> tuple[ConversionChange, ...]:
    """The changes to append to those of one click, so that it stands as if `network`'s present
    mapping had been there from the start. Empty when nothing differs: doing it twice is doing it once.
    """
    known = vocabulary(network, {})
    correcting = network is not None and network.duplicates == "update"
    appended = []
    for conversion in fold(changes):
        if all(change.status is not None for change in conversion.history):
            continue  # every word was understood when it came: there is nothing to read anew
        said = _last_said(conversion, known, correcting=correcting)
        if said is not None and said.status != conversion.status:
            appended.append(_change(conversion, said, campaign, now_ms))
    return tuple(appended)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    status: ConversionStatus
    change: ConversionChange


def _last_said(conversion: Conversion, known: Mapping[str, Meaning], *, correcting: bool) -> _Said | None:
    """The last word that decides, when every word is taken in the order in which it came."""
    decided: _Said | None = None
    unmapped: set[str] = set()
    for change in conversion.history:
        word = (change.status_word or "").casefold()
        meaning: Meaning | None = change.status
        if change.status is None:
            unmapped.add(word)
            meaning = known.get(word)
        elif word in unmapped:
            continue  # was appended when the word was mapped; it is taken where it was first said
        if meaning is None or meaning == "ignored":
            continue
        before = decided.status if decided else None
        if moves_on(before, meaning, correcting=correcting or change.origin == "hand"):
            decided = _Said(status=meaning, change=change)
    return decided


def _change(conversion: Conversion, said: _Said, campaign: Campaign | None, now_ms: int) -> ConversionChange:
    paid = said.change if said.change.payout_micros is not None else conversion
    cost_micros, cost_currency = conversion_cost(
        campaign,
        event=conversion.event,
        status=said.status,
        payout_micros=paid.payout_micros,
        currency=paid.currency,
    )
    return replace(
        said.change,
        at_ms=now_ms,
        status=said.status,
        payout_micros=paid.payout_micros,
        currency=paid.currency,
        cost_micros=cost_micros,
        cost_currency=cost_currency,
    )
