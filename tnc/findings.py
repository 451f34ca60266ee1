"""What an examination finds: what is wrong, how badly, and what to type."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`fix` is what to type or do; empty when nothing is wrong. With a `subject` it is worth a mail, and that is what
    the mail is about.
    """

    check: str
    state: State
    text: str
    fix: str = ""
    subject: str = ""


def ok(check: str, text: str) -> Finding:
    return Finding(check=check, state="ok", text=text)
