"""Stores what happens to a click after it was recorded: lander clicks, crawler checks, page signals, withdrawals.

Each function runs inside the transaction of the writer, so nothing changes between reading and writing.
"""

from collections.abc import Callable
from typing import Literal

from tnc.core.models import ClickId, LabelChange, LanderClick, NetworkId, OfferId, Traffic, Withdrawal
from tnc.store.days.history import relabelled
from tnc.store.days.writer import DayWriter
from tnc.visitors.traffic import classify_after_check, classify_with_reason


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
    """Store that the visitor clicked through to an offer; False when their last lander click went to the same offer."""
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
    """Store whether a declared crawler is the one it names; False when that changes nothing."""
    return _relabel(writer, click_id, at_ms, lambda reasons: classify_after_check(reasons, verified=verified), verified)


def record_sign(writer: DayWriter, click_id: ClickId, sign: str, *, at_ms: int) -> bool:
    """Store a signal from the page's script; False when it is stored already."""
    return _relabel(writer, click_id, at_ms, lambda reasons: classify_with_reason(reasons, sign), None)


def record_withdrawal(writer: DayWriter, click_seq: int, *, at_ms: int) -> int:
    """Store that the visitor denied consent after a click, and cancel its waiting deliveries; gives how many."""
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
    verified: bool | None,  # noqa: FBT001 - of a crawler; None: as before
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
