"""What a campaign does, said in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tnc.core.models import Action, Campaign, Cap, Condition, Configuration, Cost, Filter, Flow, Lander, Offer, Source
from tnc.rules.describe import describe_condition
from tnc.web.dashboard.format import amount, percent, share

_STICKY: Final = {
    "none": "each visit is drawn anew",
    "flow": "a visitor stays in the same flow",
    "lander": "a visitor keeps the same lander",
    "offer": "a visitor keeps the same offer",
}
_REDIRECTS: Final = {
    "meta": "a page that goes on (meta refresh)",
    "double-meta": "two pages that go on, so that the referrer is hidden",
    "js": "a page that goes on by script",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One lander or offer of a flow with its part of the visits."""

    id: str
    name: str
    weight: int
    share: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSentence:
    """`when` is who it is for; landers and offers are where they go."""

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
        when=f"When {_joined(each.when, word)}" if each.when else "Everybody",
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
    """Paused ones get nothing, and the others their part."""
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


def judgement(each: Filter) -> str:
    """What the filter does to a visit that any of its conditions fits."""
    if each.paused or each.archived:
        return "It is switched off."
    when = f"When {_joined(each.when, 'or')}"
    if each.mode == "monitor" or each.action.type == "allow":
        return f"{when}: noted, and nothing is stopped."
    return f"{when}: {action(each.action)}."


def action(each: Action) -> str:
    match each.type:
        case "status":
            return f"answer with status {each.code or 404}"
        case "url":
            return f"go to {each.url}"
        case "offer":
            return f"go to the offer {each.offer}"
        case "allow":
            return "let it pass"


def payout(offer: Offer) -> str:
    if offer.payout == "from-postback":
        return "as the postback says"
    return f"{amount(offer.payout)} {offer.currency}"


def cap(each: Cap | None) -> str:
    if each is None:
        return "no cap"
    per = "in total" if each.per == "total" else f"a {each.per} ({each.timezone})"
    then = f", then {each.then}" if each.then else ""
    return f"{each.conversions:,} conversions {per}{then}"


def cost(each: Cost) -> str:
    priced = f"{each.amount:g} {each.currency}" if each.amount is not None else "an amount the source sends"
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
            return "what the source sends with each visit" + (f", else {priced}" if each.amount is not None else "")
        case "none":
            return "not counted"


def terms(campaign: Campaign) -> Sequence[tuple[str, str]]:
    """The rest of a campaign's set-up: name and sentence."""
    return [
        ("Cost", cost(campaign.cost)),
        ("Unique", f"once in {campaign.uniqueness_hours} hours"),
        ("Redirect", _REDIRECTS.get(campaign.redirect, f"status {campaign.redirect}")),
        ("Again", _STICKY[campaign.sticky]),
        ("Sent on to", ", ".join(campaign.destinations) or "nobody"),
    ]


def fills(source: Source) -> Sequence[tuple[str, str]]:
    """What a traffic source should put into the link: its parameter, and what we take it for."""
    named = [(source.click_id, "its own click id"), (source.cost, "what this visit costs")]
    free = [(theirs, ours) for ours, theirs in source.params.items()]
    return [(parameter, meaning) for parameter, meaning in (*named, *free) if parameter]
