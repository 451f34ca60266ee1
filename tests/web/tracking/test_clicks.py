"""Clicks through the fast path and through the ordinary request handler."""

import asyncio
import gc
import html
import re
from contextlib import suppress

import pytest

from tests.web.tracking.conftest import PHONE, Shop, read_answer, request

_DIFFERS = frozenset(("date", "server", "connection", "content-length"))  # optional in the reply to HEAD


def shape(text: bytes) -> tuple[int, str, dict[str, str]]:
    """A reply without the parts that differ from click to click."""
    answer = read_answer(text)
    headers = {name: value for name, value in answer.headers.items() if name not in _DIFFERS}
    return answer.status, re.sub(r"[0-9a-f]{28}", "ID", answer.body), {
        name: re.sub(r"[0-9a-f]{28}", "ID", value) for name, value in headers.items()
    }  # fmt: skip


async def test_a_visitor_is_redirected_and_recorded(shop: Shop) -> None:
    answer = await shop.get("/summer?ext=abc")

    (history,) = shop.histories()
    assert answer.status == 302
    assert answer.headers["location"] == f"https://shop.example/shoes?s={history.click.click_id}"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert (history.click.campaign, history.click.offer, history.click.visit.device) == ("summer", "shoes", "mobile")
    assert history.click.visit.params == {"ext": "abc"}


@pytest.mark.parametrize(
    "target",
    ["/summer?a=1", "/lander", "/meta", "/nowhere", "/still", "/gone", "/unknown", "/", "/summer/", "/%73ummer"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_request_in_pieces_gets_the_same_reply(shop: Shop, target: str, method: str) -> None:
    whole = request(target, method=method)

    at_once = await shop.send(whole)
    in_pieces = await shop.send(whole[:20], whole[20:], pause=0.05)

    assert shape(at_once) == shape(in_pieces)


async def test_head_gets_the_same_reply_and_leaves_no_trace(shop: Shop) -> None:
    answer = await shop.get("/summer", method="HEAD")

    assert (answer.status, answer.body) == (302, "")
    assert answer.headers["location"].startswith("https://shop.example/shoes?s=")
    assert shop.histories() == []


@pytest.mark.parametrize("target", ["/unknown", "/gone", "/-/nothing", "/click/0"])
async def test_unknown_paths_reveal_nothing(shop: Shop, target: str) -> None:
    answer = await shop.get(target)

    assert (answer.status, answer.body) == (404, "Not found")
    assert shop.histories() == []


@pytest.mark.parametrize("asked", [request("/unknown"), request("/summer", method="POST"), b"no http at all\r\n\r\n"])
async def test_no_reply_names_the_server_software(shop: Shop, asked: bytes) -> None:
    answer = read_answer(await shop.send(asked))

    assert "aiohttp" not in str(answer.headers).lower()
    assert "python" not in str(answer.headers).lower()


async def test_a_paused_campaign_does_not_redirect_and_logs_it(shop: Shop) -> None:
    answer = await shop.get("/still")

    (history,) = shop.histories()
    assert answer.status == 404
    assert history.click.added_reasons == ("campaign_paused",)


async def test_one_connection_carries_several_clicks(shop: Shop) -> None:
    keep, last = request("/summer?n=1", connection="keep-alive"), request("/summer?n=2")

    text = await shop.send(keep, last, pause=0.3)

    assert text.count(b"HTTP/1.1 302") == 2
    assert sorted(history.click.visit.params["n"] for history in shop.histories()) == ["1", "2"]


async def test_after_a_click_the_connection_serves_any_other_request(shop: Shop) -> None:
    text = await shop.send(request("/summer", connection="keep-alive"), request("/-/health"), pause=0.3)

    assert text.count(b"HTTP/1.1 302") == 1
    assert b'"status": "ok"' in text


async def test_pipelined_requests_are_each_answered_once(shop: Shop) -> None:
    text = await shop.send(request("/summer?n=1", connection="keep-alive") + request("/summer?n=2"))

    assert text.count(b"HTTP/1.1 302") == 2
    assert sorted(history.click.visit.params["n"] for history in shop.histories()) == ["1", "2"]


async def test_a_second_request_before_the_first_reply_is_answered_too(shop: Shop) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(request("/summer?n=1", connection="keep-alive"))
    await asyncio.sleep(0)

    writer.write(request("/summer?n=2"))
    text = b""
    with suppress(ConnectionResetError):
        text = await asyncio.wait_for(reader.read(), 120)
    writer.close()

    assert text.count(b"HTTP/1.1 302") == 2


@pytest.mark.parametrize(
    "strange",
    [
        b"GET /summer HTTP/1.1\r\nHost: go.example\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        b"GET /summer HTTP/1.1\r\nHost: go.example\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        b"GET /summer HTTP/1.1\r\nHost: go.example\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n",
        b"GET http://go.example/summer HTTP/1.1\r\nHost: go.example\r\nConnection: close\r\n\r\n",
        b"GET /summer HTTP/1.0\r\n\r\n",
        b"GET /summer HTTP/1.1\r\nHost: go.example\r\nX: a\x00b\r\nConnection: close\r\n\r\n",
        b"GET /summer?a=\xff \xc3 HTTP/1.1\r\nHost: go.example\r\nConnection: close\r\n\r\n",
    ],
    ids=["body", "chunked", "upgrade", "absolute form", "old", "control character", "raw bytes and a space"],
)
async def test_unusual_requests_are_recorded_as_clicks(shop: Shop, strange: bytes) -> None:
    answer = read_answer(await shop.send(strange))

    assert answer.status == 302
    assert len(shop.histories()) == 1


@pytest.mark.parametrize(
    "broken",
    [
        b"GET /summer\r\n\r\n",
        b"GET /summer HTTP/9.9\r\n\r\n",
        b"GET /summer HTTP/1.1\r\nHost : go.example\r\n\r\n",
        b"GET /summer HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
async def test_invalid_http_is_refused_and_not_recorded(shop: Shop, broken: bytes) -> None:
    answer = await shop.send(broken)

    assert answer == b"" or read_answer(answer).status == 400
    assert shop.histories() == []


async def test_a_post_to_a_campaign_is_refused(shop: Shop) -> None:
    answer = await shop.get("/summer", method="POST", Content_Length="0")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "hint", [{"Sec_Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X_Moz": "prefetch"}]
)
async def test_a_prefetch_is_refused_marked_and_not_counted(shop: Shop, hint: dict[str, str]) -> None:
    answer = await shop.get("/summer", **hint)
    real = await shop.get("/summer")

    visit, prefetch = shop.histories()
    assert (answer.status, answer.headers["cache-control"], real.status) == (503, "no-store", 302)
    assert prefetch.click.visit.traffic == "prefetch"
    assert (visit.click.visit.traffic, visit.click.visit.unique_campaign) == ("human", True)


async def test_a_meta_refresh_page_sends_no_referrer(shop: Shop) -> None:
    answer = await shop.get("/meta")

    (history,) = shop.histories()
    assert answer.status == 200
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert f'content="0;url=https://shop.example/shoes?s={history.click.click_id}"' in html.unescape(answer.body)


async def test_a_double_meta_refresh_goes_through_a_neutral_url(shop: Shop) -> None:
    first = await shop.get("/double")
    onward = re.search(r"url=(/-/onward/[^\"]+)\"", first.body)
    assert onward is not None
    second = await shop.get(onward[1])

    (history,) = shop.histories()
    assert history.click.click_id not in first.body
    assert f"https://shop.example/shoes?s={history.click.click_id}" in html.unescape(second.body)
    assert (await shop.get(onward[1][:-2] + "AA")).status == 404


async def test_a_script_redirect_has_a_policy_for_its_own_script_only(shop: Shop) -> None:
    answer = await shop.get("/script")

    nonce = re.search(r"'nonce-([^']+)'", answer.headers["content-security-policy"])
    assert nonce is not None
    assert f'<script nonce="{nonce[1]}">location.replace("https://shop.example/shoes?s=' in answer.body


async def test_a_reply_waits_for_the_disk_only_for_a_limited_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = await asyncio.gather(
        *(shop.get(f"/summer?n={number}", X_Forwarded_For="1.2.3.4") for number in range(40))
    )

    assert {answer.status for answer in answers} == {302}
    assert len(shop.histories()) == 40


async def test_a_long_user_agent_and_a_hundred_parameters_are_recorded(shop: Shop) -> None:
    query = "&".join(f"p{number}=v{number}" for number in range(100))

    answer = await shop.get(f"/summer?{query}", User_Agent=PHONE + "x" * 8000)

    (history,) = shop.histories()
    assert answer.status == 302
    assert history.click.visit.params == {f"p{number}": f"v{number}" for number in range(100)}


async def test_a_click_makes_no_reference_cycles(shop: Shop) -> None:
    await shop.get("/summer?first=1")
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for number in range(20):
            await shop.get(f"/summer?n={number}")
        await asyncio.sleep(0.05)
        gc.collect()
        left = {type(thing).__qualname__ for thing in gc.garbage if _is_ours(thing)}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()

    assert left == set()


def _is_ours(thing: object) -> bool:
    module = getattr(thing, "__module__", None) if callable(thing) else None
    return (module or type(thing).__module__).split(".")[0] in ("tnc", "httptools")
