"""`tnc mail test`: sends a mail with the current settings, or says what is wrong with them."""

from pathlib import Path

import pytest

from tests.cli.conftest import Tnc
from tests.fakes.smtp_server import SmtpServer, certificate
from tnc.core.settings import Settings

MAIL = """
[mail]
host = "localhost"
port = {port}
ca_file = "{ca}"
user = "tnc"
password = "file:{password}"
from = "tnc@example.com"
to = ["ada@example.com"]
"""


def set_up(settings: Settings, text: str) -> None:
    config = settings.data / "config.toml"
    config.write_text(config.read_text().replace("[mail]\n", text, 1))


def test_mail_test_without_settings_says_what_to_write(tnc: Tnc) -> None:
    done = tnc("mail", "test")

    assert (done.code, done.out) == (2, "")
    assert "write host, from and to below [mail] in" in done.err


@pytest.mark.parametrize("password", ["mail-s3cret", "wrong"])
def test_mail_test_sends_a_mail_or_says_why_not(tnc: Tnc, settings: Settings, tmp_path: Path, password: str) -> None:
    server, own, secret = SmtpServer(), certificate(tmp_path), tmp_path / "password"
    secret.write_text(password)
    secret.chmod(0o600)
    with server.listening(own) as port:
        set_up(settings, MAIL.format(port=port, ca=own.authority, password=secret))
        done, again = tnc("mail", "test", "--json"), tnc("mail", "test")

    if password == "wrong":
        assert (done.code, done.out) == (1, "")
        assert done.err.splitlines()[-1] == f"tnc: localhost:{port} refuses [mail] user and password (535)."
        return
    assert done.json == {"host": "localhost", "taken": 1, "refused": 0}
    assert again.out == f"localhost:{port} accepted it for 1 of 1; look into the spam folder too.\n"
    assert [message["Subject"] for message in server.taken] == ["[tnc] Test"] * 2
    assert server.refusals == []
