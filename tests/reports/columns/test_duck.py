"""DuckDB reads and writes one folder only, and no statement can change that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tnc.reports.columns.duck import Duck, UnreadableError, Values


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[Duck]:
    with Duck(tmp_path / "inside") as opened:
        yield opened


def bound(*values: object) -> Values:
    made = Values()
    for value in values:
        made.bind(value)
    return made


def test_it_reads_nothing_outside_its_folder(duck: Duck, tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_text("a,b\n1,2\n")

    with pytest.raises(UnreadableError, match="disabled by configuration"):
        duck.rows("select * from read_csv($1)", bound(str(outside)))


def test_it_writes_nothing_outside_its_folder(duck: Duck, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="disabled by configuration"):
        duck.write("select 1 as a", bound(), tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("setting", ["enable_external_access = true", "memory_limit = '90GB'", "threads = 8"])
def test_its_settings_cannot_be_changed(duck: Duck, setting: str) -> None:
    with pytest.raises(UnreadableError, match="locked"):
        duck.rows(f"set {setting}", bound())


@pytest.mark.parametrize("statement", ["install httpfs", "load httpfs"])
def test_it_loads_no_extensions(duck: Duck, statement: str) -> None:
    with pytest.raises(UnreadableError):
        duck.rows(statement, bound())


def test_a_folder_name_may_contain_quotes(tmp_path: Path) -> None:
    with Duck(tmp_path / "o'clock; --") as duck:
        path = tmp_path / "o'clock; --" / "a.parquet"

        assert duck.write("select 7 as a union all select 8", bound(), path) == 2

        values = Values()
        assert duck.rows(f"select a from {values.parquet([str(path)], {'a': 'bigint'})} order by a", values) == [
            (7,),
            (8,),
        ]


def test_a_failed_write_leaves_the_old_file(duck: Duck, tmp_path: Path) -> None:
    path = tmp_path / "inside" / "a.parquet"
    duck.write("select 7 as a", bound(), path)
    before = path.read_bytes()

    with pytest.raises(UnreadableError):
        duck.write("select 'x'::bigint as a", bound(), path)

    assert path.read_bytes() == before


def test_temporary_files_are_removed_also_those_of_killed_processes(tmp_path: Path) -> None:
    leftover = tmp_path / "temp" / "999999999-abc"
    leftover.mkdir(parents=True)

    with Duck(tmp_path):
        assert not leftover.exists()

    assert list((tmp_path / "temp").iterdir()) == []


def test_a_query_larger_than_memory_spills_to_disk_and_removes_its_files(tmp_path: Path) -> None:
    with Duck(tmp_path, memory_mb=64) as duck:
        duck.rows("create temp table large as select i, md5(i::varchar) as a from range(1500000) its(i)", bound())

        assert any(path.is_file() for path in (tmp_path / "temp").rglob("*")), "it spilled to disk"
        assert duck.rows("select count(distinct a) from large", bound()) == [(1_500_000,)]

    assert not any(path.is_file() for path in tmp_path.rglob("*"))
