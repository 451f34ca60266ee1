"""Reports for a running server: asked in a child process of low priority, so that clicks do not notice.

The child is started when a report is asked for and leaves when it has had nothing to do for a while: no
analytic library ever lives in the process that serves.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date as Date
from pathlib import Path
from typing import Any, Final

import msgspec

from tnc.core import errors
from tnc.core.errors import FailedError, TncError
from tnc.core.settings import Settings
from tnc.reports.result import Answer

_LONGEST_LINE: Final = 1 << 24
_ROWS_PORTION: Final = 100
_CSV_PORTION: Final = 1 << 16
_PATIENCE_SECONDS: Final = 300.0


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A report as `tnc report` takes it, in the words it was asked in."""

    by: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    where: tuple[str, ...] = ()
    timezone: str = "UTC"
    time: str = "click"
    sort: str | None = None
    limit: int | None = None
    currency: str | None = None
    as_csv: bool = False


class ReportChunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of what the child answers: portions of the rows or of the CSV first, then the rest, or why there is none.

    A report may have a hundred thousand rows. Read at once they would keep the server's loop for half a second.
    """

    more: bool = False  # another line follows
    rows: list[dict[str, Any]] = []
    csv: str = ""
    answer: dict[str, Any] | None = None  # without its rows; empty after a CSV
    refused: str | None = None  # name of the class in tnc.errors
    text: str = ""


def in_lines(answer: Answer, *, as_csv: bool) -> Iterator[ReportChunk]:
    if as_csv:
        text = answer.csv()
        yield from (
            ReportChunk(csv=text[at : at + _CSV_PORTION], more=True) for at in range(0, len(text), _CSV_PORTION)
        )
        yield ReportChunk(answer={})
        return
    shown = answer.json()
    rows = shown.pop("rows")
    yield from (ReportChunk(rows=rows[at : at + _ROWS_PORTION], more=True) for at in range(0, len(rows), _ROWS_PORTION))
    yield ReportChunk(answer=shown)


class ReportClient:
    """The child process, from the side of the server. One question at a time."""

    def __init__(self, config: Path) -> None:
        self._command = (sys.executable, "-m", "tnc.reports.worker", str(config))
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def answer(self, asked: Asked) -> dict[str, Any]:
        """Raises what the report refuses with, and FailedError when the child does not answer."""
        *portions, last = await self._lines(asked)
        return {**(last.answer or {}), "rows": [row for each in portions for row in each.rows]}

    async def csv(self, asked: Asked) -> str:
        """The same as CSV, every figure in full. Raises what `answer` raises."""
        return "".join(each.csv for each in await self._lines(msgspec.structs.replace(asked, as_csv=True)))

    async def _lines(self, asked: Asked) -> list[ReportChunk]:
        async with self._turn:
            line = msgspec.json.encode(asked) + b"\n"
            told = await self._ask(line) or await self._ask(line)  # it may just have left: then a new one is asked
        if not told:
            raise FailedError("the report could not be made; `tnc report` on the command line says why.")
        last = told[-1]
        if last.refused is not None:
            kind = getattr(errors, last.refused, FailedError)
            raise kind(last.text) if isinstance(kind, type) and issubclass(kind, TncError) else FailedError(last.text)
        return told

    async def catch_up(self) -> None:
        """Copy what is new, so that the next report has little to wait for."""
        await self.answer(Asked(metrics=("visits",), limit=0))

    async def _ask(self, line: bytes) -> list[ReportChunk]:
        """Nothing when the child does not answer to the end."""
        child = self._child
        if child is None or child.returncode is not None:
            child = self._child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
            )
        if child.stdin is None or child.stdout is None:
            return []
        try:
            child.stdin.write(line)
            await child.stdin.drain()
            told = [await _next_line(child.stdout)]
            while told[-1].more:
                await asyncio.sleep(0)  # a line that is there already lets nobody else have a turn
                told.append(await _next_line(child.stdout))
        except (OSError, TimeoutError, ValueError, msgspec.DecodeError):
            await self.close()
            return []
        except asyncio.CancelledError:  # nobody waits for this answer any more: it must not be the next one's
            await self.close()
            raise
        return told

    async def close(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            await child.wait()


async def _next_line(lines: asyncio.StreamReader) -> ReportChunk:
    return msgspec.json.decode(await asyncio.wait_for(lines.readline(), _PATIENCE_SECONDS), type=ReportChunk)


def keep_sums(settings: Settings, dates: Sequence[Date]) -> None:
    """Have a child make the sums of these days, and wait for it. Raises FailedError."""
    words = (str(settings.data), str(settings.key), *(date.isoformat() for date in dates))
    command = (sys.executable, "-m", "tnc.reports.rollup_worker", *words)
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode:  # noqa: S603 - our own program
        raise FailedError("the sums of days that go could not be made; the log says why.")
