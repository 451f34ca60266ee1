"""What commands and pages show of an address and a user agent, and how claims are proved later."""

import asyncio
import socket

import pytest

from tnc.core.clock import HOUR_MS
from tnc.core.errors import InvalidError
from tnc.visitors.crawlers import Crawlers, DnsAnswer, Verifier
from tnc.visitors.geo.geo import Geo
from tnc.visitors.geo.list_formats import read_feed
from tnc.visitors.geo.lists import NetworkList, Networks, compile_lists
from tnc.visitors.lookup import of_address, of_user_agent
from tnc.visitors.traffic import after_check, with_sign
from tnc.visitors.user_agent import Agents

CRAWLERS = Crawlers()


def test_an_address_is_shown_with_the_data_that_knows_it() -> None:
    shown = of_address(Geo(), "::ffff:81.2.69.142")

    assert (shown["ip"], shown["country"], shown["city"], shown["vpn"]) == ("81.2.69.142", "GB", None, None)
    assert shown["sources"] == {"country": {"name": "iptocc", "built": None}}
    assert shown["lists"] == []


def test_the_lists_that_name_an_address_are_shown() -> None:
    feed = read_feed(b"9.9.9.0/24", name="x")
    geo = Geo((), Networks(compile_lists([NetworkList(name="my-cloud", kind="datacenter", feed=feed)])))

    shown = of_address(geo, "9.9.9.9")
    assert (shown["datacenter"], shown["lists"]) == (True, ["my-cloud"])
    assert shown["sources"]["datacenter"] == {"name": "my-cloud", "built": None}
    assert "datacenter" not in of_address(geo, "8.8.8.8")["sources"]
    assert of_address(geo, "10.0.0.1")["lists"] == []


@pytest.mark.parametrize("text", ["", "somewhere", "1.2.3", "fe80::1%eth0"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="is no address"):
        of_address(Geo(), text)


def test_a_user_agent_is_shown_with_the_pattern_that_gave_it_away() -> None:
    agents = Agents()

    bot, crawler = of_user_agent(agents, "python-requests/2.32"), of_user_agent(agents, "Twitterbot/1.0")
    person = of_user_agent(agents, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")

    assert (bot["reason"], bot["pattern"], bot["pattern_source"]) == (
        "ua_client",
        "python-requests",
        "crawler-user-agents",
    )
    assert (crawler["bot"], crawler["crawler"], crawler["reason"]) == ("twitterbot", "twitterbot", "crawler_claimed")
    assert (person["browser"], person["bot"], person["reason"], person["pattern"]) == ("Firefox", None, None, None)


class Resolver:
    """Answers with what it was told, and counts how often it was asked."""

    def __init__(self, answer: DnsAnswer | OSError) -> None:
        self._answer = answer
        self.asked = 0

    async def __call__(self, _ip: str) -> DnsAnswer:
        self.asked += 1
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
def test_a_claim_is_proved_by_a_name_that_leads_back(
    name: str, answer: DnsAnswer | OSError, *, verified: bool | None
) -> None:
    crawler = CRAWLERS.named(name)
    assert crawler is not None

    found = asyncio.run(Verifier(Resolver(answer)).verify(crawler, "9.9.9.9", None, 0))

    assert found is verified


@pytest.mark.parametrize(("answer", "hours"), [(DnsAnswer(None), 24), (NO_RESOLVER, 1)])
def test_an_address_is_asked_about_once(answer: DnsAnswer | OSError, hours: int) -> None:
    resolver = Resolver(answer)
    verifier = Verifier(resolver)
    crawler = CRAWLERS.named("pinterestbot")
    assert crawler is not None

    for now_ms in (0, 1, hours * HOUR_MS - 1):
        asyncio.run(verifier.verify(crawler, "9.9.9.9", None, now_ms))
    assert resolver.asked == 1
    asyncio.run(verifier.verify(crawler, "9.9.9.9", None, hours * HOUR_MS))

    assert resolver.asked == 2


def test_published_networks_need_no_resolver() -> None:
    resolver = Resolver(DnsAnswer(None))
    meta = CRAWLERS.named("meta")
    assert meta is not None

    assert asyncio.run(Verifier(resolver).verify(meta, "66.220.147.6", None, 0)) is True
    assert resolver.asked == 0


def test_a_check_changes_the_label() -> None:
    reasons = ("crawler_claimed", "net_datacenter")

    assert after_check(reasons, verified=True) == ("crawler", ("crawler_verified", "net_datacenter"))
    assert after_check(reasons, verified=False) == ("bot", ("crawler_failed", "net_datacenter"))
    assert after_check(reasons, verified=None) == ("crawler", reasons)


@pytest.mark.parametrize(
    ("reasons", "sign", "expected"),
    [
        ((), "honeypot", ("suspect", ("honeypot",))),
        ((), "js_webdriver", ("bot", ("js_webdriver",))),
        (("net_vpn",), "lander_fast", ("suspect", ("net_vpn", "lander_fast"))),
        (("honeypot",), "honeypot", ("suspect", ("honeypot",))),
        (("crawler_claimed",), "honeypot", ("crawler", ("crawler_claimed", "honeypot"))),
    ],
)
def test_what_a_page_saw_changes_the_label(
    reasons: tuple[str, ...], sign: str, expected: tuple[str, tuple[str, ...]]
) -> None:
    assert with_sign(reasons, sign) == expected
