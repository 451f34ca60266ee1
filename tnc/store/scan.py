"""Looking for bytes in files: the proof that something is gone, and where it is not."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import re2

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

    def look(self, paths: Iterable[Path]) -> list[Hit]:
        """Every place in these files; a file that is gone meanwhile holds nothing."""
        return [hit for path in paths for hit in self._in_file(path)]

    def _in_file(self, path: Path) -> Iterator[Hit]:
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

    def _in_text(self, text: bytes) -> Iterator[tuple[int, int]]:
        for automaton in self._automata:
            found = automaton.search(text)
            while found is not None:
                yield found.span()
                found = automaton.search(text, found.start() + 1)


def _automaton(needles: Sequence[bytes]) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.longest_match = True
    options.max_mem = 256 << 20
    return re2.compile(b"|".join(b"".join(b"\\x%02x" % byte for byte in needle) for needle in needles), options)
