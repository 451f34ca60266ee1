"""A file replaces whole tables of a configuration and leaves the others."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaigns.shop import SHOP, mistakes, read, refusal, shop
from tnc.campaigns.destination_schema import all_destinations, destinations_of
from tnc.campaigns.schema import NOUNS
from tnc.core.models import (
    Action,
    Campaign,
    CampaignId,
    Cap,
    Condition,
    Configuration,
    Cost,
    Destination,
    DestinationId,
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
    Postback,
    Source,
    SourceId,
    WeightedLander,
    WeightedOffer,
)

EVERY_KIND = """
[[source]]                       # traffic source
id = "native-ads"
name = "Native Ads"
click_id = "ext"                 # query parameter that carries the source's own click id
cost = "cpc"                     # query parameter that carries the cost of this click (optional)
params = { sub1 = "site", sub2 = "creative" }          # our sub1..sub20 <- their query parameters
postback = { url = "https://ads.example/pb?id={external_id}&rev={payout}", on = ["sale"] }   # optional

[[network]]                      # affiliate network
id = "good-network"
name = "Good Network"
statuses = { sale = ["approved", "1"], lead = ["pending"], rejected = ["declined"] }   # their words
duplicates = "by-txid"           # by-txid | update | accept ; without a txid: by click and event
key = "s3cret"                   # optional: postbacks must carry key=...
allow_ips = ["198.51.100.0/24"]  # optional

[[offer]]
id = "shoes"
name = "Running shoes"
network = "good-network"
url = "https://shop.example/shoes?s2={click_id}"
payout = 12.5                    # or "from-postback"
currency = "USD"
cap = { conversions = 100, per = "day", timezone = "UTC", then = "boots" }   # optional; then = another offer

[[offer]]
id = "boots"
url = "https://shop.example/boots"

[[lander]]
id = "quiz"
name = "Quiz"
url = "https://land.example/quiz?k={click_id}"

[[filter]]                       # invalid-traffic filter ("cloak rule"); verdicts are recorded with reasons
id = "standard"
when = [ { fact = "traffic", is = ["bot"] }, { fact = "datacenter", is = [true] } ]   # any of these
action = { type = "status", code = 404 }               # status | url | offer | allow ; allow = record only
mode = "enforce"                 # enforce | monitor

[[campaign]]
id = "summer"
name = "Summer"
path = "summer"                  # https://any-domain/summer ; default = id
source = "native-ads"
filter = "standard"              # optional
cost = { model = "cpc", amount = 0.02, currency = "USD" }   # cpc | cpm | cpa | revshare | auto | none
uniqueness = { hours = 24 }
redirect = "302"                 # 302 | 303 | 307 | meta | double-meta | js
sticky = "offer"                 # none | flow | lander | offer
destinations = ["meta-main"]     # optional
otherwise = { type = "status", code = 404 }             # when no flow matches; or { type="url", url="..." }

[[campaign.flow]]                # tried top to bottom; the first that matches wins
id = "us-mobile"
when = [ { fact = "country", is = ["US", "CA"] }, { fact = "device", is = ["mobile"] } ]   # all of these
landers = [ { id = "quiz", weight = 1 } ]               # none = straight to the offer
offers  = [ { id = "shoes", weight = 70 }, { id = "boots", weight = 30 } ]

[[campaign.flow]]
id = "rest"                      # no `when` = everybody
offers = [ { id = "boots", weight = 1 } ]

[[destination]]
id = "meta-main"
name = "Meta, main pixel"        # default = id
type = "meta"
on = ["sale"]
events = { sale = "Purchase", lead = "Lead", deposit = "Subscribe" }
first = false
share = 1.0
consent = "unless-denied"
paused = false
base_url = "https://graph.facebook.com"
pixel = "123456789012345"
access_token = "env:META_TOKEN"  # secret
"""


def test_every_key_of_the_example_is_read() -> None:
    found = read(EVERY_KIND)

    assert found == Configuration(
        sources={
            SourceId("native-ads"): Source(
                id=SourceId("native-ads"),
                name="Native Ads",
                click_id="ext",
                cost="cpc",
                params={"sub1": "site", "sub2": "creative"},
                postback=Postback(url="https://ads.example/pb?id={external_id}&rev={payout}", on=("sale",)),
            )
        },
        networks={
            NetworkId("good-network"): Network(
                id=NetworkId("good-network"),
                name="Good Network",
                statuses={"sale": ("approved", "1"), "lead": ("pending",), "rejected": ("declined",)},
                duplicates="by-txid",
                key="s3cret",
                allow_ips=("198.51.100.0/24",),
            )
        },
        offers={
            OfferId("shoes"): Offer(
                id=OfferId("shoes"),
                name="Running shoes",
                network=NetworkId("good-network"),
                url="https://shop.example/shoes?s2={click_id}",
                payout=12.5,
                currency="USD",
                cap=Cap(conversions=100, per="day", timezone="UTC", then=OfferId("boots")),
            ),
            OfferId("boots"): Offer(id=OfferId("boots"), name="boots", url="https://shop.example/boots"),
        },
        landers={
            LanderId("quiz"): Lander(id=LanderId("quiz"), name="Quiz", url="https://land.example/quiz?k={click_id}")
        },
        filters={
            FilterId("standard"): Filter(
                id=FilterId("standard"),
                name="standard",
                when=(
                    Condition(fact="traffic", operator="is", value=["bot"]),
                    Condition(fact="datacenter", operator="is", value=[True]),
                ),
                action=Action(type="status", code=404),
                mode="enforce",
            )
        },
        destinations={
            DestinationId("meta-main"): Destination(
                id=DestinationId("meta-main"),
                name="Meta, main pixel",
                type="meta",
                on=("sale",),
                events={"sale": "Purchase", "lead": "Lead", "deposit": "Subscribe"},
                base_url="https://graph.facebook.com",
                settings={"pixel": "123456789012345", "access_token": "meta-token-1", "api_version": "v26.0"},
            )
        },
        campaigns={
            CampaignId("summer"): Campaign(
                id=CampaignId("summer"),
                name="Summer",
                path="summer",
                source=SourceId("native-ads"),
                filter=FilterId("standard"),
                cost=Cost(model="cpc", amount=0.02, currency="USD"),
                uniqueness_hours=24,
                redirect="302",
                sticky="offer",
                destinations=(DestinationId("meta-main"),),
                otherwise=Action(type="status", code=404),
                flows=(
                    Flow(
                        id=FlowId("us-mobile"),
                        when=(
                            Condition(fact="country", operator="is", value=["US", "CA"]),
                            Condition(fact="device", operator="is", value=["mobile"]),
                        ),
                        landers=(WeightedLander(id=LanderId("quiz"), weight=1),),
                        offers=(
                            WeightedOffer(id=OfferId("shoes"), weight=70),
                            WeightedOffer(id=OfferId("boots"), weight=30),
                        ),
                    ),
                    Flow(id=FlowId("rest"), offers=(WeightedOffer(id=OfferId("boots"), weight=1),)),
                ),
            )
        },
    )


def test_an_empty_file_changes_nothing() -> None:
    assert read("", base=shop()) == shop()


def test_a_table_of_the_file_replaces_the_stored_one_as_a_whole() -> None:
    before = shop()

    after = read('[[offer]]\nid = "shoes"\nurl = "https://other.example/"', base=before)

    shoes = Offer(id=OfferId("shoes"), name="shoes", url="https://other.example/")
    assert after == replace(before, offers={**before.offers, OfferId("shoes"): shoes})


def test_the_base_is_not_modified() -> None:
    before = shop()

    read('[[offer]]\nid = "shoes"\nurl = "https://other.example/"', base=before, prune=True)

    assert before == shop()


def test_pruning_archives_what_the_file_does_not_name() -> None:
    after = read('[[lander]]\nid = "quiz"\nurl = "https://land.example/"', base=shop(), prune=True)

    assert not after.landers[LanderId("quiz")].archived
    rest = (after.sources, after.networks, after.offers, after.filters, after.destinations, after.campaigns)
    assert all(item.archived for items in rest for item in items.values())


def test_a_table_of_the_file_is_restored_from_the_archive() -> None:
    pruned = read("", base=shop(), prune=True)

    assert read(SHOP, base=pruned) == shop()


def test_archived_tables_may_be_referenced() -> None:
    pruned = read("", base=shop(), prune=True)

    after = read(
        '[[campaign]]\nid = "w"\nfilter = "standard"\n[[campaign.flow]]\nid = "a"\noffers = [{ id = "boots" }]',
        base=pruned,
    )

    assert after.campaigns[CampaignId("w")].filter == "standard"


def test_the_path_of_an_archived_campaign_can_be_used_again() -> None:
    pruned = read("", base=shop(), prune=True)

    after = read('[[campaign]]\nid = "new"\npath = "summer"', base=pruned)

    assert after.campaigns[CampaignId("new")].path == "summer"


def test_any_noun_may_be_paused_or_archived() -> None:
    text = SHOP.replace("\nid = ", "\npaused = true\narchived = true\nid = ")

    found = read(text)

    items = [item for noun in NOUNS.values() for item in getattr(found, noun.plural).values()]
    assert all(item.paused and item.archived for item in items)
    assert all(flow.paused and flow.archived for flow in found.campaigns[CampaignId("summer")].flows)


def test_single_offers_and_landers_of_a_flow_may_be_paused() -> None:
    text = SHOP.replace('id = "shoes", weight = 70', 'id = "shoes", paused = true').replace(
        '{ id = "quiz" }', '{ id = "quiz", paused = true }'
    )

    flow = read(text).campaigns[CampaignId("summer")].flows[0]

    assert [each.paused for each in flow.landers] == [True]
    assert [each.paused for each in flow.offers] == [True, False]


def test_dates_in_conditions_are_kept_as_text() -> None:
    text = '[[filter]]\nid = "late"\nwhen = [{ fact = "clicked_at", above = 2026-11-23T18:00:00Z }]'

    condition = read(text).filters[FilterId("late")].when[0]

    assert condition == Condition(fact="clicked_at", operator="above", value="2026-11-23T18:00:00+00:00")


# ------------------------------------------------------------------------------------------------ secrets


def test_secrets_come_as_text_from_the_environment_or_from_a_file() -> None:
    found = read(
        """
        [[network]]
        id = "n"
        key = "env:META_TOKEN"
        [[destination]]
        id = "hook"
        type = "webhook"
        url = "https://crm.example/hook"
        secret = "file:/run/secrets/hook"
        [[destination]]
        id = "pb"
        type = "postback"
        url = "https://crm.example/pb?id={conversion_id}"
        headers = { Authorization = "Bearer abc", X-Other = "env:META_TOKEN" }
        """
    )

    assert found.networks[NetworkId("n")].key == "meta-token-1"
    assert found.destinations[DestinationId("hook")].settings["secret"] == "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="
    headers = {"Authorization": "Bearer abc", "X-Other": "meta-token-1"}
    assert found.destinations[DestinationId("pb")].settings["headers"] == headers


@pytest.mark.parametrize("given", [" s3cret ", "s3cret\\n", "env:SPACES", " env:SPACES", "file:/run/secrets/spaces\\n"])
def test_white_space_around_a_secret_is_removed(given: str) -> None:
    found = read(f'[[network]]\nid = "n"\nkey = "{given}"')

    assert found.networks[NetworkId("n")].key == "s3cret"


def test_white_space_around_names_that_requests_must_match_is_removed() -> None:
    found = read(
        """
        [[source]]
        id = "s"
        click_id = "clickid "
        cost = " cpc"
        params = { sub1 = "site " }
        postback = { url = "https://ads.example/", on = [" sale"] }
        [[network]]
        id = "n"
        statuses = { sale = ["approved "] }
        """
    )

    source = found.sources[SourceId("s")]
    assert (source.click_id, source.cost, source.params) == ("clickid", "cpc", {"sub1": "site"})
    assert source.postback is not None
    assert source.postback.on == ("sale",)
    assert found.networks[NetworkId("n")].statuses == {"sale": ("approved",)}


@pytest.mark.parametrize("name", ["Family \U0001f468\u200d\U0001f467", "\u0645\u06cc\u200c\u062e", "10\u00a0000"])
def test_a_name_may_hold_joiners_and_no_break_spaces(name: str) -> None:
    assert (
        read(f'[[lander]]\nid = "x"\nname = "{name}"\nurl = "https://x.example/"').landers[LanderId("x")].name == name
    )


def test_kept_keeps_the_stored_secret() -> None:
    postback = (
        '[[destination]]\nid = "pb"\ntype = "postback"\nurl = "https://crm.example/"\nheaders = { X-A = "abc" }\n'
    )
    base = read(postback, base=shop())
    text = SHOP.replace("env:META_TOKEN", "(kept)").replace("s3cret", "(kept)") + postback.replace("abc", "(kept)")

    assert read(text, base=base) == base


def test_a_secret_that_is_left_out_is_removed() -> None:
    after = read('[[network]]\nid = "good-network"', base=shop())

    assert after.networks[NetworkId("good-network")].key is None


def test_no_representation_of_a_configuration_shows_a_secret() -> None:
    shown = repr(shop())

    assert "meta-token-1" not in shown
    assert "s3cret" not in shown


# ------------------------------------------------------------------------------------- destinations of all kinds


def test_the_postback_of_a_source_is_a_destination_of_each_of_its_campaigns() -> None:
    text = SHOP.replace(
        'id = "native-ads"\n',
        'id = "native-ads"\npostback = { url = "https://ads.example/?c={external_id}", on = ["lead", "deposit"] }\n',
        1,
    )
    found = read(text)

    short = Destination(
        id=DestinationId("source-native-ads"),
        name="Postback of native-ads",
        type="postback",
        on=("lead", "deposit"),
        settings={"url": "https://ads.example/?c={external_id}", "method": "GET"},
    )
    assert all_destinations(found) == {**found.destinations, short.id: short}
    campaign = found.campaigns[CampaignId("summer")]
    assert destinations_of(found, campaign) == (found.destinations[DestinationId("meta-main")], short)
    assert destinations_of(found, replace(campaign, source=None)) == (found.destinations[DestinationId("meta-main")],)


def test_settings_of_a_destination_hold_the_defaults_of_its_type() -> None:
    text = '[[destination]]\nid = "csv"\ntype = "google-csv"\nconversion_name = "Sale"'

    assert read(text).destinations[DestinationId("csv")].settings == {"conversion_name": "Sale", "timezone": "UTC"}


# ---------------------------------------------------------------------------------------------- hostile files


@pytest.mark.parametrize("opening", ["[", "{ a = "])
def test_a_hundred_thousand_brackets_are_refused_at_once(opening: str) -> None:
    assert refusal("source = " + opening * 100_000) == "shop.toml is nested too deeply; nothing was changed."


def test_a_huge_file_is_refused_without_parsing() -> None:
    text = "#" * 2_000_001

    assert refusal(text) == "shop.toml is 2000001 characters long, and 2000000 are allowed; nothing was changed."


@pytest.mark.parametrize("part", ["a", '"a"', "'a'", "a "])
def test_keys_of_a_hundred_thousand_parts_are_refused_at_once(part: str) -> None:
    deep = ".".join([part] * 100_000)

    assert refusal(f'[[lander]]\nid = "x"\nurl.{deep} = 1') == (
        "shop.toml holds a key of more than 32 parts; nothing was changed."
    )


def test_a_deep_table_in_place_of_text_is_refused() -> None:
    deep = ".".join(["a"] * 30)

    assert mistakes(f'[[lander]]\nid = "x"\nurl.{deep} = 1') == [
        '[[lander]] "x": url must be an http or https URL, with macros, not a table.'
    ]


def test_a_long_chain_of_caps_is_no_circle_and_checked_fast() -> None:
    first = '[[offer]]\nid = "o0"\nurl = "https://a.example/"\n'
    text = first + "".join(
        f'[[offer]]\nid = "o{n}"\nurl = "https://a.example/"\ncap = {{ conversions = 1, then = "o{n - 1}" }}\n'
        for n in range(1, 2000)
    )

    assert len(read(text).offers) == 2000


def test_only_the_first_forty_mistakes_are_listed() -> None:
    text = "".join(f'[[lander]]\nid = "l{number}"\n' for number in range(1000))

    lines = refusal(text).splitlines()

    assert lines[0] == "shop.toml has 1000 mistakes; nothing was changed."
    assert len(lines) == 42
    assert lines[-1] == "And 960 more."


def test_numbers_with_too_many_digits_are_refused() -> None:
    message = refusal("a = " + "1" * 5000)
    assert message.startswith("shop.toml holds a number or date that cannot be read: ")
    text = '[[offer]]\nid = "a"\nurl = "https://a.example"\npayout = 0x' + "f" * 5000
    assert refusal(text).endswith(
        'payout must be a number from 0 to 1000000000 or "from-postback", not a number that is too large.'
    )


def test_messages_hold_no_terminal_control_characters() -> None:
    message = refusal('[[lander]]\nid = "x"\n"ur\\u001b[2Jl" = "\\u202e"\nurl = "\\u001b]0;owned\\u0007"')

    assert all(char.isprintable() for char in message.replace("\n", ""))


def test_the_demo_configuration_can_be_applied() -> None:
    demo = Path(__file__).parents[2] / "tnc" / "admin" / "demo" / "campaign.toml"

    found = read(demo.read_text(encoding="utf-8"))

    assert found.campaigns
