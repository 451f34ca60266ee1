"""Search the data directory for unencrypted personal data, which `docs/erasure.md` says it does not contain.

It checks three things. Does any file contain personal data of visitors? A different random sample of records is
decrypted in memory for each search. Does a file of encrypted records contain text with the shape of an IP address, an
e-mail address or a user agent? Is there a row whose key was destroyed? Findings are reported by file and kind.

Columns are compressed, so they are read through DuckDB. The search writes only its result, holds no read transaction
while it searches files, and should run in a process of its own.
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

_SAMPLE: Final = 60  # clicks of the newest day, and as many of all other days together
_MAX_NEEDLES: Final = 2_000  # more would take more passes and more memory
_MIN_DIFFERENT_BYTES: Final = 4  # in a needle
_MAX_HITS: Final = 1_000  # of one kind in one file

_UNKNOWN_KIND: Final = "word of a visitor"

_BYTE: Final = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_GROUP: Final = rb"(?::[0-9a-fA-F]{1,4})"
# So long that chance makes no match in encrypted bytes: each on less than one disk of a terabyte in ten.
_PATTERNS: Final = PatternScanner(
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
    """Personal data of some clicks as byte strings to search for, each with its kind."""

    clicks: int = 0
    needles: dict[bytes, str] = field(default_factory=dict)

    def add(self, click: Click) -> None:
        """Leaves out values that the columns may contain too (a bot whose user agent is only its name, for example),
        and values that are nearly all zeros: to find them proves nothing.
        """
        self.clicks += 1
        cells = {text.encode() for text in click_row(0, click, _writable_subs(click)).values() if isinstance(text, str)}
        for kind, value in named_personal_bytes(click):
            if value in cells or len(set(value)) < _MIN_DIFFERENT_BYTES:
                continue
            if len(self.needles) < _MAX_NEEDLES:
                self.needles.setdefault(value, kind)


def _writable_subs(click: Click) -> dict[str, str]:
    """The free parameters that the cardinality check may write to the columns."""
    return {name: value for name, value in click.visit.subs.items() if shape_of(value) is not ValueShape.PERSONAL}


class LeakSearch:
    """One search. Files that were clean in the report `since` and have not changed are not searched again: they cannot
    contain data of later visitors.
    """

    def __init__(
        self, workspace: Workspace, vaults: Collection[Vault], *, since: LeakReport | None, seconds: float | None = None
    ) -> None:
        self._workspace = workspace
        self._vaults = vaults
        self._clean_before = {} if since is None else since.seen
        self._until = None if seconds is None else time.monotonic() + seconds
        self._found: Counter[tuple[str, str]] = Counter()
        self._clean: dict[str, FileStamp] = {}
        self._unchanged = 0
        self._skipped = 0

    def run(self) -> LeakReport:
        workspace, sample = self._workspace, self._take_sample()
        scanner = Scanner(sample.needles)
        before = last_leak_report(workspace.paths.inspection)
        with Columns(workspace.paths.columns) as columns:
            for path in self._files_to_search():
                if self._until is not None and time.monotonic() > self._until:
                    self._skipped += 1
                else:
                    self._search_file(path, scanner, sample, columns)
        now_ms = workspace.world.now_ms()
        clean = not self._found and not self._skipped
        clean_before = None if before is None else before.clean_at_ms
        report = LeakReport(
            at_ms=now_ms,
            clicks=sample.clicks,
            words=len(sample.needles),
            files=scanner.files,
            bytes=scanner.bytes,
            unchanged=self._unchanged,
            left=self._skipped,
            leaks=[Leak(file=file, kind=kind, count=count) for (file, kind), count in sorted(self._found.items())],
            clean_at_ms=now_ms if clean else clean_before,
            seen=self._clean,
        )
        save_leak_report(workspace.paths.inspection, report)
        return report

    # -- what to search for

    def _take_sample(self) -> _Sample:
        """Personal data of clicks of the newest day and of each other day. Also counts rows without a key."""
        sample = _Sample()
        days = [(date, vault) for vault in self._vaults for date in vault.dates()]
        days.sort(key=lambda each: each[0], reverse=True)
        newest: Date | None = None
        for date, vault in days:
            try:
                with vault.reader(date) as reader:
                    if rows := reader.search.count_without_keys():
                        self._found[self._name(vault.path(date)), ROW_WITHOUT_KEY] = rows
                    if newest is None and reader.latest()[0] >= 0:  # tomorrow's file is made ahead, empty
                        newest = date
                    share = _SAMPLE if date == newest else -(-_SAMPLE // len(days))
                    for click in self._random_clicks(reader, share, newest=date == newest):
                        sample.add(click)
            except TncError:  # damaged, which `tnc doctor` reports, or deleted just now
                self._skipped += date in vault.dates()
        return sample

    def _random_clicks(self, reader: DayReader, share: int, *, newest: bool) -> Iterator[Click]:
        """Clicks at random: each is the first from a random number on, because numbers have gaps."""
        numbers = (int(self._workspace.world.random() * (reader.latest()[0] + 1)) for _ in range(share))
        chosen = chain.from_iterable(islice(reader.clicks(number - 1), 1) for number in numbers)
        latest = islice(reader.newest_clicks(), share if newest else 0)
        yield from (click for _, click in chain(chosen, latest) if not click.erased)

    # -- where to search

    def _files_to_search(self) -> list[Path]:
        """Day files last, and the newest change first: if time runs out, the likeliest files are done."""
        found: list[tuple[bool, int, Path]] = []
        for path in self._workspace.paths.files():
            stamp = stamp_of(path)
            if stamp is None or path.name.startswith(self._workspace.paths.inspection.name):
                continue
            if self._clean_before.get(self._name(path)) == stamp:
                self._unchanged += 1
                self._clean[self._name(path)] = stamp
            else:
                found.append((self._workspace.paths.days in path.parents, -stamp[0], path))
        return [path for _, _, path in sorted(found)]

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._workspace.paths.data))

    def _search_file(self, path: Path, scanner: Scanner, sample: _Sample, columns: Columns) -> None:
        name, stamp = self._name(path), stamp_of(path)
        kinds: Counter[str] = Counter()
        try:
            with path.open("rb") as file:
                for hit in islice(scanner.scan_file(path), _MAX_HITS):
                    file.seek(hit.start)
                    kinds[sample.needles.get(file.read(hit.end - hit.start), _UNKNOWN_KIND)] += 1
            if path.suffix == ".parquet":
                kinds.update(self._in_columns(path, scanner, sample, columns))
            elif not self._has_owners_texts(path):
                kinds.update(islice(_PATTERNS.scan_file(path), _MAX_HITS))
        except FileNotFoundError:  # a temporary file
            return
        except OSError:
            self._skipped += 1
            return
        for kind, count in kinds.items():
            self._found[name, kind] += count
        if not kinds and stamp is not None:
            self._clean[name] = stamp

    def _has_owners_texts(self, path: Path) -> bool:
        """Whether a file may contain such texts of the owner: e-mail addresses of accounts, or notes about networks."""
        return path.name.startswith(self._workspace.paths.control.name) or self._workspace.paths.columns in path.parents

    def _in_columns(self, path: Path, scanner: Scanner, sample: _Sample, columns: Columns) -> Iterator[str]:
        """Search every distinct cell of a column file, read through DuckDB."""
        with suppress(UnreadableError):  # torn: the next report makes it again
            values = Values()
            relation = values.parquet([str(path)], {})
            described = columns.duck.rows(f"describe select * from {relation}", values)
            for column in (name for name, kind, *_ in described if kind == "VARCHAR"):
                for (cell,) in columns.duck.rows(f'select distinct "{column}" from {relation}', values):
                    yield from self._in_cell(column, cell or "", scanner, sample)

    def _in_cell(self, column: str, cell: str, scanner: Scanner, sample: _Sample) -> Iterator[str]:
        for needle in scanner.found_in(cell.encode()):
            yield sample.needles.get(needle, _UNKNOWN_KIND)
        if column.startswith("sub") and shape_of(cell) is ValueShape.PERSONAL:
            yield "parameter that looks personal"


def vaults_to_search(workspace: Workspace) -> Sequence[Vault]:
    """The day files and the restricted clicks, to read only."""
    return [
        Vault(folder=folder, keyring=keyring, workspace=workspace.id, exclusive=ReadOnly().exclusive)
        for folder, keyring in (
            (workspace.paths.days, workspace.keyring),
            (workspace.paths.restricted, workspace.restricted_keyring),
        )
    ]
