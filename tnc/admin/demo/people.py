"""The generated visitors: countries, devices, bots, and when they are active."""

from dataclasses import dataclass
from typing import Final

from tnc.core.models import Device, Traffic


@dataclass(frozen=True, slots=True)
class Country:
    """`weight` is its share of all visitors, `buys` how likely they are to buy compared to the average."""

    code: str
    weight: int
    utc_hours: int
    language: str
    networks: tuple[tuple[int, str], ...]
    cities: tuple[tuple[str, str], ...]
    buys: float
    strict: bool = False  # asks for consent: EEA, UK, Switzerland


COUNTRIES: Final = (
    Country(
        "US",
        46,
        -6,
        "en",
        ((7018, "AT&T"), (7922, "Comcast"), (21928, "T-Mobile USA"), (6167, "Verizon Wireless")),
        (("California", "Los Angeles"), ("Texas", "Austin"), ("New York", "New York"), ("Ohio", "Columbus")),
        1.3,
    ),
    Country("CA", 9, -5, "en", ((812, "Rogers"), (577, "Bell Canada")), (("Ontario", "Toronto"),), 1.1),
    Country(
        "GB",
        12,
        0,
        "en",
        ((2856, "BT"), (5607, "Sky UK")),
        (("England", "London"), ("Scotland", "Glasgow")),
        1.0,
        strict=True,
    ),
    Country(
        "DE",
        14,
        1,
        "de",
        ((3320, "Deutsche Telekom"), (3209, "Vodafone Germany")),
        (("Berlin", "Berlin"), ("Bavaria", "Munich"), ("Hamburg", "Hamburg")),
        0.9,
        strict=True,
    ),
    Country("AT", 3, 1, "de", ((8447, "A1 Telekom Austria"),), (("Vienna", "Vienna"),), 0.9, strict=True),
    Country("CH", 2, 1, "de", ((3303, "Swisscom"),), (("Zurich", "Zurich"),), 1.2, strict=True),
    Country("FR", 7, 1, "fr", ((3215, "Orange"), (12322, "Free")), (("Île-de-France", "Paris"),), 0.7, strict=True),
    Country("BR", 5, -3, "pt", ((26599, "Vivo"), (28573, "Claro NXT")), (("São Paulo", "São Paulo"),), 0.3),
    Country("IN", 2, 5, "hi", ((55836, "Reliance Jio"),), (("Maharashtra", "Mumbai"),), 0.2),
)

# Activity by hour of the local day, and by day of the week from Monday on.
HOURS: Final = (4, 2, 1, 1, 1, 2, 4, 6, 7, 8, 8, 9, 10, 9, 9, 9, 10, 11, 13, 15, 16, 15, 11, 7)
WEEKDAYS: Final = (1.0, 0.97, 0.98, 1.0, 1.06, 1.2, 1.28)


@dataclass(frozen=True, slots=True)
class Machine:
    weight: int
    device: Device
    brand: str | None
    model: str | None
    os: str
    os_version: str | None
    browser: str
    browser_version: str
    user_agent: str


_IPHONE: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS {} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
_ANDROID: Final = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
_WINDOWS: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
_MAC: Final = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/"

MACHINES: Final = (
    Machine(
        30, "mobile", "Apple", "iPhone", "iOS", "26", "Safari", "26",
        _IPHONE.format("18_6") + "Version/26.1 Mobile/15E148 Safari/604.1",
    ),
    Machine(
        8, "mobile", "Apple", "iPhone", "iOS", "18", "Instagram", "405",
        _IPHONE.format("18_6") + "Mobile/22G86 Instagram 405.0.0.28.77",
    ),
    Machine(
        18, "mobile", "Samsung", "SM-S931B", "Android", "16", "Chrome", "142",
        _ANDROID + "Chrome/142.0.0.0 Mobile Safari/537.36",
    ),
    Machine(
        7, "mobile", "Google", "Pixel 9", "Android", "16", "Chrome", "142",
        _ANDROID + "Chrome/142.0.0.0 Mobile Safari/537.36",
    ),
    Machine(
        4, "tablet", "Apple", "iPad", "iOS", "18", "Safari", "18",
        "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.6 Mobile/15E148 Safari/604.1",
    ),
    Machine(
        16, "desktop", None, None, "Windows", "11", "Chrome", "142",
        _WINDOWS + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    Machine(
        6, "desktop", None, None, "Windows", "11", "Edge", "142",
        _WINDOWS + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    ),
    Machine(
        6, "desktop", "Apple", "Mac", "macOS", None, "Safari", "26",
        _MAC + "605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    ),
    Machine(
        5, "desktop", None, None, "Linux", None, "Firefox", "145",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Robot:
    weight: int
    traffic: Traffic
    name: str
    reason: str
    user_agent: str


ROBOTS: Final = (
    Robot(5, "bot", "curl", "ua_client", "curl/8.14.1"),
    Robot(4, "bot", "python-requests", "ua_client", "python-requests/2.32.5"),
    Robot(3, "bot", "AhrefsBot", "ua_bot", "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    Robot(
        3,
        "crawler",
        "Googlebot",
        "crawler_claimed",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    ),
)
