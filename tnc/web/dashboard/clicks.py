"""The click log, and one click with the reason why it went where it went."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from aiohttp import web

from tnc.core import fields
from tnc.core.errors import FailedError, InvalidError
from tnc.core.models import SUBS, CampaignId, Click, ClickHistory, ClickId, OfferId, Traffic
from tnc.rules.decision import Step
from tnc.web.dashboard import format as words
from tnc.web.dashboard.keys import APPLIANCE
from tnc.web.dashboard.pages import page
from tnc.web.dashboard.ports import Appliance, ClickQuestion, Explanation

_DETAILS: Final = frozenset({"condition", "draw", "cap"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of the way, and why. A trace lists the answers before the verdict that they belong to."""

    step: Step
    details: Sequence[Step]


def verdicts(trace: Sequence[Step]) -> Sequence[Verdict]:
    """Every step once. Answers that no verdict follows stand for themselves."""
    found: list[Verdict] = []
    waiting: list[Step] = []
    for step in trace:
        if step.kind in _DETAILS:
            waiting.append(step)
            continue
        found.append(Verdict(step=step, details=tuple(waiting)))
        waiting.clear()
    return [*found, *(Verdict(step=step, details=()) for step in waiting)]


_PAGE: Final = 50
TRAFFIC: Final[tuple[Traffic, ...]] = get_args(Traffic)
_DECIDED: Final = ("flow", "lander", "offer", "network", "action", "status", "filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    name: str
    recorded: str
    recomputed: str


async def index(request: web.Request) -> web.StreamResponse:
    """GET /clicks"""
    appliance = request.app[APPLIANCE]
    question = _question(request)
    (_, configuration), histories = await asyncio.gather(
        asyncio.to_thread(appliance.configuration), asyncio.to_thread(appliance.histories, question)
    )
    shown = histories[:_PAGE]
    filtered = {name: request.query[name] for name in ("campaign", "traffic") if request.query.get(name)}
    older = filtered | {"before": _cursor(shown[-1].click)} if len(histories) > _PAGE else None
    return page(
        request,
        "clicks.html",
        histories=shown,
        outcome=outcome,
        campaigns=configuration.campaigns,
        traffic=TRAFFIC,
        question=question,
        older=older and request.rel_url.with_query(older),
        newest=request.rel_url.with_query(filtered) if question.before else None,
    )


async def show(request: web.Request) -> web.StreamResponse:
    """GET /clicks/{click_id}"""
    appliance = request.app[APPLIANCE]
    click_id = ClickId(request.match_info["click_id"])
    history = await asyncio.to_thread(appliance.history, click_id)
    destination, (explanation, unexplained) = await asyncio.gather(
        asyncio.to_thread(appliance.destination, history.click), asyncio.to_thread(_explained, appliance, click_id)
    )
    return page(
        request,
        "click.html",
        history=history,
        click=history.click,
        outcome=outcome(history.click, history.offer),
        destination=destination,
        explanation=explanation,
        unexplained=unexplained,
        differences=_differences(history, destination, explanation) if explanation else (),
        reasons=verdicts(explanation.trace) if explanation else (),
        groups=groups(history.click),
    )


def _explained(appliance: Appliance, click_id: ClickId) -> tuple[Explanation | None, str]:
    """Or in a sentence why there is nothing to explain, as of a click from elsewhere: all else is shown."""
    try:
        return appliance.explain(click_id), ""
    except FailedError as error:
        return None, str(error)


def _question(request: web.Request) -> ClickQuestion:
    traffic = request.query.get("traffic") or None
    if traffic is not None and traffic not in TRAFFIC:
        raise InvalidError(f"{traffic!r} is no traffic class; choose one of {', '.join(TRAFFIC)}")
    campaign = request.query.get("campaign")
    return ClickQuestion(
        limit=_PAGE + 1,
        before=_read_cursor(request.query.get("before")),
        campaign=CampaignId(campaign) if campaign else None,
        traffic=traffic,
    )


def _cursor(click: Click) -> str:
    return f"{click.clicked_at_ms}.{click.click_id}"


def _read_cursor(text: str | None) -> tuple[int, ClickId] | None:
    if not text:
        return None
    time_ms, _, click_id = text.partition(".")
    if not (time_ms.isdecimal() and time_ms.isascii() and len(time_ms) < 15):
        raise InvalidError("this page of the click log does not exist; go back to its beginning at /clicks")
    return int(time_ms), ClickId(click_id)


def _differences(history: ClickHistory, destination: str | None, explanation: Explanation) -> Sequence[Difference]:
    """What the recorded decision and the recomputed one do not agree on."""
    decided = history.decided or history.click
    pairs: list[tuple[str, Any, Any]] = [
        (name, getattr(decided, name), getattr(explanation.recomputed, name)) for name in _DECIDED
    ]
    pairs.append(("destination", destination, explanation.destination))
    return [
        Difference(name=name, recorded=words.value(recorded), recomputed=words.value(again))
        for name, recorded, again in pairs
        if recorded != again
    ]


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
