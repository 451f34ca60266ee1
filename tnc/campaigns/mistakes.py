"""What is wrong with a value, where it stands, and how both are said."""

import difflib
import json
from collections.abc import Iterable, Sequence
from datetime import date, time

Part = str | int


class WrongError(Exception):
    """One value cannot be used: every reason, each with the way from that value down to where it stands."""

    def __init__(self, *problems: tuple[tuple[Part, ...], str]) -> None:
        super().__init__(*(text for _, text in problems))
        self.problems = problems

    def below(self, part: Part) -> "WrongError":
        return WrongError(*(((part, *path), text) for path, text in self.problems))


def wrong(text: str, *path: Part) -> WrongError:
    """`text` continues a sentence that begins with the key: "must be ..., not ..."."""
    return WrongError((path, text))


class Gathering:
    """Collects what is wrong with the parts of a whole, so that its reader hears of all of it at once."""

    def __init__(self) -> None:
        self.problems: list[tuple[tuple[Part, ...], str]] = []

    def add(self, error: WrongError) -> None:
        self.problems += error.problems

    def finish(self) -> None:
        """Raises WrongError when anything was added."""
        if self.problems:
            raise WrongError(*self.problems)


def where(path: Iterable[Part]) -> str:
    """`("landers", 0, "weight")` -> `landers[0].weight`"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def show(value: object) -> str:
    """A value for a sentence: short, on one line, and never with a control character for the terminal."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= 60 else value[:57] + "..."
            quoted = json.dumps(cut, ensure_ascii=False)
            return "".join(char if char.isprintable() else char.encode("unicode-escape").decode() for char in quoted)
        case int() if abs(value) >= 2**63:
            return "a number that is too large"
        case int() | float():
            return str(value)
        case dict():
            return "a table"
        case list():
            return "a list" if value else "an empty list"
        case date() | time():
            return "a date or time without quotes"
        case _:
            return "nothing"


def name(key: str) -> str:
    """A key as it is written: bare where TOML lets it be."""
    return key if key.isascii() and key.replace("-", "").replace("_", "").isalnum() and len(key) <= 60 else show(key)


def nearest(word: str, words: Iterable[str]) -> str:
    """`; did you mean "offers"?` or nothing. Long words are no slips of the pen."""
    close = difflib.get_close_matches(word, list(words), n=1) if len(word) <= 64 else []
    return f"; did you mean {show(close[0])}?" if close else ""


def one_of(words: Sequence[str]) -> str:
    """`"a", "b" or "c"`"""
    *most, last = map(show, words)
    return f"{', '.join(most)} or {last}" if most else last


def listed(words: Sequence[str], limit: int = 12) -> str:
    """`"a", "b", "c"`; of many words the first, and how many more there are."""
    shown = ", ".join(map(show, words[:limit]))
    return f"{shown} and {len(words) - limit} more" if len(words) > limit else shown
