"""Mail to the owner, against a server that checks everything."""

import email
import email.policy
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.smtp_server import Certificate, certificate
from tests.fakes.smtp_server import SmtpServer as Server
from tnc.admin import mail
from tnc.admin.mail import Email, SmtpServer, post, relay_of, written
from tnc.core.errors import FailedError, InvalidError, RefusedError
from tnc.core.settings import Settings

LETTER = Email(
    message_id="0123456789abcdef",
    at_ms=1_795_442_706_000,
    subject="[tnc] destination größte-ß is stopped " + "x" * 200,
    text="The destination größte-ß was stopped: meta-190.\n\n" + "word " * 400 + "\n\nType: tnc destination resume <x>",
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("own"))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def port(server: Server, own: Certificate) -> Iterator[int]:
    with server.listening(own) as port:
        yield port


def relay(port: int, own: Certificate, **more: object) -> SmtpServer:
    made = SmtpServer(
        host="localhost",
        port=port,
        tls="starttls",
        user="tnc",
        password="mail-s3cret",
        sender="tnc@example.com",
        recipients=("ada@example.com", "bob@example.com"),
        ca_file=str(own.authority),
    )
    return replace(made, **more)  # type: ignore[arg-type]


async def complaint(to: SmtpServer) -> str:
    with pytest.raises(FailedError) as refused:
        await post(LETTER, to)
    text = str(refused.value)
    assert [word for word in ("mail-s3cret", "ada@", "tnc@") if word in text] == []
    assert refused.value.__cause__ is None
    assert text.startswith(f"{to.host}:{to.port} ")
    return text.removeprefix(f"{to.host}:{to.port} ")


async def test_a_mail_arrives_encrypted_and_unchanged(server: Server, port: int, own: Certificate) -> None:
    assert await post(LETTER, relay(port, own)) == 0

    (message,) = server.taken
    assert server.refusals == []
    assert (message["From"], message["To"]) == ("tnc@example.com", "ada@example.com, bob@example.com")
    assert message["Subject"] == LETTER.subject
    assert message["Message-ID"] == "<0123456789abcdef@example.com>"
    text, html = message.iter_parts()
    assert text.get_content().split() == LETTER.text.split()
    assert "resume &lt;x&gt;" in html.get_content()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")


async def test_tls_mode_uses_implicit_tls(server: Server, own: Certificate) -> None:
    with server.listening(own, implicit=True) as port:
        assert await post(LETTER, relay(port, own, tls="tls", user="", password="")) == 0
        assert (await complaint(relay(port, own, tls="tls"))).startswith("offers no STARTTLS or no authentication")
    with server.listening(own) as port:
        assert (await complaint(relay(port, own, tls="tls"))).startswith("does not speak TLS there")

    assert len(server.taken) == 1


async def test_no_mail_is_sent_unencrypted(server: Server, own: Certificate) -> None:
    with server.listening(own, starttls=False) as port:
        assert (await complaint(relay(port, own))).startswith("offers no STARTTLS")

    assert server.taken == []


async def test_an_untrusted_or_wrong_certificate_is_refused(
    server: Server, port: int, own: Certificate, tmp_path: Path
) -> None:
    other = certificate(tmp_path, "elsewhere.example")

    assert (await complaint(relay(port, own, ca_file=""))).startswith("has an untrusted certificate")
    assert (await complaint(relay(port, other))).startswith("has an untrusted certificate")
    with server.listening(other) as at:
        assert (await complaint(relay(at, other))).startswith("has an untrusted certificate")
    (tmp_path / "empty.pem").touch()
    for name in ("none.pem", "empty.pem"):
        said = await complaint(relay(port, own, ca_file=str(tmp_path / name)))
        assert said == "was not contacted: [mail] ca_file cannot be used."
    assert server.taken == []


async def test_a_refusal_of_the_mail_server_is_reported_with_its_code(
    server: Server, port: int, own: Certificate
) -> None:
    to = relay(port, own)
    assert await complaint(replace(to, password="wrong")) == "refuses [mail] user and password (535)."
    assert await complaint(replace(to, user="", password="")) == "requires [mail] user and password (530)."

    server.unknown = frozenset({"ada@example.com"})
    assert await post(LETTER, to) == 1
    assert await complaint(replace(to, recipients=("ada@example.com",))) == "refuses the recipients, [mail] to (550)."

    server.unknown = frozenset()
    server.planned.append("554 5.7.1 tnc@example.com wrote mail-s3cret to ada@example.com")
    assert await complaint(to) == "refuses the mail (554)."


async def test_a_refused_connection_and_a_timeout_are_reported_differently(
    own: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr(mail, "_PATIENCE_SECONDS", 0.2)
        assert "did not reply within" in await complaint(relay(port, own))
    assert "cannot be reached" in await complaint(relay(port, own))


async def test_a_closed_connection_is_reported(own: Certificate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            rude.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        said = await complaint(relay(rude.getsockname()[1], own))
        thread.join()

    assert "closed the connection" in said or "cannot be reached" in said


def test_the_same_mail_has_the_same_bytes_except_for_its_boundary(own: Certificate) -> None:
    first, again = (email.message_from_bytes(written(LETTER, relay(1, own)), policy=email.policy.default) for _ in "12")

    assert first.items()[:6] == again.items()[:6]
    assert written(LETTER, relay(1, own)).isascii()


# ------------------------------------------------------------------------------------------ from the settings


def settings(tmp_path: Path, **more: object) -> Settings:
    made = Settings(data=tmp_path, key=tmp_path / "key", mail_host="smtp.example", mail_from="a@b.example")
    return replace(made, mail_to=("c@d.example",), **more)  # type: ignore[arg-type]


def test_without_a_host_there_is_no_mail(tmp_path: Path) -> None:
    assert relay_of(Settings(data=tmp_path, key=tmp_path / "key")) is None


def test_a_mail_password_is_read_from_its_place_and_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("mail-s3cret\n")
    secret.chmod(0o600)

    made = relay_of(settings(tmp_path, mail_password=f"file:{secret}"))

    assert made is not None
    assert made.password == "mail-s3cret"
    assert "s3cret" not in repr(made)


def test_a_missing_or_readable_mail_password_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    with pytest.raises(InvalidError, match="cannot be read"):
        relay_of(settings(tmp_path, mail_password=f"file:{secret}"))
    secret.write_text("mail-s3cret\n")
    secret.chmod(0o644)
    with pytest.raises(RefusedError, match="chmod 600"):
        relay_of(settings(tmp_path, mail_password=f"file:{secret}"))


def test_a_mail_is_dated_by_the_given_clock(own: Certificate) -> None:
    message = email.message_from_bytes(written(LETTER, relay(1, own)), policy=email.policy.default)

    assert message["Date"].datetime.timestamp() == LETTER.at_ms / 1000
    assert abs(time.time() - LETTER.at_ms / 1000) > 1
