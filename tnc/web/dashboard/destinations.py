"""Conversion forwarding: the destinations, their deliveries, and testing, resuming and sending again."""

import asyncio
from typing import Final

from aiohttp import web

from tnc.campaigns.destination_schema import all_destinations
from tnc.campaigns.schema import NOUNS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import Configuration, DeliveryState, Destination, DestinationId
from tnc.core.shapes import SecretValue
from tnc.destinations.preview import DestinationTest, send_test
from tnc.destinations.service import delivery_id
from tnc.destinations.worker import DestinationStatus
from tnc.web.dashboard import format as words
from tnc.web.dashboard.keys import QUERIES, SENDER, SERVICES, WORLD
from tnc.web.dashboard.pages import page

_SHOWN: Final = 50
_STATES: Final[tuple[DeliveryState, ...]] = ("queued", "sending", "accepted", "done", "dropped", "dead", "cancelled")
_ACTIVE: Final = DestinationStatus(state="active")


async def index(request: web.Request) -> web.StreamResponse:
    """GET /destinations"""
    services = request.app[SERVICES]
    (_, configuration), statuses, counts = await asyncio.gather(
        services.workspace.load_configuration(),
        asyncio.to_thread(services.destinations.statuses),
        asyncio.to_thread(services.destinations.counts),
    )
    rows = [
        (
            each,
            statuses.get(each.id, _ACTIVE),
            in_words(statuses.get(each.id, _ACTIVE)),
            [(state, counts[each.id, state]) for state in _STATES if counts.get((each.id, state))],
        )
        for each in all_destinations(configuration).values()
        if not each.archived
    ]
    return page(request, "destinations.html", rows=rows)


async def show(request: web.Request) -> web.StreamResponse:
    """GET /destinations/{destination_id}"""
    return await _page(request, None)


async def test(request: web.Request) -> web.StreamResponse:
    """POST /destinations/{destination_id}/test"""
    configuration, found = await find(request)
    tested = await send_test(request.app[SENDER], found, configuration, request.app[WORLD])
    return await _page(request, tested)


async def resume(request: web.Request) -> web.StreamResponse:
    """POST /destinations/{destination_id}/resume"""
    _, found = await find(request)
    await asyncio.to_thread(request.app[SERVICES].destinations.resume, found.id)
    raise web.HTTPSeeOther(f"/destinations/{found.id}")


async def replay(request: web.Request) -> web.StreamResponse:
    """POST /destinations/{destination_id}/replay: the delivery that the form names, else all dead ones."""
    _, found = await find(request)
    delivery = (await request.post()).get("delivery")
    named = delivery if isinstance(delivery, str) else None
    await asyncio.to_thread(request.app[SERVICES].destinations.replay, found.id, delivery=named)
    raise web.HTTPSeeOther(f"/destinations/{found.id}")


async def find(request: web.Request) -> tuple[Configuration, Destination]:
    """The destination in the address. Raises NotFoundError."""
    _, configuration = await request.app[SERVICES].workspace.load_configuration()
    found = all_destinations(configuration).get(DestinationId(request.match_info["destination_id"]))
    if found is None:
        raise NotFoundError("There is no such destination; the page Conversion forwarding lists all.")
    return configuration, found


async def _page(request: web.Request, tested: DestinationTest | None) -> web.StreamResponse:
    destinations = request.app[SERVICES].destinations
    configuration, found = await find(request)
    state = _state(request.query.get("state", ""))
    statuses, counts, rows, last = await asyncio.gather(
        asyncio.to_thread(destinations.statuses),
        asyncio.to_thread(destinations.counts),
        asyncio.to_thread(lambda: list(destinations.rows(found.id, limit=_SHOWN, state=state))),
        asyncio.to_thread(destinations.answers, found.id),
    )
    status, path = statuses.get(found.id, _ACTIVE), destinations.file_path(found)
    base = await asyncio.to_thread(request.app[QUERIES].link_base)
    return page(
        request,
        "destination.html",
        destination=found,
        own=found.id in configuration.destinations,
        status_=status,
        in_words=in_words(status),
        settings=_settings(found),
        file=None if path is None else base.url + path,
        link_base=base,
        rows=[(delivery_id(date, row), row) for date, row in rows],
        last=[(delivery_id(date, row), row) for date, row in last],
        dead=counts.get((found.id, "dead"), 0),
        states=[(each, f"{each} ({n})") for each in _STATES if (n := counts.get((found.id, each)))],
        state=state,
        limit=_SHOWN,
        tested=tested,
    )


def _state(wanted: str) -> DeliveryState | None:
    found = next((each for each in _STATES if each == wanted), None)
    if wanted and found is None:
        raise InvalidError(f"{wanted!r} is no state of a delivery; choose one of {', '.join(_STATES)}.")
    return found


def in_words(status: DestinationStatus) -> str:
    """`Sending.`, `... Next attempt at 23 Nov 2026, 14:05:06 UTC.`, `Paused.`, `Stopped: meta-190: ...`"""
    match status:
        case DestinationStatus(state="stopped", reason=reason):
            return f"Stopped: {(reason or 'the reason is not known').rstrip('.')}."
        case DestinationStatus(state="waiting", until_ms=until_ms) if until_ms is not None:
            return f"The receiver does not accept deliveries now. Next attempt at {words.moment(until_ms)} UTC."
        case DestinationStatus(state="paused"):
            return "Paused."
        case _:
            return "Sending."


def _settings(destination: Destination) -> list[tuple[str, str]]:
    """As `tnc export` writes them: without secrets."""
    written = NOUNS["destination"].write(destination)
    return [(key, _shown(value)) for key, value in written.items() if key not in ("id", "name")]


def _shown(value: object) -> str:
    match value:
        case SecretValue():
            return "set (not shown)"
        case dict():
            return ", ".join(f"{key} = {_shown(each)}" for key, each in value.items())
        case list():
            return ", ".join(map(str, value))
        case _:
            return words.value(value)
