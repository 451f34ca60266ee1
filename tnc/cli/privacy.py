"""`tnc privacy`: what is known of a person, and its end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args
from zoneinfo import ZoneInfo

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
from tnc.store.requests import Outcome
from tnc.store.terms import in_words

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group()
def privacy() -> None:
    """People's rights: find, export, erase, restrict, object; requests, receipts and the map of what is stored."""


def who(command: _F) -> _F:
    """The options by which a person is meant."""
    for option in (
        click.option("--to", "until", metavar="T", help="Clicks before this time only."),
        click.option("--from", "since", metavar="T", help="Clicks from this time on only."),
        click.option("--visitor", metavar="V", help="Clicks of this pseudonym."),
        click.option("--external-id", metavar="X", help="Clicks with this id of the traffic source."),
        click.option("--ip", metavar="IP", help="Clicks from this address, and those that kept only its network."),
        click.option("--only", is_flag=True, help="With --click: that click alone."),
        click.option("--click", metavar="ID", help="Clicks of the visitor who made this one."),
    ):
        command = option(command)
    return command


def subject_of(asker: CliContext, *, since: str | None, until: str | None, **given: Any) -> dict[str, Any]:
    """The arguments of `Eraser.subject`."""
    now_ms, utc = asker.world.now_ms(), ZoneInfo("UTC")
    for name, text, option in (("since_ms", since, "from"), ("until_ms", until, "to")):
        if text is not None:
            given[name] = moment_ms(text, now_ms=now_ms, zone=utc, name=option)
    return given


def _print_stores(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for each in told["stores"]:
        after = f" -> {each['after']}" if "after" in each else ""
        click.echo(f"{each['store']:20} {each.get('count', each.get('before'))}{after}")


@privacy.command("find")
@who
@with_json
@with_context
def find(asker: CliContext, /, as_json: bool, **given: Any) -> None:
    """How much is stored of a person, by store."""
    with asker.reading() as services:
        eraser = services.eraser
        told = eraser.find(eraser.subject(**subject_of(asker, **given)))
    _print_stores(told, as_json=as_json)


@privacy.command("erase")
@who
@click.option("--request", "request_id", metavar="ID", help="The request of the register that this grants.")
@with_json
@with_context
def erase(asker: CliContext, /, request_id: str | None, as_json: bool, **given: Any) -> None:  # noqa: ARG001 - always JSON
    """Erase a person, everywhere and in every backup, and print the receipt; totals of reports stay."""
    receipt = asker.call("erase", request_id=request_id, **subject_of(asker, **given))
    print_json(receipt)
    if receipt["scan"]["found_in"]:
        raise PartlyDoneError(
            "the keys are destroyed and the rows are gone, but words of this person were found in files of the data "
            f"directory: {', '.join(receipt['scan']['found_in'])}. Look where they come from."
        )


@privacy.command("export")
@who
@click.option("--out", metavar="PATH", help="Where to write it; else a new file here.")
@with_json
@with_context
def export(asker: CliContext, /, out: str | None, as_json: bool, **given: Any) -> None:
    """A copy of everything stored about a person, as a ZIP; the same bytes when it is made twice."""
    with asker.reading() as services:
        workspace, eraser = services.workspace, services.eraser
        subject = eraser.subject(**subject_of(asker, **given))
        content = export_zip(workspace, eraser.vaults, subject)
        path = Path(out or file_name(eraser.told(subject))).resolve()
        write_outside(workspace.paths.data, path, content)
    if as_json:
        print_json({"file": str(path)})
    else:
        click.echo(f"{path}: hand it to the person, then delete it")


@privacy.command("restrict")
@who
@with_json
@with_context
def restrict(asker: CliContext, /, as_json: bool, **given: Any) -> None:
    """Keep a person's clicks beyond their term, and out of reports, exports and deliveries."""
    _print_stores(asker.call("restrict", **subject_of(asker, **given)), as_json=as_json)


@privacy.command("unrestrict")
@who
@with_json
@with_context
def unrestrict(asker: CliContext, /, as_json: bool, **given: Any) -> None:
    """Put restricted clicks back; what has outlived its term is erased."""
    _print_stores(asker.call("unrestrict", **subject_of(asker, **given)), as_json=as_json)


@privacy.command("object")
@who
@with_json
@with_context
def object_(asker: CliContext, /, as_json: bool, **given: Any) -> None:
    """From now on this visitor leaves no trace; what is stored stays until it is erased."""
    told = asker.call("object", **subject_of(asker, **given))
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['objections']} kept until {told['until']}")


@privacy.command("verify")
@click.argument("receipt", metavar="RECEIPT")
@with_json
@with_context
def verify(asker: CliContext, receipt: str, as_json: bool) -> None:
    """Check a receipt against the keys and stores as they are now; exit 1 when it does not hold."""
    given = read_receipt(read_file(receipt))
    with asker.reading() as services:
        wrong = services.eraser.verify(given)
    if as_json:
        print_json({"receipt_id": given.get("receipt_id"), "holds": not wrong, "wrong": wrong})
    elif not wrong:
        click.echo("The receipt holds: nothing of it can be opened.")
    if wrong:
        raise FailedError("the receipt does not hold: " + " ".join(wrong))


@privacy.command("scan")
@with_json
@with_context
@click.pass_context
def scan(ctx: click.Context, asker: CliContext, as_json: bool) -> None:
    """Look through every file for what must not be in the clear; exit 1 when there is some."""
    run_leak_search(asker.config_file().resolve())
    with asker.workspace() as workspace:
        found = last_leak_report(workspace.paths.inspection)
    if found is None:
        raise FailedError("the result of the search cannot be read; look for free space, then try again.")
    if as_json:
        print_json(found.to_json())
    else:
        for each in found.leaks:
            click.echo(f"{each.file}: {each.kind} ({each.count})")
        looked = f"{found.words} words of {found.clicks} visits looked for in {found.files} files"
        click.echo(f"{looked}: {'found as above' if found.leaks else 'none is in the clear'}")
        if found.left:
            click.echo(f"{found.left} files could not be looked through", err=True)
    if found.leaks or found.left:
        ctx.exit(1 if found.leaks else 5)


@privacy.command("map")
@with_json
@with_context
def map_(asker: CliContext, as_json: bool) -> None:
    """Every column of every store: what it says of people, how it is erased, how long it lives."""
    told = map_json(in_words(asker.settings()))
    if as_json:
        print_json(told)
        return
    for each in told:
        place = f"{each['store']} / {each['table']} / {each['column']}"
        click.echo(f"{place:56} {each['class']:10} {each['erase']:36} {each['keep']}")


# ------------------------------------------------------------------------------------------------- the register


@privacy.command("requests")
@click.option("--overdue", is_flag=True, help="Only those that are late; exit 1 when there are some.")
@with_json
@with_context
@click.pass_context
def requests(ctx: click.Context, asker: CliContext, overdue: bool, as_json: bool) -> None:
    """The register: what people asked for, and until when it must be answered."""
    with asker.reading() as services:
        told = services.privacy_requests.requests(only_open=overdue)
    told = [each for each in told if each["overdue"]] if overdue else told
    if as_json:
        print_json(told)
    else:
        for each in told:
            left = "closed" if each["days_left"] is None else f"{each['days_left']} days left"
            click.echo(f"{each['request_id']}  {each['kind']:14} {each['state']:18} due {each['due_at'][:10]}  {left}")
    if overdue and told:
        ctx.exit(1)


@privacy.group("request")
def request() -> None:
    """One request: take it down, look at it, answer it."""


def _print_request(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        if name not in ("steps", "receivers") and value not in (None, "", False):
            click.echo(f"{name:14} {plain(value)}")
    for each in told.get("receivers", ()):
        click.echo(f"  told before: {plain(each['name'])}, {each['outcome'] or 'open'}: {each['what']}")
    for step in told.get("steps", ()):
        click.echo(f"  {step['at']}  {step['actor']:8} {step['state']:18} {plain(step['reason'])}")


@request.command("add")
@click.argument("kind", metavar="KIND")
@click.option(
    "--channel", type=click.Choice(("email", "letter", "command line")), default="command line", help="How it came."
)
@click.option("--text", default="", help="What was asked for, in the person's words.")
@click.option("--contact", default="", help="Where to answer.")
@who
@with_json
@with_context
def add(asker: CliContext, /, kind: str, channel: str, text: str, contact: str, as_json: bool, **given: Any) -> None:
    """Take down a request that came by letter or e-mail: access, erasure, restriction, objection, ..."""
    meant = {name: value for name, value in subject_of(asker, **given).items() if value}
    told = asker.call("request-add", kind=kind, channel=channel, text=text, contact=contact, who=meant or None)
    _print_request(told, as_json=as_json)


@request.command("show")
@click.argument("request_id", metavar="ID")
@with_json
@with_context
def show(asker: CliContext, request_id: str, as_json: bool) -> None:
    """One request with its steps."""
    with asker.reading() as services:
        told = services.privacy_requests.request(request_id)
    _print_request(told, as_json=as_json)


@request.command("move")
@click.argument("request_id", metavar="ID")
@click.argument("state", metavar="STATE")
@click.option("--reason", default="", help="Needed when it is denied or only partly fulfilled.")
@click.option("--answer", default="", help="What the person reads on his status page.")
@with_json
@with_context
def move(asker: CliContext, request_id: str, state: str, reason: str, answer: str, as_json: bool) -> None:
    """The next state: acknowledged, needs_identity, verified, approved, fulfilled, denied, ..."""
    told = asker.call("request-move", request_id=request_id, state=state, reason=reason, answer=answer)
    _print_request(told, as_json=as_json)


@request.command("told")
@click.argument("request_id", metavar="ID")
@click.argument("receiver", metavar="RECEIVER")
@click.argument("outcome", metavar="OUTCOME", type=click.Choice(get_args(Outcome)))
@with_json
@with_context
def told_(asker: CliContext, request_id: str, receiver: str, outcome: str, as_json: bool) -> None:
    """What became of it at somebody who had been told before: deleted, retracted, limited, letter, impossible."""
    told = asker.call("request-told", request_id=request_id, receiver=receiver, outcome=outcome)
    _print_request(told, as_json=as_json)


@request.command("extend")
@click.argument("request_id", metavar="ID")
@click.option("--until", "until", required=True, metavar="DATE", help="At most two further months.")
@click.option("--reason", required=True, help="Told to the person.")
@with_json
@with_context
def extend(asker: CliContext, request_id: str, until: str, reason: str, as_json: bool) -> None:
    """More time, with its reason, before it is due."""
    until_ms = moment_ms(until, now_ms=asker.world.now_ms(), zone=ZoneInfo("UTC"), name="until")
    told = asker.call("request-extend", request_id=request_id, until_ms=until_ms, reason=reason)
    _print_request(told, as_json=as_json)


@click.command()
@with_json
@with_context
def ropa(asker: CliContext, as_json: bool) -> None:
    """Records of processing, made from the present configuration and the checks of this installation."""
    with asker.workspace() as workspace:
        told = processing(workspace)
    if as_json:
        print_json(told)
        return
    click.echo(f"Records of processing, workspace {told['workspace']}, configuration {told['config_version']}")
    click.echo("\nPurposes")
    for each in told["purposes"]:
        click.echo(f"  {plain(each['campaign'])}: {each['purpose']}")
    click.echo(f"\nPeople: {told['people']}")
    click.echo("\nCategories")
    for each in told["categories"]:
        click.echo(f"  {each['field']:20} {each['class']:10} {each['text']}")
    click.echo("\nReceivers")
    for each in told["receivers"]:
        click.echo(f"  {plain(each['name'])} ({each['type']}), {each['host']}, {each['country']}: {each['gets']}")
    click.echo("\nTerms")
    for words in told["retention"].values():
        click.echo(f"  {words}")
    click.echo("\nMeasures")
    for each in told["measures"]:
        click.echo(f"  {each['state']:8} {each['check']:18} {each['text']}")


@click.group()
def breach() -> None:
    """The kit for a breach of personal data."""


@breach.command("report")
@click.option("--from", "since", required=True, metavar="T", help="When it began, as far as that is known.")
@click.option("--to", "until", default="now", metavar="T", help="When it ended; else now.")
@with_json
@with_context
def report(asker: CliContext, since: str, until: str, as_json: bool) -> None:
    """Whom it concerns, how many, which data, until when the authority must be told, and a draft."""
    now_ms, utc = asker.world.now_ms(), ZoneInfo("UTC")
    since_ms = moment_ms(since, now_ms=now_ms, zone=utc, name="from")
    until_ms = moment_ms(until, now_ms=now_ms, zone=utc, name="to")
    with asker.workspace() as workspace:
        told = breach_of(workspace, since_ms=since_ms, until_ms=until_ms)
    if as_json:
        print_json(told)
    else:
        click.echo(told["draft"])
