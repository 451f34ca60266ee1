"""`[[destination]]`: the keys of every destination, those of its platform, and what is refused."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tnc.campaigns.hosts import host_problem
from tnc.campaigns.platforms.base import Platform
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.campaigns.text_types import NAME, SHORT_TEXT, SLUG
from tnc.core.mistakes import Mistakes, ShapeError, alternatives, mistake, show, show_key
from tnc.core.models import Campaign, Configuration, Destination, DestinationId, Source
from tnc.core.shapes import (
    Choice,
    Context,
    Flag,
    Key,
    ListOf,
    MapOf,
    Number,
    Text,
    TomlTable,
    keys_of,
    read_keys,
    write_keys,
)

_BASE_ALLOWED: Final = "scheme, host and path prefix like https://example.com/prefix"


def _base(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        fit = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        fit = False
    if not fit or any(mark in text for mark in "?#{}@ "):
        return f"must be {_BASE_ALLOWED}, not {show(text)}"
    return None


_BASE: Final = Text(_BASE_ALLOWED, _base)

COMMON: Final = keys_of(
    Destination,
    id=Key(shape=SLUG, text="your id for it"),
    name=Key(shape=NAME, text="display name"),
    type=Key(shape=Choice(tuple(PLATFORMS)), text="which platform; decides which other keys there are"),
    on=Key(shape=ListOf(SHORT_TEXT, least=1), text="statuses and event names that are sent"),
    events=Key(shape=MapOf(SHORT_TEXT, SHORT_TEXT), text="our status or event, and the platform's name for it"),
    first=Key(shape=Flag(), text="send only the first conversion of a click"),
    share=Key(shape=Number(0, 1), text="part of the payout that is sent as value"),
    consent=Key(
        shape=Choice(("unless-denied", "require-granted")),
        text="when it may be sent; in the EEA, the UK and Switzerland only with consent, whatever is set here",
    ),
    base_url=Key(shape=_BASE, text="replaces scheme, host and path prefix of the platform's own URL"),
    paused=Key(shape=Flag(), text="keeps it and sends nothing"),
    archived=Key(shape=Flag(), text="hides it and sends nothing"),
)


@dataclass(frozen=True, slots=True)
class DestinationShape:
    """A `[[destination]]`: the common keys, and those of its platform, which become `settings`."""

    allowed: str = "a destination"

    def read(self, value: object, context: Context) -> Destination:
        platform = _platform(value, context)
        keys = {**COMMON, **platform.keys}
        if platform.base_url is None:
            del keys["base_url"]
        assert isinstance(value, dict)  # noqa: S101 - checked by `_platform`
        _refuse_keys_of_others(value, platform, keys)
        # "(kept)" means the stored secret of the same type: one of another type is another secret.
        same_type = context.below("type").stored == platform.type
        found = read_keys(keys, value, context if same_type else dataclasses.replace(context, stored=None))
        settings = {key: found.pop(key) for key in platform.keys if key in found}
        destination = Destination(**found, settings=platform.with_defaults(settings))
        mistakes = Mistakes()
        unfit = (mistake(text, key) for key, text in platform.check_settings(destination.settings))
        for error in (*_unfilled(destination), *_forbidden_urls(destination, platform, context), *unfit):
            mistakes.add(error)
        mistakes.raise_if_any()
        return destination

    def write(self, value: Destination) -> TomlTable:
        keys = {**COMMON, **PLATFORMS[value.type].keys}
        return write_keys(keys, {**{key: getattr(value, key) for key in COMMON}, **value.settings})


def short_form(source: Source) -> Destination | None:
    """`postback = { ... }` of a source, as a destination."""
    if source.postback is None:
        return None
    return Destination(
        id=DestinationId(f"source-{source.id}"),
        name=f"Postback of {source.name}",
        type="postback",
        on=source.postback.on,
        settings={"url": source.postback.url, "method": source.postback.method},
        paused=source.paused,
        archived=source.archived,
    )


def all_destinations(configuration: Configuration) -> dict[DestinationId, Destination]:
    """Every `[[destination]]`, and the postbacks of sources."""
    short = (short_form(source) for source in configuration.sources.values())
    return configuration.destinations | {each.id: each for each in short if each is not None}


def destinations_of(configuration: Configuration, campaign: Campaign) -> tuple[Destination, ...]:
    """Where conversions of a campaign go: its own list, then the postback of its source."""
    own = [configuration.destinations[each] for each in campaign.destinations]
    source = configuration.sources[campaign.source] if campaign.source else None
    short = short_form(source) if source else None
    return (*own, *([short] if short else []))


def postback_complaints(url: str, context: Context) -> Iterable[ShapeError]:
    """What is wrong with the URL of a source's `postback`."""
    if "YOUR_" in url:
        yield mistake(_UNFILLED, "url")
    if complaint := host_problem(url, secret=False, allow_hosts=context.allow_hosts):
        yield mistake(complaint, "url")


_UNFILLED: Final = 'still holds "YOUR_": put in what the platform gave you'


def _platform(value: object, context: Context) -> Platform:
    if not isinstance(value, dict):
        raise mistake(f"must be a table, not {show(value)}")
    if "type" not in value:
        raise mistake(f"is missing; it must be {COMMON['type'].shape.allowed}", "type")
    try:
        return PLATFORMS[COMMON["type"].shape.read(value["type"], context)]
    except ShapeError as error:
        raise error.below("type") from None


def _refuse_keys_of_others(value: Mapping[str, object], platform: Platform, keys: Mapping[str, Key]) -> None:
    mistakes = Mistakes()
    for key in value:
        if key == "base_url":
            owners = [each.type for each in PLATFORMS.values() if each.base_url]
        else:
            owners = [each.type for each in PLATFORMS.values() if key in each.keys]
        if owners and key not in keys:
            mistakes.add(
                mistake(f"belongs to the type {alternatives(owners)}, not to {show(platform.type)}", show_key(key))
            )
    mistakes.raise_if_any()


def _texts(destination: Destination) -> Iterable[tuple[tuple[str, ...], str]]:
    """Every text of a destination, and the path to it."""
    yield ("name",), destination.name
    for key, text in (("base_url", destination.base_url), *destination.settings.items()):
        if isinstance(text, str):
            yield (key,), text
        elif text:
            yield from (((key, show_key(header)), value) for header, value in text.items())
    yield from ((("on",), word) for word in destination.on)
    yield from ((("events", show_key(ours)), theirs) for ours, theirs in destination.events.items())


def _unfilled(destination: Destination) -> Iterable[ShapeError]:
    return [mistake(_UNFILLED, *path) for path, text in _texts(destination) if "YOUR_" in text]


def _forbidden_urls(destination: Destination, platform: Platform, context: Context) -> Iterable[ShapeError]:
    """URLs that tnc would send requests to and must not."""
    secret = any(platform.secrets_in(destination.settings))
    urls = {key: destination.settings.get(key) for key, each in platform.keys.items() if each.is_endpoint}
    for key, url in {"base_url": destination.base_url, **urls}.items():
        if isinstance(url, str) and (complaint := host_problem(url, secret=secret, allow_hosts=context.allow_hosts)):
            yield mistake(complaint, key)
