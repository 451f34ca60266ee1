"""`tnc serve`: apart from the others, so that nothing is in its memory that it does not need."""

import asyncio
import logging
import sys

import click
import uvloop

from tnc.app import serve as serve_appliance
from tnc.cli.context import CliContext, with_context

log = logging.getLogger(__name__)


@click.command()
@with_context
def serve(asker: CliContext) -> None:
    """Run the appliance in the foreground; SIGTERM stops it, nothing lost."""

    def ready(tracking: str, dashboard: str) -> None:
        click.echo(f"ready tracking={tracking} dashboard={dashboard}")
        sys.stdout.flush()

    settings = asker.settings()
    for setting in settings.ignored:
        log.warning("a setting in config.toml has no effect any more; remove it", extra={"setting": setting})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_appliance(asker.config_file().resolve(), settings, asker.world, ready=ready))
