"""May it be sent at all: every reason of the contract, and consent before everything."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.destinations.examples import NOW_MS, REFUND, SALE, change, click, conversion, delivery, destination
from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.clock import DAY_MS
from tnc.core.models import Consent, Destination, Mode
from tnc.destinations.eligibility import CONSENT_FIRST, skip_reason


def asked(of: Delivery) -> str | None:
    return skip_reason(of, NOW_MS)


@pytest.mark.parametrize(
    ("visit", "why"),
    [
        ({}, None),
        ({"consent": "unknown"}, None),
        ({"consent": "denied"}, "consent-denied"),
        ({"mode": "none"}, "consent-denied"),
        ({"consent": "unknown", "country": "DE"}, "consent-unknown"),
        ({"consent": "unknown", "country": "GB"}, "consent-unknown"),
        ({"consent": "unknown", "country": "CH"}, "consent-unknown"),
        ({"consent": "unknown", "country": None}, "consent-unknown"),
        ({"consent": "unknown", "mode": "cookieless"}, "consent-unknown"),
        ({"consent": "granted", "country": "DE"}, None),
        ({"traffic": "bot"}, "not-human"),
        ({"traffic": "suspect"}, "not-human"),
    ],
)
def test_the_visitor_decides(visit: dict[str, Any], why: str | None) -> None:
    assert asked(delivery("meta", of=click(visit))) == why


@pytest.mark.parametrize("to", PLATFORMS)
def test_a_limited_visitor_reaches_only_those_who_then_serve_us(to: str) -> None:
    limited = click({"mode": "limited", "consent": "unknown"})

    assert asked(delivery(to, of=limited)) == (
        None if to in ("meta", "tiktok", "snapchat", "webhook") else "consent-denied"
    )


def test_a_destination_may_ask_for_a_yes_everywhere() -> None:
    strict = destination("meta", consent="require-granted")

    assert asked(delivery(strict, of=click({"consent": "unknown"}))) == "consent-unknown"
    assert asked(delivery(strict)) is None


@given(
    st.sampled_from(sorted(CONSENT_FIRST)),
    st.sampled_from(["unknown", "denied"]),
    st.sampled_from(["full", "limited", "cookieless", "none"]),
    st.sampled_from(sorted(PLATFORMS)),
    st.sampled_from(["unless-denied", "require-granted"]),
)
def test_nothing_of_a_european_leaves_without_a_yes(
    country: str, consent: Consent, mode: Mode, to: str, policy: Any
) -> None:
    visitor = click({"country": country, "consent": consent, "mode": mode})

    assert asked(delivery(destination(to, consent=policy), of=visitor)) in ("consent-unknown", "consent-denied")


def test_a_consent_that_was_withdrawn_since_the_click_counts() -> None:
    assert asked(delivery("meta", consent="denied")) == "consent-denied"


def test_only_chosen_statuses_and_events_go() -> None:
    lead = conversion(change(status="lead"))
    deposit = conversion(change(status="lead", event="deposit"))
    unmapped = conversion(change(status=None, status_word="hold"))

    assert asked(delivery("meta", word=lead)) == "status-not-chosen"
    assert asked(delivery(destination("meta", on=("lead",)), word=lead)) is None
    assert asked(delivery(destination("meta", on=("deposit",)), word=deposit)) is None
    assert asked(delivery("meta", word=unmapped)) == "status-not-chosen"


def test_a_refund_is_a_correction_to_google_and_must_be_chosen_elsewhere() -> None:
    word = conversion(SALE, REFUND)

    assert asked(delivery("google-ads", word=word, kind="retract")) is None
    assert asked(delivery("meta", word=word, kind="retract")) == "status-not-chosen"
    assert asked(delivery(destination("meta", on=("sale", "rejected")), word=word, kind="retract")) is None


BOT = click({"traffic": "bot"})


def test_a_refund_of_what_is_there_goes_out_whoever_it_was() -> None:
    word = conversion(SALE, REFUND)
    chosen = destination("meta", on=("sale", "rejected"))
    receivers: list[str | Destination] = ["google-ads", "google-data-manager", "webhook", chosen]

    for to in receivers:
        assert asked(delivery(to, of=BOT, word=word, kind="retract", receiver_may_know=True)) is None
        assert asked(delivery(to, of=BOT, word=word, kind="retract")) == "not-human"
        assert asked(delivery(to, of=BOT)) == "not-human"
    first = destination("google-ads", first=True)
    assert asked(delivery(first, word=word, kind="retract", nth=2, receiver_may_know=True)) is None


def test_another_payout_of_what_is_there_is_corrected_and_another_status_is_news() -> None:
    lead_then_sale = conversion(change(status="lead"), change(status="sale", at_ms=NOW_MS - 100))
    both = destination("postback", on=("lead", "sale"))

    assert asked(delivery("webhook", of=BOT, word=lead_then_sale, kind="adjust", receiver_may_know=True)) is None
    assert asked(delivery(both, of=BOT, word=lead_then_sale, kind="adjust", receiver_may_know=True)) == "not-human"


def test_no_refund_goes_out_against_the_visitor_s_word() -> None:
    word = conversion(SALE, REFUND)

    assert (
        asked(delivery("webhook", word=word, kind="retract", receiver_may_know=True, consent="denied"))
        == "consent-denied"
    )
    assert (
        asked(delivery("webhook", of=BOT, word=word, kind="retract", receiver_may_know=True, mode="none"))
        == "consent-denied"
    )


def test_a_refunded_deposit_is_not_a_second_deposit() -> None:
    word = conversion(change(event="deposit"), change(event="deposit", status="rejected"))

    assert asked(delivery(destination("meta", on=("deposit",)), word=word, kind="retract")) == "status-not-chosen"


def test_only_the_first_conversion_of_a_click_where_that_is_asked_for() -> None:
    first = destination("postback", first=True)

    assert asked(delivery(first, nth=1)) is None
    assert asked(delivery(first, nth=2)) == "not-first"
    assert asked(delivery("postback", nth=2)) is None


@pytest.mark.parametrize(
    ("to", "days", "why"),
    [("meta", 7, "too-old"), ("meta", 6, None), ("tiktok", 30, None), ("snapchat", 7, "too-old"), ("snapchat", 6, None),
     ("google-ads", 91, "too-old"), ("google-csv", 89, None), ("postback", 400, None)],
)  # fmt: skip
def test_what_a_platform_would_refuse_as_too_old_stays_here(to: str, days: int, why: str | None) -> None:
    old = conversion(change(at_ms=NOW_MS - days * DAY_MS))

    assert asked(delivery(to, word=old)) == why


def test_a_paused_or_archived_destination_gets_nothing() -> None:
    assert asked(delivery(destination("meta", paused=True))) == "paused"
    assert asked(delivery(destination("meta", archived=True))) == "paused"


def test_a_visit_that_the_filter_stopped_is_not_told_as_a_person() -> None:
    assert asked(delivery("meta", of=click(stopped=True))) == "not-human"


def test_consent_is_the_reason_that_is_named_first() -> None:
    hopeless = click({"consent": "denied", "traffic": "bot", "params": {}})
    lead = conversion(change(status="lead", at_ms=NOW_MS - 400 * DAY_MS))

    assert asked(delivery(destination("google-ads", paused=True), of=hopeless, word=lead)) == "consent-denied"
