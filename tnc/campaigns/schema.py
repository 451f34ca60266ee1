"""The tables of a configuration file: the keys of each, with their shapes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from tnc.campaigns.destination_schema import COMMON, DestinationShape, postback_complaints
from tnc.campaigns.text_types import NAME, PARAMETER, PATH, SHORT_TEXT, SLUG, URL, ConditionShape
from tnc.core.formats import CIDR, CURRENCY, TIMEZONE
from tnc.core.mistakes import ShapeError, mistake, show
from tnc.core.models import (
    STATUSES,
    SUBS,
    Action,
    Campaign,
    Cap,
    Cost,
    Filter,
    Flow,
    Lander,
    Network,
    Offer,
    Postback,
    Redirect,
    Source,
    Sticky,
    WeightedLander,
    WeightedOffer,
)
from tnc.core.money import LARGEST
from tnc.core.shapes import (
    Choice,
    Context,
    Flag,
    Key,
    ListOf,
    MapOf,
    Number,
    Reference,
    Secret,
    SingleKey,
    Table,
    Text,
    WholeNumber,
    WrittenAsRead,
    keys_of,
)

_ID: Final = Key(shape=SLUG, text="your id for it")
_NAME: Final = Key(shape=NAME, text="display name")
_PAUSED: Final = Key(shape=Flag(), text="keeps it, but does not use it until this is false again")
_ARCHIVED: Final = Key(shape=Flag(), text="hides it; reports keep its history")
_WEIGHT: Final = Key(shape=WholeNumber(0, 1_000_000), text="share of the visits, relative to the other weights")
_CURRENCY: Final = Key(shape=CURRENCY, text="ISO 4217")


# ---------------------------------------------------------------------------- tables inside of others

_ACTION_KEYS: Final = {"status": ("code",), "url": ("url",), "offer": ("offer",), "allow": ()}


def _check_action(action: Action, _: Context) -> Iterable[ShapeError]:
    allowed = _ACTION_KEYS[action.type]
    for key in ("code", "url", "offer"):
        given = getattr(action, key) is not None
        if given and key not in allowed:
            owner = next(kind for kind, keys in _ACTION_KEYS.items() if key in keys)
            yield mistake(f"belongs to the type {show(owner)}, not to {show(action.type)}", key)
        if key in allowed and not given:
            yield mistake(f"is missing; the type {show(action.type)} needs it", key)


@dataclass(frozen=True, slots=True)
class _StatusCode(WrittenAsRead):
    """An HTTP status of a response. A redirect is none, because it needs a URL."""

    allowed: str = "an HTTP status from 200 to 299 or 400 to 599"

    def read(self, value: object, context: Context) -> int:  # noqa: ARG002 - every shape reads alike
        if not isinstance(value, int) or isinstance(value, bool) or not (200 <= value < 300 or 400 <= value < 600):
            raise mistake(f"must be {self.allowed}, not {show(value)}")
        return value


def _action(*types: str) -> Table:
    keys = {
        "type": Key(shape=Choice(types), text="what happens"),
        "code": Key(shape=_StatusCode(), text="HTTP status, for the type `status`"),
        "url": Key(shape=URL, text="for the type `url`; macros allowed"),
        "offer": Key(shape=Reference("offer"), text="for the type `offer`"),
    }
    used = {"type", *(key for each in types for key in _ACTION_KEYS[each])}
    return Table(Action, keys_of(Action, **{key: each for key, each in keys.items() if key in used}), _check_action)


def _check_cost(cost: Cost, _: Context) -> Iterable[ShapeError]:
    if cost.model == "auto":
        return  # the amount is the cost of clicks without a cost of their own
    if cost.model == "none":
        if cost.amount is not None:
            yield mistake('does not belong to the model "none"', "amount")
    elif cost.amount is None:
        yield mistake(f"is missing; the model {show(cost.model)} needs it", "amount")
    elif cost.model == "revshare" and cost.amount > 1:
        yield mistake(f'must be a share from 0 to 1 with the model "revshare", not {cost.amount:g}', "amount")


def _check_filter(filter_: Filter, _: Context) -> Iterable[ShapeError]:
    if filter_.action.type in {"url", "offer"} and len((filter_.purpose or "").strip()) < 10:
        yield mistake(
            f"is missing or too short; a filter that sends visits to another {filter_.action.type} must say why,"
            " in at least 10 characters",
            "purpose",
        )


def _check_statuses(network: Network, _: Context) -> Iterable[ShapeError]:
    owners: dict[str, str] = {}
    for status, words in network.statuses.items():
        for word in words:
            owner = owners.setdefault(word.casefold(), status)
            if owner != status:
                yield mistake(f"has {show(word)}, which is listed under {owner} too", "statuses", status)


def _check_source(source: Source, context: Context) -> Iterable[ShapeError]:
    if source.postback is not None:
        yield from (error.below("postback") for error in postback_complaints(source.postback.url, context))


def _check_flow(flow: Flow, _: Context) -> Iterable[ShapeError]:
    if not flow.landers and not flow.offers:
        yield mistake("needs at least one offer, or a lander, to send visits to", "offers")


COST: Final = Table(
    Cost,
    keys_of(
        Cost,
        model=Key(shape=Choice(("cpc", "cpm", "cpa", "revshare", "auto", "none")), text="how the traffic is paid"),
        amount=Key(shape=Number(0, LARGEST), text="per click, 1,000 clicks or conversion; 0 to 1 with `revshare`"),
        currency=_CURRENCY,
    ),
    _check_cost,
)
CAP: Final = Table(
    Cap,
    keys_of(
        Cap,
        conversions=Key(shape=WholeNumber(1, 1_000_000_000), text="how many conversions"),
        per=Key(shape=Choice(("hour", "day", "week", "month", "total")), text="period in which they are counted"),
        timezone=Key(shape=TIMEZONE, text="time zone in which the period begins"),
        then=Key(shape=Reference("offer"), text="offer that takes its place then"),
    ),
)
POSTBACK: Final = Table(
    Postback,
    keys_of(
        Postback,
        url=Key(shape=URL, text="URL to send it to; macros allowed"),
        on=Key(shape=ListOf(SHORT_TEXT, least=1), text="statuses and event names to send"),
        method=Key(shape=Choice(("GET", "POST")), text="HTTP method"),
    ),
)
WEIGHTED_LANDER: Final = Table(
    WeightedLander,
    keys_of(WeightedLander, id=Key(shape=Reference("lander"), text="which lander"), weight=_WEIGHT, paused=_PAUSED),
)
WEIGHTED_OFFER: Final = Table(
    WeightedOffer,
    keys_of(WeightedOffer, id=Key(shape=Reference("offer"), text="which offer"), weight=_WEIGHT, paused=_PAUSED),
)
FLOW: Final = Table(
    Flow,
    keys_of(
        Flow,
        id=_ID,
        when=Key(shape=ListOf(ConditionShape("flow"), unique=False), text="visits that it takes; none: all"),
        match=Key(shape=Choice(("all", "any")), text="whether all conditions must hold or one is enough"),
        landers=Key(shape=ListOf(WEIGHTED_LANDER), text="pages before the offer; none: straight to the offer"),
        offers=Key(shape=ListOf(WEIGHTED_OFFER), text="offers to send visits to"),
        paused=_PAUSED,
        archived=_ARCHIVED,
    ),
    _check_flow,
)


# ------------------------------------------------------------------------------------------- top-level tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """`[[name]]` in the file, `plural` in the configuration. `as_id` are keys that have the id as default."""

    name: str
    plural: str
    shape: Table | DestinationShape
    keys: Mapping[str, Key]
    as_id: tuple[str, ...] = ("name",)

    def read(self, value: Mapping[str, object], context: Context) -> Any:
        return self.shape.read({**dict.fromkeys(self.as_id, value["id"]), **value}, context)

    def write(self, item: Any) -> dict[str, object]:
        """The table of the file: only what differs from the defaults, secrets as `SecretValue`."""
        written = self.shape.write(item)
        return {key: value for key, value in written.items() if key not in self.as_id or value != item.id}


def _noun(name: str, table: Table, as_id: tuple[str, ...] = ("name",)) -> Noun:
    return Noun(name=name, plural=f"{name}s", shape=table, keys=table.keys, as_id=as_id)


SOURCE: Final = Table(
    Source,
    keys_of(
        Source,
        id=_ID,
        name=_NAME,
        click_id=Key(shape=PARAMETER, text="parameter with the click id of the source"),
        cost=Key(shape=PARAMETER, text="parameter with the cost of the click"),
        params=Key(
            shape=MapOf(Choice(SUBS, "one of sub1 to sub20"), PARAMETER),
            text="sub1 to sub20, and the parameter of the source for each",
        ),
        keep=Key(
            shape=ListOf(Choice(SUBS, "one of sub1 to sub20")),
            text="of sub1 to sub20 those with placements, ads or creatives: never taken for identifiers in reports",
        ),
        postback=Key(shape=POSTBACK, text="sends conversions to the source: the short form of a destination"),
        paused=_PAUSED,
        archived=_ARCHIVED,
    ),
    _check_source,
)
NETWORK: Final = Table(
    Network,
    keys_of(
        Network,
        id=_ID,
        name=_NAME,
        statuses=Key(
            shape=MapOf(Choice(STATUSES), ListOf(SHORT_TEXT)),
            text="our status, and those that the network sends",
        ),
        duplicates=Key(
            shape=Choice(("by-txid", "update", "accept")),
            text="how a second conversion of a click counts: by its txid, as a correction, or as one more",
        ),
        key=Key(shape=Secret(), text="postbacks must have it as the parameter `key`"),
        allow_ips=Key(shape=ListOf(CIDR), text="only these IP addresses may send postbacks"),
        currencies=Key(shape=ListOf(CURRENCY), text="its postbacks may be in these, beside its offers' currencies"),
        max_payout=Key(shape=Number(0, LARGEST), text="a postback with a higher payout is kept and not counted"),
        max_conversions=Key(
            shape=WholeNumber(1, 1_000_000), text="further conversions of one click are kept and not counted"
        ),
        paused=_PAUSED,
        archived=_ARCHIVED,
    ),
    _check_statuses,
)
OFFER: Final = Table(
    Offer,
    keys_of(
        Offer,
        id=_ID,
        name=_NAME,
        network=Key(shape=Reference("network"), text="network that pays for it"),
        url=Key(shape=URL, text="URL to send visits to; macros allowed"),
        payout=Key(shape=Number(0, LARGEST, ("from-postback",)), text="per conversion, if the postback has none"),
        max_payout=Key(shape=Number(0, LARGEST), text="a postback with a higher payout is kept and not counted"),
        currency=_CURRENCY,
        cap=Key(shape=CAP, text="limit of its conversions"),
        paused=_PAUSED,
        archived=_ARCHIVED,
    ),
)
LANDER: Final = Table(
    Lander,
    keys_of(
        Lander,
        id=_ID,
        name=_NAME,
        url=Key(shape=URL, text="URL of the page; macros allowed"),
        paused=_PAUSED,
        archived=_ARCHIVED,
    ),
)
FILTER: Final = Table(
    Filter,
    keys_of(
        Filter,
        id=_ID,
        name=_NAME,
        when=Key(
            shape=ListOf(ConditionShape("filter"), least=1, unique=False),
            text="any of these makes a visit invalid",
        ),
        action=Key(
            shape=_action("status", "url", "offer", "allow"),
            text="what happens to it; `allow` only records",
        ),
        mode=Key(shape=Choice(("enforce", "monitor")), text="`monitor` records the result and stops no visit"),
        purpose=Key(
            shape=Text("text of at least 10 characters", longest=1000),
            text="why, in plain words; needed where the action is a url or an offer",
        ),
        paused=_PAUSED,
        archived=_ARCHIVED,
    ),
    _check_filter,
)
CAMPAIGN: Final = Table(
    Campaign,
    keys_of(
        Campaign,
        id=_ID,
        name=_NAME,
        path=Key(shape=PATH, text="path of its links, after the host"),
        source=Key(shape=Reference("source"), text="traffic source of its visits"),
        filter=Key(shape=Reference("filter"), text="filter that is checked first"),
        cost=Key(shape=COST, text="cost of its visits"),
        uniqueness=Key(
            shape=SingleKey("hours", WholeNumber(1, 8760)),
            field="uniqueness_hours",
            text="how long a returning visitor is not unique",
        ),
        redirect=Key(shape=Choice(get_args(Redirect)), text="how visits are redirected"),
        referrer_policy=Key(shape=Choice(("no-referrer",)), text="hides the tracking link from the destination"),
        sticky=Key(shape=Choice(get_args(Sticky)), text="what stays the same for a returning visitor"),
        destinations=Key(shape=ListOf(Reference("destination")), text="destinations that its conversions are sent to"),
        otherwise=Key(shape=_action("status", "url"), text="what happens when no flow takes a visit"),
        flow=Key(shape=ListOf(FLOW), field="flows", text="each as `[[campaign.flow]]`; the first that matches wins"),
        paused=_PAUSED,
        archived=_ARCHIVED,
    ),
)

NOUNS: Final[Mapping[str, Noun]] = {
    each.name: each
    for each in (
        _noun("source", SOURCE),
        _noun("network", NETWORK),
        _noun("offer", OFFER),
        _noun("lander", LANDER),
        _noun("filter", FILTER),
        Noun(name="destination", plural="destinations", shape=DestinationShape(), keys=COMMON),
        _noun("campaign", CAMPAIGN, ("name", "path")),
    )
}
