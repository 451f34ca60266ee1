"""What becomes of a call: a new conversion, a change of one, a duplicate, or a word to be mapped later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tnc.core.conversions import fold
from tnc.core.models import Campaign, Conversion, ConversionChange, ConversionId, ConversionStatus, Network, Offer
from tnc.core.money import micros
from tnc.tracking.conversions.postback import Incoming
from tnc.tracking.conversions.statuses import Reading, moves_on, read_status


def conversion_cost(
    campaign: Campaign | None,
    *,
    event: str | None,
    status: ConversionStatus | None,
    payout_micros: int | None,
    currency: str | None,
) -> tuple[int | None, str | None]:
    """Micros and currency; (None, None) where this campaign owes nothing for this conversion (yet).

    `cpa` is owed for a lead or a sale, once and not again for events beside it; `revshare` is a
    share of what every sale and event earns. What was rejected costs 0.
    """
    cost = campaign.cost if campaign else None
    if cost is None or cost.amount is None or status is None:
        return None, None
    if cost.model == "cpa" and event is None:
        return (0 if status == "rejected" else micros(cost.amount)), cost.currency
    if cost.model == "revshare" and status != "lead" and payout_micros is not None:
        return (0 if status == "rejected" else round(payout_micros * Decimal(str(cost.amount)))), currency
    return None, None


Origin = Literal["postback", "hand", "import", "pixel", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The verdict on one call; `change` is what must be stored before the call may be answered."""

    kind: Literal["new", "changed", "duplicate", "unmapped", "ignored"]
    change: ConversionChange | None
    before: Conversion | None  # the conversion that the call was about, as it was
    after: Conversion | None  # and as it is with the change
    note: str  # for the inbox: what happened, and what to do where something can be done

    @property
    def answer(self) -> Literal["ok", "duplicate"]:
        """The plain text that is answered with 200."""
        return "duplicate" if self.kind == "duplicate" else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One call with everything needed to judge it."""

    incoming: Incoming
    reading: Reading
    network: Network | None
    offer: Offer | None
    campaign: Campaign | None
    at_ms: int
    origin: Origin

    @property
    def accepts_all(self) -> bool:
        return self.network is not None and self.network.duplicates == "accept"

    @property
    def correcting(self) -> bool:
        """A person who names a conversion again means to correct it, whatever the network's policy is."""
        return self.origin == "hand" or (self.network is not None and self.network.duplicates == "update")


def judge_conversion(
    incoming: Incoming,
    *,
    existing: Sequence[ConversionChange],
    network: Network | None,
    offer: Offer | None,
    campaign: Campaign | None,
    now_ms: int,
    new_id: Callable[[], ConversionId],
    origin: Origin = "postback",
) -> Outcome:
    """Judge a call about a click whose conversion changes so far are `existing`, oldest first.

    `network` is the one that `networks.network_of` found, `offer` the one that the click was sent
    to. A test and a conversion that is none are never taken for the same. Nothing is changed here:
    storing `Outcome.change` is left to the caller, who must let no other call about the same click
    in between.
    """
    case = _Case(
        incoming=incoming,
        reading=read_status(incoming, network),
        network=network,
        offer=offer,
        campaign=campaign,
        at_ms=now_ms if incoming.converted_at_ms is None else incoming.converted_at_ms,
        origin=origin,
    )
    if case.reading.ignored:
        return Outcome(kind="ignored", change=None, before=None, after=None, note="The URL says to ignore this status.")
    known = _find(case, fold(each for each in existing if (each.origin == "test") == (origin == "test")))
    return _first_word(case, new_id()) if known is None else _further_word(case, known)


def _find(case: _Case, conversions: Sequence[Conversion]) -> Conversion | None:
    """The conversion that the call is about: same click, event and txid; without a txid, click and event."""
    txid = case.incoming.txid
    same = [conversion for conversion in conversions if conversion.event == case.reading.event]
    exact = [conversion for conversion in same if conversion.txid == txid]
    if case.accepts_all:
        return _find_accepted(case, exact)
    candidates = exact if exact or txid is not None else same
    return candidates[-1] if candidates else None


def _find_accepted(case: _Case, exact: Sequence[Conversion]) -> Conversion | None:
    """Where every call is a new conversion, only a person's correction by txid and a file that is
    imported again are about one that is known.
    """
    if case.origin == "hand" and case.incoming.txid is not None:
        return exact[-1] if exact else None
    if case.origin == "import":
        payout, _ = _payout(case, None)
        alike = (conversion for conversion in exact if _first_said(conversion) == (case.reading.word, payout))
        return next(alike, None)
    return None


def _first_said(conversion: Conversion) -> tuple[str | None, int | None]:
    return conversion.history[0].status_word, conversion.history[0].payout_micros


def _first_word(case: _Case, conversion_id: ConversionId) -> Outcome:
    change = _change(case, conversion_id, None)
    (after,) = fold([change])
    if change.status is None:
        return Outcome(kind="unmapped", change=change, before=None, after=after, note=_how_to_map(case))
    return Outcome(kind="new", change=change, before=None, after=after, note="A new conversion.")


def _further_word(case: _Case, known: Conversion) -> Outcome:
    if case.reading.status is None:
        return _unmapped_again(case, known)
    if _is_read_again(case, known) or not _is_news(case, known, case.reading.status):
        return _duplicate(known, _why_duplicate(case, known))
    change = _change(case, known.conversion_id, known)
    return _appended("changed", change, known, _what_changed(known, change))


def _what_changed(known: Conversion, change: ConversionChange) -> str:
    if known.status != change.status:
        return f"{known.status or 'unmapped'} became {change.status}."
    return "Its payout or currency was corrected."


def _is_news(case: _Case, known: Conversion, status: ConversionStatus) -> bool:
    if moves_on(known.status, status, correcting=case.correcting):
        return True
    paid_otherwise = _payout(case, known) != (known.payout_micros, known.currency)
    return case.correcting and status == known.status and paid_otherwise


def _is_read_again(case: _Case, known: Conversion) -> bool:
    """The line of a file that was imported before: a second run must not replay what became of it since."""
    incoming = case.incoming
    return case.origin == "import" and any(
        change.origin == "import"
        and _folded(change.status_word) == _folded(case.reading.word)
        and incoming.payout_micros in (None, change.payout_micros)
        and incoming.converted_at_ms in (None, change.at_ms)
        for change in known.history
    )


def _unmapped_again(case: _Case, known: Conversion) -> Outcome:
    word = _folded(case.reading.word)
    if any(_folded(change.status_word) == word for change in known.history):
        return _duplicate(known, "The same word about the same conversion, still without a mapping.")
    return _appended("unmapped", _change(case, known.conversion_id, known), known, _how_to_map(case))


def _folded(word: str | None) -> str:
    return (word or "").casefold()


def _appended(kind: Literal["changed", "unmapped"], change: ConversionChange, known: Conversion, note: str) -> Outcome:
    (after,) = fold([*known.history, change])
    return Outcome(kind=kind, change=change, before=known, after=after, note=note)


def _duplicate(known: Conversion, note: str) -> Outcome:
    return Outcome(kind="duplicate", change=None, before=known, after=known, note=note)


def _why_duplicate(case: _Case, known: Conversion) -> str:
    if case.reading.status != known.status:
        return f"What is {known.status} does not become {case.reading.status} again."
    if _payout(case, known) != (known.payout_micros, known.currency):
        return 'Known already, with another payout: duplicates = "update" would take the new one.'
    return "Known already."


def _how_to_map(case: _Case) -> str:
    where = f"network {case.network.id}" if case.network else "the offer's network"
    return f"No mapping knows this status: add the word to `statuses` of {where}, and it will count."


def _payout(case: _Case, known: Conversion | None) -> tuple[int | None, str | None]:
    """What is paid, and in which currency: what the call says, else what is known, else the offer's.

    The offer's payout is for the conversion itself; an event beside it earns only what the postback names.
    """
    incoming, offer = case.incoming, case.offer
    offered = None if offer is None or offer.payout == "from-postback" else micros(offer.payout)
    if incoming.payout_micros is not None:
        usual = (known.currency if known else None) or (offer.currency if offer else None)
        return incoming.payout_micros, incoming.currency or usual
    if known is not None:
        return known.payout_micros, known.currency
    if offered is not None and offer is not None and case.reading.event is None:
        return offered, offer.currency
    return None, incoming.currency or (offer.currency if offer else None)


def _change(case: _Case, conversion_id: ConversionId, known: Conversion | None) -> ConversionChange:
    status = case.reading.status
    event = known.event if known else case.reading.event
    payout_micros, currency = _payout(case, known)
    cost_micros, cost_currency = conversion_cost(
        case.campaign, event=event, status=status, payout_micros=payout_micros, currency=currency
    )
    return ConversionChange(
        conversion_id=conversion_id,
        at_ms=case.at_ms,
        status=status,
        status_word=case.reading.word,
        event=event,
        payout_micros=payout_micros,
        currency=currency,
        txid=case.incoming.txid or (known.txid if known else None),
        network=case.network.id if case.network else (known.network if known else None),
        cost_micros=cost_micros,
        cost_currency=cost_currency,
        origin=case.origin,
    )
