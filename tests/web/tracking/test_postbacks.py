"""Postbacks, pixels, feeds and costs over HTTP: the reply, and what is stored of the call."""

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.web.tracking.conftest import Answer, Shop, request
from tnc.admin.checks import held_postbacks
from tnc.core.models import DestinationId
from tnc.destinations.service import feed_secret
from tnc.store.days.inbox import UNMATCHED, InboxRow
from tnc.store.days.writer import day_path, utc_date
from tnc.tracking.test_links import PARAMETER, signature

NETWORK = """
[[network]]
id = "good"
key = "s3cret"
statuses = { sale = ["bought"] }
[[offer]]
id = "shoes"
network = "good"
url = "https://shop.example/shoes?s={click_id}"
payout = 12.5
"""
MAPPED = NETWORK.replace('sale = ["bought"]', 'sale = ["bought", "paid out"], rejected = ["no"]')
DOT = b"GIF89a"


async def click(shop: Shop) -> str:
    answer = await shop.get("/summer")
    return answer.headers["location"].partition("s=")[2]


async def send_postback(shop: Shop, **said: str) -> Answer:
    return await shop.get("/postback?" + urlencode({"key": "s3cret"} | said))


async def inbox(shop: Shop, count: int) -> list[InboxRow]:
    """The stored calls, oldest first, once there are `count` of them."""
    while len(rows := [row for _, row in shop.services.conversions.rows()]) < count:
        await asyncio.sleep(0.005)
    return rows[::-1]


async def apply(shop: Shop, text: str) -> dict[str, Any]:
    """Apply a configuration in a thread while the listener runs, as the command does."""
    return await asyncio.to_thread(shop.services.configure.apply, text, file="network.toml")


# ------------------------------------------------------------------------------------------------ received


@pytest.fixture
async def shop_with_network(shop: Shop) -> Shop:
    await apply(shop, NETWORK)
    return shop


async def test_each_postback_is_logged_with_its_result(shop_with_network: Shop) -> None:
    shop = shop_with_network
    cid = await click(shop)

    answers = [
        await send_postback(shop, cid=cid, status="bought", txid="T-1"),
        await send_postback(shop, cid=cid, status="bought", txid="T-1"),
        await send_postback(shop, cid=cid, status="paid out", txid="T-2"),
        await send_postback(shop, cid="somebody-elses"),
        await send_postback(shop, cid=cid, key="wrong"),
        await send_postback(shop, cid=cid, payout="a lot"),
        await send_postback(shop),
    ]

    assert [each.status for each in answers] == [200, 200, 200, 404, 403, 400, 400]
    rows = await inbox(shop, 7)
    outcomes = {"new", "duplicate", "unmapped", "unknown-click", "refused", "invalid"}
    assert {row.outcome for row in rows} == outcomes
    assert [row.call.status for row in sorted(rows, key=lambda row: row.at_ms)] == [each.status for each in answers]
    assert all(row.call.note for row in rows)


async def test_a_postback_for_an_unknown_network_is_refused_and_logged(shop_with_network: Shop) -> None:
    await apply(shop_with_network, '[[offer]]\nid = "shoes"\nurl = "https://shop.example/shoes?s={click_id}"\n')

    answer = await send_postback(shop_with_network, cid=await click(shop_with_network), network="nowhere")

    assert (answer.status, "unknown network" in answer.body) == (400, True)
    [row] = await inbox(shop_with_network, 1)
    assert (row.outcome, row.call.status) == ("invalid", 400)


@pytest.mark.parametrize("currency", ["EUR", "XOF"])
async def test_a_currency_that_is_not_used_is_kept_and_counted_when_the_network_gets_it(
    shop_with_network: Shop, currency: str
) -> None:
    shop = shop_with_network
    cid = await click(shop)

    answer = await send_postback(shop, cid=cid, payout="36", currency=currency)

    assert (answer.status, answer.body) == (200, "ok")
    [row] = await inbox(shop, 1)
    assert row.outcome == "refused"
    assert f"nor the workspace uses {currency}" in row.call.note
    assert not shop.histories()[0].conversions
    [finding] = held_postbacks(shop.workspace)
    assert finding.text.startswith("1 postback was not counted. Kept and not counted")

    await apply(shop, NETWORK.replace('key = "s3cret"', f'key = "s3cret"\ncurrencies = ["{currency}"]'))
    await asyncio.to_thread(shop.services.conversions.replay)

    assert [each.currency for each in shop.histories()[0].conversions] == [currency]
    assert not list(held_postbacks(shop.workspace))


@pytest.mark.parametrize("of", ["network", "offer"])
async def test_a_payout_above_the_limit_is_kept_and_not_counted(shop_with_network: Shop, of: str) -> None:
    shop = shop_with_network
    key = 'key = "s3cret"' if of == "network" else "payout = 12.5"
    await apply(shop, NETWORK.replace(key, f"{key}\nmax_payout = 50"))
    cid = await click(shop)

    await send_postback(shop, cid=cid, payout="50.01", txid="1")
    await send_postback(shop, cid=cid, payout="50", txid="2")

    assert [each.txid for each in shop.histories()[0].conversions] == ["2"]
    assert [row.outcome for row in await inbox(shop, 2)] == ["refused", "new"]


async def test_more_conversions_of_a_click_than_the_limit_are_kept_and_not_counted(shop_with_network: Shop) -> None:
    shop = shop_with_network
    await apply(shop, NETWORK.replace('key = "s3cret"', 'key = "s3cret"\nmax_conversions = 2'))
    cid = await click(shop)

    for txid in ("1", "2", "3"):
        await send_postback(shop, cid=cid, status="bought", txid=txid)

    assert [each.txid for each in shop.histories()[0].conversions] == ["1", "2"]
    assert [row.outcome for row in await inbox(shop, 3)] == ["new", "new", "refused"]


async def test_the_key_of_a_network_is_not_stored(shop_with_network: Shop) -> None:
    await send_postback(shop_with_network, cid=await click(shop_with_network))
    await shop_with_network.get(f"/s3cret/postback?subid={await click(shop_with_network)}")

    rows = await inbox(shop_with_network, 2)

    assert [(row.call.path, row.call.params["key"]) for row in rows] == [("/postback", "***")] * 2
    assert "s3cret" not in str(rows)


async def test_an_escaped_ampersand_is_read_as_meant_and_noted(shop_with_network: Shop) -> None:
    cid = await click(shop_with_network)

    answer = await shop_with_network.get(f"/postback?cid={cid}&amp;key=s3cret&amp;payout=3&amp;status=declined")

    assert answer.body == "ok"
    [row] = await inbox(shop_with_network, 1)
    assert row.call.note.startswith("The URL contained &amp;")
    [history] = shop_with_network.histories()
    assert [each.status_word for each in history.conversions[0].history] == ["declined"]
    assert history.conversions[0].status != "sale"


@pytest.mark.parametrize(
    "query", ["cid=&cid={cid}&payout=&payout=4", "cid=%20&CID={cid}&payout=4", "cid={cid}&payout=4&payout="]
)
async def test_the_first_value_that_is_not_empty_counts(shop_with_network: Shop, query: str) -> None:
    cid = await click(shop_with_network)

    answer = await shop_with_network.get("/postback?key=s3cret&status=bought&" + query.format(cid=cid))

    assert answer.body == "ok"
    assert shop_with_network.histories()[0].conversions[0].payout_micros == 4_000_000


@pytest.mark.parametrize(
    "form", ["{upper}", "%20{cid}%20", "%22{cid}%22", "%7B{cid}%7D", "'{upper}'", "[{cid}]", "%3C{cid}%3E"]
)
async def test_a_click_id_is_recognised_in_capitals_quotes_and_braces(shop_with_network: Shop, form: str) -> None:
    cid = await click(shop_with_network)

    answer = await shop_with_network.get("/postback?key=s3cret&cid=" + form.format(cid=cid, upper=cid.upper()))

    assert answer.body == "ok"


MULTIPART = (
    '--b\r\nContent-Disposition: form-data; name="cid"\r\n\r\n{cid}\r\n'
    '--b\r\nContent-Disposition: form-data; name="key"\r\n\r\ns3cret\r\n'
    '--b\r\nContent-Disposition: form-data; name="payout"\r\n\r\n4\r\n--b--\r\n'
)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=b", MULTIPART),
        ('multipart/form-data; boundary="b"', MULTIPART),
        ("text/plain", '{{"cid": "{cid}", "key": "s3cret", "payout": 4}}'),
        ("application/x-www-form-urlencoded", '{{"cid": "{cid}", "key": "s3cret", "payout": 4}}'),
        ("text/plain", "cid={cid}&key=s3cret&payout=4"),
        ("application/json; charset=utf-9000", '{{"cid": "{cid}", "key": "s3cret", "payout": 4}}'),
    ],
)
async def test_a_body_is_read_whatever_its_type_says(shop_with_network: Shop, content_type: str, body: str) -> None:
    sent = body.format(cid=await click(shop_with_network)).encode()
    head = request("/postback", method="POST", Content_Type=content_type, Content_Length=str(len(sent)))

    assert (await shop_with_network.send(head + sent)).endswith(b"ok")
    assert shop_with_network.histories()[0].conversions[0].payout_micros == 4_000_000


@pytest.mark.parametrize(
    "body", ['{"cid":"KNOWN","txid":"\\ud83d"}', '{"cid":"x","status":"\\udfff"}', '{"cid":"x","\\ud83d":"a"}']
)
async def test_lone_surrogates_in_json_are_logged_and_answered(shop_with_network: Shop, body: str) -> None:
    sent = body.replace("KNOWN", await click(shop_with_network)).encode()
    head = request("/postback", method="POST", Content_Type="application/json", Content_Length=str(len(sent)))

    answer = await shop_with_network.send(head + sent)

    assert answer.split(b" ")[1] in (b"403", b"404")
    assert len(await inbox(shop_with_network, 1)) == 1


async def test_a_key_with_a_space_before_its_name_is_masked(shop_with_network: Shop) -> None:
    cid = await click(shop_with_network)

    assert (await shop_with_network.get(f"/postback?cid={cid}&%20key=s3cret")).body == "ok"

    [row] = await inbox(shop_with_network, 1)
    assert "s3cret" not in str(row)


async def test_a_transaction_id_keeps_joiners_and_loses_controls(shop_with_network: Shop) -> None:
    cid = await click(shop_with_network)

    await send_postback(shop_with_network, cid=cid, txid="a\u200cb\u00a0c\x1bd")

    assert shop_with_network.histories()[0].conversions[0].txid == "a\u200cb\u00a0cd"


async def test_replaying_a_postback_with_an_unknown_status_leaves_it_unmatched(shop_with_network: Shop) -> None:
    await send_postback(shop_with_network, cid=await click(shop_with_network), status="paid out")

    replayed = await asyncio.to_thread(shop_with_network.services.conversions.replay)

    assert replayed == {"replayed": 1, "outcomes": {"unmapped": 1}}
    [row] = await inbox(shop_with_network, 1)
    assert (row.outcome, "mapped since" in row.call.note) == ("unmapped", False)


async def test_a_postback_body_in_chunks_is_read_completely(shop_with_network: Shop) -> None:
    body = json.dumps({"cid": await click(shop_with_network), "key": "s3cret", "payout": 4}).encode()
    head = request("/postback", method="POST", Content_Type="application/json", Content_Length=str(len(body)))

    text = await shop_with_network.send(head, body[:10], body[10:], pause=0.05)

    assert text.endswith(b"ok")
    [row] = await inbox(shop_with_network, 1)
    assert row.call.params["payout"] == "4"


@pytest.mark.parametrize(
    ("number", "payout"),
    [("12.50", "12.50"), ("1.25e1", "12.5"), ("5e-05", "0.00005"), ("1E2", "100"), ("4", "4"), ("0.1", "0.1")],
)
async def test_a_payout_in_json_is_read_in_any_number_format(shop_with_network: Shop, number: str, payout: str) -> None:
    body = b'{"cid": "%b", "key": "s3cret", "payout": %b}' % (
        (await click(shop_with_network)).encode(),
        number.encode(),
    )
    head = request("/postback", method="POST", Content_Type="application/json", Content_Length=str(len(body)))

    assert (await shop_with_network.send(head + body)).endswith(b"ok")

    [row] = await inbox(shop_with_network, 1)
    assert row.call.params["payout"] == payout


@pytest.mark.parametrize("number", ["1e999999999", "-1e-999999999", "NaN", "Infinity", "1e100"])
async def test_an_impossible_payout_is_refused_and_costs_no_time(shop_with_network: Shop, number: str) -> None:
    body = b'{"cid": "%b", "key": "s3cret", "payout": %b}' % (
        (await click(shop_with_network)).encode(),
        number.encode(),
    )
    head = request("/postback", method="POST", Content_Type="application/json", Content_Length=str(len(body)))

    text = await shop_with_network.send(head + body)

    assert text.startswith(b"HTTP/1.1 400")
    assert b"payout is" in text


async def test_an_unreadable_postback_is_logged(shop_with_network: Shop) -> None:
    head = request("/postback", method="POST", Content_Type="application/json", Content_Length="3")

    text = await shop_with_network.send(head + b"{a:")

    assert b" 400 " in text.partition(b"\r\n")[0]
    [row] = await inbox(shop_with_network, 1)
    assert (row.outcome, row.call.method) == ("invalid", "POST")


async def test_fifty_equal_postbacks_at_once_make_one_conversion(shop_with_network: Shop) -> None:
    cid = await click(shop_with_network)

    answers = await asyncio.gather(
        *(send_postback(shop_with_network, cid=cid, status="bought", txid="T") for _ in range(50))
    )

    assert sorted(each.body for each in answers) == ["duplicate"] * 49 + ["ok"]
    [history] = shop_with_network.histories()
    assert len(history.conversions) == 1


async def test_a_postback_that_cannot_be_stored_gets_503(shop_with_network: Shop) -> None:
    shop = shop_with_network
    cid = await click(shop)
    path = day_path(shop.workspace.paths.days, shop.workspace.id, utc_date(shop.workspace.world.now_ms()))
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("begin immediate")  # a disk that cannot be written
        refused = await send_postback(shop, cid=cid, status="bought")
        redirected = await shop.get("/summer")
        holder.execute("rollback")

    assert refused.status == 503
    assert redirected.status == 302
    while (again := await send_postback(shop, cid=cid, status="bought")).status == 503:
        await asyncio.sleep(0.05)
    assert (again.status, again.body) == (200, "ok")
    assert [len(history.conversions) for history in shop.histories() if history.click.click_id == cid] == [1]


# ----------------------------------------------------------------------------------------- repeated


async def test_a_status_mapped_later_counts_from_the_start(shop_with_network: Shop) -> None:
    shop = shop_with_network
    cid = await click(shop)
    await send_postback(shop, cid=cid, status="paid out", payout="20")
    await inbox(shop, 1)

    await apply(shop, MAPPED)

    [history] = shop.histories()
    assert [(each.status, each.payout_micros) for each in history.conversions] == [("sale", 20_000_000)]
    [row] = await inbox(shop, 1)
    assert row.outcome == "changed"
    before = len(history.conversions[0].history)
    await apply(shop, NETWORK)
    await apply(shop, MAPPED)
    assert len(shop.histories()[0].conversions[0].history) == before


async def test_a_refused_postback_matches_when_it_is_replayed(shop_with_network: Shop) -> None:
    shop = shop_with_network
    await send_postback(shop, cid=await click(shop), status="bought", key="wrong")
    await inbox(shop, 1)

    result = await asyncio.to_thread(shop.services.conversions.replay)

    assert result == {"replayed": 1, "outcomes": {"new": 1}}
    [row] = await inbox(shop, 1)
    assert (row.outcome, row.call.replays) == ("new", 1)
    assert [each.status for each in shop.histories()[0].conversions] == ["sale"]
    again = await asyncio.to_thread(shop.services.conversions.replay)
    assert again == {"replayed": 0, "outcomes": {}}


async def test_replaying_a_postback_twice_changes_nothing(shop_with_network: Shop) -> None:
    shop = shop_with_network
    await send_postback(shop, cid=await click(shop), status="bought")
    [row] = await inbox(shop, 1)
    date = utc_date(row.at_ms)

    await asyncio.to_thread(shop.services.conversions.replay, f"{date:%Y%m%d}-{row.seq}")

    [row] = await inbox(shop, 1)
    assert (row.outcome, row.call.replays) == ("new", 1)
    assert len(shop.histories()[0].conversions[0].history) == 1


async def test_a_postback_for_an_erased_click_is_counted_and_not_stored(shop_with_network: Shop) -> None:
    shop = shop_with_network
    erased = "01a20c3d4bae97f348208cd1b707"
    erasures = shop.workspace.erasures
    erasures.add_tombstones([erasures.hash("click", erased)], expires_at_ms=1 << 60).wait()

    answer = await send_postback(shop, cid=erased)
    await send_postback(shop, cid="another")

    assert (answer.status, answer.body) == (404, "unknown click")
    [row] = await inbox(shop, 1)
    assert row.call.params["cid"] == "another"
    with shop.workspace.histories.day(shop.workspace.histories.dates()[0]) as reader:
        assert reader.number("postbacks for erased clicks") == 1


async def test_an_unreadable_postback_is_found_by_the_click_id_in_it(shop_with_network: Shop) -> None:
    shop, named = shop_with_network, "01a20c3d4bae97f348208cd1b707"

    answer = await send_postback(shop, cid=named, payout="a lot")

    [row] = await inbox(shop, 1)
    assert (answer.status, row.outcome) == (400, "invalid")
    with shop.workspace.histories.day(shop.workspace.histories.dates()[0]) as reader:
        assert reader.search.postbacks([named]) == [row.seq]


async def test_an_unreadable_postback_for_an_erased_click_is_not_stored(shop_with_network: Shop) -> None:
    shop, erased = shop_with_network, "01a20c3d4bae97f348208cd1b707"
    erasures = shop.workspace.erasures
    erasures.add_tombstones([erasures.hash("click", erased)], expires_at_ms=1 << 60).wait()

    answer = await send_postback(shop, cid=erased, payout="a lot")
    await send_postback(shop, cid="another", payout="a lot")

    assert answer.status == 400
    [row] = await inbox(shop, 1)
    assert row.call.params["cid"] == "another"


def test_postbacks_that_need_attention_are_listed() -> None:
    assert {"unmapped", "unknown-click", "refused", "invalid"} == UNMATCHED


# ------------------------------------------------------------------------------------ pixel and script


async def test_a_pixel_finds_its_click_by_click_id_and_by_cookie(shop: Shop) -> None:
    first = await shop.get("/summer?tnc_consent=granted")
    cookie = first.headers["set-cookie"].partition(";")[0]

    by_cookie = await shop.send(request("/conversion.gif?payout=3&txid=1", Cookie=cookie))
    by_id = await shop.send(request(f"/conversion.gif?cid={await click(shop)}&payout=4"))

    assert DOT in by_cookie
    assert DOT in by_id
    assert b"image/gif" in by_id
    origins = {
        each.payout_micros: each.history[0].origin for history in shop.histories() for each in history.conversions
    }
    assert origins == {3_000_000: "pixel", 4_000_000: "pixel"}


async def test_an_image_on_a_foreign_page_is_not_matched_by_the_address(shop: Shop) -> None:
    await click(shop)

    await shop.send(request("/conversion.gif?payout=3", Sec_Fetch_Site="cross-site"))
    assert not shop.histories()[0].conversions
    await shop.send(request("/conversion.gif?payout=3", Sec_Fetch_Site="same-site"))
    assert len(shop.histories()[0].conversions) == 1


async def test_a_pixel_without_a_click_is_still_an_image(shop: Shop) -> None:
    answer = await shop.send(request("/conversion.gif?payout=3", User_Agent="somebody else"))

    assert DOT in answer
    assert b" 400 " in answer.partition(b"\r\n")[0]


async def test_the_script_records_a_visit_as_if_the_link_had_been_followed(shop: Shop) -> None:
    answer = await shop.get(
        "/tnc.js/summer?tnc_referrer=https%3A%2F%2Fads.example%2Fx&fbclid=AbC",
        Origin="https://land.example",
        Referer="https://land.example/",
        Sec_Fetch_Mode="cors",
        Sec_Fetch_Dest="empty",
    )

    assert answer.headers["access-control-allow-origin"] == "https://land.example"
    [history] = shop.histories()
    visit = history.click.visit
    assert json.loads(answer.body) == {"click_id": history.click.click_id}
    assert (history.click.campaign, visit.referrer, visit.traffic) == ("summer", "https://ads.example/x", "human")
    assert visit.params == {"fbclid": "AbC"}


async def test_the_script_is_served_and_unknown_campaigns_get_404(shop: Shop) -> None:
    script, nobody = await shop.get("/tnc.js"), await shop.get("/tnc.js/nothing")

    assert "javascript" in script.headers["content-type"]
    assert "tncConversion" in script.body
    assert nobody.status == 404


# -------------------------------------------------------------------------------------------- simulated conversions


def signed(shop: Shop, target: str) -> str:
    token = signature(shop.workspace.keys.control_key, shop.workspace.world.now_ms())
    return f"{target}{'&' if '?' in target else '?'}{PARAMETER}={token}"


async def test_a_signed_test_click_is_not_remembered(shop: Shop) -> None:
    answer = await shop.get(signed(shop, "/summer?x=1&tnc_consent=granted"))
    forged = await shop.get(f"/summer?x=2&{PARAMETER}=1-2")

    assert answer.status == forged.status == 302
    trials = {history.click.visit.params["x"]: history.click.test for history in shop.histories()}
    assert trials == {"1": True, "2": False}
    assert "set-cookie" not in answer.headers
    assert all(PARAMETER not in history.click.visit.params for history in shop.histories())


async def test_a_signed_test_postback_needs_no_key_and_is_not_sent(shop_with_network: Shop) -> None:
    shop = shop_with_network
    cid = (await shop.get(signed(shop, "/summer"))).headers["location"].partition("s=")[2]

    answer = await shop.get(signed(shop, f"/postback?cid={cid}"))

    assert (answer.status, answer.body) == (200, "ok")
    [conversion] = shop.histories()[0].conversions
    assert conversion.history[0].origin == "test"
    assert list(shop.workspace.histories.converted_since(0)) == []


async def test_a_signed_test_postback_does_not_make_the_real_sale_a_duplicate(shop_with_network: Shop) -> None:
    shop = shop_with_network
    cid = await click(shop)

    await shop.get(signed(shop, f"/postback?cid={cid}&txid=T"))
    answer = await send_postback(shop, cid=cid, txid="T")

    assert answer.body == "ok"
    assert [each.history[0].origin for each in shop.histories()[0].conversions] == ["test", "postback"]


# --------------------------------------------------------------------------------------------- feeds

FILE = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes?s={click_id}"
payout = 12.5
[[destination]]
id = "file"
type = "google-csv"
conversion_name = "Sale"
[[campaign]]
id = "summer"
destinations = ["file"]
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]
"""


async def test_a_platform_downloads_current_conversions_from_a_secret_url(shop: Shop) -> None:
    await apply(shop, FILE)
    place = f"/-/feed/{feed_secret(shop.workspace, DestinationId('file'))}.csv"
    cids = {}
    for gclid in ("EAIaSold", "EAIaRefused", "EAIaRaised"):
        answer = await shop.get(f"/summer?gclid={gclid}&tnc_consent=granted")
        cids[gclid] = answer.headers["location"].partition("s=")[2]
        await shop.get(f"/postback?cid={cids[gclid]}&txid=1")
    await shop.get(f"/postback?cid={cids['EAIaRefused']}&txid=1&status=rejected")
    await shop.get("/summer?gclid=EAIaDenied&tnc_consent=denied")

    answer = await shop.get(place)

    lines = answer.body.splitlines()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert [line.split(",")[0] for line in lines[2:]] == ["EAIaSold", "EAIaRaised"]
    assert (await shop.get(place)).body == answer.body
    assert (await shop.get("/-/feed/" + "x" * 32 + ".csv")).status == 404


async def test_conversions_of_bots_leave_the_csv_file(shop: Shop) -> None:
    await apply(shop, FILE)
    place = f"/-/feed/{feed_secret(shop.workspace, DestinationId('file'))}.csv"
    answer = await shop.get("/summer?gclid=EAIaSold&tnc_consent=granted")
    cid = answer.headers["location"].partition("s=")[2]
    await shop.get(f"/postback?cid={cid}&txid=1")
    before = (await shop.get(place)).body

    await shop.get(f"/-/sign/webdriver?cid={cid}")

    assert "EAIaSold" in before
    assert "EAIaSold" not in (await shop.get(place)).body


# ----------------------------------------------------------------------------------------------- costs

COSTS = """
[[source]]
id = "ads"
cost = "cpc"
[[campaign]]
id = "paid"
path = "paid"
source = "ads"
cost = { model = "auto", amount = 0.02 }
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]
"""


@pytest.mark.parametrize(
    ("sent", "cost", "reasons"),
    [
        ("5.0E-4", 500, ()),
        ("$0.0005", 500, ()),
        ("0,0005", 500, ()),
        ("", 20_000, ()),
        ("-1", None, ("cost_unreadable",)),
        ("abc", None, ("cost_unreadable",)),
        ("{cpc}", None, ("cost_unreadable",)),
    ],
)
async def test_a_cost_is_read_or_unknown(
    shop_with_network: Shop, sent: str, cost: int | None, reasons: tuple[str, ...]
) -> None:
    shop = shop_with_network
    await apply(shop, COSTS)
    await shop.get("/paid?" + urlencode({"cpc": sent}))

    [history] = shop.histories()
    assert (history.click.cost_micros, history.click.added_reasons) == (cost, reasons)
