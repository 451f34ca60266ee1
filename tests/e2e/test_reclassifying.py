"""`tnc reclassify` beside a running server."""

from pathlib import Path

from tests.e2e.shop import ask, click_of, run_json
from tnc.admin.bench.server_process import ServerProcess

FILTER = """
[[filter]]
id = "strict"
when = [ {{ fact = "referrer_domain", is = ["{domain}"] }} ]
[[campaign]]
id = "filtered"
filter = "strict"
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
"""


def invalid(server: ServerProcess) -> int:
    answer = run_json(server, "report", "--by", "campaign")
    return int(answer["totals"]["invalid"])


def test_a_running_server_reclassifies_past_clicks_and_undoes_it(server: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "filter.toml"
    file.write_text(FILTER.format(domain="other.example"))
    server.apply(file)
    spam = {"Referer": "https://spam.example/page"}
    clicks = [click_of(ask(server, "/filtered", headers=spam)) for _ in range(3)]
    good = click_of(ask(server, "/filtered"))
    before = invalid(server)

    file.write_text(FILTER.format(domain="spam.example"))
    server.apply(file)
    assert run_json(server, "reclassify", "strict", "--dry-run")["changed"] == 3
    assert run_json(server, "reclassify", "strict")["changed"] == 3
    later = click_of(ask(server, "/filtered"))  # the server still records clicks

    assert {run_json(server, "click", each)["filter"] for each in clicks} == {"strict"}
    assert {run_json(server, "click", each)["filter"] for each in (good, later)} == {None}
    assert {run_json(server, "explain", each)["same"] for each in clicks} == {True}
    assert invalid(server) > before
    assert run_json(server, "reclassify", "strict", "--undo")["changed"] == 3
    assert {run_json(server, "click", each)["filter"] for each in clicks} == {None}
