"""What a running server must hear of at once when something in its workspace changes."""

from datetime import date as Date
from typing import Final, Protocol

from tnc.tracking.conversions.record import RecordedConversion


class Listener(Protocol):
    """Called by the code that makes a change, in its thread; a method returns once the server has taken it in."""

    def configured(self, version: int) -> None:
        """A new version of the configuration is stored."""

    def converted(self, recorded: RecordedConversion) -> None:
        """A conversion, or a change of one, is stored; also called when it was refused or changed nothing."""

    def erased(self, visitors: frozenset[str]) -> None:
        """The clicks of these visitors (pseudonyms) are erased."""

    def objected(self) -> None:
        """The stored opt-outs have changed."""

    def day_retiring(self, date: Date) -> None:
        """The keys and files of a day are removed next: nothing may be sealed for it any more."""

    def keys_renewed(self) -> None:
        """Keys of some days were replaced or destroyed: what was sealed with them must be opened again."""


class NoListener:
    """For a command that runs while no server does."""

    def configured(self, version: int) -> None: ...

    def converted(self, recorded: RecordedConversion) -> None: ...

    def erased(self, visitors: frozenset[str]) -> None: ...

    def objected(self) -> None: ...

    def day_retiring(self, date: Date) -> None: ...

    def keys_renewed(self) -> None: ...


NO_LISTENER: Final = NoListener()
