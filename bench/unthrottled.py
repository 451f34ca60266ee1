"""`tnc` without the limit of sign-in attempts, to measure the time of many attempts."""

from tnc.cli.main import main
from tnc.web.dashboard.login_throttle import Throttle


def never(_throttle: Throttle, _who: object, *, now_ms: int) -> int:  # noqa: ARG001 - as the real one
    return 0


Throttle.wait_ms = never  # type: ignore[method-assign]
main()
