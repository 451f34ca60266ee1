"""The exact request of each platform for one click and one conversion, and that a strict receiver accepts it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from tests.destinations.conftest import Listen, Send
from tests.destinations.examples import (
    FBCLID,
    FULL,
    LIMITED,
    MINIMAL,
    NOW_MS,
    REFUND,
    SALE,
    WEBHOOK_SECRET,
    change,
    click,
    conversion,
    delivery,
    destination,
    refund,
)
from tests.fakes import feeds, google_ads, google_data_manager, meta, postback, snapchat, tiktok, webhook
from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.clock import DAY_MS
from tnc.destinations.preview import preview

NOW = NOW_MS / 1000


@dataclass(frozen=True)
class FakeReceiver:
    make: Callable[[], Any]
    app: Callable[[Any], web.Application]


RECEIVERS: dict[str, FakeReceiver] = {
    "meta": FakeReceiver(lambda: meta.Meta(now=lambda: NOW), meta.app),
    "tiktok": FakeReceiver(lambda: tiktok.TikTok(now=lambda: NOW), tiktok.app),
    "snapchat": FakeReceiver(lambda: snapchat.Snapchat(now=lambda: NOW), snapchat.app),
    "google-data-manager": FakeReceiver(
        lambda: google_data_manager.DataManager(now=lambda: NOW), google_data_manager.app
    ),
    "google-ads": FakeReceiver(lambda: google_ads.GoogleAds(now=lambda: NOW), google_ads.app),
    "postback": FakeReceiver(postback.Postback, postback.app),
    "webhook": FakeReceiver(lambda: webhook.Webhook(now=lambda: NOW, secret=WEBHOOK_SECRET), webhook.app),
}
OLD_SALE = change(at_ms=NOW_MS - 2 * DAY_MS)
REFUNDED: dict[str, Any] = {"on": ("sale", "rejected")}
REFUND_NAMES = {"snapchat": {"rejected": "CUSTOM_EVENT_1"}}  # Snapchat accepts only its own event names


def refunded(of: str) -> Delivery:
    """A refund of now for a sale of two days ago."""
    changed = conversion(OLD_SALE, REFUND)
    return delivery(destination(of, **REFUNDED, events=REFUND_NAMES.get(of, {})), about=changed, kind="retract")


@pytest.mark.parametrize("of", RECEIVERS)
@pytest.mark.parametrize("who", ["minimal", "full", "limited"])
async def test_a_strict_receiver_accepts_every_kind_of_visitor(
    of: str, who: str, listen: Listen, send_all: Send
) -> None:
    receiver = RECEIVERS[of].make()
    address = await listen(RECEIVERS[of].app(receiver))
    visitor = {"minimal": MINIMAL, "full": FULL, "limited": LIMITED}[who]

    [(_, outcome, _)] = await send_all(address, [delivery(of, of=visitor)])

    assert receiver.refusals == []
    assert outcome.kind in ("done", "accepted")


@pytest.mark.parametrize("of", [each for each in RECEIVERS if each != "google-ads"])
async def test_a_strict_receiver_accepts_a_refund(of: str, listen: Listen, send_all: Send) -> None:
    receiver = RECEIVERS[of].make()
    address = await listen(RECEIVERS[of].app(receiver))

    [(_, outcome, _)] = await send_all(address, [refunded(of)])

    assert receiver.refusals == []
    assert outcome.kind in ("done", "accepted")
    assert len(receiver.events) == 1


async def test_a_refund_reaches_google_ads_with_the_id_of_the_conversion(listen: Listen, send_all: Send) -> None:
    receiver = google_ads.GoogleAds(now=lambda: NOW)
    address = await listen(google_ads.app(receiver))

    await send_all(address, [delivery("google-ads", about=conversion(OLD_SALE))])
    [(_, outcome, _)] = await send_all(address, [refunded("google-ads")])

    assert outcome.kind == "done"
    assert receiver.events[1]["adjustmentType"] == "RETRACTION"
    assert receiver.events[1]["orderId"] == receiver.events[0]["orderId"]


async def test_a_corrected_payout_reaches_google_ads_as_a_restatement(listen: Listen, send_all: Send) -> None:
    receiver = google_ads.GoogleAds(now=lambda: NOW)
    address = await listen(google_ads.app(receiver))
    corrected = conversion(OLD_SALE, change(payout_micros=8_000_000))

    await send_all(address, [delivery("google-ads", about=conversion(OLD_SALE))])
    [(_, outcome, _)] = await send_all(address, [delivery("google-ads", about=corrected, kind="adjust")])

    assert outcome.kind == "done"
    assert receiver.events[1]["restatementValue"] == {"adjustedValue": 8, "currencyCode": "USD"}


def file_of(of: str, deliveries: list[Delivery]) -> str:
    write = PLATFORMS[of].file
    assert write is not None
    return write(destination(of), deliveries)


@pytest.mark.parametrize(("of", "name"), [("google-csv", "google"), ("microsoft-csv", "microsoft")])
def test_a_file_is_accepted_by_a_strict_reader(of: str, name: str) -> None:
    text = file_of(of, [delivery(of, of=MINIMAL), delivery(of, of=FULL)])

    rows = feeds.read_feed(text, of=name, now=NOW)

    assert [row["Conversion Time"].timestamp() for row in rows] == [SALE.at_ms // 1000] * 2
    assert [row["Conversion Value"] for row in rows] == ["12.5"] * 2


def test_a_refunded_conversion_is_not_in_the_file() -> None:
    assert file_of("google-csv", [refund("google-csv")]).count("\n") == 2


def test_a_file_without_conversions_has_its_columns() -> None:
    assert feeds.read_feed(file_of("google-csv", []), of="google", now=NOW) == []


EVENT_ID = "cv_05lqvk3fconv000000000000cd"
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
SHA_US = "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"
SHA_VISITOR = "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9"
GOLDEN: dict[str, dict[str, Any]] = {
    "meta": {
        "method": "POST",
        "url": "https://graph.facebook.com/v26.0/123456789012345/events",
        "headers": {"Content-Type": "application/json"},
        "body": {
            "data": [
                {
                    "event_name": "Purchase",
                    "event_time": 1795442705,
                    "event_id": EVENT_ID,
                    "action_source": "website",
                    "event_source_url": "https://go.example/summer",
                    "user_data": {
                        "client_ip_address": "203.0.113.7",
                        "client_user_agent": AGENT,
                        "fbc": f"fb.1.1795439106123.{FBCLID}",
                        "fbp": "fb.1.1700000000000.987654321",
                        "country": SHA_US,
                        "external_id": SHA_VISITOR,
                    },
                    "custom_data": {"value": 12.5, "currency": "USD"},
                }
            ],
            "access_token": "***",
        },
    },
    "tiktok": {
        "method": "POST",
        "url": "https://business-api.tiktok.com/open_api/v1.3/event/track/",
        "headers": {"Content-Type": "application/json", "Access-Token": "***"},
        "body": {
            "event_source": "web",
            "event_source_id": "C4EXAMPLEPIXEL",
            "data": [
                {
                    "event": "Purchase",
                    "event_time": 1795442705,
                    "event_id": EVENT_ID,
                    "user": {
                        "ip": "203.0.113.7",
                        "user_agent": AGENT,
                        "ttclid": "E.C.P.ttclid1",
                        "ttp": "ttp1",
                        "external_id": SHA_VISITOR,
                    },
                    "properties": {"value": 12.5, "currency": "USD"},
                    "page": {"url": "https://go.example/summer"},
                }
            ],
        },
    },
    "snapchat": {
        "method": "POST",
        "url": "https://tr.snapchat.com/v3/1ec32188-754e-4be2-8e55-c949a984a39f/events?access_token=***",
        "headers": {"Content-Type": "application/json"},
        "body": {
            "data": [
                {
                    "event_name": "PURCHASE",
                    "event_time": 1795442705,
                    "event_id": EVENT_ID,
                    "action_source": "WEB",
                    "event_source_url": "https://go.example/summer",
                    "user_data": {
                        "client_ip_address": "203.0.113.7",
                        "client_user_agent": AGENT,
                        "sc_click_id": "7b3a7917-a82a-47e8-9728-e1b3b045abb2",
                        "sc_cookie1": "HugLuN6v-scid",
                        "country": [SHA_US],
                        "external_id": [SHA_VISITOR],
                    },
                    "custom_data": {"value": 12.5, "currency": "USD"},
                }
            ]
        },
    },
    "google-data-manager": {
        "method": "POST",
        "url": "https://datamanager.googleapis.com/v1/events:ingest",
        "headers": {"Authorization": "Bearer ***", "Content-Type": "application/json"},
        "body": {
            "destinations": [
                {
                    "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"},
                    "loginAccount": {"accountType": "GOOGLE_ADS", "accountId": "5550001111"},
                    "productDestinationId": "987654321",
                }
            ],
            "events": [
                {
                    "transactionId": EVENT_ID,
                    "eventTimestamp": "2026-11-23T14:05:05.123Z",
                    "eventSource": "WEB",
                    "adIdentifiers": {"gclid": "Cj0KCQiA-NHJBhDIARIsAIhyEXAMPLE_wcB"},
                    "currency": "USD",
                    "conversionValue": 12.5,
                    "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
                }
            ],
        },
    },
    "google-ads": {
        "method": "POST",
        "url": "https://googleads.googleapis.com/v26/customers/1234567890:uploadClickConversions",
        "headers": {
            "Authorization": "Bearer ***",
            "Content-Type": "application/json",
            "developer-token": "***",
            "login-customer-id": "5550001111",
        },
        "body": {
            "conversions": [
                {
                    "gclid": "Cj0KCQiA-NHJBhDIARIsAIhyEXAMPLE_wcB",
                    "conversionAction": "customers/1234567890/conversionActions/987654321",
                    "conversionDateTime": "2026-11-23 14:05:05+00:00",
                    "orderId": EVENT_ID,
                    "conversionValue": 12.5,
                    "currencyCode": "USD",
                    "consent": {"adUserData": "GRANTED", "adPersonalization": "GRANTED"},
                }
            ],
            "partialFailure": True,
        },
    },
    "google-csv": {
        "method": "GET",
        "url": "/-/feed/***.csv",
        "headers": {"Content-Type": "text/csv; charset=utf-8"},
        "body": (
            "Parameters:TimeZone=+0000\n"
            "Google Click ID,Conversion Name,Conversion Time,Conversion Value,Conversion Currency\n"
            "Cj0KCQiA-NHJBhDIARIsAIhyEXAMPLE_wcB,Sale,2026-11-23 14:05:05,12.5,USD\n"
        ),
    },
    "microsoft-csv": {
        "method": "GET",
        "url": "/-/feed/***.csv",
        "headers": {"Content-Type": "text/csv; charset=utf-8"},
        "body": (
            "Parameters:TimeZone=Europe/Berlin\n"
            "Microsoft Click ID,Conversion Name,Conversion Time,Conversion Value,Conversion Currency\n"
            "f894f652ea334e739002f7167ab8f8e3,Sale,2026-11-23 15:05:05,12.5,USD\n"
        ),
    },
    "postback": {
        "method": "GET",
        "url": "https://ads.example/pb?id=ext-4711&rev=12.5&st=sale",
        "headers": {},
        "body": None,
    },
    "webhook": {
        "method": "POST",
        "url": "https://own.example/hook",
        "headers": {
            "Content-Type": "application/json",
            "webhook-id": EVENT_ID,
            "webhook-timestamp": "1795442706",
            "webhook-signature": "v1,QV0pUmqcXWvL0Yq5//SAinNkbc6mK1g6E/RomoMuMMU=",
        },
        "body": {
            "type": "conversion.sale",
            "timestamp": "2026-11-23T14:05:05.123Z",
            "data": {
                "click_id": "05lqvk3fb6c0000000000000ab",
                "campaign": "summer",
                "kind": "convert",
                "conversion_id": "05lqvk3fconv000000000000cd",
                "converted_at": "2026-11-23T14:05:05.123Z",
                "status": "sale",
                "event": None,
                "payout": 12.5,
                "currency": "USD",
                "txid": "T-1",
            },
        },
    },
}


@pytest.mark.parametrize("of", PLATFORMS)
def test_a_preview_shows_the_exact_request(of: str) -> None:
    shown = preview(delivery(of), NOW_MS)

    assert shown == {
        "destination": f"{of}-main",
        "type": of,
        "event_id": EVENT_ID,
        "send": True,
        "why": None,
        **GOLDEN[of],
    }


def test_customer_data_of_a_link_is_hashed_and_sent_with_consent_only() -> None:
    unasked = click({"params": FULL.visit.params, "consent": "unknown"})

    granted = preview(delivery("meta", of=FULL), NOW_MS)["body"]["data"][0]["user_data"]
    unknown = preview(delivery("meta", of=unasked), NOW_MS)["body"]["data"][0]["user_data"]

    assert {"em", "ph", "fn", "ln", "zp", "st", "ct"} <= granted.keys()
    assert "Lovelace" not in str(granted)
    assert not {"em", "ph", "fn", "ln", "zp", "st", "ct"} & unknown.keys()


@pytest.mark.parametrize(
    ("country", "region", "codes"),
    [("US", "California", (1, 1000)), ("US", "TX", (1, 1005)), ("US", "US-RI", (1, 1013)), ("US", "New York", (0, 0)),
     ("US", None, (0, 0)), ("BR", "California", (0, 0))],
)  # fmt: skip
def test_limited_data_use_has_the_state_if_meta_supports_it(
    country: str, region: str | None, codes: tuple[int, int]
) -> None:
    visitor = click({"mode": "limited", "consent": "unknown", "country": country, "region": region})

    event = preview(delivery("meta", of=visitor), NOW_MS)["body"]["data"][0]

    assert event["data_processing_options"] == ["LDU"]
    assert (event["data_processing_options_country"], event["data_processing_options_state"]) == codes
    assert "external_id" not in event["user_data"]


def test_snapchat_gets_hashes_in_its_own_forms_only_after_consent() -> None:
    unasked = click({"params": FULL.visit.params, "consent": "unknown"})

    granted = preview(delivery("snapchat", of=FULL), NOW_MS)["body"]["data"][0]["user_data"]
    unknown = preview(delivery("snapchat", of=unasked), NOW_MS)["body"]["data"][0]["user_data"]

    # sha256 of ada.lovelace@gmail.com and of 12025550100
    assert granted["em"] == ["894ac26ea616dec861df81a6efb2ddfc30c3f1cb72b219a17242d8244e66c125"]
    assert granted["ph"] == ["0b4c47ed6c372bbe878f0854462a27cf1ae43ea1c1f5c9e78256ca0c6c7a43e0"]
    assert not {"em", "ph", "fn", "ln", "zp", "st", "ct"} & unknown.keys()


def test_a_limited_visitor_is_marked_for_snapchat() -> None:
    event = preview(delivery("snapchat", of=LIMITED), NOW_MS)["body"]["data"][0]

    assert event["data_processing_options"] == ["LMU"]
    assert not {"country", "external_id"} & event["user_data"].keys()
    assert "data_processing_options" not in preview(delivery("snapchat"), NOW_MS)["body"]["data"][0]


def test_other_visitors_are_sent_without_limited_data_use() -> None:
    assert "data_processing" not in str(preview(delivery("meta"), NOW_MS))
    assert "limited_data_use" not in str(preview(delivery("tiktok"), NOW_MS))


def test_share_applies_to_the_value_on_every_platform() -> None:
    half = {each: destination(each, share=0.5) for each in PLATFORMS}

    shown = [
        str(preview(delivery(each), NOW_MS)["body"] or preview(delivery(each), NOW_MS)["url"]) for each in half.values()
    ]

    assert all("6.25" in each and "12.5" not in each for each in shown)


def test_a_purchase_without_a_payout_has_value_0() -> None:
    unpaid = conversion(change(payout_micros=None, currency=None))

    event = preview(delivery("meta", about=unpaid), NOW_MS)["body"]["data"][0]

    assert event["custom_data"] == {"value": 0, "currency": "USD"}


def test_page_replaces_the_tracking_link() -> None:
    own = destination("tiktok", {"page": "https://shop.example/thanks"})

    assert preview(delivery(own), NOW_MS)["body"]["data"][0]["page"] == {"url": "https://shop.example/thanks"}


def test_an_event_name_wins_over_a_status_and_a_refund_over_both() -> None:
    named = destination("meta", on=("sale", "rejected"), events={"deposit": "Subscribe", "rejected": "Refund"})
    deposit, upsell = change(event="deposit"), change(event="upsell")

    names = [
        preview(delivery(named, about=conversion(*changes)), NOW_MS)["body"]["data"][0]["event_name"]
        for changes in [(deposit,), (upsell,), (deposit, change(event="deposit", status="rejected"))]
    ]

    assert names == ["Subscribe", "Purchase", "Refund"]


def test_an_app_secret_adds_a_proof_for_meta() -> None:
    body = preview(delivery(destination("meta", {"app_secret": "appsecret"})), NOW_MS)["body"]

    assert body["appsecret_proof"] == "acce5526f85aac5657dc95d35403e8f407aaa8745559ef293322d1b179697c99"


def test_a_test_click_is_only_validated() -> None:
    test = click(test=True)

    for each in ("google-data-manager", "google-ads"):
        assert preview(delivery(each, of=test), NOW_MS)["body"]["validateOnly"] is True
