"""Takes the pictures of the documentation: `python -m tests.web.dashboard.pictures DIRECTORY`."""

import base64
import sys
from pathlib import Path

from tests.web.dashboard.browser import Browser, chromium, serving
from tests.web.dashboard.invented import InventedAppliance, invent_week
from tests.web.dashboard.invented_people import InventedPeople
from tnc.core.passwords import Passwords

WIDTH, HEIGHT = 1280, 800


def take(browser: Browser, path: str, file: Path, *, height: int = HEIGHT) -> None:
    browser.open(path)
    shown = {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}}
    picture = browser.driver.execute_cdp_cmd("Page.captureScreenshot", shown)
    file.write_bytes(base64.b64decode(picture["data"]))


def main(directory: Path) -> None:
    week = invent_week(busy=17)
    sold = next(
        history.click.click_id
        for history in week
        if history.conversions and history.click.visit.city and history.click.lander
    )
    appliance, passwords = (
        InventedAppliance(told=week, people=InventedPeople(told=[])),
        Passwords(b"pepper" * 6, rounds=4),
    )
    with serving(appliance, passwords) as address, chromium(address) as browser:
        browser.look(width=WIDTH)
        browser.sign_in()
        take(browser, "/", directory / "overview.png")
        take(browser, f"/clicks/{sold}", directory / "click.png", height=900)
        form = "campaign=summer&ip=198.51.100.23&browser=iPhone%2C+Safari&language=en-US&try=1"
        take(browser, f"/try?{form}", directory / "try.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
