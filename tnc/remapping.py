"""A new mapping of a network's words reaches back: what nobody understood when it came is understood now."""

from collections.abc import Callable, Iterator
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from itertools import chain

from tnc.conversions.networks import network_of
from tnc.conversions.present import fold
from tnc.conversions.remap import remap
from tnc.conversions.settle import Outcome
from tnc.house import House
from tnc.model import Configuration, Conversion, ConversionChange, ConversionId
from tnc.recording import UNMAPPED, Recorded, Transact, in_portions, store_change
from tnc.store.days import DayReader, DayWriter
from tnc.store.stories import story


def words_differ(before: Configuration, after: Configuration) -> bool:
    """Whether any network's words mean something else now."""
    return any(
        network.statuses != (known.statuses if (known := before.networks.get(name)) is not None else {})
        for name, network in after.networks.items()
    )


def remap_all(house: House, transact: Transact, *, converted: Callable[[Recorded], None]) -> int:
    """Bring every conversion with a word that nobody understood up to the present mapping; how many changed.

    What changes is sent on like a word that has just come. Doing it twice is doing it once.
    """
    _, configuration = house.configuration()
    now_ms = house.world.now_ms()
    count = 0

    def anew(writer: DayWriter, seq: int) -> list[Recorded]:
        return list(_remap(writer, seq, configuration, now_ms))

    for date in house.stories.dates():
        seqs = _waiting(house, date)
        for portion in in_portions(transact, (house.workspace, date), seqs, anew, world=house.world):
            for recorded in chain.from_iterable(portion):
                converted(recorded)
                count += 1
    return count


def _waiting(house: House, date: Date) -> list[int]:
    """Numbers of the clicks of a day that have such a word."""
    with house.stories.day(date) as reader:
        return sorted(set(_unmapped(reader))) if reader.number(UNMAPPED) else []


def _unmapped(reader: DayReader) -> Iterator[int]:
    for _, click_seq, event in reader.events():
        if isinstance(event, ConversionChange) and event.status is None:
            yield click_seq


def _remap(writer: DayWriter, click_seq: int, configuration: Configuration, now_ms: int) -> Iterator[Recorded]:
    click = writer.click(click_seq)
    if click is None:
        return
    events = writer.events_of(click_seq)
    so_far = story(click, events)
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
        note = f"Its word is mapped now: {change.status}."
        outcome = Outcome(kind="changed", change=change, before=before, after=after, note=note)
        yield Recorded(
            click=click, offer=so_far.offer, outcome=outcome, event_seq=event_seq, deliveries=deliveries, refused=None
        )


def _conversion(changes: list[ConversionChange], wanted: ConversionId) -> Conversion:
    return next(each for each in fold(changes) if each.conversion_id == wanted)
