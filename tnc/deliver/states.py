"""States and provinces of the two countries that ad platforms want by code, by their names."""

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
    """`US`, `California` or `CA` or `US-CA` -> `CA`; None for other countries and for names that are none."""
    if country is None or region is None:
        return None
    return _BY_NAME.get(country, {}).get(region.strip().removeprefix(f"{country}-").lower())
