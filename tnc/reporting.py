"""Reports for a running server: asked in a child process of low priority, so that clicks do not notice.

The child is started when a report is asked for and leaves when it has had nothing to do for a while: no
analytic library ever lives in the process that serves.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date as Date  # noqa: N812 - a day is called `date` throughout
from pathlib import Path
from typing import Any, Final

import msgspec

from tnc import errors
from tnc.errors import FailedError, TncError
from tnc.settings import Settings

_LONGEST_LINE: Final = 1 << 28
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


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the child answers: a report, or why there is none."""

    answer: dict[str, Any] | None = None
    refused: str | None = None  # name of the class in tnc.errors
    text: str = ""


class Reporter:
    """The child process, from the side of the server. One question at a time."""

    def __init__(self, config: Path) -> None:
        self._command = (sys.executable, "-m", "tnc.reportchild", str(config))
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def answer(self, asked: Asked) -> dict[str, Any]:
        """Raises what the report refuses with, and FailedError when the child does not answer."""
        async with self._turn:
            line = msgspec.json.encode(asked) + b"\n"
            told = await self._ask(line) or await self._ask(line)  # it may just have left: then a new one is asked
        if told is None:
            raise FailedError("the report could not be made; `tnc report` on the command line says why.")
        if told.refused is not None:
            kind = getattr(errors, told.refused, FailedError)
            raise kind(told.text) if isinstance(kind, type) and issubclass(kind, TncError) else FailedError(told.text)
        return told.answer or {}

    async def catch_up(self) -> None:
        """Copy what is new, so that the next report has little to wait for."""
        await self.answer(Asked(metrics=("visits",), limit=0))

    async def _ask(self, line: bytes) -> Told | None:
        child = self._child
        if child is None or child.returncode is not None:
            child = self._child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
            )
        if child.stdin is None or child.stdout is None:
            return None
        try:
            child.stdin.write(line)
            await child.stdin.drain()
            answer = await asyncio.wait_for(child.stdout.readline(), _PATIENCE_SECONDS)
            return msgspec.json.decode(answer, type=Told)
        except (OSError, TimeoutError, ValueError, msgspec.DecodeError):
            await self.close()
            return None
        except asyncio.CancelledError:  # nobody waits for this answer any more: it must not be the next one's
            await self.close()
            raise

    async def close(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            await child.wait()


def keep_sums(settings: Settings, dates: Sequence[Date]) -> None:
    """Have a child make the sums of these days, and wait for it. Raises FailedError."""
    words = (str(settings.data), str(settings.key), *(date.isoformat() for date in dates))
    command = (sys.executable, "-m", "tnc.sumschild", *words)
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode:  # noqa: S603 - our own program
        raise FailedError("the sums of days that go could not be made; the log says why.")
