"""The class of traffic of a request, with every reason for it by name. There is no score.

If several classes apply, the first of these counts: prefetch, crawler, bot, suspect, human. A VPN, a relay or a company
gateway alone does not make a visit suspect: the reason is kept and the visit is human.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from tnc.core.models import Traffic
from tnc.visitors.bots import ClaimKind
from tnc.visitors.geo.geo import Place
from tnc.visitors.user_agent import UserAgentFacts, lacks_headers

# Mail scanners open every link of a mailing from a data centre; people are redirected through the same hosts.
_LINK_SCANNERS: Final = (
    "safelinks.protection.outlook.com",
    "urldefense.com",
    "urldefense.proofpoint.com",
    "linkprotect.cudasvc.com",
)
CLAIM_REASONS: Final[Mapping[ClaimKind, str]] = {"bot": "ua_bot", "client": "ua_client", "automation": "ua_automation"}
_REASON_OF_CHECK: Final = {True: "crawler_verified", False: "crawler_failed", None: "crawler_claimed"}
_SUSPECT: Final = frozenset(
    {
        *("net_datacenter", "net_tor", "net_proxy", "hints_contradict", "headers_missing", "scanner", "freq_ip"),
        *("honeypot", "lander_fast"),
    }
)
_BOT: Final = frozenset({"crawler_failed", "js_webdriver"})


class Classification(Struct, frozen=True, kw_only=True, gc=False):
    """`bot` is the name of the bot or crawler. `verified`: whether a crawler's claim is true; None when not known."""

    traffic: Traffic = "human"
    bot: str | None = None
    verified: bool | None = None
    reasons: tuple[str, ...] = ()

    @property
    def is_declared(self) -> bool:
        """Whether the request claims to be a crawler, truly or not."""
        return self.traffic == "crawler" or self.verified is not None


HUMAN: Final = Classification()


def classify(
    agent: UserAgentFacts,
    place: Place,
    headers: Mapping[str, str],
    *,
    ip: str | None,
    user_agent: str,
    secure: bool,
    prefetch: bool,
    over_rate: bool,
    referrer_domain: str | None,
) -> Classification:
    """`user_agent` is empty when the header is missing; `over_rate`: more clicks from this IP than a minute allows."""
    crawler, claim = agent.crawler, agent.claim
    verified = crawler.check_network(ip, place.asn) if crawler and ip else None
    reasons = ["prefetch"] if prefetch else []
    if not user_agent:
        reasons.append("ua_empty")
    elif crawler:
        reasons.append(_REASON_OF_CHECK[verified])
    elif claim:
        reasons.append(CLAIM_REASONS[claim.kind])
    if place.tor or place.proxy or place.datacenter or place.vpn or place.relay:
        reasons += _network_reasons(place, referrer_domain)
    if agent.hints_contradict:
        reasons.append("hints_contradict")
    if secure and agent.sends_hints and lacks_headers(headers):
        reasons.append("headers_missing")
    if over_rate:
        reasons.append("freq_ip")
    if not reasons:
        return HUMAN
    name = crawler.name if crawler else claim.name if claim and user_agent else None
    return Classification(traffic=_traffic(reasons), bot=name, verified=verified, reasons=tuple(reasons))


def _network_reasons(place: Place, referrer_domain: str | None) -> list[str]:
    flags = {"net_tor": place.tor, "net_proxy": place.proxy, "net_datacenter": place.datacenter}
    flags |= {"net_vpn": place.vpn, "net_relay": place.relay}
    flags["scanner"] = place.datacenter and referrer_domain is not None and referrer_domain.endswith(_LINK_SCANNERS)
    return [reason for reason, flag in flags.items() if flag]


def _traffic(reasons: list[str]) -> Traffic:
    if "prefetch" in reasons:
        return "prefetch"
    if "crawler_claimed" in reasons or "crawler_verified" in reasons:
        return "crawler"
    if any(reason.startswith("ua_") or reason in _BOT for reason in reasons):
        return "bot"
    return "human" if _SUSPECT.isdisjoint(reasons) else "suspect"


def classify_after_check(reasons: tuple[str, ...], *, verified: bool | None) -> tuple[Traffic, tuple[str, ...]]:
    """Traffic and reasons of a declared crawler's click after its claim was checked by DNS."""
    checked = tuple(_REASON_OF_CHECK[verified] if each == "crawler_claimed" else each for each in reasons)
    return _traffic(list(checked)), checked


def classify_with_reason(reasons: tuple[str, ...], reason: str) -> tuple[Traffic, tuple[str, ...]]:
    """Traffic and reasons of a click after its landing page reported one more reason."""
    all_reasons = reasons if reason in reasons else (*reasons, reason)
    return _traffic(list(all_reasons)), all_reasons


def with_duplicate(found: Classification) -> Classification:
    """Add the reason `duplicate`. It does not change the class of traffic: a person may click twice. A filter can."""
    reasons = (*found.reasons, "duplicate")
    return Classification(traffic=_traffic(list(reasons)), bot=found.bot, verified=found.verified, reasons=reasons)


# Headers that browsers sent before Sec-Purpose, https://wicg.github.io/nav-speculation/prefetch.html
_OLD_PURPOSES: Final = (
    ("purpose", frozenset({"prefetch", "preview"})),
    ("x-purpose", frozenset({"preview", "instant", "prefetch"})),
    ("x-moz", frozenset({"prefetch"})),
)
_PURPOSE_HEADERS: Final = frozenset({"sec-purpose", *(name for name, _ in _OLD_PURPOSES)})


def is_prefetch(headers: Mapping[str, str]) -> bool:
    """Whether a browser fetches the page ahead of a click. A request with an unknown `Sec-Purpose` is a visit."""
    if headers.keys().isdisjoint(_PURPOSE_HEADERS):
        return False
    purpose = headers.get("sec-purpose")
    if purpose is not None and "prefetch" in _tokens(purpose):
        return True
    for name, purposes in _OLD_PURPOSES:
        value = headers.get(name)
        if value is not None and not purposes.isdisjoint(_tokens(value)):
            return True
    return False


def _tokens(value: str) -> list[str]:
    """`prefetch;prerender, x` -> prefetch, x"""
    return [each.partition(";")[0].strip().lower() for each in value.split(",")]
