"""Every address of the dashboard."""

from typing import Final

from aiohttp import web

from tnc.web.dashboard import campaigns, clicks, filters, overview, reports, settings, signin, trying
from tnc.web.dashboard.keys import ASSETS


async def static(request: web.Request) -> web.StreamResponse:
    return request.app[ASSETS].answer(request)


ROUTES: Final = [
    web.get("/", overview.show),
    web.get("/campaigns", campaigns.index),
    web.get("/campaigns/{campaign_id}", campaigns.show),
    web.get("/clicks", clicks.index),
    web.get("/clicks/{click_id}", clicks.show),
    web.get("/filters", filters.show),
    web.get("/try", trying.show),
    web.get("/reports", reports.show),
    web.get("/reports.csv", reports.download),
    web.get("/settings", settings.show),
    # The way in and out.
    web.get("/sign-in", signin.show),
    web.post("/sign-in", signin.sign_in),
    web.post("/sign-out", signin.sign_out),
    # Style, scripts and pictures.
    web.get("/static/{version}/{path:.+}", static),
]
