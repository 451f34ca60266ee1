"""The public page /privacy: plain HTML, proof by cookie, and requests that are fulfilled at once."""

import asyncio
import io
import json
import re
import zipfile
from urllib.parse import urlencode

import pytest

from tests.web.tracking.conftest import PHONE, Answer, Shop, read_answer
from tnc.core.models import DestinationId
from tnc.store.requests import Request
from tnc.visitors.consent import has_opted_out

WITH_CONSENT = "/summer?tnc_consent=granted"


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


async def post(shop: Shop, cookie: str | None = None, *, headers: str = "", **given: str) -> bytes:
    body = urlencode(given).encode()
    head = (
        "POST /privacy HTTP/1.1\r\nHost: go.example\r\nConnection: close\r\n"
        f"{'' if 'User-Agent' in headers else 'User-Agent: Test/1' + chr(13) + chr(10)}"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n{headers}"
        + (f"Cookie: {cookie}\r\n" if cookie else "")
    )
    return await shop.send(head.encode() + b"\r\n" + body)


async def post_privacy(shop: Shop, cookie: str | None = None, *, headers: str = "", **given: str) -> Answer:
    return read_answer(await post(shop, cookie, headers=headers, **given))


def set_cookie(answer: bytes) -> str:
    """The cookie that is set to a value; others are deleted."""
    (found,) = re.findall(rb"Set-Cookie: (tnc_[a-z]+=1);", answer)
    return str(found.decode())


async def visited(shop: Shop) -> str:
    return cookie_of(await shop.get(WITH_CONSENT))


# ----------------------------------------------------------------------------------------------------- the page


async def test_the_privacy_page_loads_nothing_from_other_servers(shop: Shop) -> None:
    page = await shop.get("/privacy")

    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in page.body.lower().replace("javascript", "")
    assert re.findall(r"(?:src|href|action)=\"(https?:)?//", page.body) == []
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'nonce-")
    assert "set-cookie" not in page.headers
    assert shop.histories() == []


async def test_the_privacy_page_lists_stored_data_and_retention(shop: Shop) -> None:
    page = (await shop.get("/privacy")).body

    for words in ("address of the visitor", "click id of the traffic source", "90 days", "within 30 days"):
        assert words in page


async def test_the_privacy_page_without_a_cookie_reveals_no_stored_data(shop: Shop) -> None:
    await visited(shop)

    page = (await shop.get("/privacy")).body

    assert "has no cookie of this site" in page
    assert "visit is stored" not in page
    assert "shop.example" not in page


# --------------------------------------------------------------------------------------------- with the cookie


async def test_the_privacy_page_shows_the_visits_of_the_cookie_themselves(shop: Shop) -> None:
    cookie = await visited(shop)
    await shop.get("/lander?tnc_consent=granted&sub1=banner", Cookie=cookie)
    other = await shop.get("/meta?tnc_consent=granted&sub1=of-another-visitor")

    page = (await shop.get("/privacy", Cookie=cookie)).body

    assert "<strong>2</strong> visits are stored" in page
    assert page.count('<section class="visit">') == 2
    for shown in ("https://shop.example/shoes?s=", "https://land.example/quiz?k=", "sub1=banner", "iOS", "127.0.0.1"):
        assert shown in page
    assert "of-another-visitor" not in page
    assert "of-another-visitor" in (await shop.get("/privacy", Cookie=cookie_of(other))).body


@pytest.mark.parametrize(
    "words",
    [
        "Show my data",
        "Download my data",
        "Erase my data",
        "Opt out of tracking",
        "Withdraw consent and erase my data",
    ],
)
async def test_the_buttons_say_what_they_do(shop: Shop, words: str) -> None:
    page = (await shop.get("/privacy", Cookie=await visited(shop))).body

    assert f"<button>{words}</button>" in page


async def test_the_privacy_page_says_when_it_lists_only_the_newest_visits(shop: Shop) -> None:
    cookie = await visited(shop)
    for number in range(101):
        await shop.get(f"{WITH_CONSENT}&sub1=visit-{number:03d}", Cookie=cookie)

    page = (await shop.get("/privacy", Cookie=cookie)).body
    in_full = (await post_privacy(shop, cookie, do="show")).body

    assert "Only the newest 100 of 102 visits are listed" in page
    assert ("visit-000" in page, "visit-100" in page) == (False, True)
    assert "visit-000" in in_full
    assert "Only the newest" not in in_full


async def test_a_hostile_link_is_shown_as_text(shop: Shop) -> None:
    cookie = await visited(shop)
    await shop.get(f"{WITH_CONSENT}&sub1=%3Cscript%3Ex", Cookie=cookie, Referer="https://x.example/<b>bold</b>")

    page = (await shop.get("/privacy", Cookie=cookie)).body

    assert "<script" not in page
    assert "<b>bold" not in page


async def test_reading_ones_visits_is_limited_by_ip_address(shop: Shop) -> None:
    cookie = await visited(shop)

    answered = [(await shop.get("/privacy", Cookie=cookie)).status for _ in range(70)]

    assert set(answered[:60]) == {200}
    assert answered[-1] == 429
    assert (await shop.get("/privacy")).status == 200


async def test_the_privacy_page_shows_what_was_sent_to_whom(shop: Shop) -> None:
    await asyncio.to_thread(shop.services.configure.apply, TOLD, file="told.toml")
    visit = await shop.get(WITH_CONSENT)
    await shop.get(f"/postback?cid={visit.headers['location'].partition('s=')[2]}&payout=7&txid=T1")

    page = (await shop.get("/privacy", Cookie=cookie_of(visit))).body

    assert "(hook)" in page
    assert "will be sent your purchase or sign-up" in page
    assert "<dt>Conversion</dt><dd>" in page


async def test_a_written_request_belongs_to_the_copy_of_the_browser(shop: Shop) -> None:
    cookie = await visited(shop)
    await post(shop, cookie, do="ask", kind="question", text="Who are you?", contact="ann@example.com")
    await post(shop, await visited(shop), do="ask", kind="question", text="Another asks.", contact="")

    body = (await post(shop, cookie, do="copy")).partition(b"\r\n\r\n")[2]

    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert [each["text"] for each in json.loads(archive.read("requests.json"))] == ["Who are you?"]


async def test_a_visitor_with_the_cookie_downloads_their_data(shop: Shop) -> None:
    cookie = await visited(shop)

    answer = await post(shop, cookie, do="copy")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/zip" in head
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        (click,) = json.loads(archive.read("clicks.json"))
    assert click["campaign"] == "summer"


async def test_a_visitor_with_the_cookie_is_erased_at_once_and_gets_a_receipt(shop: Shop) -> None:
    cookie = await visited(shop)

    done = await post_privacy(shop, cookie, do="erase", sure="yes")

    assert "Your data is erased" in done.body
    assert "&#34;signature&#34;" in done.body
    assert done.headers["set-cookie"].startswith("tnc=; Path=/; Max-Age=0")
    assert shop.histories() == []
    again = await post_privacy(shop, cookie, do="show")
    assert "Nothing is stored about it" in again.body


async def test_an_erasure_needs_a_confirmation(shop: Shop) -> None:
    cookie = await visited(shop)

    asked = await post_privacy(shop, cookie, do="erase")

    assert asked.status == 422
    assert "tick the box" in asked.body
    assert len(shop.histories()) == 1


# -------------------------------------------------------------------------------------------- without a cookie


@pytest.mark.parametrize("do", ["show", "copy"])
async def test_without_the_cookie_the_reply_never_depends_on_stored_data(shop: Shop, do: str) -> None:
    def bare(answer: Answer) -> tuple[int, str]:
        return answer.status, re.sub(r'nonce="[^"]*"', "", answer.body)

    before = bare(await post_privacy(shop, do=do))
    cookie = await visited(shop)
    guessed = cookie[:-36] + "A" * 8 + cookie[-28:]

    assert bare(await post_privacy(shop, do=do)) == before
    assert bare(await post_privacy(shop, guessed, do=do)) == before


async def test_a_cookie_only_erases_the_data_of_its_own_visitor(shop: Shop) -> None:
    await visited(shop)
    other = await visited(shop)

    await post_privacy(shop, other, do="erase", sure="yes")

    assert len(shop.histories()) == 1


# ---------------------------------------------------------------------------------------------------- decisions


async def test_after_an_opt_out_a_visit_is_only_counted(shop: Shop) -> None:
    cookie = await visited(shop)
    out = set_cookie(await post(shop, cookie, do="opt-out"))
    assert has_opted_out(dict([out.split("=")]))
    before = len(shop.histories())

    sent_on = await shop.get(WITH_CONSENT, Cookie=out)

    assert sent_on.status == 302
    assert len(shop.histories()) == before
    assert "not recorded" in (await shop.get("/privacy", Cookie=out)).body


TOLD = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes?s={click_id}"
payout = 12.5
[[destination]]
id = "hook"
type = "postback"
url = "https://ads.example/?cv={conversion_id}"
[[campaign]]
id = "summer"
destinations = ["hook"]
[[campaign.flow]]
id = "rest"
offers = [ { id = "shoes" } ]
"""


async def test_after_an_opt_out_queued_deliveries_are_cancelled(shop: Shop) -> None:
    await asyncio.to_thread(shop.services.configure.apply, TOLD, file="told.toml")
    visits = [await shop.get(WITH_CONSENT) for _ in range(2)]
    for visit in visits:
        await shop.get(f"/postback?cid={visit.headers['location'].partition('s=')[2]}")

    await post(shop, cookie_of(visits[0]), do="opt-out")

    with shop.workspace.histories.day(shop.workspace.histories.dates()[0]) as reader:
        rows = list(reader.deliveries.newest(DestinationId("hook")))
    assert [(row.state, row.record.reason) for row in rows] == [("queued", None), ("cancelled", "consent-denied")]
    opt_outs = shop.workspace.opt_outs()
    assert sorted(opt_outs.match_visit(history.click.visit) for history in shop.histories()) == [False, True]
    assert [each.kind for each in shop.workspace.register.all_of().wait()] == ["objection"]


async def test_a_withdrawal_of_consent_erases_and_is_remembered(shop: Shop) -> None:
    cookie = await visited(shop)

    done = await post(shop, cookie, do="withdraw")

    assert "withdrawn" in read_answer(done).body
    assert shop.histories() == []
    sent_on = await shop.get(WITH_CONSENT, Cookie=set_cookie(done))
    assert "set-cookie" not in sent_on.headers
    (history,) = shop.histories()
    assert (history.click.visit.mode, history.click.visit.consent) == ("cookieless", "denied")


async def test_an_opt_out_can_be_undone(shop: Shop) -> None:
    done = await post(shop, "tnc_out=1", do="opt-in")

    assert b"Set-Cookie: tnc_out=; Path=/; Max-Age=0\r\n" in done


# ---------------------------------------------------------------------------------------------------- questions


async def test_a_privacy_request_is_shown_by_its_secret_link_only(shop: Shop) -> None:
    asked = await post_privacy(shop, do="ask", kind="question", text="Who <b>are</b> you?", contact="ann@example.com")
    link = re.search(r"/privacy/case/[0-9a-f]{32}", asked.body)
    assert link is not None

    case = await shop.get(link[0])

    assert case.status == 200
    assert "Who &lt;b&gt;are&lt;/b&gt; you?" in case.body
    assert "ann@example.com" not in case.body
    assert (await shop.get("/privacy/case/" + "0" * 32)).status == 404
    (request,) = shop.workspace.register.all_of().wait()
    assert (request.kind, request.channel) == ("question", "page")


async def test_the_status_page_shows_the_answer(shop: Shop) -> None:
    asked = await post_privacy(shop, do="ask", kind="access", text="What is there?", contact="")
    link = re.search(r"/privacy/case/[0-9a-f]{32}", asked.body)
    assert link is not None
    (request,) = shop.workspace.register.all_of().wait()
    now_ms = request.received_at_ms
    shop.workspace.register.move(
        request.request_id, "denied", now_ms=now_ms, reason="no proof", answer="We cannot tell."
    ).wait()

    case = await shop.get(link[0])

    assert "We cannot tell." in case.body
    assert "denied: no proof" in case.body


@pytest.mark.parametrize(
    "given", [{}, {"do": "dance"}, {"do": "ask", "text": ""}, {"do": "ask", "kind": "x", "text": "y"}]
)
async def test_invalid_forms_get_a_sentence(shop: Shop, given: dict[str, str]) -> None:
    answer = await post_privacy(shop, **given)

    assert answer.status == 422
    assert "That did not work" in answer.body


async def test_a_form_that_is_too_large_is_refused(shop: Shop) -> None:
    assert (await post_privacy(shop, do="ask", text="x" * 20_000)).status == 413


@pytest.mark.parametrize("headers", ["Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n"])
async def test_forms_from_other_sites_are_refused(shop: Shop, headers: str) -> None:
    cookie = await visited(shop)

    assert (await post_privacy(shop, cookie, headers=headers, do="erase", sure="yes")).status == 403
    assert len(shop.histories()) == 1


async def test_many_privacy_forms_are_rate_limited(shop: Shop) -> None:
    answers = [(await post_privacy(shop, do="show")).status for _ in range(62)]

    assert answers[0] == 200
    assert answers[-1] == 429


async def test_global_privacy_control_is_declared(shop: Shop) -> None:
    declared = await shop.get("/.well-known/gpc.json")

    assert json.loads(declared.body) == {"gpc": True, "lastUpdate": "2026-11-24"}
    page = await shop.get("/privacy", Sec_GPC="1")
    assert "Global Privacy Control, and it is respected" in page.body


# ------------------------------------------------------------------------------------------- no discrimination

SPLIT = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes"
[[offer]]
id = "boots"
url = "https://shop.example/boots"
[[campaign]]
id = "split"
sticky = "offer"
[[campaign.flow]]
id = "all"
offers = [ { id = "shoes", weight = 1 }, { id = "boots", weight = 1 } ]
"""


async def test_privacy_choices_do_not_change_the_redirect(shop: Shop) -> None:
    await asyncio.to_thread(shop.services.configure.apply, SPLIT, file="split.toml")
    shop.tracker.take_plans(shop.workspace.plans(shop.workspace.latest_version()))
    for number in range(40):
        agent = f"Mozilla/5.0 (X11; Linux x86_64) Visitor/{number}"
        places = {
            (await shop.get("/split?tnc_consent=granted", User_Agent=agent)).headers["location"],
            (await shop.get("/split", User_Agent=agent)).headers["location"],
            (await shop.get("/split", User_Agent=agent, Sec_GPC="1")).headers["location"],
            (await shop.get("/split", User_Agent=agent, Cookie="tnc_out=1")).headers["location"],
            (await shop.get("/split", User_Agent=agent, Cookie="tnc_no=1")).headers["location"],
        }
        assert len(places) == 1, agent


# ------------------------------------------------------------------------------- with a click id only


async def asked(shop: Shop, click: str, *, kind: str = "access", agent: str = PHONE) -> tuple[Answer, Request]:
    """A request from a visitor without a cookie."""
    answer = await post_privacy(
        shop, None, headers=f"User-Agent: {agent}\r\n", do="ask", kind=kind, text="Mine.", contact="", click=click
    )
    return answer, shop.workspace.register.all_of().wait()[0]


@pytest.mark.parametrize("form", ["{}", "https://shop.example/shoes?s={}&x=1", " {} "])
async def test_a_click_id_from_the_same_network_and_browser_is_enough_for_a_copy(shop: Shop, form: str) -> None:
    await shop.get("/summer")
    ((history),) = shop.histories()

    answer, request = await asked(shop, form.format(history.click.click_id))

    assert "You get our answer by" in answer.body
    assert (request.state, request.evidence) == ("verified", "the number of a visit, its network, its browser")
    assert request.content.click == history.click.click_id


async def test_an_erasure_by_click_id_needs_a_review(shop: Shop) -> None:
    await shop.get("/summer")
    (history,) = shop.histories()

    _, request = await asked(shop, history.click.click_id, kind="erasure")

    assert [step.state for step in request.steps] == ["received", "verified", "review"]


async def test_a_click_id_from_another_browser_is_no_proof_and_reveals_nothing(shop: Shop) -> None:
    await shop.get("/summer")
    (history,) = shop.histories()
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"

    there, request = await asked(shop, history.click.click_id, agent=firefox)
    assert (request.state, request.evidence) == ("received", "the number of a visit, its network")
    nowhere, _ = await asked(shop, "0" * 28, agent=firefox)

    def alike(page: Answer) -> str:
        return re.sub(r"[0-9a-f]{32}|nonce(-|=\")[^'\"]+", "", page.body)

    assert alike(there) == alike(nowhere)


async def test_the_click_id_of_a_request_is_deleted_when_it_is_closed(shop: Shop) -> None:
    await shop.get("/summer")
    (history,) = shop.histories()
    _, request = await asked(shop, history.click.click_id)

    done = shop.workspace.register.move(request.request_id, "fulfilled", now_ms=request.received_at_ms).wait()

    assert done.content.click == ""
