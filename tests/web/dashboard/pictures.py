"""Takes the pictures of the documentation: `python -m tests.web.dashboard.pictures DIRECTORY`."""

import base64
import sys
from pathlib import Path

from tests.web.dashboard.browser import Browser, chromium
from tests.web.dashboard.installed import AMERICA, NOW_MS
from tests.web.dashboard.week import visited, wait_until_sent
from tnc.core.clock import HOUR_MS

WIDTH, HEIGHT = 1280, 800


def take(browser: Browser, path: str, file: Path, *, height: int = HEIGHT) -> None:
    browser.open(path)
    shown = {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}}
    picture = browser.driver.execute_cdp_cmd("Page.captureScreenshot", shown)
    file.write_bytes(base64.b64decode(picture["data"]))


def main(directory: Path) -> None:
    with visited(busy=17) as (installation, sold), chromium(installation.address) as browser:
        wait_until_sent(installation)
        click = next(each for each in reversed(sold) if each.lander and each.clicked_at_ms < NOW_MS - 2 * HOUR_MS)
        browser.look(width=WIDTH)
        browser.sign_in()
        take(browser, "/", directory / "overview.png")
        take(browser, f"/clicks/{click.click_id}", directory / "click.png", height=900)
        form = f"campaign=summer&ip={AMERICA}&browser=iPhone%2C+Safari&language=en-US&try=1"
        take(browser, f"/try?{form}", directory / "try.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
