"""Statuses of networks, mapped by the network, by the URL, or not yet."""

import pytest

from tnc.core.models import Network, NetworkId
from tnc.tracking.conversions.postback import read_postback
from tnc.tracking.conversions.statuses import COMMON, EVENTS, Reading, read_status

MAPPED = Network(
    id=NetworkId("good-network"),
    name="Good Network",
    statuses={"sale": ("approved", "1"), "lead": ("Pending",), "rejected": ("declined",)},
)


def read(network: Network | None = None, **params: str) -> Reading:
    return read_status(read_postback({"cid": "c", **params}), network)


@pytest.mark.parametrize("word", ["lead", "Sale", "REJECTED"])
@pytest.mark.parametrize("network", [None, MAPPED])
def test_canonical_statuses_need_no_mapping(word: str, network: Network | None) -> None:
    assert read(network, status=word).status == word.lower()


@pytest.mark.parametrize(
    ("word", "status"), [("approved", "sale"), ("1", "sale"), ("PENDING", "lead"), ("Declined", "rejected")]
)
def test_statuses_of_a_network_are_known_in_any_case(word: str, status: str) -> None:
    assert read(MAPPED, status=word).status == status


def test_a_network_may_map_a_canonical_status() -> None:
    odd = Network(id=NetworkId("odd"), name="Odd", statuses={"lead": ("sale",)})

    assert read(odd, status="sale").status == "lead"


def test_no_status_means_sale() -> None:
    assert read() == Reading(status="sale", word=None, event=None)
    assert read(status="{status}").status == "sale"


@pytest.mark.parametrize("word", ["hold", "frozen", "0", "sales"])
def test_a_status_missing_from_the_mapping_is_not_guessed(word: str) -> None:
    assert read(MAPPED, status=word) == Reading(status=None, word=word, event=None)


@pytest.mark.parametrize(("word", "status"), [("Hold", "lead"), ("approved", "sale"), ("chargeback", "rejected")])
def test_common_statuses_are_understood_without_a_mapping(word: str, status: str) -> None:
    assert read(None, status=word).status == status
    assert read(None, status=word, sale_status="other").status is None


def test_the_mapping_of_the_network_wins_over_the_url() -> None:
    assert read(MAPPED, status="approved", lead_status="approved").status == "sale"
    assert read(MAPPED, status="ok", sale_status="ok").status == "sale"


def test_the_url_may_ignore_a_status() -> None:
    assert read(status="Test", ignore_status="test") == Reading(status=None, word="Test", event=None, ignored=True)


def test_the_second_status_of_binom_counts_when_the_first_is_empty() -> None:
    assert read(cnv_status="goal-7", cnv_status2="approved") == Reading(status="sale", word="goal-7", event=None)
    assert read(cnv_status="lead", cnv_status2="approved").status == "lead"


@pytest.mark.parametrize("word", sorted(EVENTS))
def test_a_status_for_an_event_beside_the_sale_becomes_that_event(word: str) -> None:
    assert read(MAPPED, status=word.upper()) == Reading(status="sale", word=word.upper(), event=word)
    assert read(MAPPED, cnv_status=word, cnv_status2="declined").event == word
    assert read(MAPPED, cnv_status=word, cnv_status2="declined").status == "rejected"


def test_a_network_may_map_such_a_status_to_the_conversion() -> None:
    maps = Network(id=NetworkId("n"), name="N", statuses={"sale": ("deposit",)})

    assert read(maps, status="deposit") == Reading(status="sale", word="deposit", event=None)


def test_the_type_of_voluum_and_redtrack_is_a_status_or_an_event() -> None:
    assert read(type="Purchase") == Reading(status="sale", word="Purchase", event=None)
    assert read(et="lead").status == "lead"
    assert read(et="FTD") == Reading(status="sale", word=None, event="ftd")
    assert read(type="sale", status="rejected") == Reading(status="rejected", word="rejected", event=None)
    assert read(et="ftd", event="deposit").event == "deposit"


def test_an_event_has_a_status_of_its_own() -> None:
    assert read(event="deposit", status="rejected") == Reading(status="rejected", word="rejected", event="deposit")


def test_common_statuses_are_case_folded_and_no_events() -> None:
    assert all(word == word.casefold() for word in COMMON)
    assert not COMMON.keys() & EVENTS
