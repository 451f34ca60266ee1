"""`tnc report` converts each amount by the rate of its day, from the owner's file of rates."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.conftest import Tnc
from tnc.core.settings import Settings


def test_a_report_converts_by_the_rate_of_the_day(tnc: Tnc, settings: Settings, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=number) for number in (2, 1)]
    clicks = [
        {"click_id": f"{day}-{of}", "clicked_at": f"{day}T12:00:00Z", "campaign": "c", "cost": 1, "currency": of}
        for day in days
        for of in ("EUR", "USD")
    ]
    file = tmp_path / "clicks.jsonl"
    file.write_text("\n".join(map(json.dumps, clicks)))
    assert tnc("import", "clicks", str(file)).code == 0
    config = settings.data / "config.toml"
    config.write_text(config.read_text().replace('# rates_file = ""', 'rates_file = "rates.csv"'))
    ask = ("report", "--by", "day", "--metrics", "cost", "--currency", "USD", "--json")

    missing = tnc(*ask)
    (settings.data / "rates.csv").write_text(f"day,currency,rate\n{days[0]},EUR,2\n{days[1]},EUR,3\n")
    result = tnc(*ask).json

    assert (missing.code, "rates.csv" in missing.err) == (2, True)
    assert [row["cost"] for row in result["rows"]] == [3, 4]
    assert (result["currency"], result["totals"]["cost"]) == ("USD", 7)
