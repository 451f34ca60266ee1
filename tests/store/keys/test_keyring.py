"""The keyring: keys are made once, read back, and never replaced by new ones."""

import shutil
import stat
from collections.abc import Callable
from datetime import date as Date
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.records import DATE, KEK, day_keys, hashes, keyring
from tnc.core.errors import FailedError, InvalidError, NotFoundError, RefusedError, TncError
from tnc.core.models import MAIN, WorkspaceId
from tnc.store.days.click_log import Days
from tnc.store.keys.keyring import DayKeys, Keyring, Token, new_key_text, read_key
from tnc.store.keys.puncturable import PuncturableKey, PuncturedError

OTHER = WorkspaceId("other")
KINDS: tuple[Token, ...] = ("click", "visitor", "address", "external", "browser")


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    made = keyring(tmp_path)
    made.create()
    made.create_workspace(MAIN)
    return made


# ------------------------------------------------------------------------------------------- the key file


def test_a_new_key_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(new_key_text())

    assert len(read_key(path)) == 32
    assert new_key_text() != new_key_text()


def test_a_missing_key_file_is_refused_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"is missing.*makes no new one") as refused:
        read_key(tmp_path / "key")

    assert str(tmp_path / "key") in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "é" * 64], ids=str)
def test_a_key_file_without_a_key_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidError, match="64 hexadecimal digits") as refused:
        read_key(path)

    assert not text or text not in str(refused.value)


# ---------------------------------------------------------------------------- existing keys are never replaced


def test_keys_are_read_back_by_another_keyring(tmp_path: Path, ring: Keyring) -> None:
    day = ring.create_day(MAIN, DATE)

    again = keyring(tmp_path)

    assert again.installation() == ring.installation()
    assert again.workspace(MAIN) == ring.workspace(MAIN)
    assert again.day(MAIN, DATE).clicks.leaf(5) == day.clicks.leaf(5)
    assert again.day(MAIN, DATE).token_key == day.token_key


def test_all_keys_differ(ring: Keyring) -> None:
    ring.create_workspace(OTHER)
    days = [ring.create_day(workspace, DATE + timedelta(days=n)) for workspace in (MAIN, OTHER) for n in range(2)]
    installation, workspaces = ring.installation(), [ring.workspace(each) for each in (MAIN, OTHER)]

    keys = [key for day in days for key in (day.clicks.leaf(0), day.events.leaf(0), day.token_key)]
    keys += [installation.control_key, installation.pepper, installation.receipt_key]
    keys += [key for each in workspaces for key in (each.cookie_key, each.tomb_key)]

    assert len(set(keys)) == len(keys) == 19


AGAIN: dict[str, Callable[[Keyring], object]] = {
    "installation": Keyring.create,
    "workspace": lambda ring: ring.create_workspace(MAIN),
    "day": lambda ring: ring.create_day(MAIN, DATE),
}


@pytest.mark.parametrize("make", AGAIN.values(), ids=AGAIN)
def test_existing_keys_are_not_replaced(tmp_path: Path, ring: Keyring, make: Callable[[Keyring], object]) -> None:
    ring.create_day(MAIN, DATE)
    before = hashes(tmp_path)

    with pytest.raises(RefusedError):
        make(keyring(tmp_path))

    assert hashes(tmp_path) == before


def test_key_files_are_readable_by_their_owner_only(tmp_path: Path, ring: Keyring) -> None:
    ring.create_day(MAIN, DATE)

    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


# ---------------------------------------------------------------------------------------------- refusals

OPEN: dict[str, tuple[str, Callable[[Keyring], object]]] = {
    "installation": ("installation", Keyring.installation),
    "workspace": ("main/keys", lambda ring: ring.workspace(MAIN)),
    "salts": ("main/keys", lambda ring: ring.rotate_salts(MAIN, DATE)),
    "day": ("main/2026-11-24", lambda ring: ring.day(MAIN, DATE)),
}
each_file = pytest.mark.parametrize(("name", "use"), OPEN.values(), ids=OPEN)


def refused(data: Path, use: Callable[[Keyring], object], kek: bytes = KEK) -> TncError:
    before = hashes(data)
    with pytest.raises(TncError) as raised:
        use(Keyring(data / "ring", kek))
    assert hashes(data) == before
    return raised.value


@each_file
def test_another_installations_key_is_refused(
    tmp_path: Path, ring: Keyring, name: str, use: Callable[[Keyring], object]
) -> None:
    ring.create_day(MAIN, DATE)

    error = refused(tmp_path, use, kek=b"x" * 32)

    assert isinstance(error, RefusedError)
    assert "another installation's key" in str(error)
    assert str(tmp_path / "ring" / name) in str(error)


@each_file
@pytest.mark.parametrize("left", [b"", b"tnc-ring-1\n", b"x" * 20_000], ids=["empty", "a stump", "garbage"])
def test_a_damaged_file_is_refused(
    tmp_path: Path, ring: Keyring, name: str, use: Callable[[Keyring], object], left: bytes
) -> None:
    ring.create_day(MAIN, DATE)
    (tmp_path / "ring" / name).write_bytes(left)

    error = refused(tmp_path, use)

    assert isinstance(error, FailedError)
    assert "damaged" in str(error)
    assert "Restore" in str(error)


@each_file
def test_a_missing_file_is_refused(tmp_path: Path, ring: Keyring, name: str, use: Callable[[Keyring], object]) -> None:
    ring.create_day(MAIN, DATE)
    (tmp_path / "ring" / name).unlink()

    refused(tmp_path, use)


@pytest.mark.parametrize("place", [(MAIN, DATE + timedelta(days=1)), (OTHER, DATE)], ids=["day", "workspace"])
def test_a_key_file_does_not_open_under_another_day_or_workspace(
    tmp_path: Path, ring: Keyring, place: tuple[WorkspaceId, Date]
) -> None:
    ring.create_day(MAIN, DATE)
    there = tmp_path / "ring" / place[0] / place[1].isoformat()
    there.parent.mkdir(exist_ok=True)
    shutil.copy(tmp_path / "ring" / MAIN / DATE.isoformat(), there)

    assert isinstance(refused(tmp_path, lambda ring: ring.day(*place)), RefusedError)


def test_a_recorded_day_without_its_key_gets_no_new_key(tmp_path: Path, ring: Keyring) -> None:
    days = Days(tmp_path / "days", ring)
    days.transact((MAIN, DATE), lambda writer: writer.count("clicks lost", 1))
    days.close()
    (tmp_path / "ring" / MAIN / DATE.isoformat()).unlink()
    before = hashes(tmp_path)

    with pytest.raises(RefusedError, match="no key"):
        Days(tmp_path / "days", keyring(tmp_path)).writer((MAIN, DATE))

    assert hashes(tmp_path) == before


# -------------------------------------------------------------------------------------------------- a day


def test_a_punctured_day_stays_punctured(tmp_path: Path, ring: Keyring) -> None:
    keys = ring.create_day(MAIN, DATE)
    kept = keys.clicks.leaf(6)
    keys.clicks.puncture(5)
    ring.save_day(keys)

    again = keyring(tmp_path).day(MAIN, DATE)

    assert again.clicks.leaf(6) == kept
    with pytest.raises(PuncturedError):
        again.clicks.leaf(5)
    assert again.events.leaf(5) == keys.events.leaf(5)


def test_the_dictionary_of_a_day_stays_with_its_keys(tmp_path: Path, ring: Keyring) -> None:
    ring.create_day(MAIN, DATE, dictionary=b"summer shoes")

    ring.puncture_day(MAIN, DATE, clicks=[5], events=[])

    assert keyring(tmp_path).day(MAIN, DATE).dictionary == b"summer shoes"


def test_destroyed_day_keys_are_gone_from_file_and_memory(tmp_path: Path, ring: Keyring) -> None:
    ring.create_day(MAIN, DATE)
    path = tmp_path / "ring" / MAIN / DATE.isoformat()
    with path.open("rb") as still_open:
        before = still_open.read()

        ring.destroy_day(MAIN, DATE)

        still_open.seek(0)
        after = still_open.read()
    assert not any(before[at : at + 16] in after for at in range(64, len(before) - 16, 16))
    assert not ring.has_day(MAIN, DATE)
    with pytest.raises(NotFoundError):
        ring.day(MAIN, DATE)


def test_days_are_listed_oldest_first(ring: Keyring) -> None:
    dates = [DATE + timedelta(days=n) for n in (3, -40, 0)]
    for date in dates:
        ring.create_day(MAIN, date)

    assert list(ring.all_days(MAIN)) == sorted(dates)


def test_open_day_gives_an_independent_copy(ring: Keyring) -> None:
    ring.create_day(MAIN, DATE)

    ring.open_day(MAIN, DATE).clicks.puncture(1)

    assert ring.day(MAIN, DATE).clicks.leaf(1)


def keys_of(token_key: bytes) -> DayKeys:
    tree = PuncturableKey.from_root(b"r" * 32)
    return DayKeys(MAIN, DATE, tree, tree, token_key)


@given(st.sampled_from(KINDS), st.text(), st.binary(min_size=32, max_size=32))
def test_a_token_is_48_signed_bits_and_the_same_on_its_day(kind: Token, value: str, token_key: bytes) -> None:
    token = keys_of(token_key).token(kind, value)

    assert -(1 << 47) <= token < 1 << 47
    assert keys_of(token_key).token(kind, value) == token


def test_tokens_differ_by_day_and_by_kind(tmp_path: Path) -> None:
    days = [day_keys(tmp_path, DATE + timedelta(days=n)) for n in range(20)]

    found = {keys.token(kind, "203.0.113.77") for keys in days for kind in KINDS}

    assert len(found) == 20 * len(KINDS)


# -------------------------------------------------------------------------------------------------- salts


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-400, 400) | st.integers(-2, 2), min_size=1, max_size=8))
def test_salts_of_today_and_tomorrow_exist_even_when_the_clock_jumps(
    tmp_path_factory: pytest.TempPathFactory, days: list[int]
) -> None:
    ring = keyring(tmp_path_factory.mktemp("salts"))
    ring.create_workspace(MAIN)
    before: dict[str, bytes] = {}

    for today in (DATE + timedelta(days=n) for n in days):
        salts = ring.rotate_salts(MAIN, today)

        near = {(today + timedelta(days=n)).isoformat() for n in (-1, 0, 1)}
        assert set(salts) <= near
        assert {today.isoformat(), (today + timedelta(days=1)).isoformat()} <= set(salts)
        assert all(salts[day] == salt for day, salt in before.items() if day in near)
        assert all(len(salt) == 16 for salt in salts.values())
        assert ring.workspace(MAIN).salts == salts
        before = salts


def test_rotating_salts_twice_a_day_writes_nothing(tmp_path: Path, ring: Keyring) -> None:
    ring.rotate_salts(MAIN, DATE)
    before = hashes(tmp_path)

    ring.rotate_salts(MAIN, DATE)

    assert hashes(tmp_path) == before


def test_a_rotated_salt_is_overwritten_in_the_file(tmp_path: Path, ring: Keyring) -> None:
    ring.rotate_salts(MAIN, DATE)
    path = tmp_path / "ring" / MAIN / "keys"
    former = path.read_bytes()

    after_two_days = ring.rotate_salts(MAIN, DATE + timedelta(days=2))

    assert DATE.isoformat() not in after_two_days
    head = len(b"tnc-ring-1\n") + 4
    now = path.read_bytes()
    assert not any(former[at : at + 16] in now for at in range(head, len(former) - 16))


def test_rotating_salts_keeps_the_other_keys(ring: Keyring) -> None:
    before = ring.workspace(MAIN)

    ring.rotate_salts(MAIN, DATE)

    after = ring.workspace(MAIN)
    assert (after.cookie_key, after.tomb_key) == (before.cookie_key, before.tomb_key)
