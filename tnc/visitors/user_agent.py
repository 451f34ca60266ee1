"""Device, system and browser behind a user agent. What a browser freezes or hides is unknown, not guessed."""

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
from tnc.visitors.client_hints import Hints, read_hints
from tnc.visitors.crawlers import Crawler, Crawlers

# Sec-CH-UA-Platform
PLATFORMS: Final = {
    "Windows": "Windows",
    "macOS": "macOS",
    "Android": "Android",
    "Chrome OS": "ChromeOS",
    "Chromium OS": "ChromeOS",
    "Linux": "Linux",
    "iOS": "iOS",
}

_CHROME: Final = re.compile(r" Chrome/([0-9]{1,4})\.")
_HINTING_SINCE: Final = 90
# Pages asked for as on a desktop, and names for one system that differ with the version.
_TOLERATED: Final = (frozenset({"Linux", "Android"}), frozenset({"Linux", "ChromeOS"}))
_SYSTEMS_2: Final = frozenset(PLATFORMS.values())
_USUAL: Final = frozenset({"accept-language", "sec-ch-ua", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest"})


def contradicts(user_agent: str, os: str | None, hints: Hints) -> bool:
    """Whether the hints name another system, or another version of Chromium, than the user agent."""
    platform = PLATFORMS.get(hints.platform)
    if platform and os in _SYSTEMS_2 and os != platform and {os, platform} not in _TOLERATED:
        return True
    said, hinted = _CHROME.search(user_agent), hints.brands.get("Chromium", "").partition(".")[0]
    return bool(said and hinted.isdecimal() and said.group(1) != hinted)


def is_hinting(user_agent: str) -> bool:
    """Whether this is a Chromium that sends hints and Sec-Fetch headers of its own accord over HTTPS."""
    said = _CHROME.search(user_agent)
    return said is not None and int(said.group(1)) >= _HINTING_SINCE


def lacks_headers(headers: Mapping[str, str]) -> bool:
    """Whether nothing of what such a browser sends over HTTPS is there. One missing header proves nothing."""
    return "accept-language" not in headers and _USUAL.isdisjoint(headers)


NO_BRANDS: Final = frozenset(
    {None, "Generic", "Generic_Android", "Generic_Android_Tablet", "Generic_Inettv", "Spider", "Generic_Feature_Phone"}
)

# Brands in Sec-CH-UA. "Chromium" and the invented ones are not here: they name no browser.
BRANDS: Final = {
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

# "Chrome Mobile iOS", "Firefox iOS", "Edge Mobile", "Mobile Safari", "Firefox (Shiretoko)": one browser each.
_VARIANT: Final = re.compile(r"^Mobile |(?: \([^)]*\)| Mobile| iOS| WebView| Beta)+$")


def os_name(family: str) -> str | None:
    return _SYSTEMS.get(family, family)


def browser_name(family: str) -> str | None:
    if family in _BROWSERS:
        return _BROWSERS[family]
    plain = _VARIANT.sub("", family)
    return _BROWSERS.get(plain, plain)


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
    r"|\bmidp\b|\bcldc\b|kaios|j2me|up\.browser|phone\b|bada/|brew"
)
_COMPUTER: Final = r"mozilla|windows|macintosh|mac ?os|x11|linux|cros|bsd|solaris|darwin"
# In order: a television's browser says "Mobile" too, a console says "Windows", and only phones say that they are.
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


def _set() -> re2.Set:
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    rules = re2.Set.SearchSet(options)
    for _, pattern in _RULES:
        rules.Add(pattern)
    rules.Compile()
    return rules


_SET: Final = _set()


def device_of(user_agent: str) -> Device:
    """The device of a clean user agent. An iPad that asks for desktop pages is a Mac to the server."""
    found = _SET.Match(user_agent)
    return _RULES[min(found)][0] if found else "other"


MAX_USER_AGENT: Final = 1024
CACHED: Final = 8192  # a 10 % long tail of user agents still hits in 19 of 20 lookups

# Since iOS 26 Safari says "iPhone OS 18_6" or 18_7 for ever, and only "Version/26" tells.
_IOS_FROZEN: Final = ("18", "6")
_IOS_HONEST: Final = 26

# A driven browser that was given another's user agent still names itself among its brands.
_HEADLESS: Final = Claim(name="HeadlessChrome", kind="automation", pattern="HeadlessChrome", source="Sec-CH-UA")


class Agent(Struct, frozen=True, kw_only=True, gc=False):
    """What a user agent and its hints say. Versions are majors, with the minor where makers count by it."""

    device: Device | None = None
    brand: str | None = None
    model: str | None = None
    os: str | None = None
    os_version: str | None = None
    browser: str | None = None
    browser_version: str | None = None


NOBODY: Final = Agent()


def family(browser: str | None, os: str | None) -> str:
    """The user agent that may be kept where the full one may not: `Chrome on Windows`."""
    return f"{browser or 'Unknown'} on {os or 'unknown'}"


class Seen(Struct, frozen=True, kw_only=True, gc=False):
    """Everything that a user agent and its hints alone decide, and so is worth remembering."""

    agent: Agent
    claim: Claim | None = None
    crawler: Crawler | None = None
    contradicts: bool = False  # the hints name another system or browser version than the user agent
    hinting: bool = False  # a browser that sends hints and Sec-Fetch-* over HTTPS without being asked


UNSEEN: Final = Seen(agent=NOBODY)


class Agents:
    """Reads user agents and remembers the last few thousand, which is nearly all that come."""

    def __init__(self) -> None:
        self._parser = Parser(Resolver(load_lazy_builtins()))
        self._bots = Bots()
        self.crawlers = Crawlers()
        self._known = lru_cache(CACHED)(self._see)

    def see(self, user_agent: str, sent: tuple[str, ...] = ()) -> Seen:
        """`sent` are the hint headers as `hints.sent_hints` gives them. Never raises on clean text."""
        return self._known(user_agent[:MAX_USER_AGENT], sent)

    def read(self, user_agent: str, sent: tuple[str, ...] = ()) -> Agent:
        return self.see(user_agent, sent).agent

    def _see(self, user_agent: str, sent: tuple[str, ...]) -> Seen:
        if not user_agent.strip():
            return UNSEEN
        said = self._said(user_agent)
        hints = read_hints(sent) if sent else None
        agent = self._corrected(said, hints) if hints else said
        return Seen(
            agent=agent,
            claim=self._bots.find(user_agent) or (_HEADLESS if agent.browser == _HEADLESS.name else None),
            crawler=self.crawlers.claimed(user_agent),
            contradicts=hints is not None and contradicts(user_agent, said.os, hints),
            hinting=is_hinting(user_agent),
        )

    def _said(self, user_agent: str) -> Agent:
        browser, system = self._parser.parse_user_agent(user_agent), self._parser.parse_os(user_agent)
        os = os_name(system.family) if system else None
        device = device_of(user_agent)
        brand, model = self._make(user_agent) if device != "desktop" or os == "macOS" else (None, None)
        return Agent(
            device=device,
            brand=brand,
            model=model,
            os=os,
            os_version=_os_version(os, system.major, system.minor, user_agent) if system else None,
            browser=browser_name(browser.family) if browser else None,
            browser_version=browser.major if browser else None,
        )

    def _make(self, user_agent: str) -> tuple[str | None, str | None]:
        """Brand and model. Computers, but for Macs, do not say; reduced user agents say K."""
        made = self._parser.parse_device(user_agent)
        if made is None or made.brand in NO_BRANDS or "; K)" in user_agent:
            return None, None
        return made.brand, made.model

    def _corrected(self, agent: Agent, hints: Hints) -> Agent:
        os = PLATFORMS.get(hints.platform, agent.os)
        agent = replace(
            agent,
            os=os,
            os_version=_hinted_version(os, hints.platform_version) or (agent.os_version if os == agent.os else None),
        )
        for brand, version in hints.brands.items():
            name = BRANDS.get(brand)
            if name and (agent.browser in {name, "Chrome", "Chromium", None}):
                major = version.partition(".")[0]
                agent = replace(agent, browser=name, browser_version=major if major.isdecimal() else None)
        if hints.mobile and agent.device == "desktop":
            agent = replace(agent, device="mobile")
        if hints.model:
            maker, _ = self._make(f"Mozilla/5.0 (Linux; Android 10; {hints.model}) AppleWebKit/537.36")
            agent = replace(agent, model=hints.model, brand=maker)
        return agent


def _os_version(os: str | None, major: str | None, minor: str | None, user_agent: str) -> str | None:
    match os, major:
        case (None | "Linux" | "ChromeOS", _) | (_, None) | ("Windows", "10"):
            return None
        case "macOS", "10":
            # 10.15 is what every later system says too.
            return None if minor is None or int(minor) >= 15 else f"10.{minor}"
        case "Android", "10" if "Android 10; K" in user_agent:
            return None
        case "iOS", _:
            return _ios_version(major, minor, user_agent)
        case _:
            return _major_minor(os, major, minor)


def _ios_version(major: str, minor: str | None, user_agent: str) -> str | None:
    version = user_agent.partition(" Version/")[2].partition(".")[0]
    if version.isdecimal() and int(version) >= _IOS_HONEST:
        return str(int(version))
    frozen = major == _IOS_FROZEN[0] and (minor or "0") >= _IOS_FROZEN[1]
    return None if frozen and not version else major


def _major_minor(os: str | None, major: str, minor: str | None) -> str:
    counts = (os == "Windows" and major == "8") or (os == "Android" and major.isdecimal() and int(major) < 10)
    return f"{major}.{minor}" if counts and minor and minor != "0" else major


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
    """Windows counts its contracts: 0.1 to 0.3 are 7 to 8.1, 1 to 10 are 10, from 13 on it is 11."""
    if major == 0:
        return {"1": "7", "2": "8", "3": "8.1"}.get(minor)
    if major <= 10:
        return "10"
    return "11" if major >= 13 else None
