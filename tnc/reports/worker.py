"""The child process that computes the server's reports: `python -m tnc.reports.worker CONFIG [niced]`.

It reads requests as JSON lines from standard input and writes results to standard output. It is in the idle class of
the scheduler, or with `niced` above it, and ends after half a minute without a request or when the server is gone.
"""

import logging
import select
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from tnc.core import settings
from tnc.core.clock import World
from tnc.core.errors import TncError, UnavailableError
from tnc.core.logging import set_up_logs
from tnc.core.process import LOWEST, lower_priority
from tnc.reports.client import NICED, ReportChunk, ReportRequest, split_result
from tnc.reports.columns.columns import Columns
from tnc.reports.run import run_report
from tnc.store.workspace import Workspace

log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 30.0
_HURRIED: Final = 5  # somebody waits: a quarter of the time of a program that wants a whole core


def main() -> None:
    lower_priority(_HURRIED if NICED in sys.argv[2:] else LOWEST)
    loaded = settings.load(Path(sys.argv[1]))
    set_up_logs(loaded.log_level)
    with Workspace(loaded, World(), to_write=False) as workspace:
        try:
            columns = Columns(workspace.paths.columns)
        except UnavailableError as error:  # the answer to the one request that this process was started for
            sys.stdin.buffer.readline()
            _write([ReportChunk(error=type(error).__name__, message=str(error))])
            return
        with columns:
            _serve(workspace, columns)


def _serve(workspace: Workspace, columns: Columns) -> None:
    while select.select([sys.stdin], [], [], _IDLE_SECONDS)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        _write(_reply(workspace, columns, line))


def _write(chunks: Iterable[ReportChunk]) -> None:
    for chunk in chunks:
        sys.stdout.buffer.write(msgspec.json.encode(chunk) + b"\n")
    sys.stdout.buffer.flush()


def _reply(workspace: Workspace, columns: Columns, line: bytes) -> Iterator[ReportChunk]:
    try:
        request = msgspec.json.decode(line, type=ReportRequest)
        result = run_report(workspace, columns, request.query)
    except TncError as error:
        yield ReportChunk(error=type(error).__name__, message=str(error))
    except Exception:
        log.exception("a report failed")
        yield ReportChunk(error="FailedError", message="the report failed; the log of the server says where.")
    else:
        yield from split_result(result, as_csv=request.as_csv)


if __name__ == "__main__":
    main()
