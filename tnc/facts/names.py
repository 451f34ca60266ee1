"""One name for each system and browser, whatever a user agent, a hint or a parser calls it."""

import re
from typing import Final

NO_BRANDS: Final = frozenset(
    {None, "Generic", "Generic_Android", "Generic_Android_Tablet", "Generic_Inettv", "Spider", "Generic_Feature_Phone"}
)

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
