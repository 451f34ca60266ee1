"""Search files for byte strings or patterns, to prove that erased data is gone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import re2

from tnc.core.process import background_pool

_CHUNK_BYTES: Final = 1 << 20  # small: copying it holds the GIL, and the process may be serving clicks
_PER_AUTOMATON: Final = 400  # needles; more of them take another pass over the file
_MIN_BYTES: Final = 6  # shorter needles would be found by chance


class Hit(NamedTuple):
    path: Path
    start: int
    end: int


class Scanner:
    """Searches for a set of byte strings. Needles of less than six bytes are ignored: they would be found by chance."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        wanted = sorted({needle for needle in needles if len(needle) >= _MIN_BYTES})
        self._longest = max(map(len, wanted), default=0)
        self._automata = [_automaton(wanted[at : at + _PER_AUTOMATON]) for at in range(0, len(wanted), _PER_AUTOMATON)]
        self.files = 0
        self.bytes = 0

    def scan(self, paths: Iterable[Path]) -> list[Hit]:
        """All hits in these files, searched in a thread of low priority. A file that was deleted meanwhile has none."""
        with background_pool() as thread:
            return thread.submit(lambda: [hit for path in paths for hit in self.scan_file(path)]).result()

    def scan_file(self, path: Path) -> Iterator[Hit]:
        """The hits in one file, in no order."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            self.files += 1
            offset, kept = 0, b""
            while chunk := file.read(_CHUNK_BYTES):
                self.bytes += len(chunk)
                text = kept + chunk
                for start, end in self._in_text(text):
                    if end > len(kept):  # others were found with the chunk before
                        yield Hit(path, offset + start, offset + end)
                kept = text[-(self._longest - 1) :] if self._longest > 1 else b""
                offset += len(text) - len(kept)

    def found_in(self, text: bytes) -> Iterator[bytes]:
        """The needles that occur in a text."""
        return (text[start:end] for start, end in self._in_text(text))

    def _in_text(self, text: bytes) -> Iterator[tuple[int, int]]:
        for automaton in self._automata:
            found = automaton.search(text)
            while found is not None:
                yield found.span()
                found = automaton.search(text, found.start() + 1)


class PatternScanner:
    """Searches for patterns, by name. A match has at most `longest` bytes. Patterns must be so long that chance makes
    no match in all the encrypted bytes of a disk.
    """

    def __init__(self, named: Mapping[str, bytes], *, longest: int) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        self._patterns = {name: re2.compile(pattern, options) for name, pattern in named.items()}
        self._longest = longest

    def scan_file(self, path: Path) -> Iterator[str]:
        """The name of the pattern for each match in a file. A match across two chunks may be reported twice."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            kept = b""
            while chunk := file.read(_CHUNK_BYTES):
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
