"""`tnc` with a click log that keeps nothing and answers at once: the other half of what recording costs."""

from tnc.cli import main
from tnc.model import Click, WorkspaceId
from tnc.store.clicklog import ClickLog, Done


def forget(_log: ClickLog, _workspace: WorkspaceId, _click: Click, done: Done) -> None:
    done(durable=True)


ClickLog.submit = forget  # type: ignore[method-assign]
main()
