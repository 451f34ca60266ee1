"""Measures cost and accuracy of the facts of a visit: `python bench/facts.py [DIRECTORY OF TEST DATA]`.

Prints one line per figure with its target. Without test data it only measures what needs none.
"""

import gc
import gzip
import json
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tnc.core.models import Source, SourceId
from tnc.visitors.client_hints import hint_headers
from tnc.visitors.client_ip import ClientIpReader
from tnc.visitors.geo.catalog import GeoFolder
from tnc.visitors.geo.database import Database
from tnc.visitors.geo.geo import Geo
from tnc.visitors.geo.install import add
from tnc.visitors.geo.list_formats import read_feed
from tnc.visitors.geo.lists import NetworkKind, NetworkList, Networks, compile_lists
from tnc.visitors.rate import ClickRate
from tnc.visitors.request import Request, clean
from tnc.visitors.user_agent import UserAgentReader
from tnc.visitors.visit import VisitReader

ROUNDS = 20_000
SOURCE = Source(id=SourceId("ads"), name="Ads", click_id="ext", cost="cpc", params={"sub1": "site"})
TARGET = "/summer?ext=0a1b2c3d&site=news-7&cpc=0.02&fbclid=" + "IwAR" * 20
KINDS: dict[str, NetworkKind] = {
    "apple": "relay",
    "x4bnet-vpn": "vpn",
    "protonvpn": "vpn",
    "openasn-mobile": "cellular",
}
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
)


def shown(what: str, value: str, target: str) -> None:
    print(f"{what:<58} {value:>22}   {target}")


def microseconds(run: Callable[[int], object], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Mean, median and 99th percentile of one call, in time of this thread alone: others may use the machine."""
    clock = time.thread_time_ns
    took = []
    for number in range(rounds):
        started = clock()
        run(number)
        took.append(clock() - started - CLOCK_NS)
    took.sort()
    return sum(took) / rounds / 1000, took[rounds // 2] / 1000, took[rounds * 99 // 100] / 1000


def cost_of_the_clock() -> int:
    took = []
    for _ in range(1000):
        started = time.thread_time_ns()
        took.append(time.thread_time_ns() - started)
    return sorted(took)[500]


CLOCK_NS = cost_of_the_clock()


def memory_mb() -> float:
    """Anonymous memory of this process: what is left when the pages of files are not counted."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def read_json(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


def headers_of(user_agent: str) -> list[tuple[str, str]]:
    return [
        ("Host", "t.example"),
        ("User-Agent", user_agent),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-US,en;q=0.9"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-CH-UA", '"Google Chrome";v="150", "Chromium";v="150", "Not A(Brand";v="24"'),
        ("Sec-CH-UA-Mobile", "?0"),
        ("Sec-CH-UA-Platform", '"Windows"'),
        ("Referer", "https://news.example/a/b?c=d"),
    ]


def all_data(data: Path, room: Path) -> Geo:
    """Cities, network numbers and every list of the test data."""
    databases = [Database(data / "geo" / f"dbip-city-sample-ipv{version}.mmdb") for version in (4, 6)]
    asn = room / "asn.mmdb"
    asn.write_bytes(gzip.decompress((data / "geo" / "asn-2026-06.mmdb.gz").read_bytes()))
    lists = []
    for path in sorted((data / "geo" / "ipsets").glob("*.txt")):
        if path.name in {"vultr-ipv6.txt", "openasn-cdn.txt", "openasn-eyeball_confirm.txt"}:
            continue
        known = (kind for start, kind in KINDS.items() if path.name.startswith(start))
        kind: NetworkKind = next(known, "datacenter")
        lists.append(NetworkList(name=path.stem, kind=kind, feed=read_feed(path.read_bytes(), name=path.name)))
    return Geo([*databases, Database(asn)], Networks(compile_lists(lists)))


def cost_of_a_visit(geo: Geo, agents: UserAgentReader, browsers: Sequence[str], ips: Sequence[str]) -> None:
    reader = VisitReader(client_ip=ClientIpReader(), geo=geo, user_agents=agents, click_rate=ClickRate())
    requests = [
        Request.of(
            headers_of(browsers[number % len(browsers)]),
            host="t.example",
            target=TARGET if number % 2 else "/summer",
            peer=ips[number % len(ips)],
            secure=True,
            arrived_at_ms=1_795_600_000_000 + number,
        )
        for number in range(997)
    ]
    clicks_of_others = [f"{1 + number % 9 * 20}.{number >> 8 & 255}.{number & 255}.7" for number in range(ROUNDS)]
    gc.collect()
    gc.freeze()
    for request in requests:
        reader.read(request, SOURCE)
    told = [
        ("the place of a new address", lambda number: geo.lookup(clicks_of_others[number]), ""),
        ("facts, warm", lambda number: reader.facts(requests[number % 997], SOURCE), "p50 <= 15, p99 <= 200"),
        ("facts and the visit made of them, warm", lambda number: reader.read(requests[number % 997], SOURCE), ""),
    ]
    for what, run, target in told:
        mean, median, slow = microseconds(run)
        shown(f"{what} (mean, p50, p99; us)", f"{mean:.1f} {median:.1f} {slow:.1f}", target)


def cost_of_a_user_agent(browsers: Sequence[str], hostile: Sequence[str]) -> None:
    agents = UserAgentReader()
    agents.read("")
    mean, _, _ = microseconds(lambda number: agents.read(browsers[number]), len(browsers))
    shown("a user agent for the first time (mean; us)", f"{mean:.1f}", "<= 100")
    worst = 0.0
    for user_agent in hostile:
        started = time.perf_counter()
        agents.read(clean(user_agent))
        worst = max(worst, time.perf_counter() - started)
    shown("the worst hostile user agent (ms)", f"{worst * 1000:.2f}", "<= 20")


def swaps_under_load(data: Path, room: Path, agents: UserAgentReader) -> None:
    addresses = GeoFolder(room / "addresses")
    for _ in range(2):
        add(addresses, data / "geo" / "dbip-country-2026-06.mmdb.gz", kind=None, now_ms=1_795_600_000_000)
    reader = VisitReader(client_ip=ClientIpReader(), geo=addresses.open(private=True), user_agents=agents)
    request = Request.of(headers_of(CHROME), host="t", target="/x", peer="81.2.69.142", secure=True, arrived_at_ms=1)
    swaps, took, done = 20, [], threading.Event()

    def swap() -> None:
        for _ in range(swaps):
            started = time.perf_counter()
            reader.geo = addresses.open(private=True)
            took.append(time.perf_counter() - started)
        done.set()

    threading.Thread(target=swap).start()
    visits = wrong = 0
    while not done.is_set():
        visits += 1
        wrong += reader.facts(request, None).country != "GB"
    shown(f"{swaps} swaps under {visits} visits: errors; slowest (ms)", f"{wrong}; {max(took) * 1000:.0f}", "0; <= 100")


def share(what: str, right: float, of: float, target: str) -> None:
    shown(what, f"{100 * right / of:.2f} %", target)


def recognition(data: Path, agents: UserAgentReader) -> None:
    def called_bots(listed: Sequence[Any]) -> tuple[int, int]:
        texts = [text for each in listed for text in (each["instances"] if isinstance(each, dict) else [each])]
        return sum(bool(seen.claim or seen.crawler) for seen in map(agents.read, map(clean, texts))), len(texts)

    for name, target in (
        ("crawlerdetect-crawlers", ">= 96"), ("isbot-crawlers", ">= 99.5"), ("crawler-user-agents", "100"),
        ("top-crawler-agents", ""), ("isbot-browsers", "odd but real: <= 4"),
    ):  # fmt: skip
        share(f"called bots of {name}", *called_bots(read_json(data / "bots" / f"{name}.dev.json")), target)
    real = read_json(data / "ua" / "real-browsers.dev.jsonl")
    share("called bots of real browsers", *called_bots([each["user_agent"] for each in real]), "0")
    share("called bots of top user agents", *called_bots(read_json(data / "ua" / "top-user-agents.dev.json")), "0")
    right = sum(each["weight"] for each in real if agents.read(each["user_agent"]).agent.device == each["device"])
    share("devices of real browsers, by visits", right, sum(each["weight"] for each in real), ">= 99.9")
    hints = read_json(data / "ua" / "client-hints-cases.dev.json")
    good = sum(
        all(getattr(read, name) == value for name, value in case["expect"].items())
        for case in hints
        for read in [
            agents.read(case["user_agent"], hint_headers({k.lower(): v for k, v in case["headers"].items()})).agent
        ]
    )
    share("client hints cases", good, len(hints), "100")


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "data"
    before = memory_mb()
    agents = UserAgentReader()
    agents.read(CHROME)
    with tempfile.TemporaryDirectory() as temporary:
        room = Path(temporary)
        if not data.exists():
            shown("memory of user agents and registries (MB)", f"{memory_mb() - before:.0f}", "<= 100")
            cost_of_a_visit(Geo(), agents, [CHROME], ["81.2.69.142", "8.8.8.8"])
            cost_of_a_user_agent([CHROME], ["(" * 8000])
            return
        geo = all_data(data, room)
        gc.collect()
        shown("memory of everything, without pages of files (MB)", f"{memory_mb() - before:.0f}", "<= 100")
        browsers = [each["user_agent"] for each in read_json(data / "ua" / "real-browsers.dev.jsonl")]
        hostile = [
            each["bytes_latin1"].encode("latin-1").decode("utf-8", "surrogateescape")
            for each in read_json(data / "ua" / "hostile.json")
        ]
        ips = [each["ip"] for each in read_json(data / "geo" / "city-cases.dev.json")]
        cost_of_a_visit(geo, agents, browsers, ips)
        cost_of_a_user_agent(browsers, hostile)
        swaps_under_load(data, room, agents)
        recognition(data, agents)
        shown("most memory at any time, pages of files included (MB)", f"{peak_mb():.0f}", "")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
