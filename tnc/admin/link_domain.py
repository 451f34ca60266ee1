"""The domain that links carry when they are shown to be copied: tracking links, postback URLs, addresses of files.

The address that a server listens on is seldom the one that visitors use: it may be all addresses, or behind a proxy.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from tnc.core.formats import ListenAddress
from tnc.core.models import Click
from tnc.core.settings import Settings

PLACEHOLDER: Final = "YOUR-DOMAIN"
_CLICKS: Final = 200  # of the newest, that are looked at
_FEWEST: Final = 3
_ALL_ADDRESSES: Final = frozenset(("0.0.0.0", "::"))  # noqa: S104 - compared with
_MAJORITY: Final = 0.6
_PRIVATE_ENDS: Final = (
    ".localhost", ".local", ".internal", ".lan", ".home", ".arpa", ".onion", ".test", ".invalid", ".example",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LinkBase:
    """`url` is scheme and host, without a slash at the end; with `unknown` it has PLACEHOLDER for the domain."""

    url: str
    known: Literal["configured", "learnt", "listener", "unknown"]

    @property
    def domain(self) -> str:
        return self.url.partition("://")[2]


def link_base(settings: Settings, bound_port: int, newest: Iterable[Click]) -> LinkBase:
    """The configured domain, else the one that most valid visitors of late used, else the listener's own address if a
    browser can open it.

    `newest` are recorded clicks, newest first. Anybody can send requests with any host name, so a single one proves
    nothing: three in five of at least three visitors must agree.
    """
    if settings.domains_default:
        return LinkBase(_url(settings, settings.domains_default, bound_port), "configured")
    listener = LinkBase(f"http://{ListenAddress(host=settings.listen.host, port=bound_port)}", "listener")
    learnt = _learnt(newest)
    if learnt is not None:
        return LinkBase(_url(settings, learnt, bound_port), "learnt")
    if settings.listen.host not in _ALL_ADDRESSES and not settings.trusted_proxies:
        return listener
    return LinkBase(_url(settings, PLACEHOLDER, bound_port), "unknown")


def _url(settings: Settings, domain: str, bound_port: int) -> str:
    """Behind a proxy visitors come over HTTPS; without one they come to our own port. Who comes to a loopback address
    comes through a proxy, too.
    """
    if settings.trusted_proxies or _is_loopback(settings.listen.host):
        return f"https://{domain}"
    return f"http://{domain}" if bound_port == 80 else f"http://{domain}:{bound_port}"


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _learnt(newest: Iterable[Click]) -> str | None:
    visits = (each.visit for each in islice(newest, _CLICKS) if not (each.imported or each.test or each.erased))
    seen = {(visit.domain or "", visit.visitor, visit.ip) for visit in visits if visit.traffic == "human"}
    counts = Counter(domain for domain, _, _ in seen if _is_public(domain))
    for domain, count in counts.most_common(1):
        if count >= _FEWEST and count >= _MAJORITY * len(seen):
            return domain
    return None


def _is_public(domain: str) -> bool:
    """Whether it looks like a name of the public DNS: no IP address, no name of this machine or network."""
    return (
        "." in domain.strip(".")
        and not domain.rpartition(".")[2].isdecimal()
        and ":" not in domain
        and not f".{domain}".endswith(_PRIVATE_ENDS)
    )
