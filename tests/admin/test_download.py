"""Downloads are complete or fail, and a license key is sent to its publisher only."""

import io
from collections.abc import Mapping

import pytest

from tests.fakes.publisher import Page, Publisher, endless, half, page, redirect
from tnc.admin.download import fetching
from tnc.core.errors import FailedError
from tnc.visitors.geo.update import FetchResponse

LIST = b"9.9.9.9\n8.8.8.8\n"


async def fetch(
    address: str, base_url: str | None = None, headers: Mapping[str, str] | None = None, max_bytes: int = 1 << 20
) -> tuple[FetchResponse, bytes]:
    target = io.BytesIO()
    async with fetching(base_url or address, ()) as get:
        answer = await get(address, headers=headers or {}, target=target, max_bytes=max_bytes)
    return answer, target.getvalue()


async def test_a_download_sends_the_validators_of_the_last_one() -> None:
    async with Publisher({"/list": LIST}).listening() as publisher:
        first, body = await fetch(f"{publisher.address}/list")
        assert first.etag is not None
        again, nothing = await fetch(f"{publisher.address}/list", headers={"If-None-Match": first.etag})

    assert (first.status, body) == (200, LIST)
    assert (again.status, nothing) == (304, b"")


async def test_redirects_are_followed() -> None:
    pages: dict[str, Page] = {"/a": redirect("/b?x=1"), "/b?x=1": redirect("c"), "/c": LIST}
    async with Publisher(pages).listening() as publisher:
        _, body = await fetch(f"{publisher.address}/a")

    assert body == LIST


async def test_a_missing_file_is_reported_with_its_http_status() -> None:
    async with Publisher().listening() as publisher:
        answer, body = await fetch(f"{publisher.address}/list")

    assert (answer.status, body) == (404, b"")


@pytest.mark.parametrize(
    ("served", "says"),
    [
        (half(LIST * 1000), "the reply was truncated"),
        (endless, "the file is larger than the limit of 1048576 bytes"),
        (page(b"x" * (1 << 21)), "the file is larger than the limit of 1048576 bytes"),
        (redirect("/list"), "the server redirects more than 5 times"),
        (redirect("file:///etc/passwd"), "the server redirects to a URL that is not http or https"),
        (redirect("http://169.254.169.254/latest"), "leads to 169.254.169.254, a metadata address of a cloud"),
        (redirect("http://[::1]:1/"), "leads to ::1, a loopback address"),
        (lambda _, writer: writer.write(b"220 mail ready\r\n"), "the reply is not HTTP"),
        (lambda *_: None, "the server closed the connection"),
    ],
)
async def test_a_failed_download_names_the_reason(served: Page, says: str) -> None:
    async with Publisher({"/list": served}).listening() as publisher:
        with pytest.raises(FailedError, match=says):
            await fetch(f"{publisher.address}/list")


async def test_a_refused_connection_is_named() -> None:
    async with Publisher().listening() as publisher:
        gone = publisher.address
    with pytest.raises(FailedError, match="the connection was refused"):
        await fetch(f"{gone}/list")


async def test_a_private_address_is_only_used_when_the_owner_allowed_it() -> None:
    async with Publisher({"/list": LIST}).listening() as publisher:
        with pytest.raises(FailedError, match=r"leads to 127\.0\.0\.1, a loopback address"):
            await fetch(f"{publisher.address}/list", base_url="https://mirror.example")

    assert publisher.asked == []


async def test_a_licence_key_is_not_sent_to_another_host() -> None:
    async with Publisher({"/file": LIST}).listening() as store, Publisher().listening() as publisher:
        publisher.pages = {"/first": redirect("/second"), "/second": redirect(f"{store.address}/file")}
        _, body = await fetch(f"{publisher.address}/first", headers={"Authorization": "Basic secret"})

    assert body == LIST
    assert [head.get("authorization") for _, head in publisher.asked] == ["Basic secret", "Basic secret"]
    assert [head.get("authorization") for _, head in store.asked] == [None]


async def test_errors_do_not_contain_the_query() -> None:
    async with Publisher({"/list?token=secret": half(LIST)}).listening() as publisher:
        with pytest.raises(FailedError) as failed:
            await fetch(f"{publisher.address}/list?token=secret")

    assert "secret" not in str(failed.value)
    assert failed.value.__cause__ is None
