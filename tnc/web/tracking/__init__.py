"""The face that visitors and networks see: redirects, lander clicks, postbacks."""

from tnc.web.tracking.express import Lanes
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.routes import ROUTE, front

__all__ = ["ROUTE", "Lanes", "Tracking", "front"]
