"""The baseline: a bare redirect in aiohttp. `python bench/bare.py application|server` prints its port."""

import asyncio
import sys

from aiohttp import web


async def go(_request: web.BaseRequest) -> web.Response:
    return web.Response(status=302, headers={"Location": "https://example.com/", "Cache-Control": "no-store"})


async def main(kind: str) -> None:
    if kind == "application":
        app = web.Application()
        app.router.add_get("/{path}", go)
        runner: web.AppRunner | web.ServerRunner = web.AppRunner(app, access_log=None)
    else:
        runner = web.ServerRunner(web.Server(go, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
