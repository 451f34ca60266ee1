"""The dashboard: what came in, where it was sent, why, and what it earned."""

from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from tnc.admin.services import Services
from tnc.core.passwords import Passwords
from tnc.core.process import background_pool
from tnc.destinations.sender import Sender
from tnc.reports.client import ReportClient
from tnc.visitors.client_ip import ClientIpReader
from tnc.web.dashboard.assets import Assets
from tnc.web.dashboard.keys import (
    ACCOUNTS,
    ASSETS,
    HASHERS,
    HOSTS,
    PASSWORDS,
    PROXIES,
    QUERIES,
    REPORTS,
    SENDER,
    SERVICES,
    TEMPLATES,
    THROTTLE,
    WORLD,
)
from tnc.web.dashboard.login_throttle import Throttle
from tnc.web.dashboard.middleware import MIDDLEWARES, add_headers
from tnc.web.dashboard.pages import templates
from tnc.web.dashboard.queries import Queries
from tnc.web.dashboard.routes import ROUTES


def dashboard_app(
    services: Services,
    queries: Queries,
    *,
    reports: ReportClient,
    sender: Sender,
    passwords: Passwords,
    hosts: Iterable[str] = (),
) -> web.Application:
    """The dashboard as an application of its own, for its own listener. `sender` sends test events.

    `hosts` are the names, beside loopback and numeric addresses, under which it is reached. Run it without an access
    log: the query of "Try a visitor" holds what was typed.
    """
    app = web.Application(middlewares=MIDDLEWARES)
    app[SERVICES] = services
    app[QUERIES] = queries
    app[REPORTS] = reports
    app[SENDER] = sender
    app[ACCOUNTS] = services.workspace.accounts
    app[PASSWORDS] = passwords
    app[WORLD] = services.workspace.world
    app[PROXIES] = ClientIpReader(services.workspace.settings.trusted_proxies, cloudflare=False)
    app[HOSTS] = frozenset(host.casefold() for host in hosts)
    app[THROTTLE] = Throttle()
    app[ASSETS] = Assets.load()
    app[TEMPLATES] = templates(app[ASSETS])
    app.cleanup_ctx.append(_hashers)
    app.on_response_prepare.append(add_headers)
    app.add_routes(ROUTES)
    return app


async def _hashers(app: web.Application) -> AsyncIterator[None]:
    # Two, because more would take both cores of a small server away from clicks, and these let clicks go first.
    with background_pool(2, name="password") as app[HASHERS]:
        yield
