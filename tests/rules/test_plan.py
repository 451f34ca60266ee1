"""Where visits go: flows, filters, caps, stickiness, lander clicks, traces."""

from dataclasses import replace

import pytest

from tests.rules.shop import (
    CAMPAIGN,
    LANDERS,
    OFFERS,
    REST,
    click_of,
    flow,
    offer,
    person,
    plan,
    shop,
    standard,
    visit,
    when,
)
from tnc.core.errors import InvalidError
from tnc.core.models import (
    Action,
    CampaignId,
    Cap,
    Condition,
    Configuration,
    Lander,
    LanderId,
    Network,
    NetworkId,
    Offer,
    OfferId,
    Source,
    SourceId,
    WeightedOffer,
)
from tnc.rules import Step, compile_configuration, destination_check, needed_facts
from tnc.rules.decision import Trace
from tnc.rules.review_parity import BROWSERS

SHOES, BOOTS, SOCKS = (each.id for each in OFFERS)
US = flow("us", when("country", "is", ["US"]), offers={"shoes": 1})
PHONES_OR_TABLETS = flow(
    "small", when("device", "is", ["mobile"]), when("device", "is", ["tablet"]), offers={"shoes": 1}, match="any"
)
ADS = Source(id=SourceId("ads"), name="Ads")
A_BOT = visit(traffic="bot", country="US")
BOTS = when("traffic", "is", ["bot"])


# --------------------------------------------------------------------------------------------- flows


def test_the_first_flow_that_matches_takes_the_visit() -> None:
    everybody = plan(US, flow("all", offers={"socks": 1}), REST)

    assert everybody.decide(visit(country="US")).flow == "us"
    assert everybody.decide(visit(country="DE")).flow == "all"
    assert everybody.decide(visit()).flow == "all"


def test_match_decides_whether_all_conditions_must_hold_or_any() -> None:
    both = flow("both", when("country", "is", ["US"]), when("device", "is", ["mobile"]), offers={"shoes": 1})

    assert plan(both, REST).decide(visit(country="US", device="mobile")).flow == "both"
    assert plan(both, REST).decide(visit(country="US", device="tv")).flow == "rest"
    assert plan(PHONES_OR_TABLETS, REST).decide(visit(device="tablet")).flow == "small"
    assert plan(PHONES_OR_TABLETS, REST).decide(visit(device="tv")).flow == "rest"
    assert plan(flow("any", offers={"shoes": 1}, match="any"), REST).decide(visit()).flow == "any"


def test_a_visit_goes_straight_to_the_offer_with_its_network() -> None:
    decision = plan(REST).decide(visit())

    assert (decision.action, decision.status, decision.offer, decision.network) == ("redirect", None, "boots", "net")
    assert decision.template is not None
    assert decision.template.host == "boots.example"


def test_with_a_lander_the_visit_goes_there_and_its_offer_is_decided_too() -> None:
    decision = plan(flow("f", offers={"boots": 1}, landers={"quiz": 1})).decide(visit())

    assert (decision.lander, decision.offer) == ("quiz", "boots")
    assert decision.template is not None
    assert decision.template.host == "quiz.example"


def test_a_flow_may_end_at_its_lander() -> None:
    decision = plan(flow("f", landers={"quiz": 1})).decide(visit())

    assert (decision.lander, decision.offer, decision.network) == ("quiz", None, None)


@pytest.mark.parametrize(
    ("redirect", "action"),
    [("302", "redirect"), ("307", "redirect"), ("meta", "page"), ("double-meta", "page"), ("js", "page")],
)  # fmt: skip
def test_meta_and_script_redirects_are_pages(redirect: str, action: str) -> None:
    assert plan(REST, redirect=redirect).decide(visit()).action == action


def test_otherwise_takes_visits_that_no_flow_takes() -> None:
    no_flow = visit(country="DE")

    status = plan(US, otherwise=Action(type="status", code=410)).decide(no_flow)
    url = plan(US, otherwise=Action(type="url", url="https://else.example/{country}")).decide(no_flow)
    other = plan(US, otherwise=Action(type="offer", offer=SOCKS)).decide(no_flow)

    assert (status.action, status.status, status.template) == ("status", 410, None)
    assert (url.action, url.status, url.template and url.template.host) == ("redirect", None, "else.example")
    assert (other.offer, other.network, other.flow) == ("socks", "net", None)
    assert {each.reasons for each in (status, url, other)} == {("no_flow",)}


# ------------------------------------------------------------------------------------ paused and archived


def test_fault_10_paused_and_archived_flows_and_offers_get_no_traffic() -> None:
    both = {"shoes": 1, "boots": 1}
    plans = [
        plan(flow("f", offers=both), offers=[offer("shoes", paused=True)]),
        plan(flow("f", offers=both), offers=[offer("shoes", archived=True)]),
        plan(flow("f", offers={"shoes": 0, "boots": 1})),
        plan(replace(REST, offers=(WeightedOffer(id=SHOES, paused=True), WeightedOffer(id=BOOTS)))),
        plan(flow("f", offers={"shoes": 1}, paused=True), REST),
        plan(flow("f", offers={"shoes": 1}, archived=True), REST),
    ]

    assert {each.decide(person(number)).offer for each in plans for number in range(50)} == {"boots"}


def test_a_paused_lander_gets_no_traffic() -> None:
    paused = Lander(id=LanderId("story"), name="Story", url="https://story.example/", paused=True)
    plans = plan(flow("f", landers={"quiz": 1, "story": 1}), landers=[LANDERS[0], paused])

    assert {plans.decide(person(number)).lander for number in range(50)} == {"quiz"}


def test_the_offers_of_a_paused_network_get_no_traffic() -> None:
    stopped = plan(REST, network=Network(id=NetworkId("net"), name="Net", paused=True))

    assert stopped.decide(visit()).action == "status"


@pytest.mark.parametrize(
    ("why", "reason"), [({"paused": True}, "campaign_paused"), ({"archived": True}, "campaign_archived")]
)
def test_a_paused_or_archived_campaign_takes_no_visits(why: dict[str, bool], reason: str) -> None:
    decision = plan(REST, **why).decide(visit())

    assert (decision.action, decision.status, decision.reasons) == ("status", 404, (reason,))


def test_campaigns_of_a_paused_source_take_no_visits() -> None:
    decision = plan(REST, source=replace(ADS, paused=True)).decide(visit())

    assert (decision.status, decision.reasons) == (404, ("source_paused",))


def test_the_path_of_an_archived_campaign_can_be_used_again() -> None:
    plans = compile_configuration(shop(REST, archived=True), 3)

    assert plans.by_path == {}
    assert plans.by_id[CAMPAIGN].campaign.archived
    assert plans.version == 3


# ---------------------------------------------------------------------------------------------- caps


def capped(identity: str, then: str | None) -> Offer:
    return offer(identity, cap=Cap(conversions=1, then=None if then is None else OfferId(then)))


def test_fault_25_a_full_offer_sends_its_visitors_on() -> None:
    shoes_then_boots = plan(flow("f", offers={"shoes": 1}), offers=[capped("shoes", "boots")])

    assert shoes_then_boots.decide(visit()).offer == "shoes"
    assert shoes_then_boots.decide(visit(), capped=frozenset({SHOES})).offer == "boots"
    assert shoes_then_boots.decide(visit(), capped=frozenset({SHOES})).flow == "f"


def test_visitors_of_a_full_offer_without_alternative_get_the_other_offers() -> None:
    two = plan(flow("f", offers={"shoes": 1, "socks": 1}), offers=[capped("shoes", None)], sticky="offer")
    before = {number: two.decide(person(number)).offer for number in range(200)}
    after = {number: two.decide(person(number), capped=frozenset({SHOES})).offer for number in range(200)}

    assert set(before.values()) == {"shoes", "socks"}
    assert set(after.values()) == {"socks"}


def test_a_chain_of_caps_is_followed_and_a_circle_ends() -> None:
    chain = [capped("shoes", "boots"), capped("boots", "socks"), capped("socks", "shoes")]
    around = plan(flow("f", offers={"shoes": 1}), REST, offers=chain)

    assert around.decide(visit(), capped=frozenset({SHOES, BOOTS})).offer == "socks"
    assert around.decide(visit(), capped=frozenset({SHOES, BOOTS, SOCKS})).reasons == ("no_flow",)
    assert around.offers == {SHOES, BOOTS, SOCKS}


def test_a_full_offer_does_not_send_visitors_to_a_paused_one() -> None:
    to_paused = plan(flow("f", offers={"shoes": 1}), offers=[capped("shoes", "boots"), offer("boots", paused=True)])

    assert to_paused.decide(visit(), capped=frozenset({SHOES})).action == "status"


def test_a_flow_without_offers_left_is_passed_over() -> None:
    full = plan(US, REST, offers=[capped("shoes", None)])
    trace: list[Step] = []

    decision = full.decide(visit(country="US"), capped=frozenset({SHOES}), trace=trace)

    assert decision.flow == "rest"
    assert "flow us has nothing left to send visitors to and is passed over" in map(str, trace)


def test_a_flow_without_offers_left_does_not_show_its_lander() -> None:
    full = plan(flow("f", offers={"shoes": 1}, landers={"quiz": 1}), REST, offers=[capped("shoes", None)])

    assert full.decide(visit(), capped=frozenset({SHOES})).flow == "rest"


# ------------------------------------------------------------------------------------------- filters


def test_a_filter_stops_a_visit_when_any_condition_holds_and_gives_reasons() -> None:
    filter_ = standard(BOTS, when("datacenter", "is", [True]), when("tor", "is", [True]))

    decision = plan(US, REST, filter_=filter_).decide(visit(traffic="bot", tor=True, country="US"))

    assert (decision.filter, decision.stopped, decision.flow, decision.status) == ("standard", True, None, 404)
    assert decision.reasons == ("filter_traffic", "filter_tor")
    assert plan(US, REST, filter_=filter_).decide(visit(country="US")).filter is None


@pytest.mark.parametrize("records", [{"mode": "monitor"}, {"action": Action(type="allow")}])
def test_a_filter_in_monitor_mode_does_not_stop_visits(records: dict[str, object]) -> None:
    decision = plan(US, REST, filter_=standard(BOTS, **records)).decide(A_BOT)

    assert (decision.filter, decision.stopped, decision.flow, decision.offer) == ("standard", False, "us", "shoes")
    assert decision.reasons == ("filter_traffic",)


def test_a_filter_can_send_visitors_to_a_url_or_an_offer() -> None:
    url = Action(type="url", url="https://else.example/?c={click_id}")
    to_url = plan(US, filter_=standard(BOTS, action=url)).decide(A_BOT)
    to_offer = plan(US, filter_=standard(BOTS, action=Action(type="offer", offer=SOCKS))).decide(A_BOT)
    to_nothing = plan(
        US, filter_=standard(BOTS, action=Action(type="offer", offer=SOCKS)), offers=[offer("socks", paused=True)]
    ).decide(A_BOT)

    assert (to_url.template and to_url.template.host, to_url.stopped) == ("else.example", True)
    assert (to_offer.offer, to_offer.flow, to_offer.stopped) == ("socks", None, True)
    assert (to_nothing.status, to_nothing.reasons) == (404, ("filter_traffic", "offer_gone"))


@pytest.mark.parametrize("off", [{"paused": True}, {"archived": True}])
def test_a_paused_or_archived_filter_does_nothing(off: dict[str, bool]) -> None:
    assert plan(US, filter_=standard(BOTS, **off)).decide(A_BOT).filter is None


def test_a_filter_without_conditions_stops_no_visit() -> None:
    assert plan(REST, filter_=standard()).decide(A_BOT).filter is None


@pytest.mark.parametrize(
    "declared",
    [
        {"traffic": "crawler"},
        {"traffic": "crawler", "crawler_verified": True},
        {"traffic": "bot", "crawler_verified": False},
        {"traffic": "prefetch", "reasons": ("prefetch", "crawler_claimed")},
    ],
)  # fmt: skip
def test_a_declared_crawler_goes_where_an_ordinary_visitor_of_its_country_and_device_goes(
    declared: dict[str, object],
) -> None:
    filter_ = standard(BOTS, when("datacenter", "is", [True]), when("asn", "is", [15169, 8075]))
    flows = (
        flow("robots", when("traffic", "is", ["bot"]), offers={"boots": 1}),
        flow("hosts", when("datacenter", "is", [True]), offers={"boots": 1}),
        flow("agents", when("user_agent", "contains", "bot"), offers={"boots": 1}),
        flow("nets", when("ip", "in", ["203.0.113.0/24"]), offers={"boots": 1}),
        flow("humans", when("traffic", "is", ["human"]), when("country", "is", ["US"]), offers={"shoes": 1}),
        REST,
    )
    crawler = visit(
        country="US", device="mobile", datacenter=True, asn=15169, ip="203.0.113.9", bot="adsbot-google",
        user_agent="AdsBot-Google", **declared,
    )  # fmt: skip

    found = plan(*flows, filter_=filter_).decide(crawler)

    ordinary = plan(*flows, filter_=filter_).decide(visit(country="US", device="mobile"))
    assert (found.flow, found.offer, found.filter) == (ordinary.flow, ordinary.offer, None)
    assert found.flow == "humans"


@pytest.mark.parametrize(
    "tell",
    [
        when("user_agent", "is", ["unknown"]),
        when("user_agent", "not", ["unknown"]),
        when("user_agent", "matches", "chrome|safari"),
        when("header.user-agent", "is", ["unknown"]),
        when("header.accept", "is", ["unknown", "*/*"]),
        when("header.sec-fetch-mode", "is", ["unknown"]),
        when("header.accept-language", "is", ["unknown"]),
        when("header.from", "not", ["unknown"]),
        when("header.host", "is", ["t.example"]),
        when("language", "is", ["unknown"]),
        when("ip", "is", ["unknown"]),
        when("asn", "is", ["unknown"]),
        when("isp", "is", ["unknown"]),
        when("vpn", "is", ["unknown"]),
        when("connection", "is", ["unknown", "corporate"]),
        when("os", "is", ["unknown"]),
        when("os_version", "is", ["6"]),
        when("browser", "contains", "bot"),
        when("browser", "not", ["Chrome", "Safari"]),
        when("browser_version", "above", 100),
        when("model", "is", ["Nexus 5X", "Spider"]),
        when("device", "is", ["other"]),
        when("device", "is", ["desktop"]),
    ],
)
def test_missing_facts_do_not_tell_a_crawler_from_visitors(tell: Condition) -> None:
    flows = (flow("tell", tell, offers={"boots": 1}), REST)
    network = {"ip": "203.0.113.9", "asn": 32934, "isp": "Facebook, Inc.", "connection": "corporate"}
    crawler = visit(
        device="other", brand="Spider", model="Spider", browser="FacebookBot", traffic="crawler", bot="meta",
        user_agent="facebookexternalhit/1.1", headers={"host": "t.example", "accept": "*/*", "from": "x"}, **network,
    )  # fmt: skip
    browser = BROWSERS[0]
    person = visit(
        device="desktop", os="Windows", browser="Chrome", browser_version="150", language="en",
        user_agent=browser.user_agent, headers=browser.headers | {"host": "t.example"},
        **network | {"ip": "198.51.100.7", "asn": 7922, "isp": "Comcast", "connection": "broadband"},
    )  # fmt: skip

    assert plan(*flows).decide(crawler).flow == plan(*flows).decide(person).flow


def test_a_crawler_with_a_system_goes_where_visitors_with_that_system_go() -> None:
    flows = (flow("apples", when("os", "is", ["iOS"]), when("browser", "is", ["Safari"]), offers={"shoes": 1}), REST)

    assert plan(*flows).decide(visit(device="mobile", os="iOS", os_version="14", traffic="crawler")).flow == "apples"


# ------------------------------------------------------------------------------------ sticky


TWO = flow("f", offers={"shoes": 1, "boots": 1}, landers={"quiz": 1, "story": 1})


def seen_by_one(sticky: str) -> tuple[int, int]:
    """The largest number of landers and offers that one visitor sees in twenty visits."""
    campaign = plan(TWO, sticky=sticky)
    landers, offers = [], []
    for number in range(20):
        visits = [campaign.decide(person(number, visit_number=time)) for time in range(20)]
        landers.append(len({each.lander for each in visits}))
        offers.append(len({each.offer for each in visits}))
    return max(landers), max(offers)


@pytest.mark.parametrize(
    ("sticky", "seen"), [("none", (2, 2)), ("flow", (2, 2)), ("lander", (1, 2)), ("offer", (1, 1))]
)
def test_a_sticky_choice_stays_with_the_visitor(sticky: str, seen: tuple[int, int]) -> None:
    assert seen_by_one(sticky) == seen


def test_a_visitor_without_a_pseudonym_is_sent_to_an_offer() -> None:
    nameless = [visit(visitor=None, visited_at_ms=moment) for moment in range(100)]
    campaign = plan(TWO, sticky="offer")

    assert {campaign.decide(each).offer for each in nameless} == {"shoes", "boots"}
    assert [campaign.decide(each) for each in nameless] == [campaign.decide(each) for each in nameless]


# ----------------------------------------------------------------------------------- after the click


def test_a_lander_click_goes_to_the_offer_that_was_decided() -> None:
    campaign = plan(TWO)
    for number in range(20):
        decision = campaign.decide(person(number))
        click = click_of(decision, person(number))

        found = campaign.lander_offer(click)

        assert found is not None
        assert (found.offer, found.network) == (decision.offer, "net")
        assert campaign.fill(found.template, click) == f"https://{found.offer}.example/go?c={'0' * 26}&o={found.offer}"


def test_a_lander_click_can_choose_the_offer_by_number() -> None:
    campaign = plan(TWO)
    click = click_of(campaign.decide(visit()), visit())

    numbered = [campaign.lander_offer(click, number=number) for number in (0, 1, 2, 3)]

    assert [each and each.offer for each in numbered] == [None, "shoes", "boots", None]


def test_a_lander_click_respects_present_caps_and_pauses() -> None:
    before = plan(flow("f", offers={"shoes": 1}, landers={"quiz": 1}))
    click = click_of(before.decide(visit()), visit())
    now_full = plan(flow("f", offers={"shoes": 1}, landers={"quiz": 1}), offers=[capped("shoes", "boots")])
    now_paused = plan(
        flow("f", offers={"shoes": 1, "socks": 1}, landers={"quiz": 1}), offers=[offer("shoes", paused=True)]
    )
    now_out = plan(
        replace(
            flow("f", landers={"quiz": 1}),
            offers=(WeightedOffer(id=SHOES, paused=True), WeightedOffer(id=SOCKS)),
        )
    )
    nothing = plan(REST, offers=[offer("shoes", archived=True)])

    found = [
        now_full.lander_offer(click, capped=frozenset({SHOES})),
        now_full.lander_offer(click, number=1, capped=frozenset({SHOES})),
        now_paused.lander_offer(click),
        now_out.lander_offer(click),
        nothing.lander_offer(click),
        nothing.lander_offer(click, number=1),
    ]

    assert [each and each.offer for each in found] == ["boots", "boots", "socks", "socks", None, None]


def test_the_offer_after_a_lander_fills_in_its_own_name() -> None:
    campaign = plan(TWO)
    click = click_of(campaign.decide(visit()), visit())
    second = campaign.lander_offer(click, number=2)

    assert second is not None
    assert campaign.fill(second.template, click, offer=second.offer).endswith("&o=boots")


def test_a_destination_is_rebuilt_from_stored_facts() -> None:
    campaign = plan(
        US,
        filter_=standard(BOTS, action=Action(type="url", url="https://else.example/?c={country}")),
        otherwise=Action(type="url", url="https://rest.example/?c={country}"),
    )
    visits = [visit(country="US"), visit(country="DE"), A_BOT]

    made = [campaign.destination(click_of(campaign.decide(each), each)) for each in visits]

    assert made == [
        f"https://shoes.example/go?c={'0' * 26}&o=shoes",
        "https://rest.example/?c=DE",
        "https://else.example/?c=US",
    ]


def test_a_status_has_no_destination_and_an_imported_click_keeps_its_own() -> None:
    campaign = plan(US)
    answered = click_of(campaign.decide(visit()), visit())
    imported = click_of(campaign.decide(visit()), visit(), destination="https://elsewhere.example/")

    assert campaign.destination(answered) is None
    assert campaign.destination(imported) == "https://elsewhere.example/"


def test_a_click_to_a_deleted_offer_has_no_destination() -> None:
    gone = click_of(plan(TWO).decide(visit()), visit())
    bare = plan(US, landers=[])

    assert bare.destination(gone) is None


def test_destinations_have_different_short_checks() -> None:
    assert len(destination_check("https://a.example/")) == 8
    assert destination_check("https://a.example/") != destination_check("https://a.example/?")


# -------------------------------------------------------------------------------------------- trace


def test_the_trace_lists_every_step_in_plain_words() -> None:
    campaign = plan(
        US,
        flow("pause", offers={"boots": 1}, paused=True),
        flow("f", when("param.age", "above", 18), offers={"shoes": 3, "boots": 1, "socks": 0}, landers={"quiz": 1}),
        filter_=standard(BOTS),
        offers=[capped("shoes", "boots")],
        sticky="offer",
    )
    trace: list[Step] = []

    campaign.decide(person(0, country="DE", params={"age": "30"}), capped=frozenset({SHOES}), trace=trace)

    assert list(map(str, trace)) == [
        "traffic is bot: no, it is human",
        "filter standard does not match",
        "country is US: no, it is DE",
        "flow us does not match",
        "flow pause is paused",
        "param.age is above 18: yes, it is 30",
        "flow f matches",
        "offer socks is without weight",
        "lander quiz, the only one",
        "offer shoes, out of shoes 75%, boots 25%; stays with the visitor",
        "offer shoes has reached its cap, so visitors go on to boots",
        "goes to quiz.example, by 302",
    ]
    assert trace[5] == Step(kind="condition", text=str(trace[5]), passed=True, fact="param.age", value="30")


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (shop(flow("f", when("contry", "is", "x"), landers={"quiz": 1})),
         "flow 'f' of campaign 'summer': there is no fact"),
        (shop(flow("f")), "neither landers nor offers"),
        (shop(flow("f", offers={"hats": 1})), "there is no offer 'hats'"),
        (shop(flow("f", landers={"hats": 1})), "there is no lander 'hats'"),
        (shop(flow("f", offers={"shoes": -1})), "below 0"),
        (shop(flow("f", offers={"shoes": 0, "boots": 0})), "every offer has weight 0"),
        (shop(replace(US, offers=(WeightedOffer(id=SHOES),) * 2)), "twice"),
        (shop(REST, filter_=standard(when("offer", "is", ["x"]))), "filter 'standard': 'offer' is only known"),
        (shop(REST, filter_=standard(BOTS, action=Action(type="url"))), "filter 'standard': '' is no URL"),
        (shop(REST, filter_=standard(BOTS, action=Action(type="status", code=302))), "302 is no status"),
        (shop(REST, otherwise=Action(type="allow")), "allow is for filters"),
        (shop(REST, otherwise=Action(type="offer", offer=OfferId("hats"))), "there is no offer 'hats'"),
        (shop(REST, offers=[offer("shoes", url="https://{click_id}/")]), "offer 'shoes': "),
        (shop(REST, offers=[offer("shoes", network=NetworkId("none"))]), "there is no network 'none'"),
        (shop(REST, offers=[capped("shoes", "hats")]), "which is no offer"),
        (shop(REST, landers=[Lander(id=LanderId("quiz"), name="Quiz", url="x")]), "lander 'quiz': 'x' is no URL"),
        (replace(shop(REST, source=ADS), sources={}), "there is no source 'ads'"),
        (replace(shop(REST, filter_=standard()), filters={}), "there is no filter 'standard'"),
    ],
)  # fmt: skip
def test_an_invalid_configuration_is_refused_by_place(made: Configuration, sentence: str) -> None:
    with pytest.raises(InvalidError) as caught:
        compile_configuration(made, 1)

    assert sentence in str(caught.value)


def test_two_campaigns_cannot_share_a_path() -> None:
    one = shop(REST)
    campaign = one.campaigns[CAMPAIGN]
    other = replace(campaign, id=CampaignId("winter"))

    with pytest.raises(InvalidError, match="same path 'summer'"):
        compile_configuration(replace(one, campaigns={campaign.id: campaign, other.id: other}), 1)


def test_needed_facts_are_listed_with_flows_and_filters() -> None:
    configuration = shop(
        US,
        flow("old", when("city", "is", ["Rome"]), offers={"shoes": 1}, archived=True),
        filter_=standard(BOTS, when("country", "is", ["KP"])),
    )

    assert needed_facts(configuration) == {
        "traffic": ("filter 'standard'",),
        "country": ("filter 'standard'", "flow 'us' of campaign 'summer'"),
    }


def test_the_trace_of_a_prefetch_says_that_it_is_not_redirected() -> None:
    trace: Trace = []
    plan(REST).decide(visit(traffic="prefetch", reasons=("prefetch",)), trace=trace)
    assert (trace[-1].kind, trace[-1].passed) == ("end", False)
    assert "this prefetch is answered with status 503" in trace[-1].text
