"""Postback URLs of other trackers work when only the host is changed."""

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.clock import new_id
from tnc.core.errors import InvalidError
from tnc.tracking.conversions.postback import NAMES, PARAMETER_NAMES, STATUS_MAPS, read_postback

OURS = new_id(1_795_000_000_000, b"01234567")

# One postback per tracker, as its documentation writes it.
CALLS: dict[str, dict[str, str]] = {
    "tnc": {"cid": OURS, "payout": "12.5", "currency": "USD", "status": "sale", "txid": "t1"},
    "Keitaro": {
        "subid": OURS, "tid": "t1", "payout": "12.5", "currency": "usd", "status": "sale", "from": "leadbit.com",
        "cost": "3", "sub_id_1": "x", "return": "img",
    },
    "Keitaro with revenue": {"subid": OURS, "tid": "t1", "revenue": "12.5", "currency": "USD", "status": "sale"},
    "Binom": {
        "cnv_id": OURS, "payout": "12.5", "cnv_status": "sale", "cnv_status2": "x", "cnv_currency": "USD",
        "to_offer": "3", "disable_postback": "1",
    },
    "Voluum": {"cid": OURS, "payout": "12.5", "txid": "t1", "et": "sale"},
    "RedTrack": {"clickid": OURS, "sum": "12.5", "type": "sale"},
    "BeMob": {"cid": OURS, "payout": "12.5", "txid": "t1", "status": "sale"},
    "Prosper202": {"amount": "12.5", "subid": OURS},
}  # fmt: skip


@pytest.mark.parametrize("tracker", CALLS)
def test_the_postback_of_every_tracker_is_understood(tracker: str) -> None:
    incoming = read_postback(CALLS[tracker])

    assert incoming.click_id == OURS
    assert incoming.payout_micros == 12_500_000
    assert incoming.currency in ("USD", None)
    assert "sale" in (*incoming.status_words, incoming.type_word) or tracker == "Prosper202"
    assert incoming.txid in ("t1", None)


def test_the_table_of_trackers_is_complete() -> None:
    assert {tracker.partition(" ")[0] for tracker in CALLS} == PARAMETER_NAMES.keys()


@pytest.mark.parametrize(("what", "name"), [(what, name) for what, names in NAMES.items() for name in names])
def test_every_name_works_in_any_case(what: str, name: str) -> None:
    value = {"payout": "3", "currency": "eur"}.get(what, OURS)

    incoming = read_postback({"cid": "4711"} | {name.upper(): f" {value} "})

    assert incoming.names[what] == name


def test_statuses_keep_their_spelling_and_order() -> None:
    incoming = read_postback({"cnv_id": OURS, "cnv_status2": "Hold", "cnv_status": "Registration"})

    assert incoming.status_words == ("Registration", "Hold")


def test_events_and_network_ids_are_read_in_lower_case() -> None:
    incoming = read_postback({"cid": OURS, "event": "Deposit", "network": "Good-Network"})

    assert (incoming.event, incoming.network) == ("deposit", "good-network")


def test_the_url_may_map_statuses() -> None:
    incoming = read_postback(
        {
            "subid": OURS,
            "sale_status": "Approved, paid",
            "lead_status": "hold",
            "rejected_status": "no",
            "trash_status": "trash",
            "ignore_status": "test,",
        }
    )

    assert incoming.meanings == {
        "approved": "sale", "paid": "sale", "hold": "lead", "no": "rejected", "trash": "rejected", "test": "ignored",
    }  # fmt: skip


def test_of_several_click_ids_the_one_in_our_format_counts() -> None:
    assert read_postback({"cid": "4711", "subid": OURS}).click_id == OURS
    assert read_postback({"cid": "4711", "subid": "0815"}).click_id == "4711"


@pytest.mark.parametrize("params", [{}, {"cid": ""}, {"cid": "  "}, {"payout": "1"}])
def test_a_missing_click_id_is_refused(params: dict[str, str]) -> None:
    with pytest.raises(InvalidError, match="missing click id"):
        read_postback(params)


MACROS = ["{clickid}", "{{click.id}}", "${SUBID}", "[clickid]", "#s2#", "__CLICKID__", "!!!clickRef!!!", "@@CLICK-ID@@",
          "%ID%", "<click_id>", "%7Bclickid%7D", "[[[subid]]]", "##SUB_ID_SHORT(action)##"]  # fmt: skip


@pytest.mark.parametrize("macro", MACROS)
def test_an_unexpanded_macro_is_no_click_id(macro: str) -> None:
    with pytest.raises(InvalidError, match="macro that was not replaced"):
        read_postback({"cid": macro})
    assert read_postback({"cid": macro, "subid": OURS}).click_id == OURS


@pytest.mark.parametrize("macro", MACROS)
def test_an_unexpanded_macro_counts_as_not_sent(macro: str) -> None:
    names = ("payout", "currency", "status", "event", "txid", "network", "et", "sale_status")

    incoming = read_postback({"cid": OURS} | dict.fromkeys(names, macro))

    assert incoming == read_postback({"cid": OURS})


def test_a_transaction_id_in_braces_may_be_real() -> None:
    guid = "{3F2504E0-4F89-41D3-9A0C-0305E82C3301}"

    assert read_postback({"cid": OURS, "txid": guid}).txid == guid


def test_a_network_key_may_look_like_a_macro() -> None:
    assert read_postback({"cid": OURS, "key": "[secret]"}).key == "[secret]"


@pytest.mark.parametrize("name", ["status", "event", "txid", "type", "cnv_status2"])
def test_a_value_that_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match=f"{name} is too long"):
        read_postback({"cid": OURS, name: "x" * 257})


@pytest.mark.parametrize(("name", "value"), [("payout", "abc"), ("sum", "1e400"), ("amount", "$5"), ("revenue", "nan")])
def test_an_unreadable_payout_is_refused_by_its_parameter_name(name: str, value: str) -> None:
    with pytest.raises(InvalidError, match=f"{name} is not an amount"):
        read_postback({"cid": OURS, name: value})


def test_an_unreadable_currency_is_refused_and_never_guessed() -> None:
    with pytest.raises(InvalidError, match="cnv_currency is not a currency"):
        read_postback({"cid": OURS, "cnv_currency": "dollars"})


def test_unprintable_characters_are_escaped() -> None:
    incoming = read_postback({"cid": OURS, "txid": "a\x00b\x1b[31m\ud800", "status": "x\r\ny"})

    assert incoming.txid == "a\ufffdb\ufffd[31m\ufffd"
    assert incoming.status_words == ("x\ufffd\ufffdy",)


anything = st.text(st.characters(exclude_categories=[]), max_size=300)
known_names = st.sampled_from(sorted({*STATUS_MAPS, "key", *(name for names in NAMES.values() for name in names)}))


@given(st.dictionaries(known_names | anything, anything))
def test_any_call_is_read_or_refused(params: dict[str, str]) -> None:
    with suppress(InvalidError):
        incoming = read_postback(params)
        assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in incoming.click_id + (incoming.txid or ""))


@given(known_names, st.text("abcxyz{}$", min_size=20, max_size=300))
def test_a_refusal_does_not_repeat_the_value(name: str, value: str) -> None:
    said = ""
    try:
        read_postback({"cid": "c", name: value})
    except InvalidError as refusal:
        said = str(refusal)

    assert value not in said
