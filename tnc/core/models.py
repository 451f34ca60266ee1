"""The nouns of tnc: configuration, visits, clicks, conversions, deliveries.

Times are integer milliseconds since 1970 in UTC (`..._ms`), money is integer millionths of the named
currency (`..._micros`), ids of configured things are the owner's own slugs. `None` always means unknown.
Facts about a click are msgspec structs: frozen, checked when read, and written without their empty
fields at the speed of C, because every visit is written on the click path.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, NewType, get_args

from msgspec import Meta, Struct

ClickId = NewType("ClickId", str)
ConversionId = NewType("ConversionId", str)
WorkspaceId = NewType("WorkspaceId", str)
CampaignId = NewType("CampaignId", str)
SourceId = NewType("SourceId", str)
NetworkId = NewType("NetworkId", str)
OfferId = NewType("OfferId", str)
LanderId = NewType("LanderId", str)
FilterId = NewType("FilterId", str)
DestinationId = NewType("DestinationId", str)
FlowId = NewType("FlowId", str)

MAIN: WorkspaceId = WorkspaceId("main")

# --------------------------------------------------------------------------- what the owner configures

Operator = Literal["is", "not", "contains", "starts", "ends", "matches", "in", "above", "below", "between"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`{ fact = "country", is = ["US"] }`: one fact, one operator, one value; see `rules.conditions`."""

    fact: str
    operator: Operator
    value: Any  # from TOML: text, number, boolean, or a list of these; checked when the file is read
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What happens to a visit that a filter stops or no flow takes."""

    type: Literal["status", "url", "offer", "allow"]
    code: int | None = None
    url: str | None = None
    offer: OfferId | None = None


NOT_FOUND = Action(type="status", code=404)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a visit costs. `cpa` is paid per conversion, `revshare` is a share (0 to 1) of the revenue."""

    model: Literal["cpc", "cpm", "cpa", "revshare", "auto", "none"] = "none"
    amount: float | None = None  # as written; in `currency`, for `revshare` a share
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    conversions: int
    per: Literal["hour", "day", "week", "month", "total"] = "day"
    timezone: str = "UTC"
    then: OfferId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Postback:
    """The short form of a `postback` destination, kept at its source."""

    url: str
    on: tuple[str, ...] = ("sale",)
    method: Literal["GET", "POST"] = "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    id: SourceId
    name: str
    click_id: str | None = None
    cost: str | None = None
    params: dict[str, str] = field(default_factory=dict)  # our sub1..sub20 <- their query parameter
    keep: tuple[str, ...] = ()  # of sub1..sub20: placements, ads, creatives, which reports always show
    postback: Postback | None = None
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    id: NetworkId
    name: str
    statuses: dict[str, tuple[str, ...]] = field(default_factory=dict)  # ours <- those that the network sends
    duplicates: Literal["by-txid", "update", "accept"] = "by-txid"
    key: str | None = field(default=None, repr=False)  # a secret
    allow_ips: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()  # that it pays in, beside those of its offers
    max_payout: float | None = None  # in the currency of the postback
    max_conversions: int | None = None  # of one click
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    id: OfferId
    name: str
    url: str
    network: NetworkId | None = None
    payout: float | Literal["from-postback"] = "from-postback"
    max_payout: float | None = None  # in the currency of the postback
    currency: str = "USD"
    cap: Cap | None = None
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lander:
    id: LanderId
    name: str
    url: str
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    id: FilterId
    name: str
    when: tuple[Condition, ...]
    action: Action = NOT_FOUND
    mode: Literal["enforce", "monitor"] = "enforce"
    purpose: str | None = None  # in plain words; needed where the action is a URL or an offer
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedLander:
    id: LanderId
    weight: int = 1
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedOffer:
    id: OfferId
    weight: int = 1
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    id: FlowId
    when: tuple[Condition, ...] = ()
    match: Literal["all", "any"] = "all"
    landers: tuple[WeightedLander, ...] = ()
    offers: tuple[WeightedOffer, ...] = ()
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where conversions are sent on to. `settings` are the keys of its platform."""

    id: DestinationId
    name: str
    type: str  # a platform: `tnc.campaigns.platforms.registry`
    on: tuple[str, ...] = ("sale",)  # statuses and event names
    events: dict[str, str] = field(default_factory=dict)  # our status or event -> the name there
    first: bool = False
    share: float = 1.0
    consent: Literal["unless-denied", "require-granted"] = "unless-denied"
    base_url: str | None = None  # None: the platform's own
    settings: dict[str, str | dict[str, str]] = field(default_factory=dict, repr=False)  # holds secrets
    paused: bool = False
    archived: bool = False


Redirect = Literal["302", "303", "307", "meta", "double-meta", "js"]
Sticky = Literal["none", "flow", "lander", "offer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    id: CampaignId
    name: str
    path: str
    source: SourceId | None = None
    filter: FilterId | None = None
    cost: Cost = Cost()
    uniqueness_hours: int = 24
    redirect: Redirect = "302"
    referrer_policy: Literal["no-referrer"] | None = None
    sticky: Sticky = "none"
    destinations: tuple[DestinationId, ...] = ()
    otherwise: Action = NOT_FOUND
    flows: tuple[Flow, ...] = ()
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The whole valid configuration of one workspace. Each change makes a new version."""

    sources: dict[SourceId, Source] = field(default_factory=dict)
    networks: dict[NetworkId, Network] = field(default_factory=dict)
    offers: dict[OfferId, Offer] = field(default_factory=dict)
    landers: dict[LanderId, Lander] = field(default_factory=dict)
    filters: dict[FilterId, Filter] = field(default_factory=dict)
    destinations: dict[DestinationId, Destination] = field(default_factory=dict)
    campaigns: dict[CampaignId, Campaign] = field(default_factory=dict)


# ------------------------------------------------------------------------------- privacy of a field


class Privacy(StrEnum):
    """How much a value says about a person: the first column of the data map."""

    PII = "pii"  # identifies a person, alone or with other data of the operator
    PSEUDONYM = "pseudonym"  # identifies a person only with a key of this installation
    QUASI = "quasi"  # identifies a person only in combination
    BUSINESS = "business"  # names and amounts of the owner
    NONE = "none"


@dataclass(frozen=True, slots=True)
class About:
    """Annotation of a field for the registry (`tnc.core.fields`)."""

    privacy: Privacy
    text: str
    dimension: bool = False  # reports can group and filter by it: it is a DuckDB column
    fact: bool = False  # conditions can ask for it
    public: bool = True  # part of a click in JSON


def about(privacy: Privacy, text: str, *, dimension: bool = False, fact: bool = False, public: bool = True) -> Meta:
    return Meta(extra={"about": About(privacy, text, dimension, fact, public)})


def pii(text: str, *, fact: bool = False, public: bool = True) -> Meta:
    return about(Privacy.PII, text, fact=fact, public=public)


def quasi(text: str) -> Meta:
    """A visitor fact like the country: in conditions, reports, and JSON."""
    return about(Privacy.QUASI, text, dimension=True, fact=True)


def business(text: str) -> Meta:
    return about(Privacy.BUSINESS, text, dimension=True)


def internal(privacy: Privacy, text: str, *, fact: bool = False) -> Meta:
    return about(privacy, text, fact=fact, public=False)


# ------------------------------------------------------------------------------------------ visits

Traffic = Literal["human", "bot", "crawler", "prefetch", "suspect"]
Device = Literal["desktop", "mobile", "tablet", "tv", "console", "wearable", "car", "other"]
Consent = Literal["granted", "denied", "unknown"]
Mode = Literal["full", "limited", "cookieless", "none"]

SUBS: tuple[str, ...] = tuple(f"sub{n}" for n in range(1, 21))


class Visit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a visitor before the decision. Conditions read only this."""

    visited_at_ms: Annotated[int, internal(Privacy.NONE, "when the request arrived")]
    domain: Annotated[str | None, about(Privacy.BUSINESS, "host name of the request", dimension=True, fact=True)] = None
    url: Annotated[str | None, pii("URL of the request, with its query", fact=True, public=False)] = None

    ip: Annotated[
        str | None, pii("IP address of the visitor; cut to /24 or /48 where the mode requires it", fact=True)
    ] = None
    country: Annotated[str | None, quasi("ISO 3166-1 alpha-2")] = None
    region: Annotated[str | None, quasi("as the geo data writes it")] = None
    city: Annotated[str | None, quasi("as the geo data writes it; a hint, not a fact")] = None
    asn: Annotated[int | None, quasi("autonomous system number of the network")] = None
    isp: Annotated[str | None, quasi("name of the network")] = None
    connection: Annotated[str | None, quasi("cellular, broadband, corporate, satellite, dialup, education")] = None
    vpn: Annotated[bool | None, quasi("IP address of a VPN provider")] = None
    proxy: Annotated[bool | None, quasi("IP address of a public proxy")] = None
    tor: Annotated[bool | None, quasi("Tor exit")] = None
    datacenter: Annotated[bool | None, quasi("IP address of a hosting provider")] = None
    relay: Annotated[bool | None, quasi("IP address of a privacy relay")] = None

    user_agent: Annotated[str | None, pii("as sent; reduced to its family where the mode requires it", fact=True)] = (
        None
    )
    device: Annotated[Device | None, quasi("desktop, mobile, tablet, tv, console, wearable, car, other")] = None
    brand: Annotated[str | None, quasi("maker of the device")] = None
    model: Annotated[str | None, quasi("model of the device")] = None
    os: Annotated[str | None, quasi("operating system")] = None
    os_version: Annotated[
        str | None, quasi("version of the operating system; unknown where the browser freezes it")
    ] = None
    browser: Annotated[str | None, quasi("browser, or the app whose web view it is")] = None
    browser_version: Annotated[str | None, quasi("version of the browser")] = None
    language: Annotated[str | None, quasi("primary language of the browser, as a primary tag of BCP 47")] = None

    referrer: Annotated[str | None, pii("page the visitor came from", fact=True)] = None
    referrer_domain: Annotated[str | None, quasi("host of that page")] = None
    external_id: Annotated[str | None, pii("click id of the traffic source", fact=True)] = None
    subs: Annotated[
        dict[str, str], internal(Privacy.PII, "sub1..sub20 by name; single fields of their own in JSON")
    ] = {}
    params: Annotated[dict[str, str], pii("every query parameter as it came")] = {}
    headers: Annotated[dict[str, str], internal(Privacy.PII, "request headers by lower-case name; never stored")] = {}
    cost_param: Annotated[str | None, internal(Privacy.BUSINESS, "the cost the source sent, as text")] = None
    currency_param: Annotated[str | None, internal(Privacy.BUSINESS, "the currency the source sent")] = None

    traffic: Annotated[Traffic, quasi("human, bot, crawler, prefetch, suspect")] = "human"
    bot: Annotated[str | None, quasi("name of the bot or crawler")] = None
    crawler_verified: Annotated[
        bool | None, internal(Privacy.QUASI, "whether a declared crawler was verified, or found to be false")
    ] = None
    reasons: Annotated[tuple[str, ...], quasi("codes of the reasons for the traffic class")] = ()

    visitor: Annotated[str | None, about(Privacy.PSEUDONYM, "keyed pseudonym: 32 hexadecimal digits")] = None
    browser_id: Annotated[
        str | None, internal(Privacy.PSEUDONYM, "pseudonym of this browser's cookie; proof in privacy requests")
    ] = None
    visit_number: Annotated[int, internal(Privacy.QUASI, "visits of this visitor to this campaign before this one")] = 0
    unique_campaign: Annotated[bool | None, quasi("first visit to the campaign within its uniqueness window")] = None
    unique_workspace: Annotated[bool | None, quasi("first visit to any campaign within that window")] = None
    converted: Annotated[
        bool | None, internal(Privacy.QUASI, "this visitor converted in this campaign within the window", fact=True)
    ] = None
    consent: Annotated[Consent, quasi("granted, denied, unknown")] = "unknown"
    gpc: Annotated[bool, quasi("Sec-GPC: 1 was sent")] = False
    mode: Annotated[Mode, internal(Privacy.NONE, "how this visit may be processed")] = "full"
    data: Annotated[
        dict[str, str], internal(Privacy.NONE, "build dates of the geo, IP and bot data that was used, by name")
    ] = {}


# ------------------------------------------------------------------------------------ clicks


class Click(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recorded visit: the visitor, where they were sent, and what is needed to explain why."""

    click_id: Annotated[ClickId, about(Privacy.PII, "28 hexadecimal digits; sorts by time")]
    clicked_at_ms: Annotated[int, about(Privacy.NONE, "when; `clicked_at` in JSON")]
    workspace: Annotated[WorkspaceId, about(Privacy.BUSINESS, "whose data this is", dimension=True)] = MAIN
    campaign: Annotated[CampaignId, business("campaign that was clicked")]
    source: Annotated[SourceId | None, business("traffic source of the campaign")] = None
    flow: Annotated[FlowId | None, business("flow that matched")] = None
    lander: Annotated[LanderId | None, business("lander the visit was sent to")] = None
    offer: Annotated[OfferId | None, business("offer the visit was sent to, or will be sent to after the lander")] = (
        None
    )
    network: Annotated[NetworkId | None, business("affiliate network of that offer")] = None
    action: Annotated[Literal["redirect", "status", "page"], business("redirect, status, page")] = "redirect"
    status: Annotated[int | None, internal(Privacy.NONE, "HTTP status when the action is a status")] = None
    filter: Annotated[
        FilterId | None, about(Privacy.BUSINESS, "filter that found the visit invalid", dimension=True)
    ] = None
    stopped: Annotated[bool, internal(Privacy.BUSINESS, "the filter stopped the visit")] = False
    destination: Annotated[
        str | None, about(Privacy.PII, "URL it was sent to; stored for imported clicks only, else rebuilt")
    ] = None
    destination_check: Annotated[
        str | None, internal(Privacy.NONE, "short digest of the destination, to check a rebuilt one")
    ] = None
    cost_micros: Annotated[int | None, about(Privacy.BUSINESS, "`cost` in JSON")] = None
    currency: Annotated[str | None, business("currency of the cost, ISO 4217")] = None
    config_version: Annotated[
        int | None, about(Privacy.BUSINESS, "version of the configuration that decided", dimension=True)
    ] = None
    capped: Annotated[
        tuple[OfferId, ...], internal(Privacy.BUSINESS, "offers that had reached their cap at that time")
    ] = ()
    added_reasons: Annotated[
        tuple[str, ...], internal(Privacy.BUSINESS, "reasons that the decision added to those of the visit")
    ] = ()
    witness: Annotated[int, internal(Privacy.NONE, "results of the conditions on personal facts, one bit each")] = 0
    imported: Annotated[bool, internal(Privacy.NONE, "imported from another tracker or export")] = False
    test: Annotated[bool, internal(Privacy.NONE, "a signed test visit; never counted")] = False
    erased: Annotated[bool, internal(Privacy.NONE, "erased: only business data is left")] = False
    visit: Visit


class LanderClick(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="lander"):
    """The visitor went on from the lander to an offer."""

    at_ms: int
    offer: OfferId | None = None
    network: NetworkId | None = None
    number: int | None = None  # of /click/{n}
    found_by: Literal["cid", "cookie", "visitor"] = "cid"


ConversionStatus = Literal["lead", "sale", "rejected"]
STATUSES: tuple[ConversionStatus, ...] = get_args(ConversionStatus)


class ConversionChange(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="conversion"):
    """One accepted message about a conversion. `core.conversions.fold` gives the state after all of them."""

    conversion_id: ConversionId
    at_ms: int
    status: ConversionStatus | None = None  # None: the status of the network is not mapped
    status_word: str | None = None  # the status as the network sent it
    event: str | None = None  # deposit, trial, rebill, ...; None = the conversion itself
    payout_micros: int | None = None
    currency: str | None = None
    txid: str | None = None
    network: NetworkId | None = None
    cost_micros: int | None = None  # of `cpa` and `revshare` campaigns
    cost_currency: str | None = None
    origin: Literal["postback", "hand", "import", "pixel", "test"] = "postback"


class LabelChange(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="label"):
    """A later traffic class of a visit: a crawler was verified, or the script on the page found a bot."""

    at_ms: int
    traffic: Traffic
    reasons: tuple[str, ...]
    crawler_verified: bool | None = None


class FilterChange(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="filter"):
    """The result of a filter's later conditions for a past click. Where the click was sent does not change."""

    at_ms: int
    by: FilterId  # the filter whose conditions were tried
    filter: FilterId | None = None  # None: no condition holds
    stopped: bool = False  # it counts as stopped
    reasons: tuple[str, ...] = ()  # that the decision adds
    undone: bool = False  # the result of the click itself counts again


class Withdrawal(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="withdrawal"):
    """The visitor denied consent on a later visit. The consent of this visit stays on record; its conversions are no
    longer sent to destinations.
    """

    at_ms: int


Event = LanderClick | ConversionChange | LabelChange | FilterChange | Withdrawal


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The present state of one conversion, with its history (oldest first)."""

    conversion_id: ConversionId
    converted_at_ms: int
    status: ConversionStatus | None
    event: str | None
    payout_micros: int | None
    currency: str | None
    txid: str | None
    network: NetworkId | None
    cost_micros: int | None
    cost_currency: str | None
    history: tuple[ConversionChange, ...]


DeliveryKind = Literal["convert", "adjust", "retract"]
DeliveryState = Literal["queued", "sending", "accepted", "done", "dropped", "dead", "cancelled"]
OPEN_STATES: tuple[DeliveryState, ...] = ("queued", "sending", "accepted")
"""Deliveries that are not finished: `sending` is under way, `accepted` waits for the platform's confirmation.

Of the finished ones `dropped` was not allowed to be sent, `dead` was given up or refused, `cancelled` was withdrawn.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickHistory:
    """A click with everything that happened to it later."""

    click: Click  # with its present traffic class and filter
    lander_clicked_at_ms: int | None
    found_by: Literal["cid", "cookie", "visitor"] | None
    conversions: tuple[Conversion, ...]
    offer: OfferId | None  # the one the visitor went on to, else that of the click
    network: NetworkId | None
    changes: tuple[LabelChange | FilterChange, ...] = ()  # of traffic class and filter, oldest first
    decided: Click | None = None  # as it was decided, if traffic class or filter changed later
    withdrawn_at_ms: int | None = None  # consent, by the visitor
