"""The face that visitors and networks see: redirects, lander clicks, postbacks."""

from aiohttp import web

from tnc.web.tracking.keys import TRACKING, Tracking
from tnc.web.tracking.routes import TRACKING_ROUTES

__all__ = ["Tracking", "tracking_app"]


def tracking_app(tracking: Tracking) -> web.Application:
    app = web.Application()
    app[TRACKING] = tracking
    app.add_routes(TRACKING_ROUTES)
    return app
