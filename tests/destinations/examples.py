"""One click, one conversion and one destination of each type, for all tests of platforms and destinations."""

import base64
from dataclasses import replace
from typing import Any

import msgspec

from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.clock import HOUR_MS
from tnc.core.conversions import fold
from tnc.core.fields import parse_rfc3339_ms
from tnc.core.models import (
    Campaign,
    CampaignId,
    Click,
    ClickId,
    Configuration,
    Conversion,
    ConversionChange,
    ConversionId,
    DeliveryKind,
    Destination,
    DestinationId,
    Network,
    NetworkId,
    Offer,
    OfferId,
    SourceId,
    Visit,
)

NOW_MS = parse_rfc3339_ms("2026-11-23T14:05:06.123Z")
CLICKED_MS = NOW_MS - HOUR_MS

FBCLID = "IwY2xjawNVQWxleHRuA2FlbQIxMABicmlkETF"
GCLID = "Cj0KCQiA-NHJBhDIARIsAIhyEXAMPLE_wcB"
VISITOR = "0123456789abcdef0123456789abcdef"
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"

CONFIGURATION = Configuration(
    campaigns={CampaignId("summer"): Campaign(id=CampaignId("summer"), name="Summer", path="summer")},
    networks={NetworkId("good-network"): Network(id=NetworkId("good-network"), name="Good Network")},
    offers={
        OfferId("shoes"): Offer(
            id=OfferId("shoes"), name="Running shoes", url="https://shop.example/", payout=12.5, currency="USD"
        )
    },
)

VISIT = Visit(
    visited_at_ms=CLICKED_MS,
    domain="go.example",
    ip="203.0.113.7",
    country="US",
    region="California",
    user_agent=AGENT,
    external_id="ext-4711",
    params={"fbclid": FBCLID, "_fbp": "fb.1.1700000000000.987654321", "ttclid": "E.C.P.ttclid1", "_ttp": "ttp1",
            "ScCid": "7b3a7917-a82a-47e8-9728-e1b3b045abb2", "_scid": "HugLuN6v-scid",
            "gclid": GCLID, "msclkid": "f894f652ea334e739002f7167ab8f8e3"},
    visitor=VISITOR,
    consent="granted",
)  # fmt: skip

CLICK = Click(
    click_id=ClickId("05lqvk3fb6c0000000000000ab"),
    clicked_at_ms=CLICKED_MS,
    campaign=CampaignId("summer"),
    source=SourceId("native-ads"),
    offer=OfferId("shoes"),
    network=NetworkId("good-network"),
    visit=VISIT,
)

SALE = ConversionChange(
    conversion_id=ConversionId("05lqvk3fconv000000000000cd"),
    at_ms=NOW_MS - 1_000,
    status="sale",
    status_word="approved",
    payout_micros=12_500_000,
    currency="USD",
    txid="T-1",
    network=NetworkId("good-network"),
)

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, no less").decode()
GOOGLE: dict[str, str | dict[str, str]] = {
    "account": "1234567890",
    "login_account": "5550001111",
    "conversion_action": "987654321",
    "client_id": "client.apps.example",
    "client_secret": "clientsecret",
    "refresh_token": "1//refresh",
}
SETTINGS: dict[str, dict[str, str | dict[str, str]]] = {
    "meta": {"pixel": "123456789012345", "access_token": "EAAmetatoken"},
    "tiktok": {"pixel": "C4EXAMPLEPIXEL", "access_token": "tiktoktoken"},
    "snapchat": {"pixel": "1ec32188-754e-4be2-8e55-c949a984a39f", "access_token": "snaptoken"},
    "google-data-manager": GOOGLE,
    "google-ads": {**GOOGLE, "developer_token": "devtoken"},
    "google-csv": {"conversion_name": "Sale"},
    "microsoft-csv": {"conversion_name": "Sale", "timezone": "Europe/Berlin"},
    "postback": {"url": "https://ads.example/pb?id={external_id}&rev={payout}&st={status}"},
    "webhook": {"url": "https://own.example/hook", "secret": WEBHOOK_SECRET},
}


def destination(of: str, settings: dict[str, Any] | None = None, **more: Any) -> Destination:
    return Destination(
        id=DestinationId(f"{of}-main"), name=of, type=of, settings={**SETTINGS[of], **(settings or {})}, **more
    )


def click(visit: dict[str, Any] | None = None, **more: Any) -> Click:
    return msgspec.structs.replace(CLICK, visit=msgspec.structs.replace(VISIT, **(visit or {})), **more)


def conversion(*changes: ConversionChange) -> Conversion:
    return fold(changes or (SALE,))[0]


def change(**more: Any) -> ConversionChange:
    return msgspec.structs.replace(SALE, **more)


REFUND = change(status="rejected", at_ms=NOW_MS - 500, payout_micros=None)


def delivery(
    to: str | Destination,
    *,
    of: Click = CLICK,
    about: Conversion | None = None,
    kind: DeliveryKind = "convert",
    **more: Any,
) -> Delivery:
    there = to if isinstance(to, Destination) else destination(to)
    found = Delivery(
        platform=PLATFORMS[there.type],
        destination=there,
        kind=kind,
        number=0 if kind == "convert" else 1,
        conversion=conversion() if about is None else about,
        click=of,
        configuration=CONFIGURATION,
        at_ms=(conversion() if about is None else about).history[-1].at_ms,
        consent=of.visit.consent,
        mode=of.visit.mode,
    )
    return replace(found, **more)


def refund(to: str | Destination) -> Delivery:
    return delivery(to, about=conversion(SALE, REFUND), kind="retract")


MINIMAL = click({"params": {"gclid": GCLID, "msclkid": "f894f652ea334e739002f7167ab8f8e3"}, "visitor": None,
                 "consent": "unknown", "region": None})  # fmt: skip
FULL = click({"params": {**VISIT.params, "em": " Ada.Lovelace@GMail.com ", "ph": "+1 (202) 555-0100", "fn": "Ada",
                         "ln": "O'Brien", "zp": "94025-1234", "st": "California", "ct": "Menlo Park"}})  # fmt: skip
LIMITED = click({"mode": "limited", "consent": "unknown", "gpc": True})
