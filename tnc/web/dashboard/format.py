"""How values read on a page: numbers, money, times, and how one changed against another."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

NOTHING: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
UNKNOWN: Final = "unknown"


def number(value: float | None) -> str:
    """`1,234`"""
    return NOTHING if value is None else f"{value:,.0f}"


def amount(value: float | None) -> str:
    """Money without its currency: two digits, four where less would read as nothing."""
    if value is None:
        return NOTHING
    digits = 4 if 0 < abs(value) < 0.1 else 2
    return f"{value:,.{digits}f}".replace("-", MINUS)


def percent(ratio: float | None) -> str:
    """`0.1234` as `12.3 %`"""
    return NOTHING if ratio is None else f"{ratio * 100:,.1f} %".replace("-", MINUS)


def share(weight: int, total: int) -> str:
    """`30 %` of a hundred; without a total nobody gets anything."""
    return f"{100 * weight / total:.4g} %" if total else "0 %"


def moment(time_ms: int) -> str:
    """`23 Nov 2026, 14:05:06` in UTC"""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%-d %b %Y, %H:%M:%S}"


def machine_time(time_ms: int) -> str:
    """For the `datetime` attribute."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def duration(seconds: int) -> str:
    """The one unit that people would use: `40 seconds`, `3 minutes`, `5 hours`, `12 days`."""
    size, unit = next(
        (size, unit) for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
        if seconds >= size or size == 1
    )  # fmt: skip
    count = max(seconds, 0) // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def ago(time_ms: int, now_ms: int) -> str:
    """How long ago; a clock that was set back makes no visit of the future."""
    seconds = (now_ms - time_ms) // 1000
    return f"{duration(seconds)} ago" if seconds > 0 else "just now"


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure moved: a direction, and the sentence that says the same."""

    direction: Literal["up", "down", "same"]
    short: str
    sentence: str


def change(now: float | None, before: float | None, *, money: bool) -> Change | None:
    """None when one of both is unknown. A share of nothing is not told."""
    if now is None or before is None:
        return None
    show = amount if money else number
    difference = now - before
    if not difference:
        return Change("same", "±0", f"the same as {show(before)} before")
    relative = f" ({percent(abs(difference) / abs(before))})" if before else ""
    word, sign = ("more", "+") if difference > 0 else ("less", MINUS)
    size = show(abs(difference))
    return Change(
        "up" if difference > 0 else "down", f"{sign}{size}{relative}", f"{size} {word} than {show(before)} before"
    )


def sentence(text: object) -> str:
    """A refusal as a sentence of a page: it may have been written to follow `Error:`."""
    told = str(text)
    return told[:1].upper() + told[1:]


def label(name: str) -> str:
    """`referrer_domain` as people read it: `Referrer domain`. A few names are abbreviations."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()


_LABELS: Final = {
    "ip": "Address",
    "asn": "ASN",
    "isp": "Network name",
    "os": "OS",
    "os_version": "OS version",
    "vpn": "VPN",
    "gpc": "Global Privacy Control",
    "url": "Asked address",
    "epv": "EPV",
    "epc": "EPC",
    "cpv": "CPV",
    "cpa": "CPA",
    "cr": "CR",
    "roi": "ROI",
    "lander_ctr": "Lander CTR",
    "unique_campaign": "First visit here",
    "unique_workspace": "First visit anywhere",
    "config_version": "Configuration version",
}


def value(raw: object) -> str:
    """A fact as text, whatever its kind; unknown is a word, never an empty cell."""
    match raw:
        case None | "":
            return UNKNOWN
        case bool():
            return "yes" if raw else "no"
        case list() | tuple():
            return ", ".join(map(value, raw)) or NOTHING
        case dict():
            return "  ".join(f"{name}={each}" for name, each in raw.items()) or NOTHING
        case _:
            return str(raw)
