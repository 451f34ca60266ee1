"""Which word of a conversion goes to a destination: the first one, a correction, a refund, or none."""

from collections.abc import Sequence
from dataclasses import dataclass

from tnc.deliver.delivery import Kind, is_chosen
from tnc.deliver.platform import Platform
from tnc.model import Conversion, ConversionChange, Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    kind: Kind
    number: int  # `Delivery.number`
    at_ms: int


def due(destination: Destination, platform: Platform, conversion: Conversion, earlier: Sequence[Kind]) -> Due | None:
    """What the newest change of a conversion makes due. `earlier`: kinds already made for it here, oldest first.

    Where the platform takes corrections, each change of state or money after the first delivery is one; elsewhere
    a change is sent only when it is an event of its own: another chosen status.
    """
    change, before = conversion.history[-1], conversion.history[:-1]
    status, event = conversion.status, None if conversion.status == "rejected" else conversion.event
    chosen = is_chosen(destination, status, event)
    kind: Kind = "retract" if status == "rejected" else "adjust"
    if not earlier:
        return Due(kind="convert", number=0, at_ms=change.at_ms) if chosen else None
    if platform.served or change.status is None:
        return None  # a file tells the present state by itself; an unmapped word tells nothing yet
    new_status = change.status != _last_status(before)
    if platform.corrects:
        wanted = earlier[-1] != "retract" if kind == "retract" else new_status or _says_money(change, before)
    else:
        wanted = chosen and new_status
    return Due(kind=kind, number=len(earlier), at_ms=change.at_ms) if wanted else None


def _last_status(changes: Sequence[ConversionChange]) -> str | None:
    return next((each.status for each in reversed(changes) if each.status is not None), None)


def _says_money(change: ConversionChange, before: Sequence[ConversionChange]) -> bool:
    """Whether a change names another payout than the last one that did."""
    if change.payout_micros is None:
        return False
    known = [each for each in before if each.payout_micros is not None and each.status is not None]
    last = known[-1] if known else None
    return last is None or (last.payout_micros, last.currency) != (change.payout_micros, change.currency)
