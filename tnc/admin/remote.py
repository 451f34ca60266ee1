"""The client of the local socket: calls the running server from a `tnc` command."""

import http.client
import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tnc.core import errors
from tnc.core.errors import FailedError, TncError

Json = Any
"""What JSON can hold."""

_REFUSALS: Final = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TncError)
}


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A path of the socket within the limit of 108 bytes, however long the path of the data directory is."""
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
    """The running server behind a socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def answers(self) -> bool:
        """Whether a server accepts connections."""
        connection = _Connection(self._path)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    def _post(self, path: str, body: bytes) -> Json:
        connection = _Connection(self._path)
        try:
            connection.request("POST", path, body=body, headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            result: Json = json.loads(response.read()) if response.status in (200, 422) else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise FailedError(f"the running server did not answer ({error}); see its log.") from error
        finally:
            connection.close()
        if response.status == 422:
            raise _REFUSALS.get(result["refused"], FailedError)(result["text"])
        if response.status == 404:
            raise FailedError("the running server is another version of tnc without this command; restart it.")
        if response.status != 200:
            raise FailedError("the running server could not do it; see its log.")
        return result

    def call(self, command: str, **given: Json) -> Json:
        """Call one of `Services.commands`, or of those that only a server has (see `tnc.app`).

        Raises the error that the command raised, and FailedError when the server does not answer.
        """
        return self._post(f"/commands/{quote(command)}", json.dumps(given).encode())

    def import_clicks(self, lines: Iterable[bytes], *, file: str, first: int) -> Json:
        """Import a portion of a file, whose first line has the number `first`."""
        return self._post(f"/clicks?file={quote(file)}&first={first}", b"\n".join(lines))
