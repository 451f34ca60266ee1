"""`tnc bench`, and the load generator of all measurements."""

import json
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import pytest
from click.testing import CliRunner

from tnc.admin.bench.load import Answers, Crowd, get, is_whole
from tnc.admin.bench.visitors import visitors
from tnc.cli.main import group

WHOLE = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def listener(*pieces: bytes) -> Iterator[tuple[str, int]]:
    """Sends these pieces to each connection, one after the other, and closes it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as bound:

        def serve() -> None:
            while True:
                try:
                    connection, _ = bound.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    for piece in pieces:
                        connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield bound.getsockname()
        bound.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_every_reply_is_read_completely_and_once() -> None:
    heard: list[bytes] = []
    with listener(WHOLE[:30], WHOLE[30:]) as address:
        crowd = Crowd(address, repeat(get("/", {"Host": "a"})), heard.append)

        answers = crowd.in_turn(4, 0.2)

        crowd.close()
    assert len(answers.latencies_ms) == len(heard) > 4
    assert set(heard) == {WHOLE}
    assert answers.failed == 0


def test_requests_are_sent_at_their_scheduled_times() -> None:
    with listener(WHOLE) as address:
        crowd = Crowd(address, repeat(get("/", {"Host": "a"})))

        answers = crowd.at_rate(100, 0.3)

        crowd.close()
    assert len(answers.latencies_ms) + answers.failed == 30
    assert answers.seconds >= 0.29


def test_a_truncated_reply_counts_as_failed() -> None:
    with listener(WHOLE[:-1]) as address:
        crowd = Crowd(address, repeat(get("/", {"Host": "a"})))

        answers = crowd.at_rate(50, 0.1)

        crowd.close()
    assert (answers.latencies_ms, answers.failed) == ([], 5)


def test_a_refused_connection_counts_as_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = bound.getsockname()
    crowd = Crowd(address, repeat(get("/", {"Host": "a"})))

    answers = crowd.in_turn(2, 0.05)

    crowd.close()
    assert answers.failed > 0
    assert math.isnan(answers.percentile(0.5))


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"", False),
        (b"HTTP/1.1 302 Found\r\nContent-Le", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", True),
    ],
)
def test_a_reply_is_complete_when_its_body_is(answer: bytes, *, whole: bool) -> None:
    assert is_whole(answer) is whole


def test_percentiles_are_those_of_the_sorted_latencies() -> None:
    answers = Answers(latencies_ms=[float(n) for n in range(100, 0, -1)], seconds=2.0)

    assert [answers.percentile(share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 51, 100, 100]
    assert answers.per_second == 50


def test_the_same_seed_makes_the_same_visitors() -> None:
    one, two, other = visitors(1, host="go.example"), visitors(1, host="go.example"), visitors(2, host="go.example")

    first = [next(one) for _ in range(200)]

    assert first == [next(two) for _ in range(200)]
    assert first != [next(other) for _ in range(200)]
    assert len(set(first)) == 200
    assert all(each.endswith(b"\r\n\r\n") and each.startswith((b"GET /shoes?", b"GET /boots?")) for each in first)


@pytest.mark.e2e
def test_tnc_bench_prints_figures_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    done = CliRunner().invoke(group, ["--config", str(tmp_path / "none.toml"), "bench", "--seconds", "0.5", "--json"])

    assert done.exit_code == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["failed"] == 0
    assert figures["clicks"] > 10
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert figures["report_ms"] > 0
    assert list(tmp_path.iterdir()) == []
