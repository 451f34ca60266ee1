"""What generated visitors do after their click, and what the networks report of it."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tnc.core.clock import DAY_MS, MINUTE_MS
from tnc.core.models import Click, LanderId, NetworkId, Offer, OfferId

CAMPAIGN_FILE: Final = Path(__file__).with_name("campaign.toml")
SEED: Final = 2026

# The share of lander views that click, and the share of offer views that buy.
_GOES_ON: Final = {LanderId("quiz"): 0.44, LanderId("story"): 0.29}
_BUYS: Final = {OfferId("shoes"): 0.036, OfferId("boots"): 0.036, OfferId("socks"): 0.03}
_AFTER_LANDER: Final = 2.4  # visitors from a lander buy more often
_SOCKS: Final = ("9", "14", "24")  # payouts, by size of the order
_GOOD_NETWORK: Final = NetworkId("good-network")  # reports a lead before the sale, in words of its own


class Report(NamedTuple):
    """A postback of a network: when it is sent, and its parameters besides the click id and the key."""

    at_ms: int
    params: dict[str, str]


class Buyers:
    """Randomness comes only from `chance`, so the same seed gives the same sales."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def goes_on_ms(self, click: Click, mood: float) -> int | None:
        """When a visitor on a lander clicks through; None: never."""
        if click.lander is None or mood == 0 or self._chance.random() > _GOES_ON[click.lander]:
            return None
        return click.clicked_at_ms + round(self._chance.lognormvariate(3.4, 0.8) * 1000)

    def reports(self, click: Click, offer: Offer | None, at_ms: int, mood: float) -> list[Report]:
        """What the network reports about a visitor who sees an offer at `at_ms`: nothing of most."""
        factor = 1.0 if click.lander is None else _AFTER_LANDER
        if offer is None or self._chance.random() >= mood * factor * _BUYS[offer.id]:
            return []
        payout = self._chance.choice(_SOCKS) if offer.payout == "from-postback" else str(offer.payout)
        common = {"payout": payout, "currency": "USD", "txid": f"T{self._chance.randrange(10**8):08}"}
        statuses = self._in_own_words(at_ms) if offer.network == _GOOD_NETWORK else self._in_plain_words(at_ms)
        reports = [Report(when_ms, {"status": word, **common}) for when_ms, word in statuses]
        if self._chance.random() < 0.03:  # a network that got no answer in time sends it again
            reports.append(Report(reports[0].at_ms + 7 * MINUTE_MS, reports[0].params))
        return sorted(reports, key=lambda report: report.at_ms)

    def _in_own_words(self, at_ms: int) -> Iterator[tuple[int, str]]:
        first_ms, decided_ms = self._times_ms(at_ms)
        yield first_ms, "in-review" if self._chance.random() < 0.05 else "pending"
        yield decided_ms, "declined" if self._chance.random() < 0.11 else "approved"

    def _in_plain_words(self, at_ms: int) -> Iterator[tuple[int, str]]:
        first_ms, decided_ms = self._times_ms(at_ms)
        yield first_ms, "sale"
        if self._chance.random() < 0.11:
            yield decided_ms, "rejected"

    def _times_ms(self, at_ms: int) -> tuple[int, int]:
        """Of the first report, for most within the hour, and of the final status days later."""
        first_ms = at_ms + round(self._chance.lognormvariate(3.0, 1.3) * MINUTE_MS)
        return first_ms, first_ms + self._chance.randrange(DAY_MS, 4 * DAY_MS)
