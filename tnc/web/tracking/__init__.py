"""The tracking domain: redirects, lander clicks, postbacks, scripts and the public privacy page."""

from tnc.web.tracking.express import Lanes
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.routes import ROUTE, front

__all__ = ["ROUTE", "Lanes", "Tracking", "front"]
