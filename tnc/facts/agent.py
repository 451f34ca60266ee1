"""Device, system and browser behind a user agent. What a browser freezes or hides is unknown, not guessed."""

from functools import lru_cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from ua_parser import Parser
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from tnc.facts.bots import Bots, Claim
from tnc.facts.consistency import contradicts, is_hinting
from tnc.facts.crawlers import Crawler, Crawlers
from tnc.facts.device import device_of
from tnc.facts.hints import Hints, read_hints
from tnc.facts.names import BRANDS, NO_BRANDS, PLATFORMS, browser_name, os_name
from tnc.model import Device

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
