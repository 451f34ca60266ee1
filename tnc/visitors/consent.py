"""Consent and opt-out signals of a request, and the mode in which the visit may be processed.

A signal that cannot be read is no consent, and never an error. If signals differ, the denial counts.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final, NamedTuple

from tnc.core.models import Consent, Mode

# Browsers refuse the __Host- prefix on plain HTTP, and an opt-out must work there too.
OPT_OUT_COOKIES: Final = ("__Host-tnc_out", "tnc_out")
CONSENT_COOKIES: Final = ("__Host-tnc_no", "tnc_no")  # consent was withdrawn

# The EEA with its outermost regions and Åland, the United Kingdom, Switzerland.
CONSENT_COUNTRIES: Final = frozenset(
    {
        "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU",
        "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO", "GB", "CH",
        "AX", "GF", "GP", "MF", "MQ", "RE", "YT",
    }
)  # fmt: skip

_TCF_PURPOSES_AT: Final = 152  # bit of purpose 1 in the core of a TC string, version 2
_STORE_ON_DEVICE: Final = 1
_MEASURE_ADVERTISING: Final = 7
_GPP_TCF_EU: Final = 2
_GPP_USP: Final = 6
# GPP sections of the United States: the bits where their "opted out of sale, sharing, targeted advertising"
# begin, two bits each, 1 = opted out. https://github.com/InteractiveAdvertisingBureau/Global-Privacy-Platform
_GPP_OPT_OUTS: Final = {
    7: (18, 20, 22),
    8: (12, 14),
    9: (12, 14),
    10: (12, 14),
    11: (14, 16),
    12: (12, 14),
}


class ConsentSignals(NamedTuple):
    """`opt_out`: against sale and sharing, by GPC or the GPP section of a US state. `gdpr`: the parameter `gdpr=1`."""

    consent: Consent = "unknown"
    gpc: bool = False
    opt_out: bool = False
    gdpr: bool = False


NO_SIGNALS: Final = ConsentSignals()
_PARAMETERS: Final = frozenset({"tnc_consent", "gdpr", "gdpr_consent", "gpp", "gpp_sid"})


def read_signals(params: Mapping[str, str], headers: Mapping[str, str]) -> ConsentSignals:
    """A TCF string grants consent if it consents to purposes 1 (store on the device) and 7 (measure advertising)."""
    # https://w3c.github.io/gpc/: only the value 1 is a signal.
    gpc = headers.get("sec-gpc") == "1"
    if _PARAMETERS.isdisjoint(params):
        return ConsentSignals(gpc=True, opt_out=True) if gpc else NO_SIGNALS
    consents: list[Consent] = [_tnc_consent(params.get("tnc_consent"))]
    applies = params.get("gdpr")
    if applies != "0":
        consents.append(_tcf(params.get("gdpr_consent", "")))
    european, opted_out = _gpp(params.get("gpp", ""), params.get("gpp_sid", ""))
    consents.append(european)
    if opted_out:
        consents.append("denied")
    return ConsentSignals(_combine(consents), gpc, opt_out=gpc or opted_out, gdpr=applies == "1")


def choose_mode(
    country: str | None,
    signals: ConsentSignals,
    *,
    opted_out: bool,
    default: Mode = "full",
) -> Mode:
    """How the visit may be processed. The visitor is sent to the same page in every mode.

    `default` is the owner's choice for countries that require no consent. A denial is respected in every country.
    """
    if opted_out:
        return "none"
    if signals.consent == "granted":
        return "full"
    if country is None or country in CONSENT_COUNTRIES or signals.gdpr:
        return "cookieless"
    if signals.opt_out:
        return "cookieless" if default == "cookieless" else "limited"
    return "cookieless" if signals.consent == "denied" else default


def has_opted_out(cookies: Mapping[str, str]) -> bool:
    return any(cookies.get(name) == "1" for name in OPT_OUT_COOKIES)


def has_withdrawn(cookies: Mapping[str, str]) -> bool:
    return any(cookies.get(name) == "1" for name in CONSENT_COOKIES)


def _combine(consents: list[Consent]) -> Consent:
    if "denied" in consents:
        return "denied"
    return "granted" if "granted" in consents else "unknown"


def _tnc_consent(text: str | None) -> Consent:
    match text:
        case "granted" | "denied":
            return text
        case _:
            return "unknown"


class _Bits:
    """The bits of base64url text. Reading past the end raises IndexError."""

    def __init__(self, text: str) -> None:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        self._length = len(raw) * 8
        self._bits = int.from_bytes(raw, "big")

    def number(self, at: int, width: int) -> int:
        if at + width > self._length:
            raise IndexError(at)
        return (self._bits >> (self._length - at - width)) & ((1 << width) - 1)


_UNREADABLE: Final = (ValueError, IndexError, binascii.Error)


def _bits(text: str) -> _Bits:
    """Some GPP strings are cut instead of padded: text of any length is read up to its last full byte."""
    spare = len(text) % 4 == 1
    return _Bits(text + "A" if spare else text)


def _tcf(text: str) -> Consent:
    if not text.startswith("C"):
        return "unknown"
    try:
        core = _bits(text.partition(".")[0])
        if core.number(0, 6) != 2:
            return "unknown"
        core.number(_TCF_PURPOSES_AT, 24)
        purposes = (_STORE_ON_DEVICE, _MEASURE_ADVERTISING)
        granted = all(core.number(_TCF_PURPOSES_AT + purpose - 1, 1) for purpose in purposes)
    except _UNREADABLE:
        return "unknown"
    return "granted" if granted else "denied"


def _gpp(text: str, applicable: str) -> tuple[Consent, bool]:
    """The consent in the European section, and whether a US section is an opt-out."""
    if not text.startswith("D"):
        return "unknown", False
    header, *sections = text.split("~")
    try:
        bits = _bits(header)
        if bits.number(0, 6) != 3:
            return "unknown", False
        by_id = dict(zip(_gpp_sections(bits), sections, strict=True))
    except _UNREADABLE:
        return "unknown", False
    chosen = {int(each) for each in applicable.replace("_", ",").split(",") if each.strip().isdecimal()}
    if chosen:
        by_id = {section: content for section, content in by_id.items() if section in chosen}
    european = _tcf(by_id.get(_GPP_TCF_EU, ""))
    return european, any(_is_opt_out(section, content) for section, content in by_id.items())


def _gpp_sections(bits: _Bits) -> list[int]:
    """The section ids of a GPP header. Each is a Fibonacci-coded step from the one before, or a range."""
    found: list[int] = []
    at, last = 24, 0
    for _ in range(bits.number(12, 12)):
        is_range = bits.number(at, 1)
        step, at = _fibonacci(bits, at + 1)
        first = last = last + step
        if is_range:
            step, at = _fibonacci(bits, at)
            last = first + step
        if last - first > 64 or len(found) > 64:
            raise ValueError("more sections than GPP has")
        found.extend(range(first, last + 1))
    return found


def _fibonacci(bits: _Bits, at: int) -> tuple[int, int]:
    """A Fibonacci-coded number, which ends with two ones, and the position behind it."""
    total, low, high, before = 0, 1, 2, 0
    while True:
        bit = bits.number(at, 1)
        at += 1
        if bit and before:
            return total, at
        total += low if bit else 0
        low, high, before = high, low + high, bit


def _is_opt_out(section: int, content: str) -> bool:
    if section == _GPP_USP:
        return len(content) == 4 and content[0] == "1" and content[2] in "Yy"
    try:
        bits = _bits(content.partition(".")[0])
        return any(bits.number(at, 2) == 1 for at in _GPP_OPT_OUTS.get(section, ()))
    except _UNREADABLE:
        return False
