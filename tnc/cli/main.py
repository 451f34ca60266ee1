"""What all commands share: the configuration file, exit codes, and printing."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from tnc.admin.remote import Json, Remote
from tnc.admin.services import Services
from tnc.core import settings as appliance_settings
from tnc.core.clock import World
from tnc.core.errors import InvalidError, RefusedError, TncError
from tnc.core.logging import set_up_logs
from tnc.core.settings import Settings
from tnc.store.days.files import Days
from tnc.store.days.transactions import OfflineWriter, ReadOnly
from tnc.store.workspace import Workspace, locked

_F = TypeVar("_F", bound=Callable[..., Any])
_LINE_ENDS: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}


# Where each command lives. Loaded when it is called: a server must not carry the libraries of a report.
COMMANDS: Final[Mapping[str, str]] = {
    "apply": "tnc.cli.config:apply",
    "bench": "tnc.cli.bench:bench",
    "backup": "tnc.cli.backup:backup",
    "breach": "tnc.cli.privacy:breach",
    "click": "tnc.cli.clicks:one",
    "clicks": "tnc.cli.clicks:many",
    "conversion": "tnc.cli.simulate:conversion",
    "destination": "tnc.cli.destinations:destination",
    "doctor": "tnc.cli.init:doctor",
    "explain": "tnc.cli.explain:explain_",
    "export": "tnc.cli.config:export",
    "import": "tnc.cli.clicks:import_",
    "init": "tnc.cli.init:init",
    "ip": "tnc.cli.ipdata:ip",
    "ipdb": "tnc.cli.ipdata:ipdb",
    "jobs": "tnc.cli.jobs:jobs",
    "keys": "tnc.cli.keys:keys",
    "mail": "tnc.cli.mail:mail",
    "plan": "tnc.cli.config:plan",
    "privacy": "tnc.cli.privacy:privacy",
    "retention": "tnc.cli.retention:retention",
    "reclassify": "tnc.cli.explain:reclassify_",
    "report": "tnc.cli.report:report",
    "ropa": "tnc.cli.privacy:ropa",
    "run": "tnc.cli.jobs:run",
    "serve": "tnc.cli.serve:serve",
    "template": "tnc.cli.templates:template",
    "try": "tnc.cli.explain:try_",
    "ua": "tnc.cli.ipdata:ua",
    "version": "tnc.cli.init:version",
    "versions": "tnc.cli.config:versions",
}


class _Group(click.Group):
    """Commands by the table above. Refusals end as one sentence and their exit code, never as a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        where = COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TncError as error:
            click.echo(f"tnc: {error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="config.toml; else $TNC_CONFIG, ./config.toml, /etc/tnc/config.toml")
@click.pass_context
def group(ctx: click.Context, config: str | None) -> None:
    """The click tracker for your own server."""
    os.umask(0o077)  # whatever is made here is its owner's alone
    ctx.obj = CliContext(config)


class CliContext:
    """Opens what a command needs, when it needs it."""

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
        """To read, with or without a running server."""
        with Workspace(self.settings(), self.world, to_write=False) as workspace:
            yield workspace

    @contextmanager
    def reading(self) -> Iterator[Services]:
        """Services that only read, with or without a running server."""
        with self.workspace() as workspace:
            yield Services(workspace, ReadOnly())

    @contextmanager
    def writing(self) -> Iterator[Services]:
        """Services that may write, while no server runs. Raises RefusedError when one does."""
        settings = self.settings()
        with (
            Workspace(settings, self.world, to_write=False) as reading,
            locked(reading.paths),
            Workspace(settings, self.world, to_write=True) as workspace,
            closing(Days(workspace.paths.days, workspace.keyring, workspace.dictionary)) as days,
        ):
            yield Services(workspace, OfflineWriter(days))

    def call(self, command: str, **given: Json) -> Json:
        """One of `Services.commands`: done by the running server, else here."""
        server = self.server()
        if server is not None:
            return server.call(command, **given)
        with self.writing() as services:
            return services.commands()[command](**given)

    def server(self) -> Remote | None:
        """The running server of this data directory, if there is one."""
        with self.workspace() as workspace:
            remote = Remote(workspace.paths.socket)
        return remote if remote.answers() else None


def with_json(command: _F) -> _F:
    """The option that every command has which prints data."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def print_json(told: object) -> None:
    click.echo(json.dumps(told, ensure_ascii=False, indent=2))


def print_json_line(told: object) -> None:
    """A line for every reader: some take more signs for the end of a line than JSON Lines does."""
    click.echo(json.dumps(told, ensure_ascii=False).translate(_LINE_ENDS))


def read_file(path: str) -> str:
    """The text of a file. Raises InvalidError when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidError(f"{path} is not UTF-8 text.") from error


def write_outside(data: Path, path: Path, content: bytes) -> None:
    """A file for its owner alone, and not below the data directory, where nothing may lie in clear."""
    if data.resolve() in path.parents:
        raise RefusedError(f"{path} lies in the data directory, where nothing may lie in clear; name another place.")
    try:
        path.unlink(missing_ok=True)  # it may be readable by others
        path.write_bytes(content)
    except OSError as error:
        raise InvalidError(f"{path} cannot be written: {error.strerror}.") from error


def plain(text: object) -> str:
    """Text from outside for a terminal: what could move the cursor or change colours is made visible."""
    if text is None:
        return "unknown"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))


def main() -> None:
    group(prog_name="tnc")
