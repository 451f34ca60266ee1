"""Templates: ready traffic sources and networks, found by name or by the URL of an offer, and adding one."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from tnc.campaigns.templates.catalogue import SourceTemplate, Template, all_templates, find_template, recognise
from tnc.campaigns.templates.render import placeholders, render, steps, table
from tnc.core.errors import InvalidError, TncError
from tnc.core.models import Configuration
from tnc.web.dashboard.keys import QUERIES, SERVICES, USER
from tnc.web.dashboard.pages import page

_KINDS: Final = {"source": "traffic source", "network": "network"}


async def index(request: web.Request) -> web.StreamResponse:
    """GET /templates"""
    url, kind = request.query.get("url", "").strip(), request.query.get("type", "")
    found = recognise(url) if url else all_templates()
    return page(
        request,
        "templates.html",
        templates=[(each, _KINDS[_kind(each)]) for each in found if kind in ("", _kind(each))],
        url=url,
        kind=kind,
        kinds=[(each, f"{name}s") for each, name in _KINDS.items()],
    )


async def show(request: web.Request) -> web.StreamResponse:
    """GET /templates/{template_id}"""
    return await _page(request, {}, error=None)


async def apply(request: web.Request) -> web.StreamResponse:
    """POST /templates/{template_id}: with every open word filled in."""
    template = find_template(request.match_info["template_id"])
    form = await request.post()
    words = {word: str(form.get(word, "")).strip() for word in placeholders(template)}
    try:
        missing = [word for word, value in words.items() if not value]
        if missing:
            raise InvalidError(f"fill in {', '.join(missing)}; you find it in your account there")
        text, by = render(template, values=words), request[USER].email
        await asyncio.to_thread(request.app[SERVICES].configure.apply, text, file="this form", by=by)
    except TncError as error:
        return await _page(request, words, error=str(error))
    raise web.HTTPSeeOther(f"/templates/{template.id}")


async def _page(request: web.Request, words: Mapping[str, str], *, error: str | None) -> web.StreamResponse:
    template = find_template(request.match_info["template_id"])
    base = await asyncio.to_thread(request.app[QUERIES].link_base)
    _, configuration = await request.app[SERVICES].workspace.load_configuration()
    return page(
        request,
        "template.html",
        status=200 if error is None else 422,
        found=template,
        kind=_kind(template),
        kind_name=_KINDS[_kind(template)],
        steps=list(steps(template, base.url)),
        link_base=base,
        toml=table(template, {}),
        words=[(word, words.get(word, "")) for word in placeholders(template)],
        taken=_is_taken(template, configuration),
        error=error,
    )


def _kind(template: Template) -> str:
    return "source" if isinstance(template, SourceTemplate) else "network"


def _is_taken(template: Template, configuration: Configuration) -> bool:
    """Whether the configuration has one with its id, which it would replace."""
    return template.id in (configuration.sources if isinstance(template, SourceTemplate) else configuration.networks)
