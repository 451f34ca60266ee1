"""Names of macros: ours, and those of Keitaro, Binom and Voluum, so that their URLs work unchanged."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from tnc.core.errors import InvalidError
from tnc.core.models import STATUSES, SUBS

# What each stands for. `macro_values.py` reads the values.
MACROS: Final[Mapping[str, str]] = {
    "click_id": "our id of the click",
    "external_id": "the click id of the traffic source",
    "campaign": "id of the campaign",
    "campaign_name": "its name",
    "source": "id of the traffic source",
    "source_name": "its name",
    "flow": "id of the flow that matched",
    "lander": "id of the lander",
    "lander_name": "its name",
    "offer": "id of the offer",
    "offer_name": "its name",
    "network": "id of the affiliate network",
    "network_name": "its name",
    "workspace": "id of the workspace",
    "domain": "host name that was clicked",
    "country": "ISO 3166-1 code",
    "region": "region",
    "city": "city",
    "isp": "name of the visitor's network",
    "asn": "its number",
    "connection": "kind of connection",
    "ip": "address of the visitor, as far as the processing mode keeps it",
    "device": "kind of device",
    "brand": "its maker",
    "model": "its model",
    "os": "operating system",
    "os_version": "its version",
    "browser": "browser",
    "browser_version": "its version",
    "language": "primary language",
    "user_agent": "user agent, as far as the processing mode keeps it",
    "referrer": "page the visitor came from",
    "referrer_domain": "host of that page",
    "cost": "cost of the click",
    "payout": "payout of the conversion",
    "currency": "currency of the conversion's payout, else of the click's cost",
    "status": "lead, sale or rejected; {status:lead=0 sale=1} writes other texts",
    "event": "event of the conversion",
    "txid": "transaction id of the conversion",
    "conversion_id": "our id of the conversion",
    "timestamp": "moment of the click, in seconds since 1970",
    "conversion_timestamp": "moment of the conversion, in seconds since 1970",
    "date": "day of the click in UTC, like 2026-11-23",
    "random": "a number that stays the same for the click",
    **dict.fromkeys(SUBS, "free parameter"),
}

# Macros of other trackers in offer, lander and postback URLs, for which tnc has a value.
ALIASES: Final[Mapping[str, str]] = {
    # Keitaro
    "subid": "click_id",
    "campaign_id": "campaign",
    "ts_id": "source",
    "traffic_source_name": "source_name",
    "offer_id": "offer",
    "landing_id": "lander",
    "current_domain": "domain",
    "connection_type": "connection",
    "device_type": "device",
    "device_model": "model",
    "operator": "isp",
    "region:en": "region",  # a language after the colon; the names of tnc are English
    "operator:en": "isp",
    "connection_type:en": "connection",
    "device_type:en": "device",
    "keyword:utf-8": "param.keyword",
    "revenue": "payout",
    "tid": "txid",
    "keyword": "param.keyword",
    "creative_id": "param.creative_id",
    "ad_campaign_id": "param.ad_campaign_id",
    **{f"sub_id_{n}": f"sub{n}" for n in range(1, 21)},
    # Binom
    "clickid": "click_id",
    "uclick": "click_id",
    "externalid": "external_id",
    "campaign_key": "campaign",
    "campaign_domain": "domain",
    "traffic_source_id": "source",
    "landing_name": "lander_name",
    "path_name": "flow",
    "rule_name": "flow",
    "affiliate_network_id": "network",
    "affiliate_network_name": "network_name",
    "country_code": "country",
    "state": "region",
    "device_brand": "brand",
    "device_name": "model",
    "os_name": "os",
    "browser_name": "browser",
    "referer": "referrer",
    "ref_domain": "referrer_domain",
    "clickcost": "cost",
    "unixtime": "timestamp",
    "unixconversiontime": "conversion_timestamp",
    **{f"t{n}": f"sub{n}" for n in range(1, 21)},
    # Voluum
    "campaign.id": "campaign",
    "campaign.name": "campaign_name",
    "trafficsource.id": "source",
    "trafficsource.name": "source_name",
    "offer.id": "offer",
    "offer.name": "offer_name",
    "lander.id": "lander",
    "lander.name": "lander_name",
    "affiliatenetwork.id": "network",
    "affiliatenetwork.name": "network_name",
    "workspace.id": "workspace",
    "workspace.name": "workspace",
    "trackingdomain": "domain",
    "connection.type": "connection",
    "carrier": "isp",
    "osversion": "os_version",
    "browserversion": "browser_version",
    "useragent": "user_agent",
    "referrerdomain": "referrer_domain",
    "transaction.id": "txid",
    "conversion.type": "event",
    **{f"var{n}": f"sub{n}" for n in range(1, 11)},
}

# Braces around a name. Other braces are text, as in a JSON body.
MACRO: Final = re.compile(r"\{([A-Za-z_$][^{}\"'\s/?#&]*(?:[ ,][a-z]+=[^{}\s,]*)*)\}")


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro of a template: its canonical name, and how its value is written."""

    name: str
    raw: bool = False
    mapping: Mapping[str, str] | None = None  # `{status:lead=0 sale=1}`

    def mapped(self, value: str) -> str:
        return value if self.mapping is None else self.mapping.get(value, value)


ValueOf = Callable[[str], str | None]
Part = str | Macro


def read_macro(text: str) -> Macro:
    """Parses what is between the braces. Raises InvalidError for an unknown name, with the most similar one."""
    if text.startswith("raw:"):
        return Macro(_canonical(text[4:], text), raw=True)
    if text.endswith(":raw"):  # Voluum
        return Macro(_canonical(text[:-4], text), raw=True)
    if text.startswith("_"):  # Keitaro
        return Macro(_canonical(text[1:], text), raw=True)
    name, colon, argument = text.partition(":")
    if name == "status" and colon:
        return Macro("status", mapping=_status_mapping(argument, text))
    if name == "var" and argument:  # Voluum
        return Macro(f"param.{argument}")
    return Macro(_canonical(text, text))


def read_template(text: str) -> tuple[Part, ...]:
    """Splits a template into texts and macros. Raises InvalidError for an unknown macro."""
    parts: list[Part] = []
    end = 0
    for found in MACRO.finditer(text):
        parts += [text[end : found.start()], read_macro(found[1])]
        end = found.end()
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def _canonical(name: str, written: str) -> str:
    name = ALIASES.get(name, name)
    if name in MACROS or (name.startswith("param.") and name != "param."):
        return name
    near = difflib.get_close_matches(name, (*MACROS, *ALIASES), n=1, cutoff=0.5)
    hint = f"did you mean {{{near[0]}}}?" if near else "see docs/rules.md for all of them"
    raise InvalidError(f"there is no macro {{{written}}}; {hint}")


def _status_mapping(argument: str, written: str) -> Mapping[str, str]:
    mapping = {}
    for pair in re.split(r"[ ,]+", argument.strip()):
        ours, equals, theirs = pair.partition("=")
        if not equals or ours not in STATUSES:
            raise InvalidError(f"{{{written}}}: write {{status:lead=0 sale=1 rejected=2}} with these three statuses")
        mapping[ours] = theirs
    return mapping


# What is left in a URL when an ad platform did not fill it in: {{ad.id}}, {clickid}, ${SUBID}, %%CLICK_ID%%,
# __CLICKID__, and only as the whole value [clickid], <id>, #s2#, @@id@@ and %ID%.
_NAME = r"[A-Za-z_$:][\w.:$-]*"
_UNEXPANDED: Final = re.compile(
    rf"\{{\{{[^{{}}]+\}}\}}|\$?\{{{_NAME}\}}|%%{_NAME}%%|__[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*__"
    rf"|\A\[+{_NAME}\]+\Z|\A<{_NAME}>\Z|\A(#|##|@@|%){_NAME}\1\Z",
    re.ASCII,
)
_GUID: Final = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}", re.ASCII)
_SIGNS: Final = ("{", "%", "__", "[", "<", "#", "@@")


def is_unexpanded(value: str) -> bool:
    """Whether the value is, or holds, a macro that an ad platform did not fill in; braces may be percent-encoded."""
    if value.isalnum() or not any(sign in value for sign in _SIGNS):
        return False
    plain = unquote(value) if "%" in value else value
    return any(_UNEXPANDED.search(text) for text in {value, plain} if not _GUID.fullmatch(text))
