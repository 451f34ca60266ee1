"""Day files: reading, sequence numbers, sealed rows, no personal data in plain text, refusals."""

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import date as Date
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.records import (
    CLICK_ID,
    DATE,
    NOON_MS,
    PERSONAL,
    canary_click,
    day_keys,
    day_reader,
    day_writer,
    leaks,
    numbered,
)
from tnc.core.errors import FailedError, RefusedError
from tnc.core.models import MAIN, ClickId, ConversionChange, ConversionId, LanderClick, OfferId, WorkspaceId
from tnc.store.days.files import remove_in_steps
from tnc.store.days.schema import DAY, FINISHING, finish
from tnc.store.days.writer import DayWriter, all_dates, day_path, utc_date

OTHER = WorkspaceId("other")
LANDER = LanderClick(at_ms=NOON_MS + 1_000, offer=OfferId("shoes"))
SALE = ConversionChange(conversion_id=ConversionId("v1"), at_ms=NOON_MS + 2_000, status="sale")


def store(writer: DayWriter, *numbers: int) -> list[int]:
    writer.begin()
    seqs = [writer.add_click(numbered(number)) for number in numbers]
    writer.commit()
    return seqs


def stored(data: Path) -> list[str]:
    with day_reader(data) as reader:
        return [click.click_id for _, click in reader.clicks()]


def open_file(data: Path, date: Date = DATE, workspace: WorkspaceId = MAIN) -> sqlite3.Connection:
    return sqlite3.connect(day_path(data / "days", workspace, date), isolation_level=None)


# ------------------------------------------------------------------------------------------------ reading


def test_clicks_and_their_events_are_read_back(tmp_path: Path) -> None:
    writer = day_writer(tmp_path)
    writer.begin()
    seq = writer.add_click(canary_click())
    writer.add_event(seq, LANDER)
    writer.add_event(seq, SALE)
    writer.commit()

    with day_reader(tmp_path) as reader:
        assert reader.find(CLICK_ID) == (seq, canary_click())
        assert reader.events_of(seq) == [LANDER, SALE]
        assert [(click_seq, event) for _, click_seq, event in reader.events()] == [(seq, LANDER), (seq, SALE)]
        assert list(reader.conversions_since(SALE.at_ms)) == [(seq, SALE.at_ms)]
        assert not list(reader.conversions_since(SALE.at_ms + 1))
        assert reader.find(ClickId("another")) is None
    writer.close()


def test_a_reader_opens_a_day_whose_writer_has_closed(tmp_path: Path) -> None:
    writer = day_writer(tmp_path)
    store(writer, 1, 2)
    writer.close()

    assert stored(tmp_path) == ["click-000001", "click-000002"]
    assert stored(tmp_path) == ["click-000001", "click-000002"]


def test_readers_see_only_committed_rows(tmp_path: Path) -> None:
    writer = day_writer(tmp_path)
    store(writer, 1)
    writer.begin()
    writer.add_click(numbered(2))

    assert stored(tmp_path) == ["click-000001"]

    writer.commit()
    assert stored(tmp_path) == ["click-000001", "click-000002"]


def test_clicks_are_read_newest_first_and_continued_after_a_number(tmp_path: Path) -> None:
    store(day_writer(tmp_path), *range(5))

    with day_reader(tmp_path) as reader:
        seqs = [seq for seq, _ in reader.clicks()]
        assert [seq for seq, _ in reader.newest_clicks()] == seqs[::-1]
        assert [seq for seq, _ in reader.newest_clicks(before_seq=seqs[2])] == seqs[1::-1]
        assert [seq for seq, _ in reader.clicks(after_seq=seqs[2])] == seqs[3:]
        assert reader.latest() == (seqs[-1], -1)


def test_the_newest_click_of_a_pseudonym_is_found_unless_it_is_too_old(tmp_path: Path) -> None:
    writer = day_writer(tmp_path)
    writer.begin()
    for number, visitor in enumerate(["ann", "bob", "ann", "bob"]):
        writer.add_click(canary_click(f"click-{number}", at_ms=NOON_MS + number, visitor=visitor))
    writer.commit()

    with day_reader(tmp_path) as reader:
        found = reader.latest_of_visitor("ann", since_ms=NOON_MS)
        assert found is not None
        assert found[1].click_id == "click-2"
        assert reader.latest_of_visitor("ann", since_ms=NOON_MS + 3) is None
        assert reader.latest_of_visitor("cid", since_ms=0) is None


def test_searches_give_the_same_in_a_finished_day(tmp_path: Path) -> None:
    writer = day_writer(tmp_path)
    store(writer, 1, 2, 3)
    before = stored(tmp_path)

    writer.close()
    for search in (*FINISHING, *FINISHING):
        with day_reader(tmp_path) as reader:
            assert reader.count() == 3
        finish(day_path(tmp_path / "days", MAIN, DATE), search)

    with day_reader(tmp_path) as reader:
        assert reader.is_finished()
        found = reader.latest_of_visitor(PERSONAL["visitor"], since_ms=0)
        assert found is not None
        assert found[1] == numbered(3)
    assert stored(tmp_path) == before


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    store(day_writer(tmp_path), 1)

    with day_reader(tmp_path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._database.execute("delete from clicks")


def test_days_are_listed_oldest_first(tmp_path: Path) -> None:
    for days in (2, 0, 1):
        day_writer(tmp_path, DATE + timedelta(days=days)).close()

    assert all_dates(tmp_path / "days", MAIN) == [DATE + timedelta(days=days) for days in range(3)]
    assert all_dates(tmp_path / "days", OTHER) == []
    assert utc_date(NOON_MS) == DATE


# --------------------------------------------------------------------------------------- sequence numbers


class Machine:
    """A day on a machine that can stop at any moment; the next start finds what the kernel had of the files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.boots = 0
        self.writer = day_writer(self.data)
        self.handed_out: list[tuple[str, int]] = []

    @property
    def data(self) -> Path:
        return self.folder / str(self.boots)

    def add(self, *, commit: bool) -> None:
        self.writer.begin()
        seq = self.writer.add_click(numbered(len(self.handed_out)))
        self.handed_out += [("clicks", seq), ("events", self.writer.add_event(seq, SALE))]
        if commit:
            self.writer.commit()
        else:
            self.writer.rollback()

    def fail_apart(self) -> None:
        """A job that writes and then fails, in a transaction that continues."""

        def work(writer: DayWriter) -> None:
            seq = writer.add_click(numbered(len(self.handed_out)))
            self.handed_out.extend([("clicks", seq), ("events", writer.add_event(seq, SALE))])
            raise KeyError

        self.writer.begin()
        with pytest.raises(KeyError):
            self.writer.in_savepoint(work)
        self.writer.commit()

    def erase_newest(self) -> None:
        self.writer.begin()
        for table in ("clicks", "events"):
            self.writer._database.execute(f"delete from {table} where seq = (select max(seq) from {table})")
        self.writer.commit()

    def crash(self) -> None:
        self.writer.begin()
        for _ in range(3):
            self.handed_out.append(("clicks", self.writer.add_click(numbered(len(self.handed_out)))))
        old = self.data
        self.boots += 1
        shutil.copytree(old, self.data, ignore=shutil.ignore_patterns("*-shm"))
        self.writer.rollback()
        self.writer.close()
        self.writer = day_writer(self.data)


STEPS = {
    "commit": lambda machine: machine.add(commit=True),
    "roll back": lambda machine: machine.add(commit=False),
    "fail apart": Machine.fail_apart,
    "erase newest": Machine.erase_newest,
    "crash": Machine.crash,
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(list(STEPS)), min_size=1, max_size=8))
def test_sequence_numbers_are_never_used_twice(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"))

    for step in [*steps, "crash", "commit"]:
        STEPS[step](machine)

    machine.writer.close()
    assert len(set(machine.handed_out)) == len(machine.handed_out)


def test_committed_rows_survive_a_crash(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for _ in range(3):
        machine.add(commit=True)
    before = stored(machine.data)

    machine.crash()

    assert stored(machine.data) == before
    assert len(before) == 3


def test_a_crash_leaves_complete_transactions(tmp_path: Path) -> None:
    writer = day_writer(tmp_path / "live")
    for batch in range(20):
        store(writer, *range(batch * 10, batch * 10 + 10))
    whole = day_path(tmp_path / "live" / "days", MAIN, DATE)
    wal = whole.with_name(whole.name + "-wal").read_bytes()

    for cut in range(0, len(wal), len(wal) // 37):
        after = tmp_path / str(cut)
        shutil.copytree(tmp_path / "live", after, ignore=shutil.ignore_patterns("*-shm"))
        torn = day_path(after / "days", MAIN, DATE)
        torn.with_name(torn.name + "-wal").write_bytes(wal[:cut])
        day_writer(after).close()
        assert len(stored(after)) % 10 == 0


# --------------------------------------------------------------------------------------------- sealed rows


@pytest.mark.parametrize("table", ["clicks", "events"])
def test_swapped_rows_do_not_open(tmp_path: Path, table: str) -> None:
    writer = day_writer(tmp_path)
    for seq in store(writer, 1, 2):
        writer.begin()
        writer.add_event(seq, SALE)
        writer.commit()
    writer.close()
    with open_file(tmp_path) as database:
        (one, first), (two, second) = database.execute(f"select seq, sealed from {table}").fetchall()
        database.execute(f"update {table} set sealed = ? where seq = ?", (second, one))
        database.execute(f"update {table} set sealed = ? where seq = ?", (first, two))

    with day_reader(tmp_path) as reader:
        assert list(reader.clicks() if table == "clicks" else reader.events()) == []
        assert reader.damaged_rows == 2


@pytest.mark.parametrize(
    ("date", "workspace"), [(DATE + timedelta(days=1), MAIN), (DATE, OTHER)], ids=["another day", "another workspace"]
)
def test_a_row_does_not_open_under_another_day_or_workspace(tmp_path: Path, date: Date, workspace: WorkspaceId) -> None:
    (seq,) = store(day_writer(tmp_path), 1)
    day_writer(tmp_path, date, workspace).close()
    with open_file(tmp_path) as here, open_file(tmp_path, date, workspace) as there:
        there.execute(
            "insert into clicks values (?, ?, ?, ?, ?, ?, ?)", here.execute("select * from clicks").fetchone()
        )

    with day_reader(tmp_path, date, workspace) as reader:
        assert list(reader.clicks()) == []
        assert reader.click(seq) is None
        assert reader.damaged_rows == 1


def test_erased_rows_are_skipped(tmp_path: Path) -> None:
    writer = day_writer(tmp_path)
    one, two, three = store(writer, 1, 2, 3)
    keys = day_keys(tmp_path)
    keys.clicks.puncture(two)

    with day_reader(tmp_path) as reader:
        reader._clicks._tree.puncture(two)
        assert [seq for seq, _ in reader.clicks()] == [one, three]
        assert [seq for seq, _ in reader.newest_clicks()] == [three, one]
        assert reader.click(two) is None
        assert reader.find(ClickId("click-000002")) is None


def tokens(data: Path, date: Date) -> set[int]:
    with open_file(data, date) as database:
        rows = database.execute("select click, visitor, address, external, browser from clicks").fetchall()
    return {token for row in rows for token in row}


def test_tokens_of_a_visitor_differ_between_days(tmp_path: Path) -> None:
    for days in range(2):
        writer = day_writer(tmp_path, DATE + timedelta(days=days))
        writer.begin()
        writer.add_click(canary_click())
        writer.commit()

    one, two = tokens(tmp_path, DATE), tokens(tmp_path, DATE + timedelta(days=1))

    assert len(one) == len(two) == 5
    assert not one & two


def test_unknown_values_have_no_token(tmp_path: Path) -> None:
    writer = day_writer(tmp_path)
    writer.begin()
    writer.add_click(canary_click(ip=None, visitor=None, external_id=None, browser_id=None))
    writer.commit()

    assert len(tokens(tmp_path, DATE) - {None}) == 1


# ------------------------------------------------------------------------------------ no plain text


def busy_day(data: Path) -> DayWriter:
    writer = day_writer(data)
    for _ in range(40):
        writer.begin()
        for _ in range(10):
            seq = writer.add_click(canary_click())
            writer.add_event(seq, LANDER)
        writer.count("clicks lost", 1)
        writer.commit()
    return writer


def test_no_personal_data_is_in_the_files_while_they_are_written(tmp_path: Path) -> None:
    writer = busy_day(tmp_path)
    writer.begin()
    writer.add_click(canary_click())
    wal = next(tmp_path.rglob("*-wal"))

    assert wal.stat().st_size > 100_000
    assert leaks(tmp_path) == []

    writer.rollback()
    assert leaks(tmp_path) == []


def test_no_personal_data_is_in_the_files_after_a_crash_and_a_restart(tmp_path: Path) -> None:
    writer = busy_day(tmp_path / "live")
    writer.begin()
    writer.add_click(canary_click())

    shutil.copytree(tmp_path / "live", tmp_path / "crashed")

    assert leaks(tmp_path / "crashed") == []
    day_writer(tmp_path / "crashed").close()
    assert leaks(tmp_path / "crashed") == []
    writer.close()


def test_finishing_does_not_create_a_removed_day(tmp_path: Path) -> None:
    path = day_path(tmp_path / "days", MAIN, DATE)
    path.parent.mkdir(parents=True)

    with pytest.raises(sqlite3.OperationalError):
        finish(path, FINISHING[0])

    assert list(path.parent.iterdir()) == []


def test_an_equal_row_is_accepted_twice_and_a_different_one_refused(tmp_path: Path) -> None:
    with closing(day_writer(tmp_path)) as writer:
        row = writer.seal(numbered(1))
        writer.commit_rows([row])

        writer.commit_rows([row])
        with pytest.raises(sqlite3.IntegrityError):
            writer.commit_rows([(row[0], b"another", *row[2:])])

    with day_reader(tmp_path) as reader:
        assert [click.click_id for _, click in reader.clicks()] == [numbered(1).click_id]


def test_no_personal_data_is_in_the_file_of_a_finished_day(tmp_path: Path) -> None:
    writer = busy_day(tmp_path)
    writer.close()
    for search in FINISHING:
        finish(day_path(tmp_path / "days", MAIN, DATE), search)
    writer = day_writer(tmp_path)
    assert leaks(tmp_path) == []

    writer.close()

    assert not list(tmp_path.rglob("*-wal"))
    assert leaks(tmp_path) == []


def test_the_search_for_personal_data_finds_it_in_plain_text(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\x00" + bytes([203, 0, 113, 77]) + PERSONAL["user_agent"].encode())

    assert leaks(tmp_path) == ["log: user_agent", "log: packed address"]


# ------------------------------------------------------------------------------------------------- refusals


def test_a_day_of_a_newer_format_is_refused_and_not_changed(tmp_path: Path) -> None:
    day_writer(tmp_path).close()
    with open_file(tmp_path) as database:
        database.execute(f"pragma user_version = {DAY.version + 1}")
    path = day_path(tmp_path / "days", MAIN, DATE)
    before = path.read_bytes()

    with pytest.raises(RefusedError, match="newer tnc"):
        day_reader(tmp_path)
    with pytest.raises(RefusedError, match="newer tnc"):
        day_writer(tmp_path)

    assert path.read_bytes() == before


def test_the_path_of_a_damaged_day_is_in_the_message(tmp_path: Path) -> None:
    store(day_writer(tmp_path), 1)
    path = day_path(tmp_path / "days", MAIN, DATE)
    for left in path.parent.iterdir():
        left.unlink()
    path.write_bytes(b"no database at all" * 500)

    with pytest.raises(FailedError, match=str(path)):
        day_reader(tmp_path)
    with pytest.raises(FailedError, match=str(path)):
        day_writer(tmp_path)


def test_the_pragmas_for_durability_are_set(tmp_path: Path) -> None:
    writer = day_writer(tmp_path)
    (database,) = [writer._database]

    pragmas = {
        name: database.execute(f"pragma {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete", "temp_store")
    }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "temp_store": 2}


def test_a_large_file_is_truncated_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sizes = tmp_path / "day.gone", []
    with path.open("wb") as file:
        file.truncate(40 << 20)
    truncate = os.truncate

    def noted(at: Path, size: int) -> None:
        sizes.append(size >> 20)
        truncate(at, size)

    monkeypatch.setattr(os, "truncate", noted)

    remove_in_steps(path)

    assert sizes == [24, 8, 0]
    assert not path.exists()
