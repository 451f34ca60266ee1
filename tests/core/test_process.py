"""Process setup before the first thread."""

import subprocess
import sys

READS_AT_ONCE = """
import sys, threading
import msgspec
import tnc.app
from tnc.core.models import Click
from tnc.core.process import warm_up_msgspec

sys.setswitchinterval(0.0005)
warm_up_msgspec()
start = threading.Barrier(8)

def read():
    start.wait()
    msgspec.json.decode(b'{"click_id":"a","clicked_at_ms":1,"campaign":"c","visit":{"visited_at_ms":1}}', type=Click)

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("all have read")
"""


def test_threads_can_read_the_first_records_at_the_same_time() -> None:
    done = subprocess.run([sys.executable, "-c", READS_AT_ONCE], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "all have read\n"), done.stderr
