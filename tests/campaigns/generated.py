"""Strategies for valid configurations with unusual values."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.models import (
    STATUSES,
    SUBS,
    Action,
    Campaign,
    Cap,
    Condition,
    Configuration,
    Cost,
    Destination,
    Filter,
    Flow,
    Lander,
    Network,
    Offer,
    OfferId,
    Postback,
    Source,
    WeightedLander,
    WeightedOffer,
)
from tnc.core.money import LARGEST

T = TypeVar("T")

law = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])

# Only a few, so that two configurations often have the same ids.
slugs = st.sampled_from(("a", "b-1", "0", "a-rather-long-one-" + "x" * 46))
printable = st.characters(categories=["L", "N", "P", "S", "Zs"]).filter(str.isprintable)
texts = st.text(printable, min_size=1, max_size=30).map(str.strip).filter(lambda text: text and "YOUR_" not in text)
names = st.text(printable, min_size=1, max_size=10).map(str.strip).filter(lambda text: text and "YOUR_" not in text)
urls = st.sampled_from(
    (
        "https://shop.example/",
        "http://shop.example:8080/a?b={click_id}&c={raw:sub1}#d",
        "https://münchen.example/{param.utm_source}",
        'https://shop.example/?q="quoted"\\{status:lead=0 sale=1}',
    )
)
amounts = st.one_of(st.integers(0, LARGEST).map(float), st.floats(0, LARGEST).map(lambda amount: amount or 0.0))
currencies = st.sampled_from(("USD", "EUR", "JPY"))
zones = st.sampled_from(("UTC", "Asia/Kolkata", "America/New_York"))
flags = {"paused": st.booleans(), "archived": st.booleans()}
conditions = st.sampled_from(
    (
        Condition(fact="country", operator="is", value=["US", "unknown"]),
        Condition(fact="device", operator="not", value=["mobile"]),
        Condition(fact="vpn", operator="is", value=[True]),
        Condition(fact="hour", operator="between", value=[22, 6], timezone="Asia/Kolkata"),
        Condition(fact="share", operator="below", value=12.5),
        Condition(fact="os_version", operator="above", value="17.2"),
        Condition(fact="ip", operator="in", value=["198.51.100.0/24"]),
        Condition(fact="param.utm source", operator="contains", value='quotes " and \\ and ü'),
        Condition(fact="clicked_at", operator="above", value="2026-11-23T18:00:00+00:00"),
    )
)


def optional(strategy: SearchStrategy[T]) -> SearchStrategy[T | None]:
    return st.none() | strategy


def some(items: Sequence[T], most: int = 3) -> SearchStrategy[tuple[T, ...]]:
    if not items:
        return st.just(())
    return st.lists(st.sampled_from(items), unique=True, max_size=most).map(tuple)


def one_or_none(items: Sequence[T]) -> SearchStrategy[T | None]:
    return st.none() if not items else st.none() | st.sampled_from(items)


def choices(make: type[Any], field: str) -> SearchStrategy[Any]:
    """The texts that the annotation of the model allows."""
    annotation = next(each.type for each in fields(make) if each.name == field)
    return st.sampled_from(get_args(annotation))


statuses = st.fixed_dictionaries({}, optional=dict.fromkeys(STATUSES, st.just(()))).flatmap(
    lambda chosen: st.lists(names, unique_by=str.casefold, max_size=6).map(
        lambda theirs: {status: tuple(theirs[place :: len(chosen)]) for place, status in enumerate(chosen)}
    )
)
events = st.lists(names, min_size=1, max_size=3, unique=True).map(tuple)
secrets = texts.filter(lambda text: not text.startswith(("env:", "file:")) and text != "(kept)")
own_keys: dict[str, SearchStrategy[Any]] = {
    "pixel": st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    "access_token": secrets,
    "app_secret": secrets,
    "client_secret": secrets,
    "refresh_token": secrets,
    "developer_token": secrets,
    "secret": st.just("whsec_c2VjcmV0"),
    "api_version": st.sampled_from(("v26", "v26.0", "v27.1")),
    "test_event_code": names,
    "page": st.just("https://shop.example/page"),
    "token_url": st.just("https://oauth.example/token"),
    "client_id": texts,
    "conversion_name": texts,
    "timezone": zones,
    "url": st.sampled_from(("https://crm.example/", "https://crm.example/x?y=1")),
    "method": st.just("POST"),
    "body": st.sampled_from(('{"id": "{click_id}",\n\t"value": {payout}}', "a=b\r\nc={sub1}")),
    "content_type": st.just("application/json"),
    "headers": st.dictionaries(st.sampled_from(("Authorization", "X-Key")), secrets, min_size=1),
    "success": st.just("^ok\\b"),
    "failure": st.just('"error":'),
    **dict.fromkeys(("account", "login_account", "conversion_action"), st.from_regex(r"[0-9]{1,10}", fullmatch=True)),
}


@st.composite
def destinations(draw: DrawFn, identity: str) -> Destination:
    kind: str = draw(st.sampled_from(tuple(PLATFORMS)))
    keys = PLATFORMS[kind].keys
    needed = {key: own_keys[key] for key, each in keys.items() if each.needed or key == "method"}
    given = draw(st.fixed_dictionaries(needed, optional={key: own_keys[key] for key in keys if key not in needed}))
    return draw(
        st.builds(
            Destination,
            id=st.just(identity),
            name=texts,
            type=st.just(kind),
            on=events,
            events=st.dictionaries(names, names, max_size=3),
            first=st.booleans(),
            share=st.floats(0, 1).map(lambda share: share or 0.0),
            consent=choices(Destination, "consent"),
            base_url=st.none()
            if PLATFORMS[kind].base_url is None
            else st.none() | st.just("https://fake.example/prefix"),
            settings=st.just(PLATFORMS[kind].with_defaults(given)),
            **flags,
        )
    )


def sources(identity: str) -> SearchStrategy[Source]:
    return st.builds(
        Source,
        id=st.just(identity),
        name=texts,
        click_id=optional(names),
        cost=optional(names),
        params=st.dictionaries(st.sampled_from(SUBS), names, max_size=4),
        keep=st.lists(st.sampled_from(SUBS), unique=True, max_size=3).map(tuple),
        postback=optional(st.builds(Postback, url=urls, on=events, method=choices(Postback, "method"))),
        **flags,
    )


def networks(identity: str) -> SearchStrategy[Network]:
    return st.builds(
        Network,
        id=st.just(identity),
        name=texts,
        statuses=statuses,
        duplicates=choices(Network, "duplicates"),
        key=optional(secrets),
        allow_ips=some(("198.51.100.0/24", "2001:db8::1", "203.0.113.7")),
        currencies=some(("EUR", "XOF")),
        max_payout=st.none() | st.sampled_from([0.5, 100.0]),
        max_conversions=st.none() | st.integers(1, 1_000_000),
        **flags,
    )


@st.composite
def offers(draw: DrawFn, identities: Sequence[str], known_networks: Sequence[str]) -> dict[str, Offer]:
    """A cap leads to an earlier offer only, so that none leads back to itself."""
    made: dict[str, Offer] = {}
    for identity in identities:
        cap = st.builds(
            Cap,
            conversions=st.integers(1, 1_000_000_000),
            per=choices(Cap, "per"),
            timezone=zones,
            then=one_or_none(tuple(map(OfferId, made))),
        )
        made[identity] = draw(
            st.builds(
                Offer,
                id=st.just(identity),
                name=texts,
                url=urls,
                network=one_or_none(known_networks),
                payout=amounts | st.just("from-postback"),
                currency=currencies,
                cap=optional(cap),
                **flags,
            )
        )
    return made


def landers(identity: str) -> SearchStrategy[Lander]:
    return st.builds(Lander, id=st.just(identity), name=texts, url=urls, **flags)


statuses_codes = st.sampled_from((200, 204, 404, 410, 451, 503))
ends = st.builds(Action, type=st.just("status"), code=statuses_codes, url=st.none(), offer=st.none()) | st.builds(
    Action, type=st.just("url"), url=urls, code=st.none(), offer=st.none()
)


def filters(identity: str, known_offers: Sequence[str]) -> SearchStrategy[Filter]:
    actions: SearchStrategy[Action] = ends | st.just(Action(type="allow"))
    if known_offers:
        actions |= st.sampled_from(known_offers).map(lambda offer: Action(type="offer", offer=OfferId(offer)))
    return st.builds(
        Filter,
        id=st.just(identity),
        name=texts,
        when=st.lists(conditions, min_size=1, max_size=2).map(tuple),
        action=actions,
        mode=choices(Filter, "mode"),
        purpose=texts.map(lambda text: f"because of {text}"),
        **flags,
    )


def costs() -> SearchStrategy[Cost]:
    return st.one_of(
        st.builds(Cost, model=st.sampled_from(("cpc", "cpm", "cpa")), amount=amounts, currency=currencies),
        st.builds(Cost, model=st.just("auto"), amount=optional(amounts), currency=currencies),
        st.builds(Cost, model=st.just("revshare"), amount=st.just(0.25), currency=currencies),
        st.builds(Cost, model=st.just("none"), amount=st.none(), currency=currencies),
    )


def weighted(make: type[Any], items: Sequence[str]) -> SearchStrategy[tuple[Any, ...]]:
    one = {
        identity: st.builds(make, id=st.just(identity), weight=st.integers(0, 1_000_000), paused=st.booleans())
        for identity in items
    }
    chosen = some(items).flatmap(lambda chosen: st.tuples(*(one[identity] for identity in chosen)))
    return chosen.filter(lambda options: not options or any(option.weight for option in options))


def flows(identity: str, known_landers: Sequence[str], known_offers: Sequence[str]) -> SearchStrategy[Flow]:
    return st.builds(
        Flow,
        id=st.just(identity),
        when=st.lists(conditions, max_size=2).map(tuple),
        match=choices(Flow, "match"),
        landers=weighted(WeightedLander, known_landers),
        offers=weighted(WeightedOffer, known_offers),
        **flags,
    ).filter(lambda flow: bool(flow.landers or flow.offers))


@st.composite
def configurations(draw: DrawFn) -> Configuration:
    ids = {
        noun: draw(st.lists(slugs, unique=True, max_size=2))
        for noun in ("source", "network", "lander", "filter", "campaign", "destination")
    }
    made_offers = draw(offers(draw(st.lists(slugs, unique=True, max_size=3)), ids["network"]))
    known_offers = tuple(made_offers)

    def campaign(identity: str) -> SearchStrategy[Campaign]:
        routes = st.just(())
        if known_offers:
            routes = st.lists(slugs, unique=True, max_size=2).flatmap(
                lambda flow_ids: st.tuples(*(flows(each, ids["lander"], known_offers) for each in flow_ids))
            )
        return st.builds(
            Campaign,
            id=st.just(identity),
            name=texts | st.just(identity),
            path=st.sampled_from((identity, f"p/{identity}", f"P~{identity}.html")),
            source=one_or_none(ids["source"]),
            filter=one_or_none(ids["filter"]),
            cost=costs(),
            uniqueness_hours=st.integers(1, 8760),
            redirect=choices_of_redirect,
            referrer_policy=st.none() | st.just("no-referrer"),
            sticky=choices_of_sticky,
            destinations=some(ids["destination"]),
            otherwise=ends,
            flows=routes,
            **flags,
        )

    def all_of(noun: str, make: Any) -> dict[Any, Any]:
        return {identity: draw(make(identity)) for identity in ids[noun]}

    return Configuration(
        sources=all_of("source", sources),
        networks=all_of("network", networks),
        offers={OfferId(identity): offer for identity, offer in made_offers.items()},
        landers=all_of("lander", landers),
        filters=all_of("filter", lambda identity: filters(identity, known_offers)),
        destinations=all_of("destination", destinations),
        campaigns=all_of("campaign", campaign),
    )


choices_of_redirect = choices(Campaign, "redirect")
choices_of_sticky = choices(Campaign, "sticky")
