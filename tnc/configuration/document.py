"""A configuration as bytes for the store: whole, with its secrets; whoever keeps it seals it."""

from dataclasses import replace

import msgspec

from tnc.configuration.destinations import with_defaults
from tnc.errors import FailedError
from tnc.model import Configuration


def to_document(configuration: Configuration) -> bytes:
    return msgspec.json.encode(configuration)


def from_document(document: bytes) -> Configuration:
    """What an older version did not know takes its default. Raises FailedError for what was never a document."""
    try:
        configuration = msgspec.json.decode(document, type=Configuration)
    except msgspec.DecodeError as error:
        raise FailedError(
            f"this version of the configuration cannot be read ({error}); roll back to another or restore a backup."
        ) from error
    destinations = {
        key: replace(each, settings=with_defaults(each.type, each.settings))
        for key, each in configuration.destinations.items()
    }
    return replace(configuration, destinations=destinations)
