"""What `tnc ip` and `tnc ua` show, and how crawler claims are checked by DNS."""

import asyncio
import socket

import pytest

from tnc.core.clock import HOUR_MS
from tnc.core.errors import InvalidError
from tnc.visitors.crawlers import Crawlers, CrawlerVerifier, DnsAnswer
from tnc.visitors.geo.geo import Geo
from tnc.visitors.geo.list_formats import read_feed
from tnc.visitors.geo.lists import NetworkList, Networks, compile_lists
from tnc.visitors.lookup import describe_ip, describe_user_agent
from tnc.visitors.traffic import classify_after_check, classify_with_reason
from tnc.visitors.user_agent import UserAgentReader

CRAWLERS = Crawlers()


def test_an_ip_is_shown_with_the_source_of_each_fact() -> None:
    shown = describe_ip(Geo(), "::ffff:81.2.69.142")

    assert (shown["ip"], shown["country"], shown["city"], shown["vpn"]) == ("81.2.69.142", "GB", None, None)
    assert shown["sources"] == {"country": {"name": "iptocc", "built": None}}
    assert shown["lists"] == []


def test_the_lists_that_contain_an_ip_are_shown() -> None:
    feed = read_feed(b"9.9.9.0/24", name="x")
    geo = Geo((), Networks(compile_lists([NetworkList(name="my-cloud", kind="datacenter", feed=feed)])))

    shown = describe_ip(geo, "9.9.9.9")
    assert (shown["datacenter"], shown["lists"]) == (True, ["my-cloud"])
    assert shown["sources"]["datacenter"] == {"name": "my-cloud", "built": None}
    assert "datacenter" not in describe_ip(geo, "8.8.8.8")["sources"]
    assert describe_ip(geo, "10.0.0.1")["lists"] == []


@pytest.mark.parametrize("text", ["", "somewhere", "1.2.3", "fe80::1%eth0"])
def test_a_text_that_is_no_ip_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="is no IP address"):
        describe_ip(Geo(), text)


def test_a_program_is_shown_with_the_pattern_that_matched() -> None:
    agents = UserAgentReader()

    bot, crawler = describe_user_agent(agents, "python-requests/2.32"), describe_user_agent(agents, "Twitterbot/1.0")
    person = describe_user_agent(agents, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")

    assert (bot["reason"], bot["pattern"], bot["pattern_source"]) == (
        "ua_client",
        "python-requests",
        "crawler-user-agents",
    )
    assert (crawler["bot"], crawler["crawler"], crawler["reason"]) == ("twitterbot", "twitterbot", "crawler_claimed")
    assert (person["browser"], person["bot"], person["reason"], person["pattern"]) == ("Firefox", None, None, None)


class Resolver:
    """Returns a fixed answer and counts the calls."""

    def __init__(self, answer: DnsAnswer | OSError) -> None:
        self._answer = answer
        self.calls = 0

    async def __call__(self, _ip: str) -> DnsAnswer:
        self.calls += 1
        if isinstance(self._answer, OSError):
            raise self._answer
        return self._answer


UNKNOWN_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_RESOLVER = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@pytest.mark.parametrize(
    ("name", "answer", "verified"),
    [
        ("pinterestbot", DnsAnswer("a.pinterest.com", ("9.9.9.9",)), True),
        ("pinterestbot", DnsAnswer("a.pinterest.com", ("8.8.8.8",)), False),
        ("pinterestbot", UNKNOWN_NAME, False),
        ("pinterestbot", NO_RESOLVER, None),
        ("bingbot", UNKNOWN_NAME, None),
        ("tiktok", UNKNOWN_NAME, None),
    ],
)
def test_a_claim_is_proved_by_forward_confirmed_dns(
    name: str, answer: DnsAnswer | OSError, *, verified: bool | None
) -> None:
    crawler = CRAWLERS.find(name)
    assert crawler is not None

    found = asyncio.run(CrawlerVerifier(Resolver(answer)).verify(crawler, "9.9.9.9", None, 0))

    assert found is verified


@pytest.mark.parametrize(("answer", "hours"), [(DnsAnswer(None), 24), (NO_RESOLVER, 1)])
def test_dns_answers_are_remembered(answer: DnsAnswer | OSError, hours: int) -> None:
    resolver = Resolver(answer)
    verifier = CrawlerVerifier(resolver)
    crawler = CRAWLERS.find("pinterestbot")
    assert crawler is not None

    for now_ms in (0, 1, hours * HOUR_MS - 1):
        asyncio.run(verifier.verify(crawler, "9.9.9.9", None, now_ms))
    assert resolver.calls == 1
    asyncio.run(verifier.verify(crawler, "9.9.9.9", None, hours * HOUR_MS))

    assert resolver.calls == 2


def test_published_networks_need_no_dns() -> None:
    resolver = Resolver(DnsAnswer(None))
    meta = CRAWLERS.find("meta")
    assert meta is not None

    assert asyncio.run(CrawlerVerifier(resolver).verify(meta, "66.220.147.6", None, 0)) is True
    assert resolver.calls == 0


def test_a_check_changes_traffic_and_reason() -> None:
    reasons = ("crawler_claimed", "net_datacenter")

    assert classify_after_check(reasons, verified=True) == ("crawler", ("crawler_verified", "net_datacenter"))
    assert classify_after_check(reasons, verified=False) == ("bot", ("crawler_failed", "net_datacenter"))
    assert classify_after_check(reasons, verified=None) == ("crawler", reasons)


@pytest.mark.parametrize(
    ("reasons", "reason", "expected"),
    [
        ((), "honeypot", ("suspect", ("honeypot",))),
        ((), "js_webdriver", ("bot", ("js_webdriver",))),
        (("net_vpn",), "lander_fast", ("suspect", ("net_vpn", "lander_fast"))),
        (("honeypot",), "honeypot", ("suspect", ("honeypot",))),
        (("crawler_claimed",), "honeypot", ("crawler", ("crawler_claimed", "honeypot"))),
    ],
)
def test_reasons_from_a_page_change_the_traffic(
    reasons: tuple[str, ...], reason: str, expected: tuple[str, tuple[str, ...]]
) -> None:
    assert classify_with_reason(reasons, reason) == expected
