"""The load generator: each click is a new connection, as from a browser; one thread with plain sockets.

It uses no HTTP library, so that the measurements are those of the server.
"""

import math
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

_GIVE_UP_SECONDS: Final = 15.0
_READ_BYTES: Final = 65_536


@dataclass(slots=True)
class Answers:
    """The results of a crowd. Latencies in milliseconds, from the time the click was due to its complete reply."""

    latencies_ms: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency that this share (0 to 1) of the replies did not exceed; NaN without replies."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else math.nan


@dataclass(slots=True)
class _Visitor:
    connection: socket.socket
    due: float
    request: bytes
    answer: bytearray = field(default_factory=bytearray)


class Crowd:
    """Sends requests to one address. `heard` is called with each complete reply."""

    def __init__(
        self,
        address: tuple[str, int],
        requests: Iterator[bytes],
        heard: Callable[[bytes], None] = lambda _answer: None,
    ) -> None:
        self._address = address
        self._requests = requests
        self._heard = heard
        self._poll = select.epoll()
        self._visitors: dict[int, _Visitor] = {}

    def in_turn(self, abreast: int, seconds: float) -> Answers:
        """Closed loop: so many at a time; the next click is sent after a reply."""
        answers, start = Answers(), time.perf_counter()
        end = start + seconds
        while (now := time.perf_counter()) < end:
            while len(self._visitors) < abreast:
                self._come(now, answers)
            self._serve(0.05, answers)
        return self._finish(answers, start)

    def at_rate(self, per_second: float, seconds: float) -> Answers:
        """Open loop: clicks are sent when they are due, however long the others wait."""
        answers, start = Answers(), time.perf_counter()
        due, come, wanted = start, 0, round(per_second * seconds)
        while come < wanted:
            now = time.perf_counter()
            while due <= now and come < wanted:
                self._come(due, answers)
                come += 1
                due = start + come / per_second
            self._serve(max(0.0, due - time.perf_counter()), answers)
        return self._finish(answers, start)

    def _finish(self, answers: Answers, start: float) -> Answers:
        answers.seconds = time.perf_counter() - start
        give_up = time.perf_counter() + _GIVE_UP_SECONDS
        while self._visitors and time.perf_counter() < give_up:
            self._serve(0.05, answers)
        for visitor in list(self._visitors.values()):
            self._leave(visitor)
            answers.failed += 1
        return answers

    def _come(self, due: float, answers: Answers) -> None:
        connection = socket.socket()
        connection.setblocking(False)  # noqa: FBT003 - the signature of socket
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.connect(self._address)
        except BlockingIOError:
            pass
        except OSError:
            connection.close()
            answers.failed += 1
            time.sleep(0.001)  # the connection was refused: do not spin until the server listens again
            return
        self._visitors[connection.fileno()] = _Visitor(connection, due, next(self._requests))
        self._poll.register(connection, select.EPOLLOUT)

    def _serve(self, wait: float, answers: Answers) -> None:
        for number, event in self._poll.poll(wait):
            visitor = self._visitors[number]
            try:
                if visitor.request and event & select.EPOLLOUT:
                    self._ask(visitor)
                else:
                    self._listen(visitor, answers)
            except OSError:
                self._leave(visitor)
                answers.failed += 1

    def _ask(self, visitor: _Visitor) -> None:
        sent = visitor.connection.send(visitor.request)
        visitor.request = visitor.request[sent:]
        if not visitor.request:
            self._poll.modify(visitor.connection, select.EPOLLIN)

    def _listen(self, visitor: _Visitor, answers: Answers) -> None:
        part = visitor.connection.recv(_READ_BYTES)
        visitor.answer += part
        if not is_whole(visitor.answer):
            if not part:
                raise ConnectionResetError
            return
        answers.latencies_ms.append((time.perf_counter() - visitor.due) * 1000)
        self._leave(visitor)
        self._heard(bytes(visitor.answer))

    def _leave(self, visitor: _Visitor) -> None:
        del self._visitors[visitor.connection.fileno()]
        self._poll.unregister(visitor.connection)  # closing is not enough while a forked process has a copy
        visitor.connection.close()

    def close(self) -> None:
        self._poll.close()


def is_whole(answer: bytes | bytearray) -> bool:
    """Whether an HTTP reply is complete. Without Content-Length it has no body."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, named, rest = bytes(head).lower().partition(b"\r\ncontent-length:")
    return not named or len(body) >= int(rest.partition(b"\r\n")[0])


def get(target: str, headers: dict[str, str]) -> bytes:
    """The bytes of a request. The connection is closed after it, as most visitors do."""
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode()
