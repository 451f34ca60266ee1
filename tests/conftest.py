"""For all tests: Hypothesis profiles, temporary folders in memory, the `e2e` marker, and an unchanged priority."""

import os
import posix
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from tnc.store import workspace
from tnc.visitors.user_agent import UserAgentReader

E2E: Final = Path(__file__).parent / "e2e"
MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 2 << 30  # the whole suite on four workers uses less than a tenth of it

# A law does not depend on the speed of the machine. More examples: pytest --hypothesis-profile=thorough
settings.register_profile("tnc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("tnc"), max_examples=2000)
settings.load_profile("tnc")


# ------------------------------------------------------------------------------------------- temporary folders


def pytest_configure(config: pytest.Config) -> None:
    """Make `tmp_path` in memory where there is room for it.

    tnc syncs every commit and every key to the disk, and most tests would wait for that and do nothing else. What must
    lie on a disk uses `real_disk`. `--basetemp` or PYTEST_DEBUG_TEMPROOT chooses another place.
    """
    if config.option.basetemp is None and "PYTEST_DEBUG_TEMPROOT" not in os.environ and _has_room(MEMORY):
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)
    sys.addaudithook(_refuse_unmarked_servers)


def _has_room(folder: Path) -> bool:
    """Containers often have 64 MB there, and small machines little memory."""
    try:
        free = shutil.disk_usage(folder).free
        available = next(
            int(line.split()[1]) << 10
            for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
            if line.startswith("MemAvailable:")
        )
    except (OSError, StopIteration):
        return False
    return min(free, available) >= ROOM_BYTES


@pytest.fixture
def real_disk() -> Iterator[Path]:
    """A temporary folder that is not in memory: for tests of what a disk keeps."""
    with tempfile.TemporaryDirectory(prefix="tnc-test-") as folder:
        yield Path(folder)


# ------------------------------------------------------------------------------------------------- the marker

_running: list[pytest.Item] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(E2E):
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.remove(item)


def _refuse_unmarked_servers(event: str, args: tuple[Any, ...]) -> None:
    """`-m 'not e2e'` is the quick run: a test that starts `tnc serve` or a browser must carry the marker."""
    if event == "subprocess.Popen" and _running and _running[-1].get_closest_marker("e2e") is None:
        words = [os.fsdecode(word) for word in args[1]] if isinstance(args[1], list | tuple) else []
        if "serve" in words or any(Path(word).name in {"chromium", "chromedriver"} for word in words[:1]):
            raise AssertionError(f"{_running[-1].nodeid} starts {' '.join(words)} and has no e2e marker")


# ------------------------------------------------------------------------------------------- shared by all tests


@pytest.fixture(autouse=True, scope="session")
def _share_user_agent_reader() -> Iterator[None]:
    """Compile the patterns of user agents once for all workspaces: 0.2 s of CPU each, and they never change."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workspace, "UserAgentReader", cache(UserAgentReader))
        yield


# --------------------------------------------------------------------------------------------------- priority


@pytest.fixture(autouse=True, scope="session")
def _keep_priority() -> Iterator[None]:
    """A command that lowers its priority would lower that of all tests after it, and of what they start."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "nice", lambda _more: 0)
        patched.setattr(os, "sched_setscheduler", lambda *_: None)
        yield


@pytest.fixture
def real_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests whose threads lower their own priority and end."""
    monkeypatch.setattr(os, "nice", posix.nice)
