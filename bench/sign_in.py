"""Signing in: does the time of an answer tell who has an account, and what does a flood of tries do to clicks?

    python bench/sign_in.py [--tries 60] [--rounds 5] [--seconds 10] [--rate 300]

Time: the real server over HTTP, an unknown address and a wrong password by turns, so that whatever else runs beside
it concerns both alike; the throttle, which would let 30 a minute through, is taken out for that. Told is the ratio of the
medians, and of both beside what chance makes of two halves of the same.

Flood: clicks at a fixed rate, A B A B without and with 50 tries a second to sign in from three networks, with the throttle
as it is; the owner signs in from a fourth network meanwhile. The server is on core 0, everybody else on core 1.
"""

import argparse
import http.client
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Self
from urllib.parse import urlencode

from servers import PINNED, RECORDED, Server, machine, sit_apart

from tnc.admin.bench.server_process import ServerProcess
from tnc.admin.demo.traffic import CAMPAIGN_FILE

EMAIL, PASSWORD = "owner@example.com", "correct horse battery staple"
UNTHROTTLED = (sys.executable, str(Path(__file__).with_name("unthrottled.py")))
TRIES_A_SECOND = 50


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tries", type=int, default=60)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--rate", type=float, default=300)
    given = options.parse_args()
    print(machine())
    sit_apart()
    with tempfile.TemporaryDirectory() as folder:
        told_by_time(Path(folder) / "time", given.tries)
        flooded(Path(folder) / "flood", given.rounds, given.seconds, given.rate)
    print(machine())


def sign_in(made: ServerProcess, email: str, password: str, network: str) -> tuple[int, float]:
    """Status, and milliseconds."""
    connection = http.client.HTTPConnection(*made.dashboard, timeout=60)
    body = urlencode({"email": email, "password": password})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": network}
    before = time.perf_counter()
    connection.request("POST", "/sign-in", body, headers)
    answer = connection.getresponse()
    answer.read()
    took = (time.perf_counter() - before) * 1000
    connection.close()
    return answer.status, took


def owned(folder: Path, python: tuple[str, ...] = RECORDED) -> ServerProcess:
    """With an owner whose password is known, and the demo's campaigns."""
    made = ServerProcess(folder / "data", before=PINNED, python=python)
    free = ("--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0", "--trusted-proxy", "127.0.0.0/8")
    words = (*RECORDED, "init", "--data", str(made.data), *free, "--owner-email", EMAIL, "--owner-password-stdin")
    subprocess.run(words, input=PASSWORD + "\n", capture_output=True, text=True, check=True)
    made.apply(CAMPAIGN_FILE)
    return made


def told_by_time(folder: Path, tries: int) -> None:
    with owned(folder, UNTHROTTLED) as made:
        made.serve()
        for _ in range(2):  # what the first page costs has nothing to do with who asks
            http.client.HTTPConnection(*made.dashboard).request("GET", "/sign-in")
            time.sleep(1)
        first = sign_in(made, "first@example.com", "not it at all", "192.0.2.1")
        took: dict[str, list[float]] = {"unknown address": [], "wrong password": []}
        for number in range(tries):
            for name, email in (("unknown address", f"{number}@example.com"), ("wrong password", EMAIL)):
                status, ms = sign_in(made, email, f"not it {number}", f"192.0.2.{number}")
                assert status == 401, status
                took[name].append(ms)
    middles = {name: median(each) for name, each in took.items()}
    for name, middle in middles.items():
        print(f"{name:16} median {middle:7.1f} ms of {tries}")
    print(f"ratio of the two   {middles['unknown address'] / middles['wrong password']:.3f} (target: 0.9 to 1.1)")
    for name, each in took.items():
        print(f"two halves of {name}: {median(each[::2]) / median(each[1::2]):.3f}")
    print(f"the first unknown address after the start: {first[1]:.1f} ms")


class Flood:
    """So many tries a second from three networks, with other names each time, until it is told to stop."""

    def __init__(self, made: ServerProcess) -> None:
        self._made = made
        self._stop = threading.Event()
        self.statuses: list[int] = []
        self._threads = [threading.Thread(target=self._flow, args=(lane,)) for lane in range(10)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _flow(self, lane: int) -> None:
        due, number = time.monotonic() + lane / TRIES_A_SECOND, 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            number += 1
            due += len(self._threads) / TRIES_A_SECOND
            email = EMAIL if number % 2 else f"{lane}-{number}@example.com"
            try:
                self.statuses.append(sign_in(self._made, email, "not it", f"198.51.{lane % 3}.7")[0])
            except OSError:
                self.statuses.append(0)


def flooded(folder: Path, rounds: int, seconds: float, rate: float) -> None:
    with owned(folder) as made:
        made.serve()
        server = Server(made.tracking, made.pid)
        server.at_rate(rate, 2)
        idle, busy, statuses, owner = [], [], [], []
        for number in range(rounds):
            idle.append(server.at_rate(rate, seconds).answers)
            with Flood(made) as flood:
                time.sleep(1)
                busy.append(server.at_rate(rate, seconds).answers)
                owner.append(sign_in(made, EMAIL, PASSWORD, f"203.0.113.{number}"))
            statuses += flood.statuses
    for name, each in (("without", idle), ("beside a flood", busy)):
        p50, p99 = (median(answers.percentile(share) for answers in each) for share in (0.5, 0.99))
        print(
            f"clicks {name:15} p50 {p50:6.2f} ms, p99 {p99:6.2f} ms, failed {sum(answers.failed for answers in each)}"
        )
    ratios = [after.percentile(0.99) / before.percentile(0.99) for before, after in zip(idle, busy, strict=True)]
    print(
        f"p99, ratio of each pair {', '.join(f'{each:.2f}' for each in ratios)}: median {median(ratios):.2f} (target: 2)"
    )
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    print(f"answers to the flood {counts}, {len(statuses) / (rounds * (seconds + 1)):.0f} a second")
    print(f"the owner from elsewhere: {[status for status, _ in owner]}, {median(ms for _, ms in owner):.0f} ms")


if __name__ == "__main__":
    main()
