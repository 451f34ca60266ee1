"""Closed sets of values: what a condition on a country, a language or a weekday may name."""

import re
from typing import Final

from tnc.errors import InvalidError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CONNECTIONS: Final = ("cellular", "broadband", "corporate", "satellite", "dialup", "education")

# ISO 3166-1 alpha-2, assigned codes, and XK, which address data uses for Kosovo.
_COUNTRIES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK
"""
COUNTRIES: Final[frozenset[str]] = frozenset(_COUNTRIES.split())
_MEANT: Final = {"UK": "GB", "EN": "GB", "EL": "GR", "UAE": "AE", "USA": "US"}

_PRIMARY_TAG = re.compile(r"[a-z]{2,3}", re.ASCII)


def read_country(text: str) -> str:
    """`"us"` -> `"US"`. Raises InvalidError for what is no assigned code."""
    code = text.strip().upper()
    if code in COUNTRIES:
        return code
    hint = f"; did you mean {_MEANT[code]}?" if code in _MEANT else ""
    raise InvalidError(f"{text!r} is no country: write an ISO 3166-1 code of two letters like US or DE{hint}")


def read_language(text: str) -> str:
    """`"EN"` -> `"en"`. Raises InvalidError for a tag with a region, and for what is no tag."""
    tag = text.strip().lower()
    if _PRIMARY_TAG.fullmatch(tag):
        return tag
    primary = re.split(r"[-_]", tag)[0]
    hint = f"; write {primary!r}" if _PRIMARY_TAG.fullmatch(primary) else ""
    raise InvalidError(
        f"{text!r} is no language: conditions take the primary tag like en or de, without a region{hint}"
    )
