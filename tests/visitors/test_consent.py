"""Consent signals and the modes that follow from them."""

import base64
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.visitors.consent import NO_SIGNALS, ConsentSignals, choose_mode, has_opted_out, read_signals


def packed(bits: str) -> str:
    bits += "0" * (-len(bits) % 8)
    raw = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def tc_string(*purposes: int, version: int = 2) -> str:
    """The core of a TC string that consents to some purposes."""
    consents = "".join("1" if purpose in purposes else "0" for purpose in range(1, 25))
    return packed(f"{version:06b}" + "0" * 146 + consents + "0" * 61)


def fibonacci(number: int) -> str:
    steps = [1, 2, 3, 5, 8, 13, 21, 34]
    bits = ""
    for step in reversed([each for each in steps if each <= number]):
        bits = ("1" if number >= step else "0") + bits
        number -= step if number >= step else 0
    return bits + "1"


def gpp(sections: dict[int, str]) -> str:
    ids = sorted(sections)
    steps = [one - before for before, one in zip([0, *ids], ids, strict=False)]
    header = packed(f"{3:06b}{1:06b}{len(ids):012b}" + "".join("0" + fibonacci(step) for step in steps))
    return "~".join([header, *(sections[each] for each in ids)])


GRANTING = tc_string(1, 2, 7)
US_OPT_OUT = packed(f"{1:06b}" + "01" * 6 + "01" + "00" * 12)
US_STAYS = packed(f"{1:06b}" + "01" * 6 + "10" * 3 + "00" * 12)


@pytest.mark.parametrize(
    ("params", "consent"),
    [
        ({}, "unknown"),
        ({"tnc_consent": "granted"}, "granted"),
        ({"tnc_consent": "denied"}, "denied"),
        ({"tnc_consent": "GRANTED"}, "unknown"),
        ({"gdpr": "1", "gdpr_consent": GRANTING}, "granted"),
        ({"gdpr_consent": GRANTING + ".YAAAAAAAAAA"}, "granted"),
        ({"gdpr": "1", "gdpr_consent": tc_string(2, 7)}, "denied"),
        ({"gdpr": "1", "gdpr_consent": tc_string(1)}, "denied"),
        ({"gdpr": "1", "gdpr_consent": tc_string()}, "denied"),
        ({"gdpr": "0", "gdpr_consent": tc_string()}, "unknown"),
        ({"gdpr": "1", "gdpr_consent": tc_string(1, 7, version=1)}, "unknown"),
        ({"gdpr": "1", "gdpr_consent": GRANTING[:20]}, "unknown"),
        ({"gdpr": "1", "gdpr_consent": "CÖ!"}, "unknown"),
        ({"gdpr": "1", "gdpr_consent": "${GDPR_CONSENT_755}"}, "unknown"),
        ({"gdpr": "1"}, "unknown"),
        ({"gpp": gpp({2: GRANTING}), "gpp_sid": "2"}, "granted"),
        ({"gpp": gpp({2: tc_string(), 7: US_STAYS}), "gpp_sid": "2"}, "denied"),
        ({"gpp": gpp({2: GRANTING, 7: US_STAYS}), "gpp_sid": "7"}, "unknown"),
        ({"gpp": gpp({7: US_OPT_OUT}), "gpp_sid": "7"}, "denied"),
        ({"gpp": gpp({6: "1YYN"})}, "denied"),
        ({"gpp": gpp({6: "1YNN"})}, "unknown"),
        ({"gpp": GRANTING, "gpp_sid": "2"}, "unknown"),
        ({"gpp": "DBABMA~", "gpp_sid": "x"}, "unknown"),
        ({"gpp": "DBABMA", "gpp_sid": "2"}, "unknown"),
        ({"tnc_consent": "granted", "gdpr_consent": tc_string()}, "denied"),
        ({"tnc_consent": "granted", "gdpr": "1", "gdpr_consent": "rubbish"}, "granted"),
    ],
)
def test_consent_is_read_from_every_signal(params: dict[str, str], consent: str) -> None:
    assert read_signals(params, {}).consent == consent


def test_the_header_of_a_published_gpp_string_is_read() -> None:
    # "DBABMA" is the published header for the one section 2.
    assert gpp({2: "x"}).partition("~")[0].rstrip("A") == "DBABMA".rstrip("A")
    assert read_signals({"gpp": f"DBABMA~{GRANTING}"}, {}).consent == "granted"


@pytest.mark.parametrize(("value", "counts"), [("1", True), ("0", False), ("yes", False), ("1, 1", False), ("", False)])
def test_only_the_value_1_of_sec_gpc_counts(value: str, *, counts: bool) -> None:
    assert read_signals({}, {"sec-gpc": value}).gpc is counts


@pytest.mark.parametrize(
    ("country", "signals", "expected"),
    [
        ("DE", NO_SIGNALS, "cookieless"),
        ("GB", NO_SIGNALS, "cookieless"),
        ("CH", NO_SIGNALS, "cookieless"),
        ("NO", NO_SIGNALS, "cookieless"),
        (None, NO_SIGNALS, "cookieless"),
        ("US", NO_SIGNALS, "full"),
        ("DE", ConsentSignals(consent="granted"), "full"),
        (None, ConsentSignals(consent="granted"), "full"),
        ("US", ConsentSignals(gpc=True, opt_out=True), "limited"),
        ("DE", ConsentSignals(gpc=True, opt_out=True), "cookieless"),
        ("US", ConsentSignals(consent="granted", gpc=True, opt_out=True), "full"),
        ("US", ConsentSignals(consent="denied"), "cookieless"),
        ("US", ConsentSignals(consent="denied", opt_out=True), "limited"),
        ("US", ConsentSignals(gdpr=True), "cookieless"),
    ],
)
def test_the_mode_follows_country_and_signals(country: str | None, signals: ConsentSignals, expected: str) -> None:
    assert choose_mode(country, signals, opted_out=False) == expected


def test_an_opt_out_overrules_every_signal() -> None:
    for country, consent in product(("DE", "US", None), ("granted", "denied", "unknown")):
        assert choose_mode(country, ConsentSignals(consent=consent), opted_out=True) == "none"  # type: ignore[arg-type]


def test_the_owner_may_choose_cookieless_for_other_countries() -> None:
    assert choose_mode("US", NO_SIGNALS, opted_out=False, default="cookieless") == "cookieless"
    assert choose_mode("US", ConsentSignals(opt_out=True), opted_out=False, default="cookieless") == "cookieless"


@pytest.mark.parametrize(
    ("cookies", "out"),
    [({"__Host-tnc_out": "1"}, True), ({"tnc_out": "1"}, True), ({"tnc_out": "0"}, False), ({}, False)],
)
def test_the_opt_out_cookie_is_recognised(cookies: dict[str, str], *, out: bool) -> None:
    assert has_opted_out(cookies) is out


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=20))
def test_unreadable_signals_are_no_consent_and_no_error(tcf: str, text: str, sid: str) -> None:
    signals = read_signals({"gdpr": "1", "gdpr_consent": "!" + tcf, "gpp": "!" + text, "gpp_sid": sid}, {})

    assert signals.consent == "unknown"


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.", max_size=120))
def test_any_gpp_string_is_read_or_ignored(text: str) -> None:
    read_signals({"gpp": "D" + text, "gdpr_consent": "C" + text}, {})
