"""Takes the pictures of the documentation: `python -m tests.web.dashboard.pictures DIRECTORY`."""

import base64
import sys
from pathlib import Path

from tests.web.dashboard.browser import Browser, chromium
from tests.web.dashboard.installed import AMERICA
from tests.web.dashboard.week import a_week

WIDTH, HEIGHT = 1280, 800


def take(browser: Browser, path: str, file: Path, *, height: int = HEIGHT) -> None:
    browser.open(path)
    shown = {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}}
    picture = browser.driver.execute_cdp_cmd("Page.captureScreenshot", shown)
    file.write_bytes(base64.b64decode(picture["data"]))


def main(directory: Path) -> None:
    with a_week(busy=17) as week, chromium(week.installation.address) as browser:
        browser.look(width=WIDTH)
        browser.sign_in()
        take(browser, "/", directory / "overview.png")
        take(browser, f"/clicks/{week.sale}", directory / "click.png", height=900)
        form = f"campaign=summer&ip={AMERICA}&browser=iPhone%2C+Safari&language=en-US&try=1"
        take(browser, f"/try?{form}", directory / "try.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
