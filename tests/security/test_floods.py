"""Floods of postbacks, sign-ins and log lines: what is stored and written stays within limits."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.security.target import Target, status_lines
from tests.security.test_slow_clients import clicks, strict_server
from tnc.admin.bench.server_process import ServerProcess
from tnc.tracking.conversions.call_limits import (
    LARGEST_BYTES,
    LEAST_FREE,
    WRONG_KEYS,
    WRONG_KEYS_OF_SENDERS,
    CallLimits,
    cut,
)

pytestmark = pytest.mark.e2e

JSON: Final = {"Content-Type": "application/json"}
FORM: Final = "application/x-www-form-urlencoded"
ROOMY: Final = 0.5


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with strict_server(tmp_path_factory.mktemp("flooded")) as server:
        yield Target(server)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_stray_postbacks_are_answered_and_stored_within_limits(flooded: Target) -> None:
    body = json.dumps({"cid": "unknown", "text": "x" * 60_000}).encode()

    statuses = [flooded.post("/postback", body, JSON).status for _ in range(150)]

    assert set(statuses) == {404}
    time.sleep(0.5)
    lines = flooded.tnc("conversion", "inbox", "--json").stdout.splitlines()
    stored = [call for call in map(json.loads, lines) if call["outcome"] == "unknown-click"]
    assert 0 < len(stored) <= 121, "60 a minute, and a minute may end in between"
    for call in stored:
        assert sum(len(name) + len(value) for name, value in call["params"].items()) <= LARGEST_BYTES
        assert call["params"]["cid"] == "unknown"
    health = json.loads(flooded.get("/-/health").body)
    assert health["postbacks_not_kept"] >= 150 - len(stored)
    before = size_of(flooded.server.data / "days")
    for _ in range(150):
        assert flooded.post("/postback", b'{"cid": ["' + b"x" * 50_000 + b'"]}', JSON).status == 400
    assert size_of(flooded.server.data / "days") - before < 3_000_000


def test_cut_keeps_short_values_and_the_order() -> None:
    params = {"long": "é" * 5_000, "cid": "abc", "other": "y" * 3_000}

    shorter = cut(params)

    assert list(shorter) == ["long", "cid", "other"]
    assert shorter["cid"] == "abc"
    assert shorter["other"] == "y" * 3_000
    assert sum(len((name + value).encode()) for name, value in shorter.items()) <= LARGEST_BYTES


def test_nothing_stray_is_kept_while_the_disk_is_nearly_full(tmp_path: Path) -> None:
    free = [LEAST_FREE - 0.01]
    limits = CallLimits(tmp_path, free=lambda _: free[0])

    assert not limits.keeps("192.0.2.1", 0)
    free[0] = LEAST_FREE + 0.01
    assert limits.keeps("192.0.2.1", 10_000)
    assert limits.not_kept == 1


def test_a_flood_of_one_network_leaves_the_postbacks_of_others(tmp_path: Path) -> None:
    limits = CallLimits(tmp_path, free=lambda _: ROOMY)

    kept = sum(limits.keeps(f"192.0.2.{number % 256}", number) for number in range(1_000))

    assert kept == 60
    assert limits.keeps("198.51.100.1", 1_000)
    assert limits.keeps(None, 1_000)


def test_keys_cannot_be_guessed_fast_and_senders_are_not_locked_out(tmp_path: Path) -> None:
    limits = CallLimits(tmp_path, free=lambda _: ROOMY)
    tried = 0
    for number in range(300):
        if limits.may_try_key("192.0.2.1", number):
            tried += 1
            limits.note_key("192.0.2.1", number, right=False)
    assert tried == WRONG_KEYS
    assert limits.may_try_key("198.51.100.1", 300)
    assert limits.may_try_key("192.0.2.1", 61_000)

    limits.note_key("198.51.100.1", 300, right=True)
    for number in range(WRONG_KEYS_OF_SENDERS - 1):
        limits.note_key("198.51.100.1", 300 + number, right=False)
    assert limits.may_try_key("198.51.100.1", 400)


MALFORMED: Final = {
    "multipart without a boundary": ("multipart/form-data", b"--x\r\n\r\n"),
    "multipart cut off": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data"),
    "multipart with an odd header": ("multipart/form-data; boundary=x", b"--x\r\nbad\r\n\r\na\r\n--x--\r\n"),
    "an unknown charset": (f"{FORM}; charset=utf-9000", b"email=a"),
    "bytes that are no text": (FORM, b"email=\xff&password=\xfe"),
    "a charset that is no text encoding": (f"{FORM}; charset=hex", b"email=a"),
}


@pytest.mark.parametrize("path", ["/sign-in", "/privacy/requests", "/postbacks/replay", "/templates/x"])
@pytest.mark.parametrize(("kind", "body"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_forms_are_refused_without_an_error_line(flooded: Target, path: str, kind: str, body: bytes) -> None:
    before = flooded.server.log.read_text()
    cookie = "" if path == "/sign-in" else f"Cookie: {flooded.session_cookie()}\r\nSec-Fetch-Site: same-origin\r\n"

    answer = flooded.raw(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}Content-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body,
        dashboard=True,
        idle_seconds=15,
    )

    assert status_lines(answer) == [400], answer[:200]
    assert '"error"' not in flooded.server.log.read_text().removeprefix(before)


def test_health_shows_details_to_this_machine_only(flooded: Target) -> None:
    local = json.loads(flooded.get("/-/health").body)
    proxied = json.loads(flooded.get("/-/health", {"X-Forwarded-For": "203.0.113.5"}).body)

    assert {"version", "config_version"} <= set(local)
    assert proxied["status"] == local["status"] == "ok"
    assert not {"version", "config_version", "waiting", "lost", "postbacks_not_kept"} & set(proxied)


def test_a_header_from_an_untrusted_proxy_does_not_choose_the_network_of_a_sign_in(flooded: Target) -> None:
    statuses = [
        flooded.dashboard(
            "/sign-in",
            method="POST",
            form={"email": "guessed@b.example", "password": "x"},
            headers={"Origin": flooded.origin, "X-Forwarded-For": f"203.0.{each}.1"},
            signed_in=False,
        ).status
        for each in range(6)
    ]

    assert statuses == [401] * 5 + [429], "they count as failures of one network"


def test_hangup_reloads_in_place_of_stopping(flooded: Target) -> None:
    server = flooded.server
    assert server.process is not None
    for _ in range(2):
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)

    assert clicks(server, 3) == 3
    assert '"reloaded"' in server.log.read_text()
    server.config.write_text(server.config.read_text() + "\nnonsense = 1\n")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.7)
    assert clicks(server, 1) == 1
    assert "was not read again" in server.log.read_text()
    server.config.write_text(server.config.read_text().replace("\nnonsense = 1\n", ""))


COMMANDS: Final = ("version", "--help", "export", "report", "doctor", "try --help", "privacy map --json")


@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_cannot_be_written_ends_in_one_sentence(flooded: Target, command: str) -> None:
    server: ServerProcess = flooded.server
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            (*server.python, "--config", str(server.config), *command.split()),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.startswith("tnc: the output could not be written"), done.stderr
    assert done.stderr.count("\n") == 1
