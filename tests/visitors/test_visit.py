"""Reading a request into a visit."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.visitors.shared import cases
from tnc.core.models import Source, SourceId, Visit
from tnc.rules.review_parity import BROWSERS, Browser, as_ordinary_visitor
from tnc.visitors.client_ip import ClientIpReader
from tnc.visitors.geo.geo import Geo
from tnc.visitors.request import Request, domain_of, language_of, referrer_domain
from tnc.visitors.user_agent import UserAgentReader
from tnc.visitors.visit import Identity, VisitReader, for_storage

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
)
ADS = Source(id=SourceId("ads"), name="Ads", click_id="ext", cost="cpc", params={"sub1": "site", "sub2": "creative"})
AGENTS = UserAgentReader()
READER = VisitReader(
    client_ip=ClientIpReader(["10.0.0.0/8"]), geo=Geo(), user_agents=AGENTS, platform_cookies=("_fbp", "_fbc", "_ttp")
)


def request(target: str = "/summer", peer: str = "81.2.69.142", **headers: str) -> Request:
    return Request.of(
        [(name.replace("_", "-"), value) for name, value in headers.items()],
        host="track.example:8080",
        target=target,
        peer=peer,
        secure=False,
        arrived_at_ms=1_790_000_000_000,
    )


def test_a_visit_has_every_fact_of_the_request() -> None:
    sent = request(
        "/summer?ext=AbC&site=news&cpc=0.02&other=%C3%BC",
        peer="8.8.8.8",
        User_Agent=CHROME,
        Accept_Language="de-AT,de;q=0.9,en;q=0.8",
        Referer="https://User@News.Example:444/path?q=1",
        Sec_GPC="1",
    )

    visit = READER.read(sent, ADS, Identity(visitor="ab" * 16, visit_number=2))

    assert visit.visited_at_ms == 1_790_000_000_000
    assert visit.domain == "track.example"
    assert visit.url == "http://track.example:8080/summer?ext=AbC&site=news&cpc=0.02&other=%C3%BC"
    assert (visit.ip, visit.country) == ("8.8.8.8", "US")
    assert (visit.device, visit.browser, visit.os, visit.os_version) == ("desktop", "Chrome", "Windows", None)
    assert (visit.language, visit.referrer_domain) == ("de", "news.example")
    assert (visit.external_id, visit.subs, visit.cost_param) == ("AbC", {"sub1": "news"}, "0.02")
    assert visit.params == {"ext": "AbC", "site": "news", "cpc": "0.02", "other": "ü"}
    assert (visit.gpc, visit.consent, visit.mode) == (True, "unknown", "limited")
    assert (visit.visitor, visit.visit_number) == ("ab" * 16, 2)
    assert (visit.traffic, visit.reasons) == ("human", ())
    assert visit.headers["accept-language"].startswith("de-AT")


def test_sub_parameters_need_no_source() -> None:
    visit = READER.read(request("/x?sub1=a&sub20=b&sub21=c"), None)

    assert visit.subs == {"sub1": "a", "sub20": "b"}
    assert visit.external_id is None


@pytest.mark.parametrize("macro", ["{{ad.id}}", "__CLICKID__", "{clickid}", "%7Bclickid%7D"])
def test_an_unexpanded_macro_fills_no_field_but_the_cost(macro: str) -> None:
    visit = READER.read(request(f"/x?ext={macro}&site={macro}&cpc={macro}&creative=ok"), ADS)

    assert "macro_unexpanded" in visit.reasons
    assert (visit.external_id, visit.subs) == (None, {"sub2": "ok"})
    assert visit.cost_param  # kept, so that the cost is unknown and not that of the campaign
    assert set(visit.params) == {"ext", "site", "cpc", "creative"}


def test_without_consent_ip_and_user_agent_are_reduced() -> None:
    visit = READER.read(request(User_Agent=CHROME), None)
    kept = for_storage(visit)

    assert (visit.mode, visit.ip, visit.user_agent) == ("cookieless", "81.2.69.142", CHROME)
    assert (kept.ip, kept.user_agent, kept.headers) == ("81.2.69.0/24", "Chrome on Windows", {})
    assert kept.country == "GB"


def test_with_consent_ip_and_user_agent_are_stored_and_headers_never() -> None:
    kept = for_storage(READER.read(request("/x?tnc_consent=granted", User_Agent=CHROME), None))

    assert (kept.mode, kept.ip, kept.user_agent, kept.headers) == ("full", "81.2.69.142", CHROME, {})


def test_cookies_of_ad_platforms_are_stored_with_consent_only() -> None:
    cookie = 'a=1; _fbp=fb.1.2.3; _ttp="x"; _fbp=second'

    consented = READER.read(request("/x?tnc_consent=granted&_ttp=own", Cookie=cookie), None)
    silent = READER.read(request("/x", Cookie=cookie), None)

    assert consented.params == {"tnc_consent": "granted", "_ttp": "own", "_fbp": "fb.1.2.3"}
    assert silent.params == {}
    assert "cookie" not in consented.headers


def test_an_opt_out_gives_mode_none() -> None:
    assert READER.facts(request("/x?tnc_consent=granted", Cookie="__Host-tnc_out=1"), None).mode == "none"


def test_a_trusted_proxy_decides_ip_and_scheme() -> None:
    proxied = {"X_Forwarded_For": "::ffff:8.8.8.8", "X_Forwarded_Proto": "https"}

    trusted = READER.facts(request(peer="10.0.0.9", **proxied), None)
    other = READER.facts(request(peer="9.9.9.9", **proxied), None)

    assert (trusted.ip, trusted.ip_source, trusted.secure) == ("8.8.8.8", "forwarded", True)
    assert (other.ip, other.ip_source, other.secure) == ("9.9.9.9", "peer", False)


PREFETCHES = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Sec-Purpose": "prefetch;anonymous-client-ip"},
    {"Purpose": "prefetch"},
    {"Purpose": "preview"},
    {"X-Purpose": "preview"},
    {"X-Purpose": "instant"},
    {"X-Moz": "prefetch"},
]


@pytest.mark.parametrize("headers", PREFETCHES)
def test_prefetches_are_recognised(headers: dict[str, str]) -> None:
    visit = READER.read(request(User_Agent=CHROME, **headers), None)

    assert (visit.traffic, visit.reasons) == ("prefetch", ("prefetch",))


@pytest.mark.parametrize("headers", [{}, {"Sec-Purpose": "future-thing"}, {"Purpose": "shopping"}, {"X-Moz": "1"}])
def test_an_unknown_purpose_is_a_visit(headers: dict[str, str]) -> None:
    assert READER.read(request(User_Agent=CHROME, **headers), None).traffic == "human"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("en-US,en;q=0.9", "en"),
        ("fr;q=0.3, PT-BR;q=0.8, *;q=0.1", "pt"),
        ("de;q=0.5,en", "en"),
        ("*", None),
        ("", None),
        ("x", None),
        ("en;q=abc", "en"),
        ("zh-Hant-TW", "zh"),
        ("<script>", None),
    ],
)
def test_the_language_is_the_preferred_one(header: str, language: str | None) -> None:
    assert language_of({"accept-language": header}) == language


@pytest.mark.parametrize(
    ("referrer", "domain"),
    [
        ("https://a.example/x", "a.example"),
        ("HTTPS://A.Example", "a.example"),
        ("http://user:pw@b.example:81/?q", "b.example"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("http://[2001:db8::1]:80/", "[2001:db8::1]"),
        ("about:client", None),
        ("rubbish", None),
        ("https://", None),
    ],
)
def test_the_referrer_domain_is_its_host(referrer: str, domain: str | None) -> None:
    assert referrer_domain(referrer) == domain


@pytest.mark.parametrize(
    ("host", "domain"), [("A.example.:80", "a.example"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("", None)]
)
def test_the_domain_is_the_host_without_port(host: str, domain: str | None) -> None:
    assert domain_of(host) == domain


WIRE = st.binary(max_size=120).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
NAMES = st.sampled_from(
    ["User-Agent", "Referer", "Accept-Language", "Cookie", "Sec-CH-UA", "Sec-CH-UA-Platform", "X-Forwarded-For",
     "Forwarded", "CF-Connecting-IP", "Sec-Purpose", "Sec-GPC", "X-Requested-With"]
)  # fmt: skip


@given(
    headers=st.lists(st.tuples(NAMES | WIRE, WIRE), max_size=12),
    target=WIRE.map("/x?ext=".__add__) | WIRE,
    host=WIRE,
    peer=st.sampled_from(["10.0.0.1", "8.8.8.8", "::ffff:10.0.0.1", "2a00::1", "/tmp/socket", ""]),
)
def test_any_bytes_give_a_visit_that_encodes_as_json(
    headers: list[tuple[str, str]], target: str, host: str, peer: str
) -> None:
    sent = Request.of(headers, host=host, target=target, peer=peer, secure=True, arrived_at_ms=1)

    visit = READER.read(sent, ADS)

    assert msgspec.json.decode(msgspec.json.encode(visit), type=Visit) == visit
    assert msgspec.json.encode(for_storage(visit))


@pytest.mark.parametrize("case", cases("ua/hostile.json") or [{"bytes_latin1": "Mozilla/5.0 caf\xe9 \xff"}])
def test_a_hostile_user_agent_gives_a_visit(case: dict[str, Any]) -> None:
    text = case["bytes_latin1"].encode("latin-1").decode("utf-8", "surrogateescape")

    assert msgspec.json.encode(READER.read(request(User_Agent=text, Referer=text), ADS))


@pytest.mark.parametrize("browser", BROWSERS)
def test_the_ordinary_visitor_for_a_crawler_equals_its_browser(browser: Browser) -> None:
    names = ("device", "os", "os_version", "browser", "browser_version", "user_agent", "language", "traffic", "bot")
    sent = Request.of(
        browser.headers.items(), host="t", target="/", peer="8.8.8.8", secure=True, arrived_at_ms=1_790_000_000_000
    )

    read = READER.read(sent, None)
    stand_in = as_ordinary_visitor(Visit(visited_at_ms=0, device=browser.device, os=browser.os, traffic="crawler"))

    assert [getattr(read, name) for name in names] == [getattr(stand_in, name) for name in names]
    assert read.headers == stand_in.headers
