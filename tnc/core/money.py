"""Money: decimal text to integer micros, and the currencies of ISO 4217."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

from tnc.core.errors import InvalidError

MICROS = 1_000_000
LARGEST = 1_000_000_000  # of any currency; a larger payout or cost is a mistake

# ISO 4217 alphabetic codes without funds, metals and test codes; ANG and BGN, just replaced, are still sent.
_CODES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
    KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR
    MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
    SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX
    USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    ANG BGN
"""
CURRENCIES: frozenset[str] = frozenset(_CODES.split())

# A comma is a decimal separator only before one or two last digits, where it cannot separate thousands.
_AMOUNT = re.compile(r"[0-9]*\.[0-9]+|[0-9]+\.?|[0-9]+,[0-9]{1,2}", re.ASCII)


def read_amount(text: str, name: str) -> int:
    """`"12.5"` -> 12_500_000 micros. InvalidError names the parameter and what to send.

    Plain decimals only: no sign, no currency sign, no exponent, no thousands separator. Rounds half to even.
    """
    if text.startswith("-") and _AMOUNT.fullmatch(text[1:]):
        raise InvalidError(
            f"{name} is negative: take a conversion back with status=rejected,"
            " or correct its payout with `tnc conversion add`"
        )
    if len(text) > 64 or not _AMOUNT.fullmatch(text):
        raise InvalidError(f"{name} is not an amount: send a plain decimal number like 12.5")
    amount = Decimal(text.replace(",", "."))
    if amount > LARGEST:
        raise InvalidError(f"{name} is too large: the largest amount is {LARGEST}")
    return round(amount * MICROS)


# Costs as ad platforms write them: 0.0005, 5.0E-4, 0,0005, with a currency before or behind. Four and more digits after
# a comma, or a 0 before it, cannot be thousands.
_COST: Final = re.compile(r"([0-9]*\.[0-9]+|[0-9]+\.?|[0-9]+,[0-9]{1,2}|0,[0-9]+|[0-9]+,[0-9]{4,})(e[+-]?[0-9]{1,2})?")
_SIGNS: Final = {"$": "USD", "€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₴": "UAH", "₩": "KRW", "zł": "PLN"}
_DOLLARS: Final = frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "ARS", "CLP", "COP"})


def read_cost(text: str, currency: str) -> tuple[int, str]:
    """Micros and currency of a cost that a traffic source sent: `"$5.0E-4"` -> 500, USD. `currency`: if it has none.

    A `$` is a dollar of `currency` if that is one. InvalidError for all that is not unmistakable.
    """
    plain = text.strip()
    if len(plain) <= 64:
        number, own = _split_cost(plain, currency)
        if _COST.fullmatch(number.lower()):
            amount = Decimal(number.replace(",", "."))
            if amount <= LARGEST:
                return round(amount * MICROS), own
    raise InvalidError("cost is not an amount: send a plain decimal number like 0.0125")


def _split_cost(text: str, currency: str) -> tuple[str, str]:
    for sign, code in _SIGNS.items():
        if text.startswith(sign) or text.endswith(sign):
            is_own = sign == "$" and currency in _DOLLARS
            return text.removeprefix(sign).removesuffix(sign).strip(), currency if is_own else code
    for code, rest in ((text[:3].upper(), text[3:]), (text[-3:].upper(), text[:-3])):
        if code in CURRENCIES:
            return rest.strip(), code
    return text, currency


def read_currency(text: str, name: str) -> str:
    """`"usd"` -> `"USD"`. InvalidError for anything but an active code of ISO 4217."""
    code = text.upper()
    if not text.isascii() or code not in CURRENCIES:
        raise InvalidError(f"{name} is not a currency: send an ISO 4217 code like USD or EUR")
    return code


@lru_cache(1024)
def micros(amount: float) -> int:
    """An amount of the configuration in micros, without binary rounding errors."""
    return round(Decimal(str(amount)) * MICROS)
