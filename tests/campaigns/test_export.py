"""Exports read like files written by hand, hide secrets, and can be applied again."""

import tomllib
from typing import Any

from hypothesis import given

from tests.campaigns.generated import configurations, law
from tests.campaigns.shop import read, shop
from tnc.campaigns.export import WIDTH, export_toml
from tnc.core.models import Configuration, LanderId

SHOP = """[[source]]
id = "native-ads"

[[network]]
id = "good-network"
key = "(kept)"

[[offer]]
id = "boots"
network = "good-network"
url = "https://shop.example/boots?s2={click_id}"

[[offer]]
id = "shoes"
url = "https://shop.example/shoes?s2={click_id}"
payout = 12.5
cap = { conversions = 100, then = "boots" }

[[lander]]
id = "quiz"
url = "https://land.example/quiz?k={click_id}"

[[filter]]
id = "standard"
when = [ { fact = "traffic", is = ["bot"] } ]

[[destination]]
id = "meta-main"
type = "meta"
pixel = "123456789012345"
access_token = "(kept)"

[[campaign]]
id = "summer"
source = "native-ads"
filter = "standard"
destinations = ["meta-main"]

[[campaign.flow]]
id = "us-mobile"
when = [ { fact = "country", is = ["US"] } ]
landers = [ { id = "quiz" } ]
offers = [ { id = "shoes", weight = 70 }, { id = "boots", weight = 30 } ]

[[campaign.flow]]
id = "rest"
offers = [ { id = "boots" } ]
"""


def test_an_export_reads_like_a_file_written_by_hand() -> None:
    assert export_toml(shop()) == SHOP


def test_an_empty_configuration_is_an_empty_export() -> None:
    assert export_toml(Configuration()) == ""


def test_long_lists_have_one_item_per_line() -> None:
    conditions = ", ".join(f'{{ fact = "param.p{number}", is = ["{"x" * 30}"] }}' for number in range(3))
    text = f'[[filter]]\nid = "long"\nwhen = [ {conditions} ]\n'

    written = export_toml(read(text))

    assert written.count("\n") == 7
    assert all(len(line) <= WIDTH for line in written.splitlines())


def test_the_order_of_the_file_does_not_matter() -> None:
    one = '[[lander]]\nid = "a"\nurl = "https://a.example/"\n'
    two = '[[lander]]\nid = "b"\nurl = "https://b.example/"\n'

    assert export_toml(read(one + two)) == export_toml(read(two + one))
    assert list(read(two + one).landers) == [LanderId("b"), LanderId("a")]


@law
@given(configurations())
def test_an_export_is_read_back_unchanged_and_holds_no_secret(
    configuration: Configuration,
) -> None:
    text = export_toml(configuration)

    again = read(text, base=configuration)

    assert again == configuration
    assert export_toml(again) == text
    assert secrets_in(tomllib.loads(text)) <= {"(kept)"}


def secrets_in(document: dict[str, Any]) -> set[str]:
    names = ("access_token", "app_secret", "client_secret", "refresh_token", "developer_token", "secret", "key")
    tables = [*document.get("network", []), *document.get("destination", [])]
    single = {table[name] for table in tables for name in names if name in table}
    return single.union(*(table.get("headers", {}).values() for table in tables))
