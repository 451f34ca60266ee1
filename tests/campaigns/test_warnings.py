"""Offers whose conversions could never come back and flows that no visitor can take are named."""

import pytest

from tnc.campaigns.parse import read_toml
from tnc.campaigns.warnings import warnings
from tnc.core.models import Configuration


def offer(url: str, network: str = "", more: str = "") -> list[str]:
    owner = f'[[network]]\nid = "{network}"\n' if network else ""
    named = f'network = "{network}"\n' if network else ""
    return warnings(
        read_toml(f'{owner}[[offer]]\nid = "shoes"\nurl = "{url}"\n{named}{more}', file="f.toml", base=Configuration())
    )


@pytest.mark.parametrize("macro", ["{click_id}", "{subid}", "{clickid}", "{raw:click_id}", "%7Bclick_id%7D"])
def test_an_offer_with_the_click_id_in_any_spelling_is_fine(macro: str) -> None:
    assert offer(f"https://shop.example/?s={macro}") == []


def test_an_offer_without_it_is_named() -> None:
    (text,) = offer("https://shop.example/?a=1")

    assert text.startswith("offer 'shoes': its URL has no {click_id}, so no conversion can come back")
    assert "&subid={click_id}" in text


def test_the_parameter_of_a_known_network_is_proposed() -> None:
    (by_name,) = offer("https://shop.example/", network="everad")
    (by_host,) = offer("https://track.everad.example/")

    assert by_name == by_host
    assert "{click_id}, which is what Everad reads" in by_name


def test_an_archived_offer_is_left_out() -> None:
    assert offer("https://shop.example/", more="archived = true\n") == []


@pytest.mark.parametrize(
    ("offers", "warned"),
    [
        ('{ id = "a", weight = 0 }, { id = "b", weight = 5, paused = true }', True),
        ('{ id = "a", weight = 0 }, { id = "p", weight = 5 }', True),  # paused itself
        ('{ id = "a", weight = 0 }, { id = "b", weight = 5 }', False),
        ('{ id = "a", weight = 3, paused = true }', False),  # everything is paused on purpose
    ],
)
def test_a_flow_whose_options_have_no_weight_is_named(offers: str, warned: bool) -> None:
    url = 'url = "https://shop.example/?s={click_id}"'
    things = "".join(f'[[offer]]\nid = "{each}"\n{url}\n' for each in "abp").replace(
        'id = "p"', 'id = "p"\npaused = true'
    )
    campaign = f'[[campaign]]\nid = "summer"\n[[campaign.flow]]\nid = "all"\noffers = [ {offers} ]\n'

    found = warnings(read_toml(things + campaign, file="f.toml", base=Configuration()))

    assert [text.split(",")[0] for text in found] == (["campaign 'summer'"] if warned else [])
