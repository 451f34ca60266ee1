"""Process setup (msgspec, garbage collector), priorities, and a child process beside a server."""

import gc
import logging
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import msgspec

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_LONGEST: Final = 500  # characters of what a child printed


def warm_up_msgspec() -> None:
    """Makes msgspec inspect every record type before the first thread starts.

    Otherwise it does so when a type is first used, and publishes the result before it is complete: two threads that
    read the first records of a type at the same time crash the process (msgspec 0.22, `StructInfo_Convert`).
    """
    for kind in _kinds(msgspec.Struct):
        msgspec.json.Decoder(kind)


def _kinds(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def yield_gil(items: Iterable[_T]) -> Iterator[_T]:
    """Iterates in a thread beside an event loop and releases the GIL after each item.

    A click that comes in meanwhile waits for one item, instead of the 5 ms until Python switches threads.
    """
    for item in items:
        yield item
        time.sleep(0)


def freeze_gc() -> None:
    """Excludes everything that is loaded now from garbage collection.

    Measured on the click path: collections over modules and templates cost a fifth of a click. The switch interval
    stays at Python's 5 ms: with 0.5 ms the loop and the writer switch so often that a click costs a sixth more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    gc.enable()


class Child:
    """A child process beside a server. At most one runs at a time, and the server does not wait for it."""

    def __init__(self, command: Sequence[str], failure: str) -> None:
        """`failure` is logged when the child fails, with the beginning of what it printed to stderr."""
        self._command = command
        self._failure = failure
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Does nothing while the child runs."""
        if not self.is_running():
            self._child = subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )

    def is_running(self) -> bool:
        """Logs the failure of a child that has ended, once."""
        if self._child is None or self._child.poll() is None:
            return self._child is not None
        _, why = self._child.communicate()
        if self._child.returncode:
            log.warning(self._failure, extra={"why": why.strip()[:_LONGEST]})
        self._child = None
        return False

    def stop(self) -> None:
        if self._child is not None and self.is_running():
            self._child.terminate()
            self._child.communicate()


BACKGROUND_NICENESS: Final = 10
LOWEST: Final = 19


def lower_priority(by: int = LOWEST) -> None:
    """Lowers the priority of the calling thread (on Linux) and of what it starts; ignores a system that forbids it.

    With the lowest priority it also joins the idle class: a thread of another class that only has a nice value of 19
    may keep its core to the end of its time slice when a click wakes up, one of the idle class leaves at once.
    """
    with suppress(OSError):
        os.nice(by)
    if by >= LOWEST:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def background_pool(threads: int = 1, *, name: str = "background") -> ThreadPoolExecutor:
    """Threads for long work within a server; each gets a tenth of the time of a thread with normal priority.

    Not the idle class: the work must be done on a machine that clicks keep busy, too.
    """
    return ThreadPoolExecutor(
        threads, thread_name_prefix=name, initializer=lower_priority, initargs=(BACKGROUND_NICENESS,)
    )
