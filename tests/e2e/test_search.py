"""The search for personal data in plain text, in the demo and during clicks."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tests.e2e.demo import fill_demo
from tests.e2e.shop import ask, run_text
from tests.store.records import PERSONAL
from tnc.admin.bench.server_process import ServerProcess


def test_the_leak_search_finds_nothing_in_the_demo_but_a_planted_user_agent(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        server.init()
        fill_demo(server)
        server.serve()
        for number in range(20):
            headers = {"X-Forwarded-For": f"203.0.113.{number}", "User-Agent": PERSONAL["user_agent"]}
            assert ask(
                server, "/shoes?clickid=zz-canary-external-0001&tnc_consent=granted", headers=headers
            ).status in (200, 302, 404)
        run_text(server, "report", "--by", "campaign,country,browser,sub1,referrer_domain", "--from", "30d")
        run_text(server, "backup", "create")
        # `./install.sh --demo` writes this file for the owner.
        (server.data / "sign-in").write_text("listen=127.0.0.1:8080\nemail=owner.of.the.demo@example.com\n")

        assert "none found in plain text" in run_text(server, "privacy", "scan")

        (server.data / "columns" / "core.1234").write_bytes(b"\0" * 70_000 + PERSONAL["user_agent"].encode())
        done = server.command("privacy", "scan")
        assert done.returncode == 1
        assert "columns/core.1234: user agent (1)" in done.stdout
        assert PERSONAL["user_agent"] not in done.stdout + done.stderr + server.log.read_text()


def test_clicks_are_answered_during_the_leak_search(server: ServerProcess) -> None:
    child = (sys.executable, "-m", "tnc.privacy.leak_worker", str(server.config), "changed")

    def wait() -> float:
        before = time.monotonic()
        assert ask(server, "/summer").status == 302
        return time.monotonic() - before

    idle = median(wait() for _ in range(50))
    waits = []
    with subprocess.Popen(child) as searching:
        while searching.poll() is None:
            waits.append(wait())
        assert searching.returncode == 0

    assert median(waits) < 0.5 + 5 * idle
