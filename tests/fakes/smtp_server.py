"""A strict fake SMTP server: it refuses mail before STARTTLS, without a password, with 8-bit or with long lines."""

import email
import email.policy
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LONGEST_LINE = 998
NEEDED = ("From", "To", "Subject", "Date", "Message-ID")


@dataclass(kw_only=True)
class SmtpServer:
    """`taken` are the accepted mails, in order. `planned` answers are given first, before any checking."""

    user: str = "tnc"
    password: str = "mail-s3cret"
    taken: list[EmailMessage] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)
    unknown: frozenset[str] = frozenset()  # recipients that are refused
    connections: int = 0

    # The names are aiosmtpd's own.

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += session.ssl is None
        return responses

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.unknown:
            return f"550 5.1.1 <{address}>: no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.planned:
            return self.planned.pop(0)
        content = envelope.original_content or b""
        wrong = self._wrong_with(content)
        if wrong is not None:
            self.refusals.append(wrong)
            return f"554 5.6.0 {wrong}"
        self.taken.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 2.0.0 taken"

    @staticmethod
    def _wrong_with(content: bytes) -> str | None:
        head, _, body = content.partition(b"\r\n\r\n")
        if not content.isascii():
            return "8-bit bytes"
        if any(len(line) > LONGEST_LINE for line in content.split(b"\r\n")):
            return "a line that is too long"
        if b"\n" in content.replace(b"\r\n", b""):
            return "a bare new line"
        message = email.message_from_bytes(head + b"\r\n\r\n" + body)
        missing = [name for name in NEEDED if len(message.get_all(name, [])) != 1]
        return f"not exactly one {missing[0]}" if missing else None

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        fits = (given.login, given.password) == (self.user.encode(), self.password.encode())
        return AuthResult(success=fits, handled=False)

    @contextmanager
    def listening(self, certificate: "Certificate", *, implicit: bool = False, starttls: bool = True) -> Iterator[int]:
        """Serve on localhost; yields the port. With implicit TLS no password is asked for."""
        context = certificate.context()
        controller = Controller(
            self,
            hostname="127.0.0.1",
            port=0,
            ssl_context=context if implicit else None,
            tls_context=context if starttls and not implicit else None,
            require_starttls=starttls and not implicit,
            auth_required=starttls and not implicit,
            enable_SMTPUTF8=False,
            authenticator=self.authenticate,
            ident="strict",
            server_hostname="relay.example",
        )
        controller.port = _free_port()
        controller.start()
        try:
            yield controller.port
        finally:
            controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Certificate:
    """A certificate of `localhost`, signed by an authority of its own."""

    authority: Path
    chain: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        return context


def certificate(folder: Path, name: str = "localhost") -> Certificate:
    """Make the files in a folder."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority of our own")])
    now = datetime.now(UTC)

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))

    ca = build(ca_name, ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    ca = ca.add_extension(
        x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        ),
        critical=True,
    )
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
    own = build(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    own = own.add_extension(x509.SubjectAlternativeName(names), critical=False)
    own = own.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    pem = serialization.Encoding.PEM
    authority, chain = folder / f"{name}-ca.pem", folder / f"{name}.pem"
    authority.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(private + own.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    return Certificate(authority, chain)
