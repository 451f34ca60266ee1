"""Measures the p99 of clicks idle, and while the heaviest report runs without a pause on the same core.

    python bench/reports_beside_clicks.py [--clicks 5000000] [--rounds 5] [--seconds 8] [--rate 500]

The clicks of twenty days are copies of some that the real server recorded, with other times, ids, countries and systems,
encrypted like any other. The report runs in the same child process as in a server, pinned to the server's core; the
generator runs on the other one. Idle and busy rounds alternate.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import median

import msgspec
from msgspec.structs import replace
from servers import OUR_CORE, PINNED, Server, machine, prepared_server

from tnc.admin.bench.load import Crowd
from tnc.admin.bench.visitors import visitors
from tnc.core import settings
from tnc.core.clock import DAY_MS, World, new_id
from tnc.core.models import Click, ClickId
from tnc.reports.client import ReportRequest
from tnc.reports.query import ReportQuery
from tnc.store.days.files import Days
from tnc.store.days.writer import utc_date
from tnc.store.workspace import Workspace

DAYS = 20
HEAVY = ReportQuery(by=("campaign", "country", "os", "sub1"), start="30d")
COUNTRIES = "US CA GB DE FR IN BR MX AU IT ES PL NL ID PH TH VN TR ZA NG JP KR SE NO FI DK AT CH BE PT".split()
SYSTEMS = "Android iOS Windows macOS Linux ChromeOS".split()
_AT_ONCE = 5_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clicks", type=int, default=5_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=8.0)
    options.add_argument("--rate", type=float, default=500.0)
    given = options.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, prepared_server(Path(folder)) as made:
        made.serve()
        crowd = Crowd(made.tracking, visitors(1, host="go.example"))
        crowd.in_turn(16, 2.0)
        crowd.close()
        made.stop()
        begun = time.perf_counter()
        with ProcessPoolExecutor(2) as workers:
            stored = sum(workers.map(fill, [made.config] * DAYS, range(1, DAYS + 1), [given.clicks // DAYS] * DAYS))
        print(f"{stored} clicks in {DAYS} days, made in {time.perf_counter() - begun:.0f} s", flush=True)
        os.sched_setaffinity(0, {OUR_CORE})
        made.serve()
        report = Report(made.config)
        print(f"their columns: {report.once():.0f} s; after that one report: {report.once():.2f} s", flush=True)
        compare(Server(made.tracking, made.pid), report, given)
        report.close()
        made.stop()


def fill(config: Path, days_ago: int, number: int) -> int:
    """Clicks of one past day."""
    world, chance = World(), random.Random(days_ago)
    with (
        Workspace(settings.load(config), world, to_write=False) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring, workspace.dictionary)) as days,
    ):
        originals = [history.click for history, _ in zip(workspace.histories.newest(), range(2_000), strict=False)]
        start_ms = world.now_ms() // DAY_MS * DAY_MS - days_ago * DAY_MS
        day = (workspace.id, utc_date(start_ms))
        assert day[1] == utc_date(world.now_ms()) - timedelta(days=days_ago)
        for first in range(0, number, _AT_ONCE):
            times = range(first, min(first + _AT_ONCE, number))
            copies = [copy(chance.choice(originals), start_ms + at * DAY_MS // number, chance) for at in times]
            days.transact(day, lambda writer, copies=copies: writer.add_rows([writer.seal(each) for each in copies]))  # type: ignore[misc]
        return number


def copy(click: Click, at_ms: int, chance: random.Random) -> Click:
    visit = replace(
        click.visit,
        visited_at_ms=at_ms,
        country=chance.choice(COUNTRIES),
        os=chance.choice(SYSTEMS),
        visitor=f"{chance.getrandbits(128):032x}",
    )
    return replace(click, click_id=ClickId(new_id(at_ms, chance.randbytes(8))), clicked_at_ms=at_ms, visit=visit)


class Report:
    """The child that answers reports, asked again and again while `running`."""

    def __init__(self, config: Path) -> None:
        words = [*PINNED, sys.executable, "-m", "tnc.reports.worker", str(config)]
        self._child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.seconds: list[float] = []

    def once(self) -> float:
        """Seconds until the answer."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        begun = time.perf_counter()
        self._child.stdin.write(msgspec.json.encode(ReportRequest(query=HEAVY)) + b"\n")
        self._child.stdin.flush()
        told = self._child.stdout.readline()
        while told.startswith(b'{"more":true'):  # to parse it all would keep the generator from its work
            told = self._child.stdout.readline()
        assert told.startswith(b'{"result":'), told[:1000]
        return time.perf_counter() - begun

    def without_end(self, stop: threading.Event) -> threading.Thread:
        def ask() -> None:
            while not stop.is_set():
                self.seconds.append(self.once())

        thread = threading.Thread(target=ask)
        thread.start()
        return thread

    def close(self) -> None:
        self._child.kill()
        self._child.wait()


def compare(server: Server, report: Report, given: argparse.Namespace) -> None:
    server.at_rate(given.rate, 2.0)
    idle, busy = [], []
    for _ in range(given.rounds):
        answers = server.at_rate(given.rate, given.seconds).answers
        idle.append((answers.percentile(0.5), answers.percentile(0.99), answers.failed))
        stop = threading.Event()
        thread = report.without_end(stop)
        answers = server.at_rate(given.rate, given.seconds).answers
        busy.append((answers.percentile(0.5), answers.percentile(0.99), answers.failed))
        stop.set()
        thread.join()
    for name, rounds in (("idle", idle), ("beside the report", busy)):
        told = "  ".join(f"{p50:.2f}/{p99:.2f}" for p50, p99, _ in rounds)
        print(
            f"{name:>18} p50/p99 ms: {told}; median {median(r[0] for r in rounds):.2f}/{median(r[1] for r in rounds):.2f}"
        )
    ratio = median(b[1] / a[1] for a, b in zip(idle, busy, strict=True))
    failed = sum(r[2] for r in idle + busy)
    print(
        f"p99 x {ratio:.2f} (median of the rounds); reports {len(report.seconds)}, {median(report.seconds):.2f} s each; failed {failed}"
    )


if __name__ == "__main__":
    main()
