"""What a campaign does, in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tnc.campaigns.destination_schema import all_destinations
from tnc.core.models import Action, Campaign, Cap, Condition, Configuration, Cost, Filter, Flow, Lander, Offer, Source
from tnc.rules.describe import describe_condition
from tnc.web.dashboard.format import amount, percent, share

_STICKY: Final = {
    "none": "a new choice at each visit",
    "flow": "the same flow as before",
    "lander": "the same lander as before",
    "offer": "the same offer as before",
}
_REDIRECTS: Final = {
    "meta": "a page with a meta refresh",
    "double-meta": "two pages with a meta refresh, which hides the referrer",
    "js": "a page that redirects by script",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One lander or offer of a flow with its share of the visits."""

    id: str
    name: str
    weight: int
    share: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSentence:
    """`when` says which visits it takes; landers and offers are where they are sent."""

    id: str
    when: str
    paused: bool
    landers: Sequence[Choice]
    offers: Sequence[Choice]


def state(campaign: Campaign) -> str:
    if campaign.archived:
        return "archived"
    return "paused" if campaign.paused else "active"


def flow(each: Flow, configuration: Configuration) -> FlowSentence:
    word = "and" if each.match == "all" else "or"
    landers = [
        _Option(option.id, option.weight, option.paused, configuration.landers.get(option.id))
        for option in each.landers
    ]
    offers = [
        _Option(option.id, option.weight, option.paused, configuration.offers.get(option.id)) for option in each.offers
    ]
    return FlowSentence(
        id=each.id,
        when=f"When {_joined(each.when, word)}" if each.when else "All visits",
        paused=each.paused,
        landers=_choices(landers),
        offers=_choices(offers),
    )


@dataclass(frozen=True, slots=True)
class _Option:
    id: str
    weight: int
    paused: bool
    thing: Lander | Offer | None


def _choices(options: Sequence[_Option]) -> Sequence[Choice]:
    """Options that are paused, archived or missing get no visits; the others share all of them."""
    notes = [_note(option) for option in options]
    total = sum(option.weight for option, note in zip(options, notes, strict=True) if not note)
    return [
        Choice(
            id=option.id,
            name=option.thing.name if option.thing else option.id,
            weight=option.weight,
            share="nothing" if note else share(option.weight, total),
            note=note,
        )
        for option, note in zip(options, notes, strict=True)
    ]


def _note(option: _Option) -> str:
    if option.thing is None:
        return "missing"
    if option.thing.archived:
        return "archived"
    return "paused" if option.paused or option.thing.paused else ""


def _joined(when: Sequence[Condition], word: str) -> str:
    return f" {word} ".join(map(describe_condition, when))


def effect(each: Filter) -> str:
    """What the filter does with a visit that matches any of its conditions."""
    if each.paused or each.archived:
        return "It is switched off."
    when = f"When {_joined(each.when, 'or')}"
    if each.mode == "monitor" or each.action.type == "allow":
        return f"{when}: log only, nothing is stopped."
    return f"{when}: {action(each.action)}."


def action(each: Action) -> str:
    match each.type:
        case "status":
            return f"answer with status {each.code or 404}"
        case "url":
            return f"send to {each.url}"
        case "offer":
            return f"send to the offer {each.offer}"
        case "allow":
            return "let the visit pass"


def payout(offer: Offer) -> str:
    if offer.payout == "from-postback":
        return "from the postback"
    return f"{amount(offer.payout)} {offer.currency}"


def cap(each: Cap | None, configuration: Configuration) -> str:
    if each is None:
        return "no cap"
    per = "in total" if each.per == "total" else f"a {each.per} ({each.timezone})"
    other = None if each.then is None else configuration.offers.get(each.then)
    then = f", then {other.name if other else each.then}" if each.then else ""
    return f"{each.conversions:,} conversions {per}{then}"


def cost(each: Cost) -> str:
    priced = f"{each.amount:g} {each.currency}" if each.amount is not None else "the amount that the source sends"
    match each.model:
        case "cpc":
            return f"{priced} a visit"
        case "cpm":
            return f"{priced} a thousand visits"
        case "cpa":
            return f"{priced} a conversion"
        case "revshare":
            return f"{percent(each.amount)} of the revenue"
        case "auto":
            return "what the source sends with each visit" + (
                f", otherwise {priced}" if each.amount is not None else ""
            )
        case "none":
            return "none"


def settings(campaign: Campaign, configuration: Configuration) -> Sequence[tuple[str, str]]:
    """The other settings of a campaign: name and text."""
    destinations = all_destinations(configuration)
    sent_to = [destinations[each].name if each in destinations else each for each in campaign.destinations]
    return [
        ("Cost", cost(campaign.cost)),
        ("Uniqueness", f"a visitor counts once in {campaign.uniqueness_hours} hours"),
        ("Redirect", _REDIRECTS.get(campaign.redirect, f"status {campaign.redirect}")),
        ("Returning visitor", _STICKY[campaign.sticky]),
        ("Conversions sent to", ", ".join(sent_to) or "none"),
    ]


def parameters(source: Source) -> Sequence[tuple[str, str]]:
    """What a traffic source has to fill into the link: its parameter, and what tnc reads from it."""
    named = [(source.click_id, "the source's own click id"), (source.cost, "the cost of this click")]
    free = [(theirs, f"{theirs} ({ours} in reports)") for ours, theirs in source.params.items()]
    return [(parameter, meaning) for parameter, meaning in (*named, *free) if parameter]
