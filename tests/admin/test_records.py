"""Records of processing follow the configuration; the breach report counts visitors."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.privacy.small_workspace import DAYS, NOW_MS, SmallWorkspace, noon_ms, small_workspace
from tests.store.records import NEEDLES, PERSONAL
from tnc.admin.records import breach, processing
from tnc.admin.services import Services
from tnc.core.clock import DAY_MS
from tnc.core.errors import InvalidError

SHOP = """
[[network]]
id = "good"
[[offer]]
id = "shoes"
network = "good"
url = "https://shop.example/?s={click_id}"
[[source]]
id = "ads"
[[campaign]]
id = "summer"
source = "ads"
[[campaign.flow]]
id = "all"
offers = [ { id = "shoes" } ]
"""
POSTBACK = """
[[source]]
id = "ads"
postback = { url = "https://ads.example/pb?id={external_id}" }
"""


@pytest.fixture
def full(tmp_path: Path) -> Iterator[SmallWorkspace]:
    with small_workspace(tmp_path) as made:
        made.clicks_of_others(12)
        made.canary_clicks(2)
        yield made


def apply(full: SmallWorkspace, text: str) -> None:
    Services(full.workspace, full.writer).configure.apply(text, file="shop.toml")


def test_records_of_processing_change_with_the_receivers(full: SmallWorkspace) -> None:
    apply(full, SHOP)
    before = processing(full.workspace)

    apply(full, POSTBACK)

    after = processing(full.workspace)
    assert {each["name"] for each in before["receivers"]} == {"good"}
    assert {each["name"]: each["host"] for each in after["receivers"]} == {
        "good": "unknown",
        "source-ads": "ads.example",
    }
    assert after["config_version"] == before["config_version"] + 1


def test_records_of_processing_name_purposes_categories_retention_and_measures(full: SmallWorkspace) -> None:
    apply(full, SHOP)

    result = processing(full.workspace)

    assert [each["campaign"] for each in result["purposes"]] == ["summer"]
    assert {"ip", "user_agent", "visitor", "country"} <= {each["field"] for each in result["categories"]}
    assert result["retention"]["clicks"] == "clicks: 90 days"
    assert {"key file", "keyring", "requests"} <= {each["check"] for each in result["measures"]}


def test_a_breach_report_counts_visitors_by_country(full: SmallWorkspace) -> None:
    result = breach(full.workspace, since_ms=noon_ms(DAYS[0]), until_ms=noon_ms(DAYS[1]))

    assert (result["clicks"], result["visitors"], result["conversions"]) == (14, 13, 3)
    assert result["by_country"] == [{"country": "US", "clicks": 14, "visitors": 13}]
    assert result["days"] == ["2026-11-22"]
    assert result["became_aware_at"] == "2026-11-24T18:00:00.000Z"
    assert result["tell_the_authority_by"] == "2026-11-27T18:00:00.000Z"


def test_the_draft_of_a_notification_has_figures_and_no_personal_data(full: SmallWorkspace) -> None:
    result = breach(full.workspace, since_ms=noon_ms(DAYS[0]) - DAY_MS, until_ms=noon_ms(DAYS[2]) + DAY_MS)

    assert "about 13 visitors of links, 42 visits" in result["draft"]
    assert [name for name, needle in NEEDLES.items() if needle in str(result).encode()] == []


def test_a_breach_report_includes_restricted_clicks(full: SmallWorkspace) -> None:
    words = {"since_ms": noon_ms(DAYS[0]), "until_ms": noon_ms(DAYS[1])}
    before = breach(full.workspace, **words)
    eraser = full.eraser()

    eraser.restrict(eraser.subject(visitor=PERSONAL["visitor"]))

    after = breach(full.workspace, **words)
    assert {name: after[name] for name in ("clicks", "visitors", "conversions")} == {
        name: before[name] for name in ("clicks", "visitors", "conversions")
    }


def test_a_breach_report_needs_from_before_to(full: SmallWorkspace) -> None:
    with pytest.raises(InvalidError, match="before --to"):
        breach(full.workspace, since_ms=NOW_MS, until_ms=NOW_MS)
