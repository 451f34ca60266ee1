"""Destinations: how they stand, what they were told, and what their owner can do about it."""

import asyncio
from typing import Final

from aiohttp import web

from tnc.campaigns.destination_schema import all_destinations
from tnc.campaigns.schema import NOUNS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import Configuration, DeliveryState, Destination, DestinationId
from tnc.core.shapes import PLACEHOLDER, SecretValue
from tnc.destinations.preview import DestinationTest
from tnc.destinations.worker import DestinationStatus
from tnc.web.dashboard import format as words
from tnc.web.dashboard.keys import APPLIANCE
from tnc.web.dashboard.pages import page

_SHOWN: Final = 50
_STATES: Final[tuple[DeliveryState, ...]] = ("queued", "sending", "accepted", "done", "dropped", "dead", "cancelled")


async def index(request: web.Request) -> web.StreamResponse:
    """GET /destinations"""
    appliance = request.app[APPLIANCE]
    (_, configuration), statuses, counts = await asyncio.gather(
        asyncio.to_thread(appliance.configuration),
        asyncio.to_thread(appliance.mail.statuses),
        asyncio.to_thread(appliance.mail.counts),
    )
    rows = [
        (
            each,
            statuses.get(each.id, DestinationStatus(state="active")),
            in_words(statuses.get(each.id)),
            [(state, counts[each.id, state]) for state in _STATES if counts.get((each.id, state))],
        )
        for each in all_destinations(configuration).values()
        if not each.archived
    ]
    return page(request, "destinations.html", rows=rows)


async def show(request: web.Request) -> web.StreamResponse:
    """GET /destinations/{destination_id}"""
    return await _shown(request, None)


async def test(request: web.Request) -> web.StreamResponse:
    """POST /destinations/{destination_id}/test"""
    _, found = await find(request)
    return await _shown(request, await request.app[APPLIANCE].mail.test(found))


async def resume(request: web.Request) -> web.StreamResponse:
    """POST /destinations/{destination_id}/resume"""
    _, found = await find(request)
    await asyncio.to_thread(request.app[APPLIANCE].mail.resume, found.id)
    raise web.HTTPSeeOther(f"/destinations/{found.id}")


async def replay(request: web.Request) -> web.StreamResponse:
    """POST /destinations/{destination_id}/replay: the delivery that the form names, else all that are dead."""
    _, found = await find(request)
    delivery = (await request.post()).get("delivery")
    named = delivery if isinstance(delivery, str) else None
    await asyncio.to_thread(request.app[APPLIANCE].mail.replay, found.id, named)
    raise web.HTTPSeeOther(f"/destinations/{found.id}")


async def find(request: web.Request) -> tuple[Configuration, Destination]:
    """The one in the address. Raises NotFoundError."""
    _, configuration = await asyncio.to_thread(request.app[APPLIANCE].configuration)
    found = all_destinations(configuration).get(DestinationId(request.match_info["destination_id"]))
    if found is None:
        raise NotFoundError("There is no such destination. All there are stand under Destinations.")
    return configuration, found


async def _shown(request: web.Request, tested: DestinationTest | None) -> web.StreamResponse:
    mail = request.app[APPLIANCE].mail
    configuration, found = await find(request)
    state = _state(request.query.get("state", ""))
    statuses, counts, rows, last = await asyncio.gather(
        asyncio.to_thread(mail.statuses),
        asyncio.to_thread(mail.counts),
        asyncio.to_thread(mail.deliveries, found.id, limit=_SHOWN, state=state),
        asyncio.to_thread(mail.answers, found.id),
    )
    standing = statuses.get(found.id, DestinationStatus(state="active"))
    path = mail.file_path(found)
    return page(
        request,
        "destination.html",
        destination=found,
        own=found.id in configuration.destinations,
        standing=standing,
        in_words=in_words(standing),
        settings=_settings(found),
        file=None if path is None else request.app[APPLIANCE].tracking_base + path,
        rows=rows,
        last=last,
        dead=counts.get((found.id, "dead"), 0),
        states=[(each, f"{each} ({n})") for each in _STATES if (n := counts.get((found.id, each)))],
        state=state,
        most=_SHOWN,
        tested=tested,
    )


def _state(wanted: str) -> DeliveryState | None:
    found = next((each for each in _STATES if each == wanted), None)
    if wanted and found is None:
        raise InvalidError(f"{wanted!r} is no state of a delivery; choose one of {', '.join(_STATES)}")
    return found


def in_words(standing: DestinationStatus | None) -> str:
    """`Sends.`, `Waits until 23 Nov 2026, 14:05:06.`, `Stopped: meta-190 ...`"""
    match standing:
        case DestinationStatus(state="stopped", reason=reason):
            return f"Stopped, and nothing is lost: {reason or 'no reason is known'}."
        case DestinationStatus(state="waiting", until_ms=until_ms) if until_ms is not None:
            return f"The receiver does not answer: it is asked again at {words.moment(until_ms)}."
        case DestinationStatus(state="paused"):
            return "Paused: conversions wait in line."
        case _:
            return "Sends."


def _settings(destination: Destination) -> list[tuple[str, str]]:
    """As `tnc export` writes them: secrets are not shown."""
    written = NOUNS["destination"].write(destination)
    return [(key, _shown_value(value)) for key, value in written.items() if key not in ("id", "name")]


def _shown_value(value: object) -> str:
    match value:
        case SecretValue():
            return PLACEHOLDER
        case dict():
            return ", ".join(f"{key} = {_shown_value(each)}" for key, each in value.items())
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
