"""Applies a new status mapping to past conversions whose status was unknown when it came."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date as Date
from itertools import chain

from msgspec.structs import replace

from tnc.core.conversions import fold
from tnc.core.models import (
    Campaign,
    Configuration,
    Conversion,
    ConversionChange,
    ConversionId,
    ConversionStatus,
    Network,
)
from tnc.store.days.history import click_history
from tnc.store.days.transactions import Writer, in_portions
from tnc.store.days.writer import DayReader, DayWriter
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.networks import network_of
from tnc.tracking.conversions.postback import Meaning
from tnc.tracking.conversions.record import UNMAPPED, RecordedConversion, store_change
from tnc.tracking.conversions.settle import Outcome, conversion_cost
from tnc.tracking.conversions.statuses import moves_on, vocabulary
from tnc.tracking.listener import Listener


def remap(
    changes: Iterable[ConversionChange], *, network: Network | None, campaign: Campaign | None, now_ms: int
) -> tuple[ConversionChange, ...]:
    """The changes to append to those of one click, so that its conversions are as if the current mapping of `network`
    had been there from the start. Empty when nothing differs, so a second run appends nothing.
    """
    known = vocabulary(network, {})
    correcting = network is not None and network.duplicates == "update"
    appended = []
    for conversion in fold(changes):
        if all(change.status is not None for change in conversion.history):
            continue  # every status was known when it came
        last = _last_decisive(conversion, known, correcting=correcting)
        if last is not None and last.status != conversion.status:
            appended.append(_change(conversion, last, campaign, now_ms))
    return tuple(appended)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decisive:
    status: ConversionStatus
    change: ConversionChange


def _last_decisive(conversion: Conversion, known: Mapping[str, Meaning], *, correcting: bool) -> _Decisive | None:
    """The last change that sets the status, when all are judged in the order in which they came."""
    decided: _Decisive | None = None
    unmapped: set[str] = set()
    for change in conversion.history:
        word = (change.status_word or "").casefold()
        meaning: Meaning | None = change.status
        if change.status is None:
            unmapped.add(word)
            meaning = known.get(word)
        elif word in unmapped:
            continue  # appended when the status was mapped; it is judged where it first came
        if meaning is None or meaning == "ignored":
            continue
        before = decided.status if decided else None
        if moves_on(before, meaning, correcting=correcting or change.origin == "hand"):
            decided = _Decisive(status=meaning, change=change)
    return decided


def _change(conversion: Conversion, last: _Decisive, campaign: Campaign | None, now_ms: int) -> ConversionChange:
    paid = last.change if last.change.payout_micros is not None else conversion
    cost_micros, cost_currency = conversion_cost(
        campaign,
        event=conversion.event,
        status=last.status,
        payout_micros=paid.payout_micros,
        currency=paid.currency,
    )
    return replace(
        last.change,
        at_ms=now_ms,
        status=last.status,
        payout_micros=paid.payout_micros,
        currency=paid.currency,
        cost_micros=cost_micros,
        cost_currency=cost_currency,
    )


def status_maps_differ(before: Configuration, after: Configuration) -> bool:
    """Whether the status mapping of any network has changed."""
    return any(
        network.statuses != (known.statuses if (known := before.networks.get(name)) is not None else {})
        for name, network in after.networks.items()
    )


def remap_all(workspace: Workspace, writer: Writer, listener: Listener) -> int:
    """Apply the current mapping to every conversion with an unknown status; returns how many changed.

    A change is sent to destinations like a new postback. A second run changes nothing.
    """
    _, configuration = workspace.configuration()
    now_ms = workspace.world.now_ms()
    count = 0

    def remap_click(writer: DayWriter, seq: int) -> list[RecordedConversion]:
        return list(_remap(writer, seq, configuration, now_ms))

    for date in workspace.histories.dates():
        seqs = _with_unmapped(workspace, date)
        for portion in in_portions(writer, (workspace.id, date), seqs, remap_click, world=workspace.world):
            for recorded in chain.from_iterable(portion):
                listener.converted(recorded)
                count += 1
    return count


def _with_unmapped(workspace: Workspace, date: Date) -> list[int]:
    """Numbers of the clicks of a day that have an unknown status."""
    with workspace.histories.day(date) as reader:
        return sorted(set(_unmapped(reader))) if reader.number(UNMAPPED) else []


def _unmapped(reader: DayReader) -> Iterator[int]:
    for _, click_seq, event in reader.events():
        if isinstance(event, ConversionChange) and event.status is None:
            yield click_seq


def _remap(
    writer: DayWriter, click_seq: int, configuration: Configuration, now_ms: int
) -> Iterator[RecordedConversion]:
    click = writer.click(click_seq)
    if click is None:
        return
    events = writer.events_of(click_seq)
    so_far = click_history(click, events)
    changes = [event for event in events if isinstance(event, ConversionChange)]
    network = network_of(
        offer=configuration.offers.get(so_far.offer) if so_far.offer is not None else None,
        recorded=so_far.network,
        named=next((each.network for each in reversed(changes) if each.network in configuration.networks), None),
        networks=configuration.networks,
    )
    campaign = configuration.campaigns.get(click.campaign)
    for change in remap(changes, network=network, campaign=campaign, now_ms=now_ms):
        before = _conversion(changes, change.conversion_id)
        changes.append(change)
        event_seq, deliveries = store_change(
            writer, click_seq, click, changes, configuration=configuration, now_ms=now_ms
        )
        after = _conversion(changes, change.conversion_id)
        note = f"The status is mapped now: {change.status}."
        outcome = Outcome(kind="changed", change=change, before=before, after=after, note=note)
        yield RecordedConversion(
            click=click, offer=so_far.offer, outcome=outcome, event_seq=event_seq, deliveries=deliveries, refused=None
        )


def _conversion(changes: list[ConversionChange], wanted: ConversionId) -> Conversion:
    return next(each for each in fold(changes) if each.conversion_id == wanted)
