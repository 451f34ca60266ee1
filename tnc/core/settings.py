"""The settings of an installation: `config.toml`, and what comes from the environment.

Each setting is one field of `Settings`: its type, its shape, its sentence, its section and its default. Reading,
writing, `config.example.toml` and the table in docs/configuration.md follow from that.
"""

import difflib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

from tnc.core.errors import InvalidError, RefusedError
from tnc.core.formats import (
    ASCII,
    BASE_URL,
    CURRENCY,
    DOMAIN,
    FILE,
    LISTEN,
    MAIL_HOST,
    PATH,
    PROXIES,
    RATES,
    RECEIVERS,
    RECIPIENTS,
    SECRET_REFERENCE,
    SENDER,
    ListenAddress,
)
from tnc.core.mistakes import Mistakes, ShapeError, mistake
from tnc.core.models import Mode
from tnc.core.shapes import Choice, Context, Flag, Key, Number, Shape, WholeNumber, read_keys, with_default
from tnc.core.toml import inline, parse_toml

SYSTEM_FILE: Final = Path("/etc/tnc/config.toml")
ENVIRONMENT: Final[Mapping[str, str]] = os.environ
RETIRED: Final = frozenset({"[retention] logs_days", "[retention] billing_days", "[retention] accounts_days"})
"""Settings of older versions that never had an effect. A file that still has them is read; the server warns."""

_SERVICE_CREDENTIALS: Final = "/run/credentials/tnc.service"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_TRACKING: Final = ListenAddress(host="127.0.0.1", port=8080)
_DASHBOARD: Final = ListenAddress(host="127.0.0.1", port=8400)

MailTls = Literal["starttls", "tls"]
LogLevel = Literal["debug", "info", "warning", "error"]

MODE: Final = Choice(get_args(Mode))
DAYS: Final = WholeNumber(1, 3653)


class Setting(NamedTuple):
    """What `config.toml` says of a field: how it is read, what it is for, and the section that it is in."""

    shape: Shape
    text: str
    section: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one installation. Paths are absolute, secrets are references like "env:NAME".

    In the file a field has its own name, without the name of its section in front.
    """

    data: Annotated[Path, Setting(PATH, "Directory of the data, relative to the folder of this file.")]
    key: Annotated[
        Path, Setting(PATH, 'Key file, outside of `data`; "credential:NAME" for one that systemd hands over.')
    ]
    listen: Annotated[ListenAddress, Setting(LISTEN, "Address and port for tracking; [::] answers IPv4 too.")] = (
        _TRACKING
    )
    dashboard: Annotated[ListenAddress, Setting(LISTEN, "Address and port of the dashboard.")] = _DASHBOARD
    trusted_proxies: Annotated[tuple[str, ...], Setting(PROXIES, "Proxies whose X-Forwarded-For is trusted.")] = ()
    currency: Annotated[str, Setting(CURRENCY, "Currency of reports that name none.")] = "USD"
    rates: Annotated[
        Mapping[str, float],
        Setting(
            RATES, "What one unit of another currency is worth in `currency`, like {EUR=1.08}; reports convert with it."
        ),
    ] = field(default_factory=dict)
    rates_file: Annotated[str, Setting(FILE, "CSV file (day, currency, rate) for rates by day.")] = ""

    domains_default: Annotated[
        str, Setting(DOMAIN, "Domain of the links that are shown to be copied, like go.example.com.", "domains")
    ] = ""

    allow_hosts: Annotated[
        tuple[str, ...],
        Setting(RECEIVERS, "Hosts that conversions may go to although they are private or plain http.", "outbound"),
    ] = ()
    retry_scale: Annotated[
        float, Setting(Number(0, 1000), "Factor for every wait before a delivery is tried again.", "outbound")
    ] = 1.0

    renew: Annotated[
        bool, Setting(Flag(), "Download geo and IP data on schedule; if not, `tnc ipdb update` does.", "addresses")
    ] = True
    base_url: Annotated[
        str, Setting(BASE_URL, "Mirror to download geo and IP data from, in place of its publishers.", "addresses")
    ] = ""
    maxmind_account: Annotated[
        str, Setting(ASCII, "MaxMind account number, for its free or paid databases.", "addresses")
    ] = ""
    maxmind_key: Annotated[
        str,
        Setting(SECRET_REFERENCE, "Where the MaxMind licence key is; a file must be closed to others.", "addresses"),
    ] = ""
    ipinfo_token: Annotated[
        str, Setting(SECRET_REFERENCE, "Where the IPinfo token is; a file must be closed to others.", "addresses")
    ] = ""

    mail_host: Annotated[
        str, Setting(MAIL_HOST, "SMTP server for alerts; without one they are on the dashboard only.", "mail")
    ] = ""
    mail_port: Annotated[int, Setting(WholeNumber(1, 65535), "Its port: 587 for starttls, 465 for tls.", "mail")] = 587
    mail_tls: Annotated[
        MailTls, Setting(Choice(get_args(MailTls)), "How the connection is encrypted; it always is.", "mail")
    ] = "starttls"
    mail_ca_file: Annotated[
        str, Setting(FILE, "Certificates to trust, for a server of your own; without it those of this machine.", "mail")
    ] = ""
    mail_user: Annotated[str, Setting(ASCII, "User name to sign in with.", "mail")] = ""
    mail_password: Annotated[
        str, Setting(SECRET_REFERENCE, "Where the password is; a file must be closed to others.", "mail")
    ] = ""
    mail_from: Annotated[str, Setting(SENDER, "Sender of the alerts.", "mail")] = ""
    mail_to: Annotated[tuple[str, ...], Setting(RECIPIENTS, "Recipients of the alerts.", "mail")] = ()

    default_mode_elsewhere: Annotated[
        Mode, Setting(MODE, "How visits from outside the EEA, the UK and Switzerland are processed.", "privacy")
    ] = "full"

    clicks_days: Annotated[int, Setting(DAYS, "Days to keep clicks with their conversions.", "retention")] = 90
    rollups_days: Annotated[int, Setting(DAYS, "Days to keep the totals of older days.", "retention")] = 365
    support_days: Annotated[
        int, Setting(DAYS, "Days to keep closed questions of visitors, with the answers.", "retention")
    ] = 730

    log_level: LogLevel = "info"  # from the environment
    ignored: tuple[str, ...] = ()  # settings of the file that have no effect any more


class _Named(NamedTuple):
    section: str
    name: str
    key: Key

    @property
    def place(self) -> str:
        return f"[{self.section}] {self.name}" if self.section else self.name


def _named() -> Iterator[_Named]:
    for each in fields(Settings):
        for setting in getattr(each.type, "__metadata__", ()):
            name = each.name.removeprefix(f"{setting.section}_")
            key = with_default(Key(shape=setting.shape, text=setting.text, field=each.name), each)
            yield _Named(setting.section, name, replace(key, needed=False))  # `load` completes the paths


_NAMED: Final = tuple(_named())
_SECTIONS: Final = frozenset(each.section for each in _NAMED) - {""}

SETTINGS: Final[Mapping[str, Key]] = {each.place: each.key for each in _NAMED}
"""Every setting of `config.toml` as messages name it: `listen`, `[mail] port`."""


# ------------------------------------------------------------------------------------------------- the file


def find(explicit: str | None, *, environment: Mapping[str, str] = ENVIRONMENT, folder: Path = Path()) -> Path:
    """`--config`, else `$TNC_CONFIG`, else `config.toml` in the folder, else the system's. Raises InvalidError."""
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
    """The settings of a file. Raises InvalidError that names the file and every mistake in it."""
    mistakes = Mistakes()
    document = _document(path)
    if not document:
        raise InvalidError(
            f"{path} is empty. Put back your copy, or write at least `data` and `key`: the data directory and the key "
            "file."
        )
    given = _by_place(document, mistakes)
    ignored = tuple(place for place in given if place in RETIRED)
    found: dict[str, Any] = {"log_level": _log_level(environment, mistakes)}
    try:
        found |= read_keys(SETTINGS, {place: given[place] for place in given if place not in RETIRED}, Context())
    except ShapeError as error:
        mistakes.add(error)
    if found.get("mail_host") and not (found.get("mail_from") and found.get("mail_to")):
        mistakes.add(mistake("needs [mail] from and to: the sender and the recipients", "[mail] host"))
    try:
        mistakes.raise_if_any()
    except ShapeError as error:
        lines = [f"{path} cannot be used.", *(f"{path}: {each}" for each in error.sentences())]
        raise InvalidError("\n".join(lines)) from error
    folder = path.resolve().parent
    data = _absolute(folder, found.pop("data", "."))
    key_file = _key_file(folder, found.pop("key", f"{data}.key"), environment)
    for name in ("rates_file", "mail_ca_file"):
        if found.get(name):
            found[name] = str(_absolute(folder, found[name]))
    return Settings(data=data, key=key_file, ignored=ignored, **found)


def read_setting(place: str, value: object, *, called: str) -> Any:
    """The value of one setting that a command was given as `called`. Raises InvalidError that begins with that."""
    try:
        return SETTINGS[place].shape.read(value, Context())
    except ShapeError as error:
        raise InvalidError(" ".join(error.below(called).sentences())) from error


def render(settings: Settings, folder: Path) -> str:
    """A `config.toml` for that folder: every setting with its sentence and what it may be; defaults are comments."""
    lines = [_HEADER]
    for section, group in groupby(_NAMED, lambda each: each.section):
        lines += [f"[{section}]\n"] if section else []
        for _, name, key in group:
            value = getattr(settings, key.field or name)
            written = _relative(value, folder) if isinstance(value, Path) else key.shape.write(value)
            mark = "# " if value == key.default else ""
            lines.append(f"# {key.text}\n# Must be {key.shape.allowed}.\n{mark}{name} = {inline(written)}\n")
    return "\n".join([*lines, f"{_END}\n"])


_HAS_END: Final = "# The last line must stay: without it this file counts as cut off."
_HEADER: Final = f"""\
# Settings of this installation. What is commented out is the default. Restart tnc after a change.
{_HAS_END}
"""
_END: Final = "# End of the settings."
_LAST_SECTION: Final = f"[{_NAMED[-1].section}]"  # somebody who rewrites this one may leave out the last line


def _is_rewritten(text: str) -> bool:
    """Whether somebody wrote the last section anew without the last line: it ends with a setting, not a comment."""
    _, section, entries = text.partition(_LAST_SECTION)
    lines = entries.strip().splitlines()
    return bool(section) and bool(lines) and not lines[-1].startswith("#") and text.endswith("\n")


def _document(path: Path) -> dict[str, Any]:
    """Raises InvalidError, also for a file that a full disk or a failed copy has cut off: the settings behind the cut
    would silently become the defaults.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidError(
            f"{path} cannot be read ({error.strerror}); name another with --config FILE or make one with `tnc init`."
        ) from error
    except ValueError as error:
        raise InvalidError(f"{path} is not TOML: it is not text in UTF-8; save it as UTF-8.") from error
    if _HAS_END in text and _END not in text and not _is_rewritten(text):
        raise InvalidError(
            f'{path} is cut off: its last line, "{_END}", is missing. Put back your copy of the file; if nothing else '
            "is missing, write that line."
        )
    try:
        return parse_toml(text, str(path))
    except InvalidError as error:
        raise InvalidError(f"{error}.") from error


def _by_place(document: Mapping[str, Any], mistakes: Mistakes) -> dict[str, Any]:
    """The values of a file by the names that messages use. What is not known is a mistake, and left out."""
    found = {}
    for key, value in document.items():
        if key in _SECTIONS and not isinstance(value, dict):
            mistakes.add(mistake(f"must be a table: [{key}]", key))
            continue
        section, entries = (key, value) if key in _SECTIONS else ("", {key: value})
        for name, each in entries.items():
            place = f"[{section}] {name}" if section else name
            if place in SETTINGS or place in RETIRED:
                found[place] = each
            else:
                mistakes.add(mistake(_why_unknown(name), place[:100]))
    return found


def _why_unknown(name: str) -> str:
    """The setting of that name in another section, or the one with the most similar name, or all."""
    places = {each.name: each.place for each in _NAMED}
    if name in places:
        return f"is not known here; did you mean {places[name]}?"
    close = difflib.get_close_matches(name, places, n=1) if len(name) < 64 else []
    hint = f"; did you mean {places[close[0]]}?" if close else "."
    return f"is not known{hint} Known: {', '.join(SETTINGS)}"


def _log_level(environment: Mapping[str, str], mistakes: Mistakes) -> LogLevel:
    level = environment.get("TNC_LOG_LEVEL") or "info"
    for known in get_args(LogLevel):
        if level.lower() == known:
            found: LogLevel = known
            return found
    allowed = Choice(get_args(LogLevel)).allowed
    mistakes.add(mistake(f"must be {allowed}", "the environment variable TNC_LOG_LEVEL"))
    return "info"


def _absolute(folder: Path, path: str) -> Path:
    return Path(os.path.normpath(folder / path))


def _relative(path: Path, folder: Path) -> str:
    """Relative where the path is below or beside the folder, so that both can be moved together."""
    near = path.is_relative_to(folder) or path.parent == folder.parent
    return os.path.relpath(path, folder) if near else str(path)


def _key_file(folder: Path, text: str, environment: Mapping[str, str]) -> Path:
    """`credential:NAME` is in the directory that systemd gives to the service.

    A command that root runs beside the service has no such variable and finds it below /run.
    """
    kind, _, name = text.partition(":")
    if kind != "credential":
        return _absolute(folder, text)
    return Path(environment.get("CREDENTIALS_DIRECTORY") or _SERVICE_CREDENTIALS) / Path(name).name


# -------------------------------------------------------------------------------------------------- secrets


_LARGEST_SECRET_BYTES: Final = 10_000


def resolve_secret(reference: str, *, environment: Mapping[str, str] = ENVIRONMENT) -> str:
    """The secret of `env:NAME` or `file:/path`. Raises InvalidError; its text never holds the secret."""
    kind, _, where = reference.partition(":")
    where = where.strip()
    if kind == "env":
        secret = environment.get(where, "")
        if not secret:
            raise InvalidError(f"the environment variable {where} is not set or empty")
        return secret
    try:
        with Path(where).open("rb") as file:
            content = file.read(_LARGEST_SECRET_BYTES + 1)
        if len(content) > _LARGEST_SECRET_BYTES:
            raise InvalidError(f"{where} is larger than {_LARGEST_SECRET_BYTES} bytes; a secret is short")
        return content.decode("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise InvalidError(f"{where} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InvalidError(f"{where} is not text") from error


def refuse_secret_reference(reference: str) -> str:
    """For texts from elsewhere than this command line, whose `file:` and `env:` the server would read.

    Raises InvalidError.
    """
    kind = reference.partition(":")[0]
    raise InvalidError(f"{kind}: is read only by `tnc apply` on the owner's machine; type the secret itself here")


def closed_secret(reference: str) -> str:
    """As `resolve_secret`. Raises RefusedError for a file that other users of this machine can read."""
    kind, _, path = reference.partition(":")
    if kind == "file" and Path(path).exists() and Path(path).stat().st_mode & _OTHERS:
        raise RefusedError(f"others on this machine can read the key in {path}; type: chmod 600 {path}")
    return resolve_secret(reference)
