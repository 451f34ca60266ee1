"""How a running server classifies visits: crawlers, prefetches, floods and hostile headers."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.shop import Stream, all_clicks, ask, click_of, run_json
from tests.visitors.shared import cases
from tnc.admin.bench.server_process import ServerProcess, cpu_seconds
from tnc.visitors.user_agent import UserAgentReader

FILTERED = """
[[offer]]
id = "phone"
url = "https://shop.example/phone"
[[offer]]
id = "other"
url = "https://shop.example/other"
[[filter]]
id = "strict"
when = [
  { fact = "traffic", is = ["bot", "suspect"] }, { fact = "datacenter", is = [true] }, { fact = "vpn", is = [true] },
]
[[campaign]]
id = "filtered"
filter = "strict"
[[campaign.flow]]
id = "new-phones"
when = [ { fact = "device", is = ["mobile"] }, { fact = "unique_campaign", is = [true] } ]
offers = [ { id = "phone" } ]
[[campaign.flow]]
id = "rest"
offers = [ { id = "other" } ]
"""
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
NETWORKS = ("74.0.0.0/8", "66.0.0.0/8", "81.0.0.0/8", "157.0.0.0/8", "2001:4860::/32", "54.0.0.0/8")
CRAWLERS: list[dict[str, Any]] = [
    {"user_agent": "facebookexternalhit/1.1", "ip": "66.220.147.6", "verified": True},
    {"user_agent": "facebookexternalhit/1.1", "ip": "81.2.69.142", "verified": None},
    {"user_agent": f"{PHONE} (compatible; AdsBot-Google-Mobile)", "ip": "66.249.90.197", "verified": True},
    {"user_agent": "Mozilla/5.0 (compatible; TikTokSpider)", "ip": "54.1.2.3", "verified": None},
]


def add_filtered_campaign(server: ServerProcess, folder: Path) -> None:
    """Add a campaign whose filter stops bots, data centers and VPNs, and lists that flag most networks as both."""
    for kind in ("datacenter", "vpn"):
        file = folder / f"{kind}.txt"
        file.write_text("\n".join(NETWORKS))
        run_json(server, "ipdb", "add", str(file), "--kind", kind)
    file = folder / "filtered.toml"
    file.write_text(FILTERED)
    server.apply(file)


def visit(server: ServerProcess, user_agent: str, ip: str, **headers: str) -> tuple[int, str | None]:
    answer = ask(server, "/filtered", headers={"User-Agent": user_agent, "X-Forwarded-For": ip} | headers)
    return answer.status, answer.headers.get("location")


def test_declared_crawlers_go_where_visitors_go_and_are_not_counted(stopped: ServerProcess, tmp_path: Path) -> None:
    add_filtered_campaign(stopped, tmp_path)
    stopped.serve()
    assert visit(stopped, BROWSER, "81.2.69.142")[0] == 404  # the lists and the filter work

    agents = UserAgentReader()
    for case in [*CRAWLERS, *cases("bots/crawler-cases.dev.json")]:
        ordinary = "phone" if agents.read(case["user_agent"]).agent.device == "mobile" else "other"
        for _ in range(2):  # the second visit is decided like the first one
            found = visit(stopped, case["user_agent"], case["ip"])
            assert found == (302, f"https://shop.example/{ordinary}"), case

    clicks = stopped.command("clicks", "--where", "campaign=filtered", "--json").stdout.splitlines()
    seen = [json.loads(line) for line in clicks][:-1]
    assert {click["traffic"] for click in seen} <= {"crawler", "bot"}
    assert {(click["filter"], click["unique_campaign"]) for click in seen} == {(None, False)}
    totals = run_json(stopped, "report", "--by", "campaign", "--where", "campaign=filtered")["totals"]
    assert (totals["valid"], totals["unique_visits"] - 1, totals["cr"], totals["epv"]) == (0, 0, None, None)


def test_requests_get_their_traffic_class_and_head_is_not_recorded(server: ServerProcess) -> None:
    invented = [
        {"headers": {"User-Agent": BROWSER, "Sec-Purpose": "prefetch;prerender"}, "traffic": "prefetch"},
        {"headers": {"User-Agent": BROWSER, "X-Moz": "prefetch"}, "traffic": "prefetch"},
        {"headers": {"User-Agent": BROWSER, "Sec-Purpose": "something-new"}, "traffic": "human"},
        {"headers": {"User-Agent": BROWSER}, "method": "HEAD"},
        {"headers": {"User-Agent": "curl/8.5.0"}, "traffic": "bot"},
    ]
    every = [*invented, *cases("bots/request-cases.dev.json")]
    for number, case in enumerate(every):
        headers = {"User-Agent": ""} | case["headers"] | {"X-Forwarded-For": f"81.2.69.{number}"}
        answer = ask(server, f"/summer?site={number}", method=case.get("method", "GET"), headers=headers)
        assert answer.headers["cache-control"] == "no-store", case
        assert (answer.status == 302) is (case.get("traffic") != "prefetch"), case

    found = {int(click["sub1"]): click["traffic"] for click in all_clicks(server)}
    assert found == {number: case["traffic"] for number, case in enumerate(every) if case.get("method", "GET") == "GET"}
    visits = run_json(server, "report", "--by", "campaign")["totals"]["visits"]
    assert visits == sum(traffic != "prefetch" for traffic in found.values())


def test_many_clicks_from_one_ip_address_are_suspect_unless_shared(stopped: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "carrier.txt"
    file.write_text("9.9.0.0/16\n2a00:1450::/32\n")
    run_json(stopped, "ipdb", "add", str(file), "--kind", "cellular")
    stopped.serve()

    def surplus(ips: list[str]) -> int:
        clicks = set()
        for number, ip in enumerate(ips):  # each from a different visitor
            headers = {"X-Forwarded-For": ip, "User-Agent": f"{BROWSER} x{number}"}
            clicks.add(click_of(ask(stopped, "/summer", headers=headers)))
        return sum("freq_ip" in click["reasons"] for click in all_clicks(stopped) if click["click_id"] in clicks)

    assert surplus(["81.2.69.160"] * 62) == 2
    assert surplus([f"2a02:8108::{number}" for number in range(62)]) == 2
    assert surplus(["9.9.9.9"] * 62) == 0


def test_hostile_headers_are_answered_and_stored_and_do_not_reach_the_log(server: ServerProcess) -> None:
    hostile = [
        {"bytes_latin1": text} for text in ("", "\x1b[2J", "<script>alert(1)</script>", "\xff\xfe\xfd", "a" * 8000)
    ]
    agents = [case["bytes_latin1"] for case in [*hostile, *cases("ua/hostile.json")]]
    agents = [text for text in agents if not set(text) & set("\r\n\0")]
    for text in agents:
        before = cpu_seconds(server.pid)
        answer = ask(server, "/summer", headers={"User-Agent": text.encode("latin-1")})
        assert answer.status == 302, text[:50]
        assert cpu_seconds(server.pid) - before < 0.5, text[:50]
    shown = server.command("clicks", "--limit", str(len(agents))).stdout

    assert len(shown.splitlines()) == len(agents)
    assert "\x1b" not in shown
    assert len(server.log.read_text().splitlines()) <= 1


def test_hints_are_asked_for_over_https_and_never_as_critical(shared: ServerProcess) -> None:
    proxied = {"X-Forwarded-For": "81.2.69.142", "User-Agent": CHROME}
    hints = {
        "X-Forwarded-Proto": "https",
        "Sec-CH-UA": '"Google Chrome";v="141", "Not?A_Brand";v="8", "Chromium";v="141"',
        "Sec-CH-UA-Mobile": "?0",
        "Sec-CH-UA-Platform": '"Windows"',
        "Sec-CH-UA-Platform-Version": '"15.0.0"',
    }
    plain, secure = ask(shared, "/summer", headers=proxied), ask(shared, "/summer", headers=proxied | hints)

    assert "accept-ch" not in plain.headers
    assert "Sec-CH-UA-Platform-Version" in secure.headers["accept-ch"]
    assert "critical-ch" not in secure.headers
    systems = [run_json(shared, "click", click_of(each)) for each in (plain, secure)]
    assert [(each["os"], each["os_version"]) for each in systems] == [("Windows", None), ("Windows", "11")]


# ---------------------------------------------------------------------------------------------- system calls of a click


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_click_opens_no_file_and_no_network_connection(server: ServerProcess, tmp_path: Path) -> None:
    with Stream(server).running() as stream:
        stream.wait_for(50)
    trace = tmp_path / "trace"
    words = (
        "strace",
        "-f",
        "-qq",
        "-p",
        str(server.pid),
        "-o",
        str(trace),
        "-e",
        "trace=openat,open,connect,sendto",
    )
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE)
    try:
        if tracer.poll() is not None or not _is_traced(server.pid):
            pytest.skip("strace may not look at processes here")
        for number in range(100):
            agent = f"{PHONE} new{number}"
            assert ask(server, f"/summer?ext={number}", headers={"User-Agent": agent}).status == 302
            crawler = {"User-Agent": f"facebookexternalhit/1.1 {number}", "X-Forwarded-For": f"66.220.147.{number}"}
            assert ask(server, "/summer", headers=crawler).status == 302
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()

    calls = [line for line in trace.read_text().splitlines() if re.search(r"\b(?:openat?|connect)\(", line)]
    assert not [line for line in calls if "AF_INET" in line]
    assert len(calls) < 50, calls  # those of its jobs; far fewer than the 200 clicks


def _is_traced(pid: int) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text():
            return True
        os.sched_yield()
    return False
