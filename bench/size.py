"""Measures bytes per click over all stores, memory, and the time from start to the first click.

    python bench/size.py [--clicks 100000]

The clicks are those of the demo's campaigns, sent to the real server, each with its own id and IP address; one in fifty
converts. The columns are made as reports make them. Then the server is started again with this data.
"""

import argparse
import asyncio
import re
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from servers import machine, prepared_server, sit_apart

from tnc.admin.bench.load import Crowd
from tnc.admin.bench.measure import size_of
from tnc.admin.bench.server_process import ServerProcess, memory_mb
from tnc.admin.bench.visitors import visitors
from tnc.reports.client import ReportClient
from tnc.reports.query import ReportQuery

_ID = re.compile(rb"[?&](?:s2|click|cid)=([0-9a-z]+)")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clicks", type=int, default=100_000)
    given = options.parse_args()
    sit_apart()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, prepared_server(Path(folder)) as made:
        empty = size_of(made.data)
        print(f"start to first click, no clicks yet: {start_ms(made):.0f} ms")
        print(f"resident, no clicks yet: {memory_mb(made.pid):.0f} MB")
        ids = send(made, given.clicks)
        for click_id in ids[::50]:
            convert(made, click_id)
        print(f"resident after {len(ids)} clicks: {memory_mb(made.pid):.0f} MB")
        asyncio.run(catch_up(made.config))
        print(f"resident after a report: {memory_mb(made.pid):.0f} MB")
        made.stop()
        total = 0
        for store in sorted(made.data.iterdir()):
            size = size_of(store) if store.is_dir() else store.stat().st_size
            total += size
            print(f"{store.name:>14} {size:>12} bytes {size / len(ids):>8.1f} a click")
        print(
            f"{'all':>14} {total:>12} bytes {total / len(ids):>8.1f} a click; {(total - empty) / len(ids):.1f} of them added by clicks"
        )
        for _ in range(3):
            print(f"start to first click, {len(ids)} clicks: {start_ms(made):.0f} ms, {memory_mb(made.pid):.0f} MB")
            made.stop()


def start_ms(made: ServerProcess) -> float:
    begun = time.perf_counter()
    made.serve()
    crowd = Crowd(made.tracking, visitors(0, host="go.example"))
    crowd.in_turn(1, 0.001)
    crowd.close()
    return (time.perf_counter() - begun) * 1000


def send(made: ServerProcess, number: int) -> list[str]:
    heard: list[bytes] = []
    crowd = Crowd(made.tracking, visitors(1, host="go.example"), heard.append)
    while len(heard) < number:
        crowd.in_turn(32, 0.5)
    crowd.close()
    return [found[1].decode() for answer in heard if (found := _ID.search(answer))]


def convert(made: ServerProcess, click_id: str) -> None:
    host, port = made.tracking
    with urlopen(
        f"http://{host}:{port}/postback?cid={click_id}&payout=12.50&currency=USD&txid=T-{click_id[-8:]}"
    ) as answer:
        assert answer.read() == b"ok"


async def catch_up(config: Path) -> None:
    reporter = ReportClient(config)
    await reporter.fetch(ReportQuery(by=("campaign", "country"), start="today"))
    await reporter.close()


if __name__ == "__main__":
    main()
