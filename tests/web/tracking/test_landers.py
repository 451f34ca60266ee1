"""From the lander to the offer: what the URL says to a stranger who knows a click id."""

import asyncio
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.web.tracking.conftest import PHONE, Answer, Shop, read_answer, request
from tnc.core.models import MAIN
from tnc.store.days.history import ClickHistories
from tnc.store.days.writer import utc_date

DESKTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OTHER_NETWORK, SAME_NETWORK = "127.0.9.1", "127.0.0.77"
TOLD = """
[[source]]
id = "ads"
click_id = "ext"
params = { sub1 = "site" }
[[offer]]
id = "shoes"
url = "https://shop.example/?s={click_id}&e={external_id}&p={sub1}&b={browser}&u={user_agent}&i={ip}&c={campaign}"
[[lander]]
id = "quiz"
url = "https://land.example/?k={click_id}"
[[campaign]]
id = "told"
source = "ads"
[[campaign.flow]]
id = "rest"
landers = [ { id = "quiz" } ]
offers = [ { id = "shoes" } ]
"""


async def clicked(shop: Shop, *, consent: str = "") -> str:
    await asyncio.to_thread(shop.services.configure.apply, TOLD, file="told.toml")
    sent_on = await shop.get(f"/told?ext=canary-external&site=canary-placement{consent}")
    return sent_on.headers["location"].partition("k=")[2]


async def from_address(shop: Shop, address: str, target: str, user_agent: str) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port, local_addr=(address, 0))
    try:
        writer.write(request(target, User_Agent=user_agent))
        return read_answer(await asyncio.wait_for(reader.read(), 60))
    finally:
        writer.close()


def query_of(answer: Answer) -> dict[str, list[str]]:
    return parse_qs(urlsplit(answer.headers["location"]).query)


@pytest.mark.parametrize(
    ("address", "user_agent"), [("127.0.0.1", DESKTOP), (OTHER_NETWORK, PHONE), (OTHER_NETWORK, DESKTOP)]
)
async def test_a_stranger_with_a_click_id_learns_nothing_and_books_nothing(
    shop: Shop, address: str, user_agent: str
) -> None:
    cid = await clicked(shop)

    stranger = await from_address(shop, address, f"/click?cid={cid}", user_agent)

    assert stranger.status == 302
    assert query_of(stranger) == {"s": [cid], "c": ["told"]}
    assert shop.histories()[0].lander_clicked_at_ms is None


@pytest.mark.parametrize("consent", ["", "&tnc_consent=granted", "&tnc_consent=denied"])
@pytest.mark.parametrize("address", ["127.0.0.1", SAME_NETWORK])
async def test_the_visitor_goes_on_with_their_own_values(shop: Shop, address: str, consent: str) -> None:
    cid = await clicked(shop, consent=consent)

    own = await from_address(shop, address, f"/click?cid={cid}", PHONE)

    query = query_of(own)
    assert (query["s"], query["e"], query["p"]) == ([cid], ["canary-external"], ["canary-placement"])
    assert shop.histories()[0].lander_clicked_at_ms is not None


async def test_the_cookie_is_proof_from_any_network(shop: Shop) -> None:
    await asyncio.to_thread(shop.services.configure.apply, TOLD, file="told.toml")
    visit = await shop.get("/told?ext=canary-external&tnc_consent=granted")
    cookie = visit.headers["set-cookie"].partition(";")[0]
    cid = visit.headers["location"].partition("k=")[2]

    own = await shop.get(f"/click?cid={cid}", Cookie=cookie, User_Agent=DESKTOP)

    assert query_of(own)["e"] == ["canary-external"]
    assert shop.histories()[0].lander_clicked_at_ms is not None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_while_the_disk_hangs_the_visitor_goes_on_and_the_lander_click_is_stored_later(
    shop: Shop, method: str
) -> None:
    cid = await clicked(shop)
    released = threading.Event()
    hanging = asyncio.create_task(shop.log.exclusive(lambda _days: released.wait(60)))
    await asyncio.sleep(0.05)
    try:
        own = await asyncio.wait_for(shop.get(f"/click?cid={cid}", method=method), 20)
        opted_out = await asyncio.wait_for(shop.get("/told", Cookie="tnc_out=1"), 20)
    finally:
        released.set()
    await hanging

    assert query_of(own)["e"] == ["canary-external"]
    assert opted_out.status == 302
    today = (MAIN, utc_date(shop.histories()[0].click.clicked_at_ms))
    await shop.log.run(today, lambda _writer: None)  # queued behind the lander click
    assert (shop.histories()[0].lander_clicked_at_ms is not None) == (method == "GET")


async def test_while_the_disk_hangs_a_new_visitor_goes_on_from_the_lander(shop: Shop) -> None:
    await clicked(shop)
    released = threading.Event()
    hanging = asyncio.create_task(shop.log.exclusive(lambda _days: released.wait(60)))
    await asyncio.sleep(0.05)
    try:
        visit = await asyncio.wait_for(shop.get("/told?ext=canary-second"), 20)
        cid = visit.headers["location"].partition("k=")[2]
        own = await asyncio.wait_for(shop.get(f"/click?cid={cid}"), 20)
    finally:
        released.set()
    await hanging

    assert query_of(own)["e"] == ["canary-second"]


async def test_while_reads_hang_a_visitor_without_a_click_id_gets_an_answer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await clicked(shop)
    released = threading.Event()
    monkeypatch.setattr(ClickHistories, "latest_of_visitors", lambda *_given, **_named: released.wait(60))
    try:
        reply = await asyncio.wait_for(shop.get("/click"), 20)
    finally:
        released.set()

    assert reply.status == 404


async def test_an_erased_click_is_not_remembered_for_a_failing_disk(shop: Shop) -> None:
    cid = await clicked(shop)
    assert shop.tracker.click_at_lander(cid) is not None
    visitor = shop.histories()[0].click.visit.visitor

    shop.tracker.forget([visitor or ""])

    assert shop.tracker.click_at_lander(cid) is None
