"""A clock that is set forward and back between two starts: nothing is lost, nothing expired comes back."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.e2e.shop import ask, click_of, postback, printed, recorded
from tnc.admin.bench.appliance import Appliance

DAY = 24.0
TREES = {"clicks": "clicks", "events": "events", "deliveries": "events", "inbox": "events"}


def serve(appliance: Appliance, hours: float) -> None:
    """As if the clock were wrong by so much."""
    appliance.python = (sys.executable, str(Path(__file__).with_name("moved_clock.py")), str(hours))
    appliance.serve()


def visits(appliance: Appliance, count: int = 5) -> list[str]:
    return [click_of(ask(appliance, "/summer")) for _ in range(count)]


def rows(appliance: Appliance) -> dict[tuple[str, str, int], bytes]:
    """What is sealed under which number of which tree, by day."""
    found = {}
    for path in sorted((appliance.data / "days").rglob("*.db")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for table, tree in TREES.items():
                for seq, sealed in database.execute(f"select seq, sealed from {table}"):
                    assert (path.stem, tree, seq) not in found
                    found[path.stem, tree, seq] = bytes(sealed)
    return found


def test_a_clock_set_forward_and_back_loses_no_click_and_reuses_no_record_number(stopped: Appliance) -> None:
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
        assert {place: now.get(place) for place in kept} == kept, "what was written stays under its number"
        kept = now

    serve(stopped, 0)
    stored = recorded(stopped)
    assert set(answered) <= set(stored)
    assert len(stored) == len(set(stored)) == 35
    printed(stopped, "report", "--by", "campaign", "--from", "30d")
    assert "open" in printed(stopped, "keys", "verify")


def test_data_that_expired_while_the_clock_was_months_ahead_does_not_come_back(stopped: Appliance) -> None:
    serve(stopped, 0)
    today = visits(stopped)
    stopped.stop()
    serve(stopped, -60 * DAY)
    earlier = visits(stopped)
    assert set(today) <= set(recorded(stopped)), "of the future, and not lost"
    stopped.kill()

    serve(stopped, 40 * DAY)  # the earlier ones are 100 days old now, today's 40

    assert [postback(stopped, each, txid="late").status for each in earlier] == [404] * 5
    assert set(recorded(stopped)) == set(today)
    ahead = visits(stopped)
    stopped.kill()
    serve(stopped, -60 * DAY)
    again = visits(stopped)
    assert [postback(stopped, each, txid="late").status for each in earlier] == [404] * 5
    assert set(recorded(stopped)) == {*today, *ahead, *again}
    stopped.stop()

    serve(stopped, 300 * DAY)
    assert recorded(stopped) == []
    last = visits(stopped)
    stopped.stop()
    serve(stopped, 0)
    assert set(recorded(stopped)) == set(last)
    assert [ask(stopped, "/summer").status for _ in range(2)] == [302, 302]
