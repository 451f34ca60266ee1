"""A real `tnc serve` in a process of its own, for tests and measurements."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from tnc.core.errors import FailedError

_READY: Final = re.compile(r"ready tracking=http://([^ ]+):(\d+) dashboard=http://([^ ]+):(\d+)")
_PATIENCE_SECONDS: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class ServerProcess:
    """A data directory and its server. `serve` starts it, `stop` sends SIGTERM, `command` runs any `tnc` command."""

    data: Path
    before: tuple[str, ...] = ()  # words in front of the server's command line, such as `taskset -c 0`
    python: tuple[str, ...] = (sys.executable, "-m", "tnc")
    process: "subprocess.Popen[str] | None" = None
    tracking: tuple[str, int] = ("", 0)
    dashboard: tuple[str, int] = ("", 0)
    log: Path = Path()  # of the server; default: beside the data

    def __post_init__(self) -> None:
        if self.log == Path():
            self.log = self.data.with_name(f"{self.data.name}.log")

    @property
    def config(self) -> Path:
        return self.data / "config.toml"

    @property
    def pid(self) -> int:
        return 0 if self.process is None else self.process.pid

    def init(self, *options: str, given: str | None = None) -> None:
        """`tnc init` with free ports and loopback as a trusted proxy. `given` is its standard input."""
        free = ("--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0", "--trusted-proxy", "127.0.0.0/8")
        words = (*self.python, "init", "--data", str(self.data), *free, *options)
        done = subprocess.run(words, capture_output=True, text=True, check=False, input=given)  # noqa: S603 - our own program
        if done.returncode:
            raise FailedError(f"tnc init ended with {done.returncode}: {done.stderr.strip()}")

    def serve(self) -> None:
        """Start the server and wait until it answers. Raises FailedError with the end of its log."""
        with self.log.open("a") as log:
            words = (*self.before, *self._words("serve"))
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603 - as above
        found = _READY.search(_first_line(self.process.stdout))
        if found is None:
            self.process.wait(_PATIENCE_SECONDS)
            raise FailedError(f"the server did not start: {self.log.read_text()[-2000:]}")
        self.tracking, self.dashboard = (found[1], int(found[2])), (found[3], int(found[4]))

    def stop(self) -> int:
        """Stop the server with SIGTERM; returns its exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        return self._ended()

    def kill(self) -> None:
        """End the server with SIGKILL, like a crash."""
        if self.process is not None:
            self.process.kill()
            self._ended()

    def _ended(self) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.stdout is not None:
            process.stdout.close()
        return process.wait(_PATIENCE_SECONDS)

    def _words(self, *words: str) -> tuple[str, ...]:
        return (*self.python, "--config", str(self.config), *words)

    def command(self, *words: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        words = self._words(*words)
        return subprocess.run(words, capture_output=True, text=True, check=False, input=given)  # noqa: S603 - as above

    def apply(self, file: Path) -> None:
        """Raises FailedError."""
        done = self.command("apply", str(file))
        if done.returncode:
            raise FailedError(f"tnc apply ended with {done.returncode}: {done.stderr.strip()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _first_line(output: IO[str] | None) -> str:
    return "" if output is None else output.readline()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0
