"""Browser checks of `tnc.js` add a reason to the click and change nothing else."""

import pytest

from tests.web.tracking.conftest import Shop

DESKTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def clicked(shop: Shop) -> str:
    return (await shop.get("/summer")).headers["location"].partition("s=")[2]


@pytest.mark.parametrize(
    ("what", "traffic", "reason"),
    [
        ("webdriver", "bot", "js_webdriver"),
        ("link", "suspect", "honeypot"),
        ("fast", "suspect", "lander_fast"),
    ],
)
async def test_a_sign_reported_by_the_page_becomes_a_reason(shop: Shop, what: str, traffic: str, reason: str) -> None:
    cid = await clicked(shop)

    first, second = await shop.get(f"/-/sign/{what}?cid={cid}"), await shop.get(f"/-/sign/{what}?cid={cid}")

    [history] = shop.histories()
    assert (first.status, second.status, first.headers["cache-control"]) == (204, 204, "no-store")
    assert (history.click.visit.traffic, history.click.visit.reasons) == (traffic, (reason,))
    assert (history.click.offer, history.click.flow, history.click.filter) == ("shoes", "rest", None)
    assert len(history.changes) == 1


@pytest.mark.parametrize("what", ["webdriver", "link", "fast"])
async def test_a_sign_from_another_browser_changes_nothing(shop: Shop, what: str) -> None:
    cid = await clicked(shop)

    other = await shop.get(f"/-/sign/{what}?cid={cid}", User_Agent=DESKTOP)
    forged = await shop.get(f"/-/sign/{what}?cid={cid}", User_Agent=DESKTOP, Cookie=f"tnc={'A' * 54}.{cid}")

    assert (other.status, forged.status) == (204, 204)
    [history] = shop.histories()
    assert (history.click.visit.traffic, history.changes) == ("human", ())


async def test_a_sign_with_the_cookie_counts_without_the_pseudonym(shop: Shop) -> None:
    clicked_at = await shop.get("/summer?tnc_consent=granted")
    cid = clicked_at.headers["location"].partition("s=")[2]
    cookie = clicked_at.headers["set-cookie"].partition(";")[0]

    await shop.get(f"/-/sign/link?cid={cid}", Cookie=cookie, User_Agent=DESKTOP)

    assert shop.histories()[0].click.visit.reasons == ("honeypot",)


async def test_a_sign_without_a_click_id_finds_the_click_like_a_lander(shop: Shop) -> None:
    await clicked(shop)

    await shop.get("/-/sign/link")

    assert shop.histories()[0].click.visit.reasons == ("honeypot",)


async def test_a_prefetch_does_not_report_signs(shop: Shop) -> None:
    cid = await clicked(shop)

    await shop.get(f"/-/sign/link?cid={cid}", Sec_Purpose="prefetch")

    assert shop.histories()[0].changes == ()


async def test_a_sign_does_not_reveal_whether_a_click_exists(shop: Shop) -> None:
    nobody, unknown = await shop.get("/-/sign/fast?cid=nobody"), await shop.get("/-/sign/smell")

    assert nobody.status == 204
    assert unknown.status == 404
    assert shop.histories() == []
