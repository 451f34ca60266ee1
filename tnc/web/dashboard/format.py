"""How values are shown on a page: numbers, money, times, changes, names of fields and states."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from tnc.rules import FILTER_REASON

NOTHING: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
UNKNOWN: Final = "unknown"
NONE: Final = "none"


def number(value: float | None) -> str:
    """`1,234`"""
    return NOTHING if value is None else f"{value:,.0f}"


def amount(value: float | None) -> str:
    """Money without its currency: two digits, four where two would round it to nothing."""
    if value is None:
        return NOTHING
    digits = 4 if 0 < abs(value) < 0.1 else 2
    return f"{value:,.{digits}f}".replace("-", MINUS)


def percent(ratio: float | None) -> str:
    """`0.1234` as `12.3 %`"""
    return NOTHING if ratio is None else f"{ratio * 100:,.1f} %".replace("-", MINUS)


def share(weight: int, total: int) -> str:
    """`30 %` of a hundred."""
    return f"{100 * weight / total:.4g} %" if total else "0 %"


def moment(time_ms: int) -> str:
    """`23 Nov 2026, 14:05:06` in UTC"""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%-d %b %Y, %H:%M:%S}"


def machine_time(time_ms: int) -> str:
    """For the `datetime` attribute."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def duration(seconds: int) -> str:
    """In the largest unit that fits: `40 seconds`, `3 minutes`, `5 hours`, `12 days`."""
    size, unit = next(
        (size, unit) for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
        if seconds >= size or size == 1
    )  # fmt: skip
    count = max(seconds, 0) // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def ago(time_ms: int, now_ms: int) -> str:
    """`3 minutes ago`; a time ahead of the clock is `just now`."""
    seconds = (now_ms - time_ms) // 1000
    return f"{duration(seconds)} ago" if seconds > 0 else "just now"


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure changed: a direction, and the same as a sentence."""

    direction: Literal["up", "down", "same"]
    short: str
    sentence: str


def change(now: float | None, before: float | None, *, money: bool) -> Change | None:
    """None when one of them is unknown. A change from 0 has no percentage."""
    if now is None or before is None:
        return None
    show = amount if money else number
    difference = now - before
    if not difference:
        return Change("same", "±0", f"the same as {show(before)} before")
    word, sign = ("more", "+") if difference > 0 else ("less", MINUS)
    relative = f" ({sign}{percent(abs(difference) / abs(before))})" if before else ""
    size = show(abs(difference))
    return Change(
        "up" if difference > 0 else "down", f"{sign}{size}{relative}", f"{size} {word} than {show(before)} before"
    )


def sentence(text: object) -> str:
    """An error message as a sentence of a page: it may have been written to follow `Error:`."""
    plain = str(text)
    return plain[:1].upper() + plain[1:]


def label(name: str) -> str:
    """`referrer_domain` as `Referrer domain`."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()


_LABELS: Final = {
    # facts of a click and dimensions of reports
    "ip": "IP address",
    "asn": "ASN",
    "isp": "ISP",
    "os": "OS",
    "os_version": "OS version",
    "vpn": "VPN",
    "gpc": "Global Privacy Control",
    "datacenter": "Data-centre IP",
    "traffic": "Traffic class",
    "url": "URL",
    "external_id": "Source's click id",
    "unique_campaign": "First visit to the campaign",
    "unique_workspace": "First visit at all",
    "config_version": "Configuration version",
    # figures
    "unique_visits": "Unique",
    "lander_ctr": "Lander CTR",
    "epv": "EPV",
    "epc": "EPC",
    "cpv": "CPV",
    "cpa": "CPA",
    "cr": "CR",
    "roi": "ROI",
    # settings of destinations
    "access_token": "Access token",
    "api_version": "API version",
    "base_url": "Base URL",
    "client_id": "Client ID",
    "on": "Sent on",
    "share": "Share of the payout",
    "consent": "Consent",
    "first": "First only",
    "token_url": "Token URL",
}

_WORDS: Final[Mapping[str, str]] = {
    "page": "privacy page",
    "email": "e-mail",
    "unmapped": "unknown status",
    "monitor": "log only",
    "awaiting_downstream": "awaiting receivers",
    "confirmed": "documented by the vendor",
    "corroborated": "two sources agree",
    "reported": "one public source",
    "memory": "unverified",
}


def word(state: str) -> str:
    """A state, a result or a kind as people write it: `needs_identity` as `needs identity`."""
    return _WORDS.get(state) or state.replace("_", " ").replace("-", " ")


_REASONS: Final[Mapping[str, str]] = {
    "prefetch": "fetched ahead by the browser",
    "crawler_claimed": "declared crawler, not verified",
    "crawler_verified": "declared crawler, verified",
    "crawler_failed": "false crawler",
    "ua_empty": "no user agent",
    "ua_client": "HTTP client",
    "ua_automation": "automated browser",
    "ua_bot": "known bot",
    "net_datacenter": "data-centre IP",
    "net_tor": "Tor exit",
    "net_proxy": "proxy",
    "net_vpn": "VPN",
    "net_relay": "private relay",
    "hints_contradict": "headers contradict the user agent",
    "headers_missing": "missing browser headers",
    "scanner": "mail scanner",
    "freq_ip": "too many visits from the IP address",
    "duplicate": "duplicate visit",
    "honeypot": "followed a hidden link",
    "js_webdriver": "automated browser (script check)",
    "lander_fast": "left the lander too fast",
    "macro_unexpanded": "macro not filled in",
    "unread": "request could not be read",
}


def reason(code: str) -> str:
    """Why a visit is no ordinary one: `net_datacenter` as `data-centre IP`. docs/visitors.md explains each code."""
    if code.startswith(FILTER_REASON):
        return f"filter: {label(code.removeprefix(FILTER_REASON))}"
    return _REASONS.get(code) or word(code)


def value(raw: object, nothing: str = UNKNOWN) -> str:
    """A fact as text, whatever its kind; `nothing` stands for what is missing."""
    match raw:
        case None | "":
            return nothing
        case bool():
            return "yes" if raw else "no"
        case list() | tuple():
            return ", ".join(map(value, raw)) or NONE
        case dict():
            return "  ".join(f"{name}={each}" for name, each in raw.items()) or NONE
        case _:
            return str(raw)
