"""Searching files for bytes and patterns, and overwriting what SQLite leaves of deleted rows."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.privacy import byte_scan as scan
from tnc.privacy.byte_scan import Hit, PatternScanner, Scanner
from tnc.privacy.overwrite import overwrite_unused, unused_spans

texts = st.binary(min_size=0, max_size=300)


@given(
    texts,
    st.lists(st.binary(min_size=6, max_size=9), min_size=1, max_size=5),
    st.lists(st.integers(0, 300), max_size=4),
)
def test_needles_are_found_anywhere(text: bytes, needles: list[bytes], places: list[int]) -> None:
    for place, needle in zip(places, needles, strict=False):
        text = text[:place] + needle + text[place:]

    found = [(start, end) for start, end in Scanner(needles)._in_text(text)]

    starts = {at for needle in needles for at in range(len(text)) if text.startswith(needle, at)}
    assert {start for start, _ in found} == starts


def test_a_needle_across_two_chunks_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_CHUNK_BYTES", 64)
    for shift in range(80):
        file = tmp_path / "file"
        file.write_bytes(b"." * shift + b"needle" + b"." * 100)

        assert Scanner([b"needle", b"longer needle"]).scan([file]) == [Hit(file, shift, shift + 6)]


def test_short_needles_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abcde abcdef")

    assert Scanner([b"abcde"]).scan([file]) == []
    assert Scanner([]).scan([file]) == []


def test_patterns_are_found_across_two_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_CHUNK_BYTES", 64)
    shapes = PatternScanner({"number": rb"N[0-9]{9}", "word": rb"W[a-z]{9}"}, longest=10)
    for shift in range(80):
        file = tmp_path / "file"
        file.write_bytes(b"." * shift + b"N123456789" + b"." * 100 + b"Wabcdefghi")

        assert sorted(shapes.scan_file(file)) == ["number", "word"]

    assert list(shapes.scan_file(tmp_path / "gone")) == []


def test_files_and_bytes_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1000)
    scanner = Scanner([b"needle"])

    scanner.scan([file, tmp_path / "gone"])

    assert (scanner.files, scanner.bytes) == (1, 1000)


# ------------------------------------------------------------------------------------------------- overwriting


def tokens_left(path: Path, tokens: list[int]) -> list[Hit]:
    return Scanner(token.to_bytes(6, "big", signed=True) for token in tokens).scan([path])


@pytest.mark.parametrize("seed", range(3))
def test_copies_left_by_moved_cells_are_overwritten_and_nothing_else(tmp_path: Path, seed: int) -> None:
    """SQLite leaves a few of thousands even with `secure_delete`, because pages here are full and often split."""
    chance, path = random.Random(seed), tmp_path / "day.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(
            "pragma page_size = 512; pragma journal_mode = wal; pragma secure_delete = on;"
            "create table clicks (seq integer primary key, token integer, sealed blob);"
            "create index by_token on clicks (token);"
        )
        tokens = {seq: chance.getrandbits(48) - (1 << 47) for seq in range(6000)}
        for start in range(0, 6000, 100):
            rows = [(seq, tokens[seq], chance.randbytes(40)) for seq in range(start, start + 100)]
            database.executemany("insert into clicks values (?, ?, ?)", rows)
        gone = chance.sample(range(6000), 3000)
        for seq in gone:
            database.execute("delete from clicks where seq = ?", (seq,))
        database.execute("pragma wal_checkpoint(truncate)")
    erased = [tokens[seq] for seq in gone]
    hits = tokens_left(path, erased)
    assert hits, "a page was split without leaving anything: this test shows nothing any more"

    done = overwrite_unused(path, hits)

    assert done > 0
    assert tokens_left(path, erased) == []
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        kept = dict(database.execute("select seq, token from clicks"))
    assert kept == {seq: token for seq, token in tokens.items() if seq not in set(gone)}


def test_bytes_of_a_row_in_use_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "day.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("create table clicks (seq integer primary key, sealed blob)")
        database.execute("insert into clicks values (1, ?)", (b"by chance",))
    before = path.read_bytes()

    assert overwrite_unused(path, Scanner([b"by chance"]).scan([path])) == 0

    assert path.read_bytes() == before


def test_a_page_that_is_no_b_tree_has_no_unused_parts() -> None:
    assert unused_spans(bytes(512), first=False) == []
    assert unused_spans(b"\x03" + bytes(511), first=False) == []
