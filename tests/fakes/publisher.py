"""A fake publisher of geo data, with every answer that a real one might give."""

import asyncio
import hashlib
import io
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from urllib.parse import urlsplit

from tnc.admin.rate_updates import URL as RATES_URL
from tnc.visitors.geo.sources import standard_sources

Writer = asyncio.StreamWriter
Head = Mapping[str, str]
Page = Callable[[Head, Writer], None] | bytes


def page(content: bytes) -> Callable[[Head, Writer], None]:
    """A file with an ETag: 304 for a client that has it."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'

    def answer(head: Head, writer: Writer) -> None:
        if head.get("if-none-match") == etag:
            writer.write(f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\n\r\n".encode())
            return
        length = len(content)
        writer.write(f"HTTP/1.1 200 OK\r\nETag: {etag}\r\nContent-Length: {length}\r\n\r\n".encode() + content)

    return answer


def redirect(location: str) -> Callable[[Head, Writer], None]:
    return lambda _, writer: writer.write(
        f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    )


def half(content: bytes) -> Callable[[Head, Writer], None]:
    """Announces the whole length, sends half and closes the connection."""
    return lambda _, writer: writer.write(
        f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content[: len(content) // 2]
    )


def endless(_: Head, writer: Writer) -> None:
    """Far too much, without a length."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"9.9.9.9\n" * (1 << 20))


@dataclass
class Publisher:
    """`pages` by path and query; others are 404. `asked` are the requests' heads."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, Head]] = field(default_factory=list)
    address: str = ""

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1") -> AsyncIterator["Publisher"]:
        server = await asyncio.start_server(self._answer, host, 0)
        self.address = f"http://{host}:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            path = first.split(" ")[1]
            head = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            self.asked.append((path, head))
            found = self.pages.get(path)
            if found is None:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            else:
                (page(found) if isinstance(found, bytes) else found)(head, writer)
            await writer.drain()
        except OSError:  # the other side has had enough
            pass
        finally:
            writer.close()


@contextmanager
def in_a_thread(publisher: Publisher) -> Iterator[Publisher]:
    """In a thread, for commands, which have an event loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = publisher.listening()
    asyncio.run_coroutine_threadsafe(listening.__aenter__(), loop).result()
    try:
        yield publisher
    finally:
        asyncio.run_coroutine_threadsafe(listening.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# As the European Central Bank writes them; the currencies and rates are those of the shipped file.
_SHIPPED = resources.files("tnc.core").joinpath("data", "eurofxref.csv").read_text("ascii").splitlines()
RATES = f"{_SHIPPED[0].replace(',', ', ')}, \n20 November 2026{_SHIPPED[1][10:].replace(',', ', ')}, \n"


def rates_archive(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("eurofxref.csv", text)
    return packed.getvalue()


def standard_pages(city: bytes, asn: bytes, lists: Mapping[str, bytes]) -> dict[str, Page]:
    """The files of the standard sources, by their path at a mirror; `lists` by kind."""
    pages: dict[str, Page] = {urlsplit(RATES_URL).path: rates_archive(RATES)}
    for wanted in standard_sources(0):
        for download in (each for way in wanted.alternatives for each in way):
            path = urlsplit(download.url).path
            if download.kind is not None:
                pages[path] = lists.get(download.kind, b"5.5.5.0/24\n")
            elif "sapics" in download.url:
                pages[path] = asn if "asn" in path else city
    return pages
