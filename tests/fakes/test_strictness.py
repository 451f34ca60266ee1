"""The fakes are as strict as the platforms: they refuse a good body with one mistake."""

import json
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from tests.fakes import google_ads, google_data_manager, meta, snapchat, tiktok, webhook

NOW = 1_795_442_706
SHA = "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"
Mutation = Callable[[Any], Any]

META: dict[str, Any] = {
    "data": [
        {
            "event_name": "Purchase",
            "event_time": NOW - 60,
            "event_id": "cv_1",
            "action_source": "website",
            "event_source_url": "https://go.example/summer",
            "user_data": {
                "client_ip_address": "203.0.113.7",
                "client_user_agent": "Mozilla/5.0",
                "fbc": "fb.1.1795439106123.IwAR0abc",
                "em": [SHA],
            },
            "custom_data": {"value": 12.5, "currency": "USD"},
        }
    ],
    "access_token": "EAAmetatoken",
}
TIKTOK: dict[str, Any] = {
    "event_source": "web",
    "event_source_id": "C4EXAMPLEPIXEL",
    "data": [
        {
            "event": "Purchase",
            "event_time": NOW - 60,
            "event_id": "cv_1",
            "user": {"ttclid": "E.C.P.1", "ip": "203.0.113.7", "user_agent": "Mozilla/5.0", "email": SHA},
            "properties": {"value": 12.5, "currency": "USD"},
            "page": {"url": "https://go.example/summer"},
        }
    ],
}
SNAPCHAT: dict[str, Any] = {
    "data": [
        {
            "event_name": "PURCHASE",
            "event_time": NOW - 60,
            "event_id": "cv_1",
            "action_source": "WEB",
            "event_source_url": "https://go.example/summer",
            "user_data": {
                "client_ip_address": "203.0.113.7",
                "client_user_agent": "Mozilla/5.0",
                "sc_click_id": "7b3a7917-a82a-47e8-9728-e1b3b045abb2",
                "em": [SHA],
            },
            "custom_data": {"value": 12.5, "currency": "USD"},
        }
    ],
}
MANAGER: dict[str, Any] = {
    "destinations": [
        {
            "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"},
            "productDestinationId": "987654321",
        }
    ],
    "events": [
        {
            "transactionId": "cv_1",
            "eventTimestamp": "2026-11-23T14:04:06Z",
            "eventSource": "WEB",
            "adIdentifiers": {"gclid": "Cj0KCQiAexample"},
            "currency": "USD",
            "conversionValue": 12.5,
            "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
            "userData": {"userIdentifiers": [{"emailAddress": SHA}]},
        }
    ],
    "encoding": "HEX",
}
ADS: dict[str, Any] = {
    "conversions": [
        {
            "gclid": "Cj0KCQiAexample",
            "conversionAction": "customers/1234567890/conversionActions/987654321",
            "conversionDateTime": "2026-11-23 14:04:06+00:00",
            "conversionValue": 12.5,
            "currencyCode": "USD",
            "orderId": "cv_1",
            "consent": {"adUserData": "GRANTED", "adPersonalization": "GRANTED"},
        }
    ],
    "partialFailure": True,
}


def put(path: str, value: Any) -> Mutation:
    """A mutation: set the value at a path like `data.0.event_time`, or remove it with `...`."""

    def mutate(body: Any) -> Any:
        *way, last = [int(each) if each.isdigit() else each for each in path.split(".")]
        place = body
        for step in way:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
        return body

    return mutate


META_MUTATIONS = [
    put("data.0.event_time", NOW * 1000),
    put("data.0.event_time", str(NOW)),
    put("data.0.event_time", NOW - 60.5),
    put("data.0.event_time", NOW - 7 * 86_400 - 1),
    put("data.0.event_time", NOW + 3600),
    put("data.0.event_time", ...),
    put("data.0.user_data.em", "person@example.com"),
    put("data.0.user_data.em", SHA.upper()),
    put("data.0.user_data.client_ip_address", SHA),
    put("data.0.user_data.client_user_agent", SHA),
    put("data.0.user_data.client_user_agent", ...),
    put("data.0.user_data.fbc", SHA),
    put("data.0.user_data.fbp", "fb.1.2.x"),
    put("data.0.user_data.email", SHA),
    put("data.0.user_data", {"client_user_agent": "Mozilla/5.0", "country": SHA}),
    put("data.0.action_source", "web"),
    put("data.0.event_source_url", ...),
    put("data.0.event_source_url", "go.example/summer"),
    put("data.0.custom_data", ...),
    put("data.0.custom_data.value", "12.5"),
    put("data.0.custom_data.currency", "usd"),
    put("data.0.custom_data.colour", "red"),
    put("data.0.data_processing_options", ["LDU"]),
    put("data.0.consent", "granted"),
    put("data", []),
    put("access_token", "another"),
    put("partner", "tnc"),
]
TIKTOK_MUTATIONS = [
    put("event_source", "website"),
    put("event_source_id", "C4OTHERPIXEL00"),
    put("pixel_code", "C4EXAMPLEPIXEL"),
    put("data", []),
    put("data.0.event_time", "2026-11-23T14:04:06Z"),
    put("data.0.event_time", NOW + 3600),
    put("data.0.event_time", True),
    put("data.0.event_id", ...),
    put("data.0.page", ...),
    put("data.0.page.url", "/summer"),
    put("data.0.properties", ...),
    put("data.0.properties.value", "12.5"),
    put("data.0.properties.currency", "dollar"),
    put("data.0.user", {}),
    put("data.0.user.email", "person@example.com"),
    put("data.0.user.phone", "+12025550100"),
    put("data.0.user.phone_number", SHA),
    put("data.0.user.ip", SHA),
    put("data.0.user.user_agent", SHA),
    put("data.0.user.ttclid", SHA),
    put("data.0.limited_data_use", "true"),
    put("data.0.context", {}),
]
SNAPCHAT_MUTATIONS = [
    put("data", []),
    put("data.0.event_name", "Purchase"),
    put("data.0.event_name", "MY_EVENT"),
    put("data.0.event_time", NOW * 1000),
    put("data.0.event_time", str(NOW)),
    put("data.0.event_time", NOW - 7 * 86_400 - 1),
    put("data.0.event_time", NOW + 3600),
    put("data.0.action_source", "website"),
    put("data.0.action_source", ...),
    put("data.0.event_source_url", ...),
    put("data.0.event_source_url", "go.example/summer"),
    put("data.0.user_data", ...),
    put("data.0.user_data", {"sc_click_id": "7b3a7917"}),
    put("data.0.user_data", {"client_ip_address": "203.0.113.7", "sc_click_id": "7b3a7917"}),
    put("data.0.user_data.em", "person@example.com"),
    put("data.0.user_data.em", SHA.upper()),
    put("data.0.user_data.client_ip_address", SHA),
    put("data.0.user_data.client_user_agent", SHA),
    put("data.0.user_data.sc_click_id", SHA),
    put("data.0.user_data.hashed_email", SHA),
    put("data.0.custom_data", ...),
    put("data.0.custom_data.currency", ...),
    put("data.0.custom_data.value", "12.5"),
    put("data.0.custom_data.currency", "dollar"),
    put("data.0.data_processing_options", ["LDU"]),
    put("data.0.data_use", ["lmu"]),
    put("pixel_id", "1ec32188"),
]
MANAGER_MUTATIONS = [
    put("destinations.0.operatingAccount.accountId", "123-456-7890"),
    put("destinations.0.operatingAccount.accountId", 1234567890),
    put("destinations.0.operatingAccount.accountType", "ADS"),
    put("destinations.0.productDestinationId", "1"),
    put("destinations", []),
    put("events.0.eventTimestamp", "2026-11-23 14:04:06"),
    put("events.0.eventTimestamp", NOW),
    put("events.0.eventTimestamp", "2026-11-24T14:04:06Z"),
    put("events.0.eventSource", ...),
    put("events.0.eventSource", "web"),
    put("events.0.transactionId", ""),
    put("events.0.adIdentifiers.wbraid", "another"),
    put("events.0.adIdentifiers.gclid", SHA),
    put("events.0.conversionValue", "12.5"),
    put("events.0.currency", ...),
    put("events.0.consent.adUserData", "GRANTED"),
    put("events.0.userData.userIdentifiers.0.emailAddress", "person@example.com"),
    put("events.0.userData.userIdentifiers", []),
    put("events.0.orderId", "cv_1"),
    put("encoding", ...),
    put("encoding", "hex"),
    put("partialFailure", True),
]
ADS_MUTATIONS = [
    put("partialFailure", ...),
    put("partialFailure", False),
    put("conversions.0.conversionDateTime", "2026-11-23T14:04:06Z"),
    put("conversions.0.conversionDateTime", "2026-11-23 14:04:06"),
    put("conversions.0.conversionDateTime", "2026-11-24 14:04:06+00:00"),
    put("conversions.0.conversionDateTime", "2026-07-23 14:04:06+00:00"),
    put("conversions.0.conversionAction", "987654321"),
    put("conversions.0.conversionAction", "customers/1234567890/conversionActions/1"),
    put("conversions.0.gclid", ...),
    put("conversions.0.gclid", SHA),
    put("conversions.0.wbraid", "another"),
    put("conversions.0.conversionValue", "12.5"),
    put("conversions.0.currencyCode", "dollar"),
    put("conversions.0.orderId", "person@example.com"),
    put("conversions.0.consent.adUserData", "CONSENT_GRANTED"),
    put("conversions.0.userIdentifiers", [{"hashedEmail": "person@example.com"}]),
    put("conversions.0.transactionId", "cv_1"),
    put("conversions", []),
    put("jobId", 2**31),
    put("events", []),
]

Post = Callable[[web.Application, str, Any, dict[str, str]], Awaitable[Any]]


async def post(app: web.Application, path: str, body: Any, headers: dict[str, str]) -> Any:
    server = TestServer(app)
    await server.start_server()
    async with ClientSession() as session, session.post(server.make_url(path), json=body, headers=headers) as answer:
        found = await answer.json()
    await server.close()
    return found


@pytest.mark.parametrize("mutate", [lambda body: body, *META_MUTATIONS])
async def test_meta(mutate: Mutation) -> None:
    fake = meta.Meta(now=lambda: NOW)

    answer = await post(meta.app(fake), "/v26.0/123456789012345/events", mutate(deepcopy(META)), {})

    assert ("error" in answer) == (mutate in META_MUTATIONS)
    assert len(fake.events) == (mutate not in META_MUTATIONS)


@pytest.mark.parametrize("mutate", [lambda body: body, *TIKTOK_MUTATIONS])
async def test_tiktok(mutate: Mutation) -> None:
    fake = tiktok.TikTok(now=lambda: NOW)
    path, token = "/open_api/v1.3/event/track/", {"Access-Token": "tiktoktoken"}

    answer = await post(tiktok.app(fake), path, mutate(deepcopy(TIKTOK)), token)

    assert (answer["code"] != 0) == (mutate in TIKTOK_MUTATIONS)
    assert len(fake.events) == (mutate not in TIKTOK_MUTATIONS)


@pytest.mark.parametrize("mutate", [lambda body: body, *SNAPCHAT_MUTATIONS])
async def test_snapchat(mutate: Mutation) -> None:
    fake = snapchat.Snapchat(now=lambda: NOW)
    path = "/v3/1ec32188-754e-4be2-8e55-c949a984a39f/events?access_token=snaptoken"

    answer = await post(snapchat.app(fake), path, mutate(deepcopy(SNAPCHAT)), {})

    assert (answer["status"] == "INVALID") == (mutate in SNAPCHAT_MUTATIONS)
    assert len(fake.events) == (mutate not in SNAPCHAT_MUTATIONS)


@pytest.mark.parametrize("mutate", [lambda body: body, *MANAGER_MUTATIONS])
async def test_google_data_manager(mutate: Mutation) -> None:
    fake = google_data_manager.DataManager(now=lambda: NOW, given=["token"])
    body = mutate(deepcopy(MANAGER))

    answer = await post(google_data_manager.app(fake), "/v1/events:ingest", body, {"Authorization": "Bearer token"})

    assert ("error" in answer) == (mutate in MANAGER_MUTATIONS)
    assert len(fake.events) == (mutate not in MANAGER_MUTATIONS)


@pytest.mark.parametrize("mutate", [lambda body: body, *ADS_MUTATIONS])
async def test_google_ads(mutate: Mutation) -> None:
    fake = google_ads.GoogleAds(now=lambda: NOW, given=["token"])
    headers = {"Authorization": "Bearer token", "developer-token": "devtoken"}
    path = "/v26/customers/1234567890:uploadClickConversions"

    answer = await post(google_ads.app(fake), path, mutate(deepcopy(ADS)), headers)

    assert ("error" in answer or "partialFailureError" in answer) == (mutate in ADS_MUTATIONS)
    assert len(fake.events) == (mutate not in ADS_MUTATIONS)


@pytest.mark.parametrize("wrong", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_a_webhook_without_its_signature_is_refused(wrong: str) -> None:
    fake = webhook.Webhook(now=lambda: NOW)
    headers = {"webhook-id": "cv_1", "webhook-timestamp": str(NOW), "webhook-signature": "v1,AAAA"}
    server = TestServer(webhook.app(fake))
    await server.start_server()

    async with ClientSession() as session:
        headers[wrong] = ""
        body = json.dumps({"type": "conversion.sale", "timestamp": "", "data": {}})
        async with session.post(server.make_url("/hook"), data=body, headers=headers) as answer:
            assert answer.status == 400
    await server.close()

    assert fake.events == []
