"""How many conversions each capped offer has in its present period, and so which offers are full."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tnc.model import Cap, Offer, OfferId


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
        start = (time_ms + offset_ms) // 3_600_000 * 3_600_000 - offset_ms
        return start, start + 3_600_000
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


class Caps:
    """Counts as conversions are stored; asked on every click, so the answer is kept until it can change."""

    def __init__(self) -> None:
        self._caps: Mapping[OfferId, Cap] = {}
        self._counts: dict[tuple[OfferId, int], int] = {}  # by offer and start of the period
        self._full: frozenset[OfferId] = frozenset()
        self._holds = (0, 0)  # from when until when `_full` is true

    def configure(self, offers: Mapping[OfferId, Offer]) -> set[OfferId]:
        """Take over new settings; returns the offers whose conversions have to be counted anew."""
        caps = {offer.id: offer.cap for offer in offers.values() if offer.cap is not None and not offer.archived}
        anew = {
            offer
            for offer, cap in caps.items()
            if (old := self._caps.get(offer)) is None or (old.per, old.timezone) != (cap.per, cap.timezone)
        }
        self._caps = caps
        self._counts = {at: n for at, n in self._counts.items() if at[0] in caps and at[0] not in anew}
        self._holds = (0, 0)
        return anew

    def since_ms(self, offers: set[OfferId], now_ms: int) -> int:
        """From when on conversions matter for these offers."""
        return min((period(self._caps[offer], now_ms)[0] for offer in offers), default=now_ms)

    def add(self, offer: OfferId, converted_at_ms: int, change: int) -> None:
        """A conversion began to count (+1) or ceased to (-1)."""
        cap = self._caps.get(offer)
        if cap is not None:
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
