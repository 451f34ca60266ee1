"""Connections that are held open, half-closed or cut off: clicks of other networks are answered all the same."""

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.security.target import AGENT, CAMPAIGNS, EMAIL, PASSWORD
from tnc.admin.bench.server_process import ServerProcess, memory_mb

pytestmark = pytest.mark.e2e

POST: Final = b"POST /postback HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n"
GO: Final = b"GET /go HTTP/1.1\r\nHost: t\r\nUser-Agent: " + AGENT.encode() + b"\r\n"
LAST: Final = GO + b"Connection: close\r\n\r\n"


@contextmanager
def strict_server(folder: Path, *before: str) -> Iterator[ServerProcess]:
    """A server that trusts no proxy: limits hold for loopback addresses."""
    with ServerProcess(folder / "data", before=before) as server:
        server.init("--owner-email", EMAIL, "--owner-password-stdin", given=PASSWORD)
        text = server.config.read_text().replace('trusted_proxies = ["127.0.0.0/8"]', "trusted_proxies = []")
        assert "trusted_proxies = []" in text
        server.config.write_text(text)
        file = folder / "campaigns.toml"
        file.write_text(CAMPAIGNS)
        server.apply(file)
        server.serve()
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with strict_server(tmp_path_factory.mktemp("slow")) as server:
        yield server


@pytest.fixture(autouse=True)
def _enough_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(address: tuple[str, int], data: bytes, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(address, timeout=30, source_address=(source, 0))
    connection.sendall(data)
    return connection


def all_of(connection: socket.socket) -> bytes:
    text = b""
    try:
        while part := connection.recv(65_536):
            text += part
    except ConnectionError:
        pass
    return text


def clicks(server: ServerProcess, number: int, network: str = "127.0.1") -> int:
    """How many of `number` clicks from another network are answered, each within two seconds."""
    answered = 0
    for each in range(number):
        try:
            with socket.create_connection(
                server.tracking, timeout=2, source_address=(f"{network}.{1 + each % 250}", 0)
            ) as connection:
                connection.sendall(LAST)
                answered += all_of(connection).startswith(b"HTTP/1.1 302")
        except OSError:
            pass
    return answered


CHUNKED = b"POST /postback HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
FORM_TYPE = b"Content-Type: application/x-www-form-urlencoded\r\n"
LONG = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n" + FORM_TYPE + b"Content-Length: 999\r\n\r\n"


def test_bodies_that_do_not_come_are_refused_within_their_deadline(server: ServerProcess) -> None:
    heads: dict[str, tuple[socket.socket, bytes, float]] = {
        "silent": (connect(server.tracking, POST), b"", 8),
        "dribbled": (connect(server.tracking, LONG % b"/postback"), b"a", 8),
        "chunked": (connect(server.tracking, CHUNKED), b"1\r\na\r\n", 8),
        "privacy": (connect(server.tracking, LONG % b"/privacy"), b"a", 8),
        "gpb.php": (connect(server.tracking, LONG % b"/gpb.php"), b"", 8),
        "unknown address": (connect(server.tracking, LONG % b"/nothing-here"), b"", 8),
        "sign-in": (connect(server.dashboard, LONG % b"/sign-in"), b"", 14),
    }
    start = time.monotonic()
    still = dict(heads)
    texts = dict.fromkeys(heads, b"")
    while still and time.monotonic() - start < 16:
        for name, (connection, dribble, limit) in list(still.items()):
            connection.settimeout(0.05)
            try:
                if dribble:
                    connection.sendall(dribble)
                part = connection.recv(4096)
                texts[name] += part
                closed = not part
            except TimeoutError:
                closed = False
            except ConnectionError:
                closed = True
            if closed:
                del still[name]
                assert time.monotonic() - start < limit, name
                connection.close()
        time.sleep(0.1)

    assert not still
    assert texts["silent"].startswith(b"HTTP/1.1 408")
    assert texts["sign-in"].startswith(b"HTTP/1.1 408")
    assert '"level": "error"' not in server.log.read_text()


def test_held_connections_leave_others_their_clicks(tmp_path: Path) -> None:
    """4,000 of one /24, then 1,500 of 200 networks together, against 1,024 descriptors."""
    with strict_server(tmp_path, "prlimit", "--nofile=1024:1024") as server, ExitStack() as held:
        before = memory_mb(server.pid)
        assert clicks(server, 20) == 20
        for number in range(4_000):
            data = (POST, GO, b"", LONG % b"/privacy")[number % 4]
            source = f"127.0.0.{1 + number % 250}"
            held.enter_context(connect(server.tracking, data, source))

        assert clicks(server, 200) >= 198
        assert clicks(server, 50, network="127.0.0") >= 49, "also of the network itself"
        for number in range(1_500):
            held.enter_context(connect(server.tracking, POST, f"127.0.{2 + number % 200}.1"))
        assert clicks(server, 100) >= 99
        assert memory_mb(server.pid) - before < 100
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 5
    assert '"level": "error"' not in server.log.read_text()


def test_a_stop_takes_under_5_seconds_whatever_is_open(server: ServerProcess) -> None:
    with ExitStack() as held:
        for sent in (POST, GO, b"", LAST[:-2], b"GET /-/health HTTP/1.1\r\nHost: t\r\n\r\n"):
            for address in (server.tracking, server.dashboard):
                held.enter_context(connect(address, sent))
        time.sleep(0.3)
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 5
    server.serve()


def test_a_client_that_closes_its_half_gets_its_answer(server: ServerProcess) -> None:
    for address, data, status in (
        (server.tracking, GO + b"\r\n", b"302"),
        (server.tracking, b"GET /-/health HTTP/1.1\r\nHost: t\r\n\r\n", b"200"),
        (server.tracking, POST + b"cid=abcde", b"404"),
        (server.dashboard, b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"200"),
    ):
        for pause in (0.0, 0.02):
            with connect(address, data) as connection:
                time.sleep(pause)
                connection.shutdown(socket.SHUT_WR)
                start = time.monotonic()
                text = all_of(connection)
                assert text.startswith(b"HTTP/1.1 " + status), (data, text)
                assert time.monotonic() - start < 3


def test_a_second_request_right_after_the_first_is_answered(server: ServerProcess) -> None:
    for second in (LAST, b"GET /-/health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"):
        for _ in range(20):
            with connect(server.tracking, GO + b"\r\n") as connection:
                connection.sendall(second)
                text = all_of(connection)
            assert text.count(b"HTTP/1.1 ") == 2, text


def test_a_request_line_without_a_version_is_refused_without_a_log_line(server: ServerProcess) -> None:
    before = server.log.read_text()
    for line in (b"GET /go\r\n\r\n", b"HEAD /x\r\n\r\n", b"GET /\r\n\r\n"):
        with connect(server.tracking, line) as connection:
            assert b" 400 " in all_of(connection).partition(b"\r\n")[0], line
    assert server.log.read_text() == before


def _tls_hello(address: tuple[str, int]) -> None:
    with connect(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))) as connection:
        all_of(connection)


def _unreadable(address: tuple[str, int]) -> None:
    with connect(address, b"GET /go HTTP/1.1\r\nBad Header\r\n\r\n") as connection:
        all_of(connection)


def _dropped_body(address: tuple[str, int]) -> None:
    connection = connect(address, POST + b"a")
    time.sleep(0.01)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def _broken_chunks(address: tuple[str, int]) -> None:
    with connect(address, CHUNKED + b"zz\r\n") as connection:
        all_of(connection)


@pytest.mark.parametrize("attack", [_tls_hello, _unreadable, _dropped_body, _broken_chunks])
def test_broken_requests_are_counted_in_one_log_line(
    server: ServerProcess, attack: Callable[[tuple[str, int]], None]
) -> None:
    before = server.log.stat().st_size
    for address in (server.tracking, server.dashboard):
        for _ in range(25):
            attack(address)
    time.sleep(0.2)

    assert server.log.stat().st_size == before
    assert clicks(server, 1) == 1


def test_the_counts_are_written_when_the_server_stops(server: ServerProcess) -> None:
    _unreadable(server.tracking)
    _tls_hello(server.tracking)
    server.stop()

    lines = server.log.read_text()
    assert "requests could not be read" in lines
    assert '"level": "error"' not in lines
    server.serve()
