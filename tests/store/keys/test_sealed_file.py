"""Key files: complete after a crash at any point, and the old content overwritten."""

import hashlib
import json
import os
import resource
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from tnc.core.errors import FailedError, RefusedError
from tnc.store.keys.sealed_file import SlotFile, _slots, overwrite, recover

KEK = b"k" * 32


def slot_file(folder: Path, kek: bytes = KEK, context: str = "day|main|2026-11-24") -> SlotFile:
    return SlotFile(folder / "ring" / "2026-11-24", kek=kek, context=context)


def test_the_published_vector_is_read(tmp_path: Path) -> None:
    vector = json.loads((Path(__file__).parents[2] / "vectors" / "ring.json").read_text(encoding="utf-8"))
    size, slot = vector["slot_size"], bytes.fromhex(vector["second_slot"])
    whole = b"tnc-ring-1\n" + size.to_bytes(4, "big") + bytes(size) + slot + bytes(size - len(slot))
    file = slot_file(tmp_path, bytes.fromhex(vector["key_encryption_key"]), vector["context"])
    file.path.parent.mkdir()
    file.path.write_bytes(whole)

    assert file.read() == vector["content"].encode()
    assert slot_file(tmp_path, kek=b"?" * 32).generation() == vector["epoch"], "it needs no key"
    second = whole[15 + size :]
    assert hashlib.sha256(second[32:]).digest() == second[:32]
    assert int.from_bytes(second[32:40], "big") == vector["epoch"]


def test_a_file_with_a_changed_epoch_does_not_open(tmp_path: Path) -> None:
    file = slot_file(tmp_path)
    file.write(b"one")
    file.write(b"two")
    whole = bytearray(file.path.read_bytes())
    size = (len(whole) - 15) // 2
    at = next(start for start in (15, 15 + size) if whole[start + 32 : start + 40] == (2).to_bytes(8, "big"))
    whole[at + 39] = 1
    whole[at : at + 32] = hashlib.sha256(whole[at + 32 : at + size]).digest()
    file.path.write_bytes(whole)

    assert file.generation() == 1
    with pytest.raises(RefusedError):
        file.read()


class CrashError(Exception):
    pass


def test_content_is_read_back(tmp_path: Path) -> None:
    file = slot_file(tmp_path)

    for content in (b"one", b"two", b"three" * 5000, b""):
        file.write(content)
        assert slot_file(tmp_path).read() == content


def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = slot_file(tmp_path)
    file.write(b"one")

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_the_former_content_is_overwritten(tmp_path: Path) -> None:
    file = slot_file(tmp_path)
    file.write(b"one")
    former = file.path.read_bytes()
    sealed_one = former[15 + 32 + 12 : 15 + 32 + 12 + 31]

    file.write(b"two")

    assert sealed_one in former
    assert sealed_one not in file.path.read_bytes()
    assert [path.name for path in file.path.parent.iterdir()] == ["2026-11-24"]


def test_another_key_is_refused_with_a_reason(tmp_path: Path) -> None:
    slot_file(tmp_path).write(b"one")

    with pytest.raises(RefusedError, match="another installation's key"):
        slot_file(tmp_path, kek=b"x" * 32).read()


def test_a_file_of_another_day_does_not_open(tmp_path: Path) -> None:
    slot_file(tmp_path).write(b"one")

    with pytest.raises(RefusedError):
        slot_file(tmp_path, context="day|main|2026-11-25").read()


def test_a_file_whose_slots_are_both_damaged_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = slot_file(tmp_path)
    file.write(b"one")
    damaged = bytearray(file.path.read_bytes())
    damaged[60] ^= 1
    file.path.write_bytes(damaged)

    with pytest.raises(FailedError, match="damaged"):
        file.read()

    assert file.path.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"two", b"two" * 20_000], ids=["in place", "into a larger file"])
def test_a_crash_at_any_step_leaves_the_old_or_the_new_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    steps = ("pwrite", "fsync", "link", "replace", "open", "unlink")
    for crash_at in range(1, 30):
        folder = tmp_path / str(crash_at)
        slot_file(folder).write(b"one")
        left = crash_at

        with monkeypatch.context() as patch:
            for name in steps:
                real = getattr(os, name)

                def step(*args: object, _real: object = real, **keywords: object) -> object:
                    nonlocal left
                    left -= 1
                    if left == 0:
                        raise CrashError
                    return _real(*args, **keywords)  # type: ignore[operator]

                patch.setattr(os, name, step)
            with suppress(CrashError):
                slot_file(folder).write(content)

        assert slot_file(folder).read() in (b"one", content)
        recover(folder / "ring")
        assert [path.name for path in folder.glob("ring/*")] == ["2026-11-24"]
        assert len(_slots(slot_file(folder).path.read_bytes())) == 1, "and none of the former content"
        assert slot_file(folder).read() in (b"one", content)
        slot_file(folder).write(b"three")
        assert slot_file(folder).read() == b"three"


def test_a_partial_write_leaves_the_old_content(tmp_path: Path) -> None:
    """The kernel writes up to a limit and returns the smaller number, like a disk that is nearly full."""
    file = slot_file(tmp_path)
    file.write(b"one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            file.write(b"two" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert file.read() == b"one"
    file.write(b"two" * 20_000)
    assert file.read() == b"two" * 20_000


def test_a_reader_does_not_remove_what_the_writer_is_to_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = slot_file(tmp_path)
    file.write(b"one")
    former = file.path.read_bytes()
    wiped: list[bytes] = []

    def reads_at(step: str) -> None:
        real = getattr(os, step)

        def reading(*args: object, **keywords: object) -> object:
            done = real(*args, **keywords)
            assert slot_file(tmp_path).read() in (b"one", b"two" * 20_000)
            return done

        monkeypatch.setattr(os, step, reading)

    def noted(path: Path) -> None:
        wiped.append(path.read_bytes())
        overwrite(path)

    for step in ("link", "replace"):
        reads_at(step)
    monkeypatch.setattr("tnc.store.keys.sealed_file.overwrite", noted)

    file.write(b"two" * 20_000)

    assert wiped == [former]


def test_destroying_leaves_no_file(tmp_path: Path) -> None:
    file = slot_file(tmp_path)
    file.write(b"one")

    file.destroy()

    assert not list(file.path.parent.iterdir())
