"""What is written about a click after it was made: the same work for a server and for a command.

Each function runs inside the writer's transaction, where nobody else can come between looking and writing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tnc.core.models import (
    Click,
    ClickId,
    Configuration,
    ConversionChange,
    ConversionId,
    LabelChange,
    LanderClick,
    NetworkId,
    OfferId,
    Traffic,
    Withdrawal,
)
from tnc.destinations.enqueue import enqueue
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.history import as_told, click_history, relabelled
from tnc.store.days.writer import DayWriter
from tnc.tracking.conversions.networks import network_of, refusal
from tnc.tracking.conversions.postback import Incoming
from tnc.tracking.conversions.settle import Origin, Outcome, judge_conversion
from tnc.visitors.traffic import classify_after_check, classify_with_reason

UNMAPPED = "words without a mapping"
"""Name of the number that a day counts them under, so that a new mapping knows where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedConversion:
    """What became of a word about a conversion. `outcome` is None when it was refused."""

    click: Click | None
    offer: OfferId | None
    outcome: Outcome | None
    event_seq: int = -1  # number of the word, where it was stored
    deliveries: Sequence[DeliveryRow] = ()  # what has to be told of it, stored with it
    refused: Literal["unknown click"] | str | None  # noqa: PYI051 - the one word that has a status of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who says something about a conversion. A person at the command line needs no network's key."""

    origin: Origin
    peer_ip: str | None = None


def record_conversion(
    writer: DayWriter,
    incoming: Incoming,
    *,
    configuration: Configuration,
    caller: Caller,
    now_ms: int,
    new_id: Callable[[], ConversionId],
) -> RecordedConversion:
    found = writer.find(incoming.click_id)
    if found is None:
        return RecordedConversion(click=None, offer=None, outcome=None, refused="unknown click")
    seq, click = found
    events = writer.events_of(seq)
    so_far = click_history(click, events)
    offer = configuration.offers.get(so_far.offer) if so_far.offer is not None else None
    network = network_of(offer=offer, recorded=so_far.network, named=incoming.network, networks=configuration.networks)
    if caller.peer_ip is not None:
        refused = refusal(network, key=incoming.key, peer_ip=caller.peer_ip)
        if refused is not None:
            return RecordedConversion(click=click, offer=so_far.offer, outcome=None, refused=refused)
    changes = [event for event in events if isinstance(event, ConversionChange)]
    outcome = judge_conversion(
        incoming,
        existing=changes,
        network=network,
        offer=offer,
        campaign=configuration.campaigns.get(click.campaign),
        now_ms=now_ms,
        new_id=new_id,
        origin=caller.origin,
    )
    if outcome.change is None:
        return RecordedConversion(click=click, offer=so_far.offer, outcome=outcome, refused=None)
    event_seq, deliveries = store_change(
        writer, seq, click, [*changes, outcome.change], configuration=configuration, now_ms=now_ms
    )
    return RecordedConversion(
        click=click, offer=so_far.offer, outcome=outcome, event_seq=event_seq, deliveries=deliveries, refused=None
    )


def store_change(
    writer: DayWriter,
    click_seq: int,
    click: Click,
    changes: Sequence[ConversionChange],
    *,
    configuration: Configuration,
    now_ms: int,
) -> tuple[int, list[DeliveryRow]]:
    """Store the last of a click's changes, and with it what has to be told of it.

    Returns its number, and what is in line.
    """
    event_seq = writer.add_event(click_seq, changes[-1])
    if changes[-1].status is None:
        writer.count(UNMAPPED, 1)
    deliveries = enqueue(
        writer,
        click_seq=click_seq,
        click=as_told(click, writer.events_of(click_seq)),
        changes=changes,
        event_seq=event_seq,
        configuration=configuration,
        now_ms=now_ms,
    )
    return event_seq, deliveries


def record_lander_click(
    writer: DayWriter,
    click_id: ClickId,
    *,
    at_ms: int,
    offer: OfferId | None,
    network: NetworkId | None,
    number: int | None,
    found_by: Literal["cid", "cookie", "visitor"],
) -> bool:
    """Remember that somebody went on to an offer; a second click to the same offer is no news: False."""
    found = writer.find(click_id)
    if found is None:
        return False
    seq, _ = found
    before = [event for event in writer.events_of(seq) if isinstance(event, LanderClick)]
    if before and before[-1].offer == offer:
        return False
    writer.add_event(seq, LanderClick(at_ms=at_ms, offer=offer, network=network, number=number, found_by=found_by))
    return True


def record_check(writer: DayWriter, click_id: ClickId, *, verified: bool, at_ms: int) -> bool:
    """Remember whether a declared crawler is the one it says it is; False where that is no news."""
    return _relabel(writer, click_id, at_ms, lambda reasons: classify_after_check(reasons, verified=verified), verified)


def record_sign(writer: DayWriter, click_id: ClickId, sign: str, *, at_ms: int) -> bool:
    """Remember what a page saw of its visitor; False where that is no news."""
    return _relabel(writer, click_id, at_ms, lambda reasons: classify_with_reason(reasons, sign), None)


def record_withdrawal(writer: DayWriter, click_seq: int, *, at_ms: int) -> int:
    """Remember that a visitor denied consent after a click, and call back what was to be told of it; how much."""
    click = writer.click(click_seq)
    if click is None or click.visit.consent == "denied" or click.clicked_at_ms > at_ms:
        return 0
    if any(isinstance(event, Withdrawal) for event in writer.events_of(click_seq)):
        return 0
    writer.add_event(click_seq, Withdrawal(at_ms=at_ms))
    return writer.deliveries.cancel(click_seq, reason="consent-denied", now_ms=at_ms)


_Reasons = tuple[str, ...]


def _relabel(
    writer: DayWriter,
    click_id: ClickId,
    at_ms: int,
    label: Callable[[_Reasons], tuple[Traffic, _Reasons]],
    verified: bool | None,  # noqa: FBT001 - whether a crawler is one; None: as it was
) -> bool:
    found = writer.find(click_id)
    if found is None:
        return False
    seq, click = found
    visit = relabelled(click, writer.events_of(seq)).visit
    traffic, reasons = label(visit.reasons)
    if reasons == visit.reasons:
        return False
    known = visit.crawler_verified if verified is None else verified
    writer.add_event(seq, LabelChange(at_ms=at_ms, traffic=traffic, reasons=reasons, crawler_verified=known))
    return True
