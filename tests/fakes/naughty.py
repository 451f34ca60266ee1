"""A receiver whose answers are malformed, endless, slow or redirects."""

import asyncio

from aiohttp import web

from tests.fakes.receiver import Receiver, start


async def html(_request: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><title>Welcome</title>", content_type="text/html")


async def huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(800):
        await response.write(b"x" * 65_536)
    return response


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b".")
        await asyncio.sleep(0.1)


async def broken_gzip(_request: web.Request) -> web.Response:
    return web.Response(body=b"\x1f\x8b\x08\x00 not gzip at all", headers={"Content-Encoding": "gzip"})


async def to_metadata(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"})


def app(receiver: Receiver) -> web.Application:
    pages = {"html": html, "huge": huge, "drip": drip, "gzip": broken_gzip, "redirect": to_metadata}
    return receiver.app([web.route("*", f"/{name}", page) for name, page in pages.items()])


if __name__ == "__main__":
    start(lambda: app(Receiver()), "a receiver that misbehaves")
