"""What all handlers share: there is no other state."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import jinja2
from aiohttp import web

from tnc.admin.services import Services
from tnc.core.clock import World
from tnc.core.passwords import Passwords
from tnc.destinations.sender import Sender
from tnc.reports.client import ReportClient
from tnc.store.accounts import Accounts, User
from tnc.visitors.client_ip import ClientIpReader
from tnc.web.dashboard.assets import Assets
from tnc.web.dashboard.login_throttle import Throttle
from tnc.web.dashboard.queries import Queries

SERVICES: Final = web.AppKey("SERVICES", Services)
QUERIES: Final = web.AppKey("QUERIES", Queries)
REPORTS: Final = web.AppKey("REPORTS", ReportClient)
SENDER: Final = web.AppKey("SENDER", Sender)
ACCOUNTS: Final = web.AppKey("ACCOUNTS", Accounts)
PASSWORDS: Final = web.AppKey("PASSWORDS", Passwords)
THROTTLE: Final = web.AppKey("THROTTLE", Throttle)
HASHERS: Final = web.AppKey("HASHERS", ThreadPoolExecutor)
WORLD: Final = web.AppKey("WORLD", World)
ASSETS: Final = web.AppKey("ASSETS", Assets)
TEMPLATES: Final = web.AppKey("TEMPLATES", jinja2.Environment)
PROXIES: Final = web.AppKey("PROXIES", ClientIpReader)
HOSTS: Final = web.AppKey("HOSTS", frozenset[str])

USER: Final = web.RequestKey("USER", User)
