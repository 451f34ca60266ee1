"""Values of a fixed format in `config.toml` and in campaign files: currencies, zones, hosts, networks, mailboxes."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tnc.core.mistakes import did_you_mean, mistake, show
from tnc.core.money import CURRENCIES, LARGEST
from tnc.core.shapes import Context, ListOf, MapOf, Number, Parsed, Text, WrittenAsRead, text_that
from tnc.core.zones import zone_names

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})", re.ASCII)
_LISTEN: Final = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})", re.ASCII)
_MAILBOX: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """Where to listen. Port 0 is any free port; `[::]` answers IPv4 too."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen_address(text: str) -> ListenAddress:
    """`127.0.0.1:8080`, `[::]:443` or `localhost:0`. Raises ValueError."""
    found = _LISTEN.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(text)
    host = found["v6"] or found["host"]
    if not (_is_network(host) if found["v6"] else _HOST.fullmatch(host)):
        raise ValueError(text)
    return ListenAddress(host=host, port=int(found["port"]))


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_host(text: str) -> bool:
    return "/" not in text and (_HOST.fullmatch(text) is not None or _is_network(text))


def _is_domain(text: str) -> bool:
    return _is_host(text) and "." in text.strip(".") and not text.rpartition(".")[2].isdecimal()


def _is_host_or_listener(text: str) -> bool:
    try:
        return _is_host(text) or bool(parse_listen_address(text))
    except ValueError:
        return False


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_mailbox(text: str) -> bool:
    return text.isascii() and _MAILBOX.fullmatch(text) is not None


def _check_currency(text: str) -> str | None:
    if text in CURRENCIES:
        return None
    hint = did_you_mean(text.upper(), CURRENCIES)
    return f"must be a currency of ISO 4217 like USD, in capitals, not {show(text)}{hint}"


def _check_timezone(text: str) -> str | None:
    if text in zone_names():
        return None
    hint = did_you_mean(text, zone_names())
    return f"must be a time zone like UTC or Europe/Berlin, not {show(text)}{hint}"


def _check_cidr(text: str) -> str | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"must be an address or a network like 198.51.100.0/24 or 2001:db8::/32, not {show(text)}"
    if "/" in text and str(network.network_address) != str(ipaddress.ip_address(text.partition("/")[0])):
        return f"is {show(text)}, which begins inside a network: write {network}"
    return None


@dataclass(frozen=True, slots=True)
class SecretReference(WrittenAsRead):
    """Where a secret is. A message never shows the value: it may be the secret itself."""

    allowed: str = 'where the secret is, like "file:/etc/tnc/secret" or "env:NAME", or "" for none'

    def read(self, value: object, context: Context) -> str:  # noqa: ARG002 - every shape has the same methods
        if not isinstance(value, str) or not (value == "" or value.startswith(("file:/", "env:"))):
            raise mistake(f"must be {self.allowed}")
        return value


CURRENCY: Final = Text("a currency of ISO 4217", _check_currency)
TIMEZONE: Final = Text("a time zone like Europe/Berlin", _check_timezone)
CIDR: Final = Text("an address or a network (CIDR)", _check_cidr)

# Of config.toml. A list may name something twice, as older versions allowed.
PATH: Final = Text("a path in quotes")
FILE: Final = Text('a path in quotes, or "" for none', empty=True)
ASCII: Final = text_that(str.isascii, 'a text like "123456", or "" for none', empty=True)
SECRET_REFERENCE: Final = SecretReference()
LISTEN: Final = Parsed(parse_listen_address, 'an address and a port like "127.0.0.1:8080" or "[::]:8080"')
PROXIES: Final = ListOf(text_that(_is_network, 'an address or a network like "10.0.0.0/8"'), unique=False)
RATES: Final = MapOf(CURRENCY, Number(0, LARGEST, above=True))
RECEIVERS: Final = ListOf(
    text_that(_is_host_or_listener, 'a host like "crm.internal" or "10.0.0.7:8443"'), unique=False
)
BASE_URL: Final = text_that(_is_base_url, 'a URL like "https://mirror.example/geo", or "" for none', empty=True)
DOMAIN: Final = text_that(_is_domain, 'a domain like "go.example.com", or "" for none', empty=True)
MAIL_HOST: Final = text_that(_is_host, 'a host like "smtp.example", or "" for none', empty=True)
SENDER: Final = text_that(_is_mailbox, 'an e-mail address like "tnc@example.com", or "" for none', empty=True)
RECIPIENTS: Final = ListOf(text_that(_is_mailbox, 'an e-mail address like "ada@example.com"'), unique=False)
