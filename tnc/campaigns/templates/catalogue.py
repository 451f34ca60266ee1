"""The catalogue of traffic sources and networks: their macros and parameters, and how reliable that is."""

from functools import cache
from importlib import resources
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from tnc.core.errors import NotFoundError

Confidence = Literal["confirmed", "corroborated", "reported", "memory"]
CONFIDENCES: tuple[Confidence, ...] = ("confirmed", "corroborated", "reported", "memory")


class SourceTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A traffic source. All macros are those of the source, except in `postback` (see the head of catalogue.toml)."""

    id: str
    name: str
    kind: Literal["search", "social", "native", "display", "push", "pop", "adult", "app", "dsp"]
    confidence: Confidence
    sources: tuple[str, ...] = ()
    notes: str | None = None
    auto_click_param: str | None = None  # parameter with its click id that the source appends automatically
    click_id: str | None = None
    cost: str | None = None
    cost_currency: str | None = None
    campaign: str | None = None
    adgroup: str | None = None
    creative: str | None = None
    site: str | None = None
    keyword: str | None = None
    extra: dict[str, str] = {}
    postback: str | None = None
    method: Literal["GET", "POST"] = "GET"
    conversion_api: str | None = None
    dedup_note: str | None = None


class NetworkTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An affiliate network, or the platform that many of them run on."""

    id: str
    name: str
    platform: str
    confidence: Confidence
    sources: tuple[str, ...] = ()
    notes: str | None = None
    append: str | None = None
    sub_param: str | None = None
    click_id: str | None = None
    payout: str | None = None
    currency: str | None = None
    status: str | None = None
    txid: str | None = None
    lead: tuple[str, ...] = ()
    sale: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    extra: dict[str, str] = {}
    inbound: Literal["none", "unknown", "report_api_or_manual", "webhook_or_manual"] | None = None


Template = SourceTemplate | NetworkTemplate


class _File(Struct, frozen=True):
    source: tuple[SourceTemplate, ...]
    network: tuple[NetworkTemplate, ...]


@cache
def all_templates() -> tuple[Template, ...]:
    """Sources, then networks, each in the order of the catalogue.

    Reads the file once. That takes 17 ms, in which a server answers no click.
    """
    text = resources.files("tnc.campaigns.templates").joinpath("catalogue.toml").read_bytes()
    file = msgspec.toml.decode(text, type=_File)
    return (*file.source, *file.network)


def find_template(identity: str) -> Template:
    """The template with that id. Raises NotFoundError."""
    for template in all_templates():
        if template.id == identity:
            return template
    raise NotFoundError(f"There is no template {identity!r}: `tnc template list` shows them all.")


def recognise(offer_url: str) -> tuple[NetworkTemplate, ...]:
    """The networks that an offer URL may belong to, the most probable first.

    A network whose name is part of the host is almost certain. The parameter for the click id is only a hint, because
    many networks share it: platforms come first, then the networks with the most reliable data.
    """
    try:
        parts = urlsplit(offer_url.strip())
        host = (parts.hostname or "").replace("-", "")
    except ValueError:
        return ()
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    networks = [template for template in all_templates() if isinstance(template, NetworkTemplate)]
    by_host = [network for network in networks if len(name := network.id.replace("-", "")) > 4 and name in host]
    by_name = [network for network in networks if network.sub_param in names and network not in by_host]
    return (*by_host, *sorted(by_name, key=_likelihood))


def _likelihood(network: NetworkTemplate) -> tuple[bool, int]:
    return network.platform == "own", CONFIDENCES.index(network.confidence)


_NAMES: Final = {"standard": "Standard filter"}


class FilterTemplate(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    confidence: Literal["confirmed"] = "confirmed"  # written for tnc
    toml: str


def all_filters() -> tuple[FilterTemplate, ...]:
    folder = resources.files("tnc.campaigns.templates")
    return tuple(
        FilterTemplate(id=identity, name=name, toml=folder.joinpath(f"{identity}.toml").read_text(encoding="utf-8"))
        for identity, name in _NAMES.items()
    )


def find_filter(identity: str) -> FilterTemplate | None:
    return next((each for each in all_filters() if each.id == identity), None)
