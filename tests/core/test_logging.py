"""Log lines say what happened and where, without text from requests."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from tnc.core import logging as logs
from tnc.core.errors import FailedError


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root, raising = logging.getLogger(), logging.raiseExceptions
    kept, level = root.handlers, root.level
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.set_up_logs("debug")
    yield stream
    root.handlers, logging.raiseExceptions = kept, raising
    root.setLevel(level)


def test_exception_messages_are_not_logged(stderr: io.StringIO) -> None:
    log = logging.getLogger("tnc.anything")
    try:
        int("canary 203.0.113.77")
    except ValueError:
        log.exception("it failed")

    (line,) = stderr.getvalue().splitlines()
    logged = json.loads(line)
    assert (logged["event"], logged["error"]) == ("it failed", "ValueError")
    assert logged["where"]
    assert "canary" not in line


def test_messages_of_chained_exceptions_are_not_logged(stderr: io.StringIO) -> None:
    try:
        try:
            int("canary-inner")
        except ValueError as error:
            raise FailedError("canary-outer") from error
    except FailedError:
        logging.getLogger("tnc.anything").exception("it failed")

    assert "canary" not in stderr.getvalue()


@pytest.mark.parametrize("name", ["aiohttp.server", "aiohttp.web", "aiohttp.access", "aiosqlite", "asyncio"])
def test_messages_of_libraries_are_not_logged(stderr: io.StringIO, name: str) -> None:
    log = logging.getLogger(name)
    log.error("Error handling request from %s", "203.0.113.77")
    log.debug("GET /summer?ext=canary from %s with %s", "203.0.113.77", "canary agent")
    log.warning("canary formatted by itself: 203.0.113.77")

    assert [needle for needle in ("canary", "203.0.113.77") if needle in stderr.getvalue()] == []


def test_one_place_in_the_code_writes_a_limited_number_of_lines_a_minute() -> None:
    stream, now = io.StringIO(), [0.0]
    handler = logs.LimitedHandler(stream, clock=lambda: now[0])
    record = logging.LogRecord("tnc.some", logging.ERROR, "some.py", 7, "it failed", None, None)
    other = logging.LogRecord("tnc.some", logging.ERROR, "some.py", 8, "another failed", None, None)

    for _ in range(logs.LINES_A_MINUTE + 50):
        handler.handle(record)
    handler.handle(other)
    assert stream.getvalue().count("it failed") == logs.LINES_A_MINUTE
    assert stream.getvalue().count("another failed") == 1
    now[0] = 61.0
    handler.handle(record)

    assert stream.getvalue().endswith("log lines were left out\nit failed\n")
