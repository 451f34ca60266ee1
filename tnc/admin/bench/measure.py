"""Measurements of a machine: clicks per second, latency, size, and duration of a report."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from tnc.admin.bench.load import Answers, Crowd
from tnc.admin.bench.server_process import ServerProcess, cpu_seconds, memory_mb
from tnc.admin.bench.visitors import visitors
from tnc.admin.demo.traffic import CAMPAIGN_FILE
from tnc.reports.client import ReportClient
from tnc.reports.query import ReportQuery

ABREAST: Final = 32
CALM: Final = 500.0  # clicks per second at which the latency is measured, or half of what the machine can do
_REPORT: Final = ReportQuery(by=("campaign", "country", "device"), start="today")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What `tnc bench` prints. The load generator runs on the same machine and uses a part of it."""

    seconds: float  # of each measurement
    start_ms: float  # from the command line to the first answered click
    clicks_per_second: float  # answered, each durable before its reply
    cpu_us_per_click: float
    at_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    memory_mb: float
    clicks: int
    first_report_ms: float  # it makes the columns of all these clicks
    report_ms: float
    bytes_per_click: float


def measure(folder: Path, seconds: float) -> Figures:
    """Runs a server on a data directory in `folder`; takes a little more than four times `seconds`."""
    with ServerProcess(folder / "data") as server:
        server.init()
        server.apply(CAMPAIGN_FILE)
        begun = time.perf_counter()
        server.serve()
        first = _crowd(server, 0, lambda crowd: crowd.in_turn(1, 0.001))
        start_ms = (time.perf_counter() - begun) * 1000
        warm = _crowd(server, 1, lambda crowd: crowd.in_turn(ABREAST, seconds / 4))
        before = cpu_seconds(server.pid)
        most = _crowd(server, 2, lambda crowd: crowd.in_turn(ABREAST, seconds))
        cpu = cpu_seconds(server.pid) - before
        rate = min(CALM, most.per_second / 2)
        calm = _crowd(server, 3, lambda crowd: crowd.at_rate(rate, seconds))
        memory = memory_mb(server.pid)
        first_report_ms, report_ms = asyncio.run(_reports(server.config, seconds))
        server.stop()
        crowds = (first, warm, most, calm)
        clicks = sum(len(each.latencies_ms) for each in crowds)
        return Figures(
            seconds=seconds,
            start_ms=start_ms,
            clicks_per_second=most.per_second,
            cpu_us_per_click=cpu / max(len(most.latencies_ms), 1) * 1e6,
            at_per_second=rate,
            p50_ms=calm.percentile(0.5),
            p99_ms=calm.percentile(0.99),
            failed=sum(each.failed for each in crowds),
            memory_mb=memory,
            clicks=clicks,
            first_report_ms=first_report_ms,
            report_ms=report_ms,
            bytes_per_click=size_of(server.data) / clicks,
        )


def _crowd(server: ServerProcess, seed: int, send: Callable[[Crowd], Answers]) -> Answers:
    crowd = Crowd(server.tracking, visitors(seed, host="go.example"))
    try:
        return send(crowd)
    finally:
        crowd.close()


async def _reports(config: Path, seconds: float) -> tuple[float, float]:
    """Milliseconds of the first report, and the median of the following ones."""
    reporter = ReportClient(config)
    try:
        first_ms = await _report_ms(reporter)
        times, end = [await _report_ms(reporter)], time.perf_counter() + seconds
        while time.perf_counter() < end:
            times.append(await _report_ms(reporter))
        return first_ms, median(times)
    finally:
        await reporter.close()


async def _report_ms(reporter: ReportClient) -> float:
    begun = time.perf_counter()
    await reporter.fetch(_REPORT)
    return (time.perf_counter() - begun) * 1000


def size_of(folder: Path) -> int:
    """Size in bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
