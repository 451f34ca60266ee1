"""What is installed here, and what is wrong with it."""

import asyncio

from aiohttp import web

from tnc.web.dashboard.keys import QUERIES, SERVICES
from tnc.web.dashboard.pages import page


async def show(request: web.Request) -> web.StreamResponse:
    """GET /settings"""
    queries = request.app[QUERIES]
    (version, _), about, problems = await asyncio.gather(
        request.app[SERVICES].workspace.load_configuration(),
        asyncio.to_thread(queries.about),
        asyncio.to_thread(queries.problems),
    )
    return page(
        request,
        "settings.html",
        about=about,
        problems=problems,
        tracking_base=queries.tracking_base,
        config_version=version,
    )
