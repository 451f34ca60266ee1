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

_MISSPELT: Final = 0.85  # similarity: `clik_id` is 0.93, `id` 0.8, `name` 0.73

# Braces around a name; other braces are text, as in a JSON body.
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


def is_like_macro(text: str) -> bool:
    """Whether `{text}` is one of our macros, or so close to one that it is probably misspelt."""
    try:
        read_macro(text)
    except InvalidError:
        return bool(difflib.get_close_matches(text, (*MACROS, *ALIASES), n=1, cutoff=_MISSPELT))
    return True


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


# The delimiters of ad platforms: {{ad.id}}, {clickid}, ${SUBID}, {$click_id}, {:cost}, %%CLICK_ID%%, __CLICKID__,
# [clickid], [[[subid]]], <id>, #s2#, ##COST##, @@id@@ and %ID%.
_NAME: Final = r"([A-Za-z_$:][\w.:$ -]*)"
_MACRO_OF_PLATFORM: Final = re.compile(
    rf"\{{\{{{_NAME}\}}\}}|\$?\{{{_NAME}\}}|%%{_NAME}%%|__{_NAME}__|\[+{_NAME}\]+|<{_NAME}>"
    rf"|##?{_NAME}##?|@@{_NAME}@@|%{_NAME}%",
    re.ASCII,
)
_EMBEDDED: Final = re.compile(rf"\{{\{{{_NAME}\}}\}}", re.ASCII)
_SIGNS: Final = ("{", "%", "__", "[", "<", "#", "@@")

# Their names, in lower case and without signs: those of the template catalogue (a test compares) and a few more.
_PLATFORM_NAMES: Final = frozenset(
    re.findall(
        r"\w+",
        """
        accid accountid aclid actionid actionstatus actiontype adaccountid adcampaignid adcopyname adext
        adformat adgroup adgroupid adgroupname adid adidv2 adname adsetid adsetname adsize adspotid adtitle
        adtype advertiserid advprice advtargets affclickid affid affiliateamount affiliateearnings affiliateid
        affrev affsub affsub1 affsub5 affvalue afp1 age agegroup aid aidname am amount amountaffiliate
        amountcommission androidid appid assetgroupid assetid auctionid auctionprice banid banname banner
        bannercreativeid bannerid bannername bbg bid bidcpm bidmatchtype bidprice bidvalue billingstatus blockid
        boostid browser browserfamily browserversion bvadname bvcategory bvclickid bvkeyword bvsrcid cachebuster
        callbackparam camp campaign campaignid campaignitemid campaignname campaignnamelat campid car carrier
        cash categories category categoryid categoryname cc cid cidname city clickid clickprice clicktag clkid
        cohort comissaoafiliado commission commissionamount connection connectiontype contentid conversion
        conversionid conversionstracking conversiontype convid convstatus convtype cost costcpc cou country
        countrycode countryisocode cpc cpm cpv cpvprice creative creativeheadline creativeid creativename
        creativityid ctoken cur currency currencycode custom1 data1 daysubs destinationprogramid
        destinationprogramname device deviceid devicename devicetype division domain domainid dynamicbid
        dynamiccmp dynamicimg dynamicpub dynamics2s dynamicsite dynamiczne event eventid eventname events1
        eventtype exchange extclickid externalid fbclid feed feedid feedsourceid flightid flightname format
        formfactorid gaid gbid gclid gender geo getsubid goal goalid goalname goaltracking goalvalue hitdata2
        host id idfa idoffer idsubs impid impressionid iosidfa ip isp keyword keywords kimiaid kw landing lang
        language layer leadid leadprice location locphysicalms logid match matchtype media mlsub1 mobilebrand
        modelprice money msclkid network nodeid oadest obclickid offer offercurrency offerid offername offid oid
        operator orderid orderitemid orderstatus orientation os ostype osversion p1 pagecatid paid password
        payment paymentstatus paymentsum payout payoutamount pbid phraseid pixelid pla placement placementid
        platform playerid pntype price pricemodel pricingmodel productcodename productid productname profit
        pubid publisher publisherid publishername quality query querystring random rate rdtcid receiptid ref
        refdomain referer region regionname retargetingid revenue revenueamount reward s s1 s2 s2stoken s3 s4 s5
        s6 saleamount sccid searchphrase searchreferrerdomain sectionid sectionname sicb sid sid1 sid5 site
        sitehost siteid sitename sitesourcename source sourceid sourcename sourcesubid sourcetype spent spotid
        spotname srchostname stage status statuslead statuspagamento stream sub1 sub2 sub3 sub4 sub5 sub6 sub8
        subacc subage subid subid1 subid2 sublistid subscriptionage subsourceid sum summapproved supplyid target
        targetbid targetid tdscid teaserid templateid thumbnail tid timestamp title tracking trackingid
        trafficflowid trafficgroup traffictype transacao transactionid transactiontype transid ttclid txnid type
        ua uid userage useragent userid utmmedium uuid variationid virtualamount visitcost visitortype websiteid
        widgetclickid widgetid ymid zone zoneid
        """,
    )
)


def is_unexpanded(value: str) -> bool:
    """Whether an ad platform failed to fill in a macro, in plain or percent-encoded braces.

    True when the whole value is one macro with a name that platforms use, or when it holds such a name in double
    braces. Everything else is a value: names of campaigns and placements hold brackets and double underscores too.
    """
    if value.isalnum() or not any(sign in value for sign in _SIGNS):
        return False
    return any(_is_macro(text) for text in {value, unquote(value) if "%" in value else value})


def _is_macro(text: str) -> bool:
    whole = _MACRO_OF_PLATFORM.fullmatch(text.strip())
    if whole is not None and _is_name_of_platform(next(name for name in whole.groups() if name)):
        return True
    return any(_is_name_of_platform(name) for name in _EMBEDDED.findall(text))


def _is_name_of_platform(name: str) -> bool:
    return re.sub(r"[^a-z0-9]", "", name.lower()) in _PLATFORM_NAMES
