"""Device, system and browser from a user agent and its client hints.

What a browser freezes or hides is unknown and never guessed.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import re2
from msgspec import Struct
from msgspec.structs import replace
from ua_parser import Parser
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from tnc.core.models import Device
from tnc.visitors.bots import Bots, Claim
from tnc.visitors.client_hints import ClientHints, read_hints
from tnc.visitors.crawlers import Crawler, Crawlers

MAX_USER_AGENT: Final = 1024
_CACHE_SIZE: Final = 8192  # with a 10 % long tail of user agents, 19 of 20 lookups still hit

# An automated browser that sends another browser's user agent still names itself among its brands.
_HEADLESS: Final = Claim(name="HeadlessChrome", kind="automation", pattern="HeadlessChrome", source="Sec-CH-UA")


class UserAgent(Struct, frozen=True, kw_only=True, gc=False):
    """Versions are majors, with the minor where makers count by it (macOS 10.14, Windows 8.1)."""

    device: Device | None = None
    brand: str | None = None
    model: str | None = None
    os: str | None = None
    os_version: str | None = None
    browser: str | None = None
    browser_version: str | None = None


UNKNOWN_USER_AGENT: Final = UserAgent()


class UserAgentFacts(Struct, frozen=True, kw_only=True, gc=False):
    """Everything that follows from a user agent and its hints alone, and so can be cached."""

    agent: UserAgent
    claim: Claim | None = None
    crawler: Crawler | None = None
    hints_contradict: bool = False  # the hints name another system or browser version than the user agent
    sends_hints: bool = False  # a browser that sends hints and Sec-Fetch-* over HTTPS without being asked


NO_USER_AGENT: Final = UserAgentFacts(agent=UNKNOWN_USER_AGENT)


class UserAgentReader:
    """Reads user agents, with a cache of the last few thousand."""

    def __init__(self) -> None:
        self._parser = Parser(Resolver(load_lazy_builtins()))
        self._bots = Bots()
        self.crawlers = Crawlers()
        self._cached = lru_cache(_CACHE_SIZE)(self._read)

    def read(self, user_agent: str, hint_headers: tuple[str, ...] = ()) -> UserAgentFacts:
        """`hint_headers` as `client_hints.hint_headers` returns them. Never raises on clean text."""
        return self._cached(user_agent[:MAX_USER_AGENT], hint_headers)

    def _read(self, user_agent: str, hint_headers: tuple[str, ...]) -> UserAgentFacts:
        if not user_agent.strip():
            return NO_USER_AGENT
        user_agent = _with_facebook_device(user_agent)
        parsed = self._parse(user_agent)
        hints = read_hints(hint_headers) if hint_headers else None
        agent = self._with_hints(parsed, hints) if hints else parsed
        return UserAgentFacts(
            agent=agent,
            claim=self._bots.find(user_agent) or (_HEADLESS if agent.browser == _HEADLESS.name else None),
            crawler=self.crawlers.find_claimed(user_agent),
            hints_contradict=hints is not None and hints_contradict(user_agent, parsed.os, hints),
            sends_hints=sends_hints(user_agent),
        )

    def _parse(self, user_agent: str) -> UserAgent:
        browser, system = self._parser.parse_user_agent(user_agent), self._parser.parse_os(user_agent)
        os = os_name(system.family) if system else None
        os_version = _os_version(os, system.major, system.minor, user_agent) if system else None
        harmony = _OPEN_HARMONY.search(user_agent)
        if harmony is not None:
            os, os_version = "OpenHarmony", harmony[1]
        device = device_of(user_agent)
        brand, model = self._brand_and_model(user_agent) if device != "desktop" or os == "macOS" else (None, None)
        return UserAgent(
            device=device,
            brand=brand,
            model=model,
            os=os,
            os_version=os_version,
            browser=browser_name(browser.family) if browser else None,
            browser_version=browser.major if browser else None,
        )

    def _brand_and_model(self, user_agent: str) -> tuple[str | None, str | None]:
        """None for computers other than Macs, which do not say, and for reduced user agents, whose model is K."""
        found = self._parser.parse_device(user_agent)
        if found is None or found.brand in _NO_BRANDS or "; K)" in user_agent:
            return None, None
        return found.brand, _model(found.model, user_agent)

    def _with_hints(self, agent: UserAgent, hints: ClientHints) -> UserAgent:
        os = _PLATFORMS.get(hints.platform, agent.os)
        agent = replace(
            agent,
            os=os,
            os_version=_hinted_version(os, hints.platform_version) or (agent.os_version if os == agent.os else None),
        )
        for brand, version in hints.brands.items():
            name = _BRANDS.get(brand)
            if name and (agent.browser in {name, "Chrome", "Chromium", None}):
                major = version.partition(".")[0]
                agent = replace(agent, browser=name, browser_version=major if major.isdecimal() else None)
        if hints.mobile and agent.device == "desktop":
            agent = replace(agent, device="mobile")
        if hints.model:
            maker, _ = self._brand_and_model(f"Mozilla/5.0 (Linux; Android 10; {hints.model}) AppleWebKit/537.36")
            agent = replace(agent, model=hints.model, brand=maker)
        return agent


def reduced_user_agent(browser: str | None, os: str | None) -> str:
    """What may be stored without consent in place of the user agent, like `Chrome on Windows`."""
    return f"{browser or 'Unknown'} on {os or 'unknown'}"


# ------------------------------------------------------------------------------------------------- names

_SYSTEMS: Final = {
    "Mac OS X": "macOS",
    "Mac OS": "macOS",
    "Chrome OS": "ChromeOS",
    "WatchOS": "watchOS",
    "ATV OS X": "tvOS",
    "webOS": "webOS",
    "LG": "webOS",
    "Web0S": "webOS",
    "Chromecast Android": "Android",
    "Chromecast Linux": "Linux",
    "Firefox OS": "Firefox OS",
    "Other": None,
} | dict.fromkeys(
    ("Ubuntu", "Kubuntu", "Debian", "Fedora", "Red Hat", "CentOS", "SUSE", "Mint", "Linux Mint", "Gentoo", "Slackware",
     "Mandriva", "Arch Linux", "VectorLinux", "Puppy", "PCLinuxOS", "Mageia", "GNU/Linux", "Raspbian"), "Linux",
)  # fmt: skip

_BROWSERS: Final = {
    "Other": None,
    "Google": "Google app",
    "IE": "Internet Explorer",
    "Android": "Android Browser",
    "Samsung Browser": "Samsung Internet",
    "Mobile Safari UI/WKWebView": "Safari",
    "Chrome Mobile WebView": "Chrome",
    "Opera Touch": "Opera",
    "Opera GX": "Opera",
    "Facebook Messenger": "Messenger",
    "MiuiBrowser": "MIUI Browser",
    "WeChat Browser": "WeChat",
    "BytedanceWebview": "TikTok",
}

# Variants of one browser: "Chrome Mobile iOS", "Firefox iOS", "Edge Mobile", "Mobile Safari", "Firefox (Shiretoko)".
_VARIANT: Final = re.compile(r"^Mobile |(?: \([^)]*\)| Mobile| iOS| WebView| Beta)+$")

# Sec-CH-UA-Platform
_PLATFORMS: Final = {
    "Windows": "Windows",
    "macOS": "macOS",
    "Android": "Android",
    "Chrome OS": "ChromeOS",
    "Chromium OS": "ChromeOS",
    "Linux": "Linux",
    "iOS": "iOS",
}

# Brands in Sec-CH-UA. "Chromium" and the made-up ones are not here: they name no browser.
_BRANDS: Final = {
    "Google Chrome": "Chrome",
    "Microsoft Edge": "Edge",
    "Opera": "Opera",
    "Opera GX": "Opera",
    "OperaMobile": "Opera",
    "Brave": "Brave",
    "Samsung Internet": "Samsung Internet",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
    "Vivaldi": "Vivaldi",
    "DuckDuckGo": "DuckDuckGo",
    "HuaweiBrowser": "Huawei Browser",
    "Whale": "Whale",
    "HeadlessChrome": "HeadlessChrome",
}

_OPEN_HARMONY: Final = re.compile(r"; OpenHarmony (\d+)")
_MODEL_NUMBER: Final = re.compile(r"; ?([A-Z0-9]{3,}-[A-Z0-9]+) ?[;)]")


def _model(model: str | None, user_agent: str) -> str | None:
    """ua-parser's model without what follows it in the user agent: some models hold brackets, where it goes astray."""
    if model == "Browser":  # of HuaweiBrowser, which is no device
        number = _MODEL_NUMBER.search(user_agent)
        return number[1] if number else None
    if model is None:
        return None
    return model.partition(" Build/")[0].partition(";")[0].removeprefix("rola ").strip() or None


_FACEBOOK_FIELD: Final = re.compile(r"(FB[A-Z]{2})/([^;\]]*)")


def _with_facebook_device(user_agent: str) -> str:
    """Facebook's apps on Android send their fields alone, `FBDV/SM-A536U;FBSV/13`: as the user agent of that device."""
    if "FBDV/" not in user_agent or "Mozilla/" in user_agent or "Android" in user_agent:
        return user_agent
    fields = dict(_FACEBOOK_FIELD.findall(user_agent))
    if fields.get("FBSN", "Android") != "Android":
        return user_agent
    system = f"Linux; Android {fields.get('FBSV', '')}; {fields['FBDV']}"
    return f"Mozilla/5.0 ({system}) AppleWebKit/537.36 Mobile {user_agent}"[:MAX_USER_AGENT]


_NO_BRANDS: Final = frozenset(
    {None, "Generic", "Generic_Android", "Generic_Android_Tablet", "Generic_Inettv", "Spider", "Generic_Feature_Phone"}
)


def os_name(family: str) -> str | None:
    """Our name of a system that ua-parser calls `family`."""
    return _SYSTEMS.get(family, family)


def browser_name(family: str) -> str | None:
    """Our name of a browser that ua-parser calls `family`."""
    if family in _BROWSERS:
        return _BROWSERS[family]
    plain = _VARIANT.sub("", family)
    return _BROWSERS.get(plain, plain)


# ----------------------------------------------------------------------------------------------- devices

_WEARABLE: Final = r"\bwatch(?:os)?\b|apple ?watch|\bsm-r[0-9]{3}|\bwear(?: ?os)?\b|glass [0-9]|galaxy watch"
_CAR: Final = r"qtcarbrowser|\btesla/|tesla model|\bautomotive\b|carplay|androidauto|\baaos\b"
_TV: Final = (
    r"smart-?tv|hbbtv|netcast|web0s|webos\.tv|\btv\b|[a-z]tv\b|\btv[ _-]|appletv|googletv|bravia|\broku\b"
    r"|\baft[a-z0-9]{1,6}\b|crkey|chromecast|\bdtv|inettv|viera|large screen|\bstb\b|set-?top|mibox|mitv|nsz-"
    r"|aquos-?tv|espial|ce-html|ott[ -]?box|tv ?box|\bshield\b|netrange|vidaa|whaletv|kreatv|swisscom-?box|freebox"
)
_CONSOLE: Final = r"playstation|\bpsp\b|xbox|nintendo|\bouya\b|new 3ds|steam ?deck"
_TABLET: Final = (
    r"ipad|tablet|\bsm-[txp][0-9]{3}|\bgt-[pn][0-9]{4}[^0-9]?\b|kindle|\bkf[a-z]{2,6}\b|nexus (?:7|9|10)\b|pixel c\b"
    r"|playbook|\b(?:lenovo )?tb-?[0-9x][0-9a-z]{2,}|lenovo yt|yoga tab|mediapad|matepad|\bmi ?pad\b|\bpad\b|xoom"
    r"|transformer|\btab[ _-]|\btab[0-9]|\btab\b|touchpad|\bsgp[0-9]{3}|\biconia\b|\bideatab|\bme[0-9]{3}[a-z]{0,2}\b"
)
_PHONE: Final = (
    r"iphone|ipod|\bmobi|windows phone|iemobile|blackberry|\bbb10\b|opera (?:mini|mobi)|symbian|series ?[346]0|nokia"
    r"|\bmidp\b|\bcldc\b|kaios|j2me|up\.browser|phone\b|bada/|brew|dalvik/"  # apps on Android never say "Mobile"
)
_COMPUTER: Final = r"mozilla|windows|macintosh|mac ?os|x11|linux|cros|bsd|solaris|darwin"
# The first match counts: browsers of televisions say "Mobile" too, those of consoles say "Windows". An
# Android device that does not call itself mobile is a tablet.
_RULES: Final[tuple[tuple[Device, str], ...]] = (
    ("wearable", _WEARABLE),
    ("car", _CAR),
    ("tv", _TV),
    ("console", _CONSOLE),
    ("tablet", _TABLET),
    ("mobile", _PHONE),
    ("tablet", r"android"),
    ("desktop", _COMPUTER),
)


def _compile_rules() -> re2.Set:
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    rules = re2.Set.SearchSet(options)
    for _, pattern in _RULES:
        rules.Add(pattern)
    rules.Compile()
    return rules


_RULE_SET: Final = _compile_rules()


def device_of(user_agent: str) -> Device:
    """The device of a clean user agent. An iPad that requests desktop pages looks like a Mac."""
    found = _RULE_SET.Match(user_agent)
    return _RULES[min(found)][0] if found else "other"


# ---------------------------------------------------------------------------------------------- versions

# Since iOS 26, Safari always sends "iPhone OS 18_6" or 18_7, and only "Version/26" has the true version.
_IOS_FROZEN: Final = ("18", "6")
_IOS_IN_BROWSER_VERSION: Final = 26  # from here on "Version/" is the version of iOS


def _os_version(os: str | None, major: str | None, minor: str | None, user_agent: str) -> str | None:
    match os, major:
        case (None | "Linux" | "ChromeOS", _) | (_, None) | ("Windows", "10"):
            return None
        case "macOS", "10":
            # Every later system says 10.15 too.
            return None if minor is None or int(minor) >= 15 else f"10.{minor}"
        case "Android", "10" if "Android 10; K" in user_agent:
            return None
        case "iOS", _:
            return _ios_version(major, minor, user_agent)
        case _:
            return _major_minor(os, major, minor)


def _ios_version(major: str, minor: str | None, user_agent: str) -> str | None:
    version = user_agent.partition(" Version/")[2].partition(".")[0]
    if version.isdecimal() and int(version) >= _IOS_IN_BROWSER_VERSION:
        return str(int(version))
    frozen = major == _IOS_FROZEN[0] and (minor or "0") >= _IOS_FROZEN[1]
    return None if frozen and not version else major


def _major_minor(os: str | None, major: str, minor: str | None) -> str:
    has_minor = (os == "Windows" and major == "8") or (os == "Android" and major.isdecimal() and int(major) < 10)
    return f"{major}.{minor}" if has_minor and minor and minor != "0" else major


def _hinted_version(os: str | None, version: str) -> str | None:
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    if os in {None, "Linux"} or not major.isdecimal() or (minor and not minor.isdecimal()):
        return None
    if os == "Windows":
        return _windows_version(int(major), minor)
    if os == "macOS" and major == "10":
        return f"10.{minor}"
    return _major_minor(os, major, minor)


def _windows_version(major: int, minor: str) -> str | None:
    """The hint numbers API contracts: 0.1 to 0.3 are Windows 7 to 8.1, 1 to 10 are 10, 13 and above are 11."""
    if major == 0:
        return {"1": "7", "2": "8", "3": "8.1"}.get(minor)
    if major <= 10:
        return "10"
    return "11" if major >= 13 else None


# ------------------------------------------------------------------------------- hints against user agent

_CHROME: Final = re.compile(r" Chrome/([0-9]{1,4})\.")
_HINTS_SINCE: Final = 90  # major version of Chrome
# Not contradictions: a phone that requests the desktop page, and a system whose name depends on the version.
_COMPATIBLE: Final = (frozenset({"Linux", "Android"}), frozenset({"Linux", "ChromeOS"}))
_PLATFORM_SYSTEMS: Final = frozenset(_PLATFORMS.values())
_USUAL_HEADERS: Final = frozenset(
    {"accept-language", "sec-ch-ua", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest"}
)


def hints_contradict(user_agent: str, os: str | None, hints: ClientHints) -> bool:
    """Whether the hints name another system, or another version of Chromium, than the user agent."""
    platform = _PLATFORMS.get(hints.platform)
    if platform and os in _PLATFORM_SYSTEMS and os != platform and {os, platform} not in _COMPATIBLE:
        return True
    version, hinted = _CHROME.search(user_agent), hints.brands.get("Chromium", "").partition(".")[0]
    return bool(version and hinted.isdecimal() and version.group(1) != hinted)


def sends_hints(user_agent: str) -> bool:
    """Whether this is a Chromium that sends hints and Sec-Fetch headers over HTTPS without being asked."""
    version = _CHROME.search(user_agent)
    return version is not None and int(version.group(1)) >= _HINTS_SINCE


def lacks_headers(headers: Mapping[str, str]) -> bool:
    """Whether all headers are missing that such a browser sends over HTTPS. One missing header proves nothing."""
    return "accept-language" not in headers and _USUAL_HEADERS.isdisjoint(headers)
