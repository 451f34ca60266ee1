"""Destinations: the keys of each type (contract, section 8), and what may not be sent where."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from tnc.campaigns.hosts import host_complaint
from tnc.campaigns.text_types import NAME, NUMERIC, PATTERN, SHORT_TEXT, SLUG, TEMPLATE, URL, webhook_secret
from tnc.core.formats import TIMEZONE
from tnc.core.mistakes import Mistakes, ShapeError, alternatives, mistake, show, show_key
from tnc.core.models import Campaign, Configuration, Destination, DestinationId, DestinationType, Source
from tnc.core.shapes import (
    Choice,
    Context,
    Flag,
    Key,
    ListOf,
    MapOf,
    Number,
    Secret,
    Shape,
    Text,
    TomlTable,
    keys_of,
    read_keys,
    write_keys,
)

TYPES_IN_ORDER: Final[tuple[DestinationType, ...]] = get_args(DestinationType)

_API_VERSION: Final = re.compile(r"v[0-9]{1,3}(\.[0-9]{1,3})?")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PIXEL: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def _matching(pattern: re.Pattern[str], meant: str) -> Text:
    return Text(meant, lambda text: None if pattern.fullmatch(text) else f"must be {meant}, not {show(text)}")


def _base(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        fit = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        fit = False
    if not fit or any(mark in text for mark in "?#{}@ "):
        return f"must be {_BASE_ALLOWED}, not {show(text)}"
    return None


def _no_macros(text: str) -> str | None:
    if "{" in text:
        return f"takes no macros, and {show(text)} holds a brace"
    return URL.check(text)


_BASE_ALLOWED: Final = "scheme, host and path prefix like https://example.com/prefix"
_BASE: Final = Text(_BASE_ALLOWED, _base)
_PLAIN_URL: Final = Text("an http or https address without macros", _no_macros)
_VERSION: Final = _matching(_API_VERSION, "a version like v26 or v26.0")
_PIXEL_ID: Final = _matching(_PIXEL, "letters, digits, - and _, in quotes")
_HEADERS: Final = MapOf(_matching(_HEADER, "the name of a header"), Secret())


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """What a type needs to know. `base_url` None: it has no address of its own. `events`: our word -> theirs."""

    keys: Mapping[str, Key]
    base_url: str | None = None
    events: Mapping[str, str] = field(default_factory=dict)


def _key(shape: Shape, text: str, *, needed: bool = False, default: object = None) -> Key:
    return Key(shape=shape, text=text, needed=needed, default=default)


_TEST_CODE: Final = _key(SHORT_TEXT, "shows the events in the platform's test view, too")
_PAGE: Final = _key(
    _PLAIN_URL, "address sent as the page; otherwise the tracking address that was clicked, without query"
)
_TOKEN: Final = _key(Secret(), "access token", needed=True)
_GOOGLE: Final = {
    "account": _key(NUMERIC, "customer id that owns the conversion action", needed=True),
    "login_account": _key(NUMERIC, "customer id of the manager account"),
    "conversion_action": _key(NUMERIC, "id of the conversion action", needed=True),
    "client_id": _key(Text(), "of the OAuth client", needed=True),
    "client_secret": _key(Secret(), "of the OAuth client", needed=True),
    "refresh_token": _key(Secret(), "of the account's owner", needed=True),
    "token_url": _key(_PLAIN_URL, "where access tokens come from", default="https://oauth2.googleapis.com/token"),
}
_CSV: Final = {
    "conversion_name": _key(Text(), "name of the conversion as the platform knows it", needed=True),
    "timezone": _key(TIMEZONE, "of the times in the file", default="UTC"),
}

TYPES: Final[Mapping[DestinationType, Type]] = {
    "meta": Type(
        base_url="https://graph.facebook.com",
        events={"sale": "Purchase", "lead": "Lead"},
        keys={
            "pixel": _key(_PIXEL_ID, "id of the pixel or data set", needed=True),
            "access_token": _TOKEN,
            "app_secret": _key(Secret(), "signs each request"),
            "api_version": _key(_VERSION, "version of the Graph API", default="v26.0"),
            "test_event_code": _TEST_CODE,
            "page": _PAGE,
        },
    ),
    "tiktok": Type(
        base_url="https://business-api.tiktok.com",
        events={"sale": "Purchase", "lead": "Lead"},
        keys={
            "pixel": _key(_PIXEL_ID, "code of the pixel", needed=True),
            "access_token": _TOKEN,
            "test_event_code": _TEST_CODE,
            "page": _PAGE,
        },
    ),
    "google-data-manager": Type(base_url="https://datamanager.googleapis.com", keys=_GOOGLE),
    "google-ads": Type(
        base_url="https://googleads.googleapis.com",
        keys={
            **_GOOGLE,
            "developer_token": _key(Secret(), "of the manager account", needed=True),
            "api_version": _key(_VERSION, "version of the Google Ads API", default="v26"),
        },
    ),
    "google-csv": Type(keys=_CSV),
    "microsoft-csv": Type(keys=_CSV),
    "postback": Type(
        keys={
            "url": _key(URL, "where to send it", needed=True),
            "method": _key(Choice(("GET", "POST")), "how to send it", default="GET"),
            "body": _key(TEMPLATE, "what to send with POST, with macros"),
            "content_type": _key(SHORT_TEXT, "of the body"),
            "headers": _key(_HEADERS, "more request headers"),
            "success": _key(PATTERN, "the answer must match it; otherwise any 2xx is success"),
            "failure": _key(PATTERN, "an answer that matches it is a failure"),
        }
    ),
    "webhook": Type(
        keys={
            "url": _key(_PLAIN_URL, "where to send it", needed=True),
            "secret": _key(Secret(webhook_secret), "signs each message as Standard Webhooks has it", needed=True),
        }
    ),
}

COMMON: Final = keys_of(
    Destination,
    id=Key(shape=SLUG, text="your own id"),
    name=Key(shape=NAME, text="for people"),
    type=Key(shape=Choice(TYPES_IN_ORDER), text="which platform; decides which other keys there are"),
    on=Key(shape=ListOf(SHORT_TEXT, least=1), text="statuses and event names that are sent"),
    events=Key(shape=MapOf(SHORT_TEXT, SHORT_TEXT), text="our word for a status or event, and theirs"),
    first=Key(shape=Flag(), text="send only the first conversion of a click"),
    share=Key(shape=Number(0, 1), text="part of the payout that is sent as value"),
    consent=Key(
        shape=Choice(("unless-denied", "require-granted")),
        text="when it may be sent; in the EEA, the UK and Switzerland only with consent, whatever stands here",
    ),
    base_url=Key(shape=_BASE, text="replaces scheme, host and path prefix of the type's own address"),
    paused=Key(shape=Flag(), text="keeps it and sends nothing"),
    archived=Key(shape=Flag(), text="hides it and sends nothing"),
)


@dataclass(frozen=True, slots=True)
class DestinationShape:
    """A `[[destination]]`: the common keys and those of its type, which land in `settings`."""

    allowed: str = "a destination"

    def read(self, value: object, context: Context) -> Destination:
        kind = _type_of(value, context)
        keys = {**COMMON, **TYPES[kind].keys}
        if TYPES[kind].base_url is None:
            del keys["base_url"]
        assert isinstance(value, dict)  # noqa: S101 - `_type_of` saw to it
        _refuse_foreign_keys(value, kind, keys)
        # A secret of another type is another secret.
        same_type = context.below("type").stored == kind
        found = read_keys(keys, value, context if same_type else dataclasses.replace(context, stored=None))
        settings = {key: found.pop(key) for key in TYPES[kind].keys if key in found}
        destination = Destination(**found, settings=with_defaults(kind, settings))
        mistakes = Mistakes()
        for error in (*_unfilled(destination), *_unreachable(destination, context), *_unfit_settings(destination)):
            mistakes.add(error)
        mistakes.raise_if_any()
        return destination

    def write(self, value: Destination) -> TomlTable:
        keys = {**COMMON, **TYPES[value.type].keys}
        return write_keys(keys, {**{key: getattr(value, key) for key in COMMON}, **value.settings})


def with_defaults(kind: DestinationType, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a type: what was given, and the defaults of the other keys that have one."""
    defaults = {key: each.default for key, each in TYPES[kind].keys.items() if each.default is not None}
    return defaults | dict(given)


def short_form(source: Source) -> Destination | None:
    """`postback = { ... }` of a source as the destination that it stands for."""
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
    """Those that are written out and the short forms of sources."""
    short = (short_form(source) for source in configuration.sources.values())
    return configuration.destinations | {each.id: each for each in short if each is not None}


def destinations_of(configuration: Configuration, campaign: Campaign) -> tuple[Destination, ...]:
    """Where conversions of a campaign go: its own list, then the postback of its source."""
    own = [configuration.destinations[each] for each in campaign.destinations]
    source = configuration.sources[campaign.source] if campaign.source else None
    short = short_form(source) if source else None
    return (*own, *([short] if short else []))


def postback_complaints(url: str, context: Context) -> Iterable[ShapeError]:
    """What a destination's address may not be, for the short form."""
    if "YOUR_" in url:
        yield mistake(_UNFILLED, "url")
    if complaint := host_complaint(url, secret=False, allow_hosts=context.allow_hosts):
        yield mistake(complaint, "url")


_UNFILLED: Final = 'still holds "YOUR_": put in what the platform gave you'


def _type_of(value: object, context: Context) -> DestinationType:
    if not isinstance(value, dict):
        raise mistake(f"must be a table, not {show(value)}")
    if "type" not in value:
        raise mistake(f"is missing; it must be {COMMON['type'].shape.allowed}", "type")
    try:
        kind: DestinationType = COMMON["type"].shape.read(value["type"], context)
    except ShapeError as error:
        raise error.below("type") from None
    return kind


def _refuse_foreign_keys(value: Mapping[str, object], kind: DestinationType, keys: Mapping[str, Key]) -> None:
    mistakes = Mistakes()
    for key in value:
        owners = [other for other in TYPES_IN_ORDER if key in TYPES[other].keys]
        if key == "base_url":
            owners = [other for other in TYPES_IN_ORDER if TYPES[other].base_url]
        if owners and key not in keys:
            mistakes.add(mistake(f"belongs to the type {alternatives(owners)}, not to {show(kind)}", show_key(key)))
    mistakes.raise_if_any()


def _texts(destination: Destination) -> Iterable[tuple[tuple[str, ...], str]]:
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


def _unreachable(destination: Destination, context: Context) -> Iterable[ShapeError]:
    keys = TYPES[destination.type].keys
    secret = any(is_secret(keys[key].shape) for key in destination.settings)
    for key, url in (("base_url", destination.base_url), *destination.settings.items()):
        if key in {"base_url", "url", "token_url"} and isinstance(url, str):
            complaint = host_complaint(url, secret=secret, allow_hosts=context.allow_hosts)
            if complaint:
                yield mistake(complaint, key)


def _unfit_settings(destination: Destination) -> Iterable[ShapeError]:
    if "body" in destination.settings and destination.settings.get("method") != "POST":
        yield mistake('is sent with method = "POST" only', "body")


def is_secret(shape: Shape) -> bool:
    return isinstance(shape, Secret) or (isinstance(shape, MapOf) and isinstance(shape.value, Secret))
