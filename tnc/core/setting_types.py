"""What may stand behind the keys of `config.toml`. Each takes what TOML gave; its ValueError says what it must be."""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from tnc.core.models import Mode
from tnc.core.money import CURRENCIES

TEN_YEARS: Final = 3653  # days


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen. Port 0 is any free one; `[::]` answers IPv4 too."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_path(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a path in quotes")
    return value


def read_file(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError('a path in quotes, or "" for none')
    return value


_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})", re.ASCII)
_LISTEN: Final = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})", re.ASCII)


def read_address(value: Any) -> Address:
    """`"127.0.0.1:8080"`, `"[::]:443"`, `"localhost:0"`. Raises ValueError."""
    wanted = 'an address and a port like "127.0.0.1:8080" or "[::]:8080"'
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found["port"]) > 65535:
        raise ValueError(wanted)
    host = found["v6"] or found["host"]
    if not (_is_network(host) if found["v6"] else _HOST.fullmatch(host)):
        raise ValueError(wanted)
    return Address(host=host, port=int(found["port"]))


def _texts(value: Any, wanted: str, fits: Callable[[str], bool]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and fits(each) for each in value):
        raise ValueError(wanted)
    return tuple(value)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_host(text: str) -> bool:
    if _HOST.fullmatch(text) or _is_network(text):
        return "/" not in text
    try:
        read_address(text)
    except ValueError:
        return False
    return True


def read_networks(value: Any) -> tuple[str, ...]:
    return _texts(value, 'a list of addresses or networks like "10.0.0.0/8"', _is_network)


def read_hosts(value: Any) -> tuple[str, ...]:
    return _texts(value, 'a list of hosts like "crm.internal" or "10.0.0.7:8443"', _is_host)


def read_currency(value: Any) -> str:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise ValueError("a currency of ISO 4217 like USD, in capitals")
    return value


def read_rates(value: Any) -> tuple[tuple[str, float], ...]:
    wanted = "a table of currencies and numbers above 0, like { EUR = 1.08 }"
    given = value if isinstance(value, dict) else {"": value}
    for currency, rate in given.items():
        number = isinstance(rate, int | float) and not isinstance(rate, bool)
        if currency not in CURRENCIES or not number or not 0 < rate < math.inf:
            raise ValueError(wanted)
    return tuple((currency, float(rate)) for currency, rate in sorted(given.items()))


def read_scale(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1000 or math.isnan(value):
        raise ValueError("a number from 0 to 1000")
    return float(value)


def read_switch(value: Any) -> bool:
    if value is not True and value is not False:
        raise ValueError("true or false")
    return value


def read_base_url(value: Any) -> str:
    wanted = 'an address like "https://mirror.example/geo", or "" for the publishers\' own'
    if not isinstance(value, str) or not (value == "" or _is_base(value)):
        raise ValueError(wanted)
    return value


def _is_base(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def read_word(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or not (value.isprintable() or value == ""):
        raise ValueError('a text like "123456", or "" for none')
    return value


def read_secret_place(value: Any) -> str:
    if not isinstance(value, str) or not (value == "" or value.startswith(("file:/", "env:"))):
        raise ValueError('where the secret is, like "file:/etc/tnc/secret" or "env:NAME", or "" for none')
    return value


MailTls = Literal["starttls", "tls"]


def read_mail_host(value: Any) -> str:
    if not isinstance(value, str) or (value and ("/" in value or not (_HOST.fullmatch(value) or _is_network(value)))):
        raise ValueError('a host like "smtp.example", or "" for none')
    return value


def read_port(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        raise ValueError("a port from 1 to 65535")
    return value


def read_mail_tls(value: Any) -> MailTls:
    if value not in get_args(MailTls):
        raise ValueError(f"one of {', '.join(get_args(MailTls))}")
    tls: MailTls = value
    return tls


_MAILBOX: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252})", re.ASCII)


def _is_mailbox(text: str) -> bool:
    return text.isascii() and text.isprintable() and _MAILBOX.fullmatch(text) is not None


def read_mailbox(value: Any) -> str:
    if not isinstance(value, str) or not (value == "" or _is_mailbox(value)):
        raise ValueError('an address like "tnc@example.com", or "" for none')
    return value


def read_mailboxes(value: Any) -> tuple[str, ...]:
    return _texts(value, 'a list of addresses like "ada@example.com"', _is_mailbox)


def read_mode(value: Any) -> Mode:
    if value not in get_args(Mode):
        raise ValueError(f"one of {', '.join(get_args(Mode))}")
    mode: Mode = value
    return mode


def read_days(most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise ValueError(f"a whole number of days from 1 to {most}")
        return value

    return read
