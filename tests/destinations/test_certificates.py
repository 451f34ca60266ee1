"""Nothing is sent to, or downloaded from, a server whose certificate is not trusted."""

import datetime as dt
import io
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.destinations.conftest import ALLOWED
from tnc.admin.download import fetching
from tnc.campaigns.platforms.messages import HttpRequest
from tnc.core.errors import FailedError
from tnc.destinations.http import open_session, send


def self_signed(folder: Path) -> ssl.SSLContext:
    """A TLS context with a self-signed certificate that is otherwise correct."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ads.example")])
    today = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today)
        .not_valid_after(today + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "receiver.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


@pytest.fixture
async def untrusted(tmp_path: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """A receiver with such a certificate: its URL, and the bodies that it got."""
    bodies: list[str] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.text())
        return web.Response(text="ok")

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", take)])
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=self_signed(tmp_path))
    yield str(server.make_url("/pb")), bodies
    await server.close()


async def test_a_delivery_is_not_sent_to_a_receiver_with_an_untrusted_certificate(
    untrusted: tuple[str, list[str]],
) -> None:
    address, bodies = untrusted
    request = HttpRequest(method="POST", url=address, body=b"{}", secrets=("s3cret-of-the-owner",))

    async with open_session(ALLOWED) as session:
        answer = await send(request, session, ALLOWED)

    assert (answer.trouble, answer.status) == ("tls", 0)
    assert bodies == []


async def test_a_file_is_not_downloaded_from_a_server_with_an_untrusted_certificate(
    untrusted: tuple[str, list[str]],
) -> None:
    address, bodies = untrusted

    async with fetching(address, ()) as fetch:
        with pytest.raises(FailedError, match="its certificate is not trusted"):
            await fetch(address, headers={}, target=io.BytesIO(), max_bytes=1 << 20)

    assert bodies == []
