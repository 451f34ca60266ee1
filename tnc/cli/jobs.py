"""`tnc jobs` and `tnc run`: what the running server does by itself, and doing one of it now."""

import click

from tnc.admin.remote import Remote
from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.core.errors import RefusedError


@click.command()
@with_json
@with_context
def jobs(asker: CliContext, as_json: bool) -> None:
    """What the machine does by itself: how often, how the last turn went, when the next one is."""
    told = _server(asker).call("jobs")
    if as_json:
        print_json(told)
        return
    width = max(len(each["job"]) for each in told)
    for each in told:
        click.echo(f"{each['job']:<{width}}  {each['does']}")
        click.echo(f"{'':<{width}}  {_last(each)}, next in {_span(each['next_in_seconds'])}")


@click.command()
@click.argument("job")
@with_json
@with_context
def run(asker: CliContext, job: str, as_json: bool) -> None:
    """Do a JOB now, and wait until it is done; `tnc jobs` names them."""
    told = _server(asker).call("run-job", job=job)
    if as_json:
        print_json(told)
    else:
        click.echo(f"{told['job']}: done in {told['took_ms']} ms")


def _server(asker: CliContext) -> Remote:
    server = asker.server()
    if server is None:
        raise RefusedError("no server runs here, and it is the server that does these things; type: tnc serve")
    return server


def _last(job: dict[str, object]) -> str:
    if job["last_at"] is None:
        return "not done yet"
    return f"{'FAILED' if job['failed'] else 'done'} {plain(job['last_at'])} in {job['took_ms']} ms"


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"
