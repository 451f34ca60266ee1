"""What a process of many threads needs once: before the first thread, and when everything is loaded."""

import gc
from collections.abc import Iterator

import msgspec


def ready_for_threads() -> None:
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


def settle() -> None:
    """What was loaded stays: it need not be looked through for garbage again and again.

    Measured on the click path: the collector's walks over modules and templates cost a fifth of a click. The turns of
    threads stay at Python's 5 ms: with half a millisecond loop and writer take turns so often that a click costs
    a sixth more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
