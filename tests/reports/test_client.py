"""The server's side of the child that computes reports, with real children."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tnc.admin.bench.server_process import ServerProcess
from tnc.core.errors import FailedError
from tnc.reports import client
from tnc.reports.client import ReportClient
from tnc.reports.query import ReportQuery

VISITS = ReportQuery(metrics=("visits",))


@pytest.fixture
async def reports(tmp_path: Path) -> AsyncIterator[ReportClient]:
    with ServerProcess(tmp_path / "data") as server:
        server.init()
        made = ReportClient(server.config)
        yield made
        await made.close()


async def started(reports: ReportClient) -> int:
    assert (await reports.fetch(VISITS))["totals"] == {"visits": 0}
    child = reports._child
    assert child is not None
    return child.pid


async def test_a_page_that_waits_too_long_is_refused_and_the_next_one_answered(
    reports: ReportClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.kill(await started(reports), signal.SIGSTOP)

    monkeypatch.setattr(client, "PAGE_SECONDS", 0.6)
    with pytest.raises(FailedError, match="not here after 1 seconds"):
        await reports.fetch_page(VISITS, VISITS)

    assert (await reports.fetch(VISITS))["totals"] == {"visits": 0}


async def test_a_child_that_gets_no_time_is_replaced_by_one_outside_the_idle_class(
    reports: ReportClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_IDLE_SECONDS", 60.0)  # a busy machine may take long to start it
    first = await started(reports)
    assert os.sched_getscheduler(first) == os.SCHED_IDLE
    monkeypatch.setattr(client, "_IDLE_SECONDS", 0.3)
    os.kill(first, signal.SIGSTOP)

    assert (await asyncio.wait_for(reports.fetch(VISITS), 30))["totals"] == {"visits": 0}

    child = reports._child
    assert child is not None
    assert child.pid != first
    assert os.sched_getscheduler(child.pid) == os.SCHED_OTHER


async def test_a_report_does_not_wait_for_clicks_to_be_copied(
    reports: ReportClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_IDLE_SECONDS", 0.3)
    os.kill(await started(reports), signal.SIGSTOP)
    copying = asyncio.create_task(reports.catch_up())
    await asyncio.sleep(0.1)

    assert (await asyncio.wait_for(reports.fetch(VISITS), 30))["totals"] == {"visits": 0}

    await asyncio.wait_for(copying, 5)
    await reports.catch_up()
