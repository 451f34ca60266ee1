"""Problems that cost money are named by `tnc doctor`: links with a mistake, costs that cannot be read."""

import json
from typing import Any

from tests.e2e.shop import ask
from tnc.admin.bench.server_process import ServerProcess


def findings(server: ServerProcess, check: str) -> list[dict[str, Any]]:
    done = server.command("doctor", "--json")
    return [each for each in json.loads(done.stdout) if each["check"] == check]


def test_paths_that_look_like_a_campaign_are_named(server: ServerProcess) -> None:
    for path in ("/sumer?email=ann@example.com", "/sumer", "/qizzed", "/wp-login.php", "/favicon.png"):
        assert ask(server, path).status == 404
    assert server.command("run", "note-missed-paths").returncode == 0

    (found,) = findings(server, "unknown links")

    assert found["state"] == "warning"
    assert "/sumer (2 times), like summer at /summer" in found["text"]
    assert "/qizzed (1 time), like quizzed at /quizzed" in found["text"]
    assert "wp-login" not in found["text"]
    assert "ann@example.com" not in (server.data / "missed-paths.json").read_text()


def test_a_stop_and_start_keeps_what_was_missed(server: ServerProcess) -> None:
    assert ask(server, "/sumer").status == 404
    assert server.command("run", "note-missed-paths").returncode == 0
    server.stop()
    server.serve()
    assert ask(server, "/sumer").status == 404
    assert server.command("run", "note-missed-paths").returncode == 0

    assert "/sumer (2 times)" in findings(server, "unknown links")[0]["text"]


def test_costs_that_cannot_be_read_are_named_with_the_value(server: ServerProcess) -> None:
    for cpc in ("%7Bcpc%7D", "abc", "-1", "-1"):
        ask(server, f"/summer?tnc_consent=granted&cpc={cpc}")

    (found,) = findings(server, "costs")

    assert found["text"] == (
        "The cost of 4 clicks of campaign summer since yesterday is unknown: cpc is '-1', which is no amount."
    )


def test_a_value_that_may_be_about_a_person_is_only_described(server: ServerProcess) -> None:
    ask(server, "/summer?tnc_consent=granted&cpc=ann@example.com")

    (found,) = findings(server, "costs")

    assert "cpc is a text of 15 characters" in found["text"]
    assert "ann" not in found["text"]
