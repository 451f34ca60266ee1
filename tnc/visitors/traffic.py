"""What kind of traffic a request is, and every reason for it by name. No score, nothing hidden.

Of several kinds the first counts: prefetch, crawler, bot, suspect, human. A VPN, a relay or a company gateway
alone makes nobody suspect: the reason is kept, the visit is a person's.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from tnc.core.models import Traffic
from tnc.visitors.bots import ClaimKind
from tnc.visitors.geo.geo import Place
from tnc.visitors.user_agent import Seen, lacks_headers

# Mail scanners open every link of a mailing from a cloud; people pass through the same addresses.
_LINK_SCANNERS: Final = (
    "safelinks.protection.outlook.com",
    "urldefense.com",
    "urldefense.proofpoint.com",
    "linkprotect.cudasvc.com",
)
CLAIMS: Final[Mapping[ClaimKind, str]] = {"bot": "ua_bot", "client": "ua_client", "automation": "ua_automation"}
_REASON_OF_CHECK: Final = {True: "crawler_verified", False: "crawler_failed", None: "crawler_claimed"}
_SUSPECT: Final = frozenset(
    {
        *("net_datacenter", "net_tor", "net_proxy", "hints_contradict", "headers_missing", "scanner", "freq_ip"),
        *("honeypot", "lander_fast"),
    }
)
_BOT: Final = frozenset({"crawler_failed", "js_webdriver"})


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """`bot` is the name of the bot or crawler; `verified` whether a crawler's claim holds, None when not known."""

    traffic: Traffic = "human"
    bot: str | None = None
    verified: bool | None = None
    reasons: tuple[str, ...] = ()

    @property
    def is_declared(self) -> bool:
        """It says that it is a crawler, whether that holds or not."""
        return self.traffic == "crawler" or self.verified is not None


HUMAN: Final = Verdict()


def judge(
    seen: Seen,
    place: Place,
    headers: Mapping[str, str],
    *,
    ip: str | None,
    user_agent: str,
    secure: bool,
    prefetch: bool,
    surplus: bool,
    referrer_domain: str | None,
) -> Verdict:
    crawler, claim = seen.crawler, seen.claim
    verified = crawler.verified(ip, place.asn) if crawler and ip else None
    reasons = ["prefetch"] if prefetch else []
    if not user_agent:
        reasons.append("ua_empty")
    elif crawler:
        reasons.append(_REASON_OF_CHECK[verified])
    elif claim:
        reasons.append(CLAIMS[claim.kind])
    if place.tor or place.proxy or place.datacenter or place.vpn or place.relay:
        reasons += _of_network(place, referrer_domain)
    if seen.contradicts:
        reasons.append("hints_contradict")
    if secure and seen.hinting and lacks_headers(headers):
        reasons.append("headers_missing")
    if surplus:
        reasons.append("freq_ip")
    if not reasons:
        return HUMAN
    name = crawler.name if crawler else claim.name if claim and user_agent else None
    return Verdict(traffic=_kind(reasons), bot=name, verified=verified, reasons=tuple(reasons))


def _of_network(place: Place, referrer_domain: str | None) -> list[str]:
    flags = {"net_tor": place.tor, "net_proxy": place.proxy, "net_datacenter": place.datacenter}
    flags |= {"net_vpn": place.vpn, "net_relay": place.relay}
    flags["scanner"] = place.datacenter and referrer_domain is not None and referrer_domain.endswith(_LINK_SCANNERS)
    return [reason for reason, flag in flags.items() if flag]


def _kind(reasons: list[str]) -> Traffic:
    if "prefetch" in reasons:
        return "prefetch"
    if "crawler_claimed" in reasons or "crawler_verified" in reasons:
        return "crawler"
    if any(reason.startswith("ua_") or reason in _BOT for reason in reasons):
        return "bot"
    return "human" if _SUSPECT.isdisjoint(reasons) else "suspect"


def after_check(reasons: tuple[str, ...], *, verified: bool | None) -> tuple[Traffic, tuple[str, ...]]:
    """The label of a declared crawler's click once its claim was checked. Where it went stays as it was."""
    checked = tuple(_REASON_OF_CHECK[verified] if each == "crawler_claimed" else each for each in reasons)
    return _kind(list(checked)), checked


def with_sign(reasons: tuple[str, ...], sign: str) -> tuple[Traffic, tuple[str, ...]]:
    """The label of a click of which its page saw something more."""
    signed = reasons if sign in reasons else (*reasons, sign)
    return _kind(list(signed)), signed


def with_duplicate(verdict: Verdict) -> Verdict:
    """The verdict on a click that came twice within a moment: still a person's, who may be impatient. A filter can
    take the reason for more.
    """
    reasons = (*verdict.reasons, "duplicate")
    return Verdict(traffic=_kind(list(reasons)), bot=verdict.bot, verified=verdict.verified, reasons=reasons)


# https://wicg.github.io/nav-speculation/prefetch.html; the others are what browsers sent before it.
_OLD_FORMS: Final = (
    ("purpose", frozenset({"prefetch", "preview"})),
    ("x-purpose", frozenset({"preview", "instant", "prefetch"})),
    ("x-moz", frozenset({"prefetch"})),
)


_PURPOSES: Final = frozenset({"sec-purpose", *(name for name, _ in _OLD_FORMS)})


def is_prefetch(headers: Mapping[str, str]) -> bool:
    """Whether the request is ahead of a click. An unknown `Sec-Purpose` is a visit like any other."""
    if headers.keys().isdisjoint(_PURPOSES):
        return False
    purpose = headers.get("sec-purpose")
    if purpose is not None and "prefetch" in _tokens(purpose):
        return True
    for name, words in _OLD_FORMS:
        value = headers.get(name)
        if value is not None and not words.isdisjoint(_tokens(value)):
            return True
    return False


def _tokens(value: str) -> list[str]:
    """`prefetch;prerender, x` as its words without parameters."""
    return [each.partition(";")[0].strip().lower() for each in value.split(",")]
