"""Prefetches, `tnc.js` and its browser check in a real Chromium."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.webdriver.support.wait import WebDriverWait

from tests.e2e.shop import all_clicks, run_json
from tests.web.dashboard.browser import Browser, chromium
from tnc.admin.bench.server_process import ServerProcess

RULES = '<script type="speculationrules">{{"KIND": [{{"urls": ["{link}"], "eagerness": "immediate"}}]}}</script>'
# What makes a browser prefetch a link.
AHEAD = {
    "speculation rules": RULES.replace("KIND", "prefetch"),
    "prerender": RULES.replace("KIND", "prerender"),
    "a prefetch link": '<link rel="prefetch" href="{link}">',
}


@contextmanager
def site(pages: dict[str, str]) -> Iterator[str]:
    """Serve pages on a free port; yields the base URL. Any other path is an empty page."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "<!doctype html><title>landed</title>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("") as opened:
        yield opened


@pytest.mark.parametrize("way", AHEAD)
def test_a_prefetch_is_no_visit_and_the_click_after_it_is_one(
    browser: Browser, stopped: ServerProcess, tmp_path: Path, way: str
) -> None:
    pages: dict[str, str] = {}
    with site(pages) as address:
        file = tmp_path / "ahead.toml"
        file.write_text(
            f'[[offer]]\nid = "page"\nurl = "{address}/landed?k={{click_id}}"\n[[campaign]]\nid = "ahead"\n'
            '[[campaign.flow]]\nid = "all"\noffers = [ { id = "page" } ]\n'
        )
        stopped.apply(file)
        stopped.serve()
        link = "http://{}:{}/ahead?from={}".format(*stopped.tracking, quote(way))
        pages["/"] = f'<!doctype html><title>start</title>{AHEAD[way].format(link=link)}<a href="{link}">go</a>'
        browser.driver.get(address)
        WebDriverWait(browser.driver, 20).until(lambda _: all_clicks(stopped))
        before = all_clicks(stopped)

        browser.follow("a")

        WebDriverWait(browser.driver, 20).until(lambda driver: "/landed?k=" in driver.current_url)
        arrived = browser.driver.current_url.partition("k=")[2]

    clicks = all_clicks(stopped)
    assert {click["traffic"] for click in before} == {"prefetch"}
    (real,) = [click for click in clicks if click["traffic"] != "prefetch"]
    assert real["click_id"] == arrived
    assert run_json(stopped, "report", "--by", "campaign")["totals"]["visits"] == 1


def test_data_check_reports_an_automated_browser_and_hides_its_honeypot_from_people(
    browser: Browser, stopped: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "page.toml"
    file.write_text(
        '[[offer]]\nid = "page"\nurl = "https://shop.example/"\n[[campaign]]\nid = "page"\n'
        '[[campaign.flow]]\nid = "all"\noffers = [ { id = "page" } ]\n'
    )
    stopped.apply(file)
    stopped.serve()
    script = "<script async src='http://{}:{}/tnc.js' data-campaign='page' {}></script>"
    pages = {
        "/": f"<!doctype html><title>a</title><a href='#x'>x</a>{script.format(*stopped.tracking, 'data-check')}",
        "/plain": f"<!doctype html><title>b</title>{script.format(*stopped.tracking, '')}",
    }
    with site(pages) as address:
        browser.driver.get(f"{address}/plain")
        WebDriverWait(browser.driver, 20).until(lambda _: len(all_clicks(stopped)) == 1)
        assert browser.all("a[href*='/-/sign/']") == []
        browser.driver.get(address)
        WebDriverWait(browser.driver, 20).until(lambda _: "js_webdriver" in all_clicks(stopped)[-1]["reasons"])
        (trap,) = browser.all("a[href*='/-/sign/link']")

    plain, checked = all_clicks(stopped)
    assert "js_webdriver" not in plain["reasons"]
    assert checked["traffic"] == "bot"
    assert (trap.get_attribute("tabindex"), trap.get_attribute("aria-hidden")) == ("-1", "true")


def test_a_thank_you_page_reports_a_conversion_by_script_and_by_pixel(
    browser: Browser, stopped: ServerProcess, tmp_path: Path
) -> None:
    pages: dict[str, str] = {}
    with site(pages) as address:
        file = tmp_path / "shop.toml"
        file.write_text(
            f'[[offer]]\nid = "page"\nurl = "{address}/bought?cid={{click_id}}"\npayout = 3\n'
            '[[campaign]]\nid = "shop"\n[[campaign.flow]]\nid = "all"\noffers = [ { id = "page" } ]\n'
        )
        stopped.apply(file)
        stopped.serve()
        base = "http://{}:{}".format(*stopped.tracking)
        call = 'tncConversion({ payout: 12.5, currency: "USD", txid: "A-1", event: "deposit" })'
        script = f"<script async src='{base}/tnc.js'></script><script>onload = () => {call}</script>"
        browser.driver.get(f"{base}/shop?tnc_consent=granted")
        click = browser.driver.current_url.partition("cid=")[2]

        pages[f"/thanks?cid={click}"] = f"<!doctype html><title>thanks</title>{script}"
        browser.driver.get(f"{address}/thanks?cid={click}")
        WebDriverWait(browser.driver, 20).until(lambda _: run_json(stopped, "click", click)["conversions"])
        pages["/picture"] = (
            f"<!doctype html><title>thanks</title><img src='{base}/conversion.gif?cid={click}&txid=A-2'>"
        )
        browser.driver.get(f"{address}/picture")
        WebDriverWait(browser.driver, 20).until(lambda _: len(run_json(stopped, "click", click)["conversions"]) == 2)

    by_script, by_picture = run_json(stopped, "click", click)["conversions"]
    assert (by_script["event"], by_script["payout"], by_script["txid"]) == ("deposit", 12.5, "A-1")
    assert (by_picture["event"], by_picture["payout"], by_picture["txid"]) == (None, 3, "A-2")


BROKEN_LINKS = """<a id="empty" href="http://">a</a><a id="bracket" href="https://[x">b</a>
<svg viewBox="0 0 9 9"><a id="svg" href="https://shop.example/?k={click_id}"><text>c</text></a></svg>
<a id="good" href="https://shop.example/?k={click_id}">d</a><a id="plain" href="/elsewhere">e</a>"""


def test_the_script_fills_links_beside_broken_ones_and_reads_options_from_its_url(
    browser: Browser, stopped: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "page.toml"
    file.write_text(
        '[[offer]]\nid = "page"\nurl = "https://shop.example/"\n[[campaign]]\nid = "page"\n'
        '[[campaign.flow]]\nid = "all"\noffers = [ { id = "page" } ]\n'
    )
    stopped.apply(file)
    stopped.serve()
    address = "http://{}:{}/tnc.js".format(*stopped.tracking)
    pages = {
        "/": f"<!doctype html><title>a</title>{BROKEN_LINKS}<script async src='{address}?campaign=page'></script>",
        "/none": f"<!doctype html><title>b</title><script async src='{address}'></script>",
    }
    with site(pages) as base:
        browser.driver.get(base)
        WebDriverWait(browser.driver, 20).until(
            lambda driver: "k=0" in (driver.find_element("id", "good").get_attribute("href") or "")
        )
        href = {
            each: browser.driver.execute_script(f"return document.getElementById('{each}').getAttribute('href')")
            for each in ("empty", "bracket", "svg", "good", "plain")
        }
        browser.complaints()
        browser.driver.get(f"{base}/none")
        WebDriverWait(browser.driver, 20).until(lambda driver: driver.execute_script("return !!window.tncConversion"))
        messages = " ".join(browser.complaints())

    (click,) = all_clicks(stopped)
    assert href["good"] == href["svg"] == f"https://shop.example/?k={click['click_id']}"
    assert (href["empty"], href["bracket"], href["plain"]) == ("http://", "https://[x", "/elsewhere")
    assert "nothing is recorded" in messages
