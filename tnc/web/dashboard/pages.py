"""Turning values into pages: the templates, and the few words they may use."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import jinja2
from aiohttp import web

from tnc.core import fields
from tnc.web.dashboard import format as words
from tnc.web.dashboard.assets import Assets
from tnc.web.dashboard.keys import APPLIANCE, TEMPLATES, USER, WORLD

_SENTENCES: Final = {
    403: ("Not allowed", "This is not for you, or not from here."),
    404: ("Nothing here", "There is no such page. It may have been moved or archived, or it was never here."),
    405: ("Not like this", "This address answers to another kind of request. Go back and try again."),
    413: ("Too much", "The form was larger than the dashboard takes. Send less."),
    500: ("Something broke", "The dashboard failed on this page. Clicks and redirects are not affected."),
}


_TURN_MS: Final = 1


def templates(assets: Assets) -> jinja2.Environment:
    """Everything is escaped, and a name that a handler forgot is a mistake instead of an empty place."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = assets.url
    environment.filters |= {
        "number": words.number,
        "amount": words.amount,
        "percent": words.percent,
        "moment": words.moment,
        "machine_time": words.machine_time,
        "sentence": words.sentence,
        "label": words.label,
        "value": words.value,
        "money": lambda micros: words.amount(fields.money(micros)),
        "names": lambda things: [(each.id, each.name) for each in things],
        "twice": lambda options: [(each, each) for each in options],
    }
    return environment


def page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """A page of its template's name. `user` is None for who has not signed in."""
    return _html("".join(_parts(request, template, values)), status)


async def long_page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """Like `page`, for long tables: whoever clicks meanwhile has his turn every other millisecond."""
    world, parts = request.app[WORLD], list[str]()
    turn_ends_ms = world.steady_ms() + _TURN_MS
    for part in _parts(request, template, values):
        parts.append(part)
        if world.steady_ms() >= turn_ends_ms:
            await asyncio.sleep(0)
            turn_ends_ms = world.steady_ms() + _TURN_MS
    return _html("".join(parts), status)


def _html(text: str, status: int) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")


def _parts(request: web.Request, template: str, values: Mapping[str, object]) -> Iterator[str]:
    now_ms = request.app[WORLD].now_ms()
    return (
        request.app[TEMPLATES]
        .get_template(template)
        .generate(
            **values,
            user=request.get(USER),
            here=request.path,
            overdue=request.app[APPLIANCE].people.overdue() if request.get(USER) else 0,
            attributions=request.app[APPLIANCE].attributions() if request.get(USER) else (),
            ago=lambda time_ms: words.ago(time_ms, now_ms),
        )
    )


def error_page(
    request: web.Request, status: int, sentence: str | None = None, *, reference: str | None = None
) -> web.Response:
    """What went wrong and what to do, in the words of the refusal where there are some."""
    title, general = _SENTENCES.get(status, ("That did not work", "The request could not be answered. Try again."))
    return page(request, "error.html", status=status, title=title, sentence=sentence or general, reference=reference)
