"""The child process that answers the server's reports: `python -m tnc.reportchild CONFIG`.

Questions come as JSON lines on standard input, answers leave on standard output. It gives way to everything
else on the machine, and ends when nothing has been asked for half a minute or the server is gone.
"""

import logging
import select
import sys
from pathlib import Path
from typing import Final

import msgspec

from tnc import settings
from tnc.answering import exchange_of, question_of, reports_of
from tnc.errors import TncError
from tnc.house import House
from tnc.logs import set_up_logs
from tnc.niceness import stand_back
from tnc.reporting import Asked, Told
from tnc.store.columns import Columns
from tnc.store.reports import Reports
from tnc.world import World

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
            sys.stdout.buffer.write(msgspec.json.encode(_told(house, reports, line)) + b"\n")
            sys.stdout.buffer.flush()


def _told(house: House, reports: Reports, line: bytes) -> Told:
    try:
        asked = msgspec.json.decode(line, type=Asked)
        answer = reports.ask(question_of(house, asked), exchange_of(house))
        return Told(answer=answer.json())
    except TncError as error:
        return Told(refused=type(error).__name__, text=str(error))
    except Exception:
        log.exception("a report failed")
        return Told(refused="FailedError", text="the report failed; the log of the server says where.")


if __name__ == "__main__":
    main()
