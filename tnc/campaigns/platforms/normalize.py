"""E-mail addresses, phone numbers and names in the form that each platform hashes, so that equal persons hash alike.

The platforms' forms differ, and so do a platform's own libraries; then its documentation decides. A value that is not
clearly what it should be becomes None and is not sent: a wrong hash matches nothing.
"""

import re
import unicodedata
from collections.abc import Callable
from hashlib import sha256
from typing import Final

_UNITED_STATES: Final = """
    AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware,
    DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa,
    KS Kansas, KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota,
    MS Mississippi, MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey,
    NM New Mexico, NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon,
    PA Pennsylvania, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah,
    VT Vermont, VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming
"""
_CANADA: Final = """
    AB Alberta, BC British Columbia, MB Manitoba, NB New Brunswick, NL Newfoundland and Labrador,
    NS Nova Scotia, NT Northwest Territories, NU Nunavut, ON Ontario, PE Prince Edward Island, QC Quebec,
    SK Saskatchewan, YT Yukon
"""


def _by_name(table: str) -> dict[str, str]:
    pairs = (each.strip().split(" ", 1) for each in table.split(","))
    return {spelling.lower(): code for code, name in pairs for spelling in (code, name)}


_BY_NAME: Final = {"US": _by_name(_UNITED_STATES), "CA": _by_name(_CANADA)}


def state_code(country: str | None, region: str | None) -> str | None:
    """`("US", "California")`, `("US", "CA")` or `("US", "US-CA")` -> `CA`; None for other countries and other names."""
    if country is None or region is None:
        return None
    return _BY_NAME.get(country, {}).get(region.strip().removeprefix(f"{country}-").lower())


Normalizer = Callable[[str, str | None], str | None]
"""(value, country of the visitor) -> the text that is hashed, or None."""

_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_GMAIL: Final = ("gmail.com", "googlemail.com")


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def email(text: str, _country: str | None = None) -> str | None:
    """Meta, TikTok and Snapchat: trimmed and lower case; dots and +tags stay."""
    plain = text.strip().lower()
    return plain if _EMAIL.fullmatch(plain) else None


def google_email(text: str, country: str | None = None) -> str | None:
    """Google also drops the dots before the @ of its own addresses."""
    if (plain := email(text, country)) is None:
        return None
    name, _, host = plain.rpartition("@")
    return f"{name.replace('.', '')}@{host}" if host in _GMAIL else plain


def phone(text: str, _country: str | None = None) -> str | None:
    """Meta and Snapchat: digits with the country code. None for a number without one: no + or 00 in front."""
    plain = text.strip()
    digits = "".join(each for each in plain if each in "0123456789").lstrip("0")
    return digits if plain.startswith(("+", "00")) and 7 <= len(digits) <= 15 else None


def e164(text: str, country: str | None = None) -> str | None:
    """TikTok and Google: the same with a + in front."""
    digits = phone(text, country)
    return None if digits is None else f"+{digits}"


def name(text: str, _country: str | None = None) -> str | None:
    """Meta and Snapchat: lower-case letters and digits of any script, no punctuation or spaces: `obrien`."""
    plain = "".join(
        each for each in unicodedata.normalize("NFC", text.lower()) if unicodedata.category(each)[0] in "LMN"
    )
    return plain or None


def plain_name(text: str, _country: str | None = None) -> str | None:
    """TikTok: trimmed and lower case."""
    return text.strip().lower() or None


def state(text: str, country: str | None = None) -> str | None:
    """Meta and Snapchat: the two-letter code in the United States and Canada, else the name like a city's."""
    code = state_code(country, text)
    return name(text) if code is None else code.lower()


def postcode(text: str, country: str | None = None) -> str | None:
    """Meta and Snapchat: lower case without spaces and dashes; in the United States the first five digits."""
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    return (plain[:5] if country == "US" else plain) or None


def gender(text: str, _country: str | None = None) -> str | None:
    first = text.strip().lower()[:1]
    return first if first in ("f", "m") else None


def birthday(text: str, _country: str | None = None) -> str | None:
    digits = re.sub(r"[-./ ]", "", text)
    return digits if re.fullmatch(r"(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", digits) else None


def country_code(text: str) -> str | None:
    """Meta and Snapchat: ISO 3166-1 alpha-2, lower case."""
    plain = text.strip().lower()
    return plain if re.fullmatch(r"[a-z]{2}", plain) else None
