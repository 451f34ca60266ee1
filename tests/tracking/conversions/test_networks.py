"""A postback belongs to one network, and needs its key and an allowed address."""

from dataclasses import replace

import pytest

from tests.tracking.conversions.shared import NETWORK, OFFER
from tnc.core.errors import InvalidError
from tnc.core.models import Network, NetworkId
from tnc.tracking.conversions.networks import WRONG_ADDRESS, WRONG_KEY, network_of, refusal

OTHER = replace(NETWORK, id=NetworkId("other"))
ALL = {NETWORK.id: NETWORK, OTHER.id: OTHER}
KEYED = replace(NETWORK, key="s3cr\u00e9t")
LISTED = replace(NETWORK, allow_ips=("198.51.100.0/24", "2001:db8::/32", "203.0.113.7"))


def belongs(*, offer: str | None, recorded: str | None, named: str | None) -> Network | None:
    return network_of(
        offer=replace(OFFER, network=NetworkId(offer)) if offer else OFFER,
        recorded=NetworkId(recorded) if recorded else None,
        named=NetworkId(named) if named else None,
        networks=ALL,
    )


def test_the_network_of_the_offer_wins_over_a_named_one() -> None:
    assert belongs(offer="good", recorded="other", named="other") == NETWORK
    assert belongs(offer=None, recorded="good", named="other") == NETWORK
    assert belongs(offer=None, recorded=None, named="other") == OTHER
    assert belongs(offer=None, recorded=None, named=None) is None


def test_an_unknown_named_network_is_refused_when_the_offer_has_none() -> None:
    assert belongs(offer="good", recorded=None, named="typo") == NETWORK
    with pytest.raises(InvalidError, match="unknown network"):
        belongs(offer=None, recorded=None, named="typo")


@pytest.mark.parametrize("key", [None, "", "s3cret", "S3CR\u00c9T", "s3cr\u00e9t "])
def test_a_wrong_or_missing_key_is_refused(key: str | None) -> None:
    assert refusal(KEYED, key=key, peer_ip="192.0.2.1") == WRONG_KEY


def test_the_right_key_is_accepted_and_without_a_key_any_call() -> None:
    assert refusal(KEYED, key="s3cr\u00e9t", peer_ip="192.0.2.1") is None
    assert refusal(NETWORK, key="anything", peer_ip="192.0.2.1") is None
    assert refusal(None, key=None, peer_ip="192.0.2.1") is None


@pytest.mark.parametrize("ip", ["198.51.100.9", "2001:db8::1", "203.0.113.7", "::ffff:198.51.100.9"])
def test_an_address_on_the_list_is_accepted(ip: str) -> None:
    assert refusal(LISTED, key=None, peer_ip=ip) is None


@pytest.mark.parametrize("ip", ["198.51.101.9", "2001:db9::1", "fe80::1%eth0", "::ffff:192.0.2.1"])
def test_an_address_that_is_not_on_the_list_is_refused(ip: str) -> None:
    assert refusal(LISTED, key=None, peer_ip=ip) == WRONG_ADDRESS
