"""One word about one conversion on its way to one destination: all that a request is built from."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tnc.campaigns.destination_schema import TYPES, with_defaults
from tnc.core.errors import InvalidError
from tnc.core.models import Click, Configuration, Consent, Conversion, DeliveryKind, Destination, Mode
from tnc.core.shapes import MapOf, Secret

Kind = DeliveryKind
Why = Literal[
    "consent-denied", "consent-unknown", "status-not-chosen", "not-first", "no-click-id", "too-old",
    "macro-unexpanded", "not-human", "paused",
]  # fmt: skip
"""Why a delivery is not sent: the words of section 8 of the contract."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Delivery:
    """`conversion` is as this word left it, not as it is now: an older word still tells its own story.

    `number` is 0 for the first word that goes to this destination and counts the later ones; `consent` and
    `mode` are those of the visitor now, which may be narrower than when the click was made.
    """

    destination: Destination
    kind: Kind
    number: int
    conversion: Conversion
    click: Click
    configuration: Configuration  # the present one: for the names of things
    at_ms: int  # when this word was said: of the conversion, the correction or the refund
    consent: Consent
    mode: Mode
    nth: int = 1  # which conversion of its click this is, by time
    is_known: bool = False  # the receiver has an earlier word about the conversion, or may have it

    @property
    def conversion_event_id(self) -> str:
        """The id of the first word, under which a platform finds what a later one corrects."""
        return f"cv_{self.conversion.conversion_id}"

    @property
    def event_id(self) -> str:
        """The same in every attempt and replay, so that a receiver can tell a repeat."""
        return self.conversion_event_id + (f"_a{self.number}" if self.number else "")

    @property
    def country(self) -> str | None:
        return self.click.visit.country

    @property
    def value_micros(self) -> int | None:
        """The part of the payout that is told, in the conversion's currency."""
        payout = self.conversion.payout_micros
        return None if payout is None else round(Decimal(payout) * Decimal(str(self.destination.share)))

    @property
    def page(self) -> str | None:
        """The address sent as the page: the owner's, else the one that was clicked, without its query.

        A click keeps its domain and its campaign, and not its address.
        """
        if (given := self.find("page")) is not None:
            return given
        campaign, domain = self.configuration.campaigns.get(self.click.campaign), self.click.visit.domain
        return None if domain is None else f"https://{domain}/{campaign.path if campaign else ''}"

    @property
    def first_word_ms(self) -> int:
        """When the conversion first was something that this destination is told of."""
        changes = self.conversion.history
        chosen = (each.at_ms for each in changes if is_chosen(self.destination, each.status, each.event))
        return next(chosen, self.at_ms)

    @property
    def base_url(self) -> str:
        """Scheme, host and path prefix before the type's own path."""
        return (self.destination.base_url or TYPES[self.destination.type].base_url or "").rstrip("/")

    def find(self, name: str) -> str | None:
        """A setting as text, with the default of its type."""
        found = with_defaults(self.destination.type, self.destination.settings).get(name)
        return found if isinstance(found, str) else None

    def get(self, name: str) -> str:
        """A setting that the type needs; configuration has made sure that it is there."""
        if (found := self.find(name)) is None:
            raise InvalidError(f"destination {self.destination.id} lacks {name}: add it and apply")
        return found

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(secrets_of(self.destination))


def is_chosen(destination: Destination, status: str | None, event: str | None) -> bool:
    return status in destination.on or event in destination.on


def secrets_of(destination: Destination) -> Iterator[str]:
    """Every secret text in the settings."""
    for name, key in TYPES[destination.type].keys.items():
        value = destination.settings.get(name)
        if isinstance(value, str) and isinstance(key.shape, Secret):
            yield value
        elif isinstance(value, dict) and isinstance(key.shape, MapOf) and isinstance(key.shape.value, Secret):
            yield from value.values()
