"""A diff lists changes in plain lines, without secrets."""

import json

from hypothesis import given

from tests.campaigns.generated import configurations, law
from tests.campaigns.shop import SHOP, read, shop
from tnc.campaigns.diff import Change, FieldChange, diff, diff_json, diff_text
from tnc.campaigns.schema import NOUNS
from tnc.core.models import Configuration


def changes(text: str, *, prune: bool = False) -> list[str]:
    """The diff of a file that is applied to the shop."""
    base = shop()
    return diff_text(diff(base, read(text, base=base, prune=prune))).splitlines()


def changed(old: str, new: str) -> list[str]:
    assert old in SHOP
    return changes(SHOP.replace(old, new))


def test_no_changes_are_reported_as_such() -> None:
    assert changes("") == ["nothing changes"]
    assert diff_json(diff(shop(), shop())) == {"changes": []}


def test_new_things_are_named() -> None:
    assert diff_text(diff(Configuration(), shop())).splitlines() == [
        "+ source native-ads",
        "+ network good-network",
        "+ offer boots",
        "+ offer shoes",
        "+ lander quiz",
        "+ filter standard",
        "+ destination meta-main",
        "+ campaign summer",
    ]


def test_changed_keys_are_shown_with_old_and_new_value() -> None:
    assert changed("payout = 12.5", "payout = 14") == ["~ offer shoes: payout 12.5 -> 14"]
    assert changed("payout = 12.5", "") == ['~ offer shoes: payout 12.5 -> "from-postback"']
    assert changed("conversions = 100", "conversions = 50") == ["~ offer shoes: cap.conversions 100 -> 50"]
    assert changed('id = "quiz"\n', 'id = "quiz"\nname = "Quiz"\n') == ['~ lander quiz: name "quiz" -> "Quiz"']


def test_added_and_removed_keys_are_shown() -> None:
    cap = 'cap = { conversions = 100, then = "boots" }'

    assert changed(cap, "") == ['~ offer shoes: cap removed: { conversions = 100, then = "boots" }']
    assert changed('id = "native-ads"\n', 'id = "native-ads"\nparams = { sub1 = "site" }\n') == [
        '~ source native-ads: params.sub1 added: "site"'
    ]


def test_flows_with_their_offers_and_landers_are_shown_by_id() -> None:
    assert changed('id = "boots", weight = 30', 'id = "boots", weight = 40') == [
        "~ campaign summer: flow us-mobile: weight of boots 30 -> 40"
    ]
    assert changed('id = "boots", weight = 30', 'id = "boots", paused = true') == [
        "~ campaign summer: flow us-mobile: weight of boots 30 -> 1",
        "~ campaign summer: flow us-mobile: paused of boots false -> true",
    ]
    assert changed('{ id = "shoes", weight = 70 }, ', "") == [
        "~ campaign summer: flow us-mobile: offer shoes removed: { weight = 70 }"
    ]
    assert changed('landers = [ { id = "quiz" } ]', "") == [
        "~ campaign summer: flow us-mobile: lander quiz removed: { weight = 1 }"
    ]
    assert changed('is = ["US"]', 'is = ["US", "CA"]') == [
        (
            '~ campaign summer: flow us-mobile: when [{ fact = "country", is = ["US"] }]'
            ' -> [{ fact = "country", is = ["US", "CA"] }]'
        )
    ]
    assert changed('[[campaign.flow]]\nid = "rest"\noffers = [ { id = "boots" } ]\n', "") == [
        '~ campaign summer: flow rest removed: { offers = [{ id = "boots" }] }'
    ]


def test_a_new_order_of_flows_is_a_change() -> None:
    first, second = SHOP.index("[[campaign.flow]]"), SHOP.rindex("[[campaign.flow]]")
    swapped = SHOP[:first] + SHOP[second:] + SHOP[first:second]

    assert changes(swapped) == ["~ campaign summer: order of flows us-mobile, rest -> rest, us-mobile"]


def test_an_archived_flow_is_shown() -> None:
    assert changed('id = "rest"\n', 'id = "rest"\narchived = true\n') == [
        "~ campaign summer: flow rest: archived false -> true"
    ]


def test_archived_restored_and_removed_tables_are_named_as_such() -> None:
    archived = SHOP.replace('[[lander]]\nid = "quiz"', '[[lander]]\nid = "quiz"\narchived = true')

    assert changes(archived) == ["- lander quiz: archived"]
    assert diff_text(diff(read(archived), shop())) == "+ lander quiz: restored"
    assert changes(archived.replace("land.example/quiz", "land.example/other")) == [
        "- lander quiz: archived",
        '~ lander quiz: url "https://land.example/quiz?k={click_id}" -> "https://land.example/other?k={click_id}"',
    ]
    assert diff_text(diff(read(SHOP + '[[source]]\nid = "x"'), shop())) == "- source x: removed"


def test_a_changed_secret_is_not_shown() -> None:
    assert changed("s3cret", "an0ther") == ["~ network good-network: key (kept) -> (changed)"]
    assert changed('key = "s3cret"', "") == ["~ network good-network: key removed: (kept)"]
    assert changed("env:META_TOKEN", "an0ther") == ["~ destination meta-main: access_token (kept) -> (changed)"]

    base = read('[[destination]]\nid = "x"\ntype = "postback"\nurl = "https://a.example/"\nheaders = { X-A = "one" }')
    after = read(
        '[[destination]]\nid = "x"\ntype = "postback"\nurl = "https://a.example/"\nheaders = { X-A = "two", X-B = "b" }'
    )
    assert diff_text(diff(base, after)).splitlines() == [
        "~ destination x: headers.X-A (kept) -> (changed)",
        "~ destination x: headers.X-B added: (kept)",
    ]
    assert diff_text(diff(Configuration(), after)) == "+ destination x"


def test_the_json_has_the_same_changes_as_the_text() -> None:
    base = shop()
    changes = diff(base, read(SHOP.replace("weight = 30", "weight = 40"), base=base))

    field = FieldChange(field="flow us-mobile: weight of boots", old="30", new="40")
    assert changes == (Change(noun="campaign", id="summer", kind="changed", fields=(field,)),)
    assert diff_json(changes) == {
        "changes": [
            {
                "noun": "campaign",
                "id": "summer",
                "kind": "changed",
                "fields": [{"field": "flow us-mobile: weight of boots", "old": "30", "new": "40"}],
            }
        ]
    }


@law
@given(configurations(), configurations())
def test_a_diff_lists_exactly_the_differences(one: Configuration, other: Configuration) -> None:
    changes = diff(one, other)

    named = {(change.noun, change.id) for change in changes}
    really = {
        (noun.name, key)
        for noun in NOUNS.values()
        for key in {*getattr(one, noun.plural), *getattr(other, noun.plural)}
        if getattr(one, noun.plural).get(key) != getattr(other, noun.plural).get(key)
    }
    assert named == really
    assert all(change.fields for change in changes if change.kind == "changed")
    assert json.loads(json.dumps(diff_json(changes))) == diff_json(changes)
