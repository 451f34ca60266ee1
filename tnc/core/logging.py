"""Logs: one JSON object per line on stderr. Events have fields, but never an IP address, an id or a full URL."""

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TextIO

from tnc.core.settings import LogLevel

LINES_A_MINUTE: Final = 200
_MINUTE_SECONDS: Final = 60.0
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name.partition(".")[0] == "tnc":
            line["event"] = record.getMessage()
            line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        else:  # messages of libraries may hold what a request sent
            line["event"] = f"message of {record.name}: {record.funcName}, line {record.lineno}"
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record.exc_info[2])
        return json.dumps(line, default=str)


def _where(trace: TracebackType | None) -> list[str]:
    """Files and lines of a traceback without the message: that of a library may hold personal data."""
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places


class LimitedHandler(logging.StreamHandler[TextIO]):
    """At most LINES_A_MINUTE of one place in the code; what is beyond that is counted and reported.

    Level `debug` has no limit: it is turned on for a short time.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._began = clock()
        self._written: Counter[tuple[str, int]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held."""
        if self._clock() - self._began >= _MINUTE_SECONDS:
            self.report()
        place = (record.pathname, record.lineno)
        if record.levelno > logging.DEBUG:
            self._written[place] += 1
            if self._written[place] > LINES_A_MINUTE:
                return
        super().emit(record)

    def report(self) -> None:
        """Write how many lines were left out since the last time."""
        omitted = sum(max(0, number - LINES_A_MINUTE) for number in self._written.values())
        self._written.clear()
        self._began = self._clock()
        if omitted:
            line = logging.LogRecord(__name__, logging.WARNING, __file__, 0, "log lines were left out", None, None)
            line.count = omitted
            super().emit(line)


def set_up_logs(level: LogLevel) -> None:
    handler = LimitedHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("aiohttp", "aiosqlite", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns each time that a job is due while it still runs or waits, which is as it should be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.raiseExceptions = False
