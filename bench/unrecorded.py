"""`tnc` with a click log that keeps nothing and answers at once: the other half of what recording costs."""

from tnc.cli.main import main
from tnc.store.days.click_log import ClickLog, Done


def forget(_log: ClickLog, _workspace: object, _clicked_at_ms: int, _make: object, done: Done) -> None:
    done(durable=True)


ClickLog.submit = forget  # type: ignore[method-assign]
main()
