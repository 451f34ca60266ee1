"""A small shop to decide visits for, and strategies for its visits."""

from collections.abc import Iterable
from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st

from tnc.core.models import (
    Campaign,
    CampaignId,
    Click,
    ClickId,
    Condition,
    Configuration,
    Consent,
    Device,
    Filter,
    FilterId,
    Flow,
    FlowId,
    Lander,
    LanderId,
    Network,
    NetworkId,
    Offer,
    OfferId,
    Source,
    Traffic,
    Visit,
    WeightedLander,
    WeightedOffer,
)
from tnc.rules import Decision, Plan, compile_configuration
from tnc.rules.conditions import compile_condition
from tnc.rules.vocabulary import Scope

NOON = 1_795_521_600_000  # Tuesday 2026-11-24T12:00Z
CAMPAIGN = CampaignId("summer")


def when(fact: str, operator: Any, value: Any, timezone: str | None = None) -> Condition:
    return Condition(fact=fact, operator=operator, value=value, timezone=timezone)


def holds(condition: Condition, visit: Visit, scope: Scope | None = None) -> bool:
    check = compile_condition(condition, scope or Scope())
    return check.holds(check.fact.read(visit))


def visit(**facts: Any) -> Visit:
    return Visit(**{"visited_at_ms": NOON, "visitor": "0" * 32, **facts})


def person(number: int, **facts: Any) -> Visit:
    return visit(visitor=f"{number:032x}", **facts)


def flow(
    identity: str,
    *conditions: Condition,
    offers: dict[str, int] | None = None,
    landers: dict[str, int] | None = None,
    **rest: Any,
) -> Flow:
    return Flow(
        id=FlowId(identity),
        when=conditions,
        offers=tuple(WeightedOffer(id=OfferId(o), weight=w) for o, w in (offers or {}).items()),
        landers=tuple(WeightedLander(id=LanderId(o), weight=w) for o, w in (landers or {}).items()),
        **rest,
    )


def offer(identity: str, **rest: Any) -> Offer:
    url = f"https://{identity}.example/go?c={{click_id}}&o={{offer}}"
    return Offer(**{"id": OfferId(identity), "name": identity.title(), "url": url, "network": NetworkId("net"), **rest})


OFFERS = tuple(offer(name) for name in ("shoes", "boots", "socks"))
LANDERS = tuple(
    Lander(id=LanderId(name), name=name.title(), url=f"https://{name}.example/?k={{click_id}}")
    for name in ("quiz", "story")
)
REST = flow("rest", offers={"boots": 1})


def shop(
    *flows: Flow,
    offers: Iterable[Offer] = OFFERS,
    landers: Iterable[Lander] = LANDERS,
    filter_: Filter | None = None,
    network: Network = Network(id=NetworkId("net"), name="Net"),  # noqa: B008 - frozen
    source: Source | None = None,
    **campaign: Any,
) -> Configuration:
    made = Campaign(
        **{
            "id": CAMPAIGN,
            "name": "Summer",
            "path": "summer",
            "flows": flows or (REST,),
            "filter": None if filter_ is None else filter_.id,
            "source": None if source is None else source.id,
            **campaign,
        }
    )
    return Configuration(
        sources={} if source is None else {source.id: source},
        networks={network.id: network},
        offers={each.id: each for each in (*OFFERS, *offers)},
        landers={each.id: each for each in landers},
        filters={} if filter_ is None else {filter_.id: filter_},
        campaigns={made.id: made},
    )


def plan(*flows: Flow, **rest: Any) -> Plan:
    return compile_configuration(shop(*flows, **rest), 1).by_id[CAMPAIGN]


def standard(*conditions: Condition, **rest: Any) -> Filter:
    return Filter(id=FilterId("standard"), name="Standard", when=conditions, **rest)


def click_of(decision: Decision, of: Visit, **rest: Any) -> Click:
    return Click(
        click_id=ClickId("0" * 26),
        clicked_at_ms=of.visited_at_ms,
        campaign=CAMPAIGN,
        flow=decision.flow,
        lander=decision.lander,
        offer=decision.offer,
        network=decision.network,
        action=decision.action,
        filter=decision.filter,
        stopped=decision.stopped,
        witness=decision.witness,
        visit=of,
        **rest,
    )


# -------------------------------------------------------------------------------------------- strategies

law = settings(deadline=None, max_examples=50)

anything = st.text(max_size=20)  # with half characters too, as hostile headers hold them
maybe = st.one_of(st.none(), st.booleans())
version_text = st.one_of(
    st.none(), st.sampled_from(["17.2", "10.15.7", "10.9", "11", "Vista", "", ".", "9" * 5000]), anything
)
address_text = st.one_of(
    st.none(),
    st.ip_addresses().map(str),
    st.sampled_from(["203.0.113.0/24", "2001:db8::/48", "::ffff:203.0.113.9"]),
    anything,
)
tables = st.dictionaries(
    st.sampled_from(["a", "b", "age", "user-agent"]), st.one_of(anything, st.integers().map(str)), max_size=3
)

visits = st.builds(
    Visit,
    visited_at_ms=st.integers(0, 4_102_444_800_000),
    domain=st.one_of(st.none(), anything),
    url=st.one_of(st.none(), anything),
    ip=address_text,
    country=st.sampled_from([None, "US", "CA", "DE", "FR"]),
    region=st.one_of(st.none(), anything),
    city=st.one_of(st.none(), anything),
    asn=st.one_of(st.none(), st.integers(0, 2**32 - 1)),
    isp=st.one_of(st.none(), anything),
    connection=st.sampled_from([None, "cellular", "broadband"]),
    vpn=maybe,
    proxy=maybe,
    tor=maybe,
    datacenter=maybe,
    relay=maybe,
    user_agent=st.one_of(st.none(), anything),
    device=st.sampled_from([None, *get_args(Device)]),
    brand=st.one_of(st.none(), anything),
    model=st.one_of(st.none(), anything),
    os=st.sampled_from([None, "iOS", "Android", "Windows"]),
    os_version=version_text,
    browser=st.one_of(st.none(), anything),
    browser_version=version_text,
    language=st.sampled_from([None, "en", "de"]),
    referrer=st.one_of(st.none(), anything),
    referrer_domain=st.one_of(st.none(), anything),
    external_id=st.one_of(st.none(), anything),
    subs=st.dictionaries(st.sampled_from(["sub1", "sub2", "sub20"]), anything, max_size=3),
    params=tables,
    headers=tables,
    traffic=st.sampled_from(get_args(Traffic)),
    bot=st.one_of(st.none(), anything),
    crawler_verified=st.sampled_from([None, None, None, True, False]),
    reasons=st.lists(st.sampled_from(["duplicate", "header_mismatch"]), max_size=2).map(tuple),
    visitor=st.one_of(st.none(), st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")),
    visit_number=st.integers(0, 5),
    unique_campaign=maybe,
    unique_workspace=maybe,
    converted=maybe,
    consent=st.sampled_from(get_args(Consent)),
    gpc=st.booleans(),
)

texts_of = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3)
numbers_of = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted)
text_facts = st.sampled_from(
    ["domain", "url", "region", "city", "user_agent", "brand", "model", "os", "referrer", "referrer_domain",
     "external_id",
     "param.a", "header.A", "sub1", "sub20", "os_version", "reasons", "ip"]
)  # fmt: skip


# Conditions of every kind, all of them fit to be saved.
conditions = st.one_of(
    st.builds(when, text_facts, st.sampled_from(["contains", "starts", "ends"]), texts_of),
    st.builds(when, st.sampled_from(["user_agent", "param.b"]), st.just("matches"), st.just(["a.c|x+", "^b"])),
    st.builds(when, st.sampled_from(["city", "param.a", "sub2"]), st.sampled_from(["is", "not"]), texts_of),
    st.builds(
        when,
        st.just("country"),
        st.sampled_from(["is", "not"]),
        st.lists(st.sampled_from(["US", "DE", "unknown"]), min_size=1),
    ),
    st.builds(when, st.sampled_from(["vpn", "tor", "gpc", "converted"]), st.just("is"), st.just([True, "unknown"])),
    st.builds(when, st.sampled_from(["asn", "param.age", "share"]), st.just("between"), numbers_of),
    st.builds(when, st.sampled_from(["os_version", "browser_version"]), st.just("above"), st.just("10.9")),
    st.builds(
        when,
        st.just("hour"),
        st.just("between"),
        st.lists(st.integers(0, 23), min_size=2, max_size=2),
        st.sampled_from([None, "Asia/Kolkata", "America/New_York"]),
    ),
    st.builds(when, st.just("weekday"), st.just("is"), st.just(["mon", "sun"]), st.just("Asia/Kathmandu")),
    st.builds(when, st.just("ip"), st.just("in"), st.just(["203.0.113.0/24", "2001:db8::/32", "10.0.0.0/8"])),
    st.builds(when, st.just("traffic"), st.just("is"), st.just(["bot", "suspect"])),
    st.builds(when, st.just("reasons"), st.sampled_from(["is", "not"]), st.just(["duplicate", "unknown"])),
)
