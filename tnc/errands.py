"""What a command may ask of a house by name: done by the running server for it, or by the command alone."""

from collections.abc import Callable, Mapping
from typing import Any

from tnc.forgetting import Forgetting
from tnc.forwarding import Forwarding
from tnc.operations import Operations

Errands = Mapping[str, Callable[..., Any]]
"""Each takes and gives what JSON can say."""


def errands_of(forgetting: Forgetting, operations: Operations, forwarding: Forwarding) -> Errands:
    return {
        "import-conversions": operations.import_conversions,
        "say-of-clicks": operations.say_of_clicks,
        "hear-again": operations.receiving.replay,
        "destinations": forwarding.listed,
        "destination": forwarding.shown,
        "replay": forwarding.replay,
        "resume": forwarding.resume,
        "erase": lambda **who: forgetting.erase(forgetting.subject(**who)),
        "restrict": lambda **who: forgetting.restrict(forgetting.subject(**who)),
        "unrestrict": lambda **who: forgetting.unrestrict(forgetting.subject(**who)),
        "object": lambda **who: forgetting.object(forgetting.subject(**who)),
    }
