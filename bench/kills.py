"""Counts lost clicks after repeated `kill -9` under load.

    python bench/kills.py [--kills 100]

There is one data directory. Each run of the server takes clicks from 16 visitors at a time until it is killed at a random
time, 0.2 to 1.2 seconds after its start.
"""

import argparse
import json
import math
import random
import re
import tempfile
import threading
import time
from pathlib import Path

from servers import machine, prepared_server

from tnc.admin.bench.load import Crowd
from tnc.admin.bench.server_process import ServerProcess
from tnc.admin.bench.visitors import visitors

_REDIRECT = re.compile(rb"HTTP/1\.1 302 .*\r\nLocation: [^\r]*?[?&](?:s2|click|cid)=([0-9a-z]+)", re.DOTALL)


class Life:
    """Clicks from the start of a server to its end."""

    def __init__(self, made: ServerProcess, seed: int) -> None:
        self._answered: list[tuple[float, str]] = []
        self._stop = threading.Event()
        self._crowd = Crowd(made.tracking, visitors(seed, host="go.example"), self._hear)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _hear(self, answer: bytes) -> None:
        found = _REDIRECT.match(answer)
        if found is not None:
            self._answered.append((time.perf_counter(), found[1].decode()))

    def _run(self) -> None:
        while not self._stop.is_set():
            self._crowd.in_turn(16, 0.05)
        self._crowd.close()

    def end(self, before: float = math.inf) -> list[str]:
        """Those who were answered, before a moment if one is given."""
        self._stop.set()
        self.thread.join()
        return [click_id for at, click_id in self._answered if at < before]


def recorded(made: ServerProcess) -> list[str]:
    done = made.command("clicks", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["click_id"] for line in done.stdout.split("\n") if line]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=100)
    given = options.parse_args()
    chance = random.Random(9)
    print(machine())
    answered: list[str] = []
    with tempfile.TemporaryDirectory() as folder, prepared_server(Path(folder), before=()) as made:
        for number in range(given.kills):
            made.serve()
            life = Life(made, number)
            life.thread.join(chance.uniform(0.2, 1.2))
            made.kill()
            answered += life.end()
            if number % 10 == 9:
                print(f"{number + 1} kills, {len(answered)} clicks answered", flush=True)
        made.serve()
        made.stop()
        stored = recorded(made)
        lost = set(answered) - set(stored)
        print(
            f"{given.kills} kills, {len(answered)} answered, {len(stored)} stored, {len(lost)} lost, {len(stored) - len(set(stored))} doubled"
        )
        explained = made.command("explain", *random.Random(1).sample(stored, min(200, len(stored))), "--json")
        same = [json.loads(line)["same"] for line in explained.stdout.split("\n") if line]
        print(f"explained again: {sum(same)} of {len(same)} the same")
    raise SystemExit(1 if lost else 0)


if __name__ == "__main__":
    main()
