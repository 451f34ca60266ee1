"""The arrivals of generated visitors: who comes at which minute of the month, with which request."""

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from urllib.parse import urlencode

from tnc.admin.demo.people import COUNTRIES, HOURS, MACHINES, ROBOTS, WEEKDAYS, Country, Machine
from tnc.core.clock import HOUR_MS
from tnc.core.models import CampaignId
from tnc.tracking.tracker import COOKIE_SECURE
from tnc.visitors.consent import OPT_OUT_COOKIES
from tnc.visitors.geo.geo import Place
from tnc.visitors.request import Request

PER_DAY: Final = 340
DOMAIN: Final = "go.example"
SHOES: Final = CampaignId("shoes")
BOOTS: Final = CampaignId("boots-search")
_PATHS: Final = {SHOES: "shoes", BOOTS: "boots"}

# How likely the readers of each site are to buy, so that the report by sub1 shows differences.
SITES: Final = {
    "run-daily.example": 1.5,
    "news.example": 1.0,
    "weather.example": 0.9,
    "recipes.example": 0.8,
    "game-portal.example": 0.12,
}
CREATIVES: Final = {"blue": 1.0, "sunrise": 1.35, "discount": 0.8}
KEYWORDS: Final = {"hiking boots": 1.0, "waterproof boots women": 1.5, "boots sale": 0.7, "what are boots": 0.15}

_HINTING: Final = {"Chrome": "Google Chrome", "Edge": "Microsoft Edge"}
_PLATFORM_VERSIONS: Final = {"Android": "16.0.0", "Windows": "15.0.0"}

# IP addresses reserved for documentation (RFC 5737, RFC 3849).
_NETS: Final = ("192.0.2.", "198.51.100.", "203.0.113.")


class HasWeight(Protocol):
    @property
    def weight(self) -> int: ...


Weighted = TypeVar("Weighted", bound=HasWeight)


@dataclass(slots=True)
class Person:
    """A visitor. `cookie` is the text of the tracking cookie that their browser got last."""

    country: Country
    place: Place
    machine: Machine
    ip: str
    consents: bool
    opted_out: bool
    sends_gpc: bool
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request and the campaign it is for. `mood` multiplies the chance that it ends in a sale; 0 is no person.

    `person` is None for bots, which keep no cookies.
    """

    campaign: CampaignId
    request: Request
    place: Place
    mood: float
    person: Person | None = None


class Crowd:
    """All visits. Randomness comes only from `chance`, so the same seed gives the same visits."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._recent: deque[Person] = deque(maxlen=500)

    def arrivals(self, *, from_ms: int, until_ms: int) -> Iterator[Arrival]:
        """Visits in order of time, a few more every week."""
        for hour_ms in range(from_ms // HOUR_MS * HOUR_MS, until_ms, HOUR_MS):
            growth = 0.8 + 0.4 * (hour_ms - from_ms) / max(until_ms - from_ms, 1)
            moments = []
            for country in COUNTRIES:
                expected = growth * PER_DAY * _interest(country, hour_ms)
                moments += [(hour_ms + self._chance.randrange(HOUR_MS), country) for _ in range(self._count(expected))]
            for at_ms, country in sorted(moments, key=lambda moment: moment[0]):
                if from_ms <= at_ms < until_ms:
                    yield self._robot(at_ms, country) if self._chance.random() < 0.035 else self._human(at_ms, country)

    def _count(self, expected: float) -> int:
        """A random whole number with the mean `expected`, distributed like real arrivals."""
        return max(0, round(self._chance.gauss(expected, expected**0.5)))

    def _human(self, at_ms: int, country: Country) -> Arrival:
        person = self._somebody(country)
        campaign = SHOES if self._chance.random() < 0.7 else BOOTS
        referrer, params, mood = self._native_ad() if campaign == SHOES else self._search_ad()
        if country.strict and person.consents:
            params |= {"tnc_consent": "granted"}
        headers = {**_headers_of(person.machine), "accept-language": country.language, "referer": referrer}
        if person.sends_gpc:
            headers["sec-gpc"] = "1"
        cookies = {COOKIE_SECURE: person.cookie, OPT_OUT_COOKIES[0]: "1" if person.opted_out else None}
        if text := "; ".join(f"{name}={value}" for name, value in cookies.items() if value):
            headers["cookie"] = text
        prefetches = self._chance.random() < 0.008
        if prefetches:
            headers["sec-purpose"] = "prefetch;prerender"
        request = _request(at_ms, person.ip, campaign, params, headers)
        mood *= country.buys * (1.2 if person.machine.device == "desktop" else 1.0)
        return Arrival(campaign, request, person.place, 0.0 if prefetches else mood, person)

    def _somebody(self, country: Country) -> Person:
        """Usually a new visitor, sometimes a returning one."""
        if self._recent and self._chance.random() < 0.3:
            known = self._chance.choice(self._recent)
            if known.country == country:
                return known
        asn, isp = self._chance.choice(country.networks)
        region, city = self._chance.choice(country.cities)
        place = Place(
            country=country.code,
            region=region,
            city=city,
            asn=asn,
            isp=isp,
            datacenter=self._chance.random() < 0.012,
            vpn=self._chance.random() < 0.02,
        )
        person = Person(
            country=country,
            place=place,
            machine=self._weighted(MACHINES),
            ip=self._address(),
            consents=self._chance.random() < 0.55,
            opted_out=self._chance.random() < 0.006,
            sends_gpc=not country.strict and self._chance.random() < 0.03,
        )
        self._recent.append(person)
        return person

    def _robot(self, at_ms: int, country: Country) -> Arrival:
        robot = self._weighted(ROBOTS)
        request = _request(at_ms, self._address(), SHOES, {}, {"user-agent": robot.user_agent})
        return Arrival(SHOES, request, Place(country=country.code, datacenter=True), 0.0)

    def _native_ad(self) -> tuple[str, dict[str, str], float]:
        """Referrer, parameters of the link, and mood."""
        site, creative = self._chance.choice(list(SITES)), self._chance.choice(list(CREATIVES))
        params = {
            "ext": self._chance.randbytes(8).hex(),
            "cpc": f"{self._chance.uniform(0.15, 0.35):.3f}",
            "site": site,
            "creative": creative,
        }
        return f"https://{site}/", params, SITES[site] * CREATIVES[creative]

    def _search_ad(self) -> tuple[str, dict[str, str], float]:
        keyword, match = self._chance.choice(list(KEYWORDS)), self._chance.choice(("exact", "phrase"))
        params = {"gclid": self._chance.randbytes(12).hex(), "keyword": keyword, "match": match}
        return "https://search.example/", params, KEYWORDS[keyword]

    def _address(self) -> str:
        if self._chance.random() < 0.3:
            return f"2001:db8:{self._chance.randrange(1, 0x10000):x}:{self._chance.randrange(1, 0x10000):x}::1"
        return f"{self._chance.choice(_NETS)}{self._chance.randrange(1, 255)}"

    def _weighted(self, many: Sequence[Weighted]) -> Weighted:
        return self._chance.choices(many, [each.weight for each in many])[0]


def _interest(country: Country, hour_ms: int) -> float:
    """The share of a day's visitors that come from this country in this hour."""
    local_hours = hour_ms // HOUR_MS + country.utc_hours
    weekday = WEEKDAYS[(local_hours // 24 + 3) % 7]  # the first day of 1970 was a Thursday
    everybody = sum(each.weight for each in COUNTRIES)
    return country.weight / everybody * HOURS[local_hours % 24] / sum(HOURS) * weekday


def _request(
    at_ms: int, ip: str, campaign: CampaignId, params: Mapping[str, str], headers: Mapping[str, str]
) -> Request:
    query = f"?{urlencode(params)}" if params else ""
    return Request.of(
        headers.items(),
        host=DOMAIN,
        target=f"/{_PATHS[campaign]}{query}",
        peer=ip,
        secure=True,
        arrived_at_ms=at_ms,
    )


def _headers_of(machine: Machine) -> dict[str, str]:
    """The user agent, and the client hints of a browser that sends them."""
    headers = {"user-agent": machine.user_agent, "sec-fetch-mode": "navigate"}
    brand = _HINTING.get(machine.browser)
    if brand is None:
        return headers
    version = machine.browser_version
    headers |= {
        "sec-ch-ua": f'"{brand}";v="{version}", "Chromium";v="{version}", "Not)A;Brand";v="24"',
        "sec-ch-ua-mobile": "?1" if machine.device == "mobile" else "?0",
        "sec-ch-ua-platform": f'"{machine.os}"',
        "sec-ch-ua-platform-version": f'"{_PLATFORM_VERSIONS[machine.os]}"',
    }
    if machine.model is not None:
        headers["sec-ch-ua-model"] = f'"{machine.model}"'
    return headers
