"""Servers to measure, on one core; the load generator runs on the other."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tnc.admin.bench.load import Answers, Crowd
from tnc.admin.bench.server_process import ServerProcess, cpu_seconds
from tnc.admin.bench.visitors import visitors
from tnc.admin.demo.traffic import CAMPAIGN_FILE

SERVER_CORE, OUR_CORE = 0, min(1, (os.cpu_count() or 1) - 1)
PINNED = ("taskset", "-c", str(SERVER_CORE))
BARE = Path(__file__).with_name("bare.py")
UNRECORDED = (sys.executable, str(Path(__file__).with_name("unrecorded.py")))
RECORDED = (sys.executable, "-m", "tnc")
_seeds = count(1)


@dataclass(frozen=True, slots=True)
class Measured:
    answers: Answers
    cpu_us: float  # of the server's process, for each answer


@dataclass(frozen=True, slots=True)
class Server:
    address: tuple[str, int]
    pid: int

    def crowd(self) -> Crowd:
        return Crowd(self.address, visitors(next(_seeds), host="go.example"))

    def in_turn(self, abreast: int, seconds: float) -> Measured:
        return self._measured(lambda crowd: crowd.in_turn(abreast, seconds))

    def at_rate(self, per_second: float, seconds: float) -> Measured:
        return self._measured(lambda crowd: crowd.at_rate(per_second, seconds))

    def _measured(self, send) -> Measured:  # type: ignore[no-untyped-def]
        crowd, before = self.crowd(), cpu_seconds(self.pid)
        answers = send(crowd)
        crowd.close()
        return Measured(answers, (cpu_seconds(self.pid) - before) / max(len(answers.latencies_ms), 1) * 1e6)


def sit_apart() -> None:
    os.sched_setaffinity(0, {OUR_CORE})


@contextmanager
def bare(kind: str) -> Iterator[Server]:
    process = subprocess.Popen([*PINNED, sys.executable, str(BARE), kind], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(("127.0.0.1", int(process.stdout.readline())), process.pid)
    finally:
        process.kill()
        process.wait()


@contextmanager
def prepared_server(
    folder: Path,
    python: tuple[str, ...] = RECORDED,
    *,
    before: tuple[str, ...] = PINNED,
    options: tuple[str, ...] = (),
    log: Path = Path(),
) -> Iterator[ServerProcess]:
    """With the demo's campaigns, and not started."""
    with ServerProcess(folder / "data", before=before, python=python, log=log) as made:
        made.init(*options)
        made.apply(CAMPAIGN_FILE)
        yield made


@contextmanager
def tnc(folder: Path, python: tuple[str, ...] = RECORDED) -> Iterator[Server]:
    with prepared_server(folder, python) as made:
        made.serve()
        yield Server(made.tracking, made.pid)


def machine() -> str:
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return (
        f"{os.cpu_count()} x {cpu[1] if cpu else '?'}, {int(memory[1]) // 1_000_000 if memory else '?'} GB, "
        f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}"
    )
