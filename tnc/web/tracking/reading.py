"""From aiohttp's request to ours: the last lines that know the framework."""

from urllib.parse import unquote

from aiohttp import web

from tnc.facts.request import Request


def read(request: web.BaseRequest, arrived_at_ms: int) -> Request:
    return Request.of(
        request.headers.items(),
        method=request.method,
        host=request.headers.get("Host", ""),
        target=target_of(request),
        peer=request.remote or "",
        secure=request.secure,
        arrived_at_ms=arrived_at_ms,
    )


def target_of(request: web.BaseRequest) -> str:
    """Path and query as they were sent; a proxy's absolute form is brought to the usual one."""
    target = request.raw_path
    if not target.startswith("/"):
        return "/" + target.partition("://")[2].partition("/")[2]
    return target


def path_of(request: web.BaseRequest) -> str:
    """The decoded path without the slashes around it."""
    path = target_of(request).partition("?")[0].strip("/")
    return unquote(path, errors="replace") if "%" in path else path
