"""What a command may ask of a house by name: done by the running server for it, or by the command alone."""

from collections.abc import Callable, Mapping
from typing import Any

from tnc.admin.services import Keeping
from tnc.destinations.service import DestinationService
from tnc.tracking.configure import Operations

Errands = Mapping[str, Callable[..., Any]]
"""Each takes and gives what JSON can say."""


def errands_of(keeping: Keeping, operations: Operations, forwarding: DestinationService) -> Errands:
    return {
        "import-conversions": operations.import_conversions,
        "say-of-clicks": operations.say_of_clicks,
        "hear-again": operations.receiving.replay,
        "destinations": forwarding.listed,
        "destination": forwarding.shown,
        "replay": forwarding.replay,
        "resume": forwarding.resume,
        **keeping.errands(),
    }
