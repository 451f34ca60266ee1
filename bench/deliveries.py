"""Measures the delivery of conversions: speed, latency of clicks meanwhile, restarts, and `kill -9`.

    python bench/deliveries.py drain [--conversions 10000]
    python bench/deliveries.py restart [--conversions 100000]
    python bench/deliveries.py kills [--kills 200]
    python bench/deliveries.py isolation [--conversions 300]
    python bench/deliveries.py import [--conversions 20000]

The receivers reply after 100 ms (in `kills` at once) and run on the other core, with the load generator.
"""

import argparse
import asyncio
import json
import random
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing import Process
from pathlib import Path
from urllib.request import Request, urlopen

from aiohttp import web
from servers import PINNED, machine, sit_apart

from tnc.admin.bench.load import Crowd, get
from tnc.admin.bench.server_process import ServerProcess, memory_mb

_PORT = 9471
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_CLICK = re.compile(rb"Location: [^\r]*[?&]s2=([0-9a-z]+)")
_SHOP = """
[[source]]
id = "ads"
click_id = "ext"
[[offer]]
id = "shoes"
url = "https://shop.example/?s2={{click_id}}"
payout = 3
{destinations}
[[campaign]]
id = "summer"
source = "ads"
destinations = [{names}]
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
"""
_DESTINATION = """
[[destination]]
id = "{name}"
type = "{kind}"
paused = {paused}
{settings}
"""
_PACE_SECONDS = 0.12
_HUNG, _HANGS_SECONDS = "hung", 30
_KINDS = {
    "postback": f'url = "http://127.0.0.1:{_PORT}/pb?id={{external_id}}&cv={{conversion_id}}&to=NAME"',
    "meta": f'pixel = "123456789012345"\naccess_token = "EAAtoken"\nbase_url = "http://127.0.0.1:{_PORT}"',
}


def receive(answer_ms: int) -> None:
    """Takes everything, and counts what it took by destination and conversion."""
    taken: Counter[str] = Counter()

    async def postback(request: web.Request) -> web.Response:
        await asyncio.sleep(_HANGS_SECONDS if request.query["to"] == _HUNG else answer_ms / 1000)
        taken[f"{request.query['to']} {request.query['cv']}"] += 1
        return web.Response(text="OK")

    async def meta(request: web.Request) -> web.Response:
        events = (await request.json())["data"]
        await asyncio.sleep(answer_ms / 1000)
        taken.update(f"meta {event['event_id'].removeprefix('cv_')}" for event in events)
        return web.json_response({"events_received": len(events)})

    async def told(_request: web.Request) -> web.Response:
        return web.json_response({"taken": len(taken), "copies": sum(taken.values()) - len(taken), "ids": list(taken)})

    sit_apart()
    app = web.Application(client_max_size=1 << 24)
    app.add_routes([web.get("/pb", postback), web.post("/{version}/{pixel}/events", meta), web.get("/_taken", told)])
    web.run_app(app, host="127.0.0.1", port=_PORT, print=None, access_log=None)


@contextmanager
def receiver(answer_ms: int = 100) -> Iterator[None]:
    process = Process(target=receive, args=(answer_ms,), daemon=True)
    process.start()
    time.sleep(1)
    try:
        yield
    finally:
        process.kill()
        process.join()


def taken() -> dict:  # type: ignore[type-arg]
    with urlopen(f"http://127.0.0.1:{_PORT}/_taken", timeout=60) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


@contextmanager
def shop(folder: Path, *, to: dict[str, str], paused: bool) -> Iterator[ServerProcess]:
    with ServerProcess(folder / "data", before=PINNED) as made:
        made.init()
        text = made.config.read_text().replace("# allow_hosts = []", 'allow_hosts = ["127.0.0.1"]')
        made.config.write_text(text.replace("# retry_scale = 1.0", "retry_scale = 0.1"))
        configure(made, folder, to=to, paused=paused)
        made.serve()
        yield made


def configure(made: ServerProcess, folder: Path, *, to: dict[str, str], paused: bool) -> None:
    """`to`: destinations by name, with their types."""
    file = folder / "shop.toml"
    tables = "".join(
        _DESTINATION.format(
            name=name, kind=kind, settings=_KINDS[kind].replace("NAME", name), paused=str(paused).lower()
        )
        for name, kind in to.items()
    )
    file.write_text(_SHOP.format(destinations=tables, names=", ".join(f'"{name}"' for name in to)))
    made.apply(file)


def requests(prefix: str) -> Iterator[bytes]:
    for number in count():
        query = f"ext={prefix}{number}&fbclid=Fb{number}&tnc_consent=granted"
        yield get(f"/summer?{query}", {"Host": "go.example", "User-Agent": _AGENT, "Accept-Language": "en"})


def queue(made: ServerProcess, folder: Path, wanted: int) -> None:
    """So many clicks, and a conversion of each from a file."""
    sell(made, folder, click_many(made, wanted))


def click_many(made: ServerProcess, wanted: int) -> list[str]:
    clicks: list[str] = []

    def heard(answer: bytes) -> None:
        found = _CLICK.search(answer)
        if found is not None:
            clicks.append(found[1].decode())

    crowd = Crowd(made.tracking, requests("q"), heard)
    while len(clicks) < wanted:
        crowd.in_turn(32, 2.0)
    crowd.close()
    return clicks[:wanted]


def sell(made: ServerProcess, folder: Path, clicks: list[str]) -> None:
    file = folder / "sales.csv"
    file.write_text("cid\n" + "\n".join(clicks) + "\n")
    done = made.command("conversion", "import", str(file), "--json")
    assert json.loads(done.stdout)["new"] == len(clicks), done.stderr


def drain(conversions: int) -> None:
    for kind in _KINDS:
        with tempfile.TemporaryDirectory() as name, receiver(), shop(Path(name), to={kind: kind}, paused=True) as made:
            queue(made, Path(name), conversions)
            idle = p99(made, "i", 10.0)
            configure(made, Path(name), to={kind: kind}, paused=False)
            start, busy = time.perf_counter(), list[float]()
            while taken()["taken"] < conversions:
                busy.append(p99(made, f"b{len(busy)}", 2.0))
            seconds = time.perf_counter() - start
            again = p99(made, "a", 10.0)
            print(
                f"{kind}: {conversions} in {seconds:.1f} s, {conversions / seconds:.0f} a second, "
                f"{taken()['copies']} copies; p99 of a redirect idle {idle:.1f} and {again:.1f} ms, "
                f"while it drains {sorted(busy)[len(busy) // 2]:.1f} ms"
            )


def p99(made: ServerProcess, prefix: str, seconds: float) -> float:
    crowd = Crowd(made.tracking, requests(prefix))
    answers = crowd.at_rate(100, seconds)
    crowd.close()
    return answers.percentile(0.99)


def importing(conversions: int) -> None:
    """What visitors notice while conversions are read from a file."""
    with tempfile.TemporaryDirectory() as name, shop(Path(name), to={"postback": "postback"}, paused=True) as made:
        clicks, busy = click_many(made, conversions), list[float]()
        idle = p99(made, "i", 10.0)
        start = time.perf_counter()
        reading = threading.Thread(target=sell, args=(made, Path(name), clicks))
        reading.start()
        time.sleep(2)  # until the command is up
        while reading.is_alive():
            busy.append(p99(made, f"b{len(busy)}", 1.0))
        seconds, again = time.perf_counter() - start, p99(made, "a", 10.0)
        print(
            f"{conversions} lines in {seconds:.1f} s; p99 of a redirect idle {idle:.1f} and {again:.1f} ms, "
            f"meanwhile {sorted(busy)[len(busy) // 2]:.1f} ms"
        )


def restart(conversions: int) -> None:
    """With a queue, against a start over the same clicks without one."""
    with tempfile.TemporaryDirectory() as name, shop(Path(name), to={"postback": "postback"}, paused=True) as made:
        clicks = click_many(made, conversions)
        before = resting_mb(made)
        sell(made, Path(name), clicks)
        made.stop()
        start = time.perf_counter()
        made.serve()
        ready = time.perf_counter() - start
        after = resting_mb(made)
        queued = sum(each["deliveries"].get("queued", 0) for each in listed(made))
        print(f"{queued} queued: ready after {ready:.1f} s, {after:.0f} MB, {after - before:.0f} MB more than without")


def resting_mb(made: ServerProcess) -> float:
    """After a start, when everything is taken up."""
    made.stop()
    made.serve()
    time.sleep(30)
    return memory_mb(made.pid)


def listed(made: ServerProcess) -> list:  # type: ignore[type-arg]
    return json.loads(made.command("destination", "list", "--json").stdout)  # type: ignore[no-any-return]


def ask(made: ServerProcess, target: str) -> bytes:
    host, port = made.tracking
    request = Request(f"http://{host}:{port}{target}", headers={"User-Agent": _AGENT, "Accept-Language": "en"})
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        return answer.read()  # type: ignore[no-any-return]


class Network:
    """Clicks and tells of each until the server is gone."""

    def __init__(self, made: ServerProcess, life: int) -> None:
        self.answered: list[str] = []
        self._made, self._life = made, life
        self.threads = [threading.Thread(target=self._run, args=(lane,)) for lane in range(4)]
        for thread in self.threads:
            thread.start()

    def _run(self, lane: int) -> None:
        for number in count():
            try:
                query = f"ext=e{self._life}-{lane}-{number}&tnc_consent=granted"
                click = json.loads(ask(self._made, f"/tnc.js/summer?{query}"))["click_id"]
                ask(self._made, f"/postback?cid={click}")
                self.answered.append(click)
                time.sleep(_PACE_SECONDS)
            except (OSError, ValueError):
                return


def isolation(conversions: int) -> None:
    """Ten destinations, of which one hangs or none does: how long the other nine take."""
    nine = [f"good-{number}" for number in range(9)]
    for tenth in ("good-9", _HUNG, _HUNG, "good-9"):
        to = dict.fromkeys([*nine, tenth], "postback")
        with tempfile.TemporaryDirectory() as name, receiver(), shop(Path(name), to=to, paused=True) as made:
            queue(made, Path(name), conversions)
            configure(made, Path(name), to=to, paused=False)
            start = time.perf_counter()
            while sum(each.split(" ")[0] in nine for each in taken()["ids"]) < 9 * conversions:
                time.sleep(0.1)
            seconds = time.perf_counter() - start
            print(f"tenth {tenth}: {9 * conversions / seconds:.0f} deliveries a second to the other nine")


_THREE = {"postback": "postback", "source": "postback", "meta": "meta"}


def kills(wanted: int) -> None:
    """About ten conversions between two kills."""
    chance, answered = random.Random(1), list[str]()
    with tempfile.TemporaryDirectory() as name, receiver(0), shop(Path(name), to=_THREE, paused=False) as made:
        for life in range(wanted):
            network = Network(made, life)
            time.sleep(chance.uniform(0.05, 0.6))
            made.kill()
            for thread in network.threads:
                thread.join()
            answered += network.answered
            made.serve()
        start, conversions = time.perf_counter(), conversions_of(made, answered)
        expected = {f"{to} {each}" for to in _THREE for each in conversions}
        while not expected <= set(taken()["ids"]) and time.perf_counter() - start < 120:
            time.sleep(0.5)
        seconds, found = time.perf_counter() - start, taken()
        print(
            f"{wanted} kills: {len(answered)} conversions answered with 200, {len(conversions)} stored of them; "
            f"{len(expected - set(found['ids']))} of {len(expected)} deliveries missing after {seconds:.0f} s, "
            f"{found['copies']} copies ({100 * found['copies'] / max(found['taken'], 1):.2f} %)"
        )


def conversions_of(made: ServerProcess, clicks: list[str]) -> set[str]:
    wanted = set(clicks)
    lines = made.command("clicks", "--json", "--limit", "1000000").stdout.splitlines()
    histories = (json.loads(line) for line in lines)
    return {
        each["conversion_id"]
        for history in histories
        if history["click_id"] in wanted
        for each in history["conversions"]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("drain", "restart", "kills", "isolation", "import"))
    parser.add_argument("--conversions", type=int)
    parser.add_argument("--kills", type=int, default=200)
    given = parser.parse_args()
    print(machine())
    sit_apart()
    match given.what:
        case "drain":
            drain(given.conversions or 10_000)
        case "restart":
            restart(given.conversions or 100_000)
        case "import":
            importing(given.conversions or 20_000)
        case "isolation":
            isolation(given.conversions or 300)
        case _:
            kills(given.kills)


if __name__ == "__main__":
    main()
