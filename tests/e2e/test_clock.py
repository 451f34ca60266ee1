"""A clock that is set forward and back between two starts: nothing is lost and nothing is destroyed."""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.e2e.shop import ask, click_of, postback, recorded, run_text
from tnc.admin.bench.server_process import ServerProcess

DAY = 24.0
TREES = {"clicks": "clicks", "events": "events", "deliveries": "events", "inbox": "events"}


def serve(server: ServerProcess, hours: float) -> None:
    """Start the server with a clock that is wrong by `hours`."""
    server.python = (sys.executable, str(Path(__file__).with_name("moved_clock.py")), str(hours))
    server.serve()


def visits(server: ServerProcess, count: int = 5) -> list[str]:
    return [click_of(ask(server, "/summer")) for _ in range(count)]


def rows(server: ServerProcess) -> dict[tuple[str, str, int], bytes]:
    """The encrypted records by day, key tree and record number."""
    found = {}
    for path in sorted((server.data / "days").rglob("*.db")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for table, tree in TREES.items():
                for seq, sealed in database.execute(f"select seq, sealed from {table}"):
                    assert (path.stem, tree, seq) not in found
                    found[path.stem, tree, seq] = bytes(sealed)
    return found


def test_a_clock_set_forward_and_back_loses_no_click_and_reuses_no_record_number(stopped: ServerProcess) -> None:
    answered: list[str] = []
    kept: dict[tuple[str, str, int], bytes] = {}
    for turn, hours in enumerate((0, 5, -7, 30, 0, -50, 1)):
        serve(stopped, hours)
        assert set(answered) <= set(recorded(stopped))
        for click_id in answered[:2]:
            assert postback(stopped, click_id, txid=f"T{turn}").status == 200
        answered += visits(stopped)
        stopped.kill() if turn % 2 else stopped.stop()
        now = rows(stopped)
        assert {place: now.get(place) for place in kept} == kept, "a record changed or lost its number"
        kept = now

    serve(stopped, 0)
    stored = recorded(stopped)
    assert set(answered) <= set(stored)
    assert len(stored) == len(set(stored)) == 35
    run_text(stopped, "report", "--by", "campaign", "--from", "30d")
    assert "open" in run_text(stopped, "keys", "verify")


def test_a_start_months_ahead_destroys_nothing_until_the_owner_confirms_the_clock(stopped: ServerProcess) -> None:
    serve(stopped, 0)
    clicks = set(visits(stopped))
    stopped.stop()

    serve(stopped, 100 * DAY)

    health = ask(stopped, "/-/health")
    assert (health.status, json.loads(health.body)["status"], json.loads(health.body)["clock"]) == (
        200,
        "degraded",
        "doubted",
    )
    doctor = stopped.command("doctor", "--json")
    assert doctor.returncode == 1
    assert "clock" in {each["check"] for each in json.loads(doctor.stdout) if each["state"] == "failed"}
    refused = stopped.command("retention", "run")
    assert (refused.returncode, refused.stdout) == (4, "")
    stopped.command("run", "retention")
    assert stopped.command("clicks", "--json").stdout == "", "clicks past their retention time are shown"
    assert [postback(stopped, each, txid="late").status for each in clicks] == [404] * 5
    ahead = set(visits(stopped))
    stopped.kill()

    serve(stopped, 0)
    assert json.loads(ask(stopped, "/-/health").body)["status"] == "ok"
    assert set(recorded(stopped)) == clicks | ahead
    assert [postback(stopped, each, txid="back").status for each in clicks] == [200] * 5
    stopped.stop()

    serve(stopped, 200 * DAY)
    assert stopped.command("retention", "run", "--yes").returncode == 0
    assert json.loads(ask(stopped, "/-/health").body)["status"] == "ok"
    stopped.stop()
    serve(stopped, 0)
    assert recorded(stopped) == []
    assert ask(stopped, "/summer").status == 302


def test_a_start_months_behind_destroys_nothing(stopped: ServerProcess) -> None:
    serve(stopped, 0)
    clicks = set(visits(stopped))
    stopped.stop()

    serve(stopped, -60 * DAY)

    assert json.loads(ask(stopped, "/-/health").body)["clock"] == "doubted"
    earlier = set(visits(stopped))
    assert set(recorded(stopped)) == clicks | earlier
    stopped.stop()
    serve(stopped, 0)
    assert set(recorded(stopped)) == clicks | earlier
