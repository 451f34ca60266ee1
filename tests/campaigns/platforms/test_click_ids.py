"""Click ids are sent unchanged, and a click without what its platform matches by is not sent."""

from typing import Any

import pytest

from tests.destinations.examples import CLICKED_MS, FBCLID, click, delivery, destination
from tnc.campaigns.platforms.base import Delivery, SkipReason
from tnc.campaigns.platforms.meta import fbc

COOKIE_FBC = f"fb.2.1700000000000.{FBCLID}.AQIBABCD"


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"fbclid": FBCLID}, f"fb.1.{CLICKED_MS}.{FBCLID}"),
        ({"_fbc": COOKIE_FBC}, COOKIE_FBC),
        ({"fbclid": FBCLID, "_fbc": COOKIE_FBC}, COOKIE_FBC),
        ({"fbclid": "AnotherOne", "_fbc": COOKIE_FBC}, f"fb.1.{CLICKED_MS}.AnotherOne"),
        ({}, None),
    ],
)
def test_fbc_is_the_cookie_of_the_same_ad_click_or_is_built(params: dict[str, str], wanted: str | None) -> None:
    assert fbc(click({"params": params})) == wanted


def test_a_long_click_id_keeps_its_length_and_case() -> None:
    long = "IwAR" + "aB3_-x" * 300

    assert str(fbc(click({"params": {"fbclid": long}}))).endswith(f".{long}")


def checked(of: Delivery) -> SkipReason | None:
    return of.platform.check_click(of)


NO_BROWSER: dict[str, Any] = {"ip": None, "user_agent": None, "external_id": None}


@pytest.mark.parametrize(
    ("to", "params", "reason"),
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
        ("snapchat", {"ScCid": "7b3a7917"}, "no-click-id"),  # Snapchat refuses a click id alone
        ("snapchat", {"em": "ada@example.com"}, None),
        ("snapchat", {"sccid": "{{ScCid}}", "ph": "+12025550100"}, "macro-unexpanded"),
        ("postback", {}, "no-click-id"),
        ("webhook", {}, None),
    ],
)
def test_a_click_without_what_its_platform_matches_by_is_skipped(
    to: str, params: dict[str, str], reason: SkipReason | None
) -> None:
    assert checked(delivery(to, of=click({**NO_BROWSER, "params": params}))) == reason


@pytest.mark.parametrize("to", ["meta", "tiktok", "snapchat"])
def test_ip_address_and_user_agent_replace_a_click_id(to: str) -> None:
    assert checked(delivery(to, of=click({"params": {}}))) is None


@pytest.mark.parametrize(
    ("external_id", "reason"),
    [("${SUBID}", "macro-unexpanded"), ("[CLICK_ID]", "macro-unexpanded"), ("ext-1", None), ("", "no-click-id")],
)
def test_a_postback_needs_the_sources_click_id_only_if_it_contains_external_id(
    external_id: str, reason: SkipReason | None
) -> None:
    visitor = click({"external_id": external_id})
    in_body = destination("postback", {"url": "https://ads.example/pb", "method": "POST", "body": "id={external_id}"})
    without = destination("postback", {"url": "https://ads.example/pb?c={click_id}"})

    assert checked(delivery("postback", of=visitor)) == reason
    assert checked(delivery(in_body, of=visitor)) == reason
    assert checked(delivery(without, of=visitor)) is None
