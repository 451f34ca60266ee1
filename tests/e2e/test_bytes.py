"""No personal data in plain text in any file of the data directory or in the log, at any moment."""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.e2e.shop import Answer, ask, click_of, postback, recorded, run_text
from tests.store.records import NEEDLES, PERSONAL
from tnc.admin.bench.server_process import ServerProcess

SUB = NEEDLES["sub1"].decode()
QUERY = urlencode(
    {
        "ext": PERSONAL["external_id"],
        "site": SUB,
        "q": "zz-canary-param",
        "fbclid": "zz-canary-url",
        "tnc_consent": "granted",
    }
)
HEADERS = {"X-Forwarded-For": PERSONAL["ip"], "User-Agent": PERSONAL["user_agent"], "Referer": PERSONAL["referrer"]}


def visit(server: ServerProcess) -> Answer:
    return ask(server, f"/summer?{QUERY}", headers=HEADERS)


def leaks(server: ServerProcess, *more: str) -> list[str]:
    """Personal data in plain text, as `file: name of the value`."""
    needles = NEEDLES | {text: text.encode() for text in more}
    files = [path for path in server.data.rglob("*") if path.is_file() and not path.is_socket()]
    found = []
    for path in [*files, server.log]:
        try:
            text = path.read_bytes()
        except FileNotFoundError:  # a temporary file that was deleted meanwhile
            continue
        found += [f"{path.name}: {name}" for name, needle in needles.items() if needle in text]
    return found


@contextmanager
def watched(server: ServerProcess) -> Iterator[list[str]]:
    """Search for leaks every 50 ms; yields the list of what was found so far."""
    found: list[str] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.05):
            found.extend(leaks(server))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def test_no_personal_data_is_in_plain_text_while_the_server_runs(server: ServerProcess) -> None:
    ids: list[str] = []
    end = time.monotonic() + 3
    with watched(server) as found:
        while time.monotonic() < end:
            ids.append(click_of(visit(server)))
            postback(server, ids[-1], txid="zz-canary-external-0001")
            ask(server, f"/click?cid={ids[-1]}", headers=HEADERS)
            ask(server, f"/nowhere?{QUERY}", headers=HEADERS)
            ask(server, f"/postback?cid={PERSONAL['external_id']}&payout={SUB}", headers=HEADERS)
        run_text(server, "report", "--by", "campaign,sub1,referrer_domain,browser", "--from", "today")

    assert found == []
    assert leaks(server, *ids[:50]) == []
    assert set(ids) <= set(recorded(server))


def test_no_personal_data_is_in_plain_text_after_a_kill_and_a_restart(server: ServerProcess) -> None:
    ids = [click_of(visit(server)) for _ in range(200)]
    server.kill()
    assert list((server.data / "days").rglob("*-wal"))
    assert leaks(server, *ids) == []

    server.serve()
    assert leaks(server, *ids) == []
    assert server.stop() == 0
    assert leaks(server, *ids) == []
    assert recorded(server) == ids


def test_without_consent_only_a_truncated_ip_address_is_stored_even_encrypted(server: ServerProcess) -> None:
    answer = ask(server, "/summer", headers=HEADERS | {"X-Forwarded-For": "2.247.10.77"})

    shown = run_text(server, "click", click_of(answer))
    assert "2.247.10.0/24" in shown
    assert "2.247.10.77" not in shown
    assert "set-cookie" not in answer.headers


def test_files_are_readable_by_their_owner_only(server: ServerProcess, tmp_path: Path) -> None:
    visit(server)

    assert server.data.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (server.data / "ring").rglob("*") if path.is_file()} == {0o600}
    assert (tmp_path / "data.key").stat().st_mode & 0o777 in (0o400, 0o600)
    assert {path.stat().st_mode & 0o777 for path in server.data.iterdir() if path.is_dir()} == {0o700}


def test_no_file_is_written_outside_the_data_directory(stopped: ServerProcess, tmp_path: Path) -> None:
    """Files that are opened for writing during clicks, reports, an erasure and the deletion of a day."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    calls = tmp_path / "calls"
    stopped.before = ("strace", "-f", "-qq", "-e", "trace=openat,open,creat,rename,link", "-o", str(calls))
    stopped.serve()
    ids = [click_of(visit(stopped)) for _ in range(20)]
    postback(stopped, ids[0], txid="T")
    run_text(stopped, "report", "--by", "campaign,country", "--from", "today")
    run_text(stopped, "privacy", "restrict", "--click", ids[0], "--only")
    run_text(stopped, "privacy", "erase", "--click", ids[1])
    run_text(stopped, "retention", "run", "--as-of", "2099-01-01")
    (server,) = Path(f"/proc/{stopped.pid}/task/{stopped.pid}/children").read_text().split()
    os.kill(int(server), signal.SIGTERM)
    assert stopped.process is not None
    assert stopped.process.wait(240) == 0

    made = set(
        re.findall(r'(?:openat|open|creat)\([^"]*"([^"]+)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)', calls.read_text())
    )
    elsewhere = {path for path in made if not Path(path).is_relative_to(stopped.data) and path.startswith("/")}
    assert any(Path(path).is_relative_to(stopped.data) for path in made)
    assert {path for path in elsewhere if not path.startswith(("/dev/", "/proc/"))} == set()
    assert {path for path in made if not path.startswith("/")} == set()
