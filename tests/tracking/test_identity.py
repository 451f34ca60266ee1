"""Pseudonyms and cookies are stable for a visitor, and cookies cannot be forged."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.models import MAIN, ClickId, Mode, WorkspaceId
from tnc.tracking.identity import Identity, Pseudonyms

OURS = Pseudonyms(MAIN, b"k" * 32)
SALT = b"s" * 16
CLICK = ClickId("06d3k8canary0click00000abc")

secrets = st.binary(min_size=16, max_size=16)
user_agents = st.none() | st.text(max_size=80)
addresses = st.none() | st.ip_addresses().map(str)


def browser(chance: bytes = b"c" * 16, pseudonyms: Pseudonyms = OURS) -> Identity:
    salted = pseudonyms.salted(SALT, "203.0.113.77", "Firefox")
    return pseudonyms.identify(None, mode="full", salted=salted, chance=lambda _: chance)


@given(addresses, user_agents)
def test_a_pseudonym_is_32_hexadecimal_digits_and_stable(ip: str | None, user_agent: str | None) -> None:
    made = OURS.salted(SALT, ip, user_agent)

    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert OURS.salted(SALT, ip, user_agent) == made


def test_each_part_changes_the_pseudonym() -> None:
    made = {
        OURS.salted(SALT, "203.0.113.77", "Firefox"),
        OURS.salted(b"t" * 16, "203.0.113.77", "Firefox"),
        OURS.salted(SALT, "203.0.113.78", "Firefox"),
        OURS.salted(SALT, "203.0.113.77", "Chrome"),
        OURS.salted(SALT, None, "Firefox"),
        OURS.salted(SALT, "203.0.113.77", None),
        Pseudonyms(WorkspaceId("other"), b"k" * 32).salted(SALT, "203.0.113.77", "Firefox"),
    }

    assert len(made) == 7


def test_a_user_agent_that_is_not_utf8_has_a_pseudonym() -> None:
    assert OURS.salted(SALT, "203.0.113.77", "\udcff\udcfe")


@given(secrets, secrets)
def test_a_cookie_is_read_back_as_the_same_identity(chance: bytes, other: bytes) -> None:
    identity = browser(chance)

    again = OURS.identify(OURS.cookie(identity, CLICK), mode="full", salted="f" * 32, chance=lambda _: other)

    assert (again.visitor, again.secret, again.browser_id) == (identity.visitor, chance, identity.browser_id)
    assert again.last_click == CLICK


def test_a_cookie_is_short_and_valid_in_a_header() -> None:
    cookie = OURS.cookie(browser(), CLICK)

    assert len(cookie) == 54 + 1 + 26
    assert set(cookie) <= set(string.ascii_letters + string.digits + "-_.")


def test_two_browsers_behind_one_address_are_told_apart_by_their_cookies() -> None:
    one, two = browser(b"1" * 16), browser(b"2" * 16)

    assert one.browser_id != two.browser_id
    assert one.secret != two.secret


@given(st.data())
def test_a_changed_cookie_is_not_accepted(data: st.DataObject) -> None:
    cookie = OURS.cookie(browser(), CLICK)
    at = data.draw(st.integers(0, 52))  # the 54th character carries bits that are not used
    char = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_"))
    changed = cookie[:at] + char + cookie[at + 1 :]

    assert (OURS.read_cookie(changed) is None) == (char != cookie[at])


@given(st.text())
def test_any_other_text_is_not_accepted_as_a_cookie(text: str) -> None:
    assert OURS.read_cookie(text) is None


def test_a_cookie_of_another_installation_is_not_accepted() -> None:
    assert Pseudonyms(MAIN, b"x" * 32).read_cookie(OURS.cookie(browser(), CLICK)) is None


def test_a_visitor_without_a_valid_cookie_gets_a_new_one() -> None:
    fresh = OURS.identify("tampered.with", mode="full", salted="f" * 32, chance=bytes)

    assert fresh.visitor == "f" * 32
    assert fresh.secret == bytes(16)
    assert fresh.last_click is None


@pytest.mark.parametrize("mode", ["limited", "cookieless", "none"])
def test_without_full_mode_no_cookie_is_read_or_made(mode: Mode) -> None:
    cookie = OURS.cookie(browser(), CLICK)

    identity = OURS.identify(cookie, mode=mode, salted="f" * 32, chance=bytes)

    assert identity == Identity(visitor="f" * 32)
    with pytest.raises(ValueError, match="no cookie"):
        OURS.cookie(identity, CLICK)


def test_the_stored_browser_id_is_not_in_the_cookie() -> None:
    identity = browser()

    assert identity.browser_id is not None
    assert identity.secret is not None
    assert bytes.fromhex(identity.browser_id) != identity.secret
