"""An appliance full of words that somebody chose to do harm."""

from dataclasses import replace
from typing import Any

from msgspec import structs

from tests.web.dashboard.configured import CONFIGURATION
from tests.web.dashboard.invented import NOW_MS, InventedAppliance, invent_conversion, invent_story
from tests.web.dashboard.invented_mail import META, InventedMail, invent_call, invent_delivery
from tnc.core.clock import MINUTE_MS
from tnc.core.models import (
    CampaignId,
    Click,
    ClickHistory,
    Condition,
    ConversionChange,
    ConversionId,
    Flow,
    FlowId,
    LanderId,
    Network,
    NetworkId,
    Offer,
    OfferId,
    Source,
    SourceId,
    Visit,
    WeightedLander,
    WeightedOffer,
)
from tnc.destinations.worker import DestinationStatus
from tnc.rules.decision import Step


def hostile(text: str) -> InventedAppliance:
    """An appliance in which every word that came from outside, and every name, is `text`."""

    def tell(number: int) -> ClickHistory:
        history = invent_story(NOW_MS - number * MINUTE_MS, number)
        visit: dict[str, Any] = {
            name: text for name, kind in Visit.__annotations__.items() if _is_free_text(name, kind)
        }
        subs = dict.fromkeys(("sub1", "sub20"), text)
        click = Click(
            click_id=history.click.click_id,
            clicked_at_ms=history.click.clicked_at_ms,
            campaign=CampaignId("summer"),
            source=SourceId(text),
            flow=FlowId(text),
            lander=LanderId(text),
            offer=OfferId(text),
            network=NetworkId(text),
            visit=Visit(visited_at_ms=1, subs=subs, params={text: text}, reasons=(text,), **visit),
        )
        change = ConversionChange(
            conversion_id=ConversionId("c"), at_ms=NOW_MS, status_word=text, event=text, txid=text, currency=text
        )
        conversion = replace(
            invent_conversion(NOW_MS, 1, now_ms=NOW_MS),
            status=None,
            event=text,
            txid=text,
            network=NetworkId(text),
            currency=text,
            history=(change,),
        )
        return replace(history, click=click, conversions=(conversion,), offer=OfferId(text))

    summer = replace(
        CONFIGURATION.campaigns[CampaignId("summer")],
        name=text,
        flows=(
            Flow(
                id=FlowId(text),
                when=(Condition(fact="param.x", operator="contains", value=[text]),),
                landers=(WeightedLander(id=LanderId(text)),),
                offers=(WeightedOffer(id=OfferId("shoes")),),
            ),
        ),
    )
    config = replace(
        CONFIGURATION,
        campaigns={CampaignId("summer"): summer},
        sources={SourceId("native-ads"): Source(id=SourceId("native-ads"), name=text, click_id=text)},
        offers={OfferId("shoes"): Offer(id=OfferId("shoes"), name=text, url=text, network=NetworkId("n"))},
        destinations={META: replace(CONFIGURATION.destinations[META], name=text, events={text: text})},
        networks={NetworkId("n"): Network(id=NetworkId("n"), name=text, key=text)},
    )
    return InventedAppliance(
        told=[tell(number) for number in range(3)],
        config=config,
        wrong=(text,),
        trace=(Step(kind="end", text=text),),
        notes=(text,),
        tracking_base=text,
        mail=_hostile_mail(text),
    )


def _hostile_mail(text: str) -> InventedMail:
    row = invent_call(1, now_ms=NOW_MS, outcome="unmapped", note=text)
    call = structs.replace(row.call, params={text: text}, network=NetworkId(text), answer=text)
    sent = invent_delivery(1, now_ms=NOW_MS, state="dead", reason=text)
    record = structs.replace(sent.record, request=text, answer=text, conversion_id=ConversionId(text))
    return InventedMail(
        now_ms=NOW_MS,
        rows=[replace(row, call=call)],
        sent=[replace(sent, record=record)],
        stands={META: DestinationStatus(state="stopped", reason=text)},
    )


def _is_free_text(name: str, annotation: Any) -> bool:
    return "str | None" in str(annotation).partition("Meta(")[0] and name not in ("traffic", "device")
