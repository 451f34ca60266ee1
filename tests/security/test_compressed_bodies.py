"""Bodies that grow or nest: bounded in memory and time, on both listeners and in files of the owner."""

import gzip
import json
import zlib
from pathlib import Path

import pytest

from tests.security.target import Target
from tnc.admin.bench.server_process import memory_mb

pytestmark = pytest.mark.e2e

BOMB = b"a" * 50_000_000
NESTED = b"[" * 100_000
PARTS = b"".join(b'--x\r\nContent-Disposition: form-data; name="n%d"\r\n\r\nv\r\n' % n for n in range(20_000))
BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "gzip": (gzip.compress(BOMB), {"Content-Encoding": "gzip", "Content-Type": "application/json"}),
    "deflate": (zlib.compress(BOMB), {"Content-Encoding": "deflate", "Content-Type": "application/json"}),
    "gzip of a form": (
        gzip.compress(b"cid=" + BOMB),
        {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"},
    ),
    "an unknown coding": (b"x", {"Content-Encoding": "br", "Content-Type": "application/json"}),
    "nested JSON": (NESTED, {"Content-Type": "application/json"}),
    "nested objects": (b'{"a":' * 50_000, {"Content-Type": "application/json"}),
    "a long JSON": (json.dumps({"cid": "x" * 1_000_000}).encode(), {"Content-Type": "application/json"}),
    "many parts": (PARTS + b"--x--", {"Content-Type": "multipart/form-data; boundary=x"}),
    "no boundary": (b"--x", {"Content-Type": "multipart/form-data"}),
    "an unknown charset": (b"cid=a", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-9000"}),
}


@pytest.mark.parametrize(("body", "headers"), BODIES.values(), ids=BODIES)
def test_a_postback_body_is_bounded(target: Target, body: bytes, headers: dict[str, str]) -> None:
    before = memory_mb(target.server.pid)

    reply = target.post("/postback", body, headers)

    assert reply.status in (400, 404, 413, 415), reply
    assert memory_mb(target.server.pid) < before + 30


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 20_000,
        "x." * 20_000 + "y = 1",
        "a = " + "9" * 2_000_000,
        '[[campaign]]\nid = "' + "x" * 1_000_000 + '"',
    ],
    ids=["nested arrays", "nested keys", "a long number", "a long id"],
)
def test_a_configuration_file_is_refused_in_one_sentence(target: Target, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bomb.toml"
    file.write_text(text)

    done = target.tnc("plan", str(file))

    assert done.returncode == 2, done.stderr[:300]
    assert "Traceback" not in done.stderr
