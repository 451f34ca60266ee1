"""The present state of a conversion, from all its changes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tnc.core.models import Conversion, ConversionChange, ConversionId


def fold(changes: Iterable[ConversionChange]) -> tuple[Conversion, ...]:
    """The conversions of one click, in the order of their first change.

    A field that a change leaves empty keeps its value. A change without a status, because the network's status is not
    mapped, changes nothing.
    """
    histories: dict[ConversionId, list[ConversionChange]] = {}
    for change in changes:
        histories.setdefault(change.conversion_id, []).append(change)
    return tuple(_present(history) for history in histories.values())


def event_id(conversion: ConversionId, number: int = 0) -> str:
    """The id of the `number`-th event about a conversion at one destination: `cv_<id>`, then `cv_<id>_a1`, `_a2`, ...

    The same in every attempt and replay, so that a receiver recognises a repeat.
    """
    return f"cv_{conversion}" + (f"_a{number}" if number else "")


def counts_for_cap(conversion: Conversion) -> bool:
    """As in reports: leads and sales. A conversion whose status is not mapped counts from when it is."""
    return conversion.status in ("lead", "sale")


def _present(history: Sequence[ConversionChange]) -> Conversion:
    first = history[0]
    state = Conversion(
        conversion_id=first.conversion_id,
        converted_at_ms=first.at_ms,
        status=first.status,
        event=first.event,
        payout_micros=first.payout_micros,
        currency=first.currency,
        txid=first.txid,
        network=first.network,
        cost_micros=first.cost_micros,
        cost_currency=first.cost_currency,
        history=tuple(history),
    )
    for change in history[1:]:
        if change.status is not None:
            state = _after(state, change)
    return state


def _after(state: Conversion, change: ConversionChange) -> Conversion:
    paid, costs = change.payout_micros is not None, change.cost_micros is not None
    return replace(
        state,
        status=change.status,
        payout_micros=change.payout_micros if paid else state.payout_micros,
        currency=change.currency if paid else state.currency,
        txid=change.txid or state.txid,
        network=change.network or state.network,
        cost_micros=change.cost_micros if costs else state.cost_micros,
        cost_currency=change.cost_currency if costs else state.cost_currency,
    )
