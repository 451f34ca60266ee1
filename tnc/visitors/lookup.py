"""What is known about an IP address or a user agent, and by which data: for `tnc ip` and `tnc ua`."""

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from tnc.core.errors import InvalidError
from tnc.core.fields import rfc3339
from tnc.visitors.client_hints import hint_headers
from tnc.visitors.client_ip import canonical_ip
from tnc.visitors.geo.geo import Geo
from tnc.visitors.request import clean
from tnc.visitors.traffic import CLAIM_REASONS
from tnc.visitors.user_agent import UserAgentReader


def describe_ip(geo: Geo, text: str) -> dict[str, Any]:
    """The facts about an IP address; `sources` has the data behind each known fact. Raises InvalidError."""
    ip = canonical_ip(text.strip())
    if ip is None:
        raise InvalidError(f"{text!r} is no IP address; write one such as 81.2.69.142 or 2001:db8::1")
    built_ms = {each.name: each.built_ms for each in geo.sources()}
    place = geo.lookup(ip)
    return {
        "ip": ip,
        **structs.asdict(place),
        "sources": {
            fact: {"name": name, "built": None if (at_ms := built_ms.get(name)) is None else rfc3339(at_ms)}
            for fact, name in geo.sources_of(ip).items()
        },
        "lists": list(geo.lists(ip, place.asn)),
    }


def describe_user_agent(
    reader: UserAgentReader, user_agent: str, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What a user agent says; for a program also the pattern and the list that matched."""
    facts = reader.read(clean(user_agent), hint_headers(headers or {}))
    claim, crawler = facts.claim, facts.crawler
    return {
        "user_agent": user_agent,
        **structs.asdict(facts.agent),
        "bot": crawler.name if crawler else claim.name if claim else None,
        "crawler": crawler.name if crawler else None,
        "reason": CLAIM_REASONS[claim.kind] if claim and not crawler else "crawler_claimed" if crawler else None,
        "pattern": claim.pattern if claim else None,
        "pattern_source": claim.source if claim else None,
    }
