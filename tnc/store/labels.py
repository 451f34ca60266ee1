"""What a click is called now, after what was found out about it later. Where it went never changes by that."""

from collections.abc import Iterable

from msgspec.structs import replace

from tnc.model import Click, Event, FilterChange, LabelChange, Withdrawal


def relabelled(click: Click, events: Iterable[Event]) -> Click:
    """The click by the last word of each kind; `stopped` says whether it counts as stopped.

    The very same click when nothing was found out.
    """
    label: LabelChange | None = None
    verdict: FilterChange | None = None
    for event in events:
        if isinstance(event, LabelChange):
            label = event
        elif isinstance(event, FilterChange):
            verdict = event
    if label is not None:
        visit = replace(
            click.visit, traffic=label.traffic, reasons=label.reasons, crawler_verified=label.crawler_verified
        )
        click = replace(click, visit=visit)
    if verdict is not None and not verdict.undone:
        click = replace(click, filter=verdict.filter, stopped=verdict.stopped, added_reasons=verdict.reasons)
    return click


def as_told(click: Click, events: Iterable[Event]) -> Click:
    """The click as others may be told of it: by what it is called now, and by its visitor's last word on consent."""
    events = list(events)
    click = relabelled(click, events)
    if any(isinstance(event, Withdrawal) for event in events):
        click = replace(click, visit=replace(click.visit, consent="denied"))
    return click
