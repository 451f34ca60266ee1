"""Reports for a running server, computed in a child process of low priority so that clicks do not slow down.

The child starts with the first report and ends after half a minute without work: DuckDB is never loaded into the
process that serves clicks.
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
from tnc.reports.query import ReportQuery
from tnc.reports.result import ReportResult

_LONGEST_LINE: Final = 1 << 24
_ROWS_PORTION: Final = 100
_CSV_PORTION: Final = 1 << 16
_TIMEOUT_SECONDS: Final = 300.0  # for the child, from one line to the next
_IDLE_SECONDS: Final = 2.0  # a child of the idle class that has not answered by then is replaced by a quicker one
PAGE_SECONDS: Final = 20.0  # a page comes without its figures after so long


NICED: Final = "niced"  # argument of a child that is not in the idle class


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line to the child."""

    query: ReportQuery
    as_csv: bool = False


class ReportChunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line from the child. A result is portions of its rows or of its CSV, then `result`; an error is one line.

    A report may have a hundred thousand rows. Read at once they would keep the server's loop for half a second.
    """

    more: bool = False  # another line follows
    rows: list[dict[str, Any]] = []
    csv: str = ""
    result: dict[str, Any] | None = None  # JSON of the result without its rows; empty after a CSV
    error: str | None = None  # name of the class in tnc.core.errors
    message: str = ""


def split_result(result: ReportResult, *, as_csv: bool) -> Iterator[ReportChunk]:
    if as_csv:
        text = result.to_csv()
        yield from (
            ReportChunk(csv=text[at : at + _CSV_PORTION], more=True) for at in range(0, len(text), _CSV_PORTION)
        )
        yield ReportChunk(result={})
        return
    shown = result.to_json()
    rows = shown.pop("rows")
    yield from (ReportChunk(rows=rows[at : at + _ROWS_PORTION], more=True) for at in range(0, len(rows), _ROWS_PORTION))
    yield ReportChunk(result=shown)


class ReportClient:
    """The server's side of the child process. It computes one report at a time.

    The child is in the scheduler's idle class, which gives its core to a click at once. While other programs want all
    cores it gets no time at all. So when somebody waits for a report and it takes long, a child that is only niced
    begins it again; and copying new clicks into the columns, for which nobody waits, gives way to it.
    """

    def __init__(self, config: Path) -> None:
        self._command = (sys.executable, "-m", "tnc.reports.worker", str(config))
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._catching_up: asyncio.Task[Any] | None = None

    async def fetch_page(self, *queries: ReportQuery) -> list[dict[str, Any]]:
        """The results for one page, which does not wait longer than PAGE_SECONDS. Raises what `fetch` raises."""
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                return [await self.fetch(query) for query in queries]
        except TimeoutError:
            raise _late(PAGE_SECONDS) from None

    async def fetch(self, query: ReportQuery) -> dict[str, Any]:
        """The result as JSON. Raises what the report raises, and FailedError when the child does not answer in time."""
        *portions, last = await self._in_time(ReportRequest(query=query))
        return {**(last.result or {}), "rows": [row for each in portions for row in each.rows]}

    async def fetch_csv(self, query: ReportQuery) -> str:
        """The same as CSV, every number in full. Raises what `fetch` raises."""
        return "".join(each.csv for each in await self._in_time(ReportRequest(query=query, as_csv=True)))

    async def _in_time(self, request: ReportRequest) -> list[ReportChunk]:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await self._interrupt_catch_up()
                return await self._request(request, waited_for=True)
        except TimeoutError:
            raise _late(_TIMEOUT_SECONDS) from None

    async def _interrupt_catch_up(self) -> None:
        """What it has copied so far stays; the next run goes on from there."""
        task = self._catching_up
        if task is not None and not task.done():
            await asyncio.wait((task,), timeout=_IDLE_SECONDS)
            task.cancel()

    async def _request(self, request: ReportRequest, *, waited_for: bool) -> list[ReportChunk]:
        async with self._turn:
            line = msgspec.json.encode(request) + b"\n"
            # The child may just have ended for want of work: the second try starts a new one.
            try:
                async with asyncio.timeout(_IDLE_SECONDS if waited_for else _TIMEOUT_SECONDS):
                    chunks = await self._exchange(line) or await self._exchange(line)
            except TimeoutError:
                chunks = await self._exchange(line, idle=False)
        if not chunks:
            raise FailedError("the report could not be made; `tnc report` on the command line says why.")
        last = chunks[-1]
        if last.error is not None:
            kind = getattr(errors, last.error, FailedError)
            is_ours = isinstance(kind, type) and issubclass(kind, TncError)
            raise kind(last.message) if is_ours else FailedError(last.message)
        return chunks

    async def catch_up(self) -> None:
        """Copy new clicks into the columns, so that the next report has little to wait for. Ends early when somebody
        asks for a report.
        """
        request = ReportRequest(query=ReportQuery(metrics=("visits",), limit=0))
        self._catching_up = asyncio.create_task(self._request(request, waited_for=False))
        await asyncio.wait((self._catching_up,))
        if not self._catching_up.cancelled():
            self._catching_up.result()

    async def _exchange(self, line: bytes, *, idle: bool = True) -> list[ReportChunk]:
        """Send a line and read all that comes back; empty when the child stops before the end."""
        child = self._child
        if child is None or child.returncode is not None:
            child = self._child = await asyncio.create_subprocess_exec(
                *self._command,
                *(() if idle else (NICED,)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
            )
        if child.stdin is None or child.stdout is None:
            return []
        try:
            child.stdin.write(line)
            await child.stdin.drain()
            chunks = [await _next_chunk(child.stdout)]
            while chunks[-1].more:
                await asyncio.sleep(0)  # reading a line that is there already would not let other tasks run
                chunks.append(await _next_chunk(child.stdout))
        except (OSError, TimeoutError, ValueError, msgspec.DecodeError):
            await self.close()
            return []
        except asyncio.CancelledError:  # the rest of this result must not be taken for the next one's
            await self.close()
            raise
        return chunks

    async def close(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            await child.wait()


def _late(seconds: float) -> FailedError:
    return FailedError(
        f"the figures are not here after {max(1, round(seconds))} seconds: the machine is busy, or many new clicks are "
        "being added up. Try again in a moment."
    )


async def _next_chunk(lines: asyncio.StreamReader) -> ReportChunk:
    return msgspec.json.decode(await lines.readline(), type=ReportChunk)


def roll_up_days(settings: Settings, dates: Sequence[Date]) -> None:
    """Have a child archive the sums of these days, and wait for it. Raises FailedError."""
    words = (str(settings.data), str(settings.key), *(date.isoformat() for date in dates))
    command = (sys.executable, "-m", "tnc.reports.rollup_worker", *words)
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode:  # noqa: S603 - our own program
        raise FailedError("the sums of days that end could not be archived; the log says why.")
