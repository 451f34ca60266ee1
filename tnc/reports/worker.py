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
from tnc.core.process import stand_back
from tnc.reports.answering import exchange_of, question_of, reports_of
from tnc.reports.client import Asked, Told, in_lines
from tnc.reports.columns.columns import Columns
from tnc.reports.run import Reports
from tnc.store.workspace import House

log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 30.0


def main() -> None:
    stand_back()
    loaded = settings.load(Path(sys.argv[1]))
    set_up_logs(loaded.log_level)
    with House(loaded, World(), to_write=False) as house, Columns(house.rooms.columns) as columns:
        reports = reports_of(house, columns)
        while select.select([sys.stdin], [], [], _IDLE_SECONDS)[0]:
            line = sys.stdin.buffer.readline()
            if not line:
                return
            for told in _told(house, reports, line):
                sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
            sys.stdout.buffer.flush()


def _told(house: House, reports: Reports, line: bytes) -> Iterator[Told]:
    try:
        asked = msgspec.json.decode(line, type=Asked)
        answer = reports.ask(question_of(house, asked), exchange_of(house))
    except TncError as error:
        yield Told(refused=type(error).__name__, text=str(error))
    except Exception:
        log.exception("a report failed")
        yield Told(refused="FailedError", text="the report failed; the log of the server says where.")
    else:
        yield from in_lines(answer, as_csv=asked.as_csv)


if __name__ == "__main__":
    main()
