"""`python -m tests.formats.further_tnc`: the program with the further formats, in a process of its own."""

from tests.formats.further import FURTHER_CONTROL, FURTHER_DAY
from tnc.cli.main import main
from tnc.store import database as control
from tnc.store.days import schema

control.CONTROL = FURTHER_CONTROL  # type: ignore[misc]
schema.DAY = FURTHER_DAY  # type: ignore[misc]

if __name__ == "__main__":
    main()
