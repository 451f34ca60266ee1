"""What is left of an erased click: the owner's side of it, so that no total moves.

Nothing of the visitor stays: where, with what and by which link he came is gone, times are cut to the quarter
of an hour (the finest that any report shows), and the id is new.
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
    """The click and its events as they stay; every sum of every report is the same with them."""
    click = relabelled(click, events)
    at_ms = _quarter(click.clicked_at_ms)
    left = Click(
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
            traffic=_counted_as(click.visit.traffic),
            unique_campaign=click.visit.unique_campaign,
        ),
    )
    landers = [_lander(event) for event in events if isinstance(event, LanderClick)]
    counted = [event for event in events if isinstance(event, ConversionChange) and event.origin != "test"]
    conversions = fold(counted)
    return left, [*landers, *(_conversion(each, number) for number, each in enumerate(conversions, start=1))]


def _quarter(time_ms: int) -> int:
    return time_ms // QUARTER_MS * QUARTER_MS


def _counted_as(traffic: Traffic) -> Traffic:
    """Whether it counts as a visit and as a valid one; not why."""
    return traffic if traffic in ("human", "prefetch") else "suspect"


def _lander(event: LanderClick) -> LanderClick:
    return LanderClick(at_ms=_quarter(event.at_ms), offer=event.offer, network=event.network)


def _conversion(present: Conversion, number: int) -> ConversionChange:
    return ConversionChange(
        conversion_id=ConversionId(str(number)),
        at_ms=_quarter(present.converted_at_ms),
        status=present.status,
        event=present.event,
        payout_micros=present.payout_micros,
        currency=present.currency,
        network=present.network,
        cost_micros=present.cost_micros,
        cost_currency=present.cost_currency,
        origin="import",
    )
