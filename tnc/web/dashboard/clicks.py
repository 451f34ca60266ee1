"""The click log, and one click with the reason why it went where it went."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from aiohttp import web

from tnc.errors import FailedError, InvalidError
from tnc.model import CampaignId, Click, ClickId, ClickStory, Traffic
from tnc.web.dashboard import facts, words
from tnc.web.dashboard.keys import APPLIANCE
from tnc.web.dashboard.pages import page
from tnc.web.dashboard.ports import Appliance, ClickQuestion, Explanation
from tnc.web.dashboard.reasons import verdicts

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
    (_, configuration), stories = await asyncio.gather(
        asyncio.to_thread(appliance.configuration), asyncio.to_thread(appliance.stories, question)
    )
    shown = stories[:_PAGE]
    filtered = {name: request.query[name] for name in ("campaign", "traffic") if request.query.get(name)}
    older = filtered | {"before": _cursor(shown[-1].click)} if len(stories) > _PAGE else None
    return page(
        request,
        "clicks.html",
        stories=shown,
        outcome=facts.outcome,
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
    story = await asyncio.to_thread(appliance.story, click_id)
    destination, (explanation, unexplained) = await asyncio.gather(
        asyncio.to_thread(appliance.destination, story.click), asyncio.to_thread(_explained, appliance, click_id)
    )
    return page(
        request,
        "click.html",
        story=story,
        click=story.click,
        outcome=facts.outcome(story.click, story.offer),
        destination=destination,
        explanation=explanation,
        unexplained=unexplained,
        differences=_differences(story, destination, explanation) if explanation else (),
        reasons=verdicts(explanation.trace) if explanation else (),
        groups=facts.groups(story.click),
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


def _differences(story: ClickStory, destination: str | None, explanation: Explanation) -> Sequence[Difference]:
    """What the recorded decision and the recomputed one do not agree on."""
    decided = story.decided or story.click
    pairs: list[tuple[str, Any, Any]] = [
        (name, getattr(decided, name), getattr(explanation.recomputed, name)) for name in _DECIDED
    ]
    pairs.append(("destination", destination, explanation.destination))
    return [
        Difference(name=name, recorded=words.value(recorded), recomputed=words.value(again))
        for name, recorded, again in pairs
        if recorded != again
    ]
