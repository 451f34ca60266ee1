"""The registries of dimensions and metrics are complete and equal to docs/reports.md."""

import re
from pathlib import Path

from tnc.core.fields import FIELDS
from tnc.reports.dimensions import DIMENSIONS, METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
TIMES = {"hour", "day", "week", "month", "weekday", "hour_of_day"}


def documented(heading: str) -> dict[str, str]:
    """First cell -> second cell of the table below a heading."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", part, re.MULTILINE))


def test_the_page_names_every_metric_with_its_formula() -> None:
    assert documented("Metrics") == {name: each.formula for name, each in METRICS.items()}


def test_the_page_names_every_dimension() -> None:
    assert documented("Dimensions") == {name: each.text for name, each in DIMENSIONS.items()}


def test_dimensions_are_times_and_fields_that_are_not_personal() -> None:
    assert set(DIMENSIONS) == TIMES | {name for name, each in FIELDS.items() if each.about.dimension}
    assert not any(each.about.dimension and each.personal for each in FIELDS.values())


def test_metrics_keep_their_names_and_order() -> None:
    assert list(METRICS) == [
        *("visits", "invalid", "valid", "unique_visits", "lander_views", "lander_clicks", "lander_ctr"),
        *("conversions", "leads", "sales", "rejected", "revenue", "pending_revenue", "cost", "profit", "roi"),
        *("cr", "epv", "epc", "cpv", "cpa", "payout", "unmapped", "opted_out", "opted_out_cost"),
    ]


def test_allowed_values_come_from_the_model() -> None:
    assert DIMENSIONS["device"].allowed[:3] == ("desktop", "mobile", "tablet")
    assert DIMENSIONS["consent"].allowed == ("granted", "denied", "unknown")
    assert DIMENSIONS["action"].allowed == ("redirect", "status", "page")
    assert DIMENSIONS["vpn"].allowed == ("true", "false")
    assert DIMENSIONS["country"].allowed == ()
