"""The kind of device behind a user agent: a short rule, because the lists of models are never complete."""

from typing import Final

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
