"""Fills a data directory as `./install.sh --demo` does."""

import socket
import subprocess
import sys

from tnc.admin.bench.server_process import ServerProcess


def fill_demo(server: ServerProcess) -> None:
    """Into a new data directory; its conversions go to a free port of this machine, where nobody listens later."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        receiver = f"127.0.0.1:{free.getsockname()[1]}"
    settings = server.config.read_text()
    assert "# allow_hosts = []" in settings
    server.config.write_text(settings.replace("# allow_hosts = []", f'allow_hosts = ["{receiver}"]'))
    done = subprocess.run(
        (sys.executable, "-m", "tnc.admin.demo", str(server.config)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
