"""Notes of damage: what was put aside of a day is destroyed when the day's term is over."""

from datetime import date as Date
from pathlib import Path

from tnc.store.damage import Damage, DamageNotes


def put_aside(notes: DamageNotes, data: Path, name: str, date: str) -> Path:
    aside = data / f"{name}.damaged"
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.write_bytes(b"sealed records" * 100)
    notes.add(Damage(subject=name, text="t", fix="f", found_at_ms=1, date=date, aside=f"{name}.damaged"))
    return aside


def test_files_put_aside_are_destroyed_with_their_day(tmp_path: Path) -> None:
    notes = DamageNotes(tmp_path)
    old = put_aside(notes, tmp_path, "days/main/2026-08-01.db", "2026-08-01")
    key = put_aside(notes, tmp_path, "ring/main/2026-08-01", "2026-08-01")
    recent = put_aside(notes, tmp_path, "days/main/2026-11-01.db", "2026-11-01")

    notes.keep_since(Date(2026, 9, 1))

    assert (old.exists(), key.exists(), recent.exists()) == (False, False, True)
    assert [each.subject for each in DamageNotes(tmp_path).all()] == ["days/main/2026-11-01.db"]


def test_a_directory_put_aside_is_removed_and_a_missing_file_is_no_error(tmp_path: Path) -> None:
    notes = DamageNotes(tmp_path)
    put_aside(notes, tmp_path, "days/main/2026-08-01.db", "2026-08-01").unlink()
    folder = tmp_path / "days/main/2026-08-02.db.damaged"
    folder.mkdir()
    notes.add(
        Damage(
            subject="days/main/2026-08-02.db",
            text="t",
            fix="f",
            found_at_ms=1,
            date="2026-08-02",
            aside="days/main/2026-08-02.db.damaged",
        )
    )

    notes.keep_since(Date(2026, 9, 1))

    assert not folder.exists()
    assert notes.all() == []
