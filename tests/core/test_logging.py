"""Log lines say what happened and where, and never a word that came from somebody."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from tnc.core import logging as logs
from tnc.core.errors import FailedError


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root, raising = logging.getLogger(), logging.raiseExceptions
    kept, level = root.handlers, root.level
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.set_up_logs("debug")
    yield stream
    root.handlers, logging.raiseExceptions = kept, raising
    root.setLevel(level)


def test_the_words_of_a_failure_stay_out(written: io.StringIO) -> None:
    log = logging.getLogger("tnc.anything")
    try:
        int("canary 203.0.113.77")
    except ValueError:
        log.exception("it failed")

    (line,) = written.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["error"]) == ("it failed", "ValueError")
    assert told["where"]
    assert "canary" not in line


def test_the_words_of_a_chain_of_failures_stay_out(written: io.StringIO) -> None:
    try:
        try:
            int("canary-inner")
        except ValueError as error:
            raise FailedError("canary-outer") from error
    except FailedError:
        logging.getLogger("tnc.anything").exception("it failed")

    assert "canary" not in written.getvalue()


@pytest.mark.parametrize("name", ["aiohttp.server", "aiohttp.web", "aiohttp.access", "aiosqlite", "asyncio"])
def test_what_a_library_says_of_a_visitor_stays_out(written: io.StringIO, name: str) -> None:
    log = logging.getLogger(name)
    log.error("Error handling request from %s", "203.0.113.77")
    log.debug("GET /summer?ext=canary from %s with %s", "203.0.113.77", "canary agent")
    log.warning("canary formatted by itself: 203.0.113.77")

    assert [needle for needle in ("canary", "203.0.113.77") if needle in written.getvalue()] == []
