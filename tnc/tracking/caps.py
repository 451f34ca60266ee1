"""Counts the conversions of each capped offer in its current period, to know which offers are full."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import date as Date

from tnc.core.clock import HOUR_MS
from tnc.core.models import Cap, Offer, OfferId
from tnc.core.zones import find_zone


def period(cap: Cap, time_ms: int) -> tuple[int, int]:
    """Start (included) and end (excluded) of the cap's period that holds a time, in UTC milliseconds.

    Days, weeks (from Monday) and months follow the time zone of the cap, with its daylight-saving changes.
    """
    if cap.per == "total":
        return 0, 1 << 62
    zone = find_zone(cap.timezone)
    local = datetime.fromtimestamp(time_ms / 1000, zone)
    if cap.per == "hour":
        offset_ms = round((local.utcoffset() or timedelta()).total_seconds() * 1000)
        start = (time_ms + offset_ms) // HOUR_MS * HOUR_MS - offset_ms
        return start, start + HOUR_MS
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if cap.per == "day":
        return _ms(midnight), _ms(midnight + timedelta(days=1))
    if cap.per == "week":
        monday = midnight - timedelta(days=midnight.weekday())
        return _ms(monday), _ms(monday + timedelta(days=7))
    first = midnight.replace(day=1)
    return _ms(first), _ms((first + timedelta(days=32)).replace(day=1))


def _ms(local: datetime) -> int:
    return round(local.astimezone(UTC).timestamp() * 1000)


EventRef = tuple[Date, int]
"""Where a change of a conversion is stored: the day file, and the number of the event in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """The stored conversions of some offers; events after the number in `up_to` of their day are not included."""

    offers: frozenset[OfferId]
    conversions: Sequence[tuple[OfferId, int]]  # offer and converted_at_ms of each conversion that counts
    up_to: Mapping[Date, int]

    def includes(self, event: EventRef | None) -> bool:
        return event is not None and event[1] <= self.up_to.get(event[0], -1)


class Caps:
    """Counts conversions as they are stored. `full` is called on every click, so its result is cached.

    A recount of stored conversions takes seconds, during which new ones are stored. Each new one comes with its
    `EventRef`, by which it is counted once: either it is in the recount, or it is added to it.
    """

    def __init__(self) -> None:
        self._caps: Mapping[OfferId, Cap] = {}
        self._counts: dict[tuple[OfferId, int], int] = {}  # by offer and start of the period
        self._recounts: dict[OfferId, Recount] = {}
        self._pending: dict[OfferId, list[tuple[int, int, EventRef | None]]] = {}  # changes during a recount
        self._full: frozenset[OfferId] = frozenset()
        self._valid_ms = (0, 0)  # from when until when `_full` holds

    def configure(self, offers: Mapping[OfferId, Offer]) -> set[OfferId]:
        """Use new settings; returns the offers whose conversions must be recounted and given to `finish_recount`."""
        caps = {offer.id: offer.cap for offer in offers.values() if offer.cap is not None and not offer.archived}
        recount = {
            offer
            for offer, cap in caps.items()
            if offer in self._pending
            or (old := self._caps.get(offer)) is None
            or (old.per, old.timezone) != (cap.per, cap.timezone)
        }
        self._caps = caps
        self._counts = {at: n for at, n in self._counts.items() if at[0] in caps and at[0] not in recount}
        self._recounts = {offer: known for offer, known in self._recounts.items() if offer in caps}
        self._pending = {offer: [] for offer in recount}
        self._valid_ms = (0, 0)
        return recount

    def finish_recount(self, recount: Recount) -> None:
        """Take over a recount, and add the changes since `configure` asked for it."""
        pending = [(offer, *change) for offer in recount.offers for change in self._pending.pop(offer, ())]
        self._counts = {at: n for at, n in self._counts.items() if at[0] not in recount.offers}
        self._recounts |= dict.fromkeys(recount.offers & self._caps.keys(), recount)
        for offer, converted_at_ms in recount.conversions:
            self.add(offer, converted_at_ms, +1)
        for offer, converted_at_ms, change, event in pending:
            self.add(offer, converted_at_ms, change, event)

    def since_ms(self, offers: Collection[OfferId], now_ms: int) -> int:
        """Start of the earliest current period of these offers."""
        return min((period(self._caps[offer], now_ms)[0] for offer in offers), default=now_ms)

    def add(self, offer: OfferId, converted_at_ms: int, change: int, event: EventRef | None = None) -> None:
        """A conversion counts from now on (+1) or no longer (-1), by the stored change `event`."""
        cap, recount = self._caps.get(offer), self._recounts.get(offer)
        if offer in self._pending:
            self._pending[offer].append((converted_at_ms, change, event))
        if cap is not None and not (recount is not None and recount.includes(event)):
            at = (offer, period(cap, converted_at_ms)[0])
            self._counts[at] = self._counts.get(at, 0) + change
            self._valid_ms = (0, 0)

    def full(self, now_ms: int) -> frozenset[OfferId]:
        """Offers that have reached their cap in the period around `now_ms`."""
        since, until = self._valid_ms
        if not since <= now_ms < until:
            periods = {offer: period(cap, now_ms) for offer, cap in self._caps.items()}
            self._full = frozenset(
                offer
                for offer, (start, _) in periods.items()
                if self._counts.get((offer, start), 0) >= self._caps[offer].conversions
            )
            starts, ends = [start for start, _ in periods.values()], [end for _, end in periods.values()]
            self._valid_ms = (max(starts, default=0), min(ends, default=1 << 62))
        return self._full

    def count(self, offer: OfferId, now_ms: int) -> int | None:
        """Conversions in the current period; None for an offer without a cap."""
        cap = self._caps.get(offer)
        return None if cap is None else self._counts.get((offer, period(cap, now_ms)[0]), 0)
