"""From words about conversions to rows of the outbox, and from rows back to deliveries."""

from collections.abc import Sequence
from dataclasses import replace

from tnc.campaigns.destination_schema import all_destinations, destinations_of
from tnc.core.conversions import fold
from tnc.core.models import Click, Configuration, Conversion, ConversionChange, ConversionId, DeliveryState, Destination
from tnc.destinations.delivery import Delivery
from tnc.destinations.eligibility import Due, due, gate
from tnc.destinations.platforms.registry import DESTINATIONS
from tnc.destinations.retry import expires_ms, first_attempt_ms
from tnc.store.days.deliveries import DeliveryRecord, DeliveryRow
from tnc.store.days.writer import DayWriter


def queue(
    writer: DayWriter,
    *,
    click_seq: int,
    click: Click,
    changes: Sequence[ConversionChange],
    event_seq: int,
    configuration: Configuration,
    now_ms: int,
) -> list[DeliveryRow]:
    """Within the transaction that stores the newest of `changes` (all of the click) as `event_seq`: what it makes due.

    Returns what is in line now. What a gate forbids becomes a row as well, so that the owner finds out why nothing
    went.
    """
    campaign = configuration.campaigns.get(click.campaign)
    if campaign is None or click.test or click.imported or changes[-1].origin == "test":
        return []
    destinations = [each for each in destinations_of(configuration, campaign) if not each.archived]
    earlier = writer.deliveries.of_click(click_seq) if destinations else []
    conversion, _ = told = _conversion(changes, changes[-1].conversion_id)
    made = []
    for destination in destinations:
        told_before = [
            row
            for row in earlier
            if row.destination == destination.id
            and row.record.conversion_id == conversion.conversion_id
            and row.state != "dropped"
        ]
        word = due(destination, DESTINATIONS[destination.type], conversion, [row.kind for row in told_before])
        if word is not None:
            delivery = _delivery(destination, word, told, click, configuration)
            delivery = replace(delivery, is_known=any(each.may_be_there for each in told_before))
            row = _row(delivery, click_seq, event_seq, now_ms)
            made.append(writer.deliveries.add(replace(row, first_seq=told_before[0].first_seq) if told_before else row))
    return [row for row in made if row.state == "queued"]


def _conversion(changes: Sequence[ConversionChange], wanted: ConversionId) -> tuple[Conversion, int]:
    """A conversion of a click, and which one it is by time."""
    conversions = sorted(fold(changes), key=lambda each: each.converted_at_ms)
    return next((each, n) for n, each in enumerate(conversions, start=1) if each.conversion_id == wanted)


def _delivery(
    destination: Destination, word: Due, told: tuple[Conversion, int], click: Click, configuration: Configuration
) -> Delivery:
    return Delivery(
        destination=destination,
        kind=word.kind,
        number=word.number,
        conversion=told[0],
        click=click,
        configuration=configuration,
        at_ms=word.at_ms,
        consent=click.visit.consent,
        mode=click.visit.mode,
        nth=told[1],
    )


def _row(delivery: Delivery, click_seq: int, event_seq: int, now_ms: int) -> DeliveryRow:
    platform = DESTINATIONS[delivery.destination.type]
    why = gate(delivery, platform, now_ms)
    state: DeliveryState = "queued"
    if why is not None and why != "paused":  # a pause is over some day
        state = "dropped"
    elif platform.served:
        state = "done"  # what stands in the file is there to be fetched
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
        next_at_ms=first_attempt_ms(delivery, platform, now_ms),
        expires_at_ms=expires_ms(delivery, platform, now_ms),
        done_at_ms=None if state == "queued" else now_ms,
        record=DeliveryRecord(
            conversion_id=delivery.conversion.conversion_id,
            number=delivery.number,
            reason=why if state == "dropped" else None,
        ),
    )


def delivery_of(
    row: DeliveryRow, click: Click, changes: Sequence[ConversionChange], configuration: Configuration
) -> Delivery | None:
    """The delivery that a row stands for: `changes` are those of its click up to its own; None: nobody to send to."""
    destination = all_destinations(configuration).get(row.destination)
    if destination is None:
        return None
    told = _conversion(changes, row.record.conversion_id)
    word = Due(kind=row.kind, number=row.record.number, at_ms=changes[-1].at_ms)
    return _delivery(destination, word, told, click, configuration)
