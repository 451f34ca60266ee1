"""Requests over real sockets: batches, tokens, answers, forbidden addresses, masked secrets."""

import asyncio
import gzip
import json
import time
from collections.abc import Sequence

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.destinations.conftest import Listen, Send, at
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
    """Deliveries to Meta; the bad ones are from the future, which Meta refuses."""
    return [
        delivery(
            "meta",
            about=conversion(change(conversion_id=f"conv{number}", at_ms=SALE.at_ms + (10**8 if number in bad else 0))),
        )
        for number in range(count)
    ]


async def test_one_bad_event_of_a_hundred_is_dropped_and_the_others_arrive(listen: Listen, send_all: Send) -> None:
    receiver = meta.Meta(now=lambda: NOW)

    results = await send_all(await listen(meta.app(receiver)), many(100, bad=[37]))

    assert len(receiver.events) == 99
    assert [each.event_id for each, outcome, _ in results if outcome.kind == "drop"] == ["cv_conv37"]
    assert sum(outcome.kind == "done" for _, outcome, _ in results) == 99
    assert receiver.requests <= 16
    assert set(receiver.ids("event_id").values()) == {1}


async def test_a_test_event_is_validated_by_snapchat_and_counts_nowhere(listen: Listen, sender: Sender) -> None:
    receiver = snapchat.Snapchat()
    there = at(destination("snapchat"), await listen(snapchat.app(receiver)))

    found = await send_test(sender, there, CONFIGURATION, World())

    assert (found.ok, found.note) == (True, None)
    assert [each["event_id"] for each in receiver.tests] == [found.event_id]
    assert receiver.events == []


async def test_a_wrong_snapchat_token_stops_after_one_request(listen: Listen, send_all: Send) -> None:
    receiver = snapchat.Snapchat(now=lambda: NOW, token="another")

    [result] = await send_all(await listen(snapchat.app(receiver)), [delivery("snapchat")])

    assert result.outcome.kind == "stop"
    assert "snaptoken" not in str(result.exchange)
    assert receiver.requests == 1


async def test_a_delivery_has_the_same_event_id_every_time(listen: Listen, send_all: Send) -> None:
    receiver = tiktok.TikTok(now=lambda: NOW)
    address = await listen(tiktok.app(receiver))

    await send_all(address, [delivery("tiktok")])
    await send_all(address, [delivery("tiktok")])

    assert list(receiver.ids("event_id").values()) == [2]


async def test_a_refused_access_token_is_replaced_once(listen: Listen, send_all: Send) -> None:
    receiver = google_data_manager.DataManager(now=lambda: NOW)
    address = await listen(google_data_manager.app(receiver))
    await send_all(address, [delivery("google-data-manager")])
    receiver.given.append("another")  # the token that the sender holds is invalid now

    [(_, outcome, _)] = await send_all(address, [delivery("google-data-manager")])

    assert outcome.kind == "accepted"
    assert receiver.requests == 5  # token, event; event refused, token, event


async def test_an_access_token_is_fetched_once_for_many_requests(listen: Listen, send_all: Send) -> None:
    receiver = google_data_manager.DataManager(now=lambda: NOW)
    address = await listen(google_data_manager.app(receiver))

    for _ in range(3):
        await send_all(address, [delivery("google-data-manager")])

    assert len(receiver.given) == 1


async def test_an_invalid_refresh_token_stops_the_destination(listen: Listen, send_all: Send) -> None:
    receiver = google_data_manager.DataManager(now=lambda: NOW, refresh_token="another")

    [(_, outcome, _)] = await send_all(
        await listen(google_data_manager.app(receiver)), [delivery("google-data-manager")]
    )

    assert outcome.kind == "stop"
    assert receiver.requests == 1


async def test_data_manager_is_asked_for_the_result_of_an_accepted_request(listen: Listen, sender: Sender) -> None:
    receiver = google_data_manager.DataManager(now=lambda: NOW, processing=1)
    address = await listen(google_data_manager.app(receiver))
    moved = at(destination("google-data-manager"), address)
    bad = delivery(moved, of=click({"params": {"gclid": "bad-gclid"}}))
    batch = [delivery(moved), bad]
    [(_, taken, _), _] = await sender.deliver(batch)
    assert taken.receipt is not None

    outcomes = [(await sender.confirm(batch[0], taken.receipt, size)).kind for size in (2, 2, 1)]

    assert outcomes == ["accepted", "split", "drop"]


async def test_a_wrong_access_token_stops_after_one_request(listen: Listen, send_all: Send) -> None:
    receiver = meta.Meta(now=lambda: NOW, token="another")

    [(_, outcome, _)] = await send_all(await listen(meta.app(receiver)), [delivery("meta")])

    assert outcome.kind == "stop"
    assert receiver.requests == 1


async def test_retry_after_of_a_throttled_request_is_kept(listen: Listen, send_all: Send) -> None:
    receiver = meta.Meta(now=lambda: NOW)
    receiver.answer_next(429, {"error": {"code": 4}}, {"Retry-After": "30"})

    [(_, outcome, _)] = await send_all(await listen(meta.app(receiver)), [delivery("meta")])

    assert (outcome.kind, outcome.after_ms) == ("throttled", 30_000)


async def test_a_postback_encodes_each_value_and_reads_the_answer(listen: Listen, send_all: Send) -> None:
    receiver = postback.Postback(known_ids=frozenset({"a&b=c d/é"}))
    address = await listen(postback.app(receiver))
    patterns = {"success": "^OK", "failure": "^ERROR"}

    [(_, known, _)] = await send_all(
        address, [delivery(destination("postback", patterns), of=click({"external_id": "a&b=c d/é"}))]
    )
    [(_, unknown, _)] = await send_all(address, [delivery(destination("postback", patterns))])

    assert receiver.events == [{"id": "a&b=c d/é", "rev": "12.5", "st": "sale"}]
    assert (known.kind, unknown.kind) == ("done", "drop")


async def test_a_macro_value_cannot_break_out_of_a_json_string(listen: Listen, send_all: Send) -> None:
    bodies: list[object] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append((await request.json(), request.headers["X-Key"]))
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/pb", take)])
    body = '{"id": "{external_id}", "rev": {payout}}'
    settings = {"url": "https://ads.example/pb", "method": "POST", "body": body, "headers": {"X-Key": "k"}}
    posted = destination("postback", settings)

    await send_all(await listen(app), [delivery(posted, of=click({"external_id": '"}, "x": 1'}))])

    assert bodies == [({"id": '"}, "x": 1', "rev": 12.5}, "k")]


@pytest.mark.parametrize(
    ("page", "outcome"), [("html", "retry"), ("huge", "retry"), ("gzip", "retry"), ("redirect", "stop")]
)
async def test_malformed_answers_have_an_outcome(page: str, outcome: str, listen: Listen, send_all: Send) -> None:
    address = await listen(naughty.app(Receiver()))
    expecting = destination("postback", {"url": f"https://ads.example/{page}", "success": "^OK"})

    [result] = await send_all(address, [delivery(expecting)])

    assert result.outcome.kind == outcome


async def test_a_slow_answer_ends_at_the_timeout(listen: Listen) -> None:
    address = await listen(naughty.app(Receiver()))
    started = time.monotonic()

    async with open_session(["127.0.0.1"], timeout=aiohttp.ClientTimeout(total=0.3)) as session:
        answer = await send(HttpRequest(method="GET", url=f"{address}/drip"), session, ["127.0.0.1"])

    assert answer.trouble == "timeout"
    assert time.monotonic() - started < 5
    assert (TIMEOUT.total, TIMEOUT.sock_connect) == (10, 3)


async def test_at_most_64_kilobytes_of_an_answer_are_read(listen: Listen) -> None:
    address = await listen(naughty.app(Receiver()))

    async with open_session(["127.0.0.1"]) as session:
        answer = await send(HttpRequest(method="GET", url=f"{address}/huge"), session, ["127.0.0.1"])

    assert (answer.status, len(answer.body)) == (200, BODY_LIMIT)


async def test_a_compressed_answer_is_not_decompressed(listen: Listen) -> None:
    packed = gzip.compress(b"0" * 10**7)

    async def bomb(_request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.add_routes([web.get("/", bomb)])
    address = await listen(app)

    async with open_session(["127.0.0.1"]) as session:
        answer = await send(HttpRequest(method="GET", url=f"{address}/"), session, ["127.0.0.1"])

    assert answer.body == packed


async def test_a_url_is_sent_byte_for_byte(listen: Listen) -> None:
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


INTERNAL = [
    "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/", "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/",
    "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://metadata.google.internal/", "http://100.64.0.1/",
    "http://[64:ff9b::7f00:1]/", "ftp://ads.example/", "file:///etc/passwd", "http://[bad", "",
]  # fmt: skip


@pytest.mark.parametrize("url", INTERNAL)
async def test_nothing_is_sent_to_internal_addresses(url: str) -> None:
    async with open_session([]) as session:
        answer = await send(HttpRequest(method="GET", url=url), session, [])

    assert answer.trouble == "forbidden-address"


async def test_a_secret_is_not_sent_over_plain_http() -> None:
    secret = HttpRequest(method="GET", url="http://93.184.215.14/", secrets=("s3cret",))

    async with open_session([]) as session:
        assert (await send(secret, session, [])).trouble == "forbidden-address"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "169.254.169.254", "168.63.129.16",
                "2002:7f00:1::", "2001:0:7f00:1::", "224.0.0.1", "255.255.255.255", "nonsense"],
)  # fmt: skip
def test_internal_addresses_are_recognised_in_every_notation(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700:4700::1111"])
def test_public_addresses_are_not_internal(address: str) -> None:
    assert not is_internal(address)


class ChangingResolver(AbstractResolver):
    """Resolves a name to another list of addresses each time."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:  # noqa: ARG002
        return [
            ResolveResult(hostname=host, host=each, port=port, family=2, proto=0, flags=0)
            for each in self._answers.pop(0)
        ]

    async def close(self) -> None:
        pass


async def test_a_name_is_checked_at_each_connection() -> None:
    resolver = GuardedResolver([], ChangingResolver(["93.184.215.14", "10.0.0.1"], ["10.0.0.1"]))

    first = await resolver.resolve("ads.example", 443)

    assert [each["host"] for each in first] == ["93.184.215.14"]
    with pytest.raises(ForbiddenAddressError):
        await resolver.resolve("ads.example", 443)


async def test_an_allowed_host_may_be_internal_at_its_port_only() -> None:
    resolver = GuardedResolver(["own.example:8443"], ChangingResolver(["10.0.0.1"], ["10.0.0.1"]))

    assert [each["host"] for each in await resolver.resolve("own.example", 8443)] == ["10.0.0.1"]
    with pytest.raises(ForbiddenAddressError):
        await resolver.resolve("own.example", 443)


async def test_a_name_that_resolves_to_an_internal_address_is_forbidden() -> None:
    connector = aiohttp.TCPConnector(resolver=GuardedResolver([], ChangingResolver(["127.0.0.1"])))
    async with aiohttp.ClientSession(connector=connector) as session:
        answer = await send(HttpRequest(method="GET", url="https://rebind.example/"), session, [])

    assert answer.trouble == "forbidden-address"


async def test_a_refused_connection_is_trouble_and_no_exception(listen: Listen) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    async with open_session(["127.0.0.1"]) as session:
        answer = await send(HttpRequest(method="GET", url=f"http://127.0.0.1:{port}/"), session, ["127.0.0.1"])

    assert answer.trouble == "connect"


def test_secrets_are_masked_in_every_encoding() -> None:
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


def test_the_repr_of_a_delivery_has_no_personal_data() -> None:
    assert "203.0.113.7" not in repr(delivery("meta"))


def test_a_key_in_a_postback_url_is_masked() -> None:
    keyed = destination("postback", {"url": "http://ads.example/pb?id={external_id}&api_key=s3cretkey"})

    request = PLATFORMS["postback"].build([delivery(keyed)], NOW_MS)

    assert request.shown()["url"] == "http://ads.example/pb?id=ext-4711&api_key=***"
    assert refusal(request, []) is None  # many sources have plain http only
