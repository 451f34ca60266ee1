"""Pages of the dashboard: this checkout against another one.

    python bench/dashboard_pages.py OTHER_CHECKOUT [--requests 1000] [PATH ...]

Both servers run on core 0 with the demo's campaigns and no clicks, the client on core 1 over one connection to each. The
requests go to the one and to the other in turn, so that whatever else runs beside them slows both alike. For each
page: the medians, and the median of the differences of each pair, with its uncertainty (the middle half of the
medians of 200 resamplings).
"""

import argparse
import http.client
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Self
from urllib.parse import urlencode

from servers import PINNED, machine, sit_apart

from tnc.admin.bench.server_process import ServerProcess
from tnc.admin.demo.traffic import CAMPAIGN_FILE

EMAIL, PASSWORD = "owner@example.com", "correct horse battery staple"
PAGES = ("/sign-in", "/settings", "/campaigns", "/destinations", "/")
HERE = Path(__file__).resolve().parent.parent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("other", type=Path)
    options.add_argument("pages", nargs="*", metavar="PATH", default=PAGES)
    options.add_argument("--requests", type=int, default=1000)
    given = options.parse_intermixed_args()
    print(machine())
    sit_apart()
    with (
        tempfile.TemporaryDirectory() as folder,
        Dashboard(Path(folder) / "other", given.other.resolve()) as other,
        Dashboard(Path(folder) / "here", HERE) as here,
    ):
        for path in given.pages:
            compare(path, other, here, given.requests)
    print(machine())


class Dashboard:
    """A server of one checkout, and a browser that has signed in."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        start = f"import sys; sys.path.insert(0, {str(checkout)!r}); from tnc.__main__ import main; main()"
        self._appliance = ServerProcess(folder / "data", before=PINNED, python=(sys.executable, "-c", start))

    def __enter__(self) -> Self:
        made = self._appliance
        free = ("--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0")
        words = (
            *made.python,
            "init",
            "--data",
            str(made.data),
            *free,
            "--owner-email",
            EMAIL,
            "--owner-password-stdin",
        )
        subprocess.run(words, input=PASSWORD + "\n", capture_output=True, text=True, check=True)
        made.apply(CAMPAIGN_FILE)
        made.serve()
        self._connection = http.client.HTTPConnection(*made.dashboard, timeout=60)
        form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        self._connection.request("POST", "/sign-in", urlencode({"email": EMAIL, "password": PASSWORD}), form)
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 303, answer.status
        self._cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._appliance.kill()

    def reconnect(self) -> None:
        self._connection.close()

    def get_ms(self, path: str) -> float:
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        answer.read()
        took_ms = (time.perf_counter() - began) * 1000
        assert answer.status == 200, (path, answer.status)
        return took_ms


def compare(path: str, other: Dashboard, here: Dashboard, requests: int) -> None:
    for dashboard in (other, here):
        dashboard.reconnect()  # the server closes a connection that was idle for long
    for _ in range(20):
        other.get_ms(path), here.get_ms(path)
    pairs = [(other.get_ms(path), here.get_ms(path)) for _ in range(requests)]
    differences = [after - before for before, after in pairs]
    chance = sorted(median(random.choices(differences, k=len(differences))) for _ in range(200))
    before_ms, after_ms = (median(each) for each in zip(*pairs, strict=True))
    print(
        f"{path:16} other {before_ms:6.2f} ms, here {after_ms:6.2f} ms;"
        f" difference {median(differences):+.3f} ms ({chance[50]:+.3f} to {chance[150]:+.3f})"
    )


if __name__ == "__main__":
    main()
