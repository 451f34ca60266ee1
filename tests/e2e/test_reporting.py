"""Reports that a running server gets from its child process, in portions."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.shop import run_json, run_text
from tnc.admin.bench.server_process import ServerProcess
from tnc.core.errors import InvalidError
from tnc.reports.client import ReportClient
from tnc.reports.query import ReportQuery

PLACES = 437
ASKED = ReportQuery(by=("sub1", "sub2"), start="30d", sort="visits")


@pytest.fixture
def visited(stopped: ServerProcess, tmp_path: Path) -> ServerProcess:
    """A data directory with clicks of more places than one portion of a report holds."""
    (tmp_path / "shop.toml").write_text(
        '[[offer]]\nid = "shoes"\nurl = "https://shop.example/"\n[[campaign]]\nid = "summer"\n'
        '[[campaign.flow]]\nid = "all"\noffers = [ { id = "shoes" } ]\n'
    )
    stopped.apply(tmp_path / "shop.toml")
    at = datetime.now(UTC).isoformat()
    lines = (
        json.dumps(
            {"click_id": f"c{number}-{nth}", "clicked_at": at, "campaign": "summer", "sub1": f"place {number % 23}"}
            | {"sub2": f"page {number // 23}"}
        )
        for number in range(PLACES)
        for nth in range(1 + number % 3)
    )
    (tmp_path / "clicks.jsonl").write_text("\n".join(lines))
    assert stopped.command("import", "clicks", str(tmp_path / "clicks.jsonl")).returncode == 0
    return stopped


@pytest.fixture
async def reporter(visited: ServerProcess) -> AsyncIterator[ReportClient]:
    reporter = ReportClient(visited.config)
    yield reporter
    await reporter.close()


async def test_a_long_report_is_complete_in_both_formats(visited: ServerProcess, reporter: ReportClient) -> None:
    answer = await reporter.fetch(ASKED)
    sheet = await reporter.fetch_csv(ASKED)

    command = ("report", "--by", "sub1,sub2", "--from", "30d", "--sort", "visits")
    assert len(answer["rows"]) == PLACES
    assert answer["rows"] == run_json(visited, *command)["rows"]
    assert sheet.splitlines() == run_text(visited, *command, "--csv").splitlines()


async def test_a_refused_report_gets_a_sentence_and_the_next_one_is_answered(reporter: ReportClient) -> None:
    with pytest.raises(InvalidError, match="shoe_size"):
        await reporter.fetch(ReportQuery(by=("shoe_size",)))

    assert len((await reporter.fetch(ReportQuery(by=("sub1",), start="30d", limit=7)))["rows"]) == 7
