"""Every page in a real browser: accessible, at any width, in both colour schemes, without scripts."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.web.dashboard.browser import Browser, chromium
from tests.web.dashboard.hostile import Hostile, hostile
from tests.web.dashboard.installed import TRACKING_BASE
from tests.web.dashboard.test_hostile import ATTACKS
from tests.web.dashboard.week import Week, a_week
from tnc.web.dashboard.routes import MOVED, ROUTES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGES = {
    "/": ("/", "/?period=7d"),
    "/campaigns": ("/campaigns",),
    "/campaigns/{campaign_id}": ("/campaigns/summer", "/campaigns/spring"),
    "/clicks": ("/clicks", "/clicks?campaign=nowhere"),
    "/clicks/{click_id}": ("/clicks/{week.sale}", "/clicks/{week.bot}"),
    "/filters": ("/filters", "/filters?period=24h"),
    "/postbacks": ("/postbacks", "/postbacks?outcome=ignored", "/postbacks?outcome=unmatched"),
    "/destinations": ("/destinations",),
    "/destinations/new": ("/destinations/new", "/destinations/new?type=postback"),
    "/destinations/{destination_id}": ("/destinations/meta-main", "/destinations/google-file"),
    "/destinations/{destination_id}/edit": ("/destinations/meta-main/edit",),
    "/templates": ("/templates", "/templates?url=https://x.example/"),
    "/templates/{template_id}": ("/templates/propellerads", "/templates/maxbounty"),
    "/try": ("/try", "/try?campaign=summer&browser=curl&try=1"),
    "/reports": ("/reports", "/reports?by=country&by=device&by=day&period=30d"),
    "/settings": ("/settings",),
    "/privacy/requests": ("/privacy/requests",),
    "/privacy/requests/{request_id}": (
        "/privacy/requests/{week.late}",
        "/privacy/requests/{week.named}",
        "/privacy/requests/{week.erased}",
        "/privacy/requests/{week.closed}",
    ),
    "/privacy/retention": ("/privacy/retention",),
    "/privacy/data-map": ("/privacy/data-map", "/privacy/data-map?class=pii"),
    "/privacy/processing": ("/privacy/processing", "/privacy/processing?from=2026-11-01"),
    "/sign-in": ("/sign-in",),
}
NOT_PAGES = {"/reports.csv", "/static/{version}/{path:.+}", *MOVED}
FAILING = ["/nothing", "/clicks?traffic=alien", "/reports?timezone=Mars", "/try?campaign=nowhere&try=1"]


@pytest.fixture(scope="module")
def week() -> Iterator[Week]:
    with a_week() as made:
        yield made


@pytest.fixture(scope="module")
def address(week: Week) -> str:
    return week.installation.address


@pytest.fixture(scope="module")
def every_page(week: Week) -> list[str]:
    return [page.format(week=week) for pages in PAGES.values() for page in pages]


@pytest.fixture(scope="module")
def owners(address: str) -> Iterator[Browser]:
    with chromium(address) as browser:
        browser.sign_in()
        yield browser


@pytest.fixture
def browser(owners: Browser) -> Browser:
    owners.look()
    owners.open("/settings")
    owners.complaints()
    return owners


@contextmanager
def elsewhere(browser: Browser, made: Hostile) -> Iterator[Browser]:
    """The same tab with another installation: under another name, whose cookies are its own."""
    guest = Browser(browser.driver, made.installation.address.replace("127.0.0.1", "localhost"))
    guest.look()
    guest.sign_in()
    guest.complaints()
    yield guest
    guest.driver.delete_all_cookies()


def test_every_page_is_tested() -> None:
    assert {route.path for route in ROUTES if route.method == "GET"} - NOT_PAGES == set(PAGES)


def test_pages_are_accessible_and_log_nothing(browser: Browser, every_page: list[str]) -> None:
    for page in every_page:
        browser.open(page)

        assert browser.complaints() == [], page
        assert browser.barriers() == [], page


def test_pages_have_enough_contrast_in_dark_mode(browser: Browser, week: Week) -> None:
    browser.look(scheme="dark")
    for page in (pages[-1].format(week=week) for pages in PAGES.values()):
        browser.open(page)

        assert browser.barriers("color-contrast") == [], page  # the one thing that a colour scheme changes


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_error_pages_are_accessible(browser: Browser, scheme: str) -> None:
    browser.look(scheme=scheme)
    for page in FAILING:
        browser.open(page)

        assert [each for each in browser.complaints() if "Failed to load resource" not in each] == [], page
        assert browser.barriers() == [], page


WIDTH = "return document.documentElement.scrollWidth"


def test_pages_fit_every_screen_width(browser: Browser, every_page: list[str]) -> None:
    for page in every_page:
        browser.open(page)
        for width in (1600, 768, 360):
            browser.look(width=width)

            assert browser.run(WIDTH) <= width, page
        small = browser.run("""
            return [...document.querySelectorAll("button, input:not([type=hidden]), select, nav a, summary")]
              .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 24)
              .map((each) => each.outerHTML)""")
        assert small == [], page


def test_pages_are_accessible_on_a_phone(browser: Browser) -> None:
    browser.look(width=360)
    for page in ("/", "/campaigns/summer", "/reports"):
        browser.open(page)

        assert browser.barriers() == [], page


def test_the_chart_is_drawn_from_the_table(browser: Browser) -> None:
    browser.open("/?period=7d")

    assert len(browser.all(".plot canvas")) == 1
    assert len(browser.all("figure details tbody tr")) == 168
    assert not browser.all(".plot > svg")


def test_the_keyboard_skips_the_navigation(browser: Browser) -> None:
    browser.open("/clicks")
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.textContent") == "Skip to content"

    browser.press(Keys.ENTER)
    browser.press(Keys.TAB)

    assert browser.run("return document.getElementById('main').contains(document.activeElement)")


def test_links_are_copied_without_the_clipboard_api(browser: Browser) -> None:
    browser.open("/campaigns/summer")
    browser.run("Object.defineProperty(navigator, 'clipboard', {value: undefined})")

    browser.one("button[data-copy]").click()

    announced = WebDriverWait(browser.driver, 5).until(lambda _: browser.announced())
    assert announced in ("Copied", "Selected: press Control and C to copy")
    assert browser.run("return getSelection().toString()") == f"{TRACKING_BASE}/summer"


def test_a_filter_updates_the_page_and_its_address(browser: Browser) -> None:
    browser.open("/reports?by=campaign")
    heading = browser.one("h1")
    before = len(browser.all("#report tbody tr"))

    Select(browser.all("[name=by]")[0]).select_by_value("country")

    WebDriverWait(browser.driver, 10).until(lambda _: len(browser.all("#report tbody tr")) != before)
    assert heading.text == "Reports"  # still the same page: it was not loaded again
    assert browser.path.startswith("/reports?by=country")
    assert "rows" in browser.announced()
    browser.driver.back()
    WebDriverWait(browser.driver, 10).until(lambda _: len(browser.all("#report tbody tr")) == before)
    assert browser.complaints() == []


def test_a_refused_filter_shows_the_error(browser: Browser) -> None:
    browser.open("/reports")
    zone = browser.one("[name=timezone]")
    zone.clear()

    zone.send_keys("Mars" + Keys.TAB)

    WebDriverWait(browser.driver, 10).until(lambda _: browser.all("[role=alert]"))
    assert "no time zone 'Mars'" in browser.one("[role=alert]").text


def test_everything_works_without_scripts(address: str) -> None:
    with chromium(address, scripts=False) as browser:
        browser.open("/clicks")
        browser.fill("email", "owner@example.com")
        browser.fill("password", "wrong horse battery")
        browser.follow("button.primary")
        assert "do not match" in browser.one("[role=alert]").text
        browser.complaints()  # one about the status 401
        browser.fill("password", "correct horse battery")
        browser.follow("button.primary")
        assert browser.path == "/clicks"

        Select(browser.one("[name=traffic]")).select_by_value("bot")
        browser.follow(".filters button")
        assert browser.path == "/clicks?campaign=&traffic=bot"
        assert {badge.text for badge in browser.all("tbody .badge")} == {"bot"}

        browser.follow("tbody a")
        assert "Recomputed: same" in browser.one("main").text

        browser.open("/")
        assert browser.one(".plot svg").is_displayed()
        browser.open("/campaigns")
        assert not browser.one("button[data-copy]").is_displayed()
        browser.open("/try?campaign=summer")
        browser.follow("button.primary")
        assert "What would happen" in browser.one("main").text
        assert browser.complaints() == []

        browser.follow(".account button")
        assert browser.path == "/sign-in"
        browser.open("/")
        assert browser.path == "/sign-in"


def test_hostile_text_is_never_executed(owners: Browser) -> None:
    with hostile(" ".join(ATTACKS)) as made, elsewhere(owners, made) as browser:
        click, request = f"/clicks/{made.click}", f"/privacy/requests/{made.request}"
        for page in ("/", "/campaigns", "/campaigns/summer", "/clicks", click, "/reports?by=isp", "/settings", request):
            browser.open(page)

            assert browser.complaints() == [], page


def test_a_template_shows_its_steps_and_its_toml(browser: Browser) -> None:
    browser.open("/templates/propellerads")

    assert "{click_id}, {clickid}." in browser.one("main").text
    assert browser.one("main pre").text.splitlines()[:2] == ["[[source]]", 'id = "propellerads"']


def test_a_very_long_word_does_not_widen_the_page(owners: Browser) -> None:
    with hostile("W" * 200) as made, elsewhere(owners, made) as browser:
        for page in (
            "/",
            "/campaigns",
            "/campaigns/summer",
            "/clicks",
            f"/clicks/{made.click}",
            "/filters",
            "/postbacks",
            "/destinations",
            "/destinations/meta-main",
            "/destinations/meta-main/edit",
            "/try",
            f"/privacy/requests/{made.request}",
            "/privacy/processing?from=2026-11-01",
        ):
            browser.open(page)
            for width in (1280, 360):
                browser.look(width=width)

                assert browser.run(WIDTH) <= width, page


def test_sentences_of_the_postback_log_wrap(browser: Browser) -> None:
    browser.open("/postbacks")

    assert browser.run("return getComputedStyle(document.querySelector('td.break')).whiteSpace") == "normal"


def test_a_first_visit_loads_less_than_150_kb(browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    browser.open("/")

    weight = browser.run("""
        return [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
          .reduce((sum, each) => sum + each.transferSize, 0)""")

    assert 10_000 < weight < 150_000
