"""Laws that hold for every visit and every campaign."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.rules.shop import click_of, conditions, flow, law, offer, plan, standard, visits
from tnc.core.models import Action, Cap, OfferId, Sticky, Visit
from tnc.rules import Plan, Step, is_decision_code
from tnc.rules.review_parity import BROWSERS, as_ordinary_visitor

names = st.sampled_from(["shoes", "boots", "socks"])


def weights(options: st.SearchStrategy[str], largest: int, most: int) -> st.SearchStrategy[dict[str, int]]:
    """Weights of some options, of which at least one gets visitors."""
    return st.dictionaries(options, st.integers(0, largest), max_size=most).filter(
        lambda found: not found or any(found.values())
    )


flows = st.lists(
    st.builds(
        lambda conditions, offers, landers, match, paused: flow(
            "f", *conditions, offers=offers, landers=landers or {"quiz": 1}, match=match, paused=paused
        ),
        st.lists(conditions, max_size=3),
        weights(names, 3, 3),
        weights(st.sampled_from(["quiz", "story"]), 2, 2),
        st.sampled_from(["all", "any"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)
actions = st.sampled_from(
    [Action(type="status", code=403), Action(type="allow"), Action(type="offer", offer=OfferId("socks"))]
)
filters = st.one_of(
    st.none(),
    st.builds(
        lambda conditions, action, mode: standard(*conditions, action=action, mode=mode),
        st.lists(conditions, max_size=3),
        actions,
        st.sampled_from(["enforce", "monitor"]),
    ),
)
plans = st.builds(
    lambda made, filter_, then, paused, sticky, otherwise: plan(
        *made,
        filter_=filter_,
        offers=[offer("shoes", cap=Cap(conversions=1, then=then)), offer("boots", paused=paused)],
        sticky=sticky,
        otherwise=otherwise,
    ),
    flows,
    filters,
    st.one_of(st.none(), names.map(OfferId)),
    st.booleans(),
    st.sampled_from(get_args(Sticky)),
    st.sampled_from([Action(type="status", code=410), Action(type="url", url="https://else.example/")]),
)
full = st.frozensets(names.map(OfferId))


@law
@given(plans, visits, full)
def test_every_decision_has_a_destination_or_a_status(
    campaign: Plan, a_visit: Visit, capped: frozenset[OfferId]
) -> None:
    decision = campaign.decide(a_visit, capped=capped)

    assert (decision.template is None) == (decision.action == "status") == (decision.status is not None)
    assert decision.flow is not None or decision.reasons
    assert not decision.stopped or (decision.filter is not None and decision.flow is None)
    assert all(map(is_decision_code, decision.reasons))


@law
@given(plans, visits, full)
def test_no_visitor_is_sent_to_a_full_or_paused_offer(
    campaign: Plan, a_visit: Visit, capped: frozenset[OfferId]
) -> None:
    decision = campaign.decide(a_visit, capped=capped)

    assert decision.offer not in capped
    assert decision.offer is None or not campaign.configuration.offers[decision.offer].paused
    assert decision.offer is None or decision.offer in campaign.offers


@law
@given(plans, visits, full)
def test_a_trace_does_not_change_the_decision(campaign: Plan, a_visit: Visit, capped: frozenset[OfferId]) -> None:
    trace: list[Step] = []

    traced = campaign.decide(a_visit, capped=capped, trace=trace)

    assert traced == campaign.decide(a_visit, capped=capped)
    assert trace
    assert all(step.text for step in trace)


@law
@given(plans, visits, full)
def test_a_click_is_decided_the_same_without_its_personal_facts(
    campaign: Plan, a_visit: Visit, capped: frozenset[OfferId]
) -> None:
    decision = campaign.decide(a_visit, capped=capped)
    kept = replace(
        a_visit, ip=None, user_agent=None, url=None, referrer=None, external_id=None, params={}, headers={}, subs={},
        reasons=a_visit.reasons + decision.reasons,
    )  # fmt: skip

    again = campaign.decide(kept, capped=capped, witness=decision.witness, trace=[])

    assert again == decision


@law
@given(plans, visits)
def test_a_crawler_is_decided_like_a_new_human_of_the_same_country_and_device(campaign: Plan, a_visit: Visit) -> None:
    browser = BROWSERS[2]
    of_device = {"device": browser.device, "os": browser.os, "language": a_visit.language or "en"}
    crawler = replace(a_visit, traffic="crawler", bot="adsbot-google", datacenter=True, asn=15169, **of_device)
    human = as_ordinary_visitor(replace(crawler, user_agent="AdsBot-Google", asn=32934, browser="Googlebot"))

    found, ordinary = campaign.decide(crawler), campaign.decide(human)

    assert found.filter is None
    if not ordinary.stopped:
        assert (found.flow, found.lander, found.offer) == (ordinary.flow, ordinary.lander, ordinary.offer)


@law
@given(plans, visits, full)
def test_the_stored_click_has_the_same_destination(campaign: Plan, a_visit: Visit, capped: frozenset[OfferId]) -> None:
    decision = campaign.decide(a_visit, capped=capped)
    click = click_of(decision, a_visit)

    made = campaign.destination(click)

    assert made == (None if decision.template is None else campaign.fill(decision.template, click))
