"""A receiver of the demo's conversions on this machine: `python -m tnc.admin.demo.receiver CONFIG`.

It plays the traffic source and a CRM. It takes most events and refuses some, so that the destinations of the demo have
both to show, and nothing leaves the machine. It ends when the process that started it does.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final

from aiohttp import web

from tnc.core.errors import InvalidError, UnavailableError
from tnc.core.formats import ListenAddress, parse_listen_address
from tnc.core.settings import Settings, load

_LARGEST_AMOUNT: Final = 20  # of what the CRM takes
_BUSY_EVERY: Final = 25  # the CRM is busy at each 25th request
_LOOK_SECONDS: Final = 1.0


def receiver_address(settings: Settings) -> ListenAddress:
    """The first of `allow_hosts`, which is on this machine. Raises InvalidError."""
    for each in settings.allow_hosts:
        if each.startswith("127.0.0.1:"):
            return parse_listen_address(each)
    raise InvalidError('the demo sends conversions to this machine: set [outbound] allow_hosts = ["127.0.0.1:8401"].')


@asynccontextmanager
async def receiving(address: ListenAddress) -> AsyncIterator[None]:
    requests = count(1)

    async def take_postback(request: web.Request) -> web.Response:
        if request.query.get("id", "").endswith("0"):
            return web.Response(status=404, text="no such click")
        return web.Response(text="OK")

    async def take_event(request: web.Request) -> web.Response:
        if next(requests) % _BUSY_EVERY == 0:
            return web.Response(status=503, text="busy, try again later")
        payout = (await request.json())["data"]["payout"]
        if payout is not None and payout > _LARGEST_AMOUNT:
            return web.Response(status=422, text=f"amount above the limit of {_LARGEST_AMOUNT}")
        return web.Response(status=204)

    application = web.Application()
    application.router.add_get("/native-ads", take_postback)
    application.router.add_post("/crm", take_event)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, address.host, address.port).start()
        except OSError as error:
            raise UnavailableError(
                f"the receiver of the demo cannot listen on {address} ({error.strerror}): free that port, or name "
                "another in [outbound] allow_hosts."
            ) from error
        yield
    finally:
        await runner.cleanup()


async def _run(address: ListenAddress) -> None:
    parent = os.getppid()
    async with receiving(address):
        while os.getppid() == parent:  # noqa: ASYNC110 - the system gives no sign of it
            await asyncio.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    asyncio.run(_run(receiver_address(load(Path(sys.argv[1])))))
