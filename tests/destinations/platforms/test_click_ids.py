"""Click ids go out as they came in."""

from typing import Any

import pytest

from tests.destinations.examples import CLICKED_MS, FBCLID, NOW_MS, click, delivery, destination
from tnc.core.models import DestinationType
from tnc.destinations.eligibility import gate
from tnc.destinations.platforms.click_ids import fbc
from tnc.destinations.platforms.registry import DESTINATIONS

OWN_FBC = f"fb.2.1700000000000.{FBCLID}.AQIBABCD"


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"fbclid": FBCLID}, f"fb.1.{CLICKED_MS}.{FBCLID}"),
        ({"_fbc": OWN_FBC}, OWN_FBC),
        ({"fbclid": FBCLID, "_fbc": OWN_FBC}, OWN_FBC),
        ({"fbclid": "AnotherOne", "_fbc": OWN_FBC}, f"fb.1.{CLICKED_MS}.AnotherOne"),
        ({}, None),
    ],
)
def test_the_browsers_own_fbc_goes_before_one_that_is_built(params: dict[str, str], wanted: str | None) -> None:
    assert fbc(click({"params": params})) == wanted


def test_a_long_id_keeps_its_length_and_its_case() -> None:
    long = "IwAR" + "aB3_-x" * 300

    assert str(fbc(click({"params": {"fbclid": long}}))).endswith(f".{long}")


BROWSER: dict[str, Any] = {"ip": None, "user_agent": None, "external_id": None}


@pytest.mark.parametrize(
    ("to", "params", "why"),
    [
        ("google-ads", {"gclid": "abcdefghijk"}, None),
        ("google-ads", {"wbraid": "abcdefghijk"}, None),
        ("google-ads", {"fbclid": "abcdefghijk"}, "no-click-id"),
        ("google-data-manager", {"gclid": "{gclid}"}, "macro-unexpanded"),
        ("google-csv", {"gbraid": "abcdefghijk"}, "no-click-id"),
        ("google-csv", {"gclid": "=cmd|' /C calc'!A0"}, "no-click-id"),
        ("google-csv", {"gclid": "{{gclid}}"}, "macro-unexpanded"),
        ("microsoft-csv", {"msclkid": "f894f652"}, None),
        ("tiktok", {"ttclid": "__CLICKID__"}, "macro-unexpanded"),
        ("tiktok", {"ttclid": "E.C.P.1"}, None),
        ("tiktok", {}, "no-click-id"),
        ("meta", {"fbclid": "abcdefghijk"}, "no-click-id"),  # Meta refuses a website event without a user agent
        ("postback", {}, "no-click-id"),
        ("webhook", {}, None),
    ],
)
def test_a_click_must_have_what_its_platform_finds_it_by(
    to: DestinationType, params: dict[str, str], why: str | None
) -> None:
    visitor = click({**BROWSER, "params": params})

    assert gate(delivery(to, of=visitor), DESTINATIONS[to], NOW_MS) == why


def test_address_and_user_agent_are_enough_for_the_two_that_take_them() -> None:
    visitor = click({"params": {}})

    assert gate(delivery("meta", of=visitor), DESTINATIONS["meta"], NOW_MS) is None
    assert gate(delivery("tiktok", of=visitor), DESTINATIONS["tiktok"], NOW_MS) is None


@pytest.mark.parametrize(("external_id", "why"), [("${SUBID}", "macro-unexpanded"), ("[CLICK_ID]", "macro-unexpanded"),
                                                   ("ext-1", None), ("", "no-click-id")])  # fmt: skip
def test_a_postback_needs_the_sources_id_only_where_it_names_it(external_id: str, why: str | None) -> None:
    visitor = click({"external_id": external_id})
    named_in_body = destination(
        "postback", {"url": "https://ads.example/pb", "method": "POST", "body": "id={external_id}"}
    )
    unnamed = destination("postback", {"url": "https://ads.example/pb?c={click_id}"})

    assert gate(delivery("postback", of=visitor), DESTINATIONS["postback"], NOW_MS) == why
    assert gate(delivery(named_in_body, of=visitor), DESTINATIONS["postback"], NOW_MS) == why
    assert gate(delivery(unnamed, of=visitor), DESTINATIONS["postback"], NOW_MS) is None
