"""The arrivals of generated visitors: who comes at which minute of the month, with which URL."""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol, TypeVar

from tnc.admin.demo.people import COUNTRIES, HOURS, MACHINES, ROBOTS, WEEKDAYS, Country, Machine
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.models import CampaignId, Visit

PER_DAY: Final = 340
DOMAIN: Final = "go.example"
SHOES: Final = CampaignId("shoes")
BOOTS: Final = CampaignId("boots-search")

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

# IP addresses reserved for documentation (RFC 5737, RFC 3849).
_NETS: Final = ("192.0.2.", "198.51.100.", "203.0.113.")


class HasWeight(Protocol):
    @property
    def weight(self) -> int: ...


Weighted = TypeVar("Weighted", bound=HasWeight)


@dataclass(frozen=True, slots=True)
class Person:
    country: Country
    city: tuple[str, str]
    network: tuple[int, str]
    machine: Machine
    ip: str
    visitor: str
    seen_ms: dict[CampaignId | None, int] = field(default_factory=dict)  # None: any campaign


@dataclass(frozen=True, slots=True)
class Arrival:
    """One visit and the campaign it is for. `mood` multiplies the chance that it ends in a sale."""

    campaign: CampaignId
    visit: Visit
    mood: float


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
        link, mood = self._native_ad() if campaign == SHOES else self._search_ad()
        consented = self._chance.random() < 0.55
        visit = Visit(
            visited_at_ms=at_ms,
            **_whereabouts(person),
            **_equipment(person.machine),
            **link,
            visitor=person.visitor,
            unique_campaign=_first(person, campaign, at_ms),
            unique_workspace=_first(person, None, at_ms),
            consent="granted" if country.strict and consented else "unknown",
            mode="cookieless" if country.strict and not consented else "full",
        )
        return Arrival(campaign, visit, mood * country.buys * (1.2 if visit.device == "desktop" else 1.0))

    def _somebody(self, country: Country) -> Person:
        """Usually a new visitor, sometimes a returning one."""
        if self._recent and self._chance.random() < 0.3:
            known = self._chance.choice(self._recent)
            if known.country == country:
                return known
        person = Person(
            country=country,
            city=self._chance.choice(country.cities),
            network=self._chance.choice(country.networks),
            machine=self._weighted(MACHINES),
            ip=self._address(),
            visitor=self._chance.randbytes(16).hex(),
        )
        self._recent.append(person)
        return person

    def _robot(self, at_ms: int, country: Country) -> Arrival:
        robot = self._weighted(ROBOTS)
        visit = Visit(
            visited_at_ms=at_ms,
            domain=DOMAIN,
            ip=self._address(),
            country=country.code,
            user_agent=robot.user_agent,
            traffic=robot.traffic,
            bot=robot.name,
            reasons=(robot.reason,),
            visitor=self._chance.randbytes(16).hex(),
            unique_campaign=True,
            unique_workspace=True,
        )
        return Arrival(SHOES, visit, 0.0)

    def _native_ad(self) -> tuple[dict[str, Any], float]:
        site, creative = self._chance.choice(list(SITES)), self._chance.choice(list(CREATIVES))
        external_id = self._chance.randbytes(8).hex()
        cost = f"{self._chance.uniform(0.15, 0.35):.3f}"
        link = {
            "referrer": f"https://{site}/",
            "referrer_domain": site,
            "external_id": external_id,
            "subs": {"sub1": site, "sub2": creative},
            "params": {"ext": external_id, "cpc": cost, "site": site, "creative": creative},
            "cost_param": cost,
        }
        return link, SITES[site] * CREATIVES[creative]

    def _search_ad(self) -> tuple[dict[str, Any], float]:
        keyword, match = self._chance.choice(list(KEYWORDS)), self._chance.choice(("exact", "phrase"))
        external_id = self._chance.randbytes(12).hex()
        link = {
            "referrer": "https://search.example/",
            "referrer_domain": "search.example",
            "external_id": external_id,
            "subs": {"sub1": keyword, "sub2": match},
            "params": {"gclid": external_id, "keyword": keyword, "match": match},
        }
        return link, KEYWORDS[keyword]

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


def _whereabouts(person: Person) -> dict[str, Any]:
    return {
        "domain": DOMAIN,
        "ip": person.ip,
        "country": person.country.code,
        "region": person.city[0],
        "city": person.city[1],
        "asn": person.network[0],
        "isp": person.network[1],
        "language": person.country.language,
    }


def _equipment(machine: Machine) -> dict[str, Any]:
    return {name: value for name, value in asdict(machine).items() if name != "weight"}


def _first(person: Person, campaign: CampaignId | None, at_ms: int) -> bool:
    """Whether this is the first visit within 24 hours; remembers the visit."""
    before_ms = person.seen_ms.get(campaign)
    if before_ms is not None and at_ms - before_ms < DAY_MS:
        return False
    person.seen_ms[campaign] = at_ms
    return True
