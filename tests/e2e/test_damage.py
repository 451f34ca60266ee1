"""Damaged data: a damaged file stops nothing but itself."""

import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import copy_of
from tests.e2e.shop import SHOP, all_clicks, ask, click_of, postback
from tnc.admin.bench.server_process import ServerProcess
from tnc.cli import serve as _loaded_before_the_forks  # noqa: F401 - each child would load it again
from tnc.cli.main import group

TODAY: Final = datetime.now(UTC).date()
OLD: Final = TODAY - timedelta(days=2)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _overwrite_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * min(16, path.stat().st_size))


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    start = max(0, len(content) // 2 - 32)
    for at in range(start, min(len(content), start + 64)):
        content[at] ^= 0xFF
    path.write_bytes(content)


def _delete(path: Path) -> None:
    path.unlink()


def _make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: Final[dict[str, Callable[[Path], None]]] = {
    "emptied": _empty,
    "cut in half": _cut,
    "header overwritten": _overwrite_header,
    "64 bytes flipped": _flip,
    "deleted": _delete,
    "directory in its place": _make_directory,
}
FILES: Final = (
    "config.toml",
    "control.db",
    "control.db-wal",
    "control.snapshot",
    "damage.json",
    f"days/main/{OLD}.db",
    f"days/main/{TODAY}.db",
    f"days/main/{TODAY}.db-wal",
    f"days/main/{TODAY}.db-shm",
    f"ring/main/{OLD}",
    f"ring/main/{TODAY}",
    "ring/main/keys",
    "ring/installation",
    "ipdb/manifest.json",
    f"columns/main/{TODAY}/state.json",
    "socket",
    "lock",
    "inspection.json",
    "../data.key",
)
MAY_STOP: Final = ("config.toml", "ring/main/keys", "ring/installation", "../data.key")
"""A start may be refused for these, with a sentence."""


@pytest.fixture(scope="module")
def original(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data directory that was killed: clicks of today and of two days ago, configuration in its log."""
    folder = tmp_path_factory.mktemp("original")
    with copy_of(initialised, folder) as server:
        server.serve()
        for number in range(40):
            click_of(ask(server, f"/summer?ext=e{number}"))
        old = datetime.combine(OLD, datetime.min.time(), UTC).isoformat().replace("+00:00", "Z")
        line = {"click_id": "", "clicked_at": old, "campaign": "summer", "offer": "shoes"}
        lines = "\n".join(json.dumps(line | {"click_id": f"old{number}"}) for number in range(20))
        (folder / "old.jsonl").write_text(lines)
        done = server.command("import", "clicks", str(folder / "old.jsonl"))
        assert done.returncode == 0, done.stderr
        assert server.command("report", "--by", "day").returncode == 0
        manifest = server.data / "ipdb" / "manifest.json"
        if not manifest.exists():
            manifest.write_text('{"items": []}')
        (server.data / "inspection.json").write_text("{}")
        server.kill()
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damaged_file_stops_nothing_but_itself(original: Path, tmp_path: Path, damage: str) -> None:
    """Each file in its turn; all faults of one kind of damage are told together."""
    wrong = []
    for number, name in enumerate(FILES):
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = shutil.copytree(original, folder / "x", ignore=shutil.ignore_patterns("socket"))
        server = ServerProcess(copy / "data")
        path = server.data / name
        path.parent.mkdir(exist_ok=True, parents=True)
        if not path.exists():
            path.write_bytes(b"")
        DAMAGES[damage](path)
        wrong += [f"{name} {damage}: {each}" for each in _start(server, may_stop=name in MAY_STOP)]
        shutil.rmtree(folder)
    assert not wrong, "\n".join(wrong)


def _start(server: ServerProcess, *, may_stop: bool) -> Iterator[str]:
    """What is wrong with a start: it must redirect, or say in a sentence what to type."""
    read, write = os.pipe()
    child = os.fork()  # a new interpreter would load everything again, 76 times
    if child == 0:
        os.close(read)
        log = os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(write, 1)
        os.dup2(log, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        code = 99
        try:
            group(["--config", str(server.config), "serve"], standalone_mode=True)
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as output:
        words = output.readline()
        if words.startswith("ready"):
            host, port = words.split("tracking=http://")[1].split()[0].rsplit(":", 1)
            server.tracking = (host, int(port))
            status = ask(server, "/summer?ext=x").status
            health = json.loads(ask(server, "/-/health").body)
            os.kill(child, signal.SIGKILL)
            if status != 302:
                yield f"answered {status}, health {health}"
        _, ended = os.waitpid(child, 0)
    told = server.log.read_text()
    code = os.waitstatus_to_exitcode(ended)
    if not words.startswith("ready"):
        if not may_stop:
            yield f"did not start: {told[-600:]}"
        elif not told.startswith("tnc: ") and code not in (1, 2, 3, 4):
            yield f"ended with {code}: {told[-600:]}"
    if "Traceback" in told:
        yield f"a traceback: {told[-1500:]}"


def _health(server: ServerProcess) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ask(server, "/-/health").body)
    return told


def test_a_damaged_old_day_is_put_aside_and_named(original: Path, tmp_path: Path) -> None:
    with _copy(original, tmp_path) as server:
        path = server.data / f"days/main/{OLD}.db"
        with closing(sqlite3.connect(path)) as database:
            database.execute("pragma wal_checkpoint(truncate)")
        _overwrite_header(path)
        server.serve()

        assert (server.data / f"days/main/{OLD}.db.damaged").is_file()
        assert _health(server)["status"] == "degraded"
        doctor = server.command("doctor")
        assert doctor.returncode == 1
        assert f"{OLD}.db.damaged" in doctor.stdout
        assert len(all_clicks(server)) == 40


def test_clicks_go_on_behind_a_damaged_record(original: Path, tmp_path: Path) -> None:
    with _copy(original, tmp_path) as server:
        with closing(sqlite3.connect(server.data / f"days/main/{TODAY}.db", isolation_level=None)) as database:
            seq = database.execute("select seq from clicks order by seq limit 1 offset 20").fetchone()[0]
            database.execute("update clicks set sealed = zeroblob(200) where seq = ?", (seq,))

        assert len(all_clicks(server)) == 59
        doctor = server.command("doctor")
        assert doctor.returncode == 1
        assert "1 records or pages" in doctor.stdout


def test_a_lost_log_of_the_control_database_loses_no_campaign(initialised: Path, tmp_path: Path) -> None:
    with copy_of(initialised, tmp_path) as server:
        with closing(sqlite3.connect(server.data / "control.db", isolation_level=None)) as database:
            database.execute("delete from config_versions")
        server.serve()

        assert ask(server, "/summer?ext=x").status == 302
        assert _health(server)["status"] == "degraded"
        assert "version 1 was put back" in server.command("doctor").stdout


def test_without_the_control_database_visitors_are_redirected_and_changes_refused(
    initialised: Path, tmp_path: Path
) -> None:
    with copy_of(initialised, tmp_path) as server:
        _flip(server.data / "control.db")
        _overwrite_header(server.data / "control.db")
        server.serve()

        click = click_of(ask(server, "/summer?ext=x"))
        assert postback(server, click, status="approved").status == 200
        assert _health(server)["status"] == "degraded"
        (tmp_path / "changed.toml").write_text(SHOP.replace("payout = 12.5", "payout = 13"))
        refused = server.command("apply", str(tmp_path / "changed.toml"))
        assert refused.returncode == 4
        assert "stores no changes" in refused.stderr
        doctor = server.command("doctor")
        assert doctor.returncode == 1
        assert "tnc backup restore" in doctor.stdout


def test_a_deleted_day_is_written_anew_by_a_running_server(server: ServerProcess) -> None:
    clicks = [click_of(ask(server, f"/summer?ext=e{number}")) for number in range(10)]
    path = server.data / f"days/main/{TODAY}.db"
    path.unlink()
    clicks += [click_of(ask(server, f"/summer?ext=f{number}")) for number in range(10)]
    until = time.monotonic() + 60
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.2)
    clicks.append(click_of(ask(server, "/summer?ext=last")))

    assert _health(server)["status"] == "degraded"
    server.kill()
    assert sorted(click["click_id"] for click in all_clicks(server)) == sorted(clicks)


def test_a_day_that_is_missing_at_a_start_is_named(original: Path, tmp_path: Path) -> None:
    with _copy(original, tmp_path) as server:
        server.serve()
        server.stop()
        (server.data / f"days/main/{OLD}.db").unlink()
        server.serve()

        assert _health(server)["status"] == "degraded"
        assert f"20 clicks of {OLD} were recorded" in server.command("doctor").stdout


def test_an_empty_configuration_file_is_refused(initialised: Path, tmp_path: Path) -> None:
    with copy_of(initialised, tmp_path) as server:
        _empty(server.config)
        done = server.command("doctor")

        assert done.returncode == 2
        assert "is empty" in done.stderr


def _copy(original: Path, folder: Path) -> ServerProcess:
    shutil.copytree(original, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("socket"))
    return ServerProcess(folder / "data")
