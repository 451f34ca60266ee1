"""`tnc bench`: what this machine can take."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from tnc.admin.bench.measure import Figures, measure
from tnc.cli.context import CliContext, print_json, with_context, with_json
from tnc.core import settings
from tnc.core.errors import TncError


@click.command()
@click.option("--seconds", type=click.FloatRange(0.5, 600), default=5.0, help="How long each measure takes; else 5.")
@with_json
@with_context
def bench(asker: CliContext, seconds: float, as_json: bool) -> None:
    """What this machine can take, tried on a data directory of its own."""
    with tempfile.TemporaryDirectory(prefix="tnc-bench-", dir=_disk(asker)) as folder:
        figures = measure(Path(folder), seconds)
    if as_json:
        print_json(asdict(figures))
    else:
        click.echo(_text(figures))


def _disk(asker: CliContext) -> Path | None:
    """Beside the data directory, if there is one: recording is as fast as the disk it is on."""
    try:
        return settings.load(asker.config_file()).data.parent
    except TncError:
        return None


def _text(figures: Figures) -> str:
    lines = {
        "clicks": f"{figures.clicks_per_second:,.0f} a second, each on disk before it is answered",
        "processor": f"{figures.cpu_us_per_click:.0f} us a click",
        "latency": f"{figures.p50_ms:.2f} ms, 99 of 100 within {figures.p99_ms:.2f} ms, at {figures.at_per_second:,.0f}"
        " clicks a second",
        "report": f"{figures.report_ms:.0f} ms over {figures.clicks:,} clicks;"
        f" {figures.first_report_ms:.0f} ms the first time, which makes their columns",
        "start": f"{figures.start_ms:.0f} ms to the first click",
        "memory": f"{figures.memory_mb:.0f} MB",
        "disk": f"{figures.bytes_per_click:.0f} bytes a click",
        "failed": f"{figures.failed}",
    }
    told = [f"{name:11} {text}" for name, text in lines.items()]
    return "\n".join([*told, "The crowd ran on this machine too and took its share of it."])
