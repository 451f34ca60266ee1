"""Adding and editing a destination: a form with the keys of its platform, and where to find their values."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from tnc.web.dashboard.format import label
from tnc.web.dashboard.keys import SERVICES, USER
from tnc.web.dashboard.pages import page

Given = Mapping[str, str]

_FILE: Final = "this form"
# A line of the configuration's error message: the table, the key in it, and what is wrong.
_MISTAKE: Final = re.compile(rf'{_FILE}: \[\[(\w+)\]\] (?:"[^"]*"|number \d+): (\w+)(?:[\[.]\S*)? (.*)')
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
    """One key of the platform. A stored secret is never shown; a secret that is left empty stays as it is."""

    key: str
    text: str
    where: str
    value: str
    needed: bool
    secret: bool
    stored: bool  # a secret that is kept when the field is left empty
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What is typed into the form; `before` is the destination that is edited. `errors` by the key they are about."""

    platform: Platform
    given: Given
    before: Destination | None = None
    error: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    def refused(self, error: TncError) -> "Form":
        """With each mistake beside its field, as far as it is about one."""
        found = [match.groups() for line in str(error).splitlines() if (match := _MISTAKE.fullmatch(line))]
        mistakes = {key: f"{label(key)} {text}" for table, key, text in found if table == "destination"}
        if mistakes:
            # What else is wrong follows from these: campaigns name a destination that could not be made.
            return replace(self, error="Nothing was saved. Correct the marked fields.", errors=mistakes)
        return replace(self, error=str(error))


async def new(request: web.Request) -> web.StreamResponse:
    """GET /destinations/new"""
    configuration = await _configuration(request)
    return _page(request, configuration, Form(platform=_platform(request.query.get("type", "meta")), given={}))


async def create(request: web.Request) -> web.StreamResponse:
    """POST /destinations/new"""
    configuration = await _configuration(request)
    given = await _given(request)
    form = Form(platform=_platform(given.get("type", "")), given=given)
    if DestinationId(given.get("id", "")) in configuration.destinations:
        taken = {"id": "A destination has this id already: choose another one, or edit that destination."}
        return _page(request, configuration, replace(form, error="Nothing was saved.", errors=taken))
    return await _apply(request, configuration, form)


async def edit(request: web.Request) -> web.StreamResponse:
    """GET /destinations/{destination_id}/edit"""
    configuration, found = await _own(request)
    form = Form(platform=PLATFORMS[found.type], given=_written(found, configuration), before=found)
    return _page(request, configuration, form)


async def change(request: web.Request) -> web.StreamResponse:
    """POST /destinations/{destination_id}/edit"""
    configuration, found = await _own(request)
    given = {**await _given(request), "id": found.id}
    return await _apply(request, configuration, Form(platform=PLATFORMS[found.type], given=given, before=found))


async def _configuration(request: web.Request) -> Configuration:
    _, configuration = await request.app[SERVICES].workspace.load_configuration()
    return configuration


async def _own(request: web.Request) -> tuple[Configuration, Destination]:
    configuration, found = await find(request)
    if found.id not in configuration.destinations:
        raise RefusedError("This is the postback of a traffic source: change it there, in the configuration.")
    return configuration, found


async def _given(request: web.Request) -> dict[str, str]:
    form = await request.post()
    given = {name: value.strip() for name, value in form.items() if isinstance(value, str)}
    given["campaigns"] = ",".join(value for value in form.getall("campaigns", []) if isinstance(value, str))
    return given


async def _apply(request: web.Request, configuration: Configuration, form: Form) -> web.StreamResponse:
    apply, by = request.app[SERVICES].configure.apply, request[USER].email
    try:
        text = _toml(form) + "\n" + _campaigns_toml(configuration, form.given)
        await asyncio.to_thread(apply, text, file=_FILE, by=by)
    except TncError as error:
        return _page(request, configuration, form.refused(error))
    raise web.HTTPSeeOther(f"/destinations/{form.given.get('id', '')}")


def _toml(form: Form) -> str:
    """The destination as in a configuration file. Keys that the form does not have stay as they are."""
    given = form.given
    table = {} if form.before is None else dict(NOUNS["destination"].write(form.before))
    table |= {"id": given.get("id", ""), "type": form.platform.type}
    for key, secret in {"name": False, **{key: each.is_secret for key, each in _keys(form.platform).items()}}.items():
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
    """The keys that the form has; tables are left to the configuration file."""
    return {key: each for key, each in platform.keys.items() if not isinstance(each.shape, MapOf)}


def _share(text: str) -> float | str:
    """What is no number is left to the configuration's own checks."""
    try:
        return float(text)
    except ValueError:
        return text


def _campaigns_toml(configuration: Configuration, given: Given) -> str:
    """The campaigns that use the destination from now on, or no longer."""
    destination, wanted = DestinationId(given.get("id", "")), set(given.get("campaigns", "").split(","))
    changed: dict[CampaignId, Campaign] = {}
    for campaign in configuration.campaigns.values():
        others = tuple(each for each in campaign.destinations if each != destination)
        used = (*others, destination) if campaign.id in wanted else others
        if set(used) != set(campaign.destinations):
            changed[campaign.id] = replace(campaign, destinations=used)
    return export_toml(Configuration(campaigns=changed))


def _written(destination: Destination, configuration: Configuration) -> dict[str, str]:
    """The fields of the form for a destination."""
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
        raise InvalidError(f"{text!r} is no type of destination; choose one of {', '.join(PLATFORMS)}.")
    return PLATFORMS[text]


def _page(request: web.Request, configuration: Configuration, form: Form) -> web.StreamResponse:
    return page(
        request,
        "destination_edit.html",
        status=200 if form.error is None else 422,
        kind=form.platform.type,
        kinds=[(each, each) for each in PLATFORMS],
        fields=_fields(form),
        given={**_BLANK, **form.given},
        before=form.before,
        consents=[(each, each.replace("-", " ")) for each in _choices("consent")],
        campaigns=[each for each in configuration.campaigns.values() if not each.archived],
        chosen=set(form.given.get("campaigns", "").split(",")),
        about={key: COMMON[key].text for key in ("on", "share", "first", "consent", "paused")},
        error=form.error,
        errors=form.errors,
    )


def _choices(key: str) -> tuple[str, ...]:
    shape = COMMON[key].shape
    return shape.options if isinstance(shape, Choice) else ()


def _fields(form: Form) -> list[Field]:
    fields = []
    for key, each in _keys(form.platform).items():
        stored = each.is_secret and form.before is not None and key in form.before.settings
        fields.append(
            Field(
                key=key,
                text=each.text,
                where=each.where,
                value="" if each.is_secret else form.given.get(key, str(each.default or "")),
                needed=each.needed and not stored,
                secret=each.is_secret,
                stored=stored,
                choices=each.shape.options if isinstance(each.shape, Choice) else (),
            )
        )
    return fields
