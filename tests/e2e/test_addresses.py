"""Geo data files that are replaced or damaged while the server runs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.shop import Stream, ask, click_of, run_json
from tests.visitors.shared import needed
from tnc.admin.bench.server_process import ServerProcess

CITY = "geo/dbip-city-sample-ipv4.mmdb"
WALTHAM = {"X-Forwarded-For": "50.224.126.45"}


def city(server: ServerProcess) -> object:
    """The city that the server records for a click from WALTHAM."""
    return run_json(server, "click", click_of(ask(server, "/summer", headers=WALTHAM)))["city"]


def until(holds: Callable[[], bool], seconds: float = 240) -> None:
    end, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < end
        pause.wait(0.05)


def test_geo_data_is_replaced_under_load_without_a_failed_click(server: ServerProcess) -> None:
    with Stream(server).running() as stream:
        stream.wait_for(50)
        for _ in range(2):
            assert city(server) is None
            assert run_json(server, "ipdb", "add", str(needed(CITY)))["kind"] == "city"
            until(lambda: city(server) == "Waltham (West End)")
            assert run_json(server, "ipdb", "remove", "dbip-city-sample-ipv4")
            until(lambda: city(server) is None)
        stream.wait_for(len(stream.replies) + 50)

    assert stream.answers.failed == 0
    assert len(stream.redirected) == len(stream.replies)


def test_overwriting_a_geo_file_in_use_fails_no_click_and_logs_one_line(server: ServerProcess) -> None:
    run_json(server, "ipdb", "add", str(needed(CITY)))
    until(lambda: city(server) == "Waltham (West End)")
    (database,) = (server.data / "ipdb").glob("*.mmdb")

    with Stream(server).running() as stream:
        stream.wait_for(50)
        database.write_bytes(b"")  # as `cp` does it: truncate the file, then write to it
        database.write_bytes(needed(CITY).read_bytes()[:50_000])
        assert city(server) == "Waltham (West End)"
        stream.wait_for(len(stream.replies) + 50)
    assert server.stop() == 0
    server.serve()

    assert city(server) is None
    assert all(ask(server, "/summer", headers=WALTHAM).status == 302 for _ in range(100))
    assert stream.answers.failed == 0
    assert server.log.read_text().count("geo data cannot be used") == 1


def test_a_flow_on_a_fact_without_data_is_refused_by_name(stopped: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "city.toml"
    file.write_text(
        '[[offer]]\nid = "shoes"\nurl = "https://shop.example/"\n[[campaign]]\nid = "c"\n[[campaign.flow]]\nid = "f"\n'
        'when = [ { fact = "city", is = ["Oslo"] } ]\noffers = [ { id = "shoes" } ]\n'
    )
    refused = stopped.command("apply", str(file))
    run_json(stopped, "ipdb", "add", str(needed(CITY)))
    allowed = stopped.command("apply", str(file))

    assert refused.returncode == 2
    assert "flow 'f' of campaign 'c': no installed geo data knows city" in refused.stderr
    assert allowed.returncode == 0
