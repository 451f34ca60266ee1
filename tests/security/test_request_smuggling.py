"""Requests that two servers could read differently: refused or read in one way, never as two requests."""

import pytest

from tests.security.target import Target, status_lines

pytestmark = pytest.mark.e2e

INNER = b"GET /go?ext=smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
SIZE = str(len(INNER)).encode()
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)

FRAMINGS = {
    "length and chunked": (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + INNER),
    "chunked and length": (b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"0\r\n\r\n" + INNER),
    "two lengths": (b"Content-Length: 0\r\nContent-Length: " + SIZE + b"\r\n", INNER),
    "a list of lengths": (b"Content-Length: 0, " + SIZE + b"\r\n", INNER),
    "a signed length": (b"Content-Length: +" + SIZE + b"\r\n", INNER),
    "a negative length": (b"Content-Length: -1\r\n", INNER),
    "a hexadecimal length": (b"Content-Length: 0x10\r\n", INNER),
    "a length with an underscore": (b"Content-Length: 1_0\r\n", INNER),
    "a length with a vertical tab": (b"Content-Length: \x0b0\r\n", INNER),
    "a space before the colon": (b"Content-Length : 0\r\nTransfer-Encoding : chunked\r\n", INNER),
    "an unknown coding": (b"Transfer-Encoding: xchunked\r\n", INNER),
    "a coding after chunked": (b"Transfer-Encoding: chunked, identity\r\n", CHUNKED),
    "a coding with a tab": (b"Transfer-Encoding:\tchunked\x0b\r\n", INNER),
    "a folded header": (b"Transfer-Encoding:\r\n chunked\r\n", INNER),
    "bare line feeds": (b"Content-Length: 0\nTransfer-Encoding: chunked\n", INNER),
    "a bare carriage return": (b"X: y\rContent-Length: 0\r\n", INNER),
    "a nul in a name": (b"Content-\x00Length: 0\r\n", INNER),
    "a chunk size that overflows": (b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\n" + INNER),
    "a negative chunk size": (b"Transfer-Encoding: chunked\r\n", b"-1\r\n" + INNER),
    "a chunk longer than it says": (b"Transfer-Encoding: chunked\r\n", b"1\r\nab\r\n0\r\n\r\n" + INNER),
}


@pytest.mark.parametrize("dashboard", [False, True], ids=["tracking", "dashboard"])
@pytest.mark.parametrize(("headers", "body"), FRAMINGS.values(), ids=FRAMINGS)
def test_a_body_never_becomes_a_second_request(target: Target, headers: bytes, body: bytes, *, dashboard: bool) -> None:
    path = b"/sign-in" if dashboard else b"/postback"

    answer = target.raw(
        b"POST " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n" + body, dashboard=dashboard
    )

    statuses = status_lines(answer)
    assert not any(status < 400 for status in statuses), answer[:300]
    assert len(statuses) <= 2
    assert not any(click["external_id"] == "smuggled" for click in target.clicks()[:3])


REQUEST_LINES = (
    b"GET //evil.example/go HTTP/1.1\r\nHost: t\r\n\r\n",
    b"GET http://evil.example/other HTTP/1.1\r\nHost: t\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /go HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /go\r\n\r\n",
    b"HEAD /x\r\n\r\n",
)


@pytest.mark.parametrize("request_line", REQUEST_LINES, ids=range(len(REQUEST_LINES)))
def test_an_odd_request_line_gets_one_answer_of_our_own_or_none(target: Target, request_line: bytes) -> None:
    answer = target.raw(request_line)

    assert len(status_lines(answer)) <= 1
    assert b"evil.example" not in answer


def test_pipelined_requests_are_answered_one_by_one_in_order(target: Target) -> None:
    # The last one asks to close; without half a close the server may drop what comes after the first.
    requests = [b"GET /%b HTTP/1.1\r\nHost: t\r\n\r\n" % path for path in (b"go", b"nothing-here", b"other")]

    answer = target.raw(b"".join(requests))

    assert status_lines(answer) in ([302, 404, 303], [302, 404], [302])
