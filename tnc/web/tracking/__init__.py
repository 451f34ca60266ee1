"""The face that visitors and networks see: redirects, lander clicks, postbacks."""

from tnc.web.tracking.express import Lanes
from tnc.web.tracking.keys import Tracking
from tnc.web.tracking.routes import front

__all__ = ["Lanes", "Tracking", "front"]
