"""A click's facts in groups, as a person looks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tnc import fields
from tnc.model import SUBS, Click, OfferId
from tnc.web.dashboard import words


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    name: str
    text: str
    known: bool
    personal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    title: str
    facts: Sequence[Fact]


# Fields that stand in no group are shown under the last title, so that a new one is seen at once.
_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Decision": (
        "campaign", "source", "flow", "lander", "offer", "network", "action", "filter", "cost", "currency",
        "config_version",
    ),
    "Place and network": (
        "ip", "country", "region", "city", "asn", "isp", "connection", "vpn", "proxy", "tor", "datacenter", "relay",
    ),
    "Device": (
        "user_agent", "device", "brand", "model", "os", "os_version", "browser", "browser_version", "language",
    ),
    "Origin": ("domain", "referrer", "referrer_domain", "external_id", *SUBS, "params"),
    "Visitor": ("visitor", "unique_campaign", "unique_workspace", "consent", "gpc", "traffic", "bot", "reasons"),
}  # fmt: skip
_ELSEWHERE: Final = frozenset({"click_id", "clicked_at", "workspace", "destination"})  # in the head of the page
_OTHER: Final = "Other"


def groups(click: Click) -> Sequence[Group]:
    """Every public fact but those in the page's head; free parameters only when they were sent."""
    named = frozenset(name for names in _GROUPS.values() for name in names)
    other = tuple(name for name, each in fields.FIELDS.items() if each.about.public and name not in named | _ELSEWHERE)
    found = (
        Group(title=title, facts=[_fact(fields.FIELDS[name], click) for name in names if _is_shown(name, click)])
        for title, names in {**_GROUPS, _OTHER: other}.items()
    )
    return [group for group in found if group.facts]


def _is_shown(name: str, click: Click) -> bool:
    return name not in SUBS or name in click.visit.subs


def _fact(field: fields.Field, click: Click) -> Fact:
    raw = field.read(click)
    return Fact(
        name=field.name,
        text=words.amount(fields.money(raw)) if field.kind == "money" and raw is not None else words.value(raw),
        known=raw is not None and raw != "",
        personal=field.personal or field.name in SUBS,
    )


def outcome(click: Click, offer: OfferId | None) -> str:
    """Where a visit went, in the fewest words; `offer` is the one it reached or was meant for."""
    if click.stopped:
        return f"stopped by {click.filter}"
    if click.action == "status":
        return f"status {click.status or ''}".strip()
    way = [name for name in (click.lander, offer) if name]
    return " → ".join(way) or click.action
