"""A stored configuration is read back unchanged, also one of an older version."""

import json
from typing import Any

import pytest
from hypothesis import given

from tests.campaigns.generated import configurations, law
from tests.campaigns.shop import shop
from tnc.campaigns.export import from_document, to_document
from tnc.core.errors import FailedError
from tnc.core.models import CampaignId, Configuration, DestinationId


@law
@given(configurations())
def test_a_stored_configuration_is_read_back_unchanged(configuration: Configuration) -> None:
    assert from_document(to_document(configuration)) == configuration


def test_the_stored_document_holds_secrets_for_the_store_to_encrypt() -> None:
    document = to_document(shop())

    assert b"meta-token-1" in document
    assert b"s3cret" in document


def changed(change: Any) -> Configuration:
    document = json.loads(to_document(shop()))
    change(document)
    return from_document(json.dumps(document).encode())


def test_keys_that_an_older_version_did_not_write_take_their_defaults() -> None:
    def forget(document: dict[str, Any]) -> None:
        del document["landers"]
        del document["campaigns"]["summer"]["sticky"]
        del document["destinations"]["meta-main"]["settings"]["api_version"]

    found = changed(forget)

    assert found.landers == {}
    assert found.campaigns[CampaignId("summer")].sticky == "none"
    assert found.destinations[DestinationId("meta-main")].settings["api_version"] == "v26.0"


def test_keys_that_only_a_newer_version_knows_are_left_out() -> None:
    def add(document: dict[str, Any]) -> None:
        document["planets"] = {}
        document["campaigns"]["summer"]["mood"] = "sunny"

    assert changed(add) == shop()


@pytest.mark.parametrize("document", [b"", b"[]", b'{"offers": {"x": {}}}', b"\xff"])
def test_an_invalid_document_is_refused(document: bytes) -> None:
    with pytest.raises(FailedError, match=r"^this version of the configuration cannot be read \(.*\); roll back to "):
        from_document(document)


def test_a_destination_of_a_type_that_only_a_newer_version_knows_is_refused_by_name() -> None:
    def change_type(document: dict[str, Any]) -> None:
        document["destinations"]["meta-main"]["type"] = "hologram"

    with pytest.raises(FailedError, match=r"^destination meta-main is of the type 'hologram', which .*it knows meta, "):
        changed(change_type)
