"""Templates: ready sources and networks, whose an offer's address is, and making one one's own."""

import asyncio
from typing import Final

from aiohttp import web

from tnc.campaigns.templates.catalogue import SourceTemplate, Template, all_templates, find_template, recognise
from tnc.campaigns.templates.render import placeholders, render, steps, table
from tnc.core.errors import InvalidError, TncError
from tnc.core.models import Configuration
from tnc.web.dashboard.keys import APPLIANCE, USER
from tnc.web.dashboard.pages import page

_KINDS: Final = (("source", "traffic sources"), ("network", "networks"))


async def index(request: web.Request) -> web.StreamResponse:
    """GET /templates"""
    url, kind = request.query.get("url", "").strip(), request.query.get("type", "")
    found = recognise(url) if url else all_templates()
    shown = [(each, kind_of(each)) for each in found if kind in ("", kind_of(each))]
    return page(request, "templates.html", templates=shown, url=url, kind=kind, kinds=_KINDS)


async def show(request: web.Request) -> web.StreamResponse:
    """GET /templates/{template_id}"""
    return await _shown(request, {}, error=None)


async def apply(request: web.Request) -> web.StreamResponse:
    """POST /templates/{template_id}: with every open word filled in."""
    template = find_template(request.match_info["template_id"])
    form = await request.post()
    words = {word: str(form.get(word, "")).strip() for word in placeholders(template)}
    try:
        missing = [word for word, value in words.items() if not value]
        if missing:
            raise InvalidError(f"fill in {', '.join(missing)}; you find it in your account there")
        text = render(template, values=words)
        await asyncio.to_thread(request.app[APPLIANCE].mail.apply, text, by=request[USER].email)
    except TncError as error:
        return await _shown(request, words, error=str(error))
    raise web.HTTPSeeOther(f"/templates/{template.id}")


async def _shown(request: web.Request, words: dict[str, str], *, error: str | None) -> web.StreamResponse:
    appliance = request.app[APPLIANCE]
    template = find_template(request.match_info["template_id"])
    _, configuration = await asyncio.to_thread(appliance.configuration)
    return page(
        request,
        "template.html",
        status=200 if error is None else 422,
        found=template,
        kind=kind_of(template),
        steps=list(steps(template, appliance.tracking_base.partition("://")[2])),
        toml=table(template, {}),
        words=[(word, words.get(word, "")) for word in placeholders(template)],
        taken=_is_taken(template, configuration),
        error=error,
    )


def kind_of(template: Template) -> str:
    return "source" if isinstance(template, SourceTemplate) else "network"


def _is_taken(template: Template, configuration: Configuration) -> bool:
    """Whether there is one of its id, which it would replace."""
    return template.id in (configuration.sources if isinstance(template, SourceTemplate) else configuration.networks)
