"""The child process that answers the server's reports: `python -m tnc.reportchild CONFIG`.

Questions come as JSON lines on standard input, answers leave on standard output. It gives way to everything
else on the machine, and ends when nothing has been asked for half a minute or the server is gone.
"""

import logging
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tnc.core import settings
from tnc.core.clock import World
from tnc.core.errors import TncError
from tnc.core.logging import set_up_logs
from tnc.core.process import lower_priority
from tnc.reports.answering import exchange_of, question_of, reports_of
from tnc.reports.client import Asked, ReportChunk, in_lines
from tnc.reports.columns.columns import Columns
from tnc.reports.run import Reports
from tnc.store.workspace import Workspace

log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 30.0


def main() -> None:
    lower_priority()
    loaded = settings.load(Path(sys.argv[1]))
    set_up_logs(loaded.log_level)
    with Workspace(loaded, World(), to_write=False) as workspace, Columns(workspace.paths.columns) as columns:
        reports = reports_of(workspace, columns)
        while select.select([sys.stdin], [], [], _IDLE_SECONDS)[0]:
            line = sys.stdin.buffer.readline()
            if not line:
                return
            for told in _told(workspace, reports, line):
                sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
            sys.stdout.buffer.flush()


def _told(workspace: Workspace, reports: Reports, line: bytes) -> Iterator[ReportChunk]:
    try:
        asked = msgspec.json.decode(line, type=Asked)
        answer = reports.ask(question_of(workspace, asked), exchange_of(workspace))
    except TncError as error:
        yield ReportChunk(refused=type(error).__name__, text=str(error))
    except Exception:
        log.exception("a report failed")
        yield ReportChunk(refused="FailedError", text="the report failed; the log of the server says where.")
    else:
        yield from in_lines(answer, as_csv=asked.as_csv)


if __name__ == "__main__":
    main()
