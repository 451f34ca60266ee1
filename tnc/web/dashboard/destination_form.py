"""Making a destination and changing it: a form with what its type needs, and where to find it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import web

from tnc.campaigns.destination_schema import COMMON
from tnc.campaigns.export import export_toml
from tnc.campaigns.platforms.base import Platform, PlatformKey
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.campaigns.schema import NOUNS
from tnc.core.errors import InvalidError, RefusedError, TncError
from tnc.core.models import Campaign, CampaignId, Configuration, Destination, DestinationId
from tnc.core.shapes import Choice, MapOf
from tnc.core.toml import inline
from tnc.web.dashboard.destinations import find
from tnc.web.dashboard.keys import APPLIANCE, USER
from tnc.web.dashboard.pages import page

Given = Mapping[str, str]

_FLAGS: Final = ("first", "paused")
_BLANK: Final[Given] = {
    "id": "",
    "name": "",
    "on": "sale",
    "share": "1",
    "consent": "unless-denied",
    **dict.fromkeys(_FLAGS, ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key of the type. A secret that is stored is never shown; left empty it is kept."""

    key: str
    text: str
    where: str
    value: str
    needed: bool
    secret: bool
    choices: tuple[str, ...] = ()


async def new(request: web.Request) -> web.StreamResponse:
    """GET /destinations/new"""
    _, configuration = await asyncio.to_thread(request.app[APPLIANCE].configuration)
    return _form(request, configuration, _platform(request.query.get("type", "meta")), {}, None, error=None)


async def create(request: web.Request) -> web.StreamResponse:
    """POST /destinations/new"""
    _, configuration = await asyncio.to_thread(request.app[APPLIANCE].configuration)
    given = await _given(request)
    platform = _platform(given.get("type", ""))
    if DestinationId(given.get("id", "")) in configuration.destinations:
        error = "there is a destination of this id already; choose another, or change that one"
        return _form(request, configuration, platform, given, None, error=error)
    return await _apply(request, configuration, platform, given, None)


async def edit(request: web.Request) -> web.StreamResponse:
    """GET /destinations/{destination_id}/edit"""
    configuration, found = await _own(request)
    return _form(request, configuration, PLATFORMS[found.type], _written(found, configuration), found, error=None)


async def change(request: web.Request) -> web.StreamResponse:
    """POST /destinations/{destination_id}/edit"""
    configuration, found = await _own(request)
    given = {**await _given(request), "id": found.id}
    return await _apply(request, configuration, PLATFORMS[found.type], given, found)


async def _own(request: web.Request) -> tuple[Configuration, Destination]:
    configuration, found = await find(request)
    if found.id not in configuration.destinations:
        raise RefusedError("This is the postback of a source: change it there, in the configuration.")
    return configuration, found


async def _given(request: web.Request) -> dict[str, str]:
    form = await request.post()
    given = {name: value.strip() for name, value in form.items() if isinstance(value, str)}
    given["campaigns"] = ",".join(value for value in form.getall("campaigns", []) if isinstance(value, str))
    return given


async def _apply(
    request: web.Request, configuration: Configuration, platform: Platform, given: Given, before: Destination | None
) -> web.StreamResponse:
    try:
        text = _toml(platform, given, before) + "\n" + _campaigns_toml(configuration, given)
        await asyncio.to_thread(request.app[APPLIANCE].mail.apply, text, by=request[USER].email)
    except TncError as error:
        return _form(request, configuration, platform, given, before, error=str(error))
    raise web.HTTPSeeOther(f"/destinations/{given.get('id', '')}")


def _toml(platform: Platform, given: Given, before: Destination | None) -> str:
    """The destination as its owner's file would say it. What the form does not show stays as it is."""
    table = {} if before is None else dict(NOUNS["destination"].write(before))
    table |= {"id": given.get("id", ""), "type": platform.type}
    for key, secret in {"name": False, **{key: each.is_secret for key, each in _keys(platform).items()}}.items():
        if value := given.get(key, ""):
            table[key] = value
        elif not secret:
            table.pop(key, None)
    table["on"] = [word.strip() for word in given.get("on", "sale").split(",") if word.strip()]
    table["consent"] = given.get("consent", "unless-denied")
    table["share"] = _share(given.get("share", "1"))
    table |= {flag: given.get(flag) == "1" for flag in _FLAGS}
    return "[[destination]]\n" + "".join(f"{key} = {inline(value)}\n" for key, value in table.items())


def _keys(platform: Platform) -> dict[str, PlatformKey]:
    """The keys that a form can hold; tables are for the file."""
    return {key: each for key, each in platform.keys.items() if not isinstance(each.shape, MapOf)}


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidError(f"share must be a number from 0 to 1, not {text!r}") from None


def _campaigns_toml(configuration: Configuration, given: Given) -> str:
    """The campaigns that begin or cease to tell it."""
    destination, wanted = DestinationId(given.get("id", "")), set(given.get("campaigns", "").split(","))
    changed: dict[CampaignId, Campaign] = {}
    for campaign in configuration.campaigns.values():
        others = tuple(each for each in campaign.destinations if each != destination)
        told = (*others, destination) if campaign.id in wanted else others
        if set(told) != set(campaign.destinations):
            changed[campaign.id] = replace(campaign, destinations=told)
    return export_toml(Configuration(campaigns=changed))


def _written(destination: Destination, configuration: Configuration) -> dict[str, str]:
    """What a form shows of a destination that is there."""
    written: dict[str, Any] = NOUNS["destination"].write(destination)
    shown = {key: value for key, value in written.items() if isinstance(value, str)}
    campaigns = [each.id for each in configuration.campaigns.values() if destination.id in each.destinations]
    flags = {flag: "1" if getattr(destination, flag) else "" for flag in _FLAGS}
    return (
        shown
        | flags
        | {
            "on": ", ".join(destination.on),
            "share": str(destination.share),
            "consent": destination.consent,
            "campaigns": ",".join(campaigns),
        }
    )


def _platform(text: str) -> Platform:
    if text not in PLATFORMS:
        raise InvalidError(f"{text!r} is no type of destination; choose one of {', '.join(PLATFORMS)}")
    return PLATFORMS[text]


def _form(
    request: web.Request,
    configuration: Configuration,
    platform: Platform,
    given: Given,
    before: Destination | None,
    *,
    error: str | None,
) -> web.StreamResponse:
    return page(
        request,
        "destination_edit.html",
        status=200 if error is None else 422,
        kind=platform.type,
        kinds=tuple(PLATFORMS),
        fields=_fields(platform, given, before),
        given={**_BLANK, **given},
        before=before,
        consents=_choices("consent"),
        campaigns=[each for each in configuration.campaigns.values() if not each.archived],
        told=set(given.get("campaigns", "").split(",")),
        about={key: COMMON[key].text for key in ("on", "share", "first", "consent", "paused")},
        error=error,
    )


def _choices(key: str) -> tuple[str, ...]:
    shape = COMMON[key].shape
    return shape.options if isinstance(shape, Choice) else ()


def _fields(platform: Platform, given: Given, before: Destination | None) -> list[Field]:
    fields = []
    for key, each in _keys(platform).items():
        kept = each.is_secret and before is not None and key in before.settings
        fields.append(
            Field(
                key=key,
                text=each.text,
                where=each.where,
                value="" if each.is_secret else given.get(key, str(each.default or "")),
                needed=each.needed and not kept,
                secret=each.is_secret,
                choices=each.shape.options if isinstance(each.shape, Choice) else (),
            )
        )
    return fields
