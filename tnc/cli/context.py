"""What commands work with: the data directory that --config names, and printing."""

import functools
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click

from tnc.admin.remote import Json, Remote
from tnc.admin.services import Services
from tnc.core import settings as appliance_settings
from tnc.core.clock import World
from tnc.core.errors import InvalidError, RefusedError
from tnc.core.logging import set_up_logs
from tnc.core.settings import Settings
from tnc.store.days.files import Days
from tnc.store.days.transactions import OfflineWriter, ReadOnly
from tnc.store.paths import locked
from tnc.store.workspace import Workspace

_F = TypeVar("_F", bound=Callable[..., Any])
_P = ParamSpec("_P")
_R = TypeVar("_R")
_LINE_ENDS: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}


class CliContext:
    """Opens the settings and the workspace when a command needs them."""

    def __init__(self, config: str | None) -> None:
        self.config = config
        self.world = World()

    def config_file(self) -> Path:
        return appliance_settings.find(self.config)

    def settings(self) -> Settings:
        settings = appliance_settings.load(self.config_file())
        set_up_logs(settings.log_level)
        return settings

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """Read only, with or without a running server; by the snapshot when the control database is damaged."""
        with Workspace(self.settings(), self.world, to_write=False, degraded=True) as workspace:
            yield workspace

    @contextmanager
    def reading(self) -> Iterator[Services]:
        """Services that only read, with or without a running server."""
        with self.workspace() as workspace:
            yield Services(workspace, ReadOnly())

    @contextmanager
    def writing(self) -> Iterator[Services]:
        """Services that may write. Raises RefusedError while a server runs."""
        settings = self.settings()
        with (
            Workspace(settings, self.world, to_write=False) as reading,
            locked(reading.paths),
            Workspace(settings, self.world, to_write=True) as workspace,
            closing(Days(workspace.paths.days, workspace.keyring, workspace.dictionary)) as days,
        ):
            yield Services(workspace, OfflineWriter(days))

    def call(self, command: str, **given: Json) -> Json:
        """Run one of `Services.commands` in the running server, or here if there is none."""
        with waiting(command.replace("-", " ")):
            return self.call_silently(command, **given)

    def call_silently(self, command: str, **given: Json) -> Json:
        """`call` as a part of longer work, which shows that it goes on."""
        server = self.server()
        if server is not None:
            return server.call(command, **given)
        with self.writing() as services:
            return services.commands()[command](**given)

    def server(self) -> Remote | None:
        """The running server of this data directory, or None."""
        with self.workspace() as workspace:
            remote = Remote(workspace.paths.socket)
        return remote if remote.answers() else None


def with_context(command: Callable[Concatenate[CliContext, _P], _R]) -> Callable[_P, _R]:
    """Give a command its context as the first argument."""

    @click.pass_obj
    @functools.wraps(command)
    def run(config: str | None, /, *args: _P.args, **options: _P.kwargs) -> _R:
        return command(CliContext(config), *args, **options)

    return run


def with_json(command: _F) -> _F:
    """Adds --json: every command that prints data has it."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def print_json(result: object) -> None:
    click.echo(json.dumps(result, ensure_ascii=False, indent=2))


def print_json_line(result: object) -> None:
    """One object on one line. Unicode line breaks are escaped, because some readers split lines at them."""
    click.echo(json.dumps(result, ensure_ascii=False).translate(_LINE_ENDS))


def read_file(path: str) -> str:
    """The text of a file. Raises InvalidError when it cannot be read."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidError(f"{path} is not UTF-8 text.") from error


def read_bytes(path: str) -> bytes:
    """The content of a file. Raises InvalidError when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}.") from error


def write_outside(data: Path, path: Path, content: bytes) -> None:
    """Make a file that only its owner can read.

    Refuses the data directory, which must not hold plain text, and a path where there is a file or a link already:
    what it leads to would be overwritten.
    """
    if data.resolve() in path.parents:
        raise RefusedError(
            f"{path} is in the data directory, which must not hold unencrypted data; name another place."
        )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        if isinstance(error, FileExistsError) and not path.is_dir():
            raise RefusedError(f"{path} is there already; name another file.") from None
        raise InvalidError(f"{path} cannot be written: {error.strerror}.") from error


def plain(text: object) -> str:
    """Text from outside for a terminal; escapes what could move the cursor or change colours."""
    if text is None:
        return "unknown"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """While entered, and after a second, shows on standard error how long the work takes, when that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()

    def show() -> None:
        seconds = 0
        while not ended.wait(1.0):
            seconds += 1
            click.echo(f"\r{label}: {seconds} s", nl=False, err=True)
        if seconds:
            click.echo("\r\033[K", nl=False, err=True)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[int, str], None]]:
    """A progress bar on standard error, when that is a terminal. Yields what to call with each step that is done and a
    text to show beside it.
    """
    if not sys.stderr.isatty() or length <= 0:
        yield lambda _done, _text: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr, item_show_func=lambda text: text) as bar:
        yield bar.update
