"""Stores conversions from postbacks, from files and by hand, with the deliveries that follow from them.

Runs inside the transaction of the writer, so nothing changes between reading and writing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tnc.core.errors import InvalidError
from tnc.core.models import Click, Configuration, ConversionChange, ConversionId, Network, Offer, OfferId
from tnc.core.money import micros
from tnc.destinations.enqueue import enqueue
from tnc.store.days.deliveries import DeliveryRow
from tnc.store.days.history import as_shared, click_history
from tnc.store.days.writer import DayWriter
from tnc.tracking.conversions.networks import network_of, refusal
from tnc.tracking.conversions.postback import Incoming
from tnc.tracking.conversions.settle import Origin, Outcome, judge_conversion

UNMAPPED = "words without a mapping"
"""Name of the count of unknown statuses in a day file, by which a new mapping finds the days to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedConversion:
    """The result of a report about a conversion. `outcome` is None when it was refused."""

    click: Click | None
    offer: OfferId | None
    outcome: Outcome | None
    event_seq: int = -1  # number of the stored change; -1 when nothing was stored
    deliveries: Sequence[DeliveryRow] = ()  # to destinations, stored with it
    refused: Literal["unknown click"] | str | None  # noqa: PYI051 - the one refusal with an HTTP status of its own
    held: str | None = None  # why a call that may come was kept and not counted, for the owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Where a report about a conversion comes from. Without `peer_ip` no key of a network is needed."""

    origin: Origin
    peer_ip: str | None = None
    currencies: frozenset[str] = frozenset()  # that the workspace uses

    @property
    def is_outside(self) -> bool:
        """Whether anybody who knows the click id could have said it."""
        return self.origin in ("postback", "pixel")


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
    if incoming.converted_at_ms is not None and incoming.converted_at_ms < click.clicked_at_ms // 1000 * 1000:
        raise InvalidError(
            "converted_at is before the click. A time without a zone is in UTC: write the zone, like +05:30, after it, "
            "or name the zone of the file with --timezone."
        )
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
    held = _held(caller, incoming, outcome, network=network, offer=offer, existing=changes, configuration=configuration)
    if held is not None:
        return RecordedConversion(click=click, offer=so_far.offer, outcome=None, refused=None, held=held)
    if outcome.change is None:
        return RecordedConversion(click=click, offer=so_far.offer, outcome=outcome, refused=None)
    event_seq, deliveries = store_change(
        writer, seq, click, [*changes, outcome.change], configuration=configuration, now_ms=now_ms
    )
    return RecordedConversion(
        click=click, offer=so_far.offer, outcome=outcome, event_seq=event_seq, deliveries=deliveries, refused=None
    )


def _held(
    caller: Caller,
    incoming: Incoming,
    outcome: Outcome,
    *,
    network: Network | None,
    offer: Offer | None,
    existing: Sequence[ConversionChange],
    configuration: Configuration,
) -> str | None:
    """Why this call from outside must not count, for the owner; None when it may."""
    change = outcome.change
    if change is None or not caller.is_outside:
        return None
    used = caller.currencies | _currencies(network, offer, configuration)
    if incoming.currency is not None and incoming.currency not in used:
        return (
            f"Kept and not counted: neither the offer, its network nor the workspace uses {incoming.currency}. If the "
            "network pays in it, add it to `currencies` of the network and process the postback again."
        )
    limits = [each.max_payout for each in (network, offer) if each is not None and each.max_payout is not None]
    if change.payout_micros is not None and limits and change.payout_micros > micros(min(limits)):
        return (
            f"Kept and not counted: the payout is above `max_payout` ({min(limits):g}). If it is right, raise the "
            "limit and process the postback again."
        )
    most = None if network is None else network.max_conversions
    if most is not None and outcome.before is None and len({each.conversion_id for each in existing}) >= most:
        return (
            f"Kept and not counted: the click has {most} conversions already (`max_conversions`). If this one is "
            "right, raise the limit and process the postback again."
        )
    return None


def _currencies(network: Network | None, offer: Offer | None, configuration: Configuration) -> frozenset[str]:
    """The currencies of an offer and of a network with all its offers."""
    own = {offer.currency} if offer is not None else set()
    if network is not None:
        own |= {*network.currencies}
        own |= {each.currency for each in configuration.offers.values() if each.network == network.id}
    return frozenset(own)


def store_change(
    writer: DayWriter,
    click_seq: int,
    click: Click,
    changes: Sequence[ConversionChange],
    *,
    configuration: Configuration,
    now_ms: int,
) -> tuple[int, list[DeliveryRow]]:
    """Store the last of the changes of a click, and its deliveries; returns its number and those deliveries."""
    event_seq = writer.add_event(click_seq, changes[-1])
    if changes[-1].status is None:
        writer.count(UNMAPPED, 1)
    deliveries = enqueue(
        writer,
        click_seq=click_seq,
        click=as_shared(click, writer.events_of(click_seq)),
        changes=changes,
        event_seq=event_seq,
        configuration=configuration,
        now_ms=now_ms,
    )
    return event_seq, deliveries
