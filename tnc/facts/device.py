"""The kind of device behind a user agent: a short rule, because the lists of models are never complete."""

from typing import Any, Final

import re2

from tnc.model import Device

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
# In order: a television's browser says "Mobile" too, and a console says "Windows" or "Linux".
_RULES: Final[tuple[tuple[Device, Any], ...]] = (
    ("wearable", re2.compile(f"(?i){_WEARABLE}")),
    ("car", re2.compile(f"(?i){_CAR}")),
    ("tv", re2.compile(f"(?i){_TV}")),
    ("console", re2.compile(f"(?i){_CONSOLE}")),
    ("tablet", re2.compile(f"(?i){_TABLET}")),
)
_ANY_RULE: Final = re2.compile(f"(?i){_WEARABLE}|{_CAR}|{_TV}|{_CONSOLE}|{_TABLET}")
_PHONE: Final = re2.compile(
    r"(?i)iphone|ipod|\bmobi|windows phone|iemobile|blackberry|\bbb10\b|opera (?:mini|mobi)|symbian|series ?[346]0"
    r"|nokia|\bmidp\b|\bcldc\b|kaios|j2me|up\.browser|phone\b|bada/|brew"
)
_COMPUTER: Final = re2.compile(r"(?i)mozilla|windows|macintosh|mac ?os|x11|linux|cros|bsd|solaris|darwin")


def device_of(user_agent: str) -> Device:
    """The device of a clean user agent. An iPad that asks for desktop pages is a Mac to the server."""
    if _ANY_RULE.search(user_agent):
        return next(device for device, rule in _RULES if rule.search(user_agent))
    if _PHONE.search(user_agent):
        return "mobile"
    if "Android" in user_agent:
        return "tablet"
    return "desktop" if _COMPUTER.search(user_agent) else "other"
