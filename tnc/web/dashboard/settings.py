"""What is installed here, and what is wrong with it."""

import asyncio

from aiohttp import web

from tnc.web.dashboard.keys import QUERIES, SERVICES
from tnc.web.dashboard.pages import page


async def show(request: web.Request) -> web.StreamResponse:
    """GET /settings"""
    queries = request.app[QUERIES]
    (version, _), about, problems, base = await asyncio.gather(
        request.app[SERVICES].workspace.load_configuration(),
        asyncio.to_thread(queries.about),
        asyncio.to_thread(queries.problems),
        asyncio.to_thread(queries.link_base),
    )
    return page(
        request,
        "settings.html",
        about=about,
        problems=problems,
        link_base=base,
        config_version=version,
    )
