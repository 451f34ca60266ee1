"""Measures erasures, the deletion of a day, key rotation, encryption, and the effect of Global Privacy Control.

    python bench/erasure.py [--clicks 1000000] [--days 3] [--rate 300]

The clicks of past days are made as in `reports_beside_clicks.py`; one visitor made fifty of them. Then the real server
runs on them, clicks come at a fixed rate, and what the owner's commands ask is asked beside it. Sealing is measured in one
process, A B A B, against the same rows written without keys, tokens and encryption.
What a command asks is asked of the server directly: the start of its process would disturb the visitors' core.
"""

import argparse
import json
import math
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from datetime import date as Date
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from msgspec.structs import replace
from reports_beside_clicks import copy, fill
from servers import OUR_CORE, Server, machine, prepared_server, sit_apart

from tnc.admin.bench.load import Crowd
from tnc.admin.bench.measure import size_of
from tnc.admin.bench.server_process import ServerProcess
from tnc.admin.bench.visitors import visitors
from tnc.admin.remote import Remote
from tnc.admin.services import Services
from tnc.core import crypto, settings
from tnc.core.clock import DAY_MS, World
from tnc.core.models import Click
from tnc.core.settings import Settings
from tnc.store.days import writer as day_files
from tnc.store.days.files import Days
from tnc.store.days.schema import FINISHING, finish
from tnc.store.days.transactions import OfflineWriter, ReadOnly
from tnc.store.days.writer import DayWriter, day_path, utc_date
from tnc.store.keys.keyring import DayKeys, new_key_text
from tnc.store.keys.puncturable import PuncturableKey
from tnc.store.terms import start_ms
from tnc.store.workspace import Workspace

PERSON = "7" * 32
OF_THE_PERSON = 50
SEALED = 40_000
AT_ONCE = 1_000
ROTATED_DAYS = 90
ASKED = 10_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clicks", type=int, default=1_000_000, help="a day")
    options.add_argument("--days", type=int, default=3)
    options.add_argument("--rate", type=float, default=300.0)
    given = options.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, prepared_server(Path(folder)) as made:
        made.serve()
        sit_apart()
        refuse(made)
        cpu_us = Server(made.tracking, made.pid).in_turn(32, 4.0).cpu_us
        made.stop()
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        seal(made, Path(folder), cpu_us)
        rotate(Path(folder))
        begun = time.perf_counter()
        with ProcessPoolExecutor(2) as workers:
            numbers = range(1, given.days + 1)
            stored = sum(workers.map(fill, [made.config] * given.days, numbers, [given.clicks] * given.days))
        plant(made, given.days)
        print(f"{stored} clicks in {given.days} days, made in {time.perf_counter() - begun:.0f} s", flush=True)
        count(made, given.days)
        sums(made)
        os.sched_setaffinity(0, {OUR_CORE})
        made.serve()
        erase(made, given.rate)
        made.stop()
        sums(made, days_later=90 - given.days - 1)
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        let_go(made, given)


# ------------------------------------------------------------------------------------ what a refusal changes


def refuse(made: ServerProcess) -> None:
    """The same campaign with and without Global Privacy Control, in turns: where people go and how long it takes."""
    heard: dict[str, list[bytes]] = {"without": [], "with": []}
    times: dict[str, list[float]] = {"without": [], "with": []}
    crowds = {
        name: Crowd(made.tracking, asking(seed, gpc=name == "with"), heard[name].append)
        for seed, name in enumerate(heard)
    }
    for crowd in crowds.values():
        crowd.at_rate(200.0, 1.0)
    for told in heard.values():
        told.clear()
    while min(map(len, heard.values())) < ASKED:
        for name, crowd in crowds.items():
            times[name] += crowd.at_rate(400.0, 1.0).latencies_ms
    places = {name: Counter(place(answer) for answer in told[:ASKED]) for name, told in heard.items()}
    ratio = percentile(times["with"], 0.95) / percentile(times["without"], 0.95)
    print(f"{ASKED} clicks each with and without GPC: p of the same places {alike(places):.3f}, p95 x {ratio:.2f}")


def asking(seed: int, *, gpc: bool) -> Iterator[bytes]:
    for request in visitors(100 + seed, host="go.example"):
        yield request.replace(b"\r\nConnection:", b"\r\nSec-GPC: 1\r\nConnection:") if gpc else request


def place(answer: bytes) -> bytes:
    location = answer.partition(b"\r\nLocation: ")[2].partition(b"\r\n")[0]
    return location.partition(b"?")[0]


def alike(places: dict[str, Counter[bytes]]) -> float:
    """The p of chi-square that two samples of one size come from one distribution (Wilson and Hilferty)."""
    one, other = places.values()
    names = [name for name in one | other if one[name] + other[name] >= 10]
    squares = sum((one[name] - other[name]) ** 2 / (one[name] + other[name]) for name in names)
    freedom = max(len(names) - 1, 1)
    normal = ((squares / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return 0.5 * math.erfc(normal / math.sqrt(2))


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(share * (len(times) - 1))]


# ----------------------------------------------------------------------------------------------- sealing


def seal(made: ServerProcess, folder: Path, cpu_us: float) -> None:
    """Rows as they are written, against rows of the same size without keys, tokens and encryption.

    `cpu_us` is what a whole click costs the server, 32 at once.
    """
    with Workspace(settings.load(made.config), World(), to_write=False) as workspace:
        originals = [history.click for history, _ in zip(workspace.histories.newest(), range(2_000), strict=False)]
    chance = random.Random(1)
    clicks = [copy(chance.choice(originals), start_ms(Date(2026, 1, 1)) + at, chance) for at in range(SEALED)]
    rounds: dict[str, list[float]] = {"sealed": [], "plain": []}
    for number in range(5):
        for name, keep in (("sealed", written), ("plain", in_the_open(written))):
            rounds[name].append(keep(folder / f"{name}-{number}.db", clicks))
    us = (median(rounds["sealed"]) - median(rounds["plain"])) / SEALED * 1e6
    print(
        f"sealing, keys and tokens: {us:.1f} us of the {cpu_us:.0f} us of a click: {us / cpu_us:.0%} of the throughput"
    )


def written(path: Path, clicks: list[Click]) -> float:
    """CPU seconds to make and commit the rows of a day."""
    keys = DayKeys(
        workspace="main",  # type: ignore[arg-type]
        date=Date(2026, 1, 1),
        clicks=PuncturableKey.from_root(os.urandom(32)),
        events=PuncturableKey.from_root(os.urandom(32)),
        token_key=os.urandom(32),
        dictionary=b"",
    )
    with closing(DayWriter(path, keys)) as writer:
        begun = time.process_time()
        for first in range(0, len(clicks), AT_ONCE):
            writer.begin()
            writer.add_rows([writer.seal(click) for click in clicks[first : first + AT_ONCE]])
            writer.commit()
        return time.process_time() - begun


def in_the_open(work: Callable[[Path, list[Click]], float]) -> Callable[[Path, list[Click]], float]:
    def open_work(path: Path, clicks: list[Click]) -> float:
        kept = crypto.seal, PuncturableKey.leaf, day_files.tokens_of
        filling = bytes(crypto.OVERHEAD_BYTES)
        tokens = iter(range(1, 1 << 40))
        crypto.seal = lambda _key, content, _place, **_: filling + content  # type: ignore[assignment]
        PuncturableKey.leaf = lambda *_: b""  # type: ignore[method-assign,assignment]
        day_files.tokens_of = lambda *_: tuple(next(tokens) for _ in range(5))  # type: ignore[assignment]
        try:
            return work(path, clicks)
        finally:
            crypto.seal, PuncturableKey.leaf, day_files.tokens_of = kept  # type: ignore[method-assign]

    return open_work


# ------------------------------------------------------------------------------------------------ another key


def rotate(folder: Path) -> None:
    key = folder / "rotated.key"
    key.write_text(new_key_text())
    with Workspace.create(Settings(data=folder / "rotated", key=key), World()) as workspace:
        today = utc_date(workspace.world.now_ms())
        for number in range(ROTATED_DAYS):
            workspace.keyring.create_day(workspace.id, today - timedelta(days=number), words=b"")
        begun = time.perf_counter()
        told = Services(workspace, ReadOnly()).keys.rotate()
        print(f"another key for a keyring of {told['files']} files: {time.perf_counter() - begun:.2f} s", flush=True)


# ----------------------------------------------------------------------------------------------- the days


def plant(made: ServerProcess, days: int) -> None:
    """Clicks of one visitor, over all days."""
    world, chance = World(), random.Random(7)
    with (
        Workspace(settings.load(made.config), world, to_write=False) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring, workspace.dictionary)) as files,
    ):
        original = next(iter(workspace.histories.newest())).click
        for number in range(OF_THE_PERSON):
            date = utc_date(world.now_ms()) - timedelta(days=number % days + 1)
            click = copy(original, start_ms(date) + chance.randrange(DAY_MS), chance)
            its = replace(click, visit=replace(click.visit, visitor=PERSON, browser_id=PERSON))
            files.transact((workspace.id, date), lambda writer, its=its: writer.add_click(its))  # type: ignore[misc]


def count(made: ServerProcess, days: int) -> None:
    """The kit for a breach, of one of the days: right, and how soon."""
    date = utc_date(World().now_ms()) - timedelta(days=days)
    begun = time.perf_counter()
    done = made.command("breach", "report", "--from", f"{date}", "--to", f"{date + timedelta(days=1)}", "--json")
    told = json.loads(done.stdout)
    print(
        f"a breach of one day: {told['clicks']} clicks, {told['visitors']} visitors told, "
        f"in {time.perf_counter() - begun:.0f} s",
        flush=True,
    )


def sums(made: ServerProcess, *, days_later: int = 0) -> None:
    """As the hourly jobs make them, and again on a day's last day, so that it can go at once."""
    begun, world = time.perf_counter(), World()
    later = World(now_ms=lambda: world.now_ms() + days_later * DAY_MS)
    with (
        Workspace(settings.load(made.config), later, to_write=True) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring, workspace.dictionary)) as files,
    ):
        for date in workspace.histories.dates():
            if date < utc_date(world.now_ms()):
                for search in FINISHING:
                    finish(day_path(workspace.paths.days, workspace.id, date), search)
        files.close()
        Services(workspace, OfflineWriter(files)).retention.archive_sums()
    print(f"sums that outlive the days, made ahead: {time.perf_counter() - begun:.0f} s", flush=True)


# ------------------------------------------------------------------------------- beside visitors who go on


def erase(made: ServerProcess, rate: float) -> None:
    server = Server(made.tracking, made.pid)
    server.at_rate(rate, 2.0)
    idle = server.at_rate(rate, 10.0).answers
    seconds, busy, told = beside(server, rate, made, "erase", visitor=PERSON)
    erased = {each["store"]: each["before"] for each in told["stores"]}
    print(f"erasing {erased['clicks']} clicks: {seconds:.1f} s; found again in {told['scan']['found_in']}")
    p99 = percentile(busy, 0.99)
    print(
        f"p50/p99 ms of clicks beside it {percentile(busy, 0.5):.2f}/{p99:.2f}, idle {idle.percentile(0.5):.2f}/"
        f"{idle.percentile(0.99):.2f}: p99 x {p99 / idle.percentile(0.99):.2f}, worst {max(busy):.0f} ms",
        flush=True,
    )


def let_go(made: ServerProcess, given: argparse.Namespace) -> None:
    """In one process, with a writer that commits twenty clicks every ten milliseconds, as the server's does."""
    first, lock, commits = utc_date(World().now_ms()) - timedelta(days=given.days), threading.Lock(), Commits()
    with (
        Workspace(settings.load(made.config), World(), to_write=True) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring, workspace.dictionary)) as files,
    ):

        class Locked(OfflineWriter):
            def exclusive(self, work: Callable[[Days], Any], /) -> Any:
                with lock:
                    return super().exclusive(work)

        writer = Locked(files)
        clicks = [history.click for history, _ in zip(workspace.histories.newest(), range(20), strict=False)]
        today = (workspace.id, utc_date(workspace.world.now_ms()))
        with commits.going_on(
            lambda: writer.exclusive(lambda days: days.transact(today, lambda w: [w.add_click(c) for c in clicks]))
        ):
            idle = commits.of(3.0)
            before, begun = size_of(made.data / "days"), time.perf_counter()
            told = Services(workspace, writer).retention.run(as_of_ms=start_ms(first) + 90 * DAY_MS)
            seconds = time.perf_counter() - begun
            freed = before - size_of(made.data / "days")
            busy = commits.of(1.0)
    print(
        f"letting {told['days'][0]['clicks']} clicks go: {seconds:.2f} s, {freed / 1e6:.0f} MB freed; worst commit "
        f"{max(busy):.0f} ms, without it {max(idle):.0f} ms",
        flush=True,
    )


class Commits:
    """How long each took, with its wait for the turn."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def of(self, more_seconds: float) -> list[float]:
        """Milliseconds of those since the last call and a while longer."""
        time.sleep(more_seconds)
        found, self._times = self._times, []
        return found

    @contextmanager
    def going_on(self, commit: Callable[[], object]) -> Iterator[None]:
        stop = threading.Event()

        def go() -> None:
            while not stop.wait(0.01):
                begun = time.perf_counter()
                commit()
                self._times.append((time.perf_counter() - begun) * 1000)

        thread = threading.Thread(target=go)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def beside(
    server: Server, rate: float, made: ServerProcess, command: str, **words: object
) -> tuple[float, list[float], dict[str, Any]]:
    """Seconds of what a command asks of the server, latencies of clicks meanwhile and a second after, the answer."""
    done: list[tuple[float, dict[str, Any]]] = []

    def ask() -> None:
        begun = time.perf_counter()
        told = Remote(made.data / "socket").call(command, **words)
        done.append((time.perf_counter() - begun, told))

    thread = threading.Thread(target=ask)
    thread.start()
    times: list[float] = []
    while thread.is_alive():
        times += server.at_rate(rate, 0.5).answers.latencies_ms
    thread.join()
    times += server.at_rate(rate, 1.0).answers.latencies_ms
    ((seconds, told),) = done
    return seconds, times, told


if __name__ == "__main__":
    main()
