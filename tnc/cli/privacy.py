"""`tnc privacy`, `tnc ropa`, `tnc breach`: visitor data, erasure, privacy requests and records of processing."""

from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from tnc.admin.records import breach as breach_of
from tnc.admin.records import processing
from tnc.cli.context import CliContext, plain, print_json, read_file, with_context, with_json, write_outside
from tnc.core.errors import FailedError, PartlyDoneError
from tnc.privacy.data_map import map_json
from tnc.privacy.export import export_zip, file_name
from tnc.privacy.leak_report import last_leak_report, run_leak_search
from tnc.privacy.receipts import read_receipt
from tnc.reports.query import moment_ms
from tnc.store.requests import ReceiverOutcome
from tnc.store.terms import describe_terms

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group()
def privacy() -> None:
    """Visitor data: find, export, erase, restrict, object; privacy requests, receipts and the data map."""


def who(command: _F) -> _F:
    """Adds the options that name a visitor."""
    for option in (
        click.option("--to", "until", metavar="T", help="Clicks before this time only."),
        click.option("--from", "since", metavar="T", help="Clicks from this time on only."),
        click.option("--visitor", metavar="V", help="Clicks of this pseudonym."),
        click.option("--external-id", metavar="X", help="Clicks with this click id of the traffic source."),
        click.option("--ip", metavar="IP", help="Clicks from this IP address, and those stored with its network only."),
        click.option("--only", is_flag=True, help="With --click: that click alone."),
        click.option("--click", metavar="ID", help="Clicks of the visitor who made this one."),
    ):
        command = option(command)
    return command


def subject_of(context: CliContext, *, since: str | None, until: str | None, **given: Any) -> dict[str, Any]:
    """The arguments of `Eraser.subject`."""
    now_ms, utc = context.world.now_ms(), UTC
    for name, text, option in (("since_ms", since, "from"), ("until_ms", until, "to")):
        if text is not None:
            given[name] = moment_ms(text, now_ms=now_ms, zone=utc, name=option)
    return given


def _print_stores(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for each in result["stores"]:
        after = f" -> {each['after']}" if "after" in each else ""
        click.echo(f"{each['store']:20} {each.get('count', each.get('before'))}{after}")


@privacy.command("find")
@who
@with_json
@with_context
def find(context: CliContext, /, as_json: bool, **given: Any) -> None:
    """Count what is stored about a visitor, by store."""
    with context.reading() as services:
        eraser = services.eraser
        result = eraser.find(eraser.subject(**subject_of(context, **given)))
    _print_stores(result, as_json=as_json)


@privacy.command("erase")
@who
@click.option("--request", "request_id", metavar="ID", help="The privacy request that asked for it.")
@with_json
@with_context
def erase(context: CliContext, /, request_id: str | None, as_json: bool, **given: Any) -> None:  # noqa: ARG001 - always JSON
    """Erase a visitor everywhere, backups included, and print the receipt; totals of reports stay."""
    receipt = context.call("erase", request_id=request_id, **subject_of(context, **given))
    print_json(receipt)
    if receipt["scan"]["found_in"]:
        raise PartlyDoneError(
            "the keys are destroyed and the rows deleted, but values of this visitor were found in files of the data "
            f"directory: {', '.join(receipt['scan']['found_in'])}. Find out who wrote them there."
        )


@privacy.command("export")
@who
@click.option("--out", metavar="PATH", help="The file to write; default: a new file in the current folder.")
@with_json
@with_context
def export(context: CliContext, /, out: str | None, as_json: bool, **given: Any) -> None:
    """Write everything that is stored about a visitor to a ZIP; equal data makes an equal file."""
    with context.reading() as services:
        workspace, eraser = services.workspace, services.eraser
        subject = eraser.subject(**subject_of(context, **given))
        content = export_zip(workspace, eraser.vaults, subject)
        path = Path(out or file_name(eraser.hashed(subject))).resolve()
        write_outside(workspace.paths.data, path, content)
    if as_json:
        print_json({"file": str(path)})
    else:
        click.echo(f"{path}: give it to the visitor, then delete it")


@privacy.command("restrict")
@who
@with_json
@with_context
def restrict(context: CliContext, /, as_json: bool, **given: Any) -> None:
    """Take a visitor's clicks out of reports, the click log and deliveries, and keep them."""
    _print_stores(context.call("restrict", **subject_of(context, **given)), as_json=as_json)


@privacy.command("unrestrict")
@who
@with_json
@with_context
def unrestrict(context: CliContext, /, as_json: bool, **given: Any) -> None:
    """Put restricted clicks back; those past their retention time are erased."""
    _print_stores(context.call("unrestrict", **subject_of(context, **given)), as_json=as_json)


@privacy.command("object")
@who
@with_json
@with_context
def object_(context: CliContext, /, as_json: bool, **given: Any) -> None:
    """Only count this visitor from now on; stored data stays until it is erased."""
    result = context.call("object", **subject_of(context, **given))
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['objections']} objections, kept until {result['until']}")


@privacy.command("verify")
@click.argument("receipt", metavar="RECEIPT")
@with_json
@with_context
def verify(context: CliContext, receipt: str, as_json: bool) -> None:
    """Check a receipt against the current keys and stores; exit code 1 if a check fails."""
    given = read_receipt(read_file(receipt))
    with context.reading() as services:
        wrong = services.eraser.verify(given)
    if as_json:
        print_json({"receipt_id": given.get("receipt_id"), "holds": not wrong, "wrong": wrong})
    elif not wrong:
        click.echo("The receipt is valid: nothing it names can be decrypted.")
    if wrong:
        raise FailedError("the receipt is not valid: " + " ".join(wrong))


@privacy.command("scan")
@with_json
@with_context
@click.pass_context
def scan(ctx: click.Context, context: CliContext, as_json: bool) -> None:
    """Search every file for personal data in plain text; exit code 1 if some is found."""
    run_leak_search(context.config_file().resolve())
    with context.workspace() as workspace:
        found = last_leak_report(workspace.paths.inspection)
    if found is None:
        raise FailedError("the result of the search cannot be read; look for free space, then try again.")
    if as_json:
        print_json(found.to_json())
    else:
        for each in found.leaks:
            click.echo(f"{each.file}: {each.kind} ({each.count})")
        looked = f"{found.words} values of {found.clicks} visits searched for in {found.files} files"
        click.echo(f"{looked}: {'found as above' if found.leaks else 'none found in plain text'}")
        if found.left:
            click.echo(f"{found.left} files could not be searched", err=True)
    if found.leaks or found.left:
        ctx.exit(1 if found.leaks else 5)


@privacy.command("map")
@with_json
@with_context
def map_(context: CliContext, as_json: bool) -> None:
    """Print the data map: class, erasure and retention time of every column of every store."""
    result = map_json(describe_terms(context.settings()))
    if as_json:
        print_json(result)
        return
    for each in result:
        place = f"{each['store']} / {each['table']} / {each['column']}"
        click.echo(f"{place:56} {each['class']:10} {each['erase']:36} {each['keep']}")


# ------------------------------------------------------------------------------------------- privacy requests


@privacy.command("requests")
@click.option("--overdue", is_flag=True, help="Only overdue requests; exit code 1 if there are any.")
@with_json
@with_context
@click.pass_context
def requests(ctx: click.Context, context: CliContext, overdue: bool, as_json: bool) -> None:
    """List the privacy requests with their due dates."""
    with context.reading() as services:
        result = services.privacy_requests.requests(only_open=overdue)
    result = [each for each in result if each["overdue"]] if overdue else result
    if as_json:
        print_json(result)
    else:
        for each in result:
            left = "closed" if each["days_left"] is None else f"{each['days_left']} days left"
            click.echo(f"{each['request_id']}  {each['kind']:14} {each['state']:18} due {each['due_at'][:10]}  {left}")
    if overdue and result:
        ctx.exit(1)


@privacy.group("request")
def request() -> None:
    """Record, show and answer a privacy request."""


def _print_request(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        if name not in ("steps", "receivers") and value not in (None, "", False):
            click.echo(f"{name:14} {plain(value)}")
    for each in result.get("receivers", ()):
        click.echo(f"  sent to: {plain(each['name'])}, {each['outcome'] or 'open'}: {each['what']}")
    for step in result.get("steps", ()):
        click.echo(f"  {step['at']}  {step['actor']:8} {step['state']:18} {plain(step['reason'])}")


@request.command("add")
@click.argument("kind", metavar="KIND")
@click.option(
    "--channel", type=click.Choice(("email", "letter", "command line")), default="command line", help="How it came."
)
@click.option("--text", default="", help="The text of the request.")
@click.option("--contact", default="", help="Where to reply.")
@who
@with_json
@with_context
def add(context: CliContext, /, kind: str, channel: str, text: str, contact: str, as_json: bool, **given: Any) -> None:
    """Record a request that came by letter or e-mail: access, erasure, restriction, objection, ..."""
    meant = {name: value for name, value in subject_of(context, **given).items() if value}
    result = context.call("request-add", kind=kind, channel=channel, text=text, contact=contact, who=meant or None)
    _print_request(result, as_json=as_json)


@request.command("show")
@click.argument("request_id", metavar="ID")
@with_json
@with_context
def show(context: CliContext, request_id: str, as_json: bool) -> None:
    """Show one request with its steps."""
    with context.reading() as services:
        result = services.privacy_requests.request(request_id)
    _print_request(result, as_json=as_json)


@request.command("move")
@click.argument("request_id", metavar="ID")
@click.argument("state", metavar="STATE")
@click.option("--reason", default="", help="Required if it is denied or only partly fulfilled.")
@click.option("--answer", default="", help="The text that the visitor reads on the status page.")
@with_json
@with_context
def move(context: CliContext, request_id: str, state: str, reason: str, answer: str, as_json: bool) -> None:
    """Move a request to its next state: acknowledged, verified, approved, fulfilled, denied, ..."""
    result = context.call("request-move", request_id=request_id, state=state, reason=reason, answer=answer)
    _print_request(result, as_json=as_json)


@request.command("told")
@click.argument("request_id", metavar="ID")
@click.argument("receiver", metavar="RECEIVER")
@click.argument("outcome", metavar="OUTCOME", type=click.Choice(get_args(ReceiverOutcome)))
@with_json
@with_context
def told_(context: CliContext, request_id: str, receiver: str, outcome: str, as_json: bool) -> None:
    """Record what a receiver of conversions did: deleted, retracted, limited, letter, impossible."""
    result = context.call("request-outcome", request_id=request_id, receiver=receiver, outcome=outcome)
    _print_request(result, as_json=as_json)


@request.command("extend")
@click.argument("request_id", metavar="ID")
@click.option("--until", "until", required=True, metavar="DATE", help="The new due date, at most two months later.")
@click.option("--reason", required=True, help="The reason that you tell the visitor.")
@with_json
@with_context
def extend(context: CliContext, request_id: str, until: str, reason: str, as_json: bool) -> None:
    """Extend the due date, with a reason, before the request is due."""
    until_ms = moment_ms(until, now_ms=context.world.now_ms(), zone=UTC, name="until")
    result = context.call("request-extend", request_id=request_id, until_ms=until_ms, reason=reason)
    _print_request(result, as_json=as_json)


@click.command()
@with_json
@with_context
def ropa(context: CliContext, as_json: bool) -> None:
    """Print the records of processing (RoPA) of the current configuration and installation."""
    with context.workspace() as workspace:
        result = processing(workspace)
    if as_json:
        print_json(result)
        return
    click.echo(f"Records of processing, workspace {result['workspace']}, configuration {result['config_version']}")
    click.echo("\nPurposes")
    for each in result["purposes"]:
        click.echo(f"  {plain(each['campaign'])}: {each['purpose']}")
    click.echo(f"\nData subjects: {result['people']}")
    click.echo("\nCategories")
    for each in result["categories"]:
        click.echo(f"  {each['field']:20} {each['class']:10} {each['text']}")
    click.echo("\nReceivers")
    for each in result["receivers"]:
        click.echo(f"  {plain(each['name'])} ({each['type']}), {each['host']}, {each['country']}: {each['gets']}")
    click.echo("\nRetention")
    for words in result["retention"].values():
        click.echo(f"  {words}")
    click.echo("\nMeasures")
    for each in result["measures"]:
        click.echo(f"  {each['state']:8} {each['check']:18} {each['text']}")


@click.group()
def breach() -> None:
    """What a data breach notification needs."""


@breach.command("report")
@click.option("--from", "since", required=True, metavar="T", help="When the breach began, as far as it is known.")
@click.option("--to", "until", default="now", metavar="T", help="When it ended; default: now.")
@with_json
@with_context
def report(context: CliContext, since: str, until: str, as_json: bool) -> None:
    """Count the visitors concerned, name the data and the deadline, and draft the notification."""
    now_ms, utc = context.world.now_ms(), UTC
    since_ms = moment_ms(since, now_ms=now_ms, zone=utc, name="from")
    until_ms = moment_ms(until, now_ms=now_ms, zone=utc, name="to")
    with context.workspace() as workspace:
        result = breach_of(workspace, since_ms=since_ms, until_ms=until_ms)
    if as_json:
        print_json(result)
    else:
        click.echo(result["draft"])
