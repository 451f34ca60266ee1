"""A real Chromium, and a dashboard on a real port for it."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from tests.store.control import control_database
from tests.web.dashboard.conftest import EMAIL, PASSWORD
from tests.web.dashboard.invented import NOW_MS, InventedAppliance
from tnc.core.clock import World
from tnc.core.passwords import Passwords
from tnc.store.accounts import Accounts
from tnc.web.dashboard import dashboard_app

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")


@contextmanager
def serving(appliance: InventedAppliance, passwords: Passwords) -> Iterator[str]:
    """The address of a dashboard that runs in a thread of its own."""
    with tempfile.TemporaryDirectory() as folder, control_database(Path(folder)) as database:
        yield from _served(appliance, passwords, Accounts(database))


def _served(appliance: InventedAppliance, passwords: Passwords, accounts: Accounts) -> Iterator[str]:
    accounts.add_user(email=EMAIL, verifier=passwords.hash(PASSWORD), now_ms=NOW_MS).wait()
    app = dashboard_app(appliance, accounts, passwords, World(now_ms=lambda: NOW_MS))
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), [""]

    async def start() -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found[0] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20), "the dashboard did not start"
    yield found[0]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


class Browser:
    """Chromium with one tab. Everything it had to say is read by `complaints`."""

    def __init__(self, driver: webdriver.Chrome, base: str) -> None:
        self.driver = driver
        self.base = base

    def open(self, path: str) -> None:
        self.driver.get(self.base + path)

    def sign_in(self) -> None:
        self.open("/sign-in")
        self.fill("email", EMAIL)
        self.fill("password", PASSWORD)
        self.follow("button.primary")

    def fill(self, name: str, text: str) -> None:
        field = self.one(f"[name={name}]")
        field.clear()
        field.send_keys(text)

    def follow(self, selector: str) -> None:
        """Press what leads to another page, and wait until it is there."""
        page = self.one("html")
        self.one(selector).click()
        WebDriverWait(self.driver, 20).until(staleness_of(page))

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def look(self, *, width: int = 1280, scheme: str = "light") -> None:
        """How wide the screen is, and which colours its owner likes."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        liked = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", liked)

    def run(self, script: str, *given: object) -> Any:
        return self.driver.execute_script(script, *given)

    def press(self, key: str) -> None:
        """A key on whatever has the focus."""
        ActionChains(self.driver).send_keys(key).perform()

    def said(self) -> str:
        """What a screen reader was last told."""
        return str(self.run("return document.getElementById('status').textContent"))

    def complaints(self) -> list[str]:
        """Console messages and reports of the content policy since the last time this was asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def barriers(self) -> list[str]:
        """What axe finds on the page, with the elements it means."""
        self.run(AXE)
        found = self.driver.execute_async_script(
            "axe.run(document, {resultTypes: ['violations']}).then((found) => arguments[0](found.violations))"
        )
        return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]

    @property
    def path(self) -> str:
        return self.driver.current_url.removeprefix(self.base)


@contextmanager
def chromium(base: str, *, scripts: bool = True) -> Iterator[Browser]:
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("no Chromium here: install the packages chromium and chromium-driver to look at real pages")
    options = Options()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
    driver.set_script_timeout(60)
    try:
        yield Browser(driver, base)
    finally:
        driver.quit()
