"""Click ids are sent unchanged, and a click without what its platform matches by is not sent."""

from typing import Any

import pytest

from tests.destinations.examples import CLICKED_MS, FBCLID, VISIT, click, delivery, destination
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


PLACEHOLDERS = ("undefined", "null", "NULL", " None ", "NaN", "0", "-", "[object Object]", "(not set)", "")
CUT_OFF = {
    "_fbc": ("fb.1.1700000000000", "fb.1.1700000000000.", "fb.1.17000.abc", "fb.1.1700000000000.undefined", "fb.1."),
    "_fbp": ("fb.1.1700000000000", "fb.1.1700000000000.", "fb.1.1700000000000.null", "1.1700000000000.98"),
    "fbclid": ("IwAR2abc\N{HORIZONTAL ELLIPSIS}", "IwAR2 abc", "{fbclid"),
    "gclid": ("Cj0KCQ\N{HORIZONTAL ELLIPSIS}", "Cj0.KCQ", "Cj0KCQ...", "%7Bgclid"),
    "gbraid": ("0AAAAA...", "0AAA AA"),
    "wbraid": ("Cj0KCQ&", "Cj0KCQ..."),
    "msclkid": ("f894f65", "f894f652...", "f894f652 ea33"),
    "ttclid": ("E.C.P.ttclid1\N{HORIZONTAL ELLIPSIS}", "E.C.P.undefined", "E C P"),
    "_ttp": ("a b",),
    "ScCid": ("7b3a", "7b3a7917-a82a...", "7b3a7917 a82a"),
    "_scid": ("a b",),
}
RECEIVERS = {
    "_fbc": "meta", "_fbp": "meta", "fbclid": "meta", "gclid": "google-ads", "gbraid": "google-data-manager",
    "wbraid": "google-ads", "msclkid": "microsoft-csv", "ttclid": "tiktok", "_ttp": "tiktok", "ScCid": "snapchat",
    "_scid": "snapchat",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, cut_off in CUT_OFF.items() for value in (*PLACEHOLDERS, *cut_off)]
)
def test_a_value_that_is_no_id_is_left_out(name: str, value: str) -> None:
    """The request is that of a click without the parameter, or nothing is sent."""
    to = RECEIVERS[name]
    without, with_value = delivery(to, of=click({"params": {}})), delivery(to, of=click({"params": {name: value}}))

    assert checked(with_value) == checked(without)
    if checked(without) is None:
        bodies = [each.platform.build([each], each.at_ms).body for each in (with_value, without)]
        assert bodies[0] == bodies[1]


@pytest.mark.parametrize("name", RECEIVERS)
def test_an_id_of_the_published_form_is_sent_unchanged(name: str) -> None:
    given = {"_fbc": COOKIE_FBC, "gbraid": "0AAAAADx_y-z", "wbraid": "ClkKCQ-x_y"}
    value = given.get(name) or VISIT.params[name]
    of = delivery(RECEIVERS[name], of=click({"params": {name: value}}))

    assert checked(of) is None
    assert value in str(of.platform.build([of], of.at_ms).body)


def test_the_next_google_id_is_sent_instead_of_a_placeholder() -> None:
    of = delivery("google-ads", of=click({"params": {"gclid": "undefined", "wbraid": "ClkKCQ-x_y"}}))

    body = str(of.platform.build([of], of.at_ms).body)
    assert checked(of) is None
    assert "ClkKCQ-x_y" in body
    assert "undefined" not in body


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
        ("microsoft-csv", {"msclkid": "f894f652ea334e739002f7167ab8f8e3"}, None),
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
    [
        ("${SUBID}", "macro-unexpanded"),
        ("[CLICK_ID]", "macro-unexpanded"),
        ("ext-1", None),
        ("", "no-click-id"),
        ("null", "no-click-id"),
    ],
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
