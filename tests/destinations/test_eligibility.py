"""Which events are due at a destination, and every reason not to send one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.destinations.examples import NOW_MS, REFUND, SALE, change, click, conversion, delivery, destination
from tnc.campaigns.platforms.base import Delivery
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.clock import DAY_MS
from tnc.core.models import Consent, ConversionChange, DeliveryKind, Destination, Mode
from tnc.destinations.eligibility import CONSENT_FIRST, due_event, skip_reason


def reason_of(of: Delivery) -> str | None:
    return skip_reason(of, NOW_MS)


@pytest.mark.parametrize(
    ("visit", "reason"),
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
def test_consent_mode_and_traffic_of_the_visitor_count(visit: dict[str, Any], reason: str | None) -> None:
    assert reason_of(delivery("meta", of=click(visit))) == reason


@pytest.mark.parametrize("to", PLATFORMS)
def test_a_limited_visitor_is_sent_only_to_platforms_with_a_limited_mode(to: str) -> None:
    limited = click({"mode": "limited", "consent": "unknown"})

    assert reason_of(delivery(to, of=limited)) == (
        None if to in ("meta", "tiktok", "snapchat", "webhook") else "consent-denied"
    )


def test_require_granted_needs_consent_everywhere() -> None:
    strict = destination("meta", consent="require-granted")

    assert reason_of(delivery(strict, of=click({"consent": "unknown"}))) == "consent-unknown"
    assert reason_of(delivery(strict)) is None


@given(
    st.sampled_from(sorted(CONSENT_FIRST)),
    st.sampled_from(["unknown", "denied"]),
    st.sampled_from(["full", "limited", "cookieless", "none"]),
    st.sampled_from(sorted(PLATFORMS)),
    st.sampled_from(["unless-denied", "require-granted"]),
)
def test_nothing_of_a_european_visitor_is_sent_without_consent(
    country: str, consent: Consent, mode: Mode, to: str, policy: Any
) -> None:
    visitor = click({"country": country, "consent": consent, "mode": mode})

    assert reason_of(delivery(destination(to, consent=policy), of=visitor)) in ("consent-unknown", "consent-denied")


def test_consent_withdrawn_after_the_click_counts() -> None:
    assert reason_of(delivery("meta", consent="denied")) == "consent-denied"


def test_only_chosen_statuses_and_events_are_sent() -> None:
    lead = conversion(change(status="lead"))
    deposit = conversion(change(status="lead", event="deposit"))
    unmapped = conversion(change(status=None, status_word="hold"))

    assert reason_of(delivery("meta", about=lead)) == "status-not-chosen"
    assert reason_of(delivery(destination("meta", on=("lead",)), about=lead)) is None
    assert reason_of(delivery(destination("meta", on=("deposit",)), about=deposit)) is None
    assert reason_of(delivery("meta", about=unmapped)) == "status-not-chosen"


def test_a_refund_must_be_chosen_where_corrections_are_not_taken() -> None:
    changed = conversion(SALE, REFUND)

    assert reason_of(delivery("google-ads", about=changed, kind="retract")) is None
    assert reason_of(delivery("meta", about=changed, kind="retract")) == "status-not-chosen"
    assert reason_of(delivery(destination("meta", on=("sale", "rejected")), about=changed, kind="retract")) is None


BOT = click({"traffic": "bot"})


def test_a_refund_of_a_sent_sale_is_sent_for_bots_too() -> None:
    changed = conversion(SALE, REFUND)
    chosen = destination("meta", on=("sale", "rejected"))
    receivers: list[str | Destination] = ["google-ads", "google-data-manager", "webhook", chosen]

    for to in receivers:
        assert reason_of(delivery(to, of=BOT, about=changed, kind="retract", receiver_may_know=True)) is None
        assert reason_of(delivery(to, of=BOT, about=changed, kind="retract")) == "not-human"
        assert reason_of(delivery(to, of=BOT)) == "not-human"
    first = destination("google-ads", first=True)
    assert reason_of(delivery(first, about=changed, kind="retract", nth=2, receiver_may_know=True)) is None


def test_a_bots_sent_conversion_is_corrected_but_gets_no_new_status() -> None:
    lead_then_sale = conversion(change(status="lead"), change(status="sale", at_ms=NOW_MS - 100))
    both = destination("postback", on=("lead", "sale"))

    assert reason_of(delivery("webhook", of=BOT, about=lead_then_sale, kind="adjust", receiver_may_know=True)) is None
    assert reason_of(delivery(both, of=BOT, about=lead_then_sale, kind="adjust", receiver_may_know=True)) == "not-human"


def test_a_refund_is_not_sent_without_consent() -> None:
    changed = conversion(SALE, REFUND)

    assert (
        reason_of(delivery("webhook", about=changed, kind="retract", receiver_may_know=True, consent="denied"))
        == "consent-denied"
    )
    assert (
        reason_of(delivery("webhook", of=BOT, about=changed, kind="retract", receiver_may_know=True, mode="none"))
        == "consent-denied"
    )


def test_a_refunded_deposit_is_not_a_second_deposit() -> None:
    changed = conversion(change(event="deposit"), change(event="deposit", status="rejected"))

    assert (
        reason_of(delivery(destination("meta", on=("deposit",)), about=changed, kind="retract")) == "status-not-chosen"
    )


def test_first_skips_later_conversions_of_a_click() -> None:
    first = destination("postback", first=True)

    assert reason_of(delivery(first, nth=1)) is None
    assert reason_of(delivery(first, nth=2)) == "not-first"
    assert reason_of(delivery("postback", nth=2)) is None


@pytest.mark.parametrize(
    ("to", "days", "reason"),
    [("meta", 7, "too-old"), ("meta", 6, None), ("tiktok", 30, None), ("snapchat", 7, "too-old"), ("snapchat", 6, None),
     ("google-ads", 91, "too-old"), ("google-csv", 89, None), ("postback", 400, None)],
)  # fmt: skip
def test_a_conversion_that_the_platform_would_refuse_by_its_age_is_skipped(
    to: str, days: int, reason: str | None
) -> None:
    old = conversion(change(at_ms=NOW_MS - days * DAY_MS))

    assert reason_of(delivery(to, about=old)) == reason


def test_a_paused_or_archived_destination_is_skipped() -> None:
    assert reason_of(delivery(destination("meta", paused=True))) == "paused"
    assert reason_of(delivery(destination("meta", archived=True))) == "paused"


def test_a_visit_stopped_by_a_filter_is_skipped() -> None:
    assert reason_of(delivery("meta", of=click(stopped=True))) == "not-human"


def test_consent_is_the_first_reason() -> None:
    hopeless = click({"consent": "denied", "traffic": "bot", "params": {}})
    lead = conversion(change(status="lead", at_ms=NOW_MS - 400 * DAY_MS))

    assert reason_of(delivery(destination("google-ads", paused=True), of=hopeless, about=lead)) == "consent-denied"


# ------------------------------------------------------------------------------------------ due events

LEAD_CHANGE = change(status="lead", at_ms=NOW_MS - 9_000)
SALE_CHANGE = change(at_ms=NOW_MS - 8_000)
MORE = change(payout_micros=20_000_000, at_ms=NOW_MS - 7_000)
REFUND_CHANGE = change(status="rejected", at_ms=NOW_MS - 6_000)
AGAIN = change(status="sale", at_ms=NOW_MS - 5_000)
UNMAPPED = change(status=None, status_word="hold", at_ms=NOW_MS - 4_000)
META, BOTH = destination("meta"), destination("meta", on=("lead", "sale", "rejected"))
GOOGLE, FILE = destination("google-data-manager"), destination("google-csv")


def events_of(to: Destination, *changes: ConversionChange) -> list[tuple[str, int]]:
    """Kind and number of every event that is due while these changes come in one after the other."""
    made: list[DeliveryKind] = []
    due: list[tuple[str, int]] = []
    for count in range(1, len(changes) + 1):
        found = due_event(to, PLATFORMS[to.type], conversion(*changes[:count]), made)
        if found is not None:
            assert found.at_ms == changes[count - 1].at_ms
            made.append(found.kind)
            due.append((found.kind, found.number))
    return due


@pytest.mark.parametrize(
    ("to", "changes", "wanted"),
    [
        (META, [SALE_CHANGE], [("convert", 0)]),
        (META, [LEAD_CHANGE], []),
        (META, [LEAD_CHANGE, SALE_CHANGE], [("convert", 0)]),
        (META, [SALE_CHANGE, MORE], [("convert", 0)]),
        (META, [SALE_CHANGE, REFUND_CHANGE], [("convert", 0)]),
        (BOTH, [LEAD_CHANGE, SALE_CHANGE, REFUND_CHANGE], [("convert", 0), ("adjust", 1), ("retract", 2)]),
        (GOOGLE, [SALE_CHANGE, MORE, REFUND_CHANGE], [("convert", 0), ("adjust", 1), ("retract", 2)]),
        (GOOGLE, [SALE_CHANGE, SALE_CHANGE], [("convert", 0)]),
        (GOOGLE, [SALE_CHANGE, REFUND_CHANGE, REFUND_CHANGE], [("convert", 0), ("retract", 1)]),
        (GOOGLE, [SALE_CHANGE, REFUND_CHANGE, AGAIN], [("convert", 0), ("retract", 1), ("adjust", 2)]),
        (GOOGLE, [LEAD_CHANGE, REFUND_CHANGE], []),
        (GOOGLE, [SALE_CHANGE, UNMAPPED], [("convert", 0)]),
        (FILE, [SALE_CHANGE, MORE, REFUND_CHANGE], [("convert", 0)]),
    ],
)
def test_each_change_makes_the_event_due_that_the_destination_takes(to: Destination, changes: Any, wanted: Any) -> None:
    assert events_of(to, *changes) == wanted
