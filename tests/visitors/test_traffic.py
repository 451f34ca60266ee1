"""The class of traffic of requests and its reasons: bots, crawlers, suspect networks, rates."""

import time
from typing import Any

import pytest

from tests.visitors.shared import cases
from tnc.core.models import Visit
from tnc.visitors.bots import UNNAMED, Bots
from tnc.visitors.client_ip import ClientIpReader
from tnc.visitors.crawlers import Crawlers, DnsAnswer
from tnc.visitors.geo.geo import Geo
from tnc.visitors.geo.list_formats import read_feed
from tnc.visitors.geo.lists import NetworkKind, NetworkList, Networks, compile_lists
from tnc.visitors.rate import MAX_CLICKS_PER_MINUTE, ClickRate, Duplicates
from tnc.visitors.request import Request
from tnc.visitors.user_agent import UserAgentReader
from tnc.visitors.visit import Identity, VisitReader

BOTS = Bots()
CRAWLERS = Crawlers()
AGENTS = UserAgentReader()
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BROWSER = {"User-Agent": CHROME, "Accept-Language": "en", "Sec-Fetch-Mode": "navigate"}


def reader(kind: NetworkKind | None = None, click_rate: ClickRate | None = None) -> VisitReader:
    """A reader with one list, in which 9.0.0.0/8 is of this kind."""
    networks = Networks()
    if kind:
        feed = read_feed(b"9.0.0.0/8", name="list")
        networks = Networks(compile_lists([NetworkList(name="list", kind=kind, feed=feed)]))
    return VisitReader(client_ip=ClientIpReader(), geo=Geo((), networks), user_agents=AGENTS, click_rate=click_rate)


def visit(
    headers: dict[str, str],
    *,
    by: VisitReader | None = None,
    ip: str = "9.9.9.9",
    secure: bool = True,
    at_ms: int = 1,
    identity: Identity | None = None,
) -> Visit:
    request = Request.of(headers.items(), host="t.example", target="/x", peer=ip, secure=secure, arrived_at_ms=at_ms)
    return (by or reader()).read(request, None, identity or Identity())


REQUESTS: list[dict[str, Any]] = [
    {"headers": BROWSER, "traffic": "human", "reason": None},
    {"headers": BROWSER | {"Sec-Purpose": "prefetch;prerender"}, "traffic": "prefetch", "reason": "prefetch"},
    {"headers": {"Accept": "*/*"}, "traffic": "bot", "reason": "ua_empty"},
    {"headers": {"User-Agent": "  "}, "traffic": "bot", "reason": "ua_empty"},
    {"headers": {"User-Agent": "curl/8.9.1"}, "traffic": "bot", "reason": "ua_client"},
    {"headers": BROWSER | {"User-Agent": CHROME.replace("Chrome/", "HeadlessChrome/")}, "traffic": "bot",
     "reason": "ua_automation"},
    {"headers": {"User-Agent": "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"},
     "traffic": "bot", "reason": "ua_bot"},
    {"headers": {"User-Agent": "facebookexternalhit/1.1"}, "traffic": "crawler", "reason": "crawler_claimed"},
    {"headers": BROWSER | {"Sec-CH-UA-Platform": '"Android"'}, "traffic": "suspect", "reason": "hints_contradict"},
    {"headers": BROWSER | {"Sec-CH-UA": '"Chromium";v="120"'}, "traffic": "suspect", "reason": "hints_contradict"},
    {"headers": BROWSER | {"Sec-CH-UA": '"HeadlessChrome";v="150", "Chromium";v="150"'}, "traffic": "bot",
     "reason": "ua_automation"},
    {"headers": {"User-Agent": CHROME}, "traffic": "suspect", "reason": "headers_missing"},
    {"headers": {"User-Agent": FIREFOX}, "traffic": "human", "reason": None},
]  # fmt: skip


@pytest.mark.parametrize("case", [*REQUESTS, *cases("bots/request-cases.dev.json")])
def test_requests_are_classified_with_a_reason(case: dict[str, Any]) -> None:
    read = visit(case["headers"])

    assert read.traffic == case["traffic"]
    assert case["reason"] in read.reasons if case["reason"] else read.reasons == ()


def test_missing_hints_over_plain_http_are_no_reason() -> None:
    assert visit({"User-Agent": CHROME}, secure=False).traffic == "human"


@pytest.mark.parametrize(
    ("kind", "traffic", "reasons"),
    [
        ("datacenter", "suspect", ("net_datacenter",)),
        ("tor", "suspect", ("net_tor",)),
        ("proxy", "suspect", ("net_proxy",)),
        ("vpn", "human", ("net_vpn",)),
        ("relay", "human", ("net_relay",)),
        ("corporate", "human", ()),
        ("cellular", "human", ()),
    ],
)
def test_networks_with_people_do_not_make_a_visit_suspect(
    kind: NetworkKind, traffic: str, reasons: tuple[str, ...]
) -> None:
    read = visit(BROWSER, by=reader(kind))

    assert (read.traffic, read.reasons) == (traffic, reasons)


def test_a_mail_scanner_needs_referrer_and_data_centre() -> None:
    headers = BROWSER | {"Referer": "https://eur01.safelinks.protection.outlook.com/?url=x"}

    assert visit(headers).reasons == ()
    assert visit(headers, by=reader("datacenter")).reasons == ("net_datacenter", "scanner")


FIGURES = [
    ("bots/crawler-user-agents.dev.json", 1.0),
    ("bots/isbot-crawlers.dev.json", 0.995),
    ("bots/top-crawler-agents.dev.json", 0.99),
    ("bots/crawlerdetect-crawlers.dev.json", 0.96),
]


@pytest.mark.parametrize(("name", "share"), FIGURES)
def test_known_crawlers_are_recognised(name: str, share: float) -> None:
    listed = cases(name) or ["Mozilla/5.0 (compatible; AhrefsBot/7.0)", "Wget/1.21", "python-requests/2.32"]
    agents = [agent for each in listed for agent in (each["instances"] if isinstance(each, dict) else [each])]

    found = sum(BOTS.find(agent) is not None for agent in agents)

    assert found >= share * len(agents)


@pytest.mark.parametrize("name", ["ua/real-browsers.dev.jsonl", "ua/top-user-agents.dev.json"])
def test_browsers_of_people_are_not_called_bots(name: str) -> None:
    listed = cases(name) or [CHROME, FIREFOX]
    agents = [each if isinstance(each, str) else each["user_agent"] for each in listed]

    assert [agent for agent in agents if BOTS.find(agent) or CRAWLERS.find_claimed(agent)] == []


ANDROID = "Mozilla/5.0 (Linux; Android 14; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    "device",
    ["Google TV Streamer Build/UTTK.250305.003; wv", "HTC Butterfly Build/JRO03C", "ScanPal EDA52", "My|Phone A898"],
)
def test_device_names_are_no_claim(device: str) -> None:
    assert BOTS.find(ANDROID.format(device)) is None


@pytest.mark.parametrize("text", ["Pixel 2 Build/OPD3; Storebot-Google/1.0", "compatible; AhrefsBot/7.0", "Foobot/1.0"])
def test_a_claim_in_the_place_of_a_device_name_counts(text: str) -> None:
    assert BOTS.find(ANDROID.format(text)) is not None


def test_few_unusual_browsers_are_called_bots() -> None:
    listed = cases("bots/isbot-browsers.dev.json") or [FIREFOX]

    assert sum(BOTS.find(agent) is not None for agent in listed) <= 0.04 * len(listed)


def test_a_claim_has_its_pattern_and_list() -> None:
    named, unnamed = BOTS.find("python-requests/2.32.3"), BOTS.find("my little fetcher v1")

    assert named
    assert (named.name, named.kind, named.source) == ("python-requests", "client", "crawler-user-agents")
    assert unnamed
    assert (unnamed.name, unnamed.source) == (UNNAMED, "isbot")
    assert named.pattern
    assert unnamed.pattern


def test_look_around_in_patterns_is_respected() -> None:
    phone = "Mozilla/5.0 (Linux; Android 9; wv) CUBOT X19 AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36"

    assert BOTS.find(phone) is None
    assert BOTS.find(phone.replace("CUBOT", "somebot")) is not None


@pytest.mark.parametrize("case", cases("ua/hostile.json") or [{"bytes_latin1": "bot " * 2000}])
def test_hostile_user_agents_are_matched_fast(case: dict[str, str]) -> None:
    started = time.thread_time()

    BOTS.find(case["bytes_latin1"][:1024])

    assert time.thread_time() - started < 0.02, "CPU time, which no other process adds to"


CRAWLER_CASES: list[dict[str, Any]] = [
    {"user_agent": "Twitterbot/1.0", "ip": "81.2.69.142", "dns": {"ptr": "x.twttr.com", "addresses": ["81.2.69.142"]},
     "crawler": "twitterbot", "verified": True},
    {"user_agent": "Twitterbot/1.0", "ip": "81.2.69.142", "dns": {"ptr": "x.twttr.com", "addresses": ["9.9.9.9"]},
     "crawler": "twitterbot", "verified": False},
    {"user_agent": "Bytespider", "ip": "81.2.69.142", "dns": {"ptr": None}, "crawler": "tiktok", "verified": None},
    {"user_agent": "facebookexternalhit/1.1 Facebot Twitterbot/1.0", "ip": "81.2.69.142", "dns": {"ptr": None},
     "crawler": "imessage", "verified": None},
]  # fmt: skip


@pytest.mark.parametrize("case", [*CRAWLER_CASES, *cases("bots/crawler-cases.dev.json")])
def test_crawler_claims_are_checked_as_the_operator_publishes(case: dict[str, Any]) -> None:
    crawler = CRAWLERS.find_claimed(case["user_agent"])

    assert crawler is not None
    assert crawler is CRAWLERS.find(case["crawler"])
    if case["dns"] is None:
        assert crawler.check_network(case["ip"], None) is case["verified"]
    else:
        answer = DnsAnswer(case["dns"]["ptr"], tuple(case["dns"].get("addresses", ())))
        assert crawler.check_dns(case["ip"], None, answer) is case["verified"]


def test_an_as_number_refutes_a_claim_only_if_it_is_the_only_check() -> None:
    meta, google = CRAWLERS.find("meta"), CRAWLERS.find("googlebot")
    assert meta
    assert google

    assert meta.check_network("81.2.69.142", 32934) is True
    assert meta.check_network("81.2.69.142", 20712) is False
    assert google.check_network("81.2.69.142", 15169) is None


def test_a_verified_crawler_is_named_and_an_unverified_one_stays_claimed() -> None:
    true = visit({"User-Agent": "facebookexternalhit/1.1"}, ip="66.220.147.6")
    claimed = visit({"User-Agent": "TikTokSpider"}, ip="66.220.147.6")

    assert (true.traffic, true.bot, true.crawler_verified) == ("crawler", "meta", True)
    assert true.reasons == ("crawler_verified",)
    assert (claimed.traffic, claimed.bot, claimed.crawler_verified) == ("crawler", "tiktok", None)


def test_a_crawler_in_a_data_centre_is_still_a_crawler() -> None:
    read = visit({"User-Agent": "TikTokSpider"}, by=reader("datacenter"))

    assert (read.traffic, read.reasons) == ("crawler", ("crawler_claimed", "net_datacenter"))


def test_clicks_beyond_the_limit_of_a_minute_are_suspect() -> None:
    frequent = reader(click_rate=ClickRate())

    kinds = [visit(BROWSER, by=frequent, at_ms=10 + at).traffic for at in range(MAX_CLICKS_PER_MINUTE + 2)]
    other = visit(BROWSER, by=frequent, ip="9.9.9.8", at_ms=99)
    later = visit(BROWSER, by=frequent, at_ms=61_000)

    assert kinds == ["human"] * MAX_CLICKS_PER_MINUTE + ["suspect"] * 2
    assert (other.traffic, later.traffic) == ("human", "human")


@pytest.mark.parametrize("kind", ["cellular", "relay", "corporate"])
def test_shared_networks_have_a_higher_limit(kind: NetworkKind) -> None:
    frequent = reader(kind, ClickRate())

    assert {visit(BROWSER, by=frequent, at_ms=10 + at).traffic for at in range(200)} == {"human"}


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.7", "fd00::1"])
def test_private_addresses_have_no_limit(ip: str) -> None:
    frequent = reader(click_rate=ClickRate())

    assert {visit(BROWSER, by=frequent, ip=ip, at_ms=10 + at).traffic for at in range(200)} == {"human"}


def test_ipv6_is_counted_by_64() -> None:
    click_rate = ClickRate()
    for host in range(MAX_CLICKS_PER_MINUTE):
        assert not click_rate.exceeds_limit(f"2a00:1450:1:2::{host:x}", 1, shared=False)

    assert click_rate.exceeds_limit("2a00:1450:1:2:ffff::1", 2, shared=False)
    assert not click_rate.exceeds_limit("2a00:1450:1:3::1", 2, shared=False)


def test_a_clock_that_is_set_back_begins_a_new_minute() -> None:
    click_rate = ClickRate()
    for _ in range(MAX_CLICKS_PER_MINUTE):
        click_rate.exceeds_limit("9.9.9.9", 1_000_000, shared=False)

    assert click_rate.exceeds_limit("9.9.9.9", 1_000_001, shared=False)
    assert not click_rate.exceeds_limit("9.9.9.9", 5, shared=False)


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    click_rate = ClickRate()
    for number in range(200_000):
        click_rate.exceeds_limit(f"9.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", number, shared=False)

    assert len(click_rate) <= 65_536


def test_the_same_click_within_two_seconds_is_a_duplicate() -> None:
    duplicates = Duplicates()

    assert not duplicates.is_duplicate("v", "summer", 901_000)
    assert duplicates.is_duplicate("v", "summer", 902_500)
    assert not duplicates.is_duplicate("v", "winter", 902_500)
    assert not duplicates.is_duplicate("w", "summer", 902_500)
    assert not duplicates.is_duplicate("v", "summer", 909_000)


def test_a_duplicate_is_human_with_a_reason() -> None:
    read = visit(BROWSER, identity=Identity(duplicate=True))

    assert (read.traffic, read.reasons) == ("human", ("duplicate",))
