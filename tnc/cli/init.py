"""`tnc init` and `tnc doctor`: the data directory and its health."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from tnc.admin.doctor import examine
from tnc.admin.install import initialise, owner
from tnc.cli.context import CliContext, print_json, with_context, with_json
from tnc.core.clock import World
from tnc.core.settings import Settings, read_setting


@click.command()
@click.option("--data", required=True, metavar="DIR", help="The new data directory.")
@click.option("--key", metavar="FILE", help="The key file, outside the data directory; default: DIR.key beside it.")
@click.option(
    "--listen", default="127.0.0.1:8080", metavar="HOST:PORT", help="Address for tracking; [::]:80 answers IPv4 too."
)
@click.option("--dashboard", default="127.0.0.1:8400", metavar="HOST:PORT", help="Address for the dashboard.")
@click.option(
    "--trusted-proxy",
    "proxies",
    multiple=True,
    metavar="CIDR",
    help="Proxy whose X-Forwarded-For is trusted; repeatable.",
)
@click.option("--owner-email", metavar="E", help="E-mail address of the first owner.")
@click.option("--owner-password-stdin", is_flag=True, help="Read the owner's password from standard input.")
@with_json
def init(
    data: str,
    key: str | None,
    listen: str,
    dashboard: str,
    proxies: Sequence[str],
    owner_email: str | None,
    owner_password_stdin: bool,
    as_json: bool,
) -> None:
    """Create a data directory with settings, keys, databases and the first owner."""
    folder = Path(data).resolve()
    settings = Settings(
        data=folder,
        key=Path(key).resolve() if key else folder.with_name(f"{folder.name}.key"),
        listen=read_setting("listen", listen, called="--listen"),
        dashboard=read_setting("dashboard", dashboard, called="--dashboard"),
        trusted_proxies=read_setting("trusted_proxies", list(proxies), called="--trusted-proxy"),
    )
    password = sys.stdin.readline().rstrip("\r\n") if owner_password_stdin else None
    first = owner(owner_email, password)
    config = initialise(settings, first, World())
    result = {"config": str(config), "key": str(settings.key), "email": first.email}
    if first.generated:
        result["password"] = first.password
    if as_json:
        print_json(result)
        return
    click.echo(f"created {folder}")
    click.echo(f"keys   {settings.key}: keep a copy elsewhere; without it nobody can decrypt the data, not even you")
    click.echo(f"owner  {first.email}" + (f", password {first.password} (shown only once)" if first.generated else ""))
    click.echo(f"next   tnc --config {config} serve")


@click.command()
@with_json
@with_context
@click.pass_context
def doctor(ctx: click.Context, context: CliContext, as_json: bool) -> None:
    """Run every check and print a fix for each problem; exit code 1 if one fails."""
    with context.workspace() as workspace:
        findings = examine(workspace)
    if as_json:
        result = [{"check": each.check, "state": each.state, "text": each.text, "fix": each.fix} for each in findings]
        print_json(result)
    else:
        for each in findings:
            mark = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}[each.state]
            click.echo(f"{mark}  {each.check:18} {each.text}" + (f"\n{'':28}{each.fix}" if each.fix else ""))
    if any(each.state == "failed" for each in findings):
        ctx.exit(1)
