"""Every address of the dashboard."""

from typing import Final

from aiohttp import web

from tnc.web.dashboard import (
    campaigns,
    clicks,
    destination_form,
    destinations,
    filters,
    inbox,
    overview,
    reports,
    settings,
)
from tnc.web.dashboard import login as signin
from tnc.web.dashboard import privacy as people
from tnc.web.dashboard import templates_page as catalogue
from tnc.web.dashboard import try_visitor as trying
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
    web.get("/inbox", inbox.index),
    web.post("/inbox/replay", inbox.replay),
    web.get("/destinations", destinations.index),
    web.get("/destinations/new", destination_form.new),
    web.post("/destinations/new", destination_form.create),
    web.get("/destinations/{destination_id}", destinations.show),
    web.post("/destinations/{destination_id}/test", destinations.test),
    web.post("/destinations/{destination_id}/resume", destinations.resume),
    web.post("/destinations/{destination_id}/replay", destinations.replay),
    web.get("/destinations/{destination_id}/edit", destination_form.edit),
    web.post("/destinations/{destination_id}/edit", destination_form.change),
    web.get("/templates", catalogue.index),
    web.get("/templates/{template_id}", catalogue.show),
    web.post("/templates/{template_id}", catalogue.apply),
    web.get("/try", trying.show),
    web.get("/reports", reports.show),
    web.get("/reports.csv", reports.download),
    web.get("/settings", settings.show),
    web.get("/people", people.index),
    web.post("/people", people.take_down),
    web.get("/people/{request_id}", people.show),
    web.post("/people/{request_id}/move", people.move),
    web.post("/people/{request_id}/act", people.act),
    web.post("/people/{request_id}/told", people.told),
    web.post("/people/{request_id}/extend", people.extend),
    web.get("/keeping", people.terms),
    web.post("/keeping", people.set_terms),
    web.get("/stored", people.stored),
    web.get("/records", people.records),
    web.post("/records", people.check_receipt),
    # The way in and out.
    web.get("/sign-in", signin.show),
    web.post("/sign-in", signin.sign_in),
    web.post("/sign-out", signin.sign_out),
    # Style, scripts and pictures.
    web.get("/static/{version}/{path:.+}", static),
]
