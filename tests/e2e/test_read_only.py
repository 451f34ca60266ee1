"""A data directory on a file system that is mounted read-only: redirects go on, and the words are right."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest

from tests.e2e.conftest import copy_of
from tests.e2e.shop import ask, click_of, postback
from tnc.admin.bench.server_process import ServerProcess

EMAIL, PASSWORD = "owner@localhost.localdomain", "four plain words together"
WRONG_WORDS = ("Traceback", "damaged", "restore it from a backup")


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    place = folder / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=200m", "tnc-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount, and not in every container")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def stopped_on(disk: Path, initialised: Path, log: Path) -> Iterator[ServerProcess]:
    """A server that ran and recorded a click with a conversion; its disk is read-only now."""
    with copy_of(initialised, disk) as made:
        made.log = log
        made.serve()
        assert postback(made, click_of(ask(made, "/summer")), payout="7", txid="T1").body == "ok"
        made.stop()
        remount(disk, "ro")
        yield made


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path) as place:
        yield place


@pytest.fixture
def server(initialised: Path, disk: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with stopped_on(disk, initialised, tmp_path / "log") as made:
        yield made


@pytest.fixture(scope="module")
def read_only(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One for all tests of commands: they cannot change it."""
    folder = tmp_path_factory.mktemp("read-only")
    with mounted(folder) as place, stopped_on(place, initialised, folder / "log") as made:
        yield made


@pytest.fixture(scope="module")
def running(read_only: ServerProcess) -> Iterator[ServerProcess]:
    """The same data directory with a server."""
    read_only.serve()
    yield read_only
    read_only.stop()


def test_a_start_on_a_read_only_file_system_redirects(server: ServerProcess, disk: Path) -> None:
    server.serve()

    replies = [ask(server, "/summer") for _ in range(20)]

    assert {each.status for each in replies} == {302}
    assert all("shop.example" in each.location for each in replies)
    assert ask(server, "/-/health").status == 503
    assert postback(server, click_of(replies[0]), payout="7").status in (404, 503)
    assert [word for word in WRONG_WORDS if word in server.log.read_text()] == []
    assert server.stop() == 0


def test_when_the_file_system_becomes_read_only_redirects_go_on(server: ServerProcess, disk: Path) -> None:
    remount(disk, "rw")
    server.serve()
    assert ask(server, "/summer").status == 302
    subprocess.run(["mount", "-o", "remount,ro", disk], check=False, capture_output=True)
    is_read_only = not os.access(disk, os.W_OK)
    if not is_read_only:
        pytest.skip("this kernel does not make a file system read-only while a file is open for writing")

    assert {ask(server, "/summer").status for _ in range(20)} == {302}


def test_the_owner_signs_in_and_sees_the_pages(server: ServerProcess, disk: Path) -> None:
    remount(disk, "rw")
    words = [sys.executable, "-m", "tnc", "--config", str(server.config), "user", "password", EMAIL, "--stdin"]
    subprocess.run(words, input=f"{PASSWORD}\n", text=True, check=True, capture_output=True)
    remount(disk, "ro")
    server.serve()
    base = f"http://{server.dashboard[0]}:{server.dashboard[1]}"
    jar = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    form = urlencode({"email": EMAIL, "password": PASSWORD}).encode()

    with jar.open(f"{base}/sign-in", form, timeout=30) as signed_in:
        assert signed_in.url.rstrip("/") == base
    for path in ("/", "/clicks", "/campaigns", "/settings"):
        with jar.open(f"{base}{path}", timeout=30) as page:
            assert (page.status, page.url) == (200, f"{base}{path}")
    with pytest.raises(HTTPError) as refused:
        jar.open(f"{base}/reports", timeout=30)
    with refused.value as answer:
        assert answer.code == 503
        assert "Read-only file system" in answer.read().decode()


READING = (
    ("clicks",),
    ("try", "summer"),
    ("doctor",),
    ("export",),
    ("conversion", "inbox"),
    ("privacy", "find", "--ip", "203.0.113.9"),
    ("retention", "show"),
    ("backup", "list"),
    ("keys", "status"),
)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_commands_that_read_work_on_a_read_only_file_system(read_only: ServerProcess, words: tuple[str, ...]) -> None:
    check_reading(read_only, words)


def check_reading(server: ServerProcess, words: tuple[str, ...]) -> None:
    done = server.command(*words)

    text = (done.stdout + done.stderr).replace("is not damaged", "")
    assert [word for word in WRONG_WORDS if word in text] == [], text
    if words[0] == "doctor":
        assert "is read-only: clicks are not recorded" in text
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--by", "campaign"),  # sorts on the disk
        ("retention", "set", "clicks=30", "--yes"),
        ("privacy", "erase", "--ip", "203.0.113.9"),
        ("backup", "create"),
        ("keys", "rotate"),
    ],
    ids=" ".join,
)
def test_commands_that_change_something_say_that_the_disk_is_read_only(
    read_only: ServerProcess, words: tuple[str, ...]
) -> None:
    done = read_only.command(*words)

    assert done.returncode != 0
    assert [word for word in WRONG_WORDS if word in done.stderr] == []
    assert "read-only" in done.stderr.lower()


# The last tests of this file: the server that they share runs from here on.
@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_commands_that_read_work_beside_a_server_on_a_read_only_file_system(
    running: ServerProcess, words: tuple[str, ...]
) -> None:
    check_reading(running, words)
