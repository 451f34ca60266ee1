"""Looking for bytes in files: the proof that something is gone, and where it is not."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import re2

from tnc.core.process import background_pool

_CHUNK: Final = 1 << 20  # small, because copying it holds up whoever serves clicks in this process
_AT_ONCE: Final = 400  # needles in one automaton; more of them take another pass
_SHORTEST: Final = 6  # what is shorter is found by chance


class Hit(NamedTuple):
    path: Path
    start: int
    end: int


class Scanner:
    """Looks for any of a set of byte strings; those of less than six bytes would be found anywhere and are left out."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        wanted = sorted({needle for needle in needles if len(needle) >= _SHORTEST})
        self._longest = max(map(len, wanted), default=0)
        self._automata = [_automaton(wanted[at : at + _AT_ONCE]) for at in range(0, len(wanted), _AT_ONCE)]
        self.files = 0
        self.bytes = 0

    def scan(self, paths: Iterable[Path]) -> list[Hit]:
        """Every place in these files, looked for behind clicks; a file that is gone meanwhile holds nothing."""
        with background_pool() as thread:
            return thread.submit(lambda: [hit for path in paths for hit in self.scan_file(path)]).result()

    def scan_file(self, path: Path) -> Iterator[Hit]:
        """Places in one file, in no order."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            self.files += 1
            at, kept = 0, b""
            while chunk := file.read(_CHUNK):
                self.bytes += len(chunk)
                text = kept + chunk
                for start, end in self._in_text(text):
                    if end > len(kept):  # the others were found with the chunk before
                        yield Hit(path, at + start, at + end)
                kept = text[-(self._longest - 1) :] if self._longest > 1 else b""
                at += len(text) - len(kept)

    def found_in(self, text: bytes) -> Iterator[bytes]:
        """The needles in a text."""
        return (text[start:end] for start, end in self._in_text(text))

    def _in_text(self, text: bytes) -> Iterator[tuple[int, int]]:
        for automaton in self._automata:
            found = automaton.search(text)
            while found is not None:
                yield found.span()
                found = automaton.search(text, found.start() + 1)


class PatternScanner:
    """Looks for text that looks like something, whoever it is about. `named` are patterns, each of at most
    `longest` bytes; so long that chance does not make one of them in all the sealed bytes of a disk.
    """

    def __init__(self, named: Mapping[str, bytes], *, longest: int) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        self._patterns = {name: re2.compile(pattern, options) for name, pattern in named.items()}
        self._longest = longest

    def scan_file(self, path: Path) -> Iterator[str]:
        """The name of each text in a file that looks so; what lies across two portions may be named twice."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            kept = b""
            while chunk := file.read(_CHUNK):
                text = kept + chunk
                for name, pattern in self._patterns.items():
                    yield from (name for found in pattern.finditer(text) if found.end() > len(kept))
                kept = text[-self._longest :]


def _automaton(needles: Sequence[bytes]) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.longest_match = True
    options.max_mem = 256 << 20
    return re2.compile(b"|".join(b"".join(b"\\x%02x" % byte for byte in needle) for needle in needles), options)
