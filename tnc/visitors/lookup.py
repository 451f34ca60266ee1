"""What is known of an address or a user agent, with the data that says so: for commands, pages and the API."""

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from tnc.core.errors import InvalidError
from tnc.core.fields import rfc3339
from tnc.visitors.client_hints import sent_hints
from tnc.visitors.client_ip import canonical
from tnc.visitors.geo.geo import Geo
from tnc.visitors.request import clean
from tnc.visitors.traffic import CLAIMS
from tnc.visitors.user_agent import Agents


def of_address(geo: Geo, text: str) -> dict[str, Any]:
    """The facts on an address; `sources` names for each fact that is known the data that knows it.

    Raises InvalidError when the text is no address.
    """
    ip = canonical(text.strip())
    if ip is None:
        raise InvalidError(f"{text!r} is no address; write one such as 81.2.69.142 or 2001:db8::1")
    built = {each.name: each.built_ms for each in geo.sources()}
    place = geo.lookup(ip)
    return {
        "ip": ip,
        **structs.asdict(place),
        "sources": {
            fact: {"name": name, "built": None if (at_ms := built.get(name)) is None else rfc3339(at_ms)}
            for fact, name in geo.witnesses(ip).items()
        },
        "lists": list(geo.lists(ip, place.asn)),
    }


def of_user_agent(agents: Agents, user_agent: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a user agent says, and if it says that it is a program, by which pattern of which list."""
    seen = agents.see(clean(user_agent), sent_hints(headers or {}))
    claim, crawler = seen.claim, seen.crawler
    return {
        "user_agent": user_agent,
        **structs.asdict(seen.agent),
        "bot": crawler.name if crawler else claim.name if claim else None,
        "crawler": crawler.name if crawler else None,
        "reason": CLAIMS[claim.kind] if claim and not crawler else "crawler_claimed" if crawler else None,
        "pattern": claim.pattern if claim else None,
        "pattern_source": claim.source if claim else None,
    }
