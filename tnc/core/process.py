"""What a process of many threads needs once, before the first thread and when all is loaded; and a child of it."""

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

_LONGEST: Final = 500  # characters of a complaint


def warm_up_msgspec() -> None:
    """Have msgspec look at every record type now.

    It does so when a type is first used, and keeps what it knows where others find it before it is complete: two
    threads that read the first records of a kind at the same time end the process (msgspec 0.22, `StructInfo_Convert`).
    """
    for kind in _kinds(msgspec.Struct):
        msgspec.json.Decoder(kind)


def _kinds(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def yield_gil(items: Iterable[_T]) -> Iterator[_T]:
    """For threads beside a loop: lets go of the interpreter after each.

    A click that came meanwhile waits for one of them, else until Python makes the thread let go: 5 ms.
    """
    for item in items:
        yield item
        time.sleep(0)


def freeze_gc() -> None:
    """What was loaded stays: it need not be looked through for garbage again and again.

    Measured on the click path: the collector's walks over modules and templates cost a fifth of a click. The turns of
    threads stay at Python's 5 ms: with half a millisecond loop and writer take turns so often that a click costs
    a sixth more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


class Child:
    """A child process that works for a server beside it: one at a time, of which nobody waits for the end."""

    def __init__(self, words: Sequence[str], complaint: str) -> None:
        """`complaint` is logged, with the end of what the child said, when it fails."""
        self._words = words
        self._complaint = complaint
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Unless it runs."""
        if not self.is_running():
            self._child = subprocess.Popen(  # noqa: S603 - our own words
                self._words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )

    def is_running(self) -> bool:
        """And if it has ended: how it went is told once."""
        if self._child is None or self._child.poll() is None:
            return self._child is not None
        _, why = self._child.communicate()
        if self._child.returncode:
            log.warning(self._complaint, extra={"why": why.strip()[:_LONGEST]})
        self._child = None
        return False

    def stop(self) -> None:
        if self._child is not None and self.is_running():
            self._child.terminate()
            self._child.communicate()


BEHIND: Final = 10
_LOWEST: Final = 19


def lower_priority(by: int = _LOWEST) -> None:
    """Let everybody else go first: the thread that asks, on Linux, and what it starts. Where a hardened service may not
    even do that, go on all the same.

    Even the nicest may keep the core to the end of its slice when somebody wakes who wants it; one of the idle class
    leaves at once.
    """
    with suppress(OSError):
        os.nice(by)
    if by >= _LOWEST:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def background(threads: int = 1, *, name: str = "background") -> ThreadPoolExecutor:
    """For long work within a server: each thread gets a tenth of what one gets that does not stand back.

    Not the idle class: on a machine that clicks keep busy it is done, too.
    """
    return ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=lower_priority, initargs=(BEHIND,))
