"""The nouns of tnc: what the owner configures, who came, what was decided, what it earned.

Times are integer milliseconds since 1970 in UTC (`..._ms`), money is integer millionths of the named
currency (`..._micros`), ids of configured things are the owner's own slugs. `None` always means unknown.
Facts about a click are msgspec structs: frozen, checked when read, and written without their empty
fields at the speed of C, which the click path pays for on every visit.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, NewType

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
OPERATORS: tuple[Operator, ...] = (
    "is", "not", "contains", "starts", "ends", "matches", "in", "above", "below", "between",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`{ fact = "country", is = ["US"] }`: one fact, one operator, one value; see `rules.conditions`."""

    fact: str
    operator: Operator
    value: Any  # what TOML gave: text, number, boolean, or a list of these; checked at the border
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What happens to a visit that goes to no lander and no offer by a flow."""

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
    postback: Postback | None = None
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    id: NetworkId
    name: str
    statuses: dict[str, tuple[str, ...]] = field(default_factory=dict)  # lead | sale | rejected <- their words
    duplicates: Literal["by-txid", "update", "accept"] = "by-txid"
    key: str | None = field(default=None, repr=False)  # a secret
    allow_ips: tuple[str, ...] = ()
    paused: bool = False
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    id: OfferId
    name: str
    url: str
    network: NetworkId | None = None
    payout: float | Literal["from-postback"] = "from-postback"
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
    purpose: str | None = None  # plain words; needed where the action sends people somewhere else
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
    """Everything the owner set up in one workspace, whole and valid. Each change makes a new version."""

    sources: dict[SourceId, Source] = field(default_factory=dict)
    networks: dict[NetworkId, Network] = field(default_factory=dict)
    offers: dict[OfferId, Offer] = field(default_factory=dict)
    landers: dict[LanderId, Lander] = field(default_factory=dict)
    filters: dict[FilterId, Filter] = field(default_factory=dict)
    destinations: dict[DestinationId, Destination] = field(default_factory=dict)
    campaigns: dict[CampaignId, Campaign] = field(default_factory=dict)


# ------------------------------------------------------------------------------- how a field is handled


class Privacy(StrEnum):
    """What a value says about a person: the first column of the data map."""

    PII = "pii"  # identifies, alone or with what an operator holds
    PSEUDONYM = "pseudonym"  # stands for a person under a key of ours
    QUASI = "quasi"  # describes; narrows down only together with others
    BUSINESS = "business"  # the owner's own words and money
    NONE = "none"


@dataclass(frozen=True, slots=True)
class About:
    """What the registry (`tnc.core.fields`) knows of one field; it stands beside the field's type below."""

    privacy: Privacy
    text: str
    dimension: bool = False  # may be grouped and filtered by in reports: then it is a DuckDB column
    fact: bool = False  # may stand in a condition
    public: bool = True  # part of a click in JSON, section 5 of the contract


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


# ------------------------------------------------------------------------------------------ who came

Traffic = Literal["human", "bot", "crawler", "prefetch", "suspect"]
Device = Literal["desktop", "mobile", "tablet", "tv", "console", "wearable", "car", "other"]
Consent = Literal["granted", "denied", "unknown"]
Mode = Literal["full", "limited", "cookieless", "none"]

SUBS: tuple[str, ...] = tuple(f"sub{n}" for n in range(1, 21))


class Visit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a visitor before anything is decided. Conditions read this and nothing else."""

    visited_at_ms: Annotated[int, internal(Privacy.NONE, "when the request arrived")]
    domain: Annotated[str | None, about(Privacy.BUSINESS, "host name that was asked", dimension=True, fact=True)] = None
    url: Annotated[str | None, pii("address that was asked, with its query", fact=True, public=False)] = None

    ip: Annotated[
        str | None, pii("address of the visitor; cut to /24 or /48 where the mode asks for it", fact=True)
    ] = None
    country: Annotated[str | None, quasi("ISO 3166-1 alpha-2")] = None
    region: Annotated[str | None, quasi("as the geo data writes it")] = None
    city: Annotated[str | None, quasi("as the geo data writes it; a hint, not a fact")] = None
    asn: Annotated[int | None, quasi("autonomous system number of the network")] = None
    isp: Annotated[str | None, quasi("name of the network")] = None
    connection: Annotated[str | None, quasi("cellular, broadband, corporate, satellite, dialup, education")] = None
    vpn: Annotated[bool | None, quasi("address of a VPN provider")] = None
    proxy: Annotated[bool | None, quasi("address of a public proxy")] = None
    tor: Annotated[bool | None, quasi("Tor exit")] = None
    datacenter: Annotated[bool | None, quasi("address of a hosting provider")] = None
    relay: Annotated[bool | None, quasi("address of a privacy relay that people use")] = None

    user_agent: Annotated[str | None, pii("as sent; reduced to its family where the mode asks for it", fact=True)] = (
        None
    )
    device: Annotated[Device | None, quasi("desktop, mobile, tablet, tv, console, wearable, car, other")] = None
    brand: Annotated[str | None, quasi("maker of the device")] = None
    model: Annotated[str | None, quasi("model of the device")] = None
    os: Annotated[str | None, quasi("operating system")] = None
    os_version: Annotated[str | None, quasi("version of the operating system; never a frozen one")] = None
    browser: Annotated[str | None, quasi("browser, or the app whose web view it is")] = None
    browser_version: Annotated[str | None, quasi("version of the browser")] = None
    language: Annotated[str | None, quasi("primary language the browser asks for, BCP 47 primary tag")] = None

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
        bool | None, internal(Privacy.QUASI, "a declared crawler proved to be it, or proved not to be")
    ] = None
    reasons: Annotated[tuple[str, ...], quasi("why the traffic class is what it is, as codes")] = ()

    visitor: Annotated[str | None, about(Privacy.PSEUDONYM, "keyed pseudonym: 32 hexadecimal digits")] = None
    browser_id: Annotated[
        str | None, internal(Privacy.PSEUDONYM, "stands for this browser's own cookie; proof in requests")
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
    data: Annotated[dict[str, str], internal(Privacy.NONE, "build dates of the data that judged, by name")] = {}


# ------------------------------------------------------------------------------------ what was decided


class Click(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One visit as it is remembered: who came, where it went, and all that is needed to say why."""

    click_id: Annotated[ClickId, about(Privacy.PII, "28 hexadecimal digits; sorts by time")]
    clicked_at_ms: Annotated[int, about(Privacy.NONE, "when; `clicked_at` in JSON")]
    workspace: Annotated[WorkspaceId, about(Privacy.BUSINESS, "whose data this is", dimension=True)] = MAIN
    campaign: Annotated[CampaignId, business("campaign that was clicked")]
    source: Annotated[SourceId | None, business("traffic source of the campaign")] = None
    flow: Annotated[FlowId | None, business("flow that matched")] = None
    lander: Annotated[LanderId | None, business("lander the visit was sent to")] = None
    offer: Annotated[OfferId | None, business("offer the visit was sent to, or was meant for behind the lander")] = None
    network: Annotated[NetworkId | None, business("affiliate network of that offer")] = None
    action: Annotated[Literal["redirect", "status", "page"], business("redirect, status, page")] = "redirect"
    status: Annotated[int | None, internal(Privacy.NONE, "HTTP status when the action is a status")] = None
    filter: Annotated[
        FilterId | None, about(Privacy.BUSINESS, "filter that judged the visit invalid", dimension=True)
    ] = None
    stopped: Annotated[bool, internal(Privacy.BUSINESS, "the filter did not only judge but stopped the visit")] = False
    destination: Annotated[
        str | None, about(Privacy.PII, "where it went; stored only for imported clicks, else made again")
    ] = None
    destination_check: Annotated[
        str | None, internal(Privacy.NONE, "short digest of the destination, so that explain can tell")
    ] = None
    cost_micros: Annotated[int | None, about(Privacy.BUSINESS, "`cost` in JSON")] = None
    currency: Annotated[str | None, business("currency of the cost, ISO 4217")] = None
    config_version: Annotated[
        int | None, about(Privacy.BUSINESS, "version of the configuration that decided", dimension=True)
    ] = None
    capped: Annotated[
        tuple[OfferId, ...], internal(Privacy.BUSINESS, "offers that had reached their cap just then")
    ] = ()
    added_reasons: Annotated[
        tuple[str, ...], internal(Privacy.BUSINESS, "reasons that the decision added to those of the visit")
    ] = ()
    witness: Annotated[int, internal(Privacy.NONE, "answers of the conditions on personal facts, one bit each")] = 0
    imported: Annotated[bool, internal(Privacy.NONE, "came from elsewhere by import")] = False
    test: Annotated[bool, internal(Privacy.NONE, "a signed test visit; never counted")] = False
    erased: Annotated[bool, internal(Privacy.NONE, "only what is the owner's is left of it")] = False
    visit: Visit


class LanderClick(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="lander"):
    """Somebody went on from the lander to an offer."""

    at_ms: int
    offer: OfferId | None = None
    network: NetworkId | None = None
    number: int | None = None  # of /click/{n}
    found_by: Literal["cid", "cookie", "visitor"] = "cid"


ConversionStatus = Literal["lead", "sale", "rejected"]
STATUSES: tuple[ConversionStatus, ...] = ("lead", "sale", "rejected")


class ConversionChange(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="conversion"):
    """One accepted word about a conversion. Its present state is the sum of its changes."""

    conversion_id: ConversionId
    at_ms: int
    status: ConversionStatus | None = None  # None: their word maps to nothing yet
    status_word: str | None = None  # as the network said it
    event: str | None = None  # deposit, trial, rebill, ...; None = the conversion itself
    payout_micros: int | None = None
    currency: str | None = None
    txid: str | None = None
    network: NetworkId | None = None
    cost_micros: int | None = None  # of `cpa` and `revshare` campaigns
    cost_currency: str | None = None
    origin: Literal["postback", "hand", "import", "pixel", "test"] = "postback"


class LabelChange(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="label"):
    """What was found out about a visit after its answer: whether a crawler is one, what its page saw of it."""

    at_ms: int
    traffic: Traffic
    reasons: tuple[str, ...]
    crawler_verified: bool | None = None


class FilterChange(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="filter"):
    """What a filter's later conditions say of a past click. Where the click went stays as it was."""

    at_ms: int
    by: FilterId  # whose conditions were tried
    filter: FilterId | None = None  # None: it passed
    stopped: bool = False  # it counts as stopped
    reasons: tuple[str, ...] = ()  # that the decision adds
    undone: bool = False  # taken back: the verdict of the click itself counts again


class Withdrawal(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="withdrawal"):
    """The visitor denied consent on a later visit. What this one was consented to stays what it was; nobody is told of
    it any more.
    """

    at_ms: int


Event = LanderClick | ConversionChange | LabelChange | FilterChange | Withdrawal


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The present state of one conversion, with the way it got there (oldest first)."""

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
"""What still has to be done: `sending` is under way, `accepted` waits for the platform's last word.

`dropped` was never allowed out, `dead` was given up or refused there, `cancelled` was called back.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickHistory:
    """A click with everything that happened to it since."""

    click: Click  # as it is called now
    lander_clicked_at_ms: int | None
    found_by: Literal["cid", "cookie", "visitor"] | None
    conversions: tuple[Conversion, ...]
    offer: OfferId | None  # the one the visitor went on to, else the one of the click
    network: NetworkId | None
    changes: tuple[LabelChange | FilterChange, ...] = ()  # of what it is called, oldest first
    decided: Click | None = None  # as it was decided, where it is called something else now
    withdrawn_at_ms: int | None = None  # consent, by the visitor
