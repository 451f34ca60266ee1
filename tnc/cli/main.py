"""The table of commands, and what all of them share: the option --config and exit codes.

It imports little: each command brings what it needs, so `tnc version` starts in a fraction of a second.
"""

import errno
import gc
import json
import logging
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from tnc import __version__
from tnc.core.errors import TncError

log = logging.getLogger(__name__)

# Module and function of each command. Imported when it is called: a server must not load the libraries of reports.
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
    "user": "tnc.cli.user:user",
    "version": "tnc.cli.main:version",
    "versions": "tnc.cli.config:versions",
}


_UNWRITTEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class _Group(click.Group):
    """The commands of the table above. A TncError is printed as one sentence and sets the exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        where = COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        gc.disable()  # collections while modules are loaded find nothing, and took a tenth of the server's start
        try:
            command: click.Command = getattr(import_module(module), name)
        finally:
            gc.enable()
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # at the exit of Python an error could only be a traceback
        except TncError as error:
            click.echo(f"tnc: {error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:  # the reader, like `| head`, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except Exception as error:
            if not isinstance(error, OSError) and type(error).__module__ != "sqlite3":  # not imported for each command
                raise
            if _is_about_output(error):
                raise
            # The machine refused, not the program: a full disk, missing rights.
            click.echo(f"tnc: {_machine_sentence(error)}", err=True)
            log.debug("the machine refused", exc_info=error)
            ctx.exit(1)
        else:
            return result


_READ_ONLY, _CORRUPT, _NOT_A_DATABASE = 8, 11, 26  # error codes of SQLite
_FIXES: Final = {
    errno.ENOSPC: "Make room on the disk; `df -h` shows which one is full.",
    errno.EROFS: "The file system is read-only; look for the reason in `dmesg`, then type: mount -o remount,rw",
    errno.EACCES: "Run the command as the user of the service, for example: sudo -u tnc tnc ...",
    errno.EISDIR: "A directory is in the place of a file; move it away.",
    errno.ENOTDIR: "A file is in the place of a directory; move it away.",
}


def _is_about_output(error: Exception) -> bool:
    """Whether standard output could not be written: such an error names no file."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITTEN


def _machine_sentence(error: Exception) -> str:
    """What the machine refused, and what to type."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}. {_FIXES.get(error.errno or 0, 'Look at the disk and its rights.')}"
    if getattr(error, "sqlite_errorcode", 0) in (_CORRUPT, _NOT_A_DATABASE):
        return f"a database is damaged ({error}). Type: tnc doctor"
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == _READ_ONLY:  # the other bits say why
        return f"a database cannot be written ({error}). {_FIXES[errno.EROFS]}"
    return f"a database cannot be used ({error}). Look at the disk (`df -h`), then type: tnc doctor"


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="config.toml; else $TNC_CONFIG, ./config.toml, /etc/tnc/config.toml")
@click.pass_context
def group(ctx: click.Context, config: str | None) -> None:
    """The click tracker for your own server."""
    os.umask(0o077)  # files are readable by their owner only
    ctx.obj = config


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def version(as_json: bool) -> None:
    """The version of tnc."""
    click.echo(json.dumps({"version": __version__}, indent=2) if as_json else __version__)


def main() -> None:
    try:
        group(prog_name="tnc")
    except OSError as error:
        if not _is_about_output(error):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo(f"tnc: the output could not be written ({error.strerror}); it is not complete.", err=True)
        sys.exit(1)
