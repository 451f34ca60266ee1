"""What every platform has to say about itself. Each file beside this one says it for one platform."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from tnc.campaigns.platforms.messages import Answer, HttpRequest
from tnc.campaigns.platforms.normalize import Normalizer, hashed
from tnc.campaigns.platforms.outcome import Outcome
from tnc.core.clock import DAY_MS
from tnc.core.conversions import event_id
from tnc.core.errors import InvalidError
from tnc.core.models import Click, Configuration, Consent, Conversion, DeliveryKind, Destination, Mode
from tnc.core.shapes import Key, MapOf, Secret
from tnc.rules.macros import is_unexpanded

SkipReason = Literal[
    "consent-denied", "consent-unknown", "status-not-chosen", "not-first", "no-click-id", "too-old",
    "macro-unexpanded", "not-human", "paused",
]  # fmt: skip
"""Why a delivery is not sent: `why` of a preview, `error` of a logged delivery. Explained in docs/destinations.md."""

TestEvents = Literal["code", "validated", "counted", "none"]
"""What becomes of `tnc destination test`: the event is kept out of the reports by the key `test_event_code`, it is
only validated, it counts like any other, or nothing is sent at all.
"""

TEST_CODE: Final = "test_event_code"

Forms = Mapping[str, re.Pattern[str]]
"""By parameter or cookie: the form in which its platform publishes its ids."""

_NO_FORMS: Final[Forms] = {}
ANY_ID: Final = re.compile(r"[A-Za-z0-9_.~-]+")
_PLACEHOLDERS: Final = frozenset({
    "", "undefined", "null", "none", "nil", "nan", "n/a", "na", "unknown", "empty", "true", "false", "0", "-1", "-",
    "--", "_", ".",
})  # fmt: skip

WRITE_TO_RECEIVER: Final = "write to the receiver and ask for deletion."


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformKey(Key):
    """A key of the configuration that only this platform has. `where` tells the owner where to find its value."""

    where: str
    is_endpoint: bool = False  # a URL that tnc sends requests to: no internal host, no secret over plain http

    @property
    def is_secret(self) -> bool:
        shape = self.shape
        return isinstance(shape, Secret) or (isinstance(shape, MapOf) and isinstance(shape.value, Secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who gets the data, for the records of processing, the public privacy page and the receipt of an erasure."""

    name: str
    countries: str  # where it is processed: ISO 3166-1 codes, or "unknown"
    gets: str  # which data: the records of processing
    visitor_sentence: str  # the public privacy page
    after_erasure: str  # what the owner can still do about what was sent; follows "... was sent to X: "


def advertising_sentence(name: str) -> str:
    """The sentence of the public privacy page for an ad platform."""
    return f"{name} gets reports of purchases, where you consented or the law where you are allows it."


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Delivery:
    """One event about one conversion for one destination: all that a request is built from.

    A conversion's first event is the conversion itself (`convert`); later ones correct it (`adjust`) or take it back
    (`retract`). `conversion` is as the reported change left it, not as it is now. `consent` and `mode` are those of
    the visitor now, which may be narrower than at the click.
    """

    platform: "Platform"
    destination: Destination
    kind: DeliveryKind
    number: int  # 0: the first event about the conversion at this destination, 1, 2, ...: the later ones
    conversion: Conversion
    click: Click
    configuration: Configuration  # the present one: for the names of things
    at_ms: int  # when the conversion, the correction or the refund happened
    consent: Consent
    mode: Mode
    nth: int = 1  # which conversion of its click this is, by time
    receiver_may_know: bool = False  # an earlier event about the conversion has arrived, or may have

    @property
    def conversion_event_id(self) -> str:
        """The id of the first event, by which a platform finds what a later one corrects."""
        return event_id(self.conversion.conversion_id)

    @property
    def event_id(self) -> str:
        return event_id(self.conversion.conversion_id, self.number)

    @property
    def event_name(self) -> str:
        """The platform's name of the event. A conversion's event wins over its status, but a refund is a refund."""
        names = {**self.platform.event_names, **self.destination.events}
        status, event = self.conversion.status, self.conversion.event
        ours = [each for each in ((status,) if status == "rejected" else (event, status)) if each is not None]
        return next((names[each] for each in ours if each in names), ours[0] if ours else "")

    @property
    def country(self) -> str | None:
        return self.click.visit.country

    @property
    def value_micros(self) -> int | None:
        """The part of the payout that is sent as value (`share`), in the conversion's currency."""
        payout = self.conversion.payout_micros
        return None if payout is None else round(Decimal(payout) * Decimal(str(self.destination.share)))

    @property
    def page(self) -> str | None:
        """The URL sent as the page: the key `page`, else the tracking link that was clicked, without its query.

        A click keeps its domain and its campaign, not its URL.
        """
        if (given := self.find("page")) is not None:
            return given
        campaign, domain = self.configuration.campaigns.get(self.click.campaign), self.click.visit.domain
        return None if domain is None else f"https://{domain}/{campaign.path if campaign else ''}"

    @property
    def first_event_ms(self) -> int:
        """When the conversion first had a status or event that this destination is sent."""
        changes = self.conversion.history
        chosen = (each.at_ms for each in changes if is_chosen(self.destination, each.status, each.event))
        return next(chosen, self.at_ms)

    @property
    def base_url(self) -> str:
        """Scheme, host and path prefix before the platform's own path."""
        return (self.destination.base_url or self.platform.base_url or "").rstrip("/")

    def find(self, name: str) -> str | None:
        """A setting as text, or its default."""
        found = self.platform.with_defaults(self.destination.settings).get(name)
        return found if isinstance(found, str) else None

    def get(self, name: str) -> str:
        """A setting that the platform needs; `tnc apply` refuses a destination without it."""
        if (found := self.find(name)) is None:
            raise InvalidError(f"destination {self.destination.id} lacks {name}: add it and apply")
        return found

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(self.platform.secrets_in(self.destination.settings))


def is_chosen(destination: Destination, status: str | None, event: str | None) -> bool:
    return status in destination.on or event in destination.on


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """How to ask what became of an accepted request, by the receipt that came with its answer."""

    build: Callable[[Delivery, str], HttpRequest]
    read_answer: Callable[[Answer], Outcome]


def _usable(_delivery: Delivery) -> SkipReason | None:
    return None


def _one_group(_delivery: Delivery) -> str:
    return ""


def _no_mistakes(_settings: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything that tnc knows of one type of destination. To add one: a file that makes this, a line in `registry`.

    What has no default here must be thought about for every platform, so leaving it out fails the type check and the
    import.
    """

    type: str  # `type = "..."` of the configuration
    keys: Mapping[str, PlatformKey]
    base_url: str | None  # scheme, host and path prefix; None: the owner gives a URL, or the platform fetches a file
    event_names: Mapping[str, str]  # our status or event -> the platform's name
    click_ids: tuple[str, ...]  # query parameters in which its ads bring the click id; the usual spelling first
    receiver: Receiver
    test_events: TestEvents
    # From at most `batch_limit` deliveries to one destination, all of one `request_group`, and the time in ms.
    build: Callable[[Sequence[Delivery], int], HttpRequest]
    read_answer: Callable[[Answer, Destination], Outcome]

    # What is wrong between settings that are right one by one: (key, the rest of a sentence that begins with the key).
    check_settings: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]] = _no_mistakes
    # What a click must have to be of use to the platform.
    check_click: Callable[[Delivery], SkipReason | None] = _usable
    # Deliveries of different groups go in requests of their own.
    request_group: Callable[[Delivery], str] = _one_group
    # Cookies that its pixel sets on the landing domain. With consent they are kept as parameters of the same names.
    cookies: tuple[str, ...] = ()
    batch_limit: int = 1
    give_up_after_ms: int = 3 * DAY_MS
    max_age_ms: int | None = None  # it refuses events that are older
    adjust_after_ms: int = 0  # it refuses a correction until the conversion is this old
    limited_mode: bool = False  # it can be told to act as a service provider only (Global Privacy Control)
    takes_adjustments: bool = False  # a later event corrects the first; else it is an event of its own
    # It fetches a file: this writes it, and nothing is sent.
    file: Callable[[Destination, Iterable[Delivery]], str] | None = None
    confirmation: Confirmation | None = None

    def batch_size(self, destination: Destination) -> int:
        """How many deliveries one request to the destination may carry. Test events go alone."""
        return 1 if TEST_CODE in destination.settings else self.batch_limit

    @property
    def host(self) -> str | None:
        """For the records of processing: where the data goes; None: the owner's URL says."""
        if self.file is not None:
            return f"fetched by {self.receiver.name}"
        return None if self.base_url is None else urlsplit(self.base_url).hostname

    def with_defaults(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What was configured, and the defaults of the other keys that have one."""
        defaults = {key: each.default for key, each in self.keys.items() if each.default is not None}
        return defaults | dict(settings)

    def secrets_in(self, settings: Mapping[str, Any]) -> Iterator[str]:
        for name, key in self.keys.items():
            value = settings.get(name)
            if not key.is_secret or value is None:
                continue
            yield from [value] if isinstance(value, str) else value.values()


def hashed_person(delivery: Delivery, table: Mapping[str, tuple[str, Normalizer]]) -> dict[str, str]:
    """Hashes of what the link said about the visitor, only after a yes. `table`: parameter -> (field, normaliser)."""
    if delivery.consent != "granted" or delivery.mode != "full":
        return {}
    params = delivery.click.visit.params
    found = {}
    for parameter, (field, normalize) in table.items():
        if (plain := normalize(params.get(parameter, ""), delivery.country)) is not None:
            found[field] = hashed(plain)
    return found


def is_placeholder(value: str) -> bool:
    """Whether a script or an ad server wrote that it had no value."""
    return value.strip().casefold() in _PLACEHOLDERS


def click_id(click: Click, *names: str, forms: Forms = _NO_FORMS) -> tuple[str, str] | None:
    """The first of these parameters that has a usable value, with its name."""
    return next(iter(click_ids(click, *names, forms=forms).items()), None)


def click_ids(click: Click, *names: str, forms: Forms = _NO_FORMS) -> dict[str, str]:
    """Those of these parameters whose value has the published form. Cookies are among the parameters of a visit.

    Unchanged: platforms compare them exactly. `forms` has the form of each; a name without one takes any id. A part
    after a dot that is a placeholder, as in `fb.1.1700000000000.undefined`, is no id either.
    """
    params = click.visit.params
    return {name: params[name] for name in names if _is_id(params.get(name, ""), forms.get(name, ANY_ID))}


def _is_id(value: str, form: re.Pattern[str]) -> bool:
    return form.fullmatch(value) is not None and not any(map(is_placeholder, (value, value.rpartition(".")[2])))


def has_unexpanded(click: Click, *names: str) -> bool:
    """Whether one of these parameters is still a macro: the link in the ad is wrong."""
    params = click.visit.params
    return any(is_unexpanded(params[name]) for name in names if name in params)
