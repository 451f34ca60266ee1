"""How many conversions each capped offer has in its present period, and so which offers are full."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import date as Date
from zoneinfo import ZoneInfo

from tnc.core.clock import HOUR_MS
from tnc.core.models import Cap, Offer, OfferId


def period(cap: Cap, time_ms: int) -> tuple[int, int]:
    """Start (included) and end (not) of the cap's period around a time, in UTC milliseconds.

    Days, weeks (from Monday) and months are those of the cap's time zone, with its daylight-saving changes.
    """
    if cap.per == "total":
        return 0, 1 << 62
    zone = ZoneInfo(cap.timezone)
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


Place = tuple[Date, int]
"""Where a word about a conversion is stored: the day, and the number in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """What is stored about some offers. A word whose place lies beyond `up_to` is not in it."""

    offers: frozenset[OfferId]
    conversions: Sequence[tuple[OfferId, int]]  # each that counts, and when it converted
    up_to: Mapping[Date, int]

    def holds(self, place: Place | None) -> bool:
        return place is not None and place[1] <= self.up_to.get(place[0], -1)


class Caps:
    """Counts as conversions are stored; asked on every click, so the answer is kept until it can change.

    Counting from what is stored takes a while in which conversions come: they are told by their places, so that each
    counts once, whether it was told before, during or after, and whether it was there already to be counted.
    """

    def __init__(self) -> None:
        self._caps: Mapping[OfferId, Cap] = {}
        self._counts: dict[tuple[OfferId, int], int] = {}  # by offer and start of the period
        self._recounts: dict[OfferId, Recount] = {}
        self._meanwhile: dict[OfferId, list[tuple[int, int, Place | None]]] = {}  # of offers that are being counted
        self._full: frozenset[OfferId] = frozenset()
        self._holds = (0, 0)  # from when until when `_full` is true

    def configure(self, offers: Mapping[OfferId, Offer]) -> set[OfferId]:
        """Take over new settings; returns the offers whose conversions have to be counted: see `counted`."""
        caps = {offer.id: offer.cap for offer in offers.values() if offer.cap is not None and not offer.archived}
        anew = {
            offer
            for offer, cap in caps.items()
            if offer in self._meanwhile
            or (old := self._caps.get(offer)) is None
            or (old.per, old.timezone) != (cap.per, cap.timezone)
        }
        self._caps = caps
        self._counts = {at: n for at, n in self._counts.items() if at[0] in caps and at[0] not in anew}
        self._recounts = {offer: recount for offer, recount in self._recounts.items() if offer in caps}
        self._meanwhile = {offer: [] for offer in anew}
        self._holds = (0, 0)
        return anew

    def counted(self, recount: Recount) -> None:
        """What was stored of offers, and what was told of them since `configure` asked for it."""
        meanwhile = [(offer, *told) for offer in recount.offers for told in self._meanwhile.pop(offer, ())]
        self._counts = {at: n for at, n in self._counts.items() if at[0] not in recount.offers}
        self._recounts |= dict.fromkeys(recount.offers & self._caps.keys(), recount)
        for offer, converted_at_ms in recount.conversions:
            self.add(offer, converted_at_ms, +1)
        for offer, converted_at_ms, change, place in meanwhile:
            self.add(offer, converted_at_ms, change, place)

    def since_ms(self, offers: Collection[OfferId], now_ms: int) -> int:
        """From when on conversions matter for these offers."""
        return min((period(self._caps[offer], now_ms)[0] for offer in offers), default=now_ms)

    def add(self, offer: OfferId, converted_at_ms: int, change: int, place: Place | None = None) -> None:
        """A conversion began to count (+1) or ceased to (-1), by a word that is stored at `place`."""
        cap, recount = self._caps.get(offer), self._recounts.get(offer)
        if offer in self._meanwhile:
            self._meanwhile[offer].append((converted_at_ms, change, place))
        if cap is not None and not (recount is not None and recount.holds(place)):
            at = (offer, period(cap, converted_at_ms)[0])
            self._counts[at] = self._counts.get(at, 0) + change
            self._holds = (0, 0)

    def full(self, now_ms: int) -> frozenset[OfferId]:
        """Offers that take no more visitors now."""
        since, until = self._holds
        if not since <= now_ms < until:
            periods = {offer: period(cap, now_ms) for offer, cap in self._caps.items()}
            self._full = frozenset(
                offer
                for offer, (start, _) in periods.items()
                if self._counts.get((offer, start), 0) >= self._caps[offer].conversions
            )
            starts, ends = [start for start, _ in periods.values()], [end for _, end in periods.values()]
            self._holds = (max(starts, default=0), min(ends, default=1 << 62))
        return self._full

    def count(self, offer: OfferId, now_ms: int) -> int | None:
        """Conversions of the present period; None for an offer without a cap."""
        cap = self._caps.get(offer)
        return None if cap is None else self._counts.get((offer, period(cap, now_ms)[0]), 0)
