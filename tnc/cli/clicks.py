"""`tnc click`, `tnc clicks`, `tnc import clicks`: the click log."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Final, Protocol

import click

from tnc.cli.context import CliContext, plain, print_json, print_json_line, progress, with_context, with_json
from tnc.core.clock import World
from tnc.core.errors import InvalidError, PartlyDoneError, TncError
from tnc.core.fields import FIELDS, Where, click_json, parse_where
from tnc.core.models import ClickHistory, ClickId
from tnc.store.workspace import Workspace

_PAUSE_SECONDS = 0.5
_MOST_LINES: Final = 8_000  # of a portion: about 40 MB while they are read and stored
_MOST_BYTES: Final = 1 << 23
_ERRORS_SHOWN: Final = 20
_NAMES = frozenset(name for name, each in FIELDS.items() if each.about.public)


def shown(workspace: Workspace, history: ClickHistory) -> dict[str, Any]:
    return click_json(history, destination=workspace.destination(history.click))


@click.command("click")
@click.argument("click_id", metavar="ID")
@with_json
@with_context
def one(context: CliContext, click_id: str, as_json: bool) -> None:
    """Print one click in full, with its conversions."""
    with context.workspace() as workspace:
        result = shown(workspace, workspace.histories.get(ClickId(click_id)))
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        if value not in (None, [], {}):
            _print_fact(name, value)


def _print_fact(name: str, value: Any) -> None:
    """Print a fact on one line; conversions on a line each."""
    match value:
        case bool():
            lines = ["yes" if value else "no"]
        case dict():
            lines = [f"{key}={each}" for key, each in value.items()]
        case [{}, *_]:
            lines = [_conversion(each) for each in value]
        case list():
            lines = [", ".join(map(str, value))]
        case _:
            lines = [str(value)]
    for heading, line in zip_longest([name], lines, fillvalue=""):
        click.echo(f"{heading:18} {plain(line)}")


def _conversion(result: dict[str, Any]) -> str:
    payout = None if result["payout"] is None else f"{result['payout']} {result['currency']}"
    parts = (result["converted_at"], result["conversion_id"], result["status"], result["event"], payout, result["txid"])
    return "  ".join(str(part) for part in parts if part is not None)


@click.command("clicks")
@click.option("--follow", is_flag=True, help="Wait for new clicks and print them.")
@click.option("--where", "conditions", multiple=True, metavar="K=V", help="Only clicks with this value; repeatable.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; default 20, with --json all.")
@with_json
@with_context
def many(context: CliContext, follow: bool, conditions: Sequence[str], limit: int | None, as_json: bool) -> None:
    """Print the click log, newest first."""
    wheres = [parse_where(each, _NAMES) for each in conditions]
    most = limit or (None if as_json else 20)
    with context.workspace() as workspace:
        last_clicks = workspace.histories.last_clicks() if follow else None
        for result in islice(_matching(workspace, wheres, workspace.histories.newest(last_clicks=last_clicks)), most):
            _print(result, as_json=as_json)
        while last_clicks is not None:
            time.sleep(_PAUSE_SECONDS)
            before, last_clicks = last_clicks, {**last_clicks, **workspace.histories.last_clicks(days=2)}
            for result in _matching(workspace, wheres, workspace.histories.between(before, last_clicks)):
                _print(result, as_json=as_json)


def _matching(
    workspace: Workspace, wheres: Sequence[Where], histories: Iterable[ClickHistory]
) -> Iterator[dict[str, Any]]:
    """The JSON of the clicks that match every condition."""
    for history in histories:
        result = shown(workspace, history)
        if all(where.holds(result) for where in wheres):
            yield result


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json_line(result)
        return
    sales = len(result["conversions"])
    columns = (
        result["clicked_at"],
        result["click_id"],
        result["campaign"],
        result["country"] or "--",
        result["device"] or "unknown",
        result["traffic"],
        result["offer"] or result["lander"] or result["action"],
        f"{sales} conversion{'s' if sales != 1 else ''}" if sales else "",
        "test" if result["test"] else "",
    )
    click.echo("  ".join(plain(column) for column in columns).rstrip())


@click.group("import")
def import_() -> None:
    """Import past clicks of another tracker."""


class _ImportPortion(Protocol):
    def __call__(self, lines: Iterable[bytes], /, *, file: str, first: int) -> dict[str, Any]: ...


def _import(path: Path, add: _ImportPortion, world: World) -> dict[str, Any]:
    """Import a file in portions, so that neither side holds all of it. Raises InvalidError."""
    result: dict[str, Any] = {"read": 0, "added": 0, "known": 0, "refused": 0, "errors": []}
    number, began_ms = 1, world.steady_ms()
    try:
        with path.open("rb") as lines, progress(path.stat().st_size, "importing") as done:
            while portion := _portion(lines):
                part = add([line.rstrip(b"\n") for line in portion], file=path.name, first=number)
                number += len(portion)
                for name, value in part.items():
                    result[name] += value
                seconds = max(world.steady_ms() - began_ms, 1) / 1000
                done(sum(map(len, portion)), f"{number - 1:,} lines, {(number - 1) / seconds:,.0f} a second")
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}.") from error
    except (KeyboardInterrupt, TncError) as error:
        if isinstance(error, TncError) and number == 1:
            raise  # nothing was done
        why = f": {error}" if isinstance(error, TncError) else ""
        raise PartlyDoneError(
            f"stopped behind line {number - 1} of {path.name}{why}; {result['added']} clicks were added. Type the same "
            "command again to go on: what is stored is skipped."
        ) from None
    result["errors"] = result["errors"][:_ERRORS_SHOWN]
    return result


def _portion(lines: Iterator[bytes]) -> list[bytes]:
    found, size = list[bytes](), 0
    for line in lines:
        found.append(line)
        size += len(line)
        if len(found) >= _MOST_LINES or size >= _MOST_BYTES:
            break
    return found


@import_.command("clicks")
@click.argument("file")
@with_json
@with_context
def import_clicks(context: CliContext, file: str, as_json: bool) -> None:
    """Import clicks as JSON Lines; importing a file twice adds nothing."""
    server, path = context.server(), Path(file)
    if server is not None:
        result = _import(path, server.import_clicks, context.world)
    else:
        with context.writing() as services:
            result = _import(path, services.imports.add, context.world)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['added']} added, {result['known']} already known, {result['refused']} refused")
    for line in result["errors"]:
        click.echo(line, err=True)
    if result["refused"]:
        raise PartlyDoneError(f"{result['refused']} of {result['read']} lines were refused; the others were imported.")
