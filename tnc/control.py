"""The local socket: while a server runs, commands that change something go through it.

One writer owns each file, so a command never opens them beside the server. HTTP over a Unix socket that only
the data directory's owner can reach; every answer is JSON, a refusal keeps its exit code.
"""

import asyncio
import http.client
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from tnc import errors
from tnc.conversions.incoming import read_postback
from tnc.errands import Errands
from tnc.errors import FailedError, TncError
from tnc.operations import Operations

OPERATIONS: Final = web.AppKey("OPERATIONS", Operations)
ERRANDS: Final = web.AppKey("ERRANDS", Mapping[str, Callable[..., Any]])
_LARGEST: Final = 1 << 31
_REFUSALS: Final = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TncError)
}


# ------------------------------------------------------------------------------------------ in the server


async def _apply(request: web.Request) -> Any:
    given = await request.json()
    told = {"file": given["file"], "prune": given["prune"], "secret": given["secrets"].__getitem__}
    return request.app[OPERATIONS].apply, (given["text"],), told


async def _roll_back(request: web.Request) -> Any:
    return request.app[OPERATIONS].roll_back, ((await request.json())["version"],), {}


async def _add_conversion(request: web.Request) -> Any:
    return request.app[OPERATIONS].add_conversion, (read_postback(await request.json()),), {}


async def _import_clicks(request: web.Request) -> Any:
    lines = (await request.read()).split(b"\n")
    return request.app[OPERATIONS].import_clicks, (lines,), {"file": request.query["file"]}


async def _errand(request: web.Request) -> Any:
    return request.app[ERRANDS][request.match_info["name"]], (), await request.json()


def _handler(read: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            operation, arguments, keywords = await read(request)
            return web.json_response(await asyncio.to_thread(operation, *arguments, **keywords))
        except TncError as error:
            return web.json_response({"refused": type(error).__name__, "text": str(error)}, status=422)

    return handle


def control_app(operations: Operations, errands: Errands) -> web.Application:
    app = web.Application(client_max_size=_LARGEST)
    app[OPERATIONS] = operations
    app[ERRANDS] = errands
    app.add_routes(
        [
            web.post("/apply", _handler(_apply)),
            web.post("/roll-back", _handler(_roll_back)),
            web.post("/conversion", _handler(_add_conversion)),
            web.post("/clicks", _handler(_import_clicks)),
            web.post("/errands/{name}", _handler(_errand)),
        ]
    )
    return app


# ------------------------------------------------------------------------------------------ in a command


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """The socket by a path that fits its 108 bytes, however deep the data directory lies."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=600)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short_path(self._path) as path:
            self.sock.connect(path)


class Remote:
    """A running server, asked from another process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def answers(self) -> bool:
        """Is there a server behind the socket?"""
        connection = _Connection(self._path)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    def _ask(self, address: str, body: bytes) -> Any:
        connection = _Connection(self._path)
        try:
            connection.request("POST", address, body=body, headers={"Content-Type": "application/json"})
            answer = connection.getresponse()
            told: Any = json.loads(answer.read()) if answer.status in (200, 422) else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise FailedError(f"the running server did not answer ({error}); see its log.") from error
        finally:
            connection.close()
        if answer.status == 422:
            raise _REFUSALS.get(told["refused"], FailedError)(told["text"])
        if answer.status != 200:
            raise FailedError("the running server could not do it; see its log.")
        return told

    def do(self, errand: str, **given: Any) -> Any:
        """One of `tnc.errands`."""
        return self._ask(f"/errands/{quote(errand)}", json.dumps(given).encode())

    def apply(self, text: str, *, file: str, prune: bool, secrets: Mapping[str, str]) -> dict[str, Any]:
        """`secrets` are those that the text refers to, read by who asks."""
        said = {"text": text, "file": file, "prune": prune, "secrets": dict(secrets)}
        told: dict[str, Any] = self._ask("/apply", json.dumps(said).encode())
        return told

    def roll_back(self, version: int) -> dict[str, Any]:
        told: dict[str, Any] = self._ask("/roll-back", json.dumps({"version": version}).encode())
        return told

    def add_conversion(self, params: dict[str, str]) -> dict[str, Any]:
        told: dict[str, Any] = self._ask("/conversion", json.dumps(params).encode())
        return told

    def import_clicks(self, lines: Iterable[bytes], *, file: str) -> dict[str, Any]:
        told: dict[str, Any] = self._ask(f"/clicks?file={file}", b"\n".join(line.rstrip(b"\n") for line in lines))
        return told
