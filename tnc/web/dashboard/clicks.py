"""The click log, and one click with the reason why it went where it went."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from aiohttp import web

from tnc.core import fields
from tnc.core.errors import FailedError, InvalidError
from tnc.core.models import SUBS, CampaignId, Click, ClickHistory, ClickId, Configuration, OfferId, Traffic
from tnc.rules.decision import Step
from tnc.store.workspace import Workspace
from tnc.tracking.explain import Explanation, explain
from tnc.web.dashboard import format as words
from tnc.web.dashboard.keys import QUERIES, SERVICES
from tnc.web.dashboard.pages import page

_PAGE: Final = 50
TRAFFIC: Final[tuple[Traffic, ...]] = get_args(Traffic)
_DECIDED: Final = ("flow", "lander", "offer", "network", "action", "status", "filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A part of the decision that comes out otherwise when it is computed again."""

    name: str
    recorded: str
    recomputed: str


async def index(request: web.Request) -> web.StreamResponse:
    """GET /clicks"""
    campaign, traffic = request.query.get("campaign") or None, _traffic(request.query.get("traffic"))
    after = _read_cursor(request.query.get("before"))
    (_, configuration), histories = await asyncio.gather(
        request.app[SERVICES].workspace.load_configuration(),
        asyncio.to_thread(
            request.app[QUERIES].clicks,
            limit=_PAGE + 1,
            after=after,
            campaign=None if campaign is None else CampaignId(campaign),
            traffic=traffic,
        ),
    )
    shown = histories[:_PAGE]
    chosen = {name: value for name, value in (("campaign", campaign), ("traffic", traffic)) if value}
    older = chosen | {"before": _cursor(shown[-1].click)} if len(histories) > _PAGE else None
    return page(
        request,
        "clicks.html",
        histories=shown,
        outcome=outcome,
        configuration=configuration,
        campaigns=configuration.campaigns,
        sources=configuration.sources,
        campaign=campaign,
        traffic=traffic,
        traffic_classes=TRAFFIC,
        filtered=bool(chosen or after),
        older=older and request.rel_url.with_query(older),
        newest=request.rel_url.with_query(chosen) if after else None,
    )


async def show(request: web.Request) -> web.StreamResponse:
    """GET /clicks/{click_id}"""
    workspace, click_id = request.app[SERVICES].workspace, ClickId(request.match_info["click_id"])
    history = await asyncio.to_thread(workspace.histories.get, click_id)
    (_, configuration), destination, (explanation, unexplained) = await asyncio.gather(
        workspace.load_configuration(),
        asyncio.to_thread(workspace.destination, history.click),
        asyncio.to_thread(_explain, workspace, click_id),
    )
    return page(
        request,
        "click.html",
        history=history,
        click=history.click,
        campaigns=configuration.campaigns,
        networks=configuration.networks,
        outcome=outcome(history.click, history.offer, configuration),
        destination=destination,
        explanation=explanation,
        unexplained=unexplained,
        differences=_differences(history, destination, explanation, configuration) if explanation else (),
        decisions=grouped(explanation.trace) if explanation else (),
        groups=fact_groups(history.click, configuration),
    )


def _explain(workspace: Workspace, click_id: ClickId) -> tuple[Explanation | None, str]:
    """Or a sentence why the decision cannot be computed again, as of imported clicks."""
    try:
        return explain(workspace, click_id), ""
    except FailedError as error:
        return None, str(error)


def _traffic(text: str | None) -> Traffic | None:
    found = next((each for each in TRAFFIC if each == text), None)
    if text and found is None:
        raise InvalidError(f"{text!r} is no traffic class; choose one of {', '.join(TRAFFIC)}.")
    return found


def _cursor(click: Click) -> str:
    return f"{click.clicked_at_ms}.{click.click_id}"


def _read_cursor(text: str | None) -> tuple[int, ClickId] | None:
    if not text:
        return None
    time_ms, _, click_id = text.partition(".")
    if not (time_ms.isdecimal() and time_ms.isascii() and len(time_ms) < 15):
        raise InvalidError("this page of the click log does not exist; start again at /clicks.")
    return int(time_ms), ClickId(click_id)


def _differences(
    history: ClickHistory, destination: str | None, explanation: Explanation, configuration: Configuration
) -> Sequence[Difference]:
    decided = history.decided or history.click
    pairs: list[tuple[str, Any, Any]] = [
        (name, getattr(decided, name), getattr(explanation.recomputed, name)) for name in _DECIDED
    ]
    pairs.append(("destination", destination, explanation.destination))

    def shown(name: str, value: Any) -> str:
        return name_of(name, value, configuration) or words.value(value, words.NONE)

    return [
        Difference(name=name, recorded=shown(name, recorded), recomputed=shown(name, recomputed))
        for name, recorded, recomputed in pairs
        if recorded != recomputed
    ]


def outcome(click: Click, offer: OfferId | None, configuration: Configuration) -> str:
    """Where a visit was sent, in a few words; `offer` is the one it reached or was meant for."""
    if click.stopped:
        return f"stopped by {name_of('filter', click.filter, configuration) or click.filter}"
    if click.action == "status":
        return f"status {click.status or ''}".strip()
    way = [name_of(kind, thing, configuration) or thing for kind, thing in (("lander", click.lander), ("offer", offer))]
    return " → ".join(name for name in way if name) or click.action


# ------------------------------------------------------------------------------------------------- the trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One step of the decision with the conditions and draws that led to it."""

    step: Step
    details: Sequence[Step]


_DETAILS: Final = frozenset({"condition", "draw", "cap"})


def grouped(trace: Sequence[Step]) -> Sequence[Decision]:
    """The steps of a trace, in which details come before their decision. The last details may have none."""
    found: list[Decision] = []
    waiting: list[Step] = []
    for step in trace:
        if step.kind in _DETAILS:
            waiting.append(step)
            continue
        found.append(Decision(step=step, details=tuple(waiting)))
        waiting.clear()
    return [*found, *(Decision(step=step, details=()) for step in waiting)]


# ------------------------------------------------------------------------------------------------- the facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One field of a click as it is shown. `id` is that of a named thing whose name is the text."""

    name: str
    label: str
    text: str
    id: str = ""
    known: bool
    personal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FactGroup:
    title: str
    facts: Sequence[Fact]


# Fields that are in no group are shown under the last title, so that a new one is seen at once.
_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Decision": (
        "campaign", "source", "flow", "lander", "offer", "network", "action", "filter", "cost", "currency",
        "config_version",
    ),
    "Location and network": (
        "ip", "country", "region", "city", "asn", "isp", "connection", "vpn", "proxy", "tor", "datacenter", "relay",
    ),
    "Device": (
        "user_agent", "device", "brand", "model", "os", "os_version", "browser", "browser_version", "language",
    ),
    "Origin": ("domain", "referrer", "referrer_domain", "external_id", *SUBS, "params"),
    "Visitor": ("visitor", "unique_campaign", "unique_workspace", "consent", "gpc", "traffic", "bot", "reasons"),
}  # fmt: skip
_IN_HEAD: Final = frozenset({"click_id", "clicked_at", "workspace", "destination"})
_OTHER: Final = "Other"
# Where nothing was recorded there is none; elsewhere the value is not known.
NONE_IF_EMPTY: Final = frozenset(
    {"source", "flow", "lander", "offer", "network", "filter", "cost", "bot", "referrer", "referrer_domain",
     "external_id", "reasons", "params"}
)  # fmt: skip


def fact_groups(click: Click, configuration: Configuration) -> Sequence[FactGroup]:
    """Every public field but those in the page's head; free parameters only when they were sent."""
    grouped_names = frozenset(name for names in _GROUPS.values() for name in names)
    other = tuple(
        name for name, each in fields.FIELDS.items() if each.about.public and name not in grouped_names | _IN_HEAD
    )
    found = (
        FactGroup(
            title=title,
            facts=[_fact(fields.FIELDS[name], click, configuration) for name in names if _is_shown(name, click)],
        )
        for title, names in {**_GROUPS, _OTHER: other}.items()
    )
    return [group for group in found if group.facts]


def _is_shown(name: str, click: Click) -> bool:
    return name not in SUBS or name in click.visit.subs


def _fact(field: fields.Field, click: Click, configuration: Configuration) -> Fact:
    raw = field.read(click)
    named = name_of(field.name, raw, configuration)
    return Fact(
        name=field.name,
        label=_label(field.name, click, configuration),
        text=_text(field, raw) if named is None else named,
        id=str(raw) if named is not None and named != raw else "",
        known=raw is not None and raw != "",
        personal=field.personal or field.name in SUBS,
    )


def _label(name: str, click: Click, configuration: Configuration) -> str:
    """A free parameter has the name that its source gives it: `site (sub1)`."""
    source = None if click.source is None else configuration.sources.get(click.source)
    parameter = source.params.get(name) if source else None
    return f"{parameter} ({name})" if parameter else words.label(name)


def _text(field: fields.Field, raw: Any) -> str:
    if field.name == "reasons" and raw:
        return ", ".join(map(words.reason, raw))
    if field.kind == "money" and raw is not None:
        return words.amount(fields.money(raw))
    return words.value(raw, words.NONE if field.name in NONE_IF_EMPTY else words.UNKNOWN)


def name_of(field: str, identity: Any, configuration: Configuration) -> str | None:
    """The name of a campaign, an offer and so on; None for other fields and for what is not configured."""
    things: Mapping[str, Mapping[Any, Any]] = {
        "campaign": configuration.campaigns,
        "source": configuration.sources,
        "lander": configuration.landers,
        "offer": configuration.offers,
        "network": configuration.networks,
        "filter": configuration.filters,
    }
    if field not in things:
        return None
    found = things[field].get(identity)
    return None if found is None else str(found.name)
