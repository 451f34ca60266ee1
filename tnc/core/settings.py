"""The appliance's own settings: `config.toml`, and the few things that come from the environment."""

import difflib
import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

import tomli_w

from tnc.core import setting_types as readings
from tnc.core.errors import InvalidError, RefusedError
from tnc.core.models import Mode
from tnc.core.setting_types import Address, MailTls

SYSTEM_FILE: Final = Path("/etc/tnc/config.toml")
_CREDENTIALS_OF_THE_SERVICE: Final = "/run/credentials/tnc.service"
ENVIRONMENT: Final[Mapping[str, str]] = os.environ

_TRACKING: Final = Address(host="127.0.0.1", port=8080)
_DASHBOARD: Final = Address(host="127.0.0.1", port=8400)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one installation is told. Paths are absolute."""

    data: Path
    key: Path
    listen: Address = _TRACKING
    dashboard: Address = _DASHBOARD
    trusted_proxies: tuple[str, ...] = ()
    currency: str = "USD"
    rates: tuple[tuple[str, float], ...] = ()  # what one unit of a currency is worth in `currency`
    rates_file: str = ""  # the same by days
    allow_hosts: tuple[str, ...] = ()
    retry_scale: float = 1.0
    renew: bool = True  # address data, by itself
    base_url: str = ""  # of all address data; empty: each publisher's own
    maxmind_account: str = ""
    maxmind_key: str = ""  # where it is, like those below: "file:/path" or "env:NAME"
    ipinfo_token: str = ""
    mail_host: str = ""  # empty: no mail
    mail_port: int = 587
    mail_tls: MailTls = "starttls"
    mail_ca_file: str = ""
    mail_user: str = ""
    mail_password: str = ""  # where it is, as above
    mail_from: str = ""
    mail_to: tuple[str, ...] = ()
    default_mode_elsewhere: Mode = "full"
    clicks_days: int = 90
    rollups_days: int = 365
    support_days: int = 730
    log_level: LogLevel = "info"  # from the environment
    ignored: tuple[str, ...] = ()  # settings of the file that have no effect any more


def find(explicit: str | None, *, environment: Mapping[str, str] = ENVIRONMENT, folder: Path = Path()) -> Path:
    """`--config`, else `$TNC_CONFIG`, else `config.toml` here, else the system's. Raises InvalidError for none."""
    named = explicit or environment.get("TNC_CONFIG")
    if named:
        return folder / named
    for candidate in (folder / "config.toml", SYSTEM_FILE):
        if candidate.is_file():
            return candidate
    raise InvalidError(
        f"there is no config.toml here and no {SYSTEM_FILE};"
        " name one with --config FILE, or make one with `tnc init --data DIR`."
    )


def load(path: Path, *, environment: Mapping[str, str] = ENVIRONMENT) -> Settings:
    """The settings of a file. Raises InvalidError that names the file and everything that is wrong in it."""
    document = _document(path)
    mistakes: list[str] = []
    given: dict[str, Any] = {}
    ignored: list[str] = []
    for section, name, value in _entries(document, mistakes):
        key = _PLACES.get((section, name))
        if key is None:
            if (section, name) in RETIRED:
                ignored.append(_place(section, name))
            else:
                mistakes.append(_unknown(section, name))
            continue
        try:
            given[key] = SETTINGS[key].read(value)
        except ValueError as error:
            mistakes.append(f"{_place(section, name)} must be {error}.")
    if given.get("mail_host") and not (given.get("mail_from") and given.get("mail_to")):
        mistakes.append("[mail] host needs [mail] from and to: who mails come from, and who gets them.")
    given["log_level"] = _log_level(environment, mistakes)
    if mistakes:
        raise InvalidError("\n".join((f"{path} cannot be used.", *(f"{path}: {each}" for each in mistakes))))
    folder = path.resolve().parent
    data = _absolute(folder, given.pop("data", "."))
    key_file = _key_file(folder, given.pop("key", f"{data}.key"), environment)
    for name in ("rates_file", "mail_ca_file"):
        if given.get(name):
            given[name] = str(_absolute(folder, given[name]))
    return Settings(data=data, key=key_file, ignored=tuple(ignored), **given)


def render(settings: Settings, folder: Path) -> str:
    """A `config.toml` for a folder: every setting with its sentence, the defaults as comments."""
    lines = ["# Settings of this installation. What is commented out is the default. Restart tnc after a change.\n"]
    section = ""
    for key, setting in SETTINGS.items():
        if setting.section != section:
            section = setting.section
            lines.append(f"[{section}]\n")
        value, default = getattr(settings, key), DEFAULTS.get(key)
        name = setting.name or key
        written = _inline(name, value) if key == "rates" else tomli_w.dumps({name: _told(value, folder)}).strip()
        lines.append(f"# {setting.text}\n{'# ' if value == default else ''}{written}\n")
    return "\n".join(lines)


def resolve_secret(reference: str, *, environment: Mapping[str, str] = ENVIRONMENT) -> str:
    """`env:NAME` or `file:/path` -> the secret. Raises InvalidError; its text never holds the secret."""
    kind, _, where = reference.partition(":")
    if kind == "env":
        secret = environment.get(where, "")
        if not secret:
            raise InvalidError(f"the environment variable {where} is not set or empty")
        return secret
    try:
        return Path(where).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise InvalidError(f"{where} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InvalidError(f"{where} is not text") from error


def closed_secret(reference: str) -> str:
    """The secret that a setting names. Raises RefusedError too, for a file that others on this machine can read."""
    kind, _, path = reference.partition(":")
    if kind == "file" and Path(path).exists() and Path(path).stat().st_mode & _OTHERS:
        raise RefusedError(f"others on this machine can read the key in {path}; type: chmod 600 {path}")
    return resolve_secret(reference)


# ------------------------------------------------------------------------------------ the table of settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`read` takes what TOML gave and raises ValueError that says what it must be; `name` is the one in the file, where
    it is not that of the field.
    """

    section: str
    text: str
    read: Callable[[Any], Any]
    name: str = ""


SETTINGS: Final[Mapping[str, Setting]] = {
    "data": Setting(
        section="", text="Where everything is stored; relative to the folder of this file.", read=readings.read_path
    ),
    "key": Setting(
        section="",
        text='The key that opens it, outside the data and out of backups; "credential:NAME" for one of systemd.',
        read=readings.read_path,
    ),
    "listen": Setting(
        section="", text="Where tracking links are answered; [::] answers IPv4 too.", read=readings.read_address
    ),
    "dashboard": Setting(section="", text="Where the dashboard is answered.", read=readings.read_address),
    "trusted_proxies": Setting(
        section="", text="Whose X-Forwarded-For is believed, as addresses or networks.", read=readings.read_networks
    ),
    "currency": Setting(
        section="", text="The currency of reports that are asked for none.", read=readings.read_currency
    ),
    "rates": Setting(
        section="",
        text="What one unit of other currencies is worth in that one, like {EUR=1.08}; for reports in one currency.",
        read=readings.read_rates,
    ),
    "rates_file": Setting(
        section="",
        text='A CSV file (day, currency, rate) of what they were worth on which day; "" for none.',
        read=readings.read_file,
    ),
    "allow_hosts": Setting(
        section="outbound",
        text="Receivers that may be private, loopback or plain http: host or host:port.",
        read=readings.read_hosts,
    ),
    "retry_scale": Setting(
        section="outbound", text="Multiplies every wait between attempts and of the breaker.", read=readings.read_scale
    ),
    "renew": Setting(
        section="addresses",
        text="Fetch new address data by itself: databases weekly, lists daily; else only `tnc ipdb update` does.",
        read=readings.read_switch,
    ),
    "base_url": Setting(
        section="addresses",
        text="Ask here for all address data, a mirror say, and not its publishers.",
        read=readings.read_base_url,
    ),
    "maxmind_account": Setting(
        section="addresses",
        text="Account number at MaxMind, to use its free or paid databases.",
        read=readings.read_word,
    ),
    "maxmind_key": Setting(
        section="addresses",
        text='Where its licence key is: "file:/path" (closed to others: chmod 600) or "env:NAME".',
        read=readings.read_secret_place,
    ),
    "ipinfo_token": Setting(
        section="addresses", text="Where the token for IPinfo is, likewise.", read=readings.read_secret_place
    ),
    "mail_host": Setting(
        section="mail",
        name="host",
        text='Who takes mail about what needs you; "" for none: it then stands in the dashboard and in `tnc doctor`.',
        read=readings.read_mail_host,
    ),
    "mail_port": Setting(section="mail", name="port", text="587 for starttls, 465 for tls.", read=readings.read_port),
    "mail_tls": Setting(
        section="mail", name="tls", text="starttls or tls; nothing goes unencrypted.", read=readings.read_mail_tls
    ),
    "mail_ca_file": Setting(
        section="mail",
        name="ca_file",
        text='Whose certificates are trusted there, for a server of your own; "" for those this machine trusts.',
        read=readings.read_file,
    ),
    "mail_user": Setting(section="mail", name="user", text='As whom to sign in; "" for none.', read=readings.read_word),
    "mail_password": Setting(
        section="mail",
        name="password",
        text='Where the password is: "file:/path" (closed to others: chmod 600) or "env:NAME".',
        read=readings.read_secret_place,
    ),
    "mail_from": Setting(section="mail", name="from", text="Who the mails come from.", read=readings.read_mailbox),
    "mail_to": Setting(section="mail", name="to", text="Who gets them.", read=readings.read_mailboxes),
    "default_mode_elsewhere": Setting(
        section="privacy",
        text="How visits are processed outside the EEA, the UK and Switzerland: full, limited, cookieless or none.",
        read=readings.read_mode,
    ),
    "clicks_days": Setting(
        section="retention", text="Clicks, with their conversions.", read=readings.read_days(readings.TEN_YEARS)
    ),
    "rollups_days": Setting(
        section="retention", text="Sums for reports of older times.", read=readings.read_days(readings.TEN_YEARS)
    ),
    "support_days": Setting(
        section="retention",
        text="Questions that visitors asked, and the answers, after they are closed.",
        read=readings.read_days(readings.TEN_YEARS),
    ),
}
RETIRED: Final = frozenset({("retention", "logs_days"), ("retention", "billing_days"), ("retention", "accounts_days")})
"""Settings of older versions that never had an effect. A file that still has them is read; the server warns."""

DEFAULTS: Final[Mapping[str, Any]] = {
    each.name: each.default for each in fields(Settings) if each.name in SETTINGS and each.default is not MISSING
}


# ----------------------------------------------------------------------------------------- reading the file


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidError(
            f"{path} cannot be read ({error.strerror}); name another with --config FILE or make one with `tnc init`."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"{path} is not TOML: {error}.") from error


def _entries(document: Mapping[str, Any], mistakes: list[str]) -> list[tuple[str, str, Any]]:
    entries = []
    for key, value in document.items():
        if key in _SECTIONS and isinstance(value, dict):
            entries += [(key, inner, each) for inner, each in value.items()]
        elif key in _SECTIONS:
            mistakes.append(f"{key} must be a table: [{key}].")
        else:
            entries.append(("", key, value))
    return entries


_PLACES: Final = {(setting.section, setting.name or key): key for key, setting in SETTINGS.items()}
"""The field that stands in a section under a name."""

_SECTIONS: Final = frozenset(each.section for each in SETTINGS.values()) - {""}


def _place(section: str, key: str) -> str:
    return f"[{section}] {key}" if section else key


def _unknown(section: str, key: str) -> str:
    sections = {name: its for its, name in _PLACES}
    if key in sections:
        return f"{_place(section, key)} is not known here; did you mean {_place(sections[key], key)}?"
    near = difflib.get_close_matches(key, sections, n=1) if len(key) < 64 else []
    hint = f"; did you mean {_place(sections[near[0]], near[0])}?" if near else ""
    known = ", ".join(_place(its, name) for its, name in _PLACES)
    return f"{_place(section, key)[:100]} is not known{hint or '.'} Known: {known}."


def _log_level(environment: Mapping[str, str], mistakes: list[str]) -> LogLevel:
    level = environment.get("TNC_LOG_LEVEL") or "info"
    for known in get_args(LogLevel):
        if level.lower() == known:
            found: LogLevel = known
            return found
    mistakes.append(f"the environment variable TNC_LOG_LEVEL must be one of {', '.join(get_args(LogLevel))}.")
    return "info"


def _absolute(folder: Path, path: str) -> Path:
    return Path(os.path.normpath(folder / path))


def _key_file(folder: Path, text: str, environment: Mapping[str, str]) -> Path:
    """`credential:NAME` lies where systemd puts what it hands to the service; for whoever types a command beside it (as
    root), below /run.
    """
    kind, _, name = text.partition(":")
    if kind != "credential":
        return _absolute(folder, text)
    return Path(environment.get("CREDENTIALS_DIRECTORY") or _CREDENTIALS_OF_THE_SERVICE) / Path(name).name


def _told(value: Any, folder: Path) -> Any:
    """A value as TOML: paths beside or below the folder relative to it, so that both may move together."""
    match value:
        case Path():
            near = value.is_relative_to(folder) or value.parent == folder.parent
            return os.path.relpath(value, folder) if near else str(value)
        case Address():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


def _inline(key: str, pairs: tuple[tuple[str, float], ...]) -> str:
    """A table on one line, which may stand before the sections."""
    inside = ", ".join(f"{name} = {value!r}" for name, value in pairs)
    return f"{key} = {{ {inside} }}" if pairs else f"{key} = {{}}"
