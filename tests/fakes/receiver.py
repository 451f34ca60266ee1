"""What all fakes share: a clock, a count of requests, planned answers, and starting one by hand."""

import argparse
import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(kw_only=True)
class Receiver:
    """`events` are the accepted ones, in order. `planned` answers are given first, before any checking."""

    now: Callable[[], float] = time.time
    requests: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    planned: deque[web.Response] = field(default_factory=deque)

    def answer_next(
        self, status: int, body: Any = "", headers: dict[str, str] | None = None, *, times: int = 1
    ) -> None:
        written = body if isinstance(body, str) else json.dumps(body)
        for _ in range(times):
            self.planned.append(web.Response(status=status, text=written, headers=headers))

    def app(self, routes: list[web.RouteDef]) -> web.Application:
        @web.middleware
        async def counting(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path == "/_received":
                return await handler(request)
            self.requests += 1
            return self.planned.popleft() if self.planned else await handler(request)

        async def received(_request: web.Request) -> web.Response:
            return web.json_response({"requests": self.requests, "events": self.events, "refusals": self.refusals})

        app = web.Application(middlewares=[counting])
        app.add_routes([*routes, web.get("/_received", received)])
        return app

    def ids(self, name: str) -> Counter[str]:
        return Counter(each[name] for each in self.events)


async def read_json(request: web.Request) -> Any:
    """The body; None if it is not JSON, or has another content type."""
    if request.content_type != "application/json":
        return None
    try:
        return json.loads(await request.read())
    except ValueError:
        return None


def start(make_app: Callable[[], web.Application], name: str) -> None:
    """`python -m tests.fakes.NAME --port 9001`; GET /_received shows what was received."""
    parser = argparse.ArgumentParser(description=f"A strict fake of {name}.")
    parser.add_argument("--port", type=int, required=True)
    web.run_app(make_app(), host="127.0.0.1", port=parser.parse_args().port)


@contextmanager
def in_a_thread(app: web.Application) -> Iterator[str]:
    """Serve in a thread, for tests without an event loop of their own; yields the base URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(app)

    async def listen() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    try:
        yield asyncio.run_coroutine_threadsafe(listen(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
