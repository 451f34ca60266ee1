"""Renders pages from their templates."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import jinja2
from aiohttp import web

from tnc.core import fields
from tnc.web.dashboard import format as words
from tnc.web.dashboard.assets import Assets
from tnc.web.dashboard.keys import QUERIES, SERVICES, TEMPLATES, USER, WORLD

_SENTENCES: Final = {
    403: ("Not allowed", "You may not do this, or the request came from another site."),
    404: ("Page not found", "There is no such page. It may have been moved or archived."),
    405: ("Method not allowed", "This address does not accept such a request. Go back and try again."),
    413: ("Form too large", "The form is larger than the dashboard accepts. Send less."),
    500: ("Internal error", "The dashboard failed on this page. Clicks and redirects are not affected."),
}


_TURN_MS: Final = 1


def templates(assets: Assets) -> jinja2.Environment:
    """Everything is escaped, and a name that a handler did not pass is an error instead of an empty text."""
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
        "word": words.word,
        "value": words.value,
        "money": lambda micros: words.amount(fields.money(micros)),
        "names": lambda things: [(each.id, each.name) for each in things],
        "twice": lambda options: [(each, words.word(each)) for each in options],
    }
    return environment


def page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """A page from a template. `user` is None before the sign-in."""
    return _html("".join(_parts(request, template, values)), status)


async def long_page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """Like `page`, for long tables: after each millisecond of rendering the loop serves clicks."""
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
    now_ms, user = request.app[WORLD].now_ms(), request.get(USER)
    return (
        request.app[TEMPLATES]
        .get_template(template)
        .generate(
            **values,
            user=user,
            here=request.path,
            overdue=request.app[SERVICES].privacy_requests.overdue if user else 0,
            attributions=request.app[QUERIES].attributions() if user else (),
            ago=lambda time_ms: words.ago(time_ms, now_ms),
        )
    )


def error_page(
    request: web.Request, status: int, sentence: str | None = None, *, reference: str | None = None
) -> web.Response:
    """What went wrong and what to do: `sentence`, else a general one for the status."""
    title, general = _SENTENCES.get(status, ("That did not work", "The request could not be answered. Try again."))
    return page(request, "error.html", status=status, title=title, sentence=sentence or general, reference=reference)
