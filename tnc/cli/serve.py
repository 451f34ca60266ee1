"""`tnc serve`: in a module of its own, so that the server loads nothing that it does not need."""

import asyncio
import gc
import logging
import sys

import click
import uvloop

from tnc.app import serve as serve_appliance
from tnc.cli.context import CliContext, with_context

log = logging.getLogger(__name__)


@click.command()
@with_context
def serve(context: CliContext) -> None:
    """Run the server in the foreground; SIGTERM stops it without losing anything."""

    def ready(tracking: str, dashboard: str) -> None:
        click.echo(f"ready tracking={tracking} dashboard={dashboard}")
        sys.stdout.flush()

    gc.disable()  # until `freeze_gc`, when everything is loaded
    settings = context.settings()
    for setting in settings.ignored:
        log.warning("a setting in config.toml has no effect any more; remove it", extra={"setting": setting})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_appliance(context.config_file().resolve(), settings, context.world, ready=ready))
