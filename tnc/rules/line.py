"""The line: ad platforms that review a page see what its visitors see, so no condition may tell them apart.

Filters stop invalid traffic. Declared review crawlers skip them (`ordinary.as_ordinary`), and conditions that
could only serve to recognise a reviewer are refused when they are written.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from tnc.errors import InvalidError
from tnc.model import Condition
from tnc.rules.operators import UNKNOWN, Holds
from tnc.rules.sentences import sentence
from tnc.rules.vocabulary import Place

# Networks that the platforms announce as their own, by whose they are.
AD_NETWORKS: Final[dict[int, str]] = {
    **dict.fromkeys((32934, 54115, 63293, 149642), "Meta"),
    15169: "Google",
    **dict.fromkeys((396986, 138699), "ByteDance"),
    14413: "LinkedIn",
    **dict.fromkeys((13414, 35995, 54888, 63179), "X"),
}
# As address data writes the names of those networks, and as people would.
_NETWORK_NAMES: Final = (
    "Facebook", "Facebook, Inc.", "Facebook Ireland Ltd", "Meta", "Meta Platforms, Inc.",
    "Meta Platforms Ireland Limited",
    "Google", "Google LLC", "Google Inc.", "ByteDance", "Bytedance Inc.", "ByteDance Ltd.", "Bytedance Pte. Ltd.",
    "TikTok", "TikTok Pte. Ltd.", "TikTok Inc.", "LinkedIn", "LinkedIn Corporation", "Twitter", "Twitter Inc.",
    "Twitter International Company", "X Corp.", "Pinterest", "Pinterest, Inc.", "Snap Inc.", "Reddit, Inc.",
)  # fmt: skip
_OTHER_NAMES: Final = (
    "Google Fiber Inc.", "Comcast Cable Communications, LLC", "Deutsche Telekom AG", "Amazon.com, Inc.", "Orange S.A.",
    "Microsoft Corporation", "T-Mobile USA, Inc.", "Reliance Jio Infocomm Limited", "Vodafone Limited",
    "China Mobile", "OVH SAS", "Metronet", "Telefonica Brasil S.A", "Bharti Airtel Ltd.",
    "Virgin Media Ireland Limited",
    "Singtel Pte. Ltd.", "Cox Communications Inc.", "Xfinity",
)  # fmt: skip
_BRANDS: Final = ("facebook", "meta platforms", "google llc", "bytedance", "tiktok", "linkedin", "twitter")
# How the declared review and preview crawlers call themselves, shortened to what no browser says.
_CRAWLERS: Final = (
    "adsbot", "mediapartners", "google-ads", "google-adwords", "google-inspectiontool", "storebot", "googlebot",
    "googleother", "feedfetcher", "googleimageproxy", "facebookexternal", "facebookcatalog", "facebot", "facebookbot",
    "meta-external", "meta-webindexer", "adidxbot", "bingbot", "bingpreview", "microsoftpreview", "tiktokspider",
    "bytespider", "pinterestbot", "pinterest.com/bot", "linkedinbot", "twitterbot", "snapchatads", "snap url preview",
    "snapurlpreview", "applebot", "amazonadbot", "yandexbot", "yandexdirect", "yandexadnet", "redditbot",
)  # fmt: skip
_NAMES_AGENTS: Final = frozenset({"user_agent", "header.user-agent", "browser"})
_MOST_IN_A_SPAN: Final = 1000

SINGLES_OUT: Final = "singles out an ad platform's own network"

_WHY: Final = (
    "Reviewers of an ad platform must see what visitors see, so no {} may tell them apart;"
    " declared review crawlers get the destination of an ordinary visitor and are never counted as people"
)


def hold_the_line(condition: Condition, place: Place, test_of: Callable[[Condition], Holds]) -> None:
    """Raises InvalidError that says why. `test_of` makes a condition's test, with `not` read as `is`."""
    what = _crossing(condition, test_of)
    if what is not None:
        raise InvalidError(why_not(condition, what, place.of))


def why_not(condition: Condition, what: str, of: str) -> str:
    return f"the condition {sentence(condition)!r} {what}. {_WHY.format(of)}"


def _crossing(condition: Condition, test_of: Callable[[Condition], Holds]) -> str | None:
    """What the condition would do that it may not."""
    fact = condition.fact.lower()
    values = condition.value if isinstance(condition.value, list | tuple) else [condition.value]
    if fact == "bot" and any(value != UNKNOWN for value in values):
        return "asks which bot or crawler this is; for bots in general use traffic is bot"
    if fact == "traffic" and "crawler" in map(_lower, values):
        return "asks for crawlers that declare themselves"
    if fact == "reasons" and any("crawler" in _lower(value) for value in values):
        return "asks for crawlers that declare themselves"
    if fact in _NAMES_AGENTS and any(name in _unescaped(value) for value in values for name in _CRAWLERS):
        return "asks for a crawler by the name it declares"
    if fact == "asn":
        return _crossing_of_numbers(condition, values)
    if fact == "isp":
        return _crossing_of_names(condition, values, test_of)
    return None


def _crossing_of_numbers(condition: Condition, values: Any) -> str | None:
    if condition.operator == "between":
        low, high = values
        values = range(int(low), int(high) + 1) if high - low < _MOST_IN_A_SPAN else []
    elif condition.operator not in {"is", "not"}:
        return None
    named = [AD_NETWORKS.get(value) for value in values if value != UNKNOWN]
    if named and None not in named:
        whose = " and ".join(dict.fromkeys(map(str, named)))
        return f"singles out the network of {whose}"
    return None


def _crossing_of_names(condition: Condition, values: Any, test_of: Callable[[Condition], Holds]) -> str | None:
    def only_platforms(value: Any) -> bool:
        holds = test_of(replace(condition, value=value))
        named = any(brand in _lower(value) for brand in _BRANDS) or any(map(holds, _NETWORK_NAMES))
        return named and not any(map(holds, _OTHER_NAMES))

    known = [value for value in values if value != UNKNOWN]
    if known and all(map(only_platforms, known)):
        return SINGLES_OUT
    return None


def _lower(value: Any) -> str:
    return str(value).casefold()


def _unescaped(value: Any) -> str:
    return _lower(value).replace("\\", "")
