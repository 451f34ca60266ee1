"""Every address of the dashboard."""

from typing import Final

from aiohttp import web

from tnc.web.dashboard import (
    campaigns,
    clicks,
    destination_form,
    destinations,
    filters,
    login,
    overview,
    postbacks,
    privacy,
    reports,
    settings,
    templates_page,
    try_visitor,
)
from tnc.web.dashboard.keys import ASSETS


async def static(request: web.Request) -> web.StreamResponse:
    return request.app[ASSETS].response(request)


MOVED: Final = {
    "/inbox": "/postbacks",
    "/people": "/privacy/requests",
    "/people/{request_id}": "/privacy/requests/{request_id}",
    "/keeping": "/privacy/retention",
    "/stored": "/privacy/data-map",
    "/records": "/privacy/processing",
    "/privacy": "/privacy/requests",
}


async def moved(request: web.Request) -> web.StreamResponse:
    """Bookmarks of earlier versions."""
    resource = request.match_info.route.resource
    path = MOVED[resource.canonical].format(**request.match_info) if resource else "/"
    raise web.HTTPMovedPermanently(request.rel_url.with_path(path, keep_query=True))


ROUTES: Final = [
    web.get("/", overview.show),
    web.get("/campaigns", campaigns.index),
    web.get("/campaigns/{campaign_id}", campaigns.show),
    web.get("/clicks", clicks.index),
    web.get("/clicks/{click_id}", clicks.show),
    web.get("/reports", reports.show),
    web.get("/reports.csv", reports.download),
    web.get("/postbacks", postbacks.index),
    web.post("/postbacks/replay", postbacks.replay),
    web.get("/destinations", destinations.index),
    web.get("/destinations/new", destination_form.new),
    web.post("/destinations/new", destination_form.create),
    web.get("/destinations/{destination_id}", destinations.show),
    web.post("/destinations/{destination_id}/test", destinations.test),
    web.post("/destinations/{destination_id}/resume", destinations.resume),
    web.post("/destinations/{destination_id}/replay", destinations.replay),
    web.get("/destinations/{destination_id}/edit", destination_form.edit),
    web.post("/destinations/{destination_id}/edit", destination_form.change),
    web.get("/filters", filters.show),
    web.get("/try", try_visitor.show),
    web.get("/templates", templates_page.index),
    web.get("/templates/{template_id}", templates_page.show),
    web.post("/templates/{template_id}", templates_page.apply),
    web.get("/privacy/requests", privacy.index),
    web.post("/privacy/requests", privacy.record),
    web.get("/privacy/requests/{request_id}", privacy.show),
    web.post("/privacy/requests/{request_id}/action", privacy.act),
    web.post("/privacy/requests/{request_id}/status", privacy.change_status),
    web.post("/privacy/requests/{request_id}/deadline", privacy.extend),
    web.post("/privacy/requests/{request_id}/receiver", privacy.record_outcome),
    web.get("/privacy/retention", privacy.retention),
    web.post("/privacy/retention", privacy.set_retention),
    web.get("/privacy/data-map", privacy.data_map),
    web.get("/privacy/processing", privacy.processing),
    web.post("/privacy/processing", privacy.check_receipt),
    web.get("/settings", settings.show),
    # The way in and out.
    web.get("/sign-in", login.show),
    web.post("/sign-in", login.sign_in),
    web.post("/sign-out", login.sign_out),
    # Style, scripts and pictures.
    web.get("/static/{version}/{path:.+}", static),
    *(web.get(path, moved) for path in MOVED),
]
