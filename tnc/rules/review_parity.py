"""Review parity: an ad platform that reviews a page sees what visitors see, so no condition may tell them apart.

Filters stop invalid traffic. Declared review crawlers skip them and are decided as an ordinary visitor
(`as_ordinary_visitor`), and a condition that can only serve to recognise a reviewer is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from msgspec import Struct, structs

from tnc.core.errors import InvalidError
from tnc.core.models import Condition, Device, Visit
from tnc.rules.describe import describe_condition
from tnc.rules.operators import UNKNOWN, Predicate
from tnc.rules.vocabulary import Scope

# ------------------------------------------------------------------------- what reviewers can be recognised by

# Autonomous systems that the platforms announce as their own.
AD_NETWORKS: Final[dict[int, str]] = {
    **dict.fromkeys((32934, 54115, 63293, 149642), "Meta"),
    15169: "Google",
    **dict.fromkeys((396986, 138699), "ByteDance"),
    14413: "LinkedIn",
    **dict.fromkeys((13414, 35995, 54888, 63179), "X"),
    13238: "Yandex",
}
# Names of those networks, as geo and IP data and as owners write them.
_NETWORK_NAMES: Final = (
    "Facebook", "Facebook, Inc.", "Facebook Ireland Ltd", "Meta", "Meta Platforms, Inc.",
    "Meta Platforms Ireland Limited",
    "Google", "Google LLC", "Google Inc.", "ByteDance", "Bytedance Inc.", "ByteDance Ltd.", "Bytedance Pte. Ltd.",
    "TikTok", "TikTok Pte. Ltd.", "TikTok Inc.", "LinkedIn", "LinkedIn Corporation", "Twitter", "Twitter Inc.",
    "Twitter International Company", "X Corp.", "Pinterest", "Pinterest, Inc.", "Snap Inc.", "Reddit, Inc.",
    "YANDEX LLC",
)  # fmt: skip
_OTHER_NAMES: Final = (
    "Google Fiber Inc.", "Comcast Cable Communications, LLC", "Deutsche Telekom AG", "Amazon.com, Inc.", "Orange S.A.",
    "Microsoft Corporation", "T-Mobile USA, Inc.", "Reliance Jio Infocomm Limited", "Vodafone Limited",
    "China Mobile", "OVH SAS", "Metronet", "Telefonica Brasil S.A", "Bharti Airtel Ltd.",
    "Virgin Media Ireland Limited",
    "Singtel Pte. Ltd.", "Cox Communications Inc.", "Xfinity",
)  # fmt: skip
_BRANDS: Final = ("facebook", "meta platforms", "google llc", "bytedance", "tiktok", "linkedin", "twitter")
# Names of declared review and preview crawlers, shortened to what no browser sends.
_CRAWLERS: Final = (
    "adsbot", "mediapartners", "google-ads", "google-adwords", "google-inspectiontool", "storebot", "googlebot",
    "googleother", "feedfetcher", "googleimageproxy", "facebookexternal", "facebookcatalog", "facebot", "facebookbot",
    "meta-external", "meta-webindexer", "adidxbot", "bingbot", "bingpreview", "microsoftpreview", "tiktokspider",
    "bytespider", "pinterestbot", "pinterest.com/bot", "linkedinbot", "twitterbot", "snapchatads", "snap url preview",
    "snapurlpreview", "applebot", "amazonadbot", "yandexbot", "yandexdirect", "yandexadnet", "redditbot",
)  # fmt: skip
_CRAWLER_AGENTS: Final = (
    "AdsBot-Google (+http://www.google.com/adsbot.html)", "Mediapartners-Google",
    ("Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0"
    " Mobile Safari/537.36 (compatible; AdsBot-Google-Mobile; +http://www.google.com/mobile/adsbot.html)"),
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "facebookexternalhit/1.1",
    "meta-externalads/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)", "facebookcatalog/1.0",
    "Mozilla/5.0 (compatible; adidxbot/2.0; +http://www.bing.com/bingbot.htm)",
    ("Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible;"
    " TikTokSpider; ttspider-feedback@tiktok.com)"),
    "Mozilla/5.0 (compatible; Bytespider; spider-feedback@bytedance.com)",
    "Mozilla/5.0 (compatible; Pinterestbot/1.0; +https://www.pinterest.com/bot.html)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)", "Twitterbot/1.0",
    "Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots", "SnapchatAds/1.0",
    "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)", "AmazonAdBot/1.0",
    "Mozilla/5.0 (compatible; YandexDirect/3.0; +http://yandex.com/bots)",
)  # fmt: skip
# Browsers, the apps of the same companies, and programs that review for no ad platform.
_OTHER_AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
    ("Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/110.0.0.0"
    " Mobile Safari/537.36"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1"
    " Mobile/15E148 Safari/604.1 Twitter for iPhone/11.45"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
    " [FBAN/FBIOS;FBAV/536.0.0.43.98] Instagram 405.0.0.36.72 [LinkedInApp]/9.31 [Pinterest/iOS] Snapchat/13.60"
    " TikTok 42.3 BytedanceWebview/d8a21c6 GSA/395.0 YandexSearch/25 Reddit/Version 2026.1"),
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "Screaming Frog SEO Spider/20.1",
    "Mozilla/5.0 (compatible; CCBot/2.0; +https://commoncrawl.org/faq/)", "GrapeshotCrawler/2.0 (+http://www.grapeshot.co.uk/crawler.php)",
    "Baiduspider/2.0", "curl/8.9.1", "python-requests/2.32.3",
    "PreviewService/1.0", "Java/17.0.9", "Mozilla/5.0 (Linux; Android 14; Google TV Streamer; wv) Chrome/150.0.0.0",
)  # fmt: skip
_CRAWLER_REASONS: Final = ("crawler_claimed", "crawler_verified", "crawler_failed")
_OTHER_REASONS: Final = (
    "prefetch", "ua_empty", "ua_client", "ua_automation", "ua_bot", "net_datacenter", "net_tor", "net_proxy", "net_vpn",
    "net_relay", "hints_contradict", "headers_missing", "freq_ip", "duplicate", "honeypot", "js_webdriver",
    "lander_fast", "scanner", "macro_unexpanded",
)  # fmt: skip
# Numbers that no network on the Internet has: RFC 5398, 6996, 7300.
_RESERVED_NUMBERS: Final = (range(64496, 64512), range(64512, 65552), range(4_200_000_000, 2**32))
_AGENT_FACTS: Final = frozenset({"user_agent", "header.user-agent"})
_LONGEST_RANGE: Final = 1000  # of numbers; a longer one singles out nothing

SINGLES_OUT: Final = "singles out an ad platform's own network"

_WHY: Final = (
    "Reviewers of an ad platform must see what visitors see, so no {} may tell them apart;"
    " declared review crawlers get the destination of an ordinary visitor and are never counted as humans"
)


# -------------------------------------------------------------------------------------- refusing conditions


def refuse_reviewer_targeting(
    condition: Condition, scope: Scope, predicate_of: Callable[[Condition], Predicate]
) -> None:
    """Raises InvalidError that says why. `predicate_of` compiles a condition, the operator `not` like `is`."""
    what = _what_is_wrong(condition, predicate_of)
    if what is not None:
        raise InvalidError(refusal_text(condition, what, scope.of))


def refusal_text(condition: Condition, what: str, of: str) -> str:
    return f"the condition {describe_condition(condition)!r} {what}. {_WHY.format(of)}"


def _what_is_wrong(condition: Condition, predicate_of: Callable[[Condition], Predicate]) -> str | None:
    """What the condition would do that is not allowed, as the middle of a sentence; None if it is allowed."""
    fact = condition.fact.lower()
    values = condition.value if isinstance(condition.value, list | tuple) else [condition.value]
    if fact == "bot" and any(value != UNKNOWN for value in values):
        return "asks which bot or crawler this is; for bots in general use traffic is bot"
    if fact == "traffic" and "crawler" in map(_lower, values):
        return "asks for crawlers that declare themselves"
    if fact == "reasons" and any("crawler" in _lower(value) for value in values):
        return "asks for crawlers that declare themselves"
    if fact in _AGENT_FACTS | {"browser"} and any(name in _unescaped(value) for value in values for name in _CRAWLERS):
        return "asks for a crawler by the name it declares"
    if fact in _AGENT_FACTS and _holds_only_for(condition, values, predicate_of, _CRAWLER_AGENTS, _OTHER_AGENTS):
        return "asks for a crawler by the name it declares"
    if fact == "reasons" and _holds_only_for(condition, values, predicate_of, _CRAWLER_REASONS, _OTHER_REASONS):
        return "asks for crawlers that declare themselves"
    if fact == "asn":
        return _wrong_with_numbers(condition, values)
    if fact == "isp":
        return _wrong_with_names(condition, values, predicate_of)
    return None


def _wrong_with_numbers(condition: Condition, values: Any) -> str | None:
    if condition.operator == "between":
        low, high = values
        values = range(int(low), int(high) + 1) if high - low < _LONGEST_RANGE else []
    elif condition.operator not in {"is", "not"}:
        return None
    named = [AD_NETWORKS.get(value) for value in values if value != UNKNOWN and not _is_reserved(value)]
    if named and None not in named:
        whose = " and ".join(dict.fromkeys(map(str, named)))
        return f"singles out the network of {whose}"
    return None


def _wrong_with_names(condition: Condition, values: Any, predicate_of: Callable[[Condition], Predicate]) -> str | None:
    def only_platforms(value: Any) -> bool:
        holds = predicate_of(replace(condition, value=value))
        named = any(brand in _lower(value) for brand in _BRANDS) or any(map(holds, _NETWORK_NAMES))
        return named and not any(map(holds, _OTHER_NAMES))

    known = [value for value in values if value != UNKNOWN]
    if known and all(map(only_platforms, known)):
        return SINGLES_OUT
    return None


def _is_reserved(number: Any) -> bool:
    return any(number in each for each in _RESERVED_NUMBERS)


def _holds_only_for(
    condition: Condition,
    values: Any,
    predicate_of: Callable[[Condition], Predicate],
    theirs: Sequence[str],
    others: Sequence[str],
) -> bool:
    """Whether one of the texts, or one alternative of a pattern, holds for some of `theirs` and none of `others`."""
    if condition.operator not in {"contains", "starts", "ends", "matches"}:
        return False
    texts = [str(value) for value in values]
    if condition.operator == "matches":
        texts += [part for text in texts if "|" in text for part in text.split("|") if part]
    many = condition.fact == "reasons"
    for text in texts:
        try:
            holds = predicate_of(replace(condition, value=text))
        except InvalidError:  # half of a pattern
            continue
        if any(holds((each,) if many else each) for each in theirs) and not any(
            holds((each,) if many else each) for each in others
        ):
            return True
    return False


def _lower(value: Any) -> str:
    return str(value).casefold()


def _unescaped(value: Any) -> str:
    return _lower(value).replace("\\", "")


# --------------------------------------------------------------------------- a crawler as an ordinary visitor


class Browser(Struct, frozen=True, kw_only=True):
    """A browser that many people use, and what its requests show."""

    device: Device
    os: str
    browser: str
    browser_version: str
    user_agent: str
    os_version: str | None = None  # most send a frozen one
    hints: Mapping[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        return {"user-agent": self.user_agent, **_USUAL_HEADERS, **self.hints}


_BLINK: Final = "AppleWebKit/537.36 (KHTML, like Gecko)"
_LANGUAGE: Final = "en"
_USUAL_HEADERS: Final = {
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-encoding": "gzip, deflate, br",
    "accept-language": "en-US,en;q=0.9",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "cross-site",
}
# The crawler's own headers that say nothing about the crawler.
_NEUTRAL_HEADERS: Final = ("host", "referer", "cf-ipcountry", "x-forwarded-proto")


def _chrome(device: Device, os: str, system: str, mobile: str = "") -> Browser:
    return Browser(
        device=device,
        os=os,
        browser="Chrome",
        browser_version="150",
        user_agent=f"Mozilla/5.0 ({system}) {_BLINK} Chrome/150.0.0.0 {mobile}Safari/537.36",
        hints={
            "sec-ch-ua": '"Google Chrome";v="150", "Chromium";v="150", "Not A(Brand";v="24"',
            "sec-ch-ua-mobile": "?1" if mobile else "?0",
            "sec-ch-ua-platform": f'"{os}"',
        },
    )


def _safari(device: Device, os: str, system: str, os_version: str | None, end: str) -> Browser:
    return Browser(
        device=device,
        os=os,
        os_version=os_version,
        browser="Safari",
        browser_version="26",
        user_agent=f"Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 {end}",
    )


# The first one of a device is the most common.
BROWSERS: Final = (
    _chrome("desktop", "Windows", "Windows NT 10.0; Win64; x64"),
    _safari("desktop", "macOS", "Macintosh; Intel Mac OS X 10_15_7", None, "Safari/605.1.15"),
    _chrome("mobile", "Android", "Linux; Android 10; K", "Mobile "),
    _safari("mobile", "iOS", "iPhone; CPU iPhone OS 18_7 like Mac OS X", "26", "Mobile/15E148 Safari/604.1"),
    _chrome("tablet", "Android", "Linux; Android 10; K"),
    _safari("tablet", "iOS", "iPad; CPU OS 18_7 like Mac OS X", "26", "Mobile/15E148 Safari/604.1"),
)
_FIRST_VISIT: Final[Mapping[str, Any]] = {
    "traffic": "human", "bot": None, "reasons": (), "crawler_verified": None, "brand": None, "model": None,
    "visit_number": 0, "unique_campaign": True, "unique_workspace": True, "converted": False,
}  # fmt: skip
# A network reserved for documentation (RFC 5398, 5737). What is unknown stays unknown, as for visitors.
_NETWORK: Final[Mapping[str, Any]] = {
    "ip": "192.0.2.1", "asn": 64496, "isp": "Access provider", "connection": "broadband",
    "vpn": False, "proxy": False, "tor": False, "datacenter": False, "relay": False,
}  # fmt: skip


def browser_like(visit: Visit) -> Browser:
    """The most common browser for the device and system of the visit; for a device that no visitor has, a desktop's."""
    alike = [each for each in BROWSERS if each.device == visit.device] or list(BROWSERS[:2])
    return next((each for each in alike if each.os == visit.os), alike[0])


def as_ordinary_visitor(visit: Visit) -> Visit:
    """A declared crawler as an ordinary first-time visitor from the same country with the same device."""
    browser = browser_like(visit)
    return structs.replace(
        visit,
        **_FIRST_VISIT,
        **{fact: None if getattr(visit, fact) is None else usual for fact, usual in _NETWORK.items()},
        device=visit.device if visit.device not in {None, "other"} else browser.device,
        os=browser.os,
        os_version=browser.os_version,
        browser=browser.browser,
        browser_version=browser.browser_version,
        user_agent=browser.user_agent,
        language=visit.language or _LANGUAGE,
        headers={name: visit.headers[name] for name in _NEUTRAL_HEADERS if name in visit.headers} | browser.headers,
    )
