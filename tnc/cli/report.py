"""`tnc report`: reports by any dimensions."""

from collections.abc import Sequence

import click

from tnc.cli.context import CliContext, plain, print_json, with_context, with_json
from tnc.core.errors import InvalidError
from tnc.core.process import BACKGROUND_NICENESS, lower_priority
from tnc.reports.columns.columns import Columns
from tnc.reports.query import ReportQuery
from tnc.reports.run import run_report


@click.command()
@click.option("--by", multiple=True, metavar="D[,D...]", help="Dimensions, like campaign,country or day.")
@click.option("--metrics", multiple=True, metavar="M,...", help="Only these metrics; default: all.")
@click.option("--from", "start", metavar="T", help="Included: a date, a time, today, yesterday, 7d, 30d, this-month.")
@click.option("--to", "end", metavar="T", help="Excluded; default: now.")
@click.option("--where", multiple=True, metavar="'K=V'", help='K=V[,V], K="A,B", K!=V, K~TEXT, K>N, K<N; repeatable.')
@click.option("--timezone", default="UTC", metavar="TZ", help="Time zone of days, hours and dates.")
@click.option(
    "--time",
    type=click.Choice(("click", "conversion")),
    default="click",
    help="Whether conversions count at the click or at the conversion.",
)
@click.option("--sort", metavar="M", help="Metric (largest first) or dimension to sort by; -M: the other way round.")
@click.option("--limit", type=int, metavar="N", help="At most so many rows.")
@click.option("--offset", type=int, default=0, metavar="N", help="Leave out so many rows first.")
@click.option("--currency", metavar="C", help="Convert money to this currency.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@with_json
@with_context
def report(context: CliContext, /, as_csv: bool, as_json: bool, **query: Sequence[str] | str | int | None) -> None:
    """Print a report by any dimensions; totals are counted from the clicks, not from the rows."""
    if as_csv and as_json:
        raise InvalidError("--csv and --json cannot be used together.")
    lower_priority(BACKGROUND_NICENESS)  # somebody waits for it, also on a busy machine
    with context.workspace() as workspace, Columns(workspace.paths.columns) as columns:
        result = run_report(workspace, columns, ReportQuery(**query))  # type: ignore[arg-type]
    if as_json:
        print_json(result.to_json())
        return
    if not as_csv:
        click.echo(result.to_text())
        return
    click.echo(result.to_csv(), nl=False)
    for note in result.notes:
        click.echo(f"note: {plain(note)}", err=True)
