"""The anonymous remainder of an erased click, which keeps every total of every report.

It has the owner dimensions (campaign, offer, cost, ...) and nothing about the visitor: no IP address, device, link or
parameter. Times are cut to the quarter of an hour, the finest that reports show, and the id is new.
"""

from collections.abc import Sequence

from tnc.core.clock import QUARTER_MS
from tnc.core.conversions import fold
from tnc.core.models import (
    Click,
    ClickId,
    Conversion,
    ConversionChange,
    ConversionId,
    Event,
    LanderClick,
    Traffic,
    Visit,
)
from tnc.store.days.history import relabelled


def remainder(click: Click, events: Sequence[Event], click_id: ClickId) -> tuple[Click, list[Event]]:
    """The anonymous click and events that replace these. Every sum in every report stays the same."""
    click = relabelled(click, events)
    at_ms = _quarter(click.clicked_at_ms)
    anonymous = Click(
        click_id=click_id,
        clicked_at_ms=at_ms,
        workspace=click.workspace,
        campaign=click.campaign,
        source=click.source,
        flow=click.flow,
        lander=click.lander,
        offer=click.offer,
        network=click.network,
        action=click.action,
        status=click.status,
        filter=click.filter,
        stopped=click.stopped,
        cost_micros=click.cost_micros,
        currency=click.currency,
        config_version=click.config_version,
        imported=click.imported,
        test=click.test,
        erased=True,
        visit=Visit(
            visited_at_ms=at_ms,
            domain=click.visit.domain,
            traffic=_same_count(click.visit.traffic),
            unique_campaign=click.visit.unique_campaign,
        ),
    )
    landers = [_lander(event) for event in events if isinstance(event, LanderClick)]
    counted = [event for event in events if isinstance(event, ConversionChange) and event.origin != "test"]
    conversions = fold(counted)
    return anonymous, [*landers, *(_conversion(each, number) for number, each in enumerate(conversions, start=1))]


def _quarter(time_ms: int) -> int:
    return time_ms // QUARTER_MS * QUARTER_MS


def _same_count(traffic: Traffic) -> Traffic:
    """A class of traffic that is counted in the same way, without the reason for it."""
    return traffic if traffic in ("human", "prefetch") else "suspect"


def _lander(event: LanderClick) -> LanderClick:
    return LanderClick(at_ms=_quarter(event.at_ms), offer=event.offer, network=event.network)


def _conversion(conversion: Conversion, number: int) -> ConversionChange:
    return ConversionChange(
        conversion_id=ConversionId(str(number)),
        at_ms=_quarter(conversion.converted_at_ms),
        status=conversion.status,
        event=conversion.event,
        payout_micros=conversion.payout_micros,
        currency=conversion.currency,
        network=conversion.network,
        cost_micros=conversion.cost_micros,
        cost_currency=conversion.cost_currency,
        origin="import",
    )
