"""Addresses that the owner or an attacker could make the server call: nothing inside is reached."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.target import Target

pytestmark = pytest.mark.e2e

INSIDE = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "localhost", "localhost.", "LOCALHOST",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1",
    "172.16.0.1", "192.168.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "100.64.0.1", "0.0.0.0",
    "\uff11\uff12\uff17.0.0.1", "metadata.google.internal", "user@127.0.0.1", "224.0.0.1", "255.255.255.255",
)  # fmt: skip


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what came to it: nothing may."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    came.append(connection.recv(100))

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], came
        finally:
            stop.set()
            thread.join()
        assert came == []


def webhook(url: str) -> str:
    return f'[[destination]]\nid = "inside"\ntype = "postback"\nurl = "{url}"\n'


@pytest.mark.parametrize("host", INSIDE)
def test_a_destination_inside_is_refused_or_never_connected(
    target: Target, tmp_path: Path, listening: tuple[int, list[bytes]], host: str
) -> None:
    (port, came), file = listening, tmp_path / "inside.toml"
    file.write_text(webhook(f"http://{host}:{port}/hit"))
    done = target.tnc("apply", str(file))
    if done.returncode == 0:  # the name could be looked up elsewhere: refused when it is connected to
        target.tnc("destination", "test", "inside", "--json")
    else:
        assert done.returncode == 2, done.stderr
    assert came == []
