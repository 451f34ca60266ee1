"""`tnc jobs` and `tnc run`: the scheduled jobs of the running server."""

import click

from tnc.admin.remote import Remote
from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.core.errors import RefusedError


@click.command()
@with_json
@with_context
def jobs(context: CliContext, as_json: bool) -> None:
    """List the scheduled jobs: interval, result of the last run, time of the next one."""
    result = _server(context).call("jobs")
    if as_json:
        print_json(result)
        return
    width = max(len(each["job"]) for each in result)
    for each in result:
        click.echo(f"{each['job']:<{width}}  {each['does']}")
        click.echo(f"{'':<{width}}  {_last(each)}, next in {_span(each['next_in_seconds'])}")


@click.command()
@click.argument("job")
@with_json
@with_context
def run(context: CliContext, job: str, as_json: bool) -> None:
    """Run a JOB now and wait until it is done; `tnc jobs` lists them."""
    result = _server(context).call("run-job", job=job)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['job']}: done in {result['took_ms']} ms")


def _server(context: CliContext) -> Remote:
    server = context.server()
    if server is None:
        raise RefusedError("no server is running, and only a running server has jobs; type: tnc serve")
    return server


def _last(job: dict[str, object]) -> str:
    if job["last_at"] is None:
        return "not run yet"
    return f"{'FAILED' if job['failed'] else 'done'} {plain(job['last_at'])} in {job['took_ms']} ms"


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"
