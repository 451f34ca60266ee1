"""The click, the start and the memory of this checkout against another one.

    python bench/against.py OTHER_CHECKOUT [--rounds 8] [--seconds 3] [--starts 8]

Both servers run on core 0 with the demo's campaigns and get the same visitors, the load generator runs on core 1. The
loads go to the one and to the other in turn, in alternating order, so that whatever else runs beside them slows both
alike. Results are medians of the ratios of each round.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from servers import PINNED, Server, machine, sit_apart

from tnc.admin.bench.server_process import ServerProcess, cpu_seconds, memory_mb
from tnc.admin.demo.traffic import CAMPAIGN_FILE

HERE = Path(__file__).resolve().parent.parent
LOADS = {
    "one at a time": partial(Server.in_turn, abreast=1),
    "32 at once": partial(Server.in_turn, abreast=32),
    "200 a second": partial(Server.at_rate, per_second=200),
    "500 a second": partial(Server.at_rate, per_second=500),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("other", type=Path)
    options.add_argument("--rounds", type=int, default=8)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--starts", type=int, default=8)
    given = options.parse_args()
    sit_apart()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        checkouts = {"other": given.other.resolve(), "here": HERE}
        servers = {
            name: stack.enter_context(prepared(Path(folder) / name, checkout)) for name, checkout in checkouts.items()
        }
        starts(servers, given.starts)
        if given.rounds:
            clicks(servers, given.rounds, given.seconds)
    print(machine())


def prepared(folder: Path, checkout: Path) -> ServerProcess:
    """An initialised server of a checkout, not started."""
    start = f"import sys; sys.path.insert(0, {str(checkout)!r}); from tnc.__main__ import main; main()"
    made = ServerProcess(folder / "data", before=PINNED, python=(sys.executable, "-c", start))
    made.init()
    made.apply(CAMPAIGN_FILE)
    return made


def in_turn(servers: dict[str, ServerProcess], number: int) -> list[str]:
    return sorted(servers, reverse=bool(number % 2))


def starts(servers: dict[str, ServerProcess], rounds: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in servers}
    cpu: dict[str, list[float]] = {name: [] for name in servers}
    memory: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds):
        for name in in_turn(servers, number):
            began = time.perf_counter()
            servers[name].serve()
            seconds[name].append(time.perf_counter() - began)
            cpu[name].append(cpu_seconds(servers[name].pid))
            time.sleep(2.0)
            memory[name].append(memory_mb(servers[name].pid))
            servers[name].stop()
    row("start, s", seconds)
    row("start, CPU s", cpu)
    row("resident memory, MB", memory)


def clicks(servers: dict[str, ServerProcess], rounds: int, seconds: float) -> None:
    running: dict[str, Server] = {}
    for name, server in servers.items():
        server.serve()
        running[name] = Server(server.tracking, server.pid)
        running[name].in_turn(8, 1.0)
    cpu = {load: {name: list[float]() for name in servers} for load in LOADS}
    p50 = {load: {name: list[float]() for name in servers} for load in LOADS}
    p99 = {load: {name: list[float]() for name in servers} for load in LOADS}
    failed = 0
    for number in range(rounds):
        for load, send in LOADS.items():
            for name in in_turn(servers, number):
                measured = send(running[name], seconds=seconds)
                cpu[load][name].append(measured.cpu_us)
                p50[load][name].append(measured.answers.percentile(0.5))
                p99[load][name].append(measured.answers.percentile(0.99))
                failed += measured.answers.failed
    for load in LOADS:
        row(f"{load}, CPU us a click", cpu[load])
        row(f"{load}, p50 ms", p50[load])
        row(f"{load}, p99 ms", p99[load])
    row("memory after, MB", {name: [memory_mb(server.pid)] for name, server in servers.items()})
    print(f"failed requests: {failed}")


def row(title: str, figures: dict[str, list[float]]) -> None:
    ratios = [mine / theirs for mine, theirs in zip(figures["here"], figures["other"], strict=True)]
    print(
        f"{title:<32} other {median(figures['other']):8.2f}   here {median(figures['here']):8.2f}   "
        f"ratio {median(ratios):.3f}  ({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


if __name__ == "__main__":
    main()
