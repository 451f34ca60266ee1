"""A conversion is counted once, however often, late or out of order its postbacks come."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracking.conversions.shared import NETWORK, OFFER, OneClick, campaign
from tnc.core.conversions import counts_for_cap, fold
from tnc.core.models import Cost

UPDATE = replace(NETWORK, duplicates="update")
ACCEPT = replace(NETWORK, duplicates="accept")
FROM_POSTBACK = replace(OFFER, payout="from-postback")


def test_a_first_call_is_a_new_sale_with_the_payout_it_names() -> None:
    click = OneClick()

    outcome = click.call(payout="7.25", currency="EUR", txid="t1")

    assert (outcome.kind, outcome.answer) == ("new", "ok")
    (conversion,) = click.conversions
    assert outcome.after == conversion
    assert (conversion.status, conversion.payout_micros, conversion.currency) == ("sale", 7_250_000, "EUR")
    assert (conversion.txid, conversion.network, conversion.converted_at_ms) == ("t1", "good", 1_001)


def test_the_same_call_again_is_a_duplicate() -> None:
    click = OneClick()
    first = click.call(payout="7.25", txid="t1")

    again = click.call(payout="7.25", txid="t1")

    assert (again.kind, again.answer, again.change) == ("duplicate", "duplicate", None)
    assert again.after == again.before == first.after


def test_the_same_transaction_is_one_conversion_even_with_another_payout() -> None:
    click = OneClick()
    click.call(payout="7", txid="t1")

    again = click.call(payout="8", txid="t1")

    assert again.kind == "duplicate"
    assert 'duplicates = "update"' in again.note


def test_other_transactions_and_other_events_are_other_conversions() -> None:
    click = OneClick()

    kinds = click.calls([{"txid": "t1"}, {"txid": "t2"}, {"txid": "T1"}, {"txid": "t1", "event": "deposit"}])

    assert kinds == ["new"] * 4


def test_without_a_transaction_id_click_and_event_identify_a_conversion() -> None:
    click = OneClick()

    kinds = click.calls([{"payout": "1"}, {"payout": "2"}, {"event": "deposit"}, {"event": "Deposit"}])

    assert kinds == ["new", "duplicate", "new", "duplicate"]


def test_a_call_without_a_transaction_id_changes_the_known_conversion() -> None:
    click = OneClick()
    click.call(txid="t1", status="lead")

    assert click.call(status="sale").kind == "changed"
    assert [(c.txid, c.status) for c in click.conversions] == [("t1", "sale")]


@pytest.mark.parametrize(
    ("said", "statuses"),
    [
        (["lead", "sale"], ["sale"]),
        (["pending", "approved"], ["sale"]),
        (["lead", "rejected"], ["rejected"]),
        (["sale", "rejected"], ["rejected"]),
        (["sale", "lead"], ["sale"]),
        (["rejected", "lead"], ["rejected"]),
        (["rejected", "sale"], ["rejected"]),
        (["sale", "rejected", "sale"], ["rejected"]),
    ],
)
def test_a_status_only_moves_on(said: list[str], statuses: list[str]) -> None:
    click = OneClick()

    click.calls({"txid": "t1", "status": word} for word in said)

    assert click.statuses == statuses


def test_a_change_keeps_its_origin() -> None:
    click = OneClick()

    click.calls(
        [
            {"txid": "t1", "status": "pending", "payout": "3"},
            {"txid": "t1", "status": "Approved", "payout": "4"},
            {"txid": "t1", "status": "rejected"},
        ]
    )

    (conversion,) = click.conversions
    history = [(c.at_ms, c.status, c.status_word, c.payout_micros) for c in conversion.history]
    assert history == [
        (1_001, "lead", "pending", 3_000_000),
        (1_002, "sale", "Approved", 4_000_000),
        (1_003, "rejected", "rejected", 4_000_000),
    ]
    assert (conversion.converted_at_ms, conversion.payout_micros) == (1_001, 4_000_000)


def test_under_update_the_new_payout_and_status_replace() -> None:
    click = OneClick(network=UPDATE)

    kinds = click.calls(
        [
            {"txid": "t1", "payout": "3"},
            {"txid": "t1", "payout": "4"},
            {"txid": "t1", "payout": "4"},
            {"txid": "t1", "status": "rejected"},
            {"txid": "t1", "status": "sale", "payout": "5", "currency": "EUR"},
            {"txid": "t1", "status": "lead", "payout": "6"},
        ]
    )

    assert kinds == ["new", "changed", "duplicate", "changed", "changed", "duplicate"]
    (conversion,) = click.conversions
    assert (conversion.status, conversion.payout_micros, conversion.currency) == ("sale", 5_000_000, "EUR")


def test_under_accept_each_is_a_new_conversion() -> None:
    click = OneClick(network=ACCEPT)

    kinds = click.calls([{"txid": "t1"}, {"txid": "t1"}, {}, {}])

    assert kinds == ["new"] * 4


def test_a_correction_by_hand_may_do_more_than_a_postback() -> None:
    click = OneClick()
    click.call(txid="t1", payout="5")
    click.call(txid="t1", status="rejected")

    assert click.call("hand", txid="t1", status="sale", payout="6").kind == "changed"
    assert click.call("hand", txid="t1", payout="6").kind == "duplicate"
    assert [(c.status, c.payout_micros) for c in click.conversions] == [("sale", 6_000_000)]
    assert click.conversions[0].history[-1].origin == "hand"


def test_a_correction_by_hand_finds_its_transaction_also_under_accept() -> None:
    click = OneClick(network=ACCEPT)
    click.call(txid="t1", payout="5")

    assert click.call("hand", txid="t1", status="rejected").kind == "changed"
    assert click.call("hand", txid="t2").kind == "new"
    assert click.call("hand").kind == "new"
    assert click.statuses == ["rejected", "sale", "sale"]


@pytest.mark.parametrize("network", [NETWORK, UPDATE, ACCEPT, None])
def test_a_second_import_of_the_same_file_adds_nothing(network: object) -> None:
    rows = [{"payout": "5"}, {"txid": "t1"}, {"txid": "t1", "status": "rejected"}, {"event": "rebill", "payout": "2"}]
    click = OneClick(network=network)  # type: ignore[arg-type]
    for row in rows:
        click.call("import", **row)
    before = list(click.changes)

    kinds = [click.call("import", **row).kind for row in rows]

    assert kinds == ["duplicate"] * 4
    assert click.changes == before


def test_an_unknown_status_is_stored_and_not_counted() -> None:
    click = OneClick()

    outcome = click.call(status="frozen", payout="9", txid="t1")

    assert (outcome.kind, outcome.answer) == ("unmapped", "ok")
    assert "`statuses` of network good" in outcome.note
    (conversion,) = click.conversions
    assert (conversion.status, conversion.payout_micros) == (None, 9_000_000)
    assert conversion.history[0].status_word == "frozen"


def test_an_unknown_status_of_a_known_conversion_is_stored_and_changes_nothing() -> None:
    click = OneClick()
    click.call(txid="t1", payout="5")

    assert click.call(txid="t1", status="frozen", payout="0").kind == "unmapped"
    assert click.call(txid="t1", status="Frozen", payout="0").kind == "duplicate"
    (conversion,) = click.conversions
    assert (conversion.status, conversion.payout_micros, len(conversion.history)) == ("sale", 5_000_000, 2)


def test_a_status_ignored_by_the_url_is_not_stored() -> None:
    click = OneClick()

    outcome = click.call(status="test", ignore_status="test")

    assert (outcome.kind, outcome.answer, outcome.change) == ("ignored", "ok", None)


def test_without_a_payout_the_payout_and_currency_of_the_offer_count() -> None:
    click = OneClick(offer=replace(OFFER, currency="EUR"))
    click.call(currency="USD")

    assert [(c.payout_micros, c.currency) for c in click.conversions] == [(12_500_000, "EUR")]


@pytest.mark.parametrize("offer", [FROM_POSTBACK, None])
def test_a_payout_that_is_given_nowhere_is_unknown_and_not_zero(offer: object) -> None:
    click = OneClick(offer=offer)  # type: ignore[arg-type]
    click.call()

    assert click.conversions[0].payout_micros is None


def test_a_payout_of_zero_is_a_payout() -> None:
    click = OneClick()
    click.call(payout="0")

    assert click.conversions[0].payout_micros == 0


def test_a_payout_without_a_currency_has_the_known_one() -> None:
    click = OneClick(network=UPDATE)
    click.call(txid="t1", payout="5", currency="EUR")
    click.call(txid="t1", payout="6")

    assert [(c.payout_micros, c.currency) for c in click.conversions] == [(6_000_000, "EUR")]


def test_an_event_beside_the_sale_does_not_earn_the_payout_of_the_offer() -> None:
    click = OneClick()

    click.calls([{"txid": "t1"}, {"txid": "t1", "event": "deposit"}, {"txid": "t2", "status": "rebill", "payout": "4"}])

    assert [(c.event, c.status, c.payout_micros) for c in click.conversions] == [
        (None, "sale", 12_500_000), ("deposit", "sale", None), ("rebill", "sale", 4_000_000),
    ]  # fmt: skip


def test_a_source_paid_by_conversion_costs_once_and_nothing_when_it_is_rejected() -> None:
    click = OneClick(campaign=campaign(Cost(model="cpa", amount=3, currency="EUR")))

    click.calls([{"txid": "t1", "status": "lead"}, {"txid": "t1"}, {"txid": "t1", "event": "deposit", "payout": "9"}])
    assert [(c.cost_micros, c.cost_currency) for c in click.conversions] == [(3_000_000, "EUR"), (None, None)]

    click.call(txid="t1", status="rejected")
    assert click.conversions[0].cost_micros == 0


def test_a_source_with_a_share_costs_that_share_of_every_sale() -> None:
    click = OneClick(campaign=campaign(Cost(model="revshare", amount=0.3)))

    click.call(txid="t1", status="lead", payout="10", currency="EUR")
    assert click.conversions[0].cost_micros is None

    click.calls([{"txid": "t1"}, {"txid": "t1", "event": "rebill", "payout": "0.1"}])
    assert [(c.cost_micros, c.cost_currency) for c in click.conversions] == [(3_000_000, "EUR"), (30_000, "USD")]

    click.call(txid="t1", status="rejected")
    assert click.conversions[0].cost_micros == 0


@pytest.mark.parametrize("cost", [Cost(model="cpc", amount=1), Cost(model="cpa"), Cost()])
def test_other_cost_models_cost_nothing_per_conversion(cost: Cost) -> None:
    click = OneClick(campaign=campaign(cost))
    click.call()

    assert click.conversions[0].cost_micros is None


def test_rejected_and_unmapped_conversions_do_not_count_for_the_cap() -> None:
    click = OneClick()
    click.calls([{"txid": "t1"}, {"txid": "t2", "status": "lead"}, {"txid": "t3", "status": "frozen"}])
    click.call(txid="t1", status="rejected")

    assert [counts_for_cap(conversion) for conversion in click.conversions] == [False, True, False]


# ------------------------------------------------------------------------------------------------ laws

calls = st.fixed_dictionaries(
    {},
    optional={
        "txid": st.sampled_from(["t1", "t2"]),
        "status": st.sampled_from(["lead", "sale", "rejected", "approved", "pending", "frozen", "odd", "rebill"]),
        "event": st.sampled_from(["deposit", "trial"]),
        "payout": st.sampled_from(["0", "1", "2.5"]),
        "currency": st.sampled_from(["USD", "EUR"]),
    },
)
sequences = st.lists(calls, max_size=12)
networks = st.sampled_from([NETWORK, UPDATE, ACCEPT, None])


@given(sequences, calls, networks)
def test_the_same_call_twice_is_the_same_as_once(
    earlier: list[dict[str, str]], call: dict[str, str], network: object
) -> None:
    click = OneClick(network=network)  # type: ignore[arg-type]
    click.calls([*earlier, call])
    before = click.conversions

    kind = click.call("postback", **call).kind

    if network is not ACCEPT:
        assert kind == "duplicate"
        assert click.conversions == before


@given(sequences, st.sampled_from([NETWORK, UPDATE, None]))
def test_no_order_of_calls_makes_two_conversions_of_one_transaction(
    sequence: list[dict[str, str]], network: object
) -> None:
    click = OneClick(network=network)  # type: ignore[arg-type]
    click.calls(sequence)

    known = [(conversion.event, conversion.txid) for conversion in click.conversions]

    assert len(known) == len(set(known))


@given(sequences, networks)
def test_a_sale_never_turns_into_a_lead(sequence: list[dict[str, str]], network: object) -> None:
    click = OneClick(network=network)  # type: ignore[arg-type]
    sold: set[str] = set()
    for call in sequence:
        click.calls([call])
        sold |= {conversion.conversion_id for conversion in click.conversions if conversion.status == "sale"}

        assert not any(c.status in ("lead", None) for c in click.conversions if c.conversion_id in sold)


@given(st.permutations(["lead", "sale", "rejected", "approved", "sale"]))
def test_the_order_of_statuses_of_one_transaction_does_not_matter(words: list[str]) -> None:
    click = OneClick()

    click.calls({"txid": "t1", "status": word} for word in words)

    assert click.statuses == ["rejected"]


@given(sequences, networks)
def test_the_outcome_and_the_sum_of_the_history_agree(sequence: list[dict[str, str]], network: object) -> None:
    click = OneClick(network=network)  # type: ignore[arg-type]
    for call in sequence:
        outcome = click.call("postback", **call)

        assert outcome.after is None or outcome.after in click.conversions
        assert (outcome.change is None) == (outcome.kind in ("duplicate", "ignored"))
    for conversion in click.conversions:
        assert fold(conversion.history) == (conversion,)
        assert all(change.conversion_id == conversion.conversion_id for change in conversion.history)
    assert sum(len(conversion.history) for conversion in click.conversions) == len(click.changes)
