"""The search for what must not be in the clear: do the promises of `docs/erasure.md` hold in the bytes of this disk?

Three questions. Does any file hold words of visitors, taken from the records as they are opened in memory: a sample,
and another one each time? Does a file of sealed records hold text that looks like an address, an e-mail address or
a user agent at all? Is there a row whose key was destroyed? What is found is told by file and kind.

Columns are compressed, so they are opened as a report opens them. It holds up nobody: it writes nothing but its
result, holds no old state of a database, and is meant for a process of its own.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date as Date
from itertools import chain, islice
from pathlib import Path
from typing import Final

from tnc.core.errors import TncError
from tnc.core.models import Click
from tnc.privacy.byte_scan import PatternScanner, Scanner
from tnc.privacy.leak_report import (
    ROW_WITHOUT_KEY,
    FileStamp,
    Leak,
    LeakReport,
    last_leak_report,
    save_leak_report,
    stamp_of,
)
from tnc.privacy.subject import named_personal_bytes
from tnc.privacy.vault import Vault
from tnc.reports.columns.cardinality import ValueShape, shape_of
from tnc.reports.columns.columns import Columns
from tnc.reports.columns.duck import UnreadableError, Values
from tnc.reports.columns.schema import click_row
from tnc.store.days.transactions import ReadOnly
from tnc.store.days.writer import DayReader
from tnc.store.workspace import Workspace

_OF_THE_NEWEST: Final = 60  # clicks of the newest day, and as many of all others together
_WORDS: Final = 2_000  # at most: more of them take more passes and more memory
_DIFFERENT: Final = 4  # bytes that a word has at least
_MOST: Final = 1_000  # places of one kind in one file

_BYTE: Final = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_GROUP: Final = rb"(?::[0-9a-fA-F]{1,4})"
# So long that chance makes none of them in sealed bytes: each on less than one disk of a terabyte in ten.
_SHAPES: Final = PatternScanner(
    {
        "text like an address": rb"\b" + _BYTE + rb"(?:\." + _BYTE + rb"){3}\b|"
        rb"\b[23][0-9a-fA-F]{3}(?:" + _GROUP + rb"{7}\b|" + _GROUP + rb"{1,6}::)",
        "text like an e-mail address": rb"[A-Za-z0-9._%+-]{6,64}@[A-Za-z0-9-]{5,63}\.[a-z]{2,24}\b",
        "text like a user agent": rb"\b(?:Mozilla|Opera|Dalvik)/[0-9]\.[0-9]{1,2}",
    },
    longest=160,
)


@dataclass(slots=True)
class _Sample:
    """Words of visitors with what they are."""

    clicks: int = 0
    words: dict[bytes, str] = field(default_factory=dict)

    def add(self, click: Click) -> None:
        """What is also a cell that reports may show says nothing by itself: a bot that sends its name alone, say. Nor
        does what is nearly all zeros.
        """
        self.clicks += 1
        cells = {text.encode() for text in click_row(0, click, _judged(click)).values() if isinstance(text, str)}
        for name, word in named_personal_bytes(click):
            if word not in cells and len(set(word)) >= _DIFFERENT and len(self.words) < _WORDS:
                self.words.setdefault(word, name)


def _judged(click: Click) -> dict[str, str]:
    """Free parameters that the guard of the columns may let in."""
    return {name: value for name, value in click.visit.subs.items() if shape_of(value) is not ValueShape.PERSONAL}


class LeakSearch:
    """One search. With `since` the files that were clean then and were not written to are taken as clean: the words
    of later visitors cannot be in them.
    """

    def __init__(
        self, workspace: Workspace, vaults: Collection[Vault], *, since: LeakReport | None, seconds: float | None = None
    ) -> None:
        self._workspace = workspace
        self._vaults = vaults
        self._known = {} if since is None else since.seen
        self._until = None if seconds is None else time.monotonic() + seconds
        self._found: Counter[tuple[str, str]] = Counter()
        self._seen: dict[str, FileStamp] = {}
        self._unchanged = 0
        self._left = 0

    def run(self) -> LeakReport:
        workspace, sample = self._workspace, self._take_sample()
        scanner = Scanner(sample.words)
        before = last_leak_report(workspace.paths.inspection)
        with Columns(workspace.paths.columns) as columns:
            for path in self._due():
                if self._until is not None and time.monotonic() > self._until:
                    self._left += 1
                else:
                    self._look_into(path, scanner, sample, columns)
        now_ms = workspace.world.now_ms()
        clean = not self._found and not self._left
        clean_before = None if before is None else before.clean_at_ms
        inspection = LeakReport(
            at_ms=now_ms,
            clicks=sample.clicks,
            words=len(sample.words),
            files=scanner.files,
            bytes=scanner.bytes,
            unchanged=self._unchanged,
            left=self._left,
            leaks=[Leak(file=file, kind=kind, count=count) for (file, kind), count in sorted(self._found.items())],
            clean_at_ms=now_ms if clean else clean_before,
            seen=self._seen,
        )
        save_leak_report(workspace.paths.inspection, inspection)
        return inspection

    # -- what is looked for

    def _take_sample(self) -> _Sample:
        """Words of the newest clicks and of some of each other day; rows without a key on the way."""
        sample = _Sample()
        days = sorted(((date, vault) for vault in self._vaults for date in vault.dates()), key=_date, reverse=True)
        newest: Date | None = None
        for date, vault in days:
            try:
                with vault.reader(date) as reader:
                    if rows := reader.search.without_keys():
                        self._found[self._name(vault.path(date)), ROW_WITHOUT_KEY] = rows
                    if newest is None and reader.latest()[0] >= 0:  # tomorrow's is there ahead
                        newest = date
                    share = _OF_THE_NEWEST if date == newest else -(-_OF_THE_NEWEST // len(days))
                    for click in self._some(reader, share, newest=date == newest):
                        sample.add(click)
            except TncError:  # damaged, or gone by its term just now: other checks tell of it
                self._left += date in vault.dates()
        return sample

    def _some(self, reader: DayReader, share: int, *, newest: bool) -> Iterator[Click]:
        """By chance, each the next one from a number on: not every number has a click."""
        numbers = (int(self._workspace.world.random() * (reader.latest()[0] + 1)) for _ in range(share))
        chosen = chain.from_iterable(islice(reader.clicks(number - 1), 1) for number in numbers)
        ended = islice(reader.newest_clicks(), share if newest else 0)
        yield from (click for _, click in chain(chosen, ended) if not click.erased)

    # -- where

    def _due(self) -> list[Path]:
        """Small rooms first, then what has the newest change: when time runs out the likeliest places are done."""
        due: list[tuple[bool, int, Path]] = []
        for path in self._workspace.paths.files():
            stamp = stamp_of(path)
            if stamp is None or path.name.startswith(self._workspace.paths.inspection.name):
                continue
            if self._known.get(self._name(path)) == stamp:
                self._unchanged += 1
                self._seen[self._name(path)] = stamp
            else:
                due.append((self._workspace.paths.days in path.parents, -stamp[0], path))
        return [path for _, _, path in sorted(due)]

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._workspace.paths.data))

    def _look_into(self, path: Path, scanner: Scanner, sample: _Sample, columns: Columns) -> None:
        name, stamp = self._name(path), stamp_of(path)
        kinds: Counter[str] = Counter()
        try:
            with path.open("rb") as file:
                for hit in islice(scanner.scan_file(path), _MOST):
                    file.seek(hit.start)
                    kinds[sample.words.get(file.read(hit.end - hit.start), "word of a visitor")] += 1
            if path.suffix == ".parquet":
                kinds.update(self._in_columns(path, scanner, sample, columns))
            elif not self._holds_owners_words(path):
                kinds.update(islice(_SHAPES.scan_file(path), _MOST))
        except FileNotFoundError:  # it was a temporary one
            return
        except OSError:
            self._left += 1
            return
        for kind, count in kinds.items():
            self._found[name, kind] += count
        if not kinds and stamp is not None:
            self._seen[name] = stamp

    def _holds_owners_words(self, path: Path) -> bool:
        """The e-mail addresses of accounts, and notes in which an owner names networks and user agents."""
        return path.name.startswith(self._workspace.paths.control.name) or self._workspace.paths.columns in path.parents

    def _in_columns(self, path: Path, scanner: Scanner, sample: _Sample, columns: Columns) -> Iterator[str]:
        """Every different cell of a file of columns, as a report reads it."""
        with suppress(UnreadableError):  # torn: the next report makes it anew
            values = Values()
            relation = values.parquet([str(path)], {})
            described = columns.duck.rows(f"describe select * from {relation}", values)
            for column in (name for name, kind, *_ in described if kind == "VARCHAR"):
                for (cell,) in columns.duck.rows(f'select distinct "{column}" from {relation}', values):
                    yield from self._in_cell(column, cell or "", scanner, sample)

    def _in_cell(self, column: str, cell: str, scanner: Scanner, sample: _Sample) -> Iterator[str]:
        for word in scanner.found_in(cell.encode()):
            yield sample.words.get(word, "word of a visitor")
        if column.startswith("sub") and shape_of(cell) is ValueShape.PERSONAL:
            yield "parameter that looks personal"


def _date(day: tuple[Date, Vault]) -> Date:
    return day[0]


def vaults_to_search(workspace: Workspace) -> Sequence[Vault]:
    """Both, to read."""
    return [
        Vault(folder=folder, keyring=keyring, workspace=workspace.id, exclusive=ReadOnly().exclusive)
        for folder, keyring in (
            (workspace.paths.days, workspace.keyring),
            (workspace.paths.restricted, workspace.restricted_keyring),
        )
    ]
