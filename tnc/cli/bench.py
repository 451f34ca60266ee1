"""`tnc bench`: measures this machine."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from tnc.admin.bench.measure import Figures, measure
from tnc.cli.context import CliContext, print_json, with_context, with_json
from tnc.core import settings
from tnc.core.errors import TncError


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(0.5, 600), default=5.0, help="Duration of each measurement; default 5."
)
@with_json
@with_context
def bench(context: CliContext, seconds: float, as_json: bool) -> None:
    """Measure what this machine can take, on a temporary data directory."""
    with tempfile.TemporaryDirectory(prefix="tnc-bench-", dir=_disk(context)) as folder:
        figures = measure(Path(folder), seconds)
    if as_json:
        print_json(asdict(figures))
    else:
        click.echo(_text(figures))


def _disk(context: CliContext) -> Path | None:
    """The folder of the data directory, if there is one: recording is as fast as its disk."""
    try:
        return settings.load(context.config_file()).data.parent
    except TncError:
        return None


def _text(figures: Figures) -> str:
    lines = {
        "clicks": f"{figures.clicks_per_second:,.0f} per second, each on disk before its reply",
        "processor": f"{figures.cpu_us_per_click:.0f} us per click",
        "latency": f"{figures.p50_ms:.2f} ms, p99 {figures.p99_ms:.2f} ms, at {figures.at_per_second:,.0f}"
        " clicks per second",
        "report": f"{figures.report_ms:.0f} ms over {figures.clicks:,} clicks;"
        f" {figures.first_report_ms:.0f} ms the first time, when it makes the columns",
        "start": f"{figures.start_ms:.0f} ms to the first click",
        "memory": f"{figures.memory_mb:.0f} MB",
        "disk": f"{figures.bytes_per_click:.0f} bytes per click",
        "failed": f"{figures.failed}",
    }
    result = [f"{name:11} {text}" for name, text in lines.items()]
    return "\n".join([*result, "The load generator ran on this machine too and used a part of it."])
