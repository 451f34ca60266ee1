"""Every address of a tracking domain on one page."""

from typing import Final

from aiohttp import web

from tnc.web.tracking import landers, pages, postbacks, visits

TRACKING_ROUTES: Final = (
    # A click on its way
    web.get("/click", landers.lander_click),
    web.get(r"/click/{number:[1-9]\d?}", landers.lander_click),
    web.get("/-/onward/{token}", pages.second_page),
    # Conversions, also at the addresses of networks set up for Binom, Prosper202 and Keitaro
    web.get("/postback", postbacks.postback),
    web.post("/postback", postbacks.postback),
    web.get("/click.php", postbacks.postback),
    web.get("/gpb.php", postbacks.postback),
    web.get("/{key}/postback", postbacks.postback),
    web.post("/{key}/postback", postbacks.postback),
    # Our own
    web.get("/-/health", pages.health),
    web.get("/robots.txt", pages.robots),
    web.get("/favicon.ico", pages.nothing),
    # All else is a campaign's path, or nothing
    web.get("/{path:.*}", visits.visit),
)
