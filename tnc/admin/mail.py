"""E-mails to the owner over SMTP: never unencrypted, and without visitor data.

Errors are described in tnc's own words, because the replies of mail servers repeat addresses.
"""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Final

import aiosmtplib

from tnc.core.errors import FailedError
from tnc.core.settings import MailTls, Settings, closed_secret

_PATIENCE_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """The mail server. `ca_file` has the CAs to trust; empty: those of this machine."""

    host: str
    port: int
    tls: MailTls
    user: str
    password: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    ca_file: str = ""

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """`message_id` is the same in every attempt, so that mail programs recognise a second copy."""

    message_id: str
    at_ms: int
    subject: str
    text: str


def relay_of(settings: Settings) -> SmtpServer | None:
    """The mail server of the settings, or None. Raises InvalidError if the password is missing, RefusedError if others
    on this machine can read it.
    """
    if not settings.mail_host:
        return None
    return SmtpServer(
        host=settings.mail_host,
        port=settings.mail_port,
        tls=settings.mail_tls,
        user=settings.mail_user,
        password=closed_secret(settings.mail_password) if settings.mail_password else "",
        sender=settings.mail_from,
        recipients=settings.mail_to,
        ca_file=settings.mail_ca_file,
    )


def written(letter: Email, relay: SmtpServer) -> bytes:
    """The bytes of the message: 7 bits, short lines, as text and HTML."""
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["From"], message["To"] = relay.sender, ", ".join(relay.recipients)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(letter.at_ms / 1000, UTC))
    message["Message-ID"] = f"<{letter.message_id}@{relay.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, cte="quoted-printable")
    paragraphs = "".join(f"<p>{escape(each)}</p>" for each in letter.text.split("\n") if each)
    message.add_alternative(f"<!doctype html><html><body>{paragraphs}</body></html>", "html", cte="quoted-printable")
    return message.as_bytes()


async def post(letter: Email, relay: SmtpServer) -> int:
    """Send a mail; returns how many recipients were refused while others were accepted.

    Raises FailedError that says what is wrong.
    """
    try:
        context = ssl.create_default_context(cafile=relay.ca_file or None)
    except OSError:  # also those of ssl
        raise FailedError(f"{relay.host}:{relay.port} was not contacted: [mail] ca_file cannot be used.") from None
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await _post(letter, relay, context)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise FailedError(f"{relay.host}:{relay.port} {_in_words(error, relay)}.") from None


class _Client(aiosmtplib.SMTP):
    """Closes the connection at once: the event loop of a job or command ends before the server closes TLS."""

    def close(self) -> None:
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.Transport):
            transport.abort()


async def _post(letter: Email, relay: SmtpServer, context: ssl.SSLContext) -> int:
    client = _Client(
        hostname=relay.host,
        port=relay.port,
        username=relay.user or None,
        password=relay.password or None,
        local_hostname=relay.domain,
        timeout=_PATIENCE_SECONDS,
        use_tls=relay.tls == "tls",
        start_tls=relay.tls == "starttls",
        tls_context=context,
    )
    async with client:
        refused, _ = await client.sendmail(relay.sender, list(relay.recipients), written(letter, relay))
    return len(refused)


def _in_words(error: BaseException, relay: SmtpServer) -> str:  # noqa: C901 - a list of what can go wrong
    causes = list(_causes(error))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return (
            "has an untrusted certificate or one for another name; if the server is yours, set [mail] ca_file to its CA"
        )
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return f"does not speak TLS there; [mail] tls is {relay.tls!r}: 465 is for tls, 587 for starttls"
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return f"refuses [mail] user and password ({error.code})"
        case aiosmtplib.SMTPResponseException(code=530):
            return "requires [mail] user and password (530)"
        case aiosmtplib.SMTPSenderRefused():
            return f"refuses the sender, [mail] from ({error.code})"
        case aiosmtplib.SMTPRecipientsRefused():
            codes = ", ".join(sorted({str(each.code) for each in error.recipients}))
            return f"refuses the recipients, [mail] to ({codes})"
        case aiosmtplib.SMTPResponseException():
            return f"refuses the mail ({error.code})"
        case TimeoutError():
            return f"did not reply within {_PATIENCE_SECONDS:.0f} seconds"
        case aiosmtplib.SMTPServerDisconnected():
            return "closed the connection"
        case OSError():
            return f"cannot be reached ({_last(causes)})"
        case _:
            return "offers no STARTTLS or no authentication, which tnc requires; see [mail] tls, port and user"


def _last(causes: list[BaseException]) -> str:
    """The text of the last system error: it contains no address."""
    return next((each.strerror for each in reversed(causes) if isinstance(each, OSError) and each.strerror), "no reply")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
