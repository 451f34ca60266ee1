"""Requests of generated visitors to the demo's campaigns."""

import random
import string
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

from tnc.admin.bench.load import get
from tnc.admin.demo.crowd import CREATIVES, SITES
from tnc.admin.demo.people import COUNTRIES, MACHINES

_ID_LETTERS: Final = string.ascii_letters + string.digits + "-_"
_SEARCHES: Final = ("hiking boots", "waterproof boots women", "boots sale", "what are boots")


def visitors(seed: int, *, host: str) -> Iterator[bytes]:
    """Endless requests, the same for the same seed. Each has its own IP address in X-Forwarded-For."""
    chance = random.Random(seed)  # noqa: S311 - generated data, not secret
    countries, machines = [each.weight for each in COUNTRIES], [each.weight for each in MACHINES]
    while True:
        country = chance.choices(COUNTRIES, countries)[0]
        machine = chance.choices(MACHINES, machines)[0]
        target, referrer = _native_ad(chance) if chance.random() < 0.7 else _search_ad(chance)
        yield get(
            target,
            {
                "Host": host,
                "User-Agent": machine.user_agent,
                "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
                "Accept-Encoding": "gzip, deflate, br, zstd",
                "Accept-Language": f"{country.language}-{country.code},{country.language};q=0.9,en;q=0.6",
                "Referer": referrer,
                "Sec-Fetch-Dest": "document",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Site": "cross-site",
                "X-Forwarded-For": _address(chance),
            },
        )


def _address(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return "2001:db8:" + ":".join(f"{chance.getrandbits(16):x}" for _ in range(6))
    return f"{chance.randrange(11, 126)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def _id(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(_ID_LETTERS, k=length))


def _native_ad(chance: random.Random) -> tuple[str, str]:
    site = chance.choice(list(SITES))
    query = {
        "ext": _id(chance, 26),
        "cpc": f"{chance.uniform(0.05, 0.6):.3f}",
        "site": site,
        "creative": chance.choice(list(CREATIVES)),
    }
    return f"/shoes?{urlencode(query)}", f"https://{site}/articles/{chance.randrange(1, 4000)}"


def _search_ad(chance: random.Random) -> tuple[str, str]:
    query = {
        "gclid": f"Cj0KCQ{_id(chance, 64)}",
        "keyword": chance.choice(_SEARCHES),
        "match": chance.choice(["exact", "phrase"]),
    }
    return f"/boots?{urlencode(query)}", "https://www.google.com/"
