"""What really goes over the wire, and what never does."""

import asyncio
import gzip
import json
import time
from collections.abc import Sequence

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.destinations.conftest import Carry, Listen, at
from tests.destinations.examples import CONFIGURATION, NOW_MS, SALE, change, click, conversion, delivery, destination
from tests.fakes import google_data_manager, meta, naughty, postback, snapchat, tiktok
from tests.fakes.receiver import Receiver
from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.messages import BODY_LIMIT, HttpRequest
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.clock import World
from tnc.destinations.http import (
    TIMEOUT,
    ForbiddenAddressError,
    GuardedResolver,
    is_internal,
    open_session,
    refusal,
    send,
)
from tnc.destinations.preview import send_test
from tnc.destinations.sender import Sender

NOW = NOW_MS / 1000


def many(count: int, *, bad: Sequence[int] = ()) -> list[Delivery]:
    """Deliveries to Meta, of which some are from the future."""
    return [
        delivery(
            "meta",
            word=conversion(change(conversion_id=f"conv{place}", at_ms=SALE.at_ms + (10**8 if place in bad else 0))),
        )
        for place in range(count)
    ]


async def test_one_bad_event_among_a_hundred_is_found_and_the_others_arrive(listen: Listen, carry: Carry) -> None:
    receiver = meta.Meta(now=lambda: NOW)

    fates = await carry(await listen(meta.app(receiver)), many(100, bad=[37]))

    assert len(receiver.events) == 99
    assert [fate.event_id for fate, outcome, _ in fates if outcome.kind == "drop"] == ["cv_conv37"]
    assert sum(outcome.kind == "done" for _, outcome, _ in fates) == 99
    assert receiver.requests <= 16
    assert set(receiver.ids("event_id").values()) == {1}


async def test_a_test_event_is_validated_by_snapchat_and_counts_nowhere(listen: Listen, sender: Sender) -> None:
    receiver = snapchat.Snapchat()
    there = at(destination("snapchat"), await listen(snapchat.app(receiver)))

    found = await send_test(sender, there, CONFIGURATION, World())

    assert (found.ok, found.note) == (True, None)
    assert [each["event_id"] for each in receiver.tests] == [found.event_id]
    assert receiver.events == []


async def test_a_wrong_snapchat_token_stops_after_one_request(listen: Listen, carry: Carry) -> None:
    receiver = snapchat.Snapchat(now=lambda: NOW, token="another")

    [result] = await carry(await listen(snapchat.app(receiver)), [delivery("snapchat")])

    assert result.outcome.kind == "stop"
    assert "snaptoken" not in str(result.exchange)
    assert receiver.requests == 1


async def test_the_same_delivery_bears_the_same_id_every_time(listen: Listen, carry: Carry) -> None:
    receiver = tiktok.TikTok(now=lambda: NOW)
    address = await listen(tiktok.app(receiver))

    await carry(address, [delivery("tiktok")])
    await carry(address, [delivery("tiktok")])

    assert list(receiver.ids("event_id").values()) == [2]


async def test_a_refused_token_is_replaced_once_and_then_stops(listen: Listen, carry: Carry) -> None:
    receiver = google_data_manager.DataManager(now=lambda: NOW)
    address = await listen(google_data_manager.app(receiver))
    await carry(address, [delivery("google-data-manager")])
    receiver.given.append("another")  # the one that the courier holds is void now

    [(_, outcome, _)] = await carry(address, [delivery("google-data-manager")])

    assert outcome.kind == "accepted"
    assert receiver.requests == 5  # token, event; event refused, token, event


async def test_a_token_is_fetched_once_for_many_requests(listen: Listen, carry: Carry) -> None:
    receiver = google_data_manager.DataManager(now=lambda: NOW)
    address = await listen(google_data_manager.app(receiver))

    for _ in range(3):
        await carry(address, [delivery("google-data-manager")])

    assert len(receiver.given) == 1


async def test_a_void_refresh_token_needs_the_operator(listen: Listen, carry: Carry) -> None:
    receiver = google_data_manager.DataManager(now=lambda: NOW, refresh_token="another")

    [(_, outcome, _)] = await carry(await listen(google_data_manager.app(receiver)), [delivery("google-data-manager")])

    assert outcome.kind == "stop"
    assert receiver.requests == 1


async def test_data_manager_is_asked_what_became_of_a_request(listen: Listen, sender: Sender) -> None:
    receiver = google_data_manager.DataManager(now=lambda: NOW, processing=1)
    address = await listen(google_data_manager.app(receiver))
    moved = at(destination("google-data-manager"), address)
    bad = delivery(moved, of=click({"params": {"gclid": "bad-gclid-of-nobody"}}))
    batch = [delivery(moved), bad]
    [(_, taken, _), _] = await sender.deliver(batch)
    assert taken.receipt is not None

    outcomes = [(await sender.confirm(batch[0], taken.receipt, size)).kind for size in (2, 2, 1)]

    assert outcomes == ["accepted", "split", "drop"]


async def test_a_wrong_token_is_asked_once_and_stops(listen: Listen, carry: Carry) -> None:
    receiver = meta.Meta(now=lambda: NOW, token="another")

    [(_, outcome, _)] = await carry(await listen(meta.app(receiver)), [delivery("meta")])

    assert outcome.kind == "stop"
    assert receiver.requests == 1


async def test_a_request_to_wait_is_understood(listen: Listen, carry: Carry) -> None:
    receiver = meta.Meta(now=lambda: NOW)
    receiver.answer_next(429, {"error": {"code": 4}}, {"Retry-After": "30"})

    [(_, outcome, _)] = await carry(await listen(meta.app(receiver)), [delivery("meta")])

    assert (outcome.kind, outcome.after_ms) == ("throttled", 30_000)


async def test_a_postback_is_encoded_value_by_value_and_its_answer_is_read(listen: Listen, carry: Carry) -> None:
    receiver = postback.Postback(known_ids=frozenset({"a&b=c d/é"}))
    address = await listen(postback.app(receiver))
    words = {"success": "^OK", "failure": "^ERROR"}

    [(_, known, _)] = await carry(
        address, [delivery(destination("postback", words), of=click({"external_id": "a&b=c d/é"}))]
    )
    [(_, unknown, _)] = await carry(address, [delivery(destination("postback", words))])

    assert receiver.events == [{"id": "a&b=c d/é", "rev": "12.5", "st": "sale"}]
    assert (known.kind, unknown.kind) == ("done", "drop")


async def test_a_body_with_macros_keeps_values_inside_their_quotes(listen: Listen, carry: Carry) -> None:
    bodies: list[object] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append((await request.json(), request.headers["X-Key"]))
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/pb", take)])
    body = '{"id": "{external_id}", "rev": {payout}}'
    settings = {"url": "https://ads.example/pb", "method": "POST", "body": body, "headers": {"X-Key": "k"}}
    posted = destination("postback", settings)

    await carry(await listen(app), [delivery(posted, of=click({"external_id": '"}, "x": 1'}))])

    assert bodies == [({"id": '"}, "x": 1', "rev": 12.5}, "k")]


@pytest.mark.parametrize(
    ("page", "outcome"), [("html", "retry"), ("huge", "retry"), ("gzip", "retry"), ("redirect", "stop")]
)
async def test_answers_that_no_receiver_should_give_are_classified(
    page: str, outcome: str, listen: Listen, carry: Carry
) -> None:
    address = await listen(naughty.app(Receiver()))
    expecting = destination("postback", {"url": f"https://ads.example/{page}", "success": "^OK"})

    [result] = await carry(address, [delivery(expecting)])

    assert result.outcome.kind == outcome


async def test_a_slow_drip_ends_with_the_time_limit(listen: Listen) -> None:
    address = await listen(naughty.app(Receiver()))
    started = time.monotonic()

    async with open_session(["127.0.0.1"], timeout=aiohttp.ClientTimeout(total=0.3)) as session:
        answer = await send(HttpRequest(method="GET", url=f"{address}/drip"), session, ["127.0.0.1"])

    assert answer.trouble == "timeout"
    assert time.monotonic() - started < 5
    assert (TIMEOUT.total, TIMEOUT.sock_connect) == (10, 3)


async def test_never_more_than_64_kilobytes_of_an_answer_are_kept(listen: Listen) -> None:
    address = await listen(naughty.app(Receiver()))

    async with open_session(["127.0.0.1"]) as session:
        answer = await send(HttpRequest(method="GET", url=f"{address}/huge"), session, ["127.0.0.1"])

    assert (answer.status, len(answer.body)) == (200, BODY_LIMIT)


async def test_a_small_answer_that_unpacks_into_a_large_one_stays_packed(listen: Listen) -> None:
    packed = gzip.compress(b"0" * 10**7)

    async def bomb(_request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.add_routes([web.get("/", bomb)])
    address = await listen(app)

    async with open_session(["127.0.0.1"]) as session:
        answer = await send(HttpRequest(method="GET", url=f"{address}/"), session, ["127.0.0.1"])

    assert answer.body == packed


async def test_an_address_goes_out_byte_for_byte(listen: Listen) -> None:
    asked: list[str] = []

    async def take(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/{rest:.*}", take)])
    address = await listen(app)
    path = "/a%2Fb?x=%7E%2B+%20&y=a%26b&z="

    async with open_session(["127.0.0.1"]) as session:
        await send(HttpRequest(method="GET", url=address + path), session, ["127.0.0.1"])

    assert asked == [path]


INSIDE = [
    "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/", "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/",
    "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://metadata.google.internal/", "http://100.64.0.1/",
    "http://[64:ff9b::7f00:1]/", "ftp://ads.example/", "file:///etc/passwd", "http://[bad", "",
]  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
async def test_nothing_is_sent_inside(url: str) -> None:
    async with open_session([]) as session:
        answer = await send(HttpRequest(method="GET", url=url), session, [])

    assert answer.trouble == "forbidden-address"


async def test_a_secret_never_goes_over_plain_http_unless_that_host_is_allowed() -> None:
    secret = HttpRequest(method="GET", url="http://93.184.215.14/", secrets=("s3cret",))

    async with open_session([]) as session:
        assert (await send(secret, session, [])).trouble == "forbidden-address"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "169.254.169.254", "168.63.129.16",
                "2002:7f00:1::", "2001:0:7f00:1::", "224.0.0.1", "255.255.255.255", "nonsense"],
)  # fmt: skip
def test_addresses_inside_are_known_in_every_dress(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700:4700::1111"])
def test_addresses_outside_are_let_through(address: str) -> None:
    assert not is_internal(address)


class Fickle(AbstractResolver):
    """A name that leads outside at first and inside the second time."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:  # noqa: ARG002
        return [
            ResolveResult(hostname=host, host=each, port=port, family=2, proto=0, flags=0)
            for each in self._answers.pop(0)
        ]

    async def close(self) -> None:
        pass


async def test_a_name_is_judged_at_each_connection() -> None:
    resolver = GuardedResolver([], Fickle(["93.184.215.14", "10.0.0.1"], ["10.0.0.1"]))

    first = await resolver.resolve("ads.example", 443)

    assert [each["host"] for each in first] == ["93.184.215.14"]
    with pytest.raises(ForbiddenAddressError):
        await resolver.resolve("ads.example", 443)


async def test_an_allowed_host_may_lead_inside_at_its_port_only() -> None:
    resolver = GuardedResolver(["own.example:8443"], Fickle(["10.0.0.1"], ["10.0.0.1"]))

    assert [each["host"] for each in await resolver.resolve("own.example", 8443)] == ["10.0.0.1"]
    with pytest.raises(ForbiddenAddressError):
        await resolver.resolve("own.example", 443)


async def test_a_name_that_leads_inside_is_reported_as_forbidden() -> None:
    connector = aiohttp.TCPConnector(resolver=GuardedResolver([], Fickle(["127.0.0.1"])))
    async with aiohttp.ClientSession(connector=connector) as session:
        answer = await send(HttpRequest(method="GET", url="https://rebind.example/"), session, [])

    assert answer.trouble == "forbidden-address"


async def test_a_receiver_that_is_not_there_is_trouble_and_not_an_exception(listen: Listen) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    async with open_session(["127.0.0.1"]) as session:
        answer = await send(HttpRequest(method="GET", url=f"http://127.0.0.1:{port}/"), session, ["127.0.0.1"])

    assert answer.trouble == "connect"


def test_secrets_are_masked_in_every_spelling() -> None:
    request = HttpRequest(
        method="POST",
        url="https://ads.example/pb?key=to%2Fken%3D1&x=1",
        headers={"Content-Type": "application/json", "X-Key": "k1", "X-Other": "ok1"},
        body=json.dumps({"token": 'quo"ted!', "quoted": "x", "n": 1}).encode(),
        secrets=("to/ken=1", 'quo"ted!', "k1"),
    )

    assert request.shown() == {
        "method": "POST",
        "url": "https://ads.example/pb?key=***&x=1",
        "headers": {"Content-Type": "application/json", "X-Key": "***", "X-Other": "ok1"},
        "body": {"token": "***", "quoted": "x", "n": 1},
    }
    assert "to/ken" not in repr(request)


def test_no_person_stands_in_what_a_traceback_may_print() -> None:
    assert "203.0.113.7" not in repr(delivery("meta"))


def test_a_key_that_stands_in_a_postback_address_is_masked() -> None:
    keyed = destination("postback", {"url": "http://ads.example/pb?id={external_id}&api_key=s3cretkey"})

    request = PLATFORMS["postback"].build([delivery(keyed)], NOW_MS)

    assert request.shown()["url"] == "http://ads.example/pb?id=ext-4711&api_key=***"
    assert refusal(request, []) is None  # many sources have plain http only
