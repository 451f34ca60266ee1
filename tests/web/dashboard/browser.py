"""A real Chromium, driven as a person would."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.web.dashboard.installed import EMAIL, PASSWORD

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")


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
        WebDriverWait(self.driver, 20).until(lambda _: _is_gone(page))

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

    def announced(self) -> str:
        """What a screen reader last read out of the status region."""
        return str(self.run("return document.getElementById('status').textContent"))

    def complaints(self) -> list[str]:
        """Console messages and reports of the content policy since the last time this was asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def barriers(self, *rules: str) -> list[str]:
        """What axe finds on the page, by some of its rules or by all, with the elements it means."""
        self.run(AXE)
        chosen = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found = self.driver.execute_async_script(
            "axe.run(document, arguments[0]).then((found) => arguments[1](found.violations))", chosen
        )
        return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]

    @property
    def path(self) -> str:
        return self.driver.current_url.removeprefix(self.base)


def _is_gone(element: Any) -> bool:
    """Whether its page was left. While the next one loads, Chromium has several errors for that."""
    try:
        element.is_enabled()
    except WebDriverException:
        return True
    return False


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
