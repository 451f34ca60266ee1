"""A server that is started, reconfigured under load, stopped and killed, and starts that must be refused."""

import asyncio
import hashlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.shop import Stream, all_clicks, ask, click_of, recorded, run_json
from tnc.admin.bench.server_process import ServerProcess
from tnc.core.errors import FailedError


def hashes(folder: Path) -> dict[str, str]:
    """Files by content, without what any reader or a refused start writes: SQLite's index, an empty log, two notes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.endswith("-shm")
        and not (path.name.endswith("-wal") and not path.stat().st_size)
        and path.name not in ("clock.json", "damage.json")
    }


# ------------------------------------------------------------------------------------------------ under load


def test_a_new_configuration_under_load_fails_no_click(server: ServerProcess, tmp_path: Path) -> None:
    with Stream(server).running() as stream:
        for number in range(4):
            stream.wait_for(len(stream.replies) + 100)
            file = tmp_path / "other.toml"
            file.write_text(f'[[offer]]\nid = "shoes"\nurl = "https://shop{number}.example/shoes?s2={{click_id}}"\n')
            server.apply(file)
            assert ask(server, "/summer").location.startswith(f"https://shop{number}.example/")
        stream.wait_for(len(stream.replies) + 100)

    assert stream.answers.failed == 0
    assert len(stream.redirected) == len(stream.replies)
    versions = {click["config_version"] for click in all_clicks(server)}
    assert versions == {1, 2, 3, 4, 5}


def test_an_invalid_configuration_changes_nothing(server: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[[offer]]\nid = "shoes"\nurl = "ftp://shop.example/"\n')
    before = server.command("export").stdout

    done = server.command("apply", str(file))

    assert done.returncode == 2
    assert "bad.toml" in done.stderr
    assert "url" in done.stderr
    assert "http" in done.stderr
    assert server.command("export").stdout == before
    assert ask(server, "/summer").location.startswith("https://shop.example/shoes")


def test_every_answered_click_is_stored_after_a_graceful_stop(server: ServerProcess) -> None:
    with Stream(server).running() as stream:
        stream.wait_for(500)
        assert server.stop() == 0
        answered = set(stream.redirected)

    assert not list((server.data / "days").rglob("*-wal"))
    assert answered <= set(recorded(server))
    assert len(answered) >= 500


def test_every_answered_click_is_stored_after_repeated_kills(server: ServerProcess) -> None:
    answered: list[str] = []
    for _ in range(3):
        with Stream(server).running() as stream:
            stream.wait_for(300)
            server.kill()
        answered += stream.redirected
        server.serve()

    stored = recorded(server)
    assert len(answered) >= 900
    assert set(answered) <= set(stored)
    assert len(set(stored)) == len(stored)
    assert [line for line in run_json(server, "explain", answered[-1])["trace"] if line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_the_server_gracefully(server: ServerProcess, number: signal.Signals) -> None:
    assert server.process is not None
    server.process.send_signal(number)

    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def test_the_server_starts_again_after_a_kill_left_its_socket_and_lock(server: ServerProcess) -> None:
    click_id = click_of(ask(server, "/summer"))
    server.kill()
    assert (server.data / "socket").exists()
    assert recorded(server) == [click_id]

    server.serve()

    assert ask(server, "/-/health").status == 200
    assert server.stop() == 0
    assert not (server.data / "socket").exists()


# ---------------------------------------------------------------------------------------------- uniqueness


def test_a_visitor_is_recognised_after_a_restart(server: ServerProcess) -> None:
    def visit() -> dict[str, object]:
        click_id = click_of(ask(server, "/summer", headers={"X-Forwarded-For": "203.0.113.5"}))
        shown = run_json(server, "click", click_id)
        assert isinstance(shown, dict)
        return shown

    first, second = visit(), visit()
    server.kill()
    server.serve()
    third = visit()

    assert [each["unique_campaign"] for each in (first, second, third)] == [True, False, False]
    assert len({each["visitor"] for each in (first, second, third)}) == 1


# ---------------------------------------------------------------------------------- refused starts


def refused(server: ServerProcess, code: int) -> str:
    """The message of a start that must exit with `code`."""
    done = server.command("serve")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def refused_untouched(server: ServerProcess, code: int) -> str:
    """The same, and no file may change."""
    before = hashes(server.data)
    message = refused(server, code)
    assert hashes(server.data) == before
    return message


def test_a_second_server_on_the_same_data_is_refused(server: ServerProcess) -> None:
    with Stream(server).running() as stream:
        stream.wait_for(10)
        done = server.command("serve")
        stream.wait_for(len(stream.replies) + 10)

    assert done.returncode == 4
    assert "another tnc is using" in done.stderr
    assert stream.answers.failed == 0
    assert run_json(server, "clicks", "--limit", "1")["campaign"] == "summer"


@pytest.mark.parametrize("name", ["listen", "dashboard"])
def test_a_port_in_use_is_named_in_the_error(stopped: ServerProcess, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = stopped.config.read_text()
        lines = [f'{name} = "127.0.0.1:{port}"' if line.startswith(f"{name} =") else line for line in text.splitlines()]
        stopped.config.write_text("\n".join(lines))

        assert f"127.0.0.1:{port}" in refused(stopped, 4)


def test_data_of_a_newer_version_is_refused(server: ServerProcess) -> None:
    click_of(ask(server, "/summer"))
    server.stop()
    day = min((server.data / "days" / "main").glob("*.db"))
    for path in (server.data / "control.db", day):
        with sqlite3.connect(path) as database:
            version = database.execute("pragma user_version").fetchone()[0]
            database.execute("pragma user_version = 99")
        assert "newer tnc" in refused_untouched(server, 4)
        with sqlite3.connect(path) as database:
            database.execute(f"pragma user_version = {version}")

    server.serve()


def test_without_its_key_file_the_server_does_not_start_and_makes_no_new_one(server: ServerProcess) -> None:
    click_id = click_of(ask(server, "/summer"))
    server.stop()
    key = server.data.with_name("data.key")
    kept = key.read_text()

    key.unlink()
    assert "key file" in refused_untouched(server, 4)
    assert not key.exists()
    key.write_text("0" * 64)
    assert "another installation's key" in refused_untouched(server, 4)
    key.write_text("no key")
    assert "64 hexadecimal digits" in refused_untouched(server, 2)

    key.write_text(kept)
    server.serve()
    assert recorded(server) == [click_id]


@pytest.mark.parametrize("what", ["the workspace's keys", "the installation's keys", "all keys"])
def test_without_part_of_its_keyring_the_server_does_not_start(server: ServerProcess, what: str) -> None:
    click_of(ask(server, "/summer"))
    server.stop()
    ring = server.data / "ring"
    gone = {
        "the workspace's keys": ring / "main" / "keys",
        "the installation's keys": ring / "installation",
        "all keys": ring,
    }[what]
    away = server.data.with_name("away")
    shutil.move(gone, away)

    done = server.command("serve")

    assert done.returncode in (3, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert not gone.exists()
    shutil.move(away, gone)
    server.serve()


def test_a_damaged_keyring_is_refused(server: ServerProcess) -> None:
    click_of(ask(server, "/summer"))
    server.stop()
    keys = server.data / "ring" / "main" / "keys"  # a damaged key of one day stops no start
    keys.write_bytes(os.urandom(keys.stat().st_size))

    assert "damaged" in refused_untouched(server, 1)


def test_a_folder_that_is_not_a_data_directory_is_refused(tmp_path: Path, stopped: ServerProcess) -> None:
    for name in ("control.db", "control.snapshot"):  # without the snapshot there is no configuration to serve
        (stopped.data / name).unlink()

    assert "no data directory" in refused_untouched(stopped, 3)


def test_init_never_overwrites(server: ServerProcess) -> None:
    click_id = click_of(ask(server, "/summer"))
    server.stop()
    before = hashes(server.data)

    with pytest.raises(FailedError, match="ended with 4"):
        server.init()

    assert hashes(server.data) == before
    assert recorded(server) == [click_id]


# ------------------------------------------------------------------------------------------------- full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tnc-test", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


async def test_on_a_full_disk_visitors_are_redirected_and_their_clicks_are_stored_later(
    small_disk: Path, tmp_path: Path
) -> None:
    with ServerProcess(small_disk / "data", log=tmp_path / "log") as server:
        server.init()
        file = tmp_path / "small.toml"
        file.write_text(
            '[[campaign]]\nid = "summer"\notherwise = { type = "url", url = "https://e.example/?s2={click_id}" }\n'
        )
        server.apply(file)
        server.serve()
        sold = f"/postback?cid={click_of(ask(server, '/summer'))}"
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(_free(small_disk) - 200_000))

        with Stream(server).running() as stream:
            while ask(server, "/-/health").status == 200:
                await asyncio.sleep(0.05)
            stream.wait_for(len(stream.replies) + 200)
            refused = ask(server, sold)
        assert refused.status == 503  # so that the network sends it again
        assert stream.answers.failed == 0
        assert len(stream.redirected) == len(stream.replies)

        ballast.unlink()
        while ask(server, "/-/health").status != 200:
            await asyncio.sleep(0.05)

        assert (ask(server, sold).body, ask(server, sold).body) == ("ok", "duplicate")
        assert len(all_clicks(server)[0]["conversions"]) == 1
        assert set(stream.redirected) <= set(recorded(server))
        assert len(set(recorded(server))) == len(recorded(server))
        assert server.stop() == 0


def _free(place: Path) -> int:
    space = os.statvfs(place)
    return space.f_bavail * space.f_frsize
