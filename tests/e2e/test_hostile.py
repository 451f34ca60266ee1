"""Any bytes in a request: the visitor is redirected, the click is stored, and its display is safe."""

import csv
import io
import json
import socket
from collections.abc import Mapping
from urllib.parse import quote, quote_from_bytes

import pytest

from tests.e2e.shop import ask, click_of, newest, recorded, run_json, run_text
from tnc.admin.bench.load import is_whole
from tnc.admin.bench.server_process import ServerProcess

HOSTILE = {
    "terminal escapes": b"\x1b[2J\x1b]0;owned\x07",
    "control characters": bytes(range(1, 32)) + b"\x7f",
    "nulls": b"\x00a\x00",
    "broken UTF-8": b"\xff\xfe\xc3\x28\xed\xa0\x80",
    "markup": b"<script>alert(1)</script>\"'&<!--",
    "a formula": b"=cmd|' /C calc'!A0",
    "right to left": "\u202e\u2066txt.exe".encode(),
    "line separators": "\u2028\u2029\x85".encode(),
    "new lines": b"\r\nSet-Cookie: owned=1\r\n\r\n<html>",
    "a path": b"../../../../etc/passwd",
    "templates": b"{{7*7}}${7*7}{click_id}%7Bclick_id%7D%s%n",
    "SQL": b"'; drop table clicks; --",
    "far too long": b"x" * 9_000,
    "astral": "😀" .encode() * 400,
    "nothing": b"",
}  # fmt: skip
HEADERS = (
    "User-Agent", "Referer", "Accept-Language", "Cookie", "X-Forwarded-For", "Accept", "Host", "Sec-CH-UA",
    "Sec-CH-UA-Platform", "Sec-CH-UA-Model", "Sec-GPC", "CF-Connecting-IP", "Origin", "Range", "If-None-Match", "Via",
)  # fmt: skip
each_hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def raw(server: ServerProcess, request: bytes) -> bytes:
    """The reply to exactly these bytes; empty if the connection is closed without one."""
    answer = b""
    with socket.create_connection(server.tracking, timeout=120) as connection:
        connection.sendall(request)
        while not is_whole(answer):
            part = connection.recv(65_536)
            if not part:
                break
            answer += part
    return answer


def request(target: bytes, headers: Mapping[str, bytes]) -> bytes:
    lines = [b"GET %b HTTP/1.1" % target]
    lines += [b"%b: %b" % (name.encode(), value) for name, value in {"Host": b"go.example", **headers}.items()]
    return b"\r\n".join([*lines, b"", b""])


def healthy(server: ServerProcess) -> None:
    assert ask(server, "/-/health").status == 200
    assert "Traceback" not in server.log.read_text()


def printed_safely(server: ServerProcess, click_id: str) -> None:
    """Check that no command that shows the click prints a control character or a spreadsheet formula."""
    for words in (("clicks", "--limit", "3"), ("click", click_id), ("explain", click_id)):
        assert all(line.isprintable() for line in run_text(server, *words).split("\n"))
    assert run_json(server, "click", click_id)["click_id"] == click_id
    table = run_text(server, "report", "--by", "sub1,referrer_domain,browser", "--from", "today", "--csv")
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in cells)


@each_hostile
def test_hostile_text_in_any_parameter_is_stored_as_it_came(shared: ServerProcess, text: bytes) -> None:
    value = quote_from_bytes(text)

    answers = [
        ask(shared, f"/summer?{name}={value}")
        for name in ("ext", "cpc", "site", "other", "tnc_consent", "gpp", "gdpr", "cid", value)
    ]

    for answer in answers:
        assert answer.status == 302
        assert answer.location.startswith("https://shop.example/shoes?s2=")
        assert answer.location.isascii()
        assert answer.location.isprintable()
        assert "owned" not in answer.headers.get("set-cookie", "")
    assert recorded(shared)[-len(answers) :] == [click_of(answer) for answer in answers]
    printed_safely(shared, click_of(answers[2]))
    healthy(shared)


UNENCODED = (
    b"\xff\xfe", "grüße".encode(), b"two words", b"\x1b[31m", b"\x00", b"%", b"%zz", b"%u0041", b"a=b=c", b"&&&",
    b";", b"#x", b"?a?b", b'[]{}|\\^`"<>',
)  # fmt: skip


@pytest.mark.parametrize("text", UNENCODED, ids=lambda text: text.decode("latin-1").encode("unicode_escape").decode())
def test_raw_bytes_in_the_url_are_stored(shared: ServerProcess, text: bytes) -> None:
    answer = raw(shared, request(b"/summer?site=" + text, {}))

    assert answer.startswith(b"HTTP/1.1 302"), answer
    printed_safely(shared, click_of(answer))
    healthy(shared)


def test_unencoded_utf_8_in_the_url_is_stored_as_text(shared: ServerProcess) -> None:
    answer = raw(shared, request("/summer?site=grüße an dich".encode(), {}))

    assert run_json(shared, "click", click_of(answer))["sub1"] == "grüße an dich"


def test_log_lines_escape_unicode_line_breaks(shared: ServerProcess) -> None:
    answer = ask(shared, "/summer?site=" + quote("one\u2028two\u2029three"))

    lines = run_text(shared, "clicks", "--limit", "1", "--json").splitlines()
    explained = run_text(shared, "explain", click_of(answer), "--json").splitlines()

    assert [json.loads(line)["sub1"] for line in lines] == ["one\u2028two\u2029three"]
    assert len(explained) == 1


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_text_in_any_header_is_stored_as_it_came(shared: ServerProcess, name: str) -> None:
    for text in HOSTILE.values():
        on_one_line = text.replace(b"\r", b"").replace(b"\n", b"")
        answer = raw(shared, request(b"/summer?site=header", {name: on_one_line}))
        assert answer.startswith(b"HTTP/1.1 302"), (text, answer[:200])
        assert b"owned=1" not in answer
    printed_safely(shared, newest(shared)["click_id"])
    healthy(shared)


def test_a_user_agent_of_8_kilobytes_is_stored_truncated_between_characters(shared: ServerProcess) -> None:
    agent = "Mozilla/5.0 " + "(x" * 4_000

    answer = ask(shared, "/summer?tnc_consent=granted", headers={"User-Agent": agent, "X-Forwarded-For": "203.0.113.9"})

    assert answer.status == 302
    stored = run_json(shared, "click", click_of(answer))["user_agent"]
    assert stored
    assert agent.startswith(stored)
    printed_safely(shared, click_of(answer))


def test_a_hundred_parameters_are_all_stored(shared: ServerProcess) -> None:
    query = "&".join(f"name{number}=value{number}" for number in range(100))

    answer = ask(shared, f"/summer?{query}")

    params = run_json(shared, "click", click_of(answer))["params"]
    assert params == {f"name{number}": f"value{number}" for number in range(100)}


def test_a_second_question_mark_separates_parameters(shared: ServerProcess) -> None:
    answer = ask(shared, "/summer?site=one?ext=two")

    click = run_json(shared, "click", click_of(answer))
    assert (click["sub1"], click["external_id"]) == ("one", "two")


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\r\n\r\n", b"GET", b"GET /summer\r\n\r\n", b"GET /summer HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
        b"GET /summer HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /summer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET http://other.example/summer HTTP/1.1\r\nHost: go.example\r\n\r\n",
    ],
    ids=lambda text: text[:24].decode("latin-1").encode("unicode_escape").decode(),
)  # fmt: skip
def test_malformed_http_does_not_disturb_other_clicks(shared: ServerProcess, text: bytes) -> None:
    with socket.create_connection(shared.tracking, timeout=120) as connection:
        try:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
        except ConnectionError:
            pass

    healthy(shared)
    assert ask(shared, "/summer").status == 302


def test_postbacks_of_any_bytes_are_answered(shared: ServerProcess) -> None:
    click_id = click_of(ask(shared, "/summer"))
    for text in HOSTILE.values():
        value = quote_from_bytes(text)
        for name in ("payout", "currency", "status", "event", "txid", "network", "cid", "key"):
            answer = ask(shared, f"/postback?cid={click_id}&key=s3cret&{name}={value}")
            assert answer.status in (200, 400, 403, 404), (name, text, answer)
    for body in (b"{", b"[]", b"null", b'{"cid":[1]}', b"\xff\xfe", b"x" * 100_000, b'{"cid":' * 5_000):
        answer = ask(shared, "/postback", method="POST", body=body, headers={"Content-Type": "application/json"})
        assert answer.status == 400, body[:20]
    printed_safely(shared, click_id)
    healthy(shared)


@pytest.mark.parametrize("which", ["tracking", "dashboard"])
@pytest.mark.parametrize("asked", [b"GET /?key=marked-word HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nmarked-word\r\n\r\n"])
def test_an_unreadable_request_is_not_repeated_in_the_reply(shared: ServerProcess, which: str, asked: bytes) -> None:
    with socket.create_connection(getattr(shared, which), timeout=120) as connection:
        connection.sendall(asked)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answer.startswith(b"HTTP/1.")
    assert b"marked-word" not in answer
    assert b"aiohttp" not in answer
