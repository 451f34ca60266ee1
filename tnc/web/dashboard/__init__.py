"""The owner's screen: what came, where it went, why, and what it earned."""

from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from tnc.core.clock import World
from tnc.core.passwords import Passwords
from tnc.core.process import background_pool
from tnc.store.accounts import Accounts
from tnc.web.dashboard.assets import Assets
from tnc.web.dashboard.keys import ACCOUNTS, APPLIANCE, ASSETS, HASHERS, HOSTS, PASSWORDS, TEMPLATES, THROTTLE, WORLD
from tnc.web.dashboard.login_throttle import Throttle
from tnc.web.dashboard.middleware import MIDDLEWARES, add_headers
from tnc.web.dashboard.pages import templates
from tnc.web.dashboard.ports import Appliance
from tnc.web.dashboard.routes import ROUTES


def dashboard_app(
    appliance: Appliance, accounts: Accounts, passwords: Passwords, world: World, *, hosts: Iterable[str] = ()
) -> web.Application:
    """The dashboard as an application of its own, for its own listener.

    `hosts` are the names, beside loopback and numeric addresses, under which it is reached. Run it without
    an access log: what is typed into "Try a visitor" stands in the address.
    """
    app = web.Application(middlewares=MIDDLEWARES)
    app[APPLIANCE] = appliance
    app[ACCOUNTS] = accounts
    app[PASSWORDS] = passwords
    app[WORLD] = world
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
