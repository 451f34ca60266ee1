"""Makes deliveries of a conversion's changes: rows for the day file, and deliveries from rows."""

from collections.abc import Sequence
from dataclasses import replace

from tnc.campaigns.destination_schema import all_destinations, destinations_of
from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.conversions import fold
from tnc.core.models import Click, Configuration, Conversion, ConversionChange, ConversionId, DeliveryState, Destination
from tnc.destinations.eligibility import DueEvent, due_event, skip_reason
from tnc.destinations.retry import expires_ms, first_attempt_ms
from tnc.store.days.deliveries import DeliveryRecord, DeliveryRow
from tnc.store.days.writer import DayWriter


def enqueue(
    writer: DayWriter,
    *,
    click_seq: int,
    click: Click,
    changes: Sequence[ConversionChange],
    event_seq: int,
    configuration: Configuration,
    now_ms: int,
) -> list[DeliveryRow]:
    """Add the deliveries that the newest of `changes` makes due, and return those that are queued.

    Runs in the transaction that stores this change as `event_seq`; `changes` are all those of the click. What may not
    be sent becomes a row as well, in the state `dropped`, so that `tnc destination log` says why.
    """
    campaign = configuration.campaigns.get(click.campaign)
    if campaign is None or click.test or click.imported or changes[-1].origin == "test":
        return []
    destinations = [each for each in destinations_of(configuration, campaign) if not each.archived]
    stored = writer.deliveries.of_click(click_seq) if destinations else []
    conversion, nth = _conversion(changes, changes[-1].conversion_id)
    made = []
    for destination in destinations:
        earlier = [
            row
            for row in stored
            if row.destination == destination.id
            and row.record.conversion_id == conversion.conversion_id
            and row.state != "dropped"
        ]
        platform = PLATFORMS[destination.type]
        due = due_event(destination, platform, conversion, [row.kind for row in earlier])
        if due is not None:
            delivery = _delivery(destination, due, conversion, nth=nth, click=click, configuration=configuration)
            delivery = replace(delivery, receiver_may_know=any(row.may_have_arrived for row in earlier))
            row = _row(delivery, click_seq, event_seq, now_ms)
            made.append(writer.deliveries.add(replace(row, first_seq=earlier[0].first_seq) if earlier else row))
    return [row for row in made if row.state == "queued"]


def _conversion(changes: Sequence[ConversionChange], wanted: ConversionId) -> tuple[Conversion, int]:
    """A conversion of a click, and which one it is by time (1 is the first)."""
    conversions = sorted(fold(changes), key=lambda each: each.converted_at_ms)
    return next((each, nth) for nth, each in enumerate(conversions, start=1) if each.conversion_id == wanted)


def _delivery(
    destination: Destination,
    due: DueEvent,
    conversion: Conversion,
    *,
    nth: int,
    click: Click,
    configuration: Configuration,
) -> Delivery:
    return Delivery(
        platform=PLATFORMS[destination.type],
        destination=destination,
        kind=due.kind,
        number=due.number,
        conversion=conversion,
        click=click,
        configuration=configuration,
        at_ms=due.at_ms,
        consent=click.visit.consent,
        mode=click.visit.mode,
        nth=nth,
    )


def _row(delivery: Delivery, click_seq: int, event_seq: int, now_ms: int) -> DeliveryRow:
    reason = skip_reason(delivery, now_ms)
    state: DeliveryState = "queued"
    if reason is not None and reason != "paused":  # a paused destination gets it when it is resumed
        state = "dropped"
    elif delivery.platform.file is not None:
        state = "done"  # the platform fetches it from the file
    return DeliveryRow(
        seq=-1,
        click_seq=click_seq,
        event_seq=event_seq,
        first_seq=-1,
        destination=delivery.destination.id,
        kind=delivery.kind,
        state=state,
        attempts=0,
        created_at_ms=now_ms,
        next_at_ms=first_attempt_ms(delivery, now_ms),
        expires_at_ms=expires_ms(delivery, now_ms),
        done_at_ms=None if state == "queued" else now_ms,
        record=DeliveryRecord(
            conversion_id=delivery.conversion.conversion_id,
            number=delivery.number,
            reason=reason if state == "dropped" else None,
        ),
    )


def delivery_of(
    row: DeliveryRow, click: Click, changes: Sequence[ConversionChange], configuration: Configuration
) -> Delivery | None:
    """The delivery of a row; None when its destination is gone. `changes`: those of its click up to the row's own."""
    destination = all_destinations(configuration).get(row.destination)
    if destination is None:
        return None
    conversion, nth = _conversion(changes, row.record.conversion_id)
    due = DueEvent(kind=row.kind, number=row.record.number, at_ms=changes[-1].at_ms)
    return _delivery(destination, due, conversion, nth=nth, click=click, configuration=configuration)
