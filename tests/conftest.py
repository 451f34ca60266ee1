"""What all tests share: Hypothesis judges laws, not the speed of the machine it runs on."""

import os
import posix
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("tnc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tnc")


@pytest.fixture(autouse=True, scope="session")
def _nobody_stands_back() -> Iterator[None]:
    """A command that stands back for good must not do so to all tests after it, and to what they start."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "nice", lambda _more: 0)
        patched.setattr(os, "sched_setscheduler", lambda *_: None)
        yield


@pytest.fixture
def threads_stand_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests whose threads do so and end."""
    monkeypatch.setattr(os, "nice", posix.nice)
