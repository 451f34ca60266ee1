"""The conversions of one click, judged call by call as the store does it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tnc.core.conversions import fold
from tnc.core.models import (
    Campaign,
    CampaignId,
    Conversion,
    ConversionChange,
    ConversionId,
    Cost,
    Network,
    NetworkId,
    Offer,
    OfferId,
)
from tnc.tracking.conversions.postback import read_postback
from tnc.tracking.conversions.remap import remap
from tnc.tracking.conversions.settle import Origin, Outcome, judge_conversion

NETWORK = Network(id=NetworkId("good"), name="Good", statuses={"sale": ("approved",), "lead": ("pending",)})
OFFER = Offer(id=OfferId("shoes"), name="Shoes", url="https://shop.example/", payout=12.5, currency="USD")


def campaign(cost: Cost) -> Campaign:
    return Campaign(id=CampaignId("summer"), name="Summer", path="summer", cost=cost)


@dataclass(kw_only=True)
class OneClick:
    """Where calls about one click arrive."""

    network: Network | None = NETWORK
    offer: Offer | None = OFFER
    campaign: Campaign | None = None
    changes: list[ConversionChange] = field(default_factory=list)
    now_ms: int = 1_000

    def call(self, origin: Origin = "postback", **params: str) -> Outcome:
        self.now_ms += 1
        outcome = judge_conversion(
            read_postback({"cid": "c", **params}),
            existing=self.changes,
            network=self.network,
            offer=self.offer,
            campaign=self.campaign,
            now_ms=self.now_ms,
            new_id=lambda: ConversionId(f"conversion-{self.now_ms}"),
            origin=origin,
        )
        if outcome.change is not None:
            self.changes.append(outcome.change)
        return outcome

    def calls(self, calls: Iterable[Mapping[str, str]]) -> list[str]:
        return [self.call("postback", **params).kind for params in calls]

    def remap(self) -> int:
        appended = remap(self.changes, network=self.network, campaign=self.campaign, now_ms=self.now_ms + 1)
        self.changes += appended
        return len(appended)

    @property
    def conversions(self) -> tuple[Conversion, ...]:
        return fold(self.changes)

    @property
    def statuses(self) -> list[str | None]:
        return [conversion.status for conversion in self.conversions]
