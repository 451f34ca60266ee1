"""Measures the CPU and latency of a complete, encrypted, durable click against a bare aiohttp 302 and without recording.

    python bench/click_cost.py [--rounds 5] [--seconds 3]

The server runs on core 0, the generator on core 1; a new connection for every click; A B A B. Results are medians over
rounds, also of ratios, because within one round the load of the machine is the same.
"""

import argparse
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from functools import partial
from operator import truediv
from pathlib import Path
from statistics import median

from servers import RECORDED, UNRECORDED, Server, bare, machine, sit_apart, tnc

RATE = 500
ABREAST = (1, 8, 32, 128)
LOADS = {
    **{f"{number} at once": partial(Server.in_turn, abreast=number) for number in ABREAST},
    **{f"{rate} a second": partial(Server.at_rate, per_second=rate) for rate in (200, 500, 1000, 2000)},
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=3.0)
    given = options.parse_args()
    sit_apart()
    print(machine())
    cpu: dict[tuple[str, str], list[float]] = defaultdict(list)
    latency: dict[str, list[tuple[float, float]]] = defaultdict(list)
    rates: dict[str, list[float]] = defaultdict(list)
    failed = 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {
            "bare application": stack.enter_context(bare("application")),
            "bare server": stack.enter_context(bare("server")),
            "tnc": stack.enter_context(tnc(Path(folder) / "a", RECORDED)),
            "tnc unrecorded": stack.enter_context(tnc(Path(folder) / "b", UNRECORDED)),
        }
        for server in servers.values():
            server.in_turn(8, 1.0)
        for _ in range(given.rounds):
            for load, come in LOADS.items():
                for name, server in servers.items():
                    measured = come(server, seconds=given.seconds)
                    cpu[name, load].append(measured.cpu_us)
                    rates[name].append(measured.answers.per_second)
                    failed += measured.answers.failed
            for name, server in servers.items():
                answers = server.at_rate(RATE, given.seconds * 2).answers
                latency[name].append((answers.percentile(0.5), answers.percentile(0.99)))
                failed += answers.failed
    print(f"\nCPU us a click, median of {given.rounds} (best)")
    print(
        f"{'clicks':>14}"
        + "".join(f"{name:>22}" for name in servers)
        + f"{'tnc / application':>20}{'tnc / server':>14}"
    )
    for load in LOADS:
        row = "".join(f"{median(cpu[name, load]):>15.0f} ({min(cpu[name, load]):>4.0f})" for name in servers)
        bare_ones = [cpu[f"bare {kind}", load] for kind in ("application", "server")]
        ratios = [median(map(truediv, cpu["tnc", load], theirs)) for theirs in bare_ones]
        print(f"{load:>14}{row}{ratios[0]:>20.2f}{ratios[1]:>14.2f}")
    print(f"\nlatency ms at {RATE}/s, open loop, medians of {given.rounds}")
    for name in servers:
        p50, p99 = (median(each[which] for each in latency[name]) for which in (0, 1))
        print(f"{name:>20}  p50 {p50:.2f}  p99 {p99:.2f}  most clicks a second {max(rates[name]):.0f}")
    pairs = list(zip(latency["tnc"], latency["tnc unrecorded"], strict=True))
    print(
        f"recorded against unrecorded, median of the rounds: p50 {median(a[0] - b[0] for a, b in pairs):+.2f} ms, "
        f"p99 x {median(a[1] / b[1] for a, b in pairs):.2f}; failed requests {failed}"
    )


if __name__ == "__main__":
    main()
