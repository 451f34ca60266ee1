"""What is installed here, and whose data it stands on."""

import asyncio

from aiohttp import web

from tnc.web.dashboard.keys import APPLIANCE
from tnc.web.dashboard.pages import page


async def show(request: web.Request) -> web.StreamResponse:
    """GET /settings"""
    appliance = request.app[APPLIANCE]
    (version, _), about, problems = await asyncio.gather(
        asyncio.to_thread(appliance.configuration),
        asyncio.to_thread(appliance.about),
        asyncio.to_thread(appliance.problems),
    )
    return page(
        request,
        "settings.html",
        about=about,
        problems=problems,
        workspace=appliance.workspace,
        tracking_base=appliance.tracking_base,
        config_version=version,
    )
