"""A filter's new conditions on past clicks, through a running server."""

from pathlib import Path

from tests.e2e.shop import ask, click_of, told
from tnc.admin.bench.appliance import Appliance

FILTER = """
[[filter]]
id = "strict"
when = [ {{ fact = "referrer_domain", is = ["{domain}"] }} ]
[[campaign]]
id = "judged"
filter = "strict"
[[campaign.flow]]
id = "all"
offers = [ {{ id = "shoes" }} ]
"""


def invalid(appliance: Appliance) -> int:
    answer = told(appliance, "report", "--by", "campaign")
    return int(answer["totals"]["invalid"])


def test_a_running_server_reclassifies_past_clicks_and_undoes_it(appliance: Appliance, tmp_path: Path) -> None:
    file = tmp_path / "filter.toml"
    file.write_text(FILTER.format(domain="nobody.example"))
    appliance.apply(file)
    spam = {"Referer": "https://spam.example/page"}
    clicks = [click_of(ask(appliance, "/judged", headers=spam)) for _ in range(3)]
    good = click_of(ask(appliance, "/judged"))
    before = invalid(appliance)

    file.write_text(FILTER.format(domain="spam.example"))
    appliance.apply(file)
    assert told(appliance, "reclassify", "strict", "--dry-run")["changed"] == 3
    assert told(appliance, "reclassify", "strict")["changed"] == 3
    later = click_of(ask(appliance, "/judged"))  # the server records on

    assert {told(appliance, "click", each)["filter"] for each in clicks} == {"strict"}
    assert {told(appliance, "click", each)["filter"] for each in (good, later)} == {None}
    assert {told(appliance, "explain", each)["same"] for each in clicks} == {True}
    assert invalid(appliance) > before
    assert told(appliance, "reclassify", "strict", "--undo")["changed"] == 3
    assert {told(appliance, "click", each)["filter"] for each in clicks} == {None}
